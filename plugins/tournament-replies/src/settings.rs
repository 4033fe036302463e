//! What a game sets about this flow: its `settings` table in `game.toml`.
use serde::Deserialize;

/// Every key may be missing.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Up to this position a result is told as one of the best.
    pub(crate) top_max: u32,
    /// Up to this position, players of `personal_tiers` hear from a human too.
    pub(crate) personal_position_max: u32,
    /// The tiers of such players.
    pub(crate) personal_tiers: Vec<String>,
    /// Sent where the service window is closed.
    pub(crate) result_template: String,
    /// Sent where the service window is closed; its first two buttons accept and decline.
    pub(crate) match_template: String,
    /// The locale that agents read.
    pub(crate) agent_locale: String,
    /// From this confidence on an intent counts, 0.0 to 1.0.
    pub(crate) confidence_min: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            top_max: 10,
            personal_position_max: 3,
            personal_tiers: vec!["diamond".to_owned(), "platinum".to_owned()],
            result_template: "tournament_result".to_owned(),
            match_template: "match_found_alert".to_owned(),
            agent_locale: "en".to_owned(),
            confidence_min: 0.3,
        }
    }
}
