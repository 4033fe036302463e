//! Stands between a flow and the studio's backend: what is sensitive is called only after a fresh proof of who the player
//! is. Each refusal stands in the audit.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use questline_core::audit::{Action, Actor};
use questline_core::conversation::Session;
use questline_core::effect::Effect;
use questline_core::game::{FlowBinding, SensitiveOperations};
use questline_core::id::{DeviceId, GameId, PlayerId};
use questline_core::port::{AccountKeys, Accounts, Backend, ServiceError, Services, StoreError};
use questline_core::sensitive::NotProven;
use questline_core::step::Step;
use questline_core::time::UnixMs;

use super::Stepper;
use crate::game::LoadedGame;

/// Says which devices are bound to an account.
#[async_trait]
pub trait Devices: Send + Sync {
    /// Whether the device is one of the player's.
    async fn is_bound(&self, game: &GameId, player: &PlayerId, device: &DeviceId) -> Result<bool, StoreError>;
}

/// The devices that the store keeps. What a studio names with a proof and nobody bound is no device of the account's.
pub struct AccountDevices(pub Arc<dyn Accounts>);

#[async_trait]
impl Devices for AccountDevices {
    async fn is_bound(&self, game: &GameId, player: &PlayerId, device: &DeviceId) -> Result<bool, StoreError> {
        let pages = self.0.accounts(game, AccountKeys::player(player)).await?;
        Ok(pages.players.first().is_some_and(|account| account.devices.has(device)))
    }
}

/// Nobody has a device.
pub struct NoDevices;

#[async_trait]
impl Devices for NoDevices {
    async fn is_bound(&self, _: &GameId, _: &PlayerId, _: &DeviceId) -> Result<bool, StoreError> {
        Ok(false)
    }
}

/// The backend as a flow reaches it in one call.
pub(super) struct Gate {
    backend: Arc<dyn Backend>,
    sensitive: Arc<SensitiveOperations>,
    devices: Arc<dyn Devices>,
    game: GameId,
    /// Of the session only what a proof is made of.
    session: Session,
    now: UnixMs,
    refused: Mutex<Vec<(String, NotProven)>>,
}

impl Gate {
    /// Before the backend of a game that has something sensitive; none for all others.
    pub(super) fn of(game: &LoadedGame, services: &Services, step: &Step<'_>, devices: &Arc<dyn Devices>) -> Option<Arc<Self>> {
        if game.rules.sensitive.is_empty() {
            return None;
        }
        let Session { player, authentication, device, .. } = &step.conversation.session;
        let session =
            Session { player: player.clone(), authentication: authentication.clone(), device: device.clone(), ..Session::default() };
        Some(Arc::new(Self {
            backend: Arc::clone(&services.backend),
            sensitive: Arc::clone(&game.rules.sensitive),
            devices: Arc::clone(devices),
            game: game.rules.id.clone(),
            session,
            now: step.now,
            refused: Mutex::default(),
        }))
    }

    /// The services, with the gate in front of the backend.
    pub(super) fn before(self: &Arc<Self>, services: &Services) -> Services {
        Services { backend: Arc::clone(self) as Arc<dyn Backend>, ..services.clone() }
    }

    /// Puts what was refused into the step's audit.
    pub(super) fn audit(&self, step: &mut Step<'_>, flow: &FlowBinding) {
        let refused = std::mem::take(&mut *self.refused.lock().unwrap_or_else(PoisonError::into_inner));
        for (operation, not_proven) in refused {
            step.note_down(Action::OperationRefused, Actor::Flow(flow.name.clone()), format!("{operation}: {}", not_proven.kind()));
        }
    }
}

#[async_trait]
impl Backend for Gate {
    async fn call(&self, operation: &str, player: Option<&PlayerId>, request: &str, idempotency_key: &str) -> Result<String, ServiceError> {
        if let Some(sensitivity) = self.sensitive.get(operation) {
            let is_bound = match (&self.session.player, &self.session.device) {
                (Some(player), Some(device)) if sensitivity.bound_device => {
                    let bound = self.devices.is_bound(&self.game, player, device).await;
                    bound.map_err(|problem| ServiceError::Unavailable(problem.to_string()))?
                }
                _ => false,
            };
            if let Err(not_proven) = sensitivity.check(&self.session, is_bound, self.now) {
                let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
                if !refused.iter().any(|(known, _)| known == operation) {
                    refused.push((operation.to_owned(), not_proven));
                }
                return Err(ServiceError::NotGranted(not_proven.to_string()));
            }
        }
        self.backend.call(operation, player, request, idempotency_key).await
    }
}

impl Stepper {
    /// Whether an answer asks for credentials, and the game for a bound device before them.
    pub(super) fn asks_for_device(game: &LoadedGame, effects: &[Effect]) -> bool {
        let asks = game.rules.recovery.as_ref().is_some_and(|rules| rules.sensitivity.bound_device);
        asks && effects.iter().any(|effect| matches!(effect, Effect::IssueRecoveryCredentials(_)))
    }

    /// A device that is not the account's any more is not the session's.
    pub(super) async fn confirm_device(&self, game: &LoadedGame, step: &mut Step<'_>) -> Result<(), StoreError> {
        let session = &mut step.conversation.session;
        if let (Some(player), Some(device)) = (&session.player, &session.device)
            && !self.devices.is_bound(&game.rules.id, player, device).await?
        {
            session.device = None;
        }
        Ok(())
    }
}
