//! `questline players erase`: what the host is to forget of a player.

use clap::{Parser, Subcommand};
use questline_core::id::{GameId, PlayerId};
use serde::Deserialize;

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
    /// Forget a player's account and codes, erase their personal details from the audit log, and note there that it was done.
    Erase {
        /// Of which game.
        #[arg(long, value_parser = GameId::parse)]
        game: GameId,
        /// Their id in the studio's database.
        #[arg(long)]
        player: String,
    },
}

#[derive(Deserialize)]
struct Erased {
    audit_entries: u64,
    audit_entry: u64,
    account: bool,
    verifications: u64,
}

pub(super) async fn run(args: &Args, config: Config) -> Outcome {
    let Command::Erase { game, player } = &args.command;
    let player = PlayerId::parse(player).map_err(Failure::new)?;
    let player: String = url::form_urlencoded::byte_serialize(player.as_str().as_bytes()).collect();
    let client = Client::new(&config)?;
    let Erased { audit_entries, audit_entry, account, verifications } = client.delete(&format!("/games/{game}/players/{player}")).await?;
    println!("{audit_entries} entries of {game}'s audit log have lost their personal details; entry {audit_entry} says so");
    if account {
        println!("what the host knew of the account is forgotten: devices, linked contacts, tries to recover it");
    }
    if verifications > 0 {
        println!("{verifications} one-time codes that named the player are forgotten");
    }
    println!("conversations, consents, tickets and dead letters are as they were: see docs/SECURITY.md");
    Ok(())
}
