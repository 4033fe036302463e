//! The body of `POST /{phone-number-id}/messages`, written straight from an outbox message ("Send messages", v25.0).

use std::fmt;

use questline_core::contact::Contact;
use questline_core::event::Wamid;
use questline_core::message::{Button, Header, MediaKind, MediaSource, Outbound, Row, Section};
use questline_core::outbox::{Content, OutboxMessage};
use questline_core::secret::{SecretTemplate, SecretText};
use questline_core::template::{ButtonValue, TemplateMessage};
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

/// Bytes of an ordinary message; longer ones grow.
const USUAL_BYTES: usize = 512;

/// The JSON that Meta takes.
pub(super) fn message(message: &OutboxMessage) -> Result<Vec<u8>, serde_json::Error> {
    Payload { message, body: Body::Content }.write(USUAL_BYTES)
}

/// The same, with a text in place of the content. The body is as secret as the text, and goes nowhere but to Meta.
pub(super) fn secret(message: &OutboxMessage, text: &SecretText) -> Result<Vec<u8>, serde_json::Error> {
    Payload { message, body: Body::Text(text) }.write(USUAL_BYTES + text.reveal().len())
}

/// The same, with a template in place of the content.
pub(super) fn secret_template(message: &OutboxMessage, template: &SecretTemplate) -> Result<Vec<u8>, serde_json::Error> {
    Payload { message, body: Body::Template(template) }.write(USUAL_BYTES)
}

/// The JSON that marks a message, and all before it, as read; `typing` shows that an answer is being written, for up to
/// 25 seconds.
pub(super) fn mark_read(message: &Wamid, typing: bool) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(Serialize)]
    struct MarkRead<'a> {
        messaging_product: &'static str,
        status: &'static str,
        message_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        typing_indicator: Option<TypingIndicator>,
    }
    #[derive(Serialize)]
    struct TypingIndicator {
        r#type: &'static str,
    }
    let typing_indicator = typing.then_some(TypingIndicator { r#type: "text" });
    serde_json::to_vec(&MarkRead { messaging_product: "whatsapp", status: "read", message_id: message.as_str(), typing_indicator })
}

/// Writes itself through its `Display`, without a string in between.
struct Shown<T>(T);

impl<T: fmt::Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A sequence, written as it is made.
struct Seq<I>(I);

impl<I> Serialize for Seq<I>
where
    I: Iterator + Clone,
    I::Item: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone())
    }
}

/// A request's body: the same around whatever is sent.
struct Payload<'a> {
    message: &'a OutboxMessage,
    body: Body<'a>,
}

/// What is sent.
enum Body<'a> {
    /// What the message says.
    Content,
    /// A text, in place of the promise that the message is.
    Text(&'a SecretText),
    /// A template, in the same way.
    Template(&'a SecretTemplate),
}

impl Payload<'_> {
    fn write(&self, bytes: usize) -> Result<Vec<u8>, serde_json::Error> {
        let mut json = Vec::with_capacity(bytes);
        serde_json::to_writer(&mut json, self)?;
        Ok(json)
    }
}

/// Whom it is for alone, where Meta's identity check is on: with another device behind the number it fails with 137000.
fn identity_key_hash(content: &Content) -> Option<&str> {
    match content {
        Content::Code(promise) => promise.identity_key_hash.as_deref(),
        Content::Credentials(promise) => promise.identity_key_hash.as_deref(),
        _ => None,
    }
}

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let OutboxMessage { id, message, .. } = self.message;
        let mut json = serializer.serialize_struct("Payload", 8)?;
        json.serialize_field("messaging_product", "whatsapp")?;
        json.serialize_field("recipient_type", "individual")?;
        recipient(&mut json, &message.contact)?;
        match self.body {
            Body::Content => content(&mut json, &message.content)?,
            Body::Text(text) => {
                json.serialize_field("type", "text")?;
                json.serialize_field("text", &Text { body: text.reveal(), preview_url: false })?;
            }
            Body::Template(template) => {
                json.serialize_field("type", "template")?;
                json.serialize_field("template", &Template::of(template.reveal()))?;
            }
        }
        if let Some(hash) = identity_key_hash(&message.content) {
            json.serialize_field("recipient_identity_key_hash", hash)?;
        }
        json.serialize_field("biz_opaque_callback_data", &id.to_callback_data())?;
        json.end()
    }
}

/// A phone number goes first: Meta reaches it where it does not take a BSUID, and a BSUID in `to` is dropped without a
/// word. Without the plus Meta would put our own country code before the digits.
fn recipient<J: SerializeStruct>(json: &mut J, contact: &Contact) -> Result<(), J::Error> {
    match (contact.phone(), contact.bsuid()) {
        (Some(phone), _) => json.serialize_field("to", &Shown(format_args!("+{}", phone.digits()))),
        (None, Some(bsuid)) => json.serialize_field("recipient", bsuid.as_str()),
        // A contact has one of both.
        (None, None) => Ok(()),
    }
}

fn content<J: SerializeStruct>(json: &mut J, content: &Content) -> Result<(), J::Error> {
    match content {
        Content::Reply { message, reply_to } => {
            if let Some(wamid) = reply_to {
                json.serialize_field("context", &Reference { message_id: wamid.as_str() })?;
            }
            reply(json, message)
        }
        Content::Template(template) => {
            json.serialize_field("type", "template")?;
            json.serialize_field("template", &Template::of(template))
        }
        Content::Reaction { target, emoji } => {
            json.serialize_field("type", "reaction")?;
            let emoji = emoji.as_deref().unwrap_or_default();
            json.serialize_field("reaction", &Reaction { message_id: target.as_str(), emoji })
        }
        // A promise is no message: it is sent as its text, or not at all.
        Content::Credentials(_) | Content::Code(_) => Err(serde::ser::Error::custom("a promise is sent as what it promises only")),
        Content::Consent(_) => Err(serde::ser::Error::custom("consent is for the game's other numbers, not for Meta")),
        Content::Operation(_) => Err(serde::ser::Error::custom("an operation is the backend's, not Meta's")),
    }
}

#[derive(Serialize)]
struct Reference<'a> {
    message_id: &'a str,
}

/// An empty emoji takes a reaction off.
#[derive(Serialize)]
struct Reaction<'a> {
    message_id: &'a str,
    emoji: &'a str,
}

fn reply<J: SerializeStruct>(json: &mut J, message: &Outbound) -> Result<(), J::Error> {
    if let Some((_, MediaSource::File(_))) = message.media() {
        return Err(serde::ser::Error::custom("a file of a release is sent by its media id only"));
    }
    let interactive = match message {
        Outbound::Text { body, preview } => {
            json.serialize_field("type", "text")?;
            return json.serialize_field("text", &Text { body, preview_url: *preview });
        }
        Outbound::Media { kind, source, caption, filename } => {
            json.serialize_field("type", kind.as_str())?;
            // Only documents have names.
            let filename = filename.as_deref().filter(|_| *kind == MediaKind::Document);
            return json.serialize_field(kind.as_str(), &File { caption: caption.as_deref(), filename, ..File::of(source) });
        }
        Outbound::Buttons { header, body, footer, buttons } => {
            let header = header.as_ref().map(|header| match header {
                Header::Text(text) => HeaderForm::Text(text),
                Header::Media(kind, source) => HeaderForm::File(*kind, source),
            });
            Interactive { header, footer: words(footer), ..Interactive::of("button", body, Action::Buttons(buttons)) }
        }
        Outbound::List { header, body, footer, button, sections } => {
            let header = header.as_deref().map(HeaderForm::Text);
            Interactive { header, footer: words(footer), ..Interactive::of("list", body, Action::List { button, sections }) }
        }
        Outbound::LocationRequest { body } => Interactive::of("location_request_message", body, Action::Named("send_location")),
        Outbound::ContactRequest { body } => Interactive::of("request_contact_info", body, Action::Named("request_contact_info")),
        Outbound::LinkButton { body, footer, label, url } => {
            let action = Action::Link(LinkParameters { display_text: label, url });
            Interactive { footer: words(footer), ..Interactive::of("cta_url", body, action) }
        }
    };
    json.serialize_field("type", "interactive")?;
    json.serialize_field("interactive", &interactive)
}

fn words(text: &Option<String>) -> Option<Words<'_>> {
    text.as_deref().map(|text| Words { text })
}

#[derive(Serialize)]
struct Text<'a> {
    body: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    preview_url: bool,
}

#[derive(Default, Serialize)]
struct File<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<&'a str>,
}

impl<'a> File<'a> {
    fn of(source: &'a MediaSource) -> Self {
        match source {
            MediaSource::Id(id) => Self { id: Some(id), ..Self::default() },
            MediaSource::Link(link) => Self { link: Some(link), ..Self::default() },
            // Refused before.
            MediaSource::File(_) => Self::default(),
        }
    }
}

#[derive(Serialize)]
struct Words<'a> {
    text: &'a str,
}

#[derive(Serialize)]
struct Interactive<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<HeaderForm<'a>>,
    body: Words<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    footer: Option<Words<'a>>,
    action: Action<'a>,
}

impl<'a> Interactive<'a> {
    fn of(kind: &'static str, body: &'a str, action: Action<'a>) -> Self {
        Self { r#type: kind, header: None, body: Words { text: body }, footer: None, action }
    }
}

enum HeaderForm<'a> {
    Text(&'a str),
    File(MediaKind, &'a MediaSource),
}

impl Serialize for HeaderForm<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = serializer.serialize_struct("Header", 2)?;
        match self {
            Self::Text(text) => {
                json.serialize_field("type", "text")?;
                json.serialize_field("text", text)?;
            }
            Self::File(kind, source) => {
                json.serialize_field("type", kind.as_str())?;
                json.serialize_field(kind.as_str(), &File::of(source))?;
            }
        }
        json.end()
    }
}

enum Action<'a> {
    Buttons(&'a [Button]),
    List { button: &'a str, sections: &'a [Section] },
    Named(&'static str),
    Link(LinkParameters<'a>),
}

impl Serialize for Action<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = serializer.serialize_struct("Action", 2)?;
        match self {
            Self::Buttons(buttons) => {
                json.serialize_field("buttons", &Seq(buttons.iter().map(|button| ReplyButton { r#type: "reply", reply: button })))?;
            }
            Self::List { button, sections } => {
                json.serialize_field("button", button)?;
                let sections = sections.iter().map(|section| ListSection { title: &section.title, rows: &section.rows });
                json.serialize_field("sections", &Seq(sections))?;
            }
            Self::Named(name) => json.serialize_field("name", name)?,
            Self::Link(parameters) => {
                json.serialize_field("name", "cta_url")?;
                json.serialize_field("parameters", parameters)?;
            }
        }
        json.end()
    }
}

/// Buttons and rows have the same form here and at Meta.
#[derive(Serialize)]
struct ReplyButton<'a> {
    r#type: &'static str,
    reply: &'a Button,
}

#[derive(Serialize)]
struct ListSection<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    title: &'a str,
    rows: &'a [Row],
}

#[derive(Serialize)]
struct LinkParameters<'a> {
    display_text: &'a str,
    url: &'a str,
}

#[derive(Serialize)]
struct Template<'a> {
    name: &'a str,
    language: Language<'a>,
    #[serde(skip_serializing_if = "Components::is_empty")]
    components: Components<'a>,
}

impl<'a> Template<'a> {
    fn of(template: &'a TemplateMessage) -> Self {
        Self { name: &template.name, language: Language { code: &template.language }, components: Components(template) }
    }
}

#[derive(Serialize)]
struct Language<'a> {
    code: &'a str,
}

/// Only what takes values is sent.
struct Components<'a>(&'a TemplateMessage);

impl Components<'_> {
    fn is_empty(&self) -> bool {
        self.0.header.is_none() && self.0.body.is_empty() && self.0.buttons.is_empty()
    }
}

impl Serialize for Components<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let texts = [("header", self.0.header.as_slice()), ("body", self.0.body.as_slice())];
        let texts = texts.into_iter().filter(|(_, values)| !values.is_empty());
        let texts = texts.map(|(kind, values)| Component::Texts(kind, values));
        serializer.collect_seq(texts.chain(self.0.buttons.iter().map(Component::Button)))
    }
}

enum Component<'a> {
    Texts(&'static str, &'a [String]),
    Button(&'a ButtonValue),
}

impl Serialize for Component<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = serializer.serialize_struct("Component", 4)?;
        match self {
            Self::Texts(kind, values) => {
                json.serialize_field("type", kind)?;
                json.serialize_field("parameters", &Seq(values.iter().map(|text| Parameter::Text { text })))?;
            }
            Self::Button(button) => {
                let value = button.value.as_str();
                let (sub_type, parameter) = match button.quick_reply {
                    true => ("quick_reply", Parameter::Payload { payload: value }),
                    false => ("url", Parameter::Text { text: value }),
                };
                json.serialize_field("type", "button")?;
                json.serialize_field("sub_type", sub_type)?;
                json.serialize_field("index", &Shown(button.index))?;
                json.serialize_field("parameters", &[parameter])?;
            }
        }
        json.end()
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Parameter<'a> {
    Text { text: &'a str },
    Payload { payload: &'a str },
}

#[cfg(test)]
mod tests;
