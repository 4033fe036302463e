//! What changes seldom, the same over every engine: releases, tokens and what is known of templates, as named documents that are swapped whole.
//!
//! An engine gives two things: reading a document, and writing one if it is still what it was. All rules are here.
//!
//! | document | holds |
//! | --- | --- |
//! | `shelf/<game>` | the game's releases and which one is active, JSON |
//! | `release/<game>/<digest>/<n>` | a piece of a release's archive, so that no single write is long |
//! | `tokens` | tokens of studios, JSON |
//! | `templates/<account>` | what is known of a business account's templates at Meta, JSON |

use async_trait::async_trait;
use questline_core::id::{GameId, ReleaseDigest};
use questline_core::port::StoreError;
use questline_core::release::{Release, Shelf, ShelfChange};
use questline_core::template::at_meta::{Book, BookChange};
use questline_core::time::{DAY_MS, UnixMs};
use questline_core::token::StudioToken;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{decode, encode};

/// Bytes of a piece of an archive: other writes go between two of them.
const PIECE_BYTES: usize = 256 << 10;
/// Changes of one document at the same time that are waited out.
const TRIES_MAX: usize = 64;
/// Tokens of all studios.
const TOKENS_MAX: usize = 1_000;
/// How long a token that opens nothing any more is still listed.
const TOKEN_LISTED_MS: u64 = 30 * DAY_MS;

/// What a document has to be for a write to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Whatever it is.
    Anything,
    /// Not there.
    Nothing,
    /// Exactly this.
    This(Vec<u8>),
}

/// A write of one document.
#[derive(Debug)]
pub(crate) struct DocumentWrite {
    pub(crate) name: String,
    pub(crate) expected: Expected,
    /// None removes it.
    pub(crate) value: Option<Vec<u8>>,
}

/// What an engine gives.
#[async_trait]
pub(crate) trait Documents: Send + Sync {
    /// The document of this name.
    async fn read_document(&self, name: String) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes it durably. False when it was something else than expected.
    async fn write_document(&self, write: DocumentWrite) -> Result<bool, StoreError>;
}

fn shelf_name(game: &GameId) -> String {
    format!("shelf/{game}")
}

fn piece_name(game: &GameId, digest: &ReleaseDigest, piece: usize) -> String {
    format!("release/{game}/{digest}/{piece}")
}

pub(crate) async fn read<T: DeserializeOwned + Default>(
    store: &dyn Documents,
    what: &'static str,
    name: &str,
) -> Result<(T, Option<Vec<u8>>), StoreError> {
    let before = store.read_document(name.to_owned()).await?;
    let value = before.as_deref().map(|json| decode(what, json)).transpose()?.unwrap_or_default();
    Ok((value, before))
}

/// Changes a document, again from the start if somebody else changed it meanwhile. `change` says what to answer and whether
/// there is anything to write.
pub(crate) async fn change<T: DeserializeOwned + Default + Serialize + Send, A: Send>(
    store: &dyn Documents,
    what: &'static str,
    name: &str,
    mut change: impl FnMut(&mut T) -> Result<(A, bool), StoreError> + Send,
) -> Result<(T, A), StoreError> {
    for _ in 0..TRIES_MAX {
        let (mut value, before) = read::<T>(store, what, name).await?;
        let (answer, is_changed) = change(&mut value)?;
        if !is_changed {
            return Ok((value, answer));
        }
        let after = encode(what, &value)?.into_bytes();
        let write = DocumentWrite { name: name.to_owned(), expected: before.map_or(Expected::Nothing, Expected::This), value: Some(after) };
        if store.write_document(write).await? {
            return Ok((value, answer));
        }
    }
    Err(StoreError::Unavailable(format!("{what} is changed by others all the time")))
}

pub(crate) async fn shelf(store: &dyn Documents, game: &GameId) -> Result<Shelf, StoreError> {
    read(store, "a game's releases", &shelf_name(game)).await.map(|(shelf, _)| shelf)
}

pub(crate) async fn put_release(
    store: &dyn Documents,
    game: &GameId,
    mut release: Release,
    archive: &[u8],
    now: UnixMs,
) -> Result<bool, StoreError> {
    release.bytes = archive.len() as u64;
    if shelf(store, game).await?.release(&release.digest).is_none() {
        // First the pieces: what stands on the shelf is whole.
        for (piece, bytes) in archive.chunks(PIECE_BYTES).enumerate() {
            let name = piece_name(game, &release.digest, piece);
            store.write_document(DocumentWrite { name, expected: Expected::Anything, value: Some(bytes.to_vec()) }).await?;
        }
    }
    let put = |shelf: &mut Shelf| {
        let before = shelf.clone();
        let is_new = shelf.put(release.clone());
        let forgotten = shelf.forget(now);
        Ok(((is_new, forgotten), *shelf != before))
    };
    let (_, (is_new, forgotten)) = change(store, "a game's releases", &shelf_name(game), put).await?;
    for release in forgotten {
        for piece in 0..pieces(&release) {
            let name = piece_name(game, &release.digest, piece);
            store.write_document(DocumentWrite { name, expected: Expected::Anything, value: None }).await?;
        }
    }
    Ok(is_new)
}

fn pieces(release: &Release) -> usize {
    usize::try_from(release.bytes).unwrap_or(usize::MAX).div_ceil(PIECE_BYTES)
}

pub(crate) async fn release_archive(store: &dyn Documents, game: &GameId, digest: &ReleaseDigest) -> Result<Option<Vec<u8>>, StoreError> {
    let shelf = shelf(store, game).await?;
    let Some(release) = shelf.release(digest) else { return Ok(None) };
    let mut archive = Vec::new();
    for piece in 0..pieces(release) {
        let bytes = store.read_document(piece_name(game, digest, piece)).await?;
        archive.extend(bytes.ok_or_else(|| StoreError::Corrupt(format!("release {} of {game} is not whole", digest.short())))?);
    }
    if archive.len() as u64 != release.bytes {
        return Err(StoreError::Corrupt(format!("release {} of {game} is not whole", digest.short())));
    }
    Ok(Some(archive))
}

pub(crate) async fn change_shelf(store: &dyn Documents, game: &GameId, wanted: ShelfChange) -> Result<Option<Shelf>, StoreError> {
    let apply = |shelf: &mut Shelf| {
        let before = shelf.clone();
        let is_found = shelf.apply(&wanted);
        Ok((is_found, *shelf != before))
    };
    let (shelf, is_found) = change(store, "a game's releases", &shelf_name(game), apply).await?;
    Ok(is_found.then_some(shelf))
}

const TOKENS: &str = "tokens";

pub(crate) async fn tokens(store: &dyn Documents) -> Result<Vec<StudioToken>, StoreError> {
    read(store, "tokens of studios", TOKENS).await.map(|(tokens, _)| tokens)
}

pub(crate) async fn add_token(store: &dyn Documents, token: StudioToken, now: UnixMs) -> Result<(), StoreError> {
    let add = |tokens: &mut Vec<StudioToken>| {
        tokens.retain(|token| now.since_ms(token.revoked_at.unwrap_or(token.expires_at)) < TOKEN_LISTED_MS);
        if tokens.len() >= TOKENS_MAX {
            return Err(StoreError::Unavailable(format!("there are {TOKENS_MAX} tokens, and there cannot be more: revoke some")));
        }
        tokens.push(token.clone());
        Ok(((), true))
    };
    change(store, "tokens of studios", TOKENS, add).await.map(|_| ())
}

pub(crate) async fn revoke_token(store: &dyn Documents, id: &str, at: UnixMs) -> Result<bool, StoreError> {
    let revoke = |tokens: &mut Vec<StudioToken>| {
        let Some(token) = tokens.iter_mut().find(|token| token.id == id) else { return Ok((false, false)) };
        let is_changed = token.revoked_at.is_none();
        token.revoked_at.get_or_insert(at);
        Ok((true, is_changed))
    };
    change(store, "tokens of studios", TOKENS, revoke).await.map(|(_, is_found)| is_found)
}

fn book_name(account: &str) -> String {
    format!("templates/{account}")
}

pub(crate) async fn template_book(store: &dyn Documents, account: &str) -> Result<Book, StoreError> {
    read(store, "what is known of templates", &book_name(account)).await.map(|(book, _)| book)
}

pub(crate) async fn change_template_book(store: &dyn Documents, account: &str, wanted: BookChange) -> Result<Book, StoreError> {
    let apply = |book: &mut Book| {
        let before = book.clone();
        book.apply(&wanted);
        Ok(((), *book != before))
    };
    change(store, "what is known of templates", &book_name(account), apply).await.map(|(book, ())| book)
}

/// The ports over an engine's documents.
macro_rules! over_documents {
    ($store:ty, $now:expr) => {
        #[async_trait::async_trait]
        impl questline_core::port::Releases for $store {
            async fn put_release(
                &self,
                game: &questline_core::id::GameId,
                release: questline_core::release::Release,
                archive: &[u8],
            ) -> Result<bool, questline_core::port::StoreError> {
                $crate::documents::put_release(self, game, release, archive, ($now)(self)).await
            }

            async fn release_archive(
                &self,
                game: &questline_core::id::GameId,
                digest: &questline_core::id::ReleaseDigest,
            ) -> Result<Option<Vec<u8>>, questline_core::port::StoreError> {
                $crate::documents::release_archive(self, game, digest).await
            }

            async fn shelf(
                &self,
                game: &questline_core::id::GameId,
            ) -> Result<questline_core::release::Shelf, questline_core::port::StoreError> {
                $crate::documents::shelf(self, game).await
            }

            async fn change_shelf(
                &self,
                game: &questline_core::id::GameId,
                change: questline_core::release::ShelfChange,
            ) -> Result<Option<questline_core::release::Shelf>, questline_core::port::StoreError> {
                $crate::documents::change_shelf(self, game, change).await
            }
        }

        #[async_trait::async_trait]
        impl questline_core::port::Templates for $store {
            async fn template_book(
                &self,
                account: &str,
            ) -> Result<questline_core::template::at_meta::Book, questline_core::port::StoreError> {
                $crate::documents::template_book(self, account).await
            }

            async fn change_template_book(
                &self,
                account: &str,
                change: questline_core::template::at_meta::BookChange,
            ) -> Result<questline_core::template::at_meta::Book, questline_core::port::StoreError> {
                $crate::documents::change_template_book(self, account, change).await
            }
        }

        #[async_trait::async_trait]
        impl questline_core::port::Tokens for $store {
            async fn tokens(&self) -> Result<Vec<questline_core::token::StudioToken>, questline_core::port::StoreError> {
                $crate::documents::tokens(self).await
            }

            async fn add_token(&self, token: questline_core::token::StudioToken) -> Result<(), questline_core::port::StoreError> {
                $crate::documents::add_token(self, token, ($now)(self)).await
            }

            async fn revoke_token(&self, id: &str, at: questline_core::time::UnixMs) -> Result<bool, questline_core::port::StoreError> {
                $crate::documents::revoke_token(self, id, at).await
            }
        }
    };
}

pub(crate) use over_documents;
