//! Servers that are killed: nothing that was answered is lost, nothing is done twice.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use questline_core::event::{Event, Inbound, Message};
use questline_core::message::Outbound;
use questline_core::outbox::{Content, OutboxMessage};
use questline_core::port::{Conversations, Desk, Inbox, Outbox, StoreError};
use questline_store::redis::RedisStore;

use crate::fixtures::*;
use crate::redis_server::RedisServer;

const PLAYERS: u64 = 20;

fn said(event: &Event) -> &str {
    match event {
        Event::Message(Message { content: Inbound::Text(text), .. }) => text,
        other => panic!("not a text: {}", other.kind()),
    }
}

fn body(message: &OutboxMessage) -> &str {
    match &message.message.content {
        Content::Reply { message: Outbound::Text { body, .. }, .. } => body,
        other => panic!("not a text: {}", other.kind()),
    }
}

/// Answers each event with a message that repeats it, for as long as it runs.
async fn runner(store: Arc<RedisStore>) {
    loop {
        let Ok(ready) = store.take(4).await else { return };
        for ready in ready {
            if let Ok(work) = store.load(ready.conversation, 4).await
                && let Some(entry) = work.events.first()
            {
                let mut commit = commit_of(&work);
                commit.outbox = vec![reply(said(&entry.event))];
                // Stale, or not available: whatever is true is found at the next load.
                let _ = store.commit(commit).await;
            }
            let _ = store.release(ready.conversation, None).await;
        }
        tokio::task::yield_now().await;
    }
}

/// Meta: sends each message again until it is acknowledged.
async fn sender(store: Arc<RedisStore>, player: u64, done: Arc<AtomicBool>, acknowledged: Arc<AtomicU64>) -> u64 {
    let mut sent = 0;
    while !done.load(Ordering::Relaxed) {
        until_back(|| store.append(batch(vec![text(player, sent)]))).await;
        sent += 1;
        acknowledged.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
    sent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_and_repeats_nothing() {
    const KILLS: u64 = 6;
    let mut server = RedisServer::start();
    let store = Arc::new(open(&server.url()).await);
    let (done, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let senders = (0..PLAYERS).map(|player| tokio::spawn(sender(store.clone(), player, done.clone(), acknowledged.clone())));
    let senders = senders.collect::<Vec<_>>();
    let runners = (0..4).map(|_| tokio::spawn(runner(store.clone()))).collect::<Vec<_>>();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let taker = tokio::spawn({
        let store = store.clone();
        async move {
            loop {
                for message in until_back(|| store.take_messages(16)).await {
                    let _ = tell.send((message.id, body(&message).to_owned()));
                }
            }
        }
    });

    let mut handed = Vec::new();
    for kill in 1..=KILLS {
        // In the midst of it: so many more were acknowledged, and some were answered.
        while acknowledged.load(Ordering::Relaxed) < kill * 300 || handed.len() < kill as usize * 100 {
            handed.push(told.recv().await.unwrap());
        }
        let mut ending = tokio::task::spawn_blocking(move || {
            server.kill();
            server.start_again();
            server
        });
        server = loop {
            tokio::select! {
                server = &mut ending => break server.unwrap(),
                Some(message) = told.recv() => handed.push(message),
            }
        };
    }
    done.store(true, Ordering::Relaxed);
    let mut expected = HashSet::new();
    for (player, sender) in senders.into_iter().enumerate() {
        expected.extend((0..sender.await.unwrap()).map(|id| format!("text {id} of {player}")));
    }
    while handed.len() < expected.len() {
        handed.push(told.recv().await.unwrap());
    }
    taker.abort();
    assert_eq!(handed.iter().map(|(id, _)| id).collect::<HashSet<_>>().len(), handed.len(), "a message was handed out twice");
    let mut times = HashMap::<_, u32>::new();
    handed.iter().for_each(|(_, body)| *times.entry(body.as_str()).or_default() += 1);
    assert!(times.values().all(|times| *times == 1), "a step was done twice");
    assert_eq!(times.into_keys().map(str::to_owned).collect::<HashSet<_>>(), expected, "an acknowledged message was lost");
    // In each conversation in the order of the steps, hence of the texts.
    for player in 0..PLAYERS {
        let suffix = format!(" of {player}");
        let ids = handed.iter().filter_map(|(_, body)| body.strip_prefix("text ")?.strip_suffix(&suffix)?.parse::<u64>().ok());
        assert!(ids.collect::<Vec<_>>().is_sorted(), "out of order");
    }
    runners.iter().for_each(|runner| runner.abort());
    let depth = until_back(|| store.depth()).await;
    assert_eq!((depth.inbox, depth.outbox), (0, expected.len() as u64));
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_and_its_late_writes_are_refused() {
    let server = RedisServer::start();
    let mut hasty = options(&server.url());
    hasty.call_timeout = Duration::from_millis(300);
    hasty.lease_ttl = Duration::from_secs(60);
    let store = RedisStore::open(hasty).await.unwrap().0;
    let id = arrive(&store, 1, 1).await;
    let work = store.load(id, 1).await.unwrap();
    server.stop();
    let mut commit = commit_of(&work);
    commit.outbox = vec![reply("in doubt")];
    assert!(matches!(store.commit(commit.clone()).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.append(batch(vec![text(2, 2)])).await, Err(StoreError::Unavailable(_))));
    server.go_on();
    until_back(|| store.check()).await;
    // Written late or refused: one of the two, and the store knows which.
    assert_eq!(store.commit(commit).await, Err(StoreError::Stale));
    let work = store.load(id, 1).await.unwrap();
    let depth = store.depth().await.unwrap();
    match work.events.len() {
        0 => assert_eq!((work.conversation.version, depth.outbox), (1, 1)),
        _ => assert_eq!((work.conversation.version, depth.outbox), (0, 0)),
    }
    if depth.outbox == 1 {
        assert_eq!(body(&store.take_messages(1).await.unwrap()[0]), "in doubt");
    }
    assert_eq!(store.append(batch(vec![text(3, 3)])).await.unwrap().events, 1);
}

#[tokio::test]
async fn a_server_that_forgets_all_gives_no_name_again() {
    let mut server = RedisServer::start_with(&["--appendonly", "no"]);
    let store = open(&server.url()).await;
    let id = arrive(&store, 1, 1).await;
    let work = store.load(id, 1).await.unwrap();
    let mut commit = commit_of(&work);
    commit.outbox = vec![reply("one"), reply("two")];
    let before = store.commit(commit).await.unwrap().outbox;
    assert_eq!(store.take_messages(1).await.unwrap().len(), 1);
    store.release(id, None).await.unwrap();
    arrive(&store, 1, 2).await;
    let loaded = store.load(id, 1).await.unwrap();

    server.kill();
    server.start_again();
    until_back(|| store.check()).await;
    assert_eq!(store.commit(commit_of(&loaded)).await, Err(StoreError::Stale));
    assert_eq!(store.depth().await.unwrap(), questline_core::port::Depth::default());
    store.release(id, None).await.unwrap();
    // The player writes again, and is answered.
    until_back(|| store.append(batch(vec![text(1, 3)]))).await;
    let again = store.take(9).await.unwrap();
    let work = store.load(again[0].conversation, 9).await.unwrap();
    assert_eq!((work.conversation.version, said(&work.events[0].event)), (0, "text 3 of 1"));
    let mut commit = commit_of(&work);
    commit.outbox = vec![reply("three")];
    commit.outbox[0].committed_at = START.plus_ms(1_000);
    let after = store.commit(commit).await.unwrap().outbox;
    assert!(!before.contains(&after[0]));
    let mut handed = Vec::new();
    while !handed.contains(&"three".to_owned()) {
        handed.extend(store.take_messages(9).await.unwrap().iter().map(|message| body(message).to_owned()));
    }
}
