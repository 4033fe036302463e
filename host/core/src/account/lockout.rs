//! How often somebody may be wrong about whose account it is, before nobody may try for a while; and how many credentials
//! an account gets. Counted for the player, over all contacts and conversations: another phone is no further try.

use serde::{Deserialize, Serialize};

use super::Account;
use crate::time::{DAY_MS, SECOND_MS, UnixMs};

/// Tries that are remembered; the oldest that count no more make room.
const TRIES_MAX: usize = 64;
/// Locks are forgotten, and the next one is short again, so long after the last one ended.
const LOCKS_FORGOTTEN_MS: u64 = 7 * DAY_MS;

/// What a game allows: `[recovery]` in game.toml.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockoutRules {
    /// Failed checks within the window that lock an account's recovery.
    pub failures_max: u32,
    /// How long a failed check counts.
    pub window_s: u32,
    /// How long the first lock lasts; each further one twice as long as the one before ...
    pub lock_s: u32,
    /// ... and never longer than this.
    pub lock_s_max: u32,
}

impl Default for LockoutRules {
    /// Five in a day, then an hour, two, four, up to a day.
    fn default() -> Self {
        Self { failures_max: 5, window_s: 86_400, lock_s: 3_600, lock_s_max: 86_400 }
    }
}

/// No check is made now, and no credentials are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("locked: too many checks failed; none is made before {}", until.0)]
pub struct Locked {
    /// Not before.
    pub until: UnixMs,
}

/// What a failed check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// It was not counted before.
    pub is_new: bool,
    /// It locked the account's recovery, until then.
    pub locked: Option<Locked>,
}

/// What is known of tries to recover one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryBook {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tries: Vec<Try>,
    #[serde(default)]
    locks: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locked_until: Option<UnixMs>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    issued: Vec<Issued>,
}

/// A check that failed, or has no answer yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Try {
    /// What made it: the same again is the same try.
    by: Box<str>,
    at: UnixMs,
    state: TryState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TryState {
    /// Counted before it is made, so that many at once are no more than one after the other.
    Open,
    /// It failed.
    Failed,
    /// It failed, and has led to a lock.
    Spent,
}

/// Credentials that were given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Issued {
    by: Box<str>,
    at: UnixMs,
}

impl RecoveryBook {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Until when nothing goes.
    pub fn locked(&self, now: UnixMs) -> Option<Locked> {
        self.locked_until.filter(|until| *until > now).map(|until| Locked { until })
    }

    /// Failures that lead to a lock, from now on.
    pub fn failures_left(&self, rules: &LockoutRules, now: UnixMs) -> u32 {
        rules.failures_max.saturating_sub(self.counting(rules, now))
    }

    /// Counts a check before it is made. What `by` names may ask again: it is the same check.
    pub fn begin(&mut self, by: &str, rules: &LockoutRules, now: UnixMs) -> Result<(), Locked> {
        if self.tries.iter().any(|known| &*known.by == by) {
            return Ok(());
        }
        if let Some(locked) = self.locked(now) {
            return Err(locked);
        }
        self.forget(rules, now);
        if self.counting(rules, now) >= rules.failures_max {
            // So many at once are no player who tries to remember.
            return Err(self.lock(rules, now));
        }
        self.tries.push(Try { by: by.into(), at: now, state: TryState::Open });
        Ok(())
    }

    /// The check failed.
    pub fn fail(&mut self, by: &str, rules: &LockoutRules, now: UnixMs) -> Failed {
        match self.tries.iter_mut().find(|known| &*known.by == by) {
            Some(known) if known.state == TryState::Open => known.state = TryState::Failed,
            Some(_) => return Failed { is_new: false, locked: None },
            None => {
                self.forget(rules, now);
                // While it is locked nothing more leads to a lock; that it failed is remembered.
                let state = if self.locked(now).is_some() { TryState::Spent } else { TryState::Failed };
                self.tries.push(Try { by: by.into(), at: now, state });
            }
        }
        let locks = self.locked(now).is_none() && self.counting(rules, now) >= rules.failures_max;
        Failed { is_new: true, locked: locks.then(|| self.lock(rules, now)) }
    }

    /// The check passed, or nobody could say: it counts no more.
    pub fn settle(&mut self, by: &str) {
        self.tries.retain(|known| &*known.by != by || known.state != TryState::Open);
    }

    /// Counts credentials, unless a lock or the day's number forbids them: then how many were given.
    pub fn issue(&mut self, by: &str, per_day_max: u32, now: UnixMs) -> Result<(), NotIssued> {
        if let Some(locked) = self.locked(now) {
            return Err(NotIssued::Locked(locked));
        }
        if self.issued.iter().any(|known| &*known.by == by) {
            return Ok(());
        }
        self.issued.retain(|known| now.since_ms(known.at) < DAY_MS);
        if self.issued.len() >= per_day_max as usize {
            return Err(NotIssued::TooMany);
        }
        self.issued.push(Issued { by: by.into(), at: now });
        Ok(())
    }

    /// They were not given after all.
    pub fn withdraw(&mut self, by: &str) {
        self.issued.retain(|known| &*known.by != by);
    }

    fn counting(&self, rules: &LockoutRules, now: UnixMs) -> u32 {
        let window_ms = u64::from(rules.window_s) * SECOND_MS;
        let counts = |known: &&Try| known.state != TryState::Spent && now.since_ms(known.at) < window_ms;
        self.tries.iter().filter(counts).count() as u32
    }

    fn lock(&mut self, rules: &LockoutRules, now: UnixMs) -> Locked {
        if self.locked_until.is_some_and(|until| now.since_ms(until) >= LOCKS_FORGOTTEN_MS) {
            self.locks = 0;
        }
        let lock_s = u64::from(rules.lock_s).saturating_mul(1 << self.locks.min(31)).min(u64::from(rules.lock_s_max.max(rules.lock_s)));
        self.locks = self.locks.saturating_add(1);
        let until = now.plus_ms(lock_s * SECOND_MS);
        self.locked_until = Some(until);
        self.tries.iter_mut().for_each(|known| known.state = TryState::Spent);
        Locked { until }
    }

    fn forget(&mut self, rules: &LockoutRules, now: UnixMs) {
        let window_ms = u64::from(rules.window_s) * SECOND_MS;
        self.tries.retain(|known| now.since_ms(known.at) < window_ms);
        while self.tries.len() >= TRIES_MAX {
            let spent = self.tries.iter().position(|known| known.state == TryState::Spent).unwrap_or(0);
            self.tries.remove(spent);
        }
    }
}

impl Account {
    /// Counts credentials for the player, unless the account is frozen, locked, or had enough of them today.
    pub fn issue_credentials(&mut self, by: &str, per_day_max: u32, now: UnixMs) -> Result<(), NotIssued> {
        match self.frozen {
            Some(_) => Err(NotIssued::Frozen),
            None => self.recovery.issue(by, per_day_max, now),
        }
    }
}

/// Why there are no credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotIssued {
    /// The player has frozen the account.
    Frozen,
    /// Too many checks failed.
    Locked(Locked),
    /// They were given often enough within a day.
    TooMany,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::time::HOUR_MS;
    use proptest::prelude::*;

    const RULES: LockoutRules = LockoutRules { failures_max: 3, window_s: 3_600, lock_s: 600, lock_s_max: 2_000 };
    const START: UnixMs = UnixMs(1_000_000_000);

    fn fail(book: &mut RecoveryBook, by: &str, now: UnixMs) -> Option<Locked> {
        book.begin(by, &RULES, now).unwrap();
        book.fail(by, &RULES, now).locked
    }

    #[test]
    fn failures_within_the_window_lock_for_longer_each_time() {
        let mut book = RecoveryBook::default();
        let mut now = START;
        for lock_ms in [600_000, 1_200_000, 2_000_000, 2_000_000] {
            assert_eq!(book.failures_left(&RULES, now), 3);
            for n in 0..3 {
                assert_eq!(book.locked(now), None);
                let locked = fail(&mut book, &format!("{now:?}.{n}"), now);
                assert_eq!(locked.map(|locked| locked.until), (n == 2).then(|| now.plus_ms(lock_ms)));
            }
            assert!(book.begin("another", &RULES, now).is_err() && book.issue("credentials", 9, now).is_err());
            now = now.plus_ms(lock_ms);
            assert_eq!(book.locked(now), None);
        }
        now = now.plus_ms(LOCKS_FORGOTTEN_MS);
        for n in 0..3 {
            fail(&mut book, &format!("late.{n}"), now);
        }
        assert_eq!(book.locked(now).unwrap().until, now.plus_ms(600_000), "after a quiet week it begins anew");
    }

    #[test]
    fn failures_leave_the_window_and_what_passed_does_not_count() {
        let mut book = RecoveryBook::default();
        for n in 0..20 {
            assert_eq!(fail(&mut book, &format!("old.{n}"), START.plus_ms(n * HOUR_MS / 2)), None);
        }
        let mut book = RecoveryBook::default();
        for n in 0..20 {
            let by = format!("right.{n}");
            book.begin(&by, &RULES, START).unwrap();
            book.settle(&by);
        }
        assert!(book.is_empty());
    }

    #[test]
    fn the_same_try_counts_once_also_after_the_lock() {
        let mut book = RecoveryBook::default();
        for _ in 0..9 {
            assert_eq!(fail(&mut book, "7.1.question", START), None);
        }
        fail(&mut book, "7.2.question", START);
        let until = fail(&mut book, "7.3.question", START).unwrap().until;
        for by in ["7.1.question", "7.3.question"] {
            assert_eq!(fail(&mut book, by, START), None, "a step that runs again");
            assert_eq!(fail(&mut book, by, until), None);
        }
        assert_eq!(book.failures_left(&RULES, until), 3);
    }

    #[test]
    fn many_at_once_are_no_more_than_one_after_the_other() {
        let mut book = RecoveryBook::default();
        let begun = (0..100).filter(|n| book.begin(&format!("{n}.1.q"), &RULES, START).is_ok()).count();
        assert_eq!(begun, 3);
        assert!(book.locked(START).is_some());
        // What is on its way may still be right, and yet gives no credentials.
        book.settle("0.1.q");
        assert!(matches!(book.issue("0.1.recovery", 3, START), Err(NotIssued::Locked(_))));
    }

    #[test]
    fn credentials_are_counted_for_a_day_and_once_each() {
        let mut book = RecoveryBook::default();
        for _ in 0..5 {
            assert_eq!(book.issue("7.1", 2, START), Ok(()));
        }
        assert_eq!(book.issue("8.1", 2, START), Ok(()));
        assert_eq!(book.issue("9.1", 2, START), Err(NotIssued::TooMany));
        book.withdraw("8.1");
        assert_eq!(book.issue("9.1", 2, START), Ok(()));
        assert_eq!(book.issue("10.1", 2, START.plus_ms(DAY_MS)), Ok(()));
    }

    proptest! {
        /// Whatever is tried in whatever order: between two locks no more fail than the rules say, and what is kept is bounded.
        #[test]
        fn no_way_of_trying_gets_more_tries(steps in prop::collection::vec((0u8..4, 0u32..40, 0u64..900_000), 1..300)) {
            let mut book = RecoveryBook::default();
            let (mut now, mut failed) = (START, Vec::<UnixMs>::new());
            for (what, n, wait_ms) in steps {
                now = now.plus_ms(wait_ms);
                let by = format!("{n}");
                match what {
                    0 => drop(book.begin(&by, &RULES, now)),
                    1 => book.settle(&by),
                    _ => if book.begin(&by, &RULES, now).is_ok() {
                        let outcome = book.fail(&by, &RULES, now);
                        if outcome.is_new { failed.push(now); }
                    }
                }
                prop_assert!(book.tries.len() <= TRIES_MAX);
                prop_assert!(book.counting(&RULES, now) <= RULES.failures_max);
            }
            // Within one lock's time, never more than the rules' number and those that were under way when it fell.
            for (place, at) in failed.iter().enumerate() {
                let within = failed[place..].iter().filter(|other| other.since_ms(*at) < u64::from(RULES.lock_s) * SECOND_MS).count();
                prop_assert!(within <= 2 * RULES.failures_max as usize, "{within}");
            }
        }
    }
}
