//! Which of a template's languages a player gets.

use super::{Book, Standing};
use crate::template::{Category, Template};
use crate::time::UnixMs;

/// A template's language for a player.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice<'t> {
    /// It can be sent.
    Send {
        /// The nearest one that can.
        language: &'t str,
        /// What Meta takes it for, where that is known.
        category: Option<Category>,
    },
    /// It can be sent later.
    Wait {
        /// The nearest one that is paused.
        language: &'t str,
        /// What Meta takes it for, where that is known.
        category: Option<Category>,
        /// When the pause ends, where that is known.
        until: Option<UnixMs>,
    },
    /// There is one, and Meta does not send it.
    Closed {
        /// The nearest one.
        language: &'t str,
        /// Where it stands: it is missing, or what it is instead of approved.
        standing: Standing,
    },
    /// None is near.
    NoLanguage,
}

impl Template {
    /// The language nearest to these locales, the first of them first, that Meta sends; one that does not have to wait before
    /// one that has to. Without a book, Meta has the last word.
    pub fn choose<'t, 'l>(&'t self, locales: impl IntoIterator<Item = &'l str>, book: Option<&Book>, now: UnixMs) -> Choice<'t> {
        let mut second = Choice::NoLanguage;
        for language in locales.into_iter().flat_map(|locale| self.nearest(locale)) {
            let standing = book.map_or(Standing::Unknown, |book| book.standing(&self.name, language, now));
            let category = || book?.version(&self.name, language)?.category_at(now);
            second = match (standing, second) {
                (Standing::Unknown, _) => return Choice::Send { language, category: None },
                (Standing::Sendable(category), _) => return Choice::Send { language, category },
                (_, Choice::Wait { .. }) => second,
                (Standing::Paused { until }, _) => Choice::Wait { language, category: category(), until },
                (standing, Choice::NoLanguage) => Choice::Closed { language, standing },
                (_, closed) => closed,
            };
        }
        second
    }
}

impl Standing {
    /// The name of what keeps it from being sent, in refusals and answers of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Missing => "missing",
            Self::Sendable(_) => "sendable",
            Self::Paused { .. } => "paused",
            Self::Closed(state) => state.as_str(),
        }
    }
}
