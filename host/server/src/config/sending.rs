//! `[[portfolios]]`, `[sending]` and `[alerts]`: limits that numbers share, and who hears of what goes wrong.

use questline_core::permit::breaker::BreakerRules;
use questline_core::permit::tier::PortfolioLimit;
use serde::Deserialize;
use url::Url;

use super::{NumberConfig, SecretSource};

/// A portfolio of Meta's: its numbers share a limit of users.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortfolioConfig {
    /// What it is called in the API and in figures.
    pub name: String,
    /// Its business accounts (WABAs).
    pub accounts: Vec<String>,
    /// Users outside of their service windows in any 24 hours: `"250"`, `"TIER_2K"`, `"unlimited"`. Meta's webhooks change it.
    #[serde(default, deserialize_with = "limit")]
    pub limit: PortfolioLimit,
}

fn limit<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<PortfolioLimit, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = || serde::de::Error::custom("limit takes a number of users or a tier of Meta's: \"2000\", \"TIER_2K\", \"unlimited\"");
    PortfolioLimit::parse(&text).ok_or_else(wrong)
}

/// How sending protects itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SendingConfig {
    /// Hundredths of a portfolio's limit that are left to codes and warnings, 0 to 50.
    pub reserve_percent: u8,
    /// The breaker of each number and app.
    pub breaker: BreakerRules,
}

impl Default for SendingConfig {
    fn default() -> Self {
        Self { reserve_percent: 5, breaker: BreakerRules::default() }
    }
}

/// Who hears of what needs an operator.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlertsConfig {
    /// Where alerts are posted to; without it they are in the log alone.
    #[serde(deserialize_with = "url")]
    pub url: Option<Url>,
    /// What signs them.
    pub secret: Option<SecretSource>,
}

fn url<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = |problem: url::ParseError| {
        serde::de::Error::custom(format!("url takes an address, for instance \"https://ops.example.com/alerts\": {problem}"))
    };
    Url::parse(&text).map(Some).map_err(wrong)
}

/// The portfolio of a number: the one that names its account, else one of the account's own.
pub fn portfolio_of(portfolios: &[PortfolioConfig], number: &NumberConfig) -> String {
    let named = portfolios.iter().find(|portfolio| portfolio.accounts.contains(&number.account));
    named.map_or_else(|| number.account.clone(), |portfolio| portfolio.name.clone())
}

/// What is wrong with them, if anything.
pub(super) fn check(
    portfolios: &[PortfolioConfig],
    numbers: &[NumberConfig],
    sending: &SendingConfig,
    alerts: &AlertsConfig,
) -> Result<(), String> {
    for (place, portfolio) in portfolios.iter().enumerate() {
        if portfolios[..place].iter().any(|other| other.name == portfolio.name) {
            return Err(format!("two portfolios are called {:?}", portfolio.name));
        }
        if portfolio.name.is_empty() || portfolio.name.len() > 64 {
            return Err("a portfolio's name takes 1 to 64 bytes".to_owned());
        }
        let elsewhere = |account: &&String| portfolios[..place].iter().any(|other| other.accounts.contains(account));
        if let Some(account) = portfolio.accounts.iter().find(elsewhere) {
            return Err(format!("account {account} is in two portfolios"));
        }
        if let Some(account) = portfolio.accounts.iter().find(|account| !numbers.iter().any(|number| number.account == **account)) {
            return Err(format!("portfolio {:?} has account {account}, and no number belongs to it", portfolio.name));
        }
    }
    if sending.reserve_percent > 50 {
        return Err(format!("sending.reserve_percent is {}; it takes 0 to 50", sending.reserve_percent));
    }
    if !(1..=100).contains(&sending.breaker.failures_max) {
        return Err(format!("sending.breaker.failures_max is {}; it takes 1 to 100", sending.breaker.failures_max));
    }
    if !(100..=3_600_000).contains(&sending.breaker.open_ms) {
        return Err(format!("sending.breaker.open_ms is {}; it takes 100 to 3600000", sending.breaker.open_ms));
    }
    match (&alerts.url, &alerts.secret) {
        (Some(_), None) => return Err("[alerts] has a url and no secret: nobody could tell who has sent an alert".to_owned()),
        (None, Some(_)) => return Err("[alerts] has a secret and no url".to_owned()),
        _ => {}
    }
    if let Some(url) = &alerts.url {
        let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme() != "https" && !(url.scheme() == "http" && is_local) {
            return Err("alerts.url is not https".to_owned());
        }
    }
    Ok(())
}
