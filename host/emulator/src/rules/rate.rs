//! Rates: what one player may get from one number (131056), and what one number may send (130429).

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::UnixMs;
use crate::config::PairRate;

/// One message to the same player every six seconds.
const PAIR_INTERVAL_MS: u64 = 6_000;
/// Messages that may be borrowed from the future.
const PAIR_BURST: u64 = 45;

/// What a number owes to one player's peace.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PairDebt {
    /// When all that was borrowed is paid back.
    paid_back_ms: UnixMs,
    burst_start_ms: UnixMs,
    burst_messages: u64,
}

impl PairDebt {
    /// Counts one message, unless it is one too many.
    pub(crate) fn take(&mut self, now_ms: UnixMs, rate: PairRate) -> bool {
        match rate {
            PairRate::Off => return true,
            PairRate::Borrow => {
                let start_ms = self.paid_back_ms.max(now_ms);
                if start_ms - now_ms > (PAIR_BURST - 1) * PAIR_INTERVAL_MS {
                    return false;
                }
                self.paid_back_ms = start_ms + PAIR_INTERVAL_MS;
            }
            PairRate::Pause => {
                if now_ms >= self.paid_back_ms {
                    self.burst_start_ms = now_ms;
                    self.paid_back_ms = now_ms;
                    self.burst_messages = 0;
                } else if now_ms - self.burst_start_ms >= PAIR_INTERVAL_MS || self.burst_messages >= PAIR_BURST {
                    return false;
                }
                self.burst_messages += 1;
                self.paid_back_ms += PAIR_INTERVAL_MS;
            }
        }
        true
    }
}

/// A number's throughput: a bucket that holds one second's worth, without a lock.
#[derive(Debug, Default)]
pub(crate) struct NumberRate {
    /// When the bucket is full again, in microseconds of the emulator's time.
    full_us: AtomicU64,
}

impl NumberRate {
    /// Counts one outbound message, unless it is one too many.
    pub(crate) fn take(&self, now_ms: UnixMs, per_second: u32) -> bool {
        self.count(now_ms, per_second, 1_000_000)
    }

    /// Counts one inbound message: it uses throughput, but is never refused.
    pub(crate) fn charge(&self, now_ms: UnixMs, per_second: u32) {
        self.count(now_ms, per_second, u64::MAX);
    }

    fn count(&self, now_ms: UnixMs, per_second: u32, burst_us: u64) -> bool {
        let interval_us = 1_000_000 / u64::from(per_second.max(1));
        let now_us = now_ms * 1_000;
        self.full_us
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_us| {
                let start_us = full_us.max(now_us);
                (start_us - now_us <= burst_us.saturating_sub(interval_us)).then_some(start_us + interval_us)
            })
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = 1_800_000_000_000;

    fn burst(debt: &mut PairDebt, now_ms: UnixMs, rate: PairRate) -> usize {
        (0..100).take_while(|_| debt.take(now_ms, rate)).count()
    }

    #[test]
    fn borrowing_gives_45_at_once_and_one_more_every_six_seconds() {
        let mut debt = PairDebt::default();
        assert_eq!(burst(&mut debt, NOW, PairRate::Borrow), 45);
        assert_eq!(burst(&mut debt, NOW + 5_999, PairRate::Borrow), 0);
        assert_eq!(burst(&mut debt, NOW + 6_000, PairRate::Borrow), 1);
        assert_eq!(burst(&mut debt, NOW + 600_000, PairRate::Borrow), 45);
    }

    #[test]
    fn pausing_lets_a_burst_of_20_wait_two_minutes() {
        let mut debt = PairDebt::default();
        assert!((0..20).all(|_| debt.take(NOW, PairRate::Pause)));
        assert!(!debt.take(NOW + 6_000, PairRate::Pause));
        assert!(!debt.take(NOW + 119_999, PairRate::Pause));
        assert_eq!(burst(&mut debt, NOW + 120_000, PairRate::Pause), 45);
    }

    #[test]
    fn a_number_has_one_second_of_burst_and_inbound_uses_it_up() {
        let rate = NumberRate::default();
        assert_eq!((0..200).take_while(|_| rate.take(NOW, 80)).count(), 80);
        assert!(!rate.take(NOW, 80));
        assert_eq!((0..200).take_while(|_| rate.take(NOW + 100, 80)).count(), 8);
        let shared = NumberRate::default();
        (0..50).for_each(|_| shared.charge(NOW, 80));
        assert_eq!((0..200).take_while(|_| shared.take(NOW, 80)).count(), 30);
    }
}
