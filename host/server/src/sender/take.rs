//! Takes messages from the store, as far as the sender has room for them, while the sender does other things.

use std::sync::Arc;

use questline_core::lane::Room;
use questline_core::outbox::OutboxMessage;
use questline_core::port::Outbox;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::STORE_WAIT;

/// Starts it; it ends at `stop`. After each hand-out it waits until it is told how much room there is then.
pub(super) fn start(
    outbox: Arc<dyn Outbox>,
    room: Room,
    stop: CancellationToken,
) -> (watch::Sender<Room>, mpsc::Receiver<Vec<OutboxMessage>>) {
    let (tell, mut rooms) = watch::channel(room);
    let (hand, handed) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let room = rooms.borrow_and_update().clone();
            let is_told = tokio::select! {
                () = stop.cancelled() => return,
                // Before the news of more room, so that what is being read is not read in vain.
                taken = outbox.take_lanes(&room) => match taken {
                    Ok(messages) => {
                        if hand.send(messages).await.is_err() {
                            return;
                        }
                        tokio::select! {
                            () = stop.cancelled() => return,
                            told = rooms.changed() => told,
                        }
                    }
                    Err(problem) => {
                        tracing::error!(%problem, "the sender cannot ask the store for messages");
                        tokio::time::sleep(STORE_WAIT).await;
                        Ok(())
                    }
                },
                told = rooms.changed() => told,
            };
            if is_told.is_err() {
                return;
            }
        }
    });
    (tell, handed)
}
