//! What the embedded engine costs per message, in CPU time of the whole process: callers, runtime, writer, kernel.
//!
//! `cargo bench -p questline-store --bench embedded`. Sixty-four tasks call at once, as a loaded host does, so that
//! groups form. Wall time says more about the disk than about the engine; `STORE_BENCH_WALL=1` measures it instead.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput};
use questline_core::commit::Commit;
use questline_core::contact::{Address, Contact, PhoneNumber};
use questline_core::conversation::FlowState;
use questline_core::event::{Event, Inbound, Message, Wamid};
use questline_core::id::{FlowName, GameId, NumberId, OutboxRef};
use questline_core::message::{Button, Outbound};
use questline_core::outbox::{Content, MessageClass, NewMessage};
use questline_core::port::{Batch, Clock, Conversations, DedupKey, Inbox, Incoming, Outbox};
use questline_core::send::{SendRecord, SendResult};
use questline_core::time::UnixMs;
use questline_store::embedded::{EmbeddedOptions, EmbeddedStore};
use rustix::time::{ClockId, clock_gettime};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Tasks that call at once.
const TASKS: u64 = 64;
/// Contacts that write, in turn.
const CONTACTS: u64 = 5_000;

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMs {
        UnixMs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64)
    }
}

/// A clock as a criterion measurement: CPU time of the process, or wall time.
#[derive(Clone, Copy)]
struct Time(ClockId);

impl Measurement for Time {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let time = clock_gettime(self.0);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
    fn end(&self, start: Duration) -> Duration {
        self.start() - start
    }
    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }
    fn zero(&self) -> Duration {
        Duration::ZERO
    }
    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }
    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

/// A store in a directory of its own, with what the tasks need.
struct Bench {
    store: EmbeddedStore,
    next: AtomicU64,
    _dir: TempDir,
}

impl Bench {
    fn new() -> Arc<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut options = EmbeddedOptions::new(dir.path(), Arc::new(SystemClock));
        (options.inbox_max, options.inbox_per_game_max) = (u64::MAX, u64::MAX);
        Arc::new(Self { store: EmbeddedStore::open(options).unwrap(), next: AtomicU64::new(0), _dir: dir })
    }

    /// What one POST with one text of a player is.
    fn batch(&self) -> Batch {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let now = SystemClock.now();
        let message = Message {
            wamid: Wamid(format!("wamid.HBgLMTU1NTAxMDAwMDAVAgASGBQzQTdG{n:024}A=").into()),
            sent_at: now,
            content: Inbound::Text("What is my balance, please? I bought the starter pack yesterday and see no coins.".into()),
            reply_to: None,
            forwarded: false,
            referral: None,
            profile_name: Some("Ada".into()),
            identity_key_hash: None,
        };
        let contact = Contact::new(PhoneNumber::parse(&format!("1555{:07}", n % CONTACTS)).ok(), None).unwrap();
        let digest = (u128::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)).rotate_left(64);
        let incoming = Incoming {
            address: Address { game: GameId::parse("starfall").unwrap(), number: NumberId::parse("106540352242922").unwrap(), contact },
            dedup: Some(DedupKey { sent_s: now.as_s(), digest }),
            event: Event::Message(message),
        };
        Batch { events: vec![incoming], received_at: now, ..Batch::default() }
    }

    async fn append(&self) {
        let appended = self.store.append(self.batch()).await.unwrap();
        assert_eq!(appended.events, 1);
    }

    /// Takes one conversation and makes one step: the event done, the conversation changed, one reply.
    async fn step(&self) {
        let ready = self.store.take(1).await.unwrap().remove(0);
        let mut work = self.store.load(ready.conversation, 4).await.unwrap();
        let entry = work.events.remove(0);
        let mut conversation = work.conversation;
        if let Event::Message(message) = &*entry.event {
            conversation.remember(entry.seq, &message.wamid);
        }
        conversation.touch(SystemClock.now());
        conversation.session.states = vec![FlowState {
            flow: FlowName::parse("vip-routing").unwrap(),
            version: 1,
            state: format!("{{\"step\":\"balance\",\"asked\":{},\"history\":\"{}\"}}", entry.seq, "x".repeat(200)),
        }];
        let button = |id: &str, title: &str| Button { id: id.into(), title: title.into() };
        let message = NewMessage {
            game: conversation.game.clone(),
            number: conversation.number.clone(),
            contact: conversation.contact.clone(),
            class: MessageClass::Normal,
            content: Content::Reply {
                message: Outbound::Buttons {
                    header: None,
                    body: "You have 1,250 premium and 48,000 free coins. Three rewards wait for you.".into(),
                    footer: None,
                    buttons: vec![
                        button("history", "Transaction History"),
                        button("claim", "Claim Rewards"),
                        button("agent", "Speak to Agent"),
                    ],
                },
                reply_to: None,
            },
            committed_at: SystemClock.now(),
            expires_at: None,
        };
        let mut commit = Commit::of(conversation, entry.seq);
        commit.outbox.push(message);
        self.store.commit(commit).await.unwrap();
        self.store.release(ready.conversation, None).await.unwrap();
    }

    async fn take_message(&self) -> OutboxRef {
        self.store.take_messages(1).await.unwrap().remove(0).id
    }

    async fn send(&self, id: OutboxRef) {
        self.store.begin(vec![id], SystemClock.now()).await.unwrap();
        let wamid = Wamid(format!("wamid.HBgLMTU1NTAxMDAwMDAVAgARGBI5QTNDQT{:020}", id.seq).into());
        self.store.record(vec![SendRecord { id, result: SendResult::Accepted { wamid, at: SystemClock.now() } }]).await.unwrap();
    }
}

/// Runs `count` calls over [`TASKS`] tasks.
async fn together<F: Future<Output = ()> + Send + 'static>(bench: &Arc<Bench>, count: u64, call: fn(Arc<Bench>) -> F) {
    let left = Arc::new(AtomicU64::new(count));
    let tasks = (0..TASKS.min(count)).map(|_| {
        let (bench, left) = (bench.clone(), left.clone());
        tokio::spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                call(bench.clone()).await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

fn main() {
    let clock = if std::env::var_os("STORE_BENCH_WALL").is_some() { ClockId::Monotonic } else { ClockId::ProcessCPUTime };
    let time = Time(clock);
    let mut criterion = Criterion::default().with_measurement(time).configure_from_args();
    let runtime = Runtime::new().unwrap();
    let bench = Bench::new();
    let mut group = criterion.benchmark_group("embedded");
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(6)).throughput(Throughput::Elements(1));
    let timed = move |runtime: &Runtime, work: &mut dyn FnMut(&Runtime)| {
        let start = time.start();
        work(runtime);
        time.end(start)
    };

    group.bench_function("whole message", |b| {
        b.iter_custom(|count| {
            timed(&runtime, &mut |runtime| {
                runtime.block_on(together(&bench, count, |bench| async move {
                    bench.append().await;
                    bench.step().await;
                    let id = bench.take_message().await;
                    bench.send(id).await;
                }));
            })
        });
    });
    group.bench_function("append", |b| {
        b.iter_custom(|count| {
            let elapsed =
                timed(&runtime, &mut |runtime| runtime.block_on(together(&bench, count, |bench| async move { bench.append().await })));
            runtime.block_on(together(&bench, count, |bench| async move {
                bench.step().await;
                bench.take_message().await;
            }));
            elapsed
        });
    });
    group.bench_function("take, load, commit with one message, release", |b| {
        b.iter_custom(|count| {
            runtime.block_on(together(&bench, count, |bench| async move { bench.append().await }));
            let elapsed =
                timed(&runtime, &mut |runtime| runtime.block_on(together(&bench, count, |bench| async move { bench.step().await })));
            runtime.block_on(together(&bench, count, |bench| async move {
                bench.take_message().await;
            }));
            elapsed
        });
    });
    group.bench_function("take, begin, record", |b| {
        b.iter_custom(|count| {
            runtime.block_on(together(&bench, count, |bench| async move {
                bench.append().await;
                bench.step().await;
            }));
            timed(&runtime, &mut |runtime| {
                runtime.block_on(together(&bench, count, |bench| async move {
                    let id = bench.take_message().await;
                    bench.send(id).await;
                }));
            })
        });
    });
    group.finish();
    criterion.final_summary();
}
