//! Flows written in bad faith, or badly: each ends in its own failure, within its limit, and nobody else notices.

use std::time::{Duration, Instant};

use questline_core::flow::{FlowFailure, FlowLimits};
use questline_core::port::LogLevel;
use questline_wasm::{EngineOptions, TABLE_ELEMENTS_MAX, TRANSFER_BYTES_MAX};

use crate::guest::{Guest, NOTHING, echo, import};
use crate::world::{Call, GAME, OTHER_GAME, SlowPlayers, World, text_event};

/// Calls the guest, checks that the other game is served, and gives the failure.
async fn failure(guest: Guest, limits: FlowLimits) -> FlowFailure {
    let world = World::of(&guest).await;
    let failure = world.call(GAME, &text_event("hi"), Call::limited(limits)).await.expect_err("a failure");
    world.assert_others_are_served().await;
    let again = world.call(GAME, &text_event("hi"), Call::limited(limits)).await.expect_err("a failure");
    assert_eq!(again.kind(), failure.kind(), "a failure repeats");
    world.assert_others_are_served().await;
    failure
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_cpu_budget_and_says_where_it_was() {
    let guest = Guest::handling("(call $spin) unreachable").with("(func $spin (loop $on (br $on)))");
    let begun = Instant::now();
    let failure = failure(guest, FlowLimits { cpu_ms_max: 30, ..FlowLimits::default() }).await;
    let FlowFailure::CpuDeadline { limit_ms: 30, backtrace } = &failure else { panic!("{failure:?}") };
    assert_eq!(backtrace, "spin\nhandle");
    assert!(begun.elapsed() < Duration::from_secs(30), "bounded even on a crowded machine");
}

#[tokio::test]
async fn a_memory_bomb_is_a_memory_failure_although_it_aborts_by_itself() {
    let grow = "(loop $on (br_if $on (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (call $abort) unreachable";
    let guest = Guest::handling(grow).with("(func $abort unreachable)");
    let limit = FlowLimits { memory_bytes_max: 8 << 20, ..FlowLimits::default() };
    let failure = failure(guest, limit).await;
    let FlowFailure::MemoryLimit { limit_bytes, backtrace } = &failure else { panic!("{failure:?}") };
    assert_eq!(*limit_bytes, 8 << 20);
    assert_eq!(backtrace, "abort\nhandle");
}

#[tokio::test]
async fn a_flow_that_copes_with_refused_memory_goes_on() {
    let world = World::of(&Guest::handling(format!("(drop (memory.grow (i32.const 60000))) (i32.const {NOTHING})"))).await;
    let answer = world.say("hi").await.unwrap();
    assert_eq!(answer.cost.memory_peak_bytes, 2 * 65536, "what was refused was not used");
}

#[tokio::test]
async fn a_limit_beyond_what_the_engine_has_is_the_engines() {
    let world = World::with(EngineOptions { memory_bytes_max: 4 << 20, ..EngineOptions::default() });
    let grow = "(loop $on (br_if $on (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    world.install(GAME, &Guest::handling(grow)).await;
    let failure = world.say("hi").await.expect_err("a failure");
    assert!(matches!(failure, FlowFailure::MemoryLimit { limit_bytes, .. } if limit_bytes == 4 << 20), "{failure:?}");
}

#[tokio::test]
async fn endless_recursion_is_a_stack_overflow() {
    let guest = Guest::handling("(call $deeper) unreachable").with("(func $deeper (call $deeper))");
    let failure = failure(guest, FlowLimits::default()).await;
    let FlowFailure::StackOverflow { backtrace } = &failure else { panic!("{failure:?}") };
    assert!(backtrace.starts_with("deeper\n"), "{backtrace}");
    assert!(backtrace.lines().count() <= 32, "bounded: {} lines", backtrace.lines().count());
}

#[tokio::test]
async fn a_growing_table_is_refused() {
    let grow = "(loop $on (br_if $on (i32.ne (table.grow $t (ref.null func) (i32.const 4096)) (i32.const -1)))) unreachable";
    let failure = failure(Guest::handling(grow).with("(table $t 1 funcref)"), FlowLimits::default()).await;
    assert_eq!(failure, FlowFailure::TableLimit { limit_elements: TABLE_ELEMENTS_MAX });
}

#[tokio::test]
async fn copying_memory_over_and_over_is_bounded_by_cpu_time() {
    // One copy is not interrupted, so the overshoot is one copy.
    let copy = "(drop (memory.grow (i32.const 1020)))
        (loop $on (memory.copy (i32.const 33554432) (i32.const 0) (i32.const 33423360)) (br $on)) unreachable";
    let world = World::of(&Guest::handling(copy)).await;
    let limits = FlowLimits { memory_bytes_max: 64 << 20, cpu_ms_max: 50, ..FlowLimits::default() };
    let failure = world.call(GAME, &text_event("hi"), Call::limited(limits)).await.expect_err("a failure");
    assert!(matches!(failure, FlowFailure::CpuDeadline { .. }), "{failure:?}");
    world.assert_others_are_served().await;
}

#[tokio::test]
async fn a_flood_of_imports_is_cut() {
    let guest = Guest::handling("(loop $on (drop (call $now)) (br $on)) unreachable").with(import::CLOCK);
    let failure = failure(guest, FlowLimits { host_calls_max: 20, ..FlowLimits::default() }).await;
    assert_eq!(failure, FlowFailure::HostCallLimit { limit: 20 });
}

#[tokio::test]
async fn a_flood_of_log_lines_is_dropped_and_counted() {
    let write = "(local $n i32)
        (loop $on
            (call $log (i32.const 1) (i32.const 4096) (i32.const 5))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $on (i32.lt_u (local.get $n) (i32.const 10000))))";
    let mut guest = Guest::handling(format!("{write} (i32.const {NOTHING})")).with(import::LOG);
    guest.text("hello");
    let world = World::of(&guest).await;
    let limits = FlowLimits { log_lines_max: 7, cpu_ms_max: 10_000, ..FlowLimits::default() };
    let answer = world.call(GAME, &text_event("hi"), Call::limited(limits)).await.unwrap();
    assert_eq!(answer.cost.log_lines_dropped, 9993);
    let lines = world.log.0.lock().unwrap().clone();
    assert_eq!(lines.len(), 7);
    assert_eq!(lines[0], (GAME.to_owned(), LogLevel::Info, "hello".to_owned()));
}

#[tokio::test]
async fn a_long_log_line_is_cut() {
    let guest = Guest::handling(format!("(call $log (i32.const 2) (i32.const {NOTHING}) (i32.const 20000)) (i32.const {NOTHING})"));
    let world = World::of(&guest.with(import::LOG)).await;
    world.say("hi").await.unwrap();
    assert_eq!(world.log.0.lock().unwrap()[0].2.len(), 1024);
}

#[tokio::test]
async fn bytes_handed_to_imports_are_limited_in_one_call_and_in_sum() {
    let bytes = TRANSFER_BYTES_MAX + 1;
    let at_once =
        Guest { pages: 64, ..Guest::handling(format!("(call $log (i32.const 1) (i32.const 65536) (i32.const {bytes})) unreachable")) };
    let limit = FlowFailure::TransferLimit { limit_bytes: TRANSFER_BYTES_MAX };
    assert_eq!(failure(at_once.with(import::LOG), FlowLimits::default()).await, limit);
    let in_sum = "(loop $on (call $backend (i32.const 4096) (i32.const 2) (i32.const 1048576) (i32.const 60000) (i32.const 512)) (br $on)) unreachable";
    let mut in_sum = Guest { pages: 64, ..Guest::handling(in_sum) };
    in_sum.text("op");
    assert_eq!(failure(in_sum.with(import::BACKEND), FlowLimits::default()).await, limit);
}

#[tokio::test]
async fn a_service_that_never_answers_costs_the_wall_clock_only() {
    let players = std::sync::Arc::new(SlowPlayers::default());
    let options = EngineOptions { calls_max: 8, calls_per_game_max: 4, ..EngineOptions::default() };
    let world = World::with_players(options, players);
    world.install(GAME, &Guest::handling("(call $profile (i32.const 512)) unreachable").with(import::PROFILE)).await;
    world.install(OTHER_GAME, &echo()).await;
    let limits = FlowLimits { wall_ms_max: 40, ..FlowLimits::default() };
    let failure = world.call(GAME, &text_event("hi"), Call::limited(limits)).await.expect_err("a failure");
    assert_eq!(failure, FlowFailure::WallDeadline { limit_ms: 40 });
    world.assert_others_are_served().await;
}

#[tokio::test]
async fn a_panic_is_told_with_its_words_its_frames_and_the_last_imports() {
    let mut guest = Guest::handling("").with(import::LOG).with(import::CLOCK).with("(func $boom unreachable)");
    let (at, length) = guest.text("panicked at src/lib.rs:27:5:\nboom");
    guest.handle =
        format!("(drop (call $now)) (call $log (i32.const 3) (i32.const {at}) (i32.const {length})) (call $boom) (i32.const {NOTHING})");
    let FlowFailure::Trap { message, backtrace } = failure(guest, FlowLimits::default()).await else { panic!("a trap") };
    assert_eq!(message, "panicked at src/lib.rs:27:5:\nboom");
    assert!(backtrace.starts_with("boom\nhandle\n"), "{backtrace}");
    assert!(backtrace.ends_with("last imports called: clock.now"), "{backtrace}");
}

#[tokio::test]
async fn a_bare_trap_is_named() {
    let guest = Guest::handling("(i32.div_s (i32.const 1) (i32.const 0))");
    let FlowFailure::Trap { message, .. } = failure(guest, FlowLimits::default()).await else { panic!("a trap") };
    assert!(message.contains("divide by zero"), "{message}");
    let outside = Guest::handling("(i32.load (i32.const 1000000000))");
    let FlowFailure::Trap { message, .. } = failure(outside, FlowLimits::default()).await else { panic!("a trap") };
    assert!(message.contains("out of bounds"), "{message}");
}

#[tokio::test]
async fn a_lying_allocator_harms_itself_alone() {
    // The host asks for memory to put the event into, and is given what lies outside, or what is not aligned.
    for realloc in ["i32.const 0xfffffff0", "i32.const 65537", "unreachable"] {
        let failure = failure(Guest { realloc, ..echo() }, FlowLimits::default()).await;
        assert!(matches!(failure, FlowFailure::Trap { .. }), "{failure:?}");
    }
}

#[tokio::test]
async fn nothing_passes_from_one_call_to_the_next() {
    let remember = format!(
        "(if (i32.load (i32.const 40000)) (then unreachable))
         (if (global.get $seen) (then unreachable))
         (i32.store (i32.const 40000) (i32.const 1))
         (global.set $seen (i32.const 1))
         (drop (memory.grow (i32.const 100)))
         (if (i32.load (i32.const 5000000)) (then unreachable))
         (memory.fill (i32.const 131072) (i32.const 255) (i32.const 6000000))
         (i32.const {NOTHING})"
    );
    let world = World::of(&Guest::handling(remember).with("(global $seen (mut i32) (i32.const 0))")).await;
    for _ in 0..200 {
        world.say("hi").await.unwrap();
    }
}
