//! Webhooks: bodies as Meta writes them ([`Webhook`], [`Change`], [`Message`], [`Status`], [`fields`]), their
//! signature ([`sign`]), and the poster behind the emulator.
//!
//! Tests and benchmarks may use this module without an emulator:
//!
//! ```
//! use questline_emulator::webhook::{Change, Message, Metadata, Sender, Webhook};
//!
//! let number = Metadata { display_phone_number: "15550100001", phone_number_id: "1001" };
//! let ada = Sender::phone("16505551234", "Ada");
//! let message = Message::text(ada, "wamid.HBgL", 1_800_000_000, "grüß dich");
//! let signed = Webhook::new()
//!     .with("2001", Change::messages(number, &[message]))
//!     .sign("app-secret");
//! assert!(signed.signature.starts_with("sha256="));
//! assert!(signed.body.is_ascii());
//! ```

mod build;
pub(crate) mod deliver;
pub mod fields;
mod json;
mod message;
mod queue;
mod sign;
mod status;

pub use build::{Change, Metadata, Signed, Webhook};
pub use json::to_vec as to_meta_json;
pub use message::{Message, Sender, SenderField};
pub use sign::{SIGNATURE_HEADER, sign};
pub use status::{Pricing, Status, StatusKind};

pub(crate) use queue::{Update, Webhooks};
