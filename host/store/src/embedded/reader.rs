//! The thread that reads what is not in memory: cold conversations, receipts, people's lists.

use std::io;
use std::thread::JoinHandle;

use questline_core::port::StoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::closed;

/// Reads that wait; then callers wait.
const READS_MAX: usize = 64;

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The way to the thread.
pub(super) struct Reader {
    reads: mpsc::Sender<Read>,
}

impl Reader {
    /// Starts it. It ends when the `Reader` is dropped.
    pub(super) fn start(connection: Connection) -> io::Result<(Self, JoinHandle<()>)> {
        let (reads, mut requested) = mpsc::channel::<Read>(READS_MAX);
        let thread = std::thread::Builder::new().name("store-read".into()).spawn(move || {
            while let Some(read) = requested.blocking_recv() {
                read(&connection);
            }
        })?;
        Ok((Self { reads }, thread))
    }

    /// Has it read. Sees all that was committed before.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |connection| {
            // Nobody waits any more: then nobody needs it.
            let _ = reply.send(read(connection));
        });
        self.reads.send(read).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}
