//! What sending goes by, from the configuration.

use std::sync::Arc;

use questline_core::permit::tier::PortfolioLimit;
use questline_core::port::Clock;

use super::{StartError, connector_client};
use crate::config::{Config, portfolio_of};
use crate::metrics::Metrics;
use crate::sending::SendingNumber;
use crate::sending::alerts::{Alerts, Courier, Receiver};

/// Who hears of what needs an operator, and who carries it there.
pub(super) fn alerts(config: &Config, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Result<(Alerts, Option<Courier>), StartError> {
    let receiver = match (&config.alerts.url, &config.alerts.secret) {
        (Some(url), Some(secret)) => Some(Receiver { url: url.clone(), secret: secret.read("the secret of alerts")? }),
        _ => None,
    };
    Ok(Alerts::new(receiver, connector_client()?, clock, metrics))
}

pub(super) fn sending_numbers(config: &Config) -> Vec<SendingNumber> {
    let number = |number: &crate::config::NumberConfig| SendingNumber {
        id: number.id.clone(),
        game: number.game.clone(),
        account: number.account.clone(),
        portfolio: portfolio_of(&config.portfolios, number),
        display_phone: number.display_phone.clone(),
        per_second: number.per_second,
    };
    config.numbers.iter().map(number).collect()
}

/// The limits of all portfolios; of accounts that are in none, the least.
pub(super) fn sending_portfolios(config: &Config) -> Vec<(String, PortfolioLimit)> {
    let mut portfolios: Vec<_> = config.portfolios.iter().map(|portfolio| (portfolio.name.clone(), portfolio.limit)).collect();
    for number in &config.numbers {
        let name = portfolio_of(&config.portfolios, number);
        if !portfolios.iter().any(|(known, _)| *known == name) {
            portfolios.push((name, PortfolioLimit::default()));
        }
    }
    portfolios
}
