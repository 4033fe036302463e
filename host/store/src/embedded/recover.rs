//! What a start finds: events that wait, counts, and the numbers that may not be given again.
//!
//! The outbox needs nothing: its hand-out starts as if all had been too much for memory.

use std::sync::atomic::{AtomicU64, Ordering};

use questline_core::id::{ConversationId, GameId, InboxSeq};
use questline_core::time::UnixMs;
use rusqlite::{Connection, OptionalExtension};

use super::memory::Waiting;
use super::writer::{Counter, Ids};
use super::{OpenError, SOURCE, Shared, lanes};

/// Fills the memory of a store that opens.
pub(super) fn recover(connection: &mut Connection, shared: &Shared) -> Result<Ids, OpenError> {
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u64>(0));
    let set = |counter: &AtomicU64, value: u64| counter.store(value, Ordering::Relaxed);
    // Conversations are never deleted: the highest number is their count.
    let conversations = count("SELECT ifnull(max(id), 0) FROM conversation")?;
    set(&shared.counts.conversations, conversations);
    set(&shared.counts.outbox, count(lanes::COUNT)?);
    set(&shared.counts.timers, count("SELECT count(*) FROM timer")?);
    set(&shared.counts.dead_letters, count("SELECT count(*) FROM dead_letter")?);
    set(&shared.counts.tickets_open, count("SELECT count(*) FROM ticket WHERE closed_ms IS NULL")?);

    let mut pending = shared.pending();
    let sql = "SELECT inbox.seq, conversation, received_ms, attempts, game FROM inbox JOIN conversation ON conversation.id = conversation
        ORDER BY inbox.seq";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    // Names are shared: there are as many as games.
    let mut game = None::<GameId>;
    while let Some(row) = rows.next()? {
        let name = row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?;
        if game.as_ref().is_none_or(|game| game.as_str() != name) {
            game = Some(GameId::parse(name).map_err(|error| OpenError::Damaged(format!("a conversation's game: {error}")))?);
        }
        let Some(game) = &game else { continue };
        let conversation = ConversationId(row.get(1)?);
        let waiting =
            Waiting { seq: InboxSeq(row.get(0)?), received_at: UnixMs(row.get(2)?), attempts: row.get(3)?, event: None, bytes: 0 };
        pending.restore(conversation, game, waiting);
        shared.ready.change(|index| index.mark(conversation, game));
    }
    drop(pending);
    shared.handout.open(SOURCE, lanes::all(connection)?);
    Ok(Ids { conversation: conversations, inbox: counter(connection, Counter::INBOX)?, message: counter(connection, Counter::MESSAGE)? })
}

/// All numbers up to what was reserved may have been given.
fn counter(connection: &Connection, key: &'static str) -> rusqlite::Result<Counter> {
    let reserved = connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()?.unwrap_or(0);
    Ok(Counter { key, last: reserved, reserved })
}
