//! What both engines need for permits: names as keyed digests, and whose turn it is when a window is full.

use questline_core::audit::Pseudonyms;
use questline_core::port::{PermitAsk, PermitMember, PermitWindow};
use questline_core::time::UnixMs;

use crate::audit::AuditKey;

/// Bytes of a digest.
const DIGEST_BYTES: usize = 16;
/// So far ahead the places of a full window are looked at; those who wait farther back are told the same time.
const AHEAD_MAX: u64 = 1_024;

/// A window or a member as it lies in a store. The key is the audit log's: unlike those that seal, it never changes, so
/// that no limit starts afresh with a new key.
pub(crate) type PermitDigest = [u8; DIGEST_BYTES];

fn digest(key: &AuditKey, what: u8, parts: &[&str]) -> PermitDigest {
    let mut text = Vec::with_capacity(192);
    text.extend_from_slice(b"permit\0");
    text.push(what);
    for part in parts {
        text.extend_from_slice(&(part.len() as u32).to_be_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    let mut digest = [0; DIGEST_BYTES];
    digest.copy_from_slice(&key.mac(&text)[..DIGEST_BYTES]);
    digest
}

/// The digest of a window.
pub(crate) fn window_digest(key: &AuditKey, window: &PermitWindow) -> PermitDigest {
    digest(key, 1, &[window.as_str()])
}

/// The digest of a member: another one in each window, so that nobody is followed from window to window.
pub(crate) fn member_digest(key: &AuditKey, window: &PermitWindow, member: &PermitMember) -> PermitDigest {
    digest(key, 2, &[window.as_str(), member.as_str()])
}

/// An ask with its digests.
#[derive(Debug, Clone)]
pub(crate) struct KeyedAsk {
    pub(crate) window: PermitDigest,
    pub(crate) member: PermitDigest,
    pub(crate) max: u32,
    pub(crate) span_ms: u64,
    pub(crate) behind: u32,
}

impl KeyedAsk {
    pub(crate) fn new(key: &AuditKey, ask: &PermitAsk) -> Self {
        let window = window_digest(key, &ask.window);
        let member = member_digest(key, &ask.window, &ask.member);
        Self { window, member, max: ask.max, span_ms: ask.span_ms, behind: ask.behind }
    }
}

/// Which of the places that count in a full window, the oldest being 0, is the one to wait for. Where it holds more than
/// its `max`, those in excess have to go before.
pub(crate) fn place_to_wait_for(max: u32, behind: u32) -> u64 {
    (u64::from(behind) % u64::from(max.max(1))).min(AHEAD_MAX)
}

/// When the turn comes of one who waits for a place that was taken then. Who has more before them than there are places
/// waits for a place to be freed more than once.
pub(crate) fn turn(taken_at: UnixMs, max: u32, span_ms: u64, behind: u32, now: UnixMs) -> UnixMs {
    let rounds = u64::from(behind) / u64::from(max.max(1));
    let at = taken_at.plus_ms(span_ms.saturating_mul(rounds.saturating_add(1)));
    // What is over and not swept yet is looked at again in a moment.
    at.max(now.plus_ms(1))
}
