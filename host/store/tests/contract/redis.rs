//! Redis, for the contract: a server of its own for each test.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use questline_core::port::Store;
use questline_store::audit::AuditKey;
use questline_store::redis::{RedisOptions, RedisStore};
use questline_store::seal::StoreKeys;

use crate::redis_server::RedisServer;
use crate::support::{Engine, Setup};

pub struct Redis(RedisServer);

#[async_trait]
impl Engine for Redis {
    const FORGETS_BY_ITS_OWN_CLOCK: bool = true;

    async fn new() -> Self {
        Self(tokio::task::spawn_blocking(RedisServer::start).await.unwrap())
    }

    async fn open(&self, setup: Setup) -> Arc<dyn Store> {
        let mut options = RedisOptions::new(self.0.url(), setup.clock);
        options.inbox_max = setup.inbox_max;
        options.inbox_per_game_max = setup.inbox_per_game_max;
        options.cache_bytes_max = setup.cache_bytes_max;
        options.audit_key = Some(AuditKey::new(&[7; 32]).unwrap());
        options.keys = Some(StoreKeys::new(&[[8; 32]]).unwrap());
        // The one before gives up its hold when its last call is done.
        options.lease_wait = Duration::from_secs(60);
        Arc::new(RedisStore::open(options).await.unwrap().0)
    }

    async fn crash(&self, store: Arc<dyn Store>) {
        assert_eq!(Arc::strong_count(&store), 1, "the test still uses the store that it crashes");
        drop(store);
    }
}
