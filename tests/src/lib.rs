//! What end-to-end tests stand on: the real host as a process of its own, on either store, with the emulator as Meta.
//!
//! A test says what differs ([`Stage::new`] and its setters), starts the host, lets players chat, and looks at what came
//! of it. Nothing waits for time: everything waits for a condition, within a bound.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

pub mod api;
pub mod chats;
mod codes;
pub mod guests;
pub mod host;
pub mod port;
pub mod redis;
pub mod stage;

pub use api::Api;
pub use codes::CODE_TEMPLATE;
pub use host::Host;
pub use redis::RedisServer;
pub use stage::{Engine, Stage};

use std::time::{Duration, Instant};

/// The longest that anything takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the condition holds.
pub async fn eventually<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "this did not come true: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
