//! What lanes promise: order, pace, urgency, and that nothing gets stuck or lost.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use questline_core::contact::{Contact, PhoneNumber};
use questline_core::id::{GameId, OutboxRef, OutboxSeq};
use questline_core::message::Outbound;
use questline_core::outbox::{Content, NewMessage};
use questline_core::send::PauseScope;

use super::*;

const NOW: UnixMs = UnixMs(1_800_000_000_000);

fn number(id: &str, per_second: u32) -> Number {
    Number { id: NumberId::parse(id).unwrap(), app: "main".into(), account: "1".into(), per_second }
}

fn message(number: &str, conversation: u64, seq: u64, class: MessageClass) -> OutboxMessage {
    let message = NewMessage {
        game: GameId::parse("g").unwrap(),
        number: NumberId::parse(number).unwrap(),
        contact: Contact::new(PhoneNumber::parse("15550100").ok(), None).unwrap(),
        class,
        content: Content::Reply { message: Outbound::Text { body: "x".into(), preview: false }, reply_to: None },
        committed_at: NOW,
        expires_at: None,
        campaign: None,
        known: None,
    };
    let id = OutboxRef { conversation: ConversationId(conversation), seq: OutboxSeq(seq) };
    OutboxMessage { id, message, attempts: 0, due_at: NOW, state: SendState::Queued }
}

fn send(lanes: &mut Lanes, now: UnixMs) -> Option<OutboxMessage> {
    match lanes.next(now) {
        Next::Send(message) => Some(message),
        _ => None,
    }
}

#[test]
fn one_at_a_time_and_in_order_within_a_conversation() {
    let mut lanes = Lanes::new(&[number("1", 1_000)], 1_000);
    (0..3).for_each(|seq| lanes.add(message("1", 7, seq, MessageClass::Normal)));
    let first = send(&mut lanes, NOW).unwrap();
    assert_eq!(first.id.seq.0, 0);
    assert!(send(&mut lanes, NOW).is_none(), "the second waits for the first");
    lanes.back(OutboxMessage { due_at: NOW.plus_ms(500), attempts: 1, ..first });
    assert!(send(&mut lanes, NOW).is_none(), "and for its repetition");
    let again = send(&mut lanes, NOW.plus_ms(500)).unwrap();
    assert_eq!((again.id.seq.0, again.attempts), (0, 1));
    lanes.finished(&again);
    assert_eq!(send(&mut lanes, NOW.plus_ms(500)).unwrap().id.seq.0, 1);
}

#[test]
fn the_urgent_go_first() {
    let mut lanes = Lanes::new(&[number("1", 1_000)], 1_000);
    lanes.add(message("1", 1, 0, MessageClass::Low));
    lanes.add(message("1", 2, 0, MessageClass::Normal));
    lanes.add(message("1", 3, 0, MessageClass::Critical));
    let order: Vec<_> = std::iter::from_fn(|| send(&mut lanes, NOW)).map(|message| message.id.conversation.0).collect();
    assert_eq!(order, [3, 2, 1]);
}

#[test]
fn a_number_keeps_its_pace_and_others_theirs() {
    let mut lanes = Lanes::new(&[number("1", 10), number("2", 1_000)], 1_000);
    for conversation in 0..200 {
        lanes.add(message(if conversation % 2 == 0 { "1" } else { "2" }, conversation, 0, MessageClass::Normal));
    }
    let mut sent: HashMap<String, usize> = HashMap::new();
    let mut now = NOW;
    while now < NOW.plus_ms(1_000) {
        match lanes.next(now) {
            Next::Send(message) => *sent.entry(message.message.number.to_string()).or_default() += 1,
            Next::Wait(Some(due_at)) => now = due_at,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((sent["1"], sent["2"]), (10, 100));
}

#[test]
fn a_pair_is_never_pushed_over_its_limit() {
    let mut lanes = Lanes::new(&[number("1", 1_000)], 1_000);
    (0..100).for_each(|seq| lanes.add(message("1", 7, seq, MessageClass::Normal)));
    let (mut now, mut times) = (NOW, Vec::new());
    while times.len() < 60 {
        match lanes.next(now) {
            Next::Send(message) => {
                times.push(now);
                lanes.finished(&message);
            }
            Next::Wait(Some(due_at)) => now = due_at,
            other => panic!("{other:?}"),
        }
    }
    for (place, at) in times.iter().enumerate() {
        let in_six_seconds = times[place..].iter().filter(|other| other.since_ms(*at) < 6_000).count();
        assert!(in_six_seconds <= 45, "{in_six_seconds} within 6 s");
    }
    assert!(now.since_ms(NOW) >= (60 - 45) * 6_000);
}

#[test]
fn what_may_have_left_is_checked_before_it_is_repeated() {
    let mut lanes = Lanes::new(&[number("1", 1_000)], 5_000);
    lanes.add(OutboxMessage { state: SendState::InFlight { since: NOW }, ..message("1", 7, 0, MessageClass::Normal) });
    lanes.add(message("1", 7, 1, MessageClass::Normal));
    assert!(matches!(lanes.next(NOW), Next::Wait(Some(due_at)) if due_at == NOW.plus_ms(5_000)));
    let Next::Check(unknown) = lanes.next(NOW.plus_ms(5_000)) else { panic!("not checked") };
    lanes.finished(&unknown);
    assert_eq!(send(&mut lanes, NOW.plus_ms(5_000)).unwrap().id.seq.0, 1);
}

#[test]
fn holds_grow_and_end() {
    let scopes = Scopes::of(&number("1", 1_000));
    let mut lanes = Lanes::new(&[number("1", 1_000)], 1_000);
    let first = message("1", 1, 0, MessageClass::Normal);
    let hold = Hold::Growing { base_ms: 1_000, ceiling_ms: 3_000 };
    let mut now = NOW;
    for wait_ms in [1_000, 2_000, 3_000, 3_000] {
        let until = lanes.hold(scopes.key(PauseScope::Number, &first), hold, now);
        assert_eq!(until, now.plus_ms(wait_ms));
        assert_eq!(lanes.hold(scopes.key(PauseScope::Number, &first), hold, now), until, "what was in flight together counts once");
        now = until;
    }
    lanes.add(first.clone());
    lanes.hold(scopes.key(PauseScope::Account, &first), Hold::UntilMended { probe_ms: 60_000 }, now);
    assert!(matches!(lanes.next(now), Next::Wait(Some(until)) if until == now.plus_ms(60_000)));
    let sent = send(&mut lanes, now.plus_ms(60_000)).unwrap();
    lanes.accepted(&scopes, &sent);
    assert_eq!(lanes.hold(scopes.key(PauseScope::Number, &first), hold, now), now.plus_ms(1_000), "and starts afresh");
}

#[test]
fn questions_count_but_never_silence_the_answers() {
    let mut lanes = Lanes::new(&[number("1", 100)], 1_000);
    (0..3_000).for_each(|conversation| lanes.add(message("1", conversation, 0, MessageClass::Normal)));
    let (mut now, mut sent) = (NOW, 0);
    while now < NOW.plus_ms(30_000) {
        lanes.charge(&NumberId::parse("1").unwrap(), 50, now);
        match lanes.next(now) {
            Next::Send(_) => sent += 1,
            Next::Wait(Some(due_at)) => now = due_at.min(now.plus_ms(100)),
            other => panic!("{other:?}"),
        }
    }
    // Ten seconds' worth counts in full, then half of the time: of 30 s at 100 a second five are left for answers.
    assert!((400..=650).contains(&sent), "{sent}");
}

#[test]
fn too_late_is_not_sent() {
    let mut lanes = Lanes::new(&[number("1", 100)], 1_000);
    let mut late = message("1", 1, 0, MessageClass::Critical);
    late.message.expires_at = Some(NOW);
    lanes.add(late);
    lanes.add(message("1", 1, 1, MessageClass::Normal));
    assert!(matches!(lanes.next(NOW), Next::Expired(message) if message.id.seq.0 == 0));
    assert_eq!(send(&mut lanes, NOW).unwrap().id.seq.0, 1);
}
