//! Numbers, money and dates as a language writes them, and texts that a backend has in several. A guest has no locale
//! data but this.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

const DAY_MS: u64 = 86_400_000;

/// The language of a locale: `de` of `de-AT`.
#[must_use]
pub fn language(locale: &str) -> &str {
    locale.split(['-', '_']).next().unwrap_or_default()
}

/// `12,500` in English, `12.500` in German.
#[must_use]
pub fn number(value: u64, locale: &str) -> String {
    let separator = match language(locale) {
        "da" | "de" | "es" | "id" | "it" | "nl" | "pt" | "tr" | "vi" => '.',
        // A narrow space that does not break.
        "cs" | "fi" | "fr" | "nb" | "pl" | "ru" | "sv" | "uk" => '\u{202f}',
        _ => ',',
    };
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

/// A change: `+500`, `−1,200`.
#[must_use]
pub fn signed(value: i64, locale: &str) -> String {
    let sign = if value < 0 { '−' } else { '+' };
    format!("{sign}{}", number(value.unsigned_abs(), locale))
}

/// The day (UTC) of milliseconds since 1970: `2027-01-10`, in German `10.01.2027`.
#[must_use]
pub fn date(at_ms: u64, locale: &str) -> String {
    let (year, month, day) = civil(at_ms / DAY_MS);
    match language(locale) {
        "de" => format!("{day:02}.{month:02}.{year}"),
        _ => format!("{year}-{month:02}-{day:02}"),
    }
}

/// Year, month and day of the proleptic Gregorian calendar, from days since 1970-01-01 (Hinnant's `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, so that the leap day ends the year.
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Currencies that are counted in whole units alone.
const WHOLE: [&str; 8] = ["CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF"];

/// Hundredths of a currency (ISO 4217): `1,399.00 CAD`, `8,000 JPY`, in German `1.399,00 EUR`.
#[must_use]
pub fn money(amount_minor: u64, currency: &str, locale: &str) -> String {
    let whole = number(amount_minor / 100, locale);
    let minor = amount_minor % 100;
    if minor == 0 && WHOLE.contains(&currency) {
        return format!("{whole} {currency}");
    }
    // Who groups with a point or a space has a decimal comma.
    let point = if number(1_000, locale).contains(',') { '.' } else { ',' };
    format!("{whole}{point}{minor:02} {currency}")
}

/// The one amount of money that a text names, in hundredths of whatever currency: `13.99`, `about 13,99 €`, `1.399,00`,
/// `1'399.00`, `1 399`, `1,23,456.00`. None where it names no amount, or several.
///
/// Every language's way of writing is read, whatever the locale: players mix them. A separator before exactly three
/// digits groups them, because prices have at most two decimals.
#[must_use]
pub fn parse_amount_minor(text: &str) -> Option<u64> {
    let amounts: Vec<Amount> = runs(text).filter_map(amount).collect();
    // `1200 crystals for 13.99`: the one with decimals is the price.
    let with_decimals = amounts.iter().filter(|amount| amount.has_decimals);
    only(with_decimals).or_else(|| if amounts.iter().any(|amount| amount.has_decimals) { None } else { only(amounts.iter()) })
}

#[derive(Clone, Copy)]
struct Amount {
    minor: u64,
    has_decimals: bool,
}

fn only<'a>(mut amounts: impl Iterator<Item = &'a Amount>) -> Option<u64> {
    let first = amounts.next()?.minor;
    amounts.all(|other| other.minor == first).then_some(first)
}

fn is_separator(c: char) -> bool {
    matches!(c, '.' | ',' | '\'' | '’') || is_space(c)
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}')
}

/// Parts of a text that may be one number each: digits with single separators between them.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(|c: char| c.is_ascii_digit())?;
        let from = &rest[start..];
        let mut end = 0;
        let mut chars = from.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c.is_ascii_digit() {
                end = at + 1;
            } else if !is_separator(c) || !chars.peek().is_some_and(|(_, next)| next.is_ascii_digit()) {
                break;
            } else if is_space(c) && from[at + c.len_utf8()..].bytes().take_while(u8::is_ascii_digit).count() != 3 {
                // A space groups three digits, or it ends the number.
                break;
            }
        }
        rest = &from[end..];
        Some(&from[..end])
    })
}

/// One number. None where it is a date, a version or the like.
fn amount(run: &str) -> Option<Amount> {
    let groups: Vec<&str> = run.split(is_separator).collect();
    let separators: Vec<char> = run.chars().filter(|c| is_separator(*c)).collect();
    let (last, before) = groups.split_last()?;
    let decimal = matches!(separators.last(), Some('.' | ',')) && last.len() <= 2;
    let (whole, grouped_by) = if decimal { (before, &separators[..separators.len() - 1]) } else { (&groups[..], &separators[..]) };
    if let Some((first, others)) = grouped_by.split_first() {
        let differs = others.iter().any(|other| other != first);
        if differs || (decimal && separators.last() == Some(first)) || !is_grouped(whole) {
            return None;
        }
    }
    let units: u64 = whole.concat().parse().ok()?;
    let minor = match (decimal, last.len()) {
        (false, _) => 0,
        (true, 1) => last.parse::<u64>().ok()? * 10,
        (true, _) => last.parse().ok()?,
    };
    Some(Amount { minor: units.checked_mul(100)?.checked_add(minor)?, has_decimals: decimal })
}

/// By threes, or as in India: `1,23,456`.
fn is_grouped(groups: &[&str]) -> bool {
    let Some(([first, middle @ ..], last)) = groups.split_last().map(|(last, rest)| (rest, last)) else { return false };
    let by = |size: usize| (1..=size).contains(&first.len()) && middle.iter().all(|group| group.len() == size);
    last.len() == 3 && (by(3) || by(2))
}

/// A text that is the same everywhere, or one by language, for instance `{"en": "Meteor Rush", "de": "Meteorsturm"}`:
/// what a backend answers with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Localised {
    /// The same in every language.
    Everywhere(String),
    /// One by locale or language.
    ByLanguage(BTreeMap<String, String>),
}

impl Localised {
    /// The text of `locale`, else of its language, else in English, else any.
    #[must_use]
    pub fn of(&self, locale: &str) -> &str {
        let texts = match self {
            Self::Everywhere(text) => return text,
            Self::ByLanguage(texts) => texts,
        };
        let found = texts.get(locale).or_else(|| texts.get(language(locale))).or_else(|| texts.get("en"));
        found.or_else(|| texts.values().next()).map_or("", String::as_str)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_as_the_language_does() {
        assert_eq!(number(0, "en"), "0");
        assert_eq!(number(999, "en"), "999");
        assert_eq!(number(12_500, "en-US"), "12,500");
        assert_eq!(number(1_234_567, "de"), "1.234.567");
        assert_eq!(signed(-1_200, "en"), "−1,200");
        assert_eq!(signed(500, "de_DE"), "+500");
        assert_eq!(signed(i64::MIN, "en"), "−9,223,372,036,854,775,808");
    }

    #[test]
    fn money_has_two_decimals_but_where_there_are_none() {
        assert_eq!(money(139_900, "CAD", "en"), "1,399.00 CAD");
        assert_eq!(money(5_499, "EUR", "de-AT"), "54,99 EUR");
        assert_eq!(money(800_000, "JPY", "ja"), "8,000 JPY");
        assert_eq!(money(5, "EUR", "fr"), "0,05 EUR");
    }

    #[test]
    fn amounts_are_read_in_every_language() {
        for text in [
            "1399",
            "1399.00",
            "1,399.00",
            "1.399,00",
            "1'399.00",
            "1 399,00",
            "1\u{202f}399",
            "1,399",
            "1.399",
            "1399,0",
            "1399.-",
            "1399€",
        ] {
            assert_eq!(parse_amount_minor(text), Some(139_900), "{text}");
        }
        for text in
            ["54.99", "54,99", "€54.99", "54,99 €", "54,99€.", "It was $54.99, I think.", "CA$54.99", "54.99 USD", "54.99 = 54,99 €"]
        {
            assert_eq!(parse_amount_minor(text), Some(5_499), "{text}");
        }
        assert_eq!(parse_amount_minor("₹1,23,456.00"), Some(12_345_600));
        assert_eq!(parse_amount_minor("1.234.567,8"), Some(123_456_780));
        assert_eq!(parse_amount_minor("I bought 1200 crystals for 13,99"), Some(1_399), "the one with decimals");
        assert_eq!(parse_amount_minor("on 12.11.2026 for 13.99"), Some(1_399), "a date is no amount");
        assert_eq!(parse_amount_minor("0,99"), Some(99));
    }

    #[test]
    fn what_is_no_single_amount_is_none() {
        for text in ["", "no idea", "4.99 or 9.99", "5 or 10", "1.2.3", "12.11.2026", "1,2345", "99999999999999999999", "१३.९९"] {
            assert_eq!(parse_amount_minor(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_is_found_by_locale_then_language_then_in_english() {
        let text: Localised = serde_json::from_str(r#"{"en": "Cup", "de": "Pokal", "pt-BR": "Copa"}"#).unwrap();
        assert_eq!([text.of("de-CH"), text.of("pt-BR"), text.of("ja")], ["Pokal", "Copa", "Cup"]);
        assert_eq!(serde_json::from_str::<Localised>("\"Cup\"").unwrap().of("de"), "Cup");
    }

    #[test]
    fn dates_are_right_around_leap_days_and_centuries() {
        assert_eq!(date(0, "en"), "1970-01-01");
        assert_eq!(date(951_782_400_000, "en"), "2000-02-29");
        assert_eq!(date(951_868_800_000 - 1, "en"), "2000-02-29");
        assert_eq!(date(951_868_800_000, "en"), "2000-03-01");
        assert_eq!(date(1_798_761_599_999, "en"), "2026-12-31");
        assert_eq!(date(1_798_761_600_000, "de-AT"), "01.01.2027");
        assert_eq!(date(4_107_542_400_000, "en"), "2100-03-01");
    }
}
