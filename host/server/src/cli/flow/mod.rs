//! `questline flow`: making, building and testing flows.

mod inspect;
mod junit;
mod new;
mod test;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use questline_guest_build::{BuiltGuest, Progress, Purpose, build_guests};

use super::{Failure, Outcome};

/// Arguments.
#[derive(Debug, Parser)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a flow that works: code, test, transcript, and a game if there is none.
    New(new::Args),
    /// Compile plugins and make them components.
    Build {
        /// Packages, for instance `vip-routing`.
        #[arg(required = true)]
        plugins: Vec<String>,
        /// Where the components go; `components_dir` of questline.toml is to be this folder.
        #[arg(long, default_value = "components")]
        out: PathBuf,
        /// The workspace that they are members of.
        #[arg(long, default_value = ".")]
        workspace: PathBuf,
    },
    /// Play a game's transcripts.
    Test(test::Args),
}

pub(super) fn run(args: &Args) -> Outcome {
    match &args.command {
        Command::New(args) => new::run(args),
        Command::Build { plugins, out, workspace } => super::run(build_into(plugins, out, workspace)),
        Command::Test(args) => super::run(test::run(args)),
    }
}

/// The workspace that a folder lies in.
pub(super) fn workspace_of(dir: &Path) -> Option<PathBuf> {
    let is_workspace = |dir: &&Path| {
        let manifest = std::fs::read_to_string(dir.join("Cargo.toml")).unwrap_or_default();
        manifest.lines().any(|line| line.trim() == "[workspace]")
    };
    dir.ancestors().find(is_workspace).map(Path::to_owned)
}

async fn build_into(plugins: &[String], out: &Path, workspace: &Path) -> Outcome {
    let names: Vec<&str> = plugins.iter().map(String::as_str).collect();
    let built = build(workspace, &names)?;
    std::fs::create_dir_all(out).map_err(|problem| Failure::new(format!("cannot make {}: {problem}", out.display())))?;
    for guest in built {
        let path = out.join(format!("{}.wasm", guest.name));
        std::fs::write(&path, &guest.component).map_err(|problem| Failure::new(format!("cannot write {}: {problem}", path.display())))?;
        println!("{}", path.display());
        println!("{}", inspect::describe(guest.component).await?);
    }
    Ok(())
}

/// Builds plugins, with progress on standard error.
pub(super) fn build(workspace: &Path, plugins: &[&str]) -> Result<Vec<BuiltGuest>, Failure> {
    let target = workspace.join("target");
    build_guests(Purpose::Ship, workspace, plugins, &target, &mut |progress| match progress {
        Progress::Tool(line) => eprintln!("    {}", line.trim()),
        progress => eprintln!("  {progress}"),
    })
    .map_err(Failure::new)
}
