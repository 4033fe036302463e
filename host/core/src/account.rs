//! What the host itself knows about a player's account in one game, in whichever conversation they are: the contacts that
//! are linked to it, and its devices. Pure; a store reads what a change concerns, has it changed here, and writes it in
//! one go.

pub mod challenge;
pub mod chat;
pub mod device;
pub mod factor;
pub mod freeze;
pub mod link;
pub mod lockout;
pub mod push;
pub mod recovery_codes;
pub mod strikes;

use serde::{Deserialize, Serialize};

use crate::contact::{Bsuid, Contact, PhoneNumber};
use crate::id::PlayerId;
use crate::time::UnixMs;
use crate::verification::guard::Window;
use device::Devices;
use factor::Factor;
use freeze::{Frozen, SeenIn};
pub use link::LinkedContact;
use link::{LinkId, Linking};
use lockout::RecoveryBook;

/// Contacts of one account.
pub const CONTACTS_MAX: usize = 8;

/// A player's account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Contacts that are linked to it, oldest first; at most [`CONTACTS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<LinkedContact>,
    /// Devices that are bound to it.
    #[serde(default, skip_serializing_if = "Devices::is_empty")]
    pub devices: Devices,
    /// Conversations in which the player was recognised, at most [`freeze::SEEN_IN_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen_in: Vec<SeenIn>,
    /// The player has frozen it: nothing of it is told or done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Frozen>,
    /// Tries to recover it.
    #[serde(default, skip_serializing_if = "RecoveryBook::is_empty")]
    pub recovery: RecoveryBook,
    /// Links on their way.
    #[serde(default, skip_serializing_if = "Linking::is_empty")]
    pub linking: Linking,
    /// Its second factor.
    #[serde(default, skip_serializing_if = "Factor::is_none")]
    pub factor: Factor,
}

impl Account {
    /// Whether nothing is known of it: nothing has to be kept.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// When all of it can be forgotten, if it can.
    pub fn forget_at(&self) -> Option<UnixMs> {
        let factor = if self.factor.on().is_some() { self.factor.clone() } else { Factor::default() };
        let lasting = Self { linking: Linking::default(), factor, ..self.clone() };
        lasting.is_empty().then(|| self.linking.forget_at().max(self.factor.forget_at()))
    }
}

/// How a contact is found: by its phone number where that is known, else by its user id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ContactKey {
    /// The phone number.
    Phone(PhoneNumber),
    /// The business-scoped user id.
    Bsuid(Bsuid),
}

impl ContactKey {
    /// All keys of a contact, the phone number's first.
    pub fn all(contact: &Contact) -> Vec<Self> {
        let phone = contact.phone().cloned().map(Self::Phone);
        phone.into_iter().chain(contact.bsuid().cloned().map(Self::Bsuid)).collect()
    }
}

/// What is kept of a contact in one game.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactRecord {
    /// The account that it is linked to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<PlayerId>,
    /// All that was known of the contact when it was linked: what speaks against it is somebody else with its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked_as: Option<Contact>,
    /// The wish to join an account that it made last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<LinkId>,
    /// Wrong tokens that it sent within the last hour.
    #[serde(default, skip_serializing_if = "Window::is_empty")]
    pub wrong_tokens: Window,
    /// Challenges that went to it within the last hour.
    #[serde(default, skip_serializing_if = "Window::is_empty")]
    pub pushes: Window,
}

impl ContactRecord {
    /// Whether nothing is known of it: nothing has to be kept.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// When all of it can be forgotten, if it can.
    pub fn forget_at(&self) -> Option<UnixMs> {
        let lasting = Self { wrong_tokens: Window::default(), pushes: Window::default(), ..self.clone() };
        lasting.is_empty().then(|| self.wrong_tokens.forget_at(UnixMs(0)).max(self.pushes.forget_at(UnixMs(0))))
    }
}
