//! Why a call ended early, told so that a studio can find the line.

use questline_core::flow::{FlowFailure, FlowLimits};
use wasmtime::{FrameInfo, FrameSymbol, Trap, WasmBacktrace};

use crate::engine::{TABLE_ELEMENTS_MAX, TRANSFER_BYTES_MAX};
use crate::state::State;

/// Frames of a backtrace that are told.
pub(crate) const FRAMES_MAX: usize = 32;
/// Bytes of a function's name that are told: generic names can fill pages.
const NAME_BYTES_MAX: usize = 160;
/// Bytes of the guest's own words that are kept of a failure.
const WORDS_BYTES_MAX: usize = 1024;

/// The host stops a guest: thrown through its frames, and found again behind them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("used more than {limit_ms} ms of CPU time")]
    CpuDeadline { limit_ms: u64 },
    #[error("called imports more than {limit} times")]
    HostCalls { limit: u32 },
    #[error("handed more than {TRANSFER_BYTES_MAX} bytes to imports")]
    Transfer,
    #[error("describe has no imports but log, and called {import}")]
    NotInDescribe { import: &'static str },
    #[error("the replay differs from the recording: the flow asks for {asked}, the recording goes on with {recorded}")]
    Diverged { asked: String, recorded: String },
    #[error("{0}")]
    Host(String),
}

/// Puts what ended a call into the host's words.
pub(crate) fn failure(error: &wasmtime::Error, state: &State, limits: &FlowLimits) -> FlowFailure {
    let backtrace = || render_backtrace(error, state);
    match error.downcast_ref::<Stop>() {
        Some(Stop::CpuDeadline { limit_ms }) => return FlowFailure::CpuDeadline { limit_ms: *limit_ms, backtrace: backtrace() },
        Some(Stop::HostCalls { limit }) => return FlowFailure::HostCallLimit { limit: *limit },
        Some(Stop::Transfer) => return FlowFailure::TransferLimit { limit_bytes: TRANSFER_BYTES_MAX },
        Some(Stop::Host(reason)) => return FlowFailure::Host(reason.clone()),
        Some(stop @ (Stop::NotInDescribe { .. } | Stop::Diverged { .. })) => {
            return FlowFailure::Trap { message: stop.to_string(), backtrace: backtrace() };
        }
        None => {}
    }
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::StackOverflow) {
        return FlowFailure::StackOverflow { backtrace: backtrace() };
    }
    // A guest that is refused memory usually aborts in its allocator: the refusal is the reason, not the abort.
    if state.limiter.memory_refused() {
        return FlowFailure::MemoryLimit { limit_bytes: limits.memory_bytes_max, backtrace: backtrace() };
    }
    if state.limiter.tables_refused() {
        return FlowFailure::TableLimit { limit_elements: TABLE_ELEMENTS_MAX };
    }
    if is_out_of_transfer(error) {
        return FlowFailure::TransferLimit { limit_bytes: TRANSFER_BYTES_MAX };
    }
    if trap.is_none() && is_hosts_own(error) {
        return FlowFailure::Host(format!("{error:#}"));
    }
    let message = match (state.last_panic(), trap) {
        (Some(panic), _) => panic.to_owned(),
        (None, Some(trap)) => trap.to_string(),
        (None, None) => cut(&error.root_cause().to_string(), WORDS_BYTES_MAX).to_owned(),
    };
    FlowFailure::Trap { message, backtrace: backtrace() }
}

/// Whether the guest moved more bytes than [`TRANSFER_BYTES_MAX`]. The error's type is the runtime's own secret: its words
/// are all there is, and a test holds them fast.
fn is_out_of_transfer(error: &wasmtime::Error) -> bool {
    error.root_cause().to_string().contains("fuel allocated for hostcalls has been exhausted")
}

/// Whether the machine or the host is at fault rather than the guest.
fn is_hosts_own(error: &wasmtime::Error) -> bool {
    error.is::<wasmtime::PoolConcurrencyLimitError>() || error.root_cause().is::<std::io::Error>()
}

/// One frame a line, innermost first, then what the guest last asked of the host.
fn render_backtrace(error: &wasmtime::Error, state: &State) -> String {
    let mut lines: Vec<String> = error
        .downcast_ref::<WasmBacktrace>()
        .map(|backtrace| backtrace.frames().iter().flat_map(frame_lines).collect())
        .unwrap_or_default();
    // A panic's words are told already: what leads from it to the trap is the standard library's own.
    if state.last_panic().is_some()
        && let Some(first) = lines.iter().position(|line| !is_standard_librarys(line))
    {
        lines.drain(..first);
    }
    let calls = state.last_calls();
    if !calls.is_empty() {
        lines.push(format!("last imports called: {}", calls.join(", ")));
    }
    lines.join("\n")
}

/// A frame's functions: first what was inlined into it, as the line table names it, then the function itself, as the
/// component names it, which is longer.
fn frame_lines(frame: &FrameInfo) -> Vec<String> {
    let own = frame.func_name().map_or_else(|| format!("function {}", frame.func_index()), str::to_owned);
    let Some((last, inlined)) = frame.symbols().split_last() else {
        return vec![frame_line(&own, None)];
    };
    let place = |symbol: &FrameSymbol| Some((symbol.file()?.to_owned(), symbol.line()?));
    let mut lines: Vec<String> = inlined.iter().map(|symbol| frame_line(symbol.name().unwrap_or("inlined"), place(symbol))).collect();
    lines.push(frame_line(&own, place(last)));
    lines
}

fn frame_line(name: &str, place: Option<(String, u32)>) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(name));
    let name = cut(&name, NAME_BYTES_MAX);
    match place {
        Some((file, line)) => format!("{name} at {}:{line}", short_path(&file)),
        None => name.to_owned(),
    }
}

fn is_standard_librarys(line: &str) -> bool {
    line.contains(" at library/") || ["std::", "core::", "alloc::", "__rust"].iter().any(|start| line.starts_with(start))
}

/// A path as the flow's author knows it, without the machine that compiled it.
fn short_path(path: &str) -> &str {
    if let Some((_, standard)) = path.split_once("/library/") {
        return &path[path.len() - standard.len() - "library/".len()..];
    }
    if let Some((_, registry)) = path.split_once("/registry/src/") {
        return registry.split_once('/').map_or(registry, |(_, from_crate)| from_crate);
    }
    if !path.starts_with('/') {
        return path.strip_prefix("./").unwrap_or(path);
    }
    path.rfind("/src/").map_or(path, |at| &path[at + 1..])
}

/// At most `bytes_max` bytes, cut between characters.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// The guest's own words for a failure, bounded.
pub(crate) fn words(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(WORDS_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_the_machine_that_compiled_them() {
        assert_eq!(short_path("/home/dev/flows/vip/src/lib.rs"), "src/lib.rs");
        assert_eq!(short_path("/rustc/59807616e/library/core/src/panicking.rs"), "library/core/src/panicking.rs");
        assert_eq!(short_path("/home/dev/.cargo/registry/src/index-1/serde_json-1.0.1/src/de.rs"), "serde_json-1.0.1/src/de.rs");
        assert_eq!(short_path("./plugins/vip/src/lib.rs"), "plugins/vip/src/lib.rs");
        assert_eq!(short_path("index.ts"), "index.ts");
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("aäb", 2), "a");
        assert_eq!(cut("aäb", 3), "aä");
        assert_eq!(words("ä".repeat(600)).len(), 1024);
    }
}
