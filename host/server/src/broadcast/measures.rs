//! How well templates do: what was counted of what flows send by each, and of each broadcast, added up by the template that it was
//! sent by.

use std::collections::BTreeMap;

use questline_core::broadcast::{Broadcast, Rates, Tally, campaigns_of_template};
use questline_core::day::Day;
use questline_core::experiment::Deed;
use questline_core::game::Game;
use questline_core::port::StoreError;
use serde::Serialize;

use super::{BroadcastDesk, campaign_of};

/// Broadcasts that are added up; of more, the newest.
const BROADCASTS_MAX: usize = 200;

/// A template, for people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct TemplateMeasure {
    template: String,
    broadcasts: u64,
    messages: u64,
    accepted: u64,
    sent: u64,
    delivered: u64,
    read: u64,
    failed: u64,
    clicked: u64,
    opted_out: u64,
    rates: Rates,
}

impl TemplateMeasure {
    fn of(template: String, broadcasts: u64, tally: &Tally) -> Self {
        Self {
            template,
            broadcasts,
            messages: tally.total(Tally::QUEUED),
            accepted: tally.total(Tally::ACCEPTED),
            sent: tally.total("sent"),
            delivered: tally.total("delivered"),
            read: tally.total("read"),
            failed: tally.total(Tally::FAILED),
            clicked: tally.total(Deed::Click.counted_as()),
            opted_out: tally.total(Deed::OptOut.counted_as()),
            rates: Rates::of(tally),
        }
    }
}

/// Which template a variant of a broadcast is sent by; once there is a winner, messages are of its variant.
fn template_of(broadcast: &Broadcast, variant: Option<u8>) -> &str {
    let experiment = broadcast.wish.experiment.as_deref();
    let variant = experiment.and_then(|experiment| experiment.variants.get(usize::from(variant?)));
    variant.map_or(&broadcast.wish.wording.template, |variant| &variant.template)
}

impl BroadcastDesk {
    /// All templates by which something was sent: by flows on these days, and by broadcasts that began on one of them.
    pub(crate) async fn template_measures(&self, rules: &Game, first: Day, last: Day) -> Result<Vec<TemplateMeasure>, StoreError> {
        let game = &rules.id;
        let mut found: BTreeMap<String, (u64, Vec<Tally>)> = BTreeMap::new();
        for name in rules.templates.keys() {
            for (campaign, days) in campaigns_of_template(name, first, last) {
                let tallies = self.deeds.tallies(game, &campaign).await?.into_iter();
                let tallies = tallies.filter(|(day, _)| day.is_some_and(|day| days.contains(&day))).map(|(_, tally)| tally);
                let tallies = tallies.collect::<Vec<_>>();
                if !tallies.is_empty() {
                    found.entry(name.clone()).or_default().1.extend(tallies);
                }
            }
        }
        for broadcast in self.store.broadcasts(game, BROADCASTS_MAX).await? {
            let day = broadcast.started_at.map(Day::of);
            let (true, Some(campaign)) = (day.is_some_and(|day| (first..=last).contains(&day)), campaign_of(&broadcast.id)) else {
                continue;
            };
            for (variant, tally) in self.deeds.tallies(game, &campaign).await? {
                let (broadcasts, tallies) = found.entry(template_of(&broadcast, variant).to_owned()).or_default();
                *broadcasts += 1;
                tallies.push(tally);
            }
        }
        let measure = |(template, (broadcasts, tallies)): (String, (u64, Vec<Tally>))| {
            TemplateMeasure::of(template, broadcasts, &Tally::sum(&tallies))
        };
        Ok(found.into_iter().map(measure).collect())
    }
}
