//! The part of a step that needs no flow: what the host does itself, and what it makes of failures.
//!
//! A step begins with [`Step::open`]. Either the host handles the event alone and the step is done, or flows are asked;
//! then [`decide`](crate::decide) turns the answer into a commit, or [`Step::give_up`] keeps the event as a dead letter.

mod codes;
mod secure;

use crate::account::chat;
use crate::audit::{Action, Actor, AuditRecord};
use crate::command::HostCommand;
use crate::commit::{Bury, Commit, DeadLetter, Letter, Resend};
use crate::consent::{ConsentRecord, Marketing, Told};
use crate::conversation::{Authentication, Conversation};
use crate::event::{Event, Inbound, Message, Preference, StatusEvent, SystemChange};
use crate::flow::FlowFailure;
use crate::game::Game;
use crate::message::Outbound;
use crate::outbox::{Content, MessageClass, NewMessage};
use crate::port::{Copy, InboxEntry, Receipt, ServiceError};
use crate::recovery::RecoveryRefusal;
use crate::send::{Hold, Reaction};
use crate::status::DeliveryState;
use crate::template::Category;
use crate::time::UnixMs;
use crate::verification::trail::CodeWatch;
pub use codes::{CodeNews, Followed};

pub use secure::{Behind, SECURITY_INTENT};

/// A step that flows are asked about.
#[derive(Debug)]
pub struct Step<'a> {
    /// The rules of the game.
    pub game: &'a Game,
    /// The conversation with the event noted: session, window, recent messages.
    pub conversation: Conversation,
    /// The event.
    pub entry: &'a InboxEntry,
    /// The step's time.
    pub now: UnixMs,
    /// What is to be audited, whatever the step comes to.
    pub audits: Vec<AuditRecord>,
    /// What is to leave, whatever the step comes to.
    pub outbox: Vec<NewMessage>,
    /// Why no credentials are issued now, as the player's account says.
    pub recovery: Option<RecoveryRefusal>,
}

/// How a step goes on.
#[derive(Debug)]
pub enum Opened<'a> {
    /// The host has handled the event.
    Done(Box<Commit>, HandledBy),
    /// Flows are asked.
    Ask(Step<'a>),
    /// One of our messages failed: what to do depends on its receipt; see [`Step::settle_failure`].
    Failed(Step<'a>, &'a StatusEvent),
    /// The player wrote BLOCK: whose account it is has to be found out; see [`Step::block`].
    Block(Step<'a>),
    /// An account is still to be frozen that BLOCK could not name; see [`Step::freeze`].
    Freeze(Step<'a>),
    /// The ticket of a secured conversation was closed: the account is released first, then flows are asked; see
    /// [`Step::release`].
    Release(Step<'a>),
    /// Time is up for a code to arrive: what to do depends on whether it did; see [`Step::follow_code`].
    Watched(Step<'a>, CodeWatch),
}

/// What the host did itself, for logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandledBy {
    /// A command of the player's.
    Command(HostCommand),
    /// The message came before.
    Duplicate,
    /// The player or their device changed.
    System,
    /// A marketing preference.
    Preference,
    /// The account is secured: nothing is told.
    Secured,
    /// A one-time code was put into the outbox.
    Code,
    /// What concerns the second factor or devices.
    TwoFactor,
    /// What the player agreed to.
    Consent,
}

impl HandledBy {
    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Command(command) => command.as_str(),
            Self::Duplicate => "duplicate",
            Self::System => "system",
            Self::Preference => "preference",
            Self::Secured => "secured",
            Self::Code => "code",
            Self::TwoFactor => "two-factor",
            Self::Consent => "consent",
        }
    }
}

/// Texts of the host's own, by key, for games whose copy lacks them.
const TEXTS: [(&str, &str); 5] = [
    ("host-asks-number", "To send you a code we need your phone number. Tap the button below to share it."),
    ("host-stopped", "You will get no more news and offers from us. Write START to get them again."),
    ("host-started", "You will get news and offers again. Write STOP at any time to end them."),
    ("host-blocked", "Your account is secured: nothing is changed or shown here until our team has looked. Your ticket is { $ticket }."),
    ("host-secured", "Your account is secured. Our team looks at ticket { $ticket } and answers you here."),
];

impl<'a> Step<'a> {
    /// A step in which nothing has happened yet.
    pub fn new(game: &'a Game, conversation: Conversation, entry: &'a InboxEntry, now: UnixMs) -> Self {
        Self { game, conversation, entry, now, audits: Vec::new(), outbox: Vec::new(), recovery: None }
    }

    /// Notes the event in the conversation and does what is the host's own to do.
    pub fn open(game: &'a Game, mut conversation: Conversation, entry: &'a InboxEntry, now: UnixMs, copy: &dyn Copy) -> Opened<'a> {
        conversation.touch(now);
        let mut step = Self::new(game, conversation, entry, now);
        match &*entry.event {
            Event::Message(message) => step.open_message(message, copy),
            Event::System(change) => {
                let audit = step.change(change);
                let mut commit = step.done();
                commit.audits.push(audit);
                Opened::Done(Box::new(commit), HandledBy::System)
            }
            Event::Preference(preference) => Opened::Done(Box::new(step.prefer(preference)), HandledBy::Preference),
            Event::Status(status) if status.state == DeliveryState::Failed => Opened::Failed(step, status),
            Event::TwoFactor(event) => Opened::Done(Box::new(step.hear_two_factor(event, copy)), HandledBy::TwoFactor),
            Event::Consent(record) => Opened::Done(Box::new(step.told_consent(record)), HandledBy::Consent),
            Event::CodeIssued(issued) => Opened::Done(Box::new(step.send_code(issued, copy)), HandledBy::Code),
            Event::Timer(timer) if timer.flow.is_host() => match CodeWatch::read(timer) {
                Some(watch) => Opened::Watched(step, watch),
                None => Opened::Done(Box::new(step.done()), HandledBy::System),
            },
            Event::Authenticated(_) | Event::CodeRejected(_) if step.conversation.secured.is_some() => {
                let audit = step.audit(Action::ProofIgnored, Actor::Player, "the account is secured");
                let mut commit = step.done();
                commit.audits.push(audit);
                Opened::Done(Box::new(commit), HandledBy::Secured)
            }
            Event::CodeRejected(proof) => {
                let audit =
                    step.audit(Action::CodeRejected, Actor::Player, format!("for {}; {} tries left", proof.purpose, proof.attempts_left));
                step.audits.push(audit);
                Opened::Ask(step)
            }
            Event::AccountFrozen(frozen) => Opened::Done(Box::new(step.end_session_of(frozen)), HandledBy::Secured),
            Event::AccountReleased(ticket) => Opened::Done(Box::new(step.open_again(ticket)), HandledBy::Secured),
            Event::FreezeAccount(ticket) if step.conversation.secured.as_ref() == Some(ticket) => Opened::Freeze(step),
            Event::FreezeAccount(_) => Opened::Done(Box::new(step.done()), HandledBy::Secured),
            Event::TicketClosed(closed) if step.conversation.secured.as_ref() == Some(&closed.number) => Opened::Release(step),
            // Nothing of a secured account is told in the chat, the game's own news and what flows had in hand included.
            Event::GameEvent(_) | Event::Timer(_) | Event::HandedOver(_) | Event::TicketClosed(_)
                if step.conversation.secured.is_some() =>
            {
                Opened::Done(Box::new(step.done()), HandledBy::Secured)
            }
            _ => Opened::Ask(step),
        }
    }

    fn open_message(mut self, message: &Message, copy: &dyn Copy) -> Opened<'a> {
        if !self.conversation.hear(self.entry.seq, message, self.now) {
            return Opened::Done(Box::new(self.done()), HandledBy::Duplicate);
        }
        if self.conversation.is_of_another_identity(message) {
            self.note_down(Action::IdentityChanged, Actor::Host, "the player writes from another device; trust is dropped");
            self.drop_trust();
        }
        self.conversation.remember_identity(message.identity_key_hash.as_deref());
        let text = match &message.content {
            Inbound::Text(text) => Some(text.as_str()),
            Inbound::QuickReply(reply) => Some(reply.text.as_str()),
            _ => None,
        };
        let locale = self.conversation.session.locale.as_deref();
        let command = text.and_then(|text| Some((self.game.consent.command(text, locale)?, text)));
        if let Some((command, wording)) = command {
            let commit = match command {
                HostCommand::Stop => self.consent(false, wording, message.sent_at, copy),
                HostCommand::Start => self.consent(true, wording, message.sent_at, copy),
                HostCommand::Block => return Opened::Block(self),
            };
            return Opened::Done(Box::new(commit), HandledBy::Command(command));
        }
        if self.conversation.secured.is_some() {
            return Opened::Done(Box::new(self.tell_secured(copy)), HandledBy::Secured);
        }
        match &message.content {
            Inbound::Contacts(shared) => self.open_contacts(shared),
            _ => Opened::Ask(self),
        }
    }

    pub(crate) fn done(self) -> Commit {
        let mut commit = Commit::of(self.conversation, self.entry.seq);
        commit.audits = self.audits;
        commit.outbox = self.outbox;
        commit
    }

    /// The event goes by: no flow wants it.
    pub fn go_by(self) -> Commit {
        self.done()
    }

    pub(crate) fn done_saying(mut self, text: String) -> Commit {
        let message = self.reply(text);
        self.conversation.session.outbound = self.conversation.session.outbound.saturating_add(1);
        let mut commit = self.done();
        commit.outbox.push(message);
        commit
    }

    /// The player wrote STOP or START.
    fn consent(mut self, agreed: bool, typed: &str, sent_at: UnixMs, copy: &dyn Copy) -> Commit {
        let locale = self.conversation.session.locale.as_deref().unwrap_or(&self.game.locale);
        let (wording, wording_version) = match agreed {
            true => self.game.consent.agreed_by(typed, locale, &self.game.locale),
            false => (typed.to_owned(), None),
        };
        let told = Told { marketing: Marketing::of(agreed), wording, wording_version, method: "chat".to_owned(), source: Actor::Player };
        let record = self.conversation.consent_record(self.entry.seq, told, sent_at, self.now);
        self.keep(&record, "in chat");
        // A START that was long on its way may come after a newer STOP.
        let key = if self.conversation.marketing == Marketing::Granted { "host-started" } else { "host-stopped" };
        let text = self.text(copy, key, &[]);
        let (game, now) = (self.game, self.now);
        let mut commit = self.done_saying(text);
        commit.consents.push(record);
        commit.spread_consents(game, now);
        commit
    }

    /// Somebody else told what the player agreed to.
    fn told_consent(mut self, told: &ConsentRecord) -> Commit {
        let record = ConsentRecord { contact: told.contact.clone().or_else(|| Some(self.conversation.contact.clone())), ..told.clone() };
        if record.copy {
            self.conversation.hear_consent(&record);
            return self.done();
        }
        self.keep(&record, &format!("by {}", record.method));
        let (game, now) = (self.game, self.now);
        let mut commit = self.done();
        commit.consents.push(record);
        commit.spread_consents(game, now);
        commit
    }

    /// A record decides if it is the newest, and stands in the audit log whether it does or not.
    fn keep(&mut self, record: &ConsentRecord, detail: &str) {
        let decides = self.conversation.hear_consent(record);
        let action = if record.marketing == Marketing::Granted { Action::ConsentGranted } else { Action::ConsentWithdrawn };
        let detail = if decides { detail.to_owned() } else { format!("{detail}; a newer decision stands") };
        let mut audit = self.audit(action, record.source.clone(), detail);
        audit.player = record.player.clone().or(audit.player);
        self.audits.push(audit);
    }

    fn change(&mut self, change: &SystemChange) -> AuditRecord {
        let (action, detail) = match change {
            SystemChange::Moved(_) => (Action::ContactMoved, "the player has another number or id; trust is dropped"),
            SystemChange::IdentityChanged { .. } => (Action::IdentityChanged, "the player's device changed; trust is dropped"),
            SystemChange::Other(_) => (Action::SystemNotice, "a change of a kind that is not known"),
        };
        // Before anything is forgotten: it is about whoever this was until now.
        let audit = self.audit(action, Actor::Host, detail);
        match change {
            SystemChange::Moved(contact) => drop(self.conversation.contact.learn(contact)),
            SystemChange::IdentityChanged { hash } => self.conversation.remember_identity(Some(hash)),
            SystemChange::Other(_) => {}
        }
        if !matches!(change, SystemChange::Other(_)) {
            self.drop_trust();
        }
        audit
    }

    fn drop_trust(&mut self) {
        // Whoever is there now has not asked for these.
        self.conversation.codes.clear();
        let session = &mut self.conversation.session;
        session.authentication = Authentication::Unauthenticated;
        session.device = None;
        session.awaited = None;
        session.forget_player();
        session.states.clear();
        session.active = None;
        session.challenges.clear();
        session.bound_device = None;
        session.removing = None;
        self.conversation.second_factor_of.clear();
    }

    fn prefer(mut self, preference: &Preference) -> Commit {
        let told = Told {
            marketing: Marketing::of(preference.marketing),
            wording: preference.detail.clone(),
            wording_version: None,
            method: "whatsapp-preference".to_owned(),
            source: Actor::Player,
        };
        let record = self.conversation.consent_record(self.entry.seq, told, preference.at, self.now);
        self.keep(&record, "in WhatsApp's settings");
        let (game, now) = (self.game, self.now);
        let mut commit = self.done();
        commit.consents.push(record);
        commit.spread_consents(game, now);
        commit
    }

    /// What to do about a failed message, however the failure became known. `random` spreads the waits.
    pub fn settle_failure(mut self, status: &StatusEvent, receipt: Option<&Receipt>, reaction: Reaction, random: u64) -> Commit {
        let content = receipt.and_then(|receipt| Some(&receipt.message.as_ref()?.content));
        let reason = match &status.error {
            _ if content.is_some_and(Content::is_for_backend) => "operation-refused".to_owned(),
            Some(error) => format!("meta-{}", error.code),
            None => "failed".to_owned(),
        };
        let detail = status.error.as_ref().map_or_else(String::new, |error| error.detail.clone());
        if reaction == Reaction::RevokeTrust {
            let audit = self.audit(Action::TrustRevoked, Actor::Host, "the identity behind the number changed");
            self.audits.push(audit);
            self.drop_trust();
        }
        let stopped = match reaction {
            Reaction::SuppressMarketing { hold_ms: None } => Some(self.suppress(&reason, &detail, status.at)),
            Reaction::SuppressMarketing { hold_ms: Some(hold_ms) } => {
                let mut standing = self.conversation.standing();
                standing.hold(hold_ms, self.now);
                self.conversation.stand(standing);
                None
            }
            _ => None,
        };
        let (game, now) = (self.game, self.now);
        let mut commit = self.done();
        commit.consents.extend(stopped);
        commit.spread_consents(game, now);
        let Some(receipt) = receipt.filter(|receipt| receipt.state == DeliveryState::Failed) else { return commit };
        let bury = Bury { id: receipt.id, reason, detail, at: now };
        let resend_after = |wait_ms: u64| Resend { id: receipt.id, due_at: now.plus_ms(wait_ms), attempts: receipt.attempts };
        let Some(message) = receipt.message.as_ref() else { return commit };
        match reaction {
            Reaction::Retry(backoff) => match backoff.wait_ms(receipt.attempts.max(1), random) {
                Some(wait_ms) => commit.resend.push(resend_after(wait_ms)),
                None => commit.bury.push(bury),
            },
            Reaction::Pause { hold, .. } => {
                let wait_ms = match hold {
                    Hold::Growing { base_ms, ceiling_ms } => base_ms.saturating_mul(1 << receipt.attempts.min(16)).min(ceiling_ms),
                    Hold::UntilMended { probe_ms } => probe_ms,
                };
                commit.resend.push(resend_after(wait_ms));
            }
            Reaction::UseTemplate => match game.window_closed_message(message, now, &commit.conversation) {
                Some(template) => commit.outbox.push(template),
                None => commit.bury.push(bury),
            },
            Reaction::DeadLetter | Reaction::SuppressMarketing { .. } | Reaction::RevokeTrust => commit.bury.push(bury),
        }
        commit
    }

    /// Meta says that the player has stopped marketing (131050): a decision of theirs that the host hears of late.
    fn suppress(&mut self, reason: &str, detail: &str, at: UnixMs) -> ConsentRecord {
        let told = Told {
            marketing: Marketing::Withdrawn,
            wording: detail.to_owned(),
            wording_version: None,
            method: reason.to_owned(),
            source: Actor::Host,
        };
        let record = self.conversation.consent_record(self.entry.seq, told, at, self.now);
        // The message was on its way: the player may have said otherwise meanwhile.
        let record = ConsentRecord { from: None, ..record };
        self.keep(&record, "Meta says that the player takes no marketing");
        record
    }

    /// Keeps the event as a dead letter: nothing of it was done.
    pub fn give_up(self, failure: &FlowFailure) -> Commit {
        let dead_letter = DeadLetter {
            game: self.game.id.clone(),
            conversation: self.conversation.id,
            letter: Letter::Event { received_at: self.entry.received_at, event: (*self.entry.event).clone() },
            reason: failure.kind().to_owned(),
            detail: failure.to_string(),
            attempts: self.entry.attempts + 1,
            at: self.now,
        };
        let mut commit = self.done();
        // A retry must not be taken for a repetition.
        commit.conversation.recent.retain(|recent| recent.seq != commit.ack);
        commit.dead_letter = Some(dead_letter);
        commit
    }

    /// Notes something for the audit, about whoever is in the conversation.
    pub fn note_down(&mut self, action: Action, actor: Actor, detail: impl Into<String>) {
        let record = self.audit(action, actor, detail);
        self.audits.push(record);
    }

    pub(crate) fn audit(&self, action: Action, actor: Actor, detail: impl Into<String>) -> AuditRecord {
        let of = &self.conversation;
        let record = AuditRecord::new(self.now, self.game.id.clone(), actor, action, detail);
        record.about(of.id, of.session.player.clone(), Some(of.contact.clone()))
    }

    pub(crate) fn reply(&self, text: String) -> NewMessage {
        NewMessage {
            game: self.game.id.clone(),
            number: self.conversation.number.clone(),
            contact: self.conversation.contact.clone(),
            class: MessageClass::High,
            content: Content::Reply { message: Outbound::Text { body: text, preview: false }, reply_to: None },
            committed_at: self.now,
            expires_at: self.conversation.window.closes_at(self.now),
            campaign: None,
            known: None,
        }
    }

    pub(crate) fn text(&self, copy: &dyn Copy, key: &str, arguments: &[(&str, &str)]) -> String {
        let locale = self.conversation.session.locale.as_deref().unwrap_or(&self.game.locale);
        let owned: Vec<(String, String)> = arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        copy.text(key, locale, &owned).unwrap_or_else(|_: ServiceError| {
            let default = TEXTS.iter().chain(&chat::TEXTS).find(|(known, _)| *known == key).map_or("", |(_, text)| text);
            owned.iter().fold(default.to_owned(), |text, (name, value)| text.replace(&format!("{{ ${name} }}"), value))
        })
    }
}

impl Game {
    /// The template that stands in for a message that came after the window had closed.
    fn window_closed_message(&self, failed: &NewMessage, now: UnixMs, to: &Conversation) -> Option<NewMessage> {
        if !matches!(failed.content, Content::Reply { .. }) {
            return None;
        }
        let template = self.templates.get(self.window_closed_template.as_deref()?)?;
        if template.category == Category::Marketing && to.standing().takes_marketing(now).is_err() {
            return None;
        }
        let locale = to.session.locale.as_deref();
        let filled =
            template.fill(locale.unwrap_or(&self.locale), None, &[], &[]).or_else(|_| template.fill(&self.locale, None, &[], &[])).ok()?;
        Some(NewMessage { content: Content::Template(filled), committed_at: now, expires_at: None, ..failed.clone() })
    }
}
