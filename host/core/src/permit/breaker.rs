//! The breaker of a number, and of an app: what fails again and again is left alone for a while, then tried with few, then
//! with all. Pure: time is given.
//!
//! It counts failures of the way to Meta and of Meta's own: no connection, no answer, a server's fault. A refusal that is
//! about a message, an account or a limit is an answer, and ends a row of failures.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::{SECOND_MS, UnixMs};

/// How it is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerRules {
    /// Failures in a row that open it.
    pub failures_max: u32,
    /// How long it stays open before anything is tried again.
    pub open_ms: u64,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self { failures_max: 5, open_ms: 60 * SECOND_MS }
    }
}

/// Probes of the last round; those before have half as many each.
const PROBES_MAX: u32 = 4;

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakerState {
    /// All is sent.
    Closed,
    /// Nothing is sent.
    Open,
    /// A few are sent, to see.
    HalfOpen,
}

impl BreakerState {
    /// The name in logs, metrics and alerts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    rules: BreakerRules,
    inner: Inner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inner {
    Closed {
        failures: u32,
    },
    Open {
        until: UnixMs,
    },
    /// A round of probes. One that never tells what came of it is given up with the round, after as long as the breaker
    /// stays open.
    HalfOpen {
        round: u32,
        left: u32,
        succeeded: u32,
        until: UnixMs,
    },
}

/// The breaker changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// What it was.
    pub from: BreakerState,
    /// What it is now.
    pub to: BreakerState,
}

impl Breaker {
    /// A closed one.
    pub fn new(rules: BreakerRules) -> Self {
        Self { rules: BreakerRules { failures_max: rules.failures_max.max(1), ..rules }, inner: Inner::Closed { failures: 0 } }
    }

    /// How it stands.
    pub fn state(&self) -> BreakerState {
        match self.inner {
            Inner::Closed { .. } => BreakerState::Closed,
            Inner::Open { .. } => BreakerState::Open,
            Inner::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Whether it stands as if nothing had ever failed.
    pub fn is_idle(&self) -> bool {
        self.inner == Inner::Closed { failures: 0 }
    }

    /// Until when it is open; what is sent then is a probe.
    pub fn open_until(&self) -> Option<UnixMs> {
        match self.inner {
            Inner::Open { until } => Some(until),
            Inner::Closed { .. } | Inner::HalfOpen { .. } => None,
        }
    }

    /// When a send may begin, if not now. Changes nothing.
    pub fn not_before(&self, now: UnixMs) -> Option<UnixMs> {
        match self.inner {
            Inner::Closed { .. } => None,
            Inner::Open { until } => (until > now).then_some(until),
            Inner::HalfOpen { left, until, .. } => (left == 0 && until > now).then_some(until),
        }
    }

    /// A send begins, which [`not_before`](Self::not_before) did not forbid.
    pub fn begin(&mut self, now: UnixMs) -> Option<Changed> {
        let from = self.state();
        match &mut self.inner {
            Inner::Closed { .. } => {}
            Inner::Open { .. } => self.inner = self.round(1, now),
            Inner::HalfOpen { round, left, until, .. } if *left == 0 || *until <= now => {
                let round = *round;
                self.inner = self.round(round, now);
            }
            Inner::HalfOpen { left, .. } => *left -= 1,
        }
        self.changed(from)
    }

    /// A round of so many probes, of which the first begins.
    fn round(&self, probes: u32, now: UnixMs) -> Inner {
        Inner::HalfOpen { round: probes, left: probes - 1, succeeded: 0, until: now.plus_ms(self.rules.open_ms) }
    }

    /// Meta answered.
    pub fn succeeded(&mut self, now: UnixMs) -> Option<Changed> {
        let from = self.state();
        match &mut self.inner {
            Inner::Closed { failures } => *failures = 0,
            // The answer to what began before it opened.
            Inner::Open { .. } => {}
            Inner::HalfOpen { round, left, succeeded, until } => {
                *succeeded += 1;
                if *succeeded >= *round {
                    let probes = *round * 2;
                    if probes > PROBES_MAX {
                        self.inner = Inner::Closed { failures: 0 };
                    } else {
                        (*round, *left, *succeeded, *until) = (probes, probes, 0, now.plus_ms(self.rules.open_ms));
                    }
                }
            }
        }
        self.changed(from)
    }

    /// Meta could not be reached, or failed.
    pub fn failed(&mut self, now: UnixMs) -> Option<Changed> {
        let from = self.state();
        let open = Inner::Open { until: now.plus_ms(self.rules.open_ms) };
        match &mut self.inner {
            Inner::Closed { failures } => {
                *failures += 1;
                if *failures >= self.rules.failures_max {
                    self.inner = open;
                }
            }
            Inner::Open { .. } => {}
            Inner::HalfOpen { .. } => self.inner = open,
        }
        self.changed(from)
    }

    fn changed(&self, from: BreakerState) -> Option<Changed> {
        let to = self.state();
        (from != to).then_some(Changed { from, to })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const NOW: UnixMs = UnixMs(1_000_000);

    fn opened() -> Breaker {
        let mut breaker = Breaker::new(BreakerRules::default());
        for n in 1..=5 {
            breaker.begin(NOW);
            assert_eq!(breaker.failed(NOW).is_some(), n == 5, "{n}");
        }
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it_for_a_minute() {
        let mut breaker = Breaker::new(BreakerRules::default());
        for _ in 0..4 {
            assert_eq!(breaker.failed(NOW), None);
        }
        assert_eq!(breaker.succeeded(NOW), None);
        for _ in 0..4 {
            assert_eq!(breaker.failed(NOW), None);
        }
        assert_eq!(breaker.failed(NOW), Some(Changed { from: BreakerState::Closed, to: BreakerState::Open }));
        assert_eq!(breaker.not_before(NOW), Some(NOW.plus_ms(60_000)));
        assert_eq!(breaker.not_before(NOW.plus_ms(59_999)), Some(NOW.plus_ms(60_000)));
        assert_eq!(breaker.not_before(NOW.plus_ms(60_000)), None);
    }

    #[test]
    fn it_closes_after_one_two_and_four_probes() {
        let mut breaker = opened();
        let now = NOW.plus_ms(60_000);
        let mut sent = 0;
        for probes in [1, 2, 4] {
            for n in 0..probes {
                assert_eq!(breaker.not_before(now), None, "probe {n} of {probes}");
                assert_eq!(breaker.begin(now).is_some(), sent == 0);
                sent += 1;
            }
            assert!(breaker.not_before(now).is_some(), "{probes} at once, and no more");
            for n in 1..=probes {
                let changed = breaker.succeeded(now);
                assert_eq!(changed.is_some(), probes == 4 && n == 4);
            }
        }
        assert!(breaker.is_idle());
    }

    #[test]
    fn a_failed_probe_opens_it_again() {
        let mut breaker = opened();
        let now = NOW.plus_ms(60_000);
        breaker.begin(now);
        assert_eq!(breaker.failed(now), Some(Changed { from: BreakerState::HalfOpen, to: BreakerState::Open }));
        assert_eq!(breaker.not_before(now), Some(now.plus_ms(60_000)));
        assert_eq!(breaker.succeeded(now), None, "an answer to what began long ago closes nothing");
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn a_probe_that_never_tells_is_given_up() {
        let mut breaker = opened();
        let now = NOW.plus_ms(60_000);
        breaker.begin(now);
        assert_eq!(breaker.not_before(now), Some(now.plus_ms(60_000)));
        let later = now.plus_ms(60_000);
        assert_eq!(breaker.not_before(later), None);
        breaker.begin(later);
        assert!(breaker.not_before(later).is_some(), "one again");
    }

    proptest! {
        #[test]
        fn an_open_breaker_lets_few_through(steps in prop::collection::vec((0u8..3, 0u64..30_000), 1..300)) {
            let mut breaker = Breaker::new(BreakerRules::default());
            let (mut now, mut in_flight, mut row) = (NOW, 0u32, 0u32);
            for (what, wait) in steps {
                now = now.plus_ms(wait);
                match what {
                    0 if breaker.not_before(now).is_none() => { breaker.begin(now); in_flight += 1; },
                    1 if in_flight > 0 => { breaker.succeeded(now); in_flight -= 1; row = 0; },
                    2 if in_flight > 0 => {
                        breaker.failed(now);
                        in_flight -= 1;
                        row += 1;
                        prop_assert!(row < 5 || breaker.state() != BreakerState::Closed, "{} failures in a row", row);
                    },
                    _ => {}
                }
                if let Some(at) = breaker.not_before(now) {
                    prop_assert!(at > now && at <= now.plus_ms(60_000));
                }
            }
        }
    }
}
