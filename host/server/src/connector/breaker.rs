//! A circuit breaker: what keeps failing is left alone for a while, instead of making every player wait for it.

use std::sync::{Mutex, PoisonError};

use questline_core::time::UnixMs;

/// Failures in a row that open it.
const FAILURES_MAX: u32 = 5;
/// How long it stays open before one call may try.
const OPEN_MS: u64 = 10_000;

/// One for each backend.
#[derive(Debug, Default)]
pub struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Failing(u32),
    Open {
        until: UnixMs,
    },
    /// One call is trying; until it ends, or long enough has passed that it will not, others stay away.
    Probing {
        until: UnixMs,
    },
}

impl Breaker {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a call may go out now. Each `true` is to be followed by [`succeeded`](Self::succeeded) or
    /// [`failed`](Self::failed).
    pub fn admits(&self, now: UnixMs) -> bool {
        self.with(|state| match *state {
            State::Closed | State::Failing(_) => true,
            State::Open { until } | State::Probing { until } if now >= until => {
                *state = State::Probing { until: now.plus_ms(OPEN_MS) };
                true
            }
            State::Open { .. } | State::Probing { .. } => false,
        })
    }

    /// The backend answered.
    pub fn succeeded(&self) {
        self.with(|state| *state = State::Closed);
    }

    /// The backend did not answer, or said that it is broken. True when that opened the breaker.
    pub fn failed(&self, now: UnixMs) -> bool {
        self.with(|state| {
            let failures = match *state {
                State::Closed => 1,
                State::Failing(failures) => failures + 1,
                State::Open { .. } => return false,
                State::Probing { .. } => FAILURES_MAX,
            };
            let opens = failures >= FAILURES_MAX;
            *state = if opens { State::Open { until: now.plus_ms(OPEN_MS) } } else { State::Failing(failures) };
            opens
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_failures_in_a_row_and_lets_one_probe_through() {
        let breaker = Breaker::default();
        let now = UnixMs(1_000_000);
        for _ in 1..FAILURES_MAX {
            assert!(breaker.admits(now) && !breaker.failed(now));
        }
        breaker.succeeded();
        for _ in 1..FAILURES_MAX {
            assert!(breaker.admits(now) && !breaker.failed(now));
        }
        assert!(breaker.admits(now) && breaker.failed(now));
        assert!(!breaker.admits(now.plus_ms(OPEN_MS - 1)));
        let later = now.plus_ms(OPEN_MS);
        assert!(breaker.admits(later));
        assert!(!breaker.admits(later), "one probe at a time");
        assert!(breaker.failed(later), "a failed probe opens it again");
        let latest = later.plus_ms(OPEN_MS);
        assert!(breaker.admits(latest));
        breaker.succeeded();
        assert!(breaker.admits(latest));
    }
}
