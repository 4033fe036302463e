//! How fast a number may send, learned: halved when Meta says that it is too fast (130429), then a little faster every few
//! seconds, up to its tier. What it comes to follows from the time alone, so nothing has to tick.

use serde::{Deserialize, Serialize};

use crate::time::{SECOND_MS, UnixMs};

/// A little faster so often.
const STEP_MS: u64 = 5 * SECOND_MS;
/// By so many hundredths of the tier.
const STEP_PERCENT: u32 = 2;
/// Refusals within that time of each other are of one burst: what was in flight together halves once.
const ONE_BURST_MS: u64 = 2 * SECOND_MS;

/// A number's rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throughput {
    /// Messages a second at most: its tier.
    ceiling: u32,
    /// What it was halved to, and when; none while it is at its tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    low: Option<Low>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Low {
    rate: u32,
    at: UnixMs,
}

impl Throughput {
    /// At its tier, at least one message a second.
    pub fn of_tier(per_second: u32) -> Self {
        Self { ceiling: per_second.max(1), low: None }
    }

    /// Its tier.
    pub fn ceiling(self) -> u32 {
        self.ceiling
    }

    /// Messages a second now.
    pub fn per_second(self, now: UnixMs) -> u32 {
        let Some(low) = self.low else { return self.ceiling };
        let step = (self.ceiling * STEP_PERCENT).div_ceil(100);
        let steps = u32::try_from(now.since_ms(low.at) / STEP_MS).unwrap_or(u32::MAX);
        low.rate.saturating_add(step.saturating_mul(steps)).min(self.ceiling)
    }

    /// When it will be faster than now, if it is below its tier.
    pub fn faster_at(self, now: UnixMs) -> Option<UnixMs> {
        let low = self.low.filter(|_| self.per_second(now) < self.ceiling)?;
        Some(low.at.plus_ms((now.since_ms(low.at) / STEP_MS + 1) * STEP_MS))
    }

    /// Meta says that it was too fast. False when it has only just been halved.
    pub fn too_fast(&mut self, now: UnixMs) -> bool {
        if self.low.is_some_and(|low| now.since_ms(low.at) < ONE_BURST_MS) {
            return false;
        }
        self.low = Some(Low { rate: (self.per_second(now) / 2).max(1), at: now });
        true
    }

    /// Meta gave it another tier: what was learned under the one before does not hold any more.
    pub fn set_tier(&mut self, per_second: u32) {
        if per_second.max(1) != self.ceiling {
            *self = Self::of_tier(per_second);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::permit::tier::THROUGHPUT_TIERS;
    use proptest::prelude::*;

    #[test]
    fn it_halves_once_and_creeps_back() {
        let mut rate = Throughput::of_tier(80);
        let start = UnixMs(1_000_000);
        assert_eq!((rate.per_second(start), rate.faster_at(start)), (80, None));
        assert!(rate.too_fast(start));
        assert_eq!(rate.per_second(start), 40);
        assert!(!rate.too_fast(start.plus_ms(ONE_BURST_MS - 1)), "of the same burst");
        assert_eq!(rate.faster_at(start), Some(start.plus_ms(STEP_MS)));
        assert_eq!(rate.per_second(start.plus_ms(STEP_MS)), 42);
        assert!(rate.too_fast(start.plus_ms(2 * STEP_MS)));
        assert_eq!(rate.per_second(start.plus_ms(2 * STEP_MS)), 22);
        let later = start.plus_ms(2 * STEP_MS + 29 * STEP_MS);
        assert_eq!((rate.per_second(later), rate.faster_at(later)), (80, None));
    }

    #[test]
    fn a_new_tier_holds_at_once() {
        let mut rate = Throughput::of_tier(80);
        rate.too_fast(UnixMs(5));
        rate.set_tier(80);
        assert_eq!(rate.per_second(UnixMs(5)), 40, "the same tier teaches nothing");
        rate.set_tier(1_000);
        assert_eq!(rate.per_second(UnixMs(5)), 1_000);
        assert_eq!(Throughput::of_tier(0).per_second(UnixMs(5)), 1);
    }

    proptest! {
        #[test]
        fn never_over_its_tier_and_never_nothing(tier in prop::sample::select(&THROUGHPUT_TIERS[..]), waits in prop::collection::vec(0u64..60_000, 0..50)) {
            let mut rate = Throughput::of_tier(tier);
            let mut now = UnixMs(1_000_000);
            for wait in waits {
                let before = rate.per_second(now);
                now = now.plus_ms(wait);
                prop_assert!(rate.per_second(now) >= before, "it only gets faster by waiting");
                let before = rate.per_second(now);
                if rate.too_fast(now) {
                    prop_assert_eq!(rate.per_second(now), (before / 2).max(1));
                }
                prop_assert!((1..=tier).contains(&rate.per_second(now)));
                if let Some(at) = rate.faster_at(now) {
                    prop_assert!(at > now && rate.per_second(at) > rate.per_second(now));
                }
            }
        }

        #[test]
        fn it_comes_back_to_its_tier(tier in prop::sample::select(&THROUGHPUT_TIERS[..]), refusals in 1usize..20) {
            let mut rate = Throughput::of_tier(tier);
            let mut now = UnixMs(1_000_000);
            for _ in 0..refusals {
                now = now.plus_ms(ONE_BURST_MS);
                rate.too_fast(now);
            }
            prop_assert_eq!(rate.per_second(now.plus_ms(100 * STEP_MS / u64::from(STEP_PERCENT))), tier);
        }
    }
}
