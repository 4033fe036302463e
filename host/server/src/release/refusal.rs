//! Why an upload is not taken: each reason has its own code, names the file, and says what to do.

use questline_wasm::LoadError;
use serde::Serialize;

use super::archive::ArchiveError;
use super::compile::CompileError;
use crate::connector::ConnectorError;
use crate::game::{BundleError, GameError, GameProblem, SecretRefused};

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}{detail}", .file.as_ref().map(|file| format!("{file}: ")).unwrap_or_default())]
pub struct Refusal {
    /// The kind of reason: stays the same, for programs.
    pub code: &'static str,
    /// In which file of the release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What is wrong and what to do.
    pub detail: String,
}

impl Refusal {
    /// A reason that is in no single file.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, file: None, detail: detail.into() }
    }

    /// A reason that is in a file.
    pub fn in_file(code: &'static str, file: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code, file: Some(file.into()), detail: detail.into() }
    }

    /// A component that is not taken as a flow.
    pub fn of_component(file: &str, problem: &LoadError) -> Self {
        let code = match problem {
            LoadError::TooLarge { .. } => "too-large",
            LoadError::NativeCode => "native-code",
            LoadError::NotWasm | LoadError::CoreModule | LoadError::Malformed { .. } => "not-a-component",
            LoadError::ForeignImport { .. } => "forbidden-import",
            LoadError::UnknownInterface { .. }
            | LoadError::WrongVersion { .. }
            | LoadError::NoGuest { .. }
            | LoadError::Mismatch { .. } => "wrong-world",
            LoadError::NotGranted { .. } | LoadError::NeedsNotGranted { .. } | LoadError::UnknownCapability(_) => "capability-not-granted",
            LoadError::Compile { .. } => "compile-failed",
            LoadError::Describe(_) => "describe-failed",
            LoadError::Description { .. } => "description-wrong",
            LoadError::Host(_) => "host-failed",
        };
        Self::in_file(code, file, problem.to_string())
    }

    /// A component that could not be compiled.
    pub fn of_compilation(file: &str, problem: &CompileError) -> Self {
        let code = match problem {
            CompileError::TooLong { .. } => "compile-too-long",
            CompileError::TooMuchMemory { .. } => "compile-too-much-memory",
            CompileError::Refused(_) => "compile-failed",
            CompileError::Failed(_) => "host-failed",
        };
        Self::in_file(code, file, problem.to_string())
    }
}

impl From<ArchiveError> for Refusal {
    fn from(problem: ArchiveError) -> Self {
        let code = match &problem {
            ArchiveError::Bundle(BundleError::TooLarge(_)) | ArchiveError::TooMany => "too-large",
            ArchiveError::Bundle(BundleError::Path(_)) => "file-name",
            ArchiveError::Unreadable(_) | ArchiveError::NotAFile(_) | ArchiveError::Twice(_) | ArchiveError::Bundle(_) => "archive",
        };
        Self::new(code, problem.to_string())
    }
}

impl From<&GameError> for Refusal {
    fn from(problem: &GameError) -> Self {
        let code = match problem.problem() {
            GameProblem::Missing => "file-missing",
            GameProblem::TemplateMissing(_) => "template-missing",
            GameProblem::TextMissing(_) => "text-missing",
            GameProblem::Copy(_) => "copy",
            GameProblem::Connector(ConnectorError::Secret(SecretRefused::NotAllowed(_))) => "secret-not-allowed",
            GameProblem::Connector(ConnectorError::Secret(SecretRefused::Unreadable(_))) => "secret-missing",
            GameProblem::Connector(ConnectorError::HostNotAllowed { .. }) => "host-not-allowed",
            GameProblem::MediaHost(_) => "host-not-allowed",
            GameProblem::Media(_) => "media",
            GameProblem::Connector(_) => "connector",
            _ if problem.file().starts_with("templates/") => "template",
            GameProblem::Bundle(_) | GameProblem::NotText(_) | GameProblem::Toml(_) | GameProblem::Rule(_) => "game-toml",
        };
        Self::in_file(code, problem.file(), problem.problem().to_string())
    }
}
