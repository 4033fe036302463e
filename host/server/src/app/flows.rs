//! Makes games playable: loads the components that their flows are.

use std::path::PathBuf;
use std::sync::Arc;

use questline_core::id::GameId;
use questline_core::port::GuestLog;
use questline_core::template::at_meta::AtMeta;
use questline_wasm::{Engine, EngineError, EngineOptions, LoadError, LoadRequest, LoadedFlow, Registry};

use crate::config::Config;
use crate::game::{Bundle, DeclaredGame, LoadedGame};

/// Memories kept warm: each keeps some pages resident, and more than cores can use at once only cost memory.
const WARM_MEMORIES: u32 = 16;

/// Why flows cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum FlowsError {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A component that game.toml names.
    #[error("flow {flow} of {game}: components/{plugin}.wasm is missing")]
    Missing {
        /// Of which game.
        game: GameId,
        /// Which flow.
        flow: String,
        /// Which plugin.
        plugin: String,
    },
    /// The component itself.
    #[error("flow {flow} of {game}: {problem}")]
    Load {
        /// Of which game.
        game: GameId,
        /// Which flow.
        flow: String,
        /// Why it is refused.
        problem: LoadError,
    },
}

/// Where compiled code is kept.
pub fn compiled_dir(config: &Config) -> PathBuf {
    config.store.dir.join("compiled")
}

/// Loads games. All that it loaded share one engine, with its limits.
#[derive(Clone)]
pub struct GameLoader {
    engine: Engine,
    log: Arc<dyn GuestLog>,
    at_meta: AtMeta,
}

impl GameLoader {
    /// With an engine of its own. `log` takes what flows write.
    pub fn new(options: EngineOptions, log: Arc<dyn GuestLog>) -> Result<Self, FlowsError> {
        Ok(Self { engine: Engine::new(options)?, log, at_meta: AtMeta::default() })
    }

    /// As the host is configured.
    pub fn of(config: &Config, log: Arc<dyn GuestLog>) -> Result<Self, FlowsError> {
        let options = EngineOptions {
            calls_max: config.limits.steps_max.min(512) as u32,
            calls_per_game_max: config.limits.steps_per_game_max.min(256) as u32,
            component_bytes_max: config.limits.component_bytes_max,
            warm_memories: WARM_MEMORIES,
            cache_dir: Some(compiled_dir(config)),
            ..EngineOptions::default()
        };
        Self::new(options, log)
    }

    /// The same, for games whose rules look into these books of templates.
    pub fn with_at_meta(self, at_meta: AtMeta) -> Self {
        Self { at_meta, ..self }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Loads every flow of a game.
    pub async fn load(&self, game: DeclaredGame, bundle: &Bundle) -> Result<LoadedGame, FlowsError> {
        let DeclaredGame { mut rules, services, plugins } = game;
        rules.at_meta = self.at_meta.clone();
        let mut flows = Vec::with_capacity(rules.flows.len());
        for flow in rules.flows.values() {
            let plugin = plugins.get(&flow.name).map_or("", String::as_str);
            let missing = || FlowsError::Missing { game: rules.id.clone(), flow: flow.name.to_string(), plugin: plugin.to_owned() };
            let bytes = bundle.component(plugin).ok_or_else(missing)?.to_vec();
            let request = LoadRequest { bytes, grants: flow.grants, limits: flow.limits };
            let refused = |problem| FlowsError::Load { game: rules.id.clone(), flow: flow.name.to_string(), problem };
            let loaded = LoadedFlow::load(&self.engine, request).await.map_err(refused)?;
            tracing::info!(game = %rules.id, flow = %flow.name, version = loaded.description().version, digest = loaded.digest(), "flow loaded");
            flows.push((flow.name.clone(), loaded));
        }
        let flows = Arc::new(Registry::new(&self.engine, &rules.id, &self.log, flows));
        Ok(LoadedGame {
            rules,
            services,
            release: *bundle.digest(),
            flows,
            checked: Default::default(),
            tracked: Default::default(),
            media: Default::default(),
        })
    }
}
