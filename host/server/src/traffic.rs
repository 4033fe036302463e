//! What came in on each number: Meta counts inbound and outbound messages against one throughput, and the sender cannot
//! see the webhooks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use questline_core::id::NumberId;

/// Messages that came in and are not yet counted.
#[derive(Debug, Default)]
pub struct Traffic {
    inbound: HashMap<NumberId, AtomicU32>,
}

impl Traffic {
    /// For these numbers.
    pub fn new(numbers: impl IntoIterator<Item = NumberId>) -> Self {
        Self { inbound: numbers.into_iter().map(|number| (number, AtomicU32::new(0))).collect() }
    }

    /// A message came in.
    pub fn inbound(&self, number: &NumberId) {
        if let Some(count) = self.inbound.get(number) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes what was counted since the last time.
    pub fn drain(&self) -> impl Iterator<Item = (&NumberId, u32)> {
        self.inbound.iter().filter_map(|(number, count)| match count.swap(0, Ordering::Relaxed) {
            0 => None,
            count => Some((number, count)),
        })
    }
}
