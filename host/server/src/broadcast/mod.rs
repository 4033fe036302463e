//! Broadcasts: who gets one, a list that is uploaded, and what hands recipients to the lanes. Every message of one is an ordinary
//! message of its lane: what holds for any holds for it.

mod deeds;
mod feeder;
mod gate;
mod judge;
mod measures;
mod recipients;
mod sweep;
mod upload;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use questline_core::broadcast::{Broadcast, BroadcastId, Limits, Portfolio, Progress};
use questline_core::id::{CampaignId, GameId, NumberId};
use questline_core::outbox::MessageClass;
use questline_core::permit::windows::{PORTFOLIO_SPAN_MS, portfolio_window};
use questline_core::port::{Audiences, Audit, Broadcasts, Clock, Desk, Outbox, StoreError};
use questline_core::template::Template;
use questline_core::time::UnixMs;
use tokio::sync::{Notify, Semaphore};

use crate::game::{Games, LoadedGame};
use crate::links::LinkDesk;
use crate::sending::SendingDesk;

pub use deeds::Deeds;
pub use feeder::run;
pub use gate::{Gate, Gated};
pub(crate) use judge::ToldStanding;
pub(crate) use measures::TemplateMeasure;
pub(crate) use recipients::{Batch, Recipient, Unready};
pub(crate) use upload::{Format, Upload, UploadFailed};

/// Lists that are uploaded or gone through at the same time: each takes memory and time of the store.
const HEAVY_MAX: usize = 2;

/// All that broadcasts need.
pub struct BroadcastDesk {
    /// What they are and how far.
    pub store: Arc<dyn Broadcasts>,
    /// Who could get one.
    pub audiences: Arc<dyn Audiences>,
    /// Where messages go.
    pub outbox: Arc<dyn Outbox>,
    /// Where players are.
    pub desk: Arc<dyn Desk>,
    /// Who players are linked to.
    pub links: Arc<LinkDesk>,
    /// The games.
    pub games: Arc<Games>,
    /// Messages a second of each number, as configured.
    pub numbers: HashMap<NumberId, u32>,
    /// What sending goes by.
    pub sending: Arc<SendingDesk>,
    /// What is held back of broadcasts.
    pub gate: Arc<Gate>,
    /// What players do after a message.
    pub deeds: Arc<Deeds>,
    /// Where promotions stand.
    pub audit: Arc<dyn Audit>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// This host's name for itself, new at each start.
    pub name: Box<str>,
    /// Why broadcasts do not go on.
    pub(crate) problems: Mutex<HashMap<BroadcastId, String>>,
    pub(crate) wake: Notify,
    pub(crate) heavy: Semaphore,
}

/// What a desk is made of.
pub struct DeskParts {
    /// See [`BroadcastDesk`].
    pub store: Arc<dyn Broadcasts>,
    /// See there.
    pub audiences: Arc<dyn Audiences>,
    /// See there.
    pub outbox: Arc<dyn Outbox>,
    /// See there.
    pub desk: Arc<dyn Desk>,
    /// See there.
    pub links: Arc<LinkDesk>,
    /// See there.
    pub games: Arc<Games>,
    /// See there.
    pub numbers: HashMap<NumberId, u32>,
    /// See there.
    pub sending: Arc<SendingDesk>,
    /// See there.
    pub deeds: Arc<Deeds>,
    /// See there.
    pub audit: Arc<dyn Audit>,
    /// See there.
    pub clock: Arc<dyn Clock>,
}

/// What a message of a broadcast is marked with.
pub(crate) fn campaign_of(id: &BroadcastId) -> Option<CampaignId> {
    CampaignId::parse(id.as_str()).ok()
}

impl BroadcastDesk {
    /// From its parts.
    pub fn new(parts: DeskParts) -> Self {
        let DeskParts { store, audiences, outbox, desk, links, games, numbers, sending, deeds, audit, clock } = parts;
        let name = format!("{:016x}{:016x}", crate::clock::random(), crate::clock::random());
        Self {
            store,
            audiences,
            outbox,
            desk,
            links,
            games,
            numbers,
            sending,
            gate: Arc::default(),
            deeds,
            audit,
            clock,
            name: name.into(),
            problems: Mutex::default(),
            wake: Notify::new(),
            heavy: Semaphore::new(HEAVY_MAX),
        }
    }

    /// How far a broadcast is.
    pub(crate) async fn progress(&self, broadcast: &Broadcast) -> Result<Progress, StoreError> {
        let Some(campaign) = campaign_of(&broadcast.id) else { return Ok(Progress::of(broadcast, &Default::default(), 0)) };
        let tally = self.audiences.tally(&broadcast.game, &campaign).await?;
        let (_, unknown) = self.store.unknown(&broadcast.game, &campaign).await?;
        Ok(Progress::of(broadcast, &tally, unknown))
    }

    /// What holds for a broadcast now.
    pub(crate) async fn limits(&self, game: &LoadedGame, broadcast: &Broadcast) -> Result<Limits, StoreError> {
        let numbers = numbers_of(game, broadcast);
        let now = self.clock.now();
        let configured = |number| self.numbers.get(number).copied().unwrap_or(1);
        let throughput = numbers.iter().map(|number| self.sending.per_second(number, now).unwrap_or_else(|| configured(number))).sum();
        let waiting = self.desk.depth().await?.outbox;
        let is_critical = broadcast.wish.class == MessageClass::Critical;
        let portfolio = self.portfolio(&numbers, is_critical, now).await?;
        Ok(Limits { throughput, pace: broadcast.wish.per_second, waiting, portfolio })
    }

    /// What the portfolios of these numbers may still write to, all together.
    async fn portfolio(&self, numbers: &[NumberId], is_critical: bool, now: UnixMs) -> Result<Portfolio, StoreError> {
        let of = numbers.iter().filter_map(|number| self.sending.portfolio(number));
        let limits: BTreeMap<&str, Option<u32>> = of.map(|(name, limit, reserve)| (name, limit.places(reserve, is_critical))).collect();
        let windows = limits.keys().map(|name| (portfolio_window(name), PORTFOLIO_SPAN_MS)).collect();
        let used = self.sending.permits().permits_used(windows, now).await?;
        let max = limits.values().map(|places| places.map(u64::from)).sum::<Option<u64>>();
        Ok(Portfolio { max, used: used.into_iter().map(u64::from).sum() })
    }

    /// Forgets what there is of a list that did not arrive, or is needed no more.
    pub(crate) async fn forget_upload(&self, game: &GameId, id: &BroadcastId, upload: &str) -> Result<(), StoreError> {
        let (mut pieces, mut missing) = (0, 0);
        // Pieces that were on their way at the same time may be there without those in front of them.
        while missing < upload::PARTS_MAX {
            match self.store.piece(game, id, upload, pieces).await? {
                Some(_) => missing = 0,
                None => missing += 1,
            }
            pieces += 1;
        }
        self.store.forget_list(game, id, upload, pieces).await
    }

    /// Why a broadcast does not go on, if it does not.
    pub(crate) fn problem(&self, id: &BroadcastId) -> Option<String> {
        self.problems.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(id).cloned()
    }

    /// Has the feeder look again at once.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }
}

/// The numbers that a broadcast is sent from.
pub(crate) fn numbers_of(game: &LoadedGame, broadcast: &Broadcast) -> Vec<NumberId> {
    match &broadcast.wish.number {
        Some(number) => vec![number.clone()],
        None => game.rules.numbers.clone(),
    }
}

/// The template of a broadcast, as the game declares it now.
pub(crate) fn template_of<'a>(game: &'a LoadedGame, broadcast: &Broadcast) -> Option<&'a Template> {
    game.rules.templates.get(&broadcast.wish.wording.template)
}
