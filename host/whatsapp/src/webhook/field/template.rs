//! What Meta tells of templates.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::words;
use crate::lax;
use crate::webhook::envelope::object;
use crate::webhook::notice::{News, Refused};

words! {
    /// What became of a template (`message_template_status_update`).
    TemplateEvent {
        /// It may be sent.
        Approved = "APPROVED",
        /// It was put away.
        Archived = "ARCHIVED",
        /// It is gone.
        Deleted = "DELETED",
        /// It was paused too often; it cannot be sent any more.
        Disabled = "DISABLED",
        /// Its quality is low: it will be paused if that goes on.
        Flagged = "FLAGGED",
        /// A rejection is being looked at again.
        InAppeal = "IN_APPEAL",
        /// The account has as many templates as it may.
        LimitExceeded = "LIMIT_EXCEEDED",
        /// It cannot be edited.
        Locked = "LOCKED",
        /// It cannot be sent for a while.
        Paused = "PAUSED",
        /// It waits for review.
        Pending = "PENDING",
        /// It will be gone.
        PendingDeletion = "PENDING_DELETION",
        /// It is no longer flagged or disabled.
        Reinstated = "REINSTATED",
        /// It may not be sent.
        Rejected = "REJECTED",
    }
}

words! {
    /// Why a template was rejected.
    RejectionReason {
        /// Abusive content.
        AbusiveContent = "ABUSIVE_CONTENT",
        /// Its category does not fit what it says.
        IncorrectCategory = "INCORRECT_CATEGORY",
        /// Its placeholders or texts are malformed.
        InvalidFormat = "INVALID_FORMAT",
        /// It was not rejected.
        None = "NONE",
        /// It promotes.
        Promotional = "PROMOTIONAL",
        /// It looks like a scam.
        Scam = "SCAM",
        /// Language and content differ.
        TagContentMismatch = "TAG_CONTENT_MISMATCH",
    }
}

words! {
    /// More on a pause or its end.
    PauseTitle {
        /// For 3 hours.
        First = "FIRST_PAUSE",
        /// For 6 hours.
        Second = "SECOND_PAUSE",
        /// Pacing saw bad feedback.
        RateLimiting = "RATE_LIMITING_PAUSE",
        /// It may be sent again.
        Unpaused = "UNPAUSE",
        /// The third time: it is disabled.
        Disabled = "DISABLED",
    }
}

words! {
    /// A quality score.
    QualityScore {
        /// High.
        Green = "GREEN",
        /// Medium.
        Yellow = "YELLOW",
        /// Low.
        Red = "RED",
        /// Not yet known.
        Unknown = "UNKNOWN",
    }
}

/// A template's state changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TemplateStatus {
    /// What became of it.
    #[serde(deserialize_with = "TemplateEvent::read", skip_serializing_if = "Option::is_none")]
    pub event: Option<TemplateEvent>,
    /// Meta's id of the template.
    #[serde(alias = "message_template_id", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The template's name.
    #[serde(alias = "message_template_name", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its language as Meta writes it, for instance `pt_BR`.
    #[serde(alias = "message_template_language", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Its category as Meta writes it, for instance `UTILITY`.
    #[serde(alias = "message_template_category", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Why it was rejected.
    #[serde(deserialize_with = "RejectionReason::read", skip_serializing_if = "Option::is_none")]
    pub reason: Option<RejectionReason>,
    /// Since when it is disabled.
    #[serde(deserialize_with = "lax::obj", skip_serializing_if = "Option::is_none")]
    pub disable_info: Option<DisableInfo>,
    /// More on a pause.
    #[serde(deserialize_with = "lax::obj", skip_serializing_if = "Option::is_none")]
    pub other_info: Option<PauseInfo>,
    /// More on a rejection.
    #[serde(deserialize_with = "lax::obj", skip_serializing_if = "Option::is_none")]
    pub rejection_info: Option<RejectionInfo>,
}

/// Since when a template is disabled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DisableInfo {
    /// As Meta writes it: a date in words, or Unix seconds.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub disable_date: Option<String>,
}

/// More on a pause.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PauseInfo {
    /// Which.
    #[serde(deserialize_with = "PauseTitle::read", skip_serializing_if = "Option::is_none")]
    pub title: Option<PauseTitle>,
    /// In Meta's words.
    #[serde(deserialize_with = "lax::long", skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// More on a rejection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RejectionInfo {
    /// In Meta's words.
    #[serde(deserialize_with = "lax::long", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What would help.
    #[serde(deserialize_with = "lax::long", skip_serializing_if = "Option::is_none")]
    pub recommendation: Option<String>,
}

/// A template's quality score changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TemplateQuality {
    /// Meta's id of the template.
    #[serde(alias = "message_template_id", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The template's name.
    #[serde(alias = "message_template_name", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its language.
    #[serde(alias = "message_template_language", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Before.
    #[serde(alias = "previous_quality_score", deserialize_with = "QualityScore::read", skip_serializing_if = "Option::is_none")]
    pub previous: Option<QualityScore>,
    /// Now.
    #[serde(alias = "new_quality_score", deserialize_with = "QualityScore::read", skip_serializing_if = "Option::is_none")]
    pub new: Option<QualityScore>,
}

/// A template's texts changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TemplateComponents {
    /// Meta's id of the template.
    #[serde(alias = "message_template_id", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The template's name.
    #[serde(alias = "message_template_name", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its language.
    #[serde(alias = "message_template_language", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Its header's text.
    #[serde(alias = "message_template_title", deserialize_with = "lax::long", skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Its body's text.
    #[serde(alias = "message_template_element", deserialize_with = "lax::long", skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Its footer's text.
    #[serde(alias = "message_template_footer", deserialize_with = "lax::long", skip_serializing_if = "Option::is_none")]
    pub footer: Option<String>,
    /// Its buttons.
    #[serde(alias = "message_template_buttons", deserialize_with = "lax::list", skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<TemplateComponentButton>,
}

/// A button as it now is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TemplateComponentButton {
    /// `URL`, `PHONE_NUMBER`, `QUICK_REPLY`, ...
    #[serde(alias = "message_template_button_type", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// On the button.
    #[serde(alias = "message_template_button_text", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where it leads.
    #[serde(alias = "message_template_button_url", deserialize_with = "lax::long", skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A template's category changed, or will.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TemplateCategory {
    /// Meta's id of the template.
    #[serde(alias = "message_template_id", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The template's name.
    #[serde(alias = "message_template_name", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its language.
    #[serde(alias = "message_template_language", deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What it was; only once it has changed.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub previous_category: Option<String>,
    /// What it is now, also while a change is only announced.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub new_category: Option<String>,
    /// What it will be; only while the change is announced.
    #[serde(deserialize_with = "lax::short", skip_serializing_if = "Option::is_none")]
    pub correct_category: Option<String>,
    /// When it will be, Unix seconds.
    #[serde(alias = "category_update_timestamp", deserialize_with = "lax::int", skip_serializing_if = "Option::is_none")]
    pub changes_at_s: Option<i64>,
}

/// Meta's own sample of a quality update carries the field name of a status update: what it holds decides.
pub(super) fn status_or_quality(value: &RawValue) -> Result<News, Refused> {
    let status: TemplateStatus = object(value)?;
    if status.event.is_none() {
        let quality: TemplateQuality = object(value)?;
        if quality.new.is_some() {
            return Ok(News::TemplateQuality(quality));
        }
    }
    Ok(News::TemplateStatus(status))
}
