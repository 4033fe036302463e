//! What is held back of broadcasts that are paused or cancelled: asked for each of their messages before it is sent, and kept in
//! step with the store, so that it holds on every host.

use std::collections::HashMap;

use arc_swap::ArcSwap;
use questline_core::id::CampaignId;
use questline_core::outbox::Campaign;
use questline_core::time::{SECOND_MS, UnixMs};

/// A message of a paused broadcast is looked at again after so long.
const LOOK_AGAIN_MS: u64 = 10 * SECOND_MS;

/// Why a broadcast's messages do not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    Paused,
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
pub struct Gate(ArcSwap<HashMap<CampaignId, Held>>);

impl Gate {
    /// What becomes of a message of this campaign.
    pub fn ask(&self, campaign: &Campaign, now: UnixMs) -> Gated {
        match self.0.load().get(&campaign.id) {
            None => Gated::Open,
            Some(Held::Paused) => Gated::Park { until: now.plus_ms(LOOK_AGAIN_MS) },
            Some(Held::Cancelled) => Gated::Drop,
        }
    }

    pub(super) fn set(&self, held: HashMap<CampaignId, Held>) {
        if **self.0.load() != held {
            self.0.store(held.into());
        }
    }

    /// Holds one at once, before the store is asked again.
    pub(super) fn put(&self, campaign: CampaignId, held: Option<Held>) {
        let mut all = HashMap::clone(&self.0.load());
        match held {
            Some(held) => all.insert(campaign, held),
            None => all.remove(&campaign),
        };
        self.0.store(all.into());
    }
}
