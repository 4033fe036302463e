//! `questline pauses list|set|lift`: what of a game's messages is held, and until when.

use clap::{Parser, Subcommand, ValueEnum};
use questline_core::id::GameId;
use questline_core::port::Clock;
use serde::{Deserialize, Serialize};

use super::client::Remote;
use super::{Failure, Outcome};
use crate::clock::SystemClock;
use crate::config::Config;

/// Arguments.
#[derive(Debug, Parser)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the pauses that hold.
    List {
        /// Of which game.
        #[arg(long, value_parser = GameId::parse)]
        game: GameId,
        #[command(flatten)]
        remote: Remote,
    },
    /// Pause a game, a number, a category or a template: its messages wait, and go on after the pause.
    Set {
        /// Of which game.
        #[arg(long, value_parser = GameId::parse)]
        game: GameId,
        /// What is paused.
        target: Target,
        /// Which: a number's phone_number_id, a category's or template's name.
        #[arg(required_if_eq_any([("target", "number"), ("target", "category"), ("target", "template")]))]
        name: Option<String>,
        /// Why.
        #[arg(long)]
        reason: String,
        /// For how many seconds.
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
        for_s: u64,
        #[command(flatten)]
        remote: Remote,
    },
    /// Lift a pause before its end.
    Lift {
        /// Of which game.
        #[arg(long, value_parser = GameId::parse)]
        game: GameId,
        /// As `list` shows it.
        id: String,
        #[command(flatten)]
        remote: Remote,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Target {
    Game,
    Number,
    Category,
    Template,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    target: String,
    name: Option<String>,
    reason: String,
    until: u64,
}

#[derive(Deserialize)]
struct Rows {
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct NewPause<'a> {
    target: Target,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    reason: &'a str,
    for_s: u64,
}

#[derive(Deserialize)]
struct Lifted {
    id: String,
}

fn show(row: &Row) {
    let left_s = row.until.saturating_sub(SystemClock.now().0) / 1_000;
    println!("{}  {} {}  {left_s} s left  {}", row.id, row.target, row.name.as_deref().unwrap_or("-"), row.reason);
}

pub(super) async fn run(args: &Args, config: impl Fn() -> Result<Config, Failure>) -> Outcome {
    match &args.command {
        Command::List { game, remote } => {
            let Rows { rows } = remote.client(config)?.get(&format!("/games/{game}/pauses")).await?;
            if rows.is_empty() {
                println!("nothing of {game} is paused");
            }
            rows.iter().for_each(show);
        }
        Command::Set { game, target, name, reason, for_s, remote } => {
            let pause = NewPause { target: *target, name: name.as_deref(), reason, for_s: *for_s };
            let row: Row = remote.client(config)?.post_json(&format!("/games/{game}/pauses"), &pause).await?;
            show(&row);
        }
        Command::Lift { game, id, remote } => {
            let fits = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let id = Some(id).filter(|_| fits).ok_or_else(|| Failure::new(format!("{id:?} is no pause's id; `list` shows them")))?;
            let Lifted { id } = remote.client(config)?.delete(&format!("/games/{game}/pauses/{id}")).await?;
            println!("{id}: lifted");
        }
    }
    Ok(())
}
