//! Whatever is changed, taken out, put in, moved or cut off is found; what is erased is not.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use ring::hmac;

use super::*;
use crate::contact::PhoneNumber;

struct Key(hmac::Key);

impl Pseudonyms for Key {
    fn mac(&self, text: &[u8]) -> [u8; 32] {
        hmac::sign(&self.0, text).as_ref().try_into().unwrap()
    }
}

fn key(secret: &[u8]) -> Key {
    Key(hmac::Key::new(hmac::HMAC_SHA256, secret))
}

fn game() -> GameId {
    GameId::parse("starfall").unwrap()
}

fn player(n: u64) -> PlayerId {
    PlayerId::parse(&format!("player-{n}")).unwrap()
}

fn contact(n: u64) -> Contact {
    Contact::new(PhoneNumber::parse(&format!("155501{n:04}")).ok(), None).unwrap()
}

fn noted(at: u64, who: u64) -> Noted {
    let action = Action::ALL[(at + who) as usize % (Action::ALL.len() - 1)];
    let actor = [Actor::Host, Actor::Player, Actor::Operator, Actor::Token("ci".to_owned())][at as usize % 4].clone();
    let record = AuditRecord::new(UnixMs(at), game(), actor, action, format!("number {at}"));
    let known = who.is_multiple_of(2).then(|| player(who));
    record.about(ConversationId(who), known, Some(contact(who))).note(&key(b"key"))
}

fn chain(people: &[u64]) -> (Vec<Entry>, Head) {
    let mut head = Head::start(&game());
    let entries = people.iter().zip(1..).map(|(who, at)| head.link(noted(at, *who), [at as u8; 32])).collect();
    (entries, head)
}

/// Erases as a store does.
fn erase(entries: &mut Vec<Entry>, head: &mut Head, who: u64) -> usize {
    let erasure = Erasure::of(&game(), &player(who), &[(ConversationId(who), contact(who))], &key(b"key"));
    let covered = |entry: &&mut Entry| entry.details.as_ref().is_some_and(|details| erasure.covers(details));
    let erases: Vec<u64> = entries.iter_mut().filter(covered).map(|entry| (entry.seq, entry.details = None).0).collect();
    let count = erases.len();
    entries.push(head.link(Erasure::noted(UnixMs(9_999), game(), Actor::Operator, erases), [7; 32]));
    count
}

fn verify(entries: &[Entry], head: &Head) -> Result<Proof, Break> {
    let mut verifier = Verifier::new(game());
    entries.iter().try_for_each(|entry| verifier.take(entry))?;
    verifier.finish(head)
}

#[test]
fn names_are_stable_and_read_back() {
    for action in Action::ALL {
        let json = serde_json::to_string(action).unwrap();
        assert_eq!(json, format!("\"{action}\""));
        assert_eq!(serde_json::from_str::<Action>(&json).unwrap(), *action);
    }
    assert_eq!(serde_json::from_str::<Action>("\"recovery-issued\"").unwrap(), Action::CredentialsPromised);
    assert!(serde_json::from_str::<Action>("\"made-up\"").is_err());
}

#[test]
fn the_format_of_what_is_hashed_stays() {
    let mut head = Head::start(&game());
    let record = AuditRecord::new(UnixMs(1), game(), Actor::Token("ci".to_owned()), Action::TicketClosed, "ticket SF-1");
    head.link(record.about(ConversationId(7), Some(player(2)), Some(contact(2))).note(&key(b"key")), [1; 32]);
    head.link(Erasure::noted(UnixMs(2), game(), Actor::Operator, vec![1]), [2; 32]);
    // Another result means that no chain that exists can be proven any more.
    assert_eq!(head.to_string(), "2:bb6ef7aa52668012e98ce15fe7f6b73744791c44844e66b794548b8f174a1a10");
}

#[test]
fn pseudonyms_tell_nothing_without_the_key_and_differ_by_game() {
    let mine = Pseudonym::of_contact(&game(), &contact(1), &key(b"key"));
    assert_eq!(mine, Pseudonym::of_contact(&game(), &contact(1), &key(b"key")));
    assert_ne!(mine, Pseudonym::of_contact(&game(), &contact(1), &key(b"another key")));
    assert_ne!(mine, Pseudonym::of_contact(&GameId::parse("other").unwrap(), &contact(1), &key(b"key")));
    let json = serde_json::to_string(&noted(2, 2)).unwrap();
    assert!(!json.contains("155501") && !json.contains("player-2"), "{json}");
    assert!(serde_json::from_str::<Pseudonym>("\"15550100\"").is_err(), "a phone number is none");
}

#[test]
fn records_of_before_are_read() {
    let old = r#"{"at":5,"game":"starfall","conversation":7,"action":"consent-withdrawn","detail":"by the player, in chat"}"#;
    let noted: Noted = serde_json::from_str(old).unwrap();
    assert_eq!((noted.conversation, noted.actor, noted.action), (Some(ConversationId(7)), Actor::Host, Action::ConsentWithdrawn));
}

#[test]
fn a_long_detail_is_cut_between_characters() {
    let record = AuditRecord::new(UnixMs(1), game(), Actor::Host, Action::SystemNotice, "ü".repeat(DETAIL_BYTES_MAX));
    assert_eq!(record.note(&key(b"key")).detail.len(), DETAIL_BYTES_MAX);
}

#[test]
fn a_phone_of_two_players_is_erased_for_one() {
    let erasure = Erasure::of(&game(), &player(2), &[(ConversationId(1), contact(1))], &key(b"key"));
    let about = |player: Option<PlayerId>, contact| {
        let record = AuditRecord::new(UnixMs(1), game(), Actor::Host, Action::SystemNotice, "");
        let noted = record.about(ConversationId(1), player, contact).note(&key(b"key"));
        erasure.covers(&Head::start(&game()).link(noted, [0; 32]).details.unwrap())
    };
    assert!(about(Some(player(2)), Some(contact(9))), "theirs on another phone");
    assert!(about(None, Some(contact(1))) && about(None, None));
    assert!(!about(Some(player(4)), Some(contact(1))), "the other player's on the same phone");
    assert!(!about(None, Some(contact(3))), "the phone's next owner in the same conversation");
}

#[test]
fn a_kept_head_finds_a_log_that_was_written_anew() {
    let (entries, _) = chain(&[1, 2, 3]);
    let kept = Head { count: 2, hash: entries[1].hash };
    let (anew, head) = chain(&[1, 4, 3]);
    assert!(verify(&anew, &head).is_ok(), "by itself it is right");
    let through = |entries: &[Entry], kept: Head| {
        let mut verifier = Verifier::new(game()).through(kept);
        entries.iter().try_for_each(|entry| verifier.take(entry)).and_then(|()| verifier.part())
    };
    assert!(through(&entries, kept).is_ok());
    assert_eq!(through(&anew, kept).unwrap_err().fault, Fault::KeptHead);
    assert_eq!(through(&entries[..1], kept).unwrap_err().fault, Fault::KeptLength { kept: 2 });
    assert_eq!(kept.to_string().parse(), Ok(kept));
}

proptest! {
    #[test]
    fn an_untouched_chain_is_proven(people in prop::collection::vec(0..6u64, 0..24), who in 0..6u64) {
        let (mut entries, mut head) = chain(&people);
        let proof = verify(&entries, &head).unwrap();
        prop_assert_eq!((proof.entries(), proof.erased), (people.len() as u64, 0));
        let erased = erase(&mut entries, &mut head, who);
        let proof = verify(&entries, &head).unwrap();
        prop_assert_eq!((proof.entries(), proof.erased), (people.len() as u64 + 1, erased as u64));
        prop_assert_eq!(erased, people.iter().filter(|one| **one == who).count());
        // What is left tells nothing of the one who was erased, and comes through its JSON.
        let json: Vec<String> = entries.iter().map(|entry| serde_json::to_string(entry).unwrap()).collect();
        let pseudonym = Pseudonym::of_player(&game(), &player(who), &key(b"key"));
        prop_assert!(!json.iter().any(|line| line.contains(pseudonym.as_str())));
        let read: Vec<Entry> = json.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        prop_assert_eq!(&read, &entries);
        // Any part is proven behind the head before it.
        let from = people.len() / 2;
        let before = if from == 0 { Head::start(&game()) } else { Head { count: from as u64, hash: entries[from - 1].hash } };
        let mut part = Verifier::after(game(), before);
        entries[from..].iter().for_each(|entry| part.take(entry).unwrap());
        prop_assert!(part.finish(&head).is_ok());
    }

    #[test]
    fn any_change_is_found(
        people in prop::collection::vec(0..6u64, 2..24),
        who in 0..6u64,
        place in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        kind in 0..16u8,
    ) {
        let (mut entries, mut head) = chain(&people);
        erase(&mut entries, &mut head, who);
        let (place, other) = (place.index(entries.len()), other.index(entries.len()));
        let before = entries.clone();
        let entry = &mut entries[place];
        match kind {
            0 => entry.at.0 += 1,
            1 => entry.seq += 1,
            2 => entry.actor = Actor::Flow(FlowName::parse("forged").unwrap()),
            3 => entry.action = if entry.action == Action::ConsentGranted { Action::ConsentWithdrawn } else { Action::ConsentGranted },
            4 => entry.erases.push(1),
            5 => entry.details_hash.0[0] ^= 1,
            6 => entry.hash.0[31] ^= 1,
            7 => entry.details = None,
            8 => { entry.details.iter_mut().for_each(|details| details.text.push('x')) }
            9 => { entry.details.iter_mut().for_each(|details| details.salt.0[0] ^= 1) }
            10 => { entry.details.iter_mut().for_each(|details| details.conversation = None) }
            11 => { entry.details.iter_mut().for_each(|details| details.player = details.contact.take()) }
            12 => entry.game = GameId::parse("other").unwrap(),
            13 => { entries.remove(place); }
            14 => entries.swap(place, other),
            _ => { let copy = entries[place].clone(); entries.insert(other, copy); }
        }
        prop_assume!(entries != before);
        prop_assert!(verify(&entries, &head).is_err(), "{kind} at {place}");
    }

    #[test]
    fn a_cut_end_is_found_and_so_is_a_link_made_anew(people in prop::collection::vec(0..6u64, 2..24), keep in any::<prop::sample::Index>()) {
        let (entries, head) = chain(&people);
        let keep = keep.index(entries.len());
        prop_assert!(verify(&entries[..keep], &head).is_err());
        // A forger who makes the changed entry's own hash right breaks the next one, or the head.
        let mut forged = entries.clone();
        forged[keep].at.0 += 1;
        let hash_before = if keep == 0 { Head::start(&game()).hash } else { forged[keep - 1].hash };
        forged[keep].hash = forged[keep].hash_after(&hash_before);
        let found = verify(&forged, &head).unwrap_err();
        prop_assert_eq!(found.seq, (keep as u64 + 2).min(people.len() as u64));
    }
}
