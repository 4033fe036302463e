//! One-time codes on their way: by the first of the game's channels that reaches the contact, and on to the next one while
//! the code counts and has not arrived.

use super::{HandledBy, Opened, Step};
use crate::audit::{Action, Actor};
use crate::authentication::route::{self, Sending};
use crate::commit::Commit;
use crate::contact::{Contact, PhoneNumber};
use crate::event::{CodeIssued, SharedContacts};
use crate::message::Outbound;
use crate::outbox::Content;
use crate::port::Copy;
use crate::time::UnixMs;
use crate::verification::trail::{CodeTrail, CodeWatch, Whereabouts};

/// What became known of a code at a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeNews {
    /// It has come to the player, or the studio's backend has taken it.
    Delivered,
    /// It has not.
    Undelivered {
        /// Why, in a word, without personal data.
        why: String,
    },
}

/// What follows from news of a code.
#[derive(Debug)]
pub enum Followed<'a> {
    /// It arrived, went on, is dead, or the news are old.
    Done(Box<Commit>),
    /// It did not arrive, counts still, and there is no further channel.
    Last(Box<Step<'a>>),
}

impl<'a> Step<'a> {
    /// Puts a code on its way, unless it is dead or the account is secured.
    pub(super) fn send_code(mut self, issued: &CodeIssued, copy: &dyn Copy) -> Commit {
        let now = self.now;
        if self.conversation.secured.is_some() || now >= issued.expires_at {
            return self.done();
        }
        let wants_number = self.game.verification.as_ref().is_some_and(|rules| rules.wants_number(&self.game.templates));
        let window = self.conversation.window.closes_at(now);
        match window.filter(|_| wants_number && self.conversation.contact.phone().is_none()) {
            Some(closes_at) => self.ask_for_number(issued.clone(), closes_at, copy),
            None => {
                let sending = self.put_code(issued.clone(), 0, None);
                self.done_sending([sending])
            }
        }
    }

    /// Gives a code to the first channel from a place on that reaches the contact, and notes it for the audit.
    fn put_code(&mut self, issued: CodeIssued, from: usize, why: Option<&str>) -> Sending {
        let sending = route::give_to_channel(self.game, &mut self.conversation, issued, from, why, self.now);
        let audit = self.audit(sending.action, Actor::Host, sending.detail.clone());
        self.audits.push(audit);
        sending
    }

    fn done_sending(mut self, sendings: impl IntoIterator<Item = Sending>) -> Commit {
        let (mut outbox, mut timers) = (Vec::new(), Vec::new());
        for Sending { message, timer, .. } in sendings {
            outbox.extend(message);
            timers.extend(timer);
        }
        self.count_sent(outbox.len());
        let mut commit = self.done();
        commit.outbox.extend(outbox);
        commit.timers.extend(timers);
        commit
    }

    fn count_sent(&mut self, messages: usize) {
        let session = &mut self.conversation.session;
        session.outbound = session.outbound.saturating_add(messages as u32);
    }

    /// Codes go to phone numbers: a contact that is known by its user id alone is asked for its number first.
    fn ask_for_number(mut self, issued: CodeIssued, closes_at: UnixMs, copy: &dyn Copy) -> Commit {
        let audit = self.audit(Action::NumberAsked, Actor::Host, route::told(&issued));
        self.audits.push(audit);
        let body = self.text(copy, "host-asks-number", &[]);
        let content = Content::Reply { message: Outbound::ContactRequest { body }, reply_to: None };
        let message = route::message(&self.conversation, content, issued.expires_at.min(closes_at), self.now);
        route::follow(&mut self.conversation, CodeTrail { issued, at: Whereabouts::AwaitsNumber }, self.now);
        self.conversation.expect_code();
        self.count_sent(1);
        let mut commit = self.done();
        commit.outbox.push(message);
        commit
    }

    /// Contact cards: the answer to our request, or to a flow's, is the player's own: its number is theirs, and codes that
    /// wait for it go out. Any other card proves nothing.
    pub(super) fn open_contacts(mut self, shared: &SharedContacts) -> Opened<'a> {
        let now = self.now;
        let number = || shared.cards.iter().flat_map(|card| &card.phones).find_map(|phone| PhoneNumber::parse(phone).ok());
        let learned = number().filter(|_| shared.requested).and_then(|phone| Contact::new(Some(phone), None));
        let Some(learned) = learned else { return Opened::Ask(self) };
        if self.conversation.contact.phone().is_none() {
            self.conversation.contact.learn(&learned);
            let audit = self.audit(Action::NumberLearned, Actor::Player, "in answer to our request");
            self.audits.push(audit);
        }
        let waits = |trail: &CodeTrail| trail.at == Whereabouts::AwaitsNumber && now < trail.issued.expires_at;
        let (waiting, others) = std::mem::take(&mut self.conversation.codes).into_iter().partition::<Vec<_>, _>(waits);
        self.conversation.codes = others;
        if waiting.is_empty() {
            return Opened::Ask(self);
        }
        let sendings: Vec<Sending> = waiting.into_iter().map(|trail| self.put_code(trail.issued, 0, None)).collect();
        Opened::Done(Box::new(self.done_sending(sendings)), HandledBy::Code)
    }

    /// Follows news of a code at a channel; `counts` tells whether the code still does.
    pub fn follow_code(mut self, watch: &CodeWatch, news: &CodeNews, counts: bool) -> Followed<'a> {
        let Some(found) = self.conversation.codes.iter().position(|trail| watch.is_of(trail)) else {
            return Followed::Done(Box::new(self.done()));
        };
        let why = match news {
            CodeNews::Undelivered { why } if counts && self.conversation.secured.is_none() => why,
            _ => {
                self.conversation.codes.remove(found);
                return Followed::Done(Box::new(self.done()));
            }
        };
        let issued = &self.conversation.codes[found].issued;
        if self.now >= issued.expires_at {
            self.conversation.codes.remove(found);
            return Followed::Done(Box::new(self.done()));
        }
        let from = usize::from(watch.place) + 1;
        let rules = self.game.verification.as_ref();
        if rules.and_then(|rules| rules.next_channel(&self.game.templates, &self.conversation.contact, from)).is_none() {
            return Followed::Last(Box::new(self));
        }
        let trail = self.conversation.codes.remove(found);
        let sending = self.put_code(trail.issued, from, Some(why));
        let mut commit = self.done_sending([sending]);
        commit.timers.insert(0, watch.cancel());
        Followed::Done(Box::new(commit))
    }

    /// Gives a code up that has not arrived by the last channel: it counts still, and is followed no more.
    pub fn give_up_code(mut self, watch: &CodeWatch, why: &str) -> Commit {
        if let Some(found) = self.conversation.codes.iter().position(|trail| watch.is_of(trail)) {
            let CodeTrail { issued, .. } = self.conversation.codes.remove(found);
            let detail = format!("{}; {why}", route::told(&issued));
            let audit = self.audit(Action::CodeUndelivered, Actor::Host, detail);
            self.audits.push(audit);
        }
        self.done()
    }
}

#[cfg(test)]
mod tests;
