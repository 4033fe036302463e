//! What the embedded engine promises beyond the contract: its directory, its file, its end.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use questline_core::audit::Action;
use questline_core::commit::Commit;
use questline_core::contact::{Address, Contact, PhoneNumber};
use questline_core::event::{Event, SystemChange, Wamid};
use questline_core::id::{GameId, NumberId, OutboxRef, OutboxSeq, PlayerId};
use questline_core::message::Outbound;
use questline_core::outbox::{Content, MessageClass, NewMessage};
use questline_core::port::{
    Audiences, Audit, Batch, Clock, Conversations, Desk, Inbox, Incoming, Outbox, Sealing, StatusUpdate, StoreError, Work,
};
use questline_core::status::DeliveryState;
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
fn a_directory_makes_its_key_of_the_audit_log_once_and_for_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("audit.key");
    drop(open(dir.path()).unwrap());
    assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&key).unwrap();
    assert_eq!(text.len(), 64);
    drop(open(dir.path()).unwrap());
    assert_eq!(std::fs::read_to_string(&key).unwrap(), text);
    std::fs::write(&key, "short").unwrap();
    let words = refusal(dir.path()).to_string();
    assert!(words.contains("audit.key") && words.contains("32 characters"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_makes_its_key_of_the_store_and_asks_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let (key, kept) = (dir.path().join("store.key"), dir.path().join("kept"));
    let store = open(dir.path()).unwrap();
    store.append(batch(1, 1)).await.unwrap();
    drop(store);
    assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&key).unwrap();
    assert_eq!(text.len(), 64);
    std::fs::rename(&key, &kept).unwrap();
    let words = refusal(dir.path()).to_string();
    assert!(words.contains("rows under key") && words.contains("store.key"), "{words}");
    assert!(!key.exists(), "a key that opens nothing is not made");
    // A new first line seals from now on, and the old one still opens.
    std::fs::write(&key, format!("{}\n{text}\n", "f".repeat(64))).unwrap();
    let store = open(dir.path()).unwrap();
    let conversation = store.take(1).await.unwrap()[0].conversation;
    assert_eq!(store.load(conversation, 9).await.unwrap().events.len(), 1);
    let done = store.reseal(1_000).await.unwrap();
    assert_eq!((done.done, done.keys[1].rows), (true, 0), "{done:?}");
    drop(store);
    std::fs::write(&key, "f".repeat(64)).unwrap();
    let store = open(dir.path()).unwrap();
    let conversation = store.take(1).await.unwrap()[0].conversation;
    assert_eq!(store.load(conversation, 9).await.unwrap().events.len(), 1);
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
        assert!(matches!(error, OpenError::SchemaVersion { found, supported: 11 } if found == version), "{error}");
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

/// A step with one message.
fn step(work: Work) -> Commit {
    let conversation = work.conversation;
    let message = NewMessage {
        game: conversation.game.clone(),
        number: conversation.number.clone(),
        contact: conversation.contact.clone(),
        class: MessageClass::Normal,
        content: Content::Reply { message: Outbound::Text { body: "x".repeat(500), preview: false }, reply_to: None },
        committed_at: FixedClock.now(),
        expires_at: None,
        campaign: None,
        known: None,
    };
    let mut commit = Commit::of(conversation, work.events[0].seq);
    commit.outbox.push(message);
    commit
}

/// The table of messages is away for a while: a commit fails half-way, and nothing of it stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_fails_half_way_is_undone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store.append(batch(1, 2)).await.unwrap();
    let conversation = store.take(1).await.unwrap()[0].conversation;
    let load = || async { store.load(conversation, 9).await.unwrap() };
    let other = Connection::open(dir.path().join("questline.db")).unwrap();
    let rename = |from: &str, to: &str| other.execute_batch(&format!("ALTER TABLE {from} RENAME TO {to}")).unwrap();
    rename("message", "away");
    let commit = step(load().await);
    let error = store.commit(commit.clone()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    let work = load().await;
    assert_eq!((work.conversation.version, work.events.len()), (0, 2));
    assert_eq!(store.depth().await.unwrap().outbox, 0);
    // A contact that was begun in a failed group is begun anew.
    let mut failing = batch(2, 1);
    failing.statuses.push(StatusUpdate {
        message: Some(OutboxRef { conversation, seq: OutboxSeq(1) }),
        wamid: Wamid("wamid.a".into()),
        number: NumberId::parse("100").unwrap(),
        state: DeliveryState::Sent,
        at: FixedClock.now(),
        error: None,
    });
    assert!(store.append(failing.clone()).await.is_err());
    assert_eq!(store.depth().await.unwrap().conversations, 1);
    rename("away", "message");
    assert_eq!(store.append(failing).await.unwrap().events, 1);
    assert_eq!(store.depth().await.unwrap().conversations, 2);
    // The very same commit holds now: nothing of it was there.
    let name = store.commit(commit).await.unwrap().outbox[0];
    assert_eq!(store.take_messages(9).await.unwrap()[0].id, name);
    drop(store);
    let store = open(dir.path()).unwrap();
    let depth = store.depth().await.unwrap();
    assert_eq!((depth.inbox, depth.outbox, depth.conversations), (2, 1, 2));
}

/// A row that makes no sense is told as damage, without what it holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_row_is_named_and_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store.append(batch(1, 1)).await.unwrap();
    drop(store);
    let other = Connection::open(dir.path().join("questline.db")).unwrap();
    other.execute_batch("UPDATE conversation SET doc = '{\"phone\":\"155500001\"}'").unwrap();
    drop(other);
    let store = open(dir.path()).unwrap();
    let conversation = store.take(1).await.unwrap()[0].conversation;
    let error = store.load(conversation, 1).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
    assert!(error.to_string().contains("a conversation cannot be read") && !error.to_string().contains("155500001"), "{error}");
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
        store.commit(step(work)).await.unwrap();
        store.release(ready.conversation, None).await.unwrap();
        // At least three pages a step: the conversation's, the inbox's, the messages'.
        written += 3 * 4_096;
        largest = largest.max(wal.metadata().unwrap().len());
    }
    assert!(written > 2 * largest, "too little was written to tell: {written} bytes, the log has {largest}");
    assert!(largest <= 12 << 20, "the log grew to {largest} bytes");
}

/// A name is looked for in two places: it is in one of them or both, whatever comes, and they agree with what is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_is_in_the_log_until_its_table_has_it() {
    const CONTACTS: u64 = 1_500;
    let dir = tempfile::tempdir().unwrap();
    let few = |names_waiting_max| {
        let mut options = EmbeddedOptions::new(dir.path(), Arc::new(FixedClock));
        options.names_waiting_max = names_waiting_max;
        EmbeddedStore::open(options).unwrap()
    };
    let places = || {
        let connection = Connection::open(dir.path().join("questline.db")).unwrap();
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u64>(0)).unwrap();
        let torn = count("SELECT count(*) FROM alias JOIN alias_new USING(name) WHERE alias.conversation <> alias_new.conversation");
        let all =
            count("SELECT count(DISTINCT conversation) FROM (SELECT * FROM alias UNION ALL SELECT name, conversation FROM alias_new)");
        assert_eq!((torn, all), (0, CONTACTS));
        (count("SELECT count(*) FROM alias"), count("SELECT count(*) FROM alias_new"))
    };
    let mut store = few(300);
    for from in (0..CONTACTS).step_by(50) {
        let events = (from..from + 50).flat_map(|player| batch(player, 1).events).collect();
        store.append(Batch { events, received_at: FixedClock.now(), ..Batch::default() }).await.unwrap();
    }
    let (moved, waiting) = places();
    assert!(moved >= 1_000 && (100..=400).contains(&waiting), "{moved} moved, {waiting} wait");
    for waiting_max in [300, 10_000, 0] {
        for player in 0..CONTACTS {
            let addresses = vec![batch(player, 1).events[0].address.clone()];
            let found = store.conversations_at(addresses.clone()).await.unwrap().remove(0).unwrap();
            assert_eq!(found.contact, addresses[0].contact, "player {player}");
        }
        assert_eq!(store.depth().await.unwrap().conversations, CONTACTS, "nobody is taken for somebody new");
        drop(store);
        store = few(waiting_max);
        // Everybody writes again; a group that has nothing new moves names too, to the table and then out of the log.
        for _ in 0..2 {
            let events = (0..CONTACTS).flat_map(|player| batch(player, 1).events).collect();
            store.append(Batch { events, received_at: FixedClock.now(), ..Batch::default() }).await.unwrap();
        }
    }
    assert_eq!(places(), (CONTACTS, 0));
}

/// Version 1 had no documents, version 2 no players beside the conversations, version 3 no pages,
/// version 4 no chain of its audit records, version 5 nothing sealed: all are brought up to date, with what they hold.
#[tokio::test(flavor = "multi_thread")]
async fn data_of_earlier_versions_is_taken_over() {
    let (player, game) = (PlayerId::parse("player-4711").unwrap(), GameId::parse("starfall").unwrap());
    for (version, documents) in [(1, "DROP TABLE document;"), (2, "")] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("questline.db");
        Connection::open(&file).unwrap().execute_batch(include_str!("fixtures/schema-5.sql")).unwrap();
        let players = "DROP INDEX conversation_player; ALTER TABLE conversation DROP COLUMN player;";
        let audit = "DROP TABLE audit_entry; DROP TABLE audit_head; DROP TABLE audit_subject; DROP TABLE page;
            INSERT INTO audit(at_ms, game, conversation, doc) VALUES (5, 'starfall', 7,
            '{\"at\":5,\"game\":\"starfall\",\"conversation\":7,\"action\":\"consent-withdrawn\",\"detail\":\"in chat\"}');";
        let sql = format!("{audit} {documents} {players} UPDATE meta SET value = {version} WHERE key = 'schema_version'");
        Connection::open(&file).unwrap().execute_batch(&sql).unwrap();
        let store = open(dir.path()).unwrap();
        assert_eq!(store.conversations_of(&game, &player).await.unwrap().len(), 1);
        let page = store.audit_page(&game, 0, 9).await.unwrap();
        assert_eq!((page.entries.len(), page.entries[0].action, page.head.count), (1, Action::ConsentWithdrawn, 1));
        drop(store);
        assert_eq!(open(dir.path()).unwrap().audit_page(&game, 0, 9).await.unwrap(), page, "once");
        let connection = Connection::open(&file).unwrap();
        let found: i64 = connection.query_row("SELECT value FROM meta WHERE key = 'schema_version'", [], |row| row.get(0)).unwrap();
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name IN ('document', 'conversation_player')";
        let made: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!((found, made), (11, 2), "from version {version}");
    }
}
