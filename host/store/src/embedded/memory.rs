//! What the engine keeps in memory in front of its tables: which events wait where, and what was used last.
//!
//! All of it is bounded, changes only after what it mirrors is durable, and is rebuilt at start.

use std::collections::{HashMap, VecDeque, hash_map};
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use questline_core::contact::Contact;
use questline_core::conversation::Conversation;
use questline_core::event::Event;
use questline_core::id::{ConversationId, GameId, InboxSeq, PlayerId};
use questline_core::port::StoreError;
use questline_core::time::UnixMs;

/// What an event or conversation weighs beyond its JSON: allocations, strings' slack, the index's own entry.
const OVERHEAD_BYTES: usize = 512;

/// An event that waits.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub(super) seq: InboxSeq,
    pub(super) received_at: UnixMs,
    pub(super) attempts: u32,
    /// None: over the budget, or from before the start; read again when it is its turn.
    pub(super) event: Option<Arc<Event>>,
    /// What `event` counts in the budget.
    pub(super) bytes: usize,
}

/// A conversation's events, oldest first, and the game whose share they take.
#[derive(Debug)]
struct Queue {
    game: GameId,
    events: VecDeque<Waiting>,
}

/// Every event that waits, by conversation.
#[derive(Debug)]
pub(super) struct Pending {
    conversations: HashMap<ConversationId, Queue>,
    per_game: HashMap<GameId, u64>,
    waiting: u64,
    bytes: usize,
    bytes_max: usize,
    waiting_max: u64,
    per_game_max: u64,
}

impl Pending {
    pub(super) fn new(bytes_max: usize, waiting_max: u64, per_game_max: u64) -> Self {
        Self { conversations: HashMap::new(), per_game: HashMap::new(), waiting: 0, bytes: 0, bytes_max, waiting_max, per_game_max }
    }

    /// Events that wait.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Whether `more` events of a game fit, `staged` being on their way in already: all games' and this one's.
    pub(super) fn admit(&self, game: &GameId, more: u64, staged: u64, staged_of_game: u64) -> Result<(), StoreError> {
        let of_game = self.per_game.get(game).copied().unwrap_or(0) + staged_of_game;
        if self.waiting + staged + more > self.waiting_max || of_game + more > self.per_game_max {
            return Err(StoreError::Overloaded { waiting: self.waiting });
        }
        Ok(())
    }

    /// Refuses what [`admit`](Self::admit) will refuse whatever the game.
    pub(super) fn admit_any(&self) -> Result<(), StoreError> {
        if self.waiting >= self.waiting_max { Err(StoreError::Overloaded { waiting: self.waiting }) } else { Ok(()) }
    }

    /// Room for events that the clock or a person adds: they do not count against a game's share.
    pub(super) fn room(&self) -> u64 {
        self.waiting_max.saturating_sub(self.waiting)
    }

    pub(super) fn arrive(
        &mut self,
        conversation: ConversationId,
        game: &GameId,
        event: Arc<Event>,
        mut waiting: Waiting,
        json_bytes: usize,
    ) {
        let bytes = json_bytes + OVERHEAD_BYTES;
        if self.bytes + bytes <= self.bytes_max {
            self.bytes += bytes;
            waiting.bytes = bytes;
            waiting.event = Some(event);
        }
        self.restore(conversation, game, waiting);
    }

    /// Adds one as a start finds it.
    pub(super) fn restore(&mut self, conversation: ConversationId, game: &GameId, waiting: Waiting) {
        self.waiting += 1;
        let queue =
            self.conversations.entry(conversation).or_insert_with(|| Queue { game: game.clone(), events: VecDeque::with_capacity(1) });
        queue.events.push_back(waiting);
        match self.per_game.get_mut(&queue.game) {
            Some(count) => *count += 1,
            None => {
                self.per_game.insert(queue.game.clone(), 1);
            }
        }
    }

    pub(super) fn acknowledge(&mut self, conversation: ConversationId, seq: InboxSeq) {
        let hash_map::Entry::Occupied(mut entry) = self.conversations.entry(conversation) else { return };
        let queue = entry.get_mut();
        let Some(index) = queue.events.iter().position(|waiting| waiting.seq == seq) else { return };
        if let Some(done) = queue.events.remove(index) {
            self.bytes -= done.bytes;
        }
        self.waiting -= 1;
        if let Some(count) = self.per_game.get_mut(&queue.game) {
            *count -= 1;
        }
        if queue.events.is_empty() {
            entry.remove();
        }
    }

    pub(super) fn set_attempts(&mut self, conversation: ConversationId, seq: InboxSeq, attempts: u32) {
        let queue = self.conversations.get_mut(&conversation);
        if let Some(waiting) = queue.and_then(|queue| queue.events.iter_mut().find(|waiting| waiting.seq == seq)) {
            waiting.attempts = attempts;
        }
    }

    pub(super) fn contains(&self, conversation: ConversationId, seq: InboxSeq) -> bool {
        self.conversations.get(&conversation).is_some_and(|queue| queue.events.iter().any(|waiting| waiting.seq == seq))
    }

    pub(super) fn has_any(&self, conversation: ConversationId) -> bool {
        self.conversations.contains_key(&conversation)
    }

    /// The oldest events of a conversation.
    pub(super) fn oldest(&self, conversation: ConversationId, limit: usize) -> Vec<Waiting> {
        self.conversations.get(&conversation).map(|queue| queue.events.iter().take(limit).cloned().collect()).unwrap_or_default()
    }
}

/// Conversations that were committed last, as they were committed.
///
/// A load takes the conversation out instead of copying it: it is a step's, and the step's commit brings the next version.
#[derive(Debug)]
pub(super) struct Hot {
    conversations: LruCache<ConversationId, (Entry, usize)>,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
enum Entry {
    Here(Arc<Conversation>),
    /// Taken out; contact and player stay, so that the commit can tell whether it changes them.
    Lent(Contact, Option<PlayerId>),
}

impl Hot {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { conversations: LruCache::unbounded(), bytes: 0, bytes_max }
    }

    pub(super) fn take(&mut self, id: ConversationId) -> Option<Arc<Conversation>> {
        let (entry, bytes) = self.conversations.get_mut(&id)?;
        let Entry::Here(conversation) = entry else { return None };
        let lent = Entry::Lent(conversation.contact.clone(), conversation.session.player.clone());
        let Entry::Here(conversation) = std::mem::replace(entry, lent) else { return None };
        self.bytes -= std::mem::replace(bytes, OVERHEAD_BYTES) - OVERHEAD_BYTES;
        Some(conversation)
    }

    /// Whether a conversation has this contact, as of its last commit; none if it is not known here.
    pub(super) fn has_contact(&self, id: ConversationId, contact: &Contact) -> Option<bool> {
        self.conversations.peek(&id).map(|(entry, _)| match entry {
            Entry::Here(conversation) => conversation.contact == *contact,
            Entry::Lent(known, _) => known == contact,
        })
    }

    /// Whether a conversation has this player, as of its last commit; none if it is not known here.
    pub(super) fn has_player(&self, id: ConversationId, player: Option<&PlayerId>) -> Option<bool> {
        self.conversations.peek(&id).map(|(entry, _)| match entry {
            Entry::Here(conversation) => conversation.session.player.as_ref() == player,
            Entry::Lent(_, known) => known.as_ref() == player,
        })
    }

    pub(super) fn put(&mut self, conversation: Arc<Conversation>, json_bytes: usize) {
        let bytes = json_bytes + OVERHEAD_BYTES;
        if bytes > self.bytes_max {
            self.forget(conversation.id);
            return;
        }
        self.bytes += bytes;
        if let Some((_, (_, replaced))) = self.conversations.push(conversation.id, (Entry::Here(conversation), bytes)) {
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
}

/// A bounded least-recently-used map of at least one entry.
pub(super) fn bounded<K: std::hash::Hash + Eq, V>(entries_max: usize) -> LruCache<K, V> {
    LruCache::new(NonZeroUsize::new(entries_max).unwrap_or(NonZeroUsize::MIN))
}
