//! `questline limits`: how fast numbers may send now, and how many users portfolios may still write to.

use clap::Parser;
use questline_core::port::Clock;
use serde_json::Value;

use super::client::Remote;
use super::{Failure, Outcome};
use crate::clock::SystemClock;
use crate::config::Config;

/// Arguments.
#[derive(Debug, Parser)]
pub(super) struct Args {
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: &Args, config: impl Fn() -> Result<Config, Failure>) -> Outcome {
    let limits: Value = args.remote.client(config)?.get("/limits").await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&limits).map_err(Failure::new)?);
        return Ok(());
    }
    let rows = |key: &str| limits.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |row: &Value, key: &str| row.get(key).and_then(Value::as_u64);
    let left_ms = |row: &Value, key: &str| number(row, key).map(|until| until.saturating_sub(SystemClock.now().0));
    for row in rows("numbers") {
        let (now, tier) = (number(&row, "per_second").unwrap_or(0), number(&row, "tier_per_second").unwrap_or(0));
        println!("number {}: {now} of {tier} messages a second, portfolio {}", text(&row, "number"), text(&row, "portfolio"));
        for (key, what) in [("bulk_held_until", "bulk and marketing are"), ("utility_held_until", "utility is")] {
            if let Some(left_ms) = left_ms(&row, key) {
                println!("  {what} held for another {} s", left_ms / 1_000);
            }
        }
    }
    for row in rows("stops") {
        let (scope, name) = (text(&row, "scope"), text(&row, "name"));
        let left_s = left_ms(&row, "until").unwrap_or(0).div_ceil(1_000);
        match (text(&row, "cause").as_str(), left_s) {
            ("breaker-half-open", _) => {
                println!("{scope} {name}: Meta failed, and a few messages are sent to see whether it answers again")
            }
            ("breaker-open", 0) => println!("{scope} {name}: Meta fails, and the next message is sent to see whether it answers again"),
            ("breaker-open", _) => println!("{scope} {name}: Meta fails, and nothing is sent for another {left_s} s"),
            _ => println!("{scope} {name}: Meta has refused a message for a reason that all share, and the next try is in {left_s} s"),
        }
    }
    for row in rows("portfolios") {
        let (name, used) = (text(&row, "portfolio"), number(&row, "used").unwrap_or(0));
        match number(&row, "limit") {
            Some(limit) => println!(
                "portfolio {name}: {used} of {limit} users in the last 24 hours, {} left, {} of the limit kept for codes",
                number(&row, "left").unwrap_or(0),
                number(&row, "reserved").unwrap_or(0)
            ),
            None => println!("portfolio {name}: no limit of users"),
        }
    }
    println!("{} players are in the game", limits.get("in_game").and_then(Value::as_u64).unwrap_or(0));
    Ok(())
}
