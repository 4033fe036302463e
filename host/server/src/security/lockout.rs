//! Counts checks of whose account it is, in the player's account, before what they came to is told to anybody.

use std::sync::Arc;

use questline_core::account::Account;
use questline_core::account::lockout::{Failed, Locked, LockoutRules, NotIssued};
use questline_core::audit::{Action, Actor, AuditRecord};
use questline_core::id::{GameId, PlayerId};
use questline_core::port::{AccountKeys, AccountPages, Accounts, Audit, Clock, StoreError};
use questline_core::time::UnixMs;
use std::sync::{Mutex, PoisonError};

/// What it needs.
pub struct Lockout {
    /// What is known of players.
    pub accounts: Arc<dyn Accounts>,
    /// Where failures stand.
    pub audit: Arc<dyn Audit>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl Lockout {
    /// Changes a player's account; gives what the last run of the change made of it.
    async fn change<T: Clone + Send + 'static>(
        &self,
        game: &GameId,
        player: &PlayerId,
        mut change: impl FnMut(&mut Account) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let answer = Arc::new(Mutex::new(None));
        let told = Arc::clone(&answer);
        let apply = move |pages: &mut AccountPages| {
            let made = pages.players.first_mut().map(&mut change);
            *told.lock().unwrap_or_else(PoisonError::into_inner) = made;
        };
        self.accounts.change_accounts(game, AccountKeys::player(player), Box::new(apply)).await?;
        let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        answer.ok_or_else(|| StoreError::Unavailable("the account was not changed".to_owned()))
    }

    /// Until when nothing of an account can be recovered, and how many failures are left until then.
    pub async fn look(&self, game: &GameId, player: &PlayerId, rules: &LockoutRules) -> Result<(Option<Locked>, u32), StoreError> {
        let known = self.accounts.accounts(game, AccountKeys::player(player)).await?.players.into_iter().next().unwrap_or_default();
        let now = self.clock.now();
        Ok((known.recovery.locked(now), known.recovery.failures_left(rules, now)))
    }

    /// Counts a check before it is made.
    pub async fn begin(&self, game: &GameId, player: &PlayerId, rules: LockoutRules, by: &str) -> Result<Result<(), Locked>, StoreError> {
        let (by, now) = (by.to_owned(), self.clock.now());
        let (begun, fell) = self
            .change(game, player, move |account| {
                let before = account.recovery.locked(now);
                let begun = account.recovery.begin(&by, &rules, now);
                (begun, before.is_none() && begun.is_err())
            })
            .await?;
        if let Err(locked) = begun
            && fell
        {
            self.tell_locked(game, player, locked, &rules, now).await?;
        }
        Ok(begun)
    }

    /// It passed, or nobody could say.
    pub async fn settle(&self, game: &GameId, player: &PlayerId, by: &str) -> Result<(), StoreError> {
        let by = by.to_owned();
        self.change(game, player, move |account| account.recovery.settle(&by)).await
    }

    /// It failed. `check` and `actor` stand in the audit.
    pub async fn fail(
        &self,
        game: &GameId,
        player: &PlayerId,
        rules: LockoutRules,
        by: &str,
        check: &str,
        actor: Actor,
    ) -> Result<Failed, StoreError> {
        let (by, now) = (by.to_owned(), self.clock.now());
        let failed = self.change(game, player, move |account| account.recovery.fail(&by, &rules, now)).await?;
        if failed.is_new {
            self.tell(game, player, actor, Action::RecoveryCheckFailed, check.to_owned(), now).await?;
        }
        if let Some(locked) = failed.locked {
            self.tell_locked(game, player, locked, &rules, now).await?;
        }
        Ok(failed)
    }

    /// Counts credentials before they are promised.
    pub async fn issue(&self, game: &GameId, player: &PlayerId, per_day_max: u32, by: &str) -> Result<Result<(), NotIssued>, StoreError> {
        let (by, now) = (by.to_owned(), self.clock.now());
        self.change(game, player, move |account| account.issue_credentials(&by, per_day_max, now)).await
    }

    /// They were not promised after all.
    pub async fn withdraw(&self, game: &GameId, player: &PlayerId, by: &str) -> Result<(), StoreError> {
        let by = by.to_owned();
        self.change(game, player, move |account| account.recovery.withdraw(&by)).await
    }

    async fn tell_locked(
        &self,
        game: &GameId,
        player: &PlayerId,
        locked: Locked,
        rules: &LockoutRules,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        tracing::warn!(%game, until_ms = locked.until.0, "the recovery of an account is locked: too many checks failed");
        let minutes = locked.until.since_ms(now).div_ceil(60_000);
        let detail = format!("{} checks failed; for {minutes} minutes", rules.failures_max);
        self.tell(game, player, Actor::Host, Action::RecoveryLocked, detail, now).await
    }

    async fn tell(
        &self,
        game: &GameId,
        player: &PlayerId,
        actor: Actor,
        action: Action,
        detail: String,
        now: UnixMs,
    ) -> Result<(), StoreError> {
        let mut record = AuditRecord::new(now, game.clone(), actor, action, detail);
        record.player = Some(player.clone());
        self.audit.append_audit(vec![record]).await
    }
}
