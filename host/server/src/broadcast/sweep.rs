//! Drafts that nobody starts are forgotten with their lists: whom one was for lies in no store for ever.

use std::sync::Mutex;

use questline_core::broadcast::{Broadcast, REMEMBERED_MAX};
use questline_core::id::GameId;
use questline_core::port::StoreError;
use questline_core::time::{HOUR_MS, UnixMs};

use super::BroadcastDesk;

/// How often it is looked for them.
const SWEEP_MS: u64 = HOUR_MS;

impl BroadcastDesk {
    /// Forgets old drafts of all games, now and then. What fails is done the next time.
    pub(super) async fn sweep(&self, swept_at: &mut Option<UnixMs>) {
        let now = self.clock.now();
        if swept_at.is_some_and(|at| now.since_ms(at) < SWEEP_MS && at <= now) {
            return;
        }
        *swept_at = Some(now);
        for game in self.games.all() {
            if let Err(problem) = self.sweep_game(&game.rules.id, now).await {
                tracing::warn!(%problem, game = %game.rules.id, "old drafts of broadcasts could not be forgotten; they will be");
            }
        }
    }

    async fn sweep_game(&self, game: &GameId, now: UnixMs) -> Result<(), StoreError> {
        let known = self.store.broadcasts(game, REMEMBERED_MAX).await?;
        for mut broadcast in known {
            if !broadcast.outlive(now) {
                continue;
            }
            // Somebody may start it right now: one of the two writes is the first.
            let is_over = std::sync::Arc::new(Mutex::new(false));
            let told = is_over.clone();
            let end = Box::new(move |one: &mut Broadcast| {
                *told.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = one.outlive(now);
            });
            let Some(broadcast) = self.store.change_broadcast(game, &broadcast.id, end).await? else { continue };
            if *is_over.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
                self.forget_recipients(&broadcast).await?;
                self.store.forget_broadcast(game, &broadcast.id).await?;
                tracing::info!(broadcast = %broadcast.id, "a draft that nobody has started is forgotten");
            }
        }
        Ok(())
    }
}
