//! What sending goes by: what Meta has taught of numbers and portfolios, what people have paused, who plays now. The sender
//! reads it for every message, from memory and without waiting; ingress, API and sender change it; the store keeps what has
//! to survive a restart.

pub mod alerts;
mod limits;
mod news;
mod stops;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use questline_core::contact::PhoneNumber;
use questline_core::id::{GameId, NumberId, PlayerId};
use questline_core::outbox::NewMessage;
use questline_core::permit::Verdict;
use questline_core::permit::learned::Learned;
use questline_core::permit::pause::Pauses;
use questline_core::permit::presence::Present;
use questline_core::permit::tier::PortfolioLimit;
use questline_core::port::{Clock, PauseChange, PauseChanged, Permits, SendingState, StoreError};
use questline_core::send::ParkReason;
use questline_core::template::Category;
use questline_core::time::{MINUTE_MS, SECOND_MS, UnixMs};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::game::Games;
use crate::metrics::Metrics;
use alerts::Alerts;

pub use limits::{NumberLimits, PortfolioLimits, SendingLimits};
pub use stops::{Stop, StopCause};

/// Wait after the store failed.
const STORE_WAIT: Duration = Duration::from_millis(500);
/// What is learned in quick succession is written once.
const GATHER: Duration = Duration::from_millis(200);
/// How often the players whose time is over are forgotten.
const SWEEP: Duration = Duration::from_secs(60);

/// A number as sending knows it.
#[derive(Debug, Clone)]
pub struct SendingNumber {
    /// Meta's `phone_number_id`.
    pub id: NumberId,
    /// Which game talks from it.
    pub game: GameId,
    /// Its business account.
    pub account: String,
    /// Whose users its users count with.
    pub portfolio: String,
    /// As people dial it, where the configuration says so: Meta's news of numbers name them by it.
    pub display_phone: Option<PhoneNumber>,
    /// Messages a second, as configured.
    pub per_second: u32,
}

/// What it needs.
pub struct SendingParts {
    /// Where it is kept.
    pub store: Arc<dyn SendingState>,
    /// Sliding windows.
    pub permits: Arc<dyn Permits>,
    /// Games, with their rules.
    pub games: Arc<Games>,
    /// All numbers.
    pub numbers: Vec<SendingNumber>,
    /// The portfolios' limits, as configured, by name.
    pub portfolios: Vec<(String, PortfolioLimit)>,
    /// Hundredths of a portfolio's limit that are left to codes and warnings.
    pub reserve_percent: u8,
    /// Where operators hear of it.
    pub alerts: Alerts,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Figures.
    pub metrics: Arc<Metrics>,
}

/// All of it.
pub struct SendingDesk {
    store: Arc<dyn SendingState>,
    permits: Arc<dyn Permits>,
    games: Arc<Games>,
    numbers: HashMap<NumberId, SendingNumber>,
    reserve_percent: u8,
    alerts: Alerts,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    learned: ArcSwap<Learned>,
    /// Held by whoever changes what was learned.
    learning: Mutex<()>,
    has_learned: Notify,
    pauses: ArcSwap<HashMap<GameId, Pauses>>,
    /// Held by whoever changes pauses, from the store's write to memory's.
    pausing: tokio::sync::Mutex<()>,
    present: Mutex<Present>,
    stops: ArcSwap<Vec<Stop>>,
}

impl SendingDesk {
    /// With what the store has kept, under what is configured now.
    pub async fn open(parts: SendingParts) -> Result<Self, StoreError> {
        let SendingParts { store, permits, games, numbers, portfolios, reserve_percent, alerts, clock, metrics } = parts;
        let learned = store.learned().await?.under(numbers.iter().map(|number| (number.id.clone(), number.per_second)), portfolios);
        let mut pauses = HashMap::new();
        for number in &numbers {
            if !pauses.contains_key(&number.game) {
                pauses.insert(number.game.clone(), store.pauses(&number.game).await?);
            }
        }
        Ok(Self {
            store,
            permits,
            games,
            numbers: numbers.into_iter().map(|number| (number.id.clone(), number)).collect(),
            reserve_percent,
            alerts,
            clock,
            metrics,
            learned: ArcSwap::from_pointee(learned),
            learning: Mutex::new(()),
            has_learned: Notify::new(),
            pauses: ArcSwap::from_pointee(pauses),
            pausing: tokio::sync::Mutex::new(()),
            present: Mutex::default(),
            stops: ArcSwap::default(),
        })
    }

    /// Writes down what is learned, until `stop`; and once more then.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut sweep = tokio::time::interval(SWEEP);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = sweep.tick() => self.present().sweep(self.clock.now()),
                () = self.has_learned.notified() => {
                    tokio::time::sleep(GATHER).await;
                    while let Err(problem) = self.store.keep_learned(&self.learned.load()).await {
                        tracing::warn!(%problem, "what Meta has taught of sending is not kept yet");
                        tokio::select! {
                            () = stop.cancelled() => return,
                            () = tokio::time::sleep(STORE_WAIT) => {}
                        }
                    }
                }
            }
        }
        if let Err(problem) = self.store.keep_learned(&self.learned.load()).await {
            tracing::warn!(%problem, "what Meta has taught of sending is not kept");
        }
    }

    // ---- what the sender asks ---------------------------------------------------------------------------------------

    /// Whether pauses, what Meta refuses a number, the player's game and the time of day let a message go now. Asks memory
    /// alone.
    pub fn verdict(&self, message: &NewMessage, category: Option<Category>, now: UnixMs) -> Verdict {
        let paused = self.paused(message, category, now);
        let refused = self.learned.load().number(&message.number).map_or(Verdict::Go, |known| known.verdict(message, category, now));
        let verdict = paused.and(refused);
        // What answers the player, and what is urgent, asks for nothing more.
        if message.is_critical() || message.is_answer() {
            return verdict;
        }
        let Some(game) = self.games.get(&message.game) else { return verdict };
        let rules = &game.rules.sending;
        let playing = if rules.quiet_in_game { self.playing(message, now) } else { Verdict::Go };
        let hours = rules.local_hours.as_ref().map_or(Verdict::Go, |hours| hours.verdict(message, category, now));
        verdict.and(playing).and(hours)
    }

    fn paused(&self, message: &NewMessage, category: Option<Category>, now: UnixMs) -> Verdict {
        let pauses = self.pauses.load();
        let Some(pauses) = pauses.get(&message.game).filter(|pauses| !pauses.is_empty()) else { return Verdict::Go };
        match pauses.verdict(message, category, now) {
            Verdict::Park { until, reason } => Verdict::Park { until: look_again(until, pauses.longest_ms(now), now), reason },
            Verdict::Go => Verdict::Go,
        }
    }

    fn playing(&self, message: &NewMessage, now: UnixMs) -> Verdict {
        let Some(player) = message.known.as_ref().and_then(|known| known.player.as_ref()) else { return Verdict::Go };
        match self.present().until(&message.game, player, now) {
            Some(until) => Verdict::Park { until: look_again(until, 0, now), reason: ParkReason::InGame },
            None => Verdict::Go,
        }
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The portfolio of a number, its limit, and the share of it that is kept for codes.
    pub fn portfolio(&self, number: &NumberId) -> Option<(&str, PortfolioLimit, u8)> {
        let portfolio = self.numbers.get(number)?.portfolio.as_str();
        Some((portfolio, self.learned.load().limit(portfolio), self.reserve_percent))
    }

    /// How many marketing messages a player of a game gets in a week.
    pub fn marketing_per_week(&self, game: &GameId) -> u32 {
        let game = self.games.get(game);
        game.map_or(questline_core::permit::windows::MARKETING_PER_WEEK, |game| game.rules.sending.marketing_per_week)
    }

    /// Messages a second of a number now.
    pub fn per_second(&self, number: &NumberId, now: UnixMs) -> Option<u32> {
        self.learned.load().number(number).map(|known| known.throughput.per_second(now))
    }

    /// Sliding windows.
    pub fn permits(&self) -> &Arc<dyn Permits> {
        &self.permits
    }

    /// Where operators hear of what needs them.
    pub fn alerts(&self) -> &Alerts {
        &self.alerts
    }

    // ---- what is told -----------------------------------------------------------------------------------------------

    /// Learns something. True when it was news.
    pub fn learn(&self, change: impl FnOnce(&mut Learned) -> bool) -> bool {
        let _turn = self.learning.lock().unwrap_or_else(PoisonError::into_inner);
        let mut learned = Learned::clone(&self.learned.load());
        let is_news = change(&mut learned);
        if is_news {
            self.learned.store(Arc::new(learned));
            self.has_learned.notify_one();
        }
        is_news
    }

    /// The game's backend tells until when a player plays; none: not any more.
    pub fn presence(&self, game: &GameId, player: &PlayerId, until: Option<UnixMs>) {
        let now = self.clock.now();
        let mut present = self.present();
        present.tell(game, player, until, now);
        self.metrics.sending.present(present.len());
    }

    /// Until when a player plays, if they do.
    pub fn present_until(&self, game: &GameId, player: &PlayerId) -> Option<UnixMs> {
        self.present().until(game, player, self.clock.now())
    }

    /// A game's pauses that hold.
    pub fn pauses(&self, game: &GameId) -> Pauses {
        self.pauses.load().get(game).cloned().unwrap_or_default()
    }

    /// Changes a game's pauses, durably.
    pub async fn change_pauses(&self, game: &GameId, change: PauseChange) -> Result<PauseChanged, StoreError> {
        let _turn = self.pausing.lock().await;
        let (pauses, changed) = self.store.change_pauses(game, change, self.clock.now()).await?;
        let mut all = HashMap::clone(&self.pauses.load());
        all.insert(game.clone(), pauses);
        self.pauses.store(Arc::new(all));
        Ok(changed)
    }
}

/// When a message that waits for something is asked about again, which may end before its time: soon at first, and later the
/// longer it has lasted, so that neither one message waits much longer than it has to nor a million are asked all the time.
fn look_again(until: UnixMs, lasted_ms: u64, now: UnixMs) -> UnixMs {
    const SOONEST_MS: u64 = 15 * SECOND_MS;
    const LATEST_MS: u64 = 30 * MINUTE_MS;
    until.min(now.plus_ms((lasted_ms / 4).clamp(SOONEST_MS, LATEST_MS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_looked_at_again_in_time() {
        let (now, far) = (UnixMs(1_000_000), UnixMs(u64::MAX / 2));
        assert_eq!(look_again(now.plus_ms(5), 0, now), now.plus_ms(5));
        assert_eq!(look_again(far, 0, now), now.plus_ms(15_000));
        assert_eq!(look_again(far, 40 * MINUTE_MS, now), now.plus_ms(10 * MINUTE_MS));
        assert_eq!(look_again(far, u64::MAX, now), now.plus_ms(30 * MINUTE_MS));
    }
}
