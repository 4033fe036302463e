//! Small values that are read and changed together, in one go, and forgotten at their time. What a change makes of them is
//! said by a function of the caller's, once for every engine: the embedded one runs it between the statements of its
//! writing transaction; Redis writes what it made in one script, if nothing changed in between, and asks again if so.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use questline_core::id::GameId;
use questline_core::port::StoreError;
use questline_core::time::UnixMs;

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
