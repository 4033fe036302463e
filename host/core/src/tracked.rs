//! Links that lead through this host, so that clicks can be counted: what a template's button hands to Meta is a token that says
//! whose message it was in and what its address ends with. Where it leads is not in the token: only what the game's release
//! declares is ever led to.
//!
//! A token is base64url of: version, two bytes of a key's name, six bytes that name the button, the message, the campaign
//! with its variant, the value, and 12 bytes of HMAC-SHA-256 over all of it. It holds no phone number and no player's name; the
//! value is what whoever sends the message gave, and as open as in any web address.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::hmac;

use crate::id::{CampaignId, ConversationId, GameId, OutboxRef, OutboxSeq};
use crate::outbox::Campaign;
use crate::port::DerivedKey;

/// Bytes of the value that an address takes.
pub const VALUE_BYTES_MAX: usize = 256;
/// Characters of a token: a longer text is none.
pub const TOKEN_CHARS_MAX: usize = 512;
/// Characters of an address that a button leads to.
pub const TARGET_CHARS_MAX: usize = 2_000;
/// What the address that Meta approved ends with.
pub const PATH: &str = "/l/";
/// What keys for tokens are derived for.
pub const KEY_LABEL: &str = "tracked links";

const VERSION: u8 = 1;
const MAC_LEN: usize = 12;
const PARAMETER: &str = "{{1}}";

/// Why an address cannot be led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// Another scheme, or none.
    #[error("begins with https://")]
    Scheme,
    /// No host, or one that is not written out.
    #[error("names one host, written out, without a user or a parameter in it")]
    Host,
    /// Characters that stand in no address.
    #[error("takes printable ASCII without spaces, quotes, brackets and backslashes")]
    Alphabet,
    /// More than one, or another one.
    #[error("takes one parameter, {{{{1}}}}, behind the host")]
    Parameter,
    /// Too long.
    #[error("has at most {TARGET_CHARS_MAX} characters")]
    Length,
}

/// Whether a button may lead there. The parameter, if there is one, stands behind the host and its slash.
pub fn check_target(target: &str) -> Result<(), InvalidTarget> {
    if target.len() > TARGET_CHARS_MAX {
        return Err(InvalidTarget::Length);
    }
    let rest = target.strip_prefix("https://").ok_or(InvalidTarget::Scheme)?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    if !host.starts_with(|c: char| c.is_ascii_alphanumeric()) || !host.chars().all(is_host) {
        return Err(InvalidTarget::Host);
    }
    let fixed = path.replacen(PARAMETER, "", 1);
    if fixed.contains(['{', '}']) {
        return Err(InvalidTarget::Parameter);
    }
    let is_fine = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '|');
    if fixed.chars().all(is_fine) { Ok(()) } else { Err(InvalidTarget::Alphabet) }
}

/// Whether an address takes this as its value. Dots alone would be a step up its path.
pub fn is_value(value: &str) -> bool {
    !value.is_empty() && value.len() <= VALUE_BYTES_MAX && value != "." && value != ".."
}

/// The address that a value leads to: percent-encoded, so that it is neither another host nor another path.
pub fn destination(target: &str, value: &str) -> Option<String> {
    check_target(target).ok()?;
    let Some((before, after)) = target.split_once(PARAMETER) else { return Some(target.to_owned()) };
    if !is_value(value) {
        return None;
    }
    let mut address = String::with_capacity(target.len() + 3 * value.len());
    address.push_str(before);
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            address.push(char::from(byte));
        } else {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            address.extend(['%', char::from(HEX[usize::from(byte >> 4)]), char::from(HEX[usize::from(byte & 15)])]);
        }
    }
    address.push_str(after);
    Some(address)
}

/// Names a button of a template in one of its languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ButtonName([u8; 6]);

impl ButtonName {
    /// Of the button at this position.
    pub fn of(game: &GameId, template: &str, language: &str, index: usize) -> Self {
        let mut named = Vec::with_capacity(128);
        for part in [game.as_str(), template, language] {
            named.extend_from_slice(&(part.len() as u64).to_be_bytes());
            named.extend_from_slice(part.as_bytes());
        }
        named.extend_from_slice(&(index as u64).to_be_bytes());
        let mut name = [0; 6];
        name.copy_from_slice(&digest(&SHA256, &named).as_ref()[..6]);
        Self(name)
    }
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackedLink {
    /// Which button.
    pub button: ButtonName,
    /// In which message.
    pub message: OutboxRef,
    /// What the message is one of many of.
    pub campaign: Option<Campaign>,
    /// What the address takes; empty where it takes nothing.
    pub value: String,
}

/// What makes tokens and tells them from forged ones: the first key makes, all of them tell.
pub struct LinkKeys(Vec<LinkKey>);

struct LinkKey {
    name: [u8; 2],
    mac: hmac::Key,
}

impl LinkKeys {
    /// From keys that were derived for [`KEY_LABEL`].
    pub fn new(keys: &[DerivedKey]) -> Self {
        let key = |key: &DerivedKey| LinkKey { name: [key.id[0], key.id[1]], mac: hmac::Key::new(hmac::HMAC_SHA256, &key.secret[..]) };
        Self(keys.iter().map(key).collect())
    }

    /// The token of a link: the same one each time. None for a value that no address takes, and where there is no key.
    pub fn token(&self, link: &TrackedLink) -> Option<String> {
        let key = self.0.first()?;
        if link.value.len() > VALUE_BYTES_MAX {
            return None;
        }
        let mut bytes = Vec::with_capacity(64 + link.value.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&key.name);
        bytes.extend_from_slice(&link.button.0);
        push_number(&mut bytes, link.message.conversation.0);
        push_number(&mut bytes, link.message.seq.0);
        match &link.campaign {
            None => bytes.push(0),
            Some(campaign) => {
                bytes.push(u8::try_from(campaign.id.as_str().len()).ok()?);
                bytes.extend_from_slice(campaign.id.as_str().as_bytes());
                push_number(&mut bytes, campaign.variant.map_or(0, |variant| u64::from(variant) + 1));
            }
        }
        bytes.extend_from_slice(link.value.as_bytes());
        let mac = hmac::sign(&key.mac, &bytes);
        bytes.extend_from_slice(&mac.as_ref()[..MAC_LEN]);
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// What a token says; none for whatever this host did not make.
    pub fn read(&self, token: &str) -> Option<TrackedLink> {
        if token.len() > TOKEN_CHARS_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (said, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC_LEN)?)?;
        let (head, rest) = said.split_at_checked(3)?;
        if head[0] != VERSION {
            return None;
        }
        let is_ours = |key: &LinkKey| key.name == head[1..] && is_mac(&key.mac, said, mac);
        if !self.0.iter().any(is_ours) {
            return None;
        }
        let mut reader = Reader(rest);
        let button = ButtonName(reader.take(6)?.try_into().ok()?);
        let message = OutboxRef { conversation: ConversationId(reader.number()?), seq: OutboxSeq(reader.number()?) };
        let campaign = match usize::from(*reader.take(1)?.first()?) {
            0 => None,
            len => {
                let id = CampaignId::parse(std::str::from_utf8(reader.take(len)?).ok()?).ok()?;
                let variant = reader.number()?.checked_sub(1).map(u8::try_from).transpose().ok()?;
                Some(Campaign { id, variant })
            }
        };
        let value = std::str::from_utf8(reader.0).ok()?.to_owned();
        Some(TrackedLink { button, message, campaign, value })
    }
}

/// Takes the same time whatever differs.
fn is_mac(key: &hmac::Key, said: &[u8], mac: &[u8]) -> bool {
    let own = hmac::sign(key, said);
    let differing = own.as_ref()[..MAC_LEN].iter().zip(mac).fold(0u8, |differing, (own, other)| differing | (own ^ other));
    mac.len() == MAC_LEN && std::hint::black_box(differing) == 0
}

/// Seven bits a byte, the lowest first.
fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first()?;
            number |= u64::from(byte & 0x7F).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
