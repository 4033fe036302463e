//! Runs flows: the only crate that names wasmtime.
