//! Updates on their way to the host: lanes that keep each conversation's order, and the count of what is still under way.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::Uri;
use tokio::sync::{Notify, mpsc, watch};

use super::build::Change;
use super::deliver::{Batch, Poster};
use crate::clock::UnixMs;
use crate::config::Delivery;
use crate::schedule::Schedule;

/// Statuses may go beyond the bound of players' messages by this factor.
const OVERFULL: usize = 4;

/// One message, status or other update that the host is to be told.
pub(crate) struct Update {
    pub(crate) waba_id: Arc<str>,
    pub(crate) change: Change,
    /// Updates with the same key arrive in order, as long as none has to be tried again.
    pub(crate) order_key: u64,
}

impl Update {
    /// The key of a conversation.
    pub(crate) fn key(phone_number_id: &str, party: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (phone_number_id, party).hash(&mut hasher);
        hasher.finish()
    }
}

/// What waits for its time.
pub(super) enum Later {
    Post(Update),
    Redeliver(Batch),
}

/// Whether anything may be posted, and where to.
#[derive(Clone, Default)]
pub(super) struct Gate {
    pub(super) held: bool,
    pub(super) target: Option<Uri>,
}

impl Gate {
    pub(super) fn is_open(&self) -> bool {
        !self.held && self.target.is_some()
    }
}

/// All updates under way.
pub(crate) struct Webhooks {
    lanes: Vec<mpsc::UnboundedSender<Update>>,
    gate: watch::Sender<Gate>,
    pending: AtomicUsize,
    pending_max: usize,
    fewer: Notify,
    pub(super) later: Schedule<Later>,
}

/// The receiving ends, for the tasks that post.
pub(crate) struct Lanes(Vec<mpsc::UnboundedReceiver<Update>>);

impl Webhooks {
    pub(crate) fn new(delivery: &Delivery, target: Option<Uri>) -> (Self, Lanes) {
        let (senders, receivers) = (0..delivery.concurrency.max(1)).map(|_| mpsc::unbounded_channel()).unzip();
        let webhooks = Self {
            lanes: senders,
            gate: watch::Sender::new(Gate { held: false, target }),
            pending: AtomicUsize::new(0),
            pending_max: delivery.pending_updates_max.max(1),
            fewer: Notify::new(),
            later: Schedule::new(),
        };
        (webhooks, Lanes(receivers))
    }

    /// Posts as soon as the update's lane is free.
    pub(crate) fn post(&self, update: Update) {
        self.pending.fetch_add(1, Ordering::Relaxed);
        self.enqueue(update);
    }

    /// Posts once the emulator's time has reached `due_ms`.
    pub(crate) fn post_at(&self, due_ms: UnixMs, update: Update) {
        self.pending.fetch_add(1, Ordering::Relaxed);
        self.later.at(due_ms, Later::Post(update));
    }

    pub(super) fn enqueue(&self, update: Update) {
        let lane = &self.lanes[(update.order_key % self.lanes.len() as u64) as usize];
        // A closed lane means that the emulator is shutting down.
        let _ = lane.send(update);
    }

    /// Whether even statuses find no room: the host sends, but takes no webhooks.
    pub(crate) fn is_overfull(&self) -> bool {
        self.pending() >= self.pending_max.saturating_mul(OVERFULL)
    }

    /// Waits while too much is under way.
    pub(crate) async fn room(&self) {
        self.until_fewer_than(self.pending_max).await;
    }

    /// Waits until nothing is under way, at most for `timeout`; false if something still is.
    pub(crate) async fn settled(&self, timeout: Duration) -> bool {
        tokio::time::timeout(timeout, self.until_fewer_than(1)).await.is_ok()
    }

    async fn until_fewer_than(&self, bound: usize) {
        loop {
            let fewer = self.fewer.notified();
            tokio::pin!(fewer);
            fewer.as_mut().enable();
            if self.pending() < bound {
                return;
            }
            fewer.await;
        }
    }

    pub(crate) fn pending(&self) -> usize {
        self.pending.load(Ordering::Acquire)
    }

    /// Updates that were delivered or given up.
    pub(super) fn done(&self, updates: usize) {
        let before = self.pending.fetch_sub(updates, Ordering::AcqRel);
        let after = before - updates;
        if after == 0 || (before >= self.pending_max && after < self.pending_max) {
            self.fewer.notify_waiters();
        }
    }

    pub(crate) fn hold(&self, held: bool) {
        self.gate.send_modify(|gate| gate.held = held);
    }

    pub(crate) fn set_target(&self, target: Uri) {
        self.gate.send_modify(|gate| gate.target = Some(target));
    }

    pub(super) fn gate(&self) -> watch::Receiver<Gate> {
        self.gate.subscribe()
    }
}

impl Lanes {
    /// Starts one task per lane, and one for what comes later.
    pub(crate) fn run(self, poster: &Arc<Poster>) {
        for lane in self.0 {
            let poster = Arc::clone(poster);
            poster.clone().spawn(async move { poster.run_lane(lane).await });
        }
        let later = Arc::clone(poster);
        poster.spawn(async move { later.run_later().await });
    }
}
