//! One process at a time, and one that has lost its hold writes nothing.

use std::time::Duration;

use questline_core::port::{Conversations, Desk, Inbox, StoreError};
use questline_store::redis::{OpenError, RedisStore};

use crate::fixtures::*;
use crate::redis_server::RedisServer;

fn lease_of(connection: &mut redis::Connection, partition: u16) -> Option<String> {
    redis::cmd("GET").arg(format!("ql:{{p{partition}}}:lease")).query(connection).unwrap()
}

fn set_leases(connection: &mut redis::Connection, lease: &str, ttl_ms: u64) {
    for partition in 0..1024 {
        redis::cmd("SET").arg(format!("ql:{{p{partition}}}:lease")).arg(lease).arg("PX").arg(ttl_ms).exec(connection).unwrap();
    }
}

#[tokio::test]
async fn a_second_process_is_refused_by_name() {
    let server = RedisServer::start();
    let first = open(&server.url()).await;
    let refused = RedisStore::open(options(&server.url())).await.err().unwrap();
    let OpenError::Held { holder, ends_in_ms } = &refused else { panic!("{refused}") };
    assert!(holder.starts_with(&format!("process {} on ", std::process::id())), "{refused}");
    assert!((1..=1_500).contains(ends_in_ms));
    // The first one has not noticed.
    assert_eq!(first.append(batch(vec![text(1, 1)])).await.unwrap().events, 1);
    // Other data in the same database.
    let mut elsewhere = options(&server.url());
    elsewhere.prefix = "other".to_owned();
    let other = RedisStore::open(elsewhere).await.unwrap().0;
    assert_eq!(other.depth().await.unwrap().inbox, 0);
    // Given up, it is free.
    first.close().await.unwrap();
    assert_eq!(open(&server.url()).await.depth().await.unwrap().inbox, 1);
}

#[tokio::test]
async fn of_two_that_start_at_once_one_gets_all() {
    let server = RedisServer::start();
    for _ in 0..5 {
        let (url, other) = (server.url(), server.url());
        let (one, two) = (tokio::spawn(RedisStore::open(options(&url))), tokio::spawn(RedisStore::open(options(&other))));
        let both = [one.await.unwrap(), two.await.unwrap()];
        assert_eq!(both.iter().filter(|opened| opened.is_ok()).count(), 1);
        for (store, _) in both.into_iter().flatten() {
            store.check().await.unwrap();
            store.close().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_dead_process_is_replaced_at_once_and_one_elsewhere_when_its_lease_ends() {
    let server = RedisServer::start();
    let mut connection = server.connect();
    let store = open(&server.url()).await;
    let lease = lease_of(&mut connection, 0).unwrap();
    store.close().await.unwrap();
    assert_eq!(lease_of(&mut connection, 0), None);

    // The same machine, a process id that is free again.
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let dead = lease.replacen(&format!("/{}/", std::process::id()), &format!("/{}/", child.id()), 1);
    assert_ne!(dead, lease);
    set_leases(&mut connection, &dead, 60_000);
    open(&server.url()).await.close().await.unwrap();

    // Another machine: nobody here can know whether it lives.
    let elsewhere = format!("{} other-boot/1/1", lease.rsplit_once(' ').unwrap().0);
    set_leases(&mut connection, &elsewhere, 60_000);
    assert!(matches!(RedisStore::open(options(&server.url())).await, Err(OpenError::Held { .. })));
    set_leases(&mut connection, &elsewhere, 300);
    let mut patient = options(&server.url());
    patient.lease_wait = Duration::from_secs(30);
    RedisStore::open(patient).await.unwrap();
}

#[tokio::test]
async fn a_hold_is_renewed_for_as_long_as_the_process_lives() {
    let server = RedisServer::start();
    let mut short = options(&server.url());
    short.lease_ttl = Duration::from_millis(500);
    let store = RedisStore::open(short).await.unwrap().0;
    let mut connection = server.connect();
    let lease = lease_of(&mut connection, 1_023).unwrap();
    let now_ms = |connection: &mut redis::Connection| {
        let (s, us): (u64, u64) = redis::cmd("TIME").query(connection).unwrap();
        s * 1_000 + us / 1_000
    };
    let begun = now_ms(&mut connection);
    // By Redis's own clock: more than two lives of a lease.
    while now_ms(&mut connection) < begun + 1_200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for partition in 0..1_024 {
        assert_eq!(lease_of(&mut connection, partition).as_deref(), Some(lease.as_str()));
    }
    store.check().await.unwrap();
}

#[tokio::test]
async fn one_that_has_lost_its_hold_writes_nothing() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
    let id = arrive(&store, 1, 1).await;
    let work = store.load(id, 1).await.unwrap();
    let mut connection = server.connect();
    let lease = lease_of(&mut connection, 0).unwrap();
    let other = format!("{} other-boot/1/1", lease.rsplit_once(' ').unwrap().0.replacen(char::is_numeric, "9", 1));
    set_leases(&mut connection, &other, 60_000);

    let mut commit = commit_of(&work);
    commit.outbox = vec![reply("too late")];
    assert!(matches!(store.commit(commit.clone()).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.append(batch(vec![text(1, 2)])).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(store.check().await, Err(StoreError::Unavailable(_))));
    let partition = id.0 % 1024;
    let queued: u64 = redis::cmd("HLEN").arg(format!("ql:{{p{partition}}}:out")).query(&mut connection).unwrap();
    let waiting: u64 = redis::cmd("LLEN").arg(format!("ql:{{p{partition}}}:in:{id}")).query(&mut connection).unwrap();
    assert_eq!((queued, waiting), (0, 1));

    // The other one ends, and what was loaded before is not built on.
    set_leases(&mut connection, &other, 1);
    until_back(|| store.check()).await;
    assert_eq!(store.commit(commit).await, Err(StoreError::Stale));
    let work = store.load(id, 1).await.unwrap();
    store.commit(commit_of(&work)).await.unwrap();
}

#[tokio::test]
async fn data_of_another_layout_is_refused() {
    let server = RedisServer::start();
    redis::cmd("SET").arg("ql:{meta}:schema").arg("99").exec(&mut server.connect()).unwrap();
    let refused = RedisStore::open(options(&server.url())).await.err().unwrap();
    assert_eq!(refused, OpenError::Schema { found: "99".into(), supported: 3 });
    let held: u64 = redis::cmd("EXISTS").arg("ql:{p0}:lease").query(&mut server.connect()).unwrap();
    assert_eq!(held, 0);
}
