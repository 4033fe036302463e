//! What Meta tells of numbers.

use serde::{Deserialize, Serialize};

use super::words;
use crate::lax;

words! {
    /// What became of a number (`phone_number_quality_update`).
    NumberEvent {
        /// It was registered, or its limit changed with registration.
        Onboarding = "ONBOARDING",
        /// It may send 1,000 messages a second.
        ThroughputUpgrade = "THROUGHPUT_UPGRADE",
        /// Its messaging limit was raised.
        Upgrade = "UPGRADE",
        /// Its messaging limit was lowered.
        Downgrade = "DOWNGRADE",
        /// Its quality is low.
        Flagged = "FLAGGED",
        /// Its quality is no longer low.
        Unflagged = "UNFLAGGED",
    }
}

words! {
    /// A decision.
    Decision {
        /// Yes.
        Approved = "APPROVED",
        /// No.
        Rejected = "REJECTED",
        /// Not yet.
        Deferred = "DEFERRED",
        /// Waiting.
        Pending = "PENDING",
    }
}

/// A number's throughput or quality changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NumberQuality {
    /// The number as people write it.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub display_phone_number: Option<String>,
    /// What became of it.
    #[serde(deserialize_with = "NumberEvent::read", skip_serializing_if = "Option::is_none")]
    pub event: Option<NumberEvent>,
    /// The portfolio's messaging limit, for instance `TIER_2K`.
    #[serde(alias = "max_daily_conversations_per_business", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// The limit before; Meta stopped telling it in February 2026.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub old_limit: Option<String>,
    /// The limit now; Meta stopped telling it in February 2026.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub current_limit: Option<String>,
}

/// A number's display name was decided on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NumberName {
    /// The number as people write it.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub display_phone_number: Option<String>,
    /// The decision.
    #[serde(deserialize_with = "Decision::read", skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// The name that was asked for.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub requested_verified_name: Option<String>,
    /// Why not.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub rejection_reason: Option<String>,
}

/// A number's username was decided on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NumberUsername {
    /// The number as people write it.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub display_phone_number: Option<String>,
    /// The decision.
    #[serde(deserialize_with = "Decision::read", skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// `reserved`, `approved` or `deleted`, where Meta tells a state instead of a decision.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The username that was asked for.
    #[serde(alias = "username", alias = "requested_username", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub requested: Option<String>,
    /// Why not.
    #[serde(deserialize_with = "lax::shorts", skip_serializing_if = "Vec::is_empty")]
    pub rejection_reasons: Vec<String>,
}
