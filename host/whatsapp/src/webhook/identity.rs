//! Who a part of a webhook is about: phone numbers and BSUIDs, wherever Meta puts them, or leaves them out.

use questline_core::contact::{Bsuid, Contact, PhoneNumber};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::envelope::object;
use crate::lax::{Obj, Text};

/// Bytes of a name that a user gave themselves; WhatsApp takes 25 characters.
pub(super) const PROFILE_NAME_BYTES_MAX: usize = 256;
/// Bytes of an identity key's hash.
pub(super) const IDENTITY_HASH_BYTES_MAX: usize = 256;

/// An element of `value.contacts[]`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ContactCard<'a> {
    #[serde(borrow)]
    pub(super) profile: Obj<Profile<'a>>,
    #[serde(borrow)]
    wa_id: Text<'a>,
    #[serde(borrow)]
    user_id: Text<'a>,
    #[serde(borrow)]
    parent_user_id: Text<'a>,
    #[serde(borrow)]
    pub(super) identity_key_hash: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Profile<'a> {
    #[serde(borrow)]
    pub(super) name: Text<'a>,
}

/// Names of one user, as they stand in one place. A phone number and a BSUID are told apart by their form, not by their
/// key: Meta has put BSUIDs where phone numbers belong.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Names {
    pub(super) phone: Option<PhoneNumber>,
    pub(super) bsuid: Option<Bsuid>,
}

impl Names {
    /// Reads candidates in order of trust; the first of each form counts.
    pub(super) fn read<const N: usize>(candidates: [&Text<'_>; N]) -> Self {
        let mut names = Self::default();
        for text in candidates.into_iter().filter_map(Text::get) {
            if names.phone.is_none() && text.starts_with(|c: char| c.is_ascii_digit() || c == '+') {
                names.phone = PhoneNumber::parse(text).ok();
            } else if names.bsuid.is_none() {
                names.bsuid = Bsuid::parse(text).ok();
            }
        }
        names
    }

    /// What is not known here is taken from `other`.
    pub(super) fn complete(&mut self, other: Self) {
        self.phone = self.phone.take().or(other.phone);
        self.bsuid = self.bsuid.take().or(other.bsuid);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.phone.is_none() && self.bsuid.is_none()
    }

    pub(super) fn into_contact(self) -> Option<Contact> {
        Contact::new(self.phone, self.bsuid)
    }
}

impl ContactCard<'_> {
    fn texts(&self) -> [&Text<'_>; 3] {
        [&self.wa_id, &self.user_id, &self.parent_user_id]
    }

    pub(super) fn names(&self) -> Names {
        Names::read(self.texts())
    }

    /// Whether the card is the user's with these names.
    fn is_of(&self, names: &Names) -> bool {
        let phone = names.phone.as_ref().map(PhoneNumber::digits);
        let bsuid = names.bsuid.as_ref().map(Bsuid::as_str);
        self.texts()
            .into_iter()
            .filter_map(Text::get)
            .any(|text| phone.is_some_and(|digits| text.strip_prefix('+').unwrap_or(text) == digits) || bsuid == Some(text))
    }
}

/// The users that one change is about.
#[derive(Default)]
pub(super) struct Contacts<'a>(pub(super) Vec<ContactCard<'a>>);

impl<'a> Contacts<'a> {
    /// Reads `contacts[]`; elements that make no sense are passed over, for they carry nothing but names.
    pub(super) fn read(raw: Vec<&'a RawValue>) -> Self {
        Self(raw.into_iter().filter_map(|raw| object(raw).ok()).collect())
    }

    /// The card that goes with these names, which it completes. Nobody's names, of the only one of a change, are those
    /// of its only card.
    pub(super) fn complete(&self, names: &mut Names, alone: bool) -> Option<&ContactCard<'a>> {
        let card = match self.0.as_slice() {
            [card] if alone && names.is_empty() => card,
            cards => cards.iter().find(|card| card.is_of(names))?,
        };
        if names.phone.is_none() || names.bsuid.is_none() {
            names.complete(card.names());
        }
        Some(card)
    }

    /// The one card, if there is exactly one.
    pub(super) fn only(&self) -> Option<&ContactCard<'a>> {
        if let [card] = self.0.as_slice() { Some(card) } else { None }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(phone: Option<&str>, bsuid: Option<&str>) -> Names {
        Names { phone: phone.map(|p| PhoneNumber::parse(p).unwrap()), bsuid: bsuid.map(|b| Bsuid::parse(b).unwrap()) }
    }

    fn read(first: &str, second: &str) -> Names {
        let first: Text<'_> = serde_json::from_str(first).unwrap();
        let second: Text<'_> = serde_json::from_str(second).unwrap();
        Names::read([&first, &second])
    }

    #[test]
    fn form_decides_not_place() {
        assert_eq!(read(r#""16505551234""#, r#""US.77""#), names(Some("16505551234"), Some("US.77")));
        assert_eq!(read(r#""US.77""#, "null"), names(None, Some("US.77")));
        assert_eq!(read("16505551234", r#""""#), names(Some("16505551234"), None));
        assert_eq!(read(r#""+16505551234""#, "{}"), names(Some("16505551234"), None));
        assert_eq!(read(r#""Ada""#, "true"), Names::default());
        assert_eq!(read(r#""US.77""#, r#""US.ENT.88""#), names(None, Some("US.77")), "the parent is second choice");
    }

    #[test]
    fn cards_belong_to_users_by_what_both_name() {
        let card: ContactCard<'_> = serde_json::from_str(r#"{"wa_id":"16505551234","user_id":"US.77"}"#).unwrap();
        assert!(card.is_of(&names(Some("16505551234"), None)));
        assert!(card.is_of(&names(None, Some("US.77"))));
        assert!(!card.is_of(&names(Some("16505559999"), None)));
        assert!(!card.is_of(&Names::default()));
        let contacts = Contacts(vec![card]);
        let mut known = names(None, Some("US.77"));
        assert!(contacts.complete(&mut known, false).is_some());
        assert_eq!(known, names(Some("16505551234"), Some("US.77")));
        assert!(contacts.complete(&mut Names::default(), false).is_none(), "one among several is nobody's");
    }
}
