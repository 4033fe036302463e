//! The machine's clock and randomness.

use std::time::{SystemTime, UNIX_EPOCH};

use questline_core::port::Clock;
use questline_core::time::UnixMs;
use ring::rand::{SecureRandom, SystemRandom};

/// What the operating system says.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMs {
        UnixMs(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64))
    }
}

/// Any number: spreads waits, so that what failed together does not come back together.
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without randomness waits are not spread; they still are waits.
    let _ = SystemRandom::new().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
