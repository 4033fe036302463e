//! What a game sets about this flow: its `settings` table in `game.toml`.
use serde::Deserialize;

use crate::state::Check;

/// Every key may be missing.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// What each check is worth when it matches.
    weights: Weights,
    /// Points from which on credentials are issued, at most 100.
    pub(crate) points_min: u32,
    /// Whether the studio has the operations `security-question` and `check-security-answer`.
    pub(crate) security_question: bool,
    /// Wrong answers to one check before the next one follows.
    pub(crate) attempts_per_check_max: u32,
    /// Wrong answers to all checks together before the player is locked out.
    pub(crate) attempts_max: u32,
    /// How long a player is locked out, in seconds.
    pub(crate) lock_s: u64,
    /// Seconds without an answer before the player is reminded ...
    pub(crate) remind_s: u64,
    /// ... and from then on before the recovery ends.
    pub(crate) give_up_s: u64,
    /// How long the device that the game told counts, in seconds.
    pub(crate) device_valid_s: u64,
    /// In front of the fingerprint in the text of the login screen's link, for instance `... (device: 3f9a...)`.
    pub(crate) device_marker: String,
    /// The locale that agents read.
    pub(crate) agent_locale: String,
    /// From this confidence on an intent counts, 0.0 to 1.0.
    pub(crate) confidence_min: f64,
}

/// Points, of 100. By default any two checks are enough and none alone is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Weights {
    device: u32,
    purchase: u32,
    question: u32,
}

impl Default for Weights {
    fn default() -> Self {
        Self { device: 45, purchase: 45, question: 35 }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            weights: Weights::default(),
            points_min: 80,
            security_question: false,
            attempts_per_check_max: 2,
            attempts_max: 5,
            lock_s: 3_600,
            remind_s: 600,
            give_up_s: 1_800,
            device_valid_s: 1_800,
            device_marker: "device:".to_owned(),
            agent_locale: "en".to_owned(),
            confidence_min: 0.3,
        }
    }
}

impl Settings {
    /// What a check is worth when it matches.
    pub(crate) fn weight(&self, check: Check) -> u32 {
        match check {
            Check::Device => self.weights.device,
            Check::Purchase => self.weights.purchase,
            Check::Question => self.weights.question,
        }
    }
}
