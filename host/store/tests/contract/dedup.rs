//! What Meta sends again has no effect.

use std::collections::HashSet;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use questline_core::port::{Appended, Incoming};
use questline_core::time::{DAY_MS, SECOND_MS};

use crate::support::*;

pub async fn a_repetition_has_no_effect<E: Engine>() {
    let world = World::<E>::new().await;
    assert_eq!(world.append([keyed(&player(1), 1)]).await, Appended { events: 1, ..Appended::default() });
    assert_eq!(world.append([keyed(&player(1), 1)]).await, Appended { duplicates: 1, known: vec![0], ..Appended::default() });
    let work = world.take().await;
    assert_eq!(bodies(&work), ["1"]);
    world.commit(done(&work)).await;
    world.release(&work).await;
    // Also when it was done long ago.
    world.pass_days(7);
    assert_eq!(
        world.append([keyed(&player(1), 1), keyed(&player(1), 2)]).await,
        Appended { events: 1, duplicates: 1, known: vec![0], ..Appended::default() }
    );
    assert_eq!(bodies(&world.take().await), ["2"]);
}

pub async fn a_repetition_within_a_post_has_no_effect<E: Engine>() {
    let world = World::<E>::new().await;
    let ids = [1, 2, 1, 3, 2, 1];
    let appended = world.append(ids.map(|id| keyed(&player(1), id))).await;
    assert_eq!(appended, Appended { events: 3, duplicates: 3, known: vec![2, 4, 5], ..Appended::default() });
    assert_eq!(bodies(&world.take().await), ["1", "2", "3"]);
}

pub async fn a_repetition_after_a_restart_has_no_effect<E: Engine>() {
    let mut world = World::<E>::new().await;
    world.append([keyed(&player(1), 1)]).await;
    world.restart().await;
    assert_eq!(world.append([keyed(&player(1), 1)]).await.duplicates, 1);
    assert_eq!(bodies(&world.take().await), ["1"]);
}

pub async fn keys_differ_by_second_and_digest<E: Engine>() {
    let world = World::<E>::new().await;
    let keys = [key(7, 1), key(8, 1), key(7, 2), key(0, 1), key(0, u64::MAX), key(u64::from(u32::MAX), 0)];
    let events = || keys.map(|dedup| Incoming { dedup: Some(dedup), ..incoming(&player(1), "x") });
    assert_eq!(world.append(events()).await.events, 6);
    assert_eq!(world.append(events()).await.duplicates, 6);
}

pub async fn without_a_key_nothing_is_a_repetition<E: Engine>() {
    let world = World::<E>::new().await;
    assert_eq!(world.append((0..3).map(|_| incoming(&player(1), "x"))).await.events, 3);
}

pub async fn many_tasks_with_the_same_ids_add_each_once<E: Engine>() {
    const IDS: u64 = 100;
    let world = Arc::new(World::<E>::new().await);
    let tasks = (0..16u64).map(|task| {
        let world = world.clone();
        tokio::spawn(async move {
            let mut new = 0;
            // Each begins elsewhere, in posts of three.
            for n in 0..IDS {
                let ids = (0..3).map(|more| (task * 7 + n + more) % IDS);
                new += world.append(ids.map(|id| keyed(&player(id % 10), id))).await.events;
            }
            new
        })
    });
    let mut new = 0;
    for task in tasks.collect::<Vec<_>>() {
        new += task.await.unwrap();
    }
    assert_eq!(u64::from(new), IDS);
    let mut found = Vec::new();
    for _ in 0..10 {
        found.extend(bodies(&world.take().await).into_iter().map(|body| body.parse::<u64>().unwrap()));
    }
    found.sort_unstable();
    assert_eq!(found, (0..IDS).collect::<Vec<_>>());
}

/// The sender's clock may be wrong in either direction: a key goes only when it is old by it and by ours.
pub async fn keys_are_known_for_fifteen_days_by_both_clocks<E: Engine>() {
    let world = World::<E>::new().await;
    let day_s = DAY_MS / SECOND_MS;
    let sent_s = [START.as_s(), START.as_s() - 400 * day_s, 7, START.as_s() + 20 * day_s];
    let events = || (0..).zip(sent_s).map(|(id, sent_s)| Incoming { dedup: Some(key(sent_s, id)), ..incoming(&player(1), "x") });
    assert_eq!(world.append(events()).await.events, 4);
    world.pass_days(14);
    assert_eq!(world.prune_all().await, 0);
    assert_eq!(world.append(events()).await.duplicates, 4);
    world.pass_days(2);
    assert_eq!(world.prune_all().await, 3);
    assert_eq!(world.append(events()).await, Appended { events: 3, duplicates: 1, known: vec![3], ..Appended::default() });
    world.pass_days(20);
    assert_eq!(world.prune_all().await, 4);
}

/// An idempotency key has no time of its own: its life begins when it comes, and traffic does not prolong it.
pub async fn a_key_without_a_time_is_known_for_fifteen_days_from_its_arrival<E: Engine>() {
    let world = World::<E>::new().await;
    let event = |id| Incoming { dedup: Some(key(0, id)), ..incoming(&player(1), "x") };
    assert_eq!(world.append([event(1)]).await.events, 1);
    for day in 1..=14 {
        world.pass_days(1);
        world.prune_all().await;
        assert_eq!(world.append([event(1), event(100 + day)]).await.known, [0], "day {day}");
    }
    world.pass_days(2);
    world.prune_all().await;
    assert_eq!(world.append([event(1)]).await.events, 1);
    assert_eq!(world.append([event(1)]).await.duplicates, 1, "and a new life begins");
}

/// The same key is the same event, though it is sent to somebody else, by many at once, and after a restart.
pub async fn a_key_without_a_time_is_one_event_wherever_it_is_sent<E: Engine>() {
    let mut world = World::<E>::new().await;
    let event = |to, id| Incoming { dedup: Some(key(0, id)), ..incoming(&player(to), "x") };
    assert_eq!(world.append([event(1, 1), event(2, 1), event(2, 2)]).await.known, [1]);
    world.restart().await;
    let known = world.store().known(vec![key(0, 1), key(0, 3), key(0, 2)]).await.unwrap();
    assert_eq!(known, [true, false, true], "asking adds nothing");
    assert_eq!(world.append([event(3, 1), event(3, 2), event(3, 3)]).await.known, [0, 1]);
    let world = Arc::new(world);
    let tasks = (0..32).map(|n| {
        let world = world.clone();
        tokio::spawn(async move {
            let event = Incoming { dedup: Some(key(0, 9)), ..incoming(&player(10 + n), "x") };
            loop {
                // An earlier one may be on its way still: then this one is asked to come again.
                match world.try_append([event.clone()]).await {
                    Ok(appended) => return appended.events,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        })
    });
    let mut new = 0;
    for task in tasks.collect::<Vec<_>>() {
        new += task.await.unwrap();
    }
    assert_eq!(new, 1);
    // Whoever was asked for in vain is there when they write.
    for n in 0..32 {
        assert_eq!(world.append([incoming(&player(10 + n), "hello")]).await.events, 1);
    }
    let mut texts = 0;
    while texts < 32 + 4 {
        let work = world.take().await;
        texts += work.events.len();
    }
}

pub async fn any_batches_leave_each_id_once<E: Engine>() {
    let batches = prop::collection::vec(prop::collection::vec(0u64..12, 0..8), 0..12);
    let mut runner = TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
    let handle = tokio::runtime::Handle::current();
    let run = move || {
        runner.run(&(batches, any::<bool>()), |(batches, restart)| {
            handle.block_on(async {
                let mut world = World::<E>::new().await;
                let mut seen = HashSet::new();
                for batch in &batches {
                    let new = batch.iter().filter(|id| seen.insert(**id)).count();
                    let appended = world.append(batch.iter().map(|id| keyed(&player(1), *id))).await;
                    prop_assert_eq!((appended.events as usize, appended.duplicates as usize), (new, batch.len() - new));
                    if restart {
                        world.restart().await;
                    }
                }
                if seen.is_empty() {
                    return Ok(());
                }
                let mut first = HashSet::new();
                let order = batches.iter().flatten().filter(|id| first.insert(**id)).map(u64::to_string).collect::<Vec<_>>();
                let work = world.take().await;
                prop_assert_eq!(bodies(&work), order);
                Ok(())
            })
        })
    };
    tokio::task::spawn_blocking(run).await.unwrap().unwrap();
}
