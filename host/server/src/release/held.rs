//! Old releases that conversations go on with: because the game says so, or because their state could not migrate.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, MutexGuard, PoisonError};

use questline_core::id::{ConversationId, FlowName, GameId, ReleaseDigest};
use questline_core::release::{HOLD_NOTED_EVERY_MS, ShelfChange};
use questline_core::time::UnixMs;
use serde::Serialize;

use super::Releaser;
use crate::game::LoadedGame;

/// Failed migrations that are listed.
const LISTED_MAX: usize = 50;

/// A conversation whose state could not migrate: it stays with its release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedMigration {
    /// Which.
    pub conversation: ConversationId,
    /// Whose state.
    pub flow: FlowName,
    /// The release it stays with.
    pub from: ReleaseDigest,
    /// The release it could not migrate to.
    pub to: ReleaseDigest,
    /// When.
    pub at: UnixMs,
    /// Why, in the flow's words.
    pub detail: String,
}

/// What is known of one game's old releases.
#[derive(Default)]
pub(super) struct Held {
    noted: HashMap<ReleaseDigest, UnixMs>,
    failed: VecDeque<FailedMigration>,
    failed_total: u64,
}

impl Releaser {
    fn held(&self) -> MutexGuard<'_, HashMap<GameId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A release that is not active any more, for a conversation that goes on with it; none when it is not kept or does not
    /// load any more.
    pub async fn old(self: &Arc<Self>, game: &GameId, digest: &ReleaseDigest) -> Option<Arc<LoadedGame>> {
        match self.load(game, digest).await {
            Ok(loaded) => {
                self.note_hold(game, digest);
                Some(loaded)
            }
            Err(problem) => {
                tracing::warn!(game = %game, release = digest.short(), %problem, "a conversation cannot go on with its release");
                None
            }
        }
    }

    /// Has the store keep the release for as long as it is used.
    fn note_hold(self: &Arc<Self>, game: &GameId, digest: &ReleaseDigest) {
        let now = self.now();
        {
            let mut held = self.held();
            let noted = held.entry(game.clone()).or_default().noted.entry(*digest).or_default();
            if now.since_ms(*noted) < HOLD_NOTED_EVERY_MS {
                return;
            }
            *noted = now;
        }
        let (releaser, game, digest) = (self.clone(), game.clone(), *digest);
        tokio::spawn(async move {
            if let Err(problem) = releaser.parts.store.change_shelf(&game, ShelfChange::Hold { digest, at: now }).await {
                tracing::warn!(game = %game, %problem, "that a release is in use could not be noted");
                if let Some(held) = releaser.held().get_mut(&game) {
                    held.noted.remove(&digest);
                }
            }
        });
    }

    /// A conversation's state could not migrate.
    pub fn migration_failed(&self, game: &GameId, failed: FailedMigration) {
        tracing::warn!(
            game = %game,
            conversation = failed.conversation.0,
            flow = %failed.flow,
            from = failed.from.short(),
            to = failed.to.short(),
            detail = failed.detail,
            "a conversation's state could not migrate: it stays with its release"
        );
        self.parts.metrics.migration_failed(game);
        let mut held = self.held();
        let held = held.entry(game.clone()).or_default();
        held.failed_total += 1;
        if held.failed.len() == LISTED_MAX {
            held.failed.pop_front();
        }
        held.failed.push_back(failed);
    }

    /// The last failed migrations, and how many there were since the start.
    pub(super) fn failed_migrations(&self, game: &GameId) -> (Vec<FailedMigration>, u64) {
        self.held().get(game).map(|held| (held.failed.iter().cloned().collect(), held.failed_total)).unwrap_or_default()
    }
}
