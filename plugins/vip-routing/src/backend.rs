//! The studio's operations that this flow calls, with their requests and answers.
//!
//! The host adds the player, and an idempotency key that stays the same when a step is tried again.
use std::collections::BTreeMap;

use questline_sdk::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::format::language;

/// A text that is the same everywhere, or one by language, for instance `{"en": "Meteor Rush", "de": "Meteorsturm"}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Localised {
    Everywhere(String),
    ByLanguage(BTreeMap<String, String>),
}

impl Localised {
    /// The text in the language of `locale`, else in English, else in any.
    pub(crate) fn of(&self, locale: &str) -> &str {
        let texts = match self {
            Self::Everywhere(text) => return text,
            Self::ByLanguage(texts) => texts,
        };
        let found = texts.get(locale).or_else(|| texts.get(language(locale))).or_else(|| texts.get("en"));
        found.or_else(|| texts.values().next()).map_or("", String::as_str)
    }
}

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

/// Calls an operation. None where the game has not got it: the flow then offers an agent.
pub(crate) fn call<T: DeserializeOwned>(operation: &str, request: &impl Serialize) -> Result<Option<T>, FlowError> {
    let request = serde_json::to_string(request).map_err(|error| FlowError::permanent(format!("{operation}: the request: {error}")))?;
    match backend::call(operation, &request) {
        Ok(answer) => match serde_json::from_str(&answer) {
            Ok(answer) => Ok(Some(answer)),
            Err(error) => Err(FlowError::permanent(format!("{operation}: the backend's answer: {error}"))),
        },
        Err(ImportError::NotGranted(_) | ImportError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
