//! Experiments: which wording of a template does better, found out while it is being sent. Who gets which is a hash of the
//! person, so that nobody sees two; what came of it is judged by a test that may be looked at as often as one likes.

mod evidence;
mod plan;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::broadcast::Tally;
use crate::time::{HOUR_MS, UnixMs};

pub use evidence::{Arm, Evidence};
pub use plan::{Experiment, Goal, InvalidExperiment, VARIANT_NAME_CHARS_MAX, Variant, WITHIN_MS_MAX, WITHIN_MS_MIN};

/// Variants of one experiment.
pub const VARIANTS_MAX: usize = 8;
/// The chance that a variant is promoted though another one is as good, over all looks together.
pub const ERROR_MAX: f64 = 0.05;

/// How an audience is divided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u16>", into = "Vec<u16>")]
pub struct Split(Vec<u16>);

/// The parts make no split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSplit {
    /// How many there are.
    #[error("{0} variants; an experiment compares 2 to {VARIANTS_MAX}")]
    Variants(usize),
    /// One gets nobody.
    #[error("each variant's share is 1 to 1,000; the shares are weights, for instance 1 and 1")]
    Share,
}

/// The largest weight.
const SHARE_MAX: u16 = 1_000;

impl Split {
    /// From each variant's weight.
    pub fn new(shares: Vec<u16>) -> Result<Self, InvalidSplit> {
        match shares.len() {
            2..=VARIANTS_MAX if shares.iter().all(|share| (1..=SHARE_MAX).contains(share)) => Ok(Self(shares)),
            2..=VARIANTS_MAX => Err(InvalidSplit::Share),
            other => Err(InvalidSplit::Variants(other)),
        }
    }

    /// How many variants there are.
    pub fn variants(&self) -> usize {
        self.0.len()
    }

    /// Whose variant it is, from a hash over experiment and person: the same one each time, whoever asks.
    pub fn assign(&self, digest: u64) -> usize {
        let total: u64 = self.0.iter().map(|share| u64::from(*share)).sum();
        // The high half of the product is uniform in 0..total, without the bias of a remainder.
        let mut place = ((u128::from(digest) * u128::from(total)) >> 64) as u64;
        for (variant, share) in self.0.iter().enumerate() {
            match place.checked_sub(u64::from(*share)) {
                None => return variant,
                Some(rest) => place = rest,
            }
        }
        self.0.len() - 1
    }
}

impl TryFrom<Vec<u16>> for Split {
    type Error = InvalidSplit;
    fn try_from(shares: Vec<u16>) -> Result<Self, InvalidSplit> {
        Self::new(shares)
    }
}

impl From<Split> for Vec<u16> {
    fn from(split: Split) -> Self {
        split.0
    }
}

/// What somebody does after a campaign's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// They followed its link.
    Click,
    /// They did in the game what it is for.
    Conversion,
    /// They said that they want no marketing any more.
    OptOut,
}

impl Deed {
    /// In front of the hour of the exposure, where stores count those who did it.
    pub fn counted_as(self) -> &'static str {
        match self {
            Self::Click => "clicked:",
            Self::Conversion => "converted:",
            Self::OptOut => "opted-out:",
        }
    }
}

/// Meta's code for a message that it does not deliver because the person is in an experiment of its own (error table).
pub const EXPERIMENT_OF_META: u32 = 130_472;
/// In front of the hour in which Meta took the message, where stores count those whom it reached.
pub const REACHED: &str = "reached:";

/// The hour of a time, as stores count by it.
pub fn hour_of(at: UnixMs) -> u64 {
    at.0 / HOUR_MS
}

/// Those who got their message in the same stretch of time, by variant, once the time in which they could convert is over.
pub type Cohort = Vec<Arm>;

/// The cohorts whose time is over, oldest first, from what a store counted of each variant: those who got it in one hour are
/// one cohort, complete `within_ms` after the hour's end.
pub fn cohorts(tallies: &BTreeMap<Option<u8>, Tally>, variants: usize, deed: Deed, within_ms: u64, now: UnixMs) -> Vec<Cohort> {
    let mut by_hour: BTreeMap<u64, Cohort> = BTreeMap::new();
    for (variant, tally) in tallies {
        let Some(variant) = variant.map(usize::from).filter(|variant| *variant < variants) else { continue };
        for (name, count) in &tally.counts {
            let part = |prefix| name.strip_prefix(prefix).and_then(|hour| hour.parse::<u64>().ok());
            let (hour, is_deed) = match (part(REACHED), part(deed.counted_as())) {
                (Some(hour), _) => (hour, false),
                (None, Some(hour)) => (hour, true),
                (None, None) => continue,
            };
            let arm = &mut by_hour.entry(hour).or_insert_with(|| vec![Arm::default(); variants])[variant];
            let count = u64::try_from(*count).unwrap_or(0);
            if is_deed { arm.converted += count } else { arm.subjects += count }
        }
    }
    let is_over = |hour: u64| UnixMs((hour + 1).saturating_mul(HOUR_MS)).plus_ms(within_ms) <= now;
    by_hour.into_iter().filter(|(hour, _)| is_over(*hour)).map(|(_, cohort)| cohort).collect()
}

/// Where an experiment stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// All whose time is over, by variant.
    pub arms: Vec<Arm>,
    /// The one with the highest rate; the first of those that are equal.
    pub leader: usize,
    /// How sure it is that the leader is better than all others, 0 to 1: a bound that holds over all looks.
    pub confidence: f64,
    /// The leader, once it is sure enough to be promoted.
    pub winner: Option<usize>,
}

/// Judges an experiment by its cohorts, in their order. Each is counted when it is complete, so that those who convert soon
/// weigh no more than those who take their time.
///
/// The leader wins when the evidence that it is better reaches `v (v - 1) / ERROR_MAX` against every other of `v` variants. By
/// Ville's inequality the chance that one pair's evidence ever does so without reason is at most `ERROR_MAX / (v (v - 1))`,
/// and there are `v (v - 1)` ordered pairs: so the chance of any promotion without reason is at most [`ERROR_MAX`], however
/// often one looks and whenever one stops.
pub fn judge(cohorts: &[Cohort], variants: usize) -> Standing {
    let mut arms = vec![Arm::default(); variants];
    for cohort in cohorts {
        for (sum, arm) in arms.iter_mut().zip(cohort) {
            sum.subjects += arm.subjects;
            sum.converted += arm.converted;
        }
    }
    let leader = (1..variants).fold(0, |best, next| if arms[next].rate() > arms[best].rate() { next } else { best });
    let weakest = (0..variants)
        .filter(|other| *other != leader)
        .map(|other| {
            let mut evidence = Evidence::default();
            for cohort in cohorts {
                if let (Some(one), Some(two)) = (cohort.get(leader), cohort.get(other)) {
                    evidence.add(*one, *two);
                }
            }
            evidence.ln_value()
        })
        .fold(f64::INFINITY, f64::min);
    let pairs = (variants * variants.saturating_sub(1)) as f64;
    let confidence = (1.0 - pairs * (-weakest).exp()).clamp(0.0, 1.0);
    Standing { arms, leader, confidence, winner: (confidence >= 1.0 - ERROR_MAX).then_some(leader) }
}

#[cfg(test)]
mod tests;
