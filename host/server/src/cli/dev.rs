//! `questline dev`: a host of its own, Meta beside it, and a page in the browser.

use std::path::{Path, PathBuf};

use clap::Parser;
use questline_core::id::GameId;
use questline_emulator as meta;
use tokio::signal::unix::{SignalKind, signal};

use super::sandbox::{self, Sandbox};
use super::{Failure, Outcome};
use crate::config::{LogConfig, LogFormat, Secret};
use crate::dev::{self, Options};
use crate::{game, telemetry};

/// Chat with a game in the browser, and see what the host does; what is saved is live at once.
///
/// Builds the game's flows, starts the host on a store of its own and an emulator of Meta, and serves a page on this
/// machine alone. There several players chat side by side, time is moved forward, game events are sent, and beside the
/// chat stands what the host did: steps, effects, sessions, tickets, timers, log lines, traps with file and line.
///
/// A file saved under plugins/ or in the game's folder is built and swapped in while the chat goes on. What does not build
/// or is not right changes nothing: the page and this terminal show why.
///
/// Nothing is kept: each start begins with new conversations. Players and backend are those of players.json, whatever
/// connectors game.toml names.
#[derive(Debug, Parser)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The game's folder. Without it: the only game below flows/.
    #[arg(value_name = "flows/<game>")]
    game: Option<PathBuf>,
    /// The page's port; when it is taken, the next free one.
    #[arg(long, default_value_t = 7777)]
    port: u16,
    /// Also show the host's own log lines of this level, for instance `info`.
    #[arg(long, default_value = "error")]
    log: String,
}

pub(super) async fn run(args: &Args) -> Outcome {
    telemetry::start(&LogConfig { format: LogFormat::Text, level: args.log.clone() }).map_err(Failure::new)?;
    let here = std::env::current_dir().map_err(Failure::new)?;
    let game_dir = match &args.game {
        Some(dir) => here.join(dir),
        None => only_game(&here)?,
    };
    let game_dir = game_dir.canonicalize().map_err(|problem| Failure::new(format!("{}: {problem}", game_dir.display())))?;
    if !game_dir.join("game.toml").is_file() {
        return Err(Failure::new(format!("{} has no game.toml: name a game's folder, for instance flows/starfall", game_dir.display())));
    }
    let name = game_dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let game = GameId::parse(&name).map_err(Failure::new)?;
    let workspace = workspace_of(&game_dir)?;

    let sandbox = Sandbox::new()?;
    let mut number = sandbox::number();
    number.verified_name = name;
    let meta_config = meta::Config::new(number);
    let emulator = meta::Emulator::start(meta_config.clone()).await.map_err(Failure::new)?;
    let mut config = sandbox.config(&emulator, &meta_config, &workspace)?;
    config.numbers.iter_mut().for_each(|number| number.game = game.clone());
    let operator = dev::token().map_err(|_| Failure::new("the system gives no random bytes"))?;
    config.admin.token = Some(sandbox.secret("operator-token", &operator)?);
    let operator = Secret::new(operator);
    // Whoever presses Ctrl-C waits: what is in hand matters to nobody.
    config.limits.drain_ms = 2_000;
    let options = Options { config, operator, emulator, webhook_path: sandbox::webhook_path(), workspace, game_dir, port: args.port };
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::new)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::new)?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    dev::run(options, stop).await.map_err(Failure::new)
}

/// The game below the nearest `flows/`, from here upwards, if there is one only.
fn only_game(here: &Path) -> Result<PathBuf, Failure> {
    let flows = here.ancestors().map(|dir| dir.join("flows")).find(|flows| flows.is_dir());
    let flows = flows.ok_or_else(|| Failure::new("there is no flows/ here: name the game's folder, for instance flows/starfall"))?;
    let games = game::folders(&flows).map_err(Failure::new)?;
    match games.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Failure::new(format!("{} has no game: a game is a folder with a game.toml", flows.display()))),
        several => {
            let names: Vec<String> =
                several.iter().filter_map(|dir| dir.file_name()).map(|name| format!("flows/{}", name.to_string_lossy())).collect();
            Err(Failure::new(format!("there are several games: say which, one of {}", names.join(", "))))
        }
    }
}

/// The workspace that the game's plugins are members of: the nearest folder above with `plugins/` and a Cargo.toml.
fn workspace_of(game_dir: &Path) -> Result<PathBuf, Failure> {
    let found = game_dir.ancestors().find(|dir| dir.join("plugins").is_dir() && dir.join("Cargo.toml").is_file());
    found.map(Path::to_owned).ok_or_else(|| {
        Failure::new(format!("no folder above {} has plugins/ and a Cargo.toml: flows are built in a workspace", game_dir.display()))
    })
}
