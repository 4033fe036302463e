//! An error as Meta writes it, in webhooks and in answers.

use serde::Deserialize;

use crate::bound;
use crate::lax::{Int, Obj, Text};

/// Code and words of an error.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct MetaError<'a> {
    code: Int,
    #[serde(borrow)]
    title: Text<'a>,
    #[serde(borrow)]
    message: Text<'a>,
    #[serde(borrow)]
    error_data: Obj<ErrorData<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorData<'a> {
    #[serde(borrow)]
    details: Text<'a>,
}

impl MetaError<'_> {
    /// Meta's code; `None` where there is none. (0 is a code of Meta's.)
    pub(crate) fn code(&self) -> Option<u32> {
        self.code.unsigned().and_then(|code| u32::try_from(code).ok())
    }

    /// The most telling of Meta's words, fit for logs.
    pub(crate) fn words(&self) -> String {
        let details = self.error_data.0.as_ref().and_then(|data| data.details.get());
        bound::words(details.or(self.message.get()).or(self.title.get()).unwrap_or_default())
    }
}
