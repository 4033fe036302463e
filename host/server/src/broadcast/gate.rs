//! What is held back of broadcasts that are paused or cancelled: asked for each of their messages before it is sent, and kept in
//! step with the store, so that it holds on every host.

use std::collections::HashMap;
use std::sync::Mutex;

use arc_swap::ArcSwap;
use questline_core::id::CampaignId;
use questline_core::outbox::Campaign;
use questline_core::time::{MINUTE_MS, SECOND_MS, UnixMs};

/// A message of a paused broadcast is looked at again after a quarter of the time that the pause has lasted, within these.
const LOOK_AGAIN_MIN_MS: u64 = 10 * SECOND_MS;
const LOOK_AGAIN_MAX_MS: u64 = MINUTE_MS;

/// Why a broadcast's messages do not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    Paused { since: UnixMs },
    Cancelled,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gated {
    /// Nothing holds it.
    Open,
    /// It waits.
    Park {
        /// Until then.
        until: UnixMs,
    },
    /// It is dropped: its broadcast was cancelled.
    Drop,
}

/// Broadcasts that are held back.
#[derive(Debug, Default)]
pub struct Gate {
    held: ArcSwap<HashMap<CampaignId, Held>>,
    /// How often one was held or let go at once.
    orders: Mutex<u64>,
}

impl Gate {
    /// What becomes of a message of this campaign.
    pub fn ask(&self, campaign: &Campaign, now: UnixMs) -> Gated {
        match self.held.load().get(&campaign.id) {
            None => Gated::Open,
            Some(Held::Paused { since }) => {
                Gated::Park { until: now.plus_ms((now.since_ms(*since) / 4).clamp(LOOK_AGAIN_MIN_MS, LOOK_AGAIN_MAX_MS)) }
            }
            Some(Held::Cancelled) => Gated::Drop,
        }
    }

    fn orders(&self) -> std::sync::MutexGuard<'_, u64> {
        self.orders.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// What [`Gate::set`] takes: ask before the store is read.
    pub(super) fn seen(&self) -> u64 {
        *self.orders()
    }

    /// Holds these alone, as the store had it. Somebody who has ordered since knows better: then nothing changes.
    pub(super) fn set(&self, held: HashMap<CampaignId, Held>, seen: u64) {
        let orders = self.orders();
        if *orders == seen && **self.held.load() != held {
            self.held.store(held.into());
        }
    }

    /// Holds one at once, before the store is asked again.
    pub(super) fn put(&self, campaign: CampaignId, held: Option<Held>) {
        let mut orders = self.orders();
        *orders += 1;
        let mut all = HashMap::clone(&self.held.load());
        match held {
            Some(held) => all.insert(campaign, held),
            None => all.remove(&campaign),
        };
        self.held.store(all.into());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: UnixMs = UnixMs(1_790_000_000_000);

    fn campaign(name: &str) -> Campaign {
        Campaign { id: CampaignId::parse(name).unwrap(), variant: None }
    }

    #[test]
    fn an_order_is_not_undone_by_what_was_read_before_it() {
        let gate = Gate::default();
        let seen = gate.seen();
        gate.put(campaign("b1").id, Some(Held::Cancelled));
        gate.set(HashMap::new(), seen);
        assert_eq!(gate.ask(&campaign("b1"), NOW), Gated::Drop);
        gate.set(HashMap::from([(campaign("b2").id, Held::Paused { since: NOW })]), gate.seen());
        assert_eq!(gate.ask(&campaign("b1"), NOW), Gated::Open);
        assert_eq!(gate.ask(&campaign("b2"), NOW), Gated::Park { until: NOW.plus_ms(LOOK_AGAIN_MIN_MS) });
    }

    #[test]
    fn the_longer_a_pause_the_more_seldom_it_is_asked_about() {
        let gate = Gate::default();
        gate.put(campaign("b1").id, Some(Held::Paused { since: NOW }));
        for (waited_ms, again_ms) in [(0, 10_000), (60_000, 15_000), (86_400_000, 60_000)] {
            let now = NOW.plus_ms(waited_ms);
            assert_eq!(gate.ask(&campaign("b1"), now), Gated::Park { until: now.plus_ms(again_ms) });
        }
    }
}
