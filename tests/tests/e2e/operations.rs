//! What a commit asks of the studio's backend: done once it is there, in order, whatever happens to the host; and beside the
//! messages, not in their way.

use questline::app::open_store;
use questline::config::Config;
use questline_core::commit::Commit;
use questline_core::contact::{Address, Contact, PhoneNumber};
use questline_core::event::{Event, SystemChange};
use questline_core::id::{GameId, NumberId, PlayerId};
use questline_core::operation::Operation;
use questline_core::outbox::NewMessage;
use questline_core::port::{Batch, Incoming};
use questline_core::time::UnixMs;
use questline_tests::stage::NUMBER;
use questline_tests::{Engine, Stage, eventually};
use serde_json::json;

use crate::studio::{Answer, SECRET, Studio};
use crate::support::{at_rest, dead_letters, first_dead_letter, now_s, says};

on_both_stores![an_operation_is_done_once_the_backend_is_there, what_the_backend_refuses_waits_for_a_person];

const PHONE: &str = "+15550111";

/// A game whose backend is this studio.
async fn stage(engine: Engine, studio: &Studio) -> Stage {
    let stage = Stage::new(engine).await.allow_host("127.0.0.1").game("cup", NUMBER, "echo-guest", &["reply", "log"], "");
    let secret = stage.dir().join("studio-secret");
    std::fs::write(&secret, SECRET).unwrap();
    let file = stage.game_dir("cup").join("game.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let backend = format!(
        "[backend]\nconnector = \"http\"\nurl = {:?}\nsecret = {{ file = {secret:?} }}\ntimeout_ms = 1000\n\
         [backend.operations.freeze-account]\n[backend.operations.tell]\n",
        studio.url("127.0.0.1")
    );
    std::fs::write(&file, format!("{text}\n{backend}")).unwrap();
    stage
}

/// Commits these operations for the player of a number, as a step of the host would. The host must not run.
async fn commit(stage: &Stage, phone: &str, operations: &[(&str, &str)]) {
    stage.write_config();
    let store = open_store(&Config::load(&stage.config()).unwrap()).await.unwrap();
    let now = UnixMs(now_s() * 1_000);
    let contact = Contact::new(PhoneNumber::parse(phone).ok(), None).unwrap();
    let address = Address { game: GameId::parse("cup").unwrap(), number: NumberId::parse(NUMBER).unwrap(), contact };
    let event = Event::System(SystemChange::Other("test".to_owned()));
    let incoming = Incoming { address, dedup: None, event };
    store.inbox.append(Batch { events: vec![incoming], received_at: now, ..Batch::default() }).await.unwrap();
    let ready = store.conversations.take(1).await.unwrap();
    let work = store.conversations.load(ready[0].conversation, 1).await.unwrap();
    let mut commit = Commit::of(work.conversation.clone(), work.events[0].seq);
    let operation = |(name, key): &(&str, &str)| Operation {
        name: (*name).to_owned(),
        player: PlayerId::parse("ada-1").ok(),
        request: json!({ "why": key }).to_string(),
        idempotency_key: (*key).to_owned(),
    };
    commit.outbox = operations.iter().map(|asked| NewMessage::operation(&work.conversation, operation(asked), now)).collect();
    store.conversations.commit(commit).await.unwrap();
    store.conversations.release(work.conversation.id, None).await.unwrap();
    store.close().await.unwrap();
}

async fn an_operation_is_done_once_the_backend_is_there(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage(engine, &studio).await;
    commit(&stage, PHONE, &[("freeze-account", "k1"), ("tell", "k2"), ("tell", "k3")]).await;
    studio.always("/operations/", Some(Answer::Status(503)));
    let mut host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    eventually("the backend was asked again", async || (studio.calls_of("/operations/freeze-account").len() >= 2).then_some(())).await;
    assert_eq!(says(&ada, "hello").await.text(), "echo: hello", "messages do not wait for the backend");
    assert!(studio.calls_of("/operations/tell").is_empty(), "what comes after waits for what comes before");
    assert!(host.metric("questline_backend_operations_total{game=\"cup\",outcome=\"retry\"}").await >= 1.0);
    host.kill().await;

    let before = studio.calls().len();
    studio.always("/operations/", Some(Answer::Text("{}".to_owned())));
    let host = stage.start().await;
    at_rest(&stage, &host).await;
    let keys: Vec<String> = studio.calls()[before..].iter().map(|call| call.idempotency_key.clone().unwrap()).collect();
    assert_eq!(keys, ["k1", "k2", "k3"], "each once, in order");
    assert!(studio.calls()[..before].iter().all(|call| call.idempotency_key.as_deref() == Some("k1")), "one key for all tries");
    let asked = json!({ "player": "ada-1", "request": { "why": "k1" } });
    assert!(studio.calls_of("/operations/freeze-account").iter().all(|call| call.body == asked));
    studio.assert_all_signed();
    assert!(dead_letters(&host).await.is_empty());
    assert_eq!(host.metric("questline_backend_operations_total{game=\"cup\",outcome=\"done\"}").await, 3.0);
    assert_eq!(stage.emulator.accepted().len(), 1, "an operation is no message");
}

async fn what_the_backend_refuses_waits_for_a_person(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage(engine, &studio).await;
    commit(&stage, PHONE, &[("freeze-account", "k1"), ("unknown-here", "k2"), ("tell", "k3")]).await;
    studio.always("/operations/freeze-account", Some(Answer::Status(422)));
    studio.always("/operations/tell", Some(Answer::Text("{}".to_owned())));
    let host = stage.start().await;
    eventually("all three were tried", async || (dead_letters(&host).await.len() == 2).then_some(())).await;
    at_rest(&stage, &host).await;
    assert_eq!(studio.calls_of("/operations/tell").len(), 1, "what is refused holds up nothing");
    let letter = first_dead_letter(&host).await;
    assert_eq!((&letter["reason"], &letter["attempts"]), (&json!("operation-refused"), &json!(0)), "{letter}");

    studio.always("/operations/freeze-account", Some(Answer::Text("{}".to_owned())));
    let (status, _) = host.post(&format!("/dead-letters/{}/retry", letter["id"]), &json!({})).await;
    assert_eq!(status, 200);
    eventually("it is done", async || {
        (host.metric("questline_backend_operations_total{game=\"cup\",outcome=\"done\"}").await == 2.0).then_some(())
    })
    .await;
    let keys: Vec<_> = studio.calls_of("/operations/freeze-account").into_iter().filter_map(|call| call.idempotency_key).collect();
    assert_eq!(keys, ["k1", "k1"]);
    assert_eq!(dead_letters(&host).await.len(), 1);
}
