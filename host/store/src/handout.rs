//! Committed messages on their way to the sender: each handed out once per process, in their order, in bounded memory.
//!
//! Both engines use it. While the sender keeps up, a message goes from its commit straight to the sender and is never
//! read back. When more wait than the byte budget holds, the rest stays in the store alone, and is read page by page
//! from where the hand-out stands. A start is the same case: everything is in the store, and the hand-out stands at 0.
//!
//! A lane is one sequence of places: the embedded engine has one, Redis one for each partition. Within a lane, places
//! rise in the order of the commits; a message that is queued again gets a new place at the end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use questline_core::outbox::OutboxMessage;
use tokio::sync::Notify;

/// A message with its place, as the store queued it.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// In its lane; rising, from 1.
    pub place: u64,
    /// What the sender gets.
    pub message: OutboxMessage,
    /// What it weighs in memory, roughly: the length of its JSON.
    pub bytes: usize,
}

/// What a taker gets.
#[derive(Debug, PartialEq)]
pub enum Handed {
    /// Messages for the sender.
    Messages(Vec<OutboxMessage>),
    /// The store holds more than memory: read on and bring it with [`Handout::refill`], then take again.
    Refill(Page),
}

/// What to read from the store. Dropping it without [`Handout::refill`] is no harm: the page is asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Of this lane.
    pub lane: u16,
    /// Messages with places above this one, lowest first.
    pub after: u64,
    /// Which reading of the lane it is part of.
    reading: u64,
}

#[derive(Debug, Default)]
struct Lane {
    /// The highest place that memory has seen.
    cursor: u64,
    /// Counts pages that were brought: one that comes a second time is not taken.
    reading: u64,
    /// What was committed since a page was asked for. It closes the gap between page and memory, or the store would never
    /// be caught up with while others commit.
    late: Late,
}

#[derive(Debug, Default)]
enum Late {
    /// No page was asked for.
    #[default]
    NotAsked,
    /// All of it.
    Whole(Vec<Placed>),
    /// There was no room for all.
    TooMuch,
}

impl Late {
    fn bytes(&self) -> usize {
        if let Self::Whole(late) = self { late.iter().map(|placed| placed.bytes).sum() } else { 0 }
    }
}

#[derive(Debug, Default)]
struct State {
    lanes: BTreeMap<u16, Lane>,
    /// Lanes of which the store holds places above the cursor that memory has not.
    spilled: BTreeSet<u16>,
    queue: VecDeque<(u16, Placed)>,
    /// Of the queue and of what is late.
    bytes: usize,
    /// The lane that was read from last: lanes take turns.
    turn: u16,
}

/// The hand-out.
#[derive(Debug)]
pub struct Handout {
    state: Mutex<State>,
    bell: Notify,
    bytes_max: usize,
}

impl Handout {
    /// An empty hand-out without lanes, that keeps at most about `bytes_max` bytes of messages in memory.
    pub fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::default(), bell: Notify::new(), bytes_max }
    }

    /// Opens a lane whose messages are in the store, none handed out yet.
    pub fn open(&self, lane: u16) {
        self.close(lane);
        let mut state = self.lock();
        state.lanes.insert(lane, Lane::default());
        state.spilled.insert(lane);
        drop(state);
        self.bell.notify_one();
    }

    /// Closes a lane: what of it was not handed out is forgotten here.
    pub fn close(&self, lane: u16) {
        let mut state = self.lock();
        let State { lanes, spilled, queue, bytes, .. } = &mut *state;
        if let Some(closed) = lanes.remove(&lane) {
            *bytes -= closed.late.bytes();
        }
        spilled.remove(&lane);
        queue.retain(|(of, placed)| {
            let keep = *of != lane;
            if !keep {
                *bytes -= placed.bytes;
            }
            keep
        });
    }

    /// Takes in what was just committed, after it is durable, each lane's in the order of its places. One lock and at
    /// most one wake for a whole group of commits.
    pub fn push(&self, messages: impl IntoIterator<Item = (u16, Placed)>) {
        let mut state = self.lock();
        for (lane, placed) in messages {
            state.push(lane, placed, self.bytes_max);
        }
        let ring = !state.queue.is_empty();
        drop(state);
        if ring {
            self.bell.notify_one();
        }
    }

    /// Brings a page, in the order of its places. `end`: the store had no more.
    pub fn refill(&self, page: Page, messages: Vec<Placed>, end: bool) {
        let mut state = self.lock();
        let State { lanes, spilled, queue, bytes, .. } = &mut *state;
        let Some(lane) = lanes.get_mut(&page.lane) else { return };
        // Somebody else brought this page already.
        if lane.reading != page.reading {
            return;
        }
        lane.reading += 1;
        let late = std::mem::take(&mut lane.late);
        *bytes -= late.bytes();
        let late = match late {
            Late::Whole(late) if end => {
                spilled.remove(&page.lane);
                late
            }
            // What is late is behind what the store still holds.
            _ => Vec::new(),
        };
        for placed in messages.into_iter().chain(late) {
            // What is late may be in the page as well.
            if placed.place > lane.cursor {
                lane.cursor = placed.place;
                *bytes += placed.bytes;
                queue.push_back((page.lane, placed));
            }
        }
        drop(state);
        self.bell.notify_one();
    }

    /// Waits until there is something: messages, up to `limit`, or a page to read. Nothing is lost when the future is
    /// dropped.
    pub async fn take(&self, limit: usize) -> Handed {
        loop {
            let rung = self.bell.notified();
            {
                let mut state = self.lock();
                let handed = state.take(limit, self.bytes_max);
                if let Some(handed) = handed {
                    let rest = !state.queue.is_empty();
                    drop(state);
                    if rest {
                        self.bell.notify_one();
                    }
                    return handed;
                }
            }
            rung.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, lane_id: u16, placed: Placed, bytes_max: usize) {
        let Some(lane) = self.lanes.get_mut(&lane_id) else { return };
        // A page that was read since the commit held it already.
        if placed.place <= lane.cursor {
            return;
        }
        let fits = self.bytes + placed.bytes <= bytes_max;
        if fits && !self.spilled.contains(&lane_id) {
            lane.cursor = placed.place;
            self.bytes += placed.bytes;
            self.queue.push_back((lane_id, placed));
            return;
        }
        self.spilled.insert(lane_id);
        match &mut lane.late {
            Late::Whole(late) if fits => {
                self.bytes += placed.bytes;
                late.push(placed);
            }
            late @ Late::Whole(_) => {
                self.bytes -= late.bytes();
                *late = Late::TooMuch;
            }
            Late::NotAsked | Late::TooMuch => {}
        }
    }

    fn take(&mut self, limit: usize, bytes_max: usize) -> Option<Handed> {
        if limit == 0 {
            return Some(Handed::Messages(Vec::new()));
        }
        // Read on before memory is quite empty: else a lane that spilled waits for as long as others commit.
        if self.bytes <= bytes_max / 2
            && let Some(page) = self.next_page()
        {
            return Some(Handed::Refill(page));
        }
        if self.queue.is_empty() {
            return self.next_page().map(Handed::Refill);
        }
        let count = limit.min(self.queue.len());
        let mut messages = Vec::with_capacity(count);
        for (_, placed) in self.queue.drain(..count) {
            self.bytes -= placed.bytes;
            messages.push(placed.message);
        }
        Some(Handed::Messages(messages))
    }

    fn next_page(&mut self) -> Option<Page> {
        let behind_turn = self.turn.checked_add(1).and_then(|next| self.spilled.range(next..).next());
        let id = *behind_turn.or_else(|| self.spilled.first())?;
        let lane = self.lanes.get_mut(&id)?;
        self.turn = id;
        // From the first asking on, all that is committed is in the page, or late, or known to be too much.
        if matches!(lane.late, Late::NotAsked) {
            lane.late = Late::Whole(Vec::new());
        }
        Some(Page { lane: id, after: lane.cursor, reading: lane.reading })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use questline_core::contact::{Contact, PhoneNumber};
    use questline_core::id::{ConversationId, GameId, NumberId, OutboxRef, OutboxSeq};
    use questline_core::message::Outbound;
    use questline_core::outbox::{Content, MessageClass, NewMessage, SendState};
    use questline_core::time::UnixMs;
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    const BYTES: usize = 10;

    fn placed(place: u64) -> Placed {
        let message = NewMessage {
            game: GameId::parse("starfall").unwrap(),
            number: NumberId::parse("100").unwrap(),
            contact: Contact::new(PhoneNumber::parse("15550100").ok(), None).unwrap(),
            class: MessageClass::Normal,
            content: Content::Reply { message: Outbound::Text { body: "hi".into(), preview: false }, reply_to: None },
            committed_at: UnixMs(1),
            expires_at: None,
            campaign: None,
            known: None,
        };
        let id = OutboxRef { conversation: ConversationId(1), seq: OutboxSeq(place) };
        let message = OutboxMessage { id, message, attempts: 0, due_at: UnixMs(0), state: SendState::Queued };
        Placed { place, message, bytes: BYTES }
    }

    fn poll(handout: &Handout, limit: usize) -> Option<Handed> {
        let mut take = std::pin::pin!(handout.take(limit));
        match take.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(handed) => Some(handed),
            Poll::Pending => None,
        }
    }

    #[derive(Debug, Clone)]
    enum Do {
        Commit(u16),
        /// Takes; a page is read, then so many are committed, then it is brought.
        Take {
            limit: usize,
            meanwhile: usize,
        },
    }

    proptest! {
        /// Whatever the order of commits, takes and reads, and however small memory is: all, each once, in order.
        #[test]
        fn each_once_in_order(
            start in 0u64..20,
            budget in 0usize..8,
            steps in prop::collection::vec(
                prop_oneof![
                    (0u16..2).prop_map(Do::Commit),
                    (1usize..5, 0usize..4).prop_map(|(limit, meanwhile)| Do::Take { limit, meanwhile }),
                ],
                0..80,
            ),
        ) {
            let handout = Handout::new(budget * BYTES);
            let mut stored = [start, 0];
            handout.open(0);
            handout.open(1);
            let mut handed = [Vec::new(), Vec::new()];
            let commit = |stored: &mut [u64; 2], lane: u16| {
                let place = &mut stored[usize::from(lane)];
                *place += 1;
                let mut one = placed(*place);
                one.message.id.conversation = ConversationId(lane.into());
                handout.push([(lane, one)]);
            };
            let mut take = |stored: &mut [u64; 2], limit: usize, meanwhile: usize| match poll(&handout, limit) {
                None => false,
                Some(Handed::Messages(messages)) => {
                    for message in messages {
                        handed[message.id.conversation.0 as usize].push(message.id.seq.0);
                    }
                    true
                }
                Some(Handed::Refill(page)) => {
                    let all = page.after + 1..=stored[usize::from(page.lane)];
                    let read = all.take(3).map(|place| {
                        let mut one = placed(place);
                        one.message.id.conversation = ConversationId(page.lane.into());
                        one
                    }).collect::<Vec<_>>();
                    let end = read.len() < 3;
                    (0..meanwhile).for_each(|_| commit(stored, page.lane));
                    handout.refill(page, read, end);
                    true
                }
            };
            for step in steps {
                match step {
                    Do::Commit(lane) => commit(&mut stored, lane),
                    Do::Take { limit, meanwhile } => {
                        take(&mut stored, limit, meanwhile);
                    }
                }
            }
            while take(&mut stored, 3, 0) {}
            for (lane, handed) in handed.iter().enumerate() {
                prop_assert_eq!(handed, &(1..=stored[lane]).collect::<Vec<_>>());
            }
            prop_assert_eq!(handout.lock().bytes, 0);
        }
    }

    #[test]
    fn reading_on_ends_though_others_go_on_committing() {
        let handout = Handout::new(1_000);
        handout.open(0);
        let Some(Handed::Refill(page)) = poll(&handout, 9) else { panic!("a lane opens with what is stored") };
        handout.push([(0, placed(2)), (0, placed(3))]);
        // The page was read between the two.
        handout.refill(page, vec![placed(1), placed(2)], true);
        let Some(Handed::Messages(messages)) = poll(&handout, 9) else { panic!("caught up") };
        assert_eq!(messages.iter().map(|message| message.id.seq.0).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(poll(&handout, 9), None);
    }

    #[test]
    fn a_closed_lane_hands_nothing_out() {
        let handout = Handout::new(1_000);
        handout.open(0);
        let Some(Handed::Refill(page)) = poll(&handout, 1) else { panic!("a lane opens with what is stored") };
        handout.refill(page, vec![placed(1)], true);
        handout.close(0);
        handout.push([(0, placed(2))]);
        assert_eq!(poll(&handout, 1), None);
    }
}
