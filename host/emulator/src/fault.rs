//! Faults on demand: what goes wrong at the Graph API and with webhooks, for how long or how often.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::graph::error::MetaError;
use crate::sync::lock;

/// One thing that goes wrong with one send, given to [`crate::Emulator::inject`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The Graph API answers with this error; the message is not accepted.
    Error(MetaError),
    /// This HTTP status with a body that is no JSON, as a proxy in the way would answer; not accepted.
    Http(u16),
    /// 200 and a wamid, then a `failed` status with this error.
    FailedStatus(MetaError),
    /// No answer until the client gives up; the message was **not** accepted.
    HangBefore,
    /// No answer until the client gives up; the message **was** accepted and its statuses follow.
    HangAfter,
    /// The connection is reset; the message was **not** accepted.
    ResetBefore,
    /// The connection is reset; the message **was** accepted and its statuses follow.
    ResetAfter,
    /// The answer waits this long (real time), then is as usual.
    Delay(Duration),
}

impl Fault {
    /// The Graph API answers with this of Meta's codes.
    pub fn code(code: u32) -> Self {
        Self::Error(MetaError::new(code, "Injected fault"))
    }

    /// 200, then a `failed` status with this of Meta's codes.
    pub fn failed_status(code: u32) -> Self {
        Self::FailedStatus(MetaError::new(code, "Injected fault"))
    }
}

/// What goes wrong at the Graph API for as long as it is set. Rates are shares of calls, 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GraphFaults {
    /// Every call takes at least this long (real time).
    pub latency: Duration,
    /// And up to this much longer.
    pub latency_jitter: Duration,
    /// Calls answered 500 with code 131000.
    pub server_error_rate: f64,
    /// Calls answered 429 with code 130429.
    pub throttle_rate: f64,
}

/// What goes wrong with webhooks for as long as it is set. Rates are shares of POSTs, 0 to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WebhookFaults {
    /// Every POST is made this many times more.
    pub duplicates: u32,
    /// Every POST waits this long (emulator's time).
    pub delay: Duration,
    /// And up to this much longer, each its own time: so updates overtake each other.
    pub delay_jitter: Duration,
    /// Updates that wait together are put in another order.
    pub shuffle: bool,
    /// First attempts lost on the way; they are tried again as [`crate::Retry`] says.
    pub loss_rate: f64,
    /// POSTs whose 200 is lost on the way back: they are tried again although the host has them.
    pub lost_ack_rate: f64,
}

/// What is about to go wrong; cheap to ask while nothing is.
pub(crate) struct FaultBoard {
    graph_armed: AtomicBool,
    webhook_armed: AtomicBool,
    inner: Mutex<Plans>,
    dice: AtomicU64,
}

#[derive(Default)]
struct Plans {
    graph: GraphFaults,
    webhook: WebhookFaults,
    queue: VecDeque<Injection>,
}

struct Injection {
    phone_number_id: Option<String>,
    fault: Fault,
    left: u32,
}

/// What one call to the Graph API suffers.
#[derive(Default)]
pub(crate) struct GraphPlan {
    pub(crate) delay: Duration,
    pub(crate) fault: Option<Fault>,
}

impl FaultBoard {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            graph_armed: AtomicBool::new(false),
            webhook_armed: AtomicBool::new(false),
            inner: Mutex::default(),
            dice: AtomicU64::new(seed ^ 0x5eed),
        }
    }

    pub(crate) fn set_graph(&self, faults: GraphFaults) {
        let mut plans = lock(&self.inner);
        plans.graph = faults;
        self.rearm(&plans);
    }

    pub(crate) fn set_webhook(&self, faults: WebhookFaults) {
        let armed = faults != WebhookFaults::default();
        lock(&self.inner).webhook = faults;
        self.webhook_armed.store(armed, Ordering::Release);
    }

    pub(crate) fn inject(&self, phone_number_id: Option<String>, fault: Fault, times: u32) {
        if times == 0 {
            return;
        }
        let mut plans = lock(&self.inner);
        plans.queue.push_back(Injection { phone_number_id, fault, left: times });
        self.rearm(&plans);
    }

    pub(crate) fn clear(&self) {
        let mut plans = lock(&self.inner);
        *plans = Plans::default();
        self.rearm(&plans);
        self.webhook_armed.store(false, Ordering::Release);
    }

    /// Injected faults that no call has met yet.
    pub(crate) fn injected_left(&self) -> u32 {
        lock(&self.inner).queue.iter().map(|injection| injection.left).sum()
    }

    /// What the next send over this number suffers. Injected faults come first, in their order.
    pub(crate) fn next_for(&self, phone_number_id: &str) -> GraphPlan {
        if !self.graph_armed.load(Ordering::Acquire) {
            return GraphPlan::default();
        }
        let mut plans = lock(&self.inner);
        let mut plan = GraphPlan { delay: plans.graph.latency + plans.graph.latency_jitter.mul_f64(self.roll()), fault: None };
        let meant = |injection: &Injection| injection.phone_number_id.as_deref().is_none_or(|id| id == phone_number_id);
        if let Some(at) = plans.queue.iter().position(meant) {
            let injection = &mut plans.queue[at];
            injection.left -= 1;
            plan.fault = Some(injection.fault.clone());
            if injection.left == 0 {
                plans.queue.remove(at);
                self.rearm(&plans);
            }
        } else if self.roll() < plans.graph.server_error_rate {
            plan.fault = Some(Fault::code(131_000));
        } else if self.roll() < plans.graph.throttle_rate {
            let error = MetaError::new(130_429, "Rate limit hit").with_http_status(429);
            plan.fault = Some(Fault::Error(error));
        }
        plan
    }

    /// The webhook faults in force; `None` is the usual case.
    pub(crate) fn webhook(&self) -> Option<WebhookFaults> {
        self.webhook_armed.load(Ordering::Acquire).then(|| lock(&self.inner).webhook.clone())
    }

    /// From 0 to 1, the same series for the same seed.
    pub(crate) fn roll(&self) -> f64 {
        let n = self.dice.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        (crate::ids::mix(n) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn rearm(&self, plans: &Plans) {
        let armed = !plans.queue.is_empty() || plans.graph != GraphFaults::default();
        self.graph_armed.store(armed, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn injected_faults_come_in_order_as_often_as_asked_and_only_where_asked() {
        let board = FaultBoard::new(1);
        board.inject(Some("2".into()), Fault::HangBefore, 1);
        board.inject(None, Fault::code(131_056), 2);
        assert_eq!(board.injected_left(), 3);
        assert_eq!(board.next_for("1").fault, Some(Fault::code(131_056)));
        assert_eq!(board.next_for("2").fault, Some(Fault::HangBefore));
        assert_eq!(board.next_for("2").fault, Some(Fault::code(131_056)));
        assert_eq!(board.next_for("1").fault, None);
        assert_eq!(board.injected_left(), 0);
    }

    #[test]
    fn rates_are_kept_over_many_calls() {
        let board = FaultBoard::new(1);
        board.set_graph(GraphFaults { server_error_rate: 0.25, ..GraphFaults::default() });
        let failed = (0..10_000).filter(|_| board.next_for("1").fault.is_some()).count();
        assert!((2_300..2_700).contains(&failed), "{failed} of 10000 failed");
        board.clear();
        assert_eq!(board.next_for("1").fault, None);
    }
}
