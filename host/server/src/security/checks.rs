//! Stands between flows and the studio where whose account it is gets checked: what fails is counted here, whatever a flow
//! makes of it, and while the account's recovery is locked nobody is asked.

use std::sync::Arc;

use async_trait::async_trait;
use questline_core::account::lockout::{Locked, LockoutRules};
use questline_core::audit::Actor;
use questline_core::contact::Contact;
use questline_core::id::{GameId, PlayerId};
use questline_core::port::{Backend, Balances, DeviceMatch, Players, Profile, Purchase, ServiceError, Services, StoreError};
use questline_core::recovery::RecoveryRules;

use super::Lockout;
use crate::game::LoadedGame;

impl LoadedGame {
    /// What its flows reach, with checks counted where it has credentials to give.
    pub(crate) fn checked_services(&self, lockout: &Arc<Lockout>) -> &Services {
        let Some(rules) = &self.rules.recovery else { return &self.services };
        self.checked.get_or_init(|| {
            let counter = |rules: &RecoveryRules| Counter { lockout: lockout.clone(), game: self.rules.id.clone(), rules: rules.lockout };
            let backend: Arc<dyn Backend> = match rules.checks.is_empty() {
                true => self.services.backend.clone(),
                false => {
                    Arc::new(CheckedBackend { inner: self.services.backend.clone(), counter: counter(rules), checks: rules.checks.clone() })
                }
            };
            let players = Arc::new(CheckedPlayers { inner: self.services.players.clone(), counter: counter(rules) });
            Services { players, backend, ..self.services.clone() }
        })
    }
}

/// How a check ended.
enum Ended {
    Passed,
    Failed,
    /// Nobody could say.
    Open,
}

struct Counter {
    lockout: Arc<Lockout>,
    game: GameId,
    rules: LockoutRules,
}

fn not_counted(problem: StoreError) -> ServiceError {
    ServiceError::Unavailable(format!("the check cannot be counted: {problem}"))
}

impl Counter {
    /// Makes a check, counted before and after. What `by` names is one check, however often it is made.
    async fn count<T>(
        &self,
        player: &PlayerId,
        by: &str,
        check: &str,
        make: impl Future<Output = Result<T, ServiceError>>,
        ended: impl Fn(&T) -> Ended,
    ) -> Result<T, ServiceError> {
        let begun = self.lockout.begin(&self.game, player, self.rules, by).await.map_err(not_counted)?;
        begun.map_err(|locked: Locked| ServiceError::NotGranted(locked.to_string()))?;
        let answer = make.await;
        match answer.as_ref().map_or(Ended::Open, ended) {
            Ended::Failed => {
                self.lockout.fail(&self.game, player, self.rules, by, check, Actor::Host).await.map(drop).map_err(not_counted)?
            }
            Ended::Passed | Ended::Open => self.lockout.settle(&self.game, player, by).await.map_err(not_counted)?,
        }
        answer
    }
}

struct CheckedBackend {
    inner: Arc<dyn Backend>,
    counter: Counter,
    /// Of each operation that is a check, the field of its answer.
    checks: std::collections::BTreeMap<String, String>,
}

/// Only `true` passes: an answer that lacks the field says nothing in the player's favour.
fn passed(answer: &str, field: &str) -> bool {
    let document: Result<serde_json::Value, _> = serde_json::from_str(answer);
    document.is_ok_and(|document| document.get(field) == Some(&serde_json::Value::Bool(true)))
}

#[async_trait]
impl Backend for CheckedBackend {
    async fn call(&self, operation: &str, player: Option<&PlayerId>, request: &str, idempotency_key: &str) -> Result<String, ServiceError> {
        let call = self.inner.call(operation, player, request, idempotency_key);
        let (Some(field), Some(player)) = (self.checks.get(operation), player) else { return call.await };
        let ended = |answer: &String| if passed(answer, field) { Ended::Passed } else { Ended::Failed };
        self.counter.count(player, idempotency_key, operation, call, ended).await
    }
}

struct CheckedPlayers {
    inner: Arc<dyn Players>,
    counter: Counter,
}

#[async_trait]
impl Players for CheckedPlayers {
    async fn by_contact(&self, contact: &Contact) -> Result<(PlayerId, Profile), ServiceError> {
        self.inner.by_contact(contact).await
    }

    async fn profile(&self, player: &PlayerId) -> Result<Profile, ServiceError> {
        self.inner.profile(player).await
    }

    async fn balances(&self, player: &PlayerId) -> Result<Balances, ServiceError> {
        self.inner.balances(player).await
    }

    async fn last_purchase(&self, player: &PlayerId) -> Result<Option<Purchase>, ServiceError> {
        self.inner.last_purchase(player).await
    }

    async fn contact(&self, player: &PlayerId) -> Result<Contact, ServiceError> {
        self.inner.contact(player).await
    }

    /// The same device again is the same check: nobody learns anything from it.
    async fn check_device(&self, player: &PlayerId, fingerprint: &str) -> Result<DeviceMatch, ServiceError> {
        let digest = ring::digest::digest(&ring::digest::SHA256, fingerprint.as_bytes());
        let by = digest.as_ref().iter().take(8).fold("device-".to_owned(), |text, byte| format!("{text}{byte:02x}"));
        let ended = |answer: &DeviceMatch| match answer {
            DeviceMatch::Same => Ended::Passed,
            DeviceMatch::Different => Ended::Failed,
            DeviceMatch::Unknown => Ended::Open,
        };
        self.counter.count(player, &by, "device", self.inner.check_device(player, fingerprint), ended).await
    }
}
