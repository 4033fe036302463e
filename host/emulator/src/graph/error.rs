//! Meta's error codes with the HTTP status and title of each, and the JSON that carries them.

use std::borrow::Cow;

use serde_json::{Value, json};

const DOCS: &str = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/";

/// An error as the Graph API or a `failed` status reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaError {
    /// Meta's code: what a host acts on.
    pub code: u32,
    /// `error_data.details`: free text.
    pub details: Cow<'static, str>,
    /// Overrides the HTTP status of the code's row.
    http_status: Option<u16>,
}

impl MetaError {
    /// An error of the given code.
    pub fn new(code: u32, details: impl Into<Cow<'static, str>>) -> Self {
        Self { code, details: details.into(), http_status: None }
    }

    /// The same error under another HTTP status (130429 has been seen as 400 and as 429).
    pub fn with_http_status(mut self, status: u16) -> Self {
        self.http_status = Some(status);
        self
    }

    /// The HTTP status that Meta documents for the code.
    pub fn http_status(&self) -> u16 {
        self.http_status.unwrap_or_else(|| row(self.code).0)
    }

    /// Meta's title for the code. Titles change; hosts should not act on them.
    pub fn title(&self) -> &'static str {
        row(self.code).1
    }

    /// The Graph API's error body.
    pub(crate) fn to_graph(&self, trace_id: &str) -> Value {
        let title = self.title();
        match self.code {
            OBJECT_MISSING => json!({"error": {
                "message": self.details,
                "type": "GraphMethodException",
                "code": 100,
                "error_subcode": 33,
                "fbtrace_id": trace_id,
            }}),
            0 | 190 => json!({"error": {
                "message": self.details,
                "type": "OAuthException",
                "code": self.code,
                "fbtrace_id": trace_id,
            }}),
            code => json!({"error": {
                "message": format!("(#{code}) {title}"),
                "type": "OAuthException",
                "code": code,
                "error_data": {"messaging_product": "whatsapp", "details": self.details},
                "fbtrace_id": trace_id,
            }}),
        }
    }

    /// The object that stands in `errors[]` of a webhook.
    pub(crate) fn to_webhook(&self) -> Value {
        json!({
            "code": self.code,
            "title": self.title(),
            "message": self.title(),
            "error_data": {"details": self.details},
            "href": DOCS,
        })
    }
}

/// Stands for Meta's pair of code 100 and subcode 33: the object in the path is not ours.
pub(crate) const OBJECT_MISSING: u32 = 33;

/// Shorthands for what validation finds most.
pub(crate) mod make {
    use super::MetaError;

    pub(crate) fn invalid(details: impl Into<String>) -> MetaError {
        MetaError::new(100, details.into())
    }

    pub(crate) fn missing(param: &str) -> MetaError {
        MetaError::new(131_008, format!("The parameter {param} is required."))
    }

    pub(crate) fn bad_value(details: impl Into<String>) -> MetaError {
        MetaError::new(131_009, details.into())
    }

    /// The object is not this account's, or does not exist: Meta does not say which.
    pub(crate) fn object_missing(id: &str) -> MetaError {
        MetaError::new(
            super::OBJECT_MISSING,
            format!(
                "Unsupported request. Object with ID '{id}' does not exist, cannot be loaded due to missing \
                 permissions, or does not support this operation."
            ),
        )
    }
}

/// HTTP status and title of a code.
fn row(code: u32) -> (u16, &'static str) {
    match code {
        0 => (401, "AuthException"),
        1 => (400, "API Unknown"),
        2 => (503, "API Service"),
        3 => (500, "API Method"),
        4 => (400, "API Too Many Calls"),
        10 => (403, "Permission denied"),
        33 => (400, "Parameter value is not valid"),
        100 => (400, "Invalid parameter"),
        190 => (401, "Access token has expired"),
        200..=299 => (403, "API Permission"),
        368 => (403, "Temporarily blocked for policies violations"),
        2500 => (400, "Unknown path components"),
        80_007 => (400, "Rate limit issues"),
        130_429 => (400, "Rate limit hit"),
        130_472 => (400, "User's number is part of an experiment"),
        130_497 => (403, "Business account is restricted from messaging users in this country"),
        131_000 => (500, "Something went wrong"),
        131_005 => (403, "Access denied"),
        131_008 => (400, "Required parameter is missing"),
        131_009 => (400, "Parameter value is not valid"),
        131_016 => (500, "Service unavailable"),
        131_021 => (400, "Recipient cannot be sender"),
        131_026 => (400, "Message undeliverable"),
        131_030 => (400, "Recipient phone number not in allowed list"),
        131_031 => (403, "Account has been locked"),
        131_037 => (400, "WhatsApp provided number needs display name approval before message can be sent"),
        131_042 => (400, "Business eligibility payment issue"),
        131_045 => (500, "Message failed to send due to phone number registration error"),
        131_047 => (400, "Re-engagement message"),
        131_048 => (400, "Spam rate limit hit"),
        131_049 => (400, "This message was not delivered to maintain healthy ecosystem engagement"),
        131_050 => (400, "User has stopped marketing messages from this business"),
        131_051 => (400, "Unsupported message type"),
        131_052 => (400, "Media download error"),
        131_053 => (400, "Media upload error"),
        131_056 => (400, "(Business Account, Consumer Account) pair rate limit hit"),
        131_057 => (500, "Account in maintenance mode"),
        131_062 => (400, "Business-scoped user ID recipients are not supported for this message"),
        131_063 => (400, "Marketing templates are disabled on Cloud API"),
        131_064 => (400, "Messaging limit reached"),
        132_000 => (400, "Number of parameters does not match the expected number of params"),
        132_001 => (404, "Template name does not exist in the translation"),
        132_005 => (400, "Translated text too long"),
        132_007 => (400, "Template format character policy violated"),
        132_008 => (400, "Template parameter value invalid"),
        132_012 => (400, "Parameter format does not match format in the created template"),
        132_015 => (400, "Template is paused"),
        132_016 => (400, "Template is disabled"),
        132_068 => (400, "Flow is blocked"),
        132_069 => (400, "Flow is throttled"),
        133_004 => (503, "Server temporarily unavailable"),
        133_010 => (400, "Phone number not registered"),
        135_000 => (400, "Generic user error"),
        137_000 => (400, "Recipient identity key hash mismatch"),
        139_100 => (400, "Failed to block or unblock some users"),
        500..=599 => (code as u16, "An unknown error occurred"),
        _ => (400, "Error"),
    }
}
