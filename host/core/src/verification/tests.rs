//! What codes and their guards promise.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use proptest::prelude::*;

use super::book::{Guards, Issued, PlayerMark, ResendRefusal, Status, Subject};
use super::code::{Code, CodeDigest, KeyId, SealedCode};
use super::guard::*;
use super::way::{Begun, Way};
use super::*;
use crate::contact::PhoneNumber;
use crate::id::{ConversationId, OutboxRef, OutboxSeq};
use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMs};

const START: UnixMs = UnixMs(1_790_000_000_000);

fn id(n: u8) -> VerificationId {
    VerificationId::from_bytes([n; 16])
}

/// A code whose digest is its number: comparing is not what these tests are about.
fn code(n: u32) -> NewCode {
    let mut tag = [0; 32];
    tag[..4].copy_from_slice(&n.to_be_bytes());
    let key = KeyId("k".into());
    NewCode { digest: CodeDigest::new(key.clone(), tag), sealed: SealedCode { key, text: format!("{n:08x}").into() } }
}

fn is(n: u32) -> impl Fn(&book::Verification) -> bool {
    move |known| {
        let mut tag = [0; 32];
        tag[..4].copy_from_slice(&n.to_be_bytes());
        known.digest.is(&tag)
    }
}

fn wish(n: u8, purpose: Purpose) -> NewVerification {
    NewVerification { id: id(n), purpose, player: None, to: None, device: None, locale: None, code: code(u32::from(n)), key: None }
}

fn start(subject: &mut Subject, n: u8, now: UnixMs) -> Result<Issued, Refused> {
    subject.start(&mut Guards::default(), wish(n, Purpose::Login), CodeRules::default(), &GuardRules::default(), now)
}

fn resend(subject: &mut Subject, n: u8, number: u32, now: UnixMs) -> Option<Result<Issued, ResendRefusal>> {
    subject.resend(&mut Guards::default(), &id(n), None, |_, _| Some((code(number), CodeRules::default())), &GuardRules::default(), now)
}

fn check(subject: &mut Subject, n: u8, number: u32, now: UnixMs) -> (Status, u8) {
    let checked = subject.check(&mut PlayerMark::default(), None, Some(&id(n)), None, is(number), now).unwrap();
    (checked.status, checked.attempts_left)
}

#[test]
fn a_code_is_drawn_over_the_whole_range_and_keeps_its_zeros() {
    let drawn = |number: u64| Code::draw(6, || Ok::<_, ()>(number)).unwrap().reveal().to_owned();
    assert_eq!(drawn(0), "000000");
    assert_eq!(drawn(42), "000042");
    assert_eq!(drawn(999_999), "999999");
    assert_eq!(drawn(1_000_000), "000000");
    // Beyond the last whole million lie too few numbers for all codes: they are drawn again.
    let fair = u64::MAX - u64::MAX % 1_000_000;
    let mut numbers = [u64::MAX, fair, 7].into_iter();
    assert_eq!(Code::draw(6, || numbers.next().ok_or(())).unwrap().reveal(), "000007");
    assert_eq!(Code::draw(6, || Ok::<_, ()>(fair - 1)).unwrap().reveal(), "999999");
    assert!(Code::draw(6, || Err::<u64, _>(())).is_err());
}

#[test]
fn what_people_type_is_read() {
    for typed in ["012345", " 012 345 ", "012-345", "0 1 2 3 4 5", "012\u{2011}345", "012\u{a0}345"] {
        assert_eq!(Code::parse(typed).unwrap().reveal(), "012345", "{typed:?}");
    }
    for typed in ["", "123", "12345678901", "code 123456", "123456!", "-123456", "12.34.56", "+49 170 1234567", &"1 ".repeat(40)] {
        assert!(Code::parse(typed).is_none(), "{typed:?}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let secret = Code::parse("481516").unwrap();
    let promise = CodePromise {
        id: id(7),
        send: 1,
        purpose: Purpose::Login,
        by: CodeSender::Template("t".into()),
        place: 0,
        is_last: true,
        locale: "en".into(),
        life_s: 600,
        expires_at: START,
        sealed: SealedCode { key: KeyId("k".into()), text: "c0ffee".into() },
        identity_key_hash: None,
    };
    let shown = format!("{secret:?} {:?} {promise:?}", code(4_815).digest);
    assert!(!shown.contains("481516") && !shown.contains("c0ffee") && !shown.contains("0707070707"), "{shown}");
}

#[test]
fn the_right_code_counts_once() {
    let mut subject = Subject::default();
    start(&mut subject, 1, START).unwrap();
    assert_eq!(check(&mut subject, 1, 1, START).0, Status::Approved);
    assert_eq!(check(&mut subject, 1, 1, START).0, Status::AlreadyUsed);
}

#[test]
fn wrong_tries_end_it_and_never_give_it_time() {
    let mut subject = Subject::default();
    let issued = start(&mut subject, 1, START).unwrap();
    assert_eq!(check(&mut subject, 1, 9, START), (Status::Rejected, 2));
    assert_eq!(check(&mut subject, 1, 9, START.plus_ms(599_999)), (Status::Rejected, 1));
    assert_eq!(subject.verifications[0].expires_at, issued.expires_at);
    assert_eq!(check(&mut subject, 1, 9, START.plus_ms(599_999)), (Status::AttemptsUsedUp, 0));
    assert_eq!(check(&mut subject, 1, 1, START.plus_ms(599_999)), (Status::AttemptsUsedUp, 0), "also the right one");
    let mut late = Subject::default();
    start(&mut late, 1, START).unwrap();
    assert_eq!(check(&mut late, 1, 1, START.plus_ms(600_000)).0, Status::Expired);
}

#[test]
fn the_last_try_may_be_right() {
    let mut subject = Subject::default();
    start(&mut subject, 1, START).unwrap();
    check(&mut subject, 1, 9, START);
    check(&mut subject, 1, 9, START);
    assert_eq!(check(&mut subject, 1, 1, START).0, Status::Approved);
}

#[test]
fn a_resend_kills_the_code_before_it() {
    let mut subject = Subject::default();
    start(&mut subject, 1, START).unwrap();
    let later = START.plus_ms(30_000);
    let issued = resend(&mut subject, 1, 77, later).unwrap().unwrap();
    assert_eq!((issued.send, issued.expires_at, issued.resend_after_ms), (2, later.plus_ms(600_000), 60_000));
    let alive = |send| subject.standing(&id(1), send, 0, None, later).unwrap().status.is_none();
    assert!(!alive(1) && alive(2));
    assert_eq!(check(&mut subject, 1, 1, later).0, Status::Rejected);
    assert_eq!(check(&mut subject, 1, 77, later).0, Status::Approved);
    let ended = resend(&mut subject, 1, 78, later.plus_ms(HOUR_MS / 2)).unwrap();
    assert_eq!(ended, Err(ResendRefusal::Ended(Status::AlreadyUsed)));
    assert!(resend(&mut subject, 9, 78, later).is_none());
}

#[test]
fn waits_grow_until_a_code_is_used() {
    let mut subject = Subject::default();
    let mut now = START;
    for (n, wait_ms) in [(1, 30_000), (2, 60_000), (3, 120_000), (4, 240_000)] {
        assert_eq!(start(&mut subject, n, now).unwrap().resend_after_ms, wait_ms);
        let early = start(&mut subject, 99, now.plus_ms(wait_ms - 1)).unwrap_err();
        assert_eq!(early, Refused { reason: GuardReason::ResendWait, retry_at: now.plus_ms(wait_ms) });
        now = now.plus_ms(wait_ms);
    }
    assert_eq!(check(&mut subject, 4, 4, now).0, Status::Approved);
    start(&mut subject, 5, now).unwrap();
    check(&mut subject, 5, 5, now);
    let sixth = start(&mut subject, 6, now).unwrap_err();
    assert_eq!(sixth, Refused { reason: GuardReason::Contact, retry_at: START.plus_ms(HOUR_MS) }, "five within an hour");
    assert!(start(&mut subject, 6, START.plus_ms(HOUR_MS)).is_ok());
}

#[test]
fn success_ends_all_that_is_open() {
    let mut subject = Subject::default();
    let limits = GuardRules { resend_wait_s: 0, ..GuardRules::default() };
    for (n, purpose) in [(1, Purpose::Login), (2, Purpose::HighValue), (3, Purpose::HighValue)] {
        subject.start(&mut Guards::default(), wish(n, purpose), CodeRules::default(), &limits, START).unwrap();
    }
    assert_eq!(check(&mut subject, 2, 2, START).0, Status::Replaced, "by the third, for the same purpose");
    assert_eq!(check(&mut subject, 3, 3, START).0, Status::Approved);
    assert_eq!(check(&mut subject, 1, 1, START).0, Status::Replaced);
    assert!(!subject.is_open(None, START));
}

#[test]
fn success_ends_what_the_player_has_open_elsewhere() {
    let (mut one, mut other, mut mark) = (Subject::default(), Subject::default(), PlayerMark::default());
    start(&mut one, 1, START).unwrap();
    start(&mut other, 2, START).unwrap();
    let checked = one.check(&mut mark, None, Some(&id(1)), None, is(1), START.plus_ms(5)).unwrap();
    assert_eq!(checked.status, Status::Approved);
    let standing = other.standing(&id(2), 1, 0, Some(&mark), START.plus_ms(5)).unwrap();
    assert_eq!(standing.status, Some(Status::Replaced));
    let checked = other.check(&mut mark, None, Some(&id(2)), None, is(2), START.plus_ms(5)).unwrap();
    assert_eq!(checked.status, Status::Replaced);
    start(&mut other, 3, START.plus_ms(60_000)).unwrap();
    let checked = other.check(&mut mark, None, Some(&id(3)), None, is(3), START.plus_ms(60_000)).unwrap();
    assert_eq!(checked.status, Status::Approved, "a newer one counts");
}

#[test]
fn without_a_name_a_code_is_tried_on_all_that_is_open() {
    let mut subject = Subject::default();
    let limits = GuardRules { resend_wait_s: 0, ..GuardRules::default() };
    for (n, purpose) in [(1, Purpose::Login), (2, Purpose::HighValue)] {
        subject.start(&mut Guards::default(), wish(n, purpose), CodeRules::default(), &limits, START).unwrap();
    }
    let mut mark = PlayerMark::default();
    let mut try_it = |n, by: &str| subject.check(&mut mark, None, None, Some(by), is(n), START);
    let wrong = try_it(9, "event-1").unwrap();
    assert_eq!((wrong.status, wrong.attempts_left), (Status::Rejected, 2));
    assert_eq!(try_it(9, "event-1").unwrap().attempts_left, 2, "the same event asks again");
    let right = try_it(1, "event-2").unwrap();
    assert_eq!((right.status, right.purpose), (Status::Approved, Purpose::Login));
    assert_eq!(try_it(1, "event-2").unwrap().status, Status::Approved, "the same event asks again");
    assert!(try_it(1, "event-3").is_none(), "nothing is open any more");
}

#[test]
fn a_repeated_start_gives_the_same() {
    let mut subject = Subject::default();
    let keyed = |n| NewVerification { key: Some("event-1".into()), ..wish(n, Purpose::Login) };
    let mut start = |n| subject.start(&mut Guards::default(), keyed(n), CodeRules::default(), &GuardRules::default(), START).unwrap();
    let first = start(1);
    assert_eq!(start(2), Issued { repeated: true, ..first });
}

#[test]
fn what_is_refused_counts_nowhere() {
    let limits = GuardRules { ip_per_hour: 1, device_per_hour: 2, resend_wait_s: 0, ..GuardRules::default() };
    let mut guards = Guards { ip: Some(Window::default()), device: Some(Window::default()), ..Guards::default() };
    let mut ask = |subject: &mut Subject, n| subject.start(&mut guards, wish(n, Purpose::Login), CodeRules::default(), &limits, START);
    let (mut one, mut other) = (Subject::default(), Subject::default());
    ask(&mut one, 1).unwrap();
    for n in 2..5 {
        assert_eq!(ask(&mut other, n).unwrap_err(), Refused { reason: GuardReason::Ip, retry_at: START.plus_ms(HOUR_MS) });
    }
    assert_eq!(guards.device.unwrap().len(START), 1);
    assert_eq!((other.requests.len(START), other.verifications.len()), (0, 0));
}

#[test]
fn a_country_whose_codes_nobody_uses_is_left_alone_for_a_while() {
    let limits = GuardRules { approval_sample_min: 10, approval_permille_min: 200, ..GuardRules::default() };
    let mut dial = Dial::default();
    for _ in 0..20 {
        dial.allows(&limits, START).unwrap();
        dial.take(START);
    }
    dial.approve(START);
    dial.allows(&limits, START.plus_ms(10 * MINUTE_MS)).unwrap();
    let later = START.plus_ms(20 * MINUTE_MS);
    let refused = dial.allows(&limits, later).unwrap_err();
    assert_eq!(refused.reason, GuardReason::ApprovalRate);
    assert!(refused.retry_at > later);
    let mut used = dial.clone();
    (0..3).for_each(|_| used.approve(START));
    used.allows(&limits, later).unwrap();
    dial.allows(&limits, START.plus_ms(2 * HOUR_MS)).unwrap();
}

#[test]
fn a_country_has_a_day() {
    let limits = GuardRules { dial_code_per_day: 2, ..GuardRules::default() };
    let mut dial = Dial::default();
    dial.take(START);
    dial.take(START);
    let refused = dial.allows(&limits, START).unwrap_err();
    assert_eq!((refused.reason, refused.retry_at.0 % DAY_MS), (GuardReason::DialCode, 0));
    dial.allows(&limits, refused.retry_at).unwrap();
}

#[test]
fn countries_and_neighbours_of_numbers() {
    for (number, dial, prefix) in [
        ("15551234567", "1", "1555123"),
        ("77012345678", "7", "7701234"),
        ("4915112345678", "49", "491511234"),
        ("35312345678", "353", "3531234"),
        ("971501234567", "971", "97150123"),
    ] {
        let phone = PhoneNumber::parse(number).unwrap();
        assert_eq!((dial_code(&phone), number_prefix(&phone)), (dial, prefix));
    }
}

proptest! {
    /// Within any hour never more than allowed, and waiting as told is enough.
    #[test]
    fn a_window_holds(per_hour in 1u32..12, steps in prop::collection::vec(0u64..20 * MINUTE_MS, 1..200)) {
        let mut window = Window::default();
        let (mut now, mut taken) = (START, Vec::new());
        for step in steps {
            now = now.plus_ms(step);
            match window.allows(per_hour, now) {
                Ok(()) => {
                    window.take(now);
                    taken.push(now);
                }
                Err(retry_at) => {
                    prop_assert!(retry_at > now);
                    prop_assert!(window.allows(per_hour, retry_at).is_ok());
                }
            }
        }
        for (place, at) in taken.iter().enumerate() {
            let within = taken[place..].iter().filter(|other| other.since_ms(*at) < HOUR_MS).count();
            prop_assert!(within <= per_hour as usize);
        }
    }

    /// Whatever is done in whatever order: at most one approval for each verification, at most three wrong tries for each
    /// code, at most five codes an hour, and never more than one code that counts for each purpose.
    #[test]
    fn no_order_of_calls_gains_anything(calls in prop::collection::vec((0u8..4, 0u8..6, 0u64..400_000), 1..120)) {
        let mut subject = Subject::default();
        let (mut now, mut made, mut codes) = (START, Vec::new(), 0u8);
        let (mut approved, mut wrong): (HashMap<u8, u32>, HashMap<(u8, u32), u32>) = Default::default();
        for (call, n, step) in calls {
            now = now.plus_ms(step);
            match call {
                0 => if start(&mut subject, codes, now).is_ok() {
                    made.push(now);
                    codes = codes.saturating_add(1);
                },
                1 => if let Some(Ok(_)) = resend(&mut subject, n, 1_000, now) {
                    made.push(now);
                },
                2 => if subject.check(&mut PlayerMark::default(), None, Some(&id(n)), None, |_| true, now)
                    .is_some_and(|checked| checked.status == Status::Approved) {
                    *approved.entry(n).or_default() += 1;
                },
                _ => {
                    let send = subject.verifications.iter().find(|known| known.id == id(n)).map_or(0, |known| known.sends);
                    let before = subject.verifications.iter().find(|known| known.id == id(n)).map(|known| known.expires_at);
                    if let Some(checked) = subject.check(&mut PlayerMark::default(), None, Some(&id(n)), None, |_| false, now)
                        && matches!(checked.status, Status::Rejected | Status::AttemptsUsedUp) && checked.attempts_left < 3 {
                        *wrong.entry((n, send)).or_default() += u32::from(checked.status == Status::Rejected);
                    }
                    let after = subject.verifications.iter().find(|known| known.id == id(n)).map(|known| known.expires_at);
                    prop_assert_eq!(before, after);
                }
            }
            let open = subject.verifications.iter().filter(|known| known.status(None, now).is_none()).count();
            prop_assert!(open <= 1);
        }
        prop_assert!(approved.values().all(|times| *times == 1));
        prop_assert!(wrong.values().all(|times| *times < 3));
        for (place, at) in made.iter().enumerate() {
            prop_assert!(made[place..].iter().filter(|other| other.since_ms(*at) < HOUR_MS).count() <= 5);
        }
    }
}

#[test]
fn a_code_goes_out_by_each_channel_while_it_counts_and_never_by_one_before() {
    let message = |seq| OutboxRef { conversation: ConversationId(7), seq: OutboxSeq(seq) };
    let way = |place: u8| Way { place, channel: "sms".into(), message: message(u64::from(place)), sent_at: START, delivered_at: None };
    let mut subject = Subject::default();
    start(&mut subject, 1, START).unwrap();
    let go = Begun::Go { player: None };
    assert_eq!(subject.begin_way(&id(1), 1, way(0), None, START), go);
    assert_eq!(subject.begin_way(&id(1), 1, way(0), None, START), go, "the same again");
    assert_eq!(subject.begin_way(&id(1), 1, way(2), None, START), go);
    assert_eq!(subject.begin_way(&id(1), 1, way(0), None, START), Begun::Passed);
    assert_eq!(subject.begin_way(&id(1), 2, way(3), None, START), Begun::Dead, "no such code was made");
    assert_eq!(subject.begin_way(&id(9), 1, way(0), None, START), Begun::Dead);
    let at = START.plus_ms(900);
    assert!(subject.way_delivered(&id(1), 1, 2, at) && !subject.way_delivered(&id(1), 1, 2, at), "it is noted once");
    assert!(!subject.way_delivered(&id(1), 1, 1, at), "nothing was sent so");
    let known = subject.standing(&id(1), 1, 2, None, at).unwrap();
    assert_eq!((known.status, known.way.unwrap().delivered_at), (None, Some(at)));
    let later = START.plus_ms(30_000);
    resend(&mut subject, 1, 77, later).unwrap().unwrap();
    assert_eq!(subject.begin_way(&id(1), 1, way(3), None, later), Begun::Dead, "a resend kills the code before it");
    assert_eq!(subject.begin_way(&id(1), 2, way(0), None, later), go, "and begins anew");
    let checked = check(&mut subject, 1, 77, later);
    assert_eq!(checked.0, Status::Approved);
    assert_eq!(subject.begin_way(&id(1), 2, way(1), None, later), Begun::Dead, "it was used");
    assert_eq!(subject.standing(&id(1), 2, 0, None, later).unwrap().status, Some(Status::AlreadyUsed));
}
