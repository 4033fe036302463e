//! The tables, and the settings of the connections.
//!
//! What is written for every message is appended: rows of the inbox and messages go to the end of their tables, and so
//! do repetition keys, which lead with the second they were sent in. Only the conversation's own row is written where
//! it lies.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::OpenError;
use crate::seal::PLAIN;

/// The version of the tables that this build reads and writes.
pub(super) const SCHEMA_VERSION: i64 = 11;

/// Page cache of the writing connection.
const WRITER_CACHE_KB: i64 = 4 * 1024;
/// Page cache of the reading connection: it reads what is cold.
const READER_CACHE_KB: i64 = 1024;
/// Pages of the write-ahead log (4 KiB each) after which it is copied into the database: larger copies a page that was
/// written often fewer times, smaller keeps the file and the pauses short.
const CHECKPOINT_PAGES: i64 = 2_000;
/// What is kept of the log's file after a burst.
const WAL_BYTES_KEPT: i64 = 16 << 20;

const TABLES: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

-- version lies beside the document, to be compared; what phone and bsuid held until version 5, the document holds.
CREATE TABLE conversation(id INTEGER PRIMARY KEY, version INTEGER NOT NULL, game TEXT NOT NULL, number TEXT NOT NULL,
  phone TEXT, bsuid TEXT, doc TEXT NOT NULL);
CREATE TABLE alias(name TEXT PRIMARY KEY, conversation INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE inbox(seq INTEGER PRIMARY KEY, conversation INTEGER NOT NULL, received_ms INTEGER NOT NULL,
  attempts INTEGER NOT NULL, event TEXT NOT NULL);
CREATE TABLE seen(sent_s INTEGER NOT NULL, digest BLOB NOT NULL, arrived_s INTEGER NOT NULL,
  PRIMARY KEY(sent_s, digest)) WITHOUT ROWID;

-- Outbox and receipts are one table: a message that was sent stays where it lies. It is in the outbox while it has a
-- place there. state: 0 queued, 1 in flight, 10 + n as far as Meta has it.
CREATE TABLE message(seq INTEGER PRIMARY KEY, conversation INTEGER NOT NULL, place INTEGER, state INTEGER NOT NULL,
  at_ms INTEGER NOT NULL, attempts INTEGER NOT NULL, due_ms INTEGER NOT NULL, wamid TEXT, content TEXT);
CREATE INDEX message_outbox ON message(place) WHERE place IS NOT NULL;

CREATE TABLE timer(id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL, flow TEXT NOT NULL, name TEXT NOT NULL,
  due_ms INTEGER NOT NULL, payload TEXT NOT NULL, UNIQUE(conversation, flow, name));
CREATE INDEX timer_due ON timer(due_ms);

CREATE TABLE ticket(id INTEGER PRIMARY KEY, game TEXT NOT NULL, number TEXT NOT NULL, priority INTEGER NOT NULL,
  opened_ms INTEGER NOT NULL, closed_ms INTEGER, doc TEXT NOT NULL, UNIQUE(game, number));
CREATE INDEX ticket_open ON ticket(game, priority, opened_ms) WHERE closed_ms IS NULL;
CREATE INDEX ticket_closed ON ticket(game, closed_ms) WHERE closed_ms IS NOT NULL;

CREATE TABLE dead_letter(id INTEGER PRIMARY KEY AUTOINCREMENT, game TEXT NOT NULL, doc TEXT NOT NULL);
CREATE INDEX dead_letter_game ON dead_letter(game, id);
CREATE TABLE consent(id INTEGER PRIMARY KEY, conversation INTEGER NOT NULL, at_ms INTEGER NOT NULL, doc TEXT NOT NULL);
CREATE INDEX consent_conversation ON consent(conversation);
CREATE TABLE audit(id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, game TEXT NOT NULL, conversation INTEGER NOT NULL,
  doc TEXT NOT NULL);
CREATE TABLE step(seq INTEGER PRIMARY KEY, conversation INTEGER NOT NULL, at_ms INTEGER NOT NULL, doc TEXT NOT NULL);
CREATE TABLE notice(id INTEGER PRIMARY KEY, received_ms INTEGER NOT NULL, doc TEXT NOT NULL);
";

/// Version 2: named documents, see [`crate::documents`].
const DOCUMENTS: &str = "
CREATE TABLE document(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, value BLOB NOT NULL);
";

/// Version 3: the player of a conversation's session, beside the document.
const PLAYERS: &str = "
ALTER TABLE conversation ADD COLUMN player TEXT;
UPDATE conversation SET player = json_extract(doc, '$.session.player');
CREATE INDEX conversation_player ON conversation(game, player) WHERE player IS NOT NULL;
";

/// Version 4: pages that are forgotten at their time, see [`crate::pages`].
const PAGES: &str = "
CREATE TABLE page(name TEXT PRIMARY KEY, forget_ms INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX page_forget ON page(forget_ms);
";

/// Version 5: the audit log as a chain for each game. What stands in `audit` is linked at the next opening.
const AUDIT: &str = "
CREATE TABLE audit_head(game TEXT PRIMARY KEY, count INTEGER NOT NULL, hash TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE audit_entry(game TEXT NOT NULL, seq INTEGER NOT NULL, doc TEXT NOT NULL, details TEXT,
  PRIMARY KEY(game, seq)) WITHOUT ROWID;
-- Pseudonyms and conversations of the details that are there, to erase them by.
CREATE TABLE audit_subject(game TEXT NOT NULL, name TEXT NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY(game, name, seq)) WITHOUT ROWID;
";

/// Version 6: what is personal is sealed, and found by digests, see [`crate::seal`]. Columns keep their names and hold BLOBs
/// instead of TEXT: `conversation.doc` and `.player`, `alias.name`, `inbox.event`, `message.wamid` and `.content`,
/// `timer.payload`, `page.name` and `.value`, `document.value`, and `doc` of tickets, dead letters, consents, steps and notices.
/// `conversation.contact` is the digest by which a step tells whether it changes the contact. `store_key` lists the keys
/// under which rows may lie.
const SEALED: &str = "
ALTER TABLE conversation ADD COLUMN contact BLOB;
CREATE TABLE store_key(id TEXT PRIMARY KEY) WITHOUT ROWID;
";

/// Version 7: sliding windows of permits, under keyed digests, see [`crate::permits`]. `count` is that of the window's rows.
const PERMITS: &str = "
CREATE TABLE permit(window BLOB NOT NULL, member BLOB NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY(window, member)) WITHOUT ROWID;
CREATE INDEX permit_at ON permit(window, at_ms);
CREATE TABLE permit_window(window BLOB PRIMARY KEY, count INTEGER NOT NULL, forget_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX permit_window_forget ON permit_window(forget_ms);
";

/// Version 8: lanes, and messages that are parked until a time: these have a place still, and are in no lane's order. What
/// stands in the outbox is put into its lane at the next opening.
const LANES: &str = "
CREATE TABLE lane(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
ALTER TABLE message ADD COLUMN lane INTEGER;
ALTER TABLE message ADD COLUMN park_ms INTEGER;
ALTER TABLE message ADD COLUMN park_reason TEXT;
DROP INDEX message_outbox;
CREATE INDEX message_lane ON message(lane, place) WHERE place IS NOT NULL AND park_ms IS NULL;
CREATE INDEX message_parked ON message(park_ms, lane, park_reason) WHERE park_ms IS NOT NULL;
";

/// Version 9: campaigns, and what became of their messages; see [`super::tally`].
const CAMPAIGNS: &str = "
ALTER TABLE message ADD COLUMN campaign INTEGER;
CREATE TABLE campaign(id INTEGER PRIMARY KEY, game TEXT NOT NULL, name TEXT NOT NULL, variant INTEGER NOT NULL, at_ms INTEGER NOT NULL,
  UNIQUE(game, name, variant));
CREATE TABLE campaign_count(campaign INTEGER NOT NULL, name TEXT NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY(campaign, name)) WITHOUT ROWID;
-- Whom a campaign's message reached, and when they first did what.
CREATE TABLE exposure(campaign INTEGER NOT NULL, conversation INTEGER NOT NULL, at_ms INTEGER NOT NULL, click_ms INTEGER,
  conversion_ms INTEGER, opt_out_ms INTEGER, PRIMARY KEY(campaign, conversation)) WITHOUT ROWID;
";

/// Version 10: what waits of a conversation in all its lanes, in its order.
const TALK: &str = "
CREATE INDEX message_talk ON message(conversation, place) WHERE place IS NOT NULL AND park_ms IS NULL
  AND (campaign IS NULL OR campaign < 0);
";

/// Version 11: names that wait to be written to `alias` in its order, see [`super::names`].
const NEW_NAMES: &str = "
CREATE TABLE alias_new(id INTEGER PRIMARY KEY, name BLOB NOT NULL, conversation INTEGER NOT NULL);
";

/// What has to be done to tables of an older version, by that version, in order.
const UPGRADES: [(i64, &str); 10] = [
    (1, DOCUMENTS),
    (2, PLAYERS),
    (3, PAGES),
    (4, AUDIT),
    (5, SEALED),
    (6, PERMITS),
    (7, LANES),
    (8, CAMPAIGNS),
    (9, TALK),
    (10, NEW_NAMES),
];
/// The last version whose rows lay open.
const OPEN_VERSION: i64 = 5;

/// Opens the connection that writes, and makes the tables in a new database.
pub(super) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(128);
    // First, so that nothing is changed in what is not ours.
    check_version(&mut connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // Every commit reaches the disk before it is answered.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// Opens a connection that reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.pragma_update(None, "cache_size", -READER_CACHE_KB)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn check_version(connection: &mut Connection) -> Result<(), OpenError> {
    let transaction = connection.transaction()?;
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        transaction.execute_batch(TABLES)?;
        for (_, tables) in UPGRADES {
            transaction.execute_batch(tables)?;
        }
        transaction.execute("INSERT INTO meta(key, value) VALUES ('schema_version', ?1)", [SCHEMA_VERSION])?;
        transaction.commit()?;
        return Ok(());
    }
    let found = transaction.query_row("SELECT value FROM meta WHERE key = 'schema_version'", [], |row| row.get::<_, i64>(0)).optional();
    match found {
        Ok(Some(SCHEMA_VERSION)) => Ok(()),
        Ok(Some(found)) if UPGRADES.iter().any(|(from, _)| *from == found) => {
            for (_, tables) in UPGRADES.iter().filter(|(from, _)| *from >= found) {
                transaction.execute_batch(tables)?;
            }
            if found <= OPEN_VERSION {
                transaction.execute("INSERT OR IGNORE INTO store_key(id) VALUES (?1)", [PLAIN])?;
            }
            transaction.execute("UPDATE meta SET value = ?1 WHERE key = 'schema_version'", [SCHEMA_VERSION])?;
            transaction.commit()?;
            Ok(())
        }
        Ok(Some(found)) => Err(OpenError::SchemaVersion { found, supported: SCHEMA_VERSION }),
        Ok(None) => Err(OpenError::Foreign),
        Err(error) if is_damage(&error) => Err(error.into()),
        // No such table or column: it is a database, and not ours.
        Err(_) => Err(OpenError::Foreign),
    }
}

/// Whether the file itself is broken.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}
