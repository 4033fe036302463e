//! Meta's Graph API: one request for one message, and what came of it, sorted into what is known and what is not.

mod client;
mod directory;
mod http;
mod media;
mod number;
mod payload;
mod response;

pub use client::{GraphClient, GraphError, GraphOptions};
pub use directory::{AccessToken, NumberDirectory};
pub use media::{MediaUrl, Upload};
pub use number::NumberInfo;
