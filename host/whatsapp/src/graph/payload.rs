//! Messages in Meta's form, borrowed from ours ("Send messages", v25.0).

use questline_core::event::Wamid;
use questline_core::message::{Button, Header, MediaKind, MediaSource, Outbound, Row, Section};
use questline_core::outbox::{Content, OutboxMessage};
use questline_core::template::TemplateMessage;
use serde::Serialize;

const PRODUCT: &str = "whatsapp";

#[derive(Serialize)]
struct Envelope<'a> {
    messaging_product: &'static str,
    recipient_type: &'static str,
    /// A phone number. Where both are known it wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// A business-scoped user id: in `to` it would be dropped without a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<&'a str>,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Reference<'a>>,
    biz_opaque_callback_data: String,
    #[serde(flatten)]
    body: Body<'a>,
}

#[derive(Serialize)]
struct Reference<'a> {
    message_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Body<'a> {
    Text(Text<'a>),
    Interactive(Interactive<'a>),
    Image(File<'a>),
    Video(File<'a>),
    Audio(File<'a>),
    Document(File<'a>),
    Sticker(File<'a>),
    Template(Template<'a>),
    Reaction(Reaction<'a>),
}

#[derive(Serialize)]
struct Text<'a> {
    body: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    preview_url: bool,
}

#[derive(Serialize)]
struct Reaction<'a> {
    message_id: &'a str,
    /// Empty takes it off.
    emoji: &'a str,
}

#[derive(Serialize)]
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
        let (id, link) = match source {
            MediaSource::Id(id) => (Some(id.as_str()), None),
            MediaSource::Link(link) => (None, Some(link.as_str())),
        };
        Self { id, link, caption: None, filename: None }
    }
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

#[derive(Serialize)]
struct Words<'a> {
    text: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum HeaderForm<'a> {
    Text { text: &'a str },
    Image { image: File<'a> },
    Video { video: File<'a> },
    Document { document: File<'a> },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Action<'a> {
    Buttons { buttons: Vec<ReplyButton<'a>> },
    List { button: &'a str, sections: Vec<SectionForm<'a>> },
    Named { name: &'static str },
    Link { name: &'static str, parameters: LinkForm<'a> },
}

#[derive(Serialize)]
struct ReplyButton<'a> {
    r#type: &'static str,
    reply: Titled<'a>,
}

#[derive(Serialize)]
struct Titled<'a> {
    id: &'a str,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

#[derive(Serialize)]
struct SectionForm<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    title: &'a str,
    rows: Vec<Titled<'a>>,
}

#[derive(Serialize)]
struct LinkForm<'a> {
    display_text: &'a str,
    url: &'a str,
}

#[derive(Serialize)]
struct Template<'a> {
    name: &'a str,
    language: Language<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    components: Vec<Component<'a>>,
}

#[derive(Serialize)]
struct Language<'a> {
    code: &'a str,
}

#[derive(Serialize)]
struct Component<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_type: Option<&'static str>,
    /// A text, not a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<String>,
    parameters: Vec<Parameter<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Parameter<'a> {
    Text { text: &'a str },
    Payload { payload: &'a str },
}

/// The body of a send.
pub(super) fn message(message: &OutboxMessage) -> serde_json::Result<Vec<u8>> {
    let contact = &message.message.contact;
    let (kind, body, reply_to) = body(&message.message.content);
    let envelope = Envelope {
        messaging_product: PRODUCT,
        recipient_type: "individual",
        to: contact.phone().map(|phone| format!("+{}", phone.digits())),
        recipient: if contact.phone().is_none() { contact.bsuid().map(|bsuid| bsuid.as_str()) } else { None },
        r#type: kind,
        context: reply_to.map(|wamid| Reference { message_id: wamid.as_str() }),
        biz_opaque_callback_data: message.id.to_callback_data(),
        body,
    };
    let mut bytes = Vec::with_capacity(512);
    serde_json::to_writer(&mut bytes, &envelope)?;
    Ok(bytes)
}

/// The body that marks a message as read.
pub(super) fn mark_read(wamid: &Wamid, typing: bool) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct MarkRead<'a> {
        messaging_product: &'static str,
        status: &'static str,
        message_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        typing_indicator: Option<Typing>,
    }
    #[derive(Serialize)]
    struct Typing {
        r#type: &'static str,
    }
    let typing_indicator = typing.then_some(Typing { r#type: "text" });
    serde_json::to_vec(&MarkRead { messaging_product: PRODUCT, status: "read", message_id: wamid.as_str(), typing_indicator })
}

fn body(content: &Content) -> (&'static str, Body<'_>, Option<&Wamid>) {
    match content {
        Content::Reply { message, reply_to } => {
            let (kind, body) = reply(message);
            (kind, body, reply_to.as_ref())
        }
        Content::Template(message) => ("template", Body::Template(template(message)), None),
        Content::Reaction { target, emoji } => {
            ("reaction", Body::Reaction(Reaction { message_id: target.as_str(), emoji: emoji.as_deref().unwrap_or_default() }), None)
        }
    }
}

fn reply(message: &Outbound) -> (&'static str, Body<'_>) {
    match message {
        Outbound::Text { body, preview } => ("text", Body::Text(Text { body, preview_url: *preview })),
        Outbound::Buttons { header, body, footer, buttons } => {
            let action = Action::Buttons { buttons: buttons.iter().map(button).collect() };
            interactive("button", header.as_ref().map(header_form), body, footer.as_ref(), action)
        }
        Outbound::List { header, body, footer, button, sections } => {
            let header = header.as_ref().map(|text| HeaderForm::Text { text });
            interactive("list", header, body, footer.as_ref(), Action::List { button, sections: sections.iter().map(section).collect() })
        }
        Outbound::Media { kind, source, caption, filename } => {
            let filename = if *kind == MediaKind::Document { filename.as_deref() } else { None };
            let file = File { caption: caption.as_deref(), filename, ..File::of(source) };
            let body = match kind {
                MediaKind::Image => Body::Image(file),
                MediaKind::Video => Body::Video(file),
                MediaKind::Audio => Body::Audio(file),
                MediaKind::Document => Body::Document(file),
                MediaKind::Sticker => Body::Sticker(file),
            };
            (kind.as_str(), body)
        }
        Outbound::LocationRequest { body } => interactive("location_request_message", None, body, None, Action::Named { name: "send_location" }),
        Outbound::ContactRequest { body } => interactive("request_contact_info", None, body, None, Action::Named { name: "request_contact_info" }),
        Outbound::LinkButton { body, footer, label, url } => {
            let action = Action::Link { name: "cta_url", parameters: LinkForm { display_text: label, url } };
            interactive("cta_url", None, body, footer.as_ref(), action)
        }
    }
}

fn interactive<'a>(kind: &'static str, header: Option<HeaderForm<'a>>, body: &'a str, footer: Option<&'a String>, action: Action<'a>) -> (&'static str, Body<'a>) {
    let footer = footer.map(|text| Words { text });
    ("interactive", Body::Interactive(Interactive { r#type: kind, header, body: Words { text: body }, footer, action }))
}

fn button(button: &Button) -> ReplyButton<'_> {
    ReplyButton { r#type: "reply", reply: Titled { id: &button.id, title: &button.title, description: None } }
}

fn header_form(header: &Header) -> HeaderForm<'_> {
    match header {
        Header::Text(text) => HeaderForm::Text { text },
        Header::Media(MediaKind::Video, source) => HeaderForm::Video { video: File::of(source) },
        Header::Media(MediaKind::Document, source) => HeaderForm::Document { document: File::of(source) },
        // Checked before: audio and stickers never stand above a message.
        Header::Media(_, source) => HeaderForm::Image { image: File::of(source) },
    }
}

fn section(section: &Section) -> SectionForm<'_> {
    SectionForm { title: &section.title, rows: section.rows.iter().map(row).collect() }
}

fn row(row: &Row) -> Titled<'_> {
    Titled { id: &row.id, title: &row.title, description: row.description.as_deref() }
}

fn template(message: &TemplateMessage) -> Template<'_> {
    let mut components = Vec::new();
    if let Some(header) = &message.header {
        components.push(Component { r#type: "header", sub_type: None, index: None, parameters: vec![Parameter::Text { text: header }] });
    }
    if !message.body.is_empty() {
        components.push(Component { r#type: "body", sub_type: None, index: None, parameters: message.body.iter().map(|text| Parameter::Text { text }).collect() });
    }
    for button in &message.buttons {
        let (sub_type, parameter) = match button.quick_reply {
            true => ("quick_reply", Parameter::Payload { payload: &button.value }),
            false => ("url", Parameter::Text { text: &button.value }),
        };
        components.push(Component { r#type: "button", sub_type: Some(sub_type), index: Some(button.index.to_string()), parameters: vec![parameter] });
    }
    Template { name: &message.name, language: Language { code: &message.language }, components }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use questline_core::contact::{Bsuid, Contact, PhoneNumber};
    use questline_core::id::{ConversationId, GameId, NumberId, OutboxRef, OutboxSeq};
    use questline_core::outbox::{MessageClass, NewMessage, SendState};
    use questline_core::template::{ButtonValue, Category};
    use questline_core::time::UnixMs;
    use serde_json::{Value, json};

    fn written(content: Content, contact: Contact) -> Value {
        let message = NewMessage {
            game: GameId::parse("g").unwrap(),
            number: NumberId::parse("1").unwrap(),
            contact,
            class: MessageClass::Normal,
            content,
            committed_at: UnixMs(0),
            expires_at: None,
        };
        let id = OutboxRef { conversation: ConversationId(7), seq: OutboxSeq(3) };
        let message = OutboxMessage { id, message, attempts: 0, due_at: UnixMs(0), state: SendState::Queued };
        serde_json::from_slice(&super::message(&message).unwrap()).unwrap()
    }

    fn phone() -> Contact {
        Contact::new(PhoneNumber::parse("15550100").ok(), Bsuid::parse("US.1").ok()).unwrap()
    }

    fn say(message: Outbound) -> Content {
        Content::Reply { message, reply_to: None }
    }

    #[test]
    fn a_text_that_answers() {
        let content = Content::Reply { message: Outbound::Text { body: "Hi".into(), preview: true }, reply_to: Some(Wamid("wamid.A".into())) };
        let expected = json!({
            "messaging_product": "whatsapp", "recipient_type": "individual", "to": "+15550100", "type": "text",
            "context": { "message_id": "wamid.A" }, "biz_opaque_callback_data": "q1.7.3", "text": { "body": "Hi", "preview_url": true },
        });
        assert_eq!(written(content, phone()), expected);
    }

    #[test]
    fn a_user_id_never_stands_in_to() {
        let hidden = Contact::new(None, Bsuid::parse("US.1").ok()).unwrap();
        let body = written(say(Outbound::ContactRequest { body: "Number?".into() }), hidden);
        assert_eq!((body.get("to"), &body["recipient"]), (None, &json!("US.1")));
        assert_eq!(body["interactive"], json!({ "type": "request_contact_info", "body": { "text": "Number?" }, "action": { "name": "request_contact_info" } }));
    }

    #[test]
    fn interactive_messages() {
        let buttons = Outbound::Buttons {
            header: Some(Header::Media(MediaKind::Image, MediaSource::Id("m1".into()))),
            body: "Pick".into(),
            footer: Some("soon".into()),
            buttons: vec![Button { id: "a".into(), title: "A".into() }],
        };
        let expected = json!({
            "type": "button", "header": { "type": "image", "image": { "id": "m1" } }, "body": { "text": "Pick" }, "footer": { "text": "soon" },
            "action": { "buttons": [{ "type": "reply", "reply": { "id": "a", "title": "A" } }] },
        });
        assert_eq!(written(say(buttons), phone())["interactive"], expected);
        let rows = vec![Row { id: "r".into(), title: "R".into(), description: Some("d".into()) }];
        let list = Outbound::List { header: None, body: "Pick".into(), footer: None, button: "Open".into(), sections: vec![Section { title: String::new(), rows }] };
        let expected = json!({ "button": "Open", "sections": [{ "rows": [{ "id": "r", "title": "R", "description": "d" }] }] });
        assert_eq!(written(say(list), phone())["interactive"]["action"], expected);
        let link = Outbound::LinkButton { body: "See".into(), footer: None, label: "Open".into(), url: "https://x.example".into() };
        let expected = json!({ "name": "cta_url", "parameters": { "display_text": "Open", "url": "https://x.example" } });
        assert_eq!(written(say(link), phone())["interactive"]["action"], expected);
    }

    #[test]
    fn files_templates_and_reactions() {
        let document = Outbound::Media { kind: MediaKind::Document, source: MediaSource::Link("https://x.example/a.pdf".into()), caption: Some("c".into()), filename: Some("a.pdf".into()) };
        assert_eq!(written(say(document), phone())["document"], json!({ "link": "https://x.example/a.pdf", "caption": "c", "filename": "a.pdf" }));
        let template = TemplateMessage {
            name: "match_found".into(),
            language: "en".into(),
            category: Category::Utility,
            header: Some("H".into()),
            body: vec!["Ada".into()],
            buttons: vec![ButtonValue { index: 0, quick_reply: true, value: "yes".into() }, ButtonValue { index: 1, quick_reply: false, value: "m1".into() }],
        };
        let expected = json!({ "name": "match_found", "language": { "code": "en" }, "components": [
            { "type": "header", "parameters": [{ "type": "text", "text": "H" }] },
            { "type": "body", "parameters": [{ "type": "text", "text": "Ada" }] },
            { "type": "button", "sub_type": "quick_reply", "index": "0", "parameters": [{ "type": "payload", "payload": "yes" }] },
            { "type": "button", "sub_type": "url", "index": "1", "parameters": [{ "type": "text", "text": "m1" }] },
        ]});
        assert_eq!(written(Content::Template(template), phone())["template"], expected);
        let reaction = Content::Reaction { target: Wamid("wamid.B".into()), emoji: None };
        assert_eq!(written(reaction, phone())["reaction"], json!({ "message_id": "wamid.B", "emoji": "" }));
    }
}
