//! What WhatsApp and the contract allow in a message or effect, checked where it is built. Lengths count characters.
//!
//! The figures are those of Meta's Cloud API for messages of the types text, interactive, media and template.
use core::fmt;

/// Longest text message.
pub const TEXT_MAX: usize = 4096;
/// Longest body of an interactive message with buttons, a link button or a request.
pub const BODY_MAX: usize = 1024;
/// Longest body of a list message.
pub const LIST_BODY_MAX: usize = 4096;
/// Longest text of a header.
pub const HEADER_MAX: usize = 60;
/// Longest footer.
pub const FOOTER_MAX: usize = 60;
/// Most reply buttons.
pub const BUTTONS_MAX: usize = 3;
/// Longest label of any button.
pub const BUTTON_TITLE_MAX: usize = 20;
/// Longest id of a reply button.
pub const BUTTON_ID_MAX: usize = 256;
/// Most sections of a list.
pub const SECTIONS_MAX: usize = 10;
/// Most rows of a list, over all of its sections.
pub const ROWS_MAX: usize = 10;
/// Longest title of a section.
pub const SECTION_TITLE_MAX: usize = 24;
/// Longest title of a row.
pub const ROW_TITLE_MAX: usize = 24;
/// Longest description of a row.
pub const ROW_DESCRIPTION_MAX: usize = 72;
/// Longest id of a row.
pub const ROW_ID_MAX: usize = 200;
/// Longest caption.
pub const CAPTION_MAX: usize = 1024;
/// Longest name of a template.
pub const TEMPLATE_NAME_MAX: usize = 512;
/// Longest body of a ticket.
pub const TICKET_BODY_MAX: usize = 4096;
/// Longest subject of a ticket.
pub const TICKET_SUBJECT_MAX: usize = 256;
/// Most tags of a ticket.
pub const TICKET_TAGS_MAX: usize = 16;
/// Most values of a template, of its body or its buttons.
pub const TEMPLATE_VALUES_MAX: usize = 64;
/// Longest value of a template.
pub const TEMPLATE_VALUE_MAX: usize = 2000;
/// Longest id of a timer.
pub const TIMER_ID_MAX: usize = 128;
/// Longest timer; the host has a longer one due by then.
pub const TIMER_MS_MAX: u64 = 30 * 24 * 3_600_000;
/// Longest wording of a consent, or reason of a recovery.
pub const WORDING_MAX: usize = 2048;
/// Longest name: of an intent, a tag, a measure, a purpose, a method.
pub const NAME_MAX: usize = 64;
/// Most effects of one answer.
pub const EFFECTS_MAX: usize = 32;
/// Most bytes of a timer's payload or the note of a handover.
pub const PAYLOAD_BYTES_MAX: usize = STATE_BYTES_MAX;
/// Most bytes of a flow's state.
pub const STATE_BYTES_MAX: usize = 16 * 1024;

/// Why a message or effect cannot be sent as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitError {
    /// The field, for instance `buttons.title`.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Longer than `max` characters, or bytes for the state.
    TooLong {
        /// How long it is.
        length: usize,
        /// How long it may be.
        max: usize,
    },
    /// More than `max` of them.
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// There must be something.
    Missing,
    /// The same value stands twice.
    Duplicate,
    /// Anything else, in words.
    Invalid(&'static str),
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field;
        match self.problem {
            Problem::TooLong { length, max } => {
                write!(f, "{field} is {length} long, at most {max} fit: shorten it")
            }
            Problem::TooMany { count, max } => {
                write!(f, "{field} has {count} entries, at most {max} fit")
            }
            Problem::Missing => write!(f, "{field} is empty"),
            Problem::Duplicate => write!(f, "{field} has the same value twice"),
            Problem::Invalid(why) => write!(f, "{field} {why}"),
        }
    }
}

impl core::error::Error for LimitError {}

/// `text`, cut to `max` characters with an ellipsis where it is longer: for what comes from a backend into a title.
#[must_use]
pub fn fit(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some(_) => {
            let mut cut: String = text.chars().take(max.saturating_sub(1)).collect();
            cut.truncate(cut.trim_end().len());
            cut.push('…');
            cut
        }
    }
}

/// Something that can be checked before the host sees it.
pub trait Check {
    /// # Errors
    /// The first limit that it breaks.
    fn check(&self) -> Result<(), LimitError>;
}

pub(crate) fn fail(field: &'static str, problem: Problem) -> Result<(), LimitError> {
    Err(LimitError { field, problem })
}

/// At most `max` characters.
pub(crate) fn at_most(field: &'static str, text: &str, max: usize) -> Result<(), LimitError> {
    // A character has at least one byte: the usual text is never counted.
    if text.len() <= max {
        return Ok(());
    }
    let length = text.chars().count();
    if length <= max { Ok(()) } else { fail(field, Problem::TooLong { length, max }) }
}

/// 1 to `max` characters, not only white space.
pub(crate) fn some(field: &'static str, text: &str, max: usize) -> Result<(), LimitError> {
    if text.trim().is_empty() {
        return fail(field, Problem::Missing);
    }
    at_most(field, text, max)
}

/// 1 to `max` entries.
pub(crate) fn count(field: &'static str, count: usize, max: usize) -> Result<(), LimitError> {
    match count {
        0 => fail(field, Problem::Missing),
        count if count > max => fail(field, Problem::TooMany { count, max }),
        _ => Ok(()),
    }
}

/// No value twice. For the few entries of a message.
pub(crate) fn distinct<'a>(field: &'static str, values: impl Iterator<Item = &'a str> + Clone) -> Result<(), LimitError> {
    let mut rest = values;
    while let Some(value) = rest.next() {
        if rest.clone().any(|other| other == value) {
            return fail(field, Problem::Duplicate);
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_characters_not_bytes() {
        assert_eq!(at_most("body", "ééééé", 5), Ok(()));
        assert_eq!(at_most("body", "éééééé", 5), Err(LimitError { field: "body", problem: Problem::TooLong { length: 6, max: 5 } }));
    }

    #[test]
    fn fit_keeps_what_fits_and_cuts_the_rest_within_the_limit() {
        assert_eq!(fit("Starfall Cup", 12), "Starfall Cup");
        assert_eq!(fit("Starfall Cup", 10), "Starfall…");
        assert_eq!(fit("ÄÖÜ", 2), "Ä…");
        assert_eq!(fit("abc", 2).chars().count(), 2);
    }
}
