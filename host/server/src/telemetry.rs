//! Log lines: for people or for machines. What may stand in them is written in docs/LOGGING.md.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::{LogConfig, LogFormat};

/// The filter is not one.
#[derive(Debug, thiserror::Error)]
#[error("log.level {level:?} is not right: {problem}")]
pub struct TelemetryError {
    level: String,
    problem: String,
}

/// Begins to write lines to standard error. Once for a process.
pub fn start(config: &LogConfig) -> Result<(), TelemetryError> {
    let wrong = |problem: String| TelemetryError { level: config.level.clone(), problem };
    let filter = EnvFilter::try_new(&config.level).map_err(|problem| wrong(problem.to_string()))?;
    // Colours are for a person at a terminal, not for files and pipes.
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    match config.format {
        LogFormat::Text => lines.with_target(true).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(true).try_init(),
    }
    .map_err(|problem| wrong(problem.to_string()))
}
