//! Transcripts: conversations written down as a community manager would, and played as tests.
//!
//! A game's `*.chat` files are read by [`parse`], and each scene is played by [`play`] in a [`simulation`]: the steps are
//! run by the very code that runs them in production, on whatever engine the game was loaded with; what is simulated is all
//! around them. Players and backend are the game's sample data, whatever it is connected to otherwise. Time stands still
//! until the scene lets it pass. The language is described in `docs/TRANSCRIPTS.md`.

mod cast;
mod codes;
mod diff;
mod judge;
pub mod log;
mod message;
mod parse;
mod pattern;
mod play;
mod report;
mod script;
mod simulation;
mod studio;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use log::SceneLog;
pub use parse::ParseError;
pub(crate) use report::grouped;
pub use report::{Failure, Problem, SceneReport, StepReport, TranscriptReport};

use crate::game::{self, Bundle, LoadedGame};
use crate::metrics::Metrics;

/// All transcripts of a game together take no longer than this; scenes that are left then fail.
const PLAY_MAX: Duration = Duration::from_secs(60);

/// Plays every transcript of the bundle on the game that was loaded from it.
pub async fn play_all(game: &Arc<LoadedGame>, bundle: &Bundle) -> Vec<TranscriptReport> {
    play_some(game, bundle, |_, _| true).await
}

/// Plays the scenes that `wanted` chooses, by their file and title. Files without any are left out, unless they cannot be
/// read.
pub async fn play_some(game: &Arc<LoadedGame>, bundle: &Bundle, wanted: impl Fn(&str, &str) -> bool) -> Vec<TranscriptReport> {
    let metrics = Arc::new(Metrics::default());
    let until = Instant::now() + PLAY_MAX;
    let sample = game::sample(bundle).map_err(|problem| problem.to_string());
    let mut reports = Vec::new();
    for (_, path, content) in bundle.under("", "chat") {
        let mut report = TranscriptReport { path: path.to_owned(), problem: None, scenes: Vec::new() };
        match (parse::parse(&String::from_utf8_lossy(content)), &sample) {
            (Err(error), _) => report.problem = Some(Problem::Parse(error)),
            (Ok(_), Err(problem)) => report.problem = Some(Problem::Sample(problem.clone())),
            (Ok(scenes), Ok(sample)) => {
                let scenes: Vec<_> = scenes.into_iter().filter(|scene| wanted(path, &scene.title)).collect();
                if scenes.is_empty() {
                    continue;
                }
                for scene in &scenes {
                    let left = until.saturating_duration_since(Instant::now());
                    let played = tokio::time::timeout(left, Box::pin(play::scene(game, sample, scene, &metrics))).await;
                    report.scenes.push(played.unwrap_or_else(|_| out_of_time(scene)));
                }
            }
        }
        reports.push(report);
    }
    reports
}

fn out_of_time(scene: &script::Scene) -> SceneReport {
    let text = format!("the transcripts of a game take {} s at most, and that time is up", PLAY_MAX.as_secs());
    SceneReport {
        title: scene.title.clone(),
        line: scene.line,
        failures: vec![Failure { line: scene.line, text }],
        steps: Vec::new(),
        wall_us: 0,
    }
}
