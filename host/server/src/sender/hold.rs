//! Holds: scopes that Meta does not want to hear from for a while.

use std::collections::HashMap;

use questline_core::outbox::OutboxMessage;
use questline_core::permit::breaker::BreakerRules;
use questline_core::send::{Hold, PauseScope};
use questline_core::time::UnixMs;

use super::Number;
use super::breakers::{BreakerChange, Breakers};
use crate::sending::Stop;

/// One thing that can be held.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct HoldKey {
    scope: PauseScope,
    name: String,
}

/// The scopes that a number stands in.
#[derive(Debug, Clone)]
pub(super) struct Scopes {
    app: HoldKey,
    account: HoldKey,
    number: HoldKey,
}

impl Scopes {
    pub(super) fn of(number: &Number) -> Self {
        let key = |scope, name: &str| HoldKey { scope, name: name.to_owned() };
        Self {
            app: key(PauseScope::App, &number.app),
            account: key(PauseScope::Account, &number.account),
            number: key(PauseScope::Number, number.id.as_str()),
        }
    }

    /// The key of a scope that a message stands in. Templates belong to the account.
    pub(super) fn key(&self, scope: PauseScope, message: &OutboxMessage) -> HoldKey {
        match scope {
            PauseScope::App => self.app.clone(),
            PauseScope::Account => self.account.clone(),
            PauseScope::Template => message.message.content.template().map_or_else(|| self.number.clone(), |name| self.template(name)),
            PauseScope::Number => self.number.clone(),
        }
    }

    /// The scopes that have breakers.
    fn breakers(&self) -> [(PauseScope, &str); 2] {
        [(PauseScope::App, &self.app.name), (PauseScope::Number, &self.number.name)]
    }

    fn template(&self, name: &str) -> HoldKey {
        HoldKey { scope: PauseScope::Template, name: format!("{}/{name}", self.account.name) }
    }
}

#[derive(Debug, Clone, Copy)]
struct Held {
    until: UnixMs,
    strikes: u32,
}

/// What is held, and how often in a row it was.
#[derive(Debug, Default)]
pub(super) struct Holds {
    held: HashMap<HoldKey, Held>,
    /// Something was held or let go since it was last told, or a breaker has changed.
    has_changed: bool,
    breakers: Breakers,
}

impl Holds {
    /// Holds a scope; says until when. Refusals of what was in flight together count once.
    pub(super) fn hold(&mut self, key: HoldKey, hold: Hold, now: UnixMs) -> UnixMs {
        let held = self.held.entry(key).or_insert(Held { until: UnixMs(0), strikes: 0 });
        if held.until > now {
            return held.until;
        }
        let wait_ms = match hold {
            Hold::Growing { base_ms, ceiling_ms } => base_ms.saturating_mul(1 << held.strikes.min(20)).min(ceiling_ms),
            Hold::UntilMended { probe_ms } => probe_ms,
        };
        *held = Held { until: now.plus_ms(wait_ms), strikes: held.strikes + 1 };
        self.has_changed = true;
        held.until
    }

    /// A message of these scopes was accepted: they start afresh.
    pub(super) fn accepted(&mut self, scopes: &Scopes, message: &OutboxMessage) {
        if self.held.is_empty() {
            return;
        }
        let template = message.message.content.template().map(|name| scopes.template(name));
        for key in [&scopes.app, &scopes.account, &scopes.number].into_iter().chain(&template) {
            self.has_changed |= self.held.remove(key).is_some();
        }
    }

    /// How breakers are set up.
    pub(super) fn set_breakers(&mut self, rules: BreakerRules) {
        self.breakers.set_rules(rules);
    }

    /// A send of these scopes begins.
    pub(super) fn began(&mut self, scopes: &Scopes, now: UnixMs) {
        self.breakers.began(scopes.breakers(), now);
    }

    /// Whether Meta has answered, or was not reached or failed.
    pub(super) fn answered(&mut self, scopes: &Scopes, well: bool, now: UnixMs) {
        match well {
            true => self.breakers.succeeded(scopes.breakers(), now),
            false => self.breakers.failed(scopes.breakers(), now),
        }
    }

    /// Breakers that changed since the last time.
    pub(super) fn breaker_changes(&mut self) -> Vec<BreakerChange> {
        let changes = self.breakers.changes();
        self.has_changed |= !changes.is_empty();
        changes
    }

    /// All that stands still, or has stood, if that has changed since the last time.
    pub(super) fn stops(&mut self) -> Option<Vec<Stop>> {
        if !std::mem::take(&mut self.has_changed) {
            return None;
        }
        let held = self.held.iter().map(|(key, held)| Stop::refused(key.scope, &key.name, held.until));
        Some(held.chain(self.breakers.stops()).collect())
    }

    /// Until when nothing of this number is sent.
    pub(super) fn number(&self, scopes: &Scopes, now: UnixMs) -> Option<UnixMs> {
        let broken = self.breakers.not_before(scopes.breakers(), now);
        if self.held.is_empty() {
            return broken;
        }
        [&scopes.app, &scopes.account, &scopes.number].into_iter().filter_map(|key| self.until(key, now)).chain(broken).max()
    }

    /// Until when this message's template is not sent.
    pub(super) fn template(&self, scopes: &Scopes, message: &OutboxMessage, now: UnixMs) -> Option<UnixMs> {
        let name = message.message.content.template().filter(|_| !self.held.is_empty())?;
        self.until(&scopes.template(name), now)
    }

    fn until(&self, key: &HoldKey, now: UnixMs) -> Option<UnixMs> {
        self.held.get(key).map(|held| held.until).filter(|until| *until > now)
    }
}
