//! Data at rest: nothing personal can be read in it, it opens only with its keys and only where it was put, and keys change
//! under traffic.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

mod engine;
// The tests of Redis itself use more of it.
#[allow(dead_code)]
#[path = "../support/redis_server.rs"]
mod redis_server;
mod story;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use questline_core::commit::Commit;
use questline_core::id::PlayerId;
use questline_core::port::{KeyRows, Resealing, Store, StoreError};

use engine::{Engine, NOW};
use story::{HIDDEN_ID, KAI, MOVED, NOVA, NOVA_ID, PLAYER, PRIVATE, address, arrive, game, picture, player, tell, text};

const ONE: &str = "the first key, thirty-two characters";
const TWO: &str = "the second key, thirty-two characters";
const THREE: &str = "the third key, thirty-two characters";

macro_rules! on_both_engines {
    ($($test:ident)*) => {
        mod over_embedded {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(super::Engine::embedded()).await;
            })*
        }
        mod over_redis {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                super::$test(tokio::task::spawn_blocking(super::Engine::redis).await.unwrap()).await;
            })*
        }
    };
}

on_both_engines! {
    nothing_personal_lies_open
    a_key_is_rotated_under_traffic
    a_key_that_rows_need_is_asked_for_by_name
    data_that_lay_open_is_read_and_sealed
    a_flipped_bit_is_refused_and_named_without_content
    values_that_change_places_are_refused
    a_value_put_there_open_is_refused
}

/// Where a private word lies open.
fn seen(engine: &Engine) -> Vec<String> {
    let lies = engine.at_rest();
    assert!(lies.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > 4_000, "there is something to look at");
    let holds = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    let mut seen = Vec::new();
    for (place, bytes) in &lies {
        seen.extend(PRIVATE.iter().filter(|word| holds(bytes, word)).map(|word| format!("{word} in {place}")));
    }
    seen
}

/// Walks until the walk has come to its end.
async fn reseal(store: &dyn Store) -> Resealing {
    loop {
        let now = store.reseal(50).await.unwrap();
        if now.done {
            return now;
        }
    }
}

fn rows(done: &Resealing) -> Vec<(bool, bool)> {
    done.keys.iter().map(|KeyRows { key, rows }| (key == "plain", *rows > 0)).collect()
}

async fn nothing_personal_lies_open(engine: Engine) {
    let store = engine.open(&[ONE]).await;
    let left = tell(store.as_ref()).await;
    let before = picture(store.as_ref(), &left).await;
    assert!(PRIVATE.iter().filter(|word| before.contains(**word)).count() >= 10, "it is told: {before}");
    assert_eq!(seen(&engine), [""; 0], "while it runs");
    engine.crash(store).await;
    assert_eq!(seen(&engine), [""; 0], "when it was ended");
    let store = engine.open(&[ONE]).await;
    assert_eq!(picture(store.as_ref(), &left).await, before);
    // What memory held before comes out of the store now.
    assert_eq!(store.take_messages(9).await.unwrap()[0].id, left.messages[4]);
    let (fired, _) = store.fire_due(NOW.plus_ms(60_000), 9).await.unwrap();
    assert_eq!(fired, 1);
    let events = format!("{:?}", store.load(left.nova, 99).await.unwrap().events);
    assert!(events.contains("thunderhedgehog"), "{events}");
    assert_eq!(seen(&engine), [""; 0]);
}

/// A player's message, from its arrival to the reply that waits.
async fn message(store: &dyn Store, from: &str, n: u64) {
    arrive(store, &address(Some(from), None), text(&format!("wamid.in.traffic.{n}"), "zebracrossing")).await;
    let ready = store.take(1).await.unwrap().remove(0);
    let work = store.load(ready.conversation, 1).await.unwrap();
    let mut commit = Commit::of(work.conversation, work.events[0].seq);
    commit.outbox = vec![story::reply(&commit.conversation, "velvetunicorn")];
    commit.conversation.session.player = Some(PlayerId::parse(&format!("{PLAYER}-{}", n % 9)).unwrap());
    store.commit(commit).await.unwrap();
    store.release(ready.conversation, None).await.unwrap();
}

async fn a_key_is_rotated_under_traffic(engine: Engine) {
    let store = engine.open(&[ONE]).await;
    let left = tell(store.as_ref()).await;
    for n in 0..40 {
        message(store.as_ref(), &format!("1555020{n:04}"), 1_000 + n).await;
    }
    let conversations = store.depth().await.unwrap().conversations;
    let before = picture(store.as_ref(), &left).await;
    engine.crash(store).await;

    let store = engine.open(&[TWO, ONE]).await;
    // Names are found under the key that made them, and no second conversation begins.
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let traffic = (0..3_u64).map(|task| {
        let (store, stop, count) = (store.clone(), stop.clone(), count.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let n = count.fetch_add(1, Ordering::Relaxed);
                message(store.as_ref(), &format!("1555020{:04}", (3 * n + task) % 40), 2_000 + n).await;
            }
        })
    });
    let traffic = traffic.collect::<Vec<_>>();
    while count.load(Ordering::Relaxed) < 5 {
        tokio::task::yield_now().await;
    }
    let done = reseal(store.as_ref()).await;
    let during = count.load(Ordering::Relaxed);
    while count.load(Ordering::Relaxed) < during + 5 {
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::Relaxed);
    for task in traffic {
        task.await.unwrap();
    }
    assert!(done.rewritten > 30, "{done:?}");
    assert_eq!(rows(&done), [(false, true), (false, false)], "{done:?}");
    assert_eq!(store.depth().await.unwrap().conversations, conversations, "every name led to its conversation");
    let again = reseal(store.as_ref()).await;
    assert_eq!((again.rewritten, again.keys.len()), (0, 1), "{again:?}");
    engine.crash(store).await;

    // The old key is needed no more, and opens nothing any more.
    let store = engine.open(&[TWO]).await;
    let after = picture(store.as_ref(), &left).await;
    let without_depth = |picture: &str| picture.rsplit_once('\n').unwrap().0.to_owned();
    assert_eq!(without_depth(&after), without_depth(&before));
    message(store.as_ref(), "15550200007", 999_999).await;
    assert_eq!(store.depth().await.unwrap().conversations, conversations);
    engine.crash(store).await;
    let refused = engine.try_open(&[ONE]).await.err().unwrap();
    assert!(refused.contains(&done.keys[0].key), "{refused}");
    assert_eq!(seen(&engine), [""; 0]);
}

async fn a_key_that_rows_need_is_asked_for_by_name(engine: Engine) {
    let store = engine.open(&[ONE]).await;
    let left = tell(store.as_ref()).await;
    let one = store.reseal(1_000_000).await.unwrap().keys[0].key.clone();
    let before = picture(store.as_ref(), &left).await;
    engine.crash(store).await;
    for others in [&[TWO][..], &[TWO, THREE]] {
        let refused = engine.try_open(others).await.err().unwrap();
        assert!(refused.contains(&format!("rows under key {one}")) && refused.contains("questline store reseal"), "{refused}");
    }
    // Nothing was written by those who were refused; with both keys, in any order, all is there.
    let store = engine.open(&[TWO, ONE]).await;
    assert_eq!(picture(store.as_ref(), &left).await, before);
    engine.crash(store).await;
    let refused = engine.try_open(&[TWO]).await.err().unwrap();
    assert!(refused.contains(&format!("rows under key {one}")), "the walk was not made: {refused}");
    let store = engine.open(&[ONE, TWO]).await;
    assert_eq!(picture(store.as_ref(), &left).await, before);
}

async fn data_that_lay_open_is_read_and_sealed(engine: Engine) {
    engine.fill_open();
    assert!(seen(&engine).len() > 10, "it lies open");
    let store = engine.open(&[ONE]).await;
    // Both names of each contact lead where they led.
    let conversations = store.depth().await.unwrap().conversations;
    arrive(store.as_ref(), &address(Some(NOVA), None), text("wamid.in.50", "hazelnut")).await;
    arrive(store.as_ref(), &address(None, Some(HIDDEN_ID)), text("wamid.in.51", "hazelnut")).await;
    assert_eq!(store.depth().await.unwrap().conversations, conversations);
    let of = store.conversations_of(&game(), &player()).await.unwrap();
    assert_eq!(of.len(), 1);
    let waiting = store.load(of[0].id, 99).await.unwrap();
    assert_eq!(waiting.conversation.contact, address(Some(NOVA), Some(NOVA_ID)).contact);
    assert_eq!(waiting.events.len(), 3);
    let answers = [
        format!("{:?}", store.dead_letters(None, None, 9).await.unwrap()),
        format!("{:?}", store.tickets(&game(), true, 9).await.unwrap()),
        format!("{:?}", store.notices(9).await.unwrap()),
        format!("{:?}", store.take_messages(9).await.unwrap()),
        format!("{:?}", store.accounts(&game(), story::account_keys()).await.unwrap()),
    ];
    for (answer, word) in answers.iter().zip(["zebracrossing five", "marmaladejar", NOVA, "velvetunicorn three", PLAYER]) {
        assert!(answer.contains(word), "{word}: {answer}");
    }
    let done = reseal(store.as_ref()).await;
    assert!(done.rewritten >= 15, "{done:?}");
    assert_eq!(rows(&done), [(false, true), (true, false)], "{done:?}");
    engine.crash(store).await;
    // The next start writes the embedded store's file anew; Redis is asked for it.
    let store = engine.open(&[ONE]).await;
    engine.rewrite_files();
    assert_eq!(seen(&engine), [""; 0]);
    let after = store.load(of[0].id, 99).await.unwrap();
    assert_eq!((&after.conversation, after.events.len()), (&waiting.conversation, 3));
    assert_eq!(store.conversations_of(&game(), &player()).await.unwrap(), of);
    arrive(store.as_ref(), &address(Some(NOVA), None), text("wamid.in.52", "hazelnut")).await;
    assert_eq!(store.depth().await.unwrap().conversations, conversations);
    let accounts = store.accounts(&game(), story::account_keys()).await.unwrap();
    assert_eq!(accounts.contacts[0].player, Some(player()));
    let (fired, _) = store.fire_due(NOW.plus_ms(60_000), 9).await.unwrap();
    assert_eq!(fired, 1);
    assert_eq!(seen(&engine), [""; 0]);
}

fn corrupt(problem: StoreError, what: &str) {
    let StoreError::Corrupt(words) = &problem else { panic!("{problem}") };
    assert!(words.contains(&format!("{what} cannot be read")), "{words}");
    assert!(PRIVATE.iter().all(|word| !words.contains(word)), "{words}");
}

async fn a_flipped_bit_is_refused_and_named_without_content(engine: Engine) {
    let store = engine.open(&[ONE]).await;
    let left = tell(store.as_ref()).await;
    engine.crash(store).await;
    let flip = |values: &mut Vec<Vec<u8>>| {
        assert!(!values.is_empty());
        for value in values {
            let last = value.len() - 1;
            value[last - 20] ^= 4;
        }
    };
    engine.spoil(("conversation", "doc"), "ql:*:c:* d", flip);
    engine.spoil(("ticket", "doc"), "ql:*:tickets", flip);
    engine.spoil(("dead_letter", "doc"), "ql:*:letters", flip);
    engine.spoil(("message", "content"), "ql:*:b:*", flip);
    let store = engine.open(&[ONE]).await;
    corrupt(store.load(left.nova, 9).await.unwrap_err(), "a conversation");
    corrupt(store.conversation(left.kai).await.unwrap_err(), "a conversation");
    corrupt(store.tickets(&game(), false, 9).await.unwrap_err(), "a ticket");
    corrupt(store.receipt(left.messages[2]).await.unwrap_err(), "a message");
    let letters = store.dead_letters(None, None, 9).await.unwrap_err();
    corrupt(letters.clone(), if letters.to_string().contains("a message") { "a message" } else { "a dead letter" });
    // A rotation leaves them, says under which key, and keeps asking for that key.
    engine.crash(store).await;
    let store = engine.open(&[TWO, ONE]).await;
    let done = reseal(store.as_ref()).await;
    assert!(done.keys[1].rows >= 6, "{done:?}");
    engine.crash(store).await;
    assert!(engine.try_open(&[TWO]).await.err().unwrap().contains(&done.keys[1].key));
}

async fn values_that_change_places_are_refused(engine: Engine) {
    let store = engine.open(&[ONE]).await;
    let left = tell(store.as_ref()).await;
    engine.crash(store).await;
    let swap = |values: &mut Vec<Vec<u8>>| {
        assert_eq!(values.len(), 2);
        values.swap(0, 1);
    };
    engine.spoil(("conversation", "doc"), "ql:*:c:* d", swap);
    engine.spoil(("ticket", "doc"), "ql:*:tickets", swap);
    let store = engine.open(&[ONE]).await;
    corrupt(store.load(left.nova, 9).await.unwrap_err(), "a conversation");
    corrupt(store.load(left.kai, 9).await.unwrap_err(), "a conversation");
    corrupt(store.tickets(&game(), false, 9).await.unwrap_err(), "a ticket");
}

async fn a_value_put_there_open_is_refused(engine: Engine) {
    let store = engine.open(&[ONE]).await;
    let left = tell(store.as_ref()).await;
    let forged = serde_json::to_vec(&store.conversation(left.nova).await.unwrap().unwrap()).unwrap();
    engine.crash(store).await;
    engine.spoil(("conversation", "doc"), "ql:*:c:* d", |values| values.fill(forged.clone()));
    let store = engine.open(&[ONE]).await;
    corrupt(store.load(left.nova, 9).await.unwrap_err(), "a conversation");
    arrive(store.as_ref(), &address(Some(MOVED), None), text("wamid.in.60", "hazelnut")).await;
    arrive(store.as_ref(), &address(Some(KAI), None), text("wamid.in.61", "hazelnut")).await;
}
