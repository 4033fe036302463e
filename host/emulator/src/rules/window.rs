//! The service window: 24 hours from the player's last message. Outside of it only templates may be sent (131047).

use crate::clock::UnixMs;

const WINDOW_MS: u64 = 24 * 60 * 60 * 1000;

pub(crate) fn is_open(last_inbound_ms: Option<UnixMs>, now_ms: UnixMs) -> bool {
    closes_at(last_inbound_ms, now_ms).is_some()
}

/// `None` when it is closed.
pub(crate) fn closes_at(last_inbound_ms: Option<UnixMs>, now_ms: UnixMs) -> Option<UnixMs> {
    last_inbound_ms.map(|last_ms| last_ms + WINDOW_MS).filter(|closes_at| *closes_at > now_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_closes_24_hours_after_the_last_message() {
        assert!(!is_open(None, 5));
        assert!(is_open(Some(5), 5));
        assert!(is_open(Some(5), 4 + WINDOW_MS));
        assert!(!is_open(Some(5), 5 + WINDOW_MS));
    }
}
