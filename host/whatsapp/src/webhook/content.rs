//! What a message says: its body, by its type.
//!
//! A body that Meta leaves out reads as unsupported: the player did write. A body of another shape is refused, and kept.

use std::borrow::Cow;
use std::collections::HashMap;

use questline_core::event::{Choice, Extension, Form, Inbound, Location, Media, Order, OrderItem, QuickReply, Reaction, Wamid};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::cards;
use super::envelope::object;
use super::message::{Head, TextBody, WAMID_BYTES_MAX};
use super::notice::{Reason, Refused};
use crate::lax::{Flag, Int, List, Real, Text};

/// Bytes of a text; WhatsApp takes 65,536 characters, and 4,096 of them are usual.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Bytes of the JSON of a type that we do not know; a longer one is kept as a notice.
pub const EXTENSION_BYTES_MAX: usize = 16 * 1024;
/// Bytes of an answered form; a longer one is kept as a notice.
pub const FORM_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a caption, an address, a note.
const CAPTION_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a button's id or payload.
const PAYLOAD_BYTES_MAX: usize = 1024;
/// Bytes of a name, a title, an id.
const NAME_BYTES_MAX: usize = 256;
/// Bytes of an emoji; the longest sequences have about 40.
const EMOJI_BYTES_MAX: usize = 64;
/// Positions of a cart.
const ORDER_ITEMS_MAX: usize = 128;
/// Bytes of a type's name.
const KIND_BYTES_MAX: usize = 64;

/// Reads the body that the type names. `raw` is the whole message, where it is at hand.
pub(super) fn read(head: Head<'_>, raw: Option<&RawValue>) -> Result<Inbound, Refused> {
    let kind = head.kind.get().unwrap_or_default();
    let missing = || Ok(Inbound::Unsupported(Some(kind.to_owned())));
    match kind {
        "text" => head.text.0.map_or_else(missing, text),
        "image" => head.image.map_or_else(missing, |body| media(body).map(Inbound::Image)),
        "video" => head.video.map_or_else(missing, |body| media(body).map(Inbound::Video)),
        "audio" | "voice" => head.audio.map_or_else(missing, |body| media(body).map(Inbound::Audio)),
        "document" => head.document.map_or_else(missing, |body| media(body).map(Inbound::Document)),
        "sticker" => head.sticker.map_or_else(missing, |body| media(body).map(Inbound::Sticker)),
        "location" => head.location.map_or_else(missing, location),
        "contacts" => head.contacts.map_or_else(missing, |body| cards::read(body, &head.origin)),
        "interactive" => head.interactive.map_or_else(missing, interactive),
        "button" => head.button.map_or_else(missing, quick_reply),
        "reaction" => head.reaction.map_or_else(missing, reaction),
        "order" => head.order.map_or_else(missing, order),
        "unsupported" | "unknown" => Ok(Inbound::Unsupported(told_type(head.unsupported))),
        // A player with a coexistence number edited or took back a message; others' edits come as unsupported ones.
        // Their bodies name messages, and with them the phone number, so they do not travel on as extensions.
        "edit" | "revoke" => missing(),
        "" if head.errors.is_some() => Ok(Inbound::Unsupported(None)),
        "" => Err(Refused::detailed(Reason::Unreadable, "no type")),
        _ => extension(kind, raw, kind),
    }
}

fn text(body: TextBody<'_>) -> Result<Inbound, Refused> {
    let text = body.body.take_any(TEXT_BYTES_MAX).ok_or_else(|| lacks("text.body"))?;
    Ok(Inbound::Text(text))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MediaBody<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    mime_type: Text<'a>,
    #[serde(borrow)]
    sha256: Text<'a>,
    #[serde(borrow)]
    caption: Text<'a>,
    #[serde(borrow)]
    filename: Text<'a>,
    voice: Flag,
}

fn media(body: &RawValue) -> Result<Media, Refused> {
    let body: MediaBody<'_> = object(body)?;
    Ok(Media {
        id: body.id.take_whole(NAME_BYTES_MAX).ok_or_else(|| lacks("a media id"))?,
        mime_type: body.mime_type.take(NAME_BYTES_MAX).unwrap_or_else(|| "application/octet-stream".to_owned()),
        sha256: body.sha256.take_whole(NAME_BYTES_MAX),
        caption: body.caption.take(CAPTION_BYTES_MAX),
        filename: body.filename.take(NAME_BYTES_MAX),
        voice: body.voice.0,
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LocationBody<'a> {
    latitude: Real,
    longitude: Real,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    address: Text<'a>,
}

fn location(body: &RawValue) -> Result<Inbound, Refused> {
    let body: LocationBody<'_> = object(body)?;
    let (Some(latitude), Some(longitude)) = (body.latitude.0, body.longitude.0) else {
        return Err(lacks("coordinates"));
    };
    if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
        return Err(Refused::detailed(Reason::Unreadable, "coordinates are not on earth"));
    }
    let name = body.name.take(CAPTION_BYTES_MAX);
    Ok(Inbound::Location(Location { latitude, longitude, name, address: body.address.take(CAPTION_BYTES_MAX) }))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InteractiveBody<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    button_reply: Option<&'a RawValue>,
    #[serde(borrow)]
    list_reply: Option<&'a RawValue>,
    #[serde(borrow)]
    nfm_reply: Option<&'a RawValue>,
}

fn interactive(raw: &RawValue) -> Result<Inbound, Refused> {
    let body: InteractiveBody<'_> = object(raw)?;
    let missing = || Ok(Inbound::Unsupported(Some("interactive".to_owned())));
    match body.kind.get().unwrap_or_default() {
        "button_reply" => body.button_reply.map_or_else(missing, |body| choice(body).map(Inbound::Button)),
        "list_reply" => body.list_reply.map_or_else(missing, |body| choice(body).map(Inbound::ListItem)),
        "nfm_reply" => body.nfm_reply.map_or_else(missing, form),
        "" => missing(),
        kind => extension(&format!("interactive/{kind}"), Some(raw), kind),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ChoiceBody<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    title: Text<'a>,
}

fn choice(body: &RawValue) -> Result<Choice, Refused> {
    let body: ChoiceBody<'_> = object(body)?;
    let id = body.id.take_whole(PAYLOAD_BYTES_MAX).ok_or_else(|| lacks("the id of a choice"))?;
    Ok(Choice { id, title: body.title.take(NAME_BYTES_MAX).unwrap_or_default() })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FormBody<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    response_json: Option<&'a RawValue>,
}

/// Meta puts the answer into a string of JSON; what is in it may be no object, and no JSON.
fn form(body: &RawValue) -> Result<Inbound, Refused> {
    let body: FormBody<'_> = object(body)?;
    let response = match body.response_json.map(RawValue::get) {
        None => "null".to_owned(),
        Some(raw) if !raw.starts_with('"') => raw.to_owned(),
        Some(raw) => {
            let text: Cow<'_, str> =
                serde_json::from_str::<Text<'_>>(raw).map_err(|error| Refused::unreadable(&error))?.into_inner().unwrap_or_default();
            // A string that holds JSON stays as it is; any other one is JSON as it was written.
            if serde_json::from_str::<IgnoredAny>(&text).is_ok() { text.into_owned() } else { raw.to_owned() }
        }
    };
    if response.len() > FORM_BYTES_MAX {
        return Err(Refused::because(Reason::TooLarge));
    }
    Ok(Inbound::Form(Form { name: body.name.take(NAME_BYTES_MAX).unwrap_or_else(|| "flow".to_owned()), response }))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ButtonBody<'a> {
    #[serde(borrow)]
    payload: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
}

/// A template's quick reply. Without a payload of its own a button comes back with its text.
fn quick_reply(body: &RawValue) -> Result<Inbound, Refused> {
    let body: ButtonBody<'_> = object(body)?;
    let text = body.text.take(NAME_BYTES_MAX);
    let payload = body.payload.take_whole(PAYLOAD_BYTES_MAX).or_else(|| text.clone());
    let payload = payload.ok_or_else(|| lacks("a button's payload"))?;
    Ok(Inbound::QuickReply(QuickReply { payload, text: text.unwrap_or_default() }))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ReactionBody<'a> {
    #[serde(borrow)]
    message_id: Text<'a>,
    #[serde(borrow)]
    emoji: Text<'a>,
}

fn reaction(body: &RawValue) -> Result<Inbound, Refused> {
    let body: ReactionBody<'_> = object(body)?;
    let target = body.message_id.take_whole(WAMID_BYTES_MAX).ok_or_else(|| lacks("a reaction's target"))?;
    Ok(Inbound::Reaction(Reaction { target: Wamid(target.into()), emoji: body.emoji.take(EMOJI_BYTES_MAX) }))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OrderBody<'a> {
    #[serde(borrow)]
    catalog_id: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    product_items: List<OrderItemBody<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OrderItemBody<'a> {
    #[serde(borrow)]
    product_retailer_id: Text<'a>,
    quantity: Int,
    item_price: Real,
    #[serde(borrow)]
    currency: Text<'a>,
}

fn order(body: &RawValue) -> Result<Inbound, Refused> {
    let body: OrderBody<'_> = object(body)?;
    let item = |item: OrderItemBody<'_>| OrderItem {
        product: item.product_retailer_id.take(NAME_BYTES_MAX).unwrap_or_default(),
        quantity: item.quantity.unsigned().and_then(|quantity| u32::try_from(quantity).ok()).unwrap_or(0),
        price: item.item_price.0.unwrap_or(0.0),
        currency: item.currency.take(NAME_BYTES_MAX).unwrap_or_default(),
    };
    Ok(Inbound::Order(Order {
        catalog: body.catalog_id.take(NAME_BYTES_MAX).unwrap_or_default(),
        text: body.text.take(CAPTION_BYTES_MAX),
        items: body.product_items.into_items().into_iter().take(ORDER_ITEMS_MAX).map(item).collect(),
    }))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UnsupportedBody<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
}

fn told_type(body: Option<&RawValue>) -> Option<String> {
    object::<UnsupportedBody<'_>>(body?).ok()?.kind.take(KIND_BYTES_MAX)
}

/// A type that we do not know, with the part of `raw` that bears its name. The rest of a message names its sender, which
/// is not a flow's to know.
fn extension(name: &str, raw: Option<&RawValue>, key: &str) -> Result<Inbound, Refused> {
    let raw = raw.ok_or_else(|| Refused::because(Reason::Unreadable))?;
    let parts: HashMap<Cow<'_, str>, &RawValue> = object(raw)?;
    let value = parts.get(key).map_or("null", |value| value.get());
    if value.len() > EXTENSION_BYTES_MAX {
        return Err(Refused::because(Reason::TooLarge));
    }
    Ok(Inbound::Extension(Extension { name: crate::bound::cut(name, KIND_BYTES_MAX).to_owned(), value: value.to_owned() }))
}

fn lacks(what: &'static str) -> Refused {
    Refused::detailed(Reason::Unreadable, &format!("it lacks {what}"))
}
