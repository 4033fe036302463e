//! Transcripts: those of the games pass, the language does what its document says, and what goes wrong is told.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod command;
mod docs;
mod games;
mod language;
