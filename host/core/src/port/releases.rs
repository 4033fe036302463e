//! The store's side of releases and of studios' tokens. Both change seldom and are small, but for the archives.

use async_trait::async_trait;

use super::StoreError;
use crate::id::{GameId, ReleaseDigest};
use crate::release::{Release, Shelf, ShelfChange};
use crate::time::UnixMs;
use crate::token::StudioToken;

/// Releases of games.
#[async_trait]
pub trait Releases: Send + Sync {
    /// Keeps a release with its archive, durably; `release.bytes` is set from the archive. False when it is known. What
    /// need not be kept any more is forgotten.
    async fn put_release(&self, game: &GameId, release: Release, archive: &[u8]) -> Result<bool, StoreError>;

    /// The files of a release; none when it is not kept.
    async fn release_archive(&self, game: &GameId, digest: &ReleaseDigest) -> Result<Option<Vec<u8>>, StoreError>;

    /// All releases of a game, and which one is active. Empty for a game that has none.
    async fn shelf(&self, game: &GameId) -> Result<Shelf, StoreError>;

    /// Changes a shelf in one atomic write; gives the shelf after it. None when the release is not there.
    async fn change_shelf(&self, game: &GameId, change: ShelfChange) -> Result<Option<Shelf>, StoreError>;
}

/// Tokens of studios.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// All of them, the oldest first.
    async fn tokens(&self) -> Result<Vec<StudioToken>, StoreError>;

    /// Adds one. Those that have opened nothing for 30 days are forgotten.
    async fn add_token(&self, token: StudioToken) -> Result<(), StoreError>;

    /// Closes one for ever. False when there is none of this id.
    async fn revoke_token(&self, id: &str, at: UnixMs) -> Result<bool, StoreError>;
}
