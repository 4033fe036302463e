//! Runs steps: takes conversations that have something to do, one step at a time in each, thousands at once, and fair
//! between games.

mod authentication;
mod codes;
mod fairness;
mod gate;
mod linking;
mod mid_flow;
mod observe;
mod security;
mod stepper;
mod two_factor;

use std::sync::Arc;
use std::time::Duration;

use questline_core::flow::FlowFailure;
use questline_core::id::{ConversationId, GameId};
use questline_core::port::{Conversations, Ready, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::broadcast::Deeds;
use crate::game::Games;
use crate::metrics::AGAIN;
use crate::release::Releaser;
use crate::traffic::Traffic;
use fairness::Turns;
use observe::Watch;

pub use gate::{AccountDevices, Devices, NoDevices};
pub use observe::{Ended, Observe, Observed, Trace, TracedAnswer, TracedCall, TracedLine, note};
pub use stepper::{Ran, Receipts, Stepped, Stepper, StoredReceipts};

/// Events handled in one go of a conversation before others get their turn.
const EVENTS_PER_TURN: usize = 16;
/// Conversations taken from the store at once.
const TAKE_MAX: usize = 256;
/// Wait after the store failed.
const STORE_WAIT: Duration = Duration::from_millis(500);
/// How often events look whether their game is there by now.
const NO_GAME_WAIT_MS: u64 = 15_000;
/// How often a full outbox is looked at.
const FULL_WAIT: Duration = Duration::from_millis(20);

/// All that steps need.
pub struct Runner {
    /// Sessions, inboxes, commits.
    pub conversations: Arc<dyn Conversations>,
    /// Runs single steps.
    pub stepper: Stepper,
    /// How much waits to be sent.
    pub traffic: Arc<Traffic>,
    /// The games.
    pub games: Arc<Games>,
    /// What players do after a broadcast's message.
    pub deeds: Arc<Deeds>,
    /// Is told what each step did; in production there is none, and nothing is kept for it.
    pub observer: Option<Arc<dyn Observe>>,
    /// Their releases, for conversations that go on with an old one.
    pub releases: Arc<Releaser>,
    /// Conversations in hand at once.
    pub steps_max: usize,
    /// Of which of one game.
    pub steps_per_game_max: usize,
    /// Messages that may wait to be sent before no further step begins.
    pub outbox_max: u64,
}

impl Runner {
    /// Runs until `stop`; then takes nothing more, and returns when what is in hand is done.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut turns = Turns::new(self.steps_max, self.steps_per_game_max);
        let (done, mut finished) = mpsc::unbounded_channel::<GameId>();
        let tasks = TaskTracker::new();
        loop {
            // Back-pressure: while too much waits to be sent, nothing more is produced.
            let full = self.traffic.waiting() >= self.outbox_max;
            while let Some(ready) = if full { None } else { turns.next() } {
                let (runner, done) = (self.clone(), done.clone());
                let span = tracing::info_span!("turn", conversation = ready.conversation.0, game = ready.game.as_str());
                let turn = async move {
                    let game = ready.game.clone();
                    // A panic in here must not leak the place: the guard gives it back.
                    let _guard = Finish { game: Some(game), done };
                    runner.turn(ready).await;
                };
                tasks.spawn(turn.instrument(span));
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(FULL_WAIT), if full => {}
                Some(game) = finished.recv() => {
                    turns.finished(&game);
                    while let Ok(game) = finished.try_recv() {
                        turns.finished(&game);
                    }
                }
                taken = self.conversations.take(TAKE_MAX), if turns.wants_more() => match taken {
                    Ok(ready) => ready.into_iter().for_each(|ready| turns.add(ready)),
                    Err(problem) => {
                        tracing::error!(%problem, "the runner cannot ask the store for work");
                        tokio::time::sleep(STORE_WAIT).await;
                    }
                },
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    /// One go of a conversation.
    async fn turn(&self, ready: Ready) {
        let not_before = match self.handle(ready.conversation).await {
            Ok(not_before) => not_before,
            Err(StoreError::Stale) => None,
            Err(problem) => {
                tracing::error!(%problem, "a step could not be written; it will be run again");
                Some(self.stepper.clock.now().plus_ms(STORE_WAIT.as_millis() as u64))
            }
        };
        while let Err(problem) = self.conversations.release(ready.conversation, not_before).await {
            tracing::error!(%problem, "a conversation could not be given back");
            tokio::time::sleep(STORE_WAIT).await;
        }
    }

    /// Handles the oldest events, each by its own commit. Says when to come again if one has to wait.
    async fn handle(&self, id: ConversationId) -> Result<Option<questline_core::time::UnixMs>, StoreError> {
        let work = self.conversations.load(id, EVENTS_PER_TURN).await?;
        let Some(game) = self.games.get(&work.conversation.game) else {
            tracing::debug!(game = work.conversation.game.as_str(), "events wait for a game that has no release");
            return Ok(Some(self.stepper.clock.now().plus_ms(NO_GAME_WAIT_MS)));
        };
        let mut conversation = Some(work.conversation);
        let count = work.events.len();
        for (place, entry) in work.events.iter().enumerate() {
            let Some(before) = conversation.take() else { break };
            let started = std::time::Instant::now();
            let watch = self.observer.as_ref().map(|observer| Box::new(Watch::new(observer, &game, &before, entry)));
            // What a step may wait for is large: a turn is moved about, and holds no more than its address.
            let step = Box::pin(self.step(&game, before, entry));
            let stepped = match &watch {
                None => step.await?,
                Some(watch) => Box::pin(watch.trace(step)).await?,
            };
            let (mut commit, measures, outcome) = match stepped {
                Stepped::Commit { commit, measures, outcome, .. } => (commit, measures, outcome),
                Stepped::Later { failure, attempts, wait_ms } => {
                    self.stepper.metrics.step(&game.rules.id, AGAIN, started.elapsed().as_secs_f64());
                    log_failure(&failure, attempts, Some(wait_ms));
                    if let Some(watch) = watch {
                        watch.later(&failure, attempts, wait_ms);
                    }
                    self.conversations.count_attempt(id, entry.seq, attempts).await?;
                    return Ok(Some(self.stepper.clock.now().plus_ms(wait_ms)));
                }
            };
            commit.outbox.iter_mut().for_each(|message| game.rules.sending.time_to_live.bound(message));
            self.deeds.note(&game.rules, entry, &commit).await?;
            if place + 1 < count {
                conversation = Some(commit.conversation.clone());
            }
            match watch {
                None => drop(self.conversations.commit(*commit).await?),
                Some(watch) => {
                    let copy = commit.clone();
                    let committed = self.conversations.commit(*commit).await?;
                    watch.committed(&copy, &committed, &measures, outcome);
                }
            }
            self.stepper.metrics.step(&game.rules.id, outcome, started.elapsed().as_secs_f64());
            for measure in measures {
                self.stepper.metrics.measure(&game.rules.id, &measure.name, measure.value);
            }
        }
        Ok(None)
    }
}

/// Gives a turn's place back, however the turn ends.
struct Finish {
    game: Option<GameId>,
    done: mpsc::UnboundedSender<GameId>,
}

impl Drop for Finish {
    fn drop(&mut self) {
        if let Some(game) = self.game.take() {
            let _ = self.done.send(game);
        }
    }
}

fn log_failure(failure: &FlowFailure, attempts: u32, wait_ms: Option<u64>) {
    match wait_ms {
        Some(wait_ms) => tracing::warn!(failure = failure.kind(), attempts, wait_ms, detail = %failure, "a step failed and is tried again"),
        None => {
            tracing::error!(failure = failure.kind(), attempts, detail = %failure, "a step failed for good: its event is a dead letter")
        }
    }
}
