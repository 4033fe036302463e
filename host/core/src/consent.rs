//! What a player agreed to.

use serde::{Deserialize, Serialize};

use crate::time::UnixMs;

/// Whether marketing may be sent. Utility and authentication need no consent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Marketing {
    /// The player never said: no.
    #[default]
    Unasked,
    /// The player agreed, in recorded words.
    Granted,
    /// The player withdrew it.
    Withdrawn,
}

/// Evidence of one change of consent: append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentRecord {
    /// What holds from here on.
    pub marketing: Marketing,
    /// The exact words.
    pub wording: String,
    /// How it was given: `chat`, `whatsapp-preference`, ...
    pub method: String,
    /// When.
    pub at: UnixMs,
}
