//! Meta's Graph API: sending, marking as read, media, templates, and what a number says of itself.
//!
//! A send is one POST, and its outcome is one of four: accepted, refused, not sent, unknown. Meta has no idempotency
//! key, so "not sent" is claimed only where no byte of the request can have left.

mod client;
mod directory;
mod exchange;
mod files;
mod media;
mod number;
mod options;
mod payload;
mod pool;
mod response;
mod templates;

pub use client::{GraphClient, GraphError};
pub use directory::{AccessToken, NumberDirectory};
pub use media::{MEDIA_BYTES_MAX, MediaInfo};
pub use number::{NumberInfo, Throughput};
pub use options::{GraphOptions, GraphSetupError};
pub use templates::{Submitted, TemplatePage};
