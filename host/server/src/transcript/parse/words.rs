//! The small parts of lines: words, durations, times, lists.

use questline_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UnixMs};

use super::{Wrong, wrong};
use crate::transcript::pattern::Pattern;

/// The first word and what follows it, both without spaces around.
pub(super) fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

/// What follows a word that has to stand here.
pub(super) fn after<'a>(text: &'a str, expected: &str) -> Result<&'a str, Wrong<'a>> {
    let (found, rest) = word(text);
    if found == expected { Ok(rest) } else { wrong(text, format!("`{expected}`")) }
}

/// A word that has to be there.
pub(super) fn some_word<'a>(text: &'a str, expected: &str) -> Result<(&'a str, &'a str), Wrong<'a>> {
    let (found, rest) = word(text);
    if found.is_empty() { wrong(text, expected) } else { Ok((found, rest)) }
}

/// A player's name.
pub(super) fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(char::is_alphabetic)
        && text.chars().count() <= 40
        && characters.all(|character| character.is_alphanumeric() || matches!(character, '-' | '_'))
}

/// A name and what follows it.
pub(super) fn name(text: &str) -> Result<(&str, &str), Wrong<'_>> {
    let (found, rest) = word(text);
    if is_name(found) { Ok((found, rest)) } else { wrong(text, "a player's name: letters, digits, - and _, no spaces") }
}

/// `25 hours`, `1 hour 30 minutes`, `90s`: milliseconds.
pub(super) fn duration(text: &str) -> Result<u64, Wrong<'_>> {
    const EXPECTED: &str = "a time, for instance `25 hours`, `10 minutes` or `1 day 2 hours`";
    let (mut rest, mut ms) = (text.trim(), 0u64);
    if rest.is_empty() {
        return wrong(text, EXPECTED);
    }
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        let Ok(count) = rest[..digits].parse::<u64>() else { return wrong(rest, EXPECTED) };
        let (unit, after) = word(&rest[digits..]);
        let unit_ms = match unit {
            "s" | "second" | "seconds" => SECOND_MS,
            "min" | "minute" | "minutes" => MINUTE_MS,
            "h" | "hour" | "hours" => HOUR_MS,
            "d" | "day" | "days" => DAY_MS,
            "week" | "weeks" => 7 * DAY_MS,
            _ => return wrong(&rest[digits..], "seconds, minutes, hours, days or weeks"),
        };
        ms = ms.saturating_add(count.saturating_mul(unit_ms));
        rest = after.strip_prefix("and ").unwrap_or(after);
    }
    if (1..=366 * DAY_MS).contains(&ms) { Ok(ms) } else { wrong(text, "a time of one second to a year") }
}

/// `at 2026-11-22 12:00`, UTC.
pub(super) fn starts_at(text: &str) -> Result<UnixMs, Wrong<'_>> {
    const EXPECTED: &str = "`at` and a time in UTC, for instance `starts at 2026-11-22 12:00`";
    let (at, rest) = word(text);
    let (date, time) = word(rest);
    let numbers = |text: &str, separator: char| text.split(separator).map(|part| part.parse::<u64>().ok()).collect::<Option<Vec<_>>>();
    match (at, numbers(date, '-').as_deref(), numbers(time, ':').as_deref()) {
        ("at", Some(&[year @ 2000..=2200, month @ 1..=12, day @ 1..=31]), Some(&[hour @ 0..=23, minute @ 0..=59])) => {
            Ok(UnixMs(days(year, month, day) * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS))
        }
        _ => wrong(text, EXPECTED),
    }
}

/// Days since 1970 of a date (Hinnant's `days_from_civil`).
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let (era, year_of_era) = (year / 400, year % 400);
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// `A | B | C`. A bar in a text is written `\|`.
pub(super) fn list(text: &str) -> Vec<Pattern> {
    let (mut parts, mut start) = (Vec::new(), 0);
    for (at, _) in text.match_indices('|') {
        if !text[..at].ends_with('\\') {
            parts.push(Pattern::new(text[start..at].trim()));
            start = at + 1;
        }
    }
    parts.push(Pattern::new(text[start..].trim()));
    parts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations_add_up() {
        for (text, ms) in [
            ("25 hours", 25 * HOUR_MS),
            ("1 hour 30 minutes", 90 * MINUTE_MS),
            ("1 day and 2 hours", 26 * HOUR_MS),
            ("60s", 60 * SECOND_MS),
            ("5 min", 5 * MINUTE_MS),
            ("2 weeks", 14 * DAY_MS),
        ] {
            assert_eq!(duration(text).unwrap(), ms, "{text}");
        }
        for text in ["", "soon", "5", "5 moons", "0 seconds", "400 days", "99999999999999999999 days"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(starts_at("at 2026-11-22 12:00").unwrap(), crate::transcript::script::START);
        assert_eq!(starts_at("at 2028-02-29 00:01").unwrap(), UnixMs(1_835_395_260_000));
        for text in ["2026-11-22 12:00", "at 2026-11-22", "at 2026-13-01 12:00", "at 2026-11-22 24:00", "at noon"] {
            assert!(starts_at(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bars_part_lists() {
        assert_eq!(list("A | B c|D"), ["A", "B c", "D"].map(Pattern::new));
        assert!(list("a \\| b")[0].matches("a | b"));
    }
}
