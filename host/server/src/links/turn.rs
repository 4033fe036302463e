//! The host's own part in a step that links concern: what the player sent is looked at, and what came of it becomes the
//! step's commit. No flow, no history and no dead letter sees a token.

use questline_core::account::ContactKey;
use questline_core::account::link::token::{InText, LinkToken};
use questline_core::account::link::{Answer, Awaited, Deed, LinkId, LinkRules};
use questline_core::audit::{Action, Actor, AuditRecord};
use questline_core::commit::{Commit, TimerChange};
use questline_core::contact::Address;
use questline_core::conversation::{Authentication, Conversation};
use questline_core::event::{AskedLink, AuthenticationEvent, Event, Inbound, LinkNotice, Message, SystemChange, TimerEvent};
use questline_core::game::HOST_FLOW;
use questline_core::id::{FlowName, PlayerId};
use questline_core::message::{Button, Outbound};
use questline_core::operation::Operation;
use questline_core::outbox::{Content, MessageClass, NewMessage};
use questline_core::port::{AccountKeys, InboxEntry, StoreError};
use questline_core::time::UnixMs;
use questline_core::verification::Purpose;
use serde_json::json;

use super::{LinkDesk, words};
use crate::game::LoadedGame;
use crate::verification::{CodeWish, NoCode, event_of};

/// In front of the ids of buttons that answer whether a contact may join.
const APPROVE: &str = "host:link-approve:";
const DENY: &str = "host:link-deny:";
/// The timer that ends waiting for such an answer.
const TIMER: &str = "link";
/// What a player writes to end the link of their contact; the same in every language, as STOP is.
const UNLINK: &str = "UNLINK";

/// What an event has to do with links.
enum Concern<'e> {
    Token(InText),
    Answer(LinkId, Answer),
    Unlink,
    Timer(&'e TimerEvent),
    Notice(&'e LinkNotice),
}

impl<'e> Concern<'e> {
    /// Looks at an event; nothing is read or allocated for what concerns no link.
    fn of(event: &'e Event) -> Option<Self> {
        match event {
            Event::Message(Message { content: Inbound::Text(text), .. }) => match LinkToken::find(text) {
                InText::Nothing => is_unlink(text).then_some(Self::Unlink),
                found => Some(Self::Token(found)),
            },
            Event::Message(message) => {
                let id = message.content.picked_id()?;
                let (id, answer) = match id.strip_prefix(APPROVE) {
                    Some(id) => (id, Answer::Approve),
                    None => (id.strip_prefix(DENY)?, Answer::Deny),
                };
                LinkId::parse(id).ok().map(|id| Self::Answer(id, answer))
            }
            Event::Timer(timer) if timer.flow.as_str() == HOST_FLOW && timer.id == TIMER => Some(Self::Timer(timer)),
            Event::Link(notice) => Some(Self::Notice(notice)),
            _ => None,
        }
    }
}

/// Whether a text is the command and nothing else, in any case, spacing and punctuation.
fn is_unlink(text: &str) -> bool {
    text.len() <= 64 && text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).eq(UNLINK.chars())
}

/// One step of the host's.
pub(crate) struct Turn<'a> {
    pub(super) desk: &'a LinkDesk,
    pub(super) game: &'a LoadedGame,
    pub(super) rules: &'a LinkRules,
    pub(super) conversation: Conversation,
    pub(super) entry: &'a InboxEntry,
    pub(super) now: UnixMs,
    says: Vec<Outbound>,
    tells: Vec<Operation>,
    audits: Vec<AuditRecord>,
    timers: Vec<TimerChange>,
    follow_ups: Vec<Event>,
}

/// How a step goes on.
// Nearly every step is for others: a box would cost each an allocation.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Turned {
    /// The host has done it.
    Done(Box<Commit>),
    /// It is for others.
    Others(Conversation),
}

impl<'a> Turn<'a> {
    /// Does what is the host's own about links, if the event concerns any.
    pub(crate) async fn take(
        desk: &'a LinkDesk,
        game: &'a LoadedGame,
        conversation: Conversation,
        entry: &'a InboxEntry,
        now: UnixMs,
    ) -> Result<Turned, StoreError> {
        let Some(rules) = &game.rules.links else {
            return Ok(match &*entry.event {
                // The game has no links any more.
                Event::Link(_) => Turned::Done(Box::new(Commit::of(conversation, entry.seq))),
                _ => Turned::Others(conversation),
            });
        };
        match &*entry.event {
            Event::System(SystemChange::Moved(new)) => {
                let (old, new) = (conversation.contact.clone(), new.clone());
                let keys = AccountKeys { contacts: ContactKey::all(&old), ..AccountKeys::default() };
                desk.change(&game.rules.id, keys, move |book| book.moved(&old, &new)).await?;
                return Ok(Turned::Others(conversation));
            }
            Event::System(SystemChange::IdentityChanged { .. }) => {
                desk.prove(game, &conversation, true).await?;
                return Ok(Turned::Others(conversation));
            }
            _ => {}
        }
        let Some(concern) = Concern::of(&entry.event) else { return Ok(Turned::Others(conversation)) };
        let is_notice = matches!(concern, Concern::Notice(_) | Concern::Timer(_));
        let mut turn = Self::new(desk, game, rules, conversation, entry, now);
        if turn.conversation.secured.is_some() {
            // Nothing of a secured account is linked, told or asked; what the player writes is answered as all else.
            return Ok(if is_notice { Turned::Done(turn.end()) } else { Turned::Others(turn.conversation) });
        }
        if let Event::Message(message) = &*entry.event {
            if turn.conversation.recent.iter().any(|recent| recent.wamid == message.wamid) {
                return Ok(Turned::Others(turn.conversation));
            }
            turn.conversation.touch(now);
            turn.conversation.hear(entry.seq, message, now);
        }
        match concern {
            Concern::Token(found) => turn.token(found).await?,
            Concern::Answer(id, answer) => turn.answer(id, answer).await?,
            Concern::Unlink => turn.unlink_asked().await?,
            Concern::Timer(timer) => turn.time_is_up(&timer.payload).await?,
            Concern::Notice(LinkNotice::Ask(asked)) => turn.asked(asked).await?,
            Concern::Notice(LinkNotice::Joined { wish, linked }) => turn.joined(wish, linked.clone()).await?,
            Concern::Notice(LinkNotice::Denied) => turn.say("host-link-not-approved", &[]),
            Concern::Notice(LinkNotice::Unlinked { player, by }) => turn.unlinked(player, by),
        }
        Ok(Turned::Done(turn.end()))
    }

    /// Does what waited for this proof, if anything did.
    pub(crate) async fn proven(
        desk: &'a LinkDesk,
        game: &'a LoadedGame,
        conversation: Conversation,
        entry: &'a InboxEntry,
        proof: &AuthenticationEvent,
        now: UnixMs,
    ) -> Result<Turned, StoreError> {
        let Some(rules) = &game.rules.links else { return Ok(Turned::Others(conversation)) };
        desk.prove(game, &conversation, false).await?;
        let mut turn = Self::new(desk, game, rules, conversation, entry, now);
        let Some(deed) = turn.conversation.session.take_proven(now) else { return Ok(Turned::Others(turn.conversation)) };
        match deed {
            Deed::Move { first, wish } => {
                turn.audit(Action::Authenticated, Actor::Player, format!("by {}, for a link", proof.method));
                turn.moving(first, wish).await?;
            }
            Deed::Unlink(player) => {
                turn.audit(Action::Authenticated, Actor::Player, format!("by {}, to unlink", proof.method));
                turn.unlink(player).await?;
            }
            Deed::Ask(asked) => {
                turn.follow_ups.push(Event::Authenticated(proof.clone()));
                turn.ask(&asked);
            }
        }
        Ok(Turned::Done(turn.end()))
    }

    fn new(
        desk: &'a LinkDesk,
        game: &'a LoadedGame,
        rules: &'a LinkRules,
        conversation: Conversation,
        entry: &'a InboxEntry,
        now: UnixMs,
    ) -> Self {
        let (says, tells, audits, timers, follow_ups) = Default::default();
        Self { desk, game, rules, conversation, entry, now, says, tells, audits, timers, follow_ups }
    }

    /// The step's commit.
    fn end(self) -> Box<Commit> {
        let Self { conversation, entry, now, says, tells, audits, timers, follow_ups, .. } = self;
        let mut commit = Commit::of(conversation, entry.seq);
        let of = &mut commit.conversation;
        // Outside of the window Meta takes templates only: what would be said there is not.
        if let Some(closes_at) = of.window.closes_at(now) {
            of.session.outbound = of.session.outbound.saturating_add(says.len() as u32);
            commit.outbox = says.into_iter().map(|message| reply(of, message, now, closes_at)).collect();
        }
        commit.outbox.extend(tells.into_iter().map(|operation| NewMessage::operation(of, operation, now)));
        (commit.audits, commit.timers, commit.follow_ups) = (audits, timers, follow_ups);
        Box::new(commit)
    }

    /// The event's place: what comes again from it is answered alike.
    pub(super) fn by(&self) -> String {
        format!("{}.{}", self.conversation.id, self.entry.seq)
    }

    pub(super) fn address(&self) -> Address {
        let of = &self.conversation;
        Address { game: of.game.clone(), number: of.number.clone(), contact: of.contact.clone() }
    }

    pub(super) fn text(&self, key: &str, arguments: &[(&str, &str)]) -> String {
        words::text(self.game, self.conversation.session.locale.as_deref(), key, arguments)
    }

    pub(super) fn say(&mut self, key: &str, arguments: &[(&str, &str)]) {
        self.says.push(Outbound::Text { body: self.text(key, arguments), preview: false });
    }

    pub(super) fn audit(&mut self, action: Action, actor: Actor, detail: impl Into<String>) {
        let of = &self.conversation;
        let record = AuditRecord::new(self.now, of.game.clone(), actor, action, detail);
        self.audits.push(record.about(of.id, of.session.player.clone(), Some(of.contact.clone())));
    }

    pub(super) fn count(&self, outcome: &'static str) {
        self.desk.metrics.link(&self.game.rules.id, outcome);
    }

    pub(super) fn tell_studio(&mut self, event: &str, player: &PlayerId, id: &str, by: &str) {
        let told = super::operation(self.rules, event, player, &self.conversation.contact, id, by, self.now);
        self.tells.extend(told);
    }

    /// Has flows hear that the player is authenticated.
    pub(super) fn tell_flows(&mut self, proof: AuthenticationEvent) {
        self.follow_ups.push(Event::Authenticated(proof));
    }

    /// Wakes this conversation when an answer comes too late.
    pub(super) fn wake(&mut self, due_at: UnixMs, player: &PlayerId, id: &LinkId) -> Result<(), StoreError> {
        let flow = FlowName::parse(HOST_FLOW).map_err(|problem| StoreError::Unavailable(problem.to_string()))?;
        let payload = json!({ "player": player, "id": id }).to_string();
        self.timers.push(TimerChange::Set { due_at, timer: TimerEvent { flow, id: TIMER.to_owned(), payload } });
        Ok(())
    }

    /// Asks whether a contact may join.
    pub(super) fn ask(&mut self, asked: &AskedLink) {
        let body = self.text("host-link-ask", &[("contact", &asked.shown), ("game", &self.game.rules.name)]);
        let button = |prefix: &str, key: &str| Button {
            id: format!("{prefix}{}", asked.id.as_str()),
            title: self.text(key, &[]).chars().take(20).collect(),
        };
        let buttons = vec![button(APPROVE, words::APPROVE), button(DENY, words::DENY)];
        self.says.push(Outbound::Buttons { header: None, body, footer: None, buttons });
    }

    /// Sends a code here and remembers what it is for; false where there is none to be had.
    pub(super) async fn await_proof(&mut self, player: PlayerId, purpose: Purpose, deed: Deed) -> Result<bool, StoreError> {
        let wish = CodeWish {
            to: Some(self.address()),
            player: Some(player),
            purpose,
            ip: None,
            device: None,
            locale: self.conversation.session.locale.clone(),
            key: Some(format!("{}.link", self.by())),
        };
        match self.desk.codes.begin(self.game, wish).await {
            Ok(issued) => {
                self.conversation.session.awaited =
                    Some(Box::new(Awaited { deed, by: issued.id, until: issued.expires_at, proven: false }));
                self.follow_ups.push(Event::CodeIssued(event_of(&issued)));
                Ok(true)
            }
            Err(NoCode::Store(problem)) => Err(problem),
            Err(NoCode::Guard(_) | NoCode::NotConfigured | NoCode::NoKeys | NoCode::NoPhone | NoCode::NoRandomness) => Ok(false),
            Err(NoCode::Ended(_) | NoCode::Unknown) => Ok(false),
        }
    }

    /// Whoever writes is nobody that is known any more.
    pub(super) fn forget_player(&mut self) {
        let session = &mut self.conversation.session;
        session.authentication = Authentication::Unauthenticated;
        (session.device, session.awaited) = (None, None);
        session.forget_player();
        session.states.clear();
        session.active = None;
    }
}

fn reply(of: &Conversation, message: Outbound, now: UnixMs, closes_at: UnixMs) -> NewMessage {
    NewMessage {
        game: of.game.clone(),
        number: of.number.clone(),
        contact: of.contact.clone(),
        class: MessageClass::High,
        content: Content::Reply { message, reply_to: None },
        committed_at: now,
        expires_at: Some(closes_at),
        campaign: None,
        known: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_the_whole_text() {
        for text in ["UNLINK", "unlink", " Unlink! ", "un-link"] {
            assert!(is_unlink(text), "{text}");
        }
        for text in ["", "please unlink me", "unlinked", "link", &"unlink ".repeat(20)] {
            assert!(!is_unlink(text), "{text}");
        }
    }
}
