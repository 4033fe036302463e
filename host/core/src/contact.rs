//! Who writes: a WhatsApp user as one of our numbers sees them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{GameId, NumberId};

/// A phone number: 5 to 15 digits with the country code and without a plus (ITU-T E.164, and Meta's `wa_id`).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(Box<str>);

/// The text is no phone number. The text itself is not repeated: it may be one, mistyped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a phone number is 5 to 15 digits with the country code, for instance +15550100")]
pub struct InvalidPhoneNumber;

impl PhoneNumber {
    /// Takes digits, with or without the plus in front.
    pub fn parse(text: &str) -> Result<Self, InvalidPhoneNumber> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        let fits = (5..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if fits { Ok(Self(digits.into())) } else { Err(InvalidPhoneNumber) }
    }

    /// The digits, as Meta's `wa_id` writes them.
    pub fn digits(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = InvalidPhoneNumber;
    fn try_from(text: String) -> Result<Self, InvalidPhoneNumber> {
        Self::parse(&text)
    }
}

impl From<PhoneNumber> for String {
    fn from(phone: PhoneNumber) -> String {
        phone.0.into()
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneNumber(hidden)")
    }
}

/// A business-scoped user id: names a user to one Meta business portfolio only, for instance `US.13491208655302741918`.
/// Meta makes a new one when the user changes number, so it is an alias of a conversation and never a key for life.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bsuid(Box<str>);

/// The text is no business-scoped user id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a business-scoped user id is a country code, a dot and up to 128 letters and digits")]
pub struct InvalidBsuid;

impl Bsuid {
    /// Takes `CC.<1..128 alphanumeric>` and `CC.ENT.<1..128 alphanumeric>`.
    pub fn parse(text: &str) -> Result<Self, InvalidBsuid> {
        let (country, rest) = text.split_once('.').ok_or(InvalidBsuid)?;
        let id = rest.strip_prefix("ENT.").unwrap_or(rest);
        let fits = country.len() == 2
            && country.bytes().all(|byte| byte.is_ascii_uppercase())
            && (1..=128).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if fits { Ok(Self(text.into())) } else { Err(InvalidBsuid) }
    }

    /// The id, opaque.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The user's country, ISO 3166-1 alpha-2.
    pub fn country(&self) -> &str {
        &self.0[..2]
    }
}

impl TryFrom<String> for Bsuid {
    type Error = InvalidBsuid;
    fn try_from(text: String) -> Result<Self, InvalidBsuid> {
        Self::parse(&text)
    }
}

impl From<Bsuid> for String {
    fn from(bsuid: Bsuid) -> String {
        bsuid.0.into()
    }
}

impl fmt::Debug for Bsuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bsuid(hidden)")
    }
}

/// How a user can be named: by phone, by BSUID, or by both; never by neither.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawContact", into = "RawContact")]
pub struct Contact {
    phone: Option<PhoneNumber>,
    bsuid: Option<Bsuid>,
}

#[derive(Serialize, Deserialize)]
struct RawContact {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone: Option<PhoneNumber>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bsuid: Option<Bsuid>,
}

impl TryFrom<RawContact> for Contact {
    type Error = &'static str;
    fn try_from(raw: RawContact) -> Result<Self, Self::Error> {
        Self::new(raw.phone, raw.bsuid).ok_or("a contact has a phone number, a BSUID, or both")
    }
}

impl From<Contact> for RawContact {
    fn from(contact: Contact) -> Self {
        Self { phone: contact.phone, bsuid: contact.bsuid }
    }
}

impl Contact {
    /// `None` when there is neither.
    pub fn new(phone: Option<PhoneNumber>, bsuid: Option<Bsuid>) -> Option<Self> {
        (phone.is_some() || bsuid.is_some()).then_some(Self { phone, bsuid })
    }

    /// The phone number, if Meta told it.
    pub fn phone(&self) -> Option<&PhoneNumber> {
        self.phone.as_ref()
    }

    /// The business-scoped user id, if Meta told it.
    pub fn bsuid(&self) -> Option<&Bsuid> {
        self.bsuid.as_ref()
    }

    /// What `newer` knows replaces what is known here; what it does not know stays. True when something changed.
    pub fn learn(&mut self, newer: &Contact) -> bool {
        let before = self.clone();
        if newer.phone.is_some() {
            self.phone.clone_from(&newer.phone);
        }
        if newer.bsuid.is_some() {
            self.bsuid.clone_from(&newer.bsuid);
        }
        *self != before
    }
}

/// One end of a conversation and the other: the key that the store turns into a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The game that the number belongs to.
    pub game: GameId,
    /// Our end.
    pub number: NumberId,
    /// Their end.
    pub contact: Contact,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bsuids_in_metas_forms() {
        for good in ["US.13491208655302741918", "EG.ENT.abc123", "DE.A"] {
            assert!(Bsuid::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "US", "US.", "us.1", "USA.1", "US.a-b", "US.ENT.", "15550100", &format!("US.{}", "1".repeat(129))] {
            assert!(Bsuid::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn phones_with_and_without_plus() {
        assert_eq!(PhoneNumber::parse("+15550100").unwrap(), PhoneNumber::parse("15550100").unwrap());
        for bad in ["", "+", "1234", "1555 0100", "US.1349", "1234567890123456"] {
            assert!(PhoneNumber::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_personal_in_debug() {
        let contact = Contact::new(PhoneNumber::parse("15550100").ok(), Bsuid::parse("US.777").ok()).unwrap();
        let shown = format!("{contact:?}");
        assert!(!shown.contains("15550100") && !shown.contains("777"), "{shown}");
    }
}
