//! `questline dead-letters list|show|retry`: what could not be done, with its reason.

use clap::{Parser, Subcommand};
use questline_core::commit::{Letter, StoredDeadLetter};
use serde::Deserialize;
use serde_json::Value;

use super::client::Client;
use super::{Failure, Outcome};
use crate::config::Config;

/// Arguments.
#[derive(Debug, Parser)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List them, oldest first.
    List {
        /// Only of this game.
        #[arg(long)]
        game: Option<String>,
        /// Rows at most.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// As JSON, a row each.
        #[arg(long)]
        json: bool,
    },
    /// Show one with all that is known of it.
    Show {
        /// As `list` shows it.
        id: u64,
    },
    /// Put one back where it was, or all that fit.
    Retry {
        /// As `list` shows them.
        #[arg(required_unless_present = "all")]
        ids: Vec<u64>,
        /// All of them.
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        /// With --all: only of this game.
        #[arg(long, requires = "all")]
        game: Option<String>,
    },
}

#[derive(Deserialize)]
struct Page {
    rows: Vec<StoredDeadLetter>,
    next: Option<u64>,
}

pub(super) async fn run(args: &Args, config: Config) -> Outcome {
    let client = Client::new(&config)?;
    match &args.command {
        Command::List { game, limit, json } => list(&client, game.as_deref(), *limit, *json).await,
        Command::Show { id } => {
            let letter: Value = client.get(&format!("/dead-letters/{id}")).await?;
            println!("{}", serde_json::to_string_pretty(&letter).map_err(Failure::new)?);
            Ok(())
        }
        Command::Retry { ids, all: false, .. } => retry(&client, ids).await,
        Command::Retry { game, .. } => {
            let ids: Vec<u64> = fetch(&client, game.as_deref(), usize::MAX).await?.iter().map(|letter| letter.id.0).collect();
            retry(&client, &ids).await
        }
    }
}

async fn retry(client: &Client, ids: &[u64]) -> Outcome {
    for id in ids {
        let _: Value = client.post(&format!("/dead-letters/{id}/retry")).await?;
        println!("{id} is tried again");
    }
    if ids.is_empty() {
        println!("there are no dead letters");
    }
    Ok(())
}

async fn fetch(client: &Client, game: Option<&str>, limit: usize) -> Result<Vec<StoredDeadLetter>, Failure> {
    let mut rows = Vec::new();
    let mut after = None;
    while rows.len() < limit {
        let mut path = format!("/dead-letters?limit={}", (limit - rows.len()).min(500));
        if let Some(game) = game {
            path.push_str(&format!("&game={game}"));
        }
        if let Some(after) = after {
            path.push_str(&format!("&after={after}"));
        }
        let page: Page = client.get(&path).await?;
        rows.extend(page.rows);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    Ok(rows)
}

async fn list(client: &Client, game: Option<&str>, limit: usize, json: bool) -> Outcome {
    let rows = fetch(client, game, limit).await?;
    if json {
        for row in &rows {
            println!("{}", serde_json::to_string(row).map_err(Failure::new)?);
        }
        return Ok(());
    }
    if rows.is_empty() {
        println!("there are no dead letters");
        return Ok(());
    }
    println!("{:>8}  {:<16} {:>12}  {:<16} {:<18} {:>5}  detail", "id", "game", "conversation", "what", "reason", "tries");
    for row in &rows {
        let letter = &row.dead_letter;
        let what = match &letter.letter {
            Letter::Event { event, .. } => event.kind(),
            Letter::Message(message) => message.content.kind(),
        };
        let detail = letter.detail.lines().next().unwrap_or_default();
        println!(
            "{:>8}  {:<16} {:>12}  {:<16} {:<18} {:>5}  {detail}",
            row.id.0, letter.game, letter.conversation.0, what, letter.reason, letter.attempts
        );
    }
    Ok(())
}
