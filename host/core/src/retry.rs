//! How long to wait before trying again.

use serde::{Deserialize, Serialize};

/// Exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015): waits are
/// spread, so that what failed together does not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// Longest wait before the second try.
    pub base_ms: u64,
    /// Longest wait of all.
    pub ceiling_ms: u64,
    /// Tries in all; after the last one there is no further.
    pub attempts_max: u32,
}

impl Backoff {
    /// The wait after the `attempt`-th failed try (counted from 1), or `None` when it was the last. `random` is any
    /// number; the wait lies between half and all of the step's length, so that it never is nothing.
    pub fn wait_ms(&self, attempt: u32, random: u64) -> Option<u64> {
        if attempt >= self.attempts_max {
            return None;
        }
        let doubled = self.base_ms.saturating_mul(1u64 << attempt.saturating_sub(1).min(32));
        let longest = doubled.min(self.ceiling_ms).max(1);
        let half = longest / 2;
        Some(half + random % (longest - half + 1))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn waits_grow_within_bounds(attempt in 1u32..100, random: u64, base in 1u64..10_000, ceiling in 1u64..1_000_000) {
            let backoff = Backoff { base_ms: base, ceiling_ms: ceiling, attempts_max: 50 };
            match backoff.wait_ms(attempt, random) {
                None => prop_assert!(attempt >= 50),
                Some(wait) => {
                    prop_assert!(wait <= ceiling.max(1));
                    prop_assert!(attempt < 50);
                }
            }
        }
    }

    #[test]
    fn the_last_try_is_the_last() {
        let backoff = Backoff { base_ms: 100, ceiling_ms: 1_000, attempts_max: 3 };
        assert!((50..=100).contains(&backoff.wait_ms(1, 7).unwrap()));
        assert!((100..=200).contains(&backoff.wait_ms(2, 7).unwrap()));
        assert_eq!(backoff.wait_ms(3, 7), None);
    }
}
