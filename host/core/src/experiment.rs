//! Experiments: which wording of a template does better, found out while it is being sent. Who gets which is a hash of the
//! person, so that nobody sees two; what came of it is judged by a test that may be looked at as often as one likes.

mod evidence;

use serde::{Deserialize, Serialize};

pub use evidence::{Arm, Evidence};

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

/// Those who got their message in the same stretch of time, by variant, once the time in which they could convert is over.
pub type Cohort = Vec<Arm>;

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
