//! How fast recipients are handed over, and how long all of them take under the limits of now.

use serde::Serialize;

use crate::time::{DAY_MS, SECOND_MS, UnixMs};

/// How many recipients may be handed over now, and up to when the pace is used up after `taken` of them: no more than a
/// second's share at once, and over any time no more than the pace allows in it, and that share.
pub fn ready_to_feed(paced_until: UnixMs, per_second: u32, now: UnixMs) -> (u64, impl Fn(u64) -> UnixMs) {
    let rate = u64::from(per_second.max(1));
    let from = paced_until.max(now.minus_ms(SECOND_MS));
    let ready = now.since_ms(from).saturating_mul(rate) / SECOND_MS;
    (ready, move |taken: u64| from.plus_ms((taken.saturating_mul(SECOND_MS)).div_ceil(rate)))
}

/// Messages of a broadcast that wait at once, at least, where it has no pace; else as many as its numbers send in so many seconds.
const AHEAD_MIN: u64 = 2_000;
const AHEAD_S: u64 = 30;
/// Seconds of its pace that a paced broadcast is ahead: what was held meanwhile leaves as fast as the number may.
const AHEAD_PACED_S: u64 = 10;

/// How many messages of a broadcast may wait before more recipients are handed over: enough to keep its numbers busy, whose
/// messages a second are `throughput`, and no more, so that neither the store nor what leaves after a pause grows with the list.
pub fn ahead_max(per_second: Option<u32>, throughput: u64) -> u64 {
    let busy = AHEAD_MIN.max(AHEAD_S.saturating_mul(throughput));
    per_second.map_or(busy, |per_second| busy.min(AHEAD_PACED_S * u64::from(per_second.max(1))))
}

/// How many unique contacts may be written to outside of their service windows, by all numbers of a portfolio, in 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Portfolio {
    /// In all; none is unlimited.
    pub max: Option<u64>,
    /// Already, within the last 24 hours.
    pub used: u64,
}

/// What holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Messages a second that the numbers may send.
    pub throughput: u32,
    /// Recipients a second that the broadcast asks for.
    pub pace: Option<u32>,
    /// Messages that wait in front of it.
    pub waiting: u64,
    /// The portfolio's.
    pub portfolio: Portfolio,
}

/// What decides how long it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// The numbers' throughput, with what waits in front.
    Throughput,
    /// The pace that was asked for.
    Pace,
    /// The portfolio's limit: some have to wait for another day.
    Portfolio,
    /// Everybody has their own time.
    LocalTime,
}

/// How long it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// From the first message to the last, whole seconds.
    pub seconds: u64,
    /// What decides it.
    pub bound: Bound,
    /// Recipients whose message waits for the portfolio's limit.
    pub wait_for_portfolio: u64,
}

/// How long `recipients` messages take, of which `counted` take a place of the portfolio's limit.
pub fn estimate(recipients: u64, counted: u64, limits: Limits) -> Estimate {
    let counted = counted.min(recipients);
    if recipients == 0 {
        return Estimate { seconds: 0, bound: Bound::Throughput, wait_for_portfolio: 0 };
    }
    let by_throughput = (recipients.saturating_add(limits.waiting)).div_ceil(u64::from(limits.throughput.max(1)));
    let by_pace = limits.pace.map_or(0, |pace| recipients.div_ceil(u64::from(pace.max(1))));
    let late = limits.portfolio.max.map_or(0, |max| counted.saturating_sub(max.saturating_sub(limits.portfolio.used)));
    // Places come back within a day, and as many as there are each day; without any, nobody knows.
    let by_portfolio = match (late, limits.portfolio.max) {
        (0, _) | (_, None) => 0,
        (_, Some(0)) => u64::MAX,
        (late, Some(max)) => late.div_ceil(max).saturating_mul(DAY_MS / SECOND_MS),
    };
    let (seconds, bound) = [(by_throughput, Bound::Throughput), (by_pace, Bound::Pace), (by_portfolio, Bound::Portfolio)]
        .into_iter()
        .reduce(|longest, other| if other.0 > longest.0 { other } else { longest })
        .unwrap_or((0, Bound::Throughput));
    Estimate { seconds, bound, wait_for_portfolio: late }
}
