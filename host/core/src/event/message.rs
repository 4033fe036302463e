//! What players write, tap and send.

use serde::{Deserialize, Serialize};

use crate::time::UnixMs;

/// A message of the player's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Meta's id. It contains the phone number: never shown to flows or logs.
    pub wamid: Wamid,
    /// When the player sent it, as Meta says; the time of receipt where Meta says nothing usable.
    pub sent_at: UnixMs,
    /// What it says.
    pub content: Inbound,
    /// Meta's id of the message that this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Wamid>,
    /// Forwarded from elsewhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forwarded: bool,
    /// From an ad or post that leads into the chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referral: Option<Referral>,
    /// The name the user gave themselves in WhatsApp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_name: Option<String>,
    /// Changes when the user behind the number changes (Meta's identity check).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_key_hash: Option<String>,
}

/// Meta's id of a message. Its text contains the phone number, so `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wamid(pub Box<str>);

impl Wamid {
    /// The id as Meta writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Wamid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wamid(hidden)")
    }
}

/// What a player's message says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inbound {
    /// Plain text.
    Text(String),
    /// A picture.
    Image(Media),
    /// A video.
    Video(Media),
    /// A sound or voice note.
    Audio(Media),
    /// A file.
    Document(Media),
    /// A sticker.
    Sticker(Media),
    /// A place.
    Location(Location),
    /// Contact cards.
    Contacts(SharedContacts),
    /// A reply button of an interactive message.
    Button(Choice),
    /// A row of a list.
    ListItem(Choice),
    /// A quick-reply button of a template.
    QuickReply(QuickReply),
    /// An answered form (WhatsApp Flow) or address.
    Form(Form),
    /// An emoji on a message.
    Reaction(Reaction),
    /// A cart.
    Order(Order),
    /// Meta says only that there was something; its type if told.
    Unsupported(Option<String>),
    /// A type we do not know: its name and its JSON.
    Extension(Extension),
}

impl Inbound {
    /// The type's name, for logs and metrics; unknown ones share one name so that no sender can make up labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Image(_) => "image",
            Self::Video(_) => "video",
            Self::Audio(_) => "audio",
            Self::Document(_) => "document",
            Self::Sticker(_) => "sticker",
            Self::Location(_) => "location",
            Self::Contacts(_) => "contacts",
            Self::Button(_) => "button",
            Self::ListItem(_) => "list-item",
            Self::QuickReply(_) => "quick-reply",
            Self::Form(_) => "form",
            Self::Reaction(_) => "reaction",
            Self::Order(_) => "order",
            Self::Unsupported(_) => "unsupported",
            Self::Extension(_) => "extension",
        }
    }

    /// The id of the button or row that the player picked, if it is one.
    pub fn picked_id(&self) -> Option<&str> {
        match self {
            Self::Button(choice) | Self::ListItem(choice) => Some(&choice.id),
            Self::QuickReply(reply) => Some(&reply.payload),
            _ => None,
        }
    }
}

/// A name and a JSON document: how what we do not know travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// As the sender named it.
    pub name: String,
    /// JSON.
    pub value: String,
}

/// A file that lies at Meta.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Meta's media id, valid for 7 days.
    pub id: String,
    /// As Meta tells it; not to be trusted.
    pub mime_type: String,
    /// Digest of the bytes, base64, if told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Text under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// As the sender named it; not to be trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// A recorded voice note.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub voice: bool,
}

/// A place on earth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// Degrees.
    pub latitude: f64,
    /// Degrees.
    pub longitude: f64,
    /// The place's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The place's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// Contact cards that the player sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedContacts {
    /// At least one.
    pub cards: Vec<ContactCard>,
    /// Origin `contact_request`: the answer to our request, hence the player's own card. Any other card proves nothing.
    pub requested: bool,
}

/// One contact card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactCard {
    /// The formatted name.
    pub name: String,
    /// Phone numbers as written on the card.
    pub phones: Vec<String>,
}

/// A tapped button or list row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The id that the flow gave it.
    pub id: String,
    /// What the player read.
    pub title: String,
}

/// A tapped quick-reply button of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuickReply {
    /// Set when the template was sent.
    pub payload: String,
    /// What the player read.
    pub text: String,
}

/// An answered form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// `flow`, `address_message`, ...
    pub name: String,
    /// JSON; usually an object, not always.
    pub response: String,
}

/// An emoji put on, or taken off, a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// The message it is on.
    pub target: Wamid,
    /// None when it was taken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emoji: Option<String>,
}

/// A cart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The catalog's id.
    pub catalog: String,
    /// A note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What is in it.
    pub items: Vec<OrderItem>,
}

/// A position of a cart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderItem {
    /// The retailer's product id.
    pub product: String,
    /// How many.
    pub quantity: u32,
    /// In units of the currency.
    pub price: f64,
    /// ISO 4217.
    pub currency: String,
}

/// The ad or post that led into the chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Referral {
    /// `ad` or `post`.
    pub source_type: String,
    /// Meta's id of it.
    pub source_id: String,
    /// Its headline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headline: Option<String>,
    /// Its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}
