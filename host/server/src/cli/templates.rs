//! `questline templates`: what Meta says of a game's templates, and handing them in for review.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use questline_core::id::GameId;
use questline_whatsapp::template::check_submission;
use serde_json::{Value, json};

use super::client::Remote;
use super::{Failure, Outcome};
use crate::config::Config;
use crate::game;

/// Arguments.
#[derive(Debug, Parser)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List a game's templates with what Meta says of them.
    List {
        /// Whose.
        #[arg(value_parser = GameId::parse)]
        game: GameId,
        /// As the API answers.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Read Meta's lists now: webhooks tell of changes, and lists are read at intervals; this does not wait for either.
    Sync {
        /// Whose.
        #[arg(value_parser = GameId::parse)]
        game: GameId,
        #[command(flatten)]
        remote: Remote,
    },
    /// Hand a template in for Meta's review: created where Meta has none, edited where Meta's differs.
    Submit {
        /// Whose.
        #[arg(value_parser = GameId::parse)]
        game: GameId,
        /// Which.
        name: String,
        /// In this language alone, for instance pt_BR.
        #[arg(long)]
        language: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Check the templates in a game's folder by Meta's rules, without asking anybody.
    Check {
        /// The folder, for instance flows/starfall.
        dir: PathBuf,
    },
}

pub(super) async fn run(args: &Args, config: impl Fn() -> Result<Config, Failure>) -> Outcome {
    match &args.command {
        Command::List { game, json, remote } => {
            let answer: Value = remote.client(config)?.get(&format!("/games/{game}/templates")).await?;
            if *json {
                println!("{}", serde_json::to_string_pretty(&answer).map_err(Failure::new)?);
                return Ok(());
            }
            for account in list(&answer, "accounts").iter().filter(|account| !text(account, "problem").is_empty()) {
                println!("{}: not in step with Meta: {}", text(account, "account"), text(account, "problem"));
            }
            show(&answer);
            Ok(())
        }
        Command::Sync { game, remote } => {
            let answer: Value = remote.client(config)?.post(&format!("/games/{game}/templates/sync")).await?;
            for (account, listing) in answer["accounts"].as_object().into_iter().flatten() {
                println!("account {account}: {} versions at Meta", listing["versions"]);
            }
            show(&answer);
            Ok(())
        }
        Command::Submit { game, name, language, remote } => {
            let body = language.as_ref().map_or_else(|| json!({}), |language| json!({ "language": language }));
            let answer: Value = remote.client(config)?.post_json(&format!("/games/{game}/templates/{name}/submit"), &body).await?;
            let versions = list(&answer, "versions");
            for version in versions {
                let (state, detail) = (text(version, "state"), text(version, "detail"));
                let more = [state, detail].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
                println!("{name} ({}) at {}: {}  {more}", text(version, "language"), text(version, "account"), text(version, "outcome"));
            }
            match versions.iter().any(|version| text(version, "outcome") == "refused") {
                true => Err(Failure::new("not all of it was taken")),
                false => Ok(()),
            }
        }
        Command::Check { dir } => check(dir),
    }
}

fn check(dir: &std::path::Path) -> Outcome {
    let templates = game::templates(dir).map_err(Failure::new)?;
    let mut problems = 0;
    for template in &templates {
        for problem in check_submission(template) {
            println!("{problem}");
            problems += 1;
        }
    }
    match problems {
        0 => {
            let languages: usize = templates.iter().map(|template| template.languages.len()).sum();
            println!("{} templates in {languages} versions: fit for review", templates.len());
            Ok(())
        }
        problems => Err(Failure::new(format!("{problems} problems"))),
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// A line for each version.
fn show(answer: &Value) {
    for template in list(answer, "templates") {
        for language in list(template, "languages") {
            for at in list(language, "at") {
                let mut notes = Vec::new();
                if template["declared"] == false {
                    notes.push("not the game's".to_owned());
                }
                let counts_as = text(at, "counts_as");
                let category = text(template, "category");
                if !category.is_empty() && counts_as != category {
                    notes.push(format!("counts as {counts_as}"));
                }
                if let Some(announced) = at["announced"].as_object() {
                    notes.push(format!("will be {}", announced["category"].as_str().unwrap_or_default()));
                }
                let differs: Vec<&str> = list(at, "differs").iter().filter_map(Value::as_str).collect();
                if !differs.is_empty() {
                    notes.push(format!("differs: {}", differs.join(", ")));
                }
                if !text(at, "reason").is_empty() {
                    notes.push(text(at, "reason").to_owned());
                }
                let shown = if category.is_empty() { counts_as } else { category };
                println!(
                    "{:<32} {:<6} {:<15} {:<17} {:<8} {}",
                    text(template, "name"),
                    text(language, "language"),
                    shown,
                    text(at, "state"),
                    text(at, "quality"),
                    notes.join("; ")
                );
            }
        }
    }
}
