//! What a game says about the second factor, and what it gets if it says nothing.

use crate::time::{SECOND_MS, UnixMs};

/// What a game says about the second factor: `[two_factor]` in game.toml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TwoFactorRules {
    /// How long a challenge can be answered.
    pub life_s: u32,
    /// Wrong one-time codes that end a challenge.
    pub attempts: u8,
    /// Challenges for one player within any hour.
    pub pushes_per_hour: u32,
    /// Challenges to one contact within any hour, of all its players.
    pub pushes_per_contact_per_hour: u32,
    /// Denials within an hour that stop challenges.
    pub denials: u32,
    /// For so long.
    pub lock_s: u32,
    /// Wrong recovery codes within an hour that lock all of them.
    pub recovery_attempts: u32,
    /// For so long.
    pub recovery_lock_s: u32,
    /// How long a proof is fresh enough to change the second factor or the devices.
    pub fresh_s: u32,
}

impl Default for TwoFactorRules {
    /// NIST SP 800-63B asks for limits on pushes and for number matching, and leaves the figures open; 10 an hour are more
    /// than an honest player needs.
    fn default() -> Self {
        Self {
            life_s: 120,
            attempts: 3,
            pushes_per_hour: 10,
            pushes_per_contact_per_hour: 15,
            denials: 3,
            lock_s: 3_600,
            recovery_attempts: 5,
            recovery_lock_s: 3_600,
            fresh_s: 300,
        }
    }
}

impl TwoFactorRules {
    pub(super) fn ms(seconds: u32) -> u64 {
        u64::from(seconds) * SECOND_MS
    }

    /// Whether a proof of then is fresh now.
    pub fn is_fresh(&self, proven_at: UnixMs, now: UnixMs) -> bool {
        now.since_ms(proven_at) < Self::ms(self.fresh_s)
    }
}
