//! Figures of the outbox's lanes: how long messages wait to be sent, which are parked and why, which came too late.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use questline_core::outbox::MessageClass;
use questline_core::send::ParkReason;

/// Bounds of waits: from what an idle number takes to what a long queue does.
const WAIT_SECONDS: [f64; 14] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3_600.0, 21_600.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfClass {
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Dropped {
    class: &'static str,
    reason: &'static str,
}

/// The figures.
pub struct LaneMetrics {
    wait_seconds: Family<OfClass, Histogram, fn() -> Histogram>,
    parked: Family<OfReason, Counter>,
    expired: Family<OfClass, Counter>,
    dropped: Family<Dropped, Counter>,
    oldest: Family<OfClass, Gauge<f64, AtomicU64>>,
}

impl LaneMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            wait_seconds: Family::new_with_constructor(|| Histogram::new(WAIT_SECONDS)),
            parked: Family::default(),
            expired: Family::default(),
            dropped: Family::default(),
            oldest: Family::default(),
        };
        let help = "From when a message could be sent until its send began, by class";
        registry.register("outbox_wait_seconds", help, metrics.wait_seconds.clone());
        registry.register("outbox_parked", "Messages that were parked, by reason", metrics.parked.clone());
        registry.register("outbox_expired", "Messages that were too late to be sent, by class", metrics.expired.clone());
        registry.register("outbox_dropped", "Messages that are not sent, by class and reason", metrics.dropped.clone());
        let help = "Age of the oldest message that waits for its turn, by class; 0 where none does";
        registry.register("outbox_oldest_age_seconds", help, metrics.oldest.clone());
        metrics
    }

    /// A message is not sent, ever.
    pub fn dropped(&self, class: MessageClass, reason: &'static str) {
        self.dropped.get_or_create(&Dropped { class: class.as_str(), reason }).inc();
    }

    /// How old the oldest message of each class is now.
    pub fn oldest(&self, ages_s: [u64; MessageClass::ALL.len()]) {
        for (class, age_s) in MessageClass::ALL.iter().zip(ages_s) {
            self.oldest.get_or_create(&OfClass { class: class.as_str() }).set(age_s as f64);
        }
    }

    /// A send begins, so long after it could.
    pub fn waited(&self, class: MessageClass, ms: u64) {
        self.wait_seconds.get_or_create(&OfClass { class: class.as_str() }).observe(ms as f64 / 1e3);
    }

    /// A message is parked.
    pub fn parked(&self, reason: ParkReason) {
        self.parked.get_or_create(&OfReason { reason: reason.as_str() }).inc();
    }

    /// A message is too late.
    pub fn expired(&self, class: MessageClass) {
        self.expired.get_or_create(&OfClass { class: class.as_str() }).inc();
    }

    /// One of each, for what is said of them.
    #[cfg(test)]
    pub(super) fn an_example(&self) {
        self.waited(MessageClass::Normal, 1);
        self.parked(ParkReason::InGame);
        self.expired(MessageClass::Low);
        self.dropped(MessageClass::Low, "expired");
        self.oldest([0; MessageClass::ALL.len()]);
    }
}
