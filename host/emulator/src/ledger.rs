//! What the emulator has accepted: whole messages for tests that look for losses, numbers only for benchmarks.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::broadcast;

use crate::config::LedgerMode;
use crate::sync::lock;

/// Shards of the kept messages, so that connections seldom meet at one lock.
const SHARDS: usize = 16;

/// Whom a message was for. `Debug` shows the kind alone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Recipient {
    /// A phone number, as the `wa_id` that Meta would answer with (digits).
    Phone(String),
    /// A business-scoped user id.
    UserId(String),
}

impl Recipient {
    /// The phone or the id.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Phone(text) | Self::UserId(text) => text,
        }
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Phone(_) => "Phone(..)",
            Self::UserId(_) => "UserId(..)",
        })
    }
}

/// A message that the Graph API answered with 200 and a wamid (whether or not the answer reached the client).
#[derive(Clone)]
#[non_exhaustive]
pub struct Accepted {
    /// Counts up from 0 in the order of acceptance.
    pub sequence: u64,
    /// The wamid.
    pub id: String,
    /// The business number that it was sent from.
    pub phone_number_id: Arc<str>,
    /// Whom it was for.
    pub recipient: Recipient,
    /// The request body, as it came.
    pub body: Bytes,
    /// The sender's own mark, if it gave one.
    pub biz_opaque_callback_data: Option<String>,
    /// When, in the emulator's time (milliseconds since the Unix epoch).
    pub at_ms: u64,
    /// When, for measuring latency.
    pub instant: Instant,
    /// The code of the `failed` status that follows, if it was already doomed.
    pub failed_code: Option<u32>,
}

impl Accepted {
    /// The request body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted")
            .field("sequence", &self.sequence)
            .field("phone_number_id", &self.phone_number_id)
            .field("recipient", &self.recipient)
            .field("body_bytes", &self.body.len())
            .field("at_ms", &self.at_ms)
            .field("failed_code", &self.failed_code)
            .finish_non_exhaustive()
    }
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Messages accepted.
    pub accepted: u64,
    /// Accepted messages that the ledger has let go for want of room.
    pub forgotten: u64,
    /// Calls that the Graph API refused or failed.
    pub refused: u64,
    /// Messages marked as read.
    pub marked_read: u64,
    /// Typing indicators shown.
    pub typing_shown: u64,
    /// Messages that players sent.
    pub player_messages: u64,
    /// Webhook POSTs made, repeats included.
    pub webhook_posts: u64,
    /// Webhook POSTs answered with 200.
    pub webhook_acks: u64,
    /// Updates (messages, statuses, ...) delivered.
    pub updates_delivered: u64,
    /// Updates given up after the last attempt, or dropped because too many were waiting.
    pub updates_dropped: u64,
}

/// The live form of [`Counters`].
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) refused: AtomicU64,
    pub(crate) marked_read: AtomicU64,
    pub(crate) typing_shown: AtomicU64,
    pub(crate) player_messages: AtomicU64,
    pub(crate) webhook_posts: AtomicU64,
    pub(crate) webhook_acks: AtomicU64,
    pub(crate) updates_delivered: AtomicU64,
    pub(crate) updates_dropped: AtomicU64,
}

pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

/// All accepted messages, as far as the mode keeps them.
pub(crate) struct Ledger {
    shards: Option<Vec<Mutex<VecDeque<Arc<Accepted>>>>>,
    shard_messages_max: usize,
    next_sequence: AtomicU64,
    forgotten: AtomicU64,
    subscribers: broadcast::Sender<Arc<Accepted>>,
}

impl Ledger {
    pub(crate) fn new(mode: LedgerMode, subscription_messages_max: usize) -> Self {
        let (shards, shard_messages_max) = match mode {
            LedgerMode::Keep { messages_max } => {
                (Some((0..SHARDS).map(|_| Mutex::default()).collect()), messages_max.div_ceil(SHARDS).max(1))
            }
            LedgerMode::CountOnly => (None, 0),
        };
        Self {
            shards,
            shard_messages_max,
            next_sequence: AtomicU64::new(0),
            forgotten: AtomicU64::new(0),
            subscribers: broadcast::Sender::new(subscription_messages_max.max(1)),
        }
    }

    /// The place of the next accepted message.
    pub(crate) fn take_sequence(&self) -> u64 {
        self.next_sequence.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether anybody wants the whole message.
    pub(crate) fn wants_messages(&self) -> bool {
        self.shards.is_some() || self.subscribers.receiver_count() > 0
    }

    pub(crate) fn record(&self, message: &Arc<Accepted>) {
        if let Some(shards) = &self.shards {
            let mut shard = lock(&shards[message.sequence as usize % SHARDS]);
            if shard.len() == self.shard_messages_max {
                shard.pop_front();
                add(&self.forgotten, 1);
            }
            shard.push_back(Arc::clone(message));
        }
        if self.subscribers.receiver_count() > 0 {
            let _ = self.subscribers.send(Arc::clone(message));
        }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Accepted>> {
        self.subscribers.subscribe()
    }

    pub(crate) fn accepted_count(&self) -> u64 {
        self.next_sequence.load(Ordering::Relaxed)
    }

    pub(crate) fn forgotten_count(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    /// What is kept, in the order of acceptance.
    pub(crate) fn snapshot(&self) -> Vec<Arc<Accepted>> {
        let mut all: Vec<_> = self.shards.iter().flatten().flat_map(|shard| lock(shard).iter().cloned().collect::<Vec<_>>()).collect();
        all.sort_unstable_by_key(|message| message.sequence);
        all
    }
}
