//! The one engine: how flows are compiled, where their memory comes from, and the clock that interrupts them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Semaphore;
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy, WasmBacktraceDetails};

use crate::bindings::World;
use crate::cache::Cache;
use crate::state::State;

/// How often a running flow is looked at: it then yields, so that others run, and its CPU time is counted.
pub const TICK: Duration = Duration::from_millis(5);

/// Elements of all tables of a flow together.
pub const TABLE_ELEMENTS_MAX: usize = 65_536;

/// Bytes that a flow may hand to the host in one call, its answer apart; and, again, those of its answer.
pub const TRANSFER_BYTES_MAX: usize = 1 << 20;

/// The most of [`EngineOptions::calls_max`]: each call reserves address space for [`MEMORIES_MAX`] memories of 4 GiB, of the
/// 128 TiB that a process has.
const CALLS_MAX: u32 = 4096;
/// Linear memories of one component: JavaScript guests have three.
const MEMORIES_MAX: u32 = 4;
/// Tables of one component: its own, and one of the canonical ABI's.
const TABLES_MAX: u32 = 8;
/// Core instances of one component.
const CORE_INSTANCES_MAX: u32 = 32;
/// Flows that are asked to describe themselves at the same time, beside the calls.
const LOADS_MAX: u32 = 4;
/// Bytes of stack for a flow's own frames.
const WASM_STACK_BYTES: usize = 1 << 20;
/// Bytes of stack in all: the rest is for the host's answers to imports, which run on the same stack.
const STACK_BYTES: usize = 2 << 20;

/// How large the engine is.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Calls at the same time, all games together. What is over waits.
    pub calls_max: u32,
    /// Calls of one game at the same time: a game with a slow backend keeps none but its own players waiting.
    pub calls_per_game_max: u32,
    /// The most linear memory that any game's [`questline_core::flow::FlowLimits::memory_bytes_max`] can give.
    pub memory_bytes_max: usize,
    /// Bytes of a component that is taken for compilation.
    pub component_bytes_max: usize,
    /// Memories kept warm while no call uses them; as many as there are flows in use is best.
    pub warm_memories: u32,
    /// Where compiled code is kept; none compiles at every start.
    pub cache_dir: Option<PathBuf>,
    /// Whether calls tell the fuel that they used: a steady figure of cost, for transcripts. It costs every call some time.
    pub count_fuel: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            calls_max: 512,
            calls_per_game_max: 128,
            memory_bytes_max: 256 << 20,
            component_bytes_max: 32 << 20,
            warm_memories: 128,
            cache_dir: None,
            count_fuel: false,
        }
    }
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The options contradict each other or ask for too much.
    #[error("{0}")]
    Options(&'static str),
    /// Address space, usually: a limit on virtual memory (`ulimit -v`) is too low for the pool.
    #[error("the pool of instances cannot be made (is virtual memory limited, as with `ulimit -v`?): {0}")]
    Pool(String),
    /// The thread that ticks cannot be started.
    #[error("the engine's clock cannot be started: {0}")]
    Ticker(std::io::Error),
    /// The cache of compiled code cannot be used.
    #[error("the cache of compiled code cannot be used: {0}")]
    Cache(#[from] crate::cache::CacheError),
}

/// Compiles and runs flows. Clones share it.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    wasm: wasmtime::Engine,
    linker: Linker<State>,
    options: EngineOptions,
    cache: Option<Cache>,
    /// Calls that may run: fewer than the pool has places, so that the pool never refuses one.
    calls: Semaphore,
    loads: Semaphore,
    _ticker: Ticker,
}

impl Engine {
    /// Makes the engine: one for the whole process.
    ///
    /// # Errors
    /// Says which option does not fit, or what the machine does not give.
    pub fn new(options: EngineOptions) -> Result<Self, EngineError> {
        if options.calls_max == 0 || options.calls_per_game_max == 0 || options.calls_max > CALLS_MAX {
            return Err(EngineError::Options("calls_max must be 1 to 4096, calls_per_game_max at least 1"));
        }
        if options.memory_bytes_max > 1 << 32 {
            return Err(EngineError::Options("memory_bytes_max can be 4 GiB at most"));
        }
        let wasm = wasmtime::Engine::new(&config(&options)).map_err(|error| EngineError::Pool(format!("{error:#}")))?;
        let mut linker = Linker::new(&wasm);
        World::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)
            .map_err(|error| EngineError::Pool(format!("{error:#}")))?;
        let cache = options.cache_dir.as_ref().map(|dir| Cache::open(dir, &wasm)).transpose()?;
        let ticker = Ticker::start(wasm.clone()).map_err(EngineError::Ticker)?;
        let calls = Semaphore::new(options.calls_max as usize);
        let loads = Semaphore::new(LOADS_MAX as usize);
        Ok(Self { inner: Arc::new(Inner { wasm, linker, options, cache, calls, loads, _ticker: ticker }) })
    }

    /// What it was made with.
    pub fn options(&self) -> &EngineOptions {
        &self.inner.options
    }

    /// Calls under way.
    pub fn calls_running(&self) -> usize {
        self.inner.options.calls_max as usize - self.inner.calls.available_permits()
    }

    pub(crate) fn wasm(&self) -> &wasmtime::Engine {
        &self.inner.wasm
    }

    pub(crate) fn linker(&self) -> &Linker<State> {
        &self.inner.linker
    }

    pub(crate) fn cache(&self) -> Option<&Cache> {
        self.inner.cache.as_ref()
    }

    pub(crate) fn calls(&self) -> &Semaphore {
        &self.inner.calls
    }

    pub(crate) fn loads(&self) -> &Semaphore {
        &self.inner.loads
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

/// The only configuration of the house: compiled code is good for engines of the same configuration alone.
pub(crate) fn config(options: &EngineOptions) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        // A recorded step gives the same bits on every machine.
        .cranelift_nan_canonicalization(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)))
        .memory_init_cow(true)
        .concurrency_support(false)
        .epoch_interruption(true)
        .consume_fuel(options.count_fuel)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(STACK_BYTES)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(crate::trap::FRAMES_MAX));
    // Only what compilers emit for flows. Threads, garbage collection and exceptions are not even compiled in.
    config
        .wasm_component_model(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .wasm_tail_call(false)
        .wasm_wide_arithmetic(false)
        .wasm_custom_page_sizes(false)
        .shared_memory(false);
    config
}

fn pool(options: &EngineOptions) -> PoolingAllocationConfig {
    let instances = options.calls_max + LOADS_MAX;
    // Linux 6.7 and later can tell which pages a guest wrote: only those are reset, and all of them stay mapped. Before,
    // what stays mapped has to be overwritten whole, which pays for a few pages only.
    let scan = PoolingAllocationConfig::is_pagemap_scan_available();
    let (memory_resident, table_resident) = if scan { (1 << 20, 64 << 10) } else { (64 << 10, 8 << 10) };
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances * CORE_INSTANCES_MAX)
        .total_memories(instances * MEMORIES_MAX)
        .total_tables(instances * TABLES_MAX)
        .total_stacks(instances)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_memories_per_module(MEMORIES_MAX)
        .max_tables_per_module(TABLES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_memory_size(options.memory_bytes_max)
        .max_unused_warm_slots(options.warm_memories)
        .linear_memory_keep_resident(memory_resident)
        .table_keep_resident(table_resident)
        .pagemap_scan(if scan { Enabled::Yes } else { Enabled::No });
    pool
}

/// The thread that moves the epoch on: one for the process, however many calls there are.
struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: wasmtime::Engine) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let tick = move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(TICK) {
                engine.increment_epoch();
            }
        };
        let thread = std::thread::Builder::new().name("flow-ticker".into()).spawn(tick)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
