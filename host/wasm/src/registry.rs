//! Which flow answers for which name: replaced in one pointer swap, while calls in flight finish on the old code.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use questline_core::flow::{FlowAnswer, FlowDescription, FlowFailure, Read};
use questline_core::id::{FlowName, GameId};
use questline_core::port::{FlowCall, Flows, GuestLog, LogLevel};
use tokio::sync::Semaphore;

use crate::call;
use crate::engine::Engine;
use crate::load::LoadedFlow;

/// A flow under its name.
pub(crate) struct Slot {
    game: GameId,
    name: FlowName,
    pub(crate) flow: Arc<LoadedFlow>,
    log: Arc<dyn GuestLog>,
}

impl Slot {
    pub(crate) fn log_line(&self, level: LogLevel, line: &str) {
        self.log.line(&self.game, &self.name, level, line);
    }
}

/// A game's flows, and how many of their calls may run at once.
struct Game {
    calls: Semaphore,
    flows: ArcSwap<HashMap<FlowName, Arc<Slot>>>,
}

/// All loaded flows of all games.
pub struct Registry {
    engine: Engine,
    log: Arc<dyn GuestLog>,
    games: ArcSwap<HashMap<GameId, Arc<Game>>>,
    /// Held by whoever changes the maps; calls never wait for it.
    change: Mutex<()>,
}

impl Registry {
    /// A registry without flows. `log` takes what they write.
    pub fn new(engine: Engine, log: Arc<dyn GuestLog>) -> Self {
        Self { engine, log, games: ArcSwap::default(), change: Mutex::new(()) }
    }

    /// The engine that its flows run on.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Makes `flow` answer for the name from now on. Calls in flight finish on the flow that was there, which is given back.
    pub fn install(&self, game: &GameId, name: &FlowName, flow: Arc<LoadedFlow>) -> Option<Arc<LoadedFlow>> {
        let _change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = self.game_or_new(game);
        let mut flows = HashMap::clone(&entry.flows.load());
        let slot = Slot { game: game.clone(), name: name.clone(), flow, log: Arc::clone(&self.log) };
        let old = flows.insert(name.clone(), Arc::new(slot));
        entry.flows.store(Arc::new(flows));
        old.map(|slot| Arc::clone(&slot.flow))
    }

    /// Takes the name away. Calls in flight finish.
    pub fn remove(&self, game: &GameId, name: &FlowName) -> Option<Arc<LoadedFlow>> {
        let _change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let games = self.games.load();
        let entry = games.get(game)?;
        let mut flows = HashMap::clone(&entry.flows.load());
        let old = flows.remove(name)?;
        entry.flows.store(Arc::new(flows));
        Some(Arc::clone(&old.flow))
    }

    /// The flow that answers for a name.
    pub fn flow(&self, game: &GameId, name: &FlowName) -> Option<Arc<LoadedFlow>> {
        self.slot(game, name).map(|(_, slot)| Arc::clone(&slot.flow))
    }

    /// Names of a game's flows, in order.
    pub fn names(&self, game: &GameId) -> Vec<FlowName> {
        let games = self.games.load();
        let mut names: Vec<FlowName> = games.get(game).map(|entry| entry.flows.load().keys().cloned().collect()).unwrap_or_default();
        names.sort();
        names
    }

    /// Calls a flow that need not be installed under the call's name: a canary, a transcript's test, a release that is
    /// being checked. With `recorded`, imports answer what they answered then, in the same order, and reach no service; a
    /// flow that asks for anything else traps with the difference.
    ///
    /// # Errors
    /// As [`Flows::call`].
    pub async fn call_loaded(
        &self,
        flow: &Arc<LoadedFlow>,
        call: FlowCall<'_>,
        recorded: Option<Vec<Read>>,
    ) -> Result<FlowAnswer, FlowFailure> {
        let game = match self.games.load().get(call.game) {
            Some(game) => Arc::clone(game),
            None => {
                let _change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
                self.game_or_new(call.game)
            }
        };
        let slot = Slot { game: call.game.clone(), name: call.flow.clone(), flow: Arc::clone(flow), log: Arc::clone(&self.log) };
        run(&game, Arc::new(slot), call, recorded.map(VecDeque::from)).await
    }

    fn slot(&self, game: &GameId, name: &FlowName) -> Option<(Arc<Game>, Arc<Slot>)> {
        let games = self.games.load();
        let entry = games.get(game)?;
        let slot = Arc::clone(entry.flows.load().get(name)?);
        Some((Arc::clone(entry), slot))
    }

    /// The game's entry. Only for those who hold `change`.
    fn game_or_new(&self, game: &GameId) -> Arc<Game> {
        let games = self.games.load();
        if let Some(entry) = games.get(game) {
            return Arc::clone(entry);
        }
        let calls = Semaphore::new(self.engine.options().calls_per_game_max as usize);
        let entry = Arc::new(Game { calls, flows: ArcSwap::default() });
        let mut games = HashMap::clone(&games);
        games.insert(game.clone(), Arc::clone(&entry));
        self.games.store(Arc::new(games));
        entry
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// Waits for a place, the game's own first, so that a crowded game never holds the places of others, and runs the call.
async fn run(game: &Game, slot: Arc<Slot>, call: FlowCall<'_>, recorded: Option<VecDeque<Read>>) -> Result<FlowAnswer, FlowFailure> {
    let closed = |_| FlowFailure::Host("the host is shutting down".into());
    let _of_game = game.calls.acquire().await.map_err(closed)?;
    let flow = Arc::clone(&slot.flow);
    let _of_all = flow.engine().calls().acquire().await.map_err(closed)?;
    call::handle(&flow, slot, call, recorded).await
}

#[async_trait]
impl Flows for Registry {
    async fn call(&self, call: FlowCall<'_>) -> Result<FlowAnswer, FlowFailure> {
        let (game, slot) = self.slot(call.game, call.flow).ok_or_else(|| FlowFailure::NotLoaded(call.flow.clone()))?;
        run(&game, slot, call, None).await
    }

    fn description(&self, game: &GameId, flow: &FlowName) -> Option<Arc<FlowDescription>> {
        self.slot(game, flow).map(|(_, slot)| Arc::clone(slot.flow.description()))
    }
}
