//! `questline flow test`: plays a game's transcripts on its flows, as they would run in production.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use questline_wasm::EngineOptions;
use serde::Serialize;

use super::super::{Failure, Outcome};
use super::junit;
use crate::app::{self, GameLoader};
use crate::game::{self, Bundle, LoadContext, Studio};
use crate::transcript::{self, SceneLog, TranscriptReport};

/// Calls at the same time: scenes are played one after the other.
const CALLS_MAX: u32 = 4;

/// Arguments.
#[derive(Debug, Parser)]
pub(super) struct Args {
    /// The game's folder, for instance `flows/starfall`. Without it, every game under `flows/` that has transcripts.
    game: Option<PathBuf>,
    /// Plays only scenes whose file name or title contains this, in any case.
    #[arg(long)]
    filter: Option<String>,
    /// Writes the result to this file as JUnit XML, for CI.
    #[arg(long)]
    junit: Option<PathBuf>,
    /// Prints the result as JSON.
    #[arg(long)]
    json: bool,
    /// Shows what every step cost.
    #[arg(long)]
    steps: bool,
    /// Takes components as they are.
    #[arg(long)]
    no_build: bool,
    /// Where components are; where they are built, if nothing is named.
    #[arg(long)]
    components: Option<PathBuf>,
}

/// What came of one game.
#[derive(Debug, Serialize)]
pub(super) struct GameReport {
    /// Which.
    pub(super) game: String,
    /// Whether all went as it is written.
    passed: bool,
    /// Its files.
    pub(super) transcripts: Vec<TranscriptReport>,
}

pub(super) async fn run(args: &Args) -> Outcome {
    let games = match &args.game {
        Some(dir) => vec![existing(dir)?],
        None => games_with_transcripts()?,
    };
    let mut reports = Vec::new();
    let started = Instant::now();
    for dir in &games {
        reports.push(play(args, dir).await?);
    }
    if let Some(path) = &args.junit {
        let written = std::fs::write(path, junit::document(&reports));
        written.map_err(|problem| Failure::new(format!("cannot write {}: {problem}", path.display())))?;
    }
    if args.json {
        let text = serde_json::to_string_pretty(&serde_json::json!({ "games": reports })).map_err(Failure::new)?;
        println!("{text}");
    } else {
        show(args, &reports, started);
    }
    let transcripts = || reports.iter().flat_map(|report| &report.transcripts);
    let failed = transcripts().flat_map(|report| &report.scenes).filter(|scene| !scene.passed()).count()
        + transcripts().filter(|report| report.problem.is_some()).count();
    let played: usize = transcripts().map(|report| report.scenes.len()).sum();
    match (played, failed) {
        (_, 1..) => Err(Failure::new(format!("{failed} of {played} scenes failed"))),
        (0, 0) => Err(Failure::new(match &args.filter {
            Some(filter) => format!("no scene is called {filter:?}"),
            None => "there are no transcripts: write one, for instance flows/<game>/first.chat (docs/TRANSCRIPTS.md)".to_owned(),
        })),
        (..) => Ok(()),
    }
}

fn existing(dir: &Path) -> Result<PathBuf, Failure> {
    let dir = dir.canonicalize().map_err(|problem| Failure::new(format!("cannot find {}: {problem}", dir.display())))?;
    if dir.join("game.toml").is_file() { Ok(dir) } else { Err(Failure::new(format!("{} has no game.toml", dir.display()))) }
}

fn games_with_transcripts() -> Result<Vec<PathBuf>, Failure> {
    let here = std::env::current_dir().map_err(Failure::new)?;
    let flows = here.ancestors().map(|dir| dir.join("flows")).find(|dir| dir.is_dir());
    let flows = flows.ok_or_else(|| Failure::new("there is no folder flows/ here: name the game's folder"))?;
    let has_transcripts = |dir: &PathBuf| {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.path().extension().is_some_and(|extension| extension == "chat"))
    };
    let games = game::folders(&flows).map_err(|problem| Failure::new(format!("cannot read {}: {problem}", flows.display())))?;
    Ok(games.into_iter().filter(has_transcripts).collect())
}

async fn play(args: &Args, dir: &Path) -> Result<GameReport, Failure> {
    let workspace = super::workspace_of(dir);
    let components = match (&args.components, &workspace) {
        (Some(dir), _) => dir.clone(),
        (None, Some(workspace)) => super::super::sandbox::components(workspace),
        (None, None) => PathBuf::from("components"),
    };
    if let (false, Some(workspace), None) = (args.no_build, &workspace, &args.components) {
        let files = Bundle::read(dir).map_err(Failure::new)?;
        let plugins = game::plugins(&files).map_err(|problem| Failure::new(format!("{}: {problem}", dir.join("game.toml").display())))?;
        let sources: Vec<&str> = plugins
            .iter()
            .map(String::as_str)
            .filter(|plugin| workspace.join("plugins").join(plugin).join("Cargo.toml").is_file())
            .collect();
        if !sources.is_empty() {
            super::build(workspace, &sources)?;
        }
    }
    let bundle = game::read_folder(dir, &components).map_err(Failure::new)?;
    let options = EngineOptions {
        calls_max: CALLS_MAX,
        calls_per_game_max: CALLS_MAX,
        warm_memories: CALLS_MAX,
        cache_dir: workspace.map(|workspace| workspace.join("target/questline/compiled")),
        count_fuel: true,
        ..EngineOptions::default()
    };
    let loader = GameLoader::new(options, Arc::new(SceneLog)).map_err(Failure::new)?;
    let http = app::connector_client().map_err(Failure::new)?;
    let context = LoadContext::to_try(Studio::Sample, &http);
    let declared = game::declare(&bundle, &context).map_err(Failure::new)?;
    let loaded = Arc::new(loader.load(declared, &bundle).await.map_err(Failure::new)?);
    let filter = args.filter.as_ref().map(|filter| filter.to_lowercase());
    let wanted = |path: &str, title: &str| {
        filter.as_ref().is_none_or(|filter| path.to_lowercase().contains(filter) || title.to_lowercase().contains(filter))
    };
    let transcripts = transcript::play_some(&loaded, &bundle, wanted).await;
    let passed = transcripts.iter().all(TranscriptReport::passed);
    Ok(GameReport { game: bundle.game().to_string(), passed, transcripts })
}

fn show(args: &Args, reports: &[GameReport], started: Instant) {
    let (mut scenes, mut steps, mut fuel) = (0, 0, 0);
    for report in reports {
        for transcript in &report.transcripts {
            print!("{}/{transcript}", report.game);
            for scene in &transcript.scenes {
                scenes += 1;
                steps += scene.steps.len();
                fuel += scene.fuel().unwrap_or(0);
                if args.steps {
                    show_steps(scene);
                }
            }
        }
    }
    let fuel = transcript::grouped(fuel);
    println!("{scenes} scenes, {steps} steps, {fuel} fuel, {:.1} s", started.elapsed().as_secs_f64());
}

fn show_steps(scene: &transcript::SceneReport) {
    println!("    {}", scene.title);
    for step in &scene.steps {
        let fuel = step.fuel.map(transcript::grouped).unwrap_or_default();
        let flow = step.flow.as_deref().unwrap_or("-");
        println!(
            "      line {:>4}  {:<14} {:<24} {:>12} fuel  {:>3} imports  {}",
            step.line, step.event, flow, fuel, step.host_calls, step.outcome
        );
    }
}
