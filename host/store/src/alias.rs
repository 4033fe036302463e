//! Who is whom: a contact's phone number and BSUID are names of one conversation, and names move.
//!
//! The rules, for both engines:
//! - A contact is looked up by phone first, else by BSUID. If they name two conversations, the phone's is the one, and
//!   the BSUID moves to it.
//! - What an arriving contact adds to, or changes in, the contact that the conversation knows is learned at once: the
//!   conversation's row changes, its version rises, and a step that is under way is refused as stale and made again.
//! - A commit that changes the contact moves the names too: the new ones point here, whoever had them before.
//! - A name that the contact no longer has is forgotten: phone numbers are given to other people. It is forgotten only
//!   if it still points here.

use questline_core::contact::Contact;
use questline_core::id::NumberId;

/// A name of a contact, as seen by one of our numbers.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Alias(Box<str>);

impl Alias {
    /// By phone number.
    pub fn of_phone(number: &NumberId, contact: &Contact) -> Option<Self> {
        contact.phone().map(|phone| Self::new(number, 'p', phone.digits()))
    }

    /// By business-scoped user id. It is scoped to a business portfolio, so it too is one number's.
    pub fn of_bsuid(number: &NumberId, contact: &Contact) -> Option<Self> {
        contact.bsuid().map(|bsuid| Self::new(number, 'b', bsuid.as_str()))
    }

    /// All names of a contact, in the order in which they are looked up.
    pub fn all(number: &NumberId, contact: &Contact) -> impl Iterator<Item = Self> {
        Self::of_phone(number, contact).into_iter().chain(Self::of_bsuid(number, contact))
    }

    /// The name as a key: number, kind and value. It holds a phone number: never for logs.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn new(number: &NumberId, kind: char, value: &str) -> Self {
        let mut key = String::with_capacity(number.as_str().len() + 3 + value.len());
        key.push_str(number.as_str());
        key.push('/');
        key.push(kind);
        key.push('/');
        key.push_str(value);
        Self(key.into_boxed_str())
    }
}

impl std::fmt::Debug for Alias {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Alias(hidden)")
    }
}

impl std::borrow::Borrow<str> for Alias {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// What a change of contact does to the names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AliasChange {
    /// Point here from now on.
    pub add: Vec<Alias>,
    /// Forgotten if they point here.
    pub forget: Vec<Alias>,
}

impl AliasChange {
    /// From what was known to what is known now.
    pub fn between(number: &NumberId, before: &Contact, after: &Contact) -> Self {
        if before == after {
            return Self::default();
        }
        let (old, new) = (Alias::all(number, before).collect::<Vec<_>>(), Alias::all(number, after).collect::<Vec<_>>());
        Self {
            forget: old.iter().filter(|alias| !new.contains(alias)).cloned().collect(),
            add: new.into_iter().filter(|alias| !old.contains(alias)).collect(),
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.forget.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use questline_core::contact::{Bsuid, PhoneNumber};

    fn contact(phone: Option<&str>, bsuid: Option<&str>) -> Contact {
        Contact::new(phone.map(|p| PhoneNumber::parse(p).unwrap()), bsuid.map(|b| Bsuid::parse(b).unwrap())).unwrap()
    }

    #[test]
    fn a_changed_contact_leaves_no_old_names() {
        let number = NumberId::parse("100").unwrap();
        let change = AliasChange::between(&number, &contact(Some("15550100"), Some("US.1")), &contact(Some("15550199"), Some("US.1")));
        assert_eq!(change.add.iter().map(Alias::as_str).collect::<Vec<_>>(), ["100/p/15550199"]);
        assert_eq!(change.forget.iter().map(Alias::as_str).collect::<Vec<_>>(), ["100/p/15550100"]);
        assert!(AliasChange::between(&number, &contact(None, Some("US.1")), &contact(None, Some("US.1"))).is_empty());
    }

    #[test]
    fn nothing_personal_in_debug() {
        let number = NumberId::parse("100").unwrap();
        let shown = format!("{:?}", Alias::all(&number, &contact(Some("15550100"), Some("US.777"))).collect::<Vec<_>>());
        assert!(!shown.contains("15550100") && !shown.contains("777"), "{shown}");
    }
}
