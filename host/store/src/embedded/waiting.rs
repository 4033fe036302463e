//! How much waits in the outbox, lane by lane, and what is parked.

use std::collections::BTreeMap;

use questline_core::id::{ConversationId, NumberId, OutboxRef, OutboxSeq};
use questline_core::lane::Lane;
use questline_core::outbox::NewMessage;
use questline_core::port::{LaneWaiting, ParkedMessage, StoreError};
use questline_core::send::ParkReason;
use questline_core::time::UnixMs;
use rusqlite::{Connection, OptionalExtension};

use super::sealing::blob;
use super::unavailable;
use crate::seal::{Kind, Owner, Sealer};

/// The lanes of these numbers, by the numbers of their rows.
fn lanes(connection: &Connection, numbers: &[NumberId]) -> rusqlite::Result<BTreeMap<i64, Lane>> {
    let mut statement = connection.prepare_cached("SELECT id, name FROM lane")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    let mut lanes = BTreeMap::new();
    for row in rows {
        let (id, name) = row?;
        lanes.extend(Lane::parse(&name).filter(|lane| numbers.contains(&lane.number)).map(|lane| (id, lane)));
    }
    Ok(lanes)
}

/// What waits in the lanes of these numbers.
pub(super) fn waiting(connection: &Connection, sealer: &Sealer, numbers: &[NumberId]) -> Result<Vec<LaneWaiting>, StoreError> {
    let lanes = lanes(connection, numbers).map_err(unavailable)?;
    let mut parked: BTreeMap<i64, Vec<(ParkReason, u64)>> = BTreeMap::new();
    for (lane, reason, count) in parked_counts(connection).map_err(unavailable)? {
        parked.entry(lane).or_default().push((reason, count));
    }
    let mut waiting = Vec::with_capacity(lanes.len());
    for (id, lane) in lanes {
        let (queued, first) = queued(connection, id).map_err(unavailable)?;
        let oldest = first.and_then(|(conversation, content)| {
            let message = sealer.open::<NewMessage>(Owner::number(Kind::Message, conversation), &content);
            message.ok().map(|message| message.committed_at)
        });
        waiting.push(LaneWaiting { lane, queued, oldest, parked: parked.remove(&id).unwrap_or_default() });
    }
    waiting.sort_by(|one, other| one.lane.cmp(&other.lane));
    Ok(waiting)
}

/// A message as it lies: its conversation and its content.
type First = (u64, Vec<u8>);

/// How many wait in a lane, and the first of them.
fn queued(connection: &Connection, lane: i64) -> rusqlite::Result<(u64, Option<First>)> {
    let count = "SELECT count(*) FROM message WHERE lane = ?1 AND place IS NOT NULL AND park_ms IS NULL";
    let count = connection.prepare_cached(count)?.query_row([lane], |row| row.get(0))?;
    let first = "SELECT conversation, content FROM message
        WHERE lane = ?1 AND place IS NOT NULL AND park_ms IS NULL ORDER BY place LIMIT 1";
    let first = connection.prepare_cached(first)?.query_row([lane], |row| Ok((row.get(0)?, blob(row, 1)?))).optional()?;
    Ok((count, first))
}

fn parked_counts(connection: &Connection) -> rusqlite::Result<Vec<(i64, ParkReason, u64)>> {
    let sql = "SELECT lane, park_reason, count(*) FROM message WHERE park_ms IS NOT NULL GROUP BY lane, park_reason";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, u64>(2)?)))?;
    let mut counts = Vec::new();
    for row in rows {
        let (lane, reason, count) = row?;
        counts.extend(ParkReason::parse(&reason).map(|reason| (lane, reason, count)));
    }
    counts.sort_unstable();
    Ok(counts)
}

/// The parked messages of these numbers that are due first.
pub(super) fn parked(
    connection: &Connection,
    sealer: &Sealer,
    numbers: &[NumberId],
    limit: usize,
) -> Result<Vec<ParkedMessage>, StoreError> {
    let lanes = lanes(connection, numbers).map_err(unavailable)?;
    let sql = "SELECT seq, conversation, park_ms, park_reason, lane, content FROM message WHERE park_ms IS NOT NULL ORDER BY park_ms, seq";
    let mut statement = connection.prepare_cached(sql).map_err(unavailable)?;
    let mut rows = statement.query([]).map_err(unavailable)?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next().map_err(unavailable)?
    {
        let lane = row.get::<_, Option<i64>>(4).map_err(unavailable)?;
        if lane.is_none_or(|lane| !lanes.contains_key(&lane)) {
            continue;
        }
        let conversation = ConversationId(row.get(1).map_err(unavailable)?);
        let id = OutboxRef { conversation, seq: OutboxSeq(row.get(0).map_err(unavailable)?) };
        let (until, reason) = (UnixMs(row.get(2).map_err(unavailable)?), row.get::<_, String>(3).map_err(unavailable)?);
        let content = blob(row, 5).map_err(unavailable)?;
        if let (Ok(message), Some(reason)) =
            (sealer.open(Owner::number(Kind::Message, conversation.0), &content), ParkReason::parse(&reason))
        {
            found.push(ParkedMessage::new(id, &message, reason, until));
        }
    }
    Ok(found)
}
