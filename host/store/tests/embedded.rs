//! What the embedded engine promises beyond the contract: its directory, its file, its end.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use questline_core::commit::Commit;
use questline_core::contact::{Address, Contact, PhoneNumber};
use questline_core::event::{Event, SystemChange};
use questline_core::id::{GameId, NumberId};
use questline_core::message::Outbound;
use questline_core::outbox::{Content, MessageClass, NewMessage};
use questline_core::port::{Batch, Clock, Conversations, Desk, Inbox, Incoming, Outbox, StoreError};
use questline_core::time::UnixMs;
use questline_store::embedded::{EmbeddedOptions, EmbeddedStore, OpenError};
use rusqlite::Connection;

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> UnixMs {
        UnixMs(1_790_000_000_000)
    }
}

fn open(dir: &Path) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open(EmbeddedOptions::new(dir, Arc::new(FixedClock)))
}

/// Why it did not open.
fn refusal(dir: &Path) -> OpenError {
    match open(dir) {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

fn batch(player: u64, events: usize) -> Batch {
    let contact = Contact::new(PhoneNumber::parse(&format!("1555{player:05}")).ok(), None).unwrap();
    let address = Address { game: GameId::parse("starfall").unwrap(), number: NumberId::parse("100").unwrap(), contact };
    let event = Event::System(SystemChange::Other("test".into()));
    let incoming = Incoming { address, dedup: None, event };
    Batch { events: vec![incoming; events], received_at: FixedClock.now(), ..Batch::default() }
}

#[test]
fn the_directory_is_the_owners_alone() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("deep/data");
    let _store = open(&dir).unwrap();
    assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_directory_is_held_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).unwrap();
    let error = refusal(dir.path());
    let expected = format!(
        "data directory {} is in use by another questline (pid {}); stop that one, or choose another directory",
        dir.path().display(),
        std::process::id()
    );
    assert_eq!(error.to_string(), expected);
    drop(first);
    open(dir.path()).unwrap();
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = refusal(&file.join("data"));
    assert!(matches!(error, OpenError::Directory { .. }), "{error}");
    assert!(error.to_string().contains("file/data"), "{error}");
}

#[test]
fn another_version_is_refused_and_left_alone() {
    for (version, advice) in [(99, "run the newer questline"), (0, "run the version that wrote it")] {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()).unwrap());
        let file = dir.path().join("questline.db");
        Connection::open(&file).unwrap().execute("UPDATE meta SET value = ?1 WHERE key = 'schema_version'", [version]).unwrap();
        let before = std::fs::read(&file).unwrap();
        let error = refusal(dir.path());
        assert!(matches!(error, OpenError::SchemaVersion { found, supported: 1 } if found == version), "{error}");
        assert!(error.to_string().contains(advice), "{error}");
        assert_eq!(std::fs::read(&file).unwrap(), before);
    }
}

#[test]
fn a_foreign_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("questline.db");
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE cats(name)").unwrap();
    let before = std::fs::read(&file).unwrap();
    assert!(matches!(refusal(dir.path()), OpenError::Foreign));
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn a_damaged_file_is_named_as_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    let file = dir.path().join("questline.db");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[..64].fill(0x5A);
    std::fs::write(&file, bytes).unwrap();
    let error = refusal(dir.path());
    assert!(matches!(error, OpenError::Damaged(_)), "{error}");
    assert!(error.to_string().contains("restore the data directory from a backup"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn close_writes_what_was_asked_and_ends_all_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()).unwrap());
    let asked = (0..50).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.append(batch(n, 1)).await })
    });
    let asked = asked.collect::<Vec<_>>();
    let waiting = {
        let store = store.clone();
        tokio::spawn(async move { store.take_messages(1).await })
    };
    store.close().await.unwrap();
    let closed = || StoreError::Unavailable("the store is closed".into());
    assert_eq!(waiting.await.unwrap(), Err(closed()));
    let mut written = 0;
    for asked in asked {
        // Those that came after the close are told so.
        match asked.await.unwrap() {
            Ok(appended) => written += appended.events,
            Err(error) => assert_eq!(error, closed()),
        }
    }
    assert_eq!(store.append(batch(1, 1)).await, Err(closed()));
    assert_eq!(store.check().await, Err(closed()));
    assert_eq!(store.close().await, Err(closed()));
    assert_eq!(std::fs::metadata(dir.path().join("questline.db-wal")).map_or(0, |wal| wal.len()), 0, "the log is folded in");
    // The directory is free, though the old store is still there.
    let again = open(dir.path()).unwrap();
    assert_eq!(again.depth().await.unwrap().inbox, u64::from(written));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_disturbs_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()).unwrap());
    for n in 0..100 {
        // Polled once, so that it is on its way, and dropped.
        let mut append = std::pin::pin!(store.append(batch(n, 1)));
        let _ = poll_once(append.as_mut()).await;
    }
    store.append(batch(1_000, 1)).await.unwrap();
    let depth = store.depth().await.unwrap();
    assert_eq!(depth.inbox, depth.conversations);
    assert!(depth.inbox >= 1);
}

/// Polls a future once.
async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_stays_small() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let wal = dir.path().join("questline.db-wal");
    let (mut written, mut largest) = (0, 0);
    for n in 0..1_500 {
        store.append(batch(n % 50, 1)).await.unwrap();
        let ready = store.take(1).await.unwrap().remove(0);
        let work = store.load(ready.conversation, 1).await.unwrap();
        let conversation = work.conversation;
        let message = NewMessage {
            game: conversation.game.clone(),
            number: conversation.number.clone(),
            contact: conversation.contact.clone(),
            class: MessageClass::Normal,
            content: Content::Reply { message: Outbound::Text { body: "x".repeat(500), preview: false }, reply_to: None },
            committed_at: FixedClock.now(),
            expires_at: None,
        };
        let mut commit = Commit::of(conversation, work.events[0].seq);
        commit.outbox.push(message);
        store.commit(commit).await.unwrap();
        store.release(ready.conversation, None).await.unwrap();
        // At least three pages a step: the conversation's, the inbox's, the messages'.
        written += 3 * 4_096;
        largest = largest.max(wal.metadata().unwrap().len());
    }
    assert!(written > 2 * largest, "too little was written to tell: {written} bytes, the log has {largest}");
    assert!(largest <= 12 << 20, "the log grew to {largest} bytes");
}
