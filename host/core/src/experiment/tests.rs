//! What the judging promises: few promotions without reason, however often one looks, and the better variant found.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

/// A small generator (SplitMix64): the simulations are the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// How many of so many do it, each with this chance.
    fn converted(&mut self, subjects: u64, rate: f64) -> u64 {
        let below = (rate * u64::MAX as f64) as u64;
        (0..subjects).filter(|_| self.next() < below).count() as u64
    }
}

/// What is shown by a simulation: who was promoted, and on which day.
fn run(random: &mut Random, rates: &[f64], a_day: u64, days: usize, look: impl Fn(&[Cohort]) -> Option<usize>) -> Option<(usize, usize)> {
    let split = Split::new(vec![1; rates.len()]).unwrap();
    let mut cohorts = Vec::new();
    for day in 0..days {
        let mut cohort = vec![Arm::default(); rates.len()];
        (0..a_day).for_each(|_| cohort[split.assign(random.next())].subjects += 1);
        for (arm, rate) in cohort.iter_mut().zip(rates) {
            arm.converted = random.converted(arm.subjects, *rate);
        }
        cohorts.push(cohort);
        if let Some(winner) = look(&cohorts) {
            return Some((winner, day));
        }
    }
    None
}

/// The test that most tools make, looked at each day: no correction for the looks.
fn naive(cohorts: &[Cohort]) -> Option<usize> {
    let sum = |variant: usize| {
        cohorts.iter().map(|cohort| cohort[variant]).fold((0.0, 0.0), |(n, x), arm| (n + arm.subjects as f64, x + arm.converted as f64))
    };
    let ((n0, x0), (n1, x1)) = (sum(0), sum(1));
    let pooled = (x0 + x1) / (n0 + n1);
    let z = (x0 / n0 - x1 / n1) / (pooled * (1.0 - pooled) * (1.0 / n0 + 1.0 / n1)).sqrt();
    (z.abs() > 1.96).then_some(usize::from(z < 0.0))
}

#[test]
fn looking_every_day_promotes_nothing_without_reason() {
    for (rates, runs) in [(vec![0.10; 2], 400), (vec![0.02; 2], 200), (vec![0.10; 4], 100)] {
        let mut random = Random(7);
        let wrong = (0..runs).filter(|_| run(&mut random, &rates, 200, 30, |cohorts| judge(cohorts, rates.len()).winner).is_some()).count();
        // At most 5 %, and three standard errors of the simulation itself.
        let allowed = ERROR_MAX * runs as f64 + 3.0 * (ERROR_MAX * (1.0 - ERROR_MAX) * runs as f64).sqrt();
        assert!(wrong as f64 <= allowed, "{wrong} of {runs} without reason at {rates:?}");
    }
    let mut random = Random(7);
    let wrong = (0..300).filter(|_| run(&mut random, &[0.1, 0.1], 200, 30, naive).is_some()).count();
    assert!(wrong > 45, "what is not made for it promotes without reason in a sixth of all cases and more: {wrong} of 300");
}

#[test]
fn the_better_one_is_found() {
    let mut random = Random(11);
    let found: Vec<_> = (0..60).filter_map(|_| run(&mut random, &[0.10, 0.14], 1_000, 30, |cohorts| judge(cohorts, 2).winner)).collect();
    assert!(found.len() >= 57, "{} of 60", found.len());
    assert!(found.iter().all(|(winner, _)| *winner == 1));
    let mut days: Vec<_> = found.iter().map(|(_, day)| *day).collect();
    days.sort_unstable();
    assert!(days[days.len() / 2] <= 8, "half of them within nine days: {days:?}");
}

#[test]
fn nothing_is_said_of_nothing() {
    let standing = judge(&[], 3);
    assert_eq!((standing.leader, standing.winner, standing.confidence), (0, None, 0.0));
    let one_sided = vec![vec![Arm { subjects: 50, converted: 5 }, Arm::default()]];
    assert_eq!(judge(&one_sided, 2).winner, None);
}

#[test]
fn cohorts_are_the_hours_whose_time_is_over() {
    let tally = |counts: &[(&str, i64)]| Tally { counts: counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect() };
    let tallies = [
        (None, tally(&[("reached:9", 1_000)])),
        (Some(0), tally(&[("reached:9", 10), ("converted:9", 2), ("clicked:9", 7), ("reached:11", 5), ("queued", 15)])),
        (Some(1), tally(&[("reached:9", 12), ("reached:10", 3), ("converted:10", 1), ("reached:x", 4)])),
        (Some(7), tally(&[("reached:9", 1)])),
    ];
    let at = |hours: u64| cohorts(&tallies.clone().into(), 2, Deed::Conversion, 2 * HOUR_MS, UnixMs(hours * HOUR_MS));
    let arm = |subjects, converted| Arm { subjects, converted };
    let (ninth, tenth) = (vec![arm(10, 2), arm(12, 0)], vec![arm(0, 0), arm(3, 1)]);
    assert_eq!(at(11), Vec::<Cohort>::new());
    assert_eq!(at(12), vec![ninth.clone()]);
    assert_eq!(at(13), vec![ninth.clone(), tenth.clone()]);
    assert_eq!(at(99), vec![ninth, tenth, vec![arm(5, 0), arm(0, 0)]]);
}

#[test]
fn a_split_is_2_to_8_shares() {
    assert!(matches!(Split::new(vec![1]), Err(InvalidSplit::Variants(1))));
    assert!(matches!(Split::new(vec![1; 9]), Err(InvalidSplit::Variants(9))));
    assert!(matches!(Split::new(vec![1, 0]), Err(InvalidSplit::Share)));
    assert!(serde_json::from_str::<Split>("[1,1001]").is_err());
}

proptest! {
    #[test]
    fn everybody_has_a_variant_and_shares_are_kept(shares in prop::collection::vec(1u16..20, 2..8), seed: u64) {
        let split = Split::new(shares.clone()).unwrap();
        let mut random = Random(seed);
        let mut counts = vec![0u32; shares.len()];
        for _ in 0..20_000 {
            let digest = random.next();
            let variant = split.assign(digest);
            prop_assert_eq!(variant, split.assign(digest));
            counts[variant] += 1;
        }
        let total: f64 = shares.iter().map(|share| f64::from(*share)).sum();
        for (count, share) in counts.iter().zip(&shares) {
            let expected = 20_000.0 * f64::from(*share) / total;
            prop_assert!((f64::from(*count) - expected).abs() < 6.0 * expected.sqrt(), "{count} {expected}");
        }
    }
}
