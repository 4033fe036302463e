//! Messages that were committed and wait to be sent.

use serde::{Deserialize, Serialize};

use crate::consent::ConsentRecord;
use crate::contact::Contact;
use crate::event::Wamid;
use crate::id::{CampaignId, GameId, NumberId, OutboxRef};
use crate::message::Outbound;
use crate::operation::Operation;
use crate::permit::Known;
use crate::recovery::CredentialsPromise;
use crate::template::TemplateMessage;
use crate::time::UnixMs;
use crate::verification::CodePromise;

/// How urgent a message is; queues go by it, the order within a conversation does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageClass {
    /// Codes, security, outages.
    Critical,
    /// VIP support, purchases.
    High,
    /// Support, game events.
    Normal,
    /// Marketing.
    Low,
}

impl MessageClass {
    /// All, most urgent first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Normal, Self::Low];

    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Inside the service window.
    Reply {
        /// What it says.
        message: Outbound,
        /// Quotes this message of the player's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<Wamid>,
    },
    /// At any time.
    Template(TemplateMessage),
    /// An emoji on a message of the player's; none takes it off.
    Reaction {
        /// On which.
        target: Wamid,
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        emoji: Option<String>,
    },
    /// Temporary credentials, inside the service window. What is kept is the promise alone: the text is made when it is
    /// sent, and never written down.
    Credentials(CredentialsPromise),
    /// A one-time code, by its template. What is kept is sealed: the code is read when it is sent, and only while it counts.
    Code(CodePromise),
    /// No message at all: a call of the studio's backend.
    Operation(Operation),
    /// No message either: what the player agreed to, for the conversations with the game's other numbers.
    Consent(Box<ConsentRecord>),
}

impl Content {
    /// The kind's name in logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Reply { message, .. } => message.kind(),
            Self::Template(_) => "template",
            Self::Reaction { .. } => "reaction",
            Self::Credentials(_) => "credentials",
            Self::Code(_) => "code",
            Self::Operation(_) => "operation",
            Self::Consent(_) => "consent",
        }
    }

    /// The template that it is sent by.
    pub fn template(&self) -> Option<&str> {
        match self {
            Self::Template(template) => Some(&template.name),
            Self::Code(promise) => promise.by.template(),
            _ => None,
        }
    }

    /// Whether it is for the studio's backend, and not for Meta.
    pub fn is_for_backend(&self) -> bool {
        match self {
            Self::Operation(_) => true,
            Self::Code(promise) => promise.by.template().is_none(),
            Self::Reply { .. } | Self::Template(_) | Self::Reaction { .. } | Self::Credentials(_) | Self::Consent(_) => false,
        }
    }
}

/// A message as a commit hands it to the store, which gives it its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMessage {
    /// Whose.
    pub game: GameId,
    /// From this number.
    pub number: NumberId,
    /// To this contact, as known at commit.
    pub contact: Contact,
    /// How urgent.
    pub class: MessageClass,
    /// What.
    pub content: Content,
    /// When it was committed.
    pub committed_at: UnixMs,
    /// After that it is not sent any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixMs>,
    /// What it is one of many of; none for what a conversation says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Campaign>,
    /// What was known of the player then; none for an answer to what they have just written, which asks for no permits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<Box<Known>>,
}

impl NewMessage {
    /// The same, committed anew: with as much time as it had.
    pub fn anew(mut self, now: UnixMs) -> Self {
        let had_ms = self.expires_at.map(|expires_at| expires_at.since_ms(self.committed_at));
        self.expires_at = had_ms.map(|had_ms| now.plus_ms(had_ms));
        self.committed_at = now;
        self
    }
}

/// What a message is one of many of, for instance a broadcast. Such messages are lines of their own: what a conversation
/// says waits for none of them, and they keep their order among themselves.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Campaign {
    /// Which.
    pub id: CampaignId,
    /// Which of its variants, where it compares some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<u8>,
}

/// A message in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxMessage {
    /// Its name, also to Meta.
    pub id: OutboxRef,
    /// What and to whom.
    pub message: NewMessage,
    /// Sends that were tried and failed for certain.
    pub attempts: u32,
    /// Not before.
    pub due_at: UnixMs,
    /// How far it came.
    pub state: SendState,
}

/// Where an unsent message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SendState {
    /// Not tried since it was last known not to have left.
    Queued,
    /// A send was begun at that time and no outcome is known. After a crash, nobody can say whether Meta has it.
    InFlight {
        /// When it was begun.
        since: UnixMs,
    },
}
