//! What stands still: apps, accounts, numbers and templates that the sender leaves alone for a while, for people to see.

use questline_core::permit::breaker::{Breaker, BreakerState};
use questline_core::send::PauseScope;
use questline_core::time::UnixMs;
use serde::Serialize;

use super::SendingDesk;

/// Why something stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopCause {
    /// Meta does not answer, or fails: nothing is sent.
    BreakerOpen,
    /// A few messages are sent, to see whether Meta answers again.
    BreakerHalfOpen,
    /// Meta has refused a message for a reason that all others share.
    Refused,
}

/// Something that stands still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stop {
    /// `app`, `account`, `number` or `template`.
    pub scope: &'static str,
    /// Which: as the configuration or Meta names it; a template with its account, `<account>/<template>`.
    pub name: String,
    /// Why.
    pub cause: StopCause,
    /// When it is tried again at the earliest; none while it is being tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixMs>,
}

impl Stop {
    /// A breaker's, unless all is sent.
    pub(crate) fn of_breaker(scope: PauseScope, name: &str, breaker: &Breaker) -> Option<Self> {
        let cause = match breaker.state() {
            BreakerState::Closed => return None,
            BreakerState::Open => StopCause::BreakerOpen,
            BreakerState::HalfOpen => StopCause::BreakerHalfOpen,
        };
        Some(Self { scope: scope.as_str(), name: name.to_owned(), cause, until: breaker.open_until() })
    }

    /// That of a scope that Meta refused.
    pub(crate) fn refused(scope: PauseScope, name: &str, until: UnixMs) -> Self {
        Self { scope: scope.as_str(), name: name.to_owned(), cause: StopCause::Refused, until: Some(until) }
    }

    /// A breaker stays open until something is sent; a refusal holds for its time.
    fn holds(&self, now: UnixMs) -> bool {
        self.cause != StopCause::Refused || self.until > Some(now)
    }
}

impl SendingDesk {
    /// The sender tells what stands still, whenever that has changed.
    pub(crate) fn set_stops(&self, mut stops: Vec<Stop>) {
        stops.sort_unstable_by(|one, other| (one.scope, &one.name).cmp(&(other.scope, &other.name)));
        self.stops.store(stops.into());
    }

    /// What stands still now.
    pub fn stops(&self, now: UnixMs) -> Vec<Stop> {
        self.stops.load().iter().filter(|stop| stop.holds(now)).cloned().collect()
    }
}
