//! A step is written whole, or not at all.

use std::sync::Arc;

use questline_core::audit::{Action, Actor, AuditRecord};
use questline_core::commit::{Commit, DeadLetter, Letter, StepRecord, Ticket, TimerChange};
use questline_core::consent::Marketing;
use questline_core::conversation::FlowState;
use questline_core::effect::TicketPriority;
use questline_core::event::{Event, HandedOver, TimerEvent, Wamid};
use questline_core::id::{FlowName, OutboxRef, TicketNumber};
use questline_core::outcome::{Next, Outcome};
use questline_core::port::{Depth, StoreError, Work};

use crate::support::*;

pub fn flow() -> FlowName {
    FlowName::parse("vip-routing").unwrap()
}

pub fn timer(id: &str) -> TimerEvent {
    TimerEvent { flow: flow(), id: id.into(), payload: "{\"n\":1}".into() }
}

pub fn ticket(work: &Work, number: &str, priority: TicketPriority) -> Ticket {
    Ticket {
        number: TicketNumber::parse(number).unwrap(),
        conversation: work.conversation.id,
        game: work.conversation.game.clone(),
        player: None,
        priority,
        intent: "purchase".into(),
        subject: "Coins are missing".into(),
        body: "All of them".into(),
        tags: vec!["vip".into()],
        opened_at: START,
        due_at: None,
        closed: None,
    }
}

/// A commit with something of everything.
fn full(work: &Work) -> Commit {
    let id = work.conversation.id;
    let mut commit = done(work);
    commit.conversation.touch(START);
    commit.conversation.session.states = vec![FlowState { flow: flow(), version: 3, state: "{\"step\":\"balance \u{1F3AE}\"}".into() }];
    commit.conversation.remember(work.events[0].seq, &Wamid("wamid.1".into()));
    commit.outbox = ["one", "two"].map(|body| reply(&work.conversation, body, START)).into();
    commit.timers = vec![TimerChange::Set { due_at: START.plus_ms(1_000), timer: timer("t") }];
    commit.tickets = vec![ticket(work, "SF-1", TicketPriority::High)];
    commit.consents = vec![crate::consents::told(Marketing::Granted, "Yes", START)];
    let record = AuditRecord::new(START, work.conversation.game.clone(), Actor::Player, Action::ConsentGranted, "in chat");
    commit.audits = vec![record.about(id, None, Some(work.conversation.contact.clone()))];
    commit.follow_ups = vec![Event::HandedOver(HandedOver { from: flow(), to: flow(), note: None })];
    commit.dead_letter = Some(DeadLetter {
        game: work.conversation.game.clone(),
        conversation: id,
        letter: Letter::Event { received_at: START, event: (*work.events[0].event).clone() },
        reason: "trap".into(),
        detail: "boom at src/lib.rs:27".into(),
        attempts: 3,
        at: START,
    });
    commit.step = Some(StepRecord {
        seq: work.events[0].seq,
        at: START,
        flow: flow(),
        component: "sha256:0".into(),
        event: (*work.events[0].event).clone(),
        before: work.conversation.clone(),
        reads: Vec::new(),
        outcome: Outcome { state: Some("{}".into()), effects: Vec::new(), next: Next::Stay },
    });
    commit
}

const FULL: Depth = Depth { inbox: 1, outbox: 2, timers: 1, dead_letters: 1, tickets_open: 1, conversations: 1 };

pub async fn a_step_is_written_whole<E: Engine>() {
    let mut world = World::<E>::new().await;
    world.append([keyed(&player(1), 1)]).await;
    let work = world.take().await;
    let commit = full(&work);
    let committed = world.commit(commit.clone()).await;
    assert_eq!(committed.outbox.len(), 2);
    assert!(committed.outbox.is_sorted_by(|a, b| a.seq < b.seq));
    assert!(committed.outbox.iter().all(|id| id.conversation == work.conversation.id));
    for restart in [false, true] {
        if restart {
            world.restart().await;
        }
        assert_eq!(world.store().depth().await.unwrap(), FULL);
        let after = world.store().load(work.conversation.id, 9).await.unwrap();
        assert_eq!(after.conversation, commit.conversation);
        assert_eq!(after.events.iter().map(|entry| (*entry.event).clone()).collect::<Vec<_>>(), commit.follow_ups);
        let messages = world.take_messages(2).await;
        assert_eq!(messages.iter().map(|message| message.id).collect::<Vec<OutboxRef>>(), committed.outbox);
        assert_eq!(messages.into_iter().map(|message| message.message).collect::<Vec<_>>(), commit.outbox);
        assert_eq!(world.store().tickets(&game("starfall"), false, 9).await.unwrap(), commit.tickets);
        let letters = world.store().dead_letters(None, None, 9).await.unwrap();
        assert_eq!(Some(&letters[0].dead_letter), commit.dead_letter.as_ref());
    }
}

pub async fn a_second_commit_of_the_same_step_is_stale<E: Engine>() {
    let world = World::<E>::new().await;
    world.append([keyed(&player(1), 1), keyed(&player(1), 2)]).await;
    let work = world.take().await;
    world.commit(full(&work)).await;
    let depth = world.store().depth().await.unwrap();
    assert_eq!(world.store().commit(full(&work)).await, Err(StoreError::Stale));
    assert_eq!(world.store().depth().await.unwrap(), depth);
}

pub async fn a_commit_on_an_old_version_is_stale_and_leaves_nothing<E: Engine>() {
    let mut world = World::<E>::new().await;
    world.append([keyed(&player(1), 1), keyed(&player(1), 2)]).await;
    let work = world.take().await;
    world.commit(done(&work)).await;
    // The second event with the first one's conversation.
    let mut old = full(&work);
    old.ack = work.events[1].seq;
    for restart in [false, true] {
        if restart {
            world.restart().await;
        }
        assert_eq!(world.store().commit(old.clone()).await, Err(StoreError::Stale));
        let depth = Depth { inbox: 1, conversations: 1, ..Depth::default() };
        assert_eq!(world.store().depth().await.unwrap(), depth);
        let after = world.store().load(work.conversation.id, 9).await.unwrap();
        assert_eq!((after.conversation.version, bodies(&after)), (1, vec!["2"]));
    }
    // A version from the future, or from before the first, is as wrong.
    let after = world.store().load(work.conversation.id, 9).await.unwrap();
    for version in [0, 3] {
        let mut wrong = done(&after);
        wrong.conversation.version = version;
        assert_eq!(world.store().commit(wrong).await, Err(StoreError::Stale));
    }
    world.commit(done(&after)).await;
}

pub async fn a_commit_of_an_event_that_is_gone_is_stale<E: Engine>() {
    let world = World::<E>::new().await;
    world.append([keyed(&player(1), 1), keyed(&player(2), 2)]).await;
    let (first, second) = (world.take().await, world.take().await);
    // Another conversation's event.
    let mut commit = done(&first);
    commit.ack = second.events[0].seq;
    if second.events[0].seq != first.events[0].seq {
        assert_eq!(world.store().commit(commit).await, Err(StoreError::Stale));
    }
    world.commit(done(&first)).await;
    let after = world.store().load(first.conversation.id, 9).await.unwrap();
    let gone = Commit::of(after.conversation, first.events[0].seq);
    assert_eq!(world.store().commit(gone).await, Err(StoreError::Stale));
    world.commit(done(&second)).await;
}

pub async fn of_two_commits_at_once_one_holds<E: Engine>() {
    let world = World::<E>::new().await;
    for n in 0..20 {
        world.append([keyed(&player(1), n)]).await;
        let work = world.take().await;
        let tasks = (0..4).map(|_| {
            let (store, commit) = (world.store().clone(), full(&work));
            tokio::spawn(async move { store.commit(commit).await })
        });
        let mut held = 0;
        for task in tasks.collect::<Vec<_>>() {
            match task.await.unwrap() {
                Ok(_) => held += 1,
                Err(error) => assert_eq!(error, StoreError::Stale),
            }
        }
        assert_eq!(held, 1);
        assert_eq!(world.store().depth().await.unwrap().outbox, 2 * (n + 1));
        // Its follow-up.
        let work = world.store().load(work.conversation.id, 9).await.unwrap();
        world.commit(done(&work)).await;
        world.release(&work).await;
    }
}

pub async fn a_stale_commit_disturbs_no_other<E: Engine>() {
    const CONVERSATIONS: u64 = 64;
    let world = World::<E>::new().await;
    world.append((0..CONVERSATIONS).map(|n| keyed(&player(n), n))).await;
    let mut tasks = Vec::new();
    for n in 0..CONVERSATIONS {
        let work = world.take().await;
        let mut commit = done(&work);
        let stale = n % 2 == 0;
        commit.conversation.version += u64::from(stale);
        let store = world.store().clone();
        tasks.push((stale, tokio::spawn(async move { store.commit(commit).await })));
    }
    for (stale, task) in tasks {
        assert_eq!(task.await.unwrap().is_err_and(|error| error == StoreError::Stale), stale);
    }
    assert_eq!(world.store().depth().await.unwrap().inbox, CONVERSATIONS / 2);
}

pub async fn a_thousand_conversations_commit_at_once<E: Engine>() {
    const CONVERSATIONS: u64 = 1_000;
    const STEPS: u64 = 3;
    let world = Arc::new(World::<E>::new().await);
    for step in 0..STEPS {
        world.append((0..CONVERSATIONS).map(|n| incoming(&player(n), &step.to_string()))).await;
    }
    let runners = (0..100).map(|_| {
        let world = world.clone();
        tokio::spawn(async move {
            for _ in 0..CONVERSATIONS / 100 {
                let mut work = world.take().await;
                for step in 0..STEPS {
                    assert_eq!(body(&work.events[0].event), step.to_string());
                    let mut commit = done(&work);
                    commit.outbox = vec![reply(&work.conversation, &step.to_string(), START)];
                    world.commit(commit).await;
                    work = world.store().load(work.conversation.id, 9).await.unwrap();
                }
                assert_eq!((work.conversation.version, work.events.len()), (STEPS, 0));
                world.release(&work).await;
            }
        })
    });
    for runner in runners.collect::<Vec<_>>() {
        runner.await.unwrap();
    }
    let depth = Depth { outbox: CONVERSATIONS * STEPS, conversations: CONVERSATIONS, ..Depth::default() };
    assert_eq!(world.store().depth().await.unwrap(), depth);
    let messages = world.take_messages((CONVERSATIONS * STEPS) as usize).await;
    let mut next = std::collections::HashMap::new();
    for message in &messages {
        let next = next.entry(message.id.conversation).or_insert(0);
        assert_eq!(sent_body(message), next.to_string(), "in order within the conversation");
        *next += 1;
    }
}

pub async fn a_failed_try_is_counted<E: Engine>() {
    let mut world = World::<E>::new().await;
    world.append([keyed(&player(1), 1), keyed(&player(1), 2)]).await;
    let work = world.take().await;
    let id = work.conversation.id;
    world.store().count_attempt(id, work.events[0].seq, 2).await.unwrap();
    for restart in [false, true] {
        if restart {
            world.restart().await;
        }
        let again = world.store().load(id, 9).await.unwrap();
        assert_eq!(again.events.iter().map(|entry| entry.attempts).collect::<Vec<_>>(), [2, 0]);
    }
    world.commit(done(&work)).await;
    assert_eq!(world.store().count_attempt(id, work.events[0].seq, 3).await, Err(StoreError::Stale));
}

pub async fn follow_ups_come_last<E: Engine>() {
    let world = World::<E>::new().await;
    world.append([keyed(&player(1), 1), keyed(&player(1), 2)]).await;
    let work = world.take().await;
    let mut commit = done(&work);
    commit.follow_ups = ["a", "b"].map(|text| Event::Message(text_message("wamid.f", text))).into();
    world.commit(commit).await;
    world.release(&work).await;
    assert_eq!(bodies(&world.take().await), ["2", "a", "b"]);
}

pub async fn large_states_are_kept<E: Engine>() {
    let mut world = World::<E>::new().await;
    world.append([keyed(&player(1), 1)]).await;
    let work = world.take().await;
    let mut commit = done(&work);
    let state = format!("\"{}\"", "\u{1F3AE}\\\"".repeat(2_700));
    commit.conversation.session.states = vec![FlowState { flow: flow(), version: 1, state: state.clone() }];
    world.commit(commit.clone()).await;
    world.restart().await;
    assert_eq!(world.store().load(work.conversation.id, 1).await.unwrap().conversation, commit.conversation);
}
