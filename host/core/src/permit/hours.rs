//! Local hours: reminders and promotions come by day, as it is where the player is.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use crate::contact::Contact;
use crate::send::ParkReason;
use crate::template::Category;
use crate::time::UnixMs;
use crate::verification::country::country_of;

use super::Verdict;
use super::country::zones_of;
use crate::outbox::NewMessage;

/// Minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;
/// How often the zones of a country are asked in turn for a time that is day in all of them.
const ROUNDS_MAX: usize = 8;

/// When reminders and promotions may come: from a minute of the local day on, and before another. Over midnight where the
/// first is the later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalHours {
    from_min: u16,
    to_min: u16,
    /// Where nothing better is known.
    zone: Box<str>,
    /// Templates that are reminders, besides all marketing.
    templates: Vec<String>,
}

/// Why hours cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHours {
    /// The text is no time of a day.
    #[error("{0:?} is no time of a day: it takes HH:MM, from 00:00 to 24:00")]
    Time(String),
    /// There is no time between them.
    #[error("from and to are the same: nothing would ever be sent")]
    Never,
    /// There is no such zone.
    #[error("there is no time zone {0:?}: it takes an IANA name, for instance Europe/Berlin")]
    Zone(String),
}

/// Whether a time zone of that name is known.
pub fn is_zone(name: &str) -> bool {
    zone(name).is_some()
}

fn zone(name: &str) -> Option<TimeZone> {
    jiff::tz::db().get(name).ok()
}

/// Asks about the zones that somebody may be in: the one that was told, else those of their country, as it was told or by their
/// number, else the one for all others.
pub fn in_zones_of<T>(
    zone: Option<&str>,
    country: Option<&str>,
    contact: Option<&Contact>,
    fallback: &str,
    ask: impl FnOnce(&[&str]) -> T,
) -> T {
    if let Some(zone) = zone.filter(|name| is_zone(name)) {
        return ask(&[zone]);
    }
    let country = country.and_then(zones_of).or_else(|| zones_of(country_of(contact?)));
    ask(country.unwrap_or(&[fallback]))
}

fn minute(text: &str) -> Result<u16, InvalidHours> {
    let wrong = || InvalidHours::Time(text.to_owned());
    let [h1, h2, b':', m1, m2] = text.as_bytes() else { return Err(wrong()) };
    let digits = |one: &u8, other: &u8| {
        let digit = |byte: &u8| char::from(*byte).to_digit(10).and_then(|digit| u16::try_from(digit).ok());
        Some(digit(one)? * 10 + digit(other)?)
    };
    let (hour, min) = digits(h1, h2).zip(digits(m1, m2)).ok_or_else(wrong)?;
    let minute = hour * 60 + min;
    if min < 60 && minute <= DAY_MINUTES { Ok(minute) } else { Err(wrong()) }
}

impl LocalHours {
    /// From `HH:MM`, to `HH:MM`; `zone` is for players of whom neither zone nor country is known.
    pub fn new(from: &str, to: &str, zone: &str, templates: Vec<String>) -> Result<Self, InvalidHours> {
        let (from_min, to_min) = (minute(from)? % DAY_MINUTES, minute(to)?);
        if from_min == to_min % DAY_MINUTES && to_min != DAY_MINUTES {
            return Err(InvalidHours::Never);
        }
        if !is_zone(zone) {
            return Err(InvalidHours::Zone(zone.to_owned()));
        }
        Ok(Self { from_min, to_min: to_min % DAY_MINUTES, zone: zone.into(), templates })
    }

    /// The zone where nothing better is known.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// Templates that are reminders.
    pub fn templates(&self) -> &[String] {
        &self.templates
    }

    /// Whether a message keeps to them. What is urgent does not, nor what the player has just asked for.
    pub fn concerns(&self, message: &NewMessage, category: Option<Category>) -> bool {
        let is_reminder = message.content.template_name().is_some_and(|name| self.templates.iter().any(|known| known == name));
        !message.is_critical() && !message.is_answer() && (category == Some(Category::Marketing) || is_reminder)
    }

    /// Whether a message may come now, or when.
    pub fn verdict(&self, message: &NewMessage, category: Option<Category>, now: UnixMs) -> Verdict {
        if !self.concerns(message, category) {
            return Verdict::Go;
        }
        let known = message.known.as_deref();
        let (zone, country) = (known.and_then(|known| known.time_zone.as_deref()), known.and_then(|known| known.country.as_deref()));
        let until = in_zones_of(zone, country, Some(&message.contact), &self.zone, |zones| self.opens_at(zones, now));
        if until <= now { Verdict::Go } else { Verdict::Park { until, reason: ParkReason::LocalHours } }
    }

    /// The first time from `now` on that lies within the hours in all of the zones; in the last one where they have none in
    /// common.
    pub fn opens_at(&self, zones: &[&str], now: UnixMs) -> UnixMs {
        let zones: Vec<TimeZone> = zones.iter().filter_map(|name| zone(name)).collect();
        let mut at = now;
        for _ in 0..ROUNDS_MAX {
            let latest = zones.iter().map(|zone| self.opens_in(zone, at)).max().unwrap_or(at);
            if latest == at {
                return at;
            }
            at = latest;
        }
        zones.last().map_or(now, |zone| self.opens_in(zone, now))
    }

    fn is_open(&self, minute: u16) -> bool {
        if self.from_min == self.to_min {
            return true;
        }
        match self.from_min < self.to_min {
            true => (self.from_min..self.to_min).contains(&minute),
            false => minute >= self.from_min || minute < self.to_min,
        }
    }

    fn opens_in(&self, zone: &TimeZone, at: UnixMs) -> UnixMs {
        let Some(local) = i64::try_from(at.0).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()) else { return at };
        let local = local.to_zoned(zone.clone());
        if self.is_open(minute_of(&local)) {
            return at;
        }
        // Today's opening, or tomorrow's; where a change of the clocks leaves that time out, the first after it.
        let opening = |day: &Zoned| {
            let (hour, minute) = (self.from_min / 60, self.from_min % 60);
            let (hour, minute) = (i8::try_from(hour).ok()?, i8::try_from(minute).ok()?);
            let opening = day.date().at(hour, minute, 0, 0).to_zoned(zone.clone()).ok()?;
            u64::try_from(opening.timestamp().as_millisecond()).ok().map(UnixMs)
        };
        let tomorrow = || local.checked_add(1.day()).ok();
        opening(&local).filter(|opening| *opening > at).or_else(|| opening(&tomorrow()?)).unwrap_or(at)
    }
}

fn minute_of(local: &Zoned) -> u16 {
    u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::time::{DAY_MS, HOUR_MS, MINUTE_MS};
    use proptest::prelude::*;

    fn hours(from: &str, to: &str) -> LocalHours {
        LocalHours::new(from, to, "UTC", Vec::new()).unwrap()
    }

    fn at(text: &str) -> UnixMs {
        UnixMs(u64::try_from(text.parse::<Timestamp>().unwrap().as_millisecond()).unwrap())
    }

    #[test]
    fn a_night_is_waited_out_where_the_player_is() {
        let day = hours("09:00", "21:00");
        let now = at("2026-11-23T07:30:00Z");
        assert_eq!(day.opens_at(&["Europe/Berlin"], now), at("2026-11-23T08:00:00Z"));
        assert_eq!(day.opens_at(&["Asia/Tokyo"], now), now);
        assert_eq!(day.opens_at(&["America/New_York"], now), at("2026-11-23T14:00:00Z"));
        let evening = at("2026-11-23T20:00:00Z");
        assert_eq!(day.opens_at(&["Europe/Berlin"], evening), at("2026-11-24T08:00:00Z"), "21:00 is too late");
        assert_eq!(day.opens_at(&["Europe/Berlin"], UnixMs(evening.0 - 1)), UnixMs(evening.0 - 1));
    }

    #[test]
    fn in_a_wide_country_it_is_day_everywhere() {
        let day = hours("09:00", "21:00");
        // 09:00 in Honolulu is 14:00 in New York.
        assert_eq!(day.opens_at(zones_of("US").unwrap(), at("2026-11-23T15:00:00Z")), at("2026-11-23T19:00:00Z"));
        // Never at once day in both: as it is in the east.
        let short = hours("09:00", "10:00");
        assert_eq!(short.opens_at(zones_of("US").unwrap(), at("2026-11-23T12:00:00Z")), at("2026-11-23T14:00:00Z"));
    }

    #[test]
    fn the_clocks_change() {
        // In Berlin the hour from 02:00 on is left out on 2027-03-28, and is there twice on 2026-10-25.
        let early = hours("02:30", "05:00");
        assert_eq!(early.opens_at(&["Europe/Berlin"], at("2027-03-28T00:00:00Z")), at("2027-03-28T01:30:00Z"));
        assert_eq!(early.opens_at(&["Europe/Berlin"], at("2026-10-24T22:00:00Z")), at("2026-10-25T00:30:00Z"));
        let day = hours("09:00", "21:00");
        assert_eq!(day.opens_at(&["Europe/Berlin"], at("2027-03-27T21:00:00Z")), at("2027-03-28T07:00:00Z"), "a short night");
    }

    #[test]
    fn hours_are_read_and_wrong_ones_named() {
        assert!(hours("00:00", "24:00").is_open(0) && hours("00:00", "24:00").is_open(1_439));
        let over_midnight = hours("18:00", "02:00");
        assert!(over_midnight.is_open(60) && over_midnight.is_open(1_100) && !over_midnight.is_open(600));
        for (from, to) in [("9:00", "21:00"), ("09:60", "21:00"), ("09:00", "24:01"), ("", "21:00"), ("+9:00", "21:00")] {
            assert!(matches!(LocalHours::new(from, to, "UTC", Vec::new()), Err(InvalidHours::Time(_))), "{from} {to}");
        }
        assert_eq!(LocalHours::new("09:00", "09:00", "UTC", Vec::new()), Err(InvalidHours::Never));
        assert!(matches!(LocalHours::new("09:00", "10:00", "Mars/Olympus", Vec::new()), Err(InvalidHours::Zone(_))));
    }

    proptest! {
        #[test]
        fn what_is_told_is_open_and_soon(
            now in 1_700_000_000_000u64..2_000_000_000_000, from in 0u16..24, length in 1u16..24,
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe"]),
        ) {
            let to = (from + length) % 24;
            prop_assume!(from != to);
            let hours = hours(&format!("{from:02}:00"), &format!("{to:02}:00"));
            let now = UnixMs(now);
            let at = hours.opens_at(&[zone], now);
            prop_assert!(at >= now && at <= now.plus_ms(DAY_MS + 2 * HOUR_MS));
            prop_assert_eq!(hours.opens_at(&[zone], at), at, "it is open then");
            if at > now {
                prop_assert!(hours.opens_at(&[zone], UnixMs(at.0 - MINUTE_MS)) > UnixMs(at.0 - MINUTE_MS), "and not a minute before");
            }
        }
    }
}
