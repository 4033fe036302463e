//! Small things that the tests of the Redis engine are made of.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use questline_core::commit::Commit;
use questline_core::contact::{Address, Contact, PhoneNumber};
use questline_core::event::{Event, Inbound, Message, Wamid};
use questline_core::id::{ConversationId, GameId, NumberId};
use questline_core::message::Outbound;
use questline_core::outbox::{Content, MessageClass, NewMessage};
use questline_core::port::{Batch, Clock, Conversations, DedupKey, Inbox, Incoming, StoreError, Work};
use questline_core::time::UnixMs;
use questline_store::audit::AuditKey;
use questline_store::redis::{RedisOptions, RedisStore};
use questline_store::seal::StoreKeys;

/// A day in 2026.
pub(crate) const START: UnixMs = UnixMs(1_790_000_000_000);

/// A clock that stands until it is set.
pub(crate) struct TestClock(AtomicU64);

impl Clock for TestClock {
    fn now(&self) -> UnixMs {
        UnixMs(self.0.load(Ordering::Relaxed))
    }
}

/// Options for a test: a lease that a test can wait for.
pub(crate) fn options(url: &str) -> RedisOptions {
    let mut options = RedisOptions::new(url, Arc::new(TestClock(AtomicU64::new(START.0))));
    options.lease_ttl = Duration::from_millis(1_500);
    options.audit_key = Some(AuditKey::new(&[7; 32]).expect("a key"));
    options.keys = Some(StoreKeys::new(&[[8; 32]]).expect("a key"));
    options
}

/// A store that opens.
pub(crate) async fn open(url: &str) -> RedisStore {
    RedisStore::open(options(url)).await.expect("the store opens").0
}

pub(crate) fn game() -> GameId {
    GameId::parse("starfall").expect("a name")
}

/// The nth player.
pub(crate) fn address(n: u64) -> Address {
    let contact = Contact::new(PhoneNumber::parse(&format!("4915{n:08}")).ok(), None).expect("a contact");
    Address { game: game(), number: NumberId::parse("100").expect("a number"), contact }
}

/// A text of the nth player's, told apart by `id`.
pub(crate) fn text(n: u64, id: u64) -> Incoming {
    let message = Message {
        wamid: Wamid(format!("wamid.{n}.{id}").into()),
        sent_at: START,
        content: Inbound::Text(format!("text {id} of {n}")),
        reply_to: None,
        forwarded: false,
        referral: None,
        profile_name: None,
        identity_key_hash: None,
    };
    let dedup = DedupKey { sent_s: START.as_s(), digest: u128::from(n) << 64 | u128::from(id) };
    Incoming { address: address(n), dedup: Some(dedup), event: Event::Message(message) }
}

pub(crate) fn batch(events: Vec<Incoming>) -> Batch {
    Batch { events, received_at: START, ..Batch::default() }
}

pub(crate) fn reply(body: &str) -> NewMessage {
    NewMessage {
        game: game(),
        number: NumberId::parse("100").expect("a number"),
        contact: address(1).contact,
        class: MessageClass::Normal,
        content: Content::Reply { message: Outbound::Text { body: body.to_owned(), preview: false }, reply_to: None },
        committed_at: START,
        expires_at: None,
        campaign: None,
        known: None,
    }
}

/// Appends one text of the nth player's and takes the conversation.
pub(crate) async fn arrive(store: &RedisStore, n: u64, id: u64) -> ConversationId {
    let appended = store.append(batch(vec![text(n, id)])).await.expect("an append");
    assert_eq!(appended.events, 1);
    store.take(1).await.expect("a conversation")[0].conversation
}

/// A commit that handles the oldest event.
pub(crate) fn commit_of(work: &Work) -> Commit {
    let mut commit = Commit::of(work.conversation.clone(), work.events[0].seq);
    commit.conversation.touch(START);
    commit
}

/// Tries until a store that lost its server works again.
pub(crate) async fn until_back<T, F: Future<Output = Result<T, StoreError>>>(mut attempt: impl FnMut() -> F) -> T {
    let begun = std::time::Instant::now();
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(StoreError::Unavailable(_)) if begun.elapsed() < Duration::from_secs(30) => {
                tokio::time::sleep(Duration::from_millis(10)).await
            }
            Err(error) => panic!("the store does not come back: {error}"),
        }
    }
}
