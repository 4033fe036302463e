//! Builders for the effects that are not messages, with the contract's limits to each.
use crate::limits::{
    Check, LimitError, NAME_MAX, PAYLOAD_BYTES_MAX, Problem, TEMPLATE_NAME_MAX, TEMPLATE_VALUE_MAX, TEMPLATE_VALUES_MAX, TICKET_BODY_MAX,
    TICKET_SUBJECT_MAX, TICKET_TAGS_MAX, TIMER_ID_MAX, TIMER_MS_MAX, WORDING_MAX, at_most, fail, some,
};
use crate::types::{ConsentChange, Effect, Measure, NewTimer, Recovery, Template, Ticket, TicketPriority};

impl Ticket {
    /// `intent`: what it is about, for instance `purchase-problem`; `subject`: one line for the agent.
    #[must_use]
    pub fn new(priority: TicketPriority, intent: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { priority, intent: intent.into(), subject: subject.into(), body: String::new(), target_s: None, tags: Vec::new() }
    }

    /// All that the agent should know.
    #[must_use]
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = body.into();
        self
    }

    /// Seconds to an agent's first answer, as promised to the player.
    #[must_use]
    pub fn target_s(mut self, seconds: u32) -> Self {
        self.target_s = Some(seconds);
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }
}

impl Template {
    /// A template by its name, in the player's language.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), language: None, body: Vec::new(), header: None, buttons: Vec::new() }
    }

    /// A language tag as Meta writes it, for instance `pt_BR`.
    #[must_use]
    pub fn language(mut self, tag: impl Into<String>) -> Self {
        self.language = Some(tag.into());
        self
    }

    /// Adds the value of the body's next parameter.
    #[must_use]
    pub fn parameter(mut self, value: impl Into<String>) -> Self {
        self.body.push(value.into());
        self
    }

    /// The value of the header's parameter.
    #[must_use]
    pub fn header(mut self, value: impl Into<String>) -> Self {
        self.header = Some(value.into());
        self
    }

    /// The value for the button at `position` (from 0) that has a variable part.
    #[must_use]
    pub fn button(mut self, position: u32, value: impl Into<String>) -> Self {
        self.buttons.push((position, value.into()));
        self
    }
}

impl NewTimer {
    /// Due in `after_ms` milliseconds, at most 30 days; setting a timer again under its `id` moves it. No payload (`null`).
    #[must_use]
    pub fn new(id: impl Into<String>, after_ms: u64) -> Self {
        Self { id: id.into(), after_ms, payload: "null".to_owned() }
    }

    /// What comes back with the timer.
    ///
    /// # Errors
    /// Where `payload` cannot be written as JSON.
    pub fn payload<T: serde::Serialize>(mut self, payload: &T) -> Result<Self, LimitError> {
        self.payload = serde_json::to_string(payload)
            .map_err(|_| LimitError { field: "set-timer.payload", problem: Problem::Invalid("is not JSON") })?;
        Ok(self)
    }
}

impl Check for Effect {
    fn check(&self) -> Result<(), LimitError> {
        match self {
            Self::Reply(reply) => reply.content.check(),
            Self::SendTemplate(template) => template.check(),
            Self::SetTimer(timer) => timer.check(),
            Self::CancelTimer(id) => some("cancel-timer.id", id, TIMER_ID_MAX),
            Self::OpenTicket(ticket) => ticket.check(),
            Self::IssueRecoveryCredentials(recovery) => recovery.check(),
            Self::RequestAuthentication(request) => some("request-authentication.purpose", &request.purpose, NAME_MAX),
            Self::ChangeConsent(change) => change.check(),
            Self::HandOver(to) => {
                some("hand-over.flow", &to.flow, NAME_MAX)?;
                payload("hand-over.note", to.note.as_deref().unwrap_or_default())
            }
            Self::Track(measure) => measure.check(),
            Self::React(_) | Self::Extension(_) => Ok(()),
        }
    }
}

/// At most as many bytes as a document may have.
fn payload(field: &'static str, json: &str) -> Result<(), LimitError> {
    if json.len() <= PAYLOAD_BYTES_MAX { Ok(()) } else { fail(field, Problem::TooLong { length: json.len(), max: PAYLOAD_BYTES_MAX }) }
}

impl Check for NewTimer {
    fn check(&self) -> Result<(), LimitError> {
        some("set-timer.id", &self.id, TIMER_ID_MAX)?;
        if self.after_ms > TIMER_MS_MAX {
            return fail("set-timer.after-ms", Problem::Invalid("is more than 30 days"));
        }
        payload("set-timer.payload", &self.payload)
    }
}

impl Check for ConsentChange {
    fn check(&self) -> Result<(), LimitError> {
        some("change-consent.wording", &self.wording, WORDING_MAX)?;
        some("change-consent.method", &self.method, NAME_MAX)
    }
}

impl Check for Template {
    fn check(&self) -> Result<(), LimitError> {
        some("send-template.name", &self.name, TEMPLATE_NAME_MAX)?;
        if !words(&self.name) {
            return fail("send-template.name", Problem::Invalid("has other than a-z, 0-9 and _"));
        }
        let values = self.body.len().max(self.buttons.len());
        if values > TEMPLATE_VALUES_MAX {
            return fail("send-template.values", Problem::TooMany { count: values, max: TEMPLATE_VALUES_MAX });
        }
        // Meta refuses an empty value.
        self.body.iter().chain(&self.header).try_for_each(|value| some("send-template.values", value, TEMPLATE_VALUE_MAX))?;
        self.buttons.iter().try_for_each(|(_, value)| some("send-template.buttons", value, TEMPLATE_VALUE_MAX))
    }
}

impl Check for Ticket {
    fn check(&self) -> Result<(), LimitError> {
        some("open-ticket.intent", &self.intent, NAME_MAX)?;
        some("open-ticket.subject", &self.subject, TICKET_SUBJECT_MAX)?;
        at_most("open-ticket.body", &self.body, TICKET_BODY_MAX)?;
        if self.tags.len() > TICKET_TAGS_MAX {
            return fail("open-ticket.tags", Problem::TooMany { count: self.tags.len(), max: TICKET_TAGS_MAX });
        }
        self.tags.iter().try_for_each(|tag| some("open-ticket.tags", tag, NAME_MAX))
    }
}

impl Check for Recovery {
    fn check(&self) -> Result<(), LimitError> {
        some("issue-recovery-credentials.reason", &self.reason, WORDING_MAX)?;
        if (0.0..=1.0).contains(&self.confidence) {
            return Ok(());
        }
        fail("issue-recovery-credentials.confidence", Problem::Invalid("is not from 0.0 to 1.0"))
    }
}

impl Check for Measure {
    fn check(&self) -> Result<(), LimitError> {
        some("track.name", &self.name, NAME_MAX)?;
        if !words(&self.name) {
            return fail("track.name", Problem::Invalid("has other than a-z, 0-9 and _"));
        }
        if self.value.is_finite() { Ok(()) } else { fail("track.value", Problem::Invalid("is not a number")) }
    }
}

fn words(name: &str) -> bool {
    name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}
