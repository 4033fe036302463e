//! What concerns no conversation, in our own words: the summary of a notice.

use questline_core::port::Notice;
use serde::{Deserialize, Serialize};

use super::field::account::{AccountAlert, AccountReview, AccountUpdate, Capability, Security};
use super::field::number::{NumberName, NumberQuality, NumberUsername};
use super::field::template::{TemplateCategory, TemplateComponents, TemplateQuality, TemplateStatus};
use crate::bound;

/// Bytes of an update that a notice keeps.
pub const NOTICE_RAW_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a field's name that a notice keeps.
pub const FIELD_BYTES_MAX: usize = 64;

/// A notice in our own words; stands in [`Notice::summary`] as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The WhatsApp business account, by Meta's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The number (`phone_number_id`), where the update names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// What it tells.
    pub news: News,
}

impl Summary {
    /// Reads a notice's summary back; `None` when the notice has none.
    pub fn of(notice: &Notice) -> Option<Self> {
        serde_json::from_str(notice.summary.as_deref()?).ok()
    }
}

/// What a notice tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// A template was approved, paused, rejected, ...
    TemplateStatus(TemplateStatus),
    /// A template's quality score changed.
    TemplateQuality(TemplateQuality),
    /// A template's texts changed.
    TemplateComponents(TemplateComponents),
    /// A template's category changed, or will.
    TemplateCategory(TemplateCategory),
    /// A number's throughput or quality changed.
    NumberQuality(NumberQuality),
    /// A number's display name was decided on.
    NumberName(NumberName),
    /// A number's username was decided on.
    NumberUsername(NumberUsername),
    /// A messaging limit or count of numbers changed.
    Capability(Capability),
    /// The account was restricted, disabled, shared, ...
    Account(Box<AccountUpdate>),
    /// Meta warns.
    AccountAlert(AccountAlert),
    /// Meta reviewed the account.
    AccountReview(AccountReview),
    /// A number's PIN was touched.
    Security(Security),
    /// Errors that belong to no message.
    Errors(Vec<AccountError>),
    /// Something could not become an event, and is kept.
    Kept(Kept),
}

/// An error that belongs to no message (`value.errors`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountError {
    /// Meta's code; 0 where there was none.
    pub code: u32,
    /// Meta's words, cut, without what may be a phone number.
    pub detail: String,
}

/// Why something is kept instead of handled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What it is a part of.
    pub part: Part,
    /// Why.
    pub reason: Reason,
    /// More, if there is more to say; never what the sender wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// An element of `entry[]`.
    Entry,
    /// An element of `changes[]`.
    Change,
    /// The `value` of a change.
    Value,
    /// An element of `messages[]`.
    Message,
    /// An element of `statuses[]`.
    Status,
    /// An element of `user_preferences[]`.
    Preference,
    /// An element of `user_id_update[]`.
    UserIdUpdate,
}

/// Why it was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Its JSON does not have the shape that Meta documents.
    Unreadable,
    /// It names no sender, or none that can be one.
    NoSender,
    /// It has no id.
    NoId,
    /// It names none of our numbers, or no number at all.
    UnknownNumber,
    /// It was sent to a group.
    Group,
    /// It is longer than anything a conversation takes.
    TooLarge,
    /// A status, preference or category that we do not know.
    UnknownValue,
    /// There is nothing in it that we know.
    Empty,
    /// More updates in one POST than Meta ever sends.
    OverLimit,
    /// The `object` is not `whatsapp_business_account`.
    OtherObject,
}

impl Reason {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Unreadable,
        Self::NoSender,
        Self::NoId,
        Self::UnknownNumber,
        Self::Group,
        Self::TooLarge,
        Self::UnknownValue,
        Self::Empty,
        Self::OverLimit,
        Self::OtherObject,
    ];

    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NoSender => "no-sender",
            Self::NoId => "no-id",
            Self::UnknownNumber => "unknown-number",
            Self::Group => "group",
            Self::TooLarge => "too-large",
            Self::UnknownValue => "unknown-value",
            Self::Empty => "empty",
            Self::OverLimit => "over-limit",
            Self::OtherObject => "other-object",
        }
    }
}

/// Why one element does not become an event.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) reason: Reason,
    pub(super) detail: Option<String>,
}

impl Refused {
    pub(super) fn because(reason: Reason) -> Self {
        Self { reason, detail: None }
    }

    pub(super) fn detailed(reason: Reason, detail: &str) -> Self {
        Self { reason, detail: Some(bound::words(detail)) }
    }

    /// What serde says of unreadable JSON can repeat a value, so only the place is kept.
    pub(super) fn unreadable(error: &serde_json::Error) -> Self {
        Self { reason: Reason::Unreadable, detail: Some(format!("line {} column {}", error.line(), error.column())) }
    }
}

/// Cuts the raw JSON of an update.
pub(super) fn raw(json: &str) -> String {
    bound::cut(json, NOTICE_RAW_BYTES_MAX).to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reasons_are_called_the_same_everywhere() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{}\"", reason.as_str()));
            assert_eq!(Reason::ALL[reason as usize], reason);
        }
    }
}
