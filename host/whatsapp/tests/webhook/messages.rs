//! What players write.

use questline_core::event::{
    Choice, ContactCard, Extension, Form, Inbound, Location, Media, Order, OrderItem, QuickReply, Reaction, Referral, SharedContacts, Wamid,
};
use questline_whatsapp::webhook::{Decoded, Part, Reason};

use crate::check::{BSUID, NOW, PARENT, PHONE, Row, decode, fixture, hello_from, id, kept, message, only, says, sheena};

fn text(body: &str) -> Inbound {
    Inbound::Text(body.to_owned())
}

fn wamid(number: u32) -> Wamid {
    Wamid(id(number).into())
}

fn media(mime_type: &str) -> Media {
    Media {
        id: "2754859441498128".into(),
        mime_type: mime_type.into(),
        sha256: Some("SfInY0gGKTsJlUWbwxC1k+FAD0FZHvzwfpvO0zX0GUI=".into()),
        caption: None,
        filename: None,
        voice: false,
    }
}

fn choice(id: &str, title: &str) -> Choice {
    Choice { id: id.into(), title: title.into() }
}

fn form(name: &str, response: &str) -> Inbound {
    Inbound::Form(Form { name: name.into(), response: response.into() })
}

fn unsupported(kind: Option<&str>) -> Inbound {
    Inbound::Unsupported(kind.map(str::to_owned))
}

fn extension(name: &str, value: &str) -> Inbound {
    Inbound::Extension(Extension { name: name.into(), value: value.into() })
}

fn reaction(emoji: Option<&str>) -> Inbound {
    Inbound::Reaction(Reaction { target: wamid(903), emoji: emoji.map(str::to_owned) })
}

fn card(name: &str, phones: &[&str]) -> ContactCard {
    ContactCard { name: name.into(), phones: phones.iter().map(|&phone| phone.into()).collect() }
}

fn answers(decoded: &Decoded, number: u32) {
    assert_eq!(message(decoded).reply_to, Some(wamid(number)));
}

/// JSON texts are compared by what they say: fixtures are indented, Meta is not.
fn extends(decoded: &Decoded, name: &str, value: &str) {
    let Inbound::Extension(extension) = &message(decoded).content else { panic!("{decoded:?}") };
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!((extension.name.as_str(), json(&extension.value)), (name, json(value)));
}

pub(crate) const ROWS: &[Row] = &[
    ("text", |d| {
        says(d, text("Where is my refund?"));
        let message = message(d);
        assert_eq!(message.wamid, wamid(1));
        assert_eq!((&message.reply_to, message.forwarded, &message.referral), (&None, false, &None));
        assert_eq!(message.identity_key_hash, None);
    }),
    ("text_escaped", |d| {
        let message = message(d);
        assert_eq!(message.content, text("Ça va ? 🎮 https://play.example/a?b=1&c=\"d\"\n¡Hola, señor! 你好"));
        assert_eq!(message.profile_name.as_deref(), Some("Zoë 👑"));
    }),
    ("text_reply", |d| {
        says(d, text("Yes"));
        answers(d, 900);
    }),
    ("text_forwarded", |d| assert!(message(d).forwarded)),
    ("text_frequently_forwarded", |d| assert!(message(d).forwarded)),
    ("text_from_ad", |d| {
        says(d, text("I want to know more"));
        let referral = Referral {
            source_type: "ad".into(),
            source_id: "120226305854810726".into(),
            headline: Some("Join Starfall".into()),
            body: Some("Summer season is on".into()),
        };
        assert_eq!(message(d).referral, Some(referral));
    }),
    ("text_bsuid_only", |d| hello_from(d, None, Some(BSUID))),
    ("text_from_null", |d| hello_from(d, None, Some(BSUID))),
    ("text_from_empty", |d| hello_from(d, None, Some(BSUID))),
    ("text_bsuid_in_from", |d| hello_from(d, None, Some(BSUID))),
    ("text_parent_bsuid", |d| hello_from(d, None, Some(BSUID))),
    ("text_only_parent_bsuid", |d| hello_from(d, None, Some(PARENT))),
    ("text_without_contacts", |d| {
        hello_from(d, Some(PHONE), None);
        assert_eq!(message(d).profile_name, None);
    }),
    ("text_integer_timestamp", |d| says(d, text("Hello"))),
    ("text_without_timestamp", |d| {
        assert_eq!(message(d).sent_at, NOW);
        assert_eq!(only(d).dedup.unwrap().sent_s, 0, "a repetition carries the same second");
    }),
    ("text_odd_timestamp", |d| assert_eq!(message(d).sent_at, NOW)),
    ("text_no_sender", |d| kept(d, Part::Message, Reason::NoSender)),
    ("text_sender_in_contacts_only", |d| says(d, text("Hello"))),
    ("text_identity_hash", |d| {
        says(d, text("Hello"));
        assert_eq!(message(d).identity_key_hash.as_deref(), Some("DF2lS5v2W6x="));
    }),
    ("text_in_group", |d| kept(d, Part::Message, Reason::Group)),
    ("text_about_product", |d| answers(d, 901)),
    ("text_without_id", |d| kept(d, Part::Message, Reason::NoId)),
    ("text_without_body", |d| says(d, unsupported(Some("text")))),
    ("text_plus_sign", |d| hello_from(d, Some(PHONE), None)),
    ("image", |d| says(d, Inbound::Image(Media { caption: Some("My receipt".into()), ..media("image/jpeg") }))),
    ("image_with_url", |d| says(d, Inbound::Image(media("image/jpeg")))),
    ("video", |d| says(d, Inbound::Video(Media { caption: Some("Bug at 0:12".into()), ..media("video/mp4") }))),
    ("audio_voice", |d| says(d, Inbound::Audio(Media { voice: true, ..media("audio/ogg; codecs=opus") }))),
    ("audio_file", |d| says(d, Inbound::Audio(media("audio/mpeg")))),
    ("document", |d| {
        let document = Media { filename: Some("receipt 2026/09.pdf".into()), caption: Some("Receipt".into()), ..media("application/pdf") };
        says(d, Inbound::Document(document));
    }),
    ("sticker", |d| says(d, Inbound::Sticker(media("image/webp")))),
    ("location", |d| {
        let location = Location {
            latitude: 37.442_162_518_686_83,
            longitude: -122.161_535_820_493_94,
            name: Some("Philz Coffee".into()),
            address: Some("101 Forest Ave, Palo Alto, CA".into()),
        };
        says(d, Inbound::Location(location));
    }),
    ("location_bare", |d| {
        says(d, Inbound::Location(Location { latitude: 52.5, longitude: 13.0, name: None, address: None }));
    }),
    ("location_not_on_earth", |d| kept(d, Part::Message, Reason::Unreadable)),
    ("contacts_requested", |d| {
        let cards = vec![card("Sheena Nelson", &["+16505550123"])];
        assert_eq!(message(d).content, Inbound::Contacts(SharedContacts { cards, requested: true }));
    }),
    ("contacts_shared", |d| {
        let cards = vec![card("Barbara J. Johnson", &["+1 (650) 555-0199", "0650 555 0100"]), card("Nameless", &[])];
        says(d, Inbound::Contacts(SharedContacts { cards, requested: false }));
    }),
    ("contacts_mixed_origins", |d| {
        let cards = vec![card("A", &["+16505550123"]), card("B", &["+16505550124"])];
        says(d, Inbound::Contacts(SharedContacts { cards, requested: false }));
    }),
    ("contacts_origin_on_message", |d| {
        let cards = vec![card("Sheena Nelson", &["+16505550123"])];
        says(d, Inbound::Contacts(SharedContacts { cards, requested: true }));
    }),
    ("interactive_button_reply", |d| {
        says(d, Inbound::Button(choice("claim-rewards", "Claim Rewards")));
        answers(d, 902);
    }),
    ("interactive_list_reply", |d| {
        says(d, Inbound::ListItem(choice("ticket-1", "Purchase")));
        answers(d, 902);
    }),
    ("interactive_form", |d| says(d, form("flow", r#"{"flow_token":"t-1","rating":5,"note":"café"}"#))),
    ("interactive_form_address", |d| {
        says(d, form("address_message", r#"{"saved_address_id":"a1","values":{"city":"Berlin"}}"#));
    }),
    ("interactive_form_not_an_object", |d| says(d, form("flow", r#"["a",1]"#))),
    ("interactive_form_not_json", |d| says(d, form("flow", r#""thanks""#))),
    ("interactive_form_plain_object", |d| {
        let Inbound::Form(form) = &message(d).content else { panic!("{d:?}") };
        let response: serde_json::Value = serde_json::from_str(&form.response).unwrap();
        assert_eq!((form.name.as_str(), response), ("flow", serde_json::json!({"a": 1})));
    }),
    ("interactive_call_permission", |d| {
        let value = r#"{"response":"accept","expiration_timestamp":1789600000,"response_source":"user_action","is_permanent":false}"#;
        extends(d, "interactive/call_permission_reply", value);
    }),
    ("interactive_reply_without_body", |d| says(d, unsupported(Some("interactive")))),
    ("template_button", |d| {
        says(d, Inbound::QuickReply(QuickReply { payload: "join:match-7".into(), text: "Join".into() }));
        answers(d, 902);
    }),
    ("template_button_without_context", |d| {
        let text = "Stop promotions".to_owned();
        says(d, Inbound::QuickReply(QuickReply { payload: text.clone(), text }));
        assert_eq!(message(d).reply_to, None);
    }),
    ("template_button_without_payload", |d| {
        says(d, Inbound::QuickReply(QuickReply { payload: "Join".into(), text: "Join".into() }));
    }),
    ("reaction", |d| says(d, reaction(Some("👍🏽")))),
    ("reaction_removed", |d| says(d, reaction(None))),
    ("reaction_removed_by_empty_emoji", |d| says(d, reaction(None))),
    ("order", |d| {
        let item = |product: &str, quantity, price| OrderItem { product: product.into(), quantity, price, currency: "USD".into() };
        let order = Order {
            catalog: "194836987003835".into(),
            text: Some("Love these!".into()),
            items: vec![item("di9ozbzfi4", 2, 30.0), item("nqryix03ez", 1, 25.5)],
        };
        says(d, Inbound::Order(order));
    }),
    ("unsupported", |d| says(d, unsupported(None))),
    ("unsupported_edit", |d| says(d, unsupported(Some("edit")))),
    ("unsupported_file_too_large", |d| says(d, unsupported(None))),
    ("unknown", |d| says(d, unsupported(None))),
    ("type_missing_with_errors", |d| says(d, unsupported(None))),
    ("type_missing", |d| kept(d, Part::Message, Reason::Unreadable)),
    ("request_welcome", |d| says(d, extension("request_welcome", "null"))),
    ("edit", |d| says(d, unsupported(Some("edit")))),
    ("revoke", |d| says(d, unsupported(Some("revoke")))),
    ("type_of_tomorrow", |d| extends(d, "hologram", r#"{"id":"h1","depth":3}"#)),
];

/// The fixture's text in place of its own.
fn text_of(body: &str) -> Decoded {
    let body = serde_json::to_string(body).unwrap();
    decode(&fixture("text").replace("\"Where is my refund?\"", &body))
}

#[test]
fn long_texts_are_cut_between_characters() {
    let decoded = text_of(&"é".repeat(40_000));
    let Inbound::Text(text) = &message(&decoded).content else { panic!() };
    assert_eq!(text.len(), questline_whatsapp::webhook::TEXT_BYTES_MAX);
    assert!(text.chars().all(|c| c == 'é'));
    let decoded = text_of(&"x".repeat(4_096));
    assert!(matches!(&message(&decoded).content, Inbound::Text(text) if text.len() == 4_096));
}

#[test]
fn empty_texts_are_texts() {
    says(&text_of(""), text(""));
}

#[test]
fn what_is_too_large_for_a_conversation_is_kept() {
    let depth = |json: &str| fixture("type_of_tomorrow").replace("\"depth\": 3", &format!("\"depth\": {json}"));
    kept(&decode(&depth(&format!("\"{}\"", "0".repeat(17_000)))), Part::Message, Reason::TooLarge);
    let long = format!("\"{}\"", "0".repeat(70_000));
    kept(&decode(&fixture("interactive_form_not_json").replace("\"thanks\"", &long)), Part::Message, Reason::TooLarge);
    kept(&decode(&fixture("text").replace("wamid.HB", &"w".repeat(600))), Part::Message, Reason::NoId);
}

#[test]
fn a_name_too_long_is_cut() {
    let decoded = decode(&fixture("text").replace("Sheena Nelson", &"N".repeat(9_000)));
    assert_eq!(message(&decoded).profile_name.as_ref().unwrap().len(), 256);
    assert_eq!(only(&decoded).address.contact, sheena());
}
