//! The store's side of accounts: what the host knows of players and contacts, read and changed together. The rules are those
//! of [`crate::account`].

use async_trait::async_trait;

use super::StoreError;
use crate::account::link::KeptToken;
use crate::account::link::token::LinkHash;
use crate::account::{Account, ContactKey, ContactRecord};
use crate::id::{GameId, PlayerId};

/// What a change is about, all of one game.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountKeys {
    /// Accounts of these players.
    pub players: Vec<PlayerId>,
    /// Records of these contacts.
    pub contacts: Vec<ContactKey>,
    /// Tokens for links.
    pub tokens: Vec<LinkHash>,
}

impl AccountKeys {
    /// One player's account.
    pub fn player(player: &PlayerId) -> Self {
        Self { players: vec![player.clone()], ..Self::default() }
    }

    /// One contact's record.
    pub fn contact(key: ContactKey) -> Self {
        Self { contacts: vec![key], ..Self::default() }
    }
}

/// What was found, in the order of the keys; what is not known is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountPages {
    /// Of the players.
    pub players: Vec<Account>,
    /// Of the contacts.
    pub contacts: Vec<ContactRecord>,
    /// Of the tokens; none where one is not known.
    pub tokens: Vec<Option<KeptToken>>,
}

/// Changes what was found. It may be asked more than once, each time with what is there then: the last time counts.
pub type AccountChange = Box<dyn FnMut(&mut AccountPages) + Send>;

/// Accounts, kept.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// What is known, as of the last change that was answered.
    async fn accounts(&self, game: &GameId, keys: AccountKeys) -> Result<AccountPages, StoreError>;

    /// Changes all of it durably, or nothing, whoever else changes it at the same time; gives what is there then. What is
    /// left as it was is not written, and what is empty then is forgotten.
    async fn change_accounts(&self, game: &GameId, keys: AccountKeys, change: AccountChange) -> Result<AccountPages, StoreError>;
}
