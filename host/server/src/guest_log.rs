//! Where flows' log lines go: to the host's log, so many a second for each game and no more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use questline_core::id::{FlowName, GameId};
use questline_core::port::{Clock, GuestLog, LogLevel};
use questline_core::rate::{Pace, Pacer};

use crate::metrics::Metrics;
use crate::transcript;

/// Lines a second of one game, and as many at once after a pause.
const LINES: Pace = Pace { interval_us: 20_000, burst: 200 };

/// Passes lines on to `tracing`, under the target `guest`.
pub struct TracedGuestLog {
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    paces: Mutex<HashMap<GameId, Pacer>>,
}

impl TracedGuestLog {
    /// With the clock that the rate goes by.
    pub fn new(clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        Self { clock, metrics, paces: Mutex::default() }
    }
}

impl GuestLog for TracedGuestLog {
    fn line(&self, game: &GameId, flow: &FlowName, level: LogLevel, message: &str) {
        // What a transcript's flows write is for the transcript.
        if transcript::log::keep(flow, level, message) {
            return;
        }
        let now = self.clock.now();
        let admitted = {
            let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
            match paces.get_mut(game) {
                Some(pacer) => pacer.take(LINES, now).is_ok(),
                None => paces.entry(game.clone()).or_default().take(LINES, now).is_ok(),
            }
        };
        if !admitted {
            self.metrics.guest_lines_dropped(game, 1);
            return;
        }
        let (game, flow) = (game.as_str(), flow.as_str());
        match level {
            LogLevel::Debug => tracing::debug!(target: "guest", game, flow, "{message}"),
            LogLevel::Info => tracing::info!(target: "guest", game, flow, "{message}"),
            LogLevel::Warn => tracing::warn!(target: "guest", game, flow, "{message}"),
            LogLevel::Error => tracing::error!(target: "guest", game, flow, "{message}"),
        }
    }
}
