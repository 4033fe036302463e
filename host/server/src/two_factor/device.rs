//! Devices of an account: removed, here and in all sessions that were trusted because of one.

use questline_core::account::push::TwoFactorEvent;
use questline_core::account::{Account, ContactRecord};
use questline_core::audit::{Action, Actor};
use questline_core::contact::Address;
use questline_core::id::{DeviceId, GameId, PlayerId};
use questline_core::port::StoreError;

use super::TwoFactorDesk;

impl TwoFactorDesk {
    /// Removes a device, and has the player's conversations told, whether or not it was still bound: a removal that was cut
    /// off is finished by the next one. False when it was not bound.
    pub async fn remove_device(&self, game: &GameId, player: &PlayerId, device: &DeviceId, actor: &Actor) -> Result<bool, StoreError> {
        let id = device.clone();
        let (removed, on) = self
            .change(game, player, None, move |account, _| (account.devices.remove(&id), account.factor.on().map(|on| on.to.clone())))
            .await?;
        self.tell_removed(game, player, device, on).await?;
        if removed && *actor != Actor::Player {
            self.note(game, player, None, actor, [(Action::DeviceRemoved, "over the API".to_owned())]).await?;
        }
        Ok(removed)
    }

    /// Makes a change that may bind a device: that is audited, and that another one had to make room for it.
    pub(super) async fn change_devices<T: Send + 'static>(
        &self,
        game: &GameId,
        player: &PlayerId,
        actor: &Actor,
        mut apply: impl FnMut(&mut Account) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let change = move |account: &mut Account, _: Option<&mut ContactRecord>| {
            let before = account.devices.clone();
            let answer = apply(account);
            let bound = account.devices.iter().any(|device| !before.has(&device.id));
            let left = before.iter().find(|device| !account.devices.has(&device.id)).map(|device| device.id.clone());
            (answer, bound, left)
        };
        let (answer, bound, left) = self.change(game, player, None, change).await?;
        if bound {
            self.note(game, player, None, actor, [(Action::DeviceBound, "with a proof".to_owned())]).await?;
        }
        if let Some(left) = left {
            self.tell_removed(game, player, &left, None).await?;
            self.note(game, player, None, actor, [(Action::DeviceRemoved, "it made room for another one".to_owned())]).await?;
        }
        Ok(answer)
    }

    async fn tell_removed(&self, game: &GameId, player: &PlayerId, device: &DeviceId, on: Option<Address>) -> Result<(), StoreError> {
        let known = self.desk.conversations_of(game, player).await?;
        let mut addresses: Vec<Address> = known.into_iter().map(|known| known.address).chain(on).collect();
        while let Some(address) = addresses.pop() {
            if !addresses.contains(&address) {
                let event = TwoFactorEvent::DeviceRemoved { player: player.clone(), device: device.clone() };
                self.tell(&address, event, None).await?;
            }
        }
        Ok(())
    }
}
