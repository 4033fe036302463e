//! What the host promises of flows, good and bad: one binary, a file for each promise.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod admission;
mod cache;
mod calls;
mod cpu;
mod guest;
mod hostile;
mod invalid_answer;
mod load;
mod replay;
mod rust_guests;
mod world;
