//! What the tests stand on: an engine, a clock that is set, and short ways to say what happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use questline_core::commit::Commit;
use questline_core::contact::{Address, Bsuid, Contact, PhoneNumber};
use questline_core::conversation::Conversation;
use questline_core::event::{Event, Inbound, Message, Wamid};
use questline_core::id::{ConversationId, GameId, InboxSeq, NumberId, OutboxRef};
use questline_core::message::Outbound;
use questline_core::outbox::{Content, MessageClass, NewMessage, OutboxMessage};
use questline_core::port::{Appended, Batch, Clock, Committed, DedupKey, Incoming, StatusUpdate, Store, StoreError, Work};
use questline_core::send::{SendRecord, SendResult};
use questline_core::status::DeliveryState;
use questline_core::time::{DAY_MS, UnixMs};

/// When the tests begin.
pub const START: UnixMs = UnixMs(1_790_000_000_000);

/// What hangs ends here.
const TEST_MAX: Duration = Duration::from_secs(120);

/// How a store is set up for a test.
#[derive(Clone)]
pub struct Setup {
    /// Events that may wait.
    pub inbox_max: u64,
    /// Events of one game that may wait.
    pub inbox_per_game_max: u64,
    /// Memory for caches: small in tests that are about more than memory holds.
    pub cache_bytes_max: usize,
    /// The time.
    pub clock: Arc<SetClock>,
}

/// A kind of store, with data of its own for each test.
#[async_trait]
pub trait Engine: Send + Sync + Sized + 'static {
    /// What has a time to be forgotten at is forgotten by a clock that no test moves.
    const FORGETS_BY_ITS_OWN_CLOCK: bool = false;

    /// New data, with nothing in it.
    async fn new() -> Self;

    /// Opens the data. Only one store is open on it at a time.
    async fn open(&self, setup: Setup) -> Arc<dyn Store>;

    /// Leaves an open store as a crash would: nothing is wound up. Returns when the data can be opened again.
    async fn crash(&self, store: Arc<dyn Store>);
}

/// Runs a test on a runtime of its own.
pub fn run(test: impl Future<Output = ()> + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async move {
        // A task of its own, so that it runs on the workers and not on this thread.
        let test = tokio::spawn(test);
        match tokio::time::timeout(TEST_MAX, test).await {
            Ok(Ok(())) => {}
            Ok(Err(failed)) => std::panic::resume_unwind(failed.into_panic()),
            Err(_) => panic!("the test hangs"),
        }
    });
}

/// A clock that stands until it is set.
#[derive(Debug)]
pub struct SetClock(AtomicU64);

impl SetClock {
    pub fn pass_ms(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> UnixMs {
        UnixMs(self.0.load(Ordering::SeqCst))
    }
}

/// A store with its engine.
pub struct World<E: Engine> {
    engine: E,
    pub setup: Setup,
    store: Option<Arc<dyn Store>>,
}

impl<E: Engine> World<E> {
    /// A new store with room for all.
    pub async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// A new store, set up otherwise.
    pub async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let clock = Arc::new(SetClock(AtomicU64::new(START.0)));
        let mut setup = Setup { inbox_max: 100_000, inbox_per_game_max: 50_000, cache_bytes_max: 4 << 20, clock };
        change(&mut setup);
        let engine = E::new().await;
        let store = engine.open(setup.clone()).await;
        Self { engine, setup, store: Some(store) }
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        self.store.as_ref().unwrap()
    }

    pub fn now(&self) -> UnixMs {
        self.setup.clock.now()
    }

    /// Crashes the store and opens its data again.
    pub async fn restart(&mut self) {
        self.engine.crash(self.store.take().unwrap()).await;
        self.store = Some(self.engine.open(self.setup.clone()).await);
    }

    pub async fn append(&self, events: impl IntoIterator<Item = Incoming>) -> Appended {
        self.try_append(events).await.unwrap()
    }

    pub async fn try_append(&self, events: impl IntoIterator<Item = Incoming>) -> Result<Appended, StoreError> {
        let batch = Batch { events: events.into_iter().collect(), received_at: self.now(), ..Batch::default() };
        self.store().append(batch).await
    }

    /// Tells how far a message came.
    pub async fn status(&self, message: Option<OutboxRef>, wamid: &str, state: DeliveryState) -> Appended {
        self.append_status(self.status_of(message, wamid, state)).await
    }

    pub fn status_of(&self, message: Option<OutboxRef>, wamid: &str, state: DeliveryState) -> StatusUpdate {
        StatusUpdate {
            message,
            wamid: Wamid(wamid.into()),
            number: number(1),
            state,
            at: self.now(),
            error: (state == DeliveryState::Failed)
                .then(|| questline_core::event::StatusError { code: 131_026, detail: "Message undeliverable".into() }),
        }
    }

    pub async fn append_status(&self, update: StatusUpdate) -> Appended {
        let batch = Batch { statuses: vec![update], received_at: self.now(), ..Batch::default() };
        self.store().append(batch).await.unwrap()
    }

    /// Takes the one conversation that is next, with its events.
    pub async fn take(&self) -> Work {
        let ready = self.store().take(1).await.unwrap();
        assert_eq!(ready.len(), 1);
        self.store().load(ready[0].conversation, 1_000).await.unwrap()
    }

    /// Which conversations are ready now. Something has to be: a marker is added, found, and done.
    pub async fn ready_now(&self) -> Vec<ConversationId> {
        let marker = Address { game: game("marker"), number: number(999), contact: phone(9_999) };
        self.append([Incoming { address: marker.clone(), dedup: None, event: Event::Message(text_message("marker", "")) }]).await;
        let mut ready = Vec::new();
        loop {
            let taken = self.store().take(1_000).await.unwrap();
            let (markers, others): (Vec<_>, Vec<_>) = taken.into_iter().partition(|ready| ready.game == marker.game);
            ready.extend(others.into_iter().map(|ready| ready.conversation));
            if let Some(marker) = markers.first() {
                let work = self.store().load(marker.conversation, 1).await.unwrap();
                self.commit(done(&work)).await;
                self.release(&work).await;
                return ready;
            }
        }
    }

    pub async fn commit(&self, commit: Commit) -> Committed {
        self.store().commit(commit).await.unwrap()
    }

    pub async fn release(&self, work: &Work) {
        self.store().release(work.conversation.id, None).await.unwrap();
    }

    /// A player writes, and gets a reply for each text of `replies` in one step; the messages' names.
    pub async fn reply(&self, address: &Address, replies: &[&str]) -> Vec<OutboxRef> {
        self.append([incoming(address, "hello")]).await;
        let work = self.take().await;
        let mut commit = done(&work);
        commit.outbox = replies.iter().map(|body| reply(&work.conversation, body, self.now())).collect();
        let committed = self.commit(commit).await;
        self.release(&work).await;
        committed.outbox
    }

    /// Takes exactly so many messages from the outbox, in as many calls as it needs.
    pub async fn take_messages(&self, count: usize) -> Vec<OutboxMessage> {
        let mut messages = Vec::new();
        while messages.len() < count {
            messages.extend(self.store().take_messages(count - messages.len()).await.unwrap());
        }
        messages
    }

    /// One reply that Meta has accepted under this name.
    pub async fn accepted(&self, address: &Address, wamid: &str) -> OutboxRef {
        let id = self.reply(address, &["hi"]).await[0];
        self.take_messages(1).await;
        self.store().begin(vec![id], self.now()).await.unwrap();
        self.record(id, SendResult::Accepted { wamid: Wamid(wamid.into()), at: self.now() }).await;
        id
    }

    pub async fn record(&self, id: OutboxRef, result: SendResult) {
        self.store().record(vec![SendRecord { id, result }]).await.unwrap();
    }

    /// How far a message came.
    pub async fn state_of(&self, id: OutboxRef) -> Option<DeliveryState> {
        self.store().receipt(id).await.unwrap().map(|receipt| receipt.state)
    }

    pub fn pass_days(&self, days: u64) {
        self.setup.clock.pass_ms(days * DAY_MS);
    }

    /// Forgets until there is nothing more to forget; how much that was.
    pub async fn prune_all(&self) -> usize {
        let mut forgotten = 0;
        let mut idle = 0;
        // A walk that comes to its end starts over: only a second one without a find has seen all.
        while idle < 3 {
            let now = self.store().prune(self.now(), 7).await.unwrap();
            forgotten += now;
            idle = if now == 0 { idle + 1 } else { 0 };
        }
        forgotten
    }
}

pub fn game(name: &str) -> GameId {
    GameId::parse(name).unwrap()
}

pub fn number(n: u64) -> NumberId {
    NumberId::parse(&format!("{}", 100 + n)).unwrap()
}

pub fn contact(phone: Option<u64>, bsuid: Option<u64>) -> Contact {
    let phone = phone.map(|n| PhoneNumber::parse(&format!("1555{n:05}")).unwrap());
    Contact::new(phone, bsuid.map(|n| Bsuid::parse(&format!("US.{n}")).unwrap())).unwrap()
}

pub fn phone(n: u64) -> Contact {
    contact(Some(n), None)
}

/// The n-th player of the first number of `starfall`.
pub fn player(n: u64) -> Address {
    of_contact(phone(n))
}

pub fn of_contact(contact: Contact) -> Address {
    Address { game: game("starfall"), number: number(1), contact }
}

pub fn text_message(wamid: &str, body: &str) -> Message {
    Message {
        wamid: Wamid(wamid.into()),
        sent_at: START,
        content: Inbound::Text(body.into()),
        reply_to: None,
        forwarded: false,
        referral: None,
        profile_name: None,
        identity_key_hash: None,
    }
}

/// A text without a key.
pub fn incoming(address: &Address, body: &str) -> Incoming {
    Incoming { address: address.clone(), dedup: None, event: Event::Message(text_message("wamid.none", body)) }
}

/// A text with the key of its id.
pub fn keyed(address: &Address, id: u64) -> Incoming {
    let event = Event::Message(text_message(&format!("wamid.{id}"), &format!("{id}")));
    Incoming { address: address.clone(), dedup: Some(key(START.as_s(), id)), event }
}

pub fn key(sent_s: u64, id: u64) -> DedupKey {
    // As random as a digest is.
    DedupKey { sent_s, digest: u128::from(id).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835) }
}

/// The text of a message's event.
pub fn body(event: &Event) -> &str {
    match event {
        Event::Message(Message { content: Inbound::Text(body), .. }) => body,
        other => panic!("not a text: {}", other.kind()),
    }
}

pub fn bodies(work: &Work) -> Vec<&str> {
    work.events.iter().map(|entry| body(&entry.event)).collect()
}

/// The commit that takes the oldest event out and does nothing else.
pub fn done(work: &Work) -> Commit {
    Commit::of(work.conversation.clone(), work.events[0].seq)
}

pub fn seqs(work: &Work) -> Vec<InboxSeq> {
    work.events.iter().map(|entry| entry.seq).collect()
}

pub fn reply(conversation: &Conversation, body: &str, now: UnixMs) -> NewMessage {
    NewMessage {
        game: conversation.game.clone(),
        number: conversation.number.clone(),
        contact: conversation.contact.clone(),
        class: MessageClass::Normal,
        content: Content::Reply { message: Outbound::Text { body: body.into(), preview: false }, reply_to: None },
        committed_at: now,
        expires_at: None,
        campaign: None,
        known: None,
    }
}

/// The text of a message of ours.
pub fn sent_body(message: &OutboxMessage) -> &str {
    match &message.message.content {
        Content::Reply { message: Outbound::Text { body, .. }, .. } => body,
        other => panic!("not a text: {}", other.kind()),
    }
}

pub fn sent_bodies(messages: &[OutboxMessage]) -> Vec<&str> {
    messages.iter().map(sent_body).collect()
}
