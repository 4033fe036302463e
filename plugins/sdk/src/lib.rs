//! What a flow is written with: types of the contract, builders that know WhatsApp's limits, and the host's imports.
//!
//! A flow is a plain library crate. The builder makes the component of it.
//!
//! ```
//! use questline_sdk::prelude::*;
//! use serde::{Deserialize, Serialize};
//!
//! struct Greeter;
//!
//! #[derive(Default, Serialize, Deserialize)]
//! struct State {
//!     greeted: u32,
//! }
//!
//! impl Flow for Greeter {
//!     fn describe() -> Description {
//!         Description::new("greeter", env!("CARGO_PKG_VERSION"))
//!             .wants(&[EventKind::Message])
//!             .needs(&[Capability::Players, Capability::Copy, Capability::Reply])
//!     }
//!
//!     fn handle(conversation: &Conversation, _event: Event) -> Result<Outcome, FlowError> {
//!         let mut state: State = conversation.read_state()?.unwrap_or_default();
//!         state.greeted += 1;
//!         let name = players::profile()?.name;
//!         let hello = conversation.copy("hello", &[("name", &name)])?;
//!         Ok(Outcome::stay().state(&state)?.reply(hello)?)
//!     }
//! }
//!
//! questline_sdk::export!(Greeter);
//! ```
//!
//! A guest has no clock, no randomness and no network but the imports, and a fresh memory for every event: what must
//! outlive the event goes into the state. `HashMap` has a fixed seed here; `BTreeMap` costs less code.
//!
//! Natively the same flow runs against [`mock`], so that its tests are ordinary `cargo test`.
//!
//! What WhatsApp would refuse is refused where it is built, with the field and the limit ([`limits`]):
//!
//! ```
//! use questline_sdk::prelude::*;
//!
//! let four = Buttons::new("Which one?").button("a", "One").button("b", "Two").button("c", "Three").button("d", "Four");
//! let refused = Outcome::stay().reply(four).unwrap_err();
//! assert_eq!(refused.to_string(), "buttons has 4 entries, at most 3 fit");
//!
//! let list = ListMessage::new("What is it about?", "Topics")
//!     .section(ListSection::new("").row("balance", "My balance", None).row("events", "Events", Some("What is on".into())));
//! assert!(Outcome::stay().reply(list).is_ok());
//! ```

#[cfg(any(test, all(target_arch = "wasm32", not(target_feature = "atomics"))))]
mod allocator;
#[allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_used,
    rustdoc::all
)]
#[rustfmt::skip]
pub mod bindings;
pub mod backend;
mod conversation;
mod description;
mod effect;
mod error;
mod event;
mod flow;
pub mod limits;
pub mod locale;
mod message;
#[cfg(not(target_arch = "wasm32"))]
pub mod mock;
mod outcome;
#[cfg(target_arch = "wasm32")]
mod panic_hook;
mod recovery;

/// The guide's examples compile and hold.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/FLOWS.md")]
struct Guide;

/// What the generated bindings call.
#[doc(hidden)]
pub mod rt {
    pub use wit_bindgen::rt::*;
}

/// The imports; [`backend`] is one too. Each call is answered by the host and recorded with the step.
#[cfg(target_arch = "wasm32")]
pub use bindings::questline::flow::{clock, copy, intents, log, players, random};
#[cfg(not(target_arch = "wasm32"))]
pub use mock::imports::{clock, copy, intents, log, players, random};

pub use bindings::exports::questline::flow::guest::{Description, FlowError, Next, Outcome};
/// Every type of the contract.
pub use bindings::questline::flow::types;
pub use conversation::copy_in;
pub use description::{Capability, EventKind};
pub use event::Picked;
pub use flow::{Component, Flow};
pub use limits::LimitError;
pub use recovery::RecoveryState;

/// All that a flow usually names.
pub mod prelude {
    pub use crate::types::{
        Authentication, Buttons, Choice, Conversation, Effect, Event, Header, ImportError, Inbound, LinkButton, ListMessage, ListSection,
        MediaKind, MediaSource, Message, NewTimer, Outbound, OutboundMedia, RefusalReason, Template, Text, Ticket, TicketPriority,
    };
    pub use crate::{
        Capability, Description, EventKind, Flow, FlowError, LimitError, Next, Outcome, backend, clock, copy, intents, log, players, random,
    };
}
