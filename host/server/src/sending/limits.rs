//! Limits, and how much of them is left: for people, and for figures.

use questline_core::permit::windows::{PORTFOLIO_SPAN_MS, portfolio_window};
use questline_core::port::StoreError;
use questline_core::time::UnixMs;
use serde::Serialize;

use super::{SendingDesk, Stop};

/// A number's limits.
#[derive(Debug, Serialize)]
pub struct NumberLimits {
    /// Which.
    pub number: String,
    /// Its portfolio.
    pub portfolio: String,
    /// Messages a second of its tier.
    pub tier_per_second: u32,
    /// Messages a second now: less than the tier where Meta has said that it was too fast.
    pub per_second: u32,
    /// Bulk and marketing are held until then (131048).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bulk_held_until: Option<UnixMs>,
    /// Utility is held until then (131064).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub utility_held_until: Option<UnixMs>,
}

/// A portfolio's limit.
#[derive(Debug, Serialize)]
pub struct PortfolioLimits {
    /// Which.
    pub portfolio: String,
    /// Users outside of their service windows in any 24 hours; none where there is no limit.
    pub limit: Option<u32>,
    /// How many of them were written to in the last 24 hours; not counted where there is no limit.
    pub used: u32,
    /// How many more may be.
    pub left: Option<u32>,
    /// How many of the limit are kept for codes and warnings.
    pub reserved: u32,
}

/// All limits.
#[derive(Debug, Serialize)]
pub struct SendingLimits {
    /// By number.
    pub numbers: Vec<NumberLimits>,
    /// By portfolio.
    pub portfolios: Vec<PortfolioLimits>,
    /// What stands still now, because Meta fails or has refused something.
    pub stops: Vec<Stop>,
    /// Players who are known to play now.
    pub in_game: usize,
}

impl SendingDesk {
    /// All limits as of now.
    pub async fn limits(&self) -> Result<SendingLimits, StoreError> {
        let now = self.clock.now();
        let learned = self.learned.load_full();
        let held = |until: UnixMs| (until > now).then_some(until);
        let number = |(id, known): (&questline_core::id::NumberId, &questline_core::permit::learned::NumberLearned)| NumberLimits {
            number: id.to_string(),
            portfolio: self.numbers.get(id).map(|number| number.portfolio.clone()).unwrap_or_default(),
            tier_per_second: known.throughput.ceiling(),
            per_second: known.throughput.per_second(now),
            bulk_held_until: held(known.spam.until),
            utility_held_until: held(known.misuse.until),
        };
        let windows = learned.portfolios().map(|(name, _)| (portfolio_window(name), PORTFOLIO_SPAN_MS)).collect();
        let used = self.permits.permits_used(windows, now).await?;
        let portfolio = |((name, limit), used): ((&str, questline_core::permit::tier::PortfolioLimit), u32)| {
            let others = limit.places(self.reserve_percent, false);
            PortfolioLimits {
                portfolio: name.to_owned(),
                limit: limit.users(),
                used,
                left: limit.users().map(|users| users.saturating_sub(used)),
                reserved: limit.users().unwrap_or(0) - others.unwrap_or(0),
            }
        };
        Ok(SendingLimits {
            numbers: learned.numbers().map(number).collect(),
            portfolios: learned.portfolios().zip(used).map(portfolio).collect(),
            stops: self.stops(now),
            in_game: self.present().len(),
        })
    }
}
