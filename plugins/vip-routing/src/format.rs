//! Numbers and dates as a language writes them. A guest has no locale data but this.

const DAY_MS: u64 = 86_400_000;

/// The language of a locale: `de` of `de-AT`.
pub(crate) fn language(locale: &str) -> &str {
    locale.split(['-', '_']).next().unwrap_or_default()
}

/// `12,500` in English, `12.500` in German.
pub(crate) fn number(value: u64, locale: &str) -> String {
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
pub(crate) fn signed(value: i64, locale: &str) -> String {
    let sign = if value < 0 { '−' } else { '+' };
    format!("{sign}{}", number(value.unsigned_abs(), locale))
}

/// The day (UTC) of milliseconds since 1970: `2027-01-10`, in German `10.01.2027`.
pub(crate) fn date(at_ms: u64, locale: &str) -> String {
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

#[cfg(test)]
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
