//! Operations of the studio's backend, with typed requests and answers.
//!
//! ```
//! use questline_sdk::backend;
//! use questline_sdk::mock::Mock;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize)]
//! struct Ask<'a> {
//!     season: &'a str,
//! }
//!
//! #[derive(Deserialize)]
//! struct Rank {
//!     rank: u32,
//! }
//!
//! let mut host = Mock::new().with_operation("rank", |_request| Ok(r#"{"rank": 7}"#.to_owned()));
//! let rank: Rank = host.run(|| backend::call_json("rank", &Ask { season: "14" })).unwrap();
//! assert_eq!(rank.rank, 7);
//! // An operation that game.toml does not declare is no fault of the player's: the flow says something else.
//! let missing: Option<Rank> = host.run(|| backend::find_json("ranking", &Ask { season: "14" })).unwrap();
//! assert!(missing.is_none());
//! ```
use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(target_arch = "wasm32")]
pub use crate::bindings::questline::flow::backend::call;
#[cfg(not(target_arch = "wasm32"))]
pub use crate::mock::imports::backend::call;

use crate::FlowError;
use crate::types::ImportError;

/// Calls the operation `name` of `game.toml`. The host adds the player, and an idempotency key that stays the same when
/// a step is tried again.
///
/// # Errors
/// Transient where the backend is not there now; permanent where the operation is not declared or granted, or its answer
/// is no `A`.
pub fn call_json<A: DeserializeOwned>(name: &str, request: &impl Serialize) -> Result<A, FlowError> {
    find_json(name, request)?.ok_or_else(|| FlowError::permanent(format!("{name}: the game has no such operation, or it found nothing")))
}

/// What a sensitive operation answered: one that `game.toml` marks with `fresh_authentication_s` or `bound_device`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sensitive<A> {
    /// It was done.
    Done(A),
    /// The player has to prove who they are first: ask with `request_authentication`, and call again on `authenticated`.
    NotProven,
    /// The game does not have the operation, or the backend found nothing.
    Missing,
}

/// As [`find_json`], for an operation that may ask for a fresh proof of who the player is.
///
/// # Errors
/// As [`call_json`].
pub fn call_sensitive<A: DeserializeOwned>(name: &str, request: &impl Serialize) -> Result<Sensitive<A>, FlowError> {
    let text = serde_json::to_string(request).map_err(|error| FlowError::permanent(format!("{name}: the request: {error}")))?;
    match call(name, &text) {
        // The host's words for it begin with the name of what is missing.
        Err(ImportError::NotGranted(reason)) if reason.starts_with("fresh-authentication:") || reason.starts_with("bound-device:") => {
            Ok(Sensitive::NotProven)
        }
        answer => Ok(read(name, answer)?.map_or(Sensitive::Missing, Sensitive::Done)),
    }
}

/// As [`call_json`], with none where the game does not have the operation, or where the backend found nothing.
///
/// # Errors
/// As [`call_json`].
pub fn find_json<A: DeserializeOwned>(name: &str, request: &impl Serialize) -> Result<Option<A>, FlowError> {
    let request = serde_json::to_string(request).map_err(|error| FlowError::permanent(format!("{name}: the request: {error}")))?;
    read(name, call(name, &request))
}

fn read<A: DeserializeOwned>(name: &str, answer: Result<String, ImportError>) -> Result<Option<A>, FlowError> {
    match answer {
        Ok(answer) => {
            serde_json::from_str(&answer).map(Some).map_err(|error| FlowError::permanent(format!("{name}: the backend's answer: {error}")))
        }
        Err(ImportError::NotGranted(_) | ImportError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
