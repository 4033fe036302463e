//! What players do after a broadcast's message: an event of the game that an experiment hopes for, or that they want no marketing
//! any more. Which broadcasts are watched is known in memory, so that a step that concerns none of them asks nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use questline_core::broadcast::{Broadcast, State, Tally, campaigns_of_template};
use questline_core::commit::Commit;
use questline_core::consent::Marketing;
use questline_core::day::Day;
use questline_core::event::Event;
use questline_core::experiment::{Deed, Experiment, Goal};
use questline_core::game::Game;
use questline_core::id::{CampaignId, ConversationId, GameId};
use questline_core::port::{DeedNote, Exposures, InboxEntry, StoreError};
use questline_core::template::Category;
use questline_core::time::{DAY_MS, HOUR_MS, UnixMs};

use super::campaign_of;

/// Whoever takes no marketing any more so soon after a message did so because of it.
const OPT_OUT_WITHIN_MS: u64 = DAY_MS;
/// Links of messages are followed for so long, but for experiments, which say it themselves.
const CLICK_WITHIN_MS: u64 = 7 * DAY_MS;

/// A broadcast that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Watched {
    campaign: CampaignId,
    /// The event that is hoped for, and within which time.
    event: Option<(String, u64)>,
    /// Within which time a click counts.
    click_within_ms: u64,
}

impl Watched {
    /// None before it was started.
    pub(super) fn of(broadcast: &Broadcast) -> Option<Self> {
        broadcast.started_at?;
        let (event, click_within_ms) = match broadcast.wish.experiment.as_deref() {
            Some(Experiment { goal: Goal::Event(name), within_ms, .. }) => (Some((name.clone(), *within_ms)), CLICK_WITHIN_MS),
            Some(Experiment { goal: Goal::Click, within_ms, .. }) => (None, *within_ms),
            None => (None, CLICK_WITHIN_MS),
        };
        Some(Self { campaign: campaign_of(&broadcast.id)?, event, click_within_ms })
    }
}

/// Until when a broadcast that is over is watched; none while it is not over.
pub(super) fn watched_until(broadcast: &Broadcast) -> Option<UnixMs> {
    let is_over = matches!(broadcast.state, State::Done | State::Cancelled);
    // The last cohort begins in the last hour, and is complete so long after that hour's end.
    let within_ms = broadcast.wish.experiment.as_deref().map_or(0, |experiment| experiment.within_ms.saturating_add(2 * HOUR_MS));
    broadcast.ended_at.filter(|_| is_over).map(|ended_at| ended_at.plus_ms(within_ms.max(OPT_OUT_WITHIN_MS).max(CLICK_WITHIN_MS)))
}

/// What notes deeds.
pub struct Deeds {
    store: Arc<dyn Exposures>,
    watched: ArcSwap<HashMap<GameId, Vec<Watched>>>,
}

impl Deeds {
    /// Over a store; nothing is watched yet.
    pub fn new(store: Arc<dyn Exposures>) -> Self {
        Self { store, watched: ArcSwap::default() }
    }

    pub(super) fn watch(&self, watched: HashMap<GameId, Vec<Watched>>) {
        if **self.watched.load() != watched {
            self.watched.store(watched.into());
        }
    }

    pub(super) async fn tallies(&self, game: &GameId, campaign: &CampaignId) -> Result<BTreeMap<Option<u8>, Tally>, StoreError> {
        self.store.tallies(game, campaign).await
    }

    /// Notes what a step shows of its player, before the step is written: a step that is run again notes nothing twice.
    pub async fn note(&self, rules: &Game, entry: &InboxEntry, commit: &Commit) -> Result<(), StoreError> {
        let (game, conversation) = (&rules.id, commit.conversation.id);
        let is_withdrawn = commit.consents.iter().any(|record| record.marketing != Marketing::Granted);
        if is_withdrawn {
            for template in rules.templates.values().filter(|template| template.category == Category::Marketing) {
                self.of_flow(game, &template.name, conversation, Deed::OptOut, OPT_OUT_WITHIN_MS, entry.received_at).await?;
            }
        }
        let watched = self.watched.load();
        let Some(watched) = watched.get(game) else { return Ok(()) };
        for one in watched {
            match (&*entry.event, &one.event) {
                (Event::GameEvent(event), Some((name, within_ms))) if event.name == *name => {
                    self.count(game, one, conversation, Deed::Conversion, *within_ms, entry.received_at).await?;
                }
                _ => {}
            }
            if is_withdrawn {
                self.count(game, one, conversation, Deed::OptOut, OPT_OUT_WITHIN_MS, entry.received_at).await?;
            }
        }
        Ok(())
    }

    /// Somebody followed a link in a campaign's message. True when that counts: in time, and for the first time.
    pub(crate) async fn click(
        &self,
        game: &GameId,
        campaign: &CampaignId,
        conversation: ConversationId,
        at: UnixMs,
    ) -> Result<bool, StoreError> {
        let watched = self.watched.load();
        let Some(one) = watched.get(game).and_then(|of_game| of_game.iter().find(|one| one.campaign == *campaign)) else {
            return Ok(false);
        };
        let note = DeedNote {
            game: game.clone(),
            campaign: campaign.clone(),
            conversation,
            deed: Deed::Click,
            within_ms: one.click_within_ms,
            at,
        };
        self.store.note_deed(note).await
    }

    /// Somebody followed a link in a template that a flow sent.
    pub(crate) async fn click_of_flow(
        &self,
        game: &GameId,
        template: &str,
        conversation: ConversationId,
        at: UnixMs,
    ) -> Result<bool, StoreError> {
        self.of_flow(game, template, conversation, Deed::Click, CLICK_WITHIN_MS, at).await
    }

    /// Notes what somebody did after a template that a flow sent.
    async fn of_flow(
        &self,
        game: &GameId,
        template: &str,
        conversation: ConversationId,
        deed: Deed,
        within_ms: u64,
        at: UnixMs,
    ) -> Result<bool, StoreError> {
        for (campaign, _) in campaigns_of_template(template, Day::of(at.minus_ms(within_ms)), Day::of(at)) {
            if self.store.note_deed(DeedNote { game: game.clone(), campaign, conversation, deed, within_ms, at }).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn count(
        &self,
        game: &GameId,
        watched: &Watched,
        conversation: ConversationId,
        deed: Deed,
        within_ms: u64,
        at: UnixMs,
    ) -> Result<(), StoreError> {
        let note = DeedNote { game: game.clone(), campaign: watched.campaign.clone(), conversation, deed, within_ms, at };
        self.store.note_deed(note).await.map(drop)
    }
}
