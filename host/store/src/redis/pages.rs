//! Pages as keys of one slot for each game: read, changed here, and written by one script if they are still what was read.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use questline_core::id::GameId;
use questline_core::port::StoreError;
use questline_core::time::UnixMs;
use redis::Cmd;

use super::RedisStore;
use super::script::Script;
use super::session::Session;
use super::value;
use crate::accounts::accounts_over_pages;
use crate::pages::{Change, PageKey, PageWrite, Pages, open_page};
use crate::seal::Index;
use crate::uploads::uploads_over_pages;
use crate::verifications::verifications_over_pages;

/// Changes of the same pages by other processes that are waited out.
const TRIES_MAX: usize = 64;

verifications_over_pages!(RedisStore);
accounts_over_pages!(RedisStore);
uploads_over_pages!(RedisStore);

#[async_trait]
impl Pages for RedisStore {
    async fn read_pages(&self, game: &GameId, names: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let session = self.link.session()?;
        let pages = self.pages_of(game, &names);
        let found = self.page_values(&session, &pages).await?;
        pages.iter().zip(&found).map(|(page, found)| self.open_found(page, found)).collect()
    }

    async fn change_pages(&self, game: &GameId, names: Vec<String>, mut change: Change) -> Result<(), StoreError> {
        let pages = self.pages_of(game, &names);
        let _turn = self.page_turn(game).await;
        for _ in 0..TRIES_MAX {
            let session = self.link.session()?;
            let found = self.page_values(&session, &pages).await?;
            let before = pages.iter().zip(&found).map(|(page, found)| self.open_found(page, found)).collect::<Result<Vec<_>, _>>()?;
            let after = change(&before)?;
            if pages.is_empty() || self.write_pages(&session, &pages, &found, &after).await? {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("the same pages are changed by others all the time".to_owned()))
    }
}

/// A page, and the keys under which it may lie: where it is written first.
struct Page {
    key: PageKey,
    places: Vec<(String, Option<Index>)>,
}

/// What lies in each of a page's places.
type FoundPage = Vec<Option<Vec<u8>>>;

impl RedisStore {
    /// Waits until nobody else of this process changes the game's pages.
    pub(super) async fn page_turn(&self, game: &GameId) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.page_turns.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(game.clone()).or_default())
        };
        turn.lock_owned().await
    }

    fn pages_of(&self, game: &GameId, names: &[String]) -> Vec<Page> {
        let pages = PageKey::all(&self.sealer, game, names).into_iter().map(|key| {
            let indexes = std::iter::once(key.index).chain(key.older.iter().copied());
            let mut places: Vec<_> = indexes.map(|index| (self.keys.page(game, &index.to_hex()), Some(index))).collect();
            if self.sealer.has_plain() {
                places.push((self.keys.page(game, key.name()), None));
            }
            Page { key, places }
        });
        pages.collect()
    }

    async fn page_values(&self, session: &Arc<Session>, pages: &[Page]) -> Result<Vec<FoundPage>, StoreError> {
        if pages.is_empty() {
            // Redis takes no command without keys.
            return Ok(Vec::new());
        }
        let mut command = redis::cmd("MGET");
        for (place, _) in pages.iter().flat_map(|page| &page.places) {
            command.arg(place);
        }
        let answers = self.link.call(session, vec![command], None).await?;
        let [answer] = value::exactly(&answers)?;
        let mut values = value::list(answer)?.iter();
        let found = |page: &Page| {
            let values = values.by_ref().take(page.places.len());
            values.map(|value| Ok(value::optional_bytes(value)?.map(<[u8]>::to_vec))).collect()
        };
        pages.iter().map(found).collect()
    }

    /// What a page says, wherever it lies.
    fn open_found(&self, page: &Page, found: &FoundPage) -> Result<Option<Vec<u8>>, StoreError> {
        let found = page.places.iter().zip(found).find_map(|((_, index), value)| value.as_ref().map(|value| (*index, value)));
        found.map(|(index, value)| open_page(&self.sealer, index, value)).transpose()
    }

    async fn write_pages(
        &self,
        session: &Arc<Session>,
        pages: &[Page],
        found: &[FoundPage],
        after: &[Option<PageWrite>],
    ) -> Result<bool, StoreError> {
        let now = self.memory.clock.now();
        let names: Vec<&str> = pages.iter().flat_map(|page| &page.places).map(|(place, _)| place.as_str()).collect();
        let bytes = found.iter().flatten().flatten().map(Vec::len).sum::<usize>()
            + after.iter().flatten().map(|write| write.value.len() + 256).sum::<usize>();
        let mut command = self.scripts.call(Script::Pages, &names, bytes);
        for ((page, found), after) in pages.iter().zip(found).zip(after) {
            for (n, before) in found.iter().enumerate() {
                expect(&mut command, before.as_deref());
                match after {
                    Some(PageWrite { value, forget_at }) if n == 0 => {
                        command.arg(life_ms(*forget_at, now)).arg(page.key.seal(&self.sealer, value)?);
                    }
                    // It is written where it belongs.
                    Some(_) => {
                        command.arg("gone").arg("");
                    }
                    None => {
                        command.arg("").arg("");
                    }
                }
            }
        }
        let answers = self.link.call(session, vec![command], None).await?;
        let [answer] = value::exactly(&answers)?;
        Ok(value::number(answer)? == 1)
    }
}

/// Adds what has to lie there for the script to write.
pub(super) fn expect(command: &mut Cmd, before: Option<&[u8]>) {
    match before {
        Some(before) => command.arg("this").arg(before),
        None => command.arg("nothing").arg(""),
    };
}

/// How long the server keeps a page: by its own clock from now on.
fn life_ms(forget_at: UnixMs, now: UnixMs) -> u64 {
    forget_at.since_ms(now).max(1)
}
