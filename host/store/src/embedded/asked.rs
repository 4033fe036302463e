//! What the writing thread is asked for, and how it is cut into groups: a transaction for each.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::op::Request;

/// Operations in a group.
pub(super) const GROUP_MAX: usize = 256;
/// Rows of a kind in a group, about: what is over waits for the next one.
const GROUP_WEIGHT_MAX: usize = 4_000;
/// From so many rows on an operation is bulk.
const BULK_FROM: usize = 256;
/// Looks in a row that find nobody new before the group begins; each lets other threads run first.
const GATHER_LOOKS: u32 = 4;

/// What was asked for and is not done: a million messages that are queued keep nobody's login code waiting.
pub(super) struct Asked {
    light: VecDeque<Request>,
    bulk: VecDeque<Request>,
    taken: Vec<Request>,
    /// Of the group so far.
    light_weight: usize,
    bulk_weight: usize,
}

impl Asked {
    pub(super) fn new() -> Self {
        let (light, taken) = (VecDeque::with_capacity(GROUP_MAX), Vec::with_capacity(GROUP_MAX));
        Self { light, bulk: VecDeque::new(), taken, light_weight: 0, bulk_weight: 0 }
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

    pub(super) fn begin_group(&mut self) {
        (self.light_weight, self.bulk_weight) = (0, 0);
    }

    /// The next one for the group. Beside others a group takes one bulk operation, whatever the others weigh: they never shut
    /// it out. Alone, bulk fills the group; it takes its time, and who comes meanwhile still goes along.
    pub(super) fn next(&mut self, requested: &mut mpsc::Receiver<Request>) -> Option<Request> {
        if self.bulk_weight > 0 {
            self.take(requested);
        }
        if self.light_weight < GROUP_WEIGHT_MAX
            && let Some(request) = self.light.pop_front()
        {
            self.light_weight += request.op.weight();
            return Some(request);
        }
        let has_room = if self.light_weight == 0 { self.bulk_weight < GROUP_WEIGHT_MAX } else { self.bulk_weight == 0 };
        let request = if has_room { self.bulk.pop_front() } else { None }?;
        self.bulk_weight += request.op.weight();
        Some(request)
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Request> {
        self.light.drain(..).chain(self.bulk.drain(..))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use questline_core::time::UnixMs;
    use tokio::sync::oneshot;

    use super::super::op::Op;
    use super::*;

    const LIGHT: Op = Op::Check;

    fn bulk(limit: usize) -> Op {
        Op::Prune { now: UnixMs(0), limit }
    }

    fn ask(requests: &mpsc::Sender<Request>, op: Op) {
        requests.try_send(Request { op, reply: oneshot::channel().0 }).unwrap();
    }

    /// The weights of what a group takes; `meanwhile` comes while the n-th is worked on.
    fn group(asked: &mut Asked, requested: &mut mpsc::Receiver<Request>, mut meanwhile: impl FnMut(usize)) -> Vec<usize> {
        asked.take(requested);
        asked.begin_group();
        let mut weights = Vec::new();
        while let Some(request) = asked.next(requested) {
            weights.push(request.op.weight());
            meanwhile(weights.len());
        }
        weights
    }

    #[test]
    fn light_requests_wait_for_one_bulk_request_at_most() {
        let (requests, mut requested) = mpsc::channel(64);
        let mut asked = Asked::new();
        (0..6).for_each(|_| ask(&requests, bulk(750)));
        ask(&requests, LIGHT);
        assert_eq!(group(&mut asked, &mut requested, |_| ()), [2, 1_500], "first, though it came last");
        assert_eq!(group(&mut asked, &mut requested, |_| ()), [1_500; 3], "alone, as many as fit");
        let late = |count| {
            if count == 1 {
                ask(&requests, LIGHT)
            }
        };
        assert_eq!(group(&mut asked, &mut requested, late), [1_500, 2], "who comes meanwhile goes along, and no more bulk");
        assert_eq!(group(&mut asked, &mut requested, |_| ()), [1_500]);
        assert!(asked.is_empty() && group(&mut asked, &mut requested, |_| ()).is_empty());
    }

    #[test]
    fn light_requests_do_not_shut_bulk_out() {
        let (requests, mut requested) = mpsc::channel(64);
        let mut asked = Asked::new();
        (0..40).for_each(|_| ask(&requests, bulk(120)));
        (0..2).for_each(|_| ask(&requests, bulk(5_000)));
        let taken = group(&mut asked, &mut requested, |count| {
            if count == 3 {
                ask(&requests, LIGHT)
            }
        });
        assert_eq!((taken.len(), taken[17]), (18, 10_000), "17 of 240 rows, and one bulk request whatever it weighs");
        assert_eq!(group(&mut asked, &mut requested, |_| ()).last(), Some(&10_000));
    }
}
