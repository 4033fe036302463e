//! The breakers of numbers and apps, as the lanes ask them. What changes is told once, to whoever drains it.

use std::collections::HashMap;

use questline_core::permit::breaker::{Breaker, BreakerRules, BreakerState, Changed};
use questline_core::send::PauseScope;
use questline_core::time::UnixMs;

use crate::sending::Stop;

/// A breaker changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BreakerChange {
    /// Of a number or an app.
    pub(super) scope: PauseScope,
    /// Which.
    pub(super) name: String,
    /// To what.
    pub(super) to: BreakerState,
}

/// All of them; those that nothing has failed on are not kept.
#[derive(Debug, Default)]
pub(super) struct Breakers {
    rules: BreakerRules,
    /// By scope (an app, or a number) and name.
    of: HashMap<(PauseScope, String), Breaker>,
    changes: Vec<BreakerChange>,
}

impl Breakers {
    pub(super) fn set_rules(&mut self, rules: BreakerRules) {
        self.rules = rules;
    }

    /// When a send of these scopes may begin, if not now.
    pub(super) fn not_before(&self, scopes: [(PauseScope, &str); 2], now: UnixMs) -> Option<UnixMs> {
        if self.of.is_empty() {
            return None;
        }
        let until = |(scope, name): (PauseScope, &str)| self.of.get(&(scope, name.to_owned()))?.not_before(now);
        scopes.into_iter().filter_map(until).max()
    }

    /// A send of these scopes begins.
    pub(super) fn began(&mut self, scopes: [(PauseScope, &str); 2], now: UnixMs) {
        if !self.of.is_empty() {
            self.each(scopes, |breaker| breaker.begin(now));
        }
    }

    /// Meta has answered.
    pub(super) fn succeeded(&mut self, scopes: [(PauseScope, &str); 2], now: UnixMs) {
        if !self.of.is_empty() {
            self.each(scopes, |breaker| breaker.succeeded(now));
            self.of.retain(|_, breaker| !breaker.is_idle());
        }
    }

    /// Meta was not reached, or failed.
    pub(super) fn failed(&mut self, scopes: [(PauseScope, &str); 2], now: UnixMs) {
        for (scope, name) in scopes {
            self.of.entry((scope, name.to_owned())).or_insert_with(|| Breaker::new(self.rules));
        }
        self.each(scopes, |breaker| breaker.failed(now));
    }

    fn each(&mut self, scopes: [(PauseScope, &str); 2], mut change: impl FnMut(&mut Breaker) -> Option<Changed>) {
        for (scope, name) in scopes {
            let changed = self.of.get_mut(&(scope, name.to_owned())).and_then(&mut change);
            if let Some(Changed { to, .. }) = changed {
                self.changes.push(BreakerChange { scope, name: name.to_owned(), to });
            }
        }
    }

    /// Those that let less than all through.
    pub(super) fn stops(&self) -> impl Iterator<Item = Stop> + '_ {
        self.of.iter().filter_map(|((scope, name), breaker)| Stop::of_breaker(*scope, name, breaker))
    }

    /// What has changed since the last time.
    pub(super) fn changes(&mut self) -> Vec<BreakerChange> {
        std::mem::take(&mut self.changes)
    }
}
