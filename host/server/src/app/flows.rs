//! Loads the components of all games into the registry.

use std::path::PathBuf;
use std::sync::Arc;

use questline_core::flow::FlowLimits;
use questline_core::port::{Flows, GuestLog};
use questline_wasm::{Engine, EngineError, EngineOptions, LoadError, LoadRequest, LoadedFlow, Registry};

use crate::config::Config;
use crate::game::Games;

/// Memories kept warm for a host with few flows.
const WARM_MEMORIES_MIN: u32 = 16;

/// Why flows cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum FlowsError {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A component's file.
    #[error("flow {flow} of {game}: cannot read {path}: {problem}. `questline flow build {plugin}` makes it")]
    Read {
        /// Of which game.
        game: String,
        /// Which flow.
        flow: String,
        /// Which plugin.
        plugin: String,
        /// Where it should be.
        path: PathBuf,
        /// Why.
        problem: std::io::Error,
    },
    /// The component itself.
    #[error("flow {flow} of {game}: {problem}")]
    Load {
        /// Of which game.
        game: String,
        /// Which flow.
        flow: String,
        /// Why it is refused.
        problem: LoadError,
    },
}

/// Makes the engine and loads every flow of every game.
pub async fn load(config: &Config, games: &Games, log: Arc<dyn GuestLog>) -> Result<Arc<dyn Flows>, FlowsError> {
    let bindings = || games.iter().flat_map(|game| game.rules.flows.values());
    let memory_bytes_max = bindings().map(|flow| flow.limits.memory_bytes_max).max().unwrap_or(FlowLimits::default().memory_bytes_max);
    let defaults = EngineOptions::default();
    let options = EngineOptions {
        calls_max: config.limits.steps_max.min(512) as u32,
        calls_per_game_max: config.limits.steps_per_game_max.min(256) as u32,
        memory_bytes_max: memory_bytes_max.max(defaults.memory_bytes_max),
        component_bytes_max: config.limits.component_bytes_max,
        // Each keeps some pages resident; more than cores can use at once only cost memory.
        warm_memories: WARM_MEMORIES_MIN.max(2 * bindings().count() as u32),
        cache_dir: Some(config.store.dir.join("compiled")),
    };
    let engine = Engine::new(options)?;
    let registry = Registry::new(engine.clone(), log);
    for game in games.iter() {
        for flow in game.rules.flows.values() {
            let (game_name, flow_name) = (game.rules.id.to_string(), flow.name.to_string());
            let plugin = game.plugins.get(&flow.name).cloned().unwrap_or_default();
            let path = config.components_dir.join(format!("{plugin}.wasm"));
            let unreadable =
                |problem| FlowsError::Read { game: game_name.clone(), flow: flow_name.clone(), plugin, path: path.clone(), problem };
            let bytes = std::fs::read(&path).map_err(unreadable)?;
            let request = LoadRequest { bytes, grants: flow.grants, limits: flow.limits };
            let refused = |problem| FlowsError::Load { game: game_name, flow: flow_name, problem };
            let loaded = LoadedFlow::load(&engine, request).await.map_err(refused)?;
            tracing::info!(game = %game.rules.id, flow = %flow.name, version = loaded.description().version, digest = loaded.digest(), "flow loaded");
            registry.install(&game.rules.id, &flow.name, Arc::new(loaded));
        }
    }
    Ok(Arc::new(registry))
}
