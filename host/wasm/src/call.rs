//! One call: a fresh instance for one event, thrown away with all that it did.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use questline_core::flow::{CallCost, FlowAnswer, FlowFailure, FlowLimits, Read, Snapshot};
use questline_core::port::FlowCall;
use tokio::time::Instant;
use wasmtime::Store;
use wasmtime::component::Instance;

use crate::bindings::guest::{Description, FlowError};
use crate::convert::{effect, event, snapshot};
use crate::engine::{Engine, TRANSFER_BYTES_MAX};
use crate::linked::Linked;
use crate::load::LoadedFlow;
use crate::meter::{self, metered};
use crate::registry::Slot;
use crate::state::{Caller, State};
use crate::trap;

/// Hands one event to a flow.
pub(crate) async fn handle(slot: &Arc<Slot>, call: FlowCall<'_>, recorded: Option<VecDeque<Read>>) -> Result<FlowAnswer, FlowFailure> {
    let started = Instant::now();
    let flow = &slot.flow;
    let FlowCall { game, flow: _, snapshot, event, references, services, grants, limits, now, state_version, idempotency_key, seed } = call;
    let limits = possible(limits, flow.engine());
    let parts = event::parts(event, references, grants);
    let cards = event::cards(event, &parts);
    let Some(event) = event::event(event, &parts, &cards) else {
        return Err(FlowFailure::Host(format!("a flow was handed an event that is the host's alone: {}", event.kind())));
    };
    let caller = Caller {
        slot: Arc::clone(slot),
        services: services.clone(),
        grants,
        player: snapshot.player.clone(),
        now,
        idempotency_key,
        seed,
        backend_requests: Vec::new(),
        recorded,
    };
    let refused = snapshot::refusals(&snapshot.refused);
    let extensions = snapshot::extensions(&snapshot.extensions);
    let mut store = store(flow.engine(), State::new(&limits, Some(caller)))?;
    let mut instantiate_us = 0;
    let is_migrating = AtomicBool::new(false);
    let metered = {
        let work = pin!(async {
            let instance = flow.linked.instantiate(&mut store).await?;
            instantiate_us = us(started);
            is_migrating.store(true, Ordering::Relaxed);
            let migrated = match migrate(flow, &instance, &mut store, &snapshot, state_version).await? {
                Ok(migrated) => migrated,
                Err(failure) => return Ok(Err(failure)),
            };
            is_migrating.store(false, Ordering::Relaxed);
            let state = migrated.as_deref().or(snapshot.state.as_deref());
            let conversation = snapshot::conversation(game, &snapshot, state, &refused, &extensions, grants, now);
            let answer = flow.linked.call_handle(&instance, &mut store, &conversation, &event).await?;
            Ok(answer.map_err(|error| match error {
                FlowError::Transient(reason) => FlowFailure::Transient(trap::words(reason)),
                FlowError::Permanent(reason) => FlowFailure::Permanent(trap::words(reason)),
            }))
        });
        metered(work, &limits, started).await
    };
    let result = match metered.answer {
        None => Err(FlowFailure::WallDeadline { limit_ms: limits.wall_ms_max }),
        Some(Err(error)) => Err(trap::failure(&error, store.data(), &limits)),
        Some(Ok(answer)) => answer.and_then(|outcome| Ok(effect::outcome(outcome)?)),
    };
    // A trap or a limit in `migrate` is a state that cannot be migrated, whatever it was.
    let result = result.map_err(|failure| match failure {
        FlowFailure::Host(_) | FlowFailure::Migration(_) => failure,
        failure if is_migrating.load(Ordering::Relaxed) => FlowFailure::Migration(failure.to_string()),
        failure => failure,
    });
    let fuel = flow.engine().options().count_fuel.then(|| u64::MAX - store.get_fuel().unwrap_or(u64::MAX));
    let state = store.data_mut();
    let cost = CallCost {
        wall_us: us(started),
        cpu_us: metered.cpu_ns / 1000,
        instantiate_us,
        memory_peak_bytes: state.limiter.memory_peak_bytes() as u64,
        host_calls: state.host_calls(),
        log_lines_dropped: state.log_lines_dropped(),
        fuel,
    };
    if let Err(failure) = &result {
        tracing::debug!(
            game = game.as_str(),
            flow = flow.description().name,
            failure.kind = failure.kind(),
            wall_us = cost.wall_us,
            cpu_us = cost.cpu_us,
            memory_peak_bytes = cost.memory_peak_bytes,
            host_calls = cost.host_calls,
            "a flow's call failed"
        );
    }
    let reads = state.take_reads();
    result.map(|outcome| FlowAnswer { outcome, state_version: flow.description().state_version, cost, reads })
}

/// The state in the flow's own version, where the snapshot has an older one.
async fn migrate(
    flow: &LoadedFlow,
    instance: &Instance,
    store: &mut Store<State>,
    snapshot: &Snapshot,
    version: Option<u32>,
) -> wasmtime::Result<Result<Option<String>, FlowFailure>> {
    let older = version.filter(|version| *version != flow.description().state_version);
    let Some((state, version)) = snapshot.state.as_deref().zip(older) else {
        return Ok(Ok(None));
    };
    let migrated = flow.linked.call_migrate(instance, store, version, state).await?;
    Ok(match migrated {
        Ok(state) => effect::state(state).map(Some).map_err(|problem| FlowFailure::Migration(problem.to_string())),
        Err(reason) => {
            let reason = trap::words(reason);
            Err(FlowFailure::Migration(format!("from version {version}: {reason}")))
        }
    })
}

/// Asks a flow who it is, with no import at hand but `log`.
pub(crate) async fn describe(engine: &Engine, linked: &Linked, limits: &FlowLimits) -> Result<Description, FlowFailure> {
    let _place = engine.loads().acquire().await.map_err(|_| FlowFailure::Host("the host is shutting down".into()))?;
    let limits = &possible(*limits, engine);
    let mut store = store(engine, State::new(limits, None))?;
    let metered = {
        let work = pin!(async {
            let instance = linked.instantiate(&mut store).await?;
            linked.call_describe(&instance, &mut store).await
        });
        metered(work, limits, Instant::now()).await
    };
    match metered.answer {
        None => Err(FlowFailure::WallDeadline { limit_ms: limits.wall_ms_max }),
        Some(answer) => answer.map_err(|error| trap::failure(&error, store.data(), limits)),
    }
}

/// The limits, as far as the engine can give so much.
fn possible(limits: FlowLimits, engine: &Engine) -> FlowLimits {
    FlowLimits { memory_bytes_max: limits.memory_bytes_max.min(engine.options().memory_bytes_max), ..limits }
}

/// A store for one call, with every limit set.
fn store(engine: &Engine, state: State) -> Result<Store<State>, FlowFailure> {
    let mut store = Store::new(engine.wasm(), state);
    store.limiter(|state| &mut state.limiter);
    if engine.options().count_fuel {
        // Counts, and never runs out: the limit of a call is its CPU time.
        store.set_fuel(u64::MAX).map_err(|error| FlowFailure::Host(format!("{error:#}")))?;
    }
    store.set_hostcall_fuel(TRANSFER_BYTES_MAX);
    store.set_epoch_deadline(meter::TICKS_TO_FIRST_LOOK);
    store.epoch_deadline_callback(|_| meter::on_tick());
    Ok(store)
}

/// Microseconds since `started`.
fn us(started: Instant) -> u64 {
    started.elapsed().as_micros() as u64
}
