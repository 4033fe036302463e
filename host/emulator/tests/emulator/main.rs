//! What the emulator promises to those who test a host against it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod faults;
mod limits;
mod management;
mod players;
mod rates;
mod sending;
mod support;
mod templates;
mod webhooks;
