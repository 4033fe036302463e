//! What a step asks of the player's account: BLOCK freezes it, a closed ticket releases it, a player who comes is looked up
//! in it, and what recovers it is counted there.

use questline_core::account::freeze::Frozen;
use questline_core::audit::Actor;
use questline_core::capability::Capability;
use questline_core::effect::Effect;
use questline_core::event::Extension;
use questline_core::flow::FlowFailure;
use questline_core::game::FlowBinding;
use questline_core::id::PlayerId;
use questline_core::outcome::Outcome;
use questline_core::port::StoreError;
use questline_core::recovery::{RecoveryAttempt, RecoveryRefusal, RecoveryRules};
use questline_core::step::{Behind, Step};

use super::{Stepped, Stepper};
use crate::game::LoadedGame;

/// Before an account is looked up again that could not be frozen, where the game tries nothing again.
const FREEZE_WAIT_MS: u64 = 30_000;

/// The name of what flows are told of an account's recovery.
const RECOVERY_FACT: &str = "recovery";

/// Credentials that are counted, and not yet promised.
#[derive(Default)]
pub(super) struct Reserved {
    /// Why there are none.
    pub(super) refusal: Option<RecoveryRefusal>,
    by: Option<(PlayerId, String)>,
}

impl Stepper {
    /// The player wrote BLOCK.
    pub(super) async fn block(&self, game: &LoadedGame, mut step: Step<'_>) -> Result<Stepped, StoreError> {
        let behind = match self.recognise(game, &mut step).await {
            // The contact is secured at once, whoever it is.
            Err(failure) => {
                tracing::warn!(%failure, "BLOCK cannot tell now whose account it is: it is frozen as soon as the studio says");
                Behind::NotTold
            }
            Ok(()) => match step.conversation.session.player.clone() {
                None => Behind::Nobody,
                Some(player) => match self.freeze_account(game, &step, &player).await? {
                    Some(frozen) => Behind::Player(player, frozen),
                    None => Behind::Nobody,
                },
            },
        };
        Ok(Stepped::commit(step.block(behind, &*game.services.copy), "block"))
    }

    /// BLOCK could not tell whose account it is.
    pub(super) async fn freeze(&self, game: &LoadedGame, mut step: Step<'_>) -> Result<Stepped, StoreError> {
        if let Err(failure) = self.recognise(game, &mut step).await {
            tracing::error!(alert = true, %failure, "an account that its player secured is not frozen yet: the players' database does not answer");
            let attempts = step.entry.attempts + 1;
            let wait_ms = game.rules.step_retry.wait_ms(attempts, self.random()).or((attempts < 2).then_some(FREEZE_WAIT_MS));
            return Ok(match wait_ms {
                Some(wait_ms) => Stepped::Later { failure, attempts, wait_ms },
                // It is never given up while the ticket is open; what came behind it gets its turn.
                None => {
                    let again = (*step.entry.event).clone();
                    let mut commit = step.go_by();
                    commit.follow_ups.push(again);
                    Stepped::commit(commit, "secured")
                }
            });
        }
        let Some(player) = step.conversation.session.player.take() else { return Ok(Stepped::commit(step.go_by(), "secured")) };
        Ok(match self.freeze_account(game, &step, &player).await? {
            Some(frozen) => Stepped::commit(step.freeze(player, &frozen), "secured"),
            None => Stepped::commit(step.go_by(), "secured"),
        })
    }

    async fn freeze_account(&self, game: &LoadedGame, step: &Step<'_>, player: &PlayerId) -> Result<Option<Frozen>, StoreError> {
        let Some(ticket) = step.securing_ticket() else { return Ok(None) };
        let wish = Frozen { ticket, conversation: step.conversation.id, event: step.entry.seq, at: step.now };
        match &self.security {
            Some(security) => security.freeze(game, &step.conversation, player, wish).await.map(Some),
            None => Ok(Some(wish)),
        }
    }

    /// The ticket of a secured conversation was closed.
    pub(super) async fn release(&self, step: &mut Step<'_>) -> Result<(), StoreError> {
        let of = &step.conversation;
        if let (Some(security), Some(player), Some(ticket)) = (&self.security, &of.frozen, &of.secured) {
            security.release(of, player, ticket).await?;
        }
        step.release();
        Ok(())
    }

    /// A player whom this session did not know `before` is looked up: of a frozen account nothing is told here either.
    pub(super) async fn arrived<'a>(
        &self,
        game: &LoadedGame,
        step: Step<'a>,
        before: Option<&PlayerId>,
    ) -> Result<Result<Step<'a>, Stepped>, StoreError> {
        let (Some(security), Some(player)) = (&self.security, &step.conversation.session.player) else { return Ok(Ok(step)) };
        if before == Some(player) {
            return Ok(Ok(step));
        }
        let player = player.clone();
        Ok(match security.arrive(&step.conversation, &player).await? {
            None => Ok(step),
            Some(frozen) => Err(Stepped::commit(step.come_frozen(player, &frozen.ticket, &*game.services.copy), "secured")),
        })
    }

    /// Counts the credentials that an answer asks for, before it is decided on. Gives why there are none, and what to take
    /// back where there are none after all.
    pub(super) async fn reserve(
        &self,
        game: &LoadedGame,
        step: &Step<'_>,
        flow: &FlowBinding,
        outcome: &Outcome,
    ) -> Result<Reserved, StoreError> {
        let (Some(security), Some(rules)) = (&self.security, &game.rules.recovery) else { return Ok(Reserved::default()) };
        let mut wishes = outcome.effects.iter().filter_map(|effect| match effect {
            Effect::IssueRecoveryCredentials(wish) if flow.grants.has(Capability::RecoveryCredentials) => Some(wish),
            _ => None,
        });
        let Some(wish) = wishes.next() else { return Ok(Reserved::default()) };
        let Ok(player) = RecoveryRules::check(Some(rules), &step.conversation, wish, step.now) else { return Ok(Reserved::default()) };
        let by = format!("{}.{}", step.conversation.id, step.entry.seq);
        Ok(match security.lockout.issue(&game.rules.id, player, rules.per_day_max, &by).await? {
            Ok(()) => Reserved { refusal: None, by: Some((player.clone(), by)) },
            Err(not_issued) => Reserved { refusal: Some(rules.refusal(not_issued)), by: None },
        })
    }

    /// An answer that credentials were counted for was not done.
    pub(super) async fn take_back(&self, game: &LoadedGame, reserved: Reserved) -> Result<(), StoreError> {
        let (Some(security), Some((player, by))) = (&self.security, reserved.by) else { return Ok(()) };
        security.lockout.withdraw(&game.rules.id, &player, &by).await
    }

    /// What a flow that may recover accounts is told of this one's: until when it is locked, and how many failures are left.
    pub(super) async fn recovery_fact(
        &self,
        game: &LoadedGame,
        step: &Step<'_>,
        flow: &FlowBinding,
    ) -> Result<Option<Extension>, FlowFailure> {
        let (Some(security), Some(rules)) = (&self.security, &game.rules.recovery) else { return Ok(None) };
        let Some(player) = step.conversation.session.player.as_ref().filter(|_| flow.grants.has(Capability::RecoveryCredentials)) else {
            return Ok(None);
        };
        let found = security.lockout.look(&game.rules.id, player, &rules.lockout).await;
        let (locked, failures_left) = found.map_err(|problem| FlowFailure::Host(format!("the player's account: {problem}")))?;
        let value = serde_json::json!({ "locked_until_ms": locked.map(|locked| locked.until), "failures_left": failures_left });
        Ok(Some(Extension { name: RECOVERY_FACT.to_owned(), value: value.to_string() }))
    }

    /// Counts the failed checks that a flow made by itself, whatever becomes of its answer.
    pub(super) async fn count_told(
        &self,
        game: &LoadedGame,
        step: &Step<'_>,
        flow: &FlowBinding,
        outcome: &Outcome,
    ) -> Result<(), StoreError> {
        let (Some(security), Some(rules)) = (&self.security, &game.rules.recovery) else { return Ok(()) };
        let Some(player) = step.conversation.session.player.as_ref().filter(|_| flow.grants.has(Capability::RecoveryCredentials)) else {
            return Ok(());
        };
        let told = outcome.effects.iter().filter_map(|effect| match effect {
            Effect::Extension(extension) if RecoveryAttempt::is(extension) => RecoveryAttempt::read(extension).ok(),
            _ => None,
        });
        let mut failed: Vec<String> = Vec::new();
        for attempt in told.filter(|attempt| !attempt.passed) {
            // The same answer again, to the same event, tells the same attempts.
            let earlier = failed.iter().filter(|check| **check == attempt.check).count();
            failed.push(attempt.check.clone());
            let by = format!("{}.{}.{}.{earlier}", step.conversation.id, step.entry.seq, attempt.check);
            let actor = Actor::Flow(flow.name.clone());
            security.lockout.fail(&game.rules.id, player, rules.lockout, &by, &attempt.check, actor).await?;
        }
        Ok(())
    }
}
