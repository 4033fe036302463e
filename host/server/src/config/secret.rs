//! Secrets: named in the configuration, never written there, never shown.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

/// Where a secret is: `{ env = "NAME" }` or `{ file = "/path" }`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum SecretSource {
    /// In this environment variable.
    Env(String),
    /// In this file; white space around it is not part of it.
    File(PathBuf),
}

/// A secret's text. `Debug` and `Display` hide it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text: to sign or to send with, never to show.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// A secret that is not where it should be.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// In the environment.
    #[error("environment variable {0} is not set, and the configuration says that it holds {1}")]
    Missing(String, String),
    /// In a file.
    #[error("cannot read {path}, which the configuration says holds {what}: {problem}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What it is for.
        what: String,
        /// Why.
        problem: std::io::Error,
    },
    /// There, and nothing in it.
    #[error("{0} is empty")]
    Empty(String),
}

impl SecretSource {
    /// Reads it. `what` says what it is for, in errors.
    pub fn read(&self, what: &str) -> Result<Secret, SecretError> {
        let text = match self {
            Self::Env(name) => std::env::var(name).map_err(|_| SecretError::Missing(name.clone(), what.to_owned()))?,
            Self::File(path) => std::fs::read_to_string(path).map_err(|problem| SecretError::Unreadable {
                path: path.clone(),
                what: what.to_owned(),
                problem,
            })?,
        };
        match text.trim() {
            "" => Err(SecretError::Empty(what.to_owned())),
            text => Ok(Secret::new(text)),
        }
    }
}
