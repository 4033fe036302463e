//! Who may be linked to whom, worked out on the pages that say who is: what a token, a proof, an answer or a change of number
//! comes to.

use super::token::LinkHash;
use super::{
    Answer, Answered, Arrival, Attempt, KeptToken, LinkId, LinkRules, Linked, LinkedContact, Missing, PendingLink, PendingState, Presented,
    Wish, WrongToken,
};
use crate::account::{Account, CONTACTS_MAX, ContactKey, ContactRecord};
use crate::contact::Contact;
use crate::id::PlayerId;
use crate::port::{AccountKeys, AccountPages};
use crate::time::{SECOND_MS, UnixMs};

/// Whether nothing that both know of speaks against two contacts being one.
fn agree(one: &Contact, other: &Contact) -> bool {
    let differ = |one: Option<&str>, other: Option<&str>| one.zip(other).is_some_and(|(one, other)| one != other);
    !differ(one.phone().map(|phone| phone.digits()), other.phone().map(|phone| phone.digits()))
        && !differ(one.bsuid().map(|id| id.as_str()), other.bsuid().map(|id| id.as_str()))
}

/// Whether two contacts are one: they share a name, and nothing speaks against it. A number that another user id has by now
/// was given to somebody else.
pub fn same(one: &Contact, other: &Contact) -> bool {
    let shared = one.phone().is_some_and(|phone| other.phone() == Some(phone)) || one.bsuid().is_some_and(|id| other.bsuid() == Some(id));
    shared && agree(one, other)
}

/// Whose contact it is, by its records in the order of [`ContactKey::all`].
pub fn owner<'a>(contact: &Contact, records: impl IntoIterator<Item = &'a ContactRecord>) -> Option<&'a PlayerId> {
    let fits = |record: &&ContactRecord| record.linked_as.as_ref().is_none_or(|linked| agree(linked, contact));
    records.into_iter().filter(fits).find_map(|record| record.player.as_ref())
}

/// Makes a change, whole or not at all. The error names a page that was not among the keys: then nothing is changed.
pub fn change<T>(
    keys: &AccountKeys,
    pages: &mut AccountPages,
    change: impl FnOnce(&mut Book<'_>) -> Result<T, Missing>,
) -> Result<T, Missing> {
    let mut after = pages.clone();
    let done = change(&mut Book { keys, pages: &mut after })?;
    *pages = after;
    Ok(done)
}

/// Pages by their names.
pub struct Book<'a> {
    keys: &'a AccountKeys,
    pages: &'a mut AccountPages,
}

impl Book<'_> {
    /// A player's account.
    pub fn account(&mut self, player: &PlayerId) -> Result<&mut Account, Missing> {
        let place = self.keys.players.iter().position(|known| known == player);
        place.and_then(|place| self.pages.players.get_mut(place)).ok_or_else(|| Missing::Player(player.clone()))
    }

    /// A contact's record under one of its names.
    pub fn record(&mut self, key: &ContactKey) -> Result<&mut ContactRecord, Missing> {
        let place = self.keys.contacts.iter().position(|known| known == key);
        place.and_then(|place| self.pages.contacts.get_mut(place)).ok_or_else(|| Missing::Contact(key.clone()))
    }

    fn token(&mut self, hash: &LinkHash) -> Option<&mut KeptToken> {
        let place = self.keys.tokens.iter().position(|known| known == hash)?;
        self.pages.tokens.get_mut(place)?.as_mut()
    }

    /// Keeps a token, if its page is there.
    pub fn keep(&mut self, hash: &LinkHash, token: KeptToken) {
        let place = self.keys.tokens.iter().position(|known| known == hash);
        if let Some(page) = place.and_then(|place| self.pages.tokens.get_mut(place)) {
            *page = Some(token);
        }
    }

    /// Whose contact it is.
    pub fn owner(&mut self, contact: &Contact) -> Result<Option<PlayerId>, Missing> {
        let mut records = Vec::with_capacity(2);
        for key in ContactKey::all(contact) {
            records.push(self.record(&key)?.clone());
        }
        Ok(owner(contact, &records).cloned())
    }

    /// Takes the contact's names from whoever has them, unless that is `but`; says whose contact it was.
    fn detach(&mut self, contact: &Contact, but: Option<&PlayerId>) -> Result<Option<PlayerId>, Missing> {
        let mut left = None;
        for key in ContactKey::all(contact) {
            let Some(holder) = self.record(&key)?.player.clone().filter(|holder| Some(holder) != but) else { continue };
            let account = self.account(&holder)?;
            let Some(place) = account.contacts.iter().position(|linked| ContactKey::all(&linked.contact).contains(&key)) else { continue };
            let linked = account.contacts.remove(place);
            if same(&linked.contact, contact) {
                left = Some(holder.clone());
                for key in ContactKey::all(&linked.contact) {
                    self.record(&key)?.forget_link(&holder);
                }
            } else {
                // Somebody else's number by now: what else the account knows of its contact stays.
                self.record(&key)?.forget_link(&holder);
                let (phone, bsuid) = (linked.contact.phone().cloned(), linked.contact.bsuid().cloned());
                let rest = match key {
                    ContactKey::Phone(_) => Contact::new(None, bsuid),
                    ContactKey::Bsuid(_) => Contact::new(phone, None),
                };
                if let Some(contact) = rest {
                    for key in ContactKey::all(&contact) {
                        self.record(&key)?.linked_as = Some(contact.clone());
                    }
                    self.account(&holder)?.contacts.insert(place, LinkedContact { contact, ..linked });
                }
            }
        }
        Ok(left)
    }

    /// Writes a link on both sides.
    fn join(&mut self, player: &PlayerId, linked: LinkedContact) -> Result<Option<PlayerId>, Missing> {
        let left = self.detach(&linked.contact, None)?.filter(|left| left != player);
        for key in ContactKey::all(&linked.contact) {
            let record = self.record(&key)?;
            record.player = Some(player.clone());
            record.linked_as = Some(linked.contact.clone());
            record.pending = None;
        }
        self.account(player)?.contacts.push(linked);
        Ok(left)
    }

    fn bind(&mut self, wish: &Wish, now: UnixMs) -> Result<(), Missing> {
        if let Some(device) = &wish.device {
            self.account(&wish.player)?.devices.bind(device.id.clone(), device.name.as_deref(), now);
        }
        Ok(())
    }

    /// A token came.
    pub fn present(&mut self, token: Option<&LinkHash>, arrival: &Arrival, rules: &LinkRules) -> Result<Presented, Missing> {
        let keys = ContactKey::all(&arrival.contact);
        for key in &keys {
            let per_hour = rules.wrong_per_contact_per_hour;
            if self.record(key)?.wrong_tokens.allows(per_hour, arrival.now).is_err() {
                return Ok(Presented::TooMany);
            }
        }
        let wrong = match token.and_then(|token| self.token(token)).map(|kept| &*kept) {
            None => Err(WrongToken::Unknown),
            Some(kept) if kept.used_by.as_ref() == Some(&arrival.by) => Ok(kept.wish.clone()),
            Some(kept) if kept.used_by.is_some() => Err(WrongToken::Used),
            Some(kept) if arrival.now >= kept.expires_at => Err(WrongToken::Expired),
            Some(kept) => Ok(kept.wish.clone()),
        };
        let wish = match wrong {
            Ok(wish) => wish,
            Err(wrong) => {
                for key in &keys {
                    self.record(key)?.wrong_tokens.take(arrival.now);
                }
                return Ok(Presented::Wrong(wrong));
            }
        };
        let attempt = self.attempt(&wish, arrival, rules)?;
        if attempt == Attempt::Frozen {
            return Ok(Presented::Good(wish, attempt));
        }
        if let Some(kept) = token.and_then(|token| self.token(token)) {
            kept.used_by = Some(arrival.by.clone());
        }
        Ok(Presented::Good(wish, attempt))
    }

    /// Links a contact to an account, as far as nobody has to be asked.
    pub fn attempt(&mut self, wish: &Wish, arrival: &Arrival, rules: &LinkRules) -> Result<Attempt, Missing> {
        let Arrival { contact, number, by, known, proven, id, now } = arrival;
        let owner = self.owner(contact)?;
        let first = owner.clone().or_else(|| known.clone()).filter(|first| *first != wish.player);
        for account in [Some(&wish.player), first.as_ref()].into_iter().flatten() {
            if self.account(account)?.frozen.is_some() {
                return Ok(Attempt::Frozen);
            }
        }
        let account = self.account(&wish.player)?;
        if let Some(pending) = account.linking.pending.clone().filter(|pending| pending.by == *by && pending.state == PendingState::Open) {
            return Ok(Attempt::Asked { pending: Box::new(pending), of: account.contacts.clone() });
        }
        let at = *now;
        let linked = |id: LinkId, at| LinkedContact { id, contact: contact.clone(), number: number.clone(), at, unproven: false };
        if owner.as_ref() == Some(&wish.player) {
            let known = account.contacts.iter().find(|linked| same(&linked.contact, contact)).cloned();
            let (id, at) = known.map_or((id.clone(), at), |known| (known.id, known.at));
            self.join(&wish.player, linked(id.clone(), at))?;
            self.bind(wish, *now)?;
            return Ok(Attempt::Linked(Linked { id, again: true, left: None }));
        }
        if let Some(first) = first.filter(|first| proven.as_ref() != Some(first)) {
            return Ok(Attempt::ProveFirst(first));
        }
        if account.contacts.len() >= CONTACTS_MAX {
            return Ok(Attempt::Full);
        }
        if !account.contacts.is_empty() {
            let pending = PendingLink {
                id: id.clone(),
                contact: contact.clone(),
                number: number.clone(),
                wish: wish.clone(),
                from: proven.clone(),
                by: by.clone(),
                expires_at: now.plus_ms(u64::from(rules.approval_s) * SECOND_MS),
                state: PendingState::Open,
            };
            account.linking.pending = Some(pending.clone());
            let of = account.contacts.clone();
            for key in ContactKey::all(contact) {
                self.record(&key)?.pending = Some(id.clone());
            }
            return Ok(Attempt::Asked { pending: Box::new(pending), of });
        }
        let left = self.join(&wish.player, linked(id.clone(), at))?;
        self.bind(wish, *now)?;
        Ok(Attempt::Linked(Linked { id: id.clone(), again: false, left }))
    }

    /// A contact that was asked has answered.
    pub fn answer(&mut self, contact: &Contact, id: &LinkId, answer: Answer, by: &str, now: UnixMs) -> Result<Answered, Missing> {
        let Some(player) = self.owner(contact)? else { return Ok(Answered::Gone) };
        let account = self.account(&player)?;
        let Some(own) = account.contacts.iter().find(|linked| same(&linked.contact, contact)) else { return Ok(Answered::Gone) };
        let Some(mut pending) = account.linking.pending.clone().filter(|pending| pending.id == *id) else { return Ok(Answered::Gone) };
        if account.frozen.is_some() {
            return Ok(Answered::Gone);
        }
        if own.unproven && pending.state == PendingState::Open {
            return Ok(Answered::Unproven);
        }
        let (left, joined) = (pending.from.clone(), pending.contact.clone());
        match &pending.state {
            PendingState::Approved(place) if place == by => {
                return Ok(match account.contacts.iter().find(|linked| same(&linked.contact, &joined)).map(|linked| linked.id.clone()) {
                    Some(id) => Answered::Joined(Box::new(pending), Linked { id, again: false, left }),
                    None => Answered::Gone,
                });
            }
            PendingState::Denied(place) if place == by => return Ok(Answered::Denied(Box::new(pending))),
            PendingState::Open if now < pending.expires_at => {}
            _ => return Ok(Answered::Gone),
        }
        if answer == Answer::Deny {
            pending.state = PendingState::Denied(by.to_owned());
            account.linking.pending = Some(pending.clone());
            return Ok(Answered::Denied(Box::new(pending)));
        }
        let is_full = account.contacts.len() >= CONTACTS_MAX;
        for key in ContactKey::all(&joined) {
            // Another wish of this contact came after, or it is not who it was.
            if self.record(&key)?.pending.as_ref() != Some(id) {
                return Ok(Answered::Gone);
            }
        }
        let first = self.owner(&joined)?;
        if is_full || (first.is_some() && first != left) {
            return Ok(Answered::Gone);
        }
        let linked = LinkedContact { id: id.clone(), contact: joined, number: pending.number.clone(), at: now, unproven: false };
        self.join(&player, linked)?;
        self.bind(&pending.wish, now)?;
        pending.state = PendingState::Approved(by.to_owned());
        self.account(&player)?.linking.pending = Some(pending.clone());
        Ok(Answered::Joined(Box::new(pending), Linked { id: id.clone(), again: false, left }))
    }

    /// Nobody answered in time: the wish, if that is so.
    pub fn expire(&mut self, player: &PlayerId, id: &LinkId, now: UnixMs) -> Result<Option<PendingLink>, Missing> {
        let pending = self.account(player)?.linking.pending.as_mut().filter(|pending| pending.id == *id && now >= pending.expires_at);
        let pending = pending.filter(|pending| matches!(pending.state, PendingState::Open | PendingState::Expired));
        Ok(pending.map(|pending| {
            pending.state = PendingState::Expired;
            pending.clone()
        }))
    }

    /// Ends a link of an account: the link, if there is one that fits.
    pub fn unlink(&mut self, player: &PlayerId, fits: impl Fn(&LinkedContact) -> bool) -> Result<Option<LinkedContact>, Missing> {
        let account = self.account(player)?;
        let Some(place) = account.contacts.iter().position(fits) else { return Ok(None) };
        let linked = account.contacts.remove(place);
        for key in ContactKey::all(&linked.contact) {
            self.record(&key)?.forget_link(player);
        }
        Ok(Some(linked))
    }

    /// A contact has another number or id: its link goes along, unproven, and the old names are nobody's. Whose it is.
    pub fn moved(&mut self, old: &Contact, new: &Contact) -> Result<Option<PlayerId>, Missing> {
        let Some(player) = self.owner(old)? else {
            for key in ContactKey::all(old) {
                self.record(&key)?.pending = None;
            }
            return Ok(None);
        };
        let Some(linked) = self.unlink(&player, |linked| same(&linked.contact, old))? else { return Ok(None) };
        // It may have been linked by its number and by its id, before anybody knew that both are its.
        while self.unlink(&player, |linked| same(&linked.contact, old))?.is_some() {}
        for key in ContactKey::all(old) {
            self.record(&key)?.pending = None;
        }
        let mut contact = old.clone();
        contact.learn(new);
        self.join(&player, LinkedContact { contact, unproven: true, ..linked })?;
        Ok(Some(player))
    }

    /// Notes that a linked contact has proven itself, or that it has to do so again.
    pub fn prove(&mut self, contact: &Contact, unproven: bool) -> Result<(), Missing> {
        let Some(player) = self.owner(contact)? else { return Ok(()) };
        for linked in self.account(&player)?.contacts.iter_mut().filter(|linked| same(&linked.contact, contact)) {
            linked.unproven = unproven;
        }
        Ok(())
    }
}

impl ContactRecord {
    /// The contact is this player's no more, if it was.
    pub fn forget_link(&mut self, player: &PlayerId) {
        if self.player.as_ref() == Some(player) {
            (self.player, self.linked_as) = (None, None);
        }
    }
}
