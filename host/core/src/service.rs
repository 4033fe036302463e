//! What the studio's systems answer: players as records, and why there is no answer.

use serde::{Deserialize, Serialize};

use crate::time::UnixMs;

/// Why a service did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceError {
    /// Not granted, or not there in this host.
    #[error("not granted: {0}")]
    NotGranted(String),
    /// No such player, operation, text.
    #[error("not found")]
    NotFound,
    /// Not now: trying again may help.
    #[error("not available: {0}")]
    Unavailable(String),
    /// The request is wrong: trying again does not help.
    #[error("invalid: {0}")]
    Invalid(String),
}

/// A player as the studio knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// What they are called in the game.
    pub name: String,
    /// Lower-case, for instance `diamond`.
    pub tier: String,
    /// BCP 47.
    #[serde(default)]
    pub locale: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[serde(default)]
    pub country: Option<String>,
    /// IANA name, for instance `Europe/Berlin`: where it is known, reminders and promotions come by day there.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// Since when they play.
    #[serde(default, rename = "created_at_ms")]
    pub created_at: Option<UnixMs>,
}

/// What a player owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balances {
    /// Bought currency.
    pub premium: u64,
    /// Earned currency.
    pub free: u64,
    /// Rewards not yet claimed.
    pub pending_rewards: u32,
}

/// A purchase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// The shop's id.
    pub id: String,
    /// What was bought.
    pub product: String,
    /// In hundredths of the currency.
    pub amount_minor: u64,
    /// ISO 4217.
    pub currency: String,
    /// When.
    #[serde(rename = "at_ms")]
    pub at: UnixMs,
}

/// Whether a device is the player's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceMatch {
    /// It is.
    Same,
    /// It is another's, or new.
    Different,
    /// The studio cannot tell.
    Unknown,
}
