//! Gives players who lost access their account back, once it is clear enough that it is theirs.
//!
//! One check after the other: the device, the amount of the last purchase, a security question where the studio has one.
//! Each that matches is worth points ([`settings`]); from `points_min` on the host is asked to issue temporary
//! credentials, which never come here. Otherwise an agent gets a ticket with all that was asked and what matched, and
//! never an answer itself. Wrong answers are limited, for each check and in all.

mod ask;
mod check;
mod end;
mod player;
mod settings;
mod start;
mod state;

use questline_sdk::prelude::*;
use questline_sdk::types::{GameEvent, TicketClosed};
use serde::Deserialize;

use settings::Settings;
use state::{Asked, Device, State};

/// The flow.
pub struct AccountRecovery;

/// The intent of `game.toml` that begins a recovery, and the name of its tickets.
const INTENT: &str = "account-recovery";
/// Buttons; their ids begin with the flow's name, so that they come back here.
const SKIP: &str = "account-recovery:skip";
const AGENT: &str = "account-recovery:agent";
const CANCEL: &str = "account-recovery:cancel";
/// Timers.
const IDLE: &str = "idle";
const UNLOCK: &str = "unlock";
/// Longest fingerprint of a device.
const FINGERPRINT_MAX: usize = 128;

impl Flow for AccountRecovery {
    fn describe() -> Description {
        Description::new("account-recovery", env!("CARGO_PKG_VERSION"))
            .wants(&[EventKind::Message, EventKind::GameEvent, EventKind::Timer, EventKind::TicketClosed, EventKind::HandedOver])
            .needs(&[
                Capability::Players,
                Capability::Backend,
                Capability::Intents,
                Capability::Copy,
                Capability::Clock,
                Capability::Reply,
                Capability::Timers,
                Capability::RecoveryCredentials,
                Capability::Tickets,
                Capability::Measures,
            ])
    }

    fn handle(conversation: &Conversation, event: Event) -> Result<Outcome, FlowError> {
        let recovery =
            Recovery { conversation, settings: conversation.read_settings()?, state: conversation.read_state()?.unwrap_or_default() };
        match event {
            Event::Message(message) => recovery.on_message(&message.content),
            Event::GameEvent(event) if event.name == "recovery-started" => recovery.on_started(&event),
            Event::Timer(timer) if timer.id == IDLE => recovery.on_idle(),
            Event::Timer(timer) if timer.id == UNLOCK => recovery.on_unlock(),
            Event::TicketClosed(ticket) => recovery.on_ticket_closed(&ticket),
            Event::HandedOver(_) => recovery.start(None),
            _ => Ok(Outcome::pass()),
        }
    }
}

questline_sdk::export!(AccountRecovery);

/// One event being answered.
struct Recovery<'a> {
    conversation: &'a Conversation,
    settings: Settings,
    state: State,
}

/// What the login screen of the game tells.
#[derive(Deserialize)]
struct Started {
    device: String,
}

impl Recovery<'_> {
    fn on_message(mut self, content: &Inbound) -> Result<Outcome, FlowError> {
        self.state.reminded = false;
        if let Some(picked) = content.picked() {
            return match (picked.id, self.state.asked) {
                (AGENT, _) => self.human("asked"),
                (SKIP, Some(asked)) => self.skip(asked),
                (CANCEL, Some(_)) => self.cancel(),
                // A button of another flow, or of a recovery that is over.
                _ => Ok(Outcome::pass()),
            };
        }
        if matches!(content, Inbound::Reaction(_)) {
            return if self.state.asked.is_some() { self.stay() } else { Ok(Outcome::pass()) };
        }
        let device = content.words().and_then(|words| self.device_in(words));
        match (self.state.asked, content.words()) {
            (None, Some(words)) if device.is_some() || self.is_about(words, INTENT)? => self.start(device),
            (None, _) => Ok(Outcome::pass()),
            (Some(asked), Some(words)) => match device {
                Some(device) if asked != Asked::Name => self.late_device(asked, &device),
                // The answer to a security question may be any words: there the button alone counts.
                _ if asked == Asked::Purchase && self.is_about(words, "agent")? => self.human("asked"),
                _ => self.answer(asked, words),
            },
            (Some(asked), None) => self.ask_again(asked, "recovery-words-only"),
        }
    }

    /// The game's login screen told the device. Nothing is said: the player writes first.
    fn on_started(mut self, event: &GameEvent) -> Result<Outcome, FlowError> {
        let Started { device } = event.read_payload()?;
        if device.is_empty() || device.chars().count() > FINGERPRINT_MAX {
            return Err(FlowError::permanent(format!("recovery-started: a device has 1 to {FINGERPRINT_MAX} characters")));
        }
        match self.state.asked {
            Some(asked @ (Asked::Purchase | Asked::Question)) if self.conversation.is_window_open() => self.late_device(asked, &device),
            _ => {
                self.state.device = Some(Device { fingerprint: device, at_ms: clock::now() });
                if self.state.asked.is_some() { self.stay() } else { self.done() }
            }
        }
    }

    fn on_unlock(mut self) -> Result<Outcome, FlowError> {
        self.state.forgive();
        if self.state.asked.is_some() { self.stay() } else { self.done() }
    }

    /// An agent has looked: wrong answers are forgiven.
    fn on_ticket_closed(mut self, ticket: &TicketClosed) -> Result<Outcome, FlowError> {
        if self.state.ticket.as_ref() != Some(&ticket.number) {
            return Ok(Outcome::pass());
        }
        self.state.ticket = None;
        self.state.forgive();
        let body = match ticket.resolution.trim() {
            "" => self.copy("ticket-closed", &[("number", &ticket.number)])?,
            resolution => self.copy("ticket-closed-because", &[("number", &ticket.number), ("resolution", resolution)])?,
        };
        // Agents close tickets at their own time: days later nothing but a template could be sent.
        let is_silent = !self.conversation.is_window_open();
        let outcome = self.done()?.cancel_timer(UNLOCK)?;
        if is_silent { Ok(outcome) } else { Ok(outcome.reply(body)?) }
    }

    /// Whether an intent is the likeliest of what a text may mean.
    fn is_about(&self, words: &str, intent: &str) -> Result<bool, FlowError> {
        match intents::classify(words) {
            Ok(found) => Ok(found.first().is_some_and(|found| found.name == intent && found.confidence >= self.settings.confidence_min)),
            Err(ImportError::NotGranted(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The fingerprint that the login screen put into the text of its link.
    fn device_in(&self, words: &str) -> Option<String> {
        let marker = self.settings.device_marker.as_str();
        let (_, rest) = words.split_once(marker).filter(|_| !marker.is_empty())?;
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '=' | '+' | '/');
        let fingerprint: String = rest.trim_start().chars().take_while(|c| is_part(*c)).take(FINGERPRINT_MAX + 1).collect();
        (1..=FINGERPRINT_MAX).contains(&fingerprint.len()).then_some(fingerprint)
    }

    /// A text in the player's language.
    fn copy(&self, key: &str, arguments: &[(&str, &str)]) -> Result<String, FlowError> {
        Ok(self.conversation.copy(key, arguments)?)
    }

    /// Keeps the conversation: an answer is awaited.
    fn stay(self) -> Result<Outcome, FlowError> {
        Ok(Outcome::stay().state(&self.state)?)
    }

    /// Lets go of the conversation. What limits the next recovery is kept.
    fn done(self) -> Result<Outcome, FlowError> {
        let outcome = Outcome::done();
        if self.state == State::default() { Ok(outcome) } else { Ok(outcome.state(&self.state)?) }
    }
}
