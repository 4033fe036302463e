//! Room for request bodies: memory is bounded by what may be read at the same time, not by who connects.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes are counted in pieces of this size.
const PIECE_BYTES: usize = 1_024;

/// So many bytes, shared by all requests.
#[derive(Debug, Clone)]
pub struct Room {
    pieces: Arc<Semaphore>,
}

impl Room {
    /// Room for this many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { pieces: Arc::new(Semaphore::new(bytes_max.div_ceil(PIECE_BYTES).max(1))) }
    }

    /// Room for this many bytes until the permit is dropped; `None` when there is not as much left.
    pub fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let pieces = u32::try_from(bytes.div_ceil(PIECE_BYTES).max(1)).ok()?;
        self.pieces.clone().try_acquire_many_owned(pieces).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn room_is_given_back() {
        let room = Room::new(10_000);
        let first = room.take(9_000).unwrap();
        assert!(room.take(9_000).is_none());
        drop(first);
        assert!(room.take(9_000).is_some());
    }
}
