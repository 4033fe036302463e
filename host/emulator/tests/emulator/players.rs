//! Players: everything they can send, how they are named, and what they see.

use std::time::Duration;

use questline_emulator::{Card, Context, Inbound, MediaFile, OrderItem, PhoneShape, Player, PlayerError, Referral};
use serde_json::{Value, json};

use crate::support::{ADA, Bench, NUMBER, PATIENCE, config, text};

/// Sends and gives the one message that the host gets.
async fn round_trip(inbound: Inbound, context: Context) -> Value {
    let (bench, ada) = Bench::with_ada(config()).await;
    let id = ada.send_with(inbound, context).await.unwrap();
    let value = bench.host.wait_value(|value| value["messages"][0]["id"] == id.as_str()).await;
    let mut message = value["messages"][0].clone();
    assert_eq!(message["from"], ADA);
    message.as_object_mut().unwrap().retain(|key, _| !matches!(key.as_str(), "id" | "timestamp" | "from" | "from_user_id"));
    message
}

#[tokio::test]
async fn every_kind_of_message_has_metas_shape() {
    let file = || MediaFile::new("image/jpeg", &b"picture"[..]);
    let cases: Vec<(Inbound, Value)> = vec![
        ("hi".into(), json!({"type": "text", "text": {"body": "hi"}})),
        (
            Inbound::Location { latitude: 1.5, longitude: -2.5, name: Some("Here".into()), address: None },
            json!({"type": "location", "location": {"latitude": 1.5, "longitude": -2.5, "name": "Here"}}),
        ),
        (
            Inbound::Contacts {
                cards: vec![Card { formatted_name: "Ada L".into(), phone: "+1".into(), wa_id: None }],
                origin: Some("other"),
            },
            json!({"type": "contacts", "contacts": [{
                "name": {"formatted_name": "Ada L", "first_name": "Ada"},
                "phones": [{"phone": "+1", "type": "CELL"}],
                "origin": "other",
            }]}),
        ),
        (
            Inbound::ButtonReply { id: "a".into(), title: "A".into() },
            json!({"type": "interactive", "interactive": {"type": "button_reply", "button_reply": {"id": "a", "title": "A"}}}),
        ),
        (
            Inbound::ListReply { id: "a".into(), title: "A".into(), description: None },
            json!({"type": "interactive", "interactive": {"type": "list_reply", "list_reply": {"id": "a", "title": "A"}}}),
        ),
        (
            Inbound::FlowReply { name: "flow".into(), response_json: "[1]".into() },
            json!({"type": "interactive", "interactive": {
                "type": "nfm_reply", "nfm_reply": {"name": "flow", "body": "Sent", "response_json": "[1]"},
            }}),
        ),
        (Inbound::QuickReply { payload: "p".into(), text: "T".into() }, json!({"type": "button", "button": {"payload": "p", "text": "T"}})),
        (
            Inbound::Reaction { message_id: "wamid.x".into(), emoji: None },
            json!({"type": "reaction", "reaction": {"message_id": "wamid.x"}}),
        ),
        (
            Inbound::Order {
                catalog_id: "c".into(),
                text: "please".into(),
                items: vec![OrderItem { product_retailer_id: "gems".into(), quantity: 2, item_price: 4.5, currency: "EUR".into() }],
            },
            json!({"type": "order", "order": {"catalog_id": "c", "text": "please", "product_items": [
                {"product_retailer_id": "gems", "quantity": 2, "item_price": 4.5, "currency": "EUR"},
            ]}}),
        ),
        (
            Inbound::Edit { original_message_id: "wamid.x".into(), message: Box::new("new".into()) },
            json!({"type": "edit", "edit": {
                "original_message_id": "wamid.x", "message": {"type": "text", "text": {"body": "new"}},
            }}),
        ),
        (
            Inbound::Revoke { original_message_id: "wamid.x".into() },
            json!({"type": "revoke", "revoke": {"original_message_id": "wamid.x"}}),
        ),
        (Inbound::RequestWelcome, json!({"type": "request_welcome"})),
        (
            Inbound::Other { kind: "hologram".into(), content: Some(json!({"depth": 3})) },
            json!({"type": "hologram", "hologram": {"depth": 3}}),
        ),
        (Inbound::Other { kind: "interactive".into(), content: None }, json!({"type": "interactive"})),
    ];
    for (inbound, expected) in cases {
        assert_eq!(round_trip(inbound, Context::default()).await, expected);
    }
    let unsupported = round_trip(Inbound::Unsupported { kind: "poll".into(), code: 131_051 }, Context::default()).await;
    assert_eq!(unsupported["errors"][0]["code"], 131_051);
    assert_eq!(unsupported["unsupported"], json!({"type": "poll"}));
    let voice = round_trip(Inbound::Audio { file: file(), voice: true }, Context::default()).await;
    assert_eq!(voice["audio"]["voice"], true);
    let sticker = round_trip(Inbound::Sticker { file: file(), animated: false }, Context::default()).await;
    assert_eq!(sticker["sticker"]["animated"], false);
    let video = round_trip(Inbound::Video { file: file(), caption: None }, Context::default()).await;
    assert_eq!(video["video"].get("caption"), None);
}

#[tokio::test]
async fn what_stands_around_a_message_is_there() {
    let context = Context {
        reply_to: Some("wamid.x".into()),
        forwarded: true,
        frequently_forwarded: false,
        referred_product: Some(("c".into(), "p".into())),
        referral: Some(Referral {
            source_url: "https://fb.me/x".into(),
            source_id: "1".into(),
            source_type: "ad".into(),
            headline: "Play".into(),
            body: "Now".into(),
            ctwa_clid: Some("clid".into()),
        }),
    };
    let message = round_trip("hi".into(), context).await;
    assert_eq!(
        message["context"],
        json!({
            "from": "15550100001",
            "id": "wamid.x",
            "forwarded": true,
            "referred_product": {"catalog_id": "c", "product_retailer_id": "p"},
        })
    );
    assert_eq!(message["referral"]["ctwa_clid"], "clid");
    assert_eq!(message["referral"]["source_type"], "ad");
}

#[tokio::test]
async fn media_can_be_fetched_with_the_token_for_five_minutes() {
    let (bench, ada) = Bench::with_ada(config()).await;
    let file = MediaFile::new("application/pdf", &b"%PDF-1.7"[..]);
    let document = Inbound::Document { file, filename: "a.pdf".into(), caption: Some("look".into()) };
    ada.send(document).await.unwrap();
    let value = bench.host.wait_value(|value| value["messages"][0]["type"] == "document").await;
    let document = value["messages"][0]["document"].clone();
    assert_eq!((&document["filename"], &document["caption"]), (&json!("a.pdf"), &json!("look")));
    let id = document["id"].as_str().unwrap();
    let (status, info) = bench.call("GET", id, None).await;
    assert_eq!(status, 200);
    assert_eq!((&info["mime_type"], &info["file_size"]), (&json!("application/pdf"), &json!(8)));
    let url = info["url"].as_str().unwrap();
    let get = async |url: &str, token: &str| bench.http.get(url).bearer_auth(token).send().await.unwrap();
    let fetched = get(url, "emulator-access-token").await;
    assert_eq!(fetched.headers()["content-type"], "application/pdf");
    assert_eq!(fetched.bytes().await.unwrap(), &b"%PDF-1.7"[..]);
    assert_eq!(get(url, "wrong").await.status(), 401);
    let tampered = url.replace("hash=", "hash=0");
    assert_eq!(get(&tampered, "emulator-access-token").await.status(), 404);
    bench.emulator.advance(Duration::from_secs(5 * 60));
    assert_eq!(get(url, "emulator-access-token").await.status(), 404);
    let (_, again) = bench.call("GET", id, None).await;
    assert_eq!(get(again["url"].as_str().unwrap(), "emulator-access-token").await.status(), 200);
    bench.emulator.advance(Duration::from_secs(7 * 24 * 3600));
    let (status, gone) = bench.call("GET", id, None).await;
    assert_eq!((status, &gone["error"]["error_subcode"]), (400, &json!(33)));
}

#[tokio::test]
async fn a_player_without_a_visible_phone_is_named_as_asked() {
    let cases = [
        (PhoneShape::Missing, None),
        (PhoneShape::Null, Some(Value::Null)),
        (PhoneShape::Empty, Some("".into())),
        (PhoneShape::UserId, Some("EG.99".into())),
    ];
    for (shape, expected) in cases {
        let bench = Bench::start(config()).await;
        let player = Player::with_user_id_only("EG.99", "Eve").username("eve.x").phone_shape(shape);
        let eve = bench.emulator.add_player(player).unwrap();
        eve.send("hi").await.unwrap();
        let value = bench.host.wait_value(|value| value.get("messages").is_some()).await;
        let (contact, message) = (&value["contacts"][0], &value["messages"][0]);
        assert_eq!(contact.get("wa_id"), expected.as_ref(), "{shape:?}");
        assert_eq!(message.get("from"), expected.as_ref(), "{shape:?}");
        assert_eq!((&contact["user_id"], &message["from_user_id"]), (&json!("EG.99"), &json!("EG.99")));
        assert_eq!(contact["profile"], json!({"name": "Eve", "username": "eve.x"}));
    }
    let bench = Bench::start(config()).await;
    let both = Player::new(ADA, "Ada").user_id("US.1");
    let ada = bench.emulator.add_player(both).unwrap();
    ada.send("hi").await.unwrap();
    let value = bench.host.wait_value(|value| value.get("messages").is_some()).await;
    assert_eq!(value["contacts"][0]["wa_id"], ADA);
    assert_eq!(value["contacts"][0]["user_id"], "US.1");
    let bo = bench.emulator.add_player(Player::new("+49 1511 2345678", "Bo")).unwrap();
    assert!(bo.user_id().unwrap().starts_with("DE."), "made up from the number");
    let old = bench.emulator.add_player(Player::new("16505550000", "Old").without_user_id()).unwrap();
    old.send("hi").await.unwrap();
    let value = bench.host.wait_value(|value| value["messages"][0]["from"] == "16505550000").await;
    assert_eq!((value["contacts"][0].get("user_id"), value["messages"][0].get("from_user_id")), (None, None));
}

#[tokio::test]
async fn players_are_unique_and_have_an_identity() {
    let (bench, _ada) = Bench::with_ada(config()).await;
    let again = bench.emulator.add_player(Player::new("+1 650 555 1234", "Ada"));
    assert!(matches!(again, Err(PlayerError::Taken)));
    let nobody = bench.emulator.add_player(Player::new("nonsense", "X"));
    assert!(matches!(nobody, Err(PlayerError::NoIdentity)));
    assert!(bench.emulator.player("+1 650 555 1234").is_some());
    assert!(bench.emulator.player("+1 650 555 9999").is_none());
}

#[tokio::test]
async fn a_tap_answers_the_newest_message_that_offers_it() {
    let (bench, ada) = Bench::with_ada(config()).await;
    let buttons = |id: &str| {
        json!({"type": "interactive", "interactive": {
            "type": "button",
            "body": {"text": "Choose"},
            "action": {"buttons": [{"type": "reply", "reply": {"id": id, "title": "Claim"}}]},
        }})
    };
    bench.accepted(buttons("old")).await;
    let newest = bench.accepted(buttons("new")).await;
    let list = json!({"type": "interactive", "interactive": {
        "type": "list",
        "body": {"text": "Events"},
        "action": {"button": "Open", "sections": [
            {"title": "Now", "rows": [{"id": "e1", "title": "Race", "description": "fast"}]},
        ]},
    }});
    bench.accepted(list).await;
    ada.tap("Claim").await.unwrap();
    let value = bench.host.wait_value(|value| value["messages"][0]["type"] == "interactive").await;
    let message = &value["messages"][0];
    assert_eq!(message["interactive"]["button_reply"], json!({"id": "new", "title": "Claim"}));
    assert_eq!(message["context"], json!({"from": "15550100001", "id": newest}));
    ada.tap("Race").await.unwrap();
    let is_row = |value: &Value| value["messages"][0]["interactive"]["type"] == "list_reply";
    let value = bench.host.wait_value(is_row).await;
    assert_eq!(value["messages"][0]["interactive"]["list_reply"], json!({"id": "e1", "title": "Race", "description": "fast"}));
    let nothing = ada.tap("Buy").await;
    assert!(matches!(&nothing, Err(PlayerError::NothingToTap { offered, .. }) if offered.contains(&"Race".into())), "{nothing:?}");
}

#[tokio::test]
async fn requests_are_answered_by_a_tap() {
    let (bench, ada) = Bench::with_ada(config()).await;
    for (kind, action) in [("request_contact_info", "request_contact_info"), ("location_request_message", "send_location")] {
        let request = json!({"type": "interactive", "interactive": {
            "type": kind, "body": {"text": "Please"}, "action": {"name": action},
        }});
        bench.accepted(request).await;
    }
    ada.tap("Share contact info").await.unwrap();
    let value = bench.host.wait_value(|value| value["messages"][0]["type"] == "contacts").await;
    let card = &value["messages"][0]["contacts"][0];
    assert_eq!((&card["origin"], &card["phones"][0]["wa_id"]), (&json!("contact_request"), &json!(ADA)));
    ada.tap("Send location").await.unwrap();
    bench.host.wait_value(|value| value["messages"][0]["type"] == "location").await;
}

#[tokio::test]
async fn waiting_gives_each_message_once_and_names_what_came_instead() {
    let (bench, ada) = Bench::with_ada(config()).await;
    let send = async |body: &str| bench.accepted(text(body)).await;
    send("one").await;
    send("two").await;
    send("three").await;
    assert_eq!(ada.next(PATIENCE).await.unwrap().text(), "one");
    let three = ada.wait_for(PATIENCE, |message| message.text() == "three").await.unwrap();
    assert_eq!(three.text(), "three");
    let late = ada.next(Duration::from_millis(1)).await;
    assert!(matches!(&late, Err(PlayerError::TimedOut { received, .. }) if received.len() == 3), "{late:?}");
    let (waited, _) = tokio::join!(ada.next(PATIENCE), send("four"));
    assert_eq!(waited.unwrap().text(), "four");
    assert_eq!(ada.inbox().len(), 4);
}

#[tokio::test]
async fn reading_posts_read_statuses_once() {
    let (bench, ada) = Bench::with_ada(config()).await;
    let id = bench.accepted(text("one")).await;
    bench.accepted(text("two")).await;
    assert_eq!(ada.read_all(), 2);
    assert_eq!(ada.read_all(), 0);
    bench.host.wait_status(&id, "read").await;
    bench.emulator.advance(Duration::from_secs(24 * 3600));
    assert_eq!(ada.window_closes_at_ms(), None);
}

#[tokio::test]
async fn a_new_number_takes_the_conversation_along() {
    let bench = Bench::start(config()).await;
    let ada = bench.emulator.add_player(Player::new(ADA, "Ada").user_id("US.1")).unwrap();
    ada.send("hello").await.unwrap();
    ada.change_number("+1 650 555 7777").await.unwrap();
    let new_id = ada.user_id().unwrap();
    assert_ne!(new_id, "US.1", "a new number brings a new user id");
    let value = bench.host.wait_value(|value| value["messages"][0]["type"] == "system").await;
    assert_eq!(value.get("contacts"), None, "system messages have none");
    assert_eq!(value["messages"][0]["from"], ADA);
    let system = &value["messages"][0]["system"];
    assert_eq!(
        (&system["type"], &system["wa_id"], &system["user_id"]),
        (&json!("user_changed_number"), &json!("16505557777"), &json!(new_id))
    );
    ada.send("me again").await.unwrap();
    let value = bench.host.wait_value(|value| value["messages"][0]["from"] == "16505557777").await;
    assert_eq!(value["contacts"][0]["user_id"], new_id.as_str());
    let mut message = text("welcome back");
    message["to"] = "16505557777".into();
    bench.accepted(message).await;
    assert_eq!(ada.next(PATIENCE).await.unwrap().text(), "welcome back");
    let id = bench.accepted(text("to the old number")).await;
    assert_eq!(bench.host.wait_status(&id, "failed").await["errors"][0]["code"], 131_026);
    ada.change_user_id("US.3").await.unwrap();
    let changed = |value: &Value| value["messages"][0]["system"]["type"] == "user_changed_user_id";
    let value = bench.host.wait_value(changed).await;
    assert_eq!(value["messages"][0]["system"]["previous_user_id"], new_id.as_str());
    let other = bench.emulator.add_player(Player::new("16505550000", "Bo")).unwrap();
    assert!(matches!(other.change_number("16505557777").await, Err(PlayerError::Taken)));
}

#[tokio::test]
async fn an_inbox_has_a_bound_and_forgets_the_oldest() {
    let mut config = config();
    config.inbox_messages_max = 2;
    let (bench, ada) = Bench::with_ada(config).await;
    for body in ["one", "two", "three"] {
        bench.accepted(text(body)).await;
    }
    let texts: Vec<_> = ada.inbox().iter().map(|message| message.text().to_owned()).collect();
    assert_eq!(texts, ["two", "three"]);
    assert_eq!(ada.next(PATIENCE).await.unwrap().text(), "two");
}

#[tokio::test]
async fn a_blocked_player_gets_nothing_through() {
    let (bench, ada) = Bench::with_ada(config()).await;
    let block = json!({"messaging_product": "whatsapp", "block_users": [{"user": "+16505551234"}]});
    let path = format!("{NUMBER}/block_users");
    let (status, answer) = bench.call("POST", &path, Some(block.clone())).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["block_users"]["added_users"][0]["wa_id"], ADA);
    assert!(matches!(ada.send("hello?").await, Err(PlayerError::Blocked)));
    let (_, list) = bench.call("GET", &path, None).await;
    assert_eq!(list["data"][0]["wa_id"], ADA);
    bench.call("DELETE", &path, Some(block)).await;
    ada.send("hello!").await.unwrap();
    let by_id = json!({"messaging_product": "whatsapp", "block_users": [{"user_id": ada.user_id().unwrap()}]});
    let (_, answer) = bench.call("POST", &path, Some(by_id)).await;
    assert_eq!(answer["block_users"]["added_users"][0]["user_id"], ada.user_id().unwrap());
    assert!(matches!(ada.send("hello?").await, Err(PlayerError::Blocked)));
    let stranger = json!({"messaging_product": "whatsapp", "block_users": [{"user": "+4915112345678"}]});
    let (status, answer) = bench.call("POST", &path, Some(stranger)).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(139_100)));
    assert_eq!(answer["block_users"]["failed_users"][0]["errors"][0]["code"], 131_047);
}

#[tokio::test]
async fn a_player_who_is_offline_gets_what_was_sent_when_they_come_back() {
    let (bench, ada) = Bench::with_ada(config()).await;
    let closes_at_ms = ada.window_closes_at_ms();
    assert!(closes_at_ms.is_some());
    ada.set_online(false);
    let id = bench.accepted(text("while you were away")).await;
    bench.host.wait_status(&id, "sent").await;
    assert!(bench.emulator.settled(PATIENCE).await);
    assert!(!ada.inbox()[0].is_delivered);
    let delivered = |value: &Value| value["statuses"][0]["status"] == "delivered";
    assert!(!bench.host.values().iter().any(delivered), "a phone without network confirms nothing");
    ada.set_online(true);
    bench.host.wait_status(&id, "delivered").await;
    assert!(ada.inbox()[0].is_delivered && !ada.inbox()[0].is_read);
    assert_eq!(ada.read_all(), 1);
    bench.host.wait_status(&id, "read").await;
    bench.emulator.advance(Duration::from_secs(24 * 3600));
    assert_eq!(ada.window_closes_at_ms(), None);
}
