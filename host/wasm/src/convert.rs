//! Between the host's types and the contract's.

pub(crate) mod effect;
pub(crate) mod event;
pub(crate) mod reference;
pub(crate) mod snapshot;
