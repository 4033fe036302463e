//! Puts updates into the envelope that Meta posts.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::json;
use super::message::{Message, Sender};
use super::sign::{Signer, sign};
use super::status::Status;
use crate::graph::error::MetaError;

/// The business number that an update is about, as `metadata` shows it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Metadata<'a> {
    /// Digits only.
    pub display_phone_number: &'a str,
    /// The Graph id.
    pub phone_number_id: &'a str,
}

/// One element of `changes[]`: a field's name and its value, already in Meta's JSON. `Debug` shows the field alone.
#[derive(Clone)]
pub struct Change {
    pub(super) field: Cow<'static, str>,
    pub(super) value_json: Vec<u8>,
}

impl Change {
    /// Any field with any value: also those that no host knows.
    pub fn new(field: impl Into<Cow<'static, str>>, value: &(impl Serialize + ?Sized)) -> Self {
        Self { field: field.into(), value_json: json::to_vec(value) }
    }

    /// Messages of one number, with the `contacts[]` of their senders (which system messages do not have).
    pub fn messages(number: Metadata<'_>, messages: &[Message]) -> Self {
        let mut contacts: Vec<&Sender> = Vec::with_capacity(messages.len());
        for message in messages.iter().filter(|message| message.kind != "system") {
            if !contacts.iter().any(|known| known.same_as(&message.sender)) {
                contacts.push(&message.sender);
            }
        }
        Self::new(
            "messages",
            &MessagesValue { messaging_product: "whatsapp", metadata: number, contacts, messages, statuses: &[], errors: &[] },
        )
    }

    /// Statuses of one number's messages.
    pub fn statuses(number: Metadata<'_>, statuses: &[Status]) -> Self {
        Self::new(
            "messages",
            &MessagesValue {
                messaging_product: "whatsapp",
                metadata: number,
                contacts: statuses.iter().filter_map(|status| status.contact.as_ref()).collect(),
                messages: &[],
                statuses,
                errors: &[],
            },
        )
    }

    /// Errors that belong to no message.
    pub fn errors(number: Metadata<'_>, errors: &[MetaError]) -> Self {
        let errors: Vec<_> = errors.iter().map(MetaError::to_webhook).collect();
        Self::new(
            "messages",
            &MessagesValue {
                messaging_product: "whatsapp",
                metadata: number,
                contacts: Vec::new(),
                messages: &[],
                statuses: &[],
                errors: &errors,
            },
        )
    }

    /// The field's name.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// The value as Meta's JSON.
    pub fn value_json(&self) -> &[u8] {
        &self.value_json
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Change({})", self.field)
    }
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed({} bytes)", self.body.len())
    }
}

/// The value of field `messages`.
#[derive(Serialize)]
struct MessagesValue<'a> {
    messaging_product: &'static str,
    metadata: Metadata<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    contacts: Vec<&'a Sender>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    messages: &'a [Message],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    statuses: &'a [Status],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Value],
}

/// A webhook POST in the making.
#[derive(Clone, Debug, Default)]
pub struct Webhook {
    changes: Vec<(String, Change)>,
    time_s: Option<u64>,
}

/// A body and the value of its signature header.
#[derive(Clone)]
pub struct Signed {
    /// The raw bytes to post.
    pub body: Bytes,
    /// For [`super::SIGNATURE_HEADER`].
    pub signature: String,
}

impl Webhook {
    /// Without updates.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a change. Changes of one account that follow each other share an `entry`.
    pub fn with(mut self, waba_id: impl Into<String>, change: Change) -> Self {
        self.changes.push((waba_id.into(), change));
        self
    }

    /// Gives the entries of all fields but `messages` their `time` (seconds).
    pub fn time(mut self, time_s: u64) -> Self {
        self.time_s = Some(time_s);
        self
    }

    /// The body as Meta would post it.
    pub fn to_bytes(&self) -> Bytes {
        envelope(self.changes.iter().map(|(waba_id, change)| (waba_id.as_str(), change)), self.time_s)
    }

    /// Body and signature.
    pub fn sign(&self, app_secret: &str) -> Signed {
        let body = self.to_bytes();
        let signature = sign(app_secret, &body);
        Signed { body, signature }
    }
}

pub(super) fn signed_envelope<'a>(changes: impl Iterator<Item = (&'a str, &'a Change)>, signer: &Signer, time_s: u64) -> Signed {
    let body = envelope(changes, Some(time_s));
    let signature = signer.sign(&body);
    Signed { body, signature }
}

/// `time` (seconds) stands in the entries of all fields but `messages`, as Meta has it.
fn envelope<'a>(changes: impl Iterator<Item = (&'a str, &'a Change)>, time_s: Option<u64>) -> Bytes {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(br#"{"object":"whatsapp_business_account","entry":["#);
    let mut open: Option<(&str, Option<u64>)> = None;
    for (waba_id, change) in changes {
        let time_s = time_s.filter(|_| change.field != "messages");
        if open == Some((waba_id, time_s)) {
            out.push(b',');
        } else {
            if open.is_some() {
                out.extend_from_slice(b"]},");
            }
            out.extend_from_slice(br#"{"id":"#);
            out.extend_from_slice(&json::to_vec(waba_id));
            if let Some(time_s) = time_s {
                out.extend_from_slice(format!(",\"time\":{time_s}").as_bytes());
            }
            out.extend_from_slice(br#","changes":["#);
            open = Some((waba_id, time_s));
        }
        out.extend_from_slice(br#"{"value":"#);
        out.extend_from_slice(&change.value_json);
        out.extend_from_slice(br#","field":"#);
        out.extend_from_slice(&json::to_vec(change.field.as_ref()));
        out.push(b'}');
    }
    if open.is_some() {
        out.extend_from_slice(b"]}");
    }
    out.extend_from_slice(b"]}");
    Bytes::from(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    const NUMBER: Metadata<'_> = Metadata { display_phone_number: "15550100001", phone_number_id: "1001" };

    fn parsed(webhook: &Webhook) -> Value {
        serde_json::from_slice(&webhook.to_bytes()).unwrap()
    }

    #[test]
    fn changes_of_one_account_share_an_entry_and_only_account_fields_carry_time() {
        let text = |id: &str| {
            let ada = Sender::phone("16505551234", "Ada");
            Change::messages(NUMBER, &[Message::text(ada, id, 5, "hi")])
        };
        let body = parsed(
            &Webhook::new()
                .with("2001", text("a"))
                .with("2001", text("b"))
                .with("2001", Change::new("account_update", &json!({"event": "X"})))
                .with("2002", text("c"))
                .time(9),
        );
        assert_eq!(body["object"], "whatsapp_business_account");
        let entries = body["entry"].as_array().unwrap();
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[0]["changes"].as_array().unwrap().len(), 2);
        assert_eq!(entries[0].get("time"), None);
        assert_eq!(entries[1]["time"], 9);
        assert_eq!(entries[2]["id"], "2002");
        assert_eq!(
            entries[0]["changes"][0]["value"],
            json!({
                "messaging_product": "whatsapp",
                "metadata": {"display_phone_number": "15550100001", "phone_number_id": "1001"},
                "contacts": [{"profile": {"name": "Ada"}, "wa_id": "16505551234"}],
                "messages": [{"from": "16505551234", "id": "a", "timestamp": "5", "type": "text", "text": {"body": "hi"}}],
            })
        );
        assert_eq!(parsed(&Webhook::new())["entry"], json!([]));
    }

    #[test]
    fn a_sender_without_a_visible_phone_has_no_phone_keys() {
        let eve = Sender::user_id("EG.99", "Eve");
        let body = parsed(&Webhook::new().with("2001", Change::messages(NUMBER, &[Message::text(eve, "a", 5, "hi")])));
        let value = &body["entry"][0]["changes"][0]["value"];
        assert_eq!(value["contacts"][0], json!({"profile": {"name": "Eve"}, "user_id": "EG.99"}));
        assert_eq!(value["messages"][0].get("from"), None);
        assert_eq!(value["messages"][0]["from_user_id"], "EG.99");
    }
}
