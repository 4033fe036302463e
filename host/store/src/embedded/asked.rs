//! What the writing thread is asked for, and how it is cut into groups: a transaction for each.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::op::Request;

/// Operations in a group.
pub(super) const GROUP_MAX: usize = 256;
/// Rows in a group, about: what is over waits for the next one.
const GROUP_WEIGHT_MAX: usize = 4_000;
/// From so many rows on an operation is bulk: a group that has others takes one of its kind, after them.
const BULK_FROM: usize = 256;
/// Looks in a row that find nobody new before the group begins; each lets other threads run first.
const GATHER_LOOKS: u32 = 4;

/// What was asked for and is not done: a million messages that are queued keep nobody's login code waiting.
pub(super) struct Asked {
    light: VecDeque<Request>,
    bulk: VecDeque<Request>,
    taken: Vec<Request>,
    bulk_left: usize,
}

impl Asked {
    pub(super) fn new() -> Self {
        Self { light: VecDeque::with_capacity(GROUP_MAX), bulk: VecDeque::new(), taken: Vec::with_capacity(GROUP_MAX), bulk_left: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.light.len() + self.bulk.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn push(&mut self, request: Request) {
        if request.op.weight() < BULK_FROM { self.light.push_back(request) } else { self.bulk.push_back(request) }
    }

    /// Waits for requests; false when there will be none.
    pub(super) fn receive(&mut self, requested: &mut mpsc::Receiver<Request>) -> bool {
        let mut taken = std::mem::take(&mut self.taken);
        let count = requested.blocking_recv_many(&mut taken, GROUP_MAX);
        taken.drain(..).for_each(|request| self.push(request));
        self.taken = taken;
        count > 0
    }

    /// Takes what is there.
    pub(super) fn take(&mut self, requested: &mut mpsc::Receiver<Request>) {
        while self.light.len().max(self.bulk.len()) < GROUP_MAX
            && let Ok(request) = requested.try_recv()
        {
            self.push(request);
        }
    }

    /// Lets callers catch up. Those of a large group, answered a moment ago, are about to ask for their next step: a few
    /// looks later most are here, and one commit serves them all instead of two that take turns.
    pub(super) fn gather(&mut self, requested: &mut mpsc::Receiver<Request>) {
        let mut looks = 0;
        while looks < GATHER_LOOKS && self.len() < GROUP_MAX {
            std::thread::yield_now();
            let before = self.len();
            self.take(requested);
            looks = if self.len() == before { looks + 1 } else { 0 };
        }
    }

    /// Beside others a group takes one bulk operation; alone, bulk fills it.
    pub(super) fn begin_group(&mut self) {
        self.bulk_left = if self.light.is_empty() { usize::MAX } else { 1 };
    }

    /// The next one for a group that has this weight already. Its one bulk operation is taken whatever it weighs: what is
    /// light never shuts it out.
    pub(super) fn next(&mut self, weight: usize) -> Option<Request> {
        let has_room = weight < GROUP_WEIGHT_MAX;
        if has_room && let Some(request) = self.light.pop_front() {
            return Some(request);
        }
        if self.bulk_left == 0 || (self.bulk_left > 1 && !has_room) {
            return None;
        }
        self.bulk_left -= 1;
        self.bulk.pop_front()
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Request> {
        self.light.drain(..).chain(self.bulk.drain(..))
    }
}
