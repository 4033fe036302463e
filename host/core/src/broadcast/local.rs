//! A broadcast at the same time on everybody's wall: when that is for whom, and in which rounds recipients are handed over. A
//! round goes through all of them and takes those whose time has come since the one before, so that of a million recipients no
//! more wait in the store than of any other broadcast, and whatever is asked about somebody is asked at their time.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::schedule::InvalidSchedule;
use super::{AHEAD_MS_MAX, Bound, Broadcast, Estimate, FeedPlace, Limits, estimate};
use crate::contact::Contact;
use crate::permit::hours::in_zones_of;
use crate::time::{HOUR_MS, SECOND_MS, UnixMs};

/// Whoever's time was over for longer when the broadcast was started does not get it.
pub const LATE_MS_MAX: u64 = 3 * HOUR_MS;
/// How far the first zone on Earth is ahead of UTC, and the last one behind it (IANA time zone database: `Pacific/Kiritimati`,
/// `Etc/GMT+12`).
const FIRST_ZONE_MS: u64 = 14 * HOUR_MS;
const LAST_ZONE_MS: u64 = 12 * HOUR_MS;

/// A time as everybody's own clock shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalTime {
    /// A local time, for instance `2026-12-24T18:00`.
    pub at: String,
    /// IANA name of the zone of those of whom nobody knows where they are.
    pub fallback_zone: String,
}

impl LocalTime {
    /// Reads it, and says if it is over everywhere, or too far ahead.
    pub fn check(&self, now: UnixMs) -> Result<Wall<'_>, InvalidSchedule> {
        let wall = self.wall()?;
        match wall.last() > now && wall.first().since_ms(now) <= AHEAD_MS_MAX {
            true => Ok(wall),
            false => Err(InvalidSchedule::Range),
        }
    }

    /// Reads it.
    pub fn wall(&self) -> Result<Wall<'_>, InvalidSchedule> {
        let at: DateTime = self.at.parse().map_err(|_| InvalidSchedule::Time)?;
        jiff::tz::db().get(&self.fallback_zone).map_err(|_| InvalidSchedule::Zone)?;
        let there = at.to_zoned(TimeZone::UTC).map_err(|_| InvalidSchedule::Range)?.timestamp().as_millisecond();
        let in_utc = u64::try_from(there).ok().filter(|ms| *ms >= FIRST_ZONE_MS).ok_or(InvalidSchedule::Range)?;
        Ok(Wall { at, in_utc: UnixMs(in_utc), fallback: &self.fallback_zone })
    }
}

/// What is known of where somebody is, beside their contact.
#[derive(Debug, Clone, Copy, Default)]
pub struct Whereabouts<'a> {
    /// IANA name of their time zone.
    pub zone: Option<&'a str>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<&'a str>,
}

/// A local time that was read.
#[derive(Debug, Clone, Copy)]
pub struct Wall<'a> {
    at: DateTime,
    in_utc: UnixMs,
    fallback: &'a str,
}

impl Wall<'_> {
    /// When the first clocks on Earth show it.
    pub fn first(&self) -> UnixMs {
        self.in_utc.minus_ms(FIRST_ZONE_MS)
    }

    /// When the last ones do.
    pub fn last(&self) -> UnixMs {
        self.in_utc.plus_ms(LAST_ZONE_MS)
    }

    /// When the clock of somebody shows it: in the zone that is named, else everywhere in their country, as it is named or by
    /// their number, else in the zone for all others. Where clocks are put forward over it, the same time after that; where they
    /// show it twice, the first.
    pub fn due(&self, whereabouts: Whereabouts<'_>, contact: Option<&Contact>) -> UnixMs {
        in_zones_of(whereabouts.zone, whereabouts.country, contact, self.fallback, |zones| {
            zones.iter().filter_map(|zone| self.due_in(zone)).max().unwrap_or_else(|| self.last())
        })
    }

    fn due_in(&self, zone: &str) -> Option<UnixMs> {
        let there = self.at.to_zoned(jiff::tz::db().get(zone).ok()?).ok()?.timestamp().as_millisecond();
        u64::try_from(there).ok().map(UnixMs)
    }
}

/// One round over all recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// Those whose time is not behind this one were handed over.
    pub after: UnixMs,
    /// Those whose time is not behind this one are handed over now; before it, the round does not begin.
    pub until: UnixMs,
    /// The earliest time behind that which was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UnixMs>,
}

impl Round {
    /// The first.
    pub fn first(now: UnixMs) -> Self {
        Self { after: UnixMs(0), until: now, next: None }
    }

    /// Whether somebody's turn is in this round. Who comes later is kept in mind.
    pub fn takes(&mut self, due: UnixMs) -> bool {
        if due > self.until {
            self.next = Some(self.next.map_or(due, |next| next.min(due)));
        }
        self.after < due && due <= self.until
    }

    /// The round after this one; none when nobody is left.
    pub fn following(&self) -> Option<Self> {
        self.next.map(|next| Self { after: self.until, until: next, next: None })
    }
}

impl Broadcast {
    /// The round that recipients are handed over in; none where everybody has the same time. It reaches up to now, if it begins
    /// now.
    pub fn round(&self, now: UnixMs) -> Option<Round> {
        self.wish.local.as_ref()?;
        let round = self.feed.round.unwrap_or_else(|| Round::first(now));
        let begins = self.feed.place == FeedPlace::default();
        Some(if begins { Round { until: round.until.max(now), ..round } } else { round })
    }

    /// When the next round begins, if that is still to come.
    pub fn next_round_at(&self) -> Option<UnixMs> {
        let waits = self.feed.place == FeedPlace::default() && !self.feed.is_over && !self.state.is_over();
        self.feed.round.filter(|_| waits).map(|round| round.until)
    }

    /// Whether somebody's time is over for so long that they do not get it any more.
    pub fn is_too_late(&self, due: UnixMs, now: UnixMs) -> bool {
        self.expires_at(due) <= now || self.started_at.unwrap_or(now).since_ms(due) > LATE_MS_MAX
    }
}

/// How long it takes where so many get it at each time. It is at least what [`estimate`] says of all of them.
pub fn estimate_in_zones(at: &BTreeMap<UnixMs, u64>, counted: u64, limits: Limits) -> Estimate {
    let all = estimate(at.values().sum(), counted, limits);
    let Some(first) = at.keys().next() else { return all };
    let per_second = u64::from(limits.pace.unwrap_or(u32::MAX).min(limits.throughput).max(1));
    let sent = |end: UnixMs, (at, count): (&UnixMs, &u64)| end.max(*at).plus_ms(count.saturating_mul(SECOND_MS).div_ceil(per_second));
    let seconds = at.iter().fold(*first, sent).since_ms(*first).div_ceil(SECOND_MS);
    if seconds > all.seconds { Estimate { seconds, bound: Bound::LocalTime, ..all } } else { all }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::broadcast::Portfolio;
    use crate::contact::PhoneNumber;

    const NOW: UnixMs = UnixMs(1_790_000_000_000);
    const ZONES: [&str; 9] = [
        "Pacific/Kiritimati",
        "Etc/GMT+12",
        "UTC",
        "Europe/Berlin",
        "Asia/Kathmandu",
        "America/St_Johns",
        "Australia/Lord_Howe",
        "America/New_York",
        "Pacific/Chatham",
    ];

    fn local(at: &str) -> LocalTime {
        LocalTime { at: at.to_owned(), fallback_zone: "UTC".to_owned() }
    }

    fn ms(text: &str) -> UnixMs {
        UnixMs(u64::try_from(text.parse::<Timestamp>().unwrap().as_millisecond()).unwrap())
    }

    fn contact(phone: &str) -> Contact {
        Contact::new(PhoneNumber::parse(phone).ok(), None).unwrap()
    }

    #[test]
    fn everybody_has_it_when_their_own_clock_shows_it() {
        let local = local("2026-12-24T18:00");
        let wall = local.check(NOW).unwrap();
        assert_eq!((wall.first(), wall.last()), (ms("2026-12-24T04:00:00Z"), ms("2026-12-25T06:00:00Z")));
        let named = |zone| wall.due(Whereabouts { zone: Some(zone), country: Some("JP") }, Some(&contact("491701234567")));
        assert_eq!(named("Europe/Lisbon"), ms("2026-12-24T18:00:00Z"), "the zone that is named comes first");
        assert_eq!(named("Mars/Olympus"), ms("2026-12-24T09:00:00Z"), "then the country that is named");
        let by_number = |phone: &str| wall.due(Whereabouts::default(), Some(&contact(phone)));
        assert_eq!(by_number("491701234567"), ms("2026-12-24T17:00:00Z"), "then the country of the number");
        assert_eq!(by_number("5511912345678"), ms("2026-12-24T23:00:00Z"), "in a wide country nobody has it too early");
        assert_eq!(by_number("68812345"), ms("2026-12-24T18:00:00Z"), "nobody knows: as for all others");
        assert_eq!(wall.due(Whereabouts::default(), None), ms("2026-12-24T18:00:00Z"));
        let gap = super::LocalTime { at: "2027-03-28T02:30".to_owned(), ..local.clone() };
        let berlin = |local: &LocalTime| local.wall().unwrap().due(Whereabouts { zone: Some("Europe/Berlin"), country: None }, None);
        assert_eq!(berlin(&gap), ms("2027-03-28T01:30:00Z"), "clocks never show it");
        let twice = super::LocalTime { at: "2026-10-25T02:30".to_owned(), ..local.clone() };
        assert_eq!(berlin(&twice), ms("2026-10-25T00:30:00Z"), "the first of two");
    }

    #[test]
    fn a_time_that_is_over_somewhere_may_be_planned_and_one_that_is_over_everywhere_not() {
        // NOW is 2026-09-21T14:13:20Z.
        assert!(local("2026-09-21T13:00").check(NOW).is_ok());
        assert!(local("2026-09-21T02:14").check(NOW).is_ok());
        assert_eq!(local("2026-09-21T02:13").check(NOW).err(), Some(InvalidSchedule::Range));
        assert_eq!(local("2028-01-01T00:00").check(NOW).err(), Some(InvalidSchedule::Range));
        assert_eq!(local("0001-01-01T00:00").check(NOW).err(), Some(InvalidSchedule::Range));
        assert_eq!(local("soon").check(NOW).err(), Some(InvalidSchedule::Time));
        let nowhere = LocalTime { fallback_zone: "Mars/Olympus".to_owned(), ..local("2026-12-24T18:00") };
        assert_eq!(nowhere.check(NOW).err(), Some(InvalidSchedule::Zone));
    }

    #[test]
    fn zones_that_lie_apart_make_it_longer() {
        let limits = Limits { throughput: 10, pace: None, waiting: 0, portfolio: Portfolio { max: None, used: 0 } };
        let at = |hours: &[(u64, u64)]| hours.iter().map(|(hour, count)| (NOW.plus_ms(hour * HOUR_MS), *count)).collect();
        assert_eq!(estimate_in_zones(&at(&[(0, 600)]), 0, limits).bound, Bound::Throughput);
        let apart = estimate_in_zones(&at(&[(0, 600), (5, 100)]), 0, limits);
        assert_eq!((apart.seconds, apart.bound), (5 * 3_600 + 10, Bound::LocalTime));
        let dense = estimate_in_zones(&at(&[(0, 72_000), (1, 100)]), 0, limits);
        assert_eq!((dense.seconds, dense.bound), (7_210, Bound::Throughput), "the first zone takes two hours");
        assert_eq!(estimate_in_zones(&at(&[]), 0, limits).seconds, 0);
    }

    proptest! {
        #[test]
        fn no_clock_shows_an_earlier_time_and_none_has_to_wait(
            minutes in 0i64..2_000_000, zone in prop::sample::select(ZONES.to_vec()),
        ) {
            let at = "2026-01-01T00:00".parse::<DateTime>().unwrap().checked_add(jiff::Span::new().minutes(minutes)).unwrap();
            let local = local(&at.to_string());
            let wall = local.wall().unwrap();
            let due = wall.due(Whereabouts { zone: Some(zone), country: None }, None);
            prop_assert!(wall.first() <= due && due <= wall.last());
            let shown = |at: UnixMs| {
                let there = Timestamp::from_millisecond(i64::try_from(at.0).unwrap()).unwrap().in_tz(zone).unwrap();
                there.datetime()
            };
            prop_assert!(shown(due) >= at, "{} shows {}", zone, shown(due));
            // Where clocks leave the time out, they show a later one by what they were put forward.
            prop_assert!(shown(due).since(at).unwrap().total(jiff::Unit::Minute).unwrap() <= 120.0);
            prop_assert!(shown(UnixMs(due.0 - 1)) < at || shown(due) > at);
        }

        /// Rounds are gone through in parts, at any time, and begun anew where a host died before it had noted its part.
        #[test]
        fn everybody_is_handed_over_once_and_never_early(
            dues in prop::collection::vec(0u64..20, 1..60), parts in prop::collection::vec((1usize..9, 0u64..4, any::<bool>()), 1..400),
        ) {
            let dues: Vec<UnixMs> = dues.into_iter().map(|hour| NOW.plus_ms(hour * HOUR_MS)).collect();
            let (mut now, mut place, mut stored) = (NOW, 0, None::<Round>);
            let mut times = vec![0; dues.len()];
            let mut is_over = false;
            for (size, hours, dies) in parts.into_iter().chain(std::iter::repeat_n((60, 20, false), 50)) {
                now = now.plus_ms(hours * HOUR_MS);
                let mut round = stored.unwrap_or_else(|| Round::first(now));
                if is_over || (place == 0 && now < round.until) {
                    continue;
                }
                if place == 0 {
                    round.until = round.until.max(now);
                }
                let end = dues.len().min(place + size);
                let taken: Vec<usize> = (place..end).filter(|n| round.takes(dues[*n])).collect();
                prop_assert!(taken.iter().all(|n| dues[*n] <= now), "nobody has it early");
                if dies {
                    continue;
                }
                taken.iter().for_each(|n| times[*n] += 1);
                place = end;
                stored = Some(round);
                if end == dues.len() {
                    place = 0;
                    is_over = round.following().is_none();
                    stored = round.following();
                }
            }
            prop_assert!(is_over && times.iter().all(|times| *times == 1), "{times:?}");
        }
    }
}
