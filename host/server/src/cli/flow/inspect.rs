//! What a component is, as a host sees it: its size, what it asks for, and whether a host would take it.

use std::fmt::Write as _;

use questline_core::capability::Grants;
use questline_core::flow::FlowLimits;
use questline_wasm::{Engine, EngineOptions, LoadRequest, LoadedFlow};

use super::super::Failure;

/// A few lines about a component, indented.
pub(super) async fn describe(component: Vec<u8>) -> Result<String, Failure> {
    let options = EngineOptions { calls_max: 1, calls_per_game_max: 1, warm_memories: 1, ..EngineOptions::default() };
    let engine = Engine::new(options).map_err(Failure::new)?;
    let size = component.len().div_ceil(1024);
    let mut text = format!("  size          {size} KiB");
    let request = LoadRequest { bytes: component, grants: Grants::all(), limits: FlowLimits::default() };
    match LoadedFlow::load(&engine, request).await {
        Ok(flow) => {
            let about = flow.description();
            let needs = about.needs.iter().map(|capability| capability.as_str()).collect::<Vec<_>>().join(", ");
            let _ = write!(
                text,
                "\n  digest        {}\n  flow          {} {}, state version {}\n  events        {}\n  capabilities  {}\n  imports       {}",
                flow.digest(),
                about.name,
                about.version,
                about.state_version,
                about.events.join(", "),
                if needs.is_empty() { "none" } else { &needs },
                flow.imports().join(", "),
            );
        }
        Err(problem) => {
            let _ = write!(text, "\n  warning       no host takes it: {problem}");
        }
    }
    Ok(text)
}
