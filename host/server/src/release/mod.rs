//! Releases: taken from studios and from the operator's folder, checked whole, kept by the store, and switched while
//! players are chatting.
//!
//! The store says which release of a game is active. A switch loads the release first, then moves the store's pointer in
//! one write, then swaps the game in memory: steps in hand end on the release they began on, and no event waits.

mod archive;
mod check;
pub mod compile;
mod held;
mod loaded;
mod refusal;
mod start;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use questline_core::id::{GameId, ReleaseDigest};
use questline_core::port::{Clock, Releases, StoreError};
use questline_core::release::{Origin, Release, Shelf, ShelfChange};
use questline_core::time::UnixMs;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::app::GameLoader;
use crate::config::Config;
use crate::game::{Bundle, Games, LoadedGame};
use crate::metrics::Metrics;

pub use archive::{ARCHIVE_BYTES_MAX, ArchiveError, pack, unpack};
pub use held::FailedMigration;
pub use refusal::Refusal;
pub use start::StartProblem;

use compile::Compiler;
use held::Held;
use loaded::Loaded;

/// Uploads in hand at once: each holds its files in memory.
const UPLOADS_MAX: usize = 2;
/// How often other nodes' switches are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// What releases need of the host.
pub struct Parts {
    /// Where they are kept.
    pub store: Arc<dyn Releases>,
    /// The games being played.
    pub games: Arc<Games>,
    /// Makes games playable.
    pub loader: GameLoader,
    /// What the operator set.
    pub config: Arc<Config>,
    /// For connectors.
    pub http: reqwest::Client,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Figures.
    pub metrics: Arc<Metrics>,
}

/// Takes, keeps and switches releases.
pub struct Releaser {
    parts: Parts,
    compiler: Compiler,
    uploads: Semaphore,
    /// Held by whoever switches a release: the pointer in the store and the game in memory change together.
    switching: tokio::sync::Mutex<()>,
    /// Held by whoever loads an old release, so that a crowd loads it once.
    loading: tokio::sync::Mutex<()>,
    loaded: Mutex<Loaded>,
    held: Mutex<HashMap<GameId, Held>>,
}

/// Why a release was not taken, switched or found.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The host has no such game.
    #[error("there is no game {0:?}")]
    NoGame(String),
    /// The game has no such release.
    #[error("{game} has no release {}: GET /v1/games/{game}/releases lists them", .digest.short())]
    NoRelease {
        /// Whose.
        game: GameId,
        /// Which.
        digest: ReleaseDigest,
    },
    /// There is nothing to go back to.
    #[error("{0} has no release that was active before this one: name one with --to")]
    NothingBefore(GameId),
    /// It is not taken.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Others are uploading.
    #[error("{UPLOADS_MAX} uploads are in hand: try again in a moment")]
    Busy,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All that is known of a game's releases.
pub struct Listing {
    /// The store's own.
    pub shelf: Shelf,
    /// Conversations that could not migrate, the newest last, and how many there were since the start.
    pub failed_migrations: (Vec<FailedMigration>, u64),
}

/// A place for an upload; given back when dropped.
pub struct UploadPlace<'a> {
    _permit: tokio::sync::SemaphorePermit<'a>,
}

impl Releaser {
    /// From its parts.
    pub fn new(parts: Parts) -> Self {
        let limits = &parts.config.limits;
        let compiler = Compiler {
            cache_dir: crate::app::compiled_dir(&parts.config),
            time_max: Duration::from_millis(limits.compile_ms_max.max(1)),
            memory_bytes_max: limits.compile_memory_bytes_max,
            component_bytes_max: limits.component_bytes_max,
        };
        Self {
            parts,
            compiler,
            uploads: Semaphore::new(UPLOADS_MAX),
            switching: tokio::sync::Mutex::new(()),
            loading: tokio::sync::Mutex::new(()),
            loaded: Mutex::default(),
            held: Mutex::default(),
        }
    }

    /// Whether the host has this game, loaded or not.
    pub fn knows(&self, game: &GameId) -> bool {
        self.parts.config.numbers.iter().any(|number| number.game == *game) || self.parts.games.get(game).is_some()
    }

    fn known(&self, game: &GameId) -> Result<(), ReleaseError> {
        if self.knows(game) { Ok(()) } else { Err(ReleaseError::NoGame(game.to_string())) }
    }

    fn now(&self) -> UnixMs {
        self.parts.clock.now()
    }

    fn loaded(&self) -> MutexGuard<'_, Loaded> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for an upload, to be had before its bytes are read.
    pub fn place(&self) -> Result<UploadPlace<'_>, ReleaseError> {
        self.uploads.try_acquire().map(|permit| UploadPlace { _permit: permit }).map_err(|_| ReleaseError::Busy)
    }

    /// A game's releases.
    pub async fn list(&self, game: &GameId) -> Result<Listing, ReleaseError> {
        self.known(game)?;
        Ok(Listing { shelf: self.parts.store.shelf(game).await?, failed_migrations: self.failed_migrations(game) })
    }

    /// Checks a release whole, and keeps it. False when it was there already.
    pub async fn upload(&self, game: &GameId, digest: &ReleaseDigest, archive: Bytes, by: &str) -> Result<bool, ReleaseError> {
        self.known(game)?;
        let shelf = self.parts.store.shelf(game).await?;
        if shelf.release(digest).is_some_and(|release| release.origin == Origin::Upload) {
            return Ok(false);
        }
        let loaded = self.check(game, digest, &archive).await?;
        let release = Release::new(*digest, Origin::Upload, by.to_owned(), self.now());
        let is_new = self.parts.store.put_release(game, release, &archive).await?;
        self.loaded().put(loaded);
        tracing::info!(game = %game, release = digest.short(), by, bytes = archive.len(), "a release was uploaded");
        Ok(is_new)
    }

    /// Has a release played from now on.
    pub async fn activate(&self, game: &GameId, digest: &ReleaseDigest, by: &str) -> Result<Shelf, ReleaseError> {
        self.known(game)?;
        let _switching = self.switching.lock().await;
        let change = ShelfChange::Activate { digest: *digest, at: self.now() };
        self.switch(game, digest, change, by).await
    }

    /// Goes back to a release that was played before: the one before this, or the one that is named.
    pub async fn roll_back(&self, game: &GameId, to: Option<ReleaseDigest>, by: &str) -> Result<Shelf, ReleaseError> {
        self.known(game)?;
        let _switching = self.switching.lock().await;
        let shelf = self.parts.store.shelf(game).await?;
        let digest = to.or_else(|| shelf.previous()).ok_or_else(|| ReleaseError::NothingBefore(game.clone()))?;
        let change = ShelfChange::RollBack { digest, at: self.now() };
        self.switch(game, &digest, change, by).await
    }

    async fn switch(&self, game: &GameId, digest: &ReleaseDigest, change: ShelfChange, by: &str) -> Result<Shelf, ReleaseError> {
        // Loaded first: what does not load does not become active.
        let loaded = self.load(game, digest).await?;
        let gone = || ReleaseError::NoRelease { game: game.clone(), digest: *digest };
        let shelf = self.parts.store.change_shelf(game, change).await?.ok_or_else(gone)?;
        self.play(loaded);
        tracing::info!(game = %game, release = digest.short(), by, "a release is active");
        Ok(shelf)
    }

    fn play(&self, game: Arc<LoadedGame>) {
        self.parts.metrics.release_switched(&game.rules.id);
        self.parts.games.put(game);
    }

    /// A release, ready to be played.
    async fn load(&self, game: &GameId, digest: &ReleaseDigest) -> Result<Arc<LoadedGame>, ReleaseError> {
        if let Some(found) = self.loaded().get(game, digest) {
            return Ok(found);
        }
        let _loading = self.loading.lock().await;
        if let Some(found) = self.loaded().get(game, digest) {
            return Ok(found);
        }
        let gone = || ReleaseError::NoRelease { game: game.clone(), digest: *digest };
        let shelf = self.parts.store.shelf(game).await?;
        let origin = shelf.release(digest).ok_or_else(gone)?.origin;
        let archive = self.parts.store.release_archive(game, digest).await?.ok_or_else(gone)?;
        let bundle = self.unpack(game, digest, archive.into()).await?;
        let loaded = self.make(bundle, origin).await?;
        self.loaded().put(loaded.clone());
        Ok(loaded)
    }

    async fn unpack(&self, game: &GameId, digest: &ReleaseDigest, archive: Bytes) -> Result<Bundle, Refusal> {
        let (id, wanted) = (game.clone(), *digest);
        let unpacked = tokio::task::spawn_blocking(move || {
            let bundle = unpack(id, &archive)?;
            if *bundle.digest() == wanted {
                return Ok(bundle);
            }
            let found = bundle.digest();
            Err(Refusal::new(
                "digest-mismatch",
                format!("the files have the digest {found}, and the address says {wanted}: send them again"),
            ))
        });
        unpacked.await.map_err(|problem| Refusal::new("host-failed", problem.to_string()))?
    }

    /// Follows what other nodes switch, until `stop`.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut failed: HashMap<GameId, ReleaseDigest> = HashMap::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let mut games: Vec<GameId> = self.parts.games.all().iter().map(|game| game.rules.id.clone()).collect();
            games.extend(self.parts.config.numbers.iter().map(|number| number.game.clone()));
            games.sort_unstable();
            games.dedup();
            for game in games {
                if let Err((digest, problem)) = self.catch_up(&game).await
                    && digest.is_none_or(|digest| failed.insert(game.clone(), digest) != Some(digest))
                {
                    tracing::error!(game = %game, %problem, "a release that another node activated is not played here");
                }
            }
        }
    }

    async fn catch_up(&self, game: &GameId) -> Result<(), (Option<ReleaseDigest>, ReleaseError)> {
        let _switching = self.switching.lock().await;
        let shelf = self.parts.store.shelf(game).await.map_err(|problem| (None, problem.into()))?;
        let Some(active) = shelf.active else { return Ok(()) };
        if self.parts.games.get(game).is_some_and(|game| game.release == active) {
            return Ok(());
        }
        let loaded = self.load(game, &active).await.map_err(|problem| (Some(active), problem))?;
        tracing::info!(game = %game, release = active.short(), "a release is active: another node switched it");
        self.play(loaded);
        Ok(())
    }
}
