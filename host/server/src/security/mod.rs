//! What is decided for a player rather than for a conversation: whether the account is frozen, and whether it may be
//! recovered. Kept in the accounts of the store, so that it holds in all conversations and on all nodes.

mod checks;
mod freeze;
mod lockout;

pub use freeze::AccountGuard;
pub use lockout::Lockout;
