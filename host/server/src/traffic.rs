//! What ingress, runner and sender must know of one another without naming one another: how much came in on each number,
//! since Meta counts it against the throughput that replies need too, and how much waits to be sent.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use questline_core::id::NumberId;
use questline_core::lane::{Lane, LaneKind};

/// Messages on their way in and out.
#[derive(Debug, Default)]
pub struct Traffic {
    inbound: HashMap<NumberId, AtomicU32>,
    waiting: AtomicU64,
    out: HashMap<NumberId, [AtomicU32; LaneKind::SENT]>,
}

impl Traffic {
    /// For these numbers.
    pub fn new(numbers: impl IntoIterator<Item = NumberId>) -> Self {
        let numbers = numbers.into_iter().collect::<Vec<_>>();
        Self {
            inbound: numbers.iter().map(|number| (number.clone(), AtomicU32::new(0))).collect(),
            waiting: AtomicU64::new(0),
            out: numbers.into_iter().map(|number| (number, Default::default())).collect(),
        }
    }

    /// The sender says how many messages wait to be sent.
    pub fn set_waiting(&self, messages: usize) {
        self.waiting.store(messages as u64, Ordering::Relaxed);
    }

    /// How many messages wait to be sent.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The sender says how many messages of each lane of a number are on their way to Meta.
    pub fn set_out(&self, number: &NumberId, out: &[usize; LaneKind::SENT]) {
        for (told, count) in self.out.get(number).into_iter().flatten().zip(out) {
            told.store(u32::try_from(*count).unwrap_or(u32::MAX), Ordering::Relaxed);
        }
    }

    /// How many messages of a lane are on their way to Meta.
    pub fn out(&self, lane: &Lane) -> u64 {
        let told = self.out.get(&lane.number).and_then(|out| out.get(lane.kind as usize));
        told.map_or(0, |told| told.load(Ordering::Relaxed).into())
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
