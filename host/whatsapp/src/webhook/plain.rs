//! The short way: a body of nothing but messages and statuses of our numbers, all as documented, in one pass.
//!
//! At the first thing that is odd the short way gives up, and the long way reads the body from its start: nothing is kept
//! or counted here that the long way would not find again.

use super::envelope::{Envelope, Value};
use super::identity::{ContactCard, Contacts};
use super::message::{self, Head};
use super::status::{self, StatusBody};
use super::{DecodeContext, Decoded, Numbers, UPDATES_MAX, Users, is_whatsapp};
use crate::lax::{List, Obj};

/// A derived struct takes an array for its fields in order, too; an [`Obj`] does not.
type PlainValue<'a> = Value<'a, Obj<ContactCard<'a>>, Obj<Head<'a>>, Obj<StatusBody<'a>>>;

/// The whole body, or `None` if anything in it is odd.
pub(super) fn decode(json: &str, context: &DecodeContext<'_>) -> Option<Decoded> {
    let envelope: Envelope<'_, Obj<PlainValue<'_>>> = serde_json::from_str(json).ok()?;
    if !envelope.object.get().is_none_or(is_whatsapp) {
        return None;
    }
    let mut decoded = Decoded::new(context);
    let mut numbers = Numbers::default();
    let mut updates = 0;
    for change in envelope.entry.into_iter().flat_map(|entry| entry.changes) {
        let inner = change.value.0?;
        updates += inner.messages.len() + inner.statuses.len();
        if change.field.get() != Some("messages") || updates > UPDATES_MAX {
            return None;
        }
        value(inner, context, &mut numbers, &mut decoded)?;
    }
    Some(decoded)
}

fn value(value: PlainValue<'_>, context: &DecodeContext<'_>, numbers: &mut Numbers, decoded: &mut Decoded) -> Option<()> {
    let plain = matches!(value.errors, List::Absent)
        && matches!(value.user_preferences, List::Absent)
        && matches!(value.user_id_update, List::Absent)
        && !matches!(value.messages, List::Odd)
        && !matches!(value.statuses, List::Odd)
        && value.messages.len() + value.statuses.len() > 0;
    if !plain {
        return None;
    }
    let (number, game) = numbers.look_up(value.metadata.0.as_ref()?.phone_number_id.get()?, context)?;
    let contacts = Contacts(value.contacts.into_items().into_iter().map(|card| card.0).collect::<Option<_>>()?);
    let users = Users { number: &number, game: &game, now: context.now };
    let alone = value.messages.len() == 1;
    decoded.batch.events.reserve(value.messages.len());
    for head in value.messages.into_items() {
        decoded.event(message::read(head.0?, None, &contacts, alone, &users).ok()?, &users);
    }
    decoded.batch.statuses.reserve(value.statuses.len());
    for body in value.statuses.into_items() {
        decoded.status(status::read(body.0?, &number, users.now).ok()?);
    }
    Some(())
}
