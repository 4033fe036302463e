//! Operations of the studio's backend that a commit asks for: they leave by the outbox like messages, each is done once, and
//! all of one conversation in their order.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::conversation::Conversation;
use crate::id::PlayerId;
use crate::outbox::{Content, MessageClass, NewMessage};
use crate::retry::Backoff;
use crate::time::UnixMs;

/// How an operation is tried again while the backend is not there: for about a day, then it is a dead letter.
pub const OPERATION_RETRY: Backoff = Backoff { base_ms: 500, ceiling_ms: 300_000, attempts_max: 400 };

/// A call of the studio's backend that nobody waits for. What it answers is not kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// One of game.toml's `[backend.operations]`.
    pub name: String,
    /// Of which player, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<PlayerId>,
    /// JSON. It lies in the store as it is: no secrets.
    pub request: String,
    /// The same for every try, and for no other operation: the backend does one for each key.
    pub idempotency_key: String,
}

/// The request may name a person.
impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Operation({})", self.name)
    }
}

impl NewMessage {
    /// Has the studio's backend do something once this is committed, whatever becomes of the process: it is tried again by
    /// [`OPERATION_RETRY`], and what the backend refuses for good is a dead letter. Messages to the player do not wait for
    /// it, nor it for them.
    pub fn operation(of: &Conversation, operation: Operation, now: UnixMs) -> Self {
        Self {
            game: of.game.clone(),
            number: of.number.clone(),
            contact: of.contact.clone(),
            class: MessageClass::High,
            content: Content::Operation(operation),
            committed_at: now,
            expires_at: None,
            campaign: None,
            known: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::HOUR_MS;

    #[test]
    fn an_operation_is_tried_for_about_a_day() {
        let waits = (1..OPERATION_RETRY.attempts_max).filter_map(|attempt| OPERATION_RETRY.wait_ms(attempt, 0));
        let shortest: u64 = waits.sum();
        assert!((12 * HOUR_MS..48 * HOUR_MS).contains(&shortest), "{shortest}");
    }

    #[test]
    fn what_is_logged_of_it_names_nobody() {
        let operation = Operation {
            name: "link".into(),
            player: PlayerId::parse("ada-1").ok(),
            request: "{\"phone\":\"+15550100\"}".into(),
            idempotency_key: "7.3.link".into(),
        };
        assert_eq!(format!("{operation:?}"), "Operation(link)");
    }
}
