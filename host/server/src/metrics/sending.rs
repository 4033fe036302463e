//! Figures of permits, breakers and alerts.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::sending::SendingLimits;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Permit {
    class: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BreakerChange {
    scope: &'static str,
    to: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfNumber {
    number: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPortfolio {
    portfolio: String,
}

/// They are counted here.
#[derive(Debug, Default)]
pub struct SendingFigures {
    permits: Family<Permit, Counter>,
    breakers: Family<BreakerChange, Counter>,
    alerts: Family<Outcome, Counter>,
    in_game: Gauge,
    throughput: Family<OfNumber, Gauge<i64, AtomicI64>>,
    throughput_tier: Family<OfNumber, Gauge<i64, AtomicI64>>,
    portfolio_left: Family<OfPortfolio, Gauge<i64, AtomicI64>>,
    portfolio_limit: Family<OfPortfolio, Gauge<i64, AtomicI64>>,
    portfolio_used: Family<OfPortfolio, Gauge<i64, AtomicI64>>,
}

impl SendingFigures {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("permits", "Messages that asked for permits, by class and what came of it", self.permits.clone());
        registry.register("breaker_changes", "Times that a breaker opened, tried and closed", self.breakers.clone());
        registry.register("alerts", "Alerts, by what became of them", self.alerts.clone());
        registry.register("players_in_game", "Players who are not disturbed now", self.in_game.clone());
        registry.register("throughput_per_second", "Messages a second that a number may send now", self.throughput.clone());
        registry.register("portfolio_left", "Users a portfolio may still write to today; -1: no limit", self.portfolio_left.clone());
        let help = "Messages a second of a number's tier";
        registry.register("throughput_tier_per_second", help, self.throughput_tier.clone());
        let help = "Users a portfolio may write to in 24 hours; -1: no limit";
        registry.register("portfolio_limit", help, self.portfolio_limit.clone());
        registry.register("portfolio_used", "Users a portfolio wrote to in the last 24 hours", self.portfolio_used.clone());
    }

    /// A message was granted its permits (`granted`), or parked for a reason.
    pub fn permit(&self, class: &'static str, reason: &'static str) {
        self.permits.get_or_create(&Permit { class, reason }).inc();
    }

    /// A breaker changed.
    pub fn breaker(&self, scope: &'static str, to: &'static str) {
        self.breakers.get_or_create(&BreakerChange { scope, to }).inc();
    }

    /// Something became of an alert.
    pub fn alert(&self, outcome: &'static str) {
        self.alerts.get_or_create(&Outcome { outcome }).inc();
    }

    /// So many players play.
    pub fn present(&self, players: usize) {
        self.in_game.set(i64::try_from(players).unwrap_or(i64::MAX));
    }

    /// One of each, for what is there once it has counted something.
    #[cfg(test)]
    pub(super) fn an_example(&self) {
        self.permit("low", "granted");
        self.breaker("number", "open");
        self.alert("raised");
        self.throughput.get_or_create(&OfNumber { number: "100".to_owned() }).set(80);
        self.throughput_tier.get_or_create(&OfNumber { number: "100".to_owned() }).set(80);
        for family in [&self.portfolio_left, &self.portfolio_limit, &self.portfolio_used] {
            family.get_or_create(&OfPortfolio { portfolio: "main".to_owned() }).set(250);
        }
    }

    /// The limits as of now.
    pub fn limits(&self, limits: &SendingLimits) {
        for number in &limits.numbers {
            self.throughput.get_or_create(&OfNumber { number: number.number.clone() }).set(number.per_second.into());
            self.throughput_tier.get_or_create(&OfNumber { number: number.number.clone() }).set(number.tier_per_second.into());
        }
        for portfolio in &limits.portfolios {
            let of = OfPortfolio { portfolio: portfolio.portfolio.clone() };
            self.portfolio_left.get_or_create(&of).set(portfolio.left.map_or(-1, i64::from));
            self.portfolio_limit.get_or_create(&of).set(portfolio.limit.map_or(-1, i64::from));
            self.portfolio_used.get_or_create(&of).set(portfolio.used.into());
        }
        self.present(limits.in_game);
    }
}
