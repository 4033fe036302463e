//! How much of a number's sending may be repetitions. Where Meta fails now and then, and not so often in a row that a breaker
//! opens, repetitions would take the places of messages that were not tried yet, and add to what Meta fails under. Pure: time is
//! given.
//!
//! A share of what is sent for the first time may be sent again, and a little beside that ("Handling Overload", retry budgets:
//! Site Reliability Engineering, O'Reilly 2016, chapter 21; the share is that of Finagle's `RetryBudget`).

use crate::time::{SECOND_MS, UnixMs};

/// In thousandths of a repetition: what one first send pays in.
const PAID_IN: u64 = 200;
/// What a second pays in, whatever is sent: few messages may all be repeated.
const PAID_IN_PER_SECOND: u64 = 1_000;
/// What is saved at most: an outage of moments is not felt.
const SAVED_MAX: u64 = 100 * REPETITION;
/// What one costs.
const REPETITION: u64 = 1_000;

/// One number's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudget {
    saved: u64,
    at: UnixMs,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { saved: SAVED_MAX, at: UnixMs(0) }
    }
}

impl RetryBudget {
    /// A message is sent for the first time.
    pub fn pay_in(&mut self) {
        self.saved = (self.saved + PAID_IN).min(SAVED_MAX);
    }

    /// Whether one more may be repeated soon; then it is taken.
    pub fn take(&mut self, now: UnixMs) -> bool {
        let paid_in = now.since_ms(self.at).saturating_mul(PAID_IN_PER_SECOND) / SECOND_MS;
        self.at = self.at.max(now);
        self.saved = self.saved.saturating_add(paid_in).min(SAVED_MAX);
        match self.saved.checked_sub(REPETITION) {
            Some(rest) => {
                self.saved = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMs = UnixMs(1_800_000_000_000);

    fn taken(budget: &mut RetryBudget, now: UnixMs) -> usize {
        (0..1_000).take_while(|_| budget.take(now)).count()
    }

    #[test]
    fn a_fifth_is_repeated_and_one_a_second_beside() {
        let mut budget = RetryBudget::default();
        assert_eq!(taken(&mut budget, NOW), 100);
        assert_eq!(taken(&mut budget, NOW.plus_ms(999)), 0);
        assert_eq!(taken(&mut budget, NOW.plus_ms(1_000)), 1);
        (0..50).for_each(|_| budget.pay_in());
        assert_eq!(taken(&mut budget, NOW.plus_ms(1_000)), 10);
        assert_eq!(taken(&mut budget, NOW.plus_ms(3_600_000)), 100, "no more is saved");
    }

    proptest! {
        #[test]
        fn never_more_than_is_paid_in(steps in prop::collection::vec((any::<bool>(), 0u64..500), 1..2_000)) {
            let (mut budget, mut now) = (RetryBudget::default(), NOW);
            let (mut first, mut again) = (0u64, 0u64);
            for (is_first, later_ms) in steps {
                now = now.plus_ms(later_ms);
                if is_first {
                    budget.pay_in();
                    first += 1;
                } else {
                    again += u64::from(budget.take(now));
                }
            }
            prop_assert!(again * REPETITION <= SAVED_MAX + first * PAID_IN + now.since_ms(NOW));
        }
    }
}
