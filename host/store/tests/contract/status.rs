//! How far messages came, from webhooks that are late, doubled and out of order.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use questline_core::event::{Event, Wamid};
use questline_core::id::{OutboxRef, OutboxSeq};
use questline_core::port::Appended;
use questline_core::send::SendResult;
use questline_core::status::DeliveryState::{self, *};

use crate::outbox::{accepted, error};
use crate::support::*;

const KNOWN: Appended = Appended { events: 0, duplicates: 0, known: Vec::new(), statuses: 1, statuses_unknown: 0, notices: 0 };
const UNKNOWN: Appended = Appended { events: 0, duplicates: 0, known: Vec::new(), statuses: 0, statuses_unknown: 1, notices: 0 };

async fn inbox_depth<E: Engine>(world: &World<E>) -> u64 {
    world.store().depth().await.unwrap().inbox
}

pub async fn statuses_only_move_forward<E: Engine>() {
    let news = prop::collection::vec(prop::sample::select(DeliveryState::ALL.to_vec()), 0..7);
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let handle = tokio::runtime::Handle::current();
    let run = move || {
        let world = handle.block_on(World::<E>::new());
        let player_of = std::cell::Cell::new(0);
        runner.run(&news, |news| {
            handle.block_on(async {
                player_of.set(player_of.get() + 1);
                let id = world.accepted(&player(player_of.get()), "wamid.a").await;
                let mut expected = Accepted;
                let mut told = 0;
                let before = inbox_depth(&world).await;
                for state in news {
                    prop_assert_eq!(world.status(Some(id), "wamid.a", state).await, KNOWN);
                    told += u64::from(expected.advance(state) == Failed && expected != Failed);
                    expected = expected.advance(state);
                    prop_assert_eq!(world.state_of(id).await, Some(expected));
                }
                prop_assert_eq!(inbox_depth(&world).await, before + told);
                if told > 0 {
                    let work = world.take().await;
                    world.commit(done(&work)).await;
                    world.release(&work).await;
                }
                Ok(())
            })
        })
    };
    tokio::task::spawn_blocking(run).await.unwrap().unwrap();
}

pub async fn a_failure_is_told_once<E: Engine>() {
    let mut world = World::<E>::new().await;
    let id = world.accepted(&player(1), "wamid.a").await;
    world.setup.clock.pass_ms(5_000);
    for restart in [false, true] {
        if restart {
            world.restart().await;
        }
        assert_eq!(world.status(Some(id), "wamid.a", Failed).await, KNOWN);
        assert_eq!(inbox_depth(&world).await, 1);
    }
    let work = world.take().await;
    let Event::Status(status) = &*work.events[0].event else { panic!("a status") };
    assert_eq!((status.message, status.state, status.at), (Some(id), Failed, START.plus_ms(5_000)));
    assert_eq!(status.error, Some(error()));
}

pub async fn a_failure_after_delivery_is_not_told<E: Engine>() {
    let world = World::<E>::new().await;
    let id = world.accepted(&player(1), "wamid.a").await;
    for state in [Delivered, Failed, Sent] {
        world.status(Some(id), "wamid.a", state).await;
    }
    assert_eq!(world.state_of(id).await, Some(Delivered));
    assert_eq!(inbox_depth(&world).await, 0);
}

pub async fn statuses_of_others_are_counted<E: Engine>() {
    let world = World::<E>::new().await;
    let id = world.accepted(&player(1), "wamid.a").await;
    let unknown = OutboxRef { seq: OutboxSeq(id.seq.0 + 1_000_000), ..id };
    assert_eq!(world.status(Some(unknown), "wamid.x", Failed).await, UNKNOWN);
    assert_eq!(world.status(None, "wamid.x", Failed).await, UNKNOWN);
    let foreign = OutboxRef { conversation: questline_core::id::ConversationId(id.conversation.0 + 1), ..id };
    assert_eq!(world.status(Some(foreign), "wamid.a", Failed).await, UNKNOWN, "another conversation's message");
    assert_eq!(world.state_of(id).await, Some(Accepted));
    assert_eq!(inbox_depth(&world).await, 0);
}

pub async fn a_status_without_reference_finds_a_recent_message<E: Engine>() {
    let world = World::<E>::new().await;
    let first = world.accepted(&player(1), "wamid.first").await;
    let second = world.accepted(&player(2), "wamid.second").await;
    assert_eq!(world.status(None, "wamid.first", Read).await, KNOWN);
    assert_eq!(world.status(None, "wamid.second", Failed).await, KNOWN);
    assert_eq!((world.state_of(first).await, world.state_of(second).await), (Some(Read), Some(Failed)));
    assert_eq!(inbox_depth(&world).await, 1);
}

pub async fn a_status_settles_what_is_in_flight<E: Engine>() {
    let mut world = World::<E>::new().await;
    let names = world.reply(&player(1), &["a", "b", "c"]).await;
    world.take_messages(3).await;
    world.store().begin(names.clone(), START).await.unwrap();
    assert_eq!(world.status(Some(names[0]), "wamid.a", Sent).await, KNOWN);
    assert_eq!(world.store().settled(names.clone()).await.unwrap(), names[..1]);
    assert_eq!(world.store().begin(names.clone(), START).await.unwrap(), names[1..], "it must not be sent again");
    // What the sender has to say of it comes too late.
    world.record(names[0], SendResult::Again { attempts: 1, due_at: START }).await;
    world.record(names[0], SendResult::Dead { reason: "r".into(), detail: String::new(), at: START }).await;
    world.restart().await;
    let receipt = world.store().receipt(names[0]).await.unwrap().unwrap();
    assert_eq!((receipt.state, receipt.wamid, receipt.attempts), (Sent, Some(Wamid("wamid.a".into())), 1));
    let left = world.take_messages(2).await;
    assert_eq!(left.iter().map(|message| message.id).collect::<Vec<_>>(), names[1..]);
    let depth = world.store().depth().await.unwrap();
    assert_eq!((depth.outbox, depth.dead_letters, depth.inbox), (2, 0, 0));
}

pub async fn a_failure_settles_what_is_in_flight<E: Engine>() {
    let world = World::<E>::new().await;
    let names = world.reply(&player(1), &["a", "b"]).await;
    world.take_messages(2).await;
    world.store().begin(names.clone(), START).await.unwrap();
    assert_eq!(world.status(Some(names[0]), "wamid.a", Failed).await, KNOWN);
    assert_eq!(world.store().settled(names.clone()).await.unwrap(), names[..1]);
    assert_eq!(world.state_of(names[0]).await, Some(Failed));
    assert_eq!(world.store().depth().await.unwrap().outbox, 1);
    let work = world.take().await;
    assert!(matches!(&*work.events[0].event, Event::Status(status) if status.message == Some(names[0])));
}

pub async fn content_is_kept_until_delivery_or_for_a_day<E: Engine>() {
    let world = World::<E>::new().await;
    let mut ids = Vec::new();
    for (n, state) in [Accepted, Sent, Delivered, Read, Failed].into_iter().enumerate() {
        let wamid = format!("wamid.{n}");
        let id = world.accepted(&player(n as u64), &wamid).await;
        world.status(Some(id), &wamid, state).await;
        ids.push(id);
    }
    let kept = || async {
        let mut kept = Vec::new();
        for id in &ids {
            kept.push(world.store().receipt(*id).await.unwrap().unwrap().message.is_some());
        }
        kept
    };
    assert_eq!(kept().await, [true, true, false, false, true]);
    world.setup.clock.pass_ms(23 * 3_600_000);
    world.prune_all().await;
    assert_eq!(kept().await, [true, true, false, false, true]);
    world.setup.clock.pass_ms(2 * 3_600_000);
    world.prune_all().await;
    assert_eq!(kept().await, [false, false, false, false, true], "a failed one's step may come late");
}

pub async fn receipts_are_kept_for_thirty_days<E: Engine>() {
    let world = World::<E>::new().await;
    let mut old = Vec::new();
    for n in 0..20 {
        old.push(world.accepted(&player(n), "wamid.a").await);
    }
    let waiting = world.reply(&player(20), &["waits"]).await[0];
    world.pass_days(29);
    let young = world.accepted(&player(30), "wamid.b").await;
    world.prune_all().await;
    assert_eq!(world.state_of(old[0]).await, Some(Accepted));
    world.pass_days(2);
    world.prune_all().await;
    for id in old {
        assert_eq!(world.state_of(id).await, None);
        assert_eq!(world.status(Some(id), "wamid.a", Read).await, UNKNOWN);
    }
    assert_eq!(world.state_of(young).await, Some(Accepted));
    assert_eq!(world.store().depth().await.unwrap().outbox, 1, "what waits is never forgotten");
    world.record(waiting, accepted("wamid.w")).await;
    assert_eq!(world.state_of(waiting).await, Some(Accepted));
}

pub async fn a_failure_of_an_earlier_send_is_old_news<E: Engine>() {
    let world = World::<E>::new().await;
    let id = world.accepted(&player(1), "wamid.first").await;
    world.status(Some(id), "wamid.first", Failed).await;
    let work = world.take().await;
    let mut commit = done(&work);
    commit.resend = vec![questline_core::commit::Resend { id, due_at: START, attempts: 1 }];
    world.commit(commit).await;
    // Meta repeats itself while the message waits, is in flight, and after it was accepted again.
    world.status(Some(id), "wamid.first", Failed).await;
    world.take_messages(1).await;
    world.store().begin(vec![id], START).await.unwrap();
    world.status(Some(id), "wamid.first", Failed).await;
    assert_eq!(world.store().settled(vec![id]).await.unwrap(), []);
    world.record(id, accepted("wamid.second")).await;
    world.status(Some(id), "wamid.first", Failed).await;
    assert_eq!(world.state_of(id).await, Some(Accepted));
    assert_eq!(inbox_depth(&world).await, 0);
    world.status(Some(id), "wamid.second", Failed).await;
    assert_eq!((world.state_of(id).await, inbox_depth(&world).await), (Some(Failed), 1));
}
