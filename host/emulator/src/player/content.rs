//! What a player can send, and its form on Meta's wire.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::graph::error::MetaError;

/// One thing that arrives from a player. `&str` and `String` become [`Inbound::Text`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Inbound {
    /// A text.
    Text(String),
    /// A picture.
    Image {
        /// The file.
        file: MediaFile,
        /// Text under it.
        caption: Option<String>,
    },
    /// A video.
    Video {
        /// The file.
        file: MediaFile,
        /// Text under it.
        caption: Option<String>,
    },
    /// Sound.
    Audio {
        /// The file.
        file: MediaFile,
        /// Recorded in the app, rather than attached.
        voice: bool,
    },
    /// Any other file.
    Document {
        /// The file.
        file: MediaFile,
        /// Its name.
        filename: String,
        /// Text under it.
        caption: Option<String>,
    },
    /// A sticker.
    Sticker {
        /// The file, WebP.
        file: MediaFile,
        /// Whether it moves.
        animated: bool,
    },
    /// A place.
    Location {
        /// Degrees.
        latitude: f64,
        /// Degrees.
        longitude: f64,
        /// Name of the place.
        name: Option<String>,
        /// Its address.
        address: Option<String>,
    },
    /// Contact cards.
    Contacts {
        /// The cards.
        cards: Vec<Card>,
        /// `contact_request` when it answers a request (then it is the sender's own), else `other`.
        origin: Option<&'static str>,
    },
    /// A tap on a reply button. [`crate::PlayerHandle::tap`] makes one from a received message.
    ButtonReply {
        /// The button's id.
        id: String,
        /// Its title.
        title: String,
    },
    /// A tap on a list row.
    ListReply {
        /// The row's id.
        id: String,
        /// Its title.
        title: String,
        /// Its description.
        description: Option<String>,
    },
    /// The end of a flow or an address form.
    FlowReply {
        /// `flow` or `address_message`.
        name: String,
        /// A JSON text; need not be an object.
        response_json: String,
    },
    /// A tap on a template's quick-reply button.
    QuickReply {
        /// The button's payload.
        payload: String,
        /// Its text.
        text: String,
    },
    /// A reaction, or its removal.
    Reaction {
        /// The message reacted to.
        message_id: String,
        /// `None` removes.
        emoji: Option<String>,
    },
    /// An order from a catalog.
    Order {
        /// The catalog.
        catalog_id: String,
        /// What the player wrote with it.
        text: String,
        /// What is ordered.
        items: Vec<OrderItem>,
    },
    /// System: the player has another phone number. [`crate::PlayerHandle::change_number`] does all that belongs to it.
    NumberChanged {
        /// What the app shows.
        body: String,
        /// The new number, digits.
        wa_id: String,
        /// The new BSUID, which a new number brings with it.
        user_id: Option<String>,
    },
    /// System: the player has another BSUID.
    UserIdChanged {
        /// What the app shows.
        body: String,
        /// The new id.
        user_id: String,
        /// The one before.
        previous_user_id: String,
    },
    /// System: the player's encryption identity changed, for example with a new phone.
    IdentityChanged {
        /// What the app shows.
        body: String,
        /// The hash to compare with.
        hash: String,
        /// Seconds since the Unix epoch.
        created_timestamp_s: u64,
    },
    /// A kind that the Cloud API does not pass on, with error 131051.
    Unsupported {
        /// `poll`, `edit`, ...
        kind: String,
    },
    /// Another text (or media) in place of an earlier message.
    Edit {
        /// The earlier message.
        original_message_id: String,
        /// Its new content.
        message: Box<Inbound>,
    },
    /// An earlier message taken back.
    Revoke {
        /// The earlier message.
        original_message_id: String,
    },
    /// The player opened the chat for the first time; no content.
    RequestWelcome,
    /// Any other type, known to Meta or not.
    Other {
        /// `type`.
        kind: String,
        /// The object under the key of that name; `None` leaves it out.
        content: Option<Value>,
    },
}

impl From<&str> for Inbound {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Inbound {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// A file that a player sends. The emulator stores it and serves it as Meta does.
#[derive(Clone, Debug)]
pub struct MediaFile {
    /// The bytes.
    pub bytes: Bytes,
    /// For example `image/jpeg`.
    pub mime_type: String,
    /// The media id; empty until the emulator gives one.
    pub id: String,
    /// Where it can be fetched directly (five minutes, with the token); set by the emulator.
    pub url: Option<String>,
}

impl MediaFile {
    /// A file without an id yet.
    pub fn new(mime_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), mime_type: mime_type.into(), id: String::new(), url: None }
    }

    fn to_wire(&self, more: Value) -> Value {
        let mut wire = Map::new();
        wire.insert("id".into(), self.id.as_str().into());
        wire.insert("mime_type".into(), self.mime_type.as_str().into());
        wire.insert("sha256".into(), crate::graph::media::sha256_base64(&self.bytes).into());
        if let Some(url) = &self.url {
            wire.insert("url".into(), url.as_str().into());
        }
        if let Value::Object(more) = more {
            wire.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
        }
        Value::Object(wire)
    }
}

/// A contact card.
#[derive(Clone, Debug)]
pub struct Card {
    /// The full name.
    pub formatted_name: String,
    /// Phone as written in the card.
    pub phone: String,
    /// The WhatsApp number behind it, if there is one (digits).
    pub wa_id: Option<String>,
}

/// One line of an order.
#[derive(Clone, Debug)]
pub struct OrderItem {
    /// The product in the catalog.
    pub product_retailer_id: String,
    /// How many.
    pub quantity: u32,
    /// Price of one.
    pub item_price: f64,
    /// For example `EUR`.
    pub currency: String,
}

/// What stands around a message: which one it answers, whether it was forwarded, which ad led here.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The wamid of the business's message that this one answers.
    pub reply_to: Option<String>,
    /// Forwarded up to five times.
    pub forwarded: bool,
    /// Forwarded more than five times.
    pub frequently_forwarded: bool,
    /// Asked from a product page: catalog id and product id.
    pub referred_product: Option<(String, String)>,
    /// The ad or post that was tapped.
    pub referral: Option<Referral>,
}

impl Context {
    /// Answers the message with this wamid.
    pub fn reply_to(wamid: impl Into<String>) -> Self {
        Self { reply_to: Some(wamid.into()), ..Self::default() }
    }

    /// `context` on the wire; `from` is the business number's digits.
    pub(crate) fn to_wire(&self, from: &str) -> Option<Value> {
        let mut wire = Map::new();
        if let Some(id) = &self.reply_to {
            wire.insert("from".into(), from.into());
            wire.insert("id".into(), id.as_str().into());
        }
        if self.forwarded {
            wire.insert("forwarded".into(), true.into());
        }
        if self.frequently_forwarded {
            wire.insert("frequently_forwarded".into(), true.into());
        }
        if let Some((catalog, product)) = &self.referred_product {
            let product = json!({"catalog_id": catalog, "product_retailer_id": product});
            wire.insert("referred_product".into(), product);
        }
        (!wire.is_empty()).then_some(Value::Object(wire))
    }
}

/// An ad or post that led a player here.
#[derive(Clone, Debug)]
pub struct Referral {
    /// Where it stands.
    pub source_url: String,
    /// Its id.
    pub source_id: String,
    /// `ad` or `post`.
    pub source_type: String,
    /// Its headline.
    pub headline: String,
    /// Its text.
    pub body: String,
    /// The click's id; absent for ads in Status.
    pub ctwa_clid: Option<String>,
}

impl Referral {
    pub(crate) fn to_wire(&self) -> Value {
        let mut wire = json!({
            "source_url": self.source_url,
            "source_id": self.source_id,
            "source_type": self.source_type,
            "headline": self.headline,
            "body": self.body,
            "media_type": "image",
            "image_url": "https://scontent.xx.fbcdn.net/ad.jpg",
        });
        if let Some(clid) = &self.ctwa_clid {
            wire["ctwa_clid"] = clid.as_str().into();
        }
        wire
    }
}

impl Inbound {
    /// The file inside, to be stored.
    pub(crate) fn file_mut(&mut self) -> Option<&mut MediaFile> {
        match self {
            Self::Image { file, .. }
            | Self::Video { file, .. }
            | Self::Audio { file, .. }
            | Self::Document { file, .. }
            | Self::Sticker { file, .. } => Some(file),
            Self::Edit { message, .. } => message.file_mut(),
            _ => None,
        }
    }

    /// Whether it opens the 24-hour window: system notices do not.
    pub(crate) fn opens_window(&self) -> bool {
        !matches!(self, Self::NumberChanged { .. } | Self::UserIdChanged { .. } | Self::IdentityChanged { .. })
    }

    /// Keys beside `type` and its object.
    pub(crate) fn extra_on_wire(&self) -> Map<String, Value> {
        let mut extra = Map::new();
        match self {
            Self::Unsupported { .. } => {
                let error = MetaError::new(131_051, "Message type is currently not supported.");
                extra.insert("errors".into(), json!([error.to_webhook()]));
            }
            Self::IdentityChanged { hash, created_timestamp_s, .. } => {
                let identity = json!({
                    "acknowledged": false,
                    "created_timestamp": created_timestamp_s.to_string(),
                    "hash": hash,
                });
                extra.insert("identity".into(), identity);
            }
            _ => {}
        }
        extra
    }

    /// `type` and the object under that key.
    pub(crate) fn to_wire(&self) -> (String, Option<Value>) {
        let (kind, content) = match self {
            Self::Text(body) => ("text", json!({ "body": body })),
            Self::Image { file, caption } => ("image", file.to_wire(json!({"caption": caption}))),
            Self::Video { file, caption } => ("video", file.to_wire(json!({"caption": caption}))),
            Self::Audio { file, voice } => ("audio", file.to_wire(json!({"voice": voice}))),
            Self::Document { file, filename, caption } => ("document", file.to_wire(json!({"filename": filename, "caption": caption}))),
            Self::Sticker { file, animated } => ("sticker", file.to_wire(json!({"animated": animated}))),
            Self::Location { latitude, longitude, name, address } => (
                "location",
                without_nulls(json!({
                    "latitude": latitude,
                    "longitude": longitude,
                    "name": name,
                    "address": address,
                })),
            ),
            Self::Contacts { cards, origin } => ("contacts", cards.iter().map(|card| card_on_wire(card, *origin)).collect()),
            Self::ButtonReply { id, title } => ("interactive", json!({"type": "button_reply", "button_reply": {"id": id, "title": title}})),
            Self::ListReply { id, title, description } => {
                let row = json!({"id": id, "title": title, "description": description});
                ("interactive", json!({"type": "list_reply", "list_reply": without_nulls(row)}))
            }
            Self::FlowReply { name, response_json } => (
                "interactive",
                json!({
                    "type": "nfm_reply",
                    "nfm_reply": {"name": name, "body": "Sent", "response_json": response_json},
                }),
            ),
            Self::QuickReply { payload, text } => ("button", json!({"payload": payload, "text": text})),
            Self::Reaction { message_id, emoji } => ("reaction", without_nulls(json!({"message_id": message_id, "emoji": emoji}))),
            Self::Order { catalog_id, text, items } => (
                "order",
                json!({
                    "catalog_id": catalog_id,
                    "text": text,
                    "product_items": items.iter().map(item_on_wire).collect::<Value>(),
                }),
            ),
            Self::NumberChanged { body, wa_id, user_id } => (
                "system",
                without_nulls(json!({
                    "body": body,
                    "wa_id": wa_id,
                    "user_id": user_id,
                    "type": "user_changed_number",
                })),
            ),
            Self::UserIdChanged { body, user_id, previous_user_id } => (
                "system",
                json!({
                    "body": body,
                    "user_id": user_id,
                    "previous_user_id": previous_user_id,
                    "type": "user_changed_user_id",
                }),
            ),
            Self::IdentityChanged { body, .. } => ("system", json!({"body": body, "type": "customer_identity_changed"})),
            Self::Unsupported { kind } => ("unsupported", json!({ "type": kind })),
            Self::Edit { original_message_id, message } => {
                let (kind, content) = message.to_wire();
                let mut message = Map::new();
                message.insert("type".into(), kind.as_str().into());
                if let Some(content) = content {
                    message.insert(kind, content);
                }
                ("edit", json!({"original_message_id": original_message_id, "message": message}))
            }
            Self::Revoke { original_message_id } => ("revoke", json!({ "original_message_id": original_message_id })),
            Self::RequestWelcome => return ("request_welcome".into(), None),
            Self::Other { kind, content } => return (kind.clone(), content.clone()),
        };
        (kind.into(), Some(content))
    }
}

fn card_on_wire(card: &Card, origin: Option<&str>) -> Value {
    let first_name = card.formatted_name.split(' ').next();
    let phone = json!({"phone": card.phone, "wa_id": card.wa_id, "type": "CELL"});
    without_nulls(json!({
        "name": {"formatted_name": card.formatted_name, "first_name": first_name},
        "phones": [without_nulls(phone)],
        "origin": origin,
    }))
}

fn item_on_wire(item: &OrderItem) -> Value {
    json!({
        "product_retailer_id": item.product_retailer_id,
        "quantity": item.quantity,
        "item_price": item.item_price,
        "currency": item.currency,
    })
}

/// Meta leaves absent keys out rather than writing `null`.
fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(map) = &mut value {
        map.retain(|_, value| !value.is_null());
    }
    value
}
