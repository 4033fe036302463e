//! What a flow answers.

use serde::{Deserialize, Serialize};

use crate::effect::Effect;

/// Bytes of the state that a flow may keep.
pub const STATE_BYTES_MAX: usize = 16 * 1024;
/// Effects of one step.
pub const EFFECTS_MAX: usize = 32;
/// Bytes of all that one outcome holds.
pub const OUTCOME_BYTES_MAX: usize = 256 * 1024;

/// A flow's answer to one event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// JSON to keep; none forgets.
    pub state: Option<String>,
    /// What to do.
    pub effects: Vec<Effect>,
    /// Who is next.
    pub next: Next,
}

/// What becomes of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// The flow keeps it.
    Stay,
    /// The flow lets go.
    Done,
    /// The flow has nothing to say: the next one is asked.
    Pass,
}

/// Why the host did not do an effect. The flow is asked once more, and told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Position among the effects.
    pub index: u32,
    /// The effect's name.
    pub effect: String,
    /// Why.
    pub reason: RefusalReason,
    /// In words, for the studio.
    pub detail: String,
}

/// Reasons that a flow can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// Not granted by the game, the operator or this host.
    NotGranted,
    /// Outside the service window.
    WindowClosed,
    /// The player did not agree.
    NoConsent,
    /// There is no such template, language, flow or message.
    UnknownTarget,
    /// The contact cannot be reached in this way.
    Unreachable,
    /// Any other: the detail begins with its name.
    Other,
}

impl RefusalReason {
    /// The name in logs, metrics and dead letters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotGranted => "not-granted",
            Self::WindowClosed => "window-closed",
            Self::NoConsent => "no-consent",
            Self::UnknownTarget => "unknown-target",
            Self::Unreachable => "unreachable",
            Self::Other => "other",
        }
    }
}

/// An answer that is wrong in itself: a flaw of the flow. Nothing of it is done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOutcome {
    /// Over the limit.
    #[error("the state has {found} bytes; at most {STATE_BYTES_MAX} are kept")]
    StateTooLarge {
        /// Bytes.
        found: usize,
    },
    /// Not a document.
    #[error("the state is not JSON: {0}")]
    StateNotJson(String),
    /// Over the limit.
    #[error("there are {found} effects; a step takes at most {EFFECTS_MAX}")]
    TooManyEffects {
        /// How many.
        found: usize,
    },
    /// Over the limit.
    #[error("the outcome has {found} bytes; at most {OUTCOME_BYTES_MAX} are taken")]
    TooLarge {
        /// Bytes.
        found: usize,
    },
    /// `pass` says that nothing was done.
    #[error("a flow that passes an event on must answer without state and effects")]
    PassWithEffects,
    /// One effect is wrong.
    #[error("effect {index} ({effect}): {problem}")]
    Effect {
        /// Position.
        index: usize,
        /// Name.
        effect: &'static str,
        /// What is wrong.
        problem: String,
    },
}
