//! One element of `statuses[]`.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

use super::message::Sender;
use crate::graph::error::MetaError;
use crate::ledger::Recipient;

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusKind {
    /// Meta has sent it on.
    Sent,
    /// It is on the player's device.
    Delivered,
    /// The player has seen it.
    Read,
    /// The player has heard a voice message.
    Played,
    /// It will not arrive; `errors` says why.
    Failed,
}

impl StatusKind {
    /// As Meta writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Played => "played",
            Self::Failed => "failed",
        }
    }
}

/// What Meta charges, under the per-message pricing in force since July 2025.
#[derive(Clone, Copy, Debug)]
pub struct Pricing {
    /// `service`, `utility`, `marketing`, `authentication`, ...
    pub category: &'static str,
    /// `regular`, `free_customer_service` or `free_entry_point`.
    pub kind: &'static str,
}

/// One element of `statuses[]`.
#[derive(Clone)]
pub struct Status {
    /// The wamid that the send was answered with.
    pub id: String,
    /// How far it has come.
    pub kind: StatusKind,
    /// Seconds since the Unix epoch.
    pub timestamp_s: u64,
    /// `recipient_id` or `recipient_user_id`: what the message was sent to.
    pub recipient: Recipient,
    /// Stands in `contacts[]`. Meta leaves it out of failures.
    pub contact: Option<Sender>,
    /// The sender's mark, given back.
    pub biz_opaque_callback_data: Option<String>,
    /// Only on `sent` and on the first of `delivered` and `read`.
    pub pricing: Option<Pricing>,
    /// Why it failed.
    pub errors: Vec<MetaError>,
    /// Any further keys.
    pub extra: Map<String, Value>,
}

impl Status {
    /// A status without contact, mark and pricing.
    pub fn new(id: impl Into<String>, kind: StatusKind, timestamp_s: u64, recipient: Recipient) -> Self {
        Self {
            id: id.into(),
            kind,
            timestamp_s,
            recipient,
            contact: None,
            biz_opaque_callback_data: None,
            pricing: None,
            errors: Vec::new(),
            extra: Map::new(),
        }
    }

    /// A failure.
    pub fn failed(id: impl Into<String>, timestamp_s: u64, recipient: Recipient, error: MetaError) -> Self {
        Self { errors: vec![error], ..Self::new(id, StatusKind::Failed, timestamp_s, recipient) }
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("status", self.kind.as_str())?;
        map.serialize_entry("timestamp", &format_args!("{}", self.timestamp_s))?;
        // The BSUID stands in all statuses but failures of messages that were sent to a phone.
        let known_id = self.contact.as_ref().and_then(|contact| contact.user_id.as_ref());
        match &self.recipient {
            Recipient::Phone(wa_id) => {
                map.serialize_entry("recipient_id", wa_id)?;
                if let Some(id) = known_id.filter(|_| self.kind != StatusKind::Failed) {
                    map.serialize_entry("recipient_user_id", id)?;
                }
            }
            Recipient::UserId(id) => map.serialize_entry("recipient_user_id", id)?,
        }
        if let Some(mark) = &self.biz_opaque_callback_data {
            map.serialize_entry("biz_opaque_callback_data", mark)?;
        }
        if let Some(pricing) = &self.pricing {
            let pricing = json!({
                "billable": pricing.kind == "regular",
                "pricing_model": "PMP",
                "category": pricing.category,
                "type": pricing.kind,
            });
            map.serialize_entry("pricing", &pricing)?;
        }
        if !self.errors.is_empty() {
            let errors: Vec<_> = self.errors.iter().map(MetaError::to_webhook).collect();
            map.serialize_entry("errors", &errors)?;
        }
        for (key, value) in &self.extra {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}
