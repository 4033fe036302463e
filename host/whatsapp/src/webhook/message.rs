//! An element of `messages[]`: who sent it, when, and which event it is.

use questline_core::event::{Event, Message, Referral, Wamid};
use questline_core::time::{SECOND_MS, UnixMs};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::content;
use super::envelope::optional;
use super::identity::{Contacts, IDENTITY_HASH_BYTES_MAX, Names, PROFILE_NAME_BYTES_MAX};
use super::notice::{Reason, Refused};
use super::system;
use super::{Found, Users, dedup_key};
use crate::lax::{Flag, Int, Obj, Text};

/// Bytes of a message's id; Meta's have about a hundred. A longer one is refused, for a cut id names another message.
pub(super) const WAMID_BYTES_MAX: usize = 512;
/// Bytes of a referral's type and id.
const REFERRAL_ID_BYTES_MAX: usize = 256;
/// Bytes of a referral's headline and text.
const REFERRAL_TEXT_BYTES_MAX: usize = 1024;
/// Seconds; a later time is not a time in seconds.
const TIMESTAMP_MAX: u64 = 100_000_000_000;

/// What all messages have in common. Bodies stay raw until the type says which one counts.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Head<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) from: Text<'a>,
    #[serde(borrow)]
    pub(super) from_user_id: Text<'a>,
    #[serde(borrow)]
    user_id: Text<'a>,
    #[serde(borrow)]
    pub(super) from_parent_user_id: Text<'a>,
    timestamp: Int,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    group_id: Text<'a>,
    #[serde(borrow)]
    context: Option<&'a RawValue>,
    #[serde(borrow)]
    referral: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) errors: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) identity: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) origin: Text<'a>,
    /// By far the most frequent body is read at once.
    #[serde(borrow)]
    pub(super) text: Obj<TextBody<'a>>,
    #[serde(borrow)]
    pub(super) image: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) video: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) audio: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) document: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) sticker: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) location: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) contacts: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) interactive: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) button: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) reaction: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) order: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) unsupported: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) system: Option<&'a RawValue>,
}

/// A text.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct TextBody<'a> {
    #[serde(borrow)]
    pub(super) body: Text<'a>,
}

/// What it answers, and whether it was forwarded. `context` is missing from some answers, too.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Context<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    forwarded: Flag,
    frequently_forwarded: Flag,
}

/// The ad or post that led into the chat.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ReferralBody<'a> {
    #[serde(borrow)]
    source_type: Text<'a>,
    #[serde(borrow)]
    source_id: Text<'a>,
    #[serde(borrow)]
    headline: Text<'a>,
    #[serde(borrow)]
    body: Text<'a>,
}

impl ReferralBody<'_> {
    fn read(self) -> Option<Referral> {
        let source_type = self.source_type.take(REFERRAL_ID_BYTES_MAX);
        let source_id = self.source_id.take(REFERRAL_ID_BYTES_MAX);
        (source_type.is_some() || source_id.is_some()).then(|| Referral {
            source_type: source_type.unwrap_or_default(),
            source_id: source_id.unwrap_or_default(),
            headline: self.headline.take(REFERRAL_TEXT_BYTES_MAX),
            body: self.body.take(REFERRAL_TEXT_BYTES_MAX),
        })
    }
}

/// Meta's identity check.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Identity<'a> {
    #[serde(borrow)]
    hash: Text<'a>,
}

pub(super) fn identity_hash(raw: Option<&RawValue>) -> Option<String> {
    optional::<Identity<'_>>(raw).hash.take(IDENTITY_HASH_BYTES_MAX)
}

/// Reads one element. `raw` is its JSON, where it is at hand; without it, what is not documented is refused. `alone`: it
/// is the only message of its change.
pub(super) fn read(
    mut head: Head<'_>,
    raw: Option<&RawValue>,
    contacts: &Contacts<'_>,
    alone: bool,
    users: &Users<'_>,
) -> Result<Found, Refused> {
    let id = std::mem::take(&mut head.id).take_whole(WAMID_BYTES_MAX).ok_or_else(|| Refused::because(Reason::NoId))?;
    if head.group_id.get().is_some() {
        return Err(Refused::because(Reason::Group));
    }
    let wamid = Wamid(id.into());
    let dedup = dedup_key(sent_s(head.timestamp), users.number, wamid.as_str());
    if head.kind.get() == Some("system") {
        let (contact, change) = system::read(&head)?;
        return Ok(Found { contact, dedup, event: Event::System(change) });
    }
    let mut names = names(&head);
    let card = contacts.complete(&mut names, alone);
    let contact = names.into_contact().ok_or_else(|| Refused::because(Reason::NoSender))?;
    let sent_at = at(head.timestamp, users.now);
    let context: Context<'_> = optional(head.context);
    let referral = optional::<ReferralBody<'_>>(head.referral).read();
    let identity = head.identity;
    let content = content::read(head, raw)?;
    let profile_name = card.and_then(|card| card.profile.0.as_ref()?.name.clone().take(PROFILE_NAME_BYTES_MAX));
    let identity_key_hash = card.and_then(|card| card.identity_key_hash.clone().take(IDENTITY_HASH_BYTES_MAX));
    let message = Message {
        wamid,
        sent_at,
        content,
        reply_to: context.id.take_whole(WAMID_BYTES_MAX).map(|id| Wamid(id.into())),
        forwarded: context.forwarded.0 || context.frequently_forwarded.0,
        referral,
        profile_name,
        identity_key_hash: identity_key_hash.or_else(|| identity_hash(identity)),
    };
    Ok(Found { contact, dedup, event: Event::Message(message) })
}

/// The names that the message itself gives its sender.
pub(super) fn names(head: &Head<'_>) -> Names {
    Names::read([&head.from, &head.from_user_id, &head.user_id, &head.from_parent_user_id])
}

/// A time in Unix seconds, as text or number, if it is one.
fn seconds(timestamp: Int) -> Option<u64> {
    timestamp.unsigned().filter(|seconds| (1..TIMESTAMP_MAX).contains(seconds))
}

/// The same for keys: 0 when Meta says nothing usable, so that a repetition has the same.
pub(super) fn sent_s(timestamp: Int) -> u64 {
    seconds(timestamp).unwrap_or(0)
}

/// The same in our time; `now` when Meta says nothing usable.
pub(super) fn at(timestamp: Int, now: UnixMs) -> UnixMs {
    seconds(timestamp).map_or(now, |seconds| UnixMs(seconds * SECOND_MS))
}
