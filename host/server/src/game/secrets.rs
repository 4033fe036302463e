//! Which secrets a game may name. The operator's own folder may name any; an uploaded game.toml is a tenant's word, and
//! reaches what is set apart for its game, nothing else.

use std::path::{Path, PathBuf};

use questline_core::id::GameId;

use crate::config::{Secret, SecretError, SecretSource};

/// In front of the variables that hold uploaded games' secrets: `QUESTLINE_GAME_<GAME>_...`.
const PREFIX: &str = "QUESTLINE_GAME_";

/// Which secrets a game may name.
#[derive(Debug, Clone)]
pub enum SecretRule {
    /// Any: the operator wrote the file.
    Any,
    /// Those set apart for this game.
    Own {
        /// The game.
        game: GameId,
        /// All games of the host: what is set apart for one of them is nobody else's.
        games: Vec<GameId>,
        /// Folders with a folder of secret files for each game.
        dirs: Vec<PathBuf>,
    },
}

/// Why a secret is not read.
#[derive(Debug, thiserror::Error)]
pub enum SecretRefused {
    /// It is not set apart for the game.
    #[error("{0}")]
    NotAllowed(String),
    /// It is not there.
    #[error(transparent)]
    Unreadable(#[from] SecretError),
}

impl SecretRule {
    /// Reads a secret if the game may. `what` says what it is for.
    pub fn read(&self, source: &SecretSource, what: &str) -> Result<Secret, SecretRefused> {
        if let Self::Own { game, games, dirs } = self {
            match source {
                SecretSource::Env(name) => allow_variable(game, games, name, what)?,
                SecretSource::File(path) => allow_file(game, dirs, path, what)?,
            }
        }
        Ok(source.read(what)?)
    }
}

/// The variables of a game begin so: `QUESTLINE_GAME_STAR_FALL_` for `star-fall`.
pub fn variable_prefix(game: &GameId) -> String {
    format!("{PREFIX}{}_", game.as_str().to_ascii_uppercase().replace('-', "_"))
}

fn allow_variable(game: &GameId, games: &[GameId], name: &str, what: &str) -> Result<(), SecretRefused> {
    let own = variable_prefix(game);
    // `star` must not read what belongs to `star-fall`: the longest prefix says whose it is.
    let is_anothers = |other: &GameId| {
        let prefix = variable_prefix(other);
        other != game && prefix.len() > own.len() && name.starts_with(&prefix)
    };
    if name.starts_with(&own) && !games.iter().any(is_anothers) {
        return Ok(());
    }
    Err(SecretRefused::NotAllowed(format!(
        "{what} is to be in a variable that begins with {own}, not in {name}: an uploaded release reaches no other. Ask the operator to set it"
    )))
}

fn allow_file(game: &GameId, dirs: &[PathBuf], path: &Path, what: &str) -> Result<(), SecretRefused> {
    // Resolved, so that neither `..` nor a link leads out. What is not there is answered as what is not allowed: a tenant
    // must not find out which files exist.
    let is_inside = |dir: &PathBuf| {
        let dir = dir.join(game.as_str()).canonicalize();
        dir.is_ok_and(|dir| path.canonicalize().is_ok_and(|path| path.starts_with(dir)))
    };
    if dirs.iter().any(is_inside) {
        return Ok(());
    }
    Err(SecretRefused::NotAllowed(format!(
        "{what} cannot be read from that file: an uploaded release reaches only files in a folder {game}/ of operator.secret_dirs in questline.toml"
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn rule(game: &str, dirs: &[PathBuf]) -> SecretRule {
        let games = ["star", "star-fall"].map(|game| GameId::parse(game).unwrap()).to_vec();
        SecretRule::Own { game: GameId::parse(game).unwrap(), games, dirs: dirs.to_vec() }
    }

    fn is_refused(rule: &SecretRule, source: SecretSource) -> bool {
        matches!(rule.read(&source, "the secret"), Err(SecretRefused::NotAllowed(_)))
    }

    #[test]
    fn variables_are_a_games_own() {
        let is_refused = |game: &str, name: &str| is_refused(&rule(game, &[]), SecretSource::Env(name.to_owned()));
        for name in ["PATH", "QUESTLINE_ADMIN_TOKEN", "QUESTLINE_GAME_", "QUESTLINE_GAME_STARFALL_SECRET", "QUESTLINE_GAME_STAR_FALL_X"] {
            assert!(is_refused("star", name), "{name}");
        }
        assert!(!is_refused("star", "QUESTLINE_GAME_STAR_SECRET"));
        assert!(!is_refused("star-fall", "QUESTLINE_GAME_STAR_FALL_X"));
        assert!(is_refused("star-fall", "QUESTLINE_GAME_STAR_SECRET"));
        let any = SecretRule::Any.read(&SecretSource::Env("QUESTLINE_NOT_SET".to_owned()), "it");
        assert!(matches!(any, Err(SecretRefused::Unreadable(_))));
    }

    #[test]
    fn files_are_those_of_the_games_folder() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("secrets");
        for game in ["star", "other"] {
            std::fs::create_dir_all(dir.join(game)).unwrap();
            std::fs::write(dir.join(game).join("key"), "k").unwrap();
        }
        std::os::unix::fs::symlink(dir.join("other/key"), dir.join("star/link")).unwrap();
        let rule = rule("star", std::slice::from_ref(&dir));
        let file = |path: &str| SecretSource::File(dir.join(path));
        assert_eq!(rule.read(&file("star/key"), "it").unwrap().reveal(), "k");
        for path in ["other/key", "star/../other/key", "star/link", "star/missing", "/etc/hostname"] {
            assert!(is_refused(&rule, file(path)), "{path}");
        }
    }
}
