//! The embedded engine, for the contract.

use std::sync::Arc;

use async_trait::async_trait;
use questline_core::port::Store;
use questline_store::embedded::{EmbeddedOptions, EmbeddedStore};
use tempfile::TempDir;

use crate::support::{Engine, Setup};

pub struct Embedded(TempDir);

#[async_trait]
impl Engine for Embedded {
    async fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    async fn open(&self, setup: Setup) -> Arc<dyn Store> {
        let mut options = EmbeddedOptions::new(self.0.path(), setup.clock);
        options.inbox_max = setup.inbox_max;
        options.inbox_per_game_max = setup.inbox_per_game_max;
        options.cache_bytes_max = setup.cache_bytes_max;
        // So few that names lie here and there.
        options.names_waiting_max = 4;
        Arc::new(tokio::task::spawn_blocking(move || EmbeddedStore::open(options)).await.unwrap().unwrap())
    }

    async fn crash(&self, store: Arc<dyn Store>) {
        // The last one: its drop waits for the threads.
        assert_eq!(Arc::strong_count(&store), 1, "the test still uses the store that it crashes");
        tokio::task::spawn_blocking(move || drop(store)).await.unwrap();
    }
}
