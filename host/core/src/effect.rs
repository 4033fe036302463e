//! All that a flow can cause. This list is complete: what is not here cannot happen.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::event::Extension;
use crate::id::{FlowName, InboxSeq};
use crate::message::Outbound;

/// One thing that a flow asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Say something to the player.
    Reply(Reply),
    /// Send an approved template.
    SendTemplate(SendTemplate),
    /// Put an emoji on a message of the player's, or take it off.
    React(React),
    /// Wake the flow later.
    SetTimer(SetTimer),
    /// Do not wake it.
    CancelTimer(String),
    /// Ask the player to prove who they are.
    RequestAuthentication(RequestAuthentication),
    /// Give the player temporary credentials, past the flow.
    IssueRecoveryCredentials(IssueRecovery),
    /// Ask for a human.
    OpenTicket(OpenTicket),
    /// Note what the player agreed to or refused.
    ChangeConsent(ChangeConsent),
    /// Let another flow go on.
    HandOver(HandOver),
    /// Count something.
    Track(Track),
    /// Something of a later version of the contract.
    Extension(Extension),
}

impl Effect {
    /// The effect's name in refusals, logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Reply(_) => "reply",
            Self::SendTemplate(_) => "send-template",
            Self::React(_) => "react",
            Self::SetTimer(_) => "set-timer",
            Self::CancelTimer(_) => "cancel-timer",
            Self::RequestAuthentication(_) => "request-authentication",
            Self::IssueRecoveryCredentials(_) => "issue-recovery-credentials",
            Self::OpenTicket(_) => "open-ticket",
            Self::ChangeConsent(_) => "change-consent",
            Self::HandOver(_) => "hand-over",
            Self::Track(_) => "track",
            Self::Extension(_) => "extension",
        }
    }

    /// What has to be granted for it; `None` for an extension, which no grant covers.
    pub fn capability(&self) -> Option<Capability> {
        Some(match self {
            Self::Reply(_) => Capability::Reply,
            Self::SendTemplate(_) => Capability::SendTemplate,
            Self::React(_) => Capability::React,
            Self::SetTimer(_) | Self::CancelTimer(_) => Capability::Timers,
            Self::RequestAuthentication(_) => Capability::Authentication,
            Self::IssueRecoveryCredentials(_) => Capability::RecoveryCredentials,
            Self::OpenTicket(_) => Capability::Tickets,
            Self::ChangeConsent(_) => Capability::Consent,
            Self::HandOver(_) => Capability::HandOver,
            Self::Track(_) => Capability::Measures,
            Self::Extension(_) => return None,
        })
    }
}

/// A message within the service window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// What it says.
    pub content: Outbound,
    /// Quote this message of the player's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<InboxSeq>,
}

/// An approved template with its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendTemplate {
    /// Its name.
    pub name: String,
    /// As Meta writes languages; the player's locale when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Values of the body's parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub body: Vec<String>,
    /// Value of the header's parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Values of buttons with a variable part, by position.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<(u32, String)>,
}

/// An emoji.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct React {
    /// On which message of the player's.
    pub target: InboxSeq,
    /// None takes it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emoji: Option<String>,
}

/// A wake-up call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetTimer {
    /// Setting it again under this id moves it.
    pub id: String,
    /// From now.
    pub after_ms: u64,
    /// JSON, handed back.
    pub payload: String,
}

/// A wish that the player prove who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestAuthentication {
    /// What for.
    pub purpose: String,
}

/// A wish for temporary credentials.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IssueRecovery {
    /// Why the flow believes the player.
    pub reason: String,
    /// 0.0 to 1.0.
    pub confidence: f64,
}

/// A wish for a human.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTicket {
    /// How soon.
    pub priority: TicketPriority,
    /// What it is about.
    pub intent: String,
    /// In a line.
    pub subject: String,
    /// For the agent.
    pub body: String,
    /// Seconds to the first answer that the player was promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_s: Option<u32>,
    /// For sorting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// How soon a ticket is looked at; queues go by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketPriority {
    /// At once.
    Critical,
    /// Next.
    High,
    /// In turn.
    Normal,
    /// When nothing else waits.
    Low,
}

/// What the player agreed to or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeConsent {
    /// Marketing may be sent.
    pub marketing: bool,
    /// The exact words.
    pub wording: String,
    /// How.
    pub method: String,
}

/// A change of flows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOver {
    /// To whom.
    pub flow: FlowName,
    /// JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// Lower-case words joined by `_`.
    pub name: String,
    /// Added to the count.
    pub value: f64,
}
