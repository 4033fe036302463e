//! The emulator's time: the real clock, plus an offset that a test may move forward.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;

/// Milliseconds since the Unix epoch, in the emulator's time.
pub(crate) type UnixMs = u64;

/// Runs as real time does, or stands still; never backwards. [`Clock::advance`] jumps ahead.
pub(crate) struct Clock {
    /// `None` while time stands still.
    origin: Option<Instant>,
    origin_unix_ms: UnixMs,
    offset_ms: AtomicU64,
    moved: Notify,
}

impl Clock {
    pub(crate) fn new(runs: bool) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { origin: runs.then(Instant::now), origin_unix_ms: millis(since_epoch), offset_ms: AtomicU64::new(0), moved: Notify::new() }
    }

    pub(crate) fn now_ms(&self) -> UnixMs {
        let run_ms = self.origin.map_or(0, |origin| millis(origin.elapsed()));
        self.origin_unix_ms + run_ms + self.offset_ms.load(Ordering::Relaxed)
    }

    /// Moves time forward and wakes all who sleep.
    pub(crate) fn advance(&self, by: Duration) {
        self.offset_ms.fetch_add(millis(by), Ordering::Relaxed);
        self.moved.notify_waiters();
    }

    /// Returns once the emulator's time has reached `due_ms`.
    pub(crate) async fn sleep_until(&self, due_ms: UnixMs) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            let left_ms = due_ms.saturating_sub(self.now_ms());
            if left_ms == 0 {
                return;
            }
            if self.origin.is_none() {
                moved.await;
                continue;
            }
            let sleep = tokio::time::sleep(Duration::from_millis(left_ms));
            tokio::select! {
                () = sleep => {}
                () = moved => {}
            }
        }
    }
}

/// Whole milliseconds; a duration too long for 64 bits saturates.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
