//! From the commit to Meta: each message once, in order, and never forgotten.

use std::collections::HashSet;

use questline_core::commit::{Bury, Letter, Resend};
use questline_core::contact::Address;
use questline_core::event::{Event, StatusError, StatusEvent, Wamid};
use questline_core::id::{ConversationId, OutboxRef, OutboxSeq};
use questline_core::outbox::{MessageClass, NewMessage, SendState};
use questline_core::port::Receipt;
use questline_core::send::SendResult;
use questline_core::status::DeliveryState;

use crate::support::*;

pub fn accepted(wamid: &str) -> SendResult {
    SendResult::Accepted { wamid: Wamid(wamid.into()), at: START.plus_ms(5) }
}

pub fn error() -> StatusError {
    StatusError { code: 131_026, detail: "Message undeliverable".into() }
}

pub async fn messages_come_out_once_and_in_order<E: Engine>() {
    let world = World::<E>::new().await;
    let mut names = world.reply(&player(1), &["a", "b", "c"]).await;
    names.extend(world.reply(&player(1), &["d"]).await);
    let messages = world.take_messages(4).await;
    assert_eq!(sent_bodies(&messages), ["a", "b", "c", "d"]);
    assert_eq!(messages.iter().map(|message| message.id).collect::<Vec<_>>(), names);
    assert!(messages.iter().all(|message| message.attempts == 0 && message.state == SendState::Queued));
    // The next to come out is the next that is committed.
    let next = world.reply(&player(1), &["e"]).await;
    assert_eq!(world.take_messages(1).await[0].id, next[0]);
    assert_eq!(names.into_iter().chain(next).collect::<HashSet<_>>().len(), 5);
}

pub async fn more_than_memory_holds_comes_out_in_order<E: Engine>() {
    const MESSAGES: usize = 300;
    let mut world = World::<E>::with(|setup| setup.cache_bytes_max = 32 << 10).await;
    let texts = (0..MESSAGES).map(|n| format!("{n}{}", "x".repeat(500))).collect::<Vec<_>>();
    for some in texts.chunks(30) {
        world.reply(&player(1), &some.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    assert_eq!(sent_bodies(&world.take_messages(MESSAGES / 2).await), texts[..MESSAGES / 2]);
    // More are committed while memory is full.
    world.reply(&player(1), &["last"]).await;
    let rest = world.take_messages(MESSAGES / 2 + 1).await;
    assert_eq!(sent_bodies(&rest)[..MESSAGES / 2], texts[MESSAGES / 2..]);
    assert_eq!(sent_bodies(&rest)[MESSAGES / 2], "last");
    world.restart().await;
    assert_eq!(sent_bodies(&world.take_messages(MESSAGES + 1).await)[..MESSAGES], texts);
}

/// Lanes with more than memory holds, and a player of whom something waits in each of them.
pub async fn no_message_goes_before_an_earlier_one_of_its_conversation<E: Engine>() {
    const CLASSES: [MessageClass; 4] = [MessageClass::Normal, MessageClass::High, MessageClass::Low, MessageClass::Critical];
    let mut world = World::<E>::with(|setup| setup.cache_bytes_max = 16 << 10).await;
    let say = async |world: &World<E>, address: &Address, body: String, class: MessageClass| {
        world.append([incoming(address, "hello")]).await;
        let work = world.take().await;
        let mut commit = done(&work);
        commit.outbox = vec![NewMessage { class, ..reply(&work.conversation, &body, world.now()) }];
        world.commit(commit).await;
        world.release(&work).await;
    };
    // Player 1 says something of another class after every ten others.
    for n in 0..12 {
        for other in 2..12 {
            say(&world, &player(other), format!("{other}{}", "x".repeat(500)), CLASSES[n % 4]).await;
        }
        say(&world, &player(1), n.to_string(), CLASSES[n * 7 / 3 % 4]).await;
    }
    for restart in [false, true] {
        if restart {
            world.restart().await;
        }
        let messages = world.take_messages(132).await;
        assert_eq!(messages.iter().map(|message| message.id).collect::<HashSet<_>>().len(), 132, "each once");
        let of = |conversation| messages.iter().filter(move |message| message.id.conversation == conversation);
        for message in &messages {
            let seqs = of(message.id.conversation).map(|message| message.id.seq).collect::<Vec<_>>();
            assert!(seqs.is_sorted(), "restart {restart}: {seqs:?}");
        }
        let told = messages.iter().filter(|message| sent_body(message).len() < 3).map(sent_body).collect::<Vec<_>>();
        assert_eq!(told, (0..12).map(|n| n.to_string()).collect::<Vec<_>>());
        assert!(messages[..66].iter().filter(|message| message.message.class == MessageClass::Low).count() < 20, "by class all the same");
    }
}

pub async fn many_takers_get_each_message_once<E: Engine>() {
    const MESSAGES: usize = 400;
    let world = World::<E>::with(|setup| setup.cache_bytes_max = 64 << 10).await;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let takers = (0..4).map(|_| {
        let (store, tell) = (world.store().clone(), tell.clone());
        tokio::spawn(async move {
            loop {
                for message in store.take_messages(7).await.unwrap() {
                    tell.send(message.id).unwrap();
                }
            }
        })
    });
    let takers = takers.collect::<Vec<_>>();
    let mut names = HashSet::new();
    for _ in 0..MESSAGES / 20 {
        names.extend(world.reply(&player(1), &[&*"x".repeat(200); 20]).await);
    }
    let mut taken = HashSet::new();
    while taken.len() < MESSAGES {
        assert!(taken.insert(told.recv().await.unwrap()), "twice");
    }
    assert_eq!(taken, names);
    for taker in takers {
        taker.abort();
        assert!(taker.await.unwrap_err().is_cancelled());
    }
    assert!(told.try_recv().is_err());
}

pub async fn begun_sends_are_in_flight_after_a_restart<E: Engine>() {
    let mut world = World::<E>::new().await;
    let names = world.reply(&player(1), &["a", "b", "c"]).await;
    world.take_messages(3).await;
    let since = START.plus_ms(7);
    let begun = vec![names[0], names[2]];
    assert_eq!(world.store().begin(begun.clone(), since).await.unwrap(), begun);
    world.restart().await;
    let messages = world.take_messages(3).await;
    assert_eq!(messages.iter().map(|message| message.id).collect::<Vec<_>>(), names);
    let states = messages.iter().map(|message| message.state).collect::<Vec<_>>();
    assert_eq!(states, [SendState::InFlight { since }, SendState::Queued, SendState::InFlight { since }]);
}

pub async fn an_accepted_message_is_a_receipt<E: Engine>() {
    let mut world = World::<E>::new().await;
    let names = world.reply(&player(1), &["a", "b"]).await;
    let messages = world.take_messages(2).await;
    assert_eq!(world.store().receipt(names[0]).await.unwrap(), None, "Meta does not have it yet");
    world.store().begin(names.clone(), START).await.unwrap();
    world.record(names[0], accepted("wamid.a")).await;
    world.restart().await;
    let receipt = Receipt {
        id: names[0],
        wamid: Some(Wamid("wamid.a".into())),
        state: DeliveryState::Accepted,
        at: START.plus_ms(5),
        attempts: 1,
        message: Some(messages[0].message.clone()),
    };
    assert_eq!(world.store().receipt(names[0]).await.unwrap(), Some(receipt));
    assert_eq!(world.store().receipt(names[1]).await.unwrap(), None);
    assert_eq!(world.store().depth().await.unwrap().outbox, 1);
    assert_eq!(world.take_messages(1).await[0].id, names[1]);
    // What was recorded once stays as it is.
    world.record(names[0], SendResult::Again { attempts: 9, due_at: START }).await;
    world.record(names[0], accepted("wamid.other")).await;
    let receipt = world.store().receipt(names[0]).await.unwrap().unwrap();
    assert_eq!((receipt.wamid, receipt.attempts), (Some(Wamid("wamid.a".into())), 1));
    assert_eq!(world.store().depth().await.unwrap().outbox, 1);
}

pub async fn a_message_to_be_tried_again_keeps_its_tries<E: Engine>() {
    let mut world = World::<E>::new().await;
    let name = world.reply(&player(1), &["a"]).await[0];
    world.take_messages(1).await;
    world.store().begin(vec![name], START).await.unwrap();
    let due_at = START.plus_ms(60_000);
    world.record(name, SendResult::Again { attempts: 2, due_at }).await;
    world.restart().await;
    let message = world.take_messages(1).await.remove(0);
    assert_eq!((message.attempts, message.due_at, message.state), (2, due_at, SendState::Queued));
    world.record(name, accepted("wamid.a")).await;
    assert_eq!(world.store().receipt(name).await.unwrap().unwrap().attempts, 3);
}

pub async fn a_dead_message_is_a_dead_letter<E: Engine>() {
    let world = World::<E>::new().await;
    let name = world.reply(&player(1), &["a"]).await[0];
    let message = world.take_messages(1).await.remove(0);
    world.record(name, SendResult::Again { attempts: 4, due_at: START }).await;
    let dead = SendResult::Dead { reason: "expired".into(), detail: "too late".into(), at: START.plus_ms(9) };
    world.record(name, dead.clone()).await;
    world.record(name, dead).await;
    let letters = world.store().dead_letters(None, None, 9).await.unwrap();
    assert_eq!(letters.len(), 1);
    let letter = &letters[0].dead_letter;
    assert_eq!(letter.letter, Letter::Message(message.message));
    assert_eq!((letter.reason.as_str(), letter.detail.as_str(), letter.attempts), ("expired", "too late", 4));
    assert_eq!((letter.game.clone(), letter.conversation, letter.at), (game("starfall"), name.conversation, START.plus_ms(9)));
    assert_eq!(world.store().receipt(name).await.unwrap(), None);
    assert_eq!(world.store().depth().await.unwrap().outbox, 0);
}

pub async fn what_is_done_is_forgotten<E: Engine>() {
    let mut world = World::<E>::new().await;
    let names = world.reply(&player(1), &["a", "b"]).await;
    world.take_messages(2).await;
    for _ in 0..2 {
        world.record(names[0], SendResult::Done).await;
    }
    world.restart().await;
    assert_eq!(world.take_messages(1).await[0].id, names[1]);
    assert_eq!(world.store().receipt(names[0]).await.unwrap(), None);
    assert_eq!(world.store().depth().await.unwrap().outbox, 1);
    assert!(world.store().dead_letters(None, None, 9).await.unwrap().is_empty());
    world.record(names[0], SendResult::Again { attempts: 1, due_at: START }).await;
    assert_eq!(world.store().depth().await.unwrap().outbox, 1, "what is gone is not brought back");
}

pub async fn a_refused_message_becomes_an_event<E: Engine>() {
    let mut world = World::<E>::new().await;
    let name = world.reply(&player(1), &["a"]).await[0];
    let message = world.take_messages(1).await.remove(0);
    world.store().begin(vec![name], START).await.unwrap();
    let failed = SendResult::Failed { error: error(), attempts: 2, at: START.plus_ms(3) };
    world.record(name, failed.clone()).await;
    world.record(name, failed).await;
    world.restart().await;
    let work = world.take().await;
    let expected = StatusEvent { message: Some(name), state: DeliveryState::Failed, at: START.plus_ms(3), error: Some(error()) };
    assert_eq!(work.events.iter().map(|entry| (*entry.event).clone()).collect::<Vec<_>>(), [Event::Status(expected)]);
    let receipt = world.store().receipt(name).await.unwrap().unwrap();
    assert_eq!((receipt.state, receipt.attempts, receipt.wamid), (DeliveryState::Failed, 2, None));
    assert_eq!(receipt.message, Some(message.message));
    assert_eq!(world.store().depth().await.unwrap().outbox, 0);
}

/// A message that failed, with its event taken.
async fn failed<E: Engine>(world: &World<E>) -> (OutboxRef, questline_core::port::Work) {
    let name = world.reply(&player(1), &["a"]).await[0];
    world.take_messages(1).await;
    world.record(name, accepted("wamid.a")).await;
    world.status(Some(name), "wamid.a", DeliveryState::Failed).await;
    (name, world.take().await)
}

pub async fn a_failed_message_goes_out_again_under_its_name<E: Engine>() {
    let mut world = World::<E>::new().await;
    let (name, work) = failed(&world).await;
    let mut commit = done(&work);
    let due_at = START.plus_ms(4_000);
    commit.resend = vec![Resend { id: name, due_at, attempts: 3 }];
    commit.outbox = vec![reply(&work.conversation, "b", world.now())];
    let other = world.commit(commit).await.outbox[0];
    assert_eq!(world.store().receipt(name).await.unwrap(), None, "Meta has it no longer");
    for restart in [false, true] {
        if restart {
            world.restart().await;
        }
        let messages = world.take_messages(2).await;
        assert_eq!(messages.iter().map(|message| message.id).collect::<Vec<_>>(), [other, name], "behind what was committed before");
        assert_eq!((sent_body(&messages[1]), messages[1].attempts, messages[1].due_at), ("a", 3, due_at));
    }
    world.store().begin(vec![name], START).await.unwrap();
    world.record(name, accepted("wamid.again")).await;
    let receipt = world.store().receipt(name).await.unwrap().unwrap();
    assert_eq!((receipt.wamid, receipt.attempts), (Some(Wamid("wamid.again".into())), 4));
}

pub async fn a_failed_message_can_be_buried<E: Engine>() {
    let world = World::<E>::new().await;
    let (name, work) = failed(&world).await;
    let mut commit = done(&work);
    let bury = Bury { id: name, reason: "meta-131026".into(), detail: "undeliverable".into(), at: START.plus_ms(8) };
    commit.bury = vec![bury];
    world.commit(commit).await;
    let letters = world.store().dead_letters(None, None, 9).await.unwrap();
    let letter = &letters[0].dead_letter;
    assert_eq!((letter.reason.as_str(), letter.at, letter.attempts), ("meta-131026", START.plus_ms(8), 1));
    assert!(matches!(&letter.letter, Letter::Message(message) if message.contact == phone(1)));
    let receipt = world.store().receipt(name).await.unwrap().unwrap();
    assert_eq!((receipt.state, receipt.message), (DeliveryState::Failed, None), "its content has moved");
    // What has no content any more can neither go out again nor be buried twice.
    world.append([incoming(&player(1), "next")]).await;
    let work = world.store().load(name.conversation, 9).await.unwrap();
    let mut commit = done(&work);
    commit.resend = vec![Resend { id: name, due_at: START, attempts: 1 }];
    commit.bury = vec![Bury { id: name, reason: "again".into(), detail: String::new(), at: START }];
    world.commit(commit).await;
    let depth = world.store().depth().await.unwrap();
    assert_eq!((depth.outbox, depth.dead_letters), (0, 1));
}

pub async fn a_record_of_an_unknown_message_is_no_harm<E: Engine>() {
    let world = World::<E>::new().await;
    let name = world.reply(&player(1), &["a"]).await[0];
    let unknown = [
        OutboxRef { seq: OutboxSeq(name.seq.0 + 1_000), ..name },
        OutboxRef { conversation: ConversationId(name.conversation.0 + 1), ..name },
    ];
    for unknown in unknown {
        assert_eq!(world.store().begin(vec![unknown], START).await.unwrap(), []);
        world.record(unknown, accepted("wamid.x")).await;
        world.record(unknown, SendResult::Dead { reason: "r".into(), detail: String::new(), at: START }).await;
        world.record(unknown, SendResult::Failed { error: error(), attempts: 1, at: START }).await;
        assert_eq!(world.store().receipt(unknown).await.unwrap(), None);
    }
    assert_eq!(world.store().settled(unknown.to_vec()).await.unwrap(), []);
    let depth = world.store().depth().await.unwrap();
    assert_eq!((depth.inbox, depth.outbox, depth.dead_letters), (0, 1, 0));
    assert_eq!(world.take_messages(1).await[0].state, SendState::Queued);
}
