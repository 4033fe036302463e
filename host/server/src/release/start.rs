//! What is played after a start: the store's active release; and the operator's folder, where it holds something new and
//! nobody has uploaded since.

use questline_core::id::GameId;
use questline_core::release::{Origin, Release, ShelfChange};

use super::{Refusal, ReleaseError, Releaser, pack};
use crate::game::{self, Bundle, GameError};

/// Why a start ends.
#[derive(Debug, thiserror::Error)]
pub enum StartProblem {
    /// The folder of games.
    #[error("cannot read the folder of games {path}: {problem}")]
    GamesDir {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        problem: std::io::Error,
    },
    /// A game's folder.
    #[error(transparent)]
    Game(#[from] GameError),
    /// What a game's folder holds.
    #[error("game {game}: {refusal}")]
    Refused {
        /// Whose.
        game: GameId,
        /// Why.
        refusal: Refusal,
    },
    /// The store.
    #[error("the store does not give the releases of {game}: {problem}")]
    Store {
        /// Whose.
        game: GameId,
        /// Why.
        problem: ReleaseError,
    },
}

/// Who brings what a folder holds.
const BY_HOST: &str = "host";

impl Releaser {
    /// Loads every game: what its folder holds, or what was uploaded. A game whose upload does not load any more, or that has
    /// no release at all, is said loudly: its events wait, and the others are played.
    pub async fn start(&self) -> Result<(), StartProblem> {
        let games_dir = &self.parts.config.games_dir;
        let folders = match game::folders(games_dir) {
            Ok(folders) => folders,
            // A host that takes its games from uploads alone needs none.
            Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(problem) => return Err(StartProblem::GamesDir { path: games_dir.clone(), problem }),
        };
        let mut games: Vec<GameId> = self.parts.config.numbers.iter().map(|number| number.game.clone()).collect();
        for dir in folders {
            let read = game::read_folder(&dir, &self.parts.config.components_dir);
            let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let Ok(game) = GameId::parse(&name) else {
                read?;
                continue;
            };
            self.start_folder(&game, read).await?;
            games.push(game);
        }
        games.sort_unstable();
        games.dedup();
        for game in games {
            self.start_game(&game).await?;
        }
        Ok(())
    }

    /// Keeps what the folder holds, and makes it the active release where that is the folder's to say.
    async fn start_folder(&self, game: &GameId, read: Result<Bundle, GameError>) -> Result<(), StartProblem> {
        let of_store = |problem: ReleaseError| StartProblem::Store { game: game.clone(), problem };
        let store = &self.parts.store;
        let shelf = store.shelf(game).await.map_err(|problem| of_store(problem.into()))?;
        let is_uploaded = shelf.active().is_some_and(|active| active.origin == Origin::Upload);
        let bundle = match read {
            Ok(bundle) => bundle,
            Err(problem) if is_uploaded => {
                tracing::warn!(%problem, "a game's folder is not right; what was uploaded is played");
                return Ok(());
            }
            Err(problem) => return Err(problem.into()),
        };
        let digest = *bundle.digest();
        if shelf.folder == Some(digest) && shelf.active.is_some() {
            return Ok(());
        }
        if is_uploaded {
            tracing::warn!(game = %game, release = digest.short(), "the game's folder holds something new; what was uploaded is played");
        } else {
            let checked = super::check::check_media(&bundle).await;
            checked.map_err(|refusal| StartProblem::Refused { game: game.clone(), refusal })?;
            let loaded = self.make(bundle.clone(), Origin::Folder).await;
            let loaded = loaded.map_err(|refusal| StartProblem::Refused { game: game.clone(), refusal })?;
            self.loaded().put(loaded);
        }
        let archive = pack(&bundle).map_err(|problem| of_store(Refusal::new("host-failed", problem.to_string()).into()))?;
        let release = Release::new(digest, Origin::Folder, BY_HOST.to_owned(), self.now());
        store.put_release(game, release, &archive).await.map_err(|problem| of_store(problem.into()))?;
        if !is_uploaded {
            let change = ShelfChange::Activate { digest, at: self.now() };
            store.change_shelf(game, change).await.map_err(|problem| of_store(problem.into()))?;
        }
        let change = ShelfChange::Folder { digest };
        store.change_shelf(game, change).await.map_err(|problem| of_store(problem.into()))?;
        Ok(())
    }

    async fn start_game(&self, game: &GameId) -> Result<(), StartProblem> {
        let of_store = |problem: ReleaseError| StartProblem::Store { game: game.clone(), problem };
        let shelf = self.parts.store.shelf(game).await.map_err(|problem| of_store(problem.into()))?;
        let Some(active) = shelf.active() else {
            tracing::warn!(
                game = %game,
                "a number is of this game, and it has no release: its events wait. Upload one with `questline deploy`, or put its folder into {}",
                self.parts.config.games_dir.display()
            );
            return Ok(());
        };
        match self.load(game, &active.digest).await {
            Ok(loaded) => {
                tracing::info!(game = %game, release = active.digest.short(), origin = active.origin.as_str(), "a game is played");
                self.parts.games.put(loaded);
                Ok(())
            }
            Err(ReleaseError::Store(problem)) => Err(of_store(problem.into())),
            Err(ReleaseError::Refused(refusal)) if active.origin == Origin::Folder && shelf.folder == Some(active.digest) => {
                Err(StartProblem::Refused { game: game.clone(), refusal })
            }
            Err(problem) => {
                tracing::error!(game = %game, release = active.digest.short(), %problem, "a game's active release does not load: its events wait");
                Ok(())
            }
        }
    }
}
