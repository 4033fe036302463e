//! What the store costs: CPU of this process and of redis-server for each operation of a message's way.
//!
//! `cargo test --release -p questline-store --test redis -- --ignored --nocapture load`

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use questline_core::conversation::FlowState;
use questline_core::event::{Event, Wamid};
use questline_core::id::{FlowName, NumberId, OutboxRef};
use questline_core::port::{Batch, Clock, Conversations, Inbox, Outbox, StatusUpdate};
use questline_core::send::{SendRecord, SendResult};
use questline_core::status::DeliveryState;
use questline_core::time::UnixMs;
use questline_store::redis::{RedisOptions, RedisStore};
use rustix::time::{ClockId, clock_gettime};

use crate::fixtures::*;
use crate::redis_server::RedisServer;

const MESSAGES: u64 = 40_000;
/// Few enough that memory holds their conversations.
const CONTACTS: u64 = 2_000;

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMs {
        UnixMs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64)
    }
}

struct Load {
    store: RedisStore,
    next: AtomicU64,
    tasks: u64,
}

fn our_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn redis_cpu(server: &RedisServer) -> Duration {
    let info: String = redis::cmd("INFO").arg("cpu").query(&mut server.connect()).unwrap();
    let used = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap().trim().parse::<f64>().unwrap()
    };
    Duration::from_secs_f64(used("used_cpu_user") + used("used_cpu_sys"))
}

impl Load {
    async fn append(&self) {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let mut incoming = text(n % CONTACTS, n);
        if let Event::Message(message) = &mut incoming.event {
            message.wamid = Wamid(format!("wamid.HBgLMTU1NTAxMDAwMDAVAgASGBQzQTdG{n:024}A=").into());
        }
        assert_eq!(self.store.append(batch(vec![incoming])).await.unwrap().events, 1);
    }

    async fn step(&self) {
        let ready = self.store.take(1).await.unwrap().remove(0);
        let work = self.store.load(ready.conversation, 4).await.unwrap();
        let mut commit = commit_of(&work);
        if let Event::Message(message) = work.events[0].event.as_ref() {
            commit.conversation.remember(work.events[0].seq, &message.wamid);
        }
        let state = format!("{{\"step\":\"balance\",\"history\":\"{}\"}}", "x".repeat(200));
        commit.conversation.session.states = vec![FlowState { flow: FlowName::parse("vip").unwrap(), version: 1, state }];
        commit.outbox = vec![reply(&"You have 1,250 premium and 48,000 free coins. ".repeat(4))];
        self.store.commit(commit).await.unwrap();
        self.store.release(ready.conversation, None).await.unwrap();
    }

    async fn send(&self) {
        let id = self.store.take_messages(1).await.unwrap().remove(0).id;
        self.store.begin(vec![id], START).await.unwrap();
        let result = SendResult::Accepted { wamid: wamid_of(id), at: START };
        self.store.record(vec![SendRecord { id, result }]).await.unwrap();
        for state in [DeliveryState::Sent, DeliveryState::Delivered] {
            let number = NumberId::parse("100").unwrap();
            let update = StatusUpdate { message: Some(id), wamid: wamid_of(id), number, state, at: START, error: None };
            let batch = Batch { statuses: vec![update], received_at: START, ..Batch::default() };
            assert_eq!(self.store.append(batch).await.unwrap().statuses, 1);
        }
    }
}

fn wamid_of(id: OutboxRef) -> Wamid {
    Wamid(format!("wamid.HBgLMTU1NTAxMDAwMDAVAgARGBI5QTNDQT{:08}{:020}", id.conversation, id.seq).into())
}

async fn measure<F: Future<Output = ()> + Send + 'static>(name: &str, load: &Arc<Load>, server: &RedisServer, call: fn(Arc<Load>) -> F) {
    let (ours, theirs, begun) = (our_cpu(), redis_cpu(server), Instant::now());
    let left = Arc::new(AtomicU64::new(MESSAGES));
    let tasks = (0..load.tasks).map(|_| {
        let (load, left) = (load.clone(), left.clone());
        tokio::spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                call(load.clone()).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let wall = begun.elapsed();
    let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / MESSAGES as f64;
    println!(
        "{name:22} c={:3} {:7.0}/s  {:5.1} us here  {:5.1} us in redis-server",
        load.tasks,
        MESSAGES as f64 / wall.as_secs_f64(),
        each(our_cpu() - ours),
        each(redis_cpu(server) - theirs)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; run it alone and in release"]
async fn load() {
    for (fsync, tasks) in [("everysec", 64), ("everysec", 256), ("always", 64), ("always", 256)] {
        // Rewriting the file costs both, now and then: not a part of what an operation costs.
        let arguments = ["--appendonly", "yes", "--appendfsync", fsync, "--auto-aof-rewrite-percentage", "0"];
        let server = RedisServer::start_with(&arguments);
        let mut options = RedisOptions::new(server.url(), Arc::new(SystemClock));
        (options.inbox_max, options.inbox_per_game_max) = (u64::MAX, u64::MAX);
        let store = RedisStore::open(options).await.unwrap().0;
        let load = Arc::new(Load { store, next: AtomicU64::new(0), tasks });
        println!("appendfsync {fsync}");
        measure("append", &load, &server, |load| async move { load.append().await }).await;
        // More wait than memory holds: each step reads its event back.
        measure("step of a backlog", &load, &server, |load| async move { load.step().await }).await;
        measure("send and 2 statuses", &load, &server, |load| async move { load.send().await }).await;
        measure("append and step", &load, &server, |load| async move {
            load.append().await;
            load.step().await;
        })
        .await;
    }
}
