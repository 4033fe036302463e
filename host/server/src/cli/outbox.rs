//! `questline outbox`: what waits to be sent, since when, and what it waits for.

use std::collections::BTreeMap;

use clap::Parser;
use questline_core::id::GameId;
use questline_core::port::Clock;
use serde::Deserialize;

use super::client::Remote;
use super::{Failure, Outcome};
use crate::clock::SystemClock;
use crate::config::Config;

/// Arguments.
#[derive(Debug, Parser)]
pub(super) struct Args {
    /// Of which game.
    #[arg(long, value_parser = GameId::parse)]
    game: GameId,
    /// List the messages that are parked, those that are due first in front.
    #[arg(long)]
    parked: bool,
    /// With --parked: rows at most.
    #[arg(long, default_value_t = 50, requires = "parked", value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Deserialize)]
struct Counts {
    queued: u64,
    in_flight: u64,
    #[serde(default)]
    parked: BTreeMap<String, u64>,
    oldest_age_s: Option<u64>,
}

#[derive(Deserialize)]
struct LaneRow {
    lane: String,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Deserialize)]
struct NumberRow {
    number: String,
    lanes: Vec<LaneRow>,
}

#[derive(Deserialize)]
struct Waiting {
    numbers: Vec<NumberRow>,
}

#[derive(Deserialize)]
struct ParkedRow {
    message: String,
    number: String,
    lane: String,
    reason: String,
    until: u64,
    template: Option<String>,
}

#[derive(Deserialize)]
struct Parked {
    rows: Vec<ParkedRow>,
}

pub(super) async fn run(args: &Args, config: impl Fn() -> Result<Config, Failure>) -> Outcome {
    let Args { game, limit, .. } = args;
    let client = args.remote.client(config)?;
    if args.parked {
        let Parked { rows } = client.get(&format!("/games/{game}/outbox/parked?limit={limit}")).await?;
        if rows.is_empty() {
            println!("nothing of {game} is parked");
        }
        let now = SystemClock.now().0;
        for row in rows {
            let ParkedRow { message, number, lane, reason, until, template } = row;
            let in_s = until.saturating_sub(now) / 1_000;
            println!("{message}  {number} {lane}  {reason}  in {in_s} s  {}", template.as_deref().unwrap_or("-"));
        }
        return Ok(());
    }
    let Waiting { numbers } = client.get(&format!("/games/{game}/outbox")).await?;
    let mut is_any = false;
    for (number, LaneRow { lane, counts }) in numbers.iter().flat_map(|row| row.lanes.iter().map(|lane| (&row.number, lane))) {
        let Counts { queued, in_flight, parked, oldest_age_s } = counts;
        if *queued + *in_flight == 0 && parked.is_empty() {
            continue;
        }
        is_any = true;
        let age = oldest_age_s.map_or_else(String::new, |age_s| format!(", the oldest {age_s} s old"));
        println!("{number} {lane}: {queued} queued, {in_flight} on their way{age}");
        parked.iter().for_each(|(reason, count)| println!("    {count} parked: {reason}"));
    }
    if !is_any {
        println!("nothing of {game} waits to be sent");
    }
    Ok(())
}
