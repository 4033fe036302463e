//! Named documents: read on the reading connection, swapped by the writer among all else that it writes.

use async_trait::async_trait;
use questline_core::port::StoreError;
use rusqlite::OptionalExtension;

use super::op::{Answer, Op};
use super::writer::{Failure, Writer};
use super::{EmbeddedStore, unavailable};
use crate::documents::{DocumentWrite, Documents, Expected, over_documents};
use crate::seal::{Draft, Owner};
use crate::sending::sending_over_documents;

#[async_trait]
impl Documents for EmbeddedStore {
    async fn read_document(&self, name: String) -> Result<Option<Vec<u8>>, StoreError> {
        let sealer = self.shared.sealer.clone();
        let sealed = self.read({
            let name = name.clone();
            move |connection| {
                let mut statement = connection.prepare_cached("SELECT value FROM document WHERE name = ?1").map_err(unavailable)?;
                statement.query_row([name], |row| row.get::<_, Vec<u8>>(0)).optional().map_err(unavailable)
            }
        });
        let sealed = sealed.await?;
        sealed.map(|sealed| sealer.opened(Owner::document(&name), &sealed, |value| Ok(value.to_vec()))).transpose()
    }

    async fn write_document(&self, write: DocumentWrite) -> Result<bool, StoreError> {
        let DocumentWrite { name, expected, value } = write;
        let seal = |value: Vec<u8>| self.shared.sealer.seal(Owner::document(&name), Draft::bytes(&[&value]));
        let value = value.map(seal).transpose()?;
        match self.ask(Op::WriteDocument(Box::new(DocumentWrite { name, expected, value }))).await? {
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
            let is_this = |expected: &Vec<u8>, found: &Vec<u8>| {
                let same = self.shared.sealer.opened(Owner::document(name), found, |value| Ok(value == expected.as_slice()));
                same.map_err(Failure::Refused)
            };
            let is_expected = match (expected, &found) {
                (Expected::This(expected), Some(found)) => is_this(expected, found)?,
                (Expected::This(_), None) => false,
                (_, found) => found.is_none(),
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
sending_over_documents!(EmbeddedStore);
