//! What a group of operations changes in memory, kept aside until the group is durable.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use questline_core::conversation::Conversation;
use questline_core::event::Event;
use questline_core::id::{ConversationId, GameId, InboxSeq};
use questline_core::time::UnixMs;

use crate::handout::Placed;

use super::memory::Waiting;
use super::{SOURCE, Shared};

/// An event that got its place.
pub(super) struct Arrived {
    pub(super) conversation: ConversationId,
    pub(super) game: GameId,
    pub(super) seq: InboxSeq,
    pub(super) received_at: UnixMs,
    pub(super) event: Arc<Event>,
    pub(super) json_bytes: usize,
}

/// The changes of a group.
#[derive(Default)]
pub(super) struct Staged {
    pub(super) arrived: Vec<Arrived>,
    pub(super) acknowledged: Vec<(ConversationId, InboxSeq)>,
    pub(super) attempts: Vec<(ConversationId, InboxSeq, u32)>,
    pub(super) hot: Vec<(Arc<Conversation>, usize)>,
    pub(super) cold: Vec<ConversationId>,
    pub(super) placed: Vec<Placed>,
    pub(super) timer_due: TimerDue,
    pub(super) outbox: i64,
    pub(super) timers: i64,
    pub(super) dead_letters: i64,
    pub(super) tickets_open: i64,
    pub(super) conversations: i64,
    /// Room taken by appends of this group: by game, since they are admitted before their repetitions are known.
    admitted: Vec<(GameId, u64)>,
    gone: HashSet<InboxSeq>,
}

/// What a group does to the next due time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum TimerDue {
    #[default]
    Same,
    /// It may be this one.
    AtMost(u64),
    /// It has to be looked up.
    Unknown,
    /// It was.
    Is(u64),
}

impl TimerDue {
    pub(super) fn set(&mut self, due_ms: u64) {
        *self = match *self {
            Self::Same => Self::AtMost(due_ms),
            Self::AtMost(other) => Self::AtMost(other.min(due_ms)),
            Self::Unknown => Self::Unknown,
            Self::Is(other) => Self::Is(other.min(due_ms)),
        };
    }
}

impl Staged {
    pub(super) fn admitted(&self) -> u64 {
        self.admitted.iter().map(|(_, count)| count).sum()
    }

    pub(super) fn admitted_of(&self, game: &GameId) -> u64 {
        self.admitted.iter().find(|(of, _)| of == game).map_or(0, |(_, count)| *count)
    }

    pub(super) fn admit(&mut self, game: &GameId, more: u64) {
        match self.admitted.iter_mut().find(|(of, _)| of == game) {
            Some((_, count)) => *count += more,
            None => self.admitted.push((game.clone(), more)),
        }
    }

    pub(super) fn is_acknowledged(&self, seq: InboxSeq) -> bool {
        self.gone.contains(&seq)
    }

    pub(super) fn acknowledge(&mut self, conversation: ConversationId, seq: InboxSeq) {
        self.gone.insert(seq);
        self.acknowledged.push((conversation, seq));
    }

    /// The group is durable: now memory may say so. Empties itself, and keeps its allocations for the next group.
    pub(super) fn publish(&mut self, shared: &Shared) {
        self.publish_hot(shared);
        if !self.arrived.is_empty() || !self.acknowledged.is_empty() || !self.attempts.is_empty() {
            self.publish_pending(shared);
        }
        for (count, change) in [
            (&shared.counts.outbox, self.outbox),
            (&shared.counts.timers, self.timers),
            (&shared.counts.dead_letters, self.dead_letters),
            (&shared.counts.tickets_open, self.tickets_open),
            (&shared.counts.conversations, self.conversations),
        ] {
            add(count, change);
        }
        match self.timer_due {
            TimerDue::Same => {}
            TimerDue::AtMost(due) => {
                shared.timer_due_ms.fetch_min(due, Ordering::AcqRel);
            }
            TimerDue::Unknown => shared.timer_due_ms.store(0, Ordering::Release),
            TimerDue::Is(due) => shared.timer_due_ms.store(due, Ordering::Release),
        }
        if !self.placed.is_empty() {
            shared.handout.push(self.placed.drain(..).map(|placed| (SOURCE, placed)));
        }
        self.clear();
    }

    /// The group was not written: nothing of it happened.
    pub(super) fn clear(&mut self) {
        self.arrived.clear();
        self.acknowledged.clear();
        self.attempts.clear();
        self.hot.clear();
        self.cold.clear();
        self.placed.clear();
        self.admitted.clear();
        self.gone.clear();
        self.timer_due = TimerDue::Same;
        (self.outbox, self.timers, self.dead_letters, self.tickets_open, self.conversations) = (0, 0, 0, 0, 0);
    }

    fn publish_hot(&mut self, shared: &Shared) {
        if self.hot.is_empty() && self.cold.is_empty() {
            return;
        }
        let mut hot = shared.hot();
        for (conversation, bytes) in self.hot.drain(..) {
            hot.put(conversation, bytes);
        }
        for conversation in self.cold.drain(..) {
            hot.forget(conversation);
        }
    }

    fn publish_pending(&mut self, shared: &Shared) {
        let mut pending = shared.pending();
        for arrived in &self.arrived {
            let waiting = Waiting { seq: arrived.seq, received_at: arrived.received_at, attempts: 0, event: None, bytes: 0 };
            pending.arrive(arrived.conversation, &arrived.game, arrived.event.clone(), waiting, arrived.json_bytes);
        }
        for (conversation, seq) in self.acknowledged.drain(..) {
            pending.acknowledge(conversation, seq);
        }
        for (conversation, seq, attempts) in self.attempts.drain(..) {
            pending.set_attempts(conversation, seq, attempts);
        }
        if !self.arrived.is_empty() {
            // Under the lock of `pending`, so that a release cannot miss what has arrived. What arrives in a taken
            // conversation needs no mark: its release looks for itself.
            shared.ready.change(|index| {
                for arrived in self.arrived.drain(..) {
                    if !index.is_held(arrived.conversation) {
                        index.mark(arrived.conversation, &arrived.game);
                    }
                }
            });
        }
    }
}

fn add(count: &AtomicU64, change: i64) {
    if change != 0 {
        count.fetch_add(change as u64, Ordering::Relaxed);
    }
}
