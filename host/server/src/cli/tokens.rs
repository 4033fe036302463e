//! `questline tokens`: tokens of studios, made, listed and revoked by the operator.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use questline_core::id::GameId;
use questline_core::time::UnixMs;
use questline_core::token::Scope;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Client;
use super::releases::date;
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
    /// Make a token; it is shown once.
    Create {
        /// What it is for, for instance "moonrise ci".
        name: String,
        /// The games that it is for: no other exists for it.
        #[arg(long = "game", required = true, value_parser = GameId::parse)]
        games: Vec<GameId>,
        /// What it opens.
        #[arg(long = "scope", required = true, value_parser = scopes())]
        scopes: Vec<Scope>,
        /// Days until it expires, at most 366.
        #[arg(long, default_value_t = 90)]
        days: u64,
    },
    /// List tokens, without their secrets.
    List {
        /// As the API answers.
        #[arg(long)]
        json: bool,
    },
    /// Close a token for ever.
    Revoke {
        /// Its id, as `list` shows it: also the token's own digits after `qlst_`.
        id: String,
    },
}

/// The scopes' names, with what each opens.
fn scopes() -> impl TypedValueParser<Value = Scope> {
    let name = |scope: &Scope| PossibleValue::new(scope.as_str()).help(scope.about().trim_end_matches('.'));
    let known = |name: String| Scope::ALL.iter().copied().find(|scope| scope.as_str() == name);
    PossibleValuesParser::new(Scope::ALL.iter().map(name)).try_map(move |name| known(name).ok_or("there is no such scope"))
}

#[derive(Deserialize)]
struct Row {
    id: String,
    name: String,
    games: Vec<GameId>,
    scopes: Vec<String>,
    expires_at: UnixMs,
    revoked_at: Option<UnixMs>,
    valid: bool,
}

#[derive(Deserialize)]
struct Rows {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Created {
    token: String,
    expires_at: UnixMs,
}

pub(super) async fn run(args: &Args, config: Config) -> Outcome {
    let client = Client::new(&config)?;
    match &args.command {
        Command::Create { name, games, scopes, days } => {
            let body = json!({ "name": name, "games": games, "scopes": scopes, "days": days });
            let created: Created = client.post_json("/tokens", &body).await?;
            eprintln!("valid until {}; this is the only time that it is shown:", date(created.expires_at));
            println!("{}", created.token);
        }
        Command::List { json: true } => {
            let answer: Value = client.get("/tokens").await?;
            println!("{}", serde_json::to_string_pretty(&answer).map_err(Failure::new)?);
        }
        Command::List { json: false } => list(&client).await?,
        Command::Revoke { id } => {
            let _: Value = client.delete(&format!("/tokens/{id}")).await?;
            println!("{id} opens nothing any more");
        }
    }
    Ok(())
}

async fn list(client: &Client) -> Outcome {
    let Rows { rows } = client.get("/tokens").await?;
    if rows.is_empty() {
        println!("there are no tokens; `questline tokens create` makes one");
        return Ok(());
    }
    println!("{:<13} {:<20} {:<24} {:<22} {:<20} state", "id", "name", "games", "scopes", "expires");
    for Row { id, name, games, scopes, expires_at, revoked_at, valid } in rows {
        let games = games.iter().map(GameId::as_str).collect::<Vec<_>>().join(",");
        let state = match (valid, revoked_at) {
            (true, _) => "valid".to_owned(),
            (false, Some(at)) => format!("revoked {}", date(at)),
            (false, None) => "expired".to_owned(),
        };
        println!("{id:<13} {name:<20} {games:<24} {:<22} {:<20} {state}", scopes.join(","), date(expires_at));
    }
    Ok(())
}
