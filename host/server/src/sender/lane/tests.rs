//! What lanes promise: order, pace, urgency, and that nothing gets stuck or lost.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use questline_core::contact::{Contact, PhoneNumber};
use questline_core::id::{GameId, OutboxRef, OutboxSeq};
use questline_core::message::Outbound;
use questline_core::outbox::{Content, NewMessage};
use questline_core::send::PauseScope;

use super::*;
use questline_core::id::ConversationId;
use questline_core::lane::Lane;
use questline_core::outbox::{Campaign, MessageClass, SendState};

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
    match lanes.next(now, false) {
        Next::Send(message) => Some(message),
        _ => None,
    }
}

#[test]
fn one_at_a_time_and_in_order_within_a_conversation() {
    let mut lanes = Lanes::new(&[number("1", 1_000)], 1_000);
    (0..3).for_each(|seq| lanes.add(message("1", 7, seq, MessageClass::Normal), NOW));
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
    lanes.add(message("1", 1, 0, MessageClass::Low), NOW);
    lanes.add(message("1", 2, 0, MessageClass::Normal), NOW);
    lanes.add(message("1", 3, 0, MessageClass::Critical), NOW);
    let order: Vec<_> = std::iter::from_fn(|| send(&mut lanes, NOW)).map(|message| message.id.conversation.0).collect();
    assert_eq!(order, [3, 2, 1]);
}

#[test]
fn a_number_keeps_its_pace_and_others_theirs() {
    let mut lanes = Lanes::new(&[number("1", 10), number("2", 1_000)], 1_000);
    for conversation in 0..200u64 {
        lanes.add(message(if conversation % 2 == 0 { "1" } else { "2" }, conversation, 0, MessageClass::Normal), NOW);
    }
    let mut sent: HashMap<String, usize> = HashMap::new();
    let mut now = NOW;
    while now < NOW.plus_ms(1_000) {
        match lanes.next(now, false) {
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
    (0..64).for_each(|seq| lanes.add(message("1", 7, seq, MessageClass::Normal), NOW));
    let (mut now, mut times) = (NOW, Vec::new());
    while times.len() < 60 {
        match lanes.next(now, false) {
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
    lanes.add(OutboxMessage { state: SendState::InFlight { since: NOW }, ..message("1", 7, 0, MessageClass::Normal) }, NOW);
    lanes.add(message("1", 7, 1, MessageClass::Normal), NOW);
    assert!(matches!(lanes.next(NOW, false), Next::Wait(Some(due_at)) if due_at == NOW.plus_ms(5_000)));
    let Next::Check(unknown) = lanes.next(NOW.plus_ms(5_000), false) else { panic!("not checked") };
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
    lanes.add(first.clone(), NOW);
    lanes.hold(scopes.key(PauseScope::Account, &first), Hold::UntilMended { probe_ms: 60_000 }, now);
    assert!(matches!(lanes.next(now, false), Next::Wait(Some(until)) if until == now.plus_ms(60_000)));
    let sent = send(&mut lanes, now.plus_ms(60_000)).unwrap();
    lanes.accepted(&scopes, &sent);
    assert_eq!(lanes.hold(scopes.key(PauseScope::Number, &first), hold, now), now.plus_ms(1_000), "and starts afresh");
}

#[test]
fn questions_count_but_never_silence_the_answers() {
    let mut lanes = Lanes::new(&[number("1", 100)], 1_000);
    (0..3_000).for_each(|conversation| lanes.add(message("1", conversation, 0, MessageClass::Normal), NOW));
    let (mut now, mut sent) = (NOW, 0);
    while now < NOW.plus_ms(30_000) {
        lanes.charge(&NumberId::parse("1").unwrap(), 50, now);
        match lanes.next(now, false) {
            Next::Send(message) => {
                lanes.finished(&message);
                sent += 1;
            }
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
    lanes.add(late, NOW);
    lanes.add(message("1", 1, 1, MessageClass::Normal), NOW);
    assert!(matches!(lanes.next(NOW, false), Next::Expired(message) if message.id.seq.0 == 0));
    assert_eq!(send(&mut lanes, NOW).unwrap().id.seq.0, 1);
}

fn of_campaign(mut message: OutboxMessage) -> OutboxMessage {
    message.message.campaign = Some(Campaign { id: questline_core::id::CampaignId::parse("c").unwrap(), variant: None });
    message
}

fn all(lanes: &mut Lanes) -> Vec<(u64, u64)> {
    std::iter::from_fn(|| send(lanes, NOW)).map(|message| (message.id.conversation.0, message.id.seq.0)).collect()
}

#[test]
fn an_urgent_message_takes_those_before_it_along() {
    let mut lanes = Lanes::new(&[number("1", 1_000)], 1_000);
    (0..5).for_each(|conversation| lanes.add(message("1", conversation, 0, MessageClass::Normal), NOW));
    assert_eq!(send(&mut lanes, NOW).unwrap().id.conversation.0, 0, "all stand in their queues");
    lanes.add(message("1", 4, 1, MessageClass::Critical), NOW);
    let first = send(&mut lanes, NOW).unwrap();
    assert_eq!((first.id.conversation.0, first.id.seq.0), (4, 0), "in its order, and at once");
    lanes.finished(&first);
    assert_eq!(all(&mut lanes)[0], (4, 1));
}

#[test]
fn a_campaign_is_ahead_of_nobody_who_talks() {
    let mut lanes = Lanes::new(&[number("1", 1_000)], 1_000);
    lanes.add(of_campaign(message("1", 1, 0, MessageClass::Normal)), NOW);
    lanes.add(of_campaign(message("1", 1, 1, MessageClass::Normal)), NOW);
    lanes.add(message("1", 1, 2, MessageClass::Normal), NOW);
    lanes.add(message("1", 2, 0, MessageClass::Normal), NOW);
    assert_eq!(all(&mut lanes), [(1, 2), (2, 0), (1, 0)], "and keeps its own order: its second message waits for the first");
    assert_eq!(lanes.talk(), 2, "nor is it a reason to let players wait");
}

#[test]
fn the_less_urgent_have_a_share() {
    let mut lanes = Lanes::new(&[number("1", 1_000)], 1_000);
    for conversation in 0..1_000 {
        lanes.add(message("1", conversation, 0, MessageClass::Critical), NOW);
        lanes.add(message("1", 10_000 + conversation, 0, MessageClass::Low), NOW);
    }
    let (mut now, mut low) = (NOW, Vec::new());
    for place in 0..640 {
        let message = loop {
            match lanes.next(now, false) {
                Next::Send(message) => break message,
                Next::Wait(Some(due_at)) => now = due_at,
                other => panic!("{other:?}"),
            }
        };
        if message.message.class == MessageClass::Low {
            low.push(place);
        }
        lanes.finished(&message);
    }
    assert_eq!(low, (0..20).map(|n| 31 + 32 * n).collect::<Vec<_>>(), "one of 32");
}

#[test]
fn room_is_what_the_window_leaves() {
    let mut lanes = Lanes::new(&[number("1", 80), number("2", 1_000)], 1_000);
    let left = |room: &Room, number: &str, kind| room.left(&Lane { number: NumberId::parse(number).unwrap(), kind });
    let room = lanes.room(false).unwrap();
    assert_eq!((left(&room, "1", LaneKind::Normal), left(&room, "2", LaneKind::LowBulk)), (128, 1_000));
    assert_eq!(left(&room, "3", LaneKind::Normal), 0, "nothing is taken for a number that is not known");
    (0..128).for_each(|conversation| lanes.add(message("1", conversation, 0, MessageClass::Normal), NOW));
    let scopes = Scopes::of(&number("1", 80));
    lanes.hold(scopes.key(PauseScope::Number, &message("1", 0, 0, MessageClass::Normal)), Hold::UntilMended { probe_ms: 60_000 }, NOW);
    let room = lanes.room(true).unwrap();
    assert_eq!((left(&room, "1", LaneKind::Normal), left(&room, "1", LaneKind::Critical)), (0, 128), "a full lane holds up no other");
    assert_eq!(left(&room, "2", LaneKind::Normal), 1_000);
    // Room is told again when a good part of it is free.
    let (mut now, mut gone) = (NOW.plus_ms(60_000), 0);
    while lanes.room(false).is_none() {
        match lanes.next(now, false) {
            Next::Send(message) => {
                gone += 1;
                lanes.finished(&message);
            }
            Next::Wait(Some(due_at)) => now = due_at,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(gone, 32);
}

#[test]
fn what_needs_a_held_template_is_parked() {
    let mut lanes = Lanes::new(&[number("1", 1_000)], 1_000);
    let mut first = message("1", 1, 0, MessageClass::Normal);
    first.message.content = Content::Template(questline_core::template::TemplateMessage {
        name: "match_found_alert".into(),
        language: "en".into(),
        category: questline_core::template::Category::Utility,
        header: None,
        body: Vec::new(),
        buttons: Vec::new(),
    });
    let scopes = Scopes::of(&number("1", 1_000));
    let until = lanes.hold(scopes.key(PauseScope::Template, &first), Hold::UntilMended { probe_ms: 60_000 }, NOW);
    lanes.add(first.clone(), NOW);
    lanes.add(message("1", 1, 1, MessageClass::Normal), NOW);
    let Next::Park(parked, at, ParkReason::TemplateHeld) = lanes.next(NOW, false) else { panic!("not parked") };
    assert_eq!((parked.id, at), (first.id, until));
    assert_eq!(all(&mut lanes), [(1, 1)], "its conversation goes on");
    assert_eq!(lanes.talk(), 1);

    let stops = lanes.stops().unwrap();
    assert!(matches!(&stops[..], [stop] if stop.scope == "template" && stop.until == Some(until)), "{stops:?}");
    lanes.accepted(&scopes, &message("1", 1, 2, MessageClass::Normal));
    assert_eq!(lanes.stops(), None, "what lets nothing go is not told");
    lanes.accepted(&scopes, &first);
    assert_eq!(lanes.stops(), Some(Vec::new()));
}

#[test]
fn one_player_fills_no_lane() {
    let mut lanes = Lanes::new(&[number("1", 1_000)], 1_000);
    (0..100).for_each(|seq| lanes.add(message("1", 7, seq, MessageClass::Normal), NOW));
    lanes.add(message("1", 8, 0, MessageClass::Normal), NOW);
    let mut parked = Vec::new();
    while let Next::Park(message, until, ParkReason::PairLimit) = lanes.next(NOW, false) {
        parked.push((message, until));
    }
    assert_eq!((parked.len(), lanes.talk()), (36, 65));
    assert!(parked.is_sorted_by(|(one, early), (other, late)| one.id.seq < other.id.seq && early < late), "in their order");
    // What comes later goes behind them, though its line has room again.
    let first = send(&mut lanes, NOW).unwrap();
    lanes.finished(&first);
    lanes.add(message("1", 7, 100, MessageClass::Normal), NOW);
    let Next::Park(_, until, _) = lanes.next(NOW, false) else { panic!("not parked") };
    let (mut due, at) = parked.remove(0);
    assert!(until > parked[34].1);
    // At its time a parked one joins its line.
    due.due_at = at;
    lanes.add(due, at);
    assert!(!matches!(lanes.next(at, false), Next::Park(..)));
}

#[test]
fn what_is_kept_for_critical_messages_is_kept() {
    let mut lanes = Lanes::new(&[number("1", 1_000)], 1_000);
    lanes.add(message("1", 1, 0, MessageClass::High), NOW);
    assert!(matches!(lanes.next(NOW, true), Next::Wait(_)));
    lanes.add(message("1", 2, 0, MessageClass::Critical), NOW);
    assert!(matches!(lanes.next(NOW, true), Next::Send(message) if message.id.conversation.0 == 2));
}
