//! Games: a folder under `flows/` becomes rules, texts and connections to the studio.

mod bundle;
mod consent;
mod copy;
mod file;
mod links;
pub(crate) mod media;
mod replies;
mod secrets;
mod security;
mod sending;
mod template;
mod two_factor;
mod verification;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use questline_core::capability::Grants;
use questline_core::game::Game;
use questline_core::id::{FlowName, GameId, NumberId, ReleaseDigest};
use questline_core::media::ContentDigest;
use questline_core::port::{Flows, Services};
use questline_core::template::Template;

pub use bundle::{Bundle, BundleError};
pub(crate) use consent::is_name;
pub use copy::CopyError;
pub use secrets::{SecretRefused, SecretRule, variable_prefix};

use crate::clicks::{TrackedButtons, buttons_of};
use crate::connector::{ConnectorError, SampleData};

/// What declares a game.
const GAME_TOML: &str = "game.toml";

/// A game as its files declare it: all but the code of its flows.
pub struct DeclaredGame {
    /// Its rules.
    pub rules: Game,
    /// What its flows reach.
    pub services: Services,
    /// Which component each flow is: `components/<plugin>.wasm`.
    pub plugins: BTreeMap<FlowName, String>,
}

/// A game, ready to be played. Whoever handles an event holds on to one of these until it is done, so that rules, texts and
/// code of a step are always of the same release.
pub struct LoadedGame {
    /// Its rules.
    pub rules: Game,
    /// What its flows reach.
    pub services: Services,
    /// The files that it was made of.
    pub release: ReleaseDigest,
    /// Its flows.
    pub flows: Arc<dyn Flows>,
    /// The same with checks of whose account it is counted, made when it is first needed.
    pub(crate) checked: OnceLock<Services>,
    /// Its buttons whose clicks are counted, looked for when they are first needed.
    pub(crate) tracked: OnceLock<TrackedButtons>,
    /// Files that it sends, where no store holds its release.
    pub(crate) media: Arc<BTreeMap<ContentDigest, Bytes>>,
}

impl LoadedGame {
    /// The same game with other connections to the studio.
    pub fn with_services(&self, services: Services) -> Self {
        let (rules, flows, media) = (self.rules.clone(), Arc::clone(&self.flows), Arc::clone(&self.media));
        Self { rules, services, release: self.release, flows, checked: OnceLock::new(), tracked: OnceLock::new(), media }
    }

    /// Its buttons whose clicks are counted.
    pub(crate) fn tracked(&self) -> &TrackedButtons {
        self.tracked.get_or_init(|| buttons_of(&self.rules))
    }
}

/// The games being played, by id and by number. A game is replaced in one pointer swap.
#[derive(Default)]
pub struct Games {
    by_id: ArcSwap<HashMap<GameId, Arc<LoadedGame>>>,
    by_number: HashMap<NumberId, GameId>,
    /// Held by whoever changes the map; readers never wait for it.
    change: Mutex<()>,
}

impl Games {
    /// From games, and which of them talks from which number.
    pub fn new(games: Vec<LoadedGame>, by_number: HashMap<NumberId, GameId>) -> Self {
        let by_id = games.into_iter().map(|game| (game.rules.id.clone(), Arc::new(game))).collect();
        Self { by_id: ArcSwap::from_pointee(by_id), by_number, change: Mutex::new(()) }
    }

    /// The game of this id.
    pub fn get(&self, id: &GameId) -> Option<Arc<LoadedGame>> {
        self.by_id.load().get(id).cloned()
    }

    /// Makes this the release that is played from now on; steps in hand end on the one that was there.
    pub fn put(&self, game: impl Into<Arc<LoadedGame>>) {
        let game = game.into();
        let _change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let mut by_id = HashMap::clone(&self.by_id.load());
        by_id.insert(game.rules.id.clone(), game);
        self.by_id.store(Arc::new(by_id));
    }

    /// The game that talks from a number.
    pub fn of_number(&self, number: &NumberId) -> Option<&GameId> {
        self.by_number.get(number)
    }

    /// The numbers that a game talks from, as the host is set up.
    pub fn numbers_of(&self, game: &GameId) -> impl Iterator<Item = &NumberId> {
        self.by_number.iter().filter(move |(_, of)| *of == game).map(|(number, _)| number)
    }

    /// All numbers that games talk from.
    pub fn numbers(&self) -> impl Iterator<Item = &NumberId> {
        self.by_number.keys()
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<LoadedGame>> {
        self.by_id.load().values().cloned().collect()
    }
}

/// Whose players and backend a game's flows reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Studio {
    /// What game.toml says.
    Real,
    /// The sample players and backend, whatever game.toml says: no network, no secrets.
    Sample,
}

/// What loading a game needs to know of the host.
pub struct LoadContext<'a> {
    /// The numbers that the game talks from.
    pub numbers: Vec<NumberId>,
    /// What the operator grants.
    pub operator_grants: Grants,
    /// Hosts that connectors may call.
    pub connector_hosts: &'a [String],
    /// Which secrets it may name.
    pub secrets: SecretRule,
    /// Whose systems those are.
    pub studio: Studio,
    /// For connectors.
    pub http: &'a reqwest::Client,
}

impl<'a> LoadContext<'a> {
    /// For a game that is tried out on this machine: everything is granted, no host may be called, and it talks from no number.
    pub fn to_try(studio: Studio, http: &'a reqwest::Client) -> Self {
        Self { numbers: Vec::new(), operator_grants: Grants::all(), connector_hosts: &[], secrets: SecretRule::Any, studio, http }
    }
}

/// Why a game cannot be played.
#[derive(Debug, thiserror::Error)]
#[error("game {game}: {file}: {problem}")]
pub struct GameError {
    game: String,
    file: String,
    problem: Box<GameProblem>,
}

impl GameError {
    /// In which file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What.
    pub fn problem(&self) -> &GameProblem {
        &self.problem
    }
}

/// What is wrong in a game's folder.
#[derive(Debug, thiserror::Error)]
pub enum GameProblem {
    /// A file that has to be there.
    #[error("it is missing")]
    Missing,
    /// The files together.
    #[error("{0}")]
    Bundle(#[from] BundleError),
    /// Bytes that are no text.
    #[error("it is not UTF-8: {0}")]
    NotText(#[from] std::str::Utf8Error),
    /// TOML, or a key.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A rule.
    #[error("{0}")]
    Rule(String),
    /// A template that game.toml names.
    #[error("{0}")]
    TemplateMissing(String),
    /// A text that game.toml names.
    #[error("{0}")]
    TextMissing(String),
    /// A file that cannot be sent.
    #[error("{0}")]
    Media(String),
    /// A host that files may not come from.
    #[error("media.hosts names {0}, which the operator has not allowed: add it to operator.connector_hosts in questline.toml")]
    MediaHost(String),
    /// Texts.
    #[error("{0}")]
    Copy(#[from] CopyError),
    /// Connections to the studio.
    #[error("{0}")]
    Connector(#[from] ConnectorError),
}

/// The game that these files declare.
pub fn declare(bundle: &Bundle, context: &LoadContext<'_>) -> Result<DeclaredGame, GameError> {
    let wrong = |file: &str| {
        let (game, file) = (bundle.game().to_string(), file.to_owned());
        move |problem: GameProblem| GameError { game, file, problem: Box::new(problem) }
    };
    let parsed: file::GameFile = game_toml(bundle).map_err(wrong(GAME_TOML))?;
    let templates = template::load(bundle).map_err(|(file, problem)| wrong(&file)(problem))?;
    let media = media::load(bundle).map_err(|(file, problem)| wrong(&file)(problem))?;
    let copy = copy::CopyBook::load(bundle, &parsed.locale).map_err(|problem| wrong("copy")(problem.into()))?;
    parsed.into_game(bundle, templates, media, copy, context).map_err(wrong(GAME_TOML))
}

/// What stands in for a game's studio in transcripts.
pub fn sample(bundle: &Bundle) -> Result<SampleData, GameError> {
    let wrong = |problem| GameError { game: bundle.game().to_string(), file: GAME_TOML.to_owned(), problem: Box::new(problem) };
    let file: file::GameFile = game_toml(bundle).map_err(wrong)?;
    file.sample(bundle).map_err(|problem| wrong(problem.into()))
}

/// The game in a folder, with the components that it names from a folder of components.
pub fn read_folder(dir: &Path, components_dir: &Path) -> Result<Bundle, GameError> {
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let wrong = |file: &str, problem: GameProblem| GameError { game: name.clone(), file: file.to_owned(), problem: Box::new(problem) };
    let bundle = Bundle::read(dir).map_err(|problem| wrong("folder", problem.into()))?;
    let plugins = plugins(&bundle).map_err(|problem| wrong(GAME_TOML, problem))?;
    let hint = |problem: BundleError| match &problem {
        BundleError::Read { path, .. } => {
            let plugin = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            GameProblem::Rule(format!("{problem}. `questline flow build {plugin}` makes it"))
        }
        _ => problem.into(),
    };
    bundle.with_components(&plugins, components_dir).map_err(|problem| wrong("components", hint(problem)))
}

/// The plugins that game.toml names.
pub fn plugins(bundle: &Bundle) -> Result<BTreeSet<String>, GameProblem> {
    Ok(game_toml::<file::GameFile>(bundle)?.plugins())
}

fn game_toml<T: serde::de::DeserializeOwned>(bundle: &Bundle) -> Result<T, GameProblem> {
    Ok(toml::from_str(text(bundle.file(GAME_TOML).ok_or(GameProblem::Missing)?)?)?)
}

fn text(content: &[u8]) -> Result<&str, GameProblem> {
    Ok(std::str::from_utf8(content)?)
}

/// The templates that the game in `dir` declares.
pub fn templates(dir: &Path) -> Result<Vec<Template>, GameError> {
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let wrong = |file: &str, problem: GameProblem| GameError { game: name.clone(), file: file.to_owned(), problem: Box::new(problem) };
    let bundle = Bundle::read(dir).map_err(|problem| wrong("folder", problem.into()))?;
    let templates = template::load(&bundle).map_err(|(file, problem)| wrong(&file, problem))?;
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
