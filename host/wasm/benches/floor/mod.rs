//! The least that the runtime can do: a fresh instance with its best settings, and neither limit nor clock nor record.

use std::time::{Duration, Instant};

use wasmtime::component::{Component, ComponentExportIndex, HasSelf, Instance, InstancePre, Linker, TypedFunc};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

use generated::exports::questline::flow::guest::{FlowError, Outcome};
use generated::questline::flow::types::{Authentication, Conversation, Event, ImportError, Inbound, Message};
use generated::questline::flow::{backend, clock, copy, intents, log, players, random, types};

#[allow(unreachable_pub, dead_code, clippy::all)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "flow",
        ownership: Borrowing { duplicate_if_necessary: true },
        imports: {
            "questline:flow/players": async | trappable,
            "questline:flow/backend": async | trappable,
            default: trappable,
        },
        exports: { default: async },
    });
}

type Handle<'a> = TypedFunc<(Conversation<'a>, Event<'a>), (Result<Outcome, FlowError>,)>;

/// A component, ready to be called.
pub(crate) struct Floor {
    engine: Engine,
    pre: InstancePre<Imports>,
    handle: ComponentExportIndex,
}

impl Floor {
    pub(crate) fn new(component: &[u8]) -> Self {
        let scan = PoolingAllocationConfig::is_pagemap_scan_available();
        let mut pool = PoolingAllocationConfig::new();
        pool.linear_memory_keep_resident(if scan { 1 << 20 } else { 64 << 10 })
            .table_keep_resident(64 << 10)
            .max_unused_warm_slots(1000)
            .pagemap_scan(if scan { Enabled::Yes } else { Enabled::No });
        let mut config = Config::new();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool)).concurrency_support(false);
        let engine = Engine::new(&config).unwrap();
        let component = Component::new(&engine, component).unwrap();
        let mut linker = Linker::new(&engine);
        generated::Flow::add_to_linker::<Imports, HasSelf<Imports>>(&mut linker, |imports| imports).unwrap();
        let pre = linker.instantiate_pre(&component).unwrap();
        let guest = component.get_export_index(None, "questline:flow/guest@0.1.0").unwrap();
        let handle = component.get_export_index(Some(&guest), "handle").unwrap();
        Self { engine, pre, handle }
    }

    /// A fresh instance for one call; the number of effects that it answers with.
    pub(crate) async fn call(&self, text: &str, state: &str) -> usize {
        let mut store = Store::new(&self.engine, Imports);
        let instance = self.pre.instantiate_async(&mut store).await.unwrap();
        call(&mut store, &instance, &self.handle, text, state).await
    }

    /// An instance that is used over and over.
    pub(crate) async fn warm(&self) -> Warm {
        let mut store = Store::new(&self.engine, Imports);
        let instance = self.pre.instantiate_async(&mut store).await.unwrap();
        Warm { store, instance, handle: self.handle }
    }
}

/// An instance that is used over and over: no host should, but it says what isolation costs.
pub(crate) struct Warm {
    store: Store<Imports>,
    instance: Instance,
    handle: ComponentExportIndex,
}

impl Warm {
    pub(crate) async fn calls(&mut self, text: &str, state: &str, count: u64) -> Duration {
        let begun = Instant::now();
        for _ in 0..count {
            call(&mut self.store, &self.instance, &self.handle, text, state).await;
        }
        begun.elapsed()
    }
}

async fn call(store: &mut Store<Imports>, instance: &Instance, handle: &ComponentExportIndex, text: &str, state: &str) -> usize {
    let handle = instance.get_func(&mut *store, handle).unwrap();
    // SAFETY: the component was built against the contract that these types are generated from.
    #[allow(unsafe_code)]
    let handle: Handle<'_> = unsafe { TypedFunc::new_unchecked(handle) };
    let conversation = Conversation {
        id: "c-42",
        game: "starfall",
        state: Some(state),
        locale: "en",
        player: Some("player-1"),
        authentication: Authentication::Unauthenticated,
        window_closes_at: Some(1_700_000_000_001),
        marketing_consent: false,
        ticket_number: "SF-42",
        phone: None,
        settings: "{}",
        refused: &[],
        extensions: &[],
    };
    let event = Event::Message(Message {
        id: "in-41",
        sent_at: 1_700_000_000_000,
        content: Inbound::Text(text),
        reply_to: None,
        forwarded: false,
        referral: None,
        extensions: &[],
    });
    let (answer,) = handle.call_async(store, (conversation, event)).await.unwrap();
    answer.unwrap().effects.len()
}

/// Imports that answer nothing.
pub(crate) struct Imports;

type Answer<T> = wasmtime::Result<Result<T, ImportError>>;

impl types::Host for Imports {}

impl clock::Host for Imports {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(0)
    }
}

impl random::Host for Imports {
    fn next(&mut self) -> wasmtime::Result<u64> {
        Ok(0)
    }
}

impl log::Host for Imports {
    fn write(&mut self, _: log::Level, _: String) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl copy::Host for Imports {
    fn text(&mut self, _: String, _: String, _: Vec<(String, String)>) -> Answer<String> {
        Ok(Err(ImportError::NotFound))
    }
}

impl intents::Host for Imports {
    fn classify(&mut self, _: String) -> Answer<Vec<intents::Intent>> {
        Ok(Err(ImportError::NotFound))
    }
}

impl backend::Host for Imports {
    async fn call(&mut self, _: String, _: String) -> Answer<String> {
        Ok(Err(ImportError::NotFound))
    }
}

impl players::Host for Imports {
    async fn profile(&mut self) -> Answer<players::PlayerProfile> {
        Ok(Err(ImportError::NotFound))
    }
    async fn balances(&mut self) -> Answer<players::PlayerBalances> {
        Ok(Err(ImportError::NotFound))
    }
    async fn last_purchase(&mut self) -> Answer<Option<players::Purchase>> {
        Ok(Err(ImportError::NotFound))
    }
    async fn check_device(&mut self, _: String) -> Answer<players::DeviceMatch> {
        Ok(Err(ImportError::NotFound))
    }
}
