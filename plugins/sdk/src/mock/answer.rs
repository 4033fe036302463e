//! What a flow answered to one event, for looking at.
use serde::de::DeserializeOwned;

use crate::types::{Buttons, ConsentChange, Effect, ListMessage, Measure, NewTimer, Outbound, Recovery, Template, Ticket};
use crate::{Next, Outcome};

/// A flow's answer, after the host has taken it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What is to happen, in this order.
    pub effects: Vec<Effect>,
    /// What becomes of the conversation.
    pub next: Next,
    /// What the flow keeps, as JSON.
    pub state: Option<String>,
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        Self { effects: outcome.effects, next: outcome.next, state: outcome.state }
    }
}

impl Answer {
    fn all<'a, T>(&'a self, pick: impl Fn(&'a Effect) -> Option<T>) -> Vec<T> {
        self.effects.iter().filter_map(pick).collect()
    }

    /// Names of the effects, for instance `["reply", "set-timer"]`.
    #[must_use]
    pub fn kinds(&self) -> Vec<&'static str> {
        self.effects.iter().map(Effect::kind).collect()
    }

    /// What is sent into the open window.
    #[must_use]
    pub fn replies(&self) -> Vec<&Outbound> {
        self.all(|effect| match effect {
            Effect::Reply(reply) => Some(&reply.content),
            _ => None,
        })
    }

    /// The words of each reply: bodies and captions, without headers and buttons.
    #[must_use]
    pub fn texts(&self) -> Vec<&str> {
        self.all(|effect| match effect {
            Effect::Reply(reply) => words(&reply.content),
            _ => None,
        })
    }

    /// All that the player reads: the texts, with a line `---` between two.
    #[must_use]
    pub fn body(&self) -> String {
        self.texts().join("\n---\n")
    }

    /// Ids and titles of the reply buttons.
    #[must_use]
    pub fn buttons(&self) -> Vec<(&str, &str)> {
        let messages = self.all(|effect| match effect {
            Effect::Reply(reply) => match &reply.content {
                Outbound::Buttons(buttons) => Some(buttons),
                _ => None,
            },
            _ => None,
        });
        messages.into_iter().flat_map(|message: &Buttons| &message.buttons).map(|button| (&*button.id, &*button.title)).collect()
    }

    /// Ids of the reply buttons.
    #[must_use]
    pub fn button_ids(&self) -> Vec<&str> {
        self.buttons().into_iter().map(|(id, _)| id).collect()
    }

    /// The list message, if there is one.
    #[must_use]
    pub fn list(&self) -> Option<&ListMessage> {
        self.replies().into_iter().find_map(|content| match content {
            Outbound::List(list) => Some(list),
            _ => None,
        })
    }

    /// Ids and titles of the list's rows.
    #[must_use]
    pub fn rows(&self) -> Vec<(&str, &str)> {
        let sections = self.list().map(|list| list.sections.as_slice()).unwrap_or_default();
        sections.iter().flat_map(|section| &section.rows).map(|row| (&*row.id, &*row.title)).collect()
    }

    /// Templates that are sent.
    #[must_use]
    pub fn templates(&self) -> Vec<&Template> {
        self.all(|effect| match effect {
            Effect::SendTemplate(template) => Some(template),
            _ => None,
        })
    }

    /// Tickets that are opened.
    #[must_use]
    pub fn tickets(&self) -> Vec<&Ticket> {
        self.all(|effect| match effect {
            Effect::OpenTicket(ticket) => Some(ticket),
            _ => None,
        })
    }

    /// Timers that are set.
    #[must_use]
    pub fn timers(&self) -> Vec<&NewTimer> {
        self.all(|effect| match effect {
            Effect::SetTimer(timer) => Some(timer),
            _ => None,
        })
    }

    /// Purposes of the proofs that the player is asked for.
    #[must_use]
    pub fn proofs(&self) -> Vec<&str> {
        self.all(|effect| match effect {
            Effect::RequestAuthentication(request) => Some(&*request.purpose),
            _ => None,
        })
    }

    /// Recovery credentials that are issued.
    #[must_use]
    pub fn recoveries(&self) -> Vec<&Recovery> {
        self.all(|effect| match effect {
            Effect::IssueRecoveryCredentials(recovery) => Some(recovery),
            _ => None,
        })
    }

    /// Changes of the marketing consent.
    #[must_use]
    pub fn consents(&self) -> Vec<&ConsentChange> {
        self.all(|effect| match effect {
            Effect::ChangeConsent(change) => Some(change),
            _ => None,
        })
    }

    /// What is counted, by name.
    #[must_use]
    pub fn measures(&self) -> Vec<(&str, f64)> {
        self.all(|effect| match effect {
            Effect::Track(Measure { name, value }) => Some((&**name, *value)),
            _ => None,
        })
    }

    /// What the flow keeps.
    ///
    /// # Panics
    /// When it is no `S`.
    #[must_use]
    pub fn read_state<S: DeserializeOwned>(&self) -> Option<S> {
        let state = self.state.as_deref()?;
        Some(serde_json::from_str(state).unwrap_or_else(|error| panic!("the state {state}: {error}")))
    }
}

fn words(content: &Outbound) -> Option<&str> {
    match content {
        Outbound::Text(text) => Some(&text.body),
        Outbound::Buttons(buttons) => Some(&buttons.body),
        Outbound::List(list) => Some(&list.body),
        Outbound::Media(media) => media.caption.as_deref(),
        Outbound::LocationRequest(body) | Outbound::ContactRequest(body) => Some(body),
        Outbound::LinkButton(link) => Some(&link.body),
        Outbound::Extension(_) => None,
    }
}
