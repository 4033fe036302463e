//! The work that the benches have a store do: a player writes, the flow answers, the reply is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use questline_core::commit::Commit;
use questline_core::contact::{Address, Contact, PhoneNumber};
use questline_core::conversation::FlowState;
use questline_core::event::{Event, Inbound, Message, Wamid};
use questline_core::id::{FlowName, GameId, NumberId, OutboxRef};
use questline_core::message::{Button, Outbound};
use questline_core::outbox::{Content, MessageClass, NewMessage};
use questline_core::port::{Batch, Clock, Conversations, DedupKey, Inbox, Incoming, Outbox, StatusUpdate};
use questline_core::send::{SendRecord, SendResult};
use questline_core::status::DeliveryState;
use questline_core::time::UnixMs;
use questline_store::embedded::{EmbeddedOptions, EmbeddedStore};
use rustix::time::{ClockId, clock_gettime};
use tempfile::TempDir;

/// Tasks that call at once.
const TASKS: u64 = 64;
/// Contacts that write, in turn: more than fit into the cache of conversations, unless said otherwise.
fn contacts() -> u64 {
    std::env::var("STORE_BENCH_CONTACTS").map_or(5_000, |count| count.parse().unwrap())
}

/// What a clock says.
pub fn clock(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMs {
        UnixMs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64)
    }
}

/// A store in a directory of its own, with what the tasks need.
pub struct Bench {
    pub store: EmbeddedStore,
    next: AtomicU64,
    contacts: u64,
    pub dir: TempDir,
}

impl Bench {
    pub fn new() -> Arc<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut options = EmbeddedOptions::new(dir.path(), Arc::new(SystemClock));
        (options.inbox_max, options.inbox_per_game_max) = (u64::MAX, u64::MAX);
        Arc::new(Self { store: EmbeddedStore::open(options).unwrap(), next: AtomicU64::new(0), contacts: contacts(), dir })
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
        let contact = Contact::new(PhoneNumber::parse(&format!("1555{:07}", n % self.contacts)).ok(), None).unwrap();
        let digest = (u128::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)).rotate_left(64);
        let incoming = Incoming {
            address: Address { game: GameId::parse("starfall").unwrap(), number: NumberId::parse("106540352242922").unwrap(), contact },
            dedup: Some(DedupKey { sent_s: now.as_s(), digest }),
            event: Event::Message(message),
        };
        Batch { events: vec![incoming], received_at: now, ..Batch::default() }
    }

    pub async fn append(&self) {
        let appended = self.store.append(self.batch()).await.unwrap();
        assert_eq!(appended.events, 1);
    }

    /// Takes one conversation and makes one step: the event done, the conversation changed, one reply.
    pub async fn step(&self) {
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
            campaign: None,
            known: None,
        };
        let mut commit = Commit::of(conversation, entry.seq);
        commit.outbox.push(message);
        self.store.commit(commit).await.unwrap();
        self.store.release(ready.conversation, None).await.unwrap();
    }

    pub async fn take_message(&self) -> OutboxRef {
        self.store.take_messages(1).await.unwrap().remove(0).id
    }

    /// What Meta tells of a message: it left, and it arrived.
    pub async fn tell_delivered(&self, id: OutboxRef) {
        for state in [DeliveryState::Sent, DeliveryState::Delivered] {
            let update = StatusUpdate {
                message: Some(id),
                wamid: out_wamid(id),
                number: NumberId::parse("106540352242922").unwrap(),
                state,
                at: SystemClock.now(),
                error: None,
            };
            let batch = Batch { statuses: vec![update], received_at: SystemClock.now(), ..Batch::default() };
            assert_eq!(self.store.append(batch).await.unwrap().statuses, 1);
        }
    }

    pub async fn send(&self, id: OutboxRef) {
        self.store.begin(vec![id], SystemClock.now()).await.unwrap();
        let result = SendResult::Accepted { wamid: out_wamid(id), at: SystemClock.now() };
        self.store.record(vec![SendRecord { id, result }]).await.unwrap();
    }
}

fn out_wamid(id: OutboxRef) -> Wamid {
    Wamid(format!("wamid.HBgLMTU1NTAxMDAwMDAVAgARGBI5QTNDQT{:020}", id.seq).into())
}

/// Runs `count` calls over [`TASKS`] tasks.
pub async fn together<F: Future<Output = ()> + Send + 'static>(bench: &Arc<Bench>, count: u64, call: fn(Arc<Bench>) -> F) {
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
