//! `questline broadcast ...`: describe broadcasts, upload their lists, try them dry, start and stop them.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use questline_core::id::GameId;
use questline_core::time::UnixMs;
use serde_json::Value;

use super::client::{Client, Remote};
use super::releases::date;
use super::{Failure, Outcome};
use crate::config::Config;

/// Arguments.
#[derive(Debug, Parser)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    /// Of which game.
    #[arg(long, global = true, value_parser = GameId::parse)]
    game: Option<GameId>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Describe one: a file with its JSON, as POST /v1/games/{game}/broadcasts takes it.
    Create {
        /// The description.
        file: PathBuf,
        /// Its key: the same one is the same broadcast, however often the command runs.
        #[arg(long)]
        key: String,
    },
    /// Upload its list: a .csv or .jsonl file. What is wrong with a row is told by its line.
    Recipients {
        /// Which broadcast.
        id: String,
        /// The list.
        file: PathBuf,
    },
    /// Say who gets it, who does not and why, and how long it takes.
    DryRun {
        /// Which broadcast.
        id: String,
    },
    /// Start it: at once, or at its time.
    Start {
        /// Which broadcast.
        id: String,
    },
    /// Hold it.
    Pause {
        /// Which broadcast.
        id: String,
    },
    /// Let it go on.
    Resume {
        /// Which broadcast.
        id: String,
    },
    /// Stop it for good: what has not left is dropped.
    Cancel {
        /// Which broadcast.
        id: String,
    },
    /// Say how far it is.
    Show {
        /// Which broadcast.
        id: String,
    },
    /// List the game's, the newest first.
    List,
    /// List messages that players may have twice.
    Unknown {
        /// Which broadcast.
        id: String,
    },
    /// Tell players of an outage at once: a file with JSON, as POST /v1/games/{game}/outages takes it.
    Outage {
        /// What to tell whom.
        file: PathBuf,
        /// Its key: the same one tells nobody twice.
        #[arg(long)]
        key: String,
    },
}

pub(super) async fn run(args: &Args, config: impl Fn() -> Result<Config, Failure>) -> Outcome {
    let game = args.game.as_ref().ok_or_else(|| Failure::new("--game is needed: whose broadcast it is"))?;
    let client = args.remote.client(config)?;
    let base = format!("/games/{game}/broadcasts");
    let of = |id: &str| -> Result<String, Failure> {
        let id = questline_core::broadcast::BroadcastId::parse(id).map_err(Failure::new)?;
        Ok(format!("{base}/{id}"))
    };
    match &args.command {
        Command::Create { file, key } => summary(&client.post_keyed(&base, key, json(file)?).await?),
        Command::Outage { file, key } => summary(&client.post_keyed(&format!("/games/{game}/outages"), key, json(file)?).await?),
        Command::Recipients { id, file } => return recipients(&client, &of(id)?, file).await,
        Command::DryRun { id } => dry_run(&client.post_long(&format!("{}/dry-run", of(id)?)).await?),
        Command::Start { id } => summary(&client.post(&format!("{}/start", of(id)?)).await?),
        Command::Pause { id } => summary(&client.post(&format!("{}/pause", of(id)?)).await?),
        Command::Resume { id } => summary(&client.post(&format!("{}/resume", of(id)?)).await?),
        Command::Cancel { id } => summary(&client.post(&format!("{}/cancel", of(id)?)).await?),
        Command::Show { id } => summary(&client.get(&of(id)?).await?),
        Command::List => {
            let rows: Value = client.get(&base).await?;
            for row in rows["rows"].as_array().into_iter().flatten() {
                println!("{}  {:<9}  {}", text(&row["id"]), text(&row["state"]), text(&row["title"]));
            }
        }
        Command::Unknown { id } => {
            let unknown: Value = client.get(&format!("{}/unknown", of(id)?)).await?;
            for row in unknown["rows"].as_array().into_iter().flatten() {
                println!("{}  {}", text(&row["message"]), row["at"]);
            }
            println!("{} messages may have come twice", unknown["count"]);
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|problem| Failure::new(format!("cannot read {}: {problem}", file.display())))
}

fn json(file: &Path) -> Result<Value, Failure> {
    serde_json::from_slice(&read(file)?).map_err(|problem| Failure::new(format!("{} is no JSON: {problem}", file.display())))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

async fn recipients(client: &Client, path: &str, file: &Path) -> Outcome {
    let kind = match file.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => "text/csv",
        Some("jsonl" | "ndjson") => "application/jsonl",
        _ => return Err(Failure::new("a list is a .csv or a .jsonl file")),
    };
    let taken: Value = client.post_list(&format!("{path}/recipients"), kind, read(file)?).await?;
    for problem in taken["problems"].as_array().into_iter().flatten() {
        println!("{}:{}: {}", file.display(), problem["line"], text(&problem["problem"]));
    }
    println!("{} recipients, {} duplicates, {} rows refused", taken["recipients"], taken["duplicates"], taken["refused"]);
    match taken["refused"].as_u64() {
        Some(0) => Ok(()),
        _ => Err(Failure::new("some rows are not on the list; all others are")),
    }
}

fn counts(of: &Value) -> String {
    let counts = of.as_object().into_iter().flatten().map(|(name, count)| format!("{name} {count}"));
    counts.collect::<Vec<_>>().join(", ")
}

fn dry_run(answer: &Value) {
    println!("{} of {} get it", answer["gets"], answer["recipients"]);
    let skipped = counts(&answer["skipped"]);
    if !skipped.is_empty() {
        println!("not: {skipped}");
    }
    for row in answer["rows"].as_array().into_iter().flatten() {
        let who = match (row["line"].as_u64(), row["player"].as_str()) {
            (Some(line), _) => format!("line {line}"),
            (None, Some(player)) => format!("player {player}"),
            (None, None) => "somebody unknown".to_owned(),
        };
        println!("  {who}: {}", text(&row["reason"]));
    }
    for hour in answer["hours"].as_array().into_iter().flatten() {
        let at = UnixMs(hour["at"].as_u64().unwrap_or_default());
        println!("  from {} UTC: {}", date(at), hour["gets"]);
    }
    println!("{} s, by its {}", answer["estimate"]["seconds"], text(&answer["estimate"]["bound"]));
}

fn summary(broadcast: &Value) {
    println!("{}  {}  {}", text(&broadcast["id"]), text(&broadcast["state"]), text(&broadcast["title"]));
    let progress = &broadcast["progress"];
    if progress.is_null() {
        return;
    }
    let count = |name: &str| progress[name].as_u64().unwrap_or_default();
    println!(
        "{} looked at, {} messages: {} queued, {} accepted, {} delivered, {} read",
        count("seen"),
        count("messages"),
        count("queued"),
        count("accepted"),
        count("delivered"),
        count("read")
    );
    for name in ["skipped", "parked", "failed", "dropped"] {
        let counts = counts(&progress[name]);
        if !counts.is_empty() {
            println!("{name}: {counts}");
        }
    }
    if count("unknown") > 0 {
        println!("{} may have come twice: questline broadcast unknown", count("unknown"));
    }
}
