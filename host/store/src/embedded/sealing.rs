//! Keys and rows: which keys the data needs, and rewriting what lies under older ones.

use std::path::Path;

use questline_core::port::StoreError;
use rusqlite::{Connection, Row};

use super::OpenError;
use crate::seal::{MissingKeys, PLAIN, Sealer, StoreKeys};

/// Set when rows were rewritten: free pages may still hold what they were.
pub(super) const STALE_PAGES: &str = "stale_pages";

/// Bytes of a column, whether they are marked as such or, from before anything was sealed, as text.
pub(super) fn blob(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<u8>> {
    Ok(row.get_ref(column)?.as_bytes()?.to_vec())
}

/// Something of ours went wrong where something may be half written.
pub(super) fn broken(error: StoreError) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

/// What seals in this directory. The key that it seals with is listed, durably, before anything is sealed.
pub(super) fn sealer(connection: &Connection, dir: &Path, operators: Option<StoreKeys>) -> Result<Sealer, OpenError> {
    let listed = {
        let mut statement = connection.prepare("SELECT id FROM store_key ORDER BY id")?;
        let listed = statement.query_map([], |row| row.get::<_, String>(0))?;
        listed.collect::<rusqlite::Result<Vec<_>>>()?
    };
    let unusable = |error| OpenError::Directory { dir: dir.to_owned(), error };
    let keys = match StoreKeys::of_directory(dir, operators).map_err(unusable)? {
        Some(keys) => keys,
        None if listed.iter().all(|name| name == PLAIN) => StoreKeys::make(dir).map_err(unusable)?,
        None => return Err(MissingKeys { keys: listed.into_iter().filter(|name| name != PLAIN).collect() }.into()),
    };
    let sealer = Sealer::new(keys, listed.iter().map(String::as_str))?;
    connection.execute("INSERT OR IGNORE INTO store_key(id) VALUES (?1)", [sealer.first_id().to_string()])?;
    Ok(sealer)
}

/// Writes the file anew if rows were rewritten since: what they were is in none of its pages then. It is no harm if that
/// does not work now: the next start does it.
pub(super) fn write_anew(connection: &Connection) {
    let is_due = connection.query_row("SELECT 1 FROM meta WHERE key = ?1", [STALE_PAGES], |_| Ok(())).is_ok();
    if !is_due {
        return;
    }
    let begun = std::time::Instant::now();
    let done = connection.execute_batch("VACUUM").and_then(|()| {
        connection.execute("DELETE FROM meta WHERE key = ?1", [STALE_PAGES])?;
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    });
    match done {
        Ok(()) => tracing::info!(
            ms = begun.elapsed().as_millis() as u64,
            "the database was written anew: nothing of rewritten rows is left in it"
        ),
        Err(error) => tracing::warn!(%error, "the database was not written anew: its free pages may hold what rewritten rows were"),
    }
}
