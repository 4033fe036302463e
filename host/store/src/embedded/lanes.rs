//! Lanes of the outbox: their rows, and putting into them what an older version left in the outbox.

use questline_core::lane::Lane;
use questline_core::outbox::NewMessage;
use rusqlite::{Connection, OptionalExtension};

use super::OpenError;
use super::sealing::blob;
use super::writer::Writer;
use crate::seal::{Kind, Owner, Sealer};

/// Messages in the outbox: both parts are in an index of their own.
pub(super) const COUNT: &str = "SELECT (SELECT count(*) FROM message WHERE place IS NOT NULL AND park_ms IS NULL)
    + (SELECT count(*) FROM message WHERE park_ms IS NOT NULL)";

/// Messages that are put into their lanes in one transaction.
const CHUNK: i64 = 4_096;

/// All lanes that there are.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Lane>> {
    let mut statement = connection.prepare("SELECT name FROM lane")?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut lanes = Vec::new();
    for name in names {
        lanes.extend(Lane::parse(&name?));
    }
    Ok(lanes)
}

fn id_of(connection: &Connection, lane: &Lane) -> rusqlite::Result<i64> {
    let name = lane.to_string();
    let find = "SELECT id FROM lane WHERE name = ?1";
    if let Some(id) = connection.prepare_cached(find)?.query_row([&name], |row| row.get(0)).optional()? {
        return Ok(id);
    }
    connection.prepare_cached("INSERT INTO lane(name) VALUES (?1)")?.execute([&name])?;
    Ok(connection.last_insert_rowid())
}

impl Writer {
    /// The lane of a message, by the number of its row.
    pub(super) fn lane_of(&mut self, message: &NewMessage) -> rusqlite::Result<i64> {
        let lane = Lane::of(message);
        if let Some(id) = self.lanes.get(&lane) {
            return Ok(*id);
        }
        let id = id_of(&self.connection, &lane)?;
        self.lanes.insert(lane, id);
        Ok(id)
    }
}

/// Puts what an older version left in the outbox into its lanes, in the order in which it was queued. What cannot be read
/// is left where it is.
pub(super) fn take_over(connection: &mut Connection, sealer: &Sealer) -> Result<(), OpenError> {
    let mut after = 0u64;
    loop {
        let transaction = connection.transaction()?;
        let sql = "SELECT seq, conversation, place, content FROM message
            WHERE lane IS NULL AND place > ?1 AND park_ms IS NULL ORDER BY place LIMIT ?2";
        let mut statement = transaction.prepare_cached(sql)?;
        let rows = statement
            .query_map((after, CHUNK), |row| Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?, row.get::<_, u64>(2)?, blob(row, 3)?)))?;
        let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        drop(statement);
        let count = rows.len() as i64;
        for (seq, conversation, place, content) in rows {
            after = place;
            match sealer.open::<NewMessage>(Owner::number(Kind::Message, conversation), &content) {
                Ok(message) => {
                    let lane = id_of(&transaction, &Lane::of(&message))?;
                    transaction.prepare_cached("UPDATE message SET lane = ?2 WHERE seq = ?1")?.execute((seq, lane))?;
                }
                Err(error) => tracing::error!(%error, seq, "a message in the outbox is left where it is"),
            }
        }
        transaction.commit()?;
        if count < CHUNK {
            return Ok(());
        }
    }
}
