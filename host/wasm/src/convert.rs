//! Between the host's types and the contract's.

pub(crate) mod effect;
pub(crate) mod event;
mod json;
pub(crate) mod reference;
pub(crate) mod snapshot;

#[cfg(test)]
mod tests;
