//! Connections to a studio: its players' database and its backend. Two kinds: the studio's own HTTP service, and a
//! sample file for development and demonstrations.

mod breaker;
mod http;
mod sample;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use questline_core::game::SensitiveOperations;
use questline_core::port::{Backend, Players};
use questline_core::sensitive::Sensitivity;
use serde::Deserialize;

use crate::config::SecretSource;
use crate::game::{self, Bundle, GameProblem, LoadContext, SecretRefused};

pub use breaker::Breaker;

/// `[players]` in game.toml.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlayersFile {
    connector: Kind,
    /// For `sample`.
    file: Option<String>,
    /// For `http`.
    url: Option<String>,
    secret: Option<SecretSource>,
    timeout_ms: Option<u64>,
}

/// `[backend]` in game.toml.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendFile {
    #[serde(default)]
    connector: Kind,
    url: Option<String>,
    secret: Option<SecretSource>,
    timeout_ms: Option<u64>,
    #[serde(default)]
    operations: BTreeMap<String, OperationFile>,
}

impl BackendFile {
    /// What its operations ask to have proven first.
    pub fn sensitive(&self) -> Result<SensitiveOperations, String> {
        let asked = |(name, operation): (&String, &OperationFile)| {
            let OperationFile { fresh_authentication_s, bound_device, .. } = *operation;
            let sensitivity = SensitivityFile { fresh_authentication_s, bound_device }
                .read()
                .map_err(|problem| format!("backend.operations.{name}.{problem}"))?;
            Ok((name.clone(), sensitivity))
        };
        let all: Vec<_> = self.operations.iter().map(asked).collect::<Result<_, String>>()?;
        Ok(all.into_iter().filter(|(_, sensitivity)| sensitivity.is_any()).collect())
    }

    /// Whether game.toml has this operation.
    pub fn declares(&self, operation: &str) -> bool {
        self.operations.contains_key(operation)
    }

    /// The operations that are checks of whose account it is, each with the field of its answer that tells.
    pub fn checks(&self) -> Result<BTreeMap<String, String>, GameProblem> {
        let mut checks = BTreeMap::new();
        for (name, operation) in &self.operations {
            let Some(field) = &operation.counts_as_check else { continue };
            if !(1..=64).contains(&field.len()) {
                return Err(GameProblem::Rule(format!(
                    "backend.operations.{name}.counts_as_check names the field of the answer that is true when the check passed: 1 to 64 bytes"
                )));
            }
            checks.insert(name.clone(), field.clone());
        }
        Ok(checks)
    }
}

/// The keys of game.toml that make something sensitive.
#[derive(Debug, Clone, Copy)]
pub struct SensitivityFile {
    /// The proof is at most so old.
    pub fresh_authentication_s: Option<u32>,
    /// It was given on a bound device.
    pub bound_device: bool,
}

impl SensitivityFile {
    /// As the rules have it.
    pub fn read(self) -> Result<Sensitivity, String> {
        let Self { fresh_authentication_s, bound_device } = self;
        match fresh_authentication_s {
            Some(seconds) if !(1..=86_400).contains(&seconds) => Err(format!("fresh_authentication_s is {seconds}; it takes 1 to 86400")),
            _ => Ok(Sensitivity { fresh_authentication_s, bound_device }),
        }
    }
}

/// `[backend.operations.<name>]` in game.toml.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationFile {
    timeout_ms: Option<u64>,
    /// It checks whose account it is: the field of its answer that is `true` when the check passed.
    counts_as_check: Option<String>,
    fresh_authentication_s: Option<u32>,
    #[serde(default)]
    bound_device: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Sample,
    Http,
}

/// Why a studio cannot be connected.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// A key is missing.
    #[error("{section} needs {key} for connector = {connector:?}")]
    Missing {
        /// Of game.toml.
        section: &'static str,
        /// Which.
        key: &'static str,
        /// Which kind.
        connector: &'static str,
    },
    /// An address.
    #[error("{section}.url {url:?} {problem}")]
    Url {
        /// Of game.toml.
        section: &'static str,
        /// As written.
        url: String,
        /// What is wrong.
        problem: String,
    },
    /// The operator's list.
    #[error("{section}.url leads to {host}, which the operator has not allowed: add it to operator.connector_hosts in questline.toml")]
    HostNotAllowed {
        /// Of game.toml.
        section: &'static str,
        /// Which.
        host: String,
    },
    /// A secret.
    #[error(transparent)]
    Secret(#[from] SecretRefused),
    /// The sample file.
    #[error("{path}: {problem}")]
    Sample {
        /// Which.
        path: String,
        /// What is wrong.
        problem: String,
    },
}

/// A game's connections: to its players' database, and to its backend.
pub type Connections = (Arc<dyn Players>, Arc<dyn Backend>);

/// Makes both connections of a game.
pub fn connect(
    bundle: &Bundle,
    players: PlayersFile,
    backend: BackendFile,
    context: &LoadContext<'_>,
) -> Result<Connections, ConnectorError> {
    if context.studio == game::Studio::Sample {
        return SampleData::read(bundle, &players, &backend)?.connect();
    }
    let sample = match &players.file {
        Some(file) => Some(Arc::new(sample_studio(bundle, file)?)),
        None => None,
    };
    let needs_sample = |section| ConnectorError::Missing { section, key: "players.file", connector: "sample" };
    let connected_players: Arc<dyn Players> = match players.connector {
        Kind::Sample => sample.clone().ok_or_else(|| needs_sample("players"))?,
        Kind::Http => {
            Arc::new(http::HttpStudio::new("players", players.url, players.secret, players.timeout_ms, BTreeMap::new(), context)?)
        }
    };
    let connected_backend: Arc<dyn Backend> = match backend.connector {
        Kind::Sample => match sample {
            Some(sample) => Arc::new(sample::SampleBackend::new(sample, backend.operations.into_keys().collect())),
            None if backend.operations.is_empty() => Arc::new(sample::NoBackend),
            None => return Err(needs_sample("backend")),
        },
        Kind::Http => {
            let timeouts = backend.operations.into_iter().map(|(name, operation)| (name, operation.timeout_ms)).collect();
            Arc::new(http::HttpStudio::new("backend", backend.url, backend.secret, backend.timeout_ms, timeouts, context)?)
        }
    };
    Ok((connected_players, connected_backend))
}

/// Where sample players are when `[players]` names no file.
const SAMPLE_FILE: &str = "players.json";

/// What stands in for a studio in transcripts: the sample players as JSON, so that a scene can change them, and the
/// operations that game.toml declares.
#[derive(Debug, Clone)]
pub struct SampleData {
    file: String,
    /// The file's document.
    pub players: serde_json::Value,
    /// The declared operations.
    pub operations: BTreeSet<String>,
}

impl SampleData {
    /// From `[players].file`, else `players.json`; a game without either has no players but those of its scenes.
    pub fn read(bundle: &Bundle, players: &PlayersFile, backend: &BackendFile) -> Result<Self, ConnectorError> {
        let file = players.file.as_deref().unwrap_or(SAMPLE_FILE);
        let wrong = |problem: String| ConnectorError::Sample { path: file.to_owned(), problem };
        let document = match bundle.file(file) {
            Some(content) => serde_json::from_slice(content).map_err(|problem| wrong(problem.to_string()))?,
            None if players.file.is_some() => return Err(wrong("there is no such file in the game's folder".to_owned())),
            None => serde_json::json!({ "players": [] }),
        };
        Ok(Self { file: file.to_owned(), players: document, operations: backend.operations.keys().cloned().collect() })
    }

    /// Connections to players of their own: what one scene claims is there in the next.
    pub fn connect(&self) -> Result<Connections, ConnectorError> {
        let wrong = |problem: serde_json::Error| ConnectorError::Sample { path: self.file.clone(), problem: problem.to_string() };
        let content = serde_json::to_vec(&self.players).map_err(wrong)?;
        let studio = Arc::new(sample::SampleStudio::read(&content).map_err(wrong)?);
        Ok((studio.clone(), Arc::new(sample::SampleBackend::new(studio, self.operations.clone()))))
    }
}

fn sample_studio(bundle: &Bundle, path: &str) -> Result<sample::SampleStudio, ConnectorError> {
    let wrong = |problem: String| ConnectorError::Sample { path: path.to_owned(), problem };
    let content = bundle.file(path).ok_or_else(|| wrong("there is no such file in the game's folder".to_owned()))?;
    sample::SampleStudio::read(content).map_err(|problem| wrong(problem.to_string()))
}
