//! Sliding windows: never fuller than they may be, whoever asks at the same time.

use questline_core::port::{PermitAnswer, PermitAsk, PermitMember, PermitReturn, PermitWindow};
use questline_core::time::{DAY_MS, HOUR_MS, UnixMs};

use crate::support::{Engine, World};

fn window(name: &str) -> PermitWindow {
    PermitWindow::new(&["portfolio", name])
}

fn member(n: usize) -> PermitMember {
    PermitMember::new(&["contact", &n.to_string()])
}

fn ask(name: &str, n: usize, max: u32) -> PermitAsk {
    PermitAsk { window: window(name), member: member(n), max, span_ms: DAY_MS, behind: 0 }
}

async fn take<E: Engine>(world: &World<E>, ask: PermitAsk) -> PermitAnswer {
    let answers = world.store().take_permits(vec![ask], world.now()).await.unwrap();
    assert_eq!(answers.len(), 1);
    answers[0]
}

async fn used<E: Engine>(world: &World<E>, name: &str) -> u32 {
    world.store().permits_used(vec![(window(name), DAY_MS)], world.now()).await.unwrap()[0]
}

pub async fn of_a_thousand_asks_at_once_no_more_than_the_window_holds_are_granted<E: Engine>() {
    let world = World::<E>::new().await;
    let now = world.now();
    let tasks: Vec<_> = (0..100)
        .map(|task| {
            let store = world.store().clone();
            // Ten in each, of two windows in turn, and each contact is asked for twice.
            let asks = (0..10).map(|n| ask(["a", "b"][n % 2], (task * 10 + n) % 500, [37, 250][n % 2])).collect();
            tokio::spawn(async move { store.take_permits(asks, now).await.unwrap() })
        })
        .collect();
    let (mut new, mut held, mut refused) = ([0, 0], 0, 0);
    for task in tasks {
        for (n, answer) in task.await.unwrap().into_iter().enumerate() {
            match answer {
                PermitAnswer::New => new[n % 2] += 1,
                PermitAnswer::Held => held += 1,
                PermitAnswer::NotBefore(at) => {
                    assert_eq!(at, now.plus_ms(DAY_MS));
                    refused += 1;
                }
            }
        }
    }
    assert_eq!(new, [37, 250]);
    assert_eq!((used(&world, "a").await, used(&world, "b").await), (37, 250));
    assert_eq!(held, 37 + 250, "who has a place has it the second time");
    assert_eq!(refused, 1_000 - 2 * (37 + 250));
}

pub async fn who_holds_a_place_is_granted_it_again<E: Engine>() {
    let world = World::<E>::new().await;
    assert_eq!(take(&world, ask("a", 1, 1)).await, PermitAnswer::New);
    for _ in 0..3 {
        assert_eq!(take(&world, ask("a", 1, 1)).await, PermitAnswer::Held);
        assert_eq!(used(&world, "a").await, 1);
    }
    assert!(!take(&world, ask("a", 2, 1)).await.is_granted());
    assert_eq!(take(&world, ask("b", 2, 1)).await, PermitAnswer::New, "another window is another matter");
    let both = vec![ask("c", 1, 1), ask("c", 1, 1), ask("c", 2, 1)];
    let answers = world.store().take_permits(both, world.now()).await.unwrap();
    assert_eq!(answers[..2], [PermitAnswer::New, PermitAnswer::Held]);
    assert!(!answers[2].is_granted());
    assert_eq!(world.store().take_permits(Vec::new(), world.now()).await.unwrap(), []);
    assert!(!take(&world, ask("d", 1, 0)).await.is_granted(), "a window without places grants none");
}

pub async fn windows_slide<E: Engine>() {
    let world = World::<E>::new().await;
    for n in 0..3 {
        assert_eq!(take(&world, ask("a", n, 3)).await, PermitAnswer::New);
        world.setup.clock.pass_ms(HOUR_MS);
    }
    let start = world.now().minus_ms(3 * HOUR_MS);
    assert_eq!(take(&world, ask("a", 9, 3)).await, PermitAnswer::NotBefore(start.plus_ms(DAY_MS)));
    // The first one is written to again: they hold their place for a day from now on, and the second is the oldest.
    assert_eq!(take(&world, ask("a", 0, 3)).await, PermitAnswer::Held);
    assert_eq!(take(&world, ask("a", 9, 3)).await, PermitAnswer::NotBefore(start.plus_ms(HOUR_MS + DAY_MS)));
    world.setup.clock.pass_ms(DAY_MS - 2 * HOUR_MS - 1);
    assert!(!take(&world, ask("a", 9, 3)).await.is_granted(), "not a millisecond early");
    world.setup.clock.pass_ms(1);
    assert_eq!(used(&world, "a").await, 2);
    assert_eq!(take(&world, ask("a", 9, 3)).await, PermitAnswer::New);
    assert!(!take(&world, ask("a", 10, 3)).await.is_granted());
}

pub async fn the_queue_is_told_its_turns<E: Engine>() {
    let world = World::<E>::new().await;
    let start = world.now();
    for n in 0..4 {
        take(&world, ask("a", n, 4)).await;
        world.setup.clock.pass_ms(1_000);
    }
    let turn = |behind| PermitAsk { behind, ..ask("a", 9, 4) };
    for (behind, at) in [(0, 0), (1, 1_000), (3, 3_000), (4, DAY_MS), (9, 2 * DAY_MS + 1_000)] {
        let expected = PermitAnswer::NotBefore(start.plus_ms(DAY_MS + at));
        assert_eq!(take(&world, turn(behind)).await, expected, "{behind} before it");
    }
    // Of four places two are left: the two oldest have to go first, and the third frees the first place.
    assert_eq!(take(&world, ask("a", 9, 2)).await, PermitAnswer::NotBefore(start.plus_ms(DAY_MS + 2_000)));
}

pub async fn a_place_is_given_back_once<E: Engine>() {
    let world = World::<E>::new().await;
    let taken_at = world.now();
    let back = |n, taken_at: UnixMs| vec![PermitReturn { window: window("a"), member: member(n), taken_at }];
    take(&world, ask("a", 1, 2)).await;
    take(&world, ask("a", 2, 2)).await;
    world.store().return_permits(back(1, taken_at)).await.unwrap();
    assert_eq!(used(&world, "a").await, 1);
    world.store().return_permits(back(1, taken_at)).await.unwrap();
    assert_eq!(used(&world, "a").await, 1);
    world.setup.clock.pass_ms(1);
    take(&world, ask("a", 2, 2)).await;
    world.store().return_permits(back(2, taken_at)).await.unwrap();
    assert_eq!(used(&world, "a").await, 1, "it was taken again since: a message went out on it");
    assert_eq!(take(&world, ask("a", 3, 2)).await, PermitAnswer::New);
    assert!(!take(&world, ask("a", 4, 2)).await.is_granted());
    world.store().return_permits(Vec::new()).await.unwrap();
}

pub async fn permits_survive_a_restart_and_a_lower_limit<E: Engine>() {
    let mut world = World::<E>::new().await;
    for n in 0..10 {
        assert_eq!(take(&world, ask("a", n, 10)).await, PermitAnswer::New);
    }
    world.restart().await;
    assert_eq!(used(&world, "a").await, 10);
    assert!(!take(&world, ask("a", 10, 10)).await.is_granted());
    assert_eq!(take(&world, ask("a", 3, 5)).await, PermitAnswer::Held, "who was written to may be written to");
    assert!(!take(&world, ask("a", 10, 5)).await.is_granted());
    assert_eq!(take(&world, ask("a", 10, 11)).await, PermitAnswer::New, "a higher limit holds at once");
}

pub async fn windows_that_are_over_are_forgotten<E: Engine>() {
    let world = World::<E>::new().await;
    for n in 0..50 {
        take(&world, ask(&format!("w{}", n % 5), n, 100)).await;
    }
    world.setup.clock.pass_ms(DAY_MS - 1);
    while world.store().prune(world.now(), 100).await.unwrap() > 0 {}
    assert_eq!(used(&world, "w0").await, 10, "what holds is kept");
    world.setup.clock.pass_ms(1);
    let mut forgotten = 0;
    loop {
        // Few at a time, in the midst of a window.
        let pruned = world.store().prune(world.now(), 7).await.unwrap();
        forgotten += pruned;
        if pruned == 0 {
            break;
        }
    }
    assert!(forgotten >= 50 || E::FORGETS_BY_ITS_OWN_CLOCK, "{forgotten}");
    assert_eq!(take(&world, ask("w0", 1, 1)).await, PermitAnswer::New);
    assert_eq!(used(&world, "w0").await, 1);
}
