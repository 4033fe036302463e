//! The ports over Redis: one server, 7 or later, or Valkey; laid out for many nodes and Cluster (see [`keys`]).
//!
//! A commit is one script on one partition: all of it, or nothing. A POST may touch several partitions, and then it is
//! not one write: each entry is written once, because its repetition is told apart where it lies. If any of it fails the
//! POST is not acknowledged, Meta sends it again, and what was written the first time is found to be known.
//!
//! Every script compares the partition's lease first, so a process that has lost it writes nothing. One process holds all
//! partitions; a second one is refused by name. A connection that fails in any way is given up, and the next one takes
//! the partitions under a new epoch and reads anew what waits in them (see [`session`]): so nothing that may or may not
//! have been written is ever guessed at.
//!
//! What is answered has reached Redis. Whether it survives Redis is up to how the server is set up; what is amiss is told
//! at [`RedisStore::open`].

mod about;
mod audiences;
mod audit;
mod consents;
mod conversations;
mod desk;
mod documents;
mod enqueue;
mod exposures;
mod inbox;
mod keys;
mod lanes;
mod letter;
mod memory;
mod moves;
mod names;
mod options;
mod outbox;
mod owner;
mod pages;
mod pending;
mod permits;
mod reseal;
mod script;
mod server;
mod session;
mod timers;
mod value;
mod waiting;
mod worker;

use std::collections::HashMap;
use std::sync::atomic::AtomicU16;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use questline_core::id::GameId;
use questline_core::port::StoreError;
use questline_core::time::UnixMs;
use tokio::sync::watch;
use tokio::time::Instant;

use audit::Chains;
use keys::Keys;
use memory::Memory;
use names::Names;
use script::Scripts;
use server::Server;
use session::Link;
use worker::Worker;

use crate::seal::Sealer;

pub use options::{DurabilityWarning, OpenError, RedisOptions};

/// How often opening looks again whether another process's hold has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The store over Redis. Share it in an `Arc`.
pub struct RedisStore {
    link: Link,
    memory: Arc<Memory>,
    names: Arc<Names>,
    keys: Arc<Keys>,
    scripts: Arc<Scripts>,
    sealer: Sealer,
    chains: Chains,
    steps_max: u64,
    /// The partition at which forgetting goes on.
    prune_from: AtomicU16,
    closed: watch::Sender<bool>,
    /// Held by whoever changes a game's pages, so that calls of this process do not run into one another.
    page_turns: Mutex<HashMap<GameId, Arc<tokio::sync::Mutex<()>>>>,
    /// Where the walk over all rows stands; held by whoever goes on with it.
    walk: tokio::sync::Mutex<reseal::Walk>,
}

impl RedisStore {
    /// Takes the data under a prefix, and finds again all that waits in it. Says also how the server may lose data.
    ///
    /// Needs a tokio runtime: the store's task runs on it until [`close`](Self::close), or until the store is dropped.
    pub async fn open(options: RedisOptions) -> Result<(Self, Vec<DurabilityWarning>), OpenError> {
        let (audit_key, store_keys) = options.validate()?;
        let server = Server::new(&options, store_keys)?;
        let memory = Arc::new(Memory::new(&options));
        let names = Arc::new(Names::new(options.names_max));
        let give_up_at = Instant::now() + options.lease_wait;
        let first = loop {
            match server.establish(&memory, 1).await {
                Err(OpenError::Held { .. }) if Instant::now() < give_up_at => tokio::time::sleep(LOOK_AGAIN).await,
                outcome => break outcome?,
            }
        };
        let (keys, scripts, warnings) = (server.keys.clone(), server.scripts.clone(), first.warnings.clone());
        let sealer = first.sealer.clone();
        let (link, requests, standing) = Link::new(&first.session);
        let worker = Worker { server, memory: memory.clone(), names: names.clone(), requests, standing };
        tokio::spawn(worker.run(first));
        let (steps_max, closed) = (options.steps_max, watch::Sender::new(false));
        let (chains, prune_from, page_turns) = (Chains::new(audit_key), AtomicU16::new(0), Mutex::default());
        let walk = tokio::sync::Mutex::default();
        let store = Self { link, memory, names, keys, scripts, sealer, chains, steps_max, prune_from, closed, page_turns, walk };
        Ok((store, warnings))
    }

    /// Does what was asked before, gives the data up, and ends. Later calls are refused.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.link.close().await;
        self.closed.send_replace(true);
        Ok(())
    }

    /// Waits for `waiting`, or for the end of the store.
    async fn unless_closed<T>(&self, waiting: impl Future<Output = T>) -> Result<T, StoreError> {
        let mut end = self.closed.subscribe();
        tokio::select! {
            biased;
            result = waiting => Ok(result),
            _ = end.wait_for(|closed| *closed) => Err(session::closed()),
        }
    }
}

/// A time as the scripts count: exact in a double, and far beyond every calendar.
fn millis(at: UnixMs) -> u64 {
    at.0.min(1 << 52)
}
