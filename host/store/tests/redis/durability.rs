//! What a server is set up to lose is said at the start; what is secret is never said.

use questline_store::redis::{DurabilityWarning, OpenError, RedisStore};

use crate::fixtures::*;
use crate::redis_server::RedisServer;

async fn warnings(arguments: &[&str]) -> Vec<DurabilityWarning> {
    let server = RedisServer::start_with(arguments);
    RedisStore::open(options(&server.url())).await.unwrap().1
}

#[tokio::test]
async fn what_can_be_lost_is_named() {
    assert_eq!(warnings(&["--appendonly", "yes", "--appendfsync", "always"]).await, []);
    assert_eq!(warnings(&["--appendonly", "yes", "--appendfsync", "everysec"]).await, [DurabilityWarning::FsyncEverySecond]);
    assert_eq!(warnings(&["--appendonly", "yes", "--appendfsync", "no"]).await, [DurabilityWarning::FsyncNever]);
    let eviction = DurabilityWarning::Eviction { policy: "allkeys-lru".into() };
    let worst = warnings(&["--appendonly", "no", "--maxmemory-policy", "allkeys-lru"]).await;
    assert_eq!(worst, [DurabilityWarning::NoAppendOnlyFile, eviction]);
    assert!(worst.iter().all(DurabilityWarning::is_severe));
    assert_eq!(worst[0].to_string(), "Redis keeps no append-only file: what was accepted is lost when Redis stops. Set appendonly yes");
    // Hosted servers forbid the question.
    let unknown = warnings(&["--appendonly", "yes", "--appendfsync", "always", "--rename-command", "CONFIG", ""]).await;
    assert_eq!(unknown, [DurabilityWarning::Unknown { setting: "appendfsync (CONFIG GET)" }]);
}

#[tokio::test]
async fn a_password_is_never_shown() {
    let server = RedisServer::start_with(&["--appendonly", "yes", "--requirepass", "right-secret"]);
    let refused = RedisStore::open(options(&server.url_with_password("wrong-secret"))).await.err().unwrap();
    assert!(matches!(refused, OpenError::Unreachable(_)), "{refused}");
    let gone = RedisStore::open(options("redis://user:wrong-secret@127.0.0.1:1/0")).await.err().unwrap();
    let bad = RedisStore::open(options("redis://user:wrong-secret@host:port")).await.err().unwrap();
    let odd = RedisStore::open(options("wrong-secret")).await.err().unwrap();
    for error in [refused, gone, bad, odd] {
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
    RedisStore::open(options(&server.url_with_password("right-secret"))).await.unwrap();
}
