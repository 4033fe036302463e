//! What a game can set about this flow in `game.toml`, `[flows.vip-routing.settings]`.
use std::collections::BTreeMap;

use serde::Deserialize;

/// Priority of a player whose tier has none.
const PRIORITY_OTHERS: u8 = 10;

/// Every key may be missing.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Priority by tier, 1 first. A tier without one has that of `standard`, or 10.
    tiers: BTreeMap<String, u8>,
    /// Up to this priority a purchase problem is critical.
    critical_priority_max: u8,
    /// Seconds to an agent's first answer to a critical ticket.
    pub(crate) critical_target_s: u32,
    /// The locale that agents read.
    pub(crate) agent_locale: String,
    /// From this confidence on an intent counts, 0.0 to 1.0.
    pub(crate) confidence_min: f64,
    /// How many transactions are shown, at most 10.
    pub(crate) transactions_shown: u32,
}

impl Default for Settings {
    fn default() -> Self {
        let tiers = [("diamond", 1), ("platinum", 2), ("gold", 3), ("silver", 4), ("bronze", 5), ("standard", PRIORITY_OTHERS)];
        Self {
            tiers: tiers.into_iter().map(|(tier, priority)| (tier.to_owned(), priority)).collect(),
            critical_priority_max: 3,
            critical_target_s: 60,
            agent_locale: "en".to_owned(),
            confidence_min: 0.3,
            transactions_shown: 5,
        }
    }
}

impl Settings {
    /// Priority of a tier, 1 first; none where the tier has none of its own.
    pub(crate) fn priority(&self, tier: &str) -> Option<u8> {
        self.tiers.get(tier).copied()
    }

    /// Priority of everybody else.
    pub(crate) fn priority_others(&self) -> u8 {
        self.priority("standard").unwrap_or(PRIORITY_OTHERS)
    }

    /// Whether a purchase problem of this priority cannot wait.
    pub(crate) fn is_critical(&self, priority: u8) -> bool {
        priority <= self.critical_priority_max
    }
}
