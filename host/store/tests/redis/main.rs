//! What is Redis's own: leases, sessions that break, servers that are killed or set up to forget.
//!
//! Each test has a server of its own. What all stores promise is in the contract.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod audit;
mod crash;
mod durability;
mod fixtures;
mod leases;
mod ports;
#[path = "../support/redis_server.rs"]
mod redis_server;
mod scripts;
