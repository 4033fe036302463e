//! Who sends next: lanes for each number, their turns, one line for each conversation. Pure: time is given.
//!
//! What waits in the store is taken as far as there is room for: a window for each lane. So memory is bounded whatever waits,
//! and what a number or a lane cannot send holds up nobody else.

mod number;

use std::collections::{HashMap, VecDeque};

use questline_core::id::NumberId;
use questline_core::lane::{LaneKind, Room};
use questline_core::outbox::OutboxMessage;
use questline_core::permit::Verdict;
use questline_core::permit::breaker::BreakerRules;
use questline_core::send::{Hold, ParkReason};
use questline_core::time::UnixMs;

use super::Number;
use super::breakers::BreakerChange;
use super::hold::{HoldKey, Holds, Scopes};
use crate::sending::Stop;
use number::NumberLanes;

/// What to do next.
#[derive(Debug)]
pub(super) enum Next {
    /// Send this one.
    Send(OutboxMessage),
    /// See whether a status has settled this one, which may have been sent.
    Check(OutboxMessage),
    /// It would hold up others for too long: it leaves its lane, and the outbox keeps it.
    Park(OutboxMessage, UnixMs, ParkReason),
    /// Too late for this one: it leaves the outbox.
    Expired(OutboxMessage),
    /// What it needs is held, and it goes on another way: it leaves the outbox.
    Unsendable(OutboxMessage),
    /// Nothing before this time; with none, nothing before something changes.
    Wait(Option<UnixMs>),
}

/// All numbers.
pub(super) struct Lanes {
    numbers: Vec<NumberLanes>,
    by_number: HashMap<NumberId, usize>,
    holds: Holds,
    settle_ms: u64,
    turn: usize,
    /// Messages of conversations that are longer than is good for others: to be parked.
    too_long: VecDeque<(OutboxMessage, UnixMs)>,
    /// There is more room than was told.
    has_room: bool,
    permits: Permits,
}

/// Says whether a message may take its turn now.
pub(super) type Permits = Box<dyn Fn(&OutboxMessage, UnixMs) -> Verdict + Send>;

impl Lanes {
    pub(super) fn new(numbers: &[Number], settle_ms: u64) -> Self {
        let by_number = numbers.iter().enumerate().map(|(index, number)| (number.id.clone(), index)).collect();
        Self {
            numbers: numbers.iter().map(NumberLanes::new).collect(),
            by_number,
            holds: Holds::default(),
            settle_ms,
            turn: 0,
            too_long: VecDeque::new(),
            has_room: true,
            permits: Box::new(|_, _| Verdict::Go),
        }
    }

    /// With permits that are asked before a message takes its turn, and breakers set up like this.
    pub(super) fn with(mut self, permits: Permits, breakers: BreakerRules) -> Self {
        self.permits = permits;
        self.holds.set_breakers(breakers);
        self
    }

    /// How many messages a second a number may send from now on.
    pub(super) fn set_pace(&mut self, number: &NumberId, per_second: u32) {
        if let Some(number) = self.of(number) {
            number.set_pace(per_second);
        }
    }

    /// Whether Meta has answered a send of these scopes; or was not reached, or failed.
    pub(super) fn answered(&mut self, scopes: &Scopes, well: bool, now: UnixMs) {
        self.holds.answered(scopes, well, now);
    }

    /// Breakers that changed since the last time.
    pub(super) fn breaker_changes(&mut self) -> Vec<BreakerChange> {
        self.holds.breaker_changes()
    }

    /// What stands still, if that has changed since the last time.
    pub(super) fn stops(&mut self) -> Option<Vec<Stop>> {
        self.holds.stops()
    }

    /// Messages of conversations in hand: those that wait here, and those that are out. What belongs to campaigns does not
    /// count: it is no reason to let players wait.
    pub(super) fn talk(&self) -> usize {
        self.numbers.iter().map(NumberLanes::talk).sum()
    }

    /// How many messages of each number's lanes are out.
    pub(super) fn out(&self) -> impl Iterator<Item = (&NumberId, &[usize; LaneKind::SENT])> {
        self.numbers.iter().map(|number| (number.id(), number.out()))
    }

    /// How many of each lane there is room for, if that is more than was told the last time, or if it is `asked`.
    pub(super) fn room(&mut self, asked: bool) -> Option<Room> {
        if !std::mem::take(&mut self.has_room) && !asked {
            return None;
        }
        let mut room = Room::of_none(usize::MAX);
        for number in &mut self.numbers {
            room.give(number.id().clone(), number.tell_room());
        }
        Some(room)
    }

    fn of(&mut self, number: &NumberId) -> Option<&mut NumberLanes> {
        let index = *self.by_number.get(number)?;
        self.numbers.get_mut(index)
    }

    /// A committed message joins the end of its line.
    pub(super) fn add(&mut self, message: OutboxMessage, now: UnixMs) {
        let settle_ms = self.settle_ms;
        match self.of(&message.message.number) {
            Some(number) => {
                if let Some(parked) = number.add(message, settle_ms, now) {
                    self.too_long.push_back(parked);
                }
            }
            None => tracing::error!(number = message.message.number.as_str(), "a message waits for a number that is not configured"),
        }
    }

    /// A message that was out comes back to the front of its line.
    pub(super) fn back(&mut self, message: OutboxMessage) {
        let settle_ms = self.settle_ms;
        if let Some(number) = self.of(&message.message.number) {
            number.back(message, settle_ms);
        }
    }

    /// A message that was out is gone: the next of its line may go.
    pub(super) fn finished(&mut self, message: &OutboxMessage) {
        let settle_ms = self.settle_ms;
        if let Some(number) = self.of(&message.message.number) {
            number.finished(message, settle_ms);
            self.has_room |= number.has_room(LaneKind::of(&message.message));
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

    /// Whether one more message of a number, with which Meta has failed, may be sent again soon.
    pub(super) fn may_retry(&mut self, number: &NumberId, now: UnixMs) -> bool {
        self.of(number).is_none_or(|number| number.retries.take(now))
    }

    /// Counts messages that came in on a number against its throughput: a burst in full, and of a lasting flood up to
    /// half, so that questions cannot silence the answers.
    pub(super) fn charge(&mut self, number: &NumberId, count: u32, now: UnixMs) {
        if let Some(number) = self.of(number) {
            number.charge(count, now);
        }
    }

    /// What to do next, over all numbers in turn; of critical messages only, if only they may begin.
    pub(super) fn next(&mut self, now: UnixMs, critical_only: bool) -> Next {
        if let Some((message, until)) = self.too_long.pop_front() {
            return Next::Park(message, until, ParkReason::PairLimit);
        }
        let mut soonest: Option<UnixMs> = None;
        for _ in 0..self.numbers.len() {
            let index = self.turn % self.numbers.len();
            self.turn = self.turn.wrapping_add(1);
            let Some(number) = self.numbers.get_mut(index) else { continue };
            match number.next(&self.holds, &self.permits, now, critical_only) {
                Next::Wait(due_at) => soonest = [soonest, due_at].into_iter().flatten().min(),
                Next::Send(message) => {
                    if message.attempts == 0 {
                        number.retries.pay_in();
                    }
                    self.holds.began(number.scopes(), now);
                    return Next::Send(message);
                }
                Next::Check(message) => return Next::Check(message),
                // It has left its lane.
                next => {
                    self.has_room = true;
                    return next;
                }
            }
        }
        Next::Wait(soonest)
    }
}

#[cfg(test)]
mod tests;
