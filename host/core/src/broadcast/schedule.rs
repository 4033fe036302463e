//! When a broadcast begins: a time as the clock on a wall shows it, in a place.

use jiff::civil::DateTime;

use super::AHEAD_MS_MAX;
use crate::time::UnixMs;

/// Why a time is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchedule {
    /// Not a local time.
    #[error("at: takes a local time, for instance 2026-12-24T18:00")]
    Time,
    /// Not a zone.
    #[error("zone: takes the IANA name of a time zone, for instance Europe/Berlin")]
    Zone,
    /// Over, or too far.
    #[error("at: lies in the past, or more than a year ahead")]
    Range,
}

/// The instant at which clocks in `zone` show `at`. Where they are put forward over it, the same time after that; where they
/// show it twice, the first.
pub fn begins_at(at: &str, zone: &str, now: UnixMs) -> Result<UnixMs, InvalidSchedule> {
    let local: DateTime = at.parse().map_err(|_| InvalidSchedule::Time)?;
    let zone = jiff::tz::db().get(zone).map_err(|_| InvalidSchedule::Zone)?;
    let there = local.to_zoned(zone).map_err(|_| InvalidSchedule::Range)?.timestamp().as_millisecond();
    let begins_at = UnixMs(u64::try_from(there).map_err(|_| InvalidSchedule::Range)?);
    match begins_at >= now && begins_at.since_ms(now) <= AHEAD_MS_MAX {
        true => Ok(begins_at),
        false => Err(InvalidSchedule::Range),
    }
}
