//! The flows of one release of a game, by name. It never changes: another release has its own, and calls in flight finish on
//! the one that they began with.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

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
    pub(crate) flow: LoadedFlow,
    log: Arc<dyn GuestLog>,
}

impl Slot {
    pub(crate) fn log_line(&self, level: LogLevel, line: &str) {
        self.log.line(&self.game, &self.name, level, line);
    }
}

/// All flows of a release, and how many of their calls may run at once.
pub struct Registry {
    calls: Semaphore,
    flows: HashMap<FlowName, Arc<Slot>>,
}

impl Registry {
    /// With these flows, loaded by `engine`. `log` takes what they write.
    pub fn new(engine: &Engine, game: &GameId, log: &Arc<dyn GuestLog>, flows: impl IntoIterator<Item = (FlowName, LoadedFlow)>) -> Self {
        let slot = |(name, flow): (FlowName, LoadedFlow)| {
            let slot = Slot { game: game.clone(), name: name.clone(), flow, log: Arc::clone(log) };
            (name, Arc::new(slot))
        };
        let calls = Semaphore::new(engine.options().calls_per_game_max as usize);
        Self { calls, flows: flows.into_iter().map(slot).collect() }
    }

    /// Calls a flow as it was called before: imports answer what they answered then, in the same order, and reach no service;
    /// a flow that asks for anything else traps with the difference.
    ///
    /// # Errors
    /// As [`Flows::call`].
    pub async fn replay(&self, call: FlowCall<'_>, recorded: Vec<Read>) -> Result<FlowAnswer, FlowFailure> {
        self.run(call, Some(recorded.into())).await
    }

    /// Waits for a place, the game's own first, so that a crowded game never holds the places of others, and runs the call.
    async fn run(&self, call: FlowCall<'_>, recorded: Option<VecDeque<Read>>) -> Result<FlowAnswer, FlowFailure> {
        let closed = |_| FlowFailure::Host("the host is shutting down".into());
        let slot = self.flows.get(call.flow).ok_or_else(|| FlowFailure::NotLoaded(call.flow.clone()))?;
        let _of_game = self.calls.acquire().await.map_err(closed)?;
        let _of_all = slot.flow.engine().calls().acquire().await.map_err(closed)?;
        call::handle(slot, call, recorded).await
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("flows", &self.flows.keys()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Flows for Registry {
    async fn call(&self, call: FlowCall<'_>) -> Result<FlowAnswer, FlowFailure> {
        self.run(call, None).await
    }

    fn description(&self, flow: &FlowName) -> Option<Arc<FlowDescription>> {
        self.flows.get(flow).map(|slot| Arc::clone(slot.flow.description()))
    }
}
