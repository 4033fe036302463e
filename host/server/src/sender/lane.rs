//! Who sends next: a lane for each number, classes within it, one line for each conversation. Pure: time is given.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use questline_core::id::{ConversationId, NumberId};
use questline_core::outbox::{MessageClass, OutboxMessage, SendState};
use questline_core::rate::{PAIR, Pace, Pacer};
use questline_core::send::Hold;
use questline_core::time::UnixMs;

use super::Number;
use super::hold::{HoldKey, Holds, Scopes};
use super::judge::goes_on_elsewhere;

/// What to do next.
#[derive(Debug)]
pub(super) enum Next {
    /// Send this one.
    Send(OutboxMessage),
    /// See whether a status has settled this one, which may have been sent.
    Check(OutboxMessage),
    /// Too late for this one: it leaves the outbox.
    Expired(OutboxMessage),
    /// What it needs is held, and it goes on another way: it leaves the outbox.
    Unsendable(OutboxMessage),
    /// Nothing before this time; with none, nothing before something changes.
    Wait(Option<UnixMs>),
}

/// All numbers.
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    by_number: HashMap<NumberId, usize>,
    holds: Holds,
    settle_ms: u64,
    turn: usize,
    waiting: usize,
}

/// One number.
struct Lane {
    scopes: Scopes,
    pace: Pace,
    pacer: Pacer,
    charged: Pacer,
    lines: HashMap<ConversationId, Line>,
    /// Lines whose first message may go, by its class.
    ready: [VecDeque<ConversationId>; 4],
    /// Lines whose first message may not go yet.
    waiting: BinaryHeap<Reverse<(UnixMs, ConversationId)>>,
    /// When each player may hear from this number again.
    pairs: HashMap<ConversationId, Pacer>,
}

/// One conversation: strictly in order.
#[derive(Default)]
struct Line {
    messages: VecDeque<OutboxMessage>,
    /// Its first message is out, or in one of the queues: nothing to put there.
    placed: bool,
}

/// Inbound messages of so much of a number's time count in full.
const BURST_US: u64 = 10_000_000;
/// Pairs that may be remembered before the idle ones are forgotten.
const PAIRS_SWEEP: usize = 4_096;

impl Lanes {
    pub(super) fn new(numbers: &[Number], settle_ms: u64) -> Self {
        let by_number = numbers.iter().enumerate().map(|(index, number)| (number.id.clone(), index)).collect();
        Self { lanes: numbers.iter().map(Lane::new).collect(), by_number, holds: Holds::default(), settle_ms, turn: 0, waiting: 0 }
    }

    /// Messages that wait here.
    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    fn lane(&mut self, number: &NumberId) -> Option<&mut Lane> {
        let index = *self.by_number.get(number)?;
        self.lanes.get_mut(index)
    }

    /// A committed message joins the end of its line.
    pub(super) fn add(&mut self, message: OutboxMessage) {
        let settle_ms = self.settle_ms;
        self.waiting += 1;
        match self.lane(&message.message.number) {
            Some(lane) => lane.add(message, settle_ms),
            None => tracing::error!(number = message.message.number.as_str(), "a message waits for a number that is not configured"),
        }
    }

    /// A message that was out comes back to the front of its line.
    pub(super) fn back(&mut self, message: OutboxMessage) {
        let settle_ms = self.settle_ms;
        self.waiting += 1;
        if let Some(lane) = self.lane(&message.message.number) {
            let conversation = message.id.conversation;
            let line = lane.lines.entry(conversation).or_default();
            line.messages.push_front(message);
            line.placed = false;
            lane.place(conversation, settle_ms);
        }
    }

    /// A message that was out is gone: the next of its line may go.
    pub(super) fn finished(&mut self, message: &OutboxMessage) {
        let settle_ms = self.settle_ms;
        if let Some(lane) = self.lane(&message.message.number) {
            let conversation = message.id.conversation;
            match lane.lines.get_mut(&conversation) {
                Some(line) if line.messages.is_empty() => {
                    lane.lines.remove(&conversation);
                }
                Some(line) => {
                    line.placed = false;
                    lane.place(conversation, settle_ms);
                }
                None => {}
            }
        }
    }

    /// Holds a scope; says until when.
    pub(super) fn hold(&mut self, key: HoldKey, hold: Hold, now: UnixMs) -> UnixMs {
        self.holds.hold(key, hold, now)
    }

    /// A message of these scopes was accepted.
    pub(super) fn accepted(&mut self, scopes: &Scopes, message: &OutboxMessage) {
        self.holds.accepted(scopes, message);
    }

    /// Counts messages that came in on a number against its throughput: a burst in full, and of a lasting flood up to
    /// half, so that questions cannot silence the answers.
    pub(super) fn charge(&mut self, number: &NumberId, count: u32, now: UnixMs) {
        if let Some(lane) = self.lane(number) {
            let burst = u32::try_from(BURST_US / lane.pace.interval_us.max(1)).unwrap_or(u32::MAX);
            let half = Pace { interval_us: lane.pace.interval_us * 2, burst };
            for _ in 0..count {
                if lane.charged.take(half, now).is_err() {
                    break;
                }
                lane.pacer.charge(lane.pace, now);
            }
        }
    }

    /// What to do next, over all numbers in turn.
    pub(super) fn next(&mut self, now: UnixMs) -> Next {
        let mut soonest: Option<UnixMs> = None;
        for _ in 0..self.lanes.len() {
            let index = self.turn % self.lanes.len();
            self.turn = self.turn.wrapping_add(1);
            match self.lanes[index].next(&self.holds, now) {
                Next::Wait(due_at) => soonest = [soonest, due_at].into_iter().flatten().min(),
                next => {
                    self.waiting -= 1;
                    return next;
                }
            }
        }
        Next::Wait(soonest)
    }
}

impl Lane {
    fn new(number: &Number) -> Self {
        Self {
            scopes: Scopes::of(number),
            pace: Pace::per_second(number.per_second),
            pacer: Pacer::default(),
            charged: Pacer::default(),
            lines: HashMap::new(),
            ready: Default::default(),
            waiting: BinaryHeap::new(),
            pairs: HashMap::new(),
        }
    }

    fn add(&mut self, message: OutboxMessage, settle_ms: u64) {
        let conversation = message.id.conversation;
        self.lines.entry(conversation).or_default().messages.push_back(message);
        self.place(conversation, settle_ms);
    }

    /// Puts a line where its first message belongs, unless it is there, or its first message is out.
    fn place(&mut self, conversation: ConversationId, settle_ms: u64) {
        let Some(line) = self.lines.get_mut(&conversation) else { return };
        let Some(first) = line.messages.front() else { return };
        if std::mem::replace(&mut line.placed, true) {
            return;
        }
        let due_at = match first.state {
            SendState::Queued => first.due_at,
            SendState::InFlight { since } => since.plus_ms(settle_ms),
        };
        self.waiting.push(Reverse((due_at, conversation)));
    }

    fn next(&mut self, holds: &Holds, now: UnixMs) -> Next {
        while let Some(Reverse((due_at, conversation))) = self.waiting.peek().copied() {
            if due_at > now {
                break;
            }
            self.waiting.pop();
            if let Some(first) = self.lines.get(&conversation).and_then(|line| line.messages.front()) {
                self.ready[first.message.class as usize].push_back(conversation);
            }
        }
        let waiting = self.waiting.peek().map(|Reverse((due_at, _))| *due_at);
        let soonest = |other: UnixMs| Next::Wait(Some(waiting.map_or(other, |waiting| waiting.min(other))));
        loop {
            let Some(class) = MessageClass::ALL.into_iter().find(|class| !self.ready[*class as usize].is_empty()) else {
                return Next::Wait(self.waiting.peek().map(|Reverse((due_at, _))| *due_at));
            };
            if let Some(until) = holds.number(&self.scopes, now) {
                return soonest(until);
            }
            let mut paced = self.pacer;
            if let Err(due_at) = paced.take(self.pace, now) {
                return soonest(due_at);
            }
            let Some(conversation) = self.ready[class as usize].pop_front() else { continue };
            let Some(message) = self.lines.get_mut(&conversation).and_then(|line| line.messages.pop_front()) else { continue };
            if matches!(message.state, SendState::InFlight { .. }) {
                return Next::Check(message);
            }
            if message.message.expires_at.is_some_and(|expires_at| expires_at <= now) {
                let mut gone = message;
                gone.due_at = now;
                self.line_is_free(conversation);
                return Next::Expired(gone);
            }
            let held = holds.template(&self.scopes, &message, now);
            if held.is_some() && goes_on_elsewhere(&message) {
                self.line_is_free(conversation);
                return Next::Unsendable(message);
            }
            let wait = held.or_else(|| self.pair(conversation, now));
            if let Some(until) = wait {
                if let Some(line) = self.lines.get_mut(&conversation) {
                    line.messages.push_front(message);
                }
                self.waiting.push(Reverse((until, conversation)));
                continue;
            }
            self.pacer = paced;
            return Next::Send(message);
        }
    }

    /// After an expired message the next one of the line may go at once.
    fn line_is_free(&mut self, conversation: ConversationId) {
        match self.lines.get_mut(&conversation) {
            Some(line) if line.messages.is_empty() => {
                self.lines.remove(&conversation);
            }
            Some(line) => {
                line.placed = false;
                self.place(conversation, 0);
            }
            None => {}
        }
    }

    /// Takes a place in the pair's pace, or says when there is one.
    fn pair(&mut self, conversation: ConversationId, now: UnixMs) -> Option<UnixMs> {
        if self.pairs.len() >= PAIRS_SWEEP && !self.pairs.contains_key(&conversation) {
            self.pairs.retain(|_, pacer| !pacer.is_idle(now));
        }
        self.pairs.entry(conversation).or_default().take(PAIR, now).err()
    }
}

#[cfg(test)]
mod tests;
