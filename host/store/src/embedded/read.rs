//! What is read from the tables, on the reading connection.

use std::collections::HashMap;
use std::sync::Arc;

use questline_core::commit::{DeadLetter, StoredDeadLetter, Ticket};
use questline_core::conversation::Conversation;
use questline_core::event::Event;
use questline_core::id::{ConversationId, DeadLetterId, GameId, InboxSeq, OutboxRef, OutboxSeq, PlayerId, TicketNumber};
use questline_core::lane::Lane;
use questline_core::outbox::{OutboxMessage, SendState};
use questline_core::port::{CONVERSATIONS_OF_MAX, DedupKey, Notice, PlayerConversation, Receipt, StoreError};
use questline_core::time::UnixMs;
use rusqlite::{Connection, OptionalExtension, Params, Row, ToSql};
use serde::de::DeserializeOwned;

use crate::handout::{Look, Placed};
use crate::seal::{Kind, Named, Owner, Sealer};

use super::append::contact_from;
use super::send::{IN_FLIGHT, RECEIPT, delivery_state};
use super::unavailable;

type Result<T> = std::result::Result<T, StoreError>;

/// A conversation as its row has it.
pub(super) fn conversation(connection: &Connection, sealer: &Sealer, id: ConversationId) -> Result<Conversation> {
    known_conversation(connection, sealer, id)?.ok_or_else(|| StoreError::Corrupt(format!("there is no conversation {id}")))
}

/// The same, where it may not be there.
pub(super) fn known_conversation(connection: &Connection, sealer: &Sealer, id: ConversationId) -> Result<Option<Conversation>> {
    let sql = "SELECT version, phone, bsuid, doc FROM conversation WHERE id = ?1";
    let found = first(connection, sql, [id.0], |row| {
        let (phone, bsuid) = (row.get_ref(1)?.as_str_or_null()?, row.get_ref(2)?.as_str_or_null()?);
        let doc = sealer.open::<Conversation>(Owner::number(Kind::Conversation, id.0), row.get_ref(3)?.as_bytes()?);
        Ok((row.get(0)?, contact_from(phone, bsuid), doc))
    })?;
    let Some((version, contact, doc)) = found else { return Ok(None) };
    let mut conversation = doc?;
    // Before version 6 both lay beside the document, and could be newer than it.
    conversation.version = version;
    if let Some(contact) = contact {
        conversation.contact = contact;
    }
    Ok(Some(conversation))
}

/// The events with these places, as far as they are there.
pub(super) fn events(
    connection: &Connection,
    sealer: &Sealer,
    conversation: ConversationId,
    seqs: &[InboxSeq],
) -> Result<HashMap<InboxSeq, Arc<Event>>> {
    let mut events = HashMap::with_capacity(seqs.len());
    for seq in seqs {
        let owner = Owner::number(Kind::Event, conversation.0);
        let event = first(connection, "SELECT event FROM inbox WHERE seq = ?1", [seq.0], |row| open(sealer, owner, row, 0))?;
        if let Some(event) = event {
            events.insert(*seq, Arc::new(event?));
        }
    }
    Ok(events)
}

/// Which keys were seen.
pub(super) fn known(connection: &Connection, keys: &[DedupKey]) -> Result<Vec<bool>> {
    let sql = "SELECT 1 FROM seen WHERE sent_s = ?1 AND digest = ?2";
    let seen =
        |key: &DedupKey| first(connection, sql, (key.sent_s, &key.digest.to_be_bytes()[..]), |_| Ok(())).map(|found| found.is_some());
    keys.iter().map(seen).collect()
}

/// A lane after a place, and whether that is all.
pub(super) fn lane(connection: &Connection, sealer: &Sealer, lane: &Lane, after: u64, limit: usize) -> Result<(Vec<Placed>, bool)> {
    let sql = "SELECT place, conversation, seq, state, at_ms, attempts, due_ms, content FROM message
        WHERE lane = (SELECT id FROM lane WHERE name = ?1) AND place > ?2 AND park_ms IS NULL ORDER BY place LIMIT ?3";
    let rows = all(connection, sql, (lane.to_string(), after, limit as i64), |row| placed(sealer, row))?;
    let end = rows.len() < limit;
    Ok((rows.into_iter().flatten().collect(), end))
}

/// What was queued before the messages that these looks are for, in other lanes of their conversations.
pub(super) fn behind(connection: &Connection, sealer: &Sealer, looks: &[Look]) -> Result<Vec<Placed>> {
    let sql = "SELECT place, conversation, seq, state, at_ms, attempts, due_ms, content FROM message INDEXED BY message_talk
        WHERE conversation = ?1 AND place < ?2 AND place IS NOT NULL AND park_ms IS NULL AND (campaign IS NULL OR campaign < 0) ORDER BY place";
    let mut found = Vec::new();
    for look in looks {
        let rows = all(connection, sql, (look.conversation.0, look.before), |row| placed(sealer, row))?;
        found.extend(rows.into_iter().flatten().filter(|placed| look.lanes.contains(&Lane::of(&placed.message.message))));
    }
    Ok(found)
}

/// A message as its row has it; none if it cannot be read, for it must not hold up the others.
fn placed(sealer: &Sealer, row: &Row<'_>) -> rusqlite::Result<Option<Placed>> {
    let since = UnixMs(row.get(4)?);
    let state = if row.get::<_, u8>(3)? == IN_FLIGHT { SendState::InFlight { since } } else { SendState::Queued };
    let id = OutboxRef { conversation: ConversationId(row.get(1)?), seq: OutboxSeq(row.get(2)?) };
    let content = row.get_ref(7)?.as_bytes()?;
    let message = match sealer.open(Owner::number(Kind::Message, id.conversation.0), content) {
        Ok(message) => message,
        Err(error) => {
            tracing::error!(%error, message = %id, "a message in the outbox is left where it is");
            return Ok(None);
        }
    };
    let message = OutboxMessage { id, message, attempts: row.get(5)?, due_at: UnixMs(row.get(6)?), state };
    Ok(Some(Placed { place: row.get(0)?, message, bytes: content.len() }))
}

/// Those that have become receipts.
pub(super) fn settled(connection: &Connection, messages: Vec<OutboxRef>) -> Result<Vec<OutboxRef>> {
    let sql = "SELECT 1 FROM message WHERE seq = ?1 AND conversation = ?2 AND place IS NULL";
    let mut settled = Vec::new();
    for id in messages {
        if first(connection, sql, (id.seq.0, id.conversation.0), |_| Ok(()))?.is_some() {
            settled.push(id);
        }
    }
    Ok(settled)
}

/// How far a sent message came.
pub(super) fn receipt(connection: &Connection, sealer: &Sealer, id: OutboxRef) -> Result<Option<Receipt>> {
    let sql = "SELECT state, at_ms, attempts, wamid, content FROM message WHERE seq = ?1 AND conversation = ?2 AND state >= ?3";
    let found = first(connection, sql, (id.seq.0, id.conversation.0, RECEIPT), |row| {
        let owner = Owner::number(Kind::Message, id.conversation.0);
        let content = row.get_ref(4)?.as_bytes_or_null()?.map(|content| sealer.open(owner, content)).transpose();
        let wamid = row.get_ref(3)?.as_bytes_or_null()?.map(|wamid| sealer.open_wamid(id.conversation, wamid)).transpose();
        Ok((row.get(0)?, UnixMs(row.get(1)?), row.get(2)?, wamid, content))
    })?;
    let Some((state, at, attempts, wamid, message)) = found else { return Ok(None) };
    Ok(Some(Receipt { id, wamid: wamid?, state: delivery_state(state)?, at, attempts, message: message? }))
}

/// Dead letters, oldest first.
pub(super) fn dead_letters(
    connection: &Connection,
    sealer: &Sealer,
    game: Option<GameId>,
    after: Option<DeadLetterId>,
    limit: usize,
) -> Result<Vec<StoredDeadLetter>> {
    let (after, limit) = (after.map_or(0, |id| id.0), limit as i64);
    let read = |row: &Row<'_>| Ok(letter(sealer, row)?.map(|dead_letter| (row.get(2), dead_letter)));
    let rows = match &game {
        Some(game) => {
            let sql = "SELECT game, doc, id FROM dead_letter WHERE game = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
            all(connection, sql, (game.as_str(), after, limit), read)?
        }
        None => all(connection, "SELECT game, doc, id FROM dead_letter WHERE id > ?1 ORDER BY id LIMIT ?2", (after, limit), read)?,
    };
    rows.into_iter()
        .map(|row| {
            let (id, dead_letter) = row?;
            Ok(StoredDeadLetter { id: DeadLetterId(id.map_err(unavailable)?), dead_letter })
        })
        .collect()
}

/// One dead letter.
pub(super) fn dead_letter(connection: &Connection, sealer: &Sealer, id: DeadLetterId) -> Result<Option<StoredDeadLetter>> {
    let found = first(connection, "SELECT game, doc FROM dead_letter WHERE id = ?1", [id.0], |row| letter(sealer, row))?;
    found.map(|dead_letter| dead_letter.map(|dead_letter| StoredDeadLetter { id, dead_letter })).transpose()
}

/// Open tickets by priority and age, then, if asked for, closed ones, the last closed first.
pub(super) fn tickets(connection: &Connection, sealer: &Sealer, game: &GameId, closed: bool, limit: usize) -> Result<Vec<Ticket>> {
    let ticket = |row: &Row<'_>| {
        let number = TicketNumber::parse(row.get_ref(0)?.as_str()?);
        let doc = row.get_ref(1)?.as_bytes()?;
        let number = number.map_err(|_| StoreError::Corrupt("a ticket has an odd number".to_owned()));
        Ok(number.and_then(|number| sealer.open(Owner::ticket(game, &number), doc)))
    };
    let sql = "SELECT number, doc FROM ticket WHERE game = ?1 AND closed_ms IS NULL ORDER BY priority, opened_ms, id LIMIT ?2";
    let mut rows = all(connection, sql, (game.as_str(), limit as i64), ticket)?;
    if closed && rows.len() < limit {
        let sql = "SELECT number, doc FROM ticket WHERE game = ?1 AND closed_ms IS NOT NULL ORDER BY closed_ms DESC, id DESC LIMIT ?2";
        rows.extend(all(connection, sql, (game.as_str(), (limit - rows.len()) as i64), ticket)?);
    }
    rows.into_iter().collect()
}

/// Where a player is, newest activity first.
pub(super) fn conversations_of(
    connection: &Connection,
    sealer: &Sealer,
    game: &GameId,
    player: &PlayerId,
) -> Result<Vec<PlayerConversation>> {
    let find = |player: &dyn ToSql| {
        let sql = "SELECT id FROM conversation WHERE game = ?1 AND player = ?2 ORDER BY id DESC LIMIT ?3";
        all(connection, sql, (game.as_str(), player, CONVERSATIONS_OF_MAX as i64), |row| row.get(0).map(ConversationId))
    };
    let mut ids = Vec::new();
    for index in sealer.indexes(Named::Player, &[game.as_str(), player.as_str()]) {
        ids.extend(find(index.as_bytes())?);
    }
    if sealer.has_plain() {
        ids.extend(find(&player.as_str())?);
    }
    ids.sort_unstable_by(|one, other| other.cmp(one));
    ids.truncate(CONVERSATIONS_OF_MAX);
    let found = ids.into_iter().map(|id| conversation(connection, sealer, id)).collect::<Result<Vec<_>>>()?;
    Ok(PlayerConversation::select(game, player, found))
}

/// Notices, newest first.
pub(super) fn notices(connection: &Connection, sealer: &Sealer, limit: usize) -> Result<Vec<Notice>> {
    let rows = all(connection, "SELECT received_ms, doc FROM notice ORDER BY id DESC LIMIT ?1", [limit as i64], |row| {
        open(sealer, Owner::number(Kind::Notice, row.get(0)?), row, 1)
    })?;
    rows.into_iter().collect()
}

fn first<T>(
    connection: &Connection,
    sql: &'static str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>> {
    let mut statement = connection.prepare_cached(sql).map_err(unavailable)?;
    statement.query_row(params, read).optional().map_err(unavailable)
}

fn all<T>(
    connection: &Connection,
    sql: &'static str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql).map_err(unavailable)?;
    let rows = statement.query_map(params, read).map_err(unavailable)?;
    rows.collect::<rusqlite::Result<_>>().map_err(unavailable)
}

/// The value that a column holds: the outer error is SQLite's, the inner one the value's.
fn open<T: DeserializeOwned>(sealer: &Sealer, owner: Owner<'_>, row: &Row<'_>, column: usize) -> rusqlite::Result<Result<T>> {
    Ok(sealer.open(owner, row.get_ref(column)?.as_bytes()?))
}

/// The dead letter of a row that begins with its game.
fn letter(sealer: &Sealer, row: &Row<'_>) -> rusqlite::Result<Result<DeadLetter>> {
    let game = GameId::parse(row.get_ref(0)?.as_str()?).map_err(|_| StoreError::Corrupt("a dead letter's game has no name".to_owned()));
    let doc = row.get_ref(1)?.as_bytes()?;
    Ok(game.and_then(|game| sealer.open(Owner::letter(&game), doc)))
}
