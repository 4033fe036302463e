//! What a player sees of a message from a business: its text, and what can be tapped.

use std::fmt;

use serde_json::Value;

use crate::player::Arrived;
use crate::rules::content::unfold;

/// A message that reached a player. `Debug` shows no content.
#[derive(Clone)]
#[non_exhaustive]
pub struct Received {
    /// The wamid.
    pub id: String,
    /// The business number that sent it.
    pub phone_number_id: String,
    /// When it was accepted, in the emulator's time (milliseconds since the Unix epoch).
    pub at_ms: u64,
    /// `text`, `interactive`, `template`, `image`, ...
    pub kind: String,
    /// The wamid that it answers.
    pub reply_to: Option<String>,
    /// The line above the text, if it has one.
    pub header: Option<String>,
    /// The small print below the text, if it has one.
    pub footer: Option<String>,
    /// Whether the player's phone has it.
    pub is_delivered: bool,
    /// Whether the player has read it.
    pub is_read: bool,
    /// What can be tapped, in the order shown.
    pub choices: Vec<Choice>,
    /// The request body.
    pub json: Value,
    text: String,
}

/// Something in a message that can be tapped. `Debug` leaves the id out: it may be a code.
#[derive(Clone, PartialEq, Eq)]
pub struct Choice {
    /// What it is.
    pub kind: ChoiceKind,
    /// What the player reads on it.
    pub title: String,
    /// The id, payload or address behind it.
    pub id: String,
    /// A row's second line.
    pub description: Option<String>,
}

/// The kinds of [`Choice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChoiceKind {
    /// Answers with `button_reply`.
    Button,
    /// Answers with `list_reply`.
    Row,
    /// Answers with `button`.
    QuickReply,
    /// Opens a page; nothing is sent.
    Link,
    /// Answers with `nfm_reply`.
    Flow,
    /// Answers with a location.
    ShareLocation,
    /// Answers with the player's own contact card.
    ShareContact,
    /// Copies a code; nothing is sent.
    CopyCode,
}

impl Received {
    /// What the player reads: the body (a template's with its variables filled in), or the caption.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The titles of all that can be tapped.
    pub fn titles(&self) -> Vec<&str> {
        self.choices.iter().map(|choice| choice.title.as_str()).collect()
    }

    pub(crate) fn read(arrived: &Arrived) -> Self {
        let (message, template) = (&*arrived.message, arrived.template.as_deref());
        let mut json = message.json();
        unfold(&mut json);
        let kind = json["type"].as_str().unwrap_or("text").to_owned();
        let content = &json[kind.as_str()];
        let (text, choices) = match (kind.as_str(), template) {
            ("interactive", _) => (string(&content["body"]["text"]), interactive(content)),
            ("template", Some(spec)) => (spec.rendered_body(content), spec.choices(content)),
            ("text", _) => (string(&content["body"]), Vec::new()),
            ("reaction", _) => (string(&content["emoji"]), Vec::new()),
            _ => (string(&content["caption"]), Vec::new()),
        };
        let line = |value: &Value| value["text"].as_str().map(str::to_owned);
        let (header, footer) = match template {
            Some(spec) => (spec.rendered_header(content), spec.footer()),
            None => (line(&content["header"]), line(&content["footer"])),
        };
        Self {
            header,
            footer,
            is_delivered: arrived.is_delivered,
            is_read: arrived.is_read,
            id: message.id.clone(),
            phone_number_id: message.phone_number_id.to_string(),
            at_ms: message.at_ms,
            reply_to: json["context"]["message_id"].as_str().map(str::to_owned),
            kind,
            choices,
            text,
            json,
        }
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("kind", &self.kind)
            .field("phone_number_id", &self.phone_number_id)
            .field("choices", &self.choices.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({:?})", self.kind, self.title)
    }
}

fn interactive(content: &Value) -> Vec<Choice> {
    let action = &content["action"];
    let parameters = &action["parameters"];
    let one = |kind, title: &Value, id: &Value| vec![Choice { kind, title: string(title), id: string(id), description: None }];
    match content["type"].as_str().unwrap_or_default() {
        "button" => array(&action["buttons"])
            .iter()
            .map(|button| Choice {
                kind: ChoiceKind::Button,
                title: string(&button["reply"]["title"]),
                id: string(&button["reply"]["id"]),
                description: None,
            })
            .collect(),
        "list" => array(&action["sections"])
            .iter()
            .flat_map(|section| array(&section["rows"]))
            .map(|row| Choice {
                kind: ChoiceKind::Row,
                title: string(&row["title"]),
                id: string(&row["id"]),
                description: row["description"].as_str().map(str::to_owned),
            })
            .collect(),
        "cta_url" => one(ChoiceKind::Link, &parameters["display_text"], &parameters["url"]),
        "flow" => one(ChoiceKind::Flow, &parameters["flow_cta"], &parameters["flow_token"]),
        "location_request_message" => one(ChoiceKind::ShareLocation, &"Send location".into(), &Value::Null),
        "request_contact_info" => one(ChoiceKind::ShareContact, &"Share contact info".into(), &Value::Null),
        _ => Vec::new(),
    }
}

pub(crate) fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(crate) fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
