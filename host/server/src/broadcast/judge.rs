//! Experiments are judged while they run, and the winner is promoted: from then on everybody gets it.

use std::collections::BTreeMap;

use questline_core::audit::{Action, Actor, AuditRecord};
use questline_core::broadcast::{Broadcast, Tally};
use questline_core::experiment::{Deed, Experiment, Standing, cohorts, judge};
use questline_core::port::StoreError;
use questline_core::time::UnixMs;
use serde::Serialize;

use super::{BroadcastDesk, campaign_of};

/// An experiment, for people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ToldStanding {
    variants: Vec<ToldVariant>,
    /// Whose time is over: the others are not judged yet.
    leader: String,
    confidence: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    winner: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct ToldVariant {
    name: String,
    template: String,
    /// Those whom it reached, and whose time to convert is over.
    subjects: u64,
    converted: u64,
    rate: f64,
    accepted: u64,
    delivered: u64,
    read: u64,
    clicked: u64,
    opted_out: u64,
}

impl BroadcastDesk {
    async fn tallies(&self, broadcast: &Broadcast) -> Result<BTreeMap<Option<u8>, Tally>, StoreError> {
        match campaign_of(&broadcast.id) {
            Some(campaign) => self.deeds.tallies(&broadcast.game, &campaign).await,
            None => Ok(BTreeMap::new()),
        }
    }

    /// How the variants do by now; none where nothing is compared.
    pub(crate) async fn standing(&self, broadcast: &Broadcast) -> Result<Option<ToldStanding>, StoreError> {
        let Some(experiment) = broadcast.wish.experiment.as_deref() else { return Ok(None) };
        let tallies = self.tallies(broadcast).await?;
        let standing = standing(experiment, &tallies, self.clock.now());
        let none = Tally::default();
        let variants = experiment.variants.iter().zip(&standing.arms).enumerate().map(|(place, (variant, arm))| {
            let tally = u8::try_from(place).ok().and_then(|place| tallies.get(&Some(place))).unwrap_or(&none);
            ToldVariant {
                name: variant.name.clone(),
                template: variant.template.clone(),
                subjects: arm.subjects,
                converted: arm.converted,
                rate: arm.rate(),
                accepted: tally.total(Tally::ACCEPTED),
                delivered: tally.total("delivered"),
                read: tally.total("read"),
                clicked: tally.total(Deed::Click.counted_as()),
                opted_out: tally.total(Deed::OptOut.counted_as()),
            }
        });
        let name = |place: usize| experiment.variants.get(place).map(|variant| variant.name.clone());
        Ok(Some(ToldStanding {
            variants: variants.collect(),
            leader: name(standing.leader).unwrap_or_default(),
            confidence: standing.confidence,
            winner: broadcast.winner.and_then(|winner| name(winner.into())),
        }))
    }

    /// Promotes the winner of an experiment, once there is one.
    pub(super) async fn promote(&self, broadcast: &Broadcast, now: UnixMs) -> Result<(), StoreError> {
        let Some(experiment) = broadcast.wish.experiment.as_deref().filter(|_| broadcast.winner.is_none()) else { return Ok(()) };
        let standing = standing(experiment, &self.tallies(broadcast).await?, now);
        let Some(winner) = standing.winner.and_then(|winner| u8::try_from(winner).ok()) else { return Ok(()) };
        let promote = Box::new(move |one: &mut Broadcast| one.winner = one.winner.or(Some(winner)));
        let Some(after) = self.store.change_broadcast(&broadcast.game, &broadcast.id, promote).await? else { return Ok(()) };
        let name = after.winner.and_then(|winner| experiment.variants.get(usize::from(winner))).map_or("", |variant| &variant.name);
        tracing::info!(broadcast = %broadcast.id, winner = name, confidence = standing.confidence, "an experiment has a winner");
        let detail = format!("{}: {name}, at {:.4}", broadcast.id, standing.confidence);
        let record = AuditRecord::new(now, broadcast.game.clone(), Actor::Host, Action::ExperimentPromoted, detail);
        self.audit.append_audit(vec![record]).await
    }
}

fn standing(experiment: &Experiment, tallies: &BTreeMap<Option<u8>, Tally>, now: UnixMs) -> Standing {
    let variants = experiment.variants.len();
    judge(&cohorts(tallies, variants, experiment.deed(), experiment.within_ms, now), variants)
}
