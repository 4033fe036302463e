//! Which call is next: those of one conversation in their order, and of one game no more at once than leaves room for
//! others. Pure: time is given.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use questline_core::id::{ConversationId, GameId};
use questline_core::outbox::{Content, OutboxMessage};
use questline_core::time::UnixMs;

/// Calls of one game at once: a backend that hangs holds up nobody else, and one that works is not run over.
const UNDER_WAY_PER_GAME_MAX: usize = 16;
/// Calls of one game that wait in memory. More than that a backend has not taken for long, and what comes is a dead letter.
const WAITING_PER_GAME_MAX: usize = 10_000;

/// What to do next.
#[derive(Debug)]
pub(super) enum Next {
    /// Make this call.
    Call(Box<OutboxMessage>),
    /// Nothing before this time; with none, nothing before something changes.
    Wait(Option<UnixMs>),
}

/// A line: codes have one of their own, for they cannot wait for an operation that the backend does not take.
type LineKey = (ConversationId, bool);

fn key_of(call: &OutboxMessage) -> LineKey {
    (call.id.conversation, matches!(call.message.content, Content::Code(_)))
}

/// All that waits.
#[derive(Debug, Default)]
pub(super) struct Lines {
    games: HashMap<GameId, Load>,
    lines: HashMap<LineKey, Line>,
    /// Lines whose first call may not be made yet.
    later: BinaryHeap<Reverse<(UnixMs, LineKey)>>,
}

/// One game.
#[derive(Debug, Default)]
struct Load {
    under_way: usize,
    waiting: usize,
    /// Lines whose first call may be made.
    ready: VecDeque<LineKey>,
}

/// One conversation's calls of a kind: strictly in order.
#[derive(Debug, Default)]
struct Line {
    calls: VecDeque<OutboxMessage>,
    /// Its first call is out, or in one of the queues: nothing to put there.
    placed: bool,
}

impl Lines {
    /// A committed call joins the end of its line; it comes back where too many wait already.
    pub(super) fn add(&mut self, call: OutboxMessage) -> Result<(), Box<OutboxMessage>> {
        let load = self.games.entry(call.message.game.clone()).or_default();
        if load.waiting >= WAITING_PER_GAME_MAX {
            return Err(Box::new(call));
        }
        load.waiting += 1;
        let key = key_of(&call);
        self.lines.entry(key).or_default().calls.push_back(call);
        self.place(key);
        Ok(())
    }

    /// A call was made and is to be tried again: its line waits until that is noted.
    pub(super) fn pause(&mut self, call: &OutboxMessage) {
        self.has_ended(call);
    }

    /// That it is tried again is noted: it goes to the front of its line.
    pub(super) fn back(&mut self, call: OutboxMessage) {
        self.games.entry(call.message.game.clone()).or_default().waiting += 1;
        let key = key_of(&call);
        let line = self.lines.entry(key).or_default();
        line.calls.push_front(call);
        line.placed = false;
        self.place(key);
    }

    /// A call was made for the last time: the next of its line may be.
    pub(super) fn finished(&mut self, call: &OutboxMessage) {
        self.has_ended(call);
        let key = key_of(call);
        match self.lines.get_mut(&key) {
            Some(line) if line.calls.is_empty() => drop(self.lines.remove(&key)),
            Some(line) => {
                line.placed = false;
                self.place(key);
            }
            None => {}
        }
    }

    fn has_ended(&mut self, call: &OutboxMessage) {
        if let Some(load) = self.games.get_mut(&call.message.game) {
            load.under_way = load.under_way.saturating_sub(1);
        }
    }

    fn place(&mut self, key: LineKey) {
        let Some(line) = self.lines.get_mut(&key) else { return };
        let Some(first) = line.calls.front() else { return };
        if !std::mem::replace(&mut line.placed, true) {
            self.later.push(Reverse((first.due_at, key)));
        }
    }

    /// What to do next.
    pub(super) fn next(&mut self, now: UnixMs) -> Next {
        while let Some(Reverse((due_at, key))) = self.later.peek().copied() {
            if due_at > now {
                break;
            }
            self.later.pop();
            let first = self.lines.get(&key).and_then(|line| line.calls.front());
            if let Some(load) = first.and_then(|first| self.games.get_mut(&first.message.game)) {
                load.ready.push_back(key);
            }
        }
        for load in self.games.values_mut().filter(|load| load.under_way < UNDER_WAY_PER_GAME_MAX) {
            let Some(key) = load.ready.pop_front() else { continue };
            let Some(call) = self.lines.get_mut(&key).and_then(|line| line.calls.pop_front()) else { continue };
            load.under_way += 1;
            load.waiting -= 1;
            return Next::Call(Box::new(call));
        }
        Next::Wait(self.later.peek().map(|Reverse((due_at, _))| *due_at))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use questline_core::contact::{Address, Contact, PhoneNumber};
    use questline_core::conversation::Conversation;
    use questline_core::id::{NumberId, OutboxRef, OutboxSeq};
    use questline_core::operation::Operation;
    use questline_core::outbox::{NewMessage, SendState};

    use super::*;

    const NOW: UnixMs = UnixMs(1_000_000);

    fn call(game: &str, conversation: u64, seq: u64) -> OutboxMessage {
        let address = Address {
            game: GameId::parse(game).unwrap(),
            number: NumberId::parse("100").unwrap(),
            contact: Contact::new(PhoneNumber::parse("15550100").ok(), None).unwrap(),
        };
        let of = Conversation::new(ConversationId(conversation), address);
        let operation =
            Operation { name: "freeze".into(), player: None, request: "{}".into(), idempotency_key: format!("{conversation}.{seq}") };
        let id = OutboxRef { conversation: of.id, seq: OutboxSeq(seq) };
        OutboxMessage { id, message: NewMessage::operation(&of, operation, NOW), attempts: 0, due_at: NOW, state: SendState::Queued }
    }

    fn called(lines: &mut Lines, now: UnixMs) -> Option<OutboxMessage> {
        match lines.next(now) {
            Next::Call(call) => Some(*call),
            Next::Wait(_) => None,
        }
    }

    #[test]
    fn one_conversations_calls_are_made_in_their_order() {
        let mut lines = Lines::default();
        for seq in 1..=3 {
            lines.add(call("a", 7, seq)).unwrap();
        }
        let first = called(&mut lines, NOW).unwrap();
        assert_eq!(first.id.seq, OutboxSeq(1));
        assert!(called(&mut lines, NOW).is_none(), "the second waits for the first");
        lines.pause(&first);
        assert!(called(&mut lines, NOW).is_none(), "and while its repetition is noted");
        lines.back(OutboxMessage { due_at: NOW.plus_ms(50), ..first });
        assert!(matches!(lines.next(NOW), Next::Wait(Some(due_at)) if due_at == NOW.plus_ms(50)));
        let again = called(&mut lines, NOW.plus_ms(50)).unwrap();
        assert_eq!(again.id.seq, OutboxSeq(1));
        lines.finished(&again);
        for seq in 2..=3 {
            let next = called(&mut lines, NOW).unwrap();
            assert_eq!(next.id.seq, OutboxSeq(seq));
            lines.finished(&next);
        }
        assert!(lines.lines.is_empty(), "nothing is kept of what is done");
    }

    #[test]
    fn a_backend_that_hangs_holds_up_no_other_game() {
        let mut lines = Lines::default();
        for conversation in 0..100 {
            lines.add(call("slow", conversation, 1)).unwrap();
        }
        lines.add(call("quick", 500, 1)).unwrap();
        let mut out: HashMap<GameId, usize> = HashMap::new();
        while let Some(call) = called(&mut lines, NOW) {
            *out.entry(call.message.game).or_default() += 1;
        }
        assert_eq!(out[&GameId::parse("slow").unwrap()], UNDER_WAY_PER_GAME_MAX);
        assert_eq!(out[&GameId::parse("quick").unwrap()], 1);
    }

    #[test]
    fn what_waits_for_one_backend_is_bounded() {
        let mut lines = Lines::default();
        for conversation in 0..WAITING_PER_GAME_MAX as u64 {
            lines.add(call("away", conversation, 1)).unwrap();
        }
        assert!(lines.add(call("away", 1_000_000, 1)).is_err());
        assert!(lines.add(call("there", 1_000_001, 1)).is_ok());
    }
}
