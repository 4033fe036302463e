//! What people look at and decide on.

use questline_core::audit::Actor;
use questline_core::commit::{DeadLetter, Letter};
use questline_core::contact::Address;
use questline_core::effect::TicketPriority;
use questline_core::event::Event;
use questline_core::id::{ConversationId, DeadLetterId, TicketNumber};
use questline_core::outbox::SendState;
use questline_core::port::{Batch, Depth, Notice};
use questline_core::time::UnixMs;

use crate::commit::{ticket, timer};
use crate::support::*;

fn letter(game_name: &str, conversation: ConversationId, letter: Letter) -> DeadLetter {
    DeadLetter { game: game(game_name), conversation, letter, reason: "trap".into(), detail: "boom".into(), attempts: 5, at: START }
}

fn event_letter(received_at: UnixMs) -> Letter {
    Letter::Event { received_at, event: Event::Message(text_message("wamid.d", "dead")) }
}

/// A conversation with nothing to do.
async fn idle_conversation<E: Engine>(world: &World<E>) -> ConversationId {
    world.append([incoming(&player(1), "x")]).await;
    let work = world.take().await;
    world.commit(done(&work)).await;
    world.release(&work).await;
    work.conversation.id
}

pub async fn dead_letters_are_listed_by_game_and_place<E: Engine>() {
    let mut world = World::<E>::new().await;
    let mut ids = Vec::new();
    for n in 0..6 {
        let name = if n % 2 == 0 { "even" } else { "odd" };
        ids.push(world.store().add_dead_letter(letter(name, ConversationId(n), event_letter(START))).await.unwrap());
    }
    assert!(ids.is_sorted_by(|a, b| a < b));
    world.restart().await;
    let list = async |game_name: Option<&str>, after: Option<DeadLetterId>, limit| {
        let letters = world.store().dead_letters(game_name.map(game), after, limit).await.unwrap();
        letters.into_iter().map(|letter| letter.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, 9).await, ids);
    assert_eq!(list(None, Some(ids[2]), 2).await, ids[3..5]);
    assert_eq!(list(Some("odd"), None, 9).await, [ids[1], ids[3], ids[5]]);
    assert_eq!(list(Some("odd"), Some(ids[1]), 1).await, [ids[3]]);
    assert_eq!(list(Some("none"), None, 9).await, []);
    let found = world.store().dead_letter(ids[1]).await.unwrap().unwrap();
    assert_eq!((found.id, found.dead_letter), (ids[1], letter("odd", ConversationId(1), event_letter(START))));
    assert_eq!(world.store().dead_letter(DeadLetterId(ids[5].0 + 1)).await.unwrap(), None);
}

pub async fn a_dead_event_is_tried_again<E: Engine>() {
    let world = World::<E>::new().await;
    let conversation = idle_conversation(&world).await;
    let received_at = UnixMs(START.0 - 1_000);
    let id = world.store().add_dead_letter(letter("starfall", conversation, event_letter(received_at))).await.unwrap();
    assert!(world.store().retry_dead_letter(id, &Actor::Operator, START).await.unwrap());
    assert!(!world.store().retry_dead_letter(id, &Actor::Operator, START).await.unwrap(), "it is there no longer");
    let work = world.take().await;
    assert_eq!((work.conversation.id, bodies(&work)), (conversation, vec!["dead"]));
    assert_eq!((work.events[0].attempts, work.events[0].received_at), (0, received_at));
    assert_eq!(world.store().depth().await.unwrap().dead_letters, 0);
}

pub async fn a_dead_message_is_tried_again<E: Engine>() {
    let mut world = World::<E>::new().await;
    world.append([incoming(&player(1), "x")]).await;
    let work = world.take().await;
    let message = reply(&work.conversation, "once more", START);
    let dead = letter("starfall", work.conversation.id, Letter::Message(message.clone()));
    let id = world.store().add_dead_letter(dead).await.unwrap();
    let now = START.plus_ms(60_000);
    assert!(world.store().retry_dead_letter(id, &Actor::Operator, now).await.unwrap());
    for restart in [false, true] {
        if restart {
            world.restart().await;
        }
        let sent = world.take_messages(1).await.remove(0);
        assert_eq!((sent.id.conversation, sent_body(&sent)), (work.conversation.id, "once more"));
        assert_eq!((sent.attempts, sent.state, sent.due_at), (0, SendState::Queued, now));
    }
    assert_eq!(world.store().depth().await.unwrap().dead_letters, 0);
}

pub async fn tickets_stand_by_priority_and_age<E: Engine>() {
    let world = World::<E>::new().await;
    world.append([incoming(&player(1), "x")]).await;
    let work = world.take().await;
    let mut commit = done(&work);
    use TicketPriority::{Critical, High, Low, Normal};
    let order = [("SF-1", Low, 0), ("SF-2", High, 5), ("SF-3", High, 1), ("SF-4", Critical, 9), ("SF-5", Normal, 2)];
    commit.tickets = order
        .map(|(number, priority, age)| {
            let mut ticket = ticket(&work, number, priority);
            ticket.opened_at = START.plus_ms(age);
            ticket
        })
        .into();
    let mut elsewhere = ticket(&work, "SF-1", Critical);
    elsewhere.game = game("other");
    commit.tickets.push(elsewhere);
    world.commit(commit).await;
    let list = async |closed, limit| {
        let tickets = world.store().tickets(&game("starfall"), closed, limit).await.unwrap();
        tickets.into_iter().map(|ticket| ticket.number.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list(false, 9).await, ["SF-4", "SF-3", "SF-2", "SF-5", "SF-1"]);
    assert_eq!(list(false, 2).await, ["SF-4", "SF-3"]);
    for (later, number) in (0..).zip(["SF-3", "SF-4"]) {
        let number = TicketNumber::parse(number).unwrap();
        assert!(
            world.store().close_ticket(&game("starfall"), &number, "done".into(), &Actor::Operator, START.plus_ms(later)).await.unwrap()
        );
    }
    assert_eq!(list(false, 9).await, ["SF-2", "SF-5", "SF-1"]);
    assert_eq!(list(true, 9).await, ["SF-2", "SF-5", "SF-1", "SF-4", "SF-3"], "then closed ones, the last closed first");
    assert_eq!(list(true, 4).await, ["SF-2", "SF-5", "SF-1", "SF-4"]);
    assert_eq!(world.store().tickets(&game("other"), true, 9).await.unwrap().len(), 1);
    assert_eq!(world.store().depth().await.unwrap().tickets_open, 4);
}

pub async fn a_closed_ticket_tells_its_conversation<E: Engine>() {
    let mut world = World::<E>::new().await;
    world.append([incoming(&player(1), "x")]).await;
    let work = world.take().await;
    let mut commit = done(&work);
    commit.tickets = vec![ticket(&work, "SF-1", TicketPriority::High)];
    world.commit(commit).await;
    world.release(&work).await;
    world.restart().await;
    let number = TicketNumber::parse("SF-1").unwrap();
    let close = |game_name| {
        let (store, number) = (world.store().clone(), number.clone());
        async move { store.close_ticket(&game(game_name), &number, "refunded".into(), &Actor::Operator, START.plus_ms(9)).await.unwrap() }
    };
    assert!(!close("other").await);
    assert!(close("starfall").await);
    assert!(!close("starfall").await, "it is closed");
    let work = world.take().await;
    assert_eq!(work.events.len(), 1);
    let Event::TicketClosed(closed) = &*work.events[0].event else { panic!("a closed ticket") };
    assert_eq!((&closed.number, closed.resolution.as_str()), (&number, "refunded"));
    let ticket = world.store().tickets(&game("starfall"), true, 9).await.unwrap().remove(0);
    let closed = ticket.closed.unwrap();
    assert_eq!((closed.at, closed.resolution.as_str()), (START.plus_ms(9), "refunded"));
}

pub async fn notices_are_kept_for_ninety_days<E: Engine>() {
    let world = World::<E>::new().await;
    let notice = |n: u64, at| Notice {
        app: "app".into(),
        field: "message_template_status_update".into(),
        summary: n.is_multiple_of(2).then(|| "paused".into()),
        raw: format!("{{\"n\":{n}}}"),
        received_at: at,
    };
    let send = async |notices: Vec<Notice>| {
        let batch = Batch { notices, received_at: world.now(), ..Batch::default() };
        world.store().append(batch).await.unwrap().notices
    };
    assert_eq!(send((0..20).map(|n| notice(n, world.now())).collect()).await, 20);
    world.pass_days(89);
    assert_eq!(send(vec![notice(20, world.now())]).await, 1);
    assert_eq!(world.prune_all().await, 0);
    let kept = world.store().notices(2).await.unwrap();
    assert_eq!(kept, [notice(20, world.now()), notice(19, START)], "newest first");
    world.pass_days(2);
    assert_eq!(world.prune_all().await, 20);
    assert_eq!(world.store().notices(9).await.unwrap().len(), 1);
}

pub async fn depth_tells_how_much_is_where<E: Engine>() {
    let mut world = World::<E>::new().await;
    assert_eq!(world.store().depth().await.unwrap(), Depth::default());
    world.append([incoming(&player(1), "x"), incoming(&player(1), "y"), incoming(&player(2), "z")]).await;
    let elsewhere = Address { number: number(2), ..player(1) };
    world.append([incoming(&elsewhere, "x")]).await;
    let work = world.take().await;
    let mut commit = done(&work);
    commit.outbox = vec![reply(&work.conversation, "a", START)];
    commit.tickets = vec![ticket(&work, "SF-1", TicketPriority::High)];
    let timer = |id, ms| questline_core::commit::TimerChange::Set { due_at: START.plus_ms(ms), timer: timer(id) };
    commit.timers = vec![timer("a", 1), timer("b", 2)];
    commit.dead_letter = Some(letter("starfall", work.conversation.id, event_letter(START)));
    world.commit(commit).await;
    let expected = Depth { inbox: 3, outbox: 1, timers: 2, dead_letters: 1, tickets_open: 1, conversations: 3 };
    assert_eq!(world.store().depth().await.unwrap(), expected);
    world.restart().await;
    assert_eq!(world.store().depth().await.unwrap(), expected);
}

pub async fn check_says_that_it_works<E: Engine>() {
    let world = World::<E>::new().await;
    world.store().check().await.unwrap();
}

/// Whoever looks takes nothing away: the step under way holds.
pub async fn a_conversation_can_be_looked_at<E: Engine>() {
    let world = World::<E>::new().await;
    world.append([incoming(&player(1), "x"), incoming(&player(1), "y")]).await;
    let work = world.take().await;
    let id = work.conversation.id;
    assert_eq!(world.store().conversation(id).await.unwrap(), Some(work.conversation.clone()));
    let mut commit = done(&work);
    commit.conversation.touch(world.now());
    let after = commit.conversation.clone();
    world.commit(commit).await;
    assert_eq!(world.store().conversation(id).await.unwrap(), Some(after.clone()));
    let work = world.store().load(id, 9).await.unwrap();
    assert_eq!((&work.conversation, bodies(&work)), (&after, vec!["y"]));
    assert_eq!(world.store().conversation(questline_core::id::ConversationId(id.0 + 1024)).await.unwrap(), None);
}
