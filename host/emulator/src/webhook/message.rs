//! One inbound message as it stands in `messages[]`, and the sender as `contacts[]` and `from` show it.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};

/// How the sender's phone number appears in `from` and `wa_id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SenderField {
    /// This text. A BSUID here, or an empty text, are variants that Meta has been seen to post.
    Text(String),
    /// The key is absent: a user with a username whose phone the business may not see.
    Missing,
    /// The key is there with `null`.
    Null,
}

/// Who sent a message: phone, business-scoped user id (BSUID), or both.
#[derive(Clone)]
pub struct Sender {
    /// `from` and `wa_id`.
    pub phone: SenderField,
    /// `from_user_id` and `user_id`.
    pub user_id: Option<String>,
    /// `from_parent_user_id` and `parent_user_id`.
    pub parent_user_id: Option<String>,
    /// `profile.name`.
    pub name: Option<String>,
    /// `profile.username`.
    pub username: Option<String>,
    /// `identity_key_hash`: only where the business has turned Meta's identity check on.
    pub identity_key_hash: Option<String>,
}

impl Sender {
    /// A sender with a visible phone and no BSUID.
    pub fn phone(wa_id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            phone: SenderField::Text(wa_id.into()),
            user_id: None,
            parent_user_id: None,
            name: Some(name.into()),
            username: None,
            identity_key_hash: None,
        }
    }

    /// A sender known by BSUID alone.
    pub fn user_id(user_id: impl Into<String>, name: impl Into<String>) -> Self {
        Self { phone: SenderField::Missing, user_id: Some(user_id.into()), ..Self::phone(String::new(), name) }
    }

    fn entry<M: SerializeMap>(map: &mut M, key: &'static str, phone: &SenderField) -> Result<(), M::Error> {
        match phone {
            SenderField::Text(text) => map.serialize_entry(key, text),
            SenderField::Null => map.serialize_entry(key, &()),
            SenderField::Missing => Ok(()),
        }
    }

    pub(crate) fn same_as(&self, other: &Self) -> bool {
        self.phone == other.phone && self.user_id == other.user_id
    }
}

/// The form of `contacts[]`.
impl Serialize for Sender {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut profile = Map::new();
        if let Some(name) = &self.name {
            profile.insert("name".into(), name.as_str().into());
        }
        if let Some(username) = &self.username {
            profile.insert("username".into(), username.as_str().into());
        }
        map.serialize_entry("profile", &profile)?;
        Self::entry(&mut map, "wa_id", &self.phone)?;
        if let Some(id) = &self.user_id {
            map.serialize_entry("user_id", id)?;
        }
        if let Some(id) = &self.parent_user_id {
            map.serialize_entry("parent_user_id", id)?;
        }
        if let Some(hash) = &self.identity_key_hash {
            map.serialize_entry("identity_key_hash", hash)?;
        }
        map.end()
    }
}

/// One element of `messages[]`.
#[derive(Clone)]
pub struct Message {
    /// Who sent it.
    pub sender: Sender,
    /// The wamid.
    pub id: String,
    /// Seconds since the Unix epoch.
    pub timestamp_s: u64,
    /// Meta writes the timestamp as a string; true writes a number.
    pub timestamp_as_number: bool,
    /// `type`, and the key of `content`.
    pub kind: String,
    /// The object under the key `kind`; `None` leaves it out.
    pub content: Option<Value>,
    /// `context`: what it answers, or that it was forwarded.
    pub context: Option<Value>,
    /// Any further keys: `referral`, `errors`, `identity`, `group_id`.
    pub extra: Map<String, Value>,
}

impl Message {
    /// A message of any type: see [`crate::Inbound`] for well-formed contents.
    pub fn new(sender: Sender, id: impl Into<String>, timestamp_s: u64, kind: impl Into<String>, content: Value) -> Self {
        Self {
            sender,
            id: id.into(),
            timestamp_s,
            timestamp_as_number: false,
            kind: kind.into(),
            content: Some(content),
            context: None,
            extra: Map::new(),
        }
    }

    /// A text.
    pub fn text(sender: Sender, id: impl Into<String>, timestamp_s: u64, body: impl Into<String>) -> Self {
        let body: String = body.into();
        Self::new(sender, id, timestamp_s, "text", json!({ "body": body }))
    }

    /// Any content that players can send.
    pub fn inbound(sender: Sender, id: impl Into<String>, timestamp_s: u64, inbound: &crate::Inbound) -> Self {
        let (kind, content) = inbound.to_wire();
        let mut message = Self::new(sender, id, timestamp_s, kind, Value::Null);
        message.content = content;
        message.extra = inbound.extra_on_wire();
        message
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(context) = &self.context {
            map.serialize_entry("context", context)?;
        }
        Sender::entry(&mut map, "from", &self.sender.phone)?;
        if let Some(id) = &self.sender.user_id {
            map.serialize_entry("from_user_id", id)?;
        }
        if let Some(id) = &self.sender.parent_user_id {
            map.serialize_entry("from_parent_user_id", id)?;
        }
        map.serialize_entry("id", &self.id)?;
        if self.timestamp_as_number {
            map.serialize_entry("timestamp", &self.timestamp_s)?;
        } else {
            map.serialize_entry("timestamp", &format_args!("{}", self.timestamp_s))?;
        }
        map.serialize_entry("type", &self.kind)?;
        if let Some(content) = &self.content {
            map.serialize_entry(&self.kind, content)?;
        }
        for (key, value) in &self.extra {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}
