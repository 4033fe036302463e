//! Lines that flows write while a scene is played: they belong to the scene, not to the host's log.

use std::cell::RefCell;

use questline_core::id::{FlowName, GameId};
use questline_core::port::{GuestLog, LogLevel};

tokio::task_local! {
    static LINES: RefCell<Vec<String>>;
}

/// Runs a scene so that [`take`] finds what its flows write.
pub(super) async fn captured<F: Future>(scene: F) -> F::Output {
    LINES.scope(RefCell::default(), scene).await
}

/// Keeps a line if a scene is being played on this task; false where the line is the host's to write.
pub fn keep(_flow: &FlowName, level: LogLevel, message: &str) -> bool {
    let level = match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    };
    LINES.try_with(|lines| lines.borrow_mut().push(format!("{level} {message}"))).is_ok()
}

/// What was written since this was last asked.
pub(super) fn take() -> Vec<String> {
    LINES.try_with(|lines| std::mem::take(&mut *lines.borrow_mut())).unwrap_or_default()
}

/// A log for hosts that only play transcripts.
#[derive(Debug, Clone, Copy, Default)]
pub struct SceneLog;

impl GuestLog for SceneLog {
    fn line(&self, _game: &GameId, flow: &FlowName, level: LogLevel, message: &str) {
        keep(flow, level, message);
    }
}
