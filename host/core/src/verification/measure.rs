//! How well codes do: of each day, country and channel, how many were sent, came to the player and were entered, and how long
//! that took. Counted in the change that it is about, and by the day on which the code was asked for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::day::Day;
use crate::time::{DAY_MS, SECOND_MS, UnixMs};

/// Days that are kept.
pub const KEPT_DAYS: u32 = 400;

/// Where a verification is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// The day on which its first code was asked for.
    pub day: Day,
    /// One of [`countries`](super::country::countries).
    pub country: Box<str>,
}

impl Measured {
    /// When what is counted there can be forgotten.
    pub fn forget_at(&self) -> UnixMs {
        self.day.begins_at().plus_ms(u64::from(KEPT_DAYS) * DAY_MS)
    }
}

/// Something that happened to a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// It was given to a channel.
    Sent,
    /// It came to the player.
    Delivered,
    /// It was entered, so long after the first code was asked for.
    Approved {
        /// How long.
        took_ms: u64,
    },
}

/// Upper ends of the times that are told apart, in seconds; what took longer counts with the last.
const SECONDS: [u32; 24] = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 75, 90, 120, 180, 300, 600, 1_800, 86_400];

/// One channel's figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Codes that were given to it.
    #[serde(default)]
    pub sent: u64,
    /// Codes that came to the player by it.
    #[serde(default)]
    pub delivered: u64,
    /// Codes that were entered, and given to it last.
    #[serde(default)]
    pub approved: u64,
    /// How many took so long, by [`SECONDS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    seconds: Vec<u64>,
}

impl Tally {
    fn note(&mut self, fact: Fact) {
        match fact {
            Fact::Sent => self.sent = self.sent.saturating_add(1),
            Fact::Delivered => self.delivered = self.delivered.saturating_add(1),
            Fact::Approved { took_ms } => {
                self.approved = self.approved.saturating_add(1);
                self.seconds.resize(SECONDS.len(), 0);
                let place = SECONDS.iter().position(|end| took_ms <= u64::from(*end) * SECOND_MS).unwrap_or(SECONDS.len() - 1);
                self.seconds[place] = self.seconds[place].saturating_add(1);
            }
        }
    }

    /// Adds another's figures.
    pub fn add(&mut self, other: &Self) {
        self.sent = self.sent.saturating_add(other.sent);
        self.delivered = self.delivered.saturating_add(other.delivered);
        self.approved = self.approved.saturating_add(other.approved);
        if !other.seconds.is_empty() {
            self.seconds.resize(SECONDS.len(), 0);
            self.seconds.iter_mut().zip(&other.seconds).for_each(|(own, more)| *own = own.saturating_add(*more));
        }
    }

    /// Of those that were sent, the share that came to the player; none where none was sent.
    pub fn delivery_rate(&self) -> Option<f64> {
        share(self.delivered, self.sent)
    }

    /// Of those that were sent, the share that was entered; none where none was sent.
    pub fn approval_rate(&self) -> Option<f64> {
        share(self.approved, self.sent)
    }

    /// How long the quickest of so many thousandths took at most, in seconds; none where none was entered. 500 is the median.
    pub fn took_s(&self, permille: u64) -> Option<u32> {
        let all: u64 = self.seconds.iter().sum();
        let wanted = (all * permille).div_ceil(1_000).max(1);
        let mut passed = 0;
        let counted = |(count, end): (&u64, &u32)| {
            passed += count;
            (passed >= wanted).then_some(*end)
        };
        (all > 0).then(|| self.seconds.iter().zip(&SECONDS).find_map(counted)).flatten()
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    // A status may come twice over, and a code by more than one channel.
    (whole > 0).then(|| (part as f64 / whole as f64).min(1.0))
}

/// One country's day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CountryDay {
    /// By the channel's name.
    pub channels: BTreeMap<Box<str>, Tally>,
}

/// Channels that are told apart on one day; a game has five at once, and may change them.
const CHANNELS_MAX: usize = 16;

impl CountryDay {
    /// Counts something.
    pub fn note(&mut self, channel: &str, fact: Fact) {
        let is_new = !self.channels.contains_key(channel);
        let channel = if is_new && self.channels.len() >= CHANNELS_MAX { super::country::OTHER } else { channel };
        self.channels.entry(channel.into()).or_default().note(fact);
    }
}

/// A day's figures by country, as they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayMeasures {
    /// Which day.
    pub day: Day,
    /// By country, in the order of their names.
    pub countries: BTreeMap<Box<str>, CountryDay>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rates_and_times_are_those_of_what_was_counted() {
        let mut day = CountryDay::default();
        assert_eq!(day.channels.get("code").and_then(Tally::delivery_rate), None);
        for _ in 0..4 {
            day.note("code", Fact::Sent);
        }
        for _ in 0..3 {
            day.note("code", Fact::Delivered);
        }
        for took_ms in [4_000, 5_200] {
            day.note("code", Fact::Approved { took_ms });
        }
        let tally = &day.channels["code"];
        assert_eq!((tally.delivery_rate(), tally.approval_rate()), (Some(0.75), Some(0.5)));
        assert_eq!((tally.took_s(500), tally.took_s(950), Tally::default().took_s(500)), (Some(4), Some(6), None));
    }

    #[test]
    fn channels_are_bounded() {
        let mut day = CountryDay::default();
        for n in 0..100 {
            day.note(&format!("c{n}"), Fact::Sent);
        }
        assert_eq!(day.channels.len(), CHANNELS_MAX + 1);
        assert_eq!(day.channels.values().map(|tally| tally.sent).sum::<u64>(), 100);
    }

    proptest! {
        #[test]
        fn a_quantile_is_no_shorter_than_it_was_and_no_longer_than_the_next_step(times in prop::collection::vec(0u64..2_000_000, 1..200)) {
            let mut tally = Tally::default();
            times.iter().for_each(|took_ms| tally.note(Fact::Approved { took_ms: *took_ms }));
            let mut sorted = times.clone();
            sorted.sort_unstable();
            for permille in [1u64, 500, 950, 1_000] {
                let place = (sorted.len() as u64 * permille).div_ceil(1_000).max(1) as usize - 1;
                let (told, truth) = (u64::from(tally.took_s(permille).unwrap_or_default()) * SECOND_MS, sorted[place]);
                prop_assert!(truth <= told);
                prop_assert!(SECONDS.iter().all(|end| u64::from(*end) * SECOND_MS >= told || u64::from(*end) * SECOND_MS < truth));
            }
            let mut sum = Tally::default();
            sum.add(&tally);
            sum.add(&tally);
            prop_assert_eq!((sum.approved, sum.took_s(500)), (2 * tally.approved, tally.took_s(500)));
        }
    }
}
