//! One number: its pace, its lanes in turn, its conversations' lines.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use questline_core::id::{ConversationId, NumberId};
use questline_core::lane::{LaneKind, Turns};
use questline_core::outbox::{OutboxMessage, SendState};
use questline_core::permit::Verdict;
use questline_core::permit::retry_budget::RetryBudget;
use questline_core::rate::{PAIR, Pace, Pacer};
use questline_core::send::ParkReason;
use questline_core::time::UnixMs;

use super::{Next, Permits};
use crate::sender::Number;
use crate::sender::hold::{Holds, Scopes};
use crate::sender::judge::goes_on_elsewhere;

/// A conversation's messages to one number: what it says, and what belongs to campaigns. Neither waits for the other.
type LineKey = (ConversationId, bool);

/// Inbound messages of so much of a number's time count in full.
const BURST_US: u64 = 10_000_000;
/// Pairs that may be remembered before the idle ones are forgotten.
const PAIRS_SWEEP: usize = 4_096;
/// Messages of a lane in hand, those that are out among them: a second's worth, which is three times what is under way while
/// Meta takes 350 ms, and no less and no more than this.
const WINDOW_MIN: usize = 128;
const WINDOW_MAX: usize = 1_024;
/// Messages of a line in hand. So many take Meta's pair limit two minutes; more would fill a lane's window with one player.
const LINE_MAX: usize = 64;
/// A message whose template is held for longer than this is parked.
const TEMPLATE_WAIT_MAX_MS: u64 = 5_000;

/// One number.
pub(super) struct NumberLanes {
    scopes: Scopes,
    id: NumberId,
    pace: Pace,
    pacer: Pacer,
    charged: Pacer,
    lines: HashMap<LineKey, Line>,
    /// Lines whose first message may go, by how urgent they are.
    ready: [VecDeque<LineKey>; LaneKind::SENT],
    turns: Turns,
    /// Lines whose first message may not go yet.
    waiting: BinaryHeap<Reverse<(UnixMs, LineKey)>>,
    /// When each player may hear from this number again.
    pairs: HashMap<ConversationId, Pacer>,
    /// Lines of which messages are parked because they were too long: until when. What comes new goes behind these.
    too_long: HashMap<LineKey, UnixMs>,
    /// Messages of each lane in hand, and how much room was told of.
    held: [usize; LaneKind::SENT],
    told: [usize; LaneKind::SENT],
    window: usize,
    per_second: u32,
    /// Messages of each lane that are out.
    out: [usize; LaneKind::SENT],
    pub(super) retries: RetryBudget,
}

/// One line: strictly in order, as far as it is in hand.
#[derive(Default)]
struct Line {
    messages: VecDeque<OutboxMessage>,
    at: At,
}

/// Where a line stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Nowhere: it is to be placed.
    #[default]
    Free,
    /// Its first message is out, or waits for its time.
    Busy,
    /// In the queue of this lane.
    Ready(usize),
}

impl Line {
    /// How urgent it is: as its most urgent message, for the others stand before that one.
    fn lane(&self) -> Option<usize> {
        self.messages.iter().map(lane_of).min()
    }
}

fn lane_of(message: &OutboxMessage) -> usize {
    LaneKind::of_class(message.message.class, message.message.campaign.is_some()) as usize
}

fn line_of(message: &OutboxMessage) -> LineKey {
    (message.id.conversation, message.message.campaign.is_some())
}

/// How many messages of a lane are taken at a time.
fn window(per_second: u32) -> usize {
    usize::try_from(per_second).unwrap_or(usize::MAX).clamp(WINDOW_MIN, WINDOW_MAX)
}

impl NumberLanes {
    pub(super) fn new(number: &Number) -> Self {
        Self {
            scopes: Scopes::of(number),
            id: number.id.clone(),
            pace: Pace::per_second(number.per_second),
            pacer: Pacer::default(),
            charged: Pacer::default(),
            lines: HashMap::new(),
            ready: Default::default(),
            turns: Turns::default(),
            waiting: BinaryHeap::new(),
            pairs: HashMap::new(),
            too_long: HashMap::new(),
            held: Default::default(),
            told: Default::default(),
            window: window(number.per_second),
            per_second: number.per_second,
            out: Default::default(),
            retries: RetryBudget::default(),
        }
    }

    pub(super) fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// How many messages a second it may send from now on.
    pub(super) fn set_pace(&mut self, per_second: u32) {
        if self.per_second != per_second {
            self.per_second = per_second;
            self.pace = Pace::per_second(per_second);
            self.window = window(per_second);
        }
    }

    pub(super) fn id(&self) -> &NumberId {
        &self.id
    }

    /// Messages of conversations in hand.
    pub(super) fn talk(&self) -> usize {
        self.held.iter().step_by(2).sum()
    }

    /// How many of each lane there is room for; remembers that it was told.
    pub(super) fn tell_room(&mut self) -> [usize; LaneKind::SENT] {
        self.told = self.held.map(|held| self.window.saturating_sub(held));
        self.told
    }

    /// Whether so much more room is in a lane than was told that it is worth telling.
    pub(super) fn has_room(&self, kind: LaneKind) -> bool {
        let (Some(held), Some(told)) = (self.held.get(kind as usize), self.told.get(kind as usize)) else { return false };
        self.window.saturating_sub(*held) >= told + self.window / 4
    }

    /// A message joins the end of its line; or it is to be parked until a time, for the line is too long.
    pub(super) fn add(&mut self, message: OutboxMessage, settle_ms: u64, now: UnixMs) -> Option<(OutboxMessage, UnixMs)> {
        let key = line_of(&message);
        let line = self.lines.entry(key).or_default();
        // One that was parked before has its own time.
        let is_new = matches!(message.state, SendState::Queued) && message.due_at == message.message.committed_at;
        let parked = self.too_long.get(&key).copied().filter(|until| *until > now);
        if is_new && (line.messages.len() >= LINE_MAX || parked.is_some()) {
            let each_ms = PAIR.interval_us / 1_000;
            let behind_these = now.plus_ms(line.messages.len() as u64 * each_ms);
            let until = parked.map_or(behind_these, |parked| behind_these.max(parked.plus_ms(each_ms)));
            if self.too_long.len() >= PAIRS_SWEEP {
                self.too_long.retain(|_, until| *until > now);
            }
            self.too_long.insert(key, until);
            return Some((message, until));
        }
        self.held[lane_of(&message)] += 1;
        line.messages.push_back(message);
        self.place(key, settle_ms);
        None
    }

    /// A message that was out comes back to the front of its line.
    pub(super) fn back(&mut self, message: OutboxMessage, settle_ms: u64) {
        let key = line_of(&message);
        self.is_back(&message);
        let line = self.lines.entry(key).or_default();
        line.messages.push_front(message);
        line.at = At::Free;
        self.place(key, settle_ms);
    }

    /// A message that was out is gone: the next of its line may go.
    pub(super) fn finished(&mut self, message: &OutboxMessage, settle_ms: u64) {
        self.is_back(message);
        self.left(message, settle_ms);
    }

    fn is_back(&mut self, message: &OutboxMessage) {
        let out = &mut self.out[lane_of(message)];
        *out = out.saturating_sub(1);
    }

    /// Messages of each lane that are out.
    pub(super) fn out(&self) -> &[usize; LaneKind::SENT] {
        &self.out
    }

    /// A message is no longer in hand.
    fn left(&mut self, message: &OutboxMessage, settle_ms: u64) {
        let held = &mut self.held[lane_of(message)];
        *held = held.saturating_sub(1);
        let key = line_of(message);
        match self.lines.get_mut(&key) {
            Some(line) if line.messages.is_empty() => {
                self.lines.remove(&key);
            }
            Some(line) => {
                line.at = At::Free;
                self.place(key, settle_ms);
            }
            None => {}
        }
    }

    pub(super) fn charge(&mut self, count: u32, now: UnixMs) {
        let burst = u32::try_from(BURST_US / self.pace.interval_us.max(1)).unwrap_or(u32::MAX);
        let half = Pace { interval_us: self.pace.interval_us * 2, burst };
        for _ in 0..count {
            if self.charged.take(half, now).is_err() {
                break;
            }
            self.pacer.charge(self.pace, now);
        }
    }

    /// Puts a line where its first message belongs, unless it is there, or its first message is out. One that has become
    /// more urgent moves.
    fn place(&mut self, key: LineKey, settle_ms: u64) {
        let Some(line) = self.lines.get_mut(&key) else { return };
        match line.at {
            At::Busy => {}
            At::Ready(lane) => {
                let urgent = line.lane().filter(|urgent| *urgent < lane);
                if let Some(lane) = urgent {
                    // Where it stood, it is passed over when its turn comes.
                    line.at = At::Ready(lane);
                    self.ready[lane].push_back(key);
                }
            }
            At::Free => {
                let Some(first) = line.messages.front() else { return };
                let due_at = match first.state {
                    SendState::Queued => first.due_at,
                    SendState::InFlight { since } => since.plus_ms(settle_ms),
                };
                line.at = At::Busy;
                self.waiting.push(Reverse((due_at, key)));
            }
        }
    }

    /// Lines whose time has come are ready.
    fn come_due(&mut self, now: UnixMs) {
        while let Some(Reverse((due_at, key))) = self.waiting.peek().copied() {
            if due_at > now {
                break;
            }
            self.waiting.pop();
            if let Some(line) = self.lines.get_mut(&key)
                && let Some(lane) = line.lane()
            {
                line.at = At::Ready(lane);
                self.ready[lane].push_back(key);
            }
        }
    }

    pub(super) fn next(&mut self, holds: &Holds, permits: &Permits, now: UnixMs, critical_only: bool) -> Next {
        self.come_due(now);
        let due = |waiting: &BinaryHeap<Reverse<(UnixMs, LineKey)>>| waiting.peek().map(|Reverse((due_at, _))| *due_at);
        loop {
            let has = self.ready.iter().enumerate().fold(0u8, |has, (lane, queue)| has | u8::from(!queue.is_empty()) << lane);
            let may = if critical_only { has & 1 } else { has };
            let Some(lane) = self.turns.next(may) else { return Next::Wait(due(&self.waiting)) };
            let soonest = |other: UnixMs, waiting| Next::Wait(Some(due(waiting).map_or(other, |due_at| due_at.min(other))));
            if let Some(until) = holds.number(&self.scopes, now) {
                return soonest(until, &self.waiting);
            }
            if self.out.iter().sum::<usize>() >= self.window {
                return Next::Wait(due(&self.waiting));
            }
            let mut paced = self.pacer;
            if let Err(due_at) = paced.take(self.pace, now) {
                return soonest(due_at, &self.waiting);
            }
            let Some(key) = self.ready[lane].pop_front() else { continue };
            let Some(line) = self.lines.get_mut(&key).filter(|line| line.at == At::Ready(lane)) else { continue };
            let Some(message) = line.messages.pop_front() else { continue };
            line.at = At::Busy;
            if matches!(message.state, SendState::InFlight { .. }) {
                self.out[lane_of(&message)] += 1;
                return Next::Check(message);
            }
            if message.message.expires_at.is_some_and(|expires_at| expires_at <= now) {
                self.left(&message, 0);
                return Next::Expired(message);
            }
            // Asked before anything is taken: what waits costs the number no time.
            if let Verdict::Park { until, reason } = permits(&message, now) {
                self.left(&message, 0);
                return Next::Park(message, until, reason);
            }
            let held = holds.template(&self.scopes, &message, now);
            if held.is_some() && goes_on_elsewhere(&message) {
                self.left(&message, 0);
                return Next::Unsendable(message);
            }
            if let Some(until) = held.filter(|until| until.since_ms(now) > TEMPLATE_WAIT_MAX_MS) {
                self.left(&message, 0);
                return Next::Park(message, until, ParkReason::TemplateHeld);
            }
            if let Some(until) = held.or_else(|| self.pair(key.0, now)) {
                if let Some(line) = self.lines.get_mut(&key) {
                    line.messages.push_front(message);
                }
                self.waiting.push(Reverse((until, key)));
                continue;
            }
            self.pacer = paced;
            self.turns.sent(lane, has);
            self.out[lane_of(&message)] += 1;
            return Next::Send(message);
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
