//! Meta's tiers, as data: messages a second of a number, and users a day of a portfolio. Meta adds and removes tiers, so
//! whatever it tells is taken; the lists are those that it documents.

use serde::{Deserialize, Serialize};

/// Messages a second, inbound and outbound together: while a number is new, coexistence numbers, the default, and after
/// the upgrade (Meta, "Throughput").
pub const THROUGHPUT_TIERS: [u32; 4] = [10, 20, 80, 1_000];
/// After the webhook `THROUGHPUT_UPGRADE`.
pub const THROUGHPUT_UPGRADED: u32 = 1_000;

/// Users a day outside of their service windows, of all numbers of a portfolio together (Meta, "Messaging limits"); after
/// the last one there is no limit.
pub const PORTFOLIO_TIERS: [u32; 5] = [250, 1_000, 2_000, 10_000, 100_000];

/// How many users a portfolio may write to outside of their service windows, in any 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortfolioLimit {
    /// So many.
    Users(u32),
    /// As many as there are.
    Unlimited,
}

impl Default for PortfolioLimit {
    /// The tier of those who have proven nothing yet: what is not known holds as the least.
    fn default() -> Self {
        Self::Users(PORTFOLIO_TIERS[0])
    }
}

impl PortfolioLimit {
    /// Reads what Meta and operators write: `TIER_250`, `TIER_2K`, `TIER_UNLIMITED`, `10k`, `2000`, `-1`, `unlimited`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_uppercase();
        let tier = text.strip_prefix("TIER_").unwrap_or(&text);
        if matches!(tier, "UNLIMITED" | "-1") {
            return Some(Self::Unlimited);
        }
        let (digits, times) = match (tier.strip_suffix('K'), tier.strip_suffix('M')) {
            (Some(thousands), _) => (thousands, 1_000),
            (_, Some(millions)) => (millions, 1_000_000),
            _ => (tier, 1),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        digits.parse::<u32>().ok()?.checked_mul(times).map(Self::Users)
    }

    /// From a number of Meta's; below zero there is no limit.
    pub fn of_number(users: i64) -> Self {
        u32::try_from(users).map_or(if users < 0 { Self::Unlimited } else { Self::Users(u32::MAX) }, Self::Users)
    }

    /// How many of them others than codes and warnings may take: a share stays for those, so that a campaign does not lock
    /// players out.
    pub fn places(self, reserve_percent: u8, is_critical: bool) -> Option<u32> {
        match self {
            Self::Unlimited => None,
            Self::Users(users) if is_critical => Some(users),
            Self::Users(users) => Some(users - (u64::from(users) * u64::from(reserve_percent.min(100)) / 100) as u32),
        }
    }

    /// The number; none where there is no limit.
    pub fn users(self) -> Option<u32> {
        match self {
            Self::Users(users) => Some(users),
            Self::Unlimited => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_however_meta_writes_them() {
        for (text, users) in [("TIER_250", 250), ("TIER_1K", 1_000), ("tier_2k", 2_000), ("10K", 10_000), (" 100000 ", 100_000), ("0", 0)] {
            assert_eq!(PortfolioLimit::parse(text), Some(PortfolioLimit::Users(users)), "{text}");
        }
        for text in ["TIER_UNLIMITED", "unlimited", "-1"] {
            assert_eq!(PortfolioLimit::parse(text), Some(PortfolioLimit::Unlimited), "{text}");
        }
        for text in ["", "TIER_", "K", "TIER_NOT_SET", "-2", "+5", "5000000K", "1.5K"] {
            assert_eq!(PortfolioLimit::parse(text), None, "{text}");
        }
        assert_eq!(PortfolioLimit::of_number(-1), PortfolioLimit::Unlimited);
        assert_eq!(PortfolioLimit::of_number(2_000), PortfolioLimit::Users(2_000));
        assert_eq!(PortfolioLimit::of_number(i64::MAX), PortfolioLimit::Users(u32::MAX));
    }

    #[test]
    fn a_share_stays_for_codes() {
        let limit = PortfolioLimit::Users(250);
        assert_eq!((limit.places(5, false), limit.places(5, true)), (Some(238), Some(250)));
        assert_eq!((limit.places(0, false), limit.places(100, false)), (Some(250), Some(0)));
        assert_eq!(PortfolioLimit::Unlimited.places(5, false), None);
    }
}
