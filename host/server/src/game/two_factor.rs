//! `[two_factor]` in game.toml: the second factor of players.

use questline_core::account::factor::TwoFactorRules;
use questline_core::verification::guard::PER_HOUR_MAX;
use serde::Deserialize;

use super::GameProblem;

/// The table; what is missing is as in [`TwoFactorRules::default`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TwoFactorFile {
    life_s: Option<u32>,
    attempts: Option<u8>,
    challenges_per_hour: Option<u32>,
    challenges_per_contact_per_hour: Option<u32>,
    denials: Option<u32>,
    lock_s: Option<u32>,
    recovery_attempts: Option<u32>,
    recovery_lock_s: Option<u32>,
    fresh_s: Option<u32>,
}

impl TwoFactorFile {
    pub(super) fn into_rules(self) -> Result<TwoFactorRules, GameProblem> {
        let within = |name: &str, value: Option<u32>, default: u32, range: std::ops::RangeInclusive<u32>| match value.unwrap_or(default) {
            value if range.contains(&value) => Ok(value),
            value => Err(GameProblem::Rule(format!("two_factor.{name} is {value}; it takes {} to {}", range.start(), range.end()))),
        };
        let default = TwoFactorRules::default();
        let attempts = within("attempts", self.attempts.map(u32::from), default.attempts.into(), 1..=10)?;
        Ok(TwoFactorRules {
            life_s: within("life_s", self.life_s, default.life_s, 30..=600)?,
            attempts: u8::try_from(attempts).unwrap_or(default.attempts),
            pushes_per_hour: within("challenges_per_hour", self.challenges_per_hour, default.pushes_per_hour, 1..=PER_HOUR_MAX)?,
            pushes_per_contact_per_hour: within(
                "challenges_per_contact_per_hour",
                self.challenges_per_contact_per_hour,
                default.pushes_per_contact_per_hour,
                1..=PER_HOUR_MAX,
            )?,
            denials: within("denials", self.denials, default.denials, 1..=20)?,
            lock_s: within("lock_s", self.lock_s, default.lock_s, 60..=86_400)?,
            recovery_attempts: within("recovery_attempts", self.recovery_attempts, default.recovery_attempts, 1..=10)?,
            recovery_lock_s: within("recovery_lock_s", self.recovery_lock_s, default.recovery_lock_s, 60..=86_400)?,
            fresh_s: within("fresh_s", self.fresh_s, default.fresh_s, 30..=3_600)?,
        })
    }
}
