//! Pages in a table of their own: changed within the writer's transaction, read on the reading connection.

use async_trait::async_trait;
use questline_core::id::GameId;
use questline_core::port::StoreError;
use rusqlite::OptionalExtension;

use super::op::{Answer, Op};
use super::writer::{Failure, Writer};
use super::{EmbeddedStore, unavailable};
use crate::accounts::accounts_over_pages;
use crate::pages::{Change, Pages};
use crate::verifications::verifications_over_pages;

fn of(game: &GameId, names: Vec<String>) -> Vec<String> {
    names.into_iter().map(|name| format!("{game}/{name}")).collect()
}

verifications_over_pages!(EmbeddedStore);
accounts_over_pages!(EmbeddedStore);

#[async_trait]
impl Pages for EmbeddedStore {
    async fn read_pages(&self, game: &GameId, names: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let names = of(game, names);
        self.read(move |connection| {
            let mut statement = connection.prepare_cached("SELECT value FROM page WHERE name = ?1").map_err(unavailable)?;
            let page = |name: &String| statement.query_row([name], |row| row.get(0)).optional().map_err(unavailable);
            names.iter().map(page).collect()
        })
        .await
    }

    async fn change_pages(&self, game: &GameId, names: Vec<String>, change: Change) -> Result<(), StoreError> {
        self.ask(Op::ChangePages { names: of(game, names), change }).await.map(drop)
    }
}

impl Writer {
    pub(super) fn change_pages(&mut self, names: &[String], change: &mut Change) -> Result<Answer, Failure> {
        let page = |name: &String| self.row("SELECT value FROM page WHERE name = ?1", [name], |row| row.get::<_, Vec<u8>>(0));
        let before = names.iter().map(page).collect::<Result<Vec<_>, _>>()?;
        let after = change(&before).map_err(Failure::Refused)?;
        for (name, write) in names.iter().zip(after) {
            if let Some(write) = write {
                let sql = "INSERT INTO page(name, forget_ms, value) VALUES (?1, ?2, ?3)
                    ON CONFLICT(name) DO UPDATE SET forget_ms = excluded.forget_ms, value = excluded.value";
                self.execute(sql, (name, write.forget_at.0, write.value))?;
            }
        }
        Ok(Answer::Done)
    }
}
