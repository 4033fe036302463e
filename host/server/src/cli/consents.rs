//! `questline consents export`: the evidence of what players agreed to, contacts in full.

use std::io::{BufWriter, Write};

use clap::{Parser, Subcommand};
use questline_core::id::GameId;
use serde::Deserialize;

use super::client::Remote;
use super::{Failure, Outcome};
use crate::config::Config;

/// Bytes of the last line.
const LAST_BYTES_MAX: usize = 64;

/// Arguments.
#[derive(Debug, Parser)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write all records of a game to the standard output, one line of JSON each, and a last line with their number.
    Export {
        /// Of which game.
        #[arg(long, value_parser = GameId::parse)]
        game: GameId,
        #[command(flatten)]
        remote: Remote,
    },
}

/// The last line of an export.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Last {
    records: u64,
}

pub(super) async fn run(args: &Args, config: impl Fn() -> Result<Config, Failure>) -> Outcome {
    let Command::Export { game, remote } = &args.command;
    let client = remote.client(config)?;
    let written = |problem: std::io::Error| Failure::new(format!("cannot write: {problem}"));
    let mut out = BufWriter::new(std::io::stdout().lock());
    let (mut lines, mut line) = (0u64, Vec::new());
    let copy = |piece: &[u8]| {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            if line.last() == Some(&b'\n') {
                line.clear();
                lines += 1;
            }
            // Only a short line can be the last one.
            if line.len() <= LAST_BYTES_MAX {
                line.extend_from_slice(part);
            } else if part.ends_with(b"\n") {
                line.push(b'\n');
            }
        }
        out.write_all(piece).map_err(written)
    };
    client.stream(&format!("/games/{game}/consents/export"), copy).await?;
    out.flush().map_err(written)?;
    match serde_json::from_slice::<Last>(&line) {
        Ok(Last { records }) if records == lines => Ok(()),
        _ => Err(Failure::new("the export broke off: it has no last line with the number of its records")),
    }
}
