//! What a well-behaved flow can rely on: what it is told, what it may ask, what becomes of its answer.

use questline_core::capability::{Capability, Grants};
use questline_core::event::{ContactCard, Event, Inbound, Message, Preference, SharedContacts};
use questline_core::flow::FlowFailure;
use questline_core::port::Flows;

use crate::guest::{ANSWER, Guest, NOTHING, answer_state, echo, import};
use crate::world::{Call, GAME, NOW, World, flow_name, replies, snapshot, text_event};

#[tokio::test]
async fn a_text_comes_back() {
    let world = World::of(&echo()).await;
    for text in ["hi", "", "ä😀", &"x".repeat(4096)] {
        if text.is_empty() {
            assert!(matches!(world.say(text).await, Err(FlowFailure::InvalidOutcome(_))), "WhatsApp sends no empty text");
            continue;
        }
        let answer = world.say(text).await.unwrap();
        assert_eq!(replies(&answer), [text]);
        assert_eq!(answer.state_version, 1);
        assert!(answer.reads.is_empty());
        assert!(answer.cost.wall_us >= answer.cost.instantiate_us);
        assert!(answer.cost.cpu_us > 0);
        assert_eq!(answer.cost.memory_peak_bytes, 2 * 65536);
        assert_eq!(answer.cost.host_calls, 0);
    }
}

#[tokio::test]
async fn a_flow_that_is_not_there_is_said_to_be_so() {
    let world = World::new();
    world.install(GAME, &echo()).await;
    assert!(world.played(GAME).description(&flow_name()).is_some());
    world.say("hi").await.unwrap();
    world.play(GAME, world.release_of(GAME, []));
    assert_eq!(world.say("hi").await.unwrap_err(), FlowFailure::NotLoaded(flow_name()));
    assert!(world.played(GAME).description(&flow_name()).is_none());
}

#[tokio::test]
async fn the_clock_is_the_steps_and_stands_still() {
    // The state is the time as eight letters; both looks must be the same.
    let guest = Guest::handling(format!(
        "(if (i64.ne (call $now) (call $now)) (then unreachable))
         (if (i64.ne (call $now) (i64.const {})) (then unreachable))
         (i32.const {NOTHING})",
        NOW.0
    ));
    let answer = World::of(&guest.with(import::CLOCK)).await.say("hi").await.unwrap();
    assert_eq!(answer.cost.host_calls, 3);
    assert!(answer.reads.is_empty(), "the time is in the call");
}

#[tokio::test]
async fn random_numbers_differ_and_are_recorded() {
    let guest = Guest::handling(format!("(if (i64.eq (call $random) (call $random)) (then unreachable)) (i32.const {NOTHING})"));
    let world = World::of(&guest.with(import::RANDOM)).await;
    let answer = world.say("hi").await.unwrap();
    let names: Vec<&str> = answer.reads.iter().map(|read| read.import.as_str()).collect();
    assert_eq!(names, ["random.next", "random.next"]);
    assert_ne!(answer.reads[0].answer, answer.reads[1].answer);
}

/// A guest that asks for the balances and answers with what it got as state: `"<kind>"`, the result's first byte as a digit.
fn asks_for_balances() -> Guest {
    let mut guest = Guest::default().with(import::BALANCES);
    let (at, length) = guest.text("\"??\"");
    // result<player-balances, import-error>: case at 512, payload at 520.
    guest.handle = format!(
        "(call $balances (i32.const 512))
         (i32.store8 (i32.const {}) (i32.add (i32.const 48) (i32.load8_u (i32.const 512))))
         (i32.store8 (i32.const {}) (i32.add (i32.const 48) (i32.load8_u (i32.const 520))))
         {}",
        at + 1,
        at + 2,
        answer_state(at, length),
    );
    guest
}

#[tokio::test]
async fn a_players_balances_are_read_and_recorded() {
    let world = World::of(&asks_for_balances()).await;
    let answer = world.say("hi").await.unwrap();
    assert_eq!(answer.outcome.state.as_deref(), Some("\"01\""), "ok, premium 1");
    let read = &answer.reads[0];
    assert_eq!((read.import.as_str(), read.request.as_str()), ("players.balances", "null"));
    assert_eq!(read.answer, r#"{"Ok":{"premium":1,"free":2,"pending_rewards":3}}"#);
    assert_eq!(answer.cost.host_calls, 1);
}

#[tokio::test]
async fn without_a_player_or_a_grant_there_is_no_profile() {
    let world = World::of(&asks_for_balances()).await;
    let mut nobody = Call::default();
    nobody.snapshot.player = None;
    let answer = world.call(GAME, &text_event("hi"), nobody).await.unwrap();
    assert_eq!(answer.outcome.state.as_deref(), Some("\"11\""), "not-found");
    let grants: Grants = [Capability::Reply].into_iter().collect();
    let answer = world.call(GAME, &text_event("hi"), Call { grants, ..Call::default() }).await.unwrap();
    assert_eq!(answer.outcome.state.as_deref(), Some("\"10\""), "not-granted");
    assert!(answer.reads.is_empty(), "the database was not asked");
}

#[tokio::test]
async fn a_retried_step_repeats_its_backend_keys_and_two_requests_differ() {
    let mut guest = Guest::default().with(import::BACKEND);
    let (operation, request) = (guest.text("gift"), guest.text(r#"{"gems":1}"#));
    let call = format!(
        "(call $backend (i32.const {}) (i32.const {}) (i32.const {}) (i32.const {}) (i32.const 512))",
        operation.0, operation.1, request.0, request.1
    );
    guest.handle = format!("{call} {call} (i32.const {NOTHING})");
    let world = World::of(&guest).await;
    let first = world.say("hi").await.unwrap();
    world.say("hi").await.unwrap();
    let keys = world.backend.keys.lock().unwrap().clone();
    assert_eq!(keys[..2], keys[2..], "tried again: the same keys");
    assert_ne!(keys[0], keys[1], "asked twice: meant twice");
    assert!(keys.iter().all(|key| key.starts_with("step-7-")), "{keys:?}");
    assert_eq!(first.reads[0].request, r#"{"operation":"gift","request":{"gems":1}}"#);
}

#[tokio::test]
async fn a_request_that_is_no_json_does_not_reach_the_backend() {
    let mut guest = Guest::default().with(import::BACKEND);
    let (operation, request) = (guest.text("gift"), guest.text("{gems}"));
    guest.handle = format!(
        "(call $backend (i32.const {}) (i32.const {}) (i32.const {}) (i32.const {}) (i32.const 512))
         (if (i32.ne (i32.load8_u (i32.const 516)) (i32.const 3)) (then unreachable)) ;; invalid
         (i32.const {NOTHING})",
        operation.0, operation.1, request.0, request.1
    );
    let world = World::of(&guest).await;
    world.say("hi").await.unwrap();
    assert!(world.backend.keys.lock().unwrap().is_empty());
}

/// A guest that traps unless the option at this offset of its input is there (1) or not (0).
fn expects_option(offset: u32, there: u32) -> Guest {
    Guest::handling(format!(
        "(if (i32.ne (i32.load8_u offset={offset} (local.get $input)) (i32.const {there})) (then unreachable)) (i32.const {NOTHING})"
    ))
}

/// Where the conversation's phone number is: behind id, game, state, locale, player, authentication, window, consent, ticket.
const PHONE_OFFSET: u32 = 100;
/// Where its window is.
const WINDOW_OFFSET: u32 = 72;

#[tokio::test]
async fn the_phone_number_needs_its_capability() {
    let without: Grants = Capability::ALL.iter().copied().filter(|capability| *capability != Capability::ContactPhone).collect();
    for (grants, there) in [(Grants::all(), 1), (without, 0)] {
        let world = World::of(&expects_option(PHONE_OFFSET, there)).await;
        let mut call = Call { grants, ..Call::default() };
        call.snapshot.phone = Some("15550100".into());
        world.call(GAME, &text_event("hi"), call).await.unwrap();
    }
}

#[tokio::test]
async fn a_window_that_has_closed_is_none() {
    for (closes_at, there) in [(NOW.plus_ms(1), 1), (NOW, 0), (NOW.minus_ms(1), 0)] {
        let world = World::of(&expects_option(WINDOW_OFFSET, there)).await;
        let mut call = Call::default();
        call.snapshot.window_closes_at = Some(closes_at);
        world.call(GAME, &text_event("hi"), call).await.unwrap();
    }
}

#[tokio::test]
async fn phone_numbers_on_contact_cards_need_it_too() {
    // The event's content at 160, its payload at 168: the list of cards. A card's phones are at 8.
    let phones = |count: u32| {
        Guest::handling(format!(
            "(if (i32.ne (i32.load offset=172 (local.get $input)) (i32.const 2)) (then unreachable))
             (if (i32.ne (i32.load offset=12 (i32.load offset=168 (local.get $input))) (i32.const {count})) (then unreachable))
             (i32.const {NOTHING})"
        ))
    };
    let card = |phones: &[&str]| ContactCard { name: "Mara".into(), phones: phones.iter().map(|p| (*p).to_owned()).collect() };
    let Event::Message(message) = text_event("") else { panic!("a message") };
    let cards = SharedContacts { cards: vec![card(&["1", "2", "3"]), card(&[])], requested: false };
    let event = Event::Message(Message { content: Inbound::Contacts(cards), ..message });
    World::of(&phones(3)).await.call(GAME, &event, Call::default()).await.unwrap();
    let without: Grants = Capability::ALL.iter().copied().filter(|capability| *capability != Capability::ContactPhone).collect();
    World::of(&phones(0)).await.call(GAME, &event, Call { grants: without, ..Call::default() }).await.unwrap();
}

#[tokio::test]
async fn events_of_the_hosts_own_never_reach_a_flow() {
    let world = World::of(&Guest::handling("unreachable")).await;
    let event = Event::Preference(Preference { marketing: false, detail: String::new(), at: NOW });
    let failure = world.call(GAME, &event, Call::default()).await.unwrap_err();
    assert!(matches!(failure, FlowFailure::Host(_)), "{failure:?}");
}

/// A guest of state version 2 that migrates any state to `"new"`, and answers with the state it was handed.
fn migrating() -> Guest {
    let mut guest = Guest { state_version: 2, ..Guest::default() };
    let (at, length) = guest.text("\"new\"");
    // result<string, string>: case at 0, text at 4.
    guest.migrate = format!(
        "(if (i32.ne (local.get $version) (i32.const 1)) (then unreachable))
         (i32.store (i32.const {}) (i32.const {at}))
         (i32.store (i32.const {}) (i32.const {length}))
         (i32.const {})",
        ANSWER + 516,
        ANSWER + 520,
        ANSWER + 512,
    );
    // The conversation's state: option at 16, text at 20.
    guest.handle = format!(
        "(i32.store8 (i32.const {}) (i32.load8_u offset=16 (local.get $input)))
         (i32.store (i32.const {}) (i32.load offset=20 (local.get $input)))
         (i32.store (i32.const {}) (i32.load offset=24 (local.get $input)))
         (i32.const {ANSWER})",
        ANSWER + 4,
        ANSWER + 8,
        ANSWER + 12,
    );
    guest
}

fn with_state(state: &str, version: u32) -> Call {
    let mut snapshot = snapshot();
    snapshot.state = Some(state.into());
    Call { snapshot, state_version: Some(version), ..Call::default() }
}

#[tokio::test]
async fn an_older_state_is_migrated_first_and_a_current_one_is_not() {
    let world = World::of(&migrating()).await;
    let answer = world.call(GAME, &text_event("hi"), with_state("\"old\"", 1)).await.unwrap();
    assert_eq!((answer.outcome.state.as_deref(), answer.state_version), (Some("\"new\""), 2));
    let answer = world.call(GAME, &text_event("hi"), with_state("\"kept\"", 2)).await.unwrap();
    assert_eq!(answer.outcome.state.as_deref(), Some("\"kept\""));
    let answer = world.say("hi").await.unwrap();
    assert_eq!(answer.outcome.state, None, "nothing to migrate");
}

#[tokio::test]
async fn a_state_that_cannot_be_migrated_is_kept_and_told() {
    let mut guest = migrating();
    guest.migrate = format!("(i32.store8 (i32.const {}) (i32.const 1)) {}", ANSWER + 512, guest.migrate);
    let failure = World::of(&guest).await.call(GAME, &text_event("hi"), with_state("\"old\"", 1)).await.unwrap_err();
    assert!(matches!(&failure, FlowFailure::Migration(reason) if reason.contains("new")), "{failure:?}");
    let trapping = Guest { migrate: "unreachable".into(), ..migrating() };
    let failure = World::of(&trapping).await.call(GAME, &text_event("hi"), with_state("\"old\"", 1)).await.unwrap_err();
    assert!(matches!(failure, FlowFailure::Migration(_)), "{failure:?}");
}
