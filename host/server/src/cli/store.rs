//! `questline store reseal`: has the running host rewrite what lies under older keys, and says what is left under each.

use clap::{Parser, Subcommand};
use questline_core::port::{KeyRows, Resealing};

use super::client::Remote;
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
    /// Rewrite all that lies under older keys of [store] keys under the first one. Traffic goes on; if this is broken off, the
    /// next one goes on.
    Reseal {
        #[command(flatten)]
        remote: Remote,
    },
}

pub(super) async fn run(args: &Args, config: impl FnOnce() -> Result<Config, Failure>) -> Outcome {
    let Command::Reseal { remote } = &args.command;
    let client = remote.client(config)?;
    let mut told = 0;
    let done = loop {
        let now: Resealing = client.post("/store/reseal").await?;
        if now.done {
            break now;
        }
        if now.looked_at >= told + TELL_EVERY {
            told = now.looked_at;
            eprintln!("{} rows looked at, {} rewritten", now.looked_at, now.rewritten);
        }
    };
    println!("{} rows looked at, {} rewritten", done.looked_at, done.rewritten);
    let left: u64 = done.keys.iter().skip(1).map(|key| key.rows).sum();
    for (place, KeyRows { key, rows }) in done.keys.iter().enumerate() {
        println!("{}", line(place == 0, key, *rows, left));
    }
    match left {
        0 => Ok(()),
        left => Err(Failure::new(format!("{left} rows could not be rewritten: the host's log says which and why"))),
    }
}

/// Rows between two lines that say how far it is.
const TELL_EVERY: u64 = 50_000;

fn line(seals: bool, key: &str, rows: u64, left: u64) -> String {
    let what = match (seals, key) {
        (_, "plain") => "not sealed".to_owned(),
        _ => format!("key {key}"),
    };
    match (seals, rows) {
        (true, _) => format!("{what}: {rows} rows; it seals"),
        // As long as a row is left under any of them, the data asks for all of them.
        (false, 0) if key == "plain" || left > 0 => format!("{what}: no row is left"),
        (false, 0) => format!("{what}: no row is left; the key can be removed"),
        (false, _) => format!("{what}: {rows} rows are left"),
    }
}
