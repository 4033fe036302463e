//! Makes the game of the files as they are: builds the plugins that changed, checks everything, and swaps the game while
//! the chat goes on. What does not build or is not right changes nothing; the page tells why.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use questline_core::id::NumberId;
use questline_core::port::Services;
use questline_emulator::Emulator;
use questline_guest_build::{BuildError, Progress, Purpose, build_guests};
use serde_json::{Value, json};

use super::journal::Journal;
use super::look::NotedFlows;
use super::people::{PagePlayers, People};
use super::template;
use crate::app::{FlowsError, GameLoader};
use crate::connector::{Connections, SampleData};
use crate::game::{self, Bundle, GameError, LoadContext, LoadedGame, Studio};

/// Which plugins have to be built again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Rebuild {
    /// None: texts, rules or players changed.
    #[default]
    Nothing,
    /// These, if the game has them.
    Plugins(BTreeSet<String>),
    /// What all share changed.
    All,
}

impl Rebuild {
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, one) | (one, Self::Nothing) => one,
            (Self::Plugins(mut one), Self::Plugins(other)) => {
                one.extend(other);
                Self::Plugins(one)
            }
            _ => Self::All,
        }
    }

    fn names(&self, plugin: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Plugins(names) => names.contains(plugin),
            Self::All => true,
        }
    }
}

/// Why the files make no game.
#[derive(Debug)]
pub(super) struct Broken {
    /// In a line.
    pub(super) title: String,
    /// `file:line:column`, where it is known.
    pub(super) place: Option<String>,
    /// The tool's own words.
    pub(super) detail: String,
}

/// What it takes.
pub(super) struct Workshop {
    pub(super) workspace: PathBuf,
    pub(super) game_dir: PathBuf,
    pub(super) number: NumberId,
    pub(super) loader: GameLoader,
    pub(super) http: reqwest::Client,
    pub(super) emulator: Emulator,
    pub(super) people: Arc<People>,
    pub(super) journal: Arc<Journal>,
    /// Connections to the sample, with what they were made of: they are kept while that stays, and with them what
    /// players claimed.
    pub(super) sample: Mutex<Option<(Value, BTreeSet<String>, Connections)>>,
    /// Plugins that have not been built since the last failure.
    pub(super) owed: Mutex<Rebuild>,
}

impl Workshop {
    /// Builds what has to be, and loads the game. Says how long which part took.
    pub(super) async fn make(self: &Arc<Self>, rebuild: Rebuild, shown: bool) -> Result<(LoadedGame, Vec<String>, Duration), Broken> {
        let owed = std::mem::take(&mut *self.owed.lock().unwrap_or_else(PoisonError::into_inner)).and(rebuild);
        let begun = Instant::now();
        let made = self.try_make(&owed, shown).await;
        if made.is_err() {
            *self.owed.lock().unwrap_or_else(PoisonError::into_inner) = owed;
        }
        made.map(|(game, built)| (game, built, begun.elapsed()))
    }

    async fn try_make(self: &Arc<Self>, rebuild: &Rebuild, shown: bool) -> Result<(LoadedGame, Vec<String>), Broken> {
        let workshop = Arc::clone(self);
        let rebuild = rebuild.clone();
        // Compilers block.
        let made = tokio::task::spawn_blocking(move || workshop.build(&rebuild, shown)).await;
        let (bundle, built) = made.map_err(|problem| Broken::plain("the build broke off", problem.to_string()))??;
        let context = LoadContext { numbers: vec![self.number.clone()], ..LoadContext::to_try(Studio::Sample, &self.http) };
        let declared = game::declare(&bundle, &context).map_err(Broken::game)?;
        let plugins = declared.plugins.clone();
        let sample = game::sample(&bundle).map_err(Broken::game)?;
        let samples = sample.players.clone();
        let loaded = self.loader.load(declared, &bundle).await.map_err(Broken::flows)?;
        let services =
            self.services(sample, loaded.services.clone()).map_err(|problem| Broken::plain("players.json is not right", problem))?;
        loaded.rules.templates.values().for_each(|one| template::approve(&self.emulator, one));
        let flows = Arc::new(NotedFlows { flows: loaded.flows, people: self.people.clone() });
        let media = Arc::new(game::media::held(&bundle));
        let game = LoadedGame {
            services,
            flows,
            rules: loaded.rules,
            release: loaded.release,
            checked: Default::default(),
            tracked: Default::default(),
            media,
        };
        self.journal.game(describe(&game, &plugins, &bundle, &samples));
        Ok((game, built))
    }

    /// The plugins that the game names, built; and the game's files with them.
    fn build(&self, rebuild: &Rebuild, shown: bool) -> Result<(Bundle, Vec<String>), Broken> {
        let components = self.workspace.join("target/guests/components");
        let bundle =
            Bundle::read(&self.game_dir).map_err(|problem| Broken::plain("the game's folder cannot be read", problem.to_string()))?;
        let plugins = game::plugins(&bundle).map_err(|problem| Broken::plain("game.toml is not right", problem.to_string()))?;
        let wanted = plugins.iter().filter(|plugin| rebuild.names(plugin) || !components.join(format!("{plugin}.wasm")).is_file());
        let wanted: Vec<&str> = wanted.map(String::as_str).collect();
        if !wanted.is_empty() {
            let journal = &self.journal;
            let mut progress = |progress: Progress<'_>| {
                if shown {
                    eprintln!("  {progress}");
                }
                if !matches!(progress, Progress::Built { .. }) {
                    journal.build(json!({ "state": "building", "words": progress.to_string() }));
                }
            };
            build_guests(Purpose::Try, &self.workspace, &wanted, &self.workspace.join("target"), &mut progress).map_err(Broken::build)?;
        }
        let bundle = game::read_folder(&self.game_dir, &components).map_err(Broken::game)?;
        Ok((bundle, wanted.into_iter().map(str::to_owned).collect()))
    }

    /// Services over the sample's players and those of the page.
    fn services(&self, mut sample: SampleData, services: Services) -> Result<Services, String> {
        self.people.join_sample(&mut sample.players);
        let mut kept = self.sample.lock().unwrap_or_else(PoisonError::into_inner);
        let (players, backend) = match &*kept {
            Some((document, operations, connections)) if *document == sample.players && *operations == sample.operations => {
                connections.clone()
            }
            _ => {
                let connections = sample.connect().map_err(|problem| problem.to_string())?;
                *kept = Some((sample.players, sample.operations, connections.clone()));
                connections
            }
        };
        Ok(Services { players: Arc::new(PagePlayers { studio: players, people: self.people.clone() }), backend, ..services })
    }
}

/// What the page has to know of the game.
fn describe(
    game: &LoadedGame,
    plugins: &std::collections::BTreeMap<questline_core::id::FlowName, String>,
    bundle: &Bundle,
    samples: &Value,
) -> Value {
    let rules = &game.rules;
    let flows: Vec<Value> = (rules.flows.keys())
        .map(|name| {
            let description = game.flows.description(name);
            json!({ "name": name.as_str(), "plugin": plugins.get(name), "version": description.map(|of| of.version.clone()) })
        })
        .collect();
    let players = samples["players"].as_array().map_or(&[][..], Vec::as_slice);
    let known: Vec<Value> = players
        .iter()
        .filter(|player| player["phone"].is_string())
        .map(|player| {
            let phone = player["phone"].as_str().unwrap_or_default().trim_start_matches('+');
            json!({ "phone": phone, "id": player["id"], "name": player["name"], "tier": player["tier"], "locale": player["locale"] })
        })
        .collect();
    let each = |key: &str| players.iter().filter_map(|player| player[key].as_str()).map(str::to_owned).collect::<Vec<_>>();
    let mut tiers = Vec::new();
    for tier in each("tier") {
        if !tiers.contains(&tier) {
            tiers.push(tier);
        }
    }
    if tiers.is_empty() {
        tiers.push("standard".to_owned());
    }
    let mut locales: BTreeSet<String> = bundle.under("copy", "ftl").map(|(stem, ..)| stem.to_owned()).collect();
    locales.extend(each("locale"));
    let events: BTreeSet<&str> = rules.routes.iter().flat_map(|route| &route.game_events).map(String::as_str).collect();
    json!({
        "id": rules.id.as_str(), "name": rules.name, "locale": rules.locale, "release": game.release.short(), "flows": flows,
        "samples": known, "tiers": tiers, "locales": locales, "events": events,
    })
}

impl Broken {
    fn plain(title: &str, detail: String) -> Self {
        Self { title: title.to_owned(), place: None, detail }
    }

    fn build(problem: BuildError) -> Self {
        match problem {
            BuildError::Compile { package, output } => {
                let detail = without_noise(&output);
                Self { title: format!("{package} does not compile"), place: first_place(&detail), detail }
            }
            BuildError::NotAFlow { package, reason } => {
                Self { title: format!("{package} is not a flow"), place: None, detail: reason.to_string() }
            }
            other => Self::plain("the build failed", other.to_string()),
        }
    }

    fn game(problem: GameError) -> Self {
        Self::plain("the game is not right", problem.to_string())
    }

    fn flows(problem: FlowsError) -> Self {
        Self::plain("a flow is refused", problem.to_string())
    }

    /// For the page.
    pub(super) fn shown(&self, still_plays: bool) -> Value {
        json!({ "state": "broken", "title": self.title, "place": self.place, "detail": self.detail, "still_plays": still_plays })
    }
}

/// The compiler's words without cargo's, and without colours.
fn without_noise(output: &str) -> String {
    let plain = without_colours(output);
    let noise = [
        "   Compiling ",
        "    Blocking ",
        "    Finished ",
        "  Downloaded ",
        " Downloading ",
        "     Locking ",
        "    Updating ",
        "warning: build failed",
    ];
    let lines: Vec<&str> = plain.lines().filter(|line| !noise.iter().any(|start| line.starts_with(start))).collect();
    lines.join("\n").trim().to_owned()
}

/// Without escape sequences (ECMA-48 CSI): the page shows text as it is.
fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\u{1b}' {
            plain.push(c);
        } else if rest.next() == Some('[') {
            // Parameters, then one final byte.
            let _ = rest.by_ref().find(|c| ('\u{40}'..='\u{7e}').contains(c));
        }
    }
    plain
}

/// `file:line:column` of the first error.
fn first_place(output: &str) -> Option<String> {
    let from = output.find("error").unwrap_or(0);
    output[from..].lines().find_map(|line| line.trim_start().strip_prefix("--> ")).map(|place| place.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compilers_own_words_and_the_place_of_the_first_error() {
        let output = "   Compiling dice v0.1.0 (/x)\n\u{1b}[1m\u{1b}[33mwarning\u{1b}[0m: unused\n  --> plugins/dice/src/lib.rs:1:5\n\
                      error[E0425]: cannot find value `pips`\n  --> plugins/dice/src/lib.rs:27:9\n   |\n27 |     pips\n";
        let plain = without_noise(output);
        assert!(plain.starts_with("warning: unused"), "{plain}");
        assert_eq!(first_place(&plain).as_deref(), Some("plugins/dice/src/lib.rs:27:9"));
    }

    #[test]
    fn what_was_not_built_is_owed() {
        let one = |name: &str| Rebuild::Plugins([name.to_owned()].into());
        assert_eq!(Rebuild::Nothing.and(one("a")), one("a"));
        assert_eq!(one("a").and(one("b")), Rebuild::Plugins(["a".to_owned(), "b".to_owned()].into()));
        assert_eq!(one("a").and(Rebuild::All), Rebuild::All);
        assert!(one("a").names("a") && !one("a").names("b"));
    }
}
