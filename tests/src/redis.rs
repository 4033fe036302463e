//! A Redis of a test's own.

#[allow(dead_code, unreachable_pub)]
#[path = "../../host/store/tests/support/redis_server.rs"]
mod redis_server;

/// A running `redis-server`; gone when dropped.
pub struct RedisServer(redis_server::RedisServer);

impl RedisServer {
    /// One that keeps every write.
    pub fn start() -> Self {
        Self(redis_server::RedisServer::start())
    }

    /// One with these settings.
    pub fn start_with(arguments: &[&str]) -> Self {
        Self(redis_server::RedisServer::start_with(arguments))
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// A connection past every store.
    pub fn connect(&self) -> redis::Connection {
        self.0.connect()
    }
}
