//! Which events wait where, and the conversations used last: what a step needs, without asking Redis.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use lru::LruCache;
use questline_core::conversation::Conversation;
use questline_core::event::Event;
use questline_core::id::{ConversationId, GameId, InboxSeq};
use questline_core::port::{InboxEntry, StoreError};
use questline_core::time::UnixMs;

/// What an event or conversation weighs beyond its JSON: allocations, strings' slack, the index's own entry.
const OVERHEAD_BYTES: usize = 512;

/// An event that came, with its content if this process has it.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) game: GameId,
    pub(super) seq: InboxSeq,
    pub(super) received_at: UnixMs,
    pub(super) event: Option<Arc<Event>>,
    /// Length of its JSON.
    pub(super) bytes: usize,
}

/// One conversation's inbox.
#[derive(Debug)]
struct Inbox {
    game: GameId,
    /// Events that wait.
    count: u32,
    /// The oldest of them, as far as memory has them: all, or those before one that it has not.
    head: VecDeque<(InboxEntry, usize)>,
}

/// Every inbox that holds something.
#[derive(Debug)]
pub(super) struct Pending {
    inboxes: HashMap<ConversationId, Inbox>,
    per_game: HashMap<GameId, Share>,
    waiting: u64,
    admitted: u64,
    bytes: usize,
    bytes_max: usize,
    waiting_max: u64,
    per_game_max: u64,
}

#[derive(Debug, Default)]
struct Share {
    waiting: u64,
    admitted: u64,
}

impl Pending {
    pub(super) fn new(bytes_max: usize, waiting_max: u64, per_game_max: u64) -> Self {
        Self { inboxes: HashMap::new(), per_game: HashMap::new(), waiting: 0, admitted: 0, bytes: 0, bytes_max, waiting_max, per_game_max }
    }

    /// Lets events in that are on their way, or refuses them all; [`Self::arrived_or_gone`] ends it.
    pub(super) fn admit(&mut self, games: &[(GameId, u64)]) -> Result<(), StoreError> {
        let more = games.iter().map(|(_, count)| count).sum::<u64>();
        if more == 0 {
            return Ok(());
        }
        let full = |(game, count): &(GameId, u64)| {
            self.per_game.get(game).map_or(0, |share| share.waiting + share.admitted) + count > self.per_game_max
        };
        if self.waiting + self.admitted + more > self.waiting_max || games.iter().any(full) {
            return Err(StoreError::Overloaded { waiting: self.waiting });
        }
        self.admitted += more;
        for (game, count) in games {
            self.share(game).admitted += count;
        }
        Ok(())
    }

    /// What was let in has arrived, or never will.
    pub(super) fn arrived_or_gone(&mut self, games: &[(GameId, u64)]) {
        for (game, count) in games {
            self.admitted = self.admitted.saturating_sub(*count);
            let share = self.share(game);
            share.admitted = share.admitted.saturating_sub(*count);
        }
    }

    /// Room for events that the clock adds.
    pub(super) fn room(&self) -> u64 {
        self.waiting_max.saturating_sub(self.waiting + self.admitted)
    }

    /// Events that wait.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting
    }

    pub(super) fn has_any(&self, conversation: ConversationId) -> bool {
        self.inboxes.contains_key(&conversation)
    }

    /// An event came.
    pub(super) fn arrive(&mut self, conversation: ConversationId, arrived: Arrived) {
        self.waiting += 1;
        self.share(&arrived.game).waiting += 1;
        let bytes = arrived.bytes + OVERHEAD_BYTES;
        let fits = self.bytes + bytes <= self.bytes_max;
        let inbox = self.inboxes.entry(conversation);
        let inbox = inbox.or_insert_with(|| Inbox { game: arrived.game, count: 0, head: VecDeque::new() });
        let is_complete = inbox.head.len() == inbox.count as usize;
        inbox.count += 1;
        if let Some(event) = arrived.event
            && is_complete
            && fits
        {
            self.bytes += bytes;
            let entry = InboxEntry { seq: arrived.seq, received_at: arrived.received_at, attempts: 0, event };
            inbox.head.push_back((entry, bytes));
        }
    }

    /// So many events were found in an inbox.
    pub(super) fn found(&mut self, conversation: ConversationId, game: &GameId, count: u32) {
        self.waiting += u64::from(count);
        self.share(game).waiting += u64::from(count);
        self.inboxes.insert(conversation, Inbox { game: game.clone(), count, head: VecDeque::new() });
    }

    /// An event was handled.
    pub(super) fn acknowledge(&mut self, conversation: ConversationId, seq: InboxSeq) {
        let Entry::Occupied(mut entry) = self.inboxes.entry(conversation) else { return };
        let inbox = entry.get_mut();
        if let Some(at) = inbox.head.iter().position(|(entry, _)| entry.seq == seq)
            && let Some((_, bytes)) = inbox.head.remove(at)
        {
            self.bytes -= bytes;
        }
        inbox.count = inbox.count.saturating_sub(1);
        self.waiting = self.waiting.saturating_sub(1);
        let game = inbox.game.clone();
        if inbox.count == 0 {
            entry.remove();
        }
        let share = self.share(&game);
        share.waiting = share.waiting.saturating_sub(1);
    }

    /// A try failed.
    pub(super) fn tried(&mut self, conversation: ConversationId, seq: InboxSeq, attempts: u32) {
        let head = self.inboxes.get_mut(&conversation).map(|inbox| inbox.head.iter_mut());
        if let Some((entry, _)) = head.into_iter().flatten().find(|(entry, _)| entry.seq == seq) {
            entry.attempts = attempts;
        }
    }

    /// The oldest events of a conversation; none when memory has not all that are asked for.
    pub(super) fn oldest(&self, conversation: ConversationId, limit: usize) -> Option<Vec<InboxEntry>> {
        let Some(inbox) = self.inboxes.get(&conversation) else { return Some(Vec::new()) };
        let wanted = limit.min(inbox.count as usize);
        (inbox.head.len() >= wanted).then(|| inbox.head.iter().take(wanted).map(|(entry, _)| entry.clone()).collect())
    }

    /// Forgets all that waits, not what is on its way.
    pub(super) fn clear(&mut self) {
        self.inboxes.clear();
        self.waiting = 0;
        self.bytes = 0;
        self.per_game.values_mut().for_each(|share| share.waiting = 0);
    }

    fn share(&mut self, game: &GameId) -> &mut Share {
        // There are as many as games; a name is shared, not copied.
        self.per_game.entry(game.clone()).or_default()
    }
}

/// Conversations as of their last commit, the latest used, within a budget of bytes.
#[derive(Debug)]
pub(super) struct Hot {
    conversations: LruCache<ConversationId, (Arc<Conversation>, usize)>,
    bytes: usize,
    bytes_max: usize,
}

impl Hot {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { conversations: LruCache::unbounded(), bytes: 0, bytes_max }
    }

    pub(super) fn get(&mut self, id: ConversationId) -> Option<Arc<Conversation>> {
        self.conversations.get(&id).map(|(conversation, _)| conversation.clone())
    }

    pub(super) fn put(&mut self, conversation: Arc<Conversation>, json_bytes: usize) {
        let bytes = json_bytes + OVERHEAD_BYTES;
        self.bytes += bytes;
        if let Some((_, (_, replaced))) = self.conversations.push(conversation.id, (conversation, bytes)) {
            self.bytes -= replaced;
        }
        while self.bytes > self.bytes_max {
            let Some((_, (_, evicted))) = self.conversations.pop_lru() else { break };
            self.bytes -= evicted;
        }
    }

    pub(super) fn forget(&mut self, id: ConversationId) {
        if let Some((_, bytes)) = self.conversations.pop(&id) {
            self.bytes -= bytes;
        }
    }

    pub(super) fn clear(&mut self) {
        self.conversations.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use questline_core::event::SystemChange;

    const ONE: ConversationId = ConversationId(1);

    fn game() -> GameId {
        GameId::parse("starfall").unwrap()
    }

    fn arrived(seq: u64, known: bool) -> Arrived {
        let event = Event::System(SystemChange::Other(seq.to_string()));
        Arrived { game: game(), seq: InboxSeq(seq), received_at: UnixMs(seq), event: known.then(|| Arc::new(event)), bytes: 0 }
    }

    #[derive(Debug, Clone)]
    enum Do {
        Arrive { known: bool },
        Acknowledge { nth: usize },
    }

    proptest! {
        /// Against a list: what memory tells of an inbox is true, however little of it fits.
        #[test]
        fn memory_tells_the_truth_or_nothing(
            fits in 0usize..6,
            steps in prop::collection::vec(
                prop_oneof![any::<bool>().prop_map(|known| Do::Arrive { known }), (0usize..3).prop_map(|nth| Do::Acknowledge { nth })],
                0..60,
            ),
        ) {
            let mut pending = Pending::new(fits * OVERHEAD_BYTES, 1_000, 1_000);
            let mut stored = Vec::new();
            for (n, step) in steps.into_iter().enumerate() {
                match step {
                    Do::Arrive { known } => {
                        pending.arrive(ONE, arrived(n as u64, known));
                        stored.push(n as u64);
                    }
                    Do::Acknowledge { nth } if nth < stored.len() => pending.acknowledge(ONE, InboxSeq(stored.remove(nth))),
                    Do::Acknowledge { .. } => {}
                }
                prop_assert_eq!(pending.waiting(), stored.len() as u64);
                prop_assert_eq!(pending.has_any(ONE), !stored.is_empty());
                for limit in 0..4 {
                    if let Some(events) = pending.oldest(ONE, limit) {
                        let told = events.iter().map(|entry| entry.seq.0).collect::<Vec<_>>();
                        prop_assert_eq!(&told[..], &stored[..limit.min(stored.len())]);
                    }
                }
                prop_assert!(pending.bytes <= pending.bytes_max);
            }
            stored.drain(..).for_each(|seq| pending.acknowledge(ONE, InboxSeq(seq)));
            prop_assert_eq!((pending.bytes, pending.waiting()), (0, 0));
        }
    }

    #[test]
    fn what_is_on_its_way_counts() {
        let mut pending = Pending::new(0, 3, 2);
        let (one, two) = ([(game(), 1)], [(GameId::parse("other").unwrap(), 2)]);
        pending.admit(&one).unwrap();
        pending.admit(&one).unwrap();
        assert_eq!(pending.admit(&one), Err(StoreError::Overloaded { waiting: 0 }), "the game's share is full");
        assert!(pending.admit(&two).is_err(), "all is full");
        pending.arrived_or_gone(&one);
        pending.admit(&two).unwrap();
        assert_eq!(pending.room(), 0);
    }
}
