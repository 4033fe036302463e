//! What turns a promise of credentials into the text that tells them, at the moment of sending.

use async_trait::async_trait;

use crate::id::{ConversationId, GameId};
use crate::recovery::CredentialsPromise;
use crate::secret::SecretText;

/// Why the text cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Untold {
    /// Not now: trying again may help.
    Later {
        /// In words, without personal data.
        detail: String,
    },
    /// There is nothing to tell any more, and nobody misses it.
    Moot {
        /// Short name, for metrics.
        reason: &'static str,
    },
    /// Never.
    Never {
        /// Short name, for the dead letter.
        reason: &'static str,
        /// In words, without personal data.
        detail: String,
    },
}

/// The studio's backend and texts, as the sender uses them.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// Has the credentials made, or given again for the same key, and puts them into words. Refuses when the
    /// conversation is not what it was: its account is secured, or it is somebody else's.
    async fn tell(&self, game: &GameId, conversation: ConversationId, promise: &CredentialsPromise) -> Result<SecretText, Untold>;
}
