//! Evidence that one variant converts better than another: a betting score that may be looked at at any time.
//!
//! A cohort of two variants is a table of two by two. Given how many converted in all, how many of them are of the first
//! variant has a hypergeometric law if neither is better, whatever the common rate is; if the first one's odds are `w` times
//! the second's, it has Fisher's noncentral hypergeometric law. Their likelihood ratio has the mean 1 if neither is better, and
//! less if the first is worse, for the ratio rises with the count and the count's law falls. So the product over cohorts,
//! and its mean over a fixed set of `w`, is a nonnegative supermartingale: an e-process. By Ville's inequality it ever exceeds
//! `1/a` with chance `a` at most, and no look, stop or go-on changes that.
//!
//! Sources: J. Ville, Étude critique de la notion de collectif (1939); R. Turner, A. Ly, P. Grünwald, "Generic E-variables for
//! exact sequential k-sample tests that allow for optional stopping", Journal of Statistical Planning and Inference 230
//! (2024); P. Grünwald, R. de Heide, W. Koolen, "Safe testing", JRSS B 86 (2024).

use serde::{Deserialize, Serialize};

/// What came of one variant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arm {
    /// Who got it. Those whom Meta left out for an experiment of its own (130472) are not among them.
    pub subjects: u64,
    /// Who did what was hoped for, in time.
    pub converted: u64,
}

impl Arm {
    /// Conversions of all subjects, 0 where there are none.
    pub fn rate(self) -> f64 {
        if self.subjects == 0 { 0.0 } else { self.converted as f64 / self.subjects as f64 }
    }
}

/// Alternatives that are bet on: odds from 2 % to 7 times better. Whatever the truth is, one of them is within a tenth of its
/// logarithm, which costs a hundredth of the evidence.
const ALTERNATIVES: usize = 26;
const LN_ODDS_MIN: f64 = 0.02;
const STEP: f64 = 1.2;
/// Terms of a sum that are smaller than this beside its largest change no digit of it.
const NEGLIGIBLE: f64 = 1e-18;

/// What has been seen so far of one pair of variants.
#[derive(Debug, Clone)]
pub struct Evidence {
    ln_ratios: [f64; ALTERNATIVES],
}

impl Default for Evidence {
    fn default() -> Self {
        Self { ln_ratios: [0.0; ALTERNATIVES] }
    }
}

impl Evidence {
    /// Adds a cohort, for the claim that the first converts better.
    pub fn add(&mut self, first: Arm, second: Arm) {
        let table = Table::new(first, second);
        let Some(table) = table else { return };
        let mut ln_odds = LN_ODDS_MIN;
        let at_even = table.ln_sum(0.0);
        for ln_ratio in &mut self.ln_ratios {
            *ln_ratio += ln_odds * table.seen as f64 - (table.ln_sum(ln_odds) - at_even);
            ln_odds *= STEP;
        }
    }

    /// The natural logarithm of the e-value; 0 before anything was seen.
    pub fn ln_value(&self) -> f64 {
        let highest = self.ln_ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = self.ln_ratios.iter().map(|ln_ratio| (ln_ratio - highest).exp()).sum();
        highest + (sum / ALTERNATIVES as f64).ln()
    }
}

/// A table of two by two, with its margins fixed.
struct Table {
    first: u64,
    second: u64,
    converted: u64,
    /// How many of those who converted are of the first.
    seen: u64,
}

impl Table {
    /// None where the margins leave nothing open.
    fn new(first: Arm, second: Arm) -> Option<Self> {
        let converted = [first, second].iter().map(|arm| arm.converted.min(arm.subjects)).sum::<u64>();
        let all = first.subjects + second.subjects;
        let is_open = first.subjects > 0 && second.subjects > 0 && converted > 0 && converted < all;
        let seen = first.converted.min(first.subjects);
        is_open.then_some(Self { first: first.subjects, second: second.subjects, converted, seen })
    }

    /// The logarithm of the sum over `x` of `C(first, x) C(second, converted - x) e^(x ln_odds)`.
    ///
    /// From its largest term outwards: the terms fall on both sides, faster and faster.
    fn ln_sum(&self, ln_odds: f64) -> f64 {
        let low = self.converted.saturating_sub(self.second);
        let high = self.converted.min(self.first);
        let odds = ln_odds.exp();
        let top = self.top(odds).clamp(low, high);
        let (mut sum, mut term, mut x) = (1.0, 1.0, top);
        while x < high && term > NEGLIGIBLE {
            term *= self.step_up(x) * odds;
            sum += term;
            x += 1;
        }
        (term, x) = (1.0, top);
        while x > low && term > NEGLIGIBLE {
            term /= self.step_up(x - 1) * odds;
            sum += term;
            x -= 1;
        }
        ln_choose(self.first, top) + ln_choose(self.second, self.converted - top) + ln_odds * top as f64 + f64::ln(sum)
    }

    /// The term of `x + 1` beside that of `x`, at even odds.
    fn step_up(&self, x: u64) -> f64 {
        let up = (self.first - x) as f64 * (self.converted - x) as f64;
        up / ((x + 1) as f64 * (self.second + x + 1 - self.converted) as f64)
    }

    /// About where the largest term is: where a step up changes nothing, the root of a quadratic.
    fn top(&self, odds: f64) -> u64 {
        let (first, second, converted) = (self.first as f64, self.second as f64, self.converted as f64);
        let a = odds - 1.0;
        let b = -(odds * (first + converted + 2.0) + second - converted);
        let c = odds * (first + 1.0) * (converted + 1.0);
        // The form that stays exact where `a` is 0.
        let root = 2.0 * c / (-b + (b * b - 4.0 * a * c).max(0.0).sqrt());
        root.max(0.0) as u64
    }
}

fn ln_choose(n: u64, k: u64) -> f64 {
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

/// The logarithm of `n!`: by Stirling's series, whose error from 16 on is below what an `f64` can tell.
fn ln_factorial(n: u64) -> f64 {
    if n < 16 {
        return (2..=n).map(|factor| factor as f64).product::<f64>().ln();
    }
    let x = n as f64;
    let over = 1.0 / (x * x);
    let series = (1.0 / 12.0 - over * (1.0 / 360.0 - over * (1.0 / 1_260.0 - over / 1_680.0))) / x;
    (x + 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Binomial coefficients as they are taught.
    fn choose(n: u64, k: u64) -> f64 {
        (0..k).map(|i| (n - i) as f64 / (k - i) as f64).product()
    }

    #[test]
    fn factorials_are_right() {
        let mut product = 0.0;
        for n in 1..400u64 {
            product += (n as f64).ln();
            assert!((ln_factorial(n) - product).abs() < 1e-10 * product.max(1.0), "{n}");
        }
    }

    proptest! {
        /// The sum from the top outwards is the sum over all.
        #[test]
        fn the_sum_is_the_whole_sum(first in 1u64..60, second in 1u64..60, seed in 0u64..10_000, ln_odds in -3.0f64..3.0) {
            let converted = 1 + seed % (first + second - 1).max(1);
            prop_assume!(converted < first + second);
            let table = Table { first, second, converted, seen: 0 };
            let (low, high) = (converted.saturating_sub(second), converted.min(first));
            let whole: f64 = (low..=high).map(|x| choose(first, x) * choose(second, converted - x) * (ln_odds * x as f64).exp()).sum();
            let sum = table.ln_sum(ln_odds);
            prop_assert!((sum - whole.ln()).abs() < 1e-9, "{sum} {}", whole.ln());
        }

        /// If neither is better, the mean of what one cohort brings is 1, exactly; if the first is worse, less.
        #[test]
        fn nobody_gains_by_betting_on_nothing(first in 1u64..25, second in 1u64..25, seed in 0u64..10_000, worse in 0.3f64..1.0) {
            prop_assume!(first + second > 1);
            let converted = 1 + seed % (first + second - 1);
            let (low, high) = (converted.saturating_sub(second), converted.min(first));
            let value = |x: u64| {
                let mut evidence = Evidence::default();
                evidence.add(Arm { subjects: first, converted: x }, Arm { subjects: second, converted: converted - x });
                evidence.ln_value().exp()
            };
            let weight = |x: u64, odds: f64| choose(first, x) * choose(second, converted - x) * odds.powi(x as i32);
            let mean = |odds: f64| (low..=high).map(|x| weight(x, odds) * value(x)).sum::<f64>() / (low..=high).map(|x| weight(x, odds)).sum::<f64>();
            prop_assert!((mean(1.0) - 1.0).abs() < 1e-9, "{}", mean(1.0));
            prop_assert!(mean(worse) <= 1.0 + 1e-9);
        }
    }

    #[test]
    fn a_million_subjects_are_no_harder() {
        let mut evidence = Evidence::default();
        evidence.add(Arm { subjects: 500_000, converted: 26_000 }, Arm { subjects: 500_000, converted: 25_000 });
        // A difference of 4.5 standard errors: about 8 in the logarithm, less what not knowing the size of it costs.
        let value = evidence.ln_value();
        assert!((5.0..10.5).contains(&value), "{value}");
    }
}
