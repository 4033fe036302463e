//! The host. Modules stand in the order a message meets them: [`ingress`] takes a webhook and stores it, [`runner`] runs
//! the step, [`sender`] sends what the step committed. They never name one another: they meet in the store. [`app`] puts
//! all together; [`admin`] and [`cli`] stand around it.

pub mod app;

pub mod ingress;
pub mod runner;
pub mod sender;
pub mod sending;
pub mod timer;

pub mod broadcast;
pub mod clicks;
pub mod links;
pub mod media;
pub mod transcript;
pub mod two_factor;
pub mod verification;

pub mod config;
pub mod connector;
pub mod game;
pub mod release;

pub mod admin;
pub mod cli;
pub mod clock;
pub mod dev;
pub mod guest_log;
pub mod memory;
pub mod metrics;
pub mod recovery;
pub mod security;
pub mod telemetry;
pub mod templates;
pub mod traffic;
