//! `questline releases` and `questline rollback`: what is kept of a game, and going back.

use clap::Parser;
use questline_core::id::{GameId, ReleaseDigest};
use questline_core::release::{Origin, Release};
use questline_core::time::UnixMs;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Client, Remote};
use super::{Failure, Outcome};
use crate::config::Config;

/// Arguments of `releases`.
#[derive(Debug, Parser)]
pub(super) struct ListArgs {
    /// Whose.
    #[arg(value_parser = GameId::parse)]
    game: GameId,
    /// As the API answers.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

/// Arguments of `rollback`.
#[derive(Debug, Parser)]
pub(super) struct RollbackArgs {
    /// Whose.
    #[arg(value_parser = GameId::parse)]
    game: GameId,
    /// To which release: its digest, or the first digits of it; without it, to the one that was played before.
    #[arg(long)]
    to: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Deserialize)]
struct Row {
    #[serde(flatten)]
    release: Release,
    active: bool,
}

#[derive(Deserialize)]
struct Migration {
    conversation: u64,
    flow: String,
    from: ReleaseDigest,
    to: ReleaseDigest,
    at: UnixMs,
    detail: String,
}

#[derive(Deserialize)]
struct Listing {
    previous: Option<ReleaseDigest>,
    rows: Vec<Row>,
    #[serde(default)]
    migrations_failed: Vec<Migration>,
    migrations_failed_total: u64,
}

#[derive(Deserialize)]
struct Switched {
    active: Option<ReleaseDigest>,
}

pub(super) async fn list(args: &ListArgs, config: impl FnOnce() -> Result<Config, Failure>) -> Outcome {
    let client = args.remote.client(config)?;
    let path = format!("/games/{}/releases", args.game);
    if args.json {
        let answer: Value = client.get(&path).await?;
        println!("{}", serde_json::to_string_pretty(&answer).map_err(Failure::new)?);
        return Ok(());
    }
    let listing: Listing = client.get(&path).await?;
    if listing.rows.is_empty() {
        println!("{} has no releases; `questline deploy` uploads one", args.game);
        return Ok(());
    }
    println!("{:<3} {:<14} {:<8} {:<20} {:>9}  {:<20} last active", "", "release", "origin", "by", "KiB", "uploaded");
    for Row { release, active } in &listing.rows {
        let mark = match active {
            true => "*",
            false if listing.previous == Some(release.digest) => "<",
            false => "",
        };
        let origin = if release.origin == Origin::Folder { "folder" } else { "upload" };
        let last = release.activated_at.map_or_else(|| "never".to_owned(), date);
        let kib = release.bytes.div_ceil(1024);
        println!(
            "{mark:<3} {:<14} {origin:<8} {:<20} {kib:>9}  {:<20} {last}",
            release.digest.short(),
            release.by,
            date(release.uploaded_at)
        );
    }
    println!("* is played; < is what `questline rollback {}` goes back to", args.game);
    if listing.migrations_failed_total > 0 {
        println!("\n{} conversations stay with an old release, because their state could not migrate:", listing.migrations_failed_total);
        for Migration { conversation, flow, from, to, at, detail } in &listing.migrations_failed {
            let detail = detail.lines().next().unwrap_or_default();
            println!("  {}  conversation {conversation}, flow {flow}, {} to {}: {detail}", date(*at), from.short(), to.short());
        }
    }
    Ok(())
}

pub(super) async fn roll_back(args: &RollbackArgs, config: impl FnOnce() -> Result<Config, Failure>) -> Outcome {
    let client = args.remote.client(config)?;
    let body = match &args.to {
        Some(to) => json!({ "to": find(&client, &args.game, to).await? }),
        None => json!({}),
    };
    let switched: Switched = client.post_json(&format!("/games/{}/rollback", args.game), &body).await?;
    println!("{}: {} is played from now on", args.game, switched.active.map(|active| active.short()).unwrap_or_default());
    Ok(())
}

/// The release that these digits begin.
async fn find(client: &Client, game: &GameId, digits: &str) -> Result<ReleaseDigest, Failure> {
    if let Ok(digest) = ReleaseDigest::parse(digits) {
        return Ok(digest);
    }
    let listing: Listing = client.get(&format!("/games/{game}/releases")).await?;
    let found: Vec<_> = listing.rows.iter().map(|row| row.release.digest).filter(|digest| digest.to_string().starts_with(digits)).collect();
    match found[..] {
        [one] => Ok(one),
        [] => Err(Failure::new(format!("{game} has no release {digits}; `questline releases {game}` lists them"))),
        _ => Err(Failure::new(format!("several releases of {game} begin with {digits}: give more digits"))),
    }
}

/// A time as people read it, UTC.
pub(super) fn date(at: UnixMs) -> String {
    let seconds = at.as_s() % 86_400;
    format!("{} {:02}:{:02}:{:02}", at.date(), seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right() {
        for (ms, expected) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400_000, "2000-02-29 00:00:00"),
            (1_790_000_000_000, "2026-09-21 14:13:20"),
            (1_798_761_599_999, "2026-12-31 23:59:59"),
        ] {
            assert_eq!(date(UnixMs(ms)), expected);
        }
    }
}
