//! BLOCK, and what follows from it: the conversation is secured, the account behind it frozen, and both until the ticket is
//! closed.

use serde_json::json;

use super::Step;
use crate::account::freeze::Frozen;
use crate::audit::{Action, Actor};
use crate::commit::{Commit, Ticket};
use crate::effect::TicketPriority;
use crate::event::{AccountFrozen, Event};
use crate::id::{PlayerId, TicketNumber};
use crate::operation::Operation;
use crate::outbox::NewMessage;
use crate::port::Copy;

/// The intent of tickets that BLOCK opens.
pub const SECURITY_INTENT: &str = "account-security";

/// Who is behind a conversation in which BLOCK was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behind {
    /// Nobody that the studio knows: the contact alone is secured.
    Nobody,
    /// The studio does not say now: the account is frozen as soon as it does.
    NotTold,
    /// A player, whose account is frozen by now: here, or somewhere else before.
    Player(PlayerId, Frozen),
}

impl Step<'_> {
    /// The ticket that secures this conversation: the one that does, or the one that this event opens.
    pub fn securing_ticket(&self) -> Option<TicketNumber> {
        self.conversation.secured.clone().or_else(|| self.own_ticket())
    }

    fn own_ticket(&self) -> Option<TicketNumber> {
        self.conversation.ticket_number(&self.game.ticket_prefix, self.entry.seq, 0)
    }

    /// The player wrote BLOCK: the session ends, nothing of the account is told here, and people look at it.
    pub fn block(mut self, behind: Behind, copy: &dyn Copy) -> Commit {
        let audit = self.audit(Action::AccountSecured, Actor::Player, "in chat");
        self.audits.push(audit);
        let player = match &behind {
            Behind::Player(player, _) => Some(player.clone()),
            Behind::Nobody | Behind::NotTold => self.conversation.session.player.clone(),
        };
        let number = match &behind {
            Behind::Player(_, frozen) => Some(frozen.ticket.clone()),
            Behind::Nobody | Behind::NotTold => self.securing_ticket(),
        };
        let opens = self.conversation.secured.is_none() && number.is_some() && number == self.own_ticket();
        let ticket = number.clone().filter(|_| opens).map(|number| Ticket {
            number,
            conversation: self.conversation.id,
            game: self.game.id.clone(),
            player,
            priority: TicketPriority::Critical,
            intent: SECURITY_INTENT.to_owned(),
            subject: "The player secured the account".to_owned(),
            body: "The player wrote BLOCK. Until this ticket is closed the chat tells nothing of the account.".to_owned(),
            tags: Vec::new(),
            opened_at: self.now,
            due_at: Some(self.now.plus_ms(60_000)),
            closed: None,
        });
        let shown = number.as_ref().map_or("-", TicketNumber::as_str).to_owned();
        let still_to_freeze = number.clone().filter(|_| behind == Behind::NotTold);
        self.end_session(number);
        if let Behind::Player(player, frozen) = behind {
            self.note_freeze(player, &frozen);
        }
        let text = self.text(copy, "host-blocked", &[("ticket", &shown)]);
        let mut commit = self.done_saying(text);
        commit.tickets.extend(ticket);
        commit.follow_ups.extend(still_to_freeze.map(Event::FreezeAccount));
        commit
    }

    /// It is known by now whose account BLOCK was about, and it is frozen.
    pub fn freeze(mut self, player: PlayerId, frozen: &Frozen) -> Commit {
        self.note_freeze(player, frozen);
        self.done()
    }

    /// A player has come to this conversation whose account is frozen: it is secured like the others.
    pub fn come_frozen(mut self, player: PlayerId, ticket: &TicketNumber, copy: &dyn Copy) -> Commit {
        self.end_session(Some(ticket.clone()));
        self.conversation.frozen = Some(player);
        match &*self.entry.event {
            Event::Message(_) => self.tell_secured(copy),
            _ => self.done(),
        }
    }

    /// The player froze the account in another conversation.
    pub(super) fn end_session_of(mut self, frozen: &AccountFrozen) -> Commit {
        if self.conversation.session.player.as_ref() != Some(&frozen.player) {
            // Somebody else is here by now, or nobody: whoever comes is looked up before anything is told.
            return self.done();
        }
        let audit = self.audit(Action::SessionEnded, Actor::Host, "the account was frozen in another conversation");
        self.audits.push(audit);
        self.end_session(Some(frozen.ticket.clone()));
        self.conversation.frozen = Some(frozen.player.clone());
        self.done()
    }

    /// The ticket was closed in another conversation.
    pub(super) fn open_again(mut self, ticket: &TicketNumber) -> Commit {
        if self.conversation.secured.as_ref() == Some(ticket) {
            (self.conversation.secured, self.conversation.frozen) = (None, None);
        }
        self.done()
    }

    /// The ticket was closed, and the account behind it is frozen no more.
    pub fn release(&mut self) {
        let Some(ticket) = self.conversation.secured.take() else { return };
        let Some(player) = self.conversation.frozen.take() else { return };
        let mut audit = self.audit(Action::AccountReleased, Actor::Host, format!("ticket {ticket} is closed"));
        audit.player = Some(player.clone());
        self.audits.push(audit);
        if let Some(name) = self.game.security.unfreeze_operation.clone() {
            self.tell_studio(name, "unfreeze", player, &ticket);
        }
    }

    /// All that a message is answered while the account is secured.
    pub(super) fn tell_secured(self, copy: &dyn Copy) -> Commit {
        let ticket = self.conversation.secured.as_ref().map_or("-", TicketNumber::as_str);
        let text = self.text(copy, "host-secured", &[("ticket", ticket)]);
        self.done_saying(text)
    }

    /// Who is writing has to be proven anew, once the ticket is closed.
    fn end_session(&mut self, ticket: Option<TicketNumber>) {
        self.conversation.codes.clear();
        self.conversation.session = Default::default();
        self.conversation.session.active_at = self.now;
        self.conversation.secured = ticket;
    }

    /// Notes whose account it is. The studio is told by the event that froze it, and by no other.
    fn note_freeze(&mut self, player: PlayerId, frozen: &Frozen) {
        self.conversation.frozen = Some(player.clone());
        if !frozen.is_by(self.conversation.id, self.entry.seq) {
            return;
        }
        let mut audit = self.audit(Action::AccountFrozen, Actor::Host, format!("until ticket {} is closed", frozen.ticket));
        audit.player = Some(player.clone());
        self.audits.push(audit);
        if let Some(name) = self.game.security.freeze_operation.clone() {
            self.tell_studio(name, "freeze", player, &frozen.ticket);
        }
    }

    /// Has the backend do it until it is done, once for this event.
    fn tell_studio(&mut self, name: String, what: &str, player: PlayerId, ticket: &TicketNumber) {
        let request = json!({ "reason": "player-wrote-block", "ticket": ticket, "at_ms": self.now }).to_string();
        let idempotency_key = format!("{}.{}.{what}", self.conversation.id, self.entry.seq);
        let operation = Operation { name, player: Some(player), request, idempotency_key };
        self.outbox.push(NewMessage::operation(&self.conversation, operation, self.now));
    }
}
