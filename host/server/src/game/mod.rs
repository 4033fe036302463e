//! Games: a folder under `flows/` becomes rules, texts and connections to the studio.

mod copy;
mod file;
mod template;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use questline_core::capability::Grants;
use questline_core::game::Game;
use questline_core::id::{FlowName, GameId, NumberId};
use questline_core::port::Services;
use questline_core::template::Template;

pub use copy::CopyError;

use crate::connector::ConnectorError;

/// A game, ready to be played.
pub struct LoadedGame {
    /// Its rules.
    pub rules: Game,
    /// What its flows reach.
    pub services: Services,
    /// Which component each flow is, by file name without `.wasm`.
    pub plugins: HashMap<FlowName, String>,
}

/// All games, by id and by number.
#[derive(Default)]
pub struct Games {
    by_id: HashMap<GameId, Arc<LoadedGame>>,
    by_number: HashMap<NumberId, GameId>,
}

impl Games {
    /// From games and the numbers they talk from.
    pub fn new(games: Vec<LoadedGame>) -> Self {
        let by_number =
            games.iter().flat_map(|game| game.rules.numbers.iter().map(|number| (number.clone(), game.rules.id.clone()))).collect();
        let by_id = games.into_iter().map(|game| (game.rules.id.clone(), Arc::new(game))).collect();
        Self { by_id, by_number }
    }

    /// The game of this id.
    pub fn get(&self, id: &GameId) -> Option<&Arc<LoadedGame>> {
        self.by_id.get(id)
    }

    /// The game that talks from a number.
    pub fn of_number(&self, number: &NumberId) -> Option<&GameId> {
        self.by_number.get(number)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<LoadedGame>> {
        self.by_id.values()
    }
}

/// What loading a game needs to know of the host.
pub struct LoadContext<'a> {
    /// The numbers that the game talks from.
    pub numbers: Vec<NumberId>,
    /// What the operator grants.
    pub operator_grants: Grants,
    /// Hosts that connectors may call.
    pub connector_hosts: &'a [String],
    /// For connectors.
    pub http: &'a reqwest::Client,
}

/// Why a game cannot be played.
#[derive(Debug, thiserror::Error)]
#[error("game {game}: {file}: {problem}")]
pub struct GameError {
    game: String,
    file: PathBuf,
    problem: Box<GameProblem>,
}

/// What is wrong in a game's folder.
#[derive(Debug, thiserror::Error)]
pub enum GameProblem {
    /// A file.
    #[error("cannot read it: {0}")]
    Read(#[from] std::io::Error),
    /// TOML, or a key.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A rule.
    #[error("{0}")]
    Rule(String),
    /// Texts.
    #[error("{0}")]
    Copy(#[from] CopyError),
    /// Connections to the studio.
    #[error("{0}")]
    Connector(#[from] ConnectorError),
}

/// Loads the game in `dir`; the folder's name is its id.
pub fn load(dir: &Path, context: &LoadContext<'_>) -> Result<LoadedGame, GameError> {
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let wrong = |file: PathBuf| {
        let game = name.clone();
        move |problem: GameProblem| GameError { game, file, problem: Box::new(problem) }
    };
    let file = dir.join("game.toml");
    let id = GameId::parse(&name).map_err(|problem| wrong(dir.to_owned())(GameProblem::Rule(problem.to_string())))?;
    let parsed = std::fs::read_to_string(&file)
        .map_err(GameProblem::from)
        .and_then(|text| Ok(toml::from_str::<file::GameFile>(&text)?))
        .map_err(wrong(file.clone()))?;
    let templates = template::load(&dir.join("templates")).map_err(|(file, problem)| wrong(file)(problem))?;
    let copy = copy::CopyBook::load(&dir.join("copy"), &parsed.locale).map_err(|problem| wrong(dir.join("copy"))(problem.into()))?;
    parsed.into_game(id, dir, templates, copy, context).map_err(wrong(file))
}

/// The templates that the game in `dir` declares.
pub fn templates(dir: &Path) -> Result<Vec<Template>, GameError> {
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let templates =
        template::load(&dir.join("templates")).map_err(|(file, problem)| GameError { game: name, file, problem: Box::new(problem) })?;
    Ok(templates.into_values().collect())
}

/// The folders of games under `games_dir`, sorted.
pub fn folders(games_dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(games_dir)? {
        let path = entry?.path();
        if path.join("game.toml").is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
