//! The studio's operations that this flow calls, with their requests and answers.
//!
//! The host adds the player, and an idempotency key that stays the same when a step is tried again.
use questline_sdk::locale::Localised;
use serde::{Deserialize, Serialize};

/// Asks for `transactions`: the last of them, newest first.
#[derive(Serialize)]
pub(crate) struct TransactionsRequest {
    pub(crate) limit: u32,
}

#[derive(Deserialize)]
pub(crate) struct Transactions {
    pub(crate) transactions: Vec<Transaction>,
}

/// What changed a balance.
#[derive(Deserialize)]
pub(crate) struct Transaction {
    pub(crate) at_ms: u64,
    pub(crate) description: Localised,
    pub(crate) currency: Currency,
    /// Negative when spent.
    pub(crate) amount: i64,
}

/// The two currencies of a game.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Currency {
    /// Bought with money.
    Premium,
    /// Earned by playing.
    Free,
}

#[derive(Deserialize)]
pub(crate) struct ActiveEvents {
    pub(crate) events: Vec<ActiveEvent>,
}

/// An event that is on in the game.
#[derive(Deserialize)]
pub(crate) struct ActiveEvent {
    pub(crate) id: String,
    pub(crate) title: Localised,
    pub(crate) description: Localised,
    pub(crate) ends_at_ms: u64,
}

/// Answer of `claim-rewards`: what was given, which is nothing where nothing was left, and what the player owns now.
#[derive(Deserialize)]
pub(crate) struct Claimed {
    pub(crate) claimed: Vec<Reward>,
    pub(crate) premium: u64,
    pub(crate) free: u64,
}

#[derive(Deserialize)]
pub(crate) struct Reward {
    pub(crate) name: Localised,
    #[serde(default)]
    pub(crate) premium: u64,
    #[serde(default)]
    pub(crate) free: u64,
}

/// A request without fields.
#[derive(Serialize)]
pub(crate) struct Nothing {}
