//! How errors of the SDK and of imports become a flow's own, so that `?` does the right thing.
use crate::types::ImportError;
use crate::{FlowError, LimitError};

impl FlowError {
    /// Try the event again later.
    pub fn transient(reason: impl Into<String>) -> Self {
        Self::Transient(reason.into())
    }

    /// Trying again does not help.
    pub fn permanent(reason: impl Into<String>) -> Self {
        Self::Permanent(reason.into())
    }
}

impl ImportError {
    /// Whether the same call may succeed when the step is tried again.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// What went wrong, in words.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::NotGranted(what) => format!("not granted: {what}"),
            Self::NotFound => "not found".to_owned(),
            Self::Unavailable(why) => format!("unavailable: {why}"),
            Self::Invalid(why) => format!("invalid request: {why}"),
            Self::Extension(extension) => format!("{}: {}", extension.name, extension.value),
        }
    }
}

/// `unavailable` has the step tried again; all else is permanent.
impl From<ImportError> for FlowError {
    fn from(error: ImportError) -> Self {
        let reason = error.reason();
        if error.is_transient() { Self::Transient(reason) } else { Self::Permanent(reason) }
    }
}

/// A message beyond a limit is a fault of the flow or of its texts: trying again does not help.
impl From<LimitError> for FlowError {
    fn from(error: LimitError) -> Self {
        Self::Permanent(error.to_string())
    }
}
