//! What the second factor promises.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::account::challenge::Numbers;
use crate::account::device::DEVICES_MAX;
use crate::account::freeze::Frozen;
use crate::account::recovery_codes::{RECOVERY_CODES, RecoveryCode};
use crate::contact::PhoneNumber;
use crate::id::{ConversationId, DeviceId, GameId, InboxSeq, NumberId, TicketNumber};
use crate::time::HOUR_MS;
use crate::verification::code::KeyId;

const START: UnixMs = UnixMs(1_790_000_000_000);
const RULES: fn() -> TwoFactorRules = TwoFactorRules::default;

fn contact(n: u32) -> Contact {
    Contact::new(PhoneNumber::parse(&format!("1555{n:04}")).ok(), None).unwrap()
}

fn address() -> Address {
    Address { game: GameId::parse("cup").unwrap(), number: NumberId::parse("100").unwrap(), contact: contact(1) }
}

fn device(name: &str) -> NamedDevice {
    NamedDevice { id: DeviceId::parse(name).unwrap(), name: Some("Phone".to_owned()) }
}

fn id(n: u8) -> ChallengeId {
    ChallengeId::from_bytes([n; 16])
}

fn verification(n: u8) -> VerificationId {
    VerificationId::from_bytes([n; 16])
}

fn digest(n: u8) -> CodeDigest {
    CodeDigest::new(KeyId("k".into()), [n; 32])
}

fn is(n: u8) -> impl Fn(&CodeDigest) -> bool {
    move |digest| digest.is(&[n; 32])
}

fn enrolment(to: Option<Address>) -> Enrolment {
    Enrolment { id: verification(1), to, device: device("home"), locale: None, expires_at: START.plus_ms(600_000) }
}

/// With two-factor on, and recovery codes 0 to 9.
fn on() -> Account {
    let mut account = Account::default();
    assert!(account.begin_two_factor(enrolment(Some(address()))));
    let codes = (0..RECOVERY_CODES as u8).map(digest).collect();
    assert!(account.confirm_two_factor(&verification(1), codes, START).is_some());
    account
}

fn new(n: u8, purpose: Purpose) -> NewChallenge {
    let mut bytes = [5, 6, 7, n].into_iter();
    let numbers = Numbers::draw(|| Ok::<_, ()>(bytes.next().unwrap())).unwrap();
    NewChallenge { id: id(n), purpose, device: device("tablet"), numbers }
}

fn begin(account: &mut Account, n: u8, purpose: Purpose, now: UnixMs) -> Challenge {
    account.begin_challenge(Some(&mut ContactRecord::default()), new(n, purpose), &RULES(), now).unwrap()
}

fn answer(account: &mut Account, n: u8, answer: Answer, now: UnixMs) -> Answered {
    account.answer_challenge(&id(n), &contact(1), answer, &format!("tap {now:?}"), &RULES(), now).unwrap()
}

fn status(account: &Account, n: u8, now: UnixMs) -> ChallengeStatus {
    account.factor.challenge(&id(n)).unwrap().status(now)
}

fn wrong(challenge: &Challenge) -> Answer {
    Answer::Number(challenge.numbers.offered().into_iter().find(|number| *number != challenge.numbers.right()).unwrap())
}

#[test]
fn it_is_on_once_its_code_has_come_and_binds_the_device() {
    let mut account = Account::default();
    assert!(account.begin_two_factor(enrolment(Some(address()))));
    assert_eq!(account.confirm_two_factor(&verification(2), vec![digest(0)], START), None, "another verification");
    let mut late = account.clone();
    assert_eq!(late.confirm_two_factor(&verification(1), vec![digest(0)], START.plus_ms(600_000)), None, "too late");
    assert!(account.confirm_two_factor(&verification(1), vec![digest(0)], START).is_some());
    assert!(account.factor.on().is_some() && account.devices.has(&device("home").id));
    assert_eq!(account.confirm_two_factor(&verification(1), vec![digest(1)], START), None, "once");
    assert!(!account.begin_two_factor(enrolment(Some(address()))), "it is on: nobody puts another chat in its place");
}

#[test]
fn nobody_turns_it_on_for_nobody() {
    let mut account = Account::default();
    account.begin_two_factor(enrolment(None));
    assert_eq!(account.confirm_two_factor(&verification(1), vec![digest(0)], START), None);
    assert!(account.forget_at().is_some_and(|at| at <= START.plus_ms(HOUR_MS)));
}

#[test]
fn the_right_number_approves_once_and_binds_the_device() {
    let mut account = on();
    let challenge = begin(&mut account, 1, Purpose::Login, START);
    let right = Answer::Number(challenge.numbers.right());
    let tap = |account: &mut Account, by: &str| account.answer_challenge(&id(1), &contact(1), right, by, &RULES(), START).unwrap();
    let first = tap(&mut account, "a");
    assert!(first.counts && first.status == ChallengeStatus::Approved(Way::Number));
    assert!(account.devices.has(&device("tablet").id));
    assert!(tap(&mut account, "a").counts, "the same step, run again, is answered alike");
    assert!(!tap(&mut account, "b").counts, "another tap does not count");
}

#[test]
fn another_contact_an_old_challenge_and_a_frozen_account_do_not_count() {
    let mut account = on();
    let challenge = begin(&mut account, 1, Purpose::Login, START);
    let right = Answer::Number(challenge.numbers.right());
    assert_eq!(account.answer_challenge(&id(1), &contact(2), right, "a", &RULES(), START), None);
    assert_eq!(account.answer_challenge(&id(9), &contact(1), right, "a", &RULES(), START), None);
    assert_eq!(answer(&mut account.clone(), 1, right, challenge.expires_at).status, ChallengeStatus::Expired);
    let mut frozen = account.clone();
    let ticket = TicketNumber::parse("T-1").unwrap();
    frozen.freeze(Frozen { ticket, conversation: ConversationId(1), event: InboxSeq(1), at: START });
    assert_eq!(frozen.answer_challenge(&id(1), &contact(1), right, "a", &RULES(), START), None);
    assert_eq!(frozen.use_recovery_code(Some(&id(1)), is(0), &RULES(), START), Some(RecoveryUse::Tried(RecoveryTry::Wrong)));
    frozen.sent_code(&id(1), verification(7));
    assert!(!frozen.approve_by_code(&id(1), &verification(7), START));
    assert_eq!(status(&account, 1, START), ChallengeStatus::Pending);
}

#[test]
fn a_newer_challenge_for_the_same_takes_the_place_of_the_older() {
    let mut account = on();
    let first = begin(&mut account, 1, Purpose::Login, START);
    begin(&mut account, 2, Purpose::HighValue, START);
    begin(&mut account, 3, Purpose::Login, START);
    let answered = answer(&mut account, 1, Answer::Number(first.numbers.right()), START);
    assert!(!answered.counts && answered.status == ChallengeStatus::Replaced);
    assert_eq!((status(&account, 2, START), status(&account, 3, START)), (ChallengeStatus::Pending, ChallengeStatus::Pending));
}

#[test]
fn denials_stop_challenges_for_a_while() {
    let mut account = on();
    for n in 1..=3 {
        let challenge = begin(&mut account, n, Purpose::Login, START);
        let denied = answer(&mut account, n, if n == 2 { Answer::NotMe } else { wrong(&challenge) }, START);
        assert!(denied.counts && matches!(denied.status, ChallengeStatus::Denied(_)));
        assert_eq!(denied.locked_until.is_some(), n == 3);
    }
    let refused = account.begin_challenge(None, new(4, Purpose::Login), &RULES(), START).unwrap_err();
    assert_eq!(refused, NotPushed { limit: PushLimit::Denied, retry_at: START.plus_ms(3_600_000) });
    assert!(account.begin_challenge(None, new(4, Purpose::Login), &RULES(), refused.retry_at).is_ok());
}

#[test]
fn pushes_are_limited_for_the_player_and_the_contact() {
    let (mut account, mut record) = (on(), ContactRecord::default());
    for n in 0..10 {
        account.begin_challenge(Some(&mut record), new(n, Purpose::Login), &RULES(), START).unwrap();
    }
    let refused = account.begin_challenge(Some(&mut record), new(20, Purpose::Login), &RULES(), START).unwrap_err();
    assert_eq!((refused.limit, refused.retry_at), (PushLimit::Player, START.plus_ms(HOUR_MS)));
    let mut other = on();
    for n in 0..5 {
        other.begin_challenge(Some(&mut record), new(n, Purpose::Login), &RULES(), START).unwrap();
    }
    let before = other.clone();
    let refused = other.begin_challenge(Some(&mut record), new(20, Purpose::Login), &RULES(), START).unwrap_err();
    assert_eq!(refused.limit, PushLimit::Contact);
    assert_eq!(other, before, "what is refused counts nowhere");
}

#[test]
fn codes_are_counted_before_they_are_compared() {
    let mut account = on();
    begin(&mut account, 1, Purpose::Login, START);
    account.sent_code(&id(1), verification(7));
    for left in [2, 1, 0] {
        let counted = CodeTry::Counted { verification: Some(verification(7)), attempts_left: left };
        assert_eq!(account.try_code(&id(1), START), Some(counted));
    }
    let mut last = account.clone();
    assert!(last.approve_by_code(&id(1), &verification(7), START), "the last try was right");
    assert!(!last.approve_by_code(&id(1), &verification(7), START), "once");
    assert_eq!(account.try_code(&id(1), START), Some(CodeTry::Ended(ChallengeStatus::Denied(Denial::WrongCodes))));
    assert!(!account.approve_by_code(&id(1), &verification(8), START), "the code of another verification");
    assert_eq!(account.try_code(&id(9), START), None);
}

#[test]
fn a_recovery_code_works_once_and_guessing_locks_them_all() {
    let mut account = on();
    begin(&mut account, 1, Purpose::Login, START);
    begin(&mut account, 2, Purpose::HighValue, START);
    let right = account.use_recovery_code(Some(&id(1)), is(4), &RULES(), START).unwrap();
    assert_eq!(right, RecoveryUse::Tried(RecoveryTry::Right { codes_left: 9 }));
    assert_eq!(status(&account, 1, START), ChallengeStatus::Approved(Way::RecoveryCode));
    for _ in 0..5 {
        assert_eq!(account.use_recovery_code(Some(&id(2)), is(4), &RULES(), START), Some(RecoveryUse::Tried(RecoveryTry::Wrong)));
    }
    let locked = RecoveryUse::Tried(RecoveryTry::Locked(START.plus_ms(3_600_000)));
    assert_eq!(account.use_recovery_code(None, is(5), &RULES(), START), Some(locked), "a right one too");
    let later = START.plus_ms(3_600_000);
    let right = account.use_recovery_code(None, is(5), &RULES(), later);
    assert_eq!(right, Some(RecoveryUse::Tried(RecoveryTry::Right { codes_left: 8 })));
}

#[test]
fn a_fresh_approval_of_a_change_proves_one_change() {
    let mut account = on();
    let login = begin(&mut account, 1, Purpose::Login, START);
    answer(&mut account, 1, Answer::Number(login.numbers.right()), START);
    assert!(!account.spend_challenge(&id(1), &RULES(), START), "a sign-in turns nothing off");
    let change = begin(&mut account, 2, Purpose::HighValue, START);
    assert!(!account.spend_challenge(&id(2), &RULES(), START), "not approved");
    answer(&mut account, 2, Answer::Number(change.numbers.right()), START);
    assert!(!account.clone().spend_challenge(&id(2), &RULES(), START.plus_ms(300_000)), "too old");
    assert!(account.spend_challenge(&id(2), &RULES(), START));
    assert!(!account.spend_challenge(&id(2), &RULES(), START), "once");
    assert!(account.turn_two_factor_off().is_some() && account.factor.recovery_codes_left() == 0);
    assert_eq!(account.turn_two_factor_off(), None);
}

/// What a game that asks for an account can see.
fn seen(account: &mut Account, now: UnixMs) -> Vec<String> {
    let mut seen = Vec::new();
    for n in 0..12 {
        let begun = account.begin_challenge(None, new(n, Purpose::Login), &RULES(), now);
        seen.push(format!("{:?}", begun.map(|begun| (begun.expires_at, begun.status(now)))));
        let tried = account.try_code(&id(n), now).map(|tried| match tried {
            CodeTry::Counted { attempts_left, .. } => CodeTry::Counted { verification: None, attempts_left },
            ended => ended,
        });
        seen.push(format!("{tried:?} {:?}", account.use_recovery_code(Some(&id(n)), is(99), &RULES(), now)));
        seen.push(format!("{:?}", account.factor.challenge(&id(n)).map(|known| known.status(now.plus_ms(120_000)))));
    }
    seen
}

#[test]
fn who_has_none_is_answered_like_who_has() {
    let mut nobody = Account::default();
    assert_eq!(seen(&mut nobody, START), seen(&mut on(), START));
    assert!(nobody.forget_at().is_some_and(|at| at <= START.plus_ms(2 * HOUR_MS)), "and forgotten");
    assert_eq!(on().forget_at(), None);
}

proptest! {
    #[test]
    fn numbers_are_three_of_two_digits_and_one_is_right(bytes in prop::collection::vec(any::<u8>(), 64..200)) {
        let mut bytes = bytes.into_iter();
        if let Ok(numbers) = Numbers::draw(|| bytes.next().ok_or(())) {
            let offered = numbers.offered();
            prop_assert!(offered.iter().all(|number| (10..=99).contains(number)) && offered.contains(&numbers.right()));
            prop_assert_eq!(offered.iter().collect::<HashSet<_>>().len(), 3);
        }
    }

    #[test]
    fn a_recovery_code_is_read_however_it_is_typed(random in any::<[u8; 8]>(), lower in any::<bool>(), gaps in prop::collection::vec(prop::sample::select(vec!["", " ", "-", "\u{a0}"]), 16)) {
        let code = RecoveryCode::from_bytes(random);
        let shown = code.shown();
        prop_assert_eq!(shown.len(), 14);
        prop_assert!(!shown.contains(['O', 'I', 'L', 'U']));
        let typed: String = shown.chars().zip(&gaps).map(|(c, gap)| format!("{gap}{}", if c == '0' { 'o' } else if c == '1' { 'l' } else { c })).collect();
        let typed = if lower { typed.to_lowercase() } else { typed };
        let read = RecoveryCode::parse(&typed).unwrap();
        prop_assert_eq!(read.reveal(), code.reveal());
        for wrong in [format!("{}7", code.reveal()), code.reveal()[1..].to_owned(), code.reveal().replacen(|_| true, "!", 1)] {
            prop_assert!(RecoveryCode::parse(&wrong).is_none(), "{}", wrong);
        }
    }

    /// Whatever is done in whatever order: a challenge is approved at most once, by what may approve it, and never after it
    /// was denied, replaced or too old; and devices stay bounded.
    #[test]
    fn a_challenge_ends_once(steps in prop::collection::vec((0u8..6, 0u8..4, 0u64..90_000), 1..60)) {
        let (mut account, mut now, mut ended) = (on(), START, std::collections::HashMap::new());
        for (what, n, wait_ms) in steps {
            now = now.plus_ms(wait_ms);
            match what {
                0 => if let std::collections::hash_map::Entry::Vacant(place) = ended.entry(n)
                    && account.begin_challenge(None, new(n, Purpose::Login), &RULES(), now).is_ok() {
                        place.insert(None);
                    },
                1 => { let number = account.factor.challenge(&id(n)).map_or(10, |known| known.numbers.right());
                    account.answer_challenge(&id(n), &contact(1), Answer::Number(number), "x", &RULES(), now); }
                2 => { account.answer_challenge(&id(n), &contact(1), Answer::NotMe, "y", &RULES(), now); }
                3 => { account.sent_code(&id(n), verification(n)); account.try_code(&id(n), now); }
                4 => { account.approve_by_code(&id(n), &verification(n), now); }
                _ => { account.use_recovery_code(Some(&id(n)), is(n), &RULES(), now); }
            }
            for (n, before) in &mut ended {
                let Some(known) = account.factor.challenge(&id(*n)) else { continue };
                let status = known.status(now);
                match before {
                    // The last try of a code may still be found right.
                    Some(ChallengeStatus::Denied(Denial::WrongCodes)) if status == ChallengeStatus::Approved(Way::Code) => *before = Some(status),
                    // Tries that are used up stay the reason, whatever time it is.
                    Some(before) => prop_assert_eq!(*before, status),
                    None if status != ChallengeStatus::Pending => *before = Some(status),
                    None => {}
                }
            }
            prop_assert!(account.devices.iter().count() <= DEVICES_MAX);
        }
    }
}
