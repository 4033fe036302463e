//! What the flow keeps between events: how far the player came and how often they were wrong. Never an answer.
use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// Kept as long as the session. Wrong answers count on through every recovery until one succeeds, an agent has looked, or
/// the lock ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    /// What the player is asked for; none while no recovery runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) asked: Option<Asked>,
    /// Checks of this recovery that are over, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) steps: Vec<Step>,
    /// Wrong answers to what is asked for now.
    pub(crate) wrong_here: u32,
    /// Wrong answers in all.
    pub(crate) wrong: u32,
    /// Nothing can be tried before then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) locked_until_ms: Option<u64>,
    /// The device that the game told, until a recovery uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<Device>,
    /// The ticket that an agent has not closed yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ticket: Option<String>,
    /// The player was reminded that an answer is awaited.
    pub(crate) reminded: bool,
}

/// What the player is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Asked {
    /// The amount of the last purchase.
    Purchase,
    /// The answer to the security question.
    Question,
    /// The name of the account: of a contact that nobody knows.
    Name,
}

/// One way to tell whose account it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Check {
    Device,
    Purchase,
    Question,
}

impl Check {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Purchase => "purchase",
            Self::Question => "question",
        }
    }
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Matched,
    Different,
    /// There is nothing to compare with.
    Unknown,
    /// The player could not answer.
    Skipped,
}

impl Verdict {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Different => "different",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
        }
    }
}

/// A check that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) check: Check,
    pub(crate) verdict: Verdict,
}

/// A device's fingerprint, and when the game told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Device {
    pub(crate) fingerprint: String,
    pub(crate) at_ms: u64,
}

impl State {
    /// Whether a check of this recovery is over.
    pub(crate) fn is_over(&self, check: Check) -> bool {
        self.steps.iter().any(|step| step.check == check)
    }

    /// What the checks that matched are worth, at most 100.
    pub(crate) fn points(&self, settings: &Settings) -> u32 {
        let matched = self.steps.iter().filter(|step| step.verdict == Verdict::Matched);
        matched.map(|step| settings.weight(step.check)).sum::<u32>().min(100)
    }

    /// No recovery runs any more. What limits the next one stays.
    pub(crate) fn end(&mut self) {
        self.asked = None;
        self.steps.clear();
        self.wrong_here = 0;
        self.reminded = false;
    }

    /// Wrong answers are forgiven.
    pub(crate) fn forgive(&mut self) {
        self.wrong = 0;
        self.locked_until_ms = None;
    }
}
