//! Posts webhooks: signs, batches, times out, tries again, and suffers the faults that are set.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONTENT_TYPE, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::build::{Signed, signed_envelope};
use super::queue::{Gate, Later, Update};
use super::sign::{SIGNATURE_HEADER, Signer};
use crate::clock::millis;
use crate::config::Delivery;
use crate::ledger::add;
use crate::state::State;
use crate::sync::lock;

/// Meta's own user agent on webhooks.
const AGENT: &str = "facebookexternalua";
/// Records kept of past POSTs.
const RECORDS_MAX: usize = 10_000;

/// How one POST ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryOutcome {
    /// The host answered. Anything but 200 is tried again.
    Status(u16),
    /// No answer in time.
    TimedOut,
    /// No connection, or it broke.
    Disconnected,
    /// A fault: it was never sent.
    Lost,
    /// A fault: the host answered 200, but the answer counts as lost.
    AckLost,
}

/// One POST that was made (or lost by a fault). `Debug` shows no content.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeliveryRecord {
    /// 1 for the first.
    pub attempt: u32,
    /// Updates in the body.
    pub updates: usize,
    /// How it ended.
    pub outcome: DeliveryOutcome,
    /// When it started, in the emulator's time (milliseconds since the Unix epoch).
    pub at_ms: u64,
    /// How long it took, in real time.
    pub took: Duration,
    /// The raw bytes.
    pub body: Bytes,
    /// The signature header.
    pub signature: String,
}

impl fmt::Debug for DeliveryRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryRecord")
            .field("attempt", &self.attempt)
            .field("updates", &self.updates)
            .field("outcome", &self.outcome)
            .field("at_ms", &self.at_ms)
            .field("took", &self.took)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Updates that are posted together, again if need be.
pub(super) struct Batch {
    signed: Signed,
    updates: usize,
    attempt: u32,
}

/// The client side of webhooks.
pub(crate) struct Poster {
    client: Client<HttpConnector, Full<Bytes>>,
    delivery: Delivery,
    signer: Signer,
    state: Arc<State>,
    records: Option<Mutex<VecDeque<DeliveryRecord>>>,
    retries: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Poster {
    pub(crate) fn new(
        delivery: Delivery,
        app_secret: &str,
        keep_records: bool,
        state: Arc<State>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            signer: Signer::new(app_secret),
            records: keep_records.then(Mutex::default),
            retries: Arc::new(Semaphore::new(delivery.concurrency.max(1))),
            delivery,
            state,
            tasks,
            stop,
        }
    }

    pub(crate) fn records(&self) -> Vec<DeliveryRecord> {
        self.records.iter().flat_map(|records| lock(records).clone()).collect()
    }

    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = work => {}
            }
        });
    }

    /// Meta's check of a webhook address; the error says what was wrong with the answer.
    pub(crate) async fn handshake(&self, target: Uri, challenge: &str) -> Result<(), String> {
        let request = Request::get(target).header(USER_AGENT, AGENT).body(Full::default()).map_err(|error| error.to_string())?;
        let answer = async {
            let response = self.client.request(request).await.map_err(|error| error.to_string())?;
            let status = response.status();
            let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
            Ok::<_, String>((status, body.to_bytes()))
        };
        let (status, body) = tokio::time::timeout(self.delivery.timeout, answer).await.map_err(|_| "no answer in time".to_owned())??;
        if status != StatusCode::OK {
            return Err(format!("status {status}"));
        }
        if body != challenge.as_bytes() {
            return Err("the challenge was not echoed".to_owned());
        }
        Ok(())
    }

    /// Posts what comes down one lane, one POST at a time.
    pub(super) async fn run_lane(&self, mut lane: mpsc::UnboundedReceiver<Update>) {
        let mut gate = self.state.webhooks.gate();
        let batch_max = self.delivery.batch_updates_max.max(1);
        while let Some(first) = lane.recv().await {
            let Some(target) = open_target(&mut gate).await else {
                return;
            };
            let faults = self.state.faults.webhook();
            let mut updates = vec![first];
            while updates.len() < batch_max
                && let Ok(next) = lane.try_recv()
            {
                updates.push(next);
            }
            if faults.as_ref().is_some_and(|faults| faults.shuffle) {
                self.shuffle(&mut updates);
            }
            let copies = faults.map_or(0, |faults| faults.duplicates);
            let batch = self.seal(&updates);
            for _ in 0..copies {
                self.attempt(&target, &batch).await;
            }
            self.deliver(&target, batch).await;
        }
    }

    /// Moves what has become due: new updates into their lanes, failed ones to another attempt.
    pub(super) async fn run_later(self: Arc<Self>) {
        loop {
            match self.state.webhooks.later.next(&self.state.clock).await {
                Later::Post(update) => self.state.webhooks.enqueue(update),
                Later::Redeliver(batch) => {
                    let Ok(permit) = Arc::clone(&self.retries).acquire_owned().await else {
                        return;
                    };
                    let poster = Arc::clone(&self);
                    self.spawn(async move {
                        let _permit = permit;
                        if let Some(target) = open_target(&mut poster.state.webhooks.gate()).await {
                            poster.deliver(&target, batch).await;
                        }
                    });
                }
            }
        }
    }

    fn seal(&self, updates: &[Update]) -> Batch {
        let changes = updates.iter().map(|update| (&*update.waba_id, &update.change));
        let now_s = self.state.clock.now_ms() / 1000;
        Batch { signed: signed_envelope(changes, &self.signer, now_s), updates: updates.len(), attempt: 1 }
    }

    /// One attempt; then the batch is done, waits for the next, or is given up.
    async fn deliver(&self, target: &Uri, mut batch: Batch) {
        let at_ms = self.state.clock.now_ms();
        if self.attempt(target, &batch).await {
            add(&self.state.tally.updates_delivered, batch.updates as u64);
            self.state.webhooks.done(batch.updates);
            return;
        }
        match self.delivery.retry.delay_after(batch.attempt) {
            Some(delay) => {
                batch.attempt += 1;
                // From the attempt's start: so the times are the same however long the host takes.
                let due_ms = at_ms + millis(delay);
                self.state.webhooks.later.at(due_ms, Later::Redeliver(batch));
            }
            None => {
                tracing::warn!(updates = batch.updates, "webhook given up after its last attempt");
                add(&self.state.tally.updates_dropped, batch.updates as u64);
                self.state.webhooks.done(batch.updates);
            }
        }
    }

    /// Posts once and says whether that counts as delivered.
    async fn attempt(&self, target: &Uri, batch: &Batch) -> bool {
        let at_ms = self.state.clock.now_ms();
        let started = Instant::now();
        let outcome = self.post(target, batch).await;
        let acked = outcome == DeliveryOutcome::Status(200);
        if acked {
            add(&self.state.tally.webhook_acks, 1);
        }
        if let Some(records) = &self.records {
            let mut records = lock(records);
            if records.len() == RECORDS_MAX {
                records.pop_front();
            }
            records.push_back(DeliveryRecord {
                attempt: batch.attempt,
                updates: batch.updates,
                outcome,
                at_ms,
                took: started.elapsed(),
                body: batch.signed.body.clone(),
                signature: batch.signed.signature.clone(),
            });
        }
        acked
    }

    async fn post(&self, target: &Uri, batch: &Batch) -> DeliveryOutcome {
        let faults = self.state.faults.webhook();
        let hit = |rate: f64| rate > 0.0 && self.state.faults.roll() < rate;
        if batch.attempt == 1 && faults.as_ref().is_some_and(|faults| hit(faults.loss_rate)) {
            return DeliveryOutcome::Lost;
        }
        let request = Request::post(target.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, AGENT)
            .header(SIGNATURE_HEADER, &batch.signed.signature)
            .body(Full::new(batch.signed.body.clone()));
        let Ok(request) = request else {
            return DeliveryOutcome::Disconnected;
        };
        self.state.tally.webhook_posts.fetch_add(1, Ordering::Relaxed);
        let answer = async {
            let response = self.client.request(request).await.ok()?;
            let status = response.status();
            // Read to the end, so that the connection can be used again.
            response.into_body().collect().await.ok()?;
            Some(status)
        };
        match tokio::time::timeout(self.delivery.timeout, answer).await {
            Err(_) => DeliveryOutcome::TimedOut,
            Ok(None) => DeliveryOutcome::Disconnected,
            Ok(Some(StatusCode::OK)) if batch.attempt == 1 && faults.as_ref().is_some_and(|faults| hit(faults.lost_ack_rate)) => {
                DeliveryOutcome::AckLost
            }
            Ok(Some(status)) => DeliveryOutcome::Status(status.as_u16()),
        }
    }

    fn shuffle(&self, updates: &mut [Update]) {
        for last in (1..updates.len()).rev() {
            let other = (self.state.faults.roll() * (last + 1) as f64) as usize;
            updates.swap(last, other.min(last));
        }
    }
}

/// Waits until posting is allowed; `None` when the emulator is gone.
async fn open_target(gate: &mut watch::Receiver<Gate>) -> Option<Uri> {
    let gate = gate.wait_for(Gate::is_open).await.ok()?;
    gate.target.clone()
}
