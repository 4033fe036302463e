//! The same promises for flows as studios write them: in Rust, with the SDK, built as `questline flow build` builds.

use std::path::Path;
use std::sync::OnceLock;

use questline_core::flow::{FlowFailure, FlowLimits};
use questline_core::outcome::{InvalidOutcome, Next};

use crate::guest::echo;
use crate::world::{Call, GAME, OTHER_GAME, World, replies, snapshot, text_event};

/// A component of `tests/guests`, built once for a test run.
fn component(package: &str) -> Vec<u8> {
    static BUILT: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
        let built = questline_guest_build::build_guests(
            questline_guest_build::Purpose::Ship,
            root,
            &["echo-guest", "hostile-guests"],
            &target,
            &mut |_| {},
        );
        built.expect("the guests build").into_iter().map(|guest| (guest.name, guest.component)).collect()
    });
    built.iter().find(|(name, _)| name == package).expect("a guest of that name").1.clone()
}

async fn world_of(package: &'static str) -> World {
    let bytes = tokio::task::spawn_blocking(move || component(package)).await.unwrap();
    let world = World::new();
    let release = world.release(GAME, bytes).await;
    world.play(GAME, release);
    world.install(OTHER_GAME, &echo()).await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_echo_keeps_count_in_its_state() {
    let world = world_of("echo-guest").await;
    let mut state = None;
    for count in 1..=3 {
        let mut call = Call::default();
        call.snapshot.state = state;
        call.state_version = Some(1);
        let answer = world.call(GAME, &text_event("ä😀"), call).await.unwrap();
        assert_eq!(replies(&answer), ["echo: ä😀"]);
        assert_eq!(answer.outcome.state, Some(format!("{{\"messages\":{count}}}")));
        state = answer.outcome.state;
    }
}

/// Sets off a misdeed, and says that the flow's next event and the other game's are served as if nothing had happened.
async fn after(world: &World, misdeed: &str) -> Result<questline_core::flow::FlowAnswer, FlowFailure> {
    let limits = FlowLimits { memory_bytes_max: 128 << 20, cpu_ms_max: 200, ..FlowLimits::default() };
    let answer = world.call(GAME, &text_event(misdeed), Call::limited(limits)).await;
    world.assert_others_are_served().await;
    let next = world.say("still there?").await.unwrap();
    assert_eq!(replies(&next), ["echo: still there?"], "after {misdeed}");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_misdeed_ends_in_its_own_failure() {
    let world = world_of("hostile-guests").await;
    for (misdeed, kind) in [
        ("loop", "cpu-deadline"),
        ("memory", "memory-limit"),
        ("stack", "stack-overflow"),
        ("shadow-stack", "trap"),
        ("copy", "cpu-deadline"),
        ("hostcall-flood", "host-call-limit"),
        ("huge-argument", "transfer-limit"),
        ("big-state", "invalid-outcome"),
        ("bad-state", "invalid-outcome"),
        ("deep-state", "invalid-outcome"),
        ("many-effects", "transfer-limit"),
        ("invalid-effect", "invalid-outcome"),
        ("empty-effect", "invalid-outcome"),
        ("huge-effect", "invalid-outcome"),
        ("bad-timer", "invalid-outcome"),
        ("bad-measure", "invalid-outcome"),
        ("panic", "trap"),
        ("trap", "trap"),
        ("error-transient", "transient"),
        ("error-permanent", "permanent"),
        ("huge-error", "permanent"),
        ("pass-with-effects", "invalid-outcome"),
    ] {
        let failure = after(&world, misdeed).await.expect_err(misdeed);
        assert_eq!(failure.kind(), kind, "{misdeed}: {failure}");
        assert!(failure.to_string().len() < 16 * 1024, "{misdeed}: a report is bounded");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_misdeed_of_the_answer_itself_is_left_to_the_rules() {
    let world = world_of("hostile-guests").await;
    for misdeed in ["unknown-flow", "unknown-template", "unknown-effect"] {
        assert_eq!(after(&world, misdeed).await.unwrap().outcome.effects.len(), 1, "{misdeed}");
    }
    assert_eq!(after(&world, "pass").await.unwrap().outcome.next, Next::Pass);
    let flood = after(&world, "log-flood").await.unwrap();
    assert_eq!(flood.cost.log_lines_dropped, 100_000 - FlowLimits::default().log_lines_max);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_is_told_with_its_words_and_its_line() {
    let world = world_of("hostile-guests").await;
    let FlowFailure::Trap { message, backtrace } = after(&world, "panic").await.unwrap_err() else { panic!("a trap") };
    assert!(message.contains("a flow that panics, on purpose") && message.contains("src/lib.rs:"), "{message}");
    let first = backtrace.lines().next().unwrap();
    assert!(first.contains("guests/src/lib.rs:"), "the flow's own line comes first:\n{backtrace}");
    assert!(!backtrace.contains("/home/") && !backtrace.contains("/work/"), "no machine's paths:\n{backtrace}");
    assert!(!backtrace.contains("_R") && !backtrace.contains("_ZN"), "demangled:\n{backtrace}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_says_where_it_bit() {
    let world = world_of("hostile-guests").await;
    let FlowFailure::CpuDeadline { backtrace, .. } = after(&world, "loop").await.unwrap_err() else { panic!("a deadline") };
    assert!(backtrace.contains("hostile_guests::"), "{backtrace}");
    let FlowFailure::MemoryLimit { backtrace, .. } = after(&world, "memory").await.unwrap_err() else { panic!("a limit") };
    assert!(backtrace.contains("src/exhaustion.rs:"), "{backtrace}");
    let invalid = after(&world, "invalid-effect").await.unwrap_err();
    assert!(matches!(&invalid, FlowFailure::InvalidOutcome(InvalidOutcome::Effect { index: 0, effect: "reply", .. })), "{invalid}");
    assert_eq!(snapshot().refused, []);
}
