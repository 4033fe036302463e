//! What belongs to one call: what its guest may ask for, what it asked so far, and what it was told.

use std::collections::VecDeque;
use std::sync::Arc;

use questline_core::capability::{Capability, Grants};
use questline_core::flow::{FlowLimits, Read};
use questline_core::id::PlayerId;
use questline_core::port::{LogLevel, ServiceError, Services};
use questline_core::time::UnixMs;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::types::{Host as TypesHost, ImportError};
use crate::engine::TRANSFER_BYTES_MAX;
use crate::limits::Limiter;
use crate::registry::Slot;
use crate::trap::{Stop, cut};

/// Bytes of a log line that are kept.
const LOG_LINE_BYTES_MAX: usize = 1024;
/// Imports that a trap's report names.
const LAST_CALLS: usize = 8;

/// The data of one call's store.
pub(crate) struct State {
    pub(crate) limiter: Limiter,
    /// None while a flow describes itself.
    pub(crate) caller: Option<Caller>,
    host_calls: u32,
    host_calls_max: u32,
    transferred_bytes: usize,
    last_calls: [&'static str; LAST_CALLS],
    log_lines: u32,
    log_lines_max: u32,
    log_lines_dropped: u32,
    last_panic: Option<String>,
    reads: Vec<Read>,
}

/// On whose behalf a flow is called.
pub(crate) struct Caller {
    pub(crate) slot: Arc<Slot>,
    pub(crate) services: Services,
    pub(crate) grants: Grants,
    pub(crate) player: Option<PlayerId>,
    pub(crate) now: UnixMs,
    pub(crate) idempotency_key: String,
    /// What random numbers follow from; none takes the system's. Moved on by each number.
    pub(crate) seed: Option<u64>,
    /// Requests to the backend so far, by digest: the same request made twice is meant twice.
    pub(crate) backend_requests: Vec<u64>,
    /// Answers of an earlier run of the same step, in their order; none asks the services.
    pub(crate) recorded: Option<VecDeque<Read>>,
}

impl State {
    pub(crate) fn new(limits: &FlowLimits, caller: Option<Caller>) -> Self {
        Self {
            limiter: Limiter::new(limits.memory_bytes_max),
            caller,
            host_calls: 0,
            host_calls_max: limits.host_calls_max,
            transferred_bytes: 0,
            last_calls: [""; LAST_CALLS],
            log_lines: 0,
            log_lines_max: limits.log_lines_max,
            log_lines_dropped: 0,
            last_panic: None,
            reads: Vec::new(),
        }
    }

    /// Counts a call of an import that hands over `bytes`, and stops a guest that is over its limits.
    pub(crate) fn enter(&mut self, import: &'static str, bytes: usize) -> Result<&mut Caller, Stop> {
        let Some(caller) = &mut self.caller else {
            return Err(Stop::NotInDescribe { import });
        };
        if self.host_calls == self.host_calls_max {
            return Err(Stop::HostCalls { limit: self.host_calls_max });
        }
        self.last_calls[self.host_calls as usize % LAST_CALLS] = import;
        self.host_calls += 1;
        self.transferred_bytes = self.transferred_bytes.saturating_add(bytes);
        if self.transferred_bytes > TRANSFER_BYTES_MAX {
            return Err(Stop::Transfer);
        }
        Ok(caller)
    }

    /// The answer of the step's recording, if this is a replay.
    pub(crate) fn recorded<A: DeserializeOwned>(&mut self, import: &'static str, request: &str) -> Result<Option<A>, Stop> {
        let Some(recorded) = self.caller.as_mut().and_then(|caller| caller.recorded.as_mut()) else {
            return Ok(None);
        };
        let asked = || format!("{import} {}", cut(request, 200));
        let Some(read) = recorded.pop_front() else {
            return Err(Stop::Diverged { asked: asked(), recorded: "nothing".into() });
        };
        if read.import != import || read.request != request {
            let recorded = format!("{} {}", read.import, cut(&read.request, 200));
            return Err(Stop::Diverged { asked: asked(), recorded });
        }
        serde_json::from_str(&read.answer).map(Some).map_err(|error| Stop::Host(format!("a recorded answer cannot be read: {error}")))
    }

    /// Notes what an import answered, so that the step can be run again.
    pub(crate) fn record<A: Serialize>(&mut self, import: &str, request: String, answer: &A) -> Result<(), Stop> {
        let answer = serde_json::to_string(answer).map_err(|error| Stop::Host(format!("an answer cannot be recorded: {error}")))?;
        self.reads.push(Read { import: import.to_owned(), request, answer });
        Ok(())
    }

    /// Takes a line of the guest's, or drops and counts it.
    pub(crate) fn log(&mut self, level: LogLevel, message: &str) {
        let line = cut(message, LOG_LINE_BYTES_MAX);
        if level == LogLevel::Error && line.starts_with("panicked at") {
            self.last_panic = Some(line.to_owned());
        }
        match &self.caller {
            Some(caller) if self.log_lines < self.log_lines_max && caller.grants.has(Capability::Log) => {
                self.log_lines += 1;
                caller.slot.log_line(level, line);
            }
            _ => self.log_lines_dropped = self.log_lines_dropped.saturating_add(1),
        }
    }

    pub(crate) fn last_panic(&self) -> Option<&str> {
        self.last_panic.as_deref()
    }

    /// The latest imports called, oldest first.
    pub(crate) fn last_calls(&self) -> Vec<&'static str> {
        let count = self.host_calls as usize;
        (count.saturating_sub(LAST_CALLS)..count).map(|at| self.last_calls[at % LAST_CALLS]).collect()
    }

    pub(crate) fn host_calls(&self) -> u32 {
        self.host_calls
    }

    pub(crate) fn log_lines_dropped(&self) -> u32 {
        self.log_lines_dropped
    }

    pub(crate) fn take_reads(&mut self) -> Vec<Read> {
        std::mem::take(&mut self.reads)
    }
}

impl TypesHost for State {}

impl From<ServiceError> for ImportError {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::NotGranted(detail) => Self::NotGranted(detail),
            ServiceError::NotFound => Self::NotFound,
            ServiceError::Unavailable(detail) => Self::Unavailable(detail),
            ServiceError::Invalid(detail) => Self::Invalid(detail),
        }
    }
}

/// The answer to a flow that was not granted `capability`.
pub(crate) fn not_granted(capability: Capability) -> ServiceError {
    ServiceError::NotGranted(capability.as_str().to_owned())
}
