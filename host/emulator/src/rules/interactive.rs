//! Limits of interactive messages: buttons, lists, links, flows and requests.

use std::collections::HashSet;

use serde_json::Value;

use super::check::{length, list, object, optional_text, text, web_url};
use super::content::{Late, media_object};
use crate::graph::error::{MetaError, make};
use crate::graph::media::MediaStore;

const BODY_CHARS_MAX: usize = 1024;
const LIST_BODY_CHARS_MAX: usize = 4096;
const FOOTER_CHARS_MAX: usize = 60;
const HEADER_CHARS_MAX: usize = 60;
const BUTTONS_MAX: usize = 3;
const BUTTON_TITLE_CHARS_MAX: usize = 20;
const BUTTON_ID_CHARS_MAX: usize = 256;
const LIST_SECTIONS_MAX: usize = 10;
const LIST_ROWS_MAX: usize = 10;
const LIST_BUTTON_CHARS_MAX: usize = 20;
const ROW_TITLE_CHARS_MAX: usize = 24;
const ROW_ID_CHARS_MAX: usize = 200;
const ROW_DESCRIPTION_CHARS_MAX: usize = 72;
const LINK_TEXT_CHARS_MAX: usize = 20;
const FLOW_BUTTON_CHARS_MAX: usize = 30;

pub(crate) fn check(content: &Value, media: &MediaStore) -> Result<Late, MetaError> {
    let kind = text(content, "type", "interactive")?;
    body(content, kind)?;
    if !content["footer"].is_null() {
        let footer = object(content, "footer", "interactive")?;
        let footer = text(footer, "text", "interactive['footer']")?;
        length("Footer text", footer, FOOTER_CHARS_MAX)?;
    }
    let late = match &content["header"] {
        Value::Null => None,
        header => self::header(header, kind, media)?,
    };
    let action = object(content, "action", "interactive")?;
    match kind {
        "button" => buttons(action)?,
        "list" => sections(action)?,
        "cta_url" => {
            action_name(action, "cta_url")?;
            let parameters = object(action, "parameters", "action")?;
            let display_text = text(parameters, "display_text", "action['parameters']")?;
            length("CTA URL display text", display_text, LINK_TEXT_CHARS_MAX)?;
            let url = text(parameters, "url", "action['parameters']")?;
            web_url("action['parameters']['url']", url)?;
        }
        "flow" => flow(action)?,
        "location_request_message" => action_name(action, "send_location")?,
        "request_contact_info" => action_name(action, "request_contact_info")?,
        // Catalogs, calls and addresses: their bodies and headers are checked, their actions are taken as they are.
        "product" | "product_list" | "catalog_message" | "address_message" | "carousel" | "call_permission_request" | "voice_call" => {}
        other => {
            return Err(make::bad_value(format!("Interactive type \"{other}\" is not valid.")));
        }
    }
    Ok(late)
}

fn body(content: &Value, kind: &str) -> Result<(), MetaError> {
    // A single product needs no text.
    if kind == "product" && content["body"].is_null() {
        return Ok(());
    }
    let body = text(object(content, "body", "interactive")?, "text", "interactive['body']")?;
    let chars_max = match kind {
        "list" => LIST_BODY_CHARS_MAX,
        _ => BODY_CHARS_MAX,
    };
    length("Body text", body, chars_max)
}

fn header(header: &Value, kind: &str, media: &MediaStore) -> Result<Late, MetaError> {
    if matches!(kind, "location_request_message" | "request_contact_info") {
        return Err(make::bad_value(format!("A header is not allowed in interactive type {kind}.")));
    }
    let format = text(header, "type", "interactive['header']")?;
    match format {
        "text" => {
            let title = text(header, "text", "interactive['header']")?;
            length("Header text", title, HEADER_CHARS_MAX)?;
            Ok(None)
        }
        "image" | "video" | "document" if kind != "list" => media_object(object(header, format, "interactive['header']")?, format, media),
        _ => Err(make::bad_value(format!("Header type {format} is not allowed in interactive type {kind}."))),
    }
}

fn buttons(action: &Value) -> Result<(), MetaError> {
    let buttons = list(action, "buttons", "action")?;
    if buttons.is_empty() || buttons.len() > BUTTONS_MAX {
        return Err(make::bad_value(format!("Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: {BUTTONS_MAX}")));
    }
    let mut titles = HashSet::new();
    let mut ids = HashSet::new();
    for button in buttons {
        if button["type"] != "reply" {
            return Err(make::bad_value("Button type must be reply."));
        }
        let reply = object(button, "reply", "action['buttons']")?;
        let title = text(reply, "title", "action['buttons']['reply']")?;
        length("Button title", title, BUTTON_TITLE_CHARS_MAX)?;
        let id = text(reply, "id", "action['buttons']['reply']")?;
        length("Button id", id, BUTTON_ID_CHARS_MAX)?;
        if !titles.insert(title) || !ids.insert(id) {
            return Err(make::bad_value("Button titles and ids must be unique."));
        }
    }
    Ok(())
}

fn sections(action: &Value) -> Result<(), MetaError> {
    let button = text(action, "button", "action")?;
    length("List button text", button, LIST_BUTTON_CHARS_MAX)?;
    let sections = list(action, "sections", "action")?;
    if sections.is_empty() || sections.len() > LIST_SECTIONS_MAX {
        return Err(make::bad_value(format!("Invalid sections count. Min allowed sections: 1, Max allowed sections: {LIST_SECTIONS_MAX}")));
    }
    let mut ids = HashSet::new();
    for section in sections {
        match optional_text(section, "title", "action['sections']")? {
            Some(title) => length("Section title", title, ROW_TITLE_CHARS_MAX)?,
            None if sections.len() > 1 => {
                return Err(make::bad_value("Section title is required when there is more than one section."));
            }
            None => {}
        }
        let rows = list(section, "rows", "action['sections']")?;
        if rows.is_empty() {
            return Err(make::bad_value("A section needs at least one row."));
        }
        for row in rows {
            let title = text(row, "title", "action['sections']['rows']")?;
            length("Row title", title, ROW_TITLE_CHARS_MAX)?;
            let id = text(row, "id", "action['sections']['rows']")?;
            length("Row id", id, ROW_ID_CHARS_MAX)?;
            if let Some(description) = optional_text(row, "description", "action['sections']['rows']")? {
                let chars_max = ROW_DESCRIPTION_CHARS_MAX;
                if description.chars().count() > chars_max {
                    length("Row description", description, chars_max)?;
                }
            }
            if !ids.insert(id) {
                return Err(make::bad_value(format!("Row id \"{id}\" is not unique.")));
            }
            if ids.len() > LIST_ROWS_MAX {
                return Err(make::bad_value(format!("Total row count exceed max allowed count: {LIST_ROWS_MAX}")));
            }
        }
    }
    Ok(())
}

fn flow(action: &Value) -> Result<(), MetaError> {
    action_name(action, "flow")?;
    let parameters = object(action, "parameters", "action")?;
    let path = "action['parameters']";
    if parameters["flow_message_version"] != "3" {
        return Err(make::bad_value("Param flow_message_version must be 3."));
    }
    let id = optional_text(parameters, "flow_id", path)?;
    let name = optional_text(parameters, "flow_name", path)?;
    if id.is_some() == name.is_some() {
        return Err(make::bad_value("Exactly one of flow_id and flow_name is required."));
    }
    let cta = text(parameters, "flow_cta", path)?;
    length("Flow CTA", cta, FLOW_BUTTON_CHARS_MAX)
}

fn action_name(action: &Value, expected: &str) -> Result<(), MetaError> {
    let name = text(action, "name", "action")?;
    if name == expected { Ok(()) } else { Err(make::bad_value(format!("Action name must be {expected}."))) }
}
