//! The 24-hour service window: outside of it Meta takes only templates (error 131047).

use serde::{Deserialize, Serialize};

use crate::time::{HOUR_MS, UnixMs};

/// How long it stays open after the player's last message.
pub const WINDOW_MS: u64 = 24 * HOUR_MS;

/// Moved by the player's messages only, never by ours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceWindow {
    last_inbound_at: Option<UnixMs>,
}

impl ServiceWindow {
    /// The player wrote. Late webhooks do not move the window back, nor clocks ahead of ours beyond `now`.
    pub fn heard(&mut self, sent_at: UnixMs, now: UnixMs) {
        let at = sent_at.min(now);
        if self.last_inbound_at.is_none_or(|known| known < at) {
            self.last_inbound_at = Some(at);
        }
    }

    /// When it closes; `None` when it is closed.
    pub fn closes_at(self, now: UnixMs) -> Option<UnixMs> {
        let closes_at = self.last_inbound_at?.plus_ms(WINDOW_MS);
        (closes_at > now).then_some(closes_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_for_a_day_after_the_last_message() {
        let mut window = ServiceWindow::default();
        let now = UnixMs(1_000_000_000);
        assert_eq!(window.closes_at(now), None);
        window.heard(now, now);
        assert_eq!(window.closes_at(now), Some(now.plus_ms(WINDOW_MS)));
        assert_eq!(window.closes_at(now.plus_ms(WINDOW_MS)), None);
        window.heard(now.minus_ms(5_000), now);
        assert_eq!(window.closes_at(now), Some(now.plus_ms(WINDOW_MS)), "a late webhook does not move it back");
        window.heard(now.plus_ms(WINDOW_MS), now);
        assert_eq!(window.closes_at(now), Some(now.plus_ms(WINDOW_MS)), "a wrong clock does not hold it open");
    }
}
