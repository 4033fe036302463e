//! Pages as keys of one slot for each game: read, changed here, and written by one script if they are still what was read.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use questline_core::id::GameId;
use questline_core::port::StoreError;
use questline_core::time::UnixMs;

use super::RedisStore;
use super::script::Script;
use super::session::Session;
use super::value;
use crate::accounts::accounts_over_pages;
use crate::pages::{Change, PageWrite, Pages};
use crate::verifications::verifications_over_pages;

/// Changes of the same pages by other processes that are waited out.
const TRIES_MAX: usize = 64;

verifications_over_pages!(RedisStore);
accounts_over_pages!(RedisStore);

#[async_trait]
impl Pages for RedisStore {
    async fn read_pages(&self, game: &GameId, names: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let session = self.link.session()?;
        self.page_values(&session, &self.page_keys(game, &names)).await
    }

    async fn change_pages(&self, game: &GameId, names: Vec<String>, mut change: Change) -> Result<(), StoreError> {
        let keys = self.page_keys(game, &names);
        let turn = {
            let mut turns = self.page_turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(game.clone()).or_default())
        };
        let _turn = turn.lock().await;
        for _ in 0..TRIES_MAX {
            let session = self.link.session()?;
            let before = self.page_values(&session, &keys).await?;
            let after = change(&before)?;
            if self.write_pages(&session, &keys, &before, &after).await? {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("the same pages are changed by others all the time".to_owned()))
    }
}

impl RedisStore {
    fn page_keys(&self, game: &GameId, names: &[String]) -> Vec<String> {
        names.iter().map(|name| self.keys.page(game, name)).collect()
    }

    async fn page_values(&self, session: &Arc<Session>, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let mut command = redis::cmd("MGET");
        command.arg(keys);
        let answers = self.link.call(session, vec![command], None).await?;
        let [answer] = value::exactly(&answers)?;
        value::list(answer)?.iter().map(|value| Ok(value::optional_bytes(value)?.map(<[u8]>::to_vec))).collect()
    }

    async fn write_pages(
        &self,
        session: &Arc<Session>,
        keys: &[String],
        before: &[Option<Vec<u8>>],
        after: &[Option<PageWrite>],
    ) -> Result<bool, StoreError> {
        let now = self.memory.clock.now();
        let names: Vec<&str> = keys.iter().map(String::as_str).collect();
        let bytes =
            before.iter().flatten().map(Vec::len).sum::<usize>() + after.iter().flatten().map(|write| write.value.len()).sum::<usize>();
        let mut command = self.scripts.call(Script::Pages, &names, bytes);
        for (before, after) in before.iter().zip(after) {
            match before {
                Some(before) => command.arg("this").arg(before),
                None => command.arg("nothing").arg(""),
            };
            match after {
                Some(PageWrite { value, forget_at }) => command.arg(life_ms(*forget_at, now)).arg(value),
                None => command.arg("").arg(""),
            };
        }
        let answers = self.link.call(session, vec![command], None).await?;
        let [answer] = value::exactly(&answers)?;
        Ok(value::number(answer)? == 1)
    }
}

/// How long the server keeps a page: by its own clock from now on.
fn life_ms(forget_at: UnixMs, now: UnixMs) -> u64 {
    forget_at.since_ms(now).max(1)
}
