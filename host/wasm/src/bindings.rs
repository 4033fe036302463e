//! The contract in Rust, generated from `wit/`: the only `bindgen!` of the host. Nothing outside of this crate sees it.
//!
//! What goes into a flow borrows, so that a call copies texts once, straight into the guest's memory.

pub(crate) use generated::Flow as World;
pub(crate) use generated::exports::questline::flow::guest;
pub(crate) use generated::questline::flow::{backend, clock, copy, intents, log, players, random, types};

#[allow(missing_docs, unreachable_pub, dead_code, clippy::all)]
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
