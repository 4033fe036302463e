//! Notes outcomes in the store, many in one write, in the order in which they came.

use std::sync::Arc;

use questline_core::outbox::OutboxMessage;
use questline_core::port::Outbox;
use questline_core::send::{SendRecord, SendResult};
use tokio::sync::mpsc;

use super::STORE_WAIT;
use super::back::Back;

/// Outcomes in one write.
const BATCH_MAX: usize = 256;

/// One outcome.
pub(super) struct Entry {
    record: SendRecord,
    /// Goes back to its lane once it is noted that it is tried again: a later begin must not be overtaken.
    again: Option<Box<OutboxMessage>>,
}

impl Entry {
    /// The message has left the outbox.
    pub(super) fn done(record: SendRecord) -> Self {
        Self { record, again: None }
    }

    /// The message is tried again.
    pub(super) fn again(message: OutboxMessage) -> Self {
        let result = SendResult::Again { attempts: message.attempts, due_at: message.due_at };
        Self { record: SendRecord { id: message.id, result }, again: Some(Box::new(message)) }
    }
}

/// Starts the writer; it ends when the last sender of entries is gone and all is written.
pub(super) fn start(
    outbox: Arc<dyn Outbox>,
    back: mpsc::UnboundedSender<Back>,
) -> (mpsc::UnboundedSender<Entry>, impl Future<Output = ()>) {
    let (entries, mut waiting) = mpsc::unbounded_channel::<Entry>();
    let task = tokio::spawn(async move {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let records: Vec<SendRecord> = batch.iter().map(|entry| entry.record.clone()).collect();
            while let Err(problem) = outbox.record(records.clone()).await {
                tracing::error!(%problem, "outcomes of sends could not be noted; they will be");
                tokio::time::sleep(STORE_WAIT).await;
            }
            for message in batch.drain(..).filter_map(|entry| entry.again) {
                let _ = back.send(Back::Noted(message));
            }
        }
    });
    (entries, async move {
        let _ = task.await;
    })
}
