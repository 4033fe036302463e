//! The embedded engine: SQLite in one data directory, nothing to install, durable before it answers.
//!
//! One thread owns the connection that writes. Callers hand it typed operations over a bounded channel; it takes all that
//! wait, writes them in one transaction, lets the disk confirm it once, and then answers all: group commit. Memory in
//! front ([`memory`], [`ready`](crate::ready), [`handout`](crate::handout)) changes after that, so that nothing is seen
//! that could be lost. A second thread owns a connection that only reads.

mod append;
mod asked;
mod audiences;
mod audit;
mod clockwork;
mod commit;
mod consents;
mod desk;
mod directory;
mod documents;
mod enqueue;
mod exposures;
mod lanes;
mod memory;
mod names;
mod op;
mod pages;
mod permits;
mod ports;
mod read;
mod reader;
mod recover;
mod reseal;
mod schema;
mod sealing;
mod send;
mod staged;
mod tally;
mod waiting;
mod writer;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use questline_core::port::{Clock, Depth, StoreError};
use questline_core::time::UnixMs;
use tokio::sync::{mpsc, oneshot, watch};

use crate::audit::AuditKey;
use crate::handout::Handout;
use crate::ready::ReadyQueue;
use crate::seal::{MissingKeys, Sealer, StoreKeys};

use memory::{Hot, Pending};
use names::NewNames;
use op::{Answer, Op, Request};
use reader::Reader;

/// The only source of the hand-out.
const SOURCE: u16 = 0;
/// Operations that wait for the writer; then callers wait.
const REQUESTS_MAX: usize = 256;

/// How the engine is set up.
#[derive(Clone)]
pub struct EmbeddedOptions {
    /// The data directory; made if it is not there.
    pub dir: PathBuf,
    /// Events that may wait, of all games; then appends are refused as overloaded.
    pub inbox_max: u64,
    /// Events of one game that may wait, so that one game's flood does not shut out the others.
    pub inbox_per_game_max: u64,
    /// Memory for what waits and for what was used last, all caches together, in bytes.
    pub cache_bytes_max: usize,
    /// Names of new contacts that wait to be written to their table next to their neighbours, about; 80 bytes of memory
    /// each.
    pub names_waiting_max: usize,
    /// Of the audit log's pseudonyms; without one, the directory's own `audit.key` is taken, and made if it is not there.
    pub audit_key: Option<AuditKey>,
    /// What is personal is sealed under the first, and opens under all; without any, the directory's own `store.key` is
    /// taken, and made if it is not there.
    pub keys: Option<StoreKeys>,
    /// For delays, and for the time at which follow-up events come.
    pub clock: Arc<dyn Clock>,
}

impl EmbeddedOptions {
    /// The defaults: 100,000 events, half of them for one game, 6 MiB of caches, and 65,536 names.
    pub fn new(dir: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self {
            dir: dir.into(),
            inbox_max: 100_000,
            inbox_per_game_max: 50_000,
            cache_bytes_max: 6 << 20,
            names_waiting_max: 65_536,
            audit_key: None,
            keys: None,
            clock,
        }
    }
}

/// Why a data directory was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be made, or not be written.
    #[error("data directory {}: {error}", dir.display())]
    Directory {
        /// Which.
        dir: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// Another process has it.
    #[error("data directory {} is in use by another questline{}; stop that one, or choose another directory", dir.display(), pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    InUse {
        /// Which.
        dir: PathBuf,
        /// By whom, if it said.
        pid: Option<u32>,
    },
    /// Written by another version.
    #[error(
        "the data has schema version {found}, this questline supports {supported}; {}",
        if found > supported { "run the newer questline that wrote it" } else { "run the version that wrote it, or move the data away and start anew" }
    )]
    SchemaVersion {
        /// In the data.
        found: i64,
        /// In this build.
        supported: i64,
    },
    /// It is a database, but not one of ours.
    #[error("questline.db in the data directory is not a questline database; choose another directory")]
    Foreign,
    /// A key is gone that the data needs.
    #[error(transparent)]
    Keys(#[from] MissingKeys),
    /// The file is broken.
    #[error("the data is damaged ({0}); restore the data directory from a backup, or move it away and start anew")]
    Damaged(String),
    /// The database does not open.
    #[error("the database does not open: {0}")]
    Database(rusqlite::Error),
    /// A thread does not start.
    #[error("a thread of the store does not start: {0}")]
    Thread(std::io::Error),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        if schema::is_damage(&error) { Self::Damaged(error.to_string()) } else { Self::Database(error) }
    }
}

/// Counts that [`Depth`] tells; those of the inbox are in [`Pending`].
#[derive(Debug, Default)]
struct Counts {
    outbox: AtomicU64,
    timers: AtomicU64,
    dead_letters: AtomicU64,
    tickets_open: AtomicU64,
    conversations: AtomicU64,
}

/// What the callers, the writer and the reader share.
struct Shared {
    pending: Mutex<Pending>,
    hot: Mutex<Hot>,
    ready: ReadyQueue,
    handout: Handout,
    counts: Counts,
    /// When the next timer is due, at the latest known; 0: look, [`NO_TIMER`]: there is none.
    timer_due_ms: AtomicU64,
    audit_key: AuditKey,
    names: NewNames,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
}

const NO_TIMER: u64 = u64::MAX;

impl Shared {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hot(&self) -> MutexGuard<'_, Hot> {
        self.hot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn depth(&self) -> Depth {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Depth {
            inbox: self.pending().waiting(),
            outbox: count(&self.counts.outbox),
            timers: count(&self.counts.timers),
            dead_letters: count(&self.counts.dead_letters),
            tickets_open: count(&self.counts.tickets_open),
            conversations: count(&self.counts.conversations),
        }
    }
}

/// The store in one data directory. Share it in an `Arc`.
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    requests: Option<mpsc::Sender<Request>>,
    reader: Option<Reader>,
    closed: watch::Receiver<bool>,
    /// Where the walk over all rows stands; held by whoever goes on with it.
    walk: tokio::sync::Mutex<reseal::Walk>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl EmbeddedStore {
    /// Opens the data directory, or makes it, and finds again all that waits in it. Blocks for as long as that takes:
    /// call it before, or outside of, the runtime's work.
    pub fn open(options: EmbeddedOptions) -> Result<Self, OpenError> {
        let directory = directory::Directory::hold(&options.dir)?;
        let audit_key = match options.audit_key {
            Some(key) => key,
            None => AuditKey::of_directory(&options.dir).map_err(|error| OpenError::Directory { dir: options.dir.clone(), error })?,
        };
        let mut connection = schema::open_writer(&directory.database())?;
        let sealer = sealing::sealer(&connection, &options.dir, options.keys)?;
        sealing::write_anew(&connection);
        audit::take_over(&mut connection).map_err(|error| OpenError::Damaged(error.to_string()))?;
        lanes::take_over(&mut connection, &sealer)?;
        let names = NewNames::open(&mut connection, &sealer, options.names_waiting_max)?;
        let reading = schema::open_reader(&directory.database())?;
        let caches = options.cache_bytes_max / 4;
        let shared = Arc::new(Shared {
            pending: Mutex::new(Pending::new(caches, options.inbox_max, options.inbox_per_game_max)),
            hot: Mutex::new(Hot::new(2 * caches)),
            ready: ReadyQueue::new(options.clock.clone()),
            handout: Handout::new(caches),
            counts: Counts::default(),
            timer_due_ms: AtomicU64::new(0),
            audit_key,
            names,
            sealer,
            clock: options.clock,
        });
        let ids = recover::recover(&mut connection, &shared)?;
        let (requests, requested) = mpsc::channel(REQUESTS_MAX);
        let (closing, closed) = watch::channel(false);
        let (reader, read_thread) = Reader::start(reading).map_err(OpenError::Thread)?;
        let writer = writer::Writer::new(connection, shared.clone(), ids, directory, closing);
        let write_thread = std::thread::Builder::new().name("store-write".into()).spawn(move || writer.run(requested));
        let write_thread = write_thread.map_err(OpenError::Thread)?;
        let threads = Mutex::new(vec![write_thread, read_thread]);
        Ok(Self { shared, requests: Some(requests), reader: Some(reader), closed, walk: tokio::sync::Mutex::default(), threads })
    }

    /// Writes what is on its way, folds the log into the database and gives the directory up. Later calls are refused.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.ask(Op::Close).await?;
        let mut closed = self.closed.clone();
        // The thread lets go of the directory after its last answer.
        let _ = closed.wait_for(|closed| *closed).await;
        Ok(())
    }

    async fn ask(&self, op: Op) -> Result<Answer, StoreError> {
        let (reply, answer) = oneshot::channel();
        let Some(requests) = &self.requests else { return Err(closed()) };
        requests.send(Request { op, reply }).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&rusqlite::Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.reader {
            Some(reader) => reader.read(read).await,
            None => Err(closed()),
        }
    }

    /// Waits for `waiting`, or for the end of the store.
    async fn unless_closed<T>(&self, waiting: impl Future<Output = T>) -> Result<T, StoreError> {
        let mut end = self.closed.clone();
        tokio::select! {
            biased;
            result = waiting => Ok(result),
            _ = end.wait_for(|closed| *closed) => Err(closed()),
        }
    }

    fn timer_due(&self) -> Option<Option<UnixMs>> {
        match self.shared.timer_due_ms.load(Ordering::Acquire) {
            0 => None,
            NO_TIMER => Some(None),
            due => Some(Some(UnixMs(due))),
        }
    }
}

impl Drop for EmbeddedStore {
    /// What was handed over is still written, then the threads end and the directory is given up.
    fn drop(&mut self) {
        self.requests = None;
        self.reader = None;
        for thread in self.threads.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
    }
}

/// Every call after the end.
fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".into())
}

/// What SQLite says, as the callers hear it.
fn unavailable(error: rusqlite::Error) -> StoreError {
    if schema::is_damage(&error) { StoreError::Corrupt(error.to_string()) } else { StoreError::Unavailable(error.to_string()) }
}
