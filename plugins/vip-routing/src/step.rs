//! One event being answered: the snapshot, what the flow kept, and the ways to answer.
use questline_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::settings::Settings;
use crate::topic::Topic;

/// Buttons that lead anywhere.
pub(crate) const MENU: &[&str] = &["balance", "events", "agent"];

/// What the flow keeps between events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    /// What was asked for by somebody who has to prove who they are first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<Topic>,
    /// Tickets that no agent has closed yet, at most one per intent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tickets: Vec<OpenTicket>,
}

/// A ticket that waits for an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenTicket {
    pub(crate) number: String,
    pub(crate) intent: String,
}

impl State {
    /// Forgets a closed ticket.
    pub(crate) fn close(&mut self, number: &str) {
        self.tickets.retain(|ticket| ticket.number != number);
    }
}

/// One event being answered.
pub(crate) struct Step<'a> {
    pub(crate) conversation: &'a Conversation,
    pub(crate) settings: Settings,
    pub(crate) state: State,
    /// The player has proven who they are by this very event.
    pub(crate) proved_now: bool,
    /// The player asks for another code.
    pub(crate) wants_new_code: bool,
}

impl<'a> Step<'a> {
    pub(crate) fn read(conversation: &'a Conversation) -> Result<Self, FlowError> {
        Ok(Self {
            conversation,
            settings: conversation.read_settings()?,
            state: conversation.read_state()?.unwrap_or_default(),
            proved_now: false,
            wants_new_code: false,
        })
    }

    /// A text in the player's language.
    pub(crate) fn copy(&self, key: &str, arguments: &[(&str, &str)]) -> Result<String, FlowError> {
        Ok(self.conversation.copy(key, arguments)?)
    }

    /// Nothing to say; keeps the state, and lets go of the conversation: the next message may be for another flow.
    pub(crate) fn done(self) -> Result<Outcome, FlowError> {
        let outcome = Outcome::done();
        if self.state == State::default() { Ok(outcome) } else { Ok(outcome.state(&self.state)?) }
    }

    /// Says `body` above the buttons with these ids; each has its title under `button-<id>`.
    pub(crate) fn reply_with(self, body: String, buttons: &[&str]) -> Result<Outcome, FlowError> {
        let message = self.buttons(body, buttons)?;
        Ok(self.done()?.reply(message)?)
    }

    /// Says the text `key` above the menu.
    pub(crate) fn say_with_menu(self, key: &str) -> Result<Outcome, FlowError> {
        let body = self.copy(key, &[])?;
        self.reply_with(body, MENU)
    }

    /// `body` above buttons.
    pub(crate) fn buttons(&self, body: String, ids: &[&str]) -> Result<Buttons, FlowError> {
        let mut message = Buttons::new(body);
        for id in ids {
            message = message.button(*id, self.copy(&format!("button-{id}"), &[])?);
        }
        Ok(message)
    }
}
