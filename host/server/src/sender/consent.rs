//! Tells the conversations with a game's other numbers what a player agreed to. Each hears of it once, however often it is
//! told; a conversation that there was not yet begins with it, and so knows it when the player first writes. Nothing else
//! waits for this, and it waits for nothing else.

use std::sync::Arc;

use questline_core::contact::Address;
use questline_core::event::Event;
use questline_core::outbox::{Content, OutboxMessage};
use questline_core::port::{Batch, Clock, Inbox, Incoming, Outbox, StoreError};
use questline_core::send::{SendRecord, SendResult};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::STORE_WAIT;
use crate::game::Games;
use crate::verification::dedup_key;

/// Records that are told in one write.
const BATCH_MAX: usize = 64;

/// What telling needs.
pub(super) struct News {
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) inbox: Arc<dyn Inbox>,
    pub(super) games: Arc<Games>,
    pub(super) clock: Arc<dyn Clock>,
}

/// Whether it is news for a game's other numbers, and no message.
pub(super) fn is_news(content: &Content) -> bool {
    matches!(content, Content::Consent(_))
}

/// Starts it; it ends at `stop`, and what is not told by then is told after the next start.
pub(super) fn start(news: News, stop: CancellationToken) -> (mpsc::UnboundedSender<OutboxMessage>, JoinHandle<()>) {
    let (add, mut added) = mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                count = added.recv_many(&mut batch, BATCH_MAX) => if count == 0 { break },
            }
            while let Err(problem) = news.tell(&batch).await {
                tracing::warn!(%problem, "a game's other numbers are not told yet what players agreed to");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(STORE_WAIT) => {}
                }
            }
            batch.clear();
        }
    });
    (add, task)
}

impl News {
    async fn tell(&self, batch: &[OutboxMessage]) -> Result<(), StoreError> {
        let events = batch.iter().flat_map(|of| {
            let message = &of.message;
            let Content::Consent(record) = &message.content else { return Vec::new() };
            let others = self.games.numbers_of(&message.game).filter(|number| **number != message.number);
            let event = |number: &questline_core::id::NumberId| Incoming {
                address: Address { game: message.game.clone(), number: number.clone(), contact: message.contact.clone() },
                dedup: Some(dedup_key("consent-copy", &message.game, &[number.as_str(), &record.id])),
                event: Event::Consent(record.clone()),
            };
            others.map(event).collect()
        });
        let events: Vec<_> = events.collect();
        if !events.is_empty() {
            self.inbox.append(Batch { events, received_at: self.clock.now(), ..Batch::default() }).await?;
        }
        self.outbox.record(batch.iter().map(|of| SendRecord { id: of.id, result: SendResult::Done }).collect()).await
    }
}
