//! What a node knows of its partitions without asking: who has something to do, what waits, when timers are due.
//!
//! Only the store's task changes it, in the order in which Redis did things, so memory is never behind itself. All of it
//! is bounded, and is read anew when a session begins.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use questline_core::conversation::Conversation;
use questline_core::event::Wamid;
use questline_core::id::{ConversationId, GameId, InboxSeq, OutboxRef};
use questline_core::lane::Lane;
use questline_core::port::{Clock, StoreError, Work};
use questline_core::time::HOUR_MS;

use super::keys::{PARTITIONS, Partition};
use super::options::RedisOptions;
use super::pending::{Arrived, Hot, Pending};
use crate::handout::{Handout, Placed};
use crate::ready::ReadyQueue;

/// What answers told, gathered over a batch, in the order in which it happened.
#[derive(Default)]
pub(super) struct News {
    /// Queued messages, in the order of their places.
    pub(super) placed: Vec<(Partition, Placed)>,
    pub(super) inboxes: Vec<(ConversationId, Inbox)>,
    pub(super) conversations: Vec<(Arc<Conversation>, usize)>,
    /// Conversations that changed, and how is not known here.
    pub(super) changed: Vec<ConversationId>,
    /// When a partition's next timer is due.
    pub(super) timers: Vec<(Partition, Option<u64>)>,
    /// Buckets whose writing Redis noted, and when.
    pub(super) touched: Vec<(Bucket, u64)>,
    /// Messages that Meta took under a name.
    pub(super) accepted: Vec<(Wamid, OutboxRef)>,
}

/// What happened to an inbox.
#[derive(Debug)]
pub(super) enum Inbox {
    Arrived(Arrived),
    Acknowledged(InboxSeq),
    Tried(InboxSeq, u32),
}

/// A day's bucket in a partition, as Redis names it: its kind (`s`, `r` or `b`), and the day.
pub(super) type Bucket = (char, Partition, u64);

/// What was found in a partition when it was taken.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) timer_next: Option<u64>,
    /// Lanes that hold messages.
    pub(super) lanes: Vec<Lane>,
    /// The last place that was given.
    pub(super) place: u64,
    pub(super) waiting: Vec<(ConversationId, GameId, u32)>,
}

/// No timer is set.
const NEVER: u64 = u64::MAX;

/// How often a bucket's last write is noted in Redis.
pub(super) const TOUCH_EVERY_MS: u64 = HOUR_MS;

/// Buckets that are remembered; forgetting them costs a note more.
const TOUCHED_MAX: usize = 16 * 1024;

/// Messages that Meta took lately, for statuses that do not say which message they are about.
const ACCEPTED_MAX: usize = 16 * 1024;

/// The node's memory.
pub(super) struct Memory {
    pub(super) ready: ReadyQueue,
    pub(super) handout: Handout,
    pub(super) clock: Arc<dyn Clock>,
    pending: Mutex<Pending>,
    hot: Mutex<Hot>,
    timers: Box<[AtomicU64]>,
    /// The highest place seen in each partition.
    places: Box<[AtomicU64]>,
    touched: Mutex<HashMap<Bucket, u64>>,
    accepted: Mutex<LruCache<u64, OutboxRef>>,
    hasher: RandomState,
    /// Conversations that were loaded in a session that has ended: not to be written on that ground.
    outdated: Mutex<HashSet<ConversationId>>,
}

impl Memory {
    pub(super) fn new(options: &RedisOptions) -> Self {
        let numbers = |value| (0..PARTITIONS).map(|_| AtomicU64::new(value)).collect::<Box<[_]>>();
        let share = options.cache_bytes_max / 4;
        Self {
            ready: ReadyQueue::new(options.clock.clone()),
            handout: Handout::new(share),
            clock: options.clock.clone(),
            pending: Mutex::new(Pending::new(share, options.inbox_max, options.inbox_per_game_max)),
            hot: Mutex::new(Hot::new(2 * share)),
            timers: numbers(NEVER),
            places: numbers(0),
            touched: Mutex::default(),
            accepted: Mutex::new(LruCache::new(NonZeroUsize::new(ACCEPTED_MAX).unwrap_or(NonZeroUsize::MIN))),
            hasher: RandomState::new(),
            outdated: Mutex::default(),
        }
    }

    // ---- what the store's task writes -------------------------------------------------------------------------------

    /// Takes what answers told.
    pub(super) fn learn(&self, news: &mut News) {
        if !news.placed.is_empty() {
            for (partition, placed) in &news.placed {
                self.saw_place(*partition, placed.place);
            }
            self.handout.push(news.placed.drain(..).map(|(partition, placed)| (partition.0, placed)));
        }
        if !news.changed.is_empty() || !news.conversations.is_empty() {
            let mut hot = lock(&self.hot);
            news.conversations.drain(..).for_each(|(conversation, bytes)| hot.put(conversation, bytes));
            news.changed.drain(..).for_each(|conversation| hot.forget(conversation));
        }
        if !news.inboxes.is_empty() {
            let mut marks = Vec::new();
            let mut pending = lock(&self.pending);
            for (conversation, change) in news.inboxes.drain(..) {
                match change {
                    Inbox::Arrived(arrived) => {
                        marks.push((conversation, arrived.game.clone()));
                        pending.arrive(conversation, arrived);
                    }
                    Inbox::Acknowledged(seq) => pending.acknowledge(conversation, seq),
                    Inbox::Tried(seq, attempts) => pending.tried(conversation, seq, attempts),
                }
            }
            if !marks.is_empty() {
                // Under the lock, so that a release sees both or neither.
                self.ready.change(|index| marks.iter().for_each(|(conversation, game)| index.mark(*conversation, game)));
            }
        }
        for (partition, next) in news.timers.drain(..) {
            self.timers[partition.index()].store(next.unwrap_or(NEVER), Ordering::Release);
        }
        if !news.touched.is_empty() {
            let mut touched = lock(&self.touched);
            if touched.len() > TOUCHED_MAX {
                touched.clear();
            }
            touched.extend(news.touched.drain(..));
        }
        if !news.accepted.is_empty() {
            let mut accepted = lock(&self.accepted);
            for (wamid, message) in news.accepted.drain(..) {
                accepted.put(self.hasher.hash_one(&wamid), message);
            }
        }
    }

    /// Takes what was found in all partitions: it replaces what was thought to be there. In the first session all messages
    /// are still to be handed out; later the hand-out knows where it stands.
    pub(super) fn replace(&self, found: &[(Partition, Found)], is_first: bool) {
        if is_first {
            found.iter().for_each(|(partition, found)| self.handout.open(partition.0, found.lanes.iter().cloned()));
        }
        lock(&self.touched).clear();
        lock(&self.hot).clear();
        for (partition, found) in found {
            self.timers[partition.index()].store(found.timer_next.unwrap_or(NEVER), Ordering::Release);
        }
        let mut pending = lock(&self.pending);
        pending.clear();
        self.ready.change(|index| {
            let mut outdated = lock(&self.outdated);
            index.retain(|conversation| {
                outdated.insert(conversation);
                true
            });
            for (conversation, game, count) in found.iter().flat_map(|(_, found)| &found.waiting) {
                pending.found(*conversation, game, *count);
                index.mark(*conversation, game);
            }
        });
    }

    // ---- what calls read --------------------------------------------------------------------------------------------

    /// Lets events in, or refuses them; while what is returned lives they count as waiting.
    pub(super) fn admit(&self, games: Vec<(GameId, u64)>) -> Result<Admitted<'_>, StoreError> {
        lock(&self.pending).admit(&games)?;
        Ok(Admitted { memory: self, games })
    }

    /// Events that wait.
    pub(super) fn waiting(&self) -> u64 {
        lock(&self.pending).waiting()
    }

    /// Room for events that the clock adds.
    pub(super) fn room(&self) -> u64 {
        lock(&self.pending).room()
    }

    /// Gives a taken conversation back.
    pub(super) fn release(&self, conversation: ConversationId, not_before: Option<questline_core::time::UnixMs>) {
        // Under the lock, so that nothing arrives between the look and the release.
        let pending = lock(&self.pending);
        self.ready.release(conversation, pending.has_any(conversation), not_before);
    }

    /// A conversation and its oldest events, if all of it is in memory.
    pub(super) fn work(&self, conversation: ConversationId, events_max: usize) -> Option<Work> {
        let hot = lock(&self.hot).get(conversation)?;
        let events = lock(&self.pending).oldest(conversation, events_max)?;
        Some(Work { conversation: Arc::unwrap_or_clone(hot), events })
    }

    /// When the next timer of a partition is due.
    pub(super) fn timer_next(&self, partition: Partition) -> Option<u64> {
        Some(self.timers[partition.index()].load(Ordering::Acquire)).filter(|due| *due != NEVER)
    }

    /// The highest place that was seen in a partition.
    pub(super) fn places_seen(&self, partition: Partition) -> u64 {
        self.places[partition.index()].load(Ordering::Acquire)
    }

    /// Notes a place.
    pub(super) fn saw_place(&self, partition: Partition, place: u64) {
        self.places[partition.index()].fetch_max(place, Ordering::AcqRel);
    }

    /// Whether Redis is to note that this bucket is written to.
    pub(super) fn is_stale(&self, bucket: Bucket, at: u64) -> bool {
        lock(&self.touched).get(&bucket).is_none_or(|last| at >= last.saturating_add(TOUCH_EVERY_MS))
    }

    /// The message that Meta took under this name lately.
    pub(super) fn accepted(&self, wamid: &Wamid) -> Option<OutboxRef> {
        lock(&self.accepted).get(&self.hasher.hash_one(wamid)).copied()
    }

    /// A conversation is loaded now; what is read after this is to be built on.
    pub(super) fn load_begins(&self, conversation: ConversationId) {
        let mut outdated = lock(&self.outdated);
        if !outdated.is_empty() {
            outdated.remove(&conversation);
        }
    }

    /// Whether a conversation has to be loaded again before it is written.
    pub(super) fn is_outdated(&self, conversation: ConversationId) -> bool {
        lock(&self.outdated).contains(&conversation)
    }
}

/// Events that were let in and are on their way.
pub(super) struct Admitted<'a> {
    memory: &'a Memory,
    games: Vec<(GameId, u64)>,
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        lock(&self.memory.pending).arrived_or_gone(&self.games);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
