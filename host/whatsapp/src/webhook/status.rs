//! An element of `statuses[]`: how far a message of ours came.
//!
//! Whom it was sent to (`recipient_id`, `recipient_user_id`, the parent id under either of its two names) is not read:
//! the message is found by what we gave it, or by Meta's id.

use questline_core::event::{StatusError, Wamid};
use questline_core::id::{NumberId, OutboxRef};
use questline_core::port::StatusUpdate;
use questline_core::status::DeliveryState;
use questline_core::time::UnixMs;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::envelope::object;
use super::message::{WAMID_BYTES_MAX, at};
use super::notice::{Reason, Refused};
use crate::lax::{Int, List, Text};
use crate::meta_error::MetaError;

/// What is read of a status.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct StatusBody<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    timestamp: Int,
    #[serde(borrow)]
    biz_opaque_callback_data: Text<'a>,
    #[serde(borrow)]
    errors: List<&'a RawValue>,
}

pub(super) fn read(body: StatusBody<'_>, number: &NumberId, now: UnixMs) -> Result<StatusUpdate, Refused> {
    let state = match body.status.get() {
        Some("accepted") => DeliveryState::Accepted,
        Some("sent") => DeliveryState::Sent,
        Some("delivered") => DeliveryState::Delivered,
        Some("read") => DeliveryState::Read,
        Some("played") => DeliveryState::Played,
        Some("failed") => DeliveryState::Failed,
        Some(other) => return Err(Refused::detailed(Reason::UnknownValue, crate::bound::cut(other, 64))),
        None => return Err(Refused::detailed(Reason::Unreadable, "no status")),
    };
    let wamid = body.id.take_whole(WAMID_BYTES_MAX).ok_or_else(|| Refused::because(Reason::NoId))?;
    let error = if state == DeliveryState::Failed { first_error(body.errors) } else { None };
    Ok(StatusUpdate {
        message: body.biz_opaque_callback_data.get().and_then(OutboxRef::from_callback_data),
        wamid: Wamid(wamid.into()),
        number: number.clone(),
        state,
        at: at(body.timestamp, now),
        error,
    })
}

/// The first error that has a code; Meta sends one.
fn first_error(errors: List<&RawValue>) -> Option<StatusError> {
    errors.into_items().into_iter().find_map(|raw| {
        let error: MetaError<'_> = object(raw).ok()?;
        Some(StatusError { code: error.code()?, detail: error.words() })
    })
}
