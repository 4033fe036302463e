//! The outer layers of a webhook: entries, changes, and the `value` of the field `messages`.
//!
//! Where anything is odd, elements stay raw JSON until each is read on its own, so that one that makes no sense cannot
//! take its siblings along.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::notice::{Reason, Refused};
use crate::lax::{List, Obj, Text};

/// The whole body. `V` is the `value` of a change: typed where all is as documented, raw where it is not.
#[derive(Deserialize)]
#[serde(bound(deserialize = "V: Deserialize<'de>"))]
pub(super) struct Envelope<'a, V> {
    #[serde(borrow, default)]
    pub(super) object: Text<'a>,
    pub(super) entry: Vec<Entry<'a, V>>,
}

/// One business account's changes.
#[derive(Deserialize)]
#[serde(bound(deserialize = "V: Deserialize<'de>"))]
pub(super) struct Entry<'a, V> {
    /// The business account.
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    pub(super) changes: Vec<Change<'a, V>>,
}

/// One change.
#[derive(Deserialize)]
#[serde(bound(deserialize = "V: Deserialize<'de>"))]
pub(super) struct Change<'a, V> {
    #[serde(borrow, default)]
    pub(super) field: Text<'a>,
    pub(super) value: V,
}

/// A body that is an object with `entry[]`, whatever is in it: read when [`Envelope`] could not be.
#[derive(Deserialize)]
pub(super) struct LooseEnvelope<'a> {
    #[serde(borrow, default)]
    pub(super) object: Text<'a>,
    #[serde(borrow)]
    pub(super) entry: Vec<&'a RawValue>,
}

/// An entry with changes, whatever is in them.
#[derive(Deserialize)]
pub(super) struct LooseEntry<'a> {
    #[serde(borrow, default)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) changes: Vec<&'a RawValue>,
}

/// The `value` of the field `messages`, and of `user_preferences` and `user_id_update`, which look alike; with cards,
/// messages and statuses that are typed or raw.
#[derive(Deserialize)]
#[serde(bound(deserialize = "C: Deserialize<'de>, M: Deserialize<'de>, S: Deserialize<'de>"))]
pub(super) struct Value<'a, C, M, S> {
    #[serde(borrow, default)]
    pub(super) metadata: Obj<Metadata<'a>>,
    #[serde(default = "absent")]
    pub(super) contacts: List<C>,
    #[serde(default = "absent")]
    pub(super) messages: List<M>,
    #[serde(default = "absent")]
    pub(super) statuses: List<S>,
    #[serde(borrow, default)]
    pub(super) errors: List<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) user_preferences: List<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) user_id_update: List<&'a RawValue>,
}

fn absent<T>() -> List<T> {
    List::Absent
}

/// A value whose elements are read one by one, each on its own.
pub(super) type RawParts<'a> = Value<'a, &'a RawValue, &'a RawValue, &'a RawValue>;

/// Which of our numbers it is about.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub(super) phone_number_id: Text<'a>,
}

/// Reads a JSON object. (A derived struct would take an array for its fields in order, too.)
pub(super) fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, Refused> {
    if !raw.get().starts_with('{') {
        return Err(Refused::detailed(Reason::Unreadable, "not an object"));
    }
    serde_json::from_str(raw.get()).map_err(|error| Refused::unreadable(&error))
}

/// A part that a message does without: what cannot be read counts as absent.
pub(super) fn optional<'a, T: Deserialize<'a> + Default>(raw: Option<&'a RawValue>) -> T {
    raw.and_then(|raw| object(raw).ok()).unwrap_or_default()
}
