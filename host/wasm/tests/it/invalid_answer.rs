//! Answers that are wrong in themselves: nothing of them is done, and the flow's author learns why.

use questline_core::flow::{FlowFailure, FlowLimits};
use questline_core::outcome::{EFFECTS_MAX, InvalidOutcome, STATE_BYTES_MAX};

use crate::guest::{ANSWER, Guest, NOTHING, answer_effects, answer_state};
use crate::world::World;

async fn failure(guest: Guest) -> FlowFailure {
    let world = World::of(&guest).await;
    let failure = world.say("hi").await.expect_err("a failure");
    world.assert_others_are_served().await;
    failure
}

async fn invalid(guest: Guest) -> InvalidOutcome {
    match failure(guest).await {
        FlowFailure::InvalidOutcome(invalid) => invalid,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_state_is_json_of_bounded_length() {
    let mut guest = Guest::default();
    let (at, length) = guest.text(r#"{"step":"open"}"#);
    guest.handle = answer_state(at, length);
    let answer = World::of(&guest).await.say("hi").await.unwrap();
    assert_eq!(answer.outcome.state.as_deref(), Some(r#"{"step":"open"}"#));

    let mut guest = Guest::default();
    let (at, length) = guest.text("{oops");
    guest.handle = answer_state(at, length);
    assert!(matches!(invalid(guest).await, InvalidOutcome::StateNotJson(_)));

    let bytes = STATE_BYTES_MAX as u32 + 1;
    let found = STATE_BYTES_MAX + 1;
    assert_eq!(invalid(Guest::handling(answer_state(NOTHING + 32768, bytes))).await, InvalidOutcome::StateTooLarge { found });
}

#[tokio::test]
async fn effects_are_counted_and_checked() {
    let many = EFFECTS_MAX as u32 + 1;
    let found = EFFECTS_MAX + 1;
    // Zeros are replies with an empty text.
    assert_eq!(invalid(Guest::handling(answer_effects(NOTHING, many))).await, InvalidOutcome::TooManyEffects { found });
    let wrong = invalid(Guest::handling(answer_effects(NOTHING, 1))).await;
    assert!(matches!(&wrong, InvalidOutcome::Effect { index: 0, effect: "reply", problem } if problem.contains("text")), "{wrong:?}");
}

#[tokio::test]
async fn passing_on_excludes_doing() {
    let pass = format!("(i32.store8 (i32.const {}) (i32.const 2))", ANSWER + 24);
    let answer = World::of(&Guest::handling(format!("{pass} (i32.const {ANSWER})"))).await.say("hi").await.unwrap();
    assert_eq!(answer.outcome.next, questline_core::outcome::Next::Pass);
    let with_effects = Guest::handling(format!("{pass} {}", answer_effects(NOTHING, 1)));
    assert_eq!(invalid(with_effects).await, InvalidOutcome::PassWithEffects);
}

#[tokio::test]
async fn lists_and_texts_outside_of_the_guests_memory_trap() {
    for instructions in [answer_effects(NOTHING, u32::MAX), answer_effects(0xffff_fff8, 1), answer_state(0xffff_ff00, 4096)] {
        let failure = failure(Guest::handling(instructions)).await;
        assert!(matches!(failure, FlowFailure::Trap { .. } | FlowFailure::TransferLimit { .. }), "{failure:?}");
    }
}

#[tokio::test]
async fn an_answer_larger_than_may_pass_is_stopped_before_it_is_copied() {
    let guest = Guest { pages: 64, ..Guest::handling(answer_state(65536, 3 << 20)) };
    assert!(matches!(failure(guest).await, FlowFailure::TransferLimit { .. }));
}

#[tokio::test]
async fn a_text_that_is_no_text_traps() {
    let guest = Guest::handling(format!("(i32.store8 (i32.const 40000) (i32.const 255)) {}", answer_state(40000, 1)));
    let FlowFailure::Trap { message, .. } = failure(guest).await else { panic!("a trap") };
    assert!(message.contains("utf-8") || message.contains("UTF-8"), "{message}");
}

#[tokio::test]
async fn the_flows_own_words_for_giving_up_arrive() {
    for (case, expected) in [(0, "transient"), (1, "permanent")] {
        let mut guest = Guest::default();
        let (at, length) = guest.text("the shop is closed");
        guest.handle = format!(
            "(i32.store8 (i32.const {ANSWER}) (i32.const 1))
             (i32.store8 (i32.const {}) (i32.const {case}))
             (i32.store (i32.const {}) (i32.const {at}))
             (i32.store (i32.const {}) (i32.const {length}))
             (i32.const {ANSWER})",
            ANSWER + 4,
            ANSWER + 8,
            ANSWER + 12,
        );
        let failure = failure(guest).await;
        assert_eq!(failure.kind(), expected);
        assert!(failure.to_string().contains("the shop is closed"), "{failure}");
    }
    let long = Guest {
        pages: 64,
        ..Guest::handling(format!(
            "(i32.store8 (i32.const {ANSWER}) (i32.const 1))
         (i32.store (i32.const {}) (i32.const 65536))
         (i32.store (i32.const {}) (i32.const 500000))
         (i32.const {ANSWER})",
            ANSWER + 8,
            ANSWER + 12,
        ))
    };
    assert!(failure(long).await.to_string().len() < 2000, "bounded");
    assert_eq!(FlowLimits::default().memory_bytes_max, 64 << 20);
}
