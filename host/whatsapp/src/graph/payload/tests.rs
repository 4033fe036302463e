//! Each kind of message in Meta's form.
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
        campaign: None,
        known: None,
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
    assert_eq!(
        body["interactive"],
        json!({ "type": "request_contact_info", "body": { "text": "Number?" }, "action": { "name": "request_contact_info" } })
    );
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
    let list = Outbound::List {
        header: None,
        body: "Pick".into(),
        footer: None,
        button: "Open".into(),
        sections: vec![Section { title: String::new(), rows }],
    };
    let expected = json!({ "button": "Open", "sections": [{ "rows": [{ "id": "r", "title": "R", "description": "d" }] }] });
    assert_eq!(written(say(list), phone())["interactive"]["action"], expected);
    let link = Outbound::LinkButton { body: "See".into(), footer: None, label: "Open".into(), url: "https://x.example".into() };
    let expected = json!({ "name": "cta_url", "parameters": { "display_text": "Open", "url": "https://x.example" } });
    assert_eq!(written(say(link), phone())["interactive"]["action"], expected);
}

#[test]
fn files_templates_and_reactions() {
    let document = Outbound::Media {
        kind: MediaKind::Document,
        source: MediaSource::Link("https://x.example/a.pdf".into()),
        caption: Some("c".into()),
        filename: Some("a.pdf".into()),
    };
    assert_eq!(
        written(say(document), phone())["document"],
        json!({ "link": "https://x.example/a.pdf", "caption": "c", "filename": "a.pdf" })
    );
    let template = TemplateMessage {
        name: "match_found".into(),
        language: "en".into(),
        category: Category::Utility,
        header: Some("H".into()),
        body: vec!["Ada".into()],
        buttons: vec![
            ButtonValue { index: 0, quick_reply: true, value: "yes".into() },
            ButtonValue { index: 1, quick_reply: false, value: "m1".into() },
        ],
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

#[test]
fn what_has_no_values_and_no_options_is_left_out() {
    let template = TemplateMessage {
        name: "hello_world".into(),
        language: "en_US".into(),
        category: Category::Utility,
        header: None,
        body: Vec::new(),
        buttons: Vec::new(),
    };
    assert_eq!(
        written(Content::Template(template), phone())["template"],
        json!({ "name": "hello_world", "language": { "code": "en_US" } })
    );
    let text = written(say(Outbound::Text { body: "Hi".into(), preview: false }), phone());
    assert_eq!((&text["text"], text.get("context")), (&json!({ "body": "Hi" }), None));
    let image =
        Outbound::Media { kind: MediaKind::Image, source: MediaSource::Id("m1".into()), caption: None, filename: Some("x.png".into()) };
    assert_eq!(written(say(image), phone())["image"], json!({ "id": "m1" }), "only documents have names");
    let location = written(say(Outbound::LocationRequest { body: "Where?".into() }), phone());
    let expected = json!({ "type": "location_request_message", "body": { "text": "Where?" }, "action": { "name": "send_location" } });
    assert_eq!(location["interactive"], expected);
    let code = TemplateMessage {
        name: "login_code".into(),
        language: "en".into(),
        category: Category::Authentication,
        header: None,
        body: vec!["123456".into()],
        buttons: vec![ButtonValue { index: 0, quick_reply: false, value: "123456".into() }],
    };
    let components = json!([
        { "type": "body", "parameters": [{ "type": "text", "text": "123456" }] },
        { "type": "button", "sub_type": "url", "index": "0", "parameters": [{ "type": "text", "text": "123456" }] },
    ]);
    assert_eq!(written(Content::Template(code), phone())["template"]["components"], components, "the same code twice");
}

#[test]
fn read_marks_with_and_without_typing() {
    let marked = |typing| serde_json::from_slice::<Value>(&mark_read(&Wamid("wamid.A".into()), typing).unwrap()).unwrap();
    let read = json!({ "messaging_product": "whatsapp", "status": "read", "message_id": "wamid.A" });
    assert_eq!(marked(false), read);
    assert_eq!(marked(true)["typing_indicator"], json!({ "type": "text" }));
}
