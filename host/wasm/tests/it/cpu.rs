//! CPU time is what a flow used, not what the clock on the wall says: a crowded machine kills no innocent call, and a
//! greedy flow holds up nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use questline_core::flow::{FlowFailure, FlowLimits};

use crate::guest::{Guest, NOTHING, echo};
use crate::world::{Call, GAME, OTHER_GAME, World, text_event};

/// A guest that counts to `turns`.
fn counting(turns: u64) -> Guest {
    Guest::handling(format!(
        "(local $n i64)
         (loop $on
            (local.set $n (i64.add (local.get $n) (i64.const 1)))
            (br_if $on (i64.lt_u (local.get $n) (i64.const {turns}))))
         (i32.const {NOTHING})"
    ))
}

/// Threads that want all of the machine until they are dropped.
struct Crowd {
    stop: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Crowd {
    fn new(threads: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let spin = |stop: Arc<AtomicBool>| move || while !stop.load(Ordering::Relaxed) {};
        let threads = (0..threads).map(|_| std::thread::spawn(spin(Arc::clone(&stop)))).collect();
        Self { stop, threads }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[tokio::test]
async fn an_innocent_call_on_a_crowded_machine_is_not_killed() {
    const PROBE: u64 = 20_000_000;
    let world = World::of(&counting(PROBE)).await;
    let limits = FlowLimits { cpu_ms_max: 10_000, wall_ms_max: 600_000, ..FlowLimits::default() };
    let probe = world.call(GAME, &text_event("hi"), Call::limited(limits)).await.unwrap().cost;
    // About 30 ms of work, with three times as much allowed.
    let turns = PROBE * 30_000 / probe.cpu_us.max(1);
    let limits = FlowLimits { cpu_ms_max: 90, ..limits };
    world.install(GAME, &counting(turns)).await;
    let cores = std::thread::available_parallelism().unwrap().get();
    let crowd = Crowd::new(cores * 16);
    let cost = world.call(GAME, &text_event("hi"), Call::limited(limits)).await.expect("an innocent call").cost;
    drop(crowd);
    assert!(cost.wall_us > 90_000, "the machine was not crowded: {cost:?}");
    assert!(cost.cpu_us < 90_000, "{cost:?}");
    world.assert_others_are_served().await;
}

#[tokio::test]
async fn cpu_time_is_counted_over_all_slices_of_a_call() {
    let world = World::of(&Guest::handling("(loop $on (br $on)) unreachable")).await;
    // Longer than a slice, so that the call yields many times on its way to its limit.
    let limits = FlowLimits { cpu_ms_max: 100, ..FlowLimits::default() };
    let failure = world.call(GAME, &text_event("hi"), Call::limited(limits)).await.unwrap_err();
    assert!(matches!(failure, FlowFailure::CpuDeadline { limit_ms: 100, .. }), "{failure:?}");
}

/// One thread for everything: whoever does not yield is alone on it.
#[tokio::test(flavor = "current_thread")]
async fn a_greedy_flow_lets_others_run() {
    let world = Arc::new(World::of(&Guest::handling("(loop $on (br $on)) unreachable")).await);
    let limits = FlowLimits { cpu_ms_max: 3_000, wall_ms_max: 600_000, ..FlowLimits::default() };
    let greedy = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.call(GAME, &text_event("hi"), Call::limited(limits)).await })
    };
    while world.engine.calls_running() == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..20 {
        world.call(OTHER_GAME, &text_event("hi"), Call::default()).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(!greedy.is_finished(), "others were served in between");
    assert!(matches!(greedy.await.unwrap(), Err(FlowFailure::CpuDeadline { .. })));
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_its_place() {
    let world = World::of(&Guest::handling("(loop $on (br $on)) unreachable")).await;
    let limits = FlowLimits { cpu_ms_max: 60_000, wall_ms_max: 600_000, ..FlowLimits::default() };
    let event = text_event("hi");
    {
        let call = world.call(GAME, &event, Call::limited(limits));
        tokio::select! {
            answer = call => panic!("{answer:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(world.engine.calls_running(), 0);
    world.install(GAME, &echo()).await;
    world.say("hi").await.unwrap();
}
