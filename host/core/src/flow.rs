//! A flow as the host sees it from outside: what it is asked, what it costs, and how it can fail.

use serde::{Deserialize, Serialize};

use crate::capability::Grants;
use crate::event::{Event, Extension};
use crate::id::{FlowName, InboxSeq, PlayerId, TicketNumber};
use crate::outcome::{InvalidOutcome, Outcome, Refusal};
use crate::time::UnixMs;

/// What a flow says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowDescription {
    /// Its own name.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// The version of its state's meaning.
    pub state_version: u32,
    /// Kinds of events it wants.
    pub events: Vec<String>,
    /// What it needs.
    pub needs: Grants,
}

impl FlowDescription {
    /// Whether it wants this event.
    pub fn wants(&self, event: &Event) -> bool {
        self.events.iter().any(|kind| kind == event.kind())
    }
}

/// What one call may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlowLimits {
    /// Linear memory.
    pub memory_bytes_max: usize,
    /// CPU time of the guest, as the thread's clock counts it: a busy machine costs the flow nothing.
    pub cpu_ms_max: u64,
    /// Wall time, the host's answers to imports included.
    pub wall_ms_max: u64,
    /// Calls of imports.
    pub host_calls_max: u32,
    /// Log lines; what is over is dropped and counted.
    pub log_lines_max: u32,
}

impl Default for FlowLimits {
    fn default() -> Self {
        Self { memory_bytes_max: 64 << 20, cpu_ms_max: 50, wall_ms_max: 10_000, host_calls_max: 64, log_lines_max: 32 }
    }
}

/// All that a flow may know of a conversation.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Opaque.
    pub conversation: String,
    /// What the flow kept.
    pub state: Option<String>,
    /// BCP 47.
    pub locale: String,
    /// Who is writing, if known.
    pub player: Option<PlayerId>,
    /// How far the player has proven it.
    pub authentication: crate::conversation::Authentication,
    /// When the service window closes.
    pub window_closes_at: Option<UnixMs>,
    /// Whether marketing may be sent.
    pub marketing_consent: bool,
    /// The number of the first ticket that this step opens.
    pub ticket_number: TicketNumber,
    /// With the capability only.
    pub phone: Option<String>,
    /// JSON.
    pub settings: std::sync::Arc<str>,
    /// Why the first answer was not done.
    pub refused: Vec<Refusal>,
    /// What this version of the contract has no field for, by name.
    pub extensions: Vec<Extension>,
}

/// The player's messages that the event may point at: Meta's id to the flow's name for it.
pub type References<'a> = &'a dyn Fn(&crate::event::Wamid) -> Option<InboxSeq>;

/// What a call cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallCost {
    /// From instantiation to answer.
    pub wall_us: u64,
    /// Of the guest's thread.
    pub cpu_us: u64,
    /// Of which instantiation, wall time.
    pub instantiate_us: u64,
    /// The largest that linear memory was.
    pub memory_peak_bytes: u64,
    /// Imports called.
    pub host_calls: u32,
    /// Log lines dropped.
    pub log_lines_dropped: u32,
    /// Instructions run, counted as wasmtime counts fuel; none where the engine does not count. The same component and
    /// the same call give the same number, on every machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
}

impl CallCost {
    /// Adds another call's cost; of memory the larger peak stays.
    pub fn add(&mut self, other: &Self) {
        self.wall_us += other.wall_us;
        self.cpu_us += other.cpu_us;
        self.instantiate_us += other.instantiate_us;
        self.memory_peak_bytes = self.memory_peak_bytes.max(other.memory_peak_bytes);
        self.host_calls += other.host_calls;
        self.log_lines_dropped += other.log_lines_dropped;
        self.fuel = match (self.fuel, other.fuel) {
            (Some(one), Some(other)) => Some(one + other),
            (one, other) => one.or(other),
        };
    }
}

/// What an import answered: recorded, so that a step can be run again bit for bit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Interface and function, for instance `players.balances`.
    pub import: String,
    /// JSON.
    pub request: String,
    /// JSON.
    pub answer: String,
}

/// A call that ended well.
#[derive(Debug, Clone)]
pub struct FlowAnswer {
    /// What the flow wants.
    pub outcome: Outcome,
    /// The version of the state in it.
    pub state_version: u32,
    /// What it cost.
    pub cost: CallCost,
    /// What it read.
    pub reads: Vec<Read>,
}

/// How a call can end otherwise. Nothing of it is done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FlowFailure {
    /// The flow itself says: later.
    #[error("the flow asks to be tried again: {0}")]
    Transient(String),
    /// The flow itself says: never.
    #[error("the flow gives up: {0}")]
    Permanent(String),
    /// An instruction trapped, or a panic.
    #[error("trap: {message}\n{backtrace}")]
    Trap {
        /// What happened.
        message: String,
        /// Symbolised frames, innermost first, with file and line where the component has them.
        backtrace: String,
    },
    /// The guest's stack is used up.
    #[error("stack overflow\n{backtrace}")]
    StackOverflow {
        /// As in a trap.
        backtrace: String,
    },
    /// Over [`FlowLimits::cpu_ms_max`].
    #[error("used more than {limit_ms} ms of CPU time\n{backtrace}")]
    CpuDeadline {
        /// The limit.
        limit_ms: u64,
        /// Where it was.
        backtrace: String,
    },
    /// Over [`FlowLimits::wall_ms_max`].
    #[error("took longer than {limit_ms} ms")]
    WallDeadline {
        /// The limit.
        limit_ms: u64,
    },
    /// Over [`FlowLimits::memory_bytes_max`].
    #[error("asked for more than {limit_bytes} bytes of memory\n{backtrace}")]
    MemoryLimit {
        /// The limit.
        limit_bytes: usize,
        /// Where it was, when the guest trapped on it.
        backtrace: String,
    },
    /// Too many table elements.
    #[error("asked for a table of more than {limit_elements} elements")]
    TableLimit {
        /// The limit.
        limit_elements: usize,
    },
    /// Over [`FlowLimits::host_calls_max`].
    #[error("called imports more than {limit} times")]
    HostCallLimit {
        /// The limit.
        limit: u32,
    },
    /// More bytes went through the boundary than one call may move.
    #[error("moved more than {limit_bytes} bytes through the interface in one call")]
    TransferLimit {
        /// The limit.
        limit_bytes: usize,
    },
    /// The state could not be brought to the flow's version of it.
    #[error("the state cannot be migrated: {0}")]
    Migration(String),
    /// The answer is wrong in itself.
    #[error("invalid answer: {0}")]
    InvalidOutcome(#[from] InvalidOutcome),
    /// The host refused effects twice.
    #[error("effects refused: {}", list_refusals(.0))]
    Refused(Vec<Refusal>),
    /// No such flow is loaded.
    #[error("flow {0} is not loaded")]
    NotLoaded(FlowName),
    /// All flows that could have taken the event passed it on.
    #[error("every flow passed the event on")]
    NobodyTookIt,
    /// The host's own fault: the event is tried again.
    #[error("the host failed: {0}")]
    Host(String),
}

fn list_refusals(refusals: &[Refusal]) -> String {
    let lines = refusals.iter().map(|refusal| format!("{} ({}): {}", refusal.effect, refusal.reason.as_str(), refusal.detail));
    lines.collect::<Vec<_>>().join("; ")
}

impl FlowFailure {
    /// The name in metrics, logs and dead letters.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Transient(_) => "transient",
            Self::Permanent(_) => "permanent",
            Self::Trap { .. } => "trap",
            Self::StackOverflow { .. } => "stack-overflow",
            Self::CpuDeadline { .. } => "cpu-deadline",
            Self::WallDeadline { .. } => "wall-deadline",
            Self::MemoryLimit { .. } => "memory-limit",
            Self::TableLimit { .. } => "table-limit",
            Self::HostCallLimit { .. } => "host-call-limit",
            Self::TransferLimit { .. } => "transfer-limit",
            Self::Migration(_) => "migration",
            Self::InvalidOutcome(_) => "invalid-outcome",
            Self::Refused(_) => "refused",
            Self::NotLoaded(_) => "not-loaded",
            Self::NobodyTookIt => "nobody-took-it",
            Self::Host(_) => "host",
        }
    }

    /// Whether another try can help. What is wrong in the flow or its answer stays wrong; what depends on the moment
    /// may not. Traps are tried again, because what a flow read may have changed.
    pub fn is_worth_retrying(&self) -> bool {
        !matches!(self, Self::Permanent(_) | Self::Migration(_) | Self::InvalidOutcome(_) | Self::Refused(_) | Self::NobodyTookIt)
    }
}
