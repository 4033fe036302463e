//! Meta's wire: webhooks, signatures, Graph client, error table, template rules.
//!
//! What comes in passes [`signature`] first: only a [`signature::VerifiedBody`] can be decoded. [`webhook`] turns it into
//! a typed batch and keeps whatever it cannot read. What goes out passes [`graph`]; what Meta answers, at once or later
//! by webhook, is looked up in the [`error_table`]. [`template`] names what Meta would refuse in a template before Meta
//! sees it.

mod bound;
pub mod error_table;
pub mod graph;
mod lax;
mod meta_error;
pub mod signature;
pub mod template;
pub mod webhook;
