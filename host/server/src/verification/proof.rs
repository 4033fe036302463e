//! Tells a conversation that its player has proven who they are, whatever the way: a code entered in the game, a device
//! that approved, a link that was followed.

use questline_core::contact::Address;
use questline_core::event::{AuthenticationEvent, Event};
use questline_core::id::{DeviceId, GameId, PlayerId};
use questline_core::port::{Batch, Clock, DedupKey, Inbox, Incoming, StoreError};
use questline_core::verification::Purpose;

/// What proves who is behind a contact of a game.
#[derive(Debug, Clone)]
pub struct Proof {
    /// Between whom: the game, its number, and the contact.
    pub address: Address,
    /// How it was proven, for instance `code`; a short name that stands in the audit.
    pub method: &'static str,
    /// What for.
    pub purpose: Purpose,
    /// Whose account it is about, if that is known: a session of another account hears nothing of it.
    pub player: Option<PlayerId>,
    /// The device that it was proven on, if it is known: the session is bound to it.
    pub device: Option<DeviceId>,
    /// Names the proof within its game, for instance a verification's id: a repetition with the same key is told once.
    pub key: String,
}

impl Proof {
    /// Makes the contact's chat session authenticated, durably and once; its flow hears `authenticated`.
    pub async fn tell(self, inbox: &dyn Inbox, clock: &dyn Clock) -> Result<(), StoreError> {
        let Self { address, method, purpose, player, device, key } = self;
        let dedup = Some(dedup_key("authenticated", &address.game, &[method, &key]));
        let proof =
            AuthenticationEvent { purpose: purpose.as_str().to_owned(), method: method.to_owned(), attempts_left: 0, player, device };
        let incoming = Incoming { address, dedup, event: Event::Authenticated(proof) };
        inbox.append(Batch { events: vec![incoming], received_at: clock.now(), ..Batch::default() }).await.map(drop)
    }
}

/// A key for something that has a name of its own in a game.
pub(crate) fn dedup_key(kind: &str, game: &GameId, names: &[&str]) -> DedupKey {
    let text = format!("{kind}\0{game}\0{}", names.join("\0"));
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let digest = digest.as_ref().iter().take(16).fold(0, |digest: u128, byte| digest << 8 | u128::from(*byte));
    DedupKey { sent_s: 0, digest }
}
