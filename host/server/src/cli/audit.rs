//! `questline audit verify|export`: proves that the log is whole and unchanged, here, from what the host hands out, or from
//! an export, without a host and without its key.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand, ValueEnum};
use questline_core::audit::{Entry, Head, Proof, Verifier};
use questline_core::id::GameId;
use questline_core::time::UnixMs;
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::releases::date;
use super::{Failure, Outcome};
use crate::config::Config;

/// Entries that are asked for at once.
const PAGE: usize = 500;
/// The format of exports.
const FORMAT: u32 = 1;

/// Arguments.
#[derive(Debug, Parser)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prove that nothing was changed, left out, put in or moved; says where if something was.
    Verify {
        /// Only of this game; else of all.
        #[arg(long, value_parser = GameId::parse, conflicts_with = "file", group = "one")]
        game: Option<GameId>,
        /// An export, in place of the running host.
        #[arg(long, group = "one")]
        file: Option<PathBuf>,
        /// A head that was kept, as this command shows it: the log has to go through it.
        #[arg(long, value_name = "COUNT:HASH", requires = "one")]
        head: Option<Head>,
    },
    /// Write a game's log to the standard output, so that it can be verified anywhere.
    Export {
        /// Of which game.
        #[arg(long, value_parser = GameId::parse)]
        game: GameId,
        /// The first entry.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
        from: u64,
        /// The last entry; else all that there are.
        #[arg(long)]
        to: Option<u64>,
        /// How it is written.
        #[arg(long, value_enum, default_value_t = Format::Jsonl)]
        format: Format,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// A line of JSON for each entry, one before them and one after them.
    Jsonl,
}

#[derive(Deserialize)]
struct Chain {
    game: GameId,
}

#[derive(Deserialize)]
struct Chains {
    rows: Vec<Chain>,
}

#[derive(Deserialize)]
struct Page {
    rows: Vec<Entry>,
    head: Head,
}

/// The first line of an export.
#[derive(Serialize, Deserialize)]
struct First {
    questline_audit: u32,
    game: GameId,
    /// The head behind which the entries stand.
    before: Head,
}

/// The last line of an export.
#[derive(Serialize, Deserialize)]
struct Last {
    /// The head behind the entries.
    head: Head,
    /// Whether it was the end of the log.
    end: bool,
}

pub(super) async fn run(args: &Args, config: impl Fn() -> Result<Config, Failure>) -> Outcome {
    match &args.command {
        Command::Verify { file: Some(file), head, .. } => {
            let (proof, end) = verify_file(file, *head)?;
            tell(&proof, end, *head);
            Ok(())
        }
        Command::Verify { game, head, .. } => verify(&Client::new(&config()?)?, game.as_ref(), *head).await,
        Command::Export { game, from, to, format: Format::Jsonl } => export(&Client::new(&config()?)?, game, *from, *to).await,
    }
}

async fn page(client: &Client, game: &GameId, after: u64, limit: usize) -> Result<Page, Failure> {
    client.get(&format!("/games/{game}/audit?after={after}&limit={limit}")).await
}

async fn verify(client: &Client, game: Option<&GameId>, kept: Option<Head>) -> Outcome {
    let games = match game {
        Some(game) => vec![game.clone()],
        None => client.get::<Chains>("/audit").await?.rows.into_iter().map(|chain| chain.game).collect(),
    };
    if games.is_empty() {
        println!("there is no audit log yet");
    }
    let mut broken = Vec::new();
    for game in &games {
        match verify_chain(client, game, kept).await? {
            Ok(proof) => tell(&proof, true, kept),
            Err(place) => broken.push(place.to_string()),
        }
    }
    if broken.is_empty() { Ok(()) } else { Err(Failure::new(broken.join("\nquestline: "))) }
}

async fn verify_chain(client: &Client, game: &GameId, kept: Option<Head>) -> Result<Result<Proof, questline_core::audit::Break>, Failure> {
    let mut verifier = Verifier::new(game.clone());
    if let Some(kept) = kept {
        verifier = verifier.through(kept);
    }
    loop {
        let page = page(client, game, verifier.head().count, PAGE).await?;
        if page.rows.is_empty() {
            return Ok(verifier.finish(&page.head));
        }
        for entry in &page.rows {
            if let Err(place) = verifier.take(entry) {
                return Ok(Err(place));
            }
        }
    }
}

async fn export(client: &Client, game: &GameId, from: u64, to: Option<u64>) -> Outcome {
    let written = |problem: std::io::Error| Failure::new(format!("cannot write: {problem}"));
    let before = match from {
        1 => Head::start(game),
        from => {
            let found = page(client, game, from - 2, 1).await?;
            let entry = found.rows.first().filter(|entry| entry.seq == from - 1);
            let entry = entry.ok_or_else(|| Failure::new(format!("the audit log of {game} has {} entries", found.head.count)))?;
            Head { count: entry.seq, hash: entry.hash }
        }
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut line = |line: Result<String, serde_json::Error>| {
        let line = line.map_err(Failure::new)?;
        writeln!(out, "{line}").map_err(written)
    };
    line(serde_json::to_string(&First { questline_audit: FORMAT, game: game.clone(), before }))?;
    let mut reached = before;
    let last = loop {
        let limit = to.map_or(PAGE as u64, |to| to.saturating_sub(reached.count).min(PAGE as u64));
        if limit == 0 {
            break Last { head: reached, end: false };
        }
        let page = page(client, game, reached.count, limit as usize).await?;
        if page.rows.is_empty() {
            // Of a broken log, all that there is: what is wrong with it shows when it is verified.
            break Last { head: page.head, end: true };
        }
        for entry in &page.rows {
            line(serde_json::to_string(entry))?;
            reached = Head { count: entry.seq, hash: entry.hash };
        }
    };
    line(serde_json::to_string(&last))?;
    out.flush().map_err(written)
}

fn verify_file(path: &Path, kept: Option<Head>) -> Result<(Proof, bool), Failure> {
    let wrong = |line: usize, what: &dyn std::fmt::Display| Failure::new(format!("{}, line {line}: {what}", path.display()));
    let file = File::open(path).map_err(|problem| Failure::new(format!("cannot read {}: {problem}", path.display())))?;
    let mut lines = BufReader::new(file).lines().zip(1..);
    let (first, _) = lines.next().ok_or_else(|| wrong(1, &"the file is empty"))?;
    let first = first.map_err(|problem| wrong(1, &problem))?;
    let first: First = serde_json::from_str(&first).map_err(|problem| wrong(1, &format!("this is no export: {problem}")))?;
    if first.questline_audit != FORMAT {
        return Err(wrong(1, &format!("format {}: this questline reads format {FORMAT}", first.questline_audit)));
    }
    if first.before.count == 0 && first.before != Head::start(&first.game) {
        return Err(wrong(1, &"it does not begin where a log begins"));
    }
    let mut verifier = Verifier::after(first.game, first.before);
    if let Some(kept) = kept {
        verifier = verifier.through(kept);
    }
    let mut last = None;
    for (line, number) in lines {
        let line = line.map_err(|problem| wrong(number, &problem))?;
        if last.is_some() {
            return Err(wrong(number, &"there is more behind the last line"));
        }
        match serde_json::from_str::<Last>(&line) {
            Ok(found) => last = Some(found),
            Err(_) => {
                let entry: Entry = serde_json::from_str(&line).map_err(|problem| wrong(number, &format!("this is no entry: {problem}")))?;
                verifier.take(&entry).map_err(|place| wrong(number, &place))?;
            }
        }
    }
    let next = verifier.head().count + 1;
    let Last { head, end } = last.ok_or_else(|| Failure::new(format!("{} breaks off before entry {next}", path.display())))?;
    let proof = match end {
        true => verifier.finish(&head),
        false if verifier.head() != head => return Err(Failure::new(format!("{} lacks entries before its end", path.display()))),
        false => verifier.part(),
    };
    proof.map(|proof| (proof, end)).map_err(Failure::new)
}

/// Says what was proven, and no more.
fn tell(proof: &Proof, end: bool, kept: Option<Head>) {
    let when = |at: Option<UnixMs>| at.map_or_else(|| "-".to_owned(), date);
    let entries = proof.entries();
    println!("{}: {entries} entries, {} to {}: unchanged, in order, none missing", proof.game, when(proof.first_at), when(proof.last_at));
    if proof.erased > 0 {
        println!("  {} of them have lost their personal details, as later entries say", proof.erased);
    }
    if proof.erased_later > 0 {
        println!("  {} have lost their personal details; whether an entry behind the last one says so is not proven", proof.erased_later);
    }
    if proof.before > 0 {
        println!("  they stand behind entry {}: what is before it is not proven", proof.before);
    }
    if !end {
        println!("  what comes after is not proven");
    }
    if let Some(kept) = kept {
        println!("  the log goes through entry {} as it was when its head was kept", kept.count);
    }
    println!("  head {}", proof.head);
}
