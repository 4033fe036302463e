//! Field limits of every message type: one below is taken, one above is refused with Meta's code.

use questline_emulator::PairRate;
use serde_json::{Value, json};

use crate::support::{Bench, config, text};

async fn bench() -> Bench {
    let mut config = config();
    config.rules.pair_rate = PairRate::Off;
    config.rules.number_rate = false;
    let (bench, _ada) = Bench::with_ada(config).await;
    bench
}

fn interactive(interactive: Value) -> Value {
    json!({"type": "interactive", "interactive": interactive})
}

fn buttons(titles: &[&str]) -> Value {
    let buttons: Vec<_> = titles
        .iter()
        .enumerate()
        .map(|(at, title)| json!({"type": "reply", "reply": {"id": format!("id-{at}"), "title": title}}))
        .collect();
    interactive(json!({"type": "button", "body": {"text": "Choose"}, "action": {"buttons": buttons}}))
}

fn rows(section_sizes: &[usize]) -> Value {
    let sections: Vec<_> = section_sizes
        .iter()
        .enumerate()
        .map(|(section, size)| {
            let rows: Vec<_> = (0..*size).map(|row| json!({"id": format!("{section}-{row}"), "title": format!("Row {row}")})).collect();
            json!({"title": format!("Section {section}"), "rows": rows})
        })
        .collect();
    interactive(json!({
        "type": "list",
        "body": {"text": "Choose"},
        "action": {"button": "Open", "sections": sections},
    }))
}

fn with(mut message: Value, path: &str, value: Value) -> Value {
    *message.pointer_mut(path).unwrap() = value;
    message
}

fn add(mut message: Value, path: &str, key: &str, value: Value) -> Value {
    message.pointer_mut(path).unwrap()[key] = value;
    message
}

#[tokio::test]
async fn what_is_within_the_limits_is_accepted() {
    let bench = bench().await;
    let body = "/interactive/body/text";
    let cases = [
        text(&"ä".repeat(4096)),
        buttons(&["One"]),
        buttons(&["One", "Two", &"x".repeat(20)]),
        with(buttons(&["One"]), body, "x".repeat(1024).into()),
        with(buttons(&["One"]), "/interactive/action/buttons/0/reply/id", "x".repeat(256).into()),
        add(buttons(&["One"]), "/interactive", "footer", json!({"text": "x".repeat(60)})),
        add(buttons(&["One"]), "/interactive", "header", json!({"type": "text", "text": "x".repeat(60)})),
        add(buttons(&["One"]), "/interactive", "header", json!({"type": "image", "image": {"link": "https://example.com/a.png"}})),
        rows(&[10]),
        rows(&[1; 10]),
        with(rows(&[1]), body, "x".repeat(4096).into()),
        with(rows(&[1]), "/interactive/action/button", "x".repeat(20).into()),
        interactive(json!({
            "type": "cta_url",
            "body": {"text": "Look"},
            "action": {
                "name": "cta_url",
                "parameters": {"display_text": "x".repeat(20), "url": "https://example.com/a?b=c"},
            },
        })),
        interactive(json!({
            "type": "location_request_message",
            "body": {"text": "Where?"},
            "action": {"name": "send_location"},
        })),
        interactive(json!({
            "type": "request_contact_info",
            "body": {"text": "Your number?"},
            "action": {"name": "request_contact_info"},
        })),
        interactive(json!({
            "type": "flow",
            "body": {"text": "Form"},
            "action": {"name": "flow", "parameters": {
                "flow_message_version": "3", "flow_id": "1", "flow_cta": "Start", "flow_token": "t",
            }},
        })),
        json!({"type": "image", "image": {"link": "https://example.com/a.png", "caption": "x".repeat(1024)}}),
        json!({"type": "location", "location": {"latitude": 1.5, "longitude": "-2.5", "name": "Here"}}),
        json!({"type": "contacts", "contacts": [{"name": {"formatted_name": "Ada", "first_name": "Ada"}}]}),
        json!({"type": "contacts", "contacts": "[{\"name\":{\"formatted_name\":\"JSON in a text\"}}]"}),
        json!({"type": "reaction", "reaction": {"message_id": "wamid.HBgLMTY1MDU1NTEyMzQVAgASGBI=", "emoji": "🎮"}}),
        json!({"type": "reaction", "reaction": {"message_id": "wamid.HBgLMTY1MDU1NTEyMzQVAgASGBI=", "emoji": ""}}),
        add(text("x"), "", "biz_opaque_callback_data", "x".repeat(512).into()),
        add(text("x"), "", "context", json!({"message_id": "wamid.x"})),
    ];
    for case in cases {
        bench.accepted(case).await;
    }
}

#[tokio::test]
async fn what_is_beyond_a_limit_is_refused_with_its_code() {
    let bench = bench().await;
    let title = "/interactive/action/buttons/0/reply/title";
    let row = "/interactive/action/sections/0/rows/0";
    let cases = [
        (100, text(&"x".repeat(4097))),
        (131_008, text("")),
        (100, json!({"type": "text", "text": {"body": 5}})),
        (131_008, json!({"type": "text"})),
        (100, json!({"type": "carrier_pigeon"})),
        (131_009, buttons(&[])),
        (131_009, buttons(&["1", "2", "3", "4"])),
        (131_009, buttons(&["Same", "Same"])),
        (131_009, with(buttons(&["One"]), title, "x".repeat(21).into())),
        (131_008, with(buttons(&["One"]), title, "".into())),
        (131_009, with(buttons(&["One"]), "/interactive/action/buttons/0/reply/id", "x".repeat(257).into())),
        (131_009, with(buttons(&["One"]), "/interactive/body/text", "x".repeat(1025).into())),
        (131_008, with(buttons(&["One"]), "/interactive/body", Value::Null)),
        (131_009, add(buttons(&["One"]), "/interactive", "footer", json!({"text": "x".repeat(61)}))),
        (131_009, add(buttons(&["One"]), "/interactive", "header", json!({"type": "text", "text": "x".repeat(61)}))),
        (131_009, rows(&[])),
        (131_009, rows(&[11])),
        (131_009, rows(&[6, 5])),
        (131_009, rows(&[1; 11])),
        (131_009, rows(&[0])),
        (131_009, with(rows(&[1]), "/interactive/body/text", "x".repeat(4097).into())),
        (131_009, with(rows(&[1]), "/interactive/action/button", "x".repeat(21).into())),
        (131_009, add(rows(&[1]), row, "title", "x".repeat(25).into())),
        (131_009, add(rows(&[1]), row, "id", "x".repeat(201).into())),
        (131_009, add(rows(&[1]), row, "description", "x".repeat(73).into())),
        (131_009, with(rows(&[2]), &format!("{row}/id"), "0-1".into())),
        (131_009, with(rows(&[1]), "/interactive/action/sections/0/title", "x".repeat(25).into())),
        (131_009, add(rows(&[1]), "/interactive", "header", json!({"type": "image", "image": {"link": "https://example.com/a.png"}}))),
        (
            131_009,
            interactive(json!({
                "type": "cta_url",
                "body": {"text": "Look"},
                "action": {
                    "name": "cta_url",
                    "parameters": {"display_text": "x".repeat(21), "url": "https://example.com"},
                },
            })),
        ),
        (
            100,
            interactive(json!({
                "type": "cta_url",
                "body": {"text": "Look"},
                "action": {"name": "cta_url", "parameters": {"display_text": "Go", "url": "ftp://example.com"}},
            })),
        ),
        (131_009, interactive(json!({"type": "quiz", "body": {"text": "x"}, "action": {}}))),
        (100, json!({"type": "image", "image": {"link": "https://e.com/a", "caption": "x".repeat(1025)}})),
        (100, json!({"type": "image", "image": {"link": "not a link"}})),
        (100, json!({"type": "image", "image": {}})),
        (100, json!({"type": "image", "image": {"id": "123"}})),
        (100, json!({"type": "audio", "audio": {"link": "https://e.com/a", "caption": "no"}})),
        (131_009, json!({"type": "location", "location": {"latitude": 91, "longitude": 0}})),
        (131_008, json!({"type": "location", "location": {"latitude": 1}})),
        (131_008, json!({"type": "contacts", "contacts": [{}]})),
        (131_009, json!({"type": "reaction", "reaction": {"message_id": "nonsense", "emoji": "🎮"}})),
        (131_009, json!({"type": "reaction", "reaction": {"message_id": "wamid.HBgLMTY1MDU1NTEyMzQVAgASGBI=", "emoji": "ok"}})),
        (100, add(text("x"), "", "biz_opaque_callback_data", "x".repeat(513).into())),
        (131_008, add(text("x"), "", "context", json!({}))),
        (100, add(text("x"), "", "messaging_product", "telegram".into())),
        (100, add(text("x"), "", "to", "".into())),
        (131_009, add(text("x"), "", "to", "not a phone".into())),
        (131_009, add(text("x"), "", "recipient_type", "group".into())),
    ];
    for (code, case) in cases {
        assert_eq!(bench.refused(case.clone()).await, (400, code), "{case}");
    }
    assert_eq!(bench.emulator.counters().accepted, 0);
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    let bench = bench().await;
    for body in ["", "{", "[]", "\"x\""] {
        let response = bench.http.post(bench.url("1001/messages")).bearer_auth("emulator-access-token").body(body).send().await.unwrap();
        assert_eq!(response.status(), 400);
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["error"]["code"], 100);
    }
}
