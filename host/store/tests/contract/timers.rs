//! What flows asked to be woken for.

use questline_core::commit::TimerChange;
use questline_core::event::Event;
use questline_core::port::StoreError;
use questline_core::time::UnixMs;

use crate::commit::{flow, timer};
use crate::support::*;

fn at(ms: u64) -> UnixMs {
    START.plus_ms(ms)
}

fn set(id: &str, ms: u64) -> TimerChange {
    TimerChange::Set { due_at: at(ms), timer: timer(id) }
}

/// A step of a player that changes timers.
async fn change<E: Engine>(world: &World<E>, n: u64, changes: Vec<TimerChange>) {
    world.append([incoming(&player(n), "x")]).await;
    let work = world.take().await;
    let mut commit = done(&work);
    commit.timers = changes;
    world.commit(commit).await;
    world.release(&work).await;
}

/// The timers that have become events of the next conversation.
async fn fired<E: Engine>(world: &World<E>) -> Vec<String> {
    let work = world.take().await;
    let mut ids = Vec::new();
    for entry in &work.events {
        let Event::Timer(timer) = &*entry.event else { panic!("a timer") };
        assert_eq!((&timer.flow, timer.payload.as_str()), (&flow(), "{\"n\":1}"));
        ids.push(timer.id.clone());
    }
    ids
}

pub async fn due_timers_become_events<E: Engine>() {
    let world = World::<E>::new().await;
    assert_eq!(world.store().fire_due(at(0), 9).await.unwrap(), (0, None));
    change(&world, 1, vec![set("late", 300), set("early", 100), set("middle", 200)]).await;
    assert_eq!(world.store().depth().await.unwrap().timers, 3);
    assert_eq!(world.store().fire_due(at(99), 9).await.unwrap(), (0, Some(at(100))));
    assert_eq!(world.ready_now().await, []);
    assert_eq!(world.store().fire_due(at(200), 9).await.unwrap(), (2, Some(at(300))));
    assert_eq!(fired(&world).await, ["early", "middle"]);
    assert_eq!(world.store().fire_due(at(200), 9).await.unwrap(), (0, Some(at(300))));
    assert_eq!(world.store().fire_due(at(300), 9).await.unwrap(), (1, None));
    assert_eq!(world.store().depth().await.unwrap().timers, 0);
}

pub async fn few_at_a_time<E: Engine>() {
    let world = World::<E>::new().await;
    for n in 0..10 {
        change(&world, n, vec![set("t", n)]).await;
    }
    assert_eq!(world.store().fire_due(at(100), 4).await.unwrap(), (4, Some(at(4))));
    assert_eq!(world.store().fire_due(at(100), 4).await.unwrap(), (4, Some(at(8))));
    assert_eq!(world.store().fire_due(at(100), 4).await.unwrap(), (2, None));
    assert_eq!(world.ready_now().await.len(), 10);
}

pub async fn a_timer_is_replaced_and_cancelled<E: Engine>() {
    let world = World::<E>::new().await;
    change(&world, 1, vec![set("a", 100), set("b", 100), set("c", 100)]).await;
    change(&world, 2, vec![set("a", 100)]).await;
    let cancel = |id: &str| TimerChange::Cancel { flow: flow(), id: id.into() };
    change(&world, 1, vec![set("a", 500), cancel("b"), cancel("never set"), set("c", 50), set("c", 60)]).await;
    assert_eq!(world.store().depth().await.unwrap().timers, 3);
    assert_eq!(world.store().fire_due(at(0), 9).await.unwrap(), (0, Some(at(60))));
    assert_eq!(world.store().fire_due(at(100), 9).await.unwrap(), (2, Some(at(500))));
    // Those that have fired are taken, so that the next step is another conversation's.
    assert_eq!(world.ready_now().await.len(), 2);
    change(&world, 3, vec![cancel("a")]).await;
    assert_eq!(world.store().fire_due(at(100), 9).await.unwrap(), (0, Some(at(500))), "another conversation's is not its");
}

pub async fn timers_survive_a_restart<E: Engine>() {
    let mut world = World::<E>::new().await;
    change(&world, 1, vec![set("a", 100)]).await;
    world.restart().await;
    assert_eq!(world.store().depth().await.unwrap().timers, 1);
    assert_eq!(world.store().fire_due(at(100), 9).await.unwrap(), (1, None));
    world.restart().await;
    assert_eq!(world.store().fire_due(at(100), 9).await.unwrap(), (0, None));
    assert_eq!(fired(&world).await, ["a"]);
}

/// Memory stays bounded, and no timer is lost.
pub async fn a_full_inbox_holds_timers_back<E: Engine>() {
    let world = World::<E>::with(|setup| (setup.inbox_max, setup.inbox_per_game_max) = (5, 5)).await;
    change(&world, 1, (0..8).map(|n| set(&n.to_string(), n)).collect()).await;
    assert_eq!(world.store().fire_due(at(100), 9).await.unwrap(), (5, Some(at(5))));
    assert_eq!(world.store().fire_due(at(100), 9).await, Err(StoreError::Overloaded { waiting: 5 }));
    let work = world.take().await;
    world.commit(done(&work)).await;
    assert_eq!(world.store().fire_due(at(100), 9).await.unwrap(), (1, Some(at(6))));
}
