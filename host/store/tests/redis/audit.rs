//! Records that a crash left between their partition and their game's chain.

use questline_core::audit::{Action, Actor, AuditRecord, Verifier};
use questline_core::port::{Audit, Conversations, Timers};

use crate::fixtures::{START, arrive, commit_of, game, open};
use crate::redis_server::RedisServer;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_in_a_partition_is_linked_once() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
    let conversation = arrive(&store, 1, 1).await;
    let work = store.load(conversation, 1).await.unwrap();
    let mut commit = commit_of(&work);
    let record = AuditRecord::new(START, game(), Actor::Player, Action::ConsentWithdrawn, "in chat");
    commit.audits = vec![record.about(conversation, None, None)];
    store.commit(commit).await.unwrap();
    assert_eq!(store.audit_page(&game(), 0, 9).await.unwrap().entries.len(), 1);

    let partition = conversation.0 % 1_024;
    let stream = format!("ql:{{p{partition}}}:audits");
    let mut redis = server.connect();
    let count = |redis: &mut redis::Connection| redis::cmd("XLEN").arg(&stream).query::<u64>(redis).unwrap();
    assert_eq!(count(&mut redis), 0, "what is linked has left the stream");
    let taken: String = redis::cmd("HGET").arg("ql:{g:starfall}:audit").arg(partition).query(&mut redis).unwrap();

    // A crash after the linking and before the removal: the record stands in the stream, and is in the chain.
    let json = r#"{"at":5,"game":"starfall","conversation":7,"action":"consent-granted","detail":"in chat"}"#;
    let add = |redis: &mut redis::Connection, id: &str| {
        redis::cmd("XADD").arg(&stream).arg(id).arg("c").arg("7").arg("j").arg(json).query::<String>(redis).unwrap()
    };
    redis::cmd("DEL").arg(&stream).exec(&mut redis).unwrap();
    add(&mut redis, &taken);
    assert_eq!(store.audit_page(&game(), 0, 9).await.unwrap().head.count, 1, "not again");
    assert_eq!(count(&mut redis), 0);

    // A crash before the linking: whoever reads first links, and so does the next store.
    add(&mut redis, "*");
    assert_eq!(store.audit_page(&game(), 0, 9).await.unwrap().head.count, 2);
    add(&mut redis, "*");
    store.close().await.unwrap();
    drop(store);
    let store = open(&server.url()).await;
    assert_eq!(store.audit_heads().await.unwrap()[0].1.count, 3);
    let page = store.audit_page(&game(), 0, 9).await.unwrap();
    let mut verifier = Verifier::new(game());
    page.entries.iter().for_each(|entry| verifier.take(entry).unwrap());
    verifier.finish(&page.head).unwrap();
    store.prune(START, 10).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_one_reading_takes_is_linked_in_its_order() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
    let mut redis = server.connect();
    let mut pipe = redis::pipe();
    for n in 0..300 {
        let partition = n % 3;
        let json = format!(r#"{{"at":{n},"game":"starfall","conversation":{partition},"action":"system-notice","detail":"{n}"}}"#);
        pipe.cmd("XADD").arg(format!("ql:{{p{partition}}}:audits")).arg("*").arg("c").arg(partition).arg("j").arg(json).ignore();
    }
    pipe.exec(&mut redis).unwrap();
    let mut verifier = Verifier::new(game());
    let page = store.audit_page(&game(), 0, 500).await.unwrap();
    page.entries.iter().for_each(|entry| verifier.take(entry).unwrap());
    assert_eq!(verifier.finish(&page.head).unwrap().entries(), 300);
    for partition in 0..3 {
        let details = page.entries.iter().filter_map(|entry| entry.details.as_ref());
        let of = details.filter(|details| details.conversation.is_some_and(|id| id.0 == partition));
        let texts: Vec<u64> = of.map(|details| details.text.parse().unwrap()).collect();
        assert_eq!(texts, (0..300).filter(|n| n % 3 == partition).collect::<Vec<_>>());
    }
}
