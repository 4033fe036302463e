//! The answer to an event, built step by step. What breaks a limit is refused here, before the host sees it.
use serde::Serialize;

use crate::limits::{Check, EFFECTS_MAX, LimitError, Problem, STATE_BYTES_MAX, fail};
use crate::types::{
    AuthenticationRequest, ConsentChange, Conversation, Effect, HandOver, Measure, NewTimer, Outbound, Reaction, Recovery, Reply, Template,
    Ticket,
};
use crate::{Next, Outcome};

impl Outcome {
    /// Keep the conversation. Forgets the state where neither [`Outcome::state`] nor [`Outcome::keep_state`] follows.
    #[must_use]
    pub fn stay() -> Self {
        Self { state: None, effects: Vec::new(), next: Next::Stay }
    }

    /// Let go of the conversation.
    #[must_use]
    pub fn done() -> Self {
        Self { next: Next::Done, ..Self::stay() }
    }

    /// Nothing for this flow: let the next one try. Carries neither state nor effects.
    #[must_use]
    pub fn pass() -> Self {
        Self { next: Next::Pass, ..Self::stay() }
    }

    /// Keeps `state` as JSON.
    ///
    /// # Errors
    /// Where it cannot be written as JSON, or is longer than 16 KiB.
    pub fn state<S: Serialize>(mut self, state: &S) -> Result<Self, LimitError> {
        let state = serde_json::to_string(state)
            .map_err(|_| LimitError { field: "state", problem: Problem::Invalid("cannot be written as JSON") })?;
        if state.len() > STATE_BYTES_MAX {
            fail("state", Problem::TooLong { length: state.len(), max: STATE_BYTES_MAX })?;
        }
        self.state = Some(state);
        Ok(self)
    }

    /// Keeps the state that the conversation has.
    #[must_use]
    pub fn keep_state(mut self, conversation: &Conversation) -> Self {
        self.state.clone_from(&conversation.state);
        self
    }

    /// Answers the player with a text, buttons, a list, media, ...
    ///
    /// # Errors
    /// The first limit that the message breaks.
    pub fn reply(self, content: impl Into<Outbound>) -> Result<Self, LimitError> {
        self.effect(Effect::Reply(Reply { content: content.into(), reply_to: None }))
    }

    /// As [`Outcome::reply`], quoting the message `target`.
    ///
    /// # Errors
    /// The first limit that the message breaks.
    pub fn reply_to(self, target: &str, content: impl Into<Outbound>) -> Result<Self, LimitError> {
        self.effect(Effect::Reply(Reply { content: content.into(), reply_to: Some(target.to_owned()) }))
    }

    /// Sends a template: the only message that needs no open service window.
    ///
    /// # Errors
    /// Where its name cannot be one.
    pub fn template(self, template: Template) -> Result<Self, LimitError> {
        self.effect(Effect::SendTemplate(template))
    }

    /// Reacts to the message `target`; an `emoji` of none takes the reaction back.
    ///
    /// # Errors
    /// None today.
    pub fn react(self, target: &str, emoji: Option<&str>) -> Result<Self, LimitError> {
        self.effect(Effect::React(Reaction { target: Some(target.to_owned()), emoji: emoji.map(str::to_owned) }))
    }

    /// Sets a timer, or moves it where its id is set already.
    ///
    /// # Errors
    /// Where it has no id.
    pub fn set_timer(self, timer: NewTimer) -> Result<Self, LimitError> {
        self.effect(Effect::SetTimer(timer))
    }

    /// Cancels a timer. One that is not set is no fault.
    ///
    /// # Errors
    /// None today.
    pub fn cancel_timer(self, id: &str) -> Result<Self, LimitError> {
        self.effect(Effect::CancelTimer(id.to_owned()))
    }

    /// Has the host ask the player to prove who they are, for instance for `login`.
    ///
    /// # Errors
    /// Where the purpose is empty.
    pub fn request_authentication(self, purpose: &str) -> Result<Self, LimitError> {
        self.effect(Effect::RequestAuthentication(AuthenticationRequest { purpose: purpose.to_owned() }))
    }

    /// Has the studio's backend issue temporary credentials; the secret never comes here.
    ///
    /// # Errors
    /// Where the reason is empty or the confidence not from 0.0 to 1.0.
    pub fn issue_recovery_credentials(self, reason: &str, confidence: f64) -> Result<Self, LimitError> {
        self.effect(Effect::IssueRecoveryCredentials(Recovery { reason: reason.to_owned(), confidence }))
    }

    /// Opens a ticket. The first of a step has the number that the conversation tells.
    ///
    /// # Errors
    /// Where intent or subject are empty, or the body is longer than 4096 characters.
    pub fn ticket(self, ticket: Ticket) -> Result<Self, LimitError> {
        self.effect(Effect::OpenTicket(ticket))
    }

    /// Changes the marketing consent, with the exact words of the player.
    ///
    /// # Errors
    /// Where the wording is empty.
    pub fn change_consent(self, marketing: bool, wording: &str, method: &str) -> Result<Self, LimitError> {
        self.effect(Effect::ChangeConsent(ConsentChange { marketing, wording: wording.to_owned(), method: method.to_owned() }))
    }

    /// Hands the conversation to another flow of the game. `note` is JSON.
    ///
    /// # Errors
    /// Where the flow has no name.
    pub fn hand_over(self, flow: &str, note: Option<String>) -> Result<Self, LimitError> {
        self.effect(Effect::HandOver(HandOver { flow: flow.to_owned(), note }))
    }

    /// Tracks a measure. `name`: lower-case words joined by `_`.
    ///
    /// # Errors
    /// Where the name is not one, or the value no finite number.
    pub fn track(self, name: &str, value: f64) -> Result<Self, LimitError> {
        self.effect(Effect::Track(Measure { name: name.to_owned(), value }))
    }

    /// Adds any effect. Effects happen in the order in which they were added.
    ///
    /// # Errors
    /// The first limit that it breaks.
    pub fn effect(mut self, effect: Effect) -> Result<Self, LimitError> {
        effect.check()?;
        if self.effects.len() >= EFFECTS_MAX {
            fail("effects", Problem::TooMany { count: self.effects.len() + 1, max: EFFECTS_MAX })?;
        }
        self.effects.push(effect);
        Ok(self)
    }
}
