//! Pages in a table of their own: changed within the writer's transaction, read on the reading connection.

use async_trait::async_trait;
use questline_core::id::GameId;
use questline_core::port::StoreError;
use rusqlite::{Connection, OptionalExtension, ToSql};

use super::op::{Answer, Op};
use super::sealing::broken;
use super::writer::{Failure, Writer};
use super::{EmbeddedStore, unavailable};
use crate::accounts::accounts_over_pages;
use crate::pages::{Change, PageKey, Pages, open_page};
use crate::seal::{Index, Sealer};
use crate::uploads::uploads_over_pages;
use crate::verifications::verifications_over_pages;

verifications_over_pages!(EmbeddedStore);
accounts_over_pages!(EmbeddedStore);
uploads_over_pages!(EmbeddedStore);

#[async_trait]
impl Pages for EmbeddedStore {
    async fn read_pages(&self, game: &GameId, names: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let keys = PageKey::all(&self.shared.sealer, game, &names);
        let sealer = self.shared.sealer.clone();
        self.read(move |connection| keys.iter().map(|key| page(connection, &sealer, key)).collect()).await
    }

    async fn change_pages(&self, game: &GameId, names: Vec<String>, change: Change) -> Result<(), StoreError> {
        let keys = PageKey::all(&self.shared.sealer, game, &names);
        self.ask(Op::ChangePages { keys, change }).await.map(drop)
    }
}

/// A page's value, wherever it lies.
fn page(connection: &Connection, sealer: &Sealer, key: &PageKey) -> Result<Option<Vec<u8>>, StoreError> {
    let find = |name: &dyn ToSql, index: Option<Index>| -> Result<Option<Vec<u8>>, StoreError> {
        let mut statement = connection.prepare_cached("SELECT value FROM page WHERE name = ?1").map_err(unavailable)?;
        let found = statement.query_row([name], |row| Ok(open_page(sealer, index, row.get_ref(0)?.as_bytes()?)));
        found.optional().map_err(unavailable)?.transpose()
    };
    for index in std::iter::once(key.index).chain(key.older.iter().copied()) {
        if let Some(found) = find(index.as_bytes(), Some(index))? {
            return Ok(Some(found));
        }
    }
    if sealer.has_plain() { find(&key.plain, None) } else { Ok(None) }
}

impl Writer {
    pub(super) fn change_pages(&mut self, keys: &[PageKey], change: &mut Change) -> Result<Answer, Failure> {
        let sealer = &self.shared.sealer;
        let before = keys.iter().map(|key| page(&self.connection, sealer, key)).collect::<Result<Vec<_>, _>>();
        let after = change(&before.map_err(Failure::Refused)?).map_err(Failure::Refused)?;
        for (key, write) in keys.iter().zip(after) {
            let Some(write) = write else { continue };
            let sql = "INSERT INTO page(name, forget_ms, value) VALUES (?1, ?2, ?3)
                ON CONFLICT(name) DO UPDATE SET forget_ms = excluded.forget_ms, value = excluded.value";
            let value = key.seal(sealer, &write.value).map_err(broken)?;
            self.execute(sql, (key.index.as_bytes(), write.forget_at.0, value))?;
            let forget = "DELETE FROM page WHERE name = ?1";
            for older in &key.older {
                self.execute(forget, [older.as_bytes()])?;
            }
            if sealer.has_plain() {
                self.execute(forget, [&key.plain])?;
            }
        }
        Ok(Answer::Done)
    }
}
