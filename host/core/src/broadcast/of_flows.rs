//! Templates that flows send are counted as campaigns are, each for itself: a campaign for each template and 128 days, whose
//! variants are the days. Such a campaign is a count alone: its messages are no bulk, and those that fail are dead letters.

use ring::digest::{SHA256, digest};

use crate::day::Day;
use crate::id::CampaignId;
use crate::outbox::{Campaign, Content, NewMessage};

/// Days of one campaign: as many as a variant can tell, so that few are read for a period.
const DAYS: u32 = 128;
/// What their names begin with; no broadcast's does.
const PREFIX: &str = "t-";

/// What a message is counted as: its campaign, or else its template; nothing where it is neither.
pub fn counted_as(message: &NewMessage) -> Option<Campaign> {
    if message.campaign.is_some() {
        return message.campaign.clone();
    }
    match &message.content {
        Content::Template(filled) => campaign_of_template(&filled.name, Day::of(message.committed_at)),
        _ => None,
    }
}

/// Whether it counts what flows send by a template.
pub fn is_of_flows(campaign: &CampaignId) -> bool {
    campaign.as_str().starts_with(PREFIX)
}

/// What counts the messages that flows send by a template on a day.
pub fn campaign_of_template(template: &str, day: Day) -> Option<Campaign> {
    let id = id_of(template, day.0 / DAYS)?;
    Some(Campaign { id, variant: u8::try_from(day.0 % DAYS).ok() })
}

/// All that count them on these days, both included; with the variants that are within.
pub fn campaigns_of_template(template: &str, first: Day, last: Day) -> impl Iterator<Item = (CampaignId, std::ops::RangeInclusive<u8>)> {
    (first.0 / DAYS..=last.0 / DAYS).filter_map(move |nth| {
        let begins = nth * DAYS;
        let within = |day: u32| u8::try_from(day.clamp(begins, begins + DAYS - 1) - begins).unwrap_or(u8::MAX);
        Some((id_of(template, nth)?, within(first.0)..=within(last.0)))
    })
}

/// Templates' names are longer than those of campaigns, and of other letters.
fn id_of(template: &str, nth: u32) -> Option<CampaignId> {
    let named = digest(&SHA256, template.as_bytes());
    let name: String = named.as_ref().iter().take(10).map(|byte| format!("{byte:02x}")).collect();
    CampaignId::parse(&format!("{PREFIX}{name}-{nth}")).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn templates_are_told_apart_by_name_and_day() {
        let of = |template, day| campaign_of_template(template, Day(day)).unwrap();
        assert_eq!(of("cup_news", 20_779), of("cup_news", 20_779));
        assert_ne!(of("cup_news", 20_779), of("cup_news", 20_780));
        assert_ne!(of("cup_news", 20_779).id, of("cup_new", 20_779).id);
        assert!(is_of_flows(&of(&"x".repeat(512), 20_779).id) && !is_of_flows(&CampaignId::parse("b0f1").unwrap()));
    }

    proptest! {
        /// A period reads each of its days once, and no other.
        #[test]
        fn a_period_is_its_days(first in 0u32..30_000, days in 0u32..400, around in 0u32..500) {
            let (last, asked) = (first + days, (first + around).saturating_sub(50));
            let campaign = campaign_of_template("cup_news", Day(asked)).unwrap();
            let found = campaigns_of_template("cup_news", Day(first), Day(last))
                .filter(|(id, within)| *id == campaign.id && within.contains(&campaign.variant.unwrap()))
                .count();
            prop_assert_eq!(found, usize::from((first..=last).contains(&asked)));
        }
    }
}
