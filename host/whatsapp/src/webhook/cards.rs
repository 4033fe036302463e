//! Contact cards that a player sent.

use questline_core::contact::PhoneNumber;
use questline_core::event::{ContactCard, Inbound, SharedContacts};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::notice::{Reason, Refused};
use crate::lax::{List, Obj, Text};

/// Cards of one message.
const CARDS_MAX: usize = 64;
/// Phone numbers of one card.
const PHONES_MAX: usize = 16;
/// Bytes of a name, and of a phone number as written.
const NAME_BYTES_MAX: usize = 256;
/// The origin of a card that answers our request for contact information.
const REQUESTED: &str = "contact_request";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Card<'a> {
    #[serde(borrow)]
    name: Obj<Name<'a>>,
    #[serde(borrow)]
    phones: List<Phone<'a>>,
    #[serde(borrow)]
    origin: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Name<'a> {
    #[serde(borrow)]
    formatted_name: Text<'a>,
    #[serde(borrow)]
    first_name: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Phone<'a> {
    #[serde(borrow)]
    phone: Text<'a>,
    #[serde(borrow)]
    wa_id: Text<'a>,
}

/// Reads the cards. Meta writes the origin on each card; older fixtures write it on the message. Only if every card
/// answers our request is the message such an answer.
pub(super) fn read(body: &RawValue, message_origin: &Text<'_>) -> Result<Inbound, Refused> {
    let cards: List<Card<'_>> = serde_json::from_str(body.get()).map_err(|error| Refused::unreadable(&error))?;
    let List::Items(cards) = cards else {
        return Err(Refused::detailed(Reason::Unreadable, "contacts is no array"));
    };
    if cards.is_empty() {
        return Err(Refused::detailed(Reason::Unreadable, "no contact card"));
    }
    let requested = cards.iter().all(|card| card.origin.get().or(message_origin.get()) == Some(REQUESTED));
    let cards = cards.into_iter().take(CARDS_MAX).map(|card| self::card(card, requested)).collect();
    Ok(Inbound::Contacts(SharedContacts { cards, requested }))
}

fn card(card: Card<'_>, requested: bool) -> ContactCard {
    let name = card.name.0.unwrap_or_default();
    ContactCard {
        name: name.formatted_name.take(NAME_BYTES_MAX).or_else(|| name.first_name.take(NAME_BYTES_MAX)).unwrap_or_default(),
        phones: card.phones.into_items().into_iter().take(PHONES_MAX).filter_map(|phone| self::phone(phone, requested)).collect(),
    }
}

/// As written on the card; where there is nothing written, or where the answer to our request has to name one account
/// beyond doubt, as WhatsApp knows it.
fn phone(phone: Phone<'_>, requested: bool) -> Option<String> {
    let account = phone.wa_id.get().and_then(|wa_id| PhoneNumber::parse(wa_id).ok());
    let written = phone.phone.take(NAME_BYTES_MAX);
    match (account, written) {
        (Some(account), None) => Some(format!("+{}", account.digits())),
        (Some(account), Some(_)) if requested => Some(format!("+{}", account.digits())),
        (_, written) => written,
    }
}
