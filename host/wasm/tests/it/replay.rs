//! A recorded step runs again bit for bit, reaches no service, and says where it differs.

use questline_core::flow::FlowFailure;

use crate::guest::{Guest, answer_state, import};
use crate::world::{GAME, World, text_event};

/// A guest whose state is made of a random number and of what the backend answered.
fn gambling() -> Guest {
    let mut guest = Guest::default().with(import::RANDOM).with(import::BACKEND);
    let (operation, request) = (guest.text("roll"), guest.text("[6]"));
    let (at, length) = guest.text("[00000000,00]");
    // Eight digits of the number, and the length of the backend's answer: result<string, import-error> at 512, text at 516.
    guest.handle = format!(
        "(local $n i64) (local $i i32)
         (local.set $n (call $random))
         (call $backend (i32.const {}) (i32.const {}) (i32.const {}) (i32.const {}) (i32.const 512))
         (local.set $i (i32.const 8))
         (loop $on
            (i32.store8 (i32.add (local.get $i) (i32.const {at})) (i32.add (i32.const 49) (i32.wrap_i64 (i64.rem_u (local.get $n) (i64.const 9)))))
            (local.set $n (i64.div_u (local.get $n) (i64.const 9)))
            (local.set $i (i32.sub (local.get $i) (i32.const 1)))
            (br_if $on (local.get $i)))
         (i32.store8 (i32.const {}) (i32.add (i32.const 49) (i32.rem_u (i32.load (i32.const 520)) (i32.const 9))))
         (i32.store8 (i32.const {}) (i32.const 49))
         {}",
        operation.0,
        operation.1,
        request.0,
        request.1,
        at + 10,
        at + 11,
        answer_state(at, length),
    );
    guest
}

#[tokio::test]
async fn a_step_runs_again_bit_for_bit() {
    let world = World::of(&gambling()).await;
    let first = world.say("hi").await.unwrap();
    let other = world.say("hi").await.unwrap();
    assert_ne!(first.outcome, other.outcome, "chance is chance");
    let asked = world.backend.keys.lock().unwrap().len();
    for _ in 0..3 {
        let again = world.replay(&text_event("hi"), first.reads.clone()).await.unwrap();
        assert_eq!(again.outcome, first.outcome);
        assert_eq!(again.reads, first.reads);
    }
    assert_eq!(world.backend.keys.lock().unwrap().len(), asked, "no service was reached");
}

#[tokio::test]
async fn a_new_version_that_asks_for_something_else_is_found_out() {
    let world = World::of(&gambling()).await;
    let recorded = world.say("hi").await.unwrap().reads;
    let mut other = Guest::default().with(import::PROFILE);
    other.handle = "(call $profile (i32.const 512)) unreachable".into();
    let before = world.install(GAME, &other).await.unwrap();
    let failure = world.replay(&text_event("hi"), recorded.clone()).await.unwrap_err();
    assert!(
        matches!(&failure, FlowFailure::Trap { message, .. } if message.contains("players.profile") && message.contains("random.next")),
        "{failure:?}"
    );
    world.play(GAME, before);
    let failure = world.replay(&text_event("hi"), recorded[..1].to_vec()).await.unwrap_err();
    assert!(matches!(&failure, FlowFailure::Trap { message, .. } if message.contains("nothing")), "{failure:?}");
}
