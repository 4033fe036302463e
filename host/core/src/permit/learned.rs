//! What Meta has taught of numbers and portfolios, and what survives a restart of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::NumberId;
use crate::outbox::{MessageClass, NewMessage};
use crate::send::ParkReason;
use crate::template::Category;
use crate::time::{DAY_MS, HOUR_MS, UnixMs};

use super::Verdict;
use super::throughput::Throughput;
use super::tier::PortfolioLimit;

/// What a spam limit (131048) holds at first; it doubles while Meta goes on refusing.
const SPAM_HOLD_MS: u64 = HOUR_MS;
const SPAM_HOLD_MS_MAX: u64 = DAY_MS;
/// What wrong categories (131064) hold: Meta blocks utility templates for seven days; it is tried again now and then.
const MISUSE_HOLD_MS: u64 = 6 * HOUR_MS;
/// A hold that begins so soon after the end of the one before is its continuation.
const HOLD_GROWS_WITHIN_MS: u64 = DAY_MS;

/// Something that is held because Meta refuses it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldBack {
    /// Until then.
    pub until: UnixMs,
    /// How many times in a row.
    pub times: u32,
}

impl HeldBack {
    /// Holds on. Refusals of what was in flight together count once.
    fn hold(&mut self, base_ms: u64, ceiling_ms: u64, now: UnixMs) {
        if self.until > now {
            return;
        }
        self.times = if now.since_ms(self.until) < HOLD_GROWS_WITHIN_MS { self.times.saturating_add(1) } else { 1 };
        let hold_ms = base_ms.saturating_mul(1 << (self.times - 1).min(20)).min(ceiling_ms);
        self.until = now.plus_ms(hold_ms);
    }
}

/// What was learned of a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberLearned {
    /// Messages a second as the operator's file said when this was learned: when that changes, it is what holds.
    configured: u32,
    /// How fast it may send.
    pub throughput: Throughput,
    /// Bulk and marketing are held: Meta's spam limit (131048).
    #[serde(default)]
    pub spam: HeldBack,
    /// Utility is held: templates in wrong categories (131064).
    #[serde(default)]
    pub misuse: HeldBack,
}

impl NumberLearned {
    fn new(configured: u32) -> Self {
        Self { configured, throughput: Throughput::of_tier(configured), spam: HeldBack::default(), misuse: HeldBack::default() }
    }

    /// Whether Meta would refuse a message of its kind now.
    pub fn verdict(&self, message: &NewMessage, category: Option<Category>, now: UnixMs) -> Verdict {
        let is_bulk = message.campaign.is_some() || message.class == MessageClass::Low;
        let spam = self.spam.until > now && (is_bulk || category == Some(Category::Marketing)) && !message.is_critical();
        let misuse = self.misuse.until > now && category == Some(Category::Utility);
        let held = [(spam, self.spam.until), (misuse, self.misuse.until)].into_iter().filter(|(holds, _)| *holds);
        let parked = held.map(|(_, until)| Verdict::Park { until, reason: ParkReason::NumberPaused });
        parked.fold(Verdict::Go, Verdict::and)
    }
}

/// What a refusal of Meta's teaches of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lesson {
    /// It sends too fast (130429).
    TooFast,
    /// Its bulk and marketing are unwanted (131048).
    Spam,
    /// Its utility templates are none (131064).
    Misuse,
}

impl Lesson {
    /// What a code teaches, if anything.
    pub fn of_code(code: u32) -> Option<Self> {
        match code {
            130_429 => Some(Self::TooFast),
            131_048 => Some(Self::Spam),
            131_064 => Some(Self::Misuse),
            _ => None,
        }
    }

    /// The name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooFast => "too-fast",
            Self::Spam => "spam-limit",
            Self::Misuse => "wrong-categories",
        }
    }
}

/// What was learned of a portfolio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortfolioLearned {
    configured: PortfolioLimit,
    /// Users in a day.
    pub limit: PortfolioLimit,
}

/// All that was learned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Learned {
    numbers: BTreeMap<NumberId, NumberLearned>,
    portfolios: BTreeMap<String, PortfolioLearned>,
}

impl Learned {
    /// What was learned before, under what is configured now: what is not configured any more is forgotten, and what is
    /// configured anew holds.
    pub fn under(
        mut self,
        numbers: impl IntoIterator<Item = (NumberId, u32)>,
        portfolios: impl IntoIterator<Item = (String, PortfolioLimit)>,
    ) -> Self {
        let numbers = numbers.into_iter().map(|(id, configured)| {
            let known = self.numbers.remove(&id).unwrap_or_else(|| NumberLearned::new(configured));
            let known = match known.configured == configured {
                true => known,
                false => NumberLearned { configured, throughput: Throughput::of_tier(configured), ..known },
            };
            (id, known)
        });
        let portfolios = portfolios.into_iter().map(|(name, configured)| {
            let known = self.portfolios.get(&name).copied().filter(|known| known.configured == configured);
            (name, known.unwrap_or(PortfolioLearned { configured, limit: configured }))
        });
        let (numbers, portfolios) = (numbers.collect(), portfolios.collect());
        Self { numbers, portfolios }
    }

    /// A number.
    pub fn number(&self, id: &NumberId) -> Option<&NumberLearned> {
        self.numbers.get(id)
    }

    /// All numbers.
    pub fn numbers(&self) -> impl Iterator<Item = (&NumberId, &NumberLearned)> {
        self.numbers.iter()
    }

    /// A portfolio's limit; of one that is not known, the least.
    pub fn limit(&self, portfolio: &str) -> PortfolioLimit {
        self.portfolios.get(portfolio).map_or_else(PortfolioLimit::default, |known| known.limit)
    }

    /// All portfolios.
    pub fn portfolios(&self) -> impl Iterator<Item = (&str, PortfolioLimit)> {
        self.portfolios.iter().map(|(name, known)| (name.as_str(), known.limit))
    }

    fn change_number(&mut self, id: &NumberId, change: impl FnOnce(&mut NumberLearned)) -> bool {
        let Some(known) = self.numbers.get_mut(id) else { return false };
        let before = known.clone();
        change(known);
        *known != before
    }

    /// Learns from a refusal. Whether that was news.
    pub fn teach(&mut self, id: &NumberId, lesson: Lesson, now: UnixMs) -> bool {
        match lesson {
            Lesson::TooFast => self.too_fast(id, now),
            Lesson::Spam => self.spam_limited(id, now),
            Lesson::Misuse => self.misused(id, now),
        }
    }

    /// Meta says that a number is too fast (130429). Whether that was news; so for all of these.
    pub fn too_fast(&mut self, id: &NumberId, now: UnixMs) -> bool {
        self.change_number(id, |known| {
            known.throughput.too_fast(now);
        })
    }

    /// Meta gave a number another tier of throughput.
    pub fn tier(&mut self, id: &NumberId, per_second: u32) -> bool {
        self.change_number(id, |known| known.throughput.set_tier(per_second))
    }

    /// Meta takes no bulk and marketing from a number (131048).
    pub fn spam_limited(&mut self, id: &NumberId, now: UnixMs) -> bool {
        self.change_number(id, |known| known.spam.hold(SPAM_HOLD_MS, SPAM_HOLD_MS_MAX, now))
    }

    /// Meta takes no utility templates from a number (131064).
    pub fn misused(&mut self, id: &NumberId, now: UnixMs) -> bool {
        self.change_number(id, |known| known.misuse.hold(MISUSE_HOLD_MS, MISUSE_HOLD_MS, now))
    }

    /// Meta told a portfolio's limit.
    pub fn limited(&mut self, portfolio: &str, limit: PortfolioLimit) -> bool {
        let Some(known) = self.portfolios.get_mut(portfolio) else { return false };
        let is_news = known.limit != limit;
        known.limit = limit;
        is_news
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::permit::tests::{code, marketing, reply, utility};

    const NOW: UnixMs = UnixMs(1_000_000_000);

    fn id() -> NumberId {
        NumberId::parse("100").unwrap()
    }

    fn fresh(per_second: u32, limit: u32) -> Learned {
        Learned::default().under([(id(), per_second)], [("main".to_owned(), PortfolioLimit::Users(limit))])
    }

    #[test]
    fn what_was_learned_survives_until_it_is_configured_otherwise() {
        let mut learned = fresh(80, 250);
        assert!(learned.tier(&id(), 1_000) && !learned.tier(&id(), 1_000));
        assert!(learned.limited("main", PortfolioLimit::Users(2_000)) && !learned.limited("main", PortfolioLimit::Users(2_000)));
        assert!(!learned.limited("other", PortfolioLimit::Unlimited), "nobody's portfolio");
        let json = serde_json::to_string(&learned).unwrap();
        let kept: Learned = serde_json::from_str(&json).unwrap();
        let same = kept.clone().under([(id(), 80)], [("main".to_owned(), PortfolioLimit::Users(250))]);
        assert_eq!(same, learned);
        let other = kept.under([(id(), 20)], [("main".to_owned(), PortfolioLimit::Users(1_000))]);
        assert_eq!(other.number(&id()).unwrap().throughput.ceiling(), 20);
        assert_eq!(other.limit("main"), PortfolioLimit::Users(1_000));
        assert_eq!(other.limit("unknown"), PortfolioLimit::Users(250), "what is not known holds as the least");
    }

    #[test]
    fn a_spam_limit_stops_bulk_and_marketing_and_nothing_else() {
        let mut learned = fresh(80, 250);
        assert!(learned.spam_limited(&id(), NOW) && !learned.spam_limited(&id(), NOW.plus_ms(5)), "one burst is one refusal");
        let verdict =
            |learned: &Learned, message: &NewMessage, at| learned.number(&id()).unwrap().verdict(message, message.content.category(), at);
        let parked = Verdict::Park { until: NOW.plus_ms(HOUR_MS), reason: ParkReason::NumberPaused };
        assert_eq!(verdict(&learned, &marketing(), NOW), parked);
        for message in [reply(), utility(), code()] {
            assert_eq!(verdict(&learned, &message, NOW), Verdict::Go);
        }
        let again = NOW.plus_ms(HOUR_MS);
        assert_eq!(verdict(&learned, &marketing(), again), Verdict::Go);
        learned.spam_limited(&id(), again);
        assert_eq!(learned.number(&id()).unwrap().spam.until, again.plus_ms(2 * HOUR_MS), "it grows");
        assert!(learned.misused(&id(), NOW));
        assert!(!verdict(&learned, &utility(), NOW).is_go());
        assert_eq!(verdict(&learned, &code(), NOW), Verdict::Go);
    }
}
