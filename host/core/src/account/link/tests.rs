//! What links promise, whatever comes in which order.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::freeze::Frozen;
use super::token::{LinkHash, LinkToken};
use super::*;
use crate::account::{CONTACTS_MAX, ContactRecord};
use crate::contact::{Bsuid, PhoneNumber};
use crate::conversation::Session;
use crate::port::AccountPages;
use crate::time::HOUR_MS;

const START: UnixMs = UnixMs(1_790_000_000_000);

fn player(n: u8) -> PlayerId {
    PlayerId::parse(&format!("p-{n}")).unwrap()
}

fn contact(phone: Option<u8>, bsuid: Option<u8>) -> Contact {
    let phone = phone.map(|n| PhoneNumber::parse(&format!("155501{n:02}")).unwrap());
    Contact::new(phone, bsuid.map(|n| Bsuid::parse(&format!("US.{n}")).unwrap())).unwrap()
}

fn only(n: u8) -> Contact {
    contact(Some(n), None)
}

fn id(n: u64) -> LinkId {
    LinkId::from_bytes(n.to_be_bytes())
}

fn hash(n: u8) -> LinkHash {
    LinkToken::from_bytes([n; 16]).hash()
}

fn wish(n: u8) -> Wish {
    let device = NewDevice { id: DeviceId::parse(&format!("device-{n}")).unwrap(), name: Some("Phone".into()) };
    Wish { player: player(n), device: Some(device), locale: None }
}

/// Pages, and a way to change them as a store does.
#[derive(Debug, Default, Clone)]
struct World {
    players: HashMap<PlayerId, Account>,
    contacts: HashMap<ContactKey, ContactRecord>,
    tokens: HashMap<LinkHash, KeptToken>,
    made: u64,
    now: UnixMs,
}

impl World {
    fn new() -> Self {
        Self { now: START, ..Self::default() }
    }

    fn change<T>(&mut self, mut keys: AccountKeys, make: impl Fn(&mut Book<'_>) -> Result<T, Missing>) -> T {
        for _ in 0..16 {
            let mut pages = AccountPages {
                players: keys.players.iter().map(|key| self.players.get(key).cloned().unwrap_or_default()).collect(),
                contacts: keys.contacts.iter().map(|key| self.contacts.get(key).cloned().unwrap_or_default()).collect(),
                tokens: keys.tokens.iter().map(|key| self.tokens.get(key).cloned()).collect(),
            };
            let before = pages.clone();
            match change(&keys, &mut pages, |book| make(book)) {
                Ok(done) => {
                    self.players.extend(keys.players.into_iter().zip(pages.players));
                    self.contacts.extend(keys.contacts.into_iter().zip(pages.contacts));
                    self.tokens.extend(keys.tokens.into_iter().zip(pages.tokens).filter_map(|(key, kept)| Some((key, kept?))));
                    self.check();
                    return done;
                }
                Err(missing) => {
                    assert_eq!(pages, before, "what was not made leaves nothing");
                    keys = keys.with(missing);
                }
            }
        }
        panic!("it asks for ever more");
    }

    fn token(&mut self, n: u8, to: u8) {
        self.tokens.insert(hash(n), KeptToken { wish: wish(to), expires_at: self.now.plus_ms(600_000), used_by: None });
    }

    fn arrival(&mut self, contact: &Contact) -> Arrival {
        self.made += 1;
        let (id, by) = (id(self.made), format!("message {}", self.made));
        let number = NumberId::parse("100").unwrap();
        Arrival { contact: contact.clone(), number, by, known: None, proven: None, id, now: self.now }
    }

    fn present(&mut self, token: u8, arrival: &Arrival) -> Presented {
        let keys = AccountKeys { tokens: vec![hash(token)], ..AccountKeys::default() };
        self.change(keys, |book| book.present(Some(&hash(token)), arrival, &LinkRules::default()))
    }

    /// A token for this player comes from this contact.
    fn comes(&mut self, to: u8, contact: &Contact) -> Presented {
        self.token(200, to);
        let arrival = self.arrival(contact);
        self.present(200, &arrival)
    }

    fn answer(&mut self, contact: &Contact, id: &LinkId, answer: Answer) -> Answered {
        let by = self.arrival(contact).by;
        let now = self.now;
        self.change(AccountKeys::default(), |book| book.answer(contact, id, answer, &by, now))
    }

    fn owner(&mut self, contact: &Contact) -> Option<PlayerId> {
        self.change(AccountKeys::default(), |book| book.owner(contact))
    }

    fn contacts(&self, n: u8) -> Vec<Contact> {
        self.players
            .get(&player(n))
            .map(|account| account.contacts.iter().map(|linked| linked.contact.clone()).collect())
            .unwrap_or_default()
    }

    /// Both sides say the same.
    fn check(&self) {
        for (key, record) in &self.contacts {
            let Some(player) = &record.player else { continue };
            let account = self.players.get(player).unwrap_or_else(|| panic!("{key:?} is of {player}, who has no account"));
            let named = account.contacts.iter().filter(|linked| ContactKey::all(&linked.contact).contains(key)).count();
            assert_eq!(named, 1, "{key:?} is of {player}");
        }
        for (player, account) in &self.players {
            assert!(account.contacts.len() <= CONTACTS_MAX);
            for key in account.contacts.iter().flat_map(|linked| ContactKey::all(&linked.contact)) {
                let record = self.contacts.get(&key).and_then(|record| record.player.as_ref());
                assert_eq!(record, Some(player), "{player} has {key:?}");
            }
        }
    }
}

fn pending(presented: Presented) -> LinkId {
    match presented {
        Presented::Good(_, Attempt::Asked { pending, .. }) => pending.id,
        other => panic!("{other:?}"),
    }
}

fn is_linked(presented: &Presented) -> bool {
    matches!(presented, Presented::Good(_, Attempt::Linked(_)))
}

#[test]
fn a_token_links_once_and_from_one_place() {
    let mut world = World::new();
    world.token(1, 1);
    let arrival = world.arrival(&contact(Some(1), Some(7)));
    assert!(is_linked(&world.present(1, &arrival)));
    let again = world.present(1, &arrival);
    assert!(matches!(again, Presented::Good(_, Attempt::Linked(Linked { again: true, .. }))), "the same message is answered alike");
    for from in [&contact(Some(1), Some(7)), &only(2)] {
        let other = world.arrival(from);
        assert_eq!(world.present(1, &other), Presented::Wrong(WrongToken::Used));
    }
    for names in [only(1), contact(None, Some(7)), contact(Some(1), Some(7))] {
        assert_eq!(world.owner(&names), Some(player(1)));
    }
    assert!(world.players[&player(1)].devices.has(&DeviceId::parse("device-1").unwrap()));
}

#[test]
fn a_token_dies_of_age_and_guesses_are_counted() {
    let mut world = World::new();
    world.token(1, 1);
    world.now = world.now.plus_ms(600_000);
    let arrival = world.arrival(&only(1));
    assert_eq!(world.present(1, &arrival), Presented::Wrong(WrongToken::Expired));
    for n in 10..14 {
        let arrival = world.arrival(&only(1));
        assert_eq!(world.present(n, &arrival), Presented::Wrong(WrongToken::Unknown));
    }
    assert_eq!(world.comes(1, &only(1)), Presented::TooMany, "a right one is not looked at either");
    assert!(is_linked(&world.comes(1, &only(2))), "others are not kept out");
    world.now = world.now.plus_ms(HOUR_MS);
    assert!(matches!(world.comes(3, &only(1)), Presented::Good(..)));
}

#[test]
fn a_contact_of_another_account_proves_that_one_first() {
    let mut world = World::new();
    world.comes(1, &only(1));
    let Presented::Good(wish, attempt) = world.comes(2, &only(1)) else { panic!("it is good") };
    assert_eq!(attempt, Attempt::ProveFirst(player(1)));
    assert_eq!(world.owner(&only(1)), Some(player(1)));
    let rules = LinkRules::default();
    let wrong = Arrival { proven: Some(player(3)), ..world.arrival(&only(1)) };
    assert_eq!(world.change(AccountKeys::default(), |book| book.attempt(&wish, &wrong, &rules)), Attempt::ProveFirst(player(1)));
    let right = Arrival { proven: Some(player(1)), ..world.arrival(&only(1)) };
    let Attempt::Linked(linked) = world.change(AccountKeys::default(), |book| book.attempt(&wish, &right, &rules)) else {
        panic!("linked")
    };
    assert_eq!(linked.left, Some(player(1)));
    assert_eq!((world.owner(&only(1)), world.contacts(1).len()), (Some(player(2)), 0));
    // Where the studio knows whose number it is, it is asked for as well.
    world.token(9, 4);
    let known = Arrival { known: Some(player(3)), ..world.arrival(&only(5)) };
    assert!(matches!(world.present(9, &known), Presented::Good(_, Attempt::ProveFirst(first)) if first == player(3)));
}

#[test]
fn an_account_with_a_contact_takes_another_only_when_that_approves() {
    let mut world = World::new();
    world.comes(1, &only(1));
    let wish = pending(world.comes(1, &only(2)));
    assert_eq!(world.owner(&only(2)), None);
    for stranger in [only(2), only(3)] {
        assert_eq!(world.answer(&stranger, &wish, Answer::Approve), Answered::Gone, "only a contact of the account decides");
    }
    assert!(matches!(world.answer(&only(1), &wish, Answer::Deny), Answered::Denied(_)));
    assert_eq!(world.answer(&only(1), &wish, Answer::Approve), Answered::Gone, "it is denied");
    let wish = pending(world.comes(1, &only(2)));
    assert!(matches!(world.answer(&only(1), &wish, Answer::Approve), Answered::Joined(..)));
    assert_eq!((world.owner(&only(2)), world.contacts(1).len()), (Some(player(1)), 2));
    world.now = world.now.plus_ms(1);
    let wish = pending(world.comes(1, &only(3)));
    world.now = world.now.plus_ms(900_000);
    assert_eq!(world.answer(&only(1), &wish, Answer::Approve), Answered::Gone, "too late");
    let now = world.now;
    let expired = world.change(AccountKeys::default(), |book| book.expire(&player(1), &wish, now));
    assert_eq!(expired.map(|pending| pending.state), Some(PendingState::Expired));
    assert_eq!(world.owner(&only(3)), None);
}

#[test]
fn a_newer_wish_ends_the_one_before() {
    let mut world = World::new();
    world.comes(1, &only(1));
    world.comes(2, &only(2));
    let first = pending(world.comes(1, &only(3)));
    let second = pending(world.comes(2, &only(3)));
    assert_eq!(world.answer(&only(1), &first, Answer::Approve), Answered::Gone);
    let third = pending(world.comes(2, &only(4)));
    assert_eq!(world.answer(&only(2), &second, Answer::Approve), Answered::Gone);
    assert!(matches!(world.answer(&only(2), &third, Answer::Approve), Answered::Joined(..)));
}

#[test]
fn a_moved_contact_takes_its_link_along_and_has_to_prove_itself() {
    let mut world = World::new();
    world.comes(1, &contact(Some(1), Some(7)));
    for _ in 0..2 {
        world.change(AccountKeys::default(), |book| book.moved(&contact(Some(1), Some(7)), &contact(Some(2), Some(8))));
        assert_eq!(world.owner(&only(2)), Some(player(1)));
        assert_eq!((world.owner(&only(1)), world.owner(&contact(None, Some(7)))), (None, None), "the old number is nobody's");
        assert_eq!(world.contacts(1), [contact(Some(2), Some(8))]);
    }
    let wish = pending(world.comes(1, &only(5)));
    assert_eq!(world.answer(&only(2), &wish, Answer::Approve), Answered::Unproven);
    world.change(AccountKeys::default(), |book| book.prove(&only(2), false));
    assert!(matches!(world.answer(&only(2), &wish, Answer::Approve), Answered::Joined(..)));
}

#[test]
fn whoever_moves_takes_no_approval_along() {
    let mut world = World::new();
    world.comes(1, &only(1));
    let wish = pending(world.comes(1, &only(2)));
    world.change(AccountKeys::default(), |book| book.moved(&only(2), &only(3)));
    assert_eq!(world.answer(&only(1), &wish, Answer::Approve), Answered::Gone, "number 2 is somebody else's by now");
}

#[test]
fn a_number_given_to_somebody_else_is_not_linked_any_more() {
    let mut world = World::new();
    world.comes(1, &contact(Some(1), Some(7)));
    let stranger = contact(Some(1), Some(9));
    assert_eq!(world.owner(&stranger), None);
    assert!(is_linked(&world.comes(2, &stranger)), "nothing of the first one has to be proven");
    assert_eq!(world.owner(&only(1)), Some(player(2)));
    assert_eq!(world.contacts(1), [contact(None, Some(7))]);
}

#[test]
fn an_unlinked_contact_is_nobodys() {
    let mut world = World::new();
    world.comes(1, &contact(Some(1), Some(7)));
    let other = world.change(AccountKeys::default(), |book| book.unlink(&player(2), |_| true));
    assert_eq!(other, None);
    let link = world.players[&player(1)].contacts[0].id.clone();
    let ended = world.change(AccountKeys::default(), |book| book.unlink(&player(1), |linked| linked.id == link));
    assert_eq!(ended.unwrap().contact, contact(Some(1), Some(7)));
    assert_eq!((world.owner(&only(1)), world.owner(&contact(None, Some(7)))), (None, None));
}

#[test]
fn a_frozen_account_takes_and_leaves_nothing() {
    let mut world = World::new();
    world.comes(1, &only(1));
    let wish = pending(world.comes(1, &only(2)));
    let ticket = crate::id::TicketNumber::parse("T-1").unwrap();
    let frozen = Frozen { ticket: ticket.clone(), conversation: crate::id::ConversationId(1), event: crate::id::InboxSeq(1), at: START };
    world.players.get_mut(&player(1)).unwrap().freeze(frozen);
    assert_eq!(world.answer(&only(1), &wish, Answer::Approve), Answered::Gone);
    for (to, from) in [(1, only(3)), (1, only(1)), (2, only(1))] {
        assert!(matches!(world.comes(to, &from), Presented::Good(_, Attempt::Frozen)), "{to}");
    }
    world.players.get_mut(&player(1)).unwrap().release(&ticket);
    let arrival = world.arrival(&only(1));
    assert!(matches!(world.present(200, &arrival), Presented::Good(_, Attempt::ProveFirst(_))), "the token is not used up");
}

#[test]
fn only_the_code_that_was_asked_for_does_what_waits_for_it() {
    let by = |n: u8| crate::verification::VerificationId::from_bytes([n; 16]);
    let waits = || {
        let awaited = Awaited { deed: super::Deed::Unlink(player(1)), by: by(1), until: START.plus_ms(10), proven: false };
        Session { awaited: Some(Box::new(awaited)), ..Session::default() }
    };
    let mut session = waits();
    assert_eq!(session.take_proven(START), None, "no code came");
    session.note_proof(&by(2));
    assert_eq!(session.take_proven(START), None, "it was for something else");
    session.note_proof(&by(1));
    assert_eq!(session.take_proven(START), Some(super::Deed::Unlink(player(1))));
    session.note_proof(&by(1));
    assert_eq!(session.take_proven(START), None, "once");
    let mut late = waits();
    late.note_proof(&by(1));
    assert_eq!(late.take_proven(START.plus_ms(10)), None, "too late");
}

#[test]
fn a_contact_is_shown_in_part() {
    let phone = |digits: &str| Contact::new(PhoneNumber::parse(digits).ok(), None).unwrap();
    assert_eq!(shown(&phone("15550100")), "+1******100");
    assert_eq!(shown(&phone("4915155500123")), "+49******123");
    assert_eq!(shown(&phone("35312")), "+353******");
    assert_eq!(shown(&phone("353123")), "+353******");
    assert_eq!(shown(&contact(None, Some(7))), "US.******");
}

#[test]
fn tokens_for_one_player_are_few_and_what_is_over_is_forgotten() {
    let (rules, mut account, mut now) = (LinkRules::default(), Account::default(), START);
    for _ in 0..rules.per_player_per_hour {
        account.take_token(&rules, now).unwrap();
        now = now.plus_ms(1_000);
    }
    assert_eq!(account.take_token(&rules, now), Err(START.plus_ms(HOUR_MS)));
    assert_eq!(account.forget_at(), Some(now.minus_ms(1_000).plus_ms(HOUR_MS)));
    account.devices.bind(DeviceId::parse("d").unwrap(), None, now);
    assert_eq!(account.forget_at(), None);
}

#[derive(Debug, Clone)]
enum Deed {
    Present { to: u8, from: Contact, proven: Option<u8> },
    Answer { by: Contact, of: u8, answer: Answer },
    Moved { old: Contact, new: Contact },
    Unlink { of: u8, place: usize },
    Prove { contact: Contact, unproven: bool },
    Pass { ms: u64 },
}

fn any_contact() -> impl Strategy<Value = Contact> {
    (0u8..5, 0u8..5, 0u8..3).prop_map(|(phone, bsuid, which)| contact((which != 1).then_some(phone), (which != 0).then_some(bsuid)))
}

fn any_deed() -> impl Strategy<Value = Deed> {
    let proven = prop::option::of(0u8..4);
    prop_oneof![
        4 => (0u8..4, any_contact(), proven).prop_map(|(to, from, proven)| Deed::Present { to, from, proven }),
        3 => (any_contact(), 0u8..4, any::<bool>()).prop_map(|(by, of, yes)| Deed::Answer { by, of, answer: if yes { Answer::Approve } else { Answer::Deny } }),
        1 => (any_contact(), any_contact()).prop_map(|(old, new)| Deed::Moved { old, new }),
        1 => (0u8..4, 0usize..3).prop_map(|(of, place)| Deed::Unlink { of, place }),
        1 => (any_contact(), any::<bool>()).prop_map(|(contact, unproven)| Deed::Prove { contact, unproven }),
        1 => (0u64..2_000_000).prop_map(|ms| Deed::Pass { ms }),
    ]
}

proptest! {
    /// Both sides always say the same (checked after every change), a contact changes its account only by a proof for the
    /// one that it leaves, and an account that has a contact gets another one only by its approval.
    #[test]
    fn nobody_joins_unasked(deeds in prop::collection::vec(any_deed(), 1..60)) {
        let mut world = World::new();
        let mut token = 0u8;
        for deed in deeds {
            let before = world.clone();
            match deed {
                Deed::Present { to, from, proven } => {
                    token = token.wrapping_add(1);
                    world.token(token, to);
                    let arrival = Arrival { proven: proven.map(player), ..world.arrival(&from) };
                    let owner = world.owner(&from);
                    let presented = world.present(token, &arrival);
                    let is_theirs = owner == Some(player(to));
                    if is_linked(&presented) {
                        prop_assert!(is_theirs || owner.is_none() || owner == proven.map(player));
                        prop_assert!(is_theirs || before.contacts(to).is_empty());
                        prop_assert_eq!(world.owner(&from), Some(player(to)));
                    } else {
                        let contacts = |world: &World| (0..4).map(|n| world.contacts(n)).collect::<Vec<_>>();
                        prop_assert_eq!(contacts(&before), contacts(&world));
                    }
                }
                Deed::Answer { by, of, answer } => {
                    let Some(id) = world.players.get(&player(of)).and_then(|account| Some(account.linking.pending.as_ref()?.id.clone())) else { continue };
                    let owner = world.owner(&by);
                    if let Answered::Joined(pending, _) = world.answer(&by, &id, answer) {
                        prop_assert!(owner == Some(player(of)) && answer == Answer::Approve && world.now < pending.expires_at);
                        prop_assert_eq!(world.owner(&pending.contact), Some(player(of)));
                    }
                }
                Deed::Moved { old, new } => drop(world.change(AccountKeys::default(), |book| book.moved(&old, &new))),
                Deed::Unlink { of, place } => {
                    let Some(link) = world.players.get(&player(of)).and_then(|account| Some(account.contacts.get(place)?.id.clone())) else { continue };
                    let ended = world.change(AccountKeys::default(), |book| book.unlink(&player(of), |linked| linked.id == link));
                    prop_assert_eq!(world.owner(&ended.unwrap().contact), None);
                }
                Deed::Prove { contact, unproven } => world.change(AccountKeys::default(), |book| book.prove(&contact, unproven)),
                Deed::Pass { ms } => world.now = world.now.plus_ms(ms),
            }
        }
    }
}
