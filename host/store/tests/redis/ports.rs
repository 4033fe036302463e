//! The ports over a real Redis.

use crate::fixtures::*;
use crate::redis_server::RedisServer;
use questline_core::audit::Actor;
use questline_core::commit::{Bury, DeadLetter, Letter, Resend, Ticket, TimerChange};
use questline_core::contact::{Bsuid, Contact, PhoneNumber};
use questline_core::effect::TicketPriority;
use questline_core::event::{Event, HandedOver, StatusError, TimerEvent, Wamid};
use questline_core::id::{FlowName, GameId, OutboxRef, PlayerId, TicketNumber};
use questline_core::outbox::SendState;
use questline_core::port::*;
use questline_core::send::{SendRecord, SendResult};
use questline_core::status::DeliveryState;
use questline_core::time::{DAY_MS, UnixMs};
use questline_store::redis::RedisStore;

#[tokio::test]
async fn a_message_goes_all_the_way() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
    let id = arrive(&store, 1, 1).await;
    assert_eq!(store.append(batch(vec![text(1, 1)])).await.unwrap().duplicates, 1);

    let work = store.load(id, 10).await.unwrap();
    assert_eq!((work.events.len(), work.conversation.version), (1, 0));
    assert_eq!(work.events[0].event.as_ref(), &text(1, 1).event);
    let mut commit = commit_of(&work);
    commit.outbox = vec![reply("one"), reply("two")];
    let committed = store.commit(commit.clone()).await.unwrap();
    assert_eq!(committed.outbox.len(), 2);
    assert_eq!(store.commit(commit).await, Err(StoreError::Stale), "a step is written once");
    store.release(id, None).await.unwrap();

    let messages = store.take_messages(10).await.unwrap();
    assert_eq!(messages.iter().map(|message| message.id).collect::<Vec<_>>(), committed.outbox);
    assert_eq!(messages[0].message, reply("one"));
    let [one, two] = [committed.outbox[0], committed.outbox[1]];
    store.begin(vec![one, two], START).await.unwrap();
    store.record(vec![accepted(one, "wamid.one")]).await.unwrap();
    assert_eq!(store.settled(vec![one, two]).await.unwrap(), [one]);
    assert_eq!(store.depth().await.unwrap(), Depth { outbox: 1, conversations: 1, ..Depth::default() });

    // The second one's answer was lost: its status settles it.
    let appended = store.append(statuses(vec![status(two, "wamid.two", DeliveryState::Delivered)])).await.unwrap();
    assert_eq!(appended.statuses, 1);
    let receipt = store.receipt(two).await.unwrap().unwrap();
    assert_eq!((receipt.state, receipt.attempts, receipt.message), (DeliveryState::Delivered, 1, None));
    assert_eq!(store.receipt(one).await.unwrap().unwrap().message, Some(reply("one")));
    store.record(vec![accepted(two, "wamid.other")]).await.unwrap();
    assert_eq!(store.receipt(two).await.unwrap().unwrap().wamid, Some(Wamid("wamid.two".into())));
    // A status that does not say which message it is about.
    let mut nameless = status(one, "wamid.one", DeliveryState::Read);
    nameless.message = None;
    assert_eq!(store.append(statuses(vec![nameless])).await.unwrap().statuses, 1);
    assert_eq!(store.receipt(one).await.unwrap().unwrap().state, DeliveryState::Read);
}

#[tokio::test]
async fn a_failed_message_is_told_once_and_goes_out_again_or_is_buried() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
    let id = arrive(&store, 1, 1).await;
    let mut commit = commit_of(&store.load(id, 1).await.unwrap());
    commit.outbox = vec![reply("one")];
    let one = store.commit(commit).await.unwrap().outbox[0];
    store.release(id, None).await.unwrap();
    store.take_messages(1).await.unwrap();
    store.begin(vec![one], START).await.unwrap();
    store.record(vec![accepted(one, "wamid.one")]).await.unwrap();
    for _ in 0..2 {
        store.append(statuses(vec![status(one, "wamid.one", DeliveryState::Failed)])).await.unwrap();
    }
    assert_eq!(store.take(9).await.unwrap()[0].conversation, id);
    let work = store.load(id, 9).await.unwrap();
    assert_eq!(work.events.len(), 1);
    let Event::Status(failed) = work.events[0].event.as_ref() else { panic!("a status") };
    assert_eq!((failed.message, failed.error.as_ref().unwrap().code), (Some(one), 131_026));

    let mut commit = commit_of(&work);
    commit.resend = vec![Resend { id: one, due_at: START.plus_ms(5), attempts: 3 }];
    store.commit(commit).await.unwrap();
    store.release(id, None).await.unwrap();
    let again = store.take_messages(9).await.unwrap();
    assert_eq!((again[0].id, again[0].attempts, again[0].due_at, &again[0].message), (one, 3, START.plus_ms(5), &reply("one")));
    assert_eq!(store.receipt(one).await.unwrap(), None);
    // A late status of the first send says nothing about the second.
    store.append(statuses(vec![status(one, "wamid.one", DeliveryState::Failed)])).await.unwrap();
    assert_eq!(store.depth().await.unwrap().outbox, 1);

    let error = StatusError { code: 131_026, detail: "no \"such\" user".into() };
    store.record(vec![SendRecord { id: one, result: SendResult::Failed { error, attempts: 4, at: START } }]).await.unwrap();
    store.take(1).await.unwrap();
    let mut commit = commit_of(&store.load(id, 9).await.unwrap());
    commit.bury = vec![Bury { id: one, reason: "meta-131026".into(), detail: "no \"such\" user".into(), at: START }];
    store.commit(commit).await.unwrap();
    let letters = store.dead_letters(Some(game()), None, 9).await.unwrap();
    assert_eq!(letters.len(), 1);
    let expected = DeadLetter {
        game: game(),
        conversation: id,
        letter: Letter::Message(reply("one")),
        reason: "meta-131026".into(),
        detail: "no \"such\" user".into(),
        attempts: 4,
        at: START,
    };
    assert_eq!(letters[0].dead_letter, expected);
    assert_eq!(store.dead_letters(GameId::parse("other").ok(), None, 9).await.unwrap(), []);
    assert!(store.retry_dead_letter(letters[0].id, &Actor::Operator, START.plus_ms(9)).await.unwrap());
    assert!(!store.retry_dead_letter(letters[0].id, &Actor::Operator, START).await.unwrap());
    let retried = store.take_messages(9).await.unwrap();
    assert_eq!((retried[0].attempts, retried[0].message.committed_at), (0, START.plus_ms(9)));
    assert_ne!(retried[0].id, one);
}

#[tokio::test]
async fn a_given_up_message_becomes_a_dead_letter() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
    let id = arrive(&store, 1, 1).await;
    let mut commit = commit_of(&store.load(id, 1).await.unwrap());
    commit.outbox = vec![reply("one")];
    let one = store.commit(commit).await.unwrap().outbox[0];
    store.record(vec![SendRecord { id: one, result: SendResult::Again { attempts: 2, due_at: START.plus_ms(7) } }]).await.unwrap();
    store
        .record(vec![SendRecord { id: one, result: SendResult::Dead { reason: "expired".into(), detail: "too late".into(), at: START } }])
        .await
        .unwrap();
    let letters = store.dead_letters(None, None, 9).await.unwrap();
    assert_eq!((letters[0].dead_letter.attempts, &*letters[0].dead_letter.reason), (2, "expired"));
    assert_eq!(store.depth().await.unwrap(), Depth { dead_letters: 1, conversations: 1, ..Depth::default() });
    let event = Letter::Event { received_at: START, event: text(1, 7).event };
    let letter = DeadLetter { letter: event, ..letters[0].dead_letter.clone() };
    let added = store.add_dead_letter(letter.clone()).await.unwrap();
    assert_eq!(store.dead_letter(added).await.unwrap().unwrap().dead_letter, letter);
    assert_eq!(store.dead_letters(None, Some(letters[0].id), 9).await.unwrap().len(), 1);
    store.release(id, None).await.unwrap();
    assert!(store.retry_dead_letter(added, &Actor::Operator, START).await.unwrap());
    store.take(1).await.unwrap();
    assert_eq!(store.load(id, 9).await.unwrap().events[0].event.as_ref(), &text(1, 7).event);
}

#[tokio::test]
async fn timers_tickets_and_follow_ups() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
    let flow = FlowName::parse("vip").unwrap();
    let timer = |id: &str, payload: &str| TimerEvent { flow: flow.clone(), id: id.into(), payload: payload.into() };
    let id = arrive(&store, 1, 1).await;
    let mut commit = commit_of(&store.load(id, 1).await.unwrap());
    let number = commit.conversation.ticket_number("SF", commit.ack, 0).unwrap();
    commit.timers = vec![
        TimerChange::Set { due_at: START.plus_ms(50), timer: timer("a b", "1") },
        TimerChange::Set { due_at: START.plus_ms(10), timer: timer("a b", "2") },
        TimerChange::Set { due_at: START.plus_ms(20), timer: timer("gone", "3") },
        TimerChange::Cancel { flow: flow.clone(), id: "gone".into() },
    ];
    commit.follow_ups = vec![Event::HandedOver(HandedOver { from: flow.clone(), to: flow.clone(), note: None })];
    commit.tickets = vec![ticket(&number, id, TicketPriority::Normal)];
    store.commit(commit).await.unwrap();
    store.release(id, None).await.unwrap();
    assert_eq!(store.fire_due(START, 9).await.unwrap(), (0, Some(START.plus_ms(10))));
    assert_eq!(store.fire_due(START.plus_ms(10), 9).await.unwrap(), (1, None));
    assert_eq!(store.close_ticket(&game(), &number, "done".into(), &Actor::Operator, START).await, Ok(true));
    assert_eq!(store.close_ticket(&game(), &number, "done".into(), &Actor::Operator, START).await, Ok(false));
    assert_eq!(store.tickets(&game(), false, 9).await.unwrap(), []);
    assert_eq!(store.tickets(&game(), true, 9).await.unwrap()[0].closed.as_ref().unwrap().resolution, "done");
    assert_eq!(store.depth().await.unwrap(), Depth { inbox: 3, conversations: 1, ..Depth::default() });
    store.take(1).await.unwrap();
    let work = store.load(id, 9).await.unwrap();
    let kinds = work.events.iter().map(|entry| entry.event.kind()).collect::<Vec<_>>();
    assert_eq!(kinds, ["handed-over", "timer", "ticket-closed"]);
    assert_eq!(work.events[1].event.as_ref(), &Event::Timer(timer("a b", "2")));
}

#[tokio::test]
async fn contacts_become_conversations_once() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
    let both = |n: u64, phone: Option<&str>, bsuid: Option<&str>| {
        let mut incoming = text(1, n);
        let contact = Contact::new(phone.map(|p| PhoneNumber::parse(p).unwrap()), bsuid.map(|b| Bsuid::parse(b).unwrap()));
        incoming.address.contact = contact.unwrap();
        incoming
    };
    let names = [(Some("15550100"), None), (None, Some("US.1")), (Some("15550100"), Some("US.1")), (None, Some("US.1"))];
    let mut of = Vec::new();
    for (n, (phone, bsuid)) in names.into_iter().enumerate() {
        store.append(batch(vec![both(n as u64, phone, bsuid)])).await.unwrap();
        of.extend(store.take(1).await.unwrap());
        store.release(of[of.len() - 1].conversation, None).await.unwrap();
    }
    assert_eq!(store.depth().await.unwrap().conversations, 2);
    // A thousand at once, all of one new contact.
    let together = (0..200).map(|n| store.append(batch(vec![both(100 + n, Some("15550199"), (n % 2 == 0).then_some("US.9"))])));
    futures(together).await;
    assert_eq!(store.depth().await.unwrap().conversations, 3);

    // They move to another number: the old one is somebody else's from now on.
    let (first, version) = loop {
        let ready = store.take(1).await.unwrap();
        let work = store.load(ready[0].conversation, 1).await.unwrap();
        if work.conversation.contact.phone().map(PhoneNumber::digits) == Some("15550100") {
            break (work.clone(), work.conversation.version);
        }
    };
    assert!(version > 0, "the BSUID was learned");
    let mut commit = commit_of(&first);
    commit.conversation.contact.learn(&Contact::new(PhoneNumber::parse("15550111").ok(), None).unwrap());
    store.commit(commit).await.unwrap();
    store.append(batch(vec![both(500, Some("15550111"), None), both(501, Some("15550100"), None)])).await.unwrap();
    assert_eq!(store.depth().await.unwrap().conversations, 4);
    let moved = store.load(first.conversation.id, 99).await.unwrap();
    assert!(moved.events.iter().any(|entry| entry.event == both(500, None, Some("US.1")).event.into()));
}

#[tokio::test]
async fn a_flood_is_refused_and_told() {
    let server = RedisServer::start();
    let mut options = options(&server.url());
    (options.inbox_max, options.inbox_per_game_max) = (5, 4);
    let store = RedisStore::open(options).await.unwrap().0;
    store.append(batch((0..3).map(|n| text(n, n)).collect())).await.unwrap();
    assert_eq!(store.append(batch(vec![text(7, 7), text(8, 8)])).await, Err(StoreError::Overloaded { waiting: 3 }));
    store.append(batch(vec![text(7, 7)])).await.unwrap();
    assert_eq!(store.append(batch(vec![text(8, 8)])).await, Err(StoreError::Overloaded { waiting: 4 }));
}

#[tokio::test]
async fn what_is_old_is_forgotten_and_what_is_young_is_not() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
    let id = arrive(&store, 1, 1).await;
    let mut commit = commit_of(&store.load(id, 1).await.unwrap());
    commit.outbox = vec![reply("one")];
    let one = store.commit(commit).await.unwrap().outbox[0];
    store.record(vec![accepted(one, "wamid.one")]).await.unwrap();
    let notice = Notice { app: "a".into(), field: "f".into(), summary: None, raw: "{}".into(), received_at: START };
    store.append(Batch { notices: vec![notice.clone()], received_at: START, ..Batch::default() }).await.unwrap();
    let after = |days: u64| UnixMs(START.0 + days * DAY_MS);

    assert_eq!(store.prune(START.plus_ms(DAY_MS - 1), 1_000).await, Ok(0));
    assert_eq!(store.prune(after(1), 1_000).await, Ok(1), "the content");
    assert_eq!(store.receipt(one).await.unwrap().unwrap().message, None);
    assert_eq!(store.prune(after(15), 1_000).await, Ok(0));
    assert_eq!(store.append(batch(vec![text(1, 1)])).await.unwrap().duplicates, 1);
    assert_eq!(store.prune(after(16), 1_000).await, Ok(1), "the repetition");
    assert_eq!(store.append(batch(vec![text(1, 1)])).await.unwrap().events, 1);
    assert_eq!(store.prune(after(30), 1_000).await, Ok(0));
    assert!(store.receipt(one).await.unwrap().is_some());
    assert_eq!(store.prune(after(31), 1_000).await, Ok(1), "the receipt");
    assert_eq!(store.receipt(one).await.unwrap(), None);
    assert_eq!(store.notices(9).await.unwrap(), [notice]);
    assert_eq!(store.prune(after(91), 1_000).await, Ok(1), "the notice");
    assert_eq!(store.notices(9).await.unwrap(), []);
}

#[tokio::test]
async fn what_was_left_is_handed_out_after_a_start() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
    let id = arrive(&store, 1, 1).await;
    store.append(batch(vec![text(1, 2), text(2, 3)])).await.unwrap();
    let work = store.load(id, 1).await.unwrap();
    let mut commit = commit_of(&work);
    commit.outbox = (0..100).map(|n| reply(&n.to_string())).collect();
    let names = store.commit(commit).await.unwrap().outbox;
    let oldest = store.load(id, 1).await.unwrap().events[0].seq;
    store.count_attempt(id, oldest, 3).await.unwrap();
    store.begin(vec![names[1]], START.plus_ms(3)).await.unwrap();
    store.record(vec![SendRecord { id: names[2], result: SendResult::Again { attempts: 2, due_at: START.plus_ms(5) } }]).await.unwrap();
    store.close().await.unwrap();
    assert!(matches!(store.append(batch(vec![text(1, 9)])).await, Err(StoreError::Unavailable(_))));

    let store = open(&server.url()).await;
    assert_eq!(store.take(9).await.unwrap().len(), 2);
    assert_eq!(store.depth().await.unwrap().inbox, 2);
    let work = store.load(id, 9).await.unwrap();
    assert_eq!((work.conversation.version, work.events.len(), work.events[0].attempts), (1, 1, 3));
    let mut handed = Vec::new();
    while handed.len() < 100 {
        handed.extend(store.take_messages(7).await.unwrap());
    }
    assert_eq!(handed.iter().map(|message| message.id).collect::<Vec<_>>(), names);
    assert_eq!(handed[1].state, SendState::InFlight { since: START.plus_ms(3) });
    assert_eq!((handed[2].attempts, handed[2].due_at, handed[2].state), (2, START.plus_ms(5), SendState::Queued));
}

async fn futures<T, F: Future<Output = Result<T, StoreError>>>(all: impl Iterator<Item = F>) -> Vec<T> {
    // All are begun before any is done.
    let mut all = all.map(Box::pin).collect::<Vec<_>>();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        all.retain_mut(|one| match one.as_mut().poll(context) {
            std::task::Poll::Ready(outcome) => {
                done.push(outcome.unwrap());
                false
            }
            std::task::Poll::Pending => true,
        });
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

fn accepted(id: OutboxRef, wamid: &str) -> SendRecord {
    SendRecord { id, result: SendResult::Accepted { wamid: Wamid(wamid.into()), at: START } }
}

fn status(id: OutboxRef, wamid: &str, state: DeliveryState) -> StatusUpdate {
    let error = (state == DeliveryState::Failed).then(|| StatusError { code: 131_026, detail: "no \"such\" user".into() });
    let number = questline_core::id::NumberId::parse("100").unwrap();
    StatusUpdate { message: Some(id), wamid: Wamid(wamid.into()), number, state, at: START, error }
}

fn statuses(statuses: Vec<StatusUpdate>) -> Batch {
    Batch { statuses, received_at: START, ..Batch::default() }
}

fn ticket(number: &TicketNumber, conversation: questline_core::id::ConversationId, priority: TicketPriority) -> Ticket {
    Ticket {
        number: number.clone(),
        conversation,
        game: game(),
        player: None,
        priority,
        intent: "purchase".into(),
        subject: "s".into(),
        body: "b".into(),
        tags: Vec::new(),
        opened_at: START,
        due_at: None,
        closed: None,
    }
}

/// A commit that changes the player leaves a note; a crash before it is carried out loses nothing.
#[tokio::test]
async fn a_note_about_a_player_is_carried_out_at_the_next_start() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
    let id = arrive(&store, 1, 1).await;
    let ada = PlayerId::parse("ada").unwrap();
    let mut connection = server.connect();
    let key = format!("ql:{{p{}}}:c:{id}", id.0 % 1024);
    let doc = |connection: &mut redis::Connection| -> Vec<u8> { redis::cmd("HGET").arg(&key).arg("d").query(connection).unwrap() };
    let before = doc(&mut connection);
    let mut commit = commit_of(&store.load(id, 1).await.unwrap());
    commit.conversation.session.player = Some(ada.clone());
    store.commit(commit).await.unwrap();
    drop(store);

    let after = doc(&mut connection);
    let keys: Vec<String> = redis::cmd("KEYS").arg("ql:*:player:*").query(&mut connection).unwrap();
    assert_eq!(keys.len(), 1);
    let _: () = redis::cmd("DEL").arg(&keys).query(&mut connection).unwrap();
    let moves = format!("ql:{{p{}}}:moves", id.0 % 1024);
    let left: u64 = redis::cmd("LLEN").arg(&moves).query(&mut connection).unwrap();
    assert_eq!(left, 0, "what was carried out is not kept");
    // As it was right after the commit's script. The second note is of an earlier step, and came late.
    let note = |before: &[u8], after: &[u8]| [format!("m{id} {} ", before.len()).as_bytes(), before, after].concat();
    let notes = [note(&before, &after), note(&after, &before)];
    let _: () = redis::cmd("RPUSH").arg(&moves).arg(&notes).query(&mut connection).unwrap();

    let store = open(&server.url()).await;
    let found = store.conversations_of(&game(), &ada).await.unwrap();
    assert_eq!(found.iter().map(|found| found.id).collect::<Vec<_>>(), [id]);
    let left: u64 = redis::cmd("LLEN").arg(&moves).query(&mut connection).unwrap();
    assert_eq!(left, 0);
}
