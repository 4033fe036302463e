//! Sends: the answer's shape, what reaches the player, who can be reached, and how refusals look.

use questline_emulator::{Config, Number, Player, Recipient, Report};
use serde_json::json;

use crate::support::{ACCOUNT, ADA, Bench, NUMBER, PATIENCE, config, text};

#[tokio::test]
async fn a_text_is_accepted_answered_as_documented_and_read_by_the_player() {
    let (bench, ada) = Bench::with_ada(config()).await;
    let (status, answer) = bench
        .post(json!({
            "recipient_type": "individual",
            "to": "+1 650 555 1234",
            "type": "text",
            "text": {"body": "Grüße", "preview_url": false},
            "biz_opaque_callback_data": "mark-1",
        }))
        .await;
    assert_eq!(status, 200);
    assert_eq!(answer["messaging_product"], "whatsapp");
    assert_eq!(answer["contacts"], json!([{"input": "+1 650 555 1234", "wa_id": ADA}]));
    let id = answer["messages"][0]["id"].as_str().unwrap();
    assert!(id.starts_with("wamid.HBgLMTY1MDU1NTEyMzQ"));
    let received = ada.next(PATIENCE).await.unwrap();
    assert_eq!((received.text(), received.id.as_str()), ("Grüße", id));
    let ledger = bench.emulator.accepted();
    assert_eq!(ledger.len(), 1);
    assert_eq!(ledger[0].id, id);
    assert_eq!(ledger[0].recipient, Recipient::Phone(ADA.into()));
    assert_eq!(ledger[0].biz_opaque_callback_data.as_deref(), Some("mark-1"));
    assert_eq!(ledger[0].json()["text"]["body"], "Grüße");
    let sent = bench.host.wait_status(id, "sent").await;
    assert_eq!(sent["biz_opaque_callback_data"], "mark-1");
    assert_eq!(sent["recipient_id"], ADA);
    assert_eq!(sent["recipient_user_id"], ada.user_id().unwrap());
    assert_eq!(sent["pricing"]["type"], "free_customer_service");
    bench.host.wait_status(id, "delivered").await;
}

#[tokio::test]
async fn refusals_have_metas_shape_and_status() {
    let (bench, _ada) = Bench::with_ada(config()).await;
    let (status, answer) = bench.post(json!({"type": "text", "text": {}})).await;
    assert_eq!(status, 400);
    let error = &answer["error"];
    assert_eq!(error["code"], 131_008);
    assert_eq!(error["message"], "(#131008) Required parameter is missing");
    assert_eq!(error["type"], "OAuthException");
    assert_eq!(error["error_data"]["messaging_product"], "whatsapp");
    assert!(error["error_data"]["details"].as_str().unwrap().contains("text['body']"));
    assert!(error["fbtrace_id"].as_str().unwrap().starts_with('A'));
    assert_eq!(bench.emulator.counters().refused, 1);
    assert_eq!(bench.emulator.counters().accepted, 0);
}

#[tokio::test]
async fn tokens_and_paths_are_checked() {
    let (bench, _ada) = Bench::with_ada(config()).await;
    let body = json!({"messaging_product": "whatsapp", "to": ADA, "type": "text", "text": {"body": "x"}});
    let url = bench.url("1001/messages");
    let wrong = bench.http.post(&url).bearer_auth("other").json(&body).send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    let error = wrong.json::<serde_json::Value>().await.unwrap();
    assert_eq!((&error["error"]["code"], &error["error"]["type"]), (&json!(190), &json!("OAuthException")));
    let none = bench.http.post(&url).json(&body).send().await.unwrap();
    assert_eq!(none.status(), 401);
    let (status, answer) = bench.call("POST", "9999/messages", Some(body)).await;
    assert_eq!(status, 400);
    assert_eq!((&answer["error"]["code"], &answer["error"]["error_subcode"]), (&json!(100), &json!(33)));
    assert_eq!(answer["error"]["type"], "GraphMethodException");
    for version in ["v17.0", "v99.9"] {
        let url = format!("{}/{version}/{NUMBER}", bench.emulator.graph_url());
        let found = bench.http.get(url).bearer_auth("emulator-access-token").send().await.unwrap();
        assert_eq!(found.status(), 200);
    }
}

#[tokio::test]
async fn numbers_whose_id_differs_from_what_was_dialled_are_answered_with_their_id() {
    let bench = Bench::start(config()).await;
    let caio = bench.emulator.add_player(Player::new("+55 31 98765-4321", "Caio")).unwrap();
    assert_eq!(caio.wa_id().as_deref(), Some("553187654321"));
    caio.open_window();
    for input in ["+5531987654321", "553187654321"] {
        let mut message = text("oi");
        message["to"] = input.into();
        let (_, answer) = bench.post(message).await;
        assert_eq!(answer["contacts"], json!([{"input": input, "wa_id": "553187654321"}]));
        caio.next(PATIENCE).await.unwrap();
    }
}

#[tokio::test]
async fn a_number_without_plus_may_lack_the_business_country_code() {
    let (bench, ada) = Bench::with_ada(config()).await;
    let mut message = text("hi");
    message["to"] = "6505551234".into();
    let (_, answer) = bench.post(message).await;
    assert_eq!(answer["contacts"], json!([{"input": "6505551234", "wa_id": ADA}]));
    ada.next(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn user_ids_are_addressed_by_recipient_and_answered_without_a_phone() {
    let bench = Bench::start(config()).await;
    let eve = bench.emulator.add_player(Player::with_user_id_only("EG.99", "Eve").username("eve")).unwrap();
    eve.open_window();
    let mut message = text("hi");
    message["recipient"] = "EG.99".into();
    let (_, answer) = bench.post(message).await;
    assert_eq!(answer["contacts"], json!([{"input": "EG.99", "user_id": "EG.99"}]));
    assert_eq!(eve.next(PATIENCE).await.unwrap().text(), "hi");
    let id = answer["messages"][0]["id"].as_str().unwrap();
    let value = bench.host.wait_value(|value| value["statuses"][0]["id"] == id).await;
    assert_eq!(value["statuses"][0]["recipient_user_id"], "EG.99");
    assert_eq!(value["statuses"][0].get("recipient_id"), None);
    assert_eq!(value["contacts"][0]["user_id"], "EG.99");
    assert_eq!(value["contacts"][0].get("wa_id"), None);
}

#[tokio::test]
async fn a_user_id_in_to_is_accepted_and_undeliverable() {
    let bench = Bench::start(config()).await;
    let eve = bench.emulator.add_player(Player::with_user_id_only("EG.99", "Eve")).unwrap();
    eve.open_window();
    let mut message = text("hi");
    message["to"] = "EG.99".into();
    let id = bench.accepted(message).await;
    let failed = bench.host.wait_status(&id, "failed").await;
    assert_eq!(failed["errors"][0]["code"], 131_026);
    assert!(eve.inbox().is_empty());
}

#[tokio::test]
async fn unknown_recipients_fail_later_or_at_once_or_not_at_all() {
    let mut message = text("hi");
    message["to"] = "4915112345678".into();

    let bench = Bench::start(config()).await;
    let id = bench.accepted(message.clone()).await;
    let value = bench.host.wait_value(|value| value["statuses"][0]["id"] == id.as_str()).await;
    assert_eq!(value["statuses"][0]["errors"][0]["code"], 131_026);
    assert_eq!(value.get("contacts"), None, "failures carry no contacts");
    assert_eq!(value["statuses"][0].get("recipient_user_id"), None, "nor the user id behind a phone");
    assert_eq!(bench.emulator.accepted()[0].failed_code, Some(131_026));

    let mut with_contact = config();
    with_contact.statuses.failed_with_contact = true;
    let bench = Bench::start(with_contact).await;
    let id = bench.accepted(message.clone()).await;
    let value = bench.host.wait_value(|value| value["statuses"][0]["id"] == id.as_str()).await;
    assert_eq!(value["contacts"][0]["wa_id"], "4915112345678");

    let mut at_once = config();
    at_once.rules.undeliverable = Report::Response;
    let bench = Bench::start(at_once).await;
    assert_eq!(bench.refused(message.clone()).await, (400, 131_026));

    let number = Number::new(NUMBER, "+1 555 010 0001", ACCOUNT);
    let bench = Bench::start(Config::for_load(number)).await;
    bench.accepted(message).await;
    assert_eq!(bench.emulator.counters().accepted, 1);
    assert!(bench.emulator.accepted().is_empty(), "counted only");
}

#[tokio::test]
async fn a_number_cannot_write_to_itself() {
    let bench = Bench::start(config()).await;
    let mut message = text("hi");
    message["to"] = "+1 555 010 0001".into();
    assert_eq!(bench.refused(message).await, (400, 131_021));
}

#[tokio::test]
async fn two_numbers_keep_their_conversations_apart() {
    let two = config().number(Number::new("1002", "+1 555 010 0002", "2002"));
    let (bench, ada) = Bench::with_ada(two).await;
    let other = ada.with_number("1002").unwrap();
    other.open_window();
    bench.accepted(text("from the first")).await;
    let body = json!({"messaging_product": "whatsapp", "to": ADA, "type": "text", "text": {"body": "from the second"}});
    bench.call("POST", "1002/messages", Some(body)).await;
    assert_eq!(other.next(PATIENCE).await.unwrap().text(), "from the second");
    assert_eq!(ada.next(PATIENCE).await.unwrap().text(), "from the first");
    assert!(ada.with_number("1003").is_err());
    other.send("hi second").await.unwrap();
    bench.host.wait_value(|value| value.get("messages").is_some()).await;
    let posted = bench.host.posted();
    let mut entries = posted.iter().map(|posted| posted.json()["entry"][0].clone());
    let entry = entries.find(|entry| entry["changes"][0]["value"].get("messages").is_some()).unwrap();
    assert_eq!(entry["id"], "2002");
    assert_eq!(entry["changes"][0]["value"]["metadata"]["phone_number_id"], "1002");
}

#[tokio::test]
async fn read_marks_and_typing_reach_the_player() {
    let (bench, ada) = Bench::with_ada(config()).await;
    let id = ada.send("hello").await.unwrap();
    let mark = json!({
        "messaging_product": "whatsapp",
        "status": "read",
        "message_id": id,
        "typing_indicator": {"type": "text"},
    });
    let (status, answer) = bench.call("POST", "1001/messages", Some(mark)).await;
    assert_eq!((status, answer), (200, json!({"success": true})));
    ada.wait_marked_read(PATIENCE, &id).await.unwrap();
    assert!(ada.sees_typing());
    bench.emulator.advance(std::time::Duration::from_secs(26));
    assert!(!ada.sees_typing());
    assert_eq!(bench.emulator.counters().typing_shown, 1);
    let unknown = json!({"messaging_product": "whatsapp", "status": "read", "message_id": "x"});
    let (status, answer) = bench.call("POST", "1001/messages", Some(unknown)).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(131_009)));
}

#[tokio::test]
async fn subscribers_hear_of_every_accepted_message() {
    let (bench, _ada) = Bench::with_ada(config()).await;
    let mut accepted = bench.emulator.subscribe();
    let id = bench.accepted(text("hi")).await;
    let heard = accepted.recv().await.unwrap();
    assert_eq!(heard.id, id);
    assert_eq!(&*heard.phone_number_id, NUMBER);
}
