//! Limits of all message types but interactive messages and templates.

use serde_json::Value;

use super::check::{self, list, object, optional_text, text};
use super::interactive;
use crate::graph::error::{MetaError, make};
use crate::graph::media::{MediaKind, MediaStore};
use crate::ids::wamid_party;

const TEXT_CHARS_MAX: usize = 4096;
const CAPTION_CHARS_MAX: usize = 1024;
const OPAQUE_CHARS_MAX: usize = 512;

/// Why a message that is well-formed will still fail, after Meta has said 200.
pub(crate) type Late = Option<MetaError>;

/// The Graph API takes objects and lists also as JSON inside a text; here, for the content of a message.
pub(crate) fn unfold(request: &mut Value) {
    let Some(kind) = request["type"].as_str().map(str::to_owned) else {
        return;
    };
    if let Some(Value::String(text)) = request.get(&kind)
        && let Ok(content @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text)
    {
        request[kind] = content;
    }
}

/// Checks what stands around the content.
pub(crate) fn envelope(request: &Value) -> Result<(), MetaError> {
    if request["messaging_product"] != "whatsapp" {
        return Err(make::invalid("The parameter messaging_product is required."));
    }
    match request["recipient_type"].as_str() {
        None | Some("individual") => {}
        Some("group") => {
            return Err(make::bad_value("This number may not send to groups."));
        }
        Some(_) => {
            return Err(make::invalid("Param recipient_type must be one of {INDIVIDUAL, GROUP}."));
        }
    }
    if let Some(mark) = optional_text(request, "biz_opaque_callback_data", "message")? {
        check::param_length("biz_opaque_callback_data", mark, OPAQUE_CHARS_MAX)?;
    }
    if !request["context"].is_null() {
        let context = object(request, "context", "message")?;
        text(context, "message_id", "context")?;
    }
    Ok(())
}

/// Checks the object of the message's type.
pub(crate) fn content(request: &Value, kind: &str, media: &MediaStore) -> Result<Late, MetaError> {
    match kind {
        "text" => text_message(object(request, kind, "message")?)?,
        "image" | "video" | "audio" | "document" | "sticker" => {
            return media_object(object(request, kind, "message")?, kind, media);
        }
        "location" => location(object(request, kind, "message")?)?,
        "contacts" => contacts(list(request, kind, "message")?)?,
        "reaction" => reaction(object(request, kind, "message")?)?,
        "interactive" => {
            return interactive::check(object(request, kind, "message")?, media);
        }
        other => {
            return Err(make::invalid(format!(
                "Param type must be one of {{AUDIO, CONTACTS, DOCUMENT, IMAGE, INTERACTIVE, LOCATION, REACTION, \
                 STICKER, TEMPLATE, TEXT, VIDEO}} - got \"{other}\"."
            )));
        }
    }
    Ok(None)
}

fn text_message(content: &Value) -> Result<(), MetaError> {
    let body = text(content, "body", "text")?;
    check::param_length("text['body']", body, TEXT_CHARS_MAX)?;
    match &content["preview_url"] {
        Value::Null | Value::Bool(_) => Ok(()),
        _ => Err(make::invalid("Param text['preview_url'] must be a boolean.")),
    }
}

/// An uploaded file or a link; shared with headers.
pub(crate) fn media_object(content: &Value, kind: &str, media: &MediaStore) -> Result<Late, MetaError> {
    if let Some(caption) = optional_text(content, "caption", kind)? {
        if matches!(kind, "audio" | "sticker") {
            return Err(make::invalid(format!("Unexpected key \"caption\" on param \"{kind}\".")));
        }
        check::param_length(&format!("{kind}['caption']"), caption, CAPTION_CHARS_MAX)?;
    }
    let id = optional_text(content, "id", kind)?;
    let link = optional_text(content, "link", kind)?;
    match (id, link) {
        (Some(id), None) => {
            let Some(mime_type) = media.mime_type(id) else {
                return Err(make::invalid(format!("Param {kind}['id'] is not a valid whatsapp business account media attachment ID.")));
            };
            let fits = MediaKind::of_mime(&mime_type).is_some_and(|found| found.as_str() == kind);
            Ok((!fits).then(|| MetaError::new(131_053, format!("Media upload error: {mime_type} is not supported for {kind}."))))
        }
        (None, Some(link)) => {
            check::web_url(&format!("{kind}['link']"), link)?;
            Ok(None)
        }
        _ => Err(make::invalid(format!("Exactly one of {kind}['id'] and {kind}['link'] is required."))),
    }
}

fn location(content: &Value) -> Result<(), MetaError> {
    for (key, bound) in [("latitude", 90.0), ("longitude", 180.0)] {
        let degrees = match &content[key] {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.parse().ok(),
            Value::Null => return Err(make::missing(&format!("location['{key}']"))),
            _ => None,
        };
        if degrees.is_none_or(|degrees: f64| degrees.abs() > bound) {
            return Err(make::bad_value(format!("Param location['{key}'] must be a number of degrees.")));
        }
    }
    optional_text(content, "name", "location")?;
    optional_text(content, "address", "location")?;
    Ok(())
}

fn contacts(cards: &[Value]) -> Result<(), MetaError> {
    if cards.is_empty() {
        return Err(make::missing("contacts"));
    }
    for card in cards {
        let name = object(card, "name", "contacts")?;
        text(name, "formatted_name", "contacts['name']")?;
    }
    Ok(())
}

fn reaction(content: &Value) -> Result<(), MetaError> {
    let target = text(content, "message_id", "reaction")?;
    if wamid_party(target).is_none() {
        return Err(make::bad_value("Param reaction['message_id'] is not a message ID."));
    }
    // An empty emoji removes the reaction.
    match optional_text(content, "emoji", "reaction")? {
        Some(emoji) if emoji.is_ascii() && !emoji.is_empty() => Err(make::bad_value("Param reaction['emoji'] is not an emoji.")),
        Some(_) => Ok(()),
        None => Err(make::missing("reaction['emoji']")),
    }
}
