//! The ports of core over an embedded engine and over Redis.
//!
//! What both engines keep in memory in front of their data is shared: [`ready`] says which conversations have something
//! to do, [`handout`] brings committed messages to the sender, [`alias`] says who is whom, [`codec`] how values are
//! written as text, [`seal`] how they lie then, and `reseal` how keys change; `documents` is what changes seldom, `pages`
//! what is changed together and forgotten at its time, and `verifications` are one-time codes over pages and `accounts`
//! what is known of players. [`audit`] has the key of the audit log's pseudonyms.

mod accounts;
pub mod alias;
pub mod audit;
mod broadcasts;
pub mod codec;
mod documents;
pub mod embedded;
pub mod handout;
mod measures;
mod pages;
mod permits;
pub mod ready;
pub mod redis;
mod reseal;
pub mod seal;
mod sending;
mod uploads;
mod verifications;
