//! The WhatsApp Cloud API on loopback, for development, demos, benchmarks and tests.
//!
//! [`Emulator::start`] binds `127.0.0.1` and plays Meta's side: the Graph API that a host sends through, the signed
//! webhooks that it receives, and the players at the other end. It shares no code with the host: what it knows of
//! Meta's interface is read from Meta's documentation a second time, so that one misreading cannot hide behind itself.
//!
//! ```no_run
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! use questline_emulator::{Config, Emulator, Number, Player};
//! use std::time::Duration;
//!
//! let config = Config::new(Number::new("1001", "+1 555 010 0001", "2001"));
//! let emulator = Emulator::start(config).await?;
//! // The host under test is pointed at `emulator.graph_url()`; its webhook address goes here.
//! emulator.set_webhook_url("http://127.0.0.1:8080/webhooks/meta/demo")?;
//!
//! let ada = emulator.add_player(Player::new("+1 650 555 1234", "Ada"))?;
//! ada.send("hello").await?;
//! let reply = ada.next(Duration::from_secs(5)).await?;
//! println!("{}", reply.text());
//! # Ok(()) }
//! ```
//!
//! Time is the emulator's own ([`Emulator::advance`]): a service window closes, a template pause ends and a webhook
//! is retried without anybody having to wait.

mod clock;
mod config;
mod emulator;
mod fault;
mod graph;
mod http;
mod ids;
mod ledger;
mod player;
mod rules;
mod schedule;
mod state;
mod sync;
mod template;
pub mod webhook;

pub use config::{Config, Delivery, LedgerMode, Number, PairRate, Report, Retry, Rules, StatusPlan};
pub use emulator::{Emulator, EmulatorError};
pub use fault::{Fault, GraphFaults, WebhookFaults};
pub use graph::error::MetaError;
pub use graph::media::{MediaFaults, UploadedFile};
pub use ledger::{Accepted, Counters, Recipient};
pub use player::chat::{PlayerError, PlayerHandle};
pub use player::content::{Card, Context, Inbound, MediaFile, OrderItem, Referral};
pub use player::inbox::{Choice, ChoiceKind, Received};
pub use player::{PhoneShape, Player, UserId};
pub use template::{Category, Template, TemplateQuality, TemplateStatus};
pub use webhook::deliver::{DeliveryOutcome, DeliveryRecord};
