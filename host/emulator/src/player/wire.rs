//! The form of what players send on Meta's wire.

use serde_json::{Map, Value, json};

use super::content::{Card, Context, Inbound, MediaFile, OrderItem, Referral};
use crate::graph::error::MetaError;

impl MediaFile {
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

impl Context {
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
    /// Keys beside `type` and its object.
    pub(crate) fn extra_on_wire(&self) -> Map<String, Value> {
        let mut extra = Map::new();
        match self {
            Self::Unsupported { code, .. } => {
                let error = MetaError::new(*code, "The message cannot be passed on.");
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
            Self::Unsupported { kind, .. } => ("unsupported", json!({ "type": kind })),
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
