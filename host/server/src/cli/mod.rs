//! The command line.

mod audit;
mod bench;
mod broadcast;
mod client;
mod consents;
mod dead_letters;
mod demo;
mod deploy;
mod dev;
mod doctor;
mod flow;
mod limits;
mod outbox;
mod pauses;
mod players;
mod releases;
mod sandbox;
mod serve;
mod store;
mod templates;
mod tokens;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Config;
use crate::release;

/// A host for WhatsApp conversation flows.
#[derive(Debug, Parser)]
#[command(name = "questline", version, about, propagate_version = true)]
struct Cli {
    /// The configuration file.
    #[arg(long, global = true, default_value = "questline.toml", env = "QUESTLINE_CONFIG")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play conversations against the WhatsApp emulator and show them as a chat.
    Demo(demo::Args),
    // Its own words say more than a line.
    Dev(dev::Args),
    /// Run the host.
    Serve,
    /// Measure the whole way of a message, from webhook to reply.
    Bench(bench::Args),
    /// Check configuration, store, games, flows and machine, and say what to do.
    Doctor(doctor::Args),
    /// Look at what could not be done, and try it again.
    DeadLetters(dead_letters::Args),
    /// Compile what somebody uploaded, within limits: the host runs this itself.
    #[command(hide = true)]
    CompileComponent(release::compile::Args),
    /// Build a game's flows, upload it as a release, and have it played.
    Deploy(deploy::Args),
    /// List the releases of a game.
    Releases(releases::ListArgs),
    /// Go back to a release that was played before.
    Rollback(releases::RollbackArgs),
    /// Make, list and revoke tokens of studios.
    Tokens(tokens::Args),
    /// Prove the audit log, or export it.
    Audit(audit::Args),
    /// Give what the store holds a new key.
    Store(store::Args),
    /// Hand out the evidence of consent.
    Consents(consents::Args),
    /// Show how much may be sent now.
    Limits(limits::Args),
    /// Hold what a game sends, and let it go on.
    Pauses(pauses::Args),
    /// Broadcasts: describe, try, start, stop, look at.
    Broadcast(broadcast::Args),
    /// Look at templates, keep them in step with Meta, and hand them in for review.
    Templates(templates::Args),
    /// Show what waits to be sent, and what it waits for.
    Outbox(outbox::Args),
    /// Have the host forget a player.
    Players(players::Args),
    /// Work on flows.
    Flow(flow::Args),
}

/// How a command fails.
#[derive(Debug)]
struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    /// It ran and found something wrong.
    fn new(text: impl std::fmt::Display) -> Self {
        Self { code: 1, text: text.to_string() }
    }

    /// The configuration is not right.
    fn config(text: impl std::fmt::Display) -> Self {
        Self { code: 78, text: text.to_string() }
    }
}

type Outcome = Result<(), Failure>;

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let config = || Config::load(&cli.config).map_err(Failure::config);
    let outcome = match &cli.command {
        Command::CompileComponent(args) => return release::compile::child(args),
        Command::Demo(args) => run(demo::run(args)),
        Command::Dev(args) => run(dev::run(args)),
        Command::Serve => config().and_then(|config| run(serve::run(config))),
        Command::Bench(args) => run(bench::run(args)),
        Command::Doctor(args) => run(doctor::run(args, &cli.config)),
        Command::DeadLetters(args) => config().and_then(|config| run(dead_letters::run(args, config))),
        Command::Deploy(args) => run(deploy::run(args, config)),
        Command::Releases(args) => run(releases::list(args, config)),
        Command::Rollback(args) => run(releases::roll_back(args, config)),
        Command::Tokens(args) => config().and_then(|config| run(tokens::run(args, config))),
        Command::Audit(args) => run(audit::run(args, config)),
        Command::Store(args) => run(store::run(args, config)),
        Command::Consents(args) => run(consents::run(args, config)),
        Command::Limits(args) => run(limits::run(args, config)),
        Command::Pauses(args) => run(pauses::run(args, config)),
        Command::Broadcast(args) => run(broadcast::run(args, config)),
        Command::Templates(args) => run(templates::run(args, config)),
        Command::Outbox(args) => run(outbox::run(args, config)),
        Command::Players(args) => config().and_then(|config| run(players::run(args, config))),
        Command::Flow(args) => flow::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("questline: {}", failure.text);
            ExitCode::from(failure.code)
        }
    }
}

fn run(command: impl Future<Output = Outcome>) -> Outcome {
    crate::memory::share_arenas();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|problem| Failure::new(format!("the runtime does not start: {problem}")))?.block_on(command)
}
