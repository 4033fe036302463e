//! What goes wrong too often holds something back for a while.

use serde::{Deserialize, Serialize};

use crate::time::UnixMs;
use crate::verification::guard::Window;

/// Counts within an hour, and holds once it was too much.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strikes {
    #[serde(default)]
    counted: Window,
    #[serde(default)]
    until: UnixMs,
}

impl Strikes {
    /// Whether nothing was counted.
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Until when it holds; none when it does not.
    pub fn holds_until(&self, now: UnixMs) -> Option<UnixMs> {
        (now < self.until).then_some(self.until)
    }

    /// Counts one; the `max`-th within an hour makes it hold for so long.
    pub fn count(&mut self, max: u32, hold_ms: u64, now: UnixMs) {
        self.counted.take(now);
        if self.counted.len(now) >= max as usize {
            *self = Self { counted: Window::default(), until: now.plus_ms(hold_ms) };
        }
    }

    /// When it can be forgotten.
    pub fn forget_at(&self, now: UnixMs) -> UnixMs {
        self.until.max(self.counted.forget_at(now))
    }
}
