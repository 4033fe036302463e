//! Recovering accounts: what the host counts of it, and how a flow tells a check that it made by itself.
use serde::{Deserialize, Serialize};

use crate::limits::LimitError;
use crate::types::{Conversation, Effect, Extension};
use crate::{Outcome, limits};

/// The name of the effect that tells a check.
pub(crate) const ATTEMPT: &str = "recovery-attempt";
/// The name under which the host tells how the account stands.
const FACT: &str = "recovery";

/// How the recovery of this player's account stands, over all phones and conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryState {
    /// Too many checks failed: until then the host makes none and gives no credentials. Milliseconds since 1970.
    pub locked_until_ms: Option<u64>,
    /// Checks that may still fail before that.
    pub failures_left: u32,
}

impl Conversation {
    /// How the recovery of this player's account stands. None where the game has no `[recovery]`, the flow may not issue
    /// credentials, or nobody is known.
    #[must_use]
    pub fn recovery(&self) -> Option<RecoveryState> {
        let fact = self.extensions.iter().find(|extension| extension.name == FACT)?;
        serde_json::from_str(&fact.value).ok()
    }
}

/// How the host tells it, for tests.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn fact(state: &RecoveryState) -> Extension {
    Extension { name: FACT.to_owned(), value: serde_json::to_string(state).unwrap_or_default() }
}

#[derive(Serialize)]
struct Attempt<'a> {
    check: &'a str,
    passed: bool,
}

impl Outcome {
    /// Tells the host a check of whose account it is that this flow made by itself, for instance by comparing the amount of
    /// a purchase. What failed is counted for the player. Checks that the host sees it counts alone: devices, and operations
    /// that game.toml marks with `counts_as_check`.
    ///
    /// # Errors
    /// Where `check` is not 1 to 64 of a-z, 0-9 and `-`.
    pub fn recovery_attempt(self, check: &str, passed: bool) -> Result<Self, LimitError> {
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=64).contains(&check.len()) || !check.bytes().all(is_name) {
            limits::fail("check", limits::Problem::Invalid("takes 1 to 64 of a-z, 0-9 and -"))?;
        }
        let value = serde_json::to_string(&Attempt { check, passed })
            .map_err(|_| LimitError { field: "check", problem: limits::Problem::Invalid("cannot be written as JSON") })?;
        self.effect(Effect::Extension(Extension { name: ATTEMPT.to_owned(), value }))
    }
}
