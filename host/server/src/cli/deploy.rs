//! `questline deploy`: from a game's folder to a release that is played: built, packed, uploaded, checked, activated.

use std::path::{Path, PathBuf};

use clap::Parser;
use questline_core::id::ReleaseDigest;
use serde::Deserialize;

use super::client::Remote;
use super::{Failure, Outcome, flow};
use crate::config::Config;
use crate::game::{self, Bundle};
use crate::release::pack;

/// Arguments.
#[derive(Debug, Parser)]
pub(super) struct Args {
    /// The game's folder, for instance flows/starfall.
    game: PathBuf,
    /// Upload and check it, and leave what is active.
    #[arg(long)]
    no_activate: bool,
    /// Where components are that have no sources under plugins/; `components/` of the game's folder counts too.
    #[arg(long, default_value = "components")]
    components: PathBuf,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Deserialize)]
struct Uploaded {
    new: bool,
}

#[derive(Deserialize)]
struct Switched {
    previous: Option<ReleaseDigest>,
}

pub(super) async fn run(args: &Args, config: impl FnOnce() -> Result<Config, Failure>) -> Outcome {
    // First: a build is long, and a missing token is soon said.
    let client = args.remote.client(config)?;
    let dir = args.game.canonicalize().map_err(|problem| Failure::new(format!("{}: {problem}", args.game.display())))?;
    let bundle = tokio::task::block_in_place(|| collect(&dir, &args.components))?;
    let (game, digest) = (bundle.game().clone(), *bundle.digest());
    let archive = pack(&bundle).map_err(Failure::new)?;
    println!("{game}: release {}, {} files, {} KiB", digest.short(), bundle.files().len(), archive.len().div_ceil(1024));
    let uploaded: Uploaded = client.upload(&format!("/games/{game}/releases/{digest}"), archive).await?;
    println!("{}", if uploaded.new { "checked, and kept" } else { "it was there already" });
    if args.no_activate {
        println!("not active; have it played with: questline rollback {game} --to {digest}");
        return Ok(());
    }
    let switched: Switched = client.post(&format!("/games/{game}/releases/{digest}/activate")).await?;
    println!("active: it is played from now on");
    if let Some(previous) = switched.previous {
        println!("before it was {}; go back with: questline rollback {game}", previous.short());
    }
    Ok(())
}

/// The files of a game with its components: built where the sources are, else taken as they are.
fn collect(dir: &Path, components: &Path) -> Result<Bundle, Failure> {
    let bundle = Bundle::read(dir).map_err(Failure::new)?;
    let plugins = game::plugins(&bundle).map_err(|problem| Failure::new(format!("{}: {problem}", dir.join("game.toml").display())))?;
    let workspace = flow::workspace_of(dir);
    let (mut built, mut ready) = (Vec::new(), std::collections::BTreeSet::new());
    for plugin in plugins {
        let has_sources = workspace.as_ref().is_some_and(|workspace| workspace.join("plugins").join(&plugin).join("Cargo.toml").is_file());
        if has_sources {
            built.push(plugin);
        } else if bundle.component(&plugin).is_none() {
            ready.insert(plugin);
        }
    }
    let mut bundle = bundle;
    if let (Some(workspace), false) = (&workspace, built.is_empty()) {
        let names: Vec<&str> = built.iter().map(String::as_str).collect();
        let guests = flow::build(workspace, &names)?;
        let folder = guests.first().and_then(|guest| guest.path.parent()).map(Path::to_owned).unwrap_or_default();
        bundle = bundle.with_components(&built.into_iter().collect(), &folder).map_err(Failure::new)?;
    }
    bundle.with_components(&ready, components).map_err(|problem| {
        Failure::new(format!("{problem}. A component is built from plugins/<name>, or lies in the game's components/ or in --components"))
    })
}
