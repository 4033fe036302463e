//! `players`: the player of this conversation, and nobody else.

use std::sync::Arc;

use questline_core::capability::Capability;
use questline_core::id::PlayerId;
use questline_core::port::{Balances, DeviceMatch, Players, Profile, Purchase, ServiceError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::players::{DeviceMatch as WitDeviceMatch, Host, PlayerBalances, PlayerProfile, Purchase as WitPurchase};
use crate::bindings::types::ImportError;
use crate::state::{State, not_granted};

/// Bytes of a device's fingerprint.
const FINGERPRINT_BYTES_MAX: usize = 512;

type Answer<T> = wasmtime::Result<Result<T, ImportError>>;

impl State {
    /// Asks the players' database about the player of this conversation, or the recording in its place.
    async fn ask_about_player<A, F>(
        &mut self,
        import: &'static str,
        request: String,
        ask: impl FnOnce(Arc<dyn Players>, PlayerId) -> F,
    ) -> wasmtime::Result<Result<A, ServiceError>>
    where
        A: Serialize + DeserializeOwned,
        F: Future<Output = Result<A, ServiceError>>,
    {
        let caller = self.enter(import, request.len())?;
        if !caller.grants.has(Capability::Players) {
            return Ok(Err(not_granted(Capability::Players)));
        }
        let Some(player) = caller.player.clone() else {
            return Ok(Err(ServiceError::NotFound));
        };
        let players = Arc::clone(&caller.services.players);
        let answer = match self.recorded(import, &request)? {
            Some(answer) => answer,
            None => ask(players, player).await,
        };
        self.record(import, request, &answer)?;
        Ok(answer)
    }
}

fn null() -> String {
    "null".to_owned()
}

impl Host for State {
    async fn profile(&mut self) -> Answer<PlayerProfile> {
        let ask = |players: Arc<dyn Players>, player| async move { players.profile(&player).await };
        let answer = self.ask_about_player("players.profile", null(), ask).await?;
        Ok(answer.map(profile).map_err(Into::into))
    }

    async fn balances(&mut self) -> Answer<PlayerBalances> {
        let ask = |players: Arc<dyn Players>, player| async move { players.balances(&player).await };
        let answer = self.ask_about_player("players.balances", null(), ask).await?;
        Ok(answer.map(balances).map_err(Into::into))
    }

    async fn last_purchase(&mut self) -> Answer<Option<WitPurchase>> {
        let ask = |players: Arc<dyn Players>, player| async move { players.last_purchase(&player).await };
        let answer = self.ask_about_player("players.last-purchase", null(), ask).await?;
        Ok(answer.map(|last| last.map(purchase)).map_err(Into::into))
    }

    async fn check_device(&mut self, fingerprint: String) -> Answer<WitDeviceMatch> {
        let request = serde_json::to_string(&fingerprint)?;
        if fingerprint.len() > FINGERPRINT_BYTES_MAX {
            self.enter("players.check-device", request.len())?;
            return Ok(Err(ImportError::Invalid(format!("a fingerprint has at most {FINGERPRINT_BYTES_MAX} bytes"))));
        }
        let ask = |players: Arc<dyn Players>, player| async move { players.check_device(&player, &fingerprint).await };
        let answer = self.ask_about_player("players.check-device", request, ask).await?;
        Ok(answer.map(device_match).map_err(Into::into))
    }
}

fn profile(profile: Profile) -> PlayerProfile {
    let Profile { name, tier, locale, country, created_at, time_zone: _ } = profile;
    PlayerProfile { name, tier, locale, country, created_at: created_at.map(|at| at.0) }
}

fn balances(balances: Balances) -> PlayerBalances {
    let Balances { premium, free, pending_rewards } = balances;
    PlayerBalances { premium, free, pending_rewards }
}

fn purchase(purchase: Purchase) -> WitPurchase {
    let Purchase { id, product, amount_minor, currency, at } = purchase;
    WitPurchase { id, product, amount_minor, currency, at: at.0 }
}

fn device_match(device: DeviceMatch) -> WitDeviceMatch {
    match device {
        DeviceMatch::Same => WitDeviceMatch::Same,
        DeviceMatch::Different => WitDeviceMatch::Different,
        DeviceMatch::Unknown => WitDeviceMatch::Unknown,
    }
}
