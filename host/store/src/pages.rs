//! Small values that are read and changed together, in one go, and forgotten at their time. What a change makes of them is
//! said by a function of the caller's, once for every engine: the embedded one runs it between the statements of its
//! writing transaction; Redis writes what it made in one script, if nothing changed in between, and asks again if so.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use questline_core::id::GameId;
use questline_core::port::StoreError;
use questline_core::time::UnixMs;

use crate::seal::{Draft, Index, Kind, Named, Owner, Sealer, key_of};

/// What becomes of a page.
#[derive(Debug, Clone)]
pub(crate) struct PageWrite {
    pub(crate) value: Vec<u8>,
    pub(crate) forget_at: UnixMs,
}

/// Makes of pages, in the order of their names, what is to be written; none leaves one as it is. It may be asked more than
/// once: the last answer counts.
pub(crate) type Change = Box<dyn FnMut(&[Option<Vec<u8>>]) -> Result<Vec<Option<PageWrite>>, StoreError> + Send>;

/// What an engine gives. Names of pages may tell of people.
#[async_trait]
pub(crate) trait Pages: Send + Sync {
    /// Reads pages of a game, none where one is forgotten, as of the last change that was answered.
    async fn read_pages(&self, game: &GameId, names: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// Changes pages of a game, all of them durably or none.
    async fn change_pages(&self, game: &GameId, names: Vec<String>, change: Change) -> Result<(), StoreError>;
}

/// Runs a change whose answer counts once it is written.
pub(crate) async fn change_with_answer<A: Send + 'static>(
    store: &dyn Pages,
    game: &GameId,
    names: Vec<String>,
    mut apply: impl FnMut(&[Option<Vec<u8>>]) -> Result<(A, Vec<Option<PageWrite>>), StoreError> + Send + 'static,
) -> Result<A, StoreError> {
    let answer = Arc::new(Mutex::new(None));
    let told = Arc::clone(&answer);
    let change: Change = Box::new(move |pages| {
        let (answer, writes) = apply(pages)?;
        *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        Ok(writes)
    });
    store.change_pages(game, names, change).await?;
    let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
    answer.ok_or_else(|| StoreError::Unavailable("the change was not made".to_owned()))
}

/// A page as it lies: under a digest of its name, which it holds itself, so that it can be given another key.
pub(crate) struct PageKey {
    /// `<game>/<name>`: where the page lay before names were digests.
    pub(crate) plain: String,
    game_len: usize,
    /// Where it lies, or is to lie.
    pub(crate) index: Index,
    /// Where it may lie under other keys.
    pub(crate) older: Vec<Index>,
}

impl PageKey {
    pub(crate) fn new(sealer: &Sealer, game: &GameId, name: &str) -> Self {
        let parts = [game.as_str(), name];
        let (index, older) = (sealer.index(Named::Page, &parts), sealer.older_indexes(Named::Page, &parts).collect());
        Self { plain: format!("{game}/{name}"), game_len: game.as_str().len(), index, older }
    }

    /// All of a game's with these names.
    pub(crate) fn all(sealer: &Sealer, game: &GameId, names: &[String]) -> Vec<Self> {
        names.iter().map(|name| Self::new(sealer, game, name)).collect()
    }

    /// The name within its game.
    pub(crate) fn name(&self) -> &str {
        self.plain.get(self.game_len + 1..).unwrap_or_default()
    }

    /// What lies under the first key's digest for this value.
    pub(crate) fn seal(&self, sealer: &Sealer, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        let name = self.plain.as_bytes();
        let len = u16::try_from(name.len()).map_err(|_| StoreError::Corrupt("a page's name is too long".to_owned()))?;
        sealer.seal(Owner::index(Kind::Page, self.index), Draft::bytes(&[&len.to_be_bytes(), name, value]))
    }
}

/// The value of a page that lay under a digest, or open.
pub(crate) fn open_page(sealer: &Sealer, index: Option<Index>, bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
    open_named_page(sealer, index, bytes).map(|(_, value)| value)
}

/// The same with its name, `<game>/<name>`; none where it lay open, under that name.
pub(crate) fn open_named_page(sealer: &Sealer, index: Option<Index>, bytes: &[u8]) -> Result<(Option<String>, Vec<u8>), StoreError> {
    let Some(index) = index else {
        let plain = key_of(bytes).is_none() && sealer.has_plain();
        let odd = || StoreError::Corrupt("a page cannot be read: it is not sealed".to_owned());
        return if plain { Ok((None, bytes.to_vec())) } else { Err(odd()) };
    };
    sealer.opened(Owner::index(Kind::Page, index), bytes, |text| {
        let parts = text.split_first_chunk::<2>().and_then(|(len, rest)| rest.split_at_checked(usize::from(u16::from_be_bytes(*len))));
        let (name, value) = parts.ok_or_else(|| StoreError::Corrupt("a page cannot be read: it has no name".to_owned()))?;
        Ok((Some(String::from_utf8_lossy(name).into_owned()), value.to_vec()))
    })
}
