//! Committed messages on their way to the sender: each handed out once per process, lane by lane, in bounded memory.
//!
//! Both engines use it. While the sender keeps up, a message goes from its commit straight to the sender and is never
//! read back. When more wait than there is room for in memory, the rest stays in the store alone, and is read page by page
//! from where the hand-out stands. A start is the same case: everything is in the store, and the hand-out stands at 0.
//!
//! A [`Lane`] has a sequence of places in each source: the embedded engine is one source, Redis has one for each partition.
//! Within a sequence, places rise in the order of the commits; a message that is queued again gets a new place at the end.
//!
//! A lane that is full of what nobody takes holds up no other: each has a share of memory of its own, what is not urgent has
//! half of it at most, and a lane whose turn it is may always bring one page.

mod behind;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use questline_core::lane::{Lane, LaneKind, Room};
use questline_core::outbox::OutboxMessage;
use tokio::sync::Notify;

pub use behind::Look;

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
    /// Messages are about to be handed out before others of their conversations: look in the store for what waits in these
    /// lanes, and bring it with [`Handout::looked`], then take again.
    Look(Vec<Look>),
}

/// What to read from the store. Dropping it without [`Handout::refill`] is no harm: the page is asked for again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// From this source.
    pub source: u16,
    /// Of this lane.
    pub lane: Lane,
    /// Messages with places above this one, lowest first.
    pub after: u64,
    /// Which reading of the sequence it is part of.
    reading: u64,
}

/// A lane's messages of one source.
#[derive(Debug, Default)]
struct Sequence {
    /// The highest place that memory has seen.
    cursor: u64,
    /// Counts pages that were brought: one that comes a second time is not taken.
    reading: u64,
    /// What was committed since a page was asked for. It closes the gap between page and memory, or the store would never
    /// be caught up with while others commit.
    late: Late,
    /// Places above the cursor that were handed out before their turn.
    pulled: BTreeSet<u64>,
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

/// A message that memory has.
#[derive(Debug)]
struct Waiting {
    source: u16,
    /// When memory saw it, among all: what is taken together comes in this order.
    nth: u64,
    placed: Placed,
    /// What goes before it was looked for, and is not here any more.
    is_looked_for: bool,
}

#[derive(Debug)]
struct LaneState {
    lane: Lane,
    sequences: BTreeMap<u16, Sequence>,
    /// Sources that hold places above the cursor that memory has not.
    spilled: BTreeSet<u16>,
    queue: VecDeque<Waiting>,
    /// Of the queue and of what is late.
    bytes: usize,
    /// The source that was read from last: they take turns.
    turn: u16,
}

/// Bytes in memory.
#[derive(Debug, Default)]
struct Weight {
    all: usize,
    /// Of lanes that are not urgent.
    rest: usize,
}

impl Weight {
    fn add(&mut self, kind: LaneKind, bytes: usize) {
        self.all += bytes;
        if !is_urgent(kind) {
            self.rest += bytes;
        }
    }

    fn take(&mut self, kind: LaneKind, bytes: usize) {
        self.all -= bytes;
        if !is_urgent(kind) {
            self.rest -= bytes;
        }
    }
}

/// Whether a lane may use all of the memory: what a conversation says, and what is not sent to Meta.
fn is_urgent(kind: LaneKind) -> bool {
    !kind.is_bulk() && kind != LaneKind::Low
}

#[derive(Debug, Default)]
struct State {
    /// Sources whose messages are handed out.
    sources: BTreeSet<u16>,
    lanes: Vec<LaneState>,
    by_lane: HashMap<Lane, usize>,
    /// Lanes that have something here or in the store: the most urgent first.
    active: BTreeSet<(LaneKind, usize)>,
    /// Messages that go before others of their conversations, whatever their lanes: they are handed out next.
    pulled: Vec<Waiting>,
    weight: Weight,
    /// Messages seen.
    seen: u64,
    /// A page was due when messages were handed out: it comes next.
    page_first: bool,
}

/// The hand-out.
#[derive(Debug)]
pub struct Handout {
    state: Mutex<State>,
    bell: Notify,
    bytes_max: usize,
}

impl Handout {
    /// An empty hand-out without sources, that keeps at most about `bytes_max` bytes of messages in memory.
    pub fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::default(), bell: Notify::new(), bytes_max }
    }

    /// Opens a source whose messages are in the store, none handed out yet: in these lanes, and in no others.
    pub fn open(&self, source: u16, lanes: impl IntoIterator<Item = Lane>) {
        self.close(source);
        let mut state = self.lock();
        state.sources.insert(source);
        for lane in lanes {
            let n = state.lane(&lane);
            if let Some(lane) = state.lanes.get_mut(n) {
                lane.sequences.insert(source, Sequence::default());
                lane.spilled.insert(source);
            }
            state.note_activity(n);
        }
        drop(state);
        self.bell.notify_one();
    }

    /// Closes a source: what of it was not handed out is forgotten here.
    pub fn close(&self, source: u16) {
        let mut state = self.lock();
        let State { sources, lanes, weight, pulled, .. } = &mut *state;
        if !sources.remove(&source) {
            return;
        }
        pulled.retain(|waiting| waiting.source != source);
        for lane in lanes.iter_mut() {
            let mut gone = lane.sequences.remove(&source).map_or(0, |sequence| sequence.late.bytes());
            lane.spilled.remove(&source);
            lane.queue.retain(|waiting| {
                let keep = waiting.source != source;
                gone += if keep { 0 } else { waiting.placed.bytes };
                keep
            });
            lane.bytes -= gone;
            weight.take(lane.lane.kind, gone);
        }
        (0..state.lanes.len()).for_each(|n| state.note_activity(n));
    }

    /// Takes in what was just committed, after it is durable, each source's in the order of its places. One lock and at
    /// most one wake for a whole group of commits.
    pub fn push(&self, messages: impl IntoIterator<Item = (u16, Placed)>) {
        let mut state = self.lock();
        for (source, placed) in messages {
            state.push(source, placed, self.bytes_max);
        }
        drop(state);
        self.bell.notify_one();
    }

    /// Brings a page, in the order of its places. `end`: the store had no more.
    pub fn refill(&self, page: Page, messages: Vec<Placed>, end: bool) {
        let mut state = self.lock();
        state.refill(page, messages, end);
        drop(state);
        self.bell.notify_one();
    }

    /// Waits until there is something that there is room for: messages, or a page to read. Nothing is lost when the future
    /// is dropped.
    pub async fn take(&self, room: &Room) -> Handed {
        loop {
            let rung = self.bell.notified();
            {
                let mut state = self.lock();
                let handed = state.take(room, self.bytes_max);
                if let Some(handed) = handed {
                    let rest = !(state.active.is_empty() && state.pulled.is_empty());
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
    /// A lane's number here; it gets one if it has none.
    fn lane(&mut self, lane: &Lane) -> usize {
        if let Some(n) = self.by_lane.get(lane) {
            return *n;
        }
        let n = self.lanes.len();
        self.lanes.push(LaneState {
            lane: lane.clone(),
            sequences: BTreeMap::new(),
            spilled: BTreeSet::new(),
            queue: VecDeque::new(),
            bytes: 0,
            turn: 0,
        });
        self.by_lane.insert(lane.clone(), n);
        n
    }

    fn note_activity(&mut self, n: usize) {
        let Some(lane) = self.lanes.get(n) else { return };
        let key = (lane.lane.kind, n);
        if lane.queue.is_empty() && lane.spilled.is_empty() {
            self.active.remove(&key);
        } else {
            self.active.insert(key);
        }
    }

    fn push(&mut self, source: u16, placed: Placed, bytes_max: usize) {
        if !self.sources.contains(&source) {
            return;
        }
        let n = self.lane(&Lane::of(&placed.message.message));
        let State { lanes, weight, seen, .. } = self;
        let Some(lane) = lanes.get_mut(n) else { return };
        let kind = lane.lane.kind;
        let sequence = lane.sequences.entry(source).or_default();
        // A page that was read since the commit held it already.
        if placed.place <= sequence.cursor || sequence.pulled.contains(&placed.place) {
            return;
        }
        let fits_rest = is_urgent(kind) || weight.rest + placed.bytes <= bytes_max / 2;
        let fits = fits_rest && lane.bytes + placed.bytes <= bytes_max / 4 && weight.all + placed.bytes <= bytes_max;
        if fits && !lane.spilled.contains(&source) {
            sequence.cursor = placed.place;
            lane.bytes += placed.bytes;
            weight.add(kind, placed.bytes);
            *seen += 1;
            lane.queue.push_back(Waiting { source, nth: *seen, placed, is_looked_for: false });
        } else {
            lane.spilled.insert(source);
            match &mut sequence.late {
                Late::Whole(late) if fits => {
                    lane.bytes += placed.bytes;
                    weight.add(kind, placed.bytes);
                    late.push(placed);
                }
                late @ Late::Whole(_) => {
                    let gone = late.bytes();
                    lane.bytes -= gone;
                    weight.take(kind, gone);
                    *late = Late::TooMuch;
                }
                Late::NotAsked | Late::TooMuch => {}
            }
        }
        self.note_activity(n);
    }

    fn refill(&mut self, page: Page, messages: Vec<Placed>, end: bool) {
        let n = self.lane(&page.lane);
        let State { lanes, weight, seen, .. } = self;
        let Some(lane) = lanes.get_mut(n) else { return };
        let kind = lane.lane.kind;
        let Some(sequence) = lane.sequences.get_mut(&page.source) else { return };
        // Somebody else brought this page already.
        if sequence.reading != page.reading {
            return;
        }
        sequence.reading += 1;
        let late = std::mem::take(&mut sequence.late);
        lane.bytes -= late.bytes();
        weight.take(kind, late.bytes());
        let late = match late {
            Late::Whole(late) if end => {
                lane.spilled.remove(&page.source);
                late
            }
            // What is late is behind what the store still holds.
            _ => Vec::new(),
        };
        for placed in messages.into_iter().chain(late) {
            // What is late may be in the page as well.
            if placed.place > sequence.cursor {
                sequence.cursor = placed.place;
                if sequence.pulled.remove(&placed.place) {
                    continue;
                }
                lane.bytes += placed.bytes;
                weight.add(kind, placed.bytes);
                *seen += 1;
                lane.queue.push_back(Waiting { source: page.source, nth: *seen, placed, is_looked_for: false });
            }
        }
        // Those that are gone from the store since they were handed out were in no page.
        sequence.pulled = match lane.spilled.contains(&page.source) {
            true => sequence.pulled.split_off(&sequence.cursor),
            false => BTreeSet::new(),
        };
        self.note_activity(n);
    }

    fn take(&mut self, room: &Room, bytes_max: usize) -> Option<Handed> {
        if room.messages_max == 0 {
            return Some(Handed::Messages(Vec::new()));
        }
        let (mut with_room, mut wants_page, mut is_any) = (Vec::new(), None, !self.pulled.is_empty());
        for (_, n) in &self.active {
            let Some(lane) = self.lanes.get(*n) else { continue };
            let left = room.left(&lane.lane);
            if left == 0 {
                continue;
            }
            // Read on before memory is quite empty: else a lane that spilled waits for as long as others commit.
            let is_low = lane.queue.is_empty() || (lane.bytes <= bytes_max / 8 && self.weight.all <= bytes_max / 2);
            if is_low && !lane.spilled.is_empty() && wants_page.is_none() {
                wants_page = Some(*n);
            }
            is_any |= !lane.queue.is_empty();
            with_room.push((*n, left));
        }
        if let Some(n) = wants_page
            && (self.page_first || !is_any)
        {
            self.page_first = false;
            return self.next_page(n).map(Handed::Refill);
        }
        if !is_any {
            return None;
        }
        let pulled = self.pulled.len().min(room.messages_max);
        let mut left_in_all = room.messages_max - pulled;
        for (n, count) in &mut with_room {
            *count = self.lanes.get(*n).map_or(0, |lane| lane.queue.len()).min(*count).min(left_in_all);
            left_in_all -= *count;
        }
        let looks = self.looks(&with_room);
        if !looks.is_empty() {
            return Some(Handed::Look(looks));
        }
        self.page_first = wants_page.is_some();
        self.pulled.sort_unstable_by_key(|waiting| (waiting.source, waiting.placed.place));
        let mut taken: Vec<Waiting> = self.pulled.drain(..pulled).collect();
        // What was pulled may be of several lanes.
        let mut lanes = 2 * pulled.min(1);
        for (n, count) in with_room {
            let Some(lane) = self.lanes.get_mut(n) else { continue };
            lanes += usize::from(count > 0);
            for waiting in lane.queue.drain(..count) {
                lane.bytes -= waiting.placed.bytes;
                self.weight.take(lane.lane.kind, waiting.placed.bytes);
                taken.push(waiting);
            }
            self.note_activity(n);
        }
        Some(Handed::Messages(behind::in_order(taken, lanes > 1)))
    }

    fn next_page(&mut self, n: usize) -> Option<Page> {
        let lane = self.lanes.get_mut(n)?;
        let behind_turn = lane.turn.checked_add(1).and_then(|next| lane.spilled.range(next..).next());
        let source = *behind_turn.or_else(|| lane.spilled.first())?;
        let sequence = lane.sequences.get_mut(&source)?;
        lane.turn = source;
        // From the first asking on, all that is committed is in the page, or late, or known to be too much.
        if matches!(sequence.late, Late::NotAsked) {
            sequence.late = Late::Whole(Vec::new());
        }
        Some(Page { source, lane: lane.lane.clone(), after: sequence.cursor, reading: sequence.reading })
    }
}

#[cfg(test)]
mod tests;
