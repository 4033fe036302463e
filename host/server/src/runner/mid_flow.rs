//! Which release handles an event: the active one, but for conversations that are in the middle of a flow of an older one.

use std::sync::Arc;

use questline_core::audit::{Action, Actor, AuditRecord};
use questline_core::conversation::Conversation;
use questline_core::flow::FlowFailure;
use questline_core::game::MidFlow;
use questline_core::id::ReleaseDigest;
use questline_core::port::{InboxEntry, StoreError};

use super::{Runner, Stepped};
use crate::game::LoadedGame;
use crate::release::FailedMigration;

/// How a step ends whose state could not migrate.
const MIGRATION: &str = "migration";

impl Runner {
    /// Runs a step on the release that is the conversation's.
    pub(super) async fn step(&self, active: &Arc<LoadedGame>, before: Conversation, entry: &InboxEntry) -> Result<Stepped, StoreError> {
        let now = self.stepper.clock.now();
        let older = before.mid_flow(now).filter(|release| *release != active.release);
        let Some(older) = older else { return self.step_on(active, before, entry).await };
        if active.rules.mid_flow == MidFlow::Keep || before.session.stays_off == Some(active.release) {
            let old = self.releases.old(&active.rules.id, &older).await;
            return self.step_on(old.as_ref().unwrap_or(active), before, entry).await;
        }
        let stepped = self.step_on(active, before.clone(), entry).await?;
        let Stepped::Commit { commit: failed, outcome: MIGRATION, .. } = &stepped else { return Ok(stepped) };
        let detail = failed.dead_letter.as_ref().map(|letter| letter.detail.clone()).unwrap_or_default();
        let Some(old) = self.releases.old(&active.rules.id, &older).await else {
            super::log_failure(&FlowFailure::Migration(detail), entry.attempts + 1, None);
            return Ok(stepped);
        };
        let stepped = self.step_on(&old, before, entry).await?;
        Ok(self.stayed(active, older, detail, stepped))
    }

    async fn step_on(&self, game: &LoadedGame, before: Conversation, entry: &InboxEntry) -> Result<Stepped, StoreError> {
        let mut stepped = self.stepper.step(game, before, entry).await?;
        if let Stepped::Commit { commit, ran, .. } = &mut stepped {
            commit.conversation.note_release(game.release, ran.flow.as_ref());
        }
        Ok(stepped)
    }

    /// Notes and tells that a conversation stays with its release.
    fn stayed(&self, active: &LoadedGame, from: ReleaseDigest, detail: String, mut stepped: Stepped) -> Stepped {
        let Stepped::Commit { commit, .. } = &mut stepped else { return stepped };
        let Some(flow) = commit.conversation.session.active.clone() else { return stepped };
        commit.conversation.session.stays_off = Some(active.release);
        let (at, conversation) = (self.stepper.clock.now(), commit.conversation.id);
        let words = format!("flow {flow} stays with release {}, off {}", from.short(), active.release.short());
        let record = AuditRecord::new(at, active.rules.id.clone(), Actor::Host, Action::MigrationFailed, words);
        let (player, contact) = (commit.conversation.session.player.clone(), commit.conversation.contact.clone());
        commit.audits.push(record.about(conversation, player, Some(contact)));
        let failed = FailedMigration { conversation, flow, from, to: active.release, at, detail };
        self.releases.migration_failed(&active.rules.id, failed);
        stepped
    }
}
