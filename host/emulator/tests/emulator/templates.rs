//! Template sends: existence, status, parameters, authentication, and what the player reads.

use questline_emulator::{Category, ChoiceKind, Player, Template, TemplateStatus};
use serde_json::{Value, json};

use crate::support::{ADA, Bench, PATIENCE, config};

fn send(name: &str, language: &str, components: Value) -> Value {
    json!({
        "type": "template",
        "template": {"name": name, "language": {"code": language}, "components": components},
    })
}

fn body(texts: &[&str]) -> Value {
    let parameters: Vec<_> = texts.iter().map(|text| json!({"type": "text", "text": text})).collect();
    json!([{"type": "body", "parameters": parameters}])
}

fn code(body: &str, button: &str) -> Value {
    json!([
        {"type": "body", "parameters": [{"type": "text", "text": body}]},
        {"type": "button", "sub_type": "url", "index": "0", "parameters": [{"type": "text", "text": button}]},
    ])
}

async fn bench() -> Bench {
    let match_starts = Template::body("match_starts", "en_US", Category::Utility, "{{1}}, your match {{2}} starts now.");
    let named = Template::body("named", "en", Category::Utility, "Hello {{player}}, you won {{prize}}!");
    let season = Template::new(
        "season",
        "en",
        Category::Marketing,
        json!([
            {"type": "HEADER", "format": "IMAGE"},
            {"type": "BODY", "text": "A new season."},
            {"type": "BUTTONS", "buttons": [
                {"type": "QUICK_REPLY", "text": "Remind me"},
                {"type": "URL", "text": "Play", "url": "https://play.example/{{1}}"},
            ]},
        ]),
    );
    let with_status = |name: &str, status| Template::body(name, "en", Category::Utility, "Text.").status(status);
    let config = config()
        .template(match_starts)
        .template(named)
        .template(season)
        .template(Template::one_time_code("login", "en"))
        .template(with_status("paused", TemplateStatus::Paused))
        .template(with_status("disabled", TemplateStatus::Disabled))
        .template(with_status("pending", TemplateStatus::Pending))
        .template(with_status("rejected", TemplateStatus::Rejected));
    let bench = Bench::start(config).await;
    bench.emulator.add_player(Player::new(ADA, "Ada")).unwrap();
    bench
}

#[tokio::test]
async fn a_template_arrives_with_its_variables_filled_in() {
    let bench = bench().await;
    let ada = bench.emulator.player("+1 650 555 1234").unwrap();
    let (status, answer) = bench.post(send("match_starts", "en_US", body(&["Ada", "#7"]))).await;
    assert_eq!((status, &answer["messages"][0]["message_status"]), (200, &json!("accepted")));
    let received = ada.next(PATIENCE).await.unwrap();
    assert_eq!(received.text(), "Ada, your match #7 starts now.");
    let parameters = json!([{"type": "body", "parameters": [
        {"type": "text", "parameter_name": "prize", "text": "gold"},
        {"type": "text", "parameter_name": "player", "text": "Ada"},
    ]}]);
    bench.accepted(send("named", "en", parameters)).await;
    assert_eq!(ada.next(PATIENCE).await.unwrap().text(), "Hello Ada, you won gold!");
}

#[tokio::test]
async fn buttons_of_a_template_can_be_tapped() {
    let bench = bench().await;
    let ada = bench.emulator.player(ADA).unwrap();
    let components = json!([
        {"type": "header", "parameters": [{"type": "image", "image": {"link": "https://example.com/a.png"}}]},
        {"type": "button", "sub_type": "quick_reply", "index": 0, "parameters": [{"type": "payload", "payload": "remind"}]},
        {"type": "button", "sub_type": "url", "index": "1", "parameters": [{"type": "text", "text": "s5"}]},
    ]);
    let id = bench.accepted(send("season", "en", components)).await;
    let received = ada.next(PATIENCE).await.unwrap();
    assert_eq!(received.titles(), ["Remind me", "Play"]);
    assert_eq!(received.choices[1].kind, ChoiceKind::Link);
    assert_eq!(received.choices[1].id, "https://play.example/s5");
    ada.tap("Remind me").await.unwrap();
    let value = bench.host.wait_value(|value| value["messages"][0]["type"] == "button").await;
    let message = &value["messages"][0];
    assert_eq!(message["button"], json!({"payload": "remind", "text": "Remind me"}));
    assert_eq!(message["context"], json!({"from": "15550100001", "id": id}));
    assert!(ada.tap("Play").await.is_err(), "links send nothing");
}

#[tokio::test]
async fn what_does_not_fit_the_template_is_refused_with_its_code() {
    let bench = bench().await;
    let image = json!({"type": "header", "parameters": [{"type": "image", "image": {"link": "https://e.com/a"}}]});
    let url = json!({"type": "button", "sub_type": "url", "index": "1", "parameters": [{"type": "text", "text": "s"}]});
    let cases = [
        (404, 132_001, send("unknown", "en", json!([]))),
        (404, 132_001, send("match_starts", "de", body(&["a", "b"]))),
        (404, 132_001, send("pending", "en", json!([]))),
        (404, 132_001, send("rejected", "en", json!([]))),
        (400, 132_015, send("paused", "en", json!([]))),
        (400, 132_016, send("disabled", "en", json!([]))),
        (400, 132_000, send("match_starts", "en_US", body(&["a"]))),
        (400, 132_000, send("match_starts", "en_US", body(&["a", "b", "c"]))),
        (400, 132_000, send("match_starts", "en_US", json!([]))),
        (400, 132_012, send("match_starts", "en_US", body(&["a\nb", "c"]))),
        (400, 132_005, send("match_starts", "en_US", body(&[&"x".repeat(1020), "c"]))),
        (
            400,
            132_012,
            send(
                "match_starts",
                "en_US",
                json!([{"type": "body", "parameters": [{"type": "image", "image": {}}, {"type": "text", "text": "x"}]}]),
            ),
        ),
        (400, 131_008, send("named", "en", body(&["a", "b"]))),
        (400, 132_000, send("season", "en", json!([url]))),
        (400, 132_000, send("season", "en", json!([image]))),
        (
            400,
            132_012,
            send(
                "season",
                "en",
                json!([
                    {"type": "header", "parameters": [{"type": "video", "video": {"link": "https://e.com/a"}}]},
                    url,
                ]),
            ),
        ),
        (
            400,
            132_012,
            send("season", "en", json!([image, url, {"type": "button", "sub_type": "quick_reply", "index": "1", "parameters": []}])),
        ),
        (400, 131_008, json!({"type": "template", "template": {"name": "season"}})),
        (400, 131_008, send("login", "en", body(&["123456"]))),
        (400, 132_012, send("login", "en", code("123456", "654321"))),
        (400, 131_009, send("login", "en", code(&"1".repeat(16), &"1".repeat(16)))),
    ];
    for (status, code, case) in cases {
        assert_eq!(bench.refused(case.clone()).await, (status, code), "{case}");
    }
}

#[tokio::test]
async fn codes_reach_phones_and_never_user_ids() {
    let bench = bench().await;
    let ada = bench.emulator.player(ADA).unwrap();
    bench.accepted(send("login", "en", code("123456", "123456"))).await;
    let received = ada.next(PATIENCE).await.unwrap();
    assert_eq!(received.text(), "123456 is your verification code.");
    assert_eq!(received.choices[0].id, "123456");
    bench.emulator.add_player(Player::with_user_id_only("US.42", "Eve")).unwrap();
    let mut to_eve = send("login", "en", code("123456", "123456"));
    to_eve["recipient"] = "US.42".into();
    assert_eq!(bench.refused(to_eve).await, (400, 131_062));
}

#[tokio::test]
async fn a_review_changes_what_may_be_sent_and_tells_the_host() {
    let bench = bench().await;
    assert_eq!(bench.emulator.review_template("pending", None, TemplateStatus::Approved), 1);
    bench.accepted(send("pending", "en", json!([]))).await;
    let told = bench.host.wait_value(|value| value["event"] == "APPROVED").await;
    assert_eq!(told["message_template_name"], "pending");
    assert!(told["message_template_id"].is_u64());
    bench.emulator.review_template("pending", Some("en"), TemplateStatus::Paused);
    assert_eq!(bench.refused(send("pending", "en", json!([]))).await, (400, 132_015));
    assert_eq!(bench.emulator.review_template("unknown", None, TemplateStatus::Paused), 0);
}

#[tokio::test]
async fn who_stopped_marketing_gets_none() {
    let bench = bench().await;
    let ada = bench.emulator.player(ADA).unwrap();
    let components = json!([
        {"type": "header", "parameters": [{"type": "image", "image": {"link": "https://example.com/a.png"}}]},
        {"type": "button", "sub_type": "url", "index": "1", "parameters": [{"type": "text", "text": "s5"}]},
    ]);
    ada.set_marketing(false).await;
    let told = bench.host.wait_value(|value| value.get("user_preferences").is_some()).await;
    assert_eq!(told["user_preferences"][0]["value"], "stop");
    assert!(told["user_preferences"][0]["timestamp"].is_u64());
    let id = bench.accepted(send("season", "en", components.clone())).await;
    let failed = bench.host.wait_status(&id, "failed").await;
    assert_eq!(failed["errors"][0]["code"], 131_050);
    ada.set_marketing(true).await;
    let id = bench.accepted(send("season", "en", components)).await;
    bench.host.wait_status(&id, "delivered").await;
}
