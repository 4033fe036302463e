//! What Meta's webhooks teach of sending: tiers of throughput, and limits of portfolios.

use std::sync::Arc;

use questline_core::id::NumberId;
use questline_core::permit::learned::Lesson;
use questline_core::permit::tier::{PortfolioLimit, THROUGHPUT_UPGRADED};
use questline_whatsapp::webhook::field::account::Capability;
use questline_whatsapp::webhook::field::number::{NumberEvent, NumberQuality};
use questline_whatsapp::webhook::{News, Summary};

use super::SendingDesk;
use super::alerts::Alert;
use crate::config::dialled;

impl SendingDesk {
    /// Hears what webhooks tell, and keeps what they teach: Meta does not tell it twice. What is not about sending is passed
    /// over.
    pub async fn heard(&self, news: &[Summary]) {
        let before = self.learned.load_full();
        news.iter().for_each(|summary| self.hear(summary));
        if !Arc::ptr_eq(&before, &self.learned.load_full())
            && let Err(problem) = self.store.keep_learned(&self.learned.load_full()).await
        {
            // It is tried again by itself.
            tracing::warn!(%problem, "what Meta has taught of sending is not kept yet");
        }
    }

    fn hear(&self, summary: &Summary) {
        match &summary.news {
            News::NumberQuality(quality) => self.heard_of_number(summary, quality),
            News::Capability(capability) => {
                if let Some(limit) = limit_of(capability) {
                    self.heard_limit(summary, limit);
                }
            }
            _ => {}
        }
    }

    /// Meta has refused a message of a number by webhook.
    pub fn heard_refusal(&self, number: &NumberId, code: u32) {
        let now = self.clock.now();
        if let Some(lesson) = Lesson::of_code(code)
            && self.learn(|learned| learned.teach(number, lesson, now))
        {
            tracing::warn!(number = number.as_str(), code, lesson = lesson.as_str(), "Meta has taught something of a number");
            if lesson != Lesson::TooFast {
                let detail = "Meta refuses messages of a kind from this number".to_owned();
                self.alerts().raise(Alert::new("meta-refused", "number", number.to_string(), detail).code(code));
            }
        }
    }

    fn heard_of_number(&self, summary: &Summary, quality: &NumberQuality) {
        let number = self.named(summary, quality.display_phone_number.as_deref());
        if let (Some(NumberEvent::ThroughputUpgrade), Some(number)) = (&quality.event, &number)
            && self.learn(|learned| learned.tier(number, THROUGHPUT_UPGRADED))
        {
            tracing::info!(number = number.as_str(), per_second = THROUGHPUT_UPGRADED, "Meta has raised a number's throughput");
        }
        if matches!(quality.event, Some(NumberEvent::Flagged | NumberEvent::Downgrade)) {
            let name = number.as_ref().map_or("?", NumberId::as_str).to_owned();
            let detail = "Meta says that the number's quality is low, or its limit lowered".to_owned();
            self.alerts().raise(Alert::new("number-quality", "number", name, detail));
        }
        if let Some(limit) = quality.tier.as_deref().or(quality.current_limit.as_deref()).and_then(PortfolioLimit::parse) {
            self.heard_limit(summary, limit);
        }
    }

    fn heard_limit(&self, summary: &Summary, limit: PortfolioLimit) {
        let Some(account) = summary.account.as_deref() else { return };
        let Some(portfolio) = self.numbers.values().find(|number| number.account == account).map(|number| &number.portfolio) else {
            return;
        };
        let before = self.learned.load().limit(portfolio);
        if self.learn(|learned| learned.limited(portfolio, limit)) {
            tracing::info!(portfolio, ?before, now = ?limit, "Meta has changed a portfolio's messaging limit");
            if limit.users().is_some_and(|now| before.users().is_none_or(|before| now < before)) {
                let detail = format!("the messaging limit was lowered to {} users a day", limit.users().unwrap_or(0));
                self.alerts().raise(Alert::new("portfolio-limit", "portfolio", portfolio.clone(), detail));
            }
        }
    }

    /// The number that a webhook is about: by its id, as it is dialled, or as the only one of its account.
    fn named(&self, summary: &Summary, display_phone: Option<&str>) -> Option<NumberId> {
        if let Some(id) = summary.number.as_deref() {
            return self.numbers.keys().find(|known| known.as_str() == id).cloned();
        }
        if let Some(phone) = display_phone.and_then(dialled)
            && let Some(found) = self.numbers.values().find(|number| number.display_phone.as_ref() == Some(&phone))
        {
            return Some(found.id.clone());
        }
        let account = summary.account.as_deref()?;
        let mut of_account = self.numbers.values().filter(|number| number.account == account);
        match (of_account.next(), of_account.next()) {
            (Some(only), None) => Some(only.id.clone()),
            _ => None,
        }
    }
}

fn limit_of(capability: &Capability) -> Option<PortfolioLimit> {
    let tier = capability.tier.as_deref().and_then(PortfolioLimit::parse);
    tier.or_else(|| capability.daily_users_max.map(PortfolioLimit::of_number))
}
