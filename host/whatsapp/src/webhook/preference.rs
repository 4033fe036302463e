//! `user_preferences` and `user_id_update`: a user set something, or became another, outside of the chat.

use questline_core::contact::{Bsuid, Contact};
use questline_core::event::{Event, Preference, SystemChange};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::envelope::object;
use super::identity::{Contacts, Names};
use super::message::{at, sent_s};
use super::notice::{Reason, Refused};
use super::{Found, Users, dedup_key};
use crate::lax::{Int, Obj, Text};

/// Bytes of Meta's words about a preference, which are kept as evidence.
const DETAIL_BYTES_MAX: usize = 512;

#[derive(Default, Deserialize)]
#[serde(default)]
struct PreferenceBody<'a> {
    #[serde(borrow)]
    wa_id: Text<'a>,
    #[serde(borrow)]
    user_id: Text<'a>,
    #[serde(borrow)]
    parent_user_id: Text<'a>,
    #[serde(borrow)]
    detail: Text<'a>,
    #[serde(borrow)]
    category: Text<'a>,
    #[serde(borrow)]
    value: Text<'a>,
    timestamp: Int,
}

/// An element of `user_preferences[]`. `alone`: it is the only one of its change.
pub(super) fn preference(raw: &RawValue, contacts: &Contacts<'_>, alone: bool, users: &Users<'_>) -> Result<Found, Refused> {
    let body: PreferenceBody<'_> = object(raw)?;
    if body.category.get() != Some("marketing_messages") {
        return Err(Refused::detailed(Reason::UnknownValue, "category"));
    }
    let marketing = match body.value.get() {
        Some("stop") => false,
        Some("resume" | "signup") => true,
        _ => return Err(Refused::detailed(Reason::UnknownValue, "value")),
    };
    let mut names = Names::read([&body.wa_id, &body.user_id, &body.parent_user_id]);
    contacts.complete(&mut names, alone);
    let contact = names.into_contact().ok_or_else(|| Refused::because(Reason::NoSender))?;
    let detail = body.detail.take(DETAIL_BYTES_MAX).unwrap_or_default();
    let content = format!("preference\0{}\0{marketing}", name(&contact));
    let dedup = dedup_key(sent_s(body.timestamp), users.number, &content);
    let event = Event::Preference(Preference { marketing, detail, at: at(body.timestamp, users.now) });
    Ok(Found { contact, dedup, event })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UserIdBody<'a> {
    #[serde(borrow)]
    wa_id: Text<'a>,
    #[serde(borrow)]
    user_id: Obj<Change<'a>>,
    #[serde(borrow)]
    parent_user_id: Obj<Change<'a>>,
    timestamp: Int,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Change<'a> {
    #[serde(borrow)]
    previous: Text<'a>,
    #[serde(borrow)]
    current: Text<'a>,
}

impl Change<'_> {
    fn read(&self) -> Option<(Option<Bsuid>, Bsuid)> {
        let bsuid = |text: &Text<'_>| Bsuid::parse(text.get()?).ok();
        Some((bsuid(&self.previous), bsuid(&self.current)?))
    }
}

/// An element of `user_id_update[]`: the user's BSUID is another one from now on. The contact is named by the old one;
/// the phone number, where Meta tells it, stays.
pub(super) fn user_id(raw: &RawValue, contacts: &Contacts<'_>, alone: bool, users: &Users<'_>) -> Result<Found, Refused> {
    let body: UserIdBody<'_> = object(raw)?;
    let change = |change: &Obj<Change<'_>>| change.0.as_ref().and_then(Change::read);
    let (previous, current) = change(&body.user_id)
        .or_else(|| change(&body.parent_user_id))
        .ok_or_else(|| Refused::detailed(Reason::Unreadable, "no current user id"))?;
    let mut names = Names::read([&body.wa_id]);
    if names.phone.is_none()
        && let Some(card) = contacts.only().filter(|_| alone)
    {
        names.phone = card.names().phone;
    }
    names.bsuid = previous;
    let content = format!("user-id\0{}\0{}", names.bsuid.as_ref().map_or("", Bsuid::as_str), current.as_str());
    let moved = Contact::new(names.phone.clone(), Some(current)).ok_or_else(|| Refused::because(Reason::NoSender))?;
    let contact = names.into_contact().ok_or_else(|| Refused::because(Reason::NoSender))?;
    let dedup = dedup_key(sent_s(body.timestamp), users.number, &content);
    Ok(Found { contact, dedup, event: Event::System(SystemChange::Moved(moved)) })
}

/// The user's name that lasts longer: Meta tells a phone number at one time and not at another.
fn name(contact: &Contact) -> &str {
    contact.bsuid().map_or_else(|| contact.phone().map_or("", |phone| phone.digits()), Bsuid::as_str)
}
