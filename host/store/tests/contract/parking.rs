//! Parked messages: out of everybody's way until their time, and never lost.

use questline_core::commit::Letter;
use questline_core::id::OutboxRef;
use questline_core::outbox::SendState;
use questline_core::port::StoreError;
use questline_core::send::{ParkReason, SendResult};
use questline_core::status::DeliveryState;

use crate::outbox::accepted;
use crate::support::*;

const UNTIL: u64 = 60_000;

fn parked(attempts: u32) -> SendResult {
    SendResult::Parked { until: START.plus_ms(UNTIL), reason: ParkReason::InGame, attempts }
}

/// Three messages of a player, the first of them taken, begun and parked.
async fn with_one_parked<E: Engine>() -> (World<E>, Vec<OutboxRef>) {
    let world = World::<E>::new().await;
    let names = world.reply(&player(1), &["a", "b", "c"]).await;
    world.take_messages(1).await;
    world.store().begin(vec![names[0]], START).await.unwrap();
    world.record(names[0], parked(2)).await;
    (world, names)
}

pub async fn a_parked_message_holds_up_nobody<E: Engine>() {
    let (mut world, names) = with_one_parked::<E>().await;
    assert_eq!(sent_bodies(&world.take_messages(2).await), ["b", "c"]);
    world.restart().await;
    assert_eq!(sent_bodies(&world.take_messages(2).await), ["b", "c"], "it is not in the queue");
    let depth = world.store().depth().await.unwrap();
    assert_eq!(depth.outbox, 3, "and not gone");
    assert_eq!(world.store().receipt(names[0]).await.unwrap(), None);
    assert_eq!(world.store().settled(vec![names[0]]).await.unwrap(), []);
}

pub async fn a_parked_message_is_queued_when_it_is_due<E: Engine>() {
    let (mut world, names) = with_one_parked::<E>().await;
    let due_at = START.plus_ms(UNTIL);
    assert_eq!(world.store().fire_due(START.plus_ms(UNTIL - 1), 9).await.unwrap(), (0, Some(due_at)));
    world.restart().await;
    assert_eq!(world.store().fire_due(START, 9).await.unwrap(), (0, Some(due_at)), "known after a restart");
    assert_eq!(world.store().fire_due(due_at, 9).await.unwrap(), (1, None));
    for restart in [false, true] {
        if restart {
            world.restart().await;
        }
        let messages = world.take_messages(3).await;
        assert_eq!(messages.iter().map(|message| message.id).collect::<Vec<_>>(), [names[1], names[2], names[0]], "at the end");
        assert_eq!((messages[2].attempts, messages[2].state, messages[2].due_at), (2, SendState::Queued, due_at));
    }
    assert_eq!(world.store().fire_due(due_at, 9).await.unwrap(), (0, None), "once");
    world.store().begin(vec![names[0]], due_at).await.unwrap();
    world.record(names[0], accepted("wamid.a")).await;
    assert_eq!(world.store().receipt(names[0]).await.unwrap().unwrap().attempts, 3);
}

pub async fn few_parked_messages_at_a_time<E: Engine>() {
    let world = World::<E>::new().await;
    let mut names = Vec::new();
    for n in 0..10 {
        names.extend(world.reply(&player(n), &["x"]).await);
    }
    world.take_messages(10).await;
    for (n, name) in (0..).zip(&names) {
        let until = START.plus_ms(1 + n);
        world.record(*name, SendResult::Parked { until, reason: ParkReason::LocalHours, attempts: 0 }).await;
    }
    let now = START.plus_ms(100);
    let mut queued = 0;
    while queued < 10 {
        let (some, _) = world.store().fire_due(now, 4).await.unwrap();
        assert!((1..=4).contains(&some), "{some}");
        queued += some;
    }
    assert_eq!(world.store().fire_due(now, 4).await.unwrap(), (0, None));
    assert_eq!(world.take_messages(10).await.len(), 10);
}

pub async fn a_status_settles_a_parked_message<E: Engine>() {
    let (mut world, names) = with_one_parked::<E>().await;
    world.status(Some(names[0]), "wamid.a", DeliveryState::Delivered).await;
    world.restart().await;
    assert_eq!(world.state_of(names[0]).await, Some(DeliveryState::Delivered));
    assert_eq!(world.store().fire_due(START.plus_ms(UNTIL), 9).await.unwrap(), (0, None));
    assert_eq!(sent_bodies(&world.take_messages(2).await), ["b", "c"]);
    assert_eq!(world.store().depth().await.unwrap().outbox, 2);
}

pub async fn a_parked_message_can_be_given_up<E: Engine>() {
    let (world, names) = with_one_parked::<E>().await;
    world.record(names[0], SendResult::Dead { reason: "expired".into(), detail: String::new(), at: START }).await;
    assert_eq!(world.store().fire_due(START.plus_ms(UNTIL), 9).await.unwrap(), (0, None));
    let letters = world.store().dead_letters(None, None, 9).await.unwrap();
    assert!(matches!(&letters[0].dead_letter.letter, Letter::Message(_)));
    assert_eq!((letters[0].dead_letter.attempts, world.store().depth().await.unwrap().outbox), (2, 2));
    // What has left the outbox is not parked.
    world.record(names[0], parked(0)).await;
    assert_eq!(world.store().fire_due(START.plus_ms(UNTIL), 9).await.unwrap(), (0, None));
}

pub async fn a_full_inbox_does_not_hold_parked_messages_back<E: Engine>() {
    let world = World::<E>::with(|setup| setup.inbox_max = 1).await;
    let name = world.reply(&player(1), &["a"]).await[0];
    world.take_messages(1).await;
    world.record(name, parked(0)).await;
    world.append([incoming(&player(2), "fills the inbox")]).await;
    assert!(matches!(world.try_append([incoming(&player(3), "x")]).await, Err(StoreError::Overloaded { .. })));
    assert_eq!(world.store().fire_due(START.plus_ms(UNTIL), 9).await.unwrap().0, 1);
    assert_eq!(world.take_messages(1).await[0].id, name);
}

pub async fn people_see_what_waits_and_why<E: Engine>() {
    let mut world = World::<E>::new().await;
    let name = world.reply(&player(1), &["a", "b"]).await[0];
    world.take_messages(2).await;
    world.record(name, parked(1)).await;
    let one = crate::enqueue::one_of_many(&player(2), 1);
    let scheduled = questline_core::port::Enqueue { not_before: Some(START.plus_ms(5)), ..crate::enqueue::one_of_many(&player(3), 2) };
    let other = questline_core::contact::Address { number: number(2), ..player(4) };
    let others = crate::enqueue::one_of_many(&other, 3);
    let enqueued = world.store().enqueue(vec![one, scheduled, others]).await.unwrap();
    for restart in [false, true] {
        if restart {
            world.restart().await;
        }
        let waiting = world.store().waiting(&[number(1)]).await.unwrap();
        let told = waiting.iter().map(|of| (of.lane.to_string(), of.queued, of.oldest, of.parked.clone())).collect::<Vec<_>>();
        let normal = ("101.normal".to_owned(), 1, Some(START), vec![(ParkReason::InGame, 1)]);
        let low = ("101.low-bulk".to_owned(), 1, Some(START), vec![(ParkReason::Scheduled, 1)]);
        // In Redis the name of a message is the next millisecond that is free.
        assert_eq!(
            told.iter().map(|(lane, queued, _, parked)| (lane, queued, parked)).collect::<Vec<_>>(),
            [(&normal.0, &normal.1, &normal.3), (&low.0, &low.1, &low.3)]
        );
        assert!(told.iter().all(|(_, _, oldest, _)| oldest.is_some_and(|oldest| oldest.since_ms(START) < 5)));
        let parked = world.store().parked(&[number(1)], 9).await.unwrap();
        assert_eq!(parked.iter().map(|parked| parked.id).collect::<Vec<_>>(), [crate::enqueue::name(&enqueued[1]), name]);
        assert_eq!((parked[1].until, parked[1].reason, parked[1].committed_at), (START.plus_ms(UNTIL), ParkReason::InGame, START));
        assert_eq!(parked[0].campaign.as_ref().unwrap().as_str(), "summer-2026");
        assert_eq!(world.store().parked(&[number(1)], 1).await.unwrap().len(), 1);
    }
    assert_eq!(world.store().parked(&[number(2)], 9).await.unwrap(), []);
}
