//! Releases that are in memory: those that somebody still plays, and the few that were used last.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use questline_core::id::{GameId, ReleaseDigest};

use crate::game::LoadedGame;

/// Releases that stay although nobody plays them: going back and forth costs nothing.
const KEPT_MAX: usize = 8;

/// Loaded releases.
#[derive(Default)]
pub(super) struct Loaded {
    all: HashMap<(GameId, ReleaseDigest), Weak<LoadedGame>>,
    /// Last used last.
    kept: Vec<Arc<LoadedGame>>,
}

impl Loaded {
    /// The release, if it is in memory.
    pub(super) fn get(&mut self, game: &GameId, digest: &ReleaseDigest) -> Option<Arc<LoadedGame>> {
        let found = self.all.get(&(game.clone(), *digest))?.upgrade()?;
        self.keep(found.clone());
        Some(found)
    }

    /// Remembers a release; the one that was there under its name is forgotten.
    pub(super) fn put(&mut self, game: Arc<LoadedGame>) {
        self.all.retain(|_, known| known.strong_count() > 0);
        self.kept.retain(|known| known.release != game.release || known.rules.id != game.rules.id);
        self.all.insert((game.rules.id.clone(), game.release), Arc::downgrade(&game));
        self.keep(game);
    }

    fn keep(&mut self, game: Arc<LoadedGame>) {
        self.kept.retain(|known| !Arc::ptr_eq(known, &game));
        self.kept.push(game);
        if self.kept.len() > KEPT_MAX {
            self.kept.remove(0);
        }
    }
}
