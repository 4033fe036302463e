//! What came of playing transcripts: for people as text, for machines as JSON.

use std::fmt;

use serde::Serialize;

use super::parse::ParseError;

/// Figures stand below each other behind titles of up to this length.
const TITLE_CHARS_ALIGNED: usize = 90;

/// What came of one transcript.
#[derive(Debug, Clone, Serialize)]
pub struct TranscriptReport {
    /// The file, within the game's folder.
    pub path: String,
    /// Why it could not be played at all.
    pub problem: Option<Problem>,
    /// Its scenes, in their order; those that were not chosen are left out.
    pub scenes: Vec<SceneReport>,
}

/// Why a transcript could not be played.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// It is not written as transcripts are.
    Parse(ParseError),
    /// The game's sample data cannot be used.
    Sample(String),
}

/// What came of one scene.
#[derive(Debug, Clone, Serialize)]
pub struct SceneReport {
    /// What it is about.
    pub title: String,
    /// Where it begins.
    pub line: u32,
    /// What went otherwise than was written; a scene ends with the first thing that did.
    pub failures: Vec<Failure>,
    /// What it cost.
    pub steps: Vec<StepReport>,
    /// How long it took, in microseconds.
    pub wall_us: u64,
}

/// Something that went otherwise.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// Where it is written.
    pub line: u32,
    /// What was expected and what came, over several lines: `-` in front of what is missing, `+` in front of what came
    /// instead, in the words of a transcript.
    pub text: String,
}

/// One step of a scene.
#[derive(Debug, Clone, Serialize)]
pub struct StepReport {
    /// The line that caused it.
    pub line: u32,
    /// The event that was handled.
    pub event: &'static str,
    /// How it ended, as metrics name it.
    pub outcome: &'static str,
    /// The flow that was asked last; none where the host did it alone.
    pub flow: Option<String>,
    /// Its cost: the same for the same component and transcript. None where the engine does not count it.
    pub fuel: Option<u64>,
    /// CPU time, which differs from run to run.
    pub cpu_us: u64,
    /// Imports called.
    pub host_calls: u32,
    /// The largest that its memory was.
    pub memory_peak_bytes: u64,
}

impl TranscriptReport {
    /// Whether all went as it is written.
    pub fn passed(&self) -> bool {
        self.problem.is_none() && self.scenes.iter().all(SceneReport::passed)
    }

    /// What its scenes are about.
    pub fn titles(&self) -> impl Iterator<Item = &str> {
        self.scenes.iter().map(|scene| scene.title.as_str())
    }

    /// Fuel of all steps; none where the engine does not count it.
    pub fn fuel(&self) -> Option<u64> {
        self.scenes.iter().filter_map(SceneReport::fuel).reduce(|one, other| one + other)
    }
}

impl SceneReport {
    /// Whether it went as it is written.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// Fuel of all steps; none where the engine does not count it.
    pub fn fuel(&self) -> Option<u64> {
        self.steps.iter().filter_map(|step| step.fuel).reduce(|one, other| one + other)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parse(error) => error.fmt(f),
            Self::Sample(problem) => f.write_str(problem),
        }
    }
}

impl fmt::Display for TranscriptReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.path)?;
        if let Some(problem) = &self.problem {
            writeln!(f, "  FAIL  {problem}")?;
        }
        let width = self.titles().map(|title| title.chars().count()).max().unwrap_or(0).min(TITLE_CHARS_ALIGNED);
        for scene in &self.scenes {
            let mark = if scene.passed() { "ok  " } else { "FAIL" };
            let steps = scene.steps.len();
            write!(f, "  {mark}  {:<width$} {steps:>3} {}", scene.title, if steps == 1 { "step " } else { "steps" })?;
            match scene.fuel() {
                Some(fuel) => writeln!(f, " {:>12} fuel", grouped(fuel))?,
                None => writeln!(f)?,
            }
            for failure in &scene.failures {
                writeln!(f, "        {}:{}", self.path, failure.line)?;
                for line in failure.text.lines() {
                    writeln!(f, "          {line}")?;
                }
            }
        }
        Ok(())
    }
}

/// `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
