//! Named documents: read on the reading connection, swapped by the writer among all else that it writes.

use async_trait::async_trait;
use questline_core::port::StoreError;
use rusqlite::OptionalExtension;

use super::op::{Answer, Op};
use super::writer::{Failure, Writer};
use super::{EmbeddedStore, unavailable};
use crate::documents::{DocumentWrite, Documents, Expected, over_documents};

#[async_trait]
impl Documents for EmbeddedStore {
    async fn read_document(&self, name: String) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(move |connection| {
            let mut statement = connection.prepare_cached("SELECT value FROM document WHERE name = ?1").map_err(unavailable)?;
            statement.query_row([name], |row| row.get(0)).optional().map_err(unavailable)
        })
        .await
    }

    async fn write_document(&self, write: DocumentWrite) -> Result<bool, StoreError> {
        match self.ask(Op::WriteDocument(Box::new(write))).await? {
            Answer::Found(is_written) => Ok(is_written),
            _ => Err(StoreError::Unavailable("the store's writer is out of step".into())),
        }
    }
}

over_documents!(EmbeddedStore, |store: &EmbeddedStore| store.shared.clock.now());

impl Writer {
    pub(super) fn write_document(&mut self, write: &DocumentWrite) -> Result<Answer, Failure> {
        let DocumentWrite { name, expected, value } = write;
        if *expected != Expected::Anything {
            let found = self.row("SELECT value FROM document WHERE name = ?1", [name], |row| row.get::<_, Vec<u8>>(0))?;
            let is_expected = match expected {
                Expected::This(expected) => found.as_ref() == Some(expected),
                _ => found.is_none(),
            };
            if !is_expected {
                return Ok(Answer::Found(false));
            }
        }
        match value {
            Some(value) => {
                let sql = "INSERT INTO document(name, value) VALUES (?1, ?2) ON CONFLICT(name) DO UPDATE SET value = excluded.value";
                self.execute(sql, (name, value))?;
            }
            None => {
                self.execute("DELETE FROM document WHERE name = ?1", [name])?;
            }
        }
        Ok(Answer::Found(true))
    }
}
