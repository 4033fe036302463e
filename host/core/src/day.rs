//! Days, as figures are kept by: of UTC, and written as people write them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::{DAY_MS, UnixMs};

/// A day of UTC: how many there were since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub u32);

/// The text is no day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a day is written YYYY-MM-DD, from 1970-01-01 to 9999-12-31")]
pub struct InvalidDay;

impl Day {
    /// The day of a time.
    pub fn of(at: UnixMs) -> Self {
        Self(u32::try_from(at.0 / DAY_MS).unwrap_or(u32::MAX))
    }

    /// When it begins.
    pub fn begins_at(self) -> UnixMs {
        UnixMs(u64::from(self.0) * DAY_MS)
    }

    /// Reads `YYYY-MM-DD`.
    pub fn parse(text: &str) -> Result<Self, InvalidDay> {
        let bytes = text.as_bytes();
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = bytes else { return Err(InvalidDay) };
        let number = |digits: &[&u8]| {
            digits.iter().try_fold(0u32, |number, digit| Some(number * 10 + char::from(**digit).to_digit(10)?)).ok_or(InvalidDay)
        };
        let (year, month, day) = (number(&[y1, y2, y3, y4])?, number(&[m1, m2])?, number(&[d1, d2])?);
        if year < 1970 || !(1..=12).contains(&month) || day == 0 {
            return Err(InvalidDay);
        }
        // Days before the year of the era of 400 years, whose years begin in March: so the leap day comes last.
        let shifted = if month > 2 { year } else { year - 1 };
        let (era, of_era) = (shifted / 400, shifted % 400);
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;
        let found = Self(days.checked_sub(719_468).ok_or(InvalidDay)?);
        // The thirtieth of February is another day.
        if found.to_string() == text { Ok(found) } else { Err(InvalidDay) }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = u64::from(self.0) + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (text, number) in [("1970-01-01", 0), ("2000-02-29", 11_016), ("2026-11-22", 20_779), ("2100-03-01", 47_541)] {
            assert_eq!((Day::parse(text), Day(number).to_string().as_str()), (Ok(Day(number)), text));
        }
        for wrong in ["", "2026-11-31", "2100-02-29", "2026-1-1", "2026-00-10", "1969-12-31", "2026-11-2+", "22.11.2026", "2026-11-220"] {
            assert_eq!(Day::parse(wrong), Err(InvalidDay), "{wrong}");
        }
        assert_eq!(Day::of(UnixMs(20_779 * DAY_MS + 5)).begins_at(), UnixMs(20_779 * DAY_MS));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(number in 0u32..2_932_896) {
            prop_assert_eq!(Day::parse(&Day(number).to_string()), Ok(Day(number)));
        }
    }
}
