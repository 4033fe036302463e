//! Whose account it is said to be.
use questline_sdk::prelude::*;

use crate::Recovery;

/// A known player.
pub(crate) struct Player {
    pub(crate) name: String,
    /// For instance `diamond`.
    pub(crate) tier: String,
}

impl Recovery<'_> {
    /// The conversation's player; none while nobody knows who is writing, or where the player database does not.
    pub(crate) fn player(&self) -> Result<Option<Player>, FlowError> {
        if self.conversation.player.is_none() {
            return Ok(None);
        }
        match players::profile() {
            Ok(profile) => Ok(Some(Player { name: profile.name, tier: profile.tier })),
            Err(ImportError::NotFound | ImportError::NotGranted(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
