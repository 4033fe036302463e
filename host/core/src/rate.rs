//! Paces: how fast messages may leave, as pure arithmetic over a given `now`.
//!
//! Both are the generic cell rate algorithm (ITU-T I.371): one instant of state instead of a counter and a clock.

use serde::{Deserialize, Serialize};

use crate::time::UnixMs;

/// So many per second, with some at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Time that one message takes, in microseconds.
    pub interval_us: u64,
    /// How many may leave at once after a long pause, at least 1.
    pub burst: u32,
}

/// One player hears from one number at most once in 6 s, and up to 45 at once are borrowed from the time to come
/// (Meta, "Pair rate limits", error 131056). Two are left as room for what others sent from the same number.
pub const PAIR: Pace = Pace { interval_us: 6_000_000, burst: 43 };

impl Pace {
    /// This many messages a second.
    pub fn per_second(messages: u32) -> Self {
        let messages = messages.max(1);
        // A tenth of a second's worth at once: enough for timers that fire late, far below what Meta notices.
        Self { interval_us: 1_000_000 / u64::from(messages), burst: (messages / 10).max(1) }
    }
}

/// When the next message is due, in microseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pacer {
    arrival_us: u64,
}

impl Pacer {
    /// Takes one place, or says when to ask again.
    pub fn take(&mut self, pace: Pace, now: UnixMs) -> Result<(), UnixMs> {
        let now_us = now.0.saturating_mul(1_000);
        let tolerance_us = pace.interval_us.saturating_mul(u64::from(pace.burst.saturating_sub(1)));
        let arrival_us = self.arrival_us.max(now_us);
        let early_us = arrival_us - now_us;
        if early_us > tolerance_us {
            return Err(UnixMs((now_us + early_us - tolerance_us).div_ceil(1_000)));
        }
        self.arrival_us = arrival_us + pace.interval_us;
        Ok(())
    }

    /// Counts something that happened without asking.
    pub fn charge(&mut self, pace: Pace, now: UnixMs) {
        self.arrival_us = self.arrival_us.max(now.0.saturating_mul(1_000)) + pace.interval_us;
    }

    /// Whether it holds nothing worth keeping.
    pub fn is_idle(&self, now: UnixMs) -> bool {
        self.arrival_us <= now.0.saturating_mul(1_000)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_more_than_the_pace_allows(per_second in 1u32..2_000, steps in prop::collection::vec(0u64..50, 1..400)) {
            let pace = Pace::per_second(per_second);
            let mut pacer = Pacer::default();
            let start = UnixMs(1_000_000);
            let (mut now, mut taken) = (start, 0u64);
            for step in steps {
                now = now.plus_ms(step);
                while pacer.take(pace, now).is_ok() {
                    taken += 1;
                }
            }
            let allowed = u64::from(pace.burst) + now.since_ms(start) * 1_000 / pace.interval_us;
            prop_assert!(taken <= allowed, "{taken} > {allowed}");
        }

        #[test]
        fn waiting_as_told_is_enough(per_second in 1u32..2_000, count in 1usize..200) {
            let pace = Pace::per_second(per_second);
            let mut pacer = Pacer::default();
            let mut now = UnixMs(1_000_000);
            for _ in 0..count {
                if let Err(due_at) = pacer.take(pace, now) {
                    prop_assert!(due_at > now);
                    now = due_at;
                    prop_assert!(pacer.take(pace, now).is_ok());
                }
            }
        }
    }

    #[test]
    fn a_pair_may_burst_and_then_waits_its_turn() {
        let mut pacer = Pacer::default();
        let now = UnixMs(1_000_000);
        for _ in 0..PAIR.burst {
            pacer.take(PAIR, now).unwrap();
        }
        assert_eq!(pacer.take(PAIR, now), Err(now.plus_ms(6_000)));
    }
}
