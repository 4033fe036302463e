//! What a message needs before it is sent, each permit a small rule of its own: who is paused, who plays, what time it is
//! where the player is, and how much a portfolio and a player get. All of them are asked in one place, the sender's
//! `permits`; throughput and the pair limit are paces ([`crate::rate`]), and consent is asked in the write that begins a send.
//!
//! A permit says [`Verdict::Go`], or until when the message is parked and why. It never says that a message is sent anyway:
//! no flow and no tenant can ask for that.

pub mod breaker;
pub mod country;
pub mod hours;
pub mod learned;
pub mod pause;
pub mod presence;
pub mod retry_budget;
pub mod throughput;
pub mod tier;
pub mod windows;

use serde::{Deserialize, Serialize};

use crate::conversation::Conversation;
use crate::id::PlayerId;
use crate::outbox::{Content, MessageClass, NewMessage};
use crate::send::ParkReason;
use crate::template::Category;
use crate::time::UnixMs;

/// What a permit says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is in the way.
    Go,
    /// It waits, and holds nobody else up.
    Park {
        /// Asked again then.
        until: UnixMs,
        /// What it waits for.
        reason: ParkReason,
    },
}

impl Verdict {
    /// The one that waits longer; of two that do not wait, the first.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Park { until, .. }, Self::Park { until: later, .. }) if later > until => other,
            (Self::Go, Self::Park { .. }) => other,
            _ => self,
        }
    }

    /// Whether nothing is in the way.
    pub fn is_go(self) -> bool {
        self == Self::Go
    }
}

/// What was known of a player when a message to them was made, as far as permits ask for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Known {
    /// Who it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub player: Option<PlayerId>,
    /// IANA name of their time zone, as the studio told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Box<str>>,
    /// ISO 3166-1 alpha-2, as the studio told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<Box<str>>,
    /// When the service window closes. It may have been opened again since; then a place in the portfolio's limit is taken
    /// that need not be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_until: Option<UnixMs>,
    /// It answers what the player has just written.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub answers: bool,
}

impl Known {
    /// What a conversation knows.
    pub fn of(conversation: &Conversation, answers: bool, now: UnixMs) -> Self {
        let session = &conversation.session;
        Self {
            player: session.player.clone(),
            time_zone: session.time_zone.as_deref().map(Box::from),
            country: session.country.as_deref().map(Box::from),
            window_until: conversation.window.closes_at(now),
            answers,
        }
    }
}

impl Content {
    /// The category of the template that it is sent by; none where no template is needed.
    pub fn category(&self) -> Option<Category> {
        match self {
            Self::Template(template) => Some(template.category),
            Self::Code(promise) => promise.by.template().map(|_| Category::Authentication),
            _ => None,
        }
    }

    /// The template that it is sent by.
    pub fn template_name(&self) -> Option<&str> {
        match self {
            Self::Template(template) => Some(&template.name),
            Self::Code(promise) => promise.by.template(),
            _ => None,
        }
    }
}

impl NewMessage {
    /// Whether it answers what the player has just written in the chat: they read there now, and wait for it.
    pub fn is_answer(&self) -> bool {
        match &self.known {
            Some(known) => known.answers,
            None => matches!(self.content, Content::Reply { .. } | Content::Reaction { .. }) && self.campaign.is_none(),
        }
    }

    /// Whether the service window is known to be open: Meta counts such a message against no limit of users.
    pub fn is_inside_window(&self, now: UnixMs) -> bool {
        match &self.content {
            // Meta takes them there only.
            Content::Reply { .. } | Content::Reaction { .. } | Content::Credentials(_) => true,
            _ => self.known.as_ref().and_then(|known| known.window_until).is_some_and(|until| until > now),
        }
    }

    /// Whether it waits for nobody's game and for no morning.
    pub fn is_critical(&self) -> bool {
        self.class == MessageClass::Critical
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::contact::{Contact, PhoneNumber};
    use crate::id::{ConversationId, GameId, NumberId, OutboxRef, OutboxSeq};
    use crate::message::Outbound;
    use crate::outbox::{OutboxMessage, SendState};
    use crate::template::TemplateMessage;

    pub(crate) fn reply() -> NewMessage {
        NewMessage {
            game: GameId::parse("starfall").unwrap(),
            number: NumberId::parse("100").unwrap(),
            contact: Contact::new(Some(PhoneNumber::parse("4915112345678").unwrap()), None).unwrap(),
            class: MessageClass::Normal,
            content: Content::Reply { message: Outbound::Text { body: "hello".into(), preview: false }, reply_to: None },
            committed_at: UnixMs(1_000_000),
            expires_at: None,
            campaign: None,
            known: None,
        }
    }

    fn template(name: &str, class: MessageClass, category: Category) -> NewMessage {
        let (name, language) = (name.to_owned(), "en".to_owned());
        let template = TemplateMessage { name, language, category, header: None, body: Vec::new(), buttons: Vec::new() };
        NewMessage { class, content: Content::Template(template), ..reply() }
    }

    pub(crate) fn marketing() -> NewMessage {
        template("news", MessageClass::Low, Category::Marketing)
    }

    pub(crate) fn utility() -> NewMessage {
        template("receipt", MessageClass::Normal, Category::Utility)
    }

    pub(crate) fn code() -> NewMessage {
        template("login", MessageClass::Critical, Category::Authentication)
    }

    pub(crate) fn queued(message: NewMessage) -> OutboxMessage {
        let id = OutboxRef { conversation: ConversationId(7), seq: OutboxSeq(9) };
        OutboxMessage { id, message, attempts: 0, due_at: UnixMs(0), state: SendState::Queued }
    }

    #[test]
    fn an_answer_is_told_from_what_comes_by_itself() {
        let known = |answers, window_until| Some(Box::new(Known { answers, window_until, ..Known::default() }));
        assert!(reply().is_answer());
        assert!(!NewMessage { known: known(false, None), ..reply() }.is_answer());
        assert!(!marketing().is_answer());
        assert!(NewMessage { known: known(true, None), ..marketing() }.is_answer());
        let now = UnixMs(1_000_000);
        assert!(reply().is_inside_window(now));
        assert!(!utility().is_inside_window(now));
        assert!(NewMessage { known: known(false, Some(now.plus_ms(1))), ..utility() }.is_inside_window(now));
        assert!(!NewMessage { known: known(true, Some(now)), ..utility() }.is_inside_window(now), "it has closed since");
    }

    #[test]
    fn the_longer_wait_counts() {
        let park = |until, reason| Verdict::Park { until: UnixMs(until), reason };
        let (short, long) = (park(5, ParkReason::InGame), park(9, ParkReason::LocalHours));
        assert_eq!(Verdict::Go.and(Verdict::Go), Verdict::Go);
        assert_eq!(Verdict::Go.and(short), short);
        assert_eq!(short.and(Verdict::Go), short);
        assert_eq!(short.and(long), long);
        assert_eq!(long.and(short), long);
    }
}
