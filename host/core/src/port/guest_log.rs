//! What flows write for their authors.

use serde::{Deserialize, Serialize};

use crate::id::{FlowName, GameId};

/// Where a flow's log lines go.
pub trait GuestLog: Send + Sync {
    /// Takes a line, bounded and counted already.
    fn line(&self, game: &GameId, flow: &FlowName, level: LogLevel, message: &str);
}

/// How loud a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// For the flow's author.
    Debug,
    /// Worth knowing.
    Info,
    /// Odd.
    Warn,
    /// Wrong.
    Error,
}
