//! Runs flows: the only crate that names wasmtime.
//!
//! A flow is a component that somebody else wrote, in good or bad faith. [`LoadedFlow::load`] takes its bytes only if they
//! are one, import nothing but what the contract has and the game grants, and say who they are when asked. The
//! [`Registry`] holds those of one release under their names and hands each event to a fresh instance, which is thrown away with
//! all that it did: nothing passes from one event to the next but the state that the host keeps.
//!
//! Every call has limits on memory, tables, stack, CPU time, wall time, imports, log lines and bytes. Whoever passes one
//! gets that limit's own failure, and nobody else notices.

mod bindings;
mod cache;
mod call;
mod convert;
mod engine;
mod import;
mod limits;
mod linked;
mod load;
mod meter;
mod registry;
mod state;
mod trap;
mod world;

pub use cache::CacheError;
pub use engine::{Engine, EngineError, EngineOptions, TABLE_ELEMENTS_MAX, TICK, TRANSFER_BYTES_MAX};
pub use load::{LoadError, LoadRequest, LoadedFlow};
pub use registry::Registry;
