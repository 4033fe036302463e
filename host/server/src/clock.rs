//! The machine's clock and randomness.

use std::sync::atomic::{AtomicU64, Ordering};
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

/// The operating system's time and an offset that only grows: what a person would have to wait for comes at once. Whoever
/// sleeps until a time looks at the clock again within a second, so a jump is seen that soon.
#[derive(Debug, Default)]
pub struct MovableClock {
    offset_ms: AtomicU64,
}

impl MovableClock {
    /// Moves time forward.
    pub fn advance(&self, by_ms: u64) {
        self.offset_ms.fetch_add(by_ms, Ordering::AcqRel);
    }

    /// How far it is ahead.
    pub fn offset_ms(&self) -> u64 {
        self.offset_ms.load(Ordering::Acquire)
    }
}

impl Clock for MovableClock {
    fn now(&self) -> UnixMs {
        SystemClock.now().plus_ms(self.offset_ms())
    }
}

/// Any number: spreads waits, so that what failed together does not come back together.
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without randomness waits are not spread; they still are waits.
    let _ = SystemRandom::new().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_moved_forward_and_goes_on() {
        let clock = MovableClock::default();
        let before = clock.now();
        clock.advance(60_000);
        clock.advance(1);
        assert!(clock.now().since_ms(before) >= 60_001);
        assert_eq!(clock.offset_ms(), 60_001);
    }
}
