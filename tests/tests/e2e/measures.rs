//! How well codes do: what the emulator delivers and players enter is what the figures say, by country and channel, after a
//! restart too.

use questline_emulator as meta;
use questline_tests::stage::NUMBER;
use questline_tests::{Engine, Host, Stage, eventually};
use serde_json::{Value, json};

use crate::support::{at_rest, code};

on_both_stores![rates_are_those_of_what_was_sent_delivered_and_entered, a_studio_reads_the_figures_of_its_own_games];

/// A game that sends codes.
async fn stage(engine: Engine) -> Stage {
    let stage = Stage::new(engine).await.game("cup", NUMBER, "echo-guest", &["reply", "log"], "");
    let channel = "[[verification.channels]]\ntemplate = \"cup_code\"\ndelivered_within_s = 2";
    stage.append("cup", &format!("[verification]\nresend_wait_s = 0\n{channel}"));
    stage.sends_codes(&["cup"])
}

/// Asks for a code; the verification's id, and the code that reaches the phone.
async fn asked(host: &Host, phone: &str, player: &meta::PlayerHandle) -> (String, String) {
    let (status, started) = host.post("/games/cup/verifications", &json!({ "contact": { "phone": phone }, "purpose": "login" })).await;
    assert_eq!(status, 202, "{started}");
    (started["id"].as_str().unwrap().to_owned(), code(player).await)
}

async fn check(host: &Host, id: &str, code: &str) -> String {
    let (status, checked) = host.post(&format!("/games/cup/verifications/{id}/check"), &json!({ "code": code })).await;
    assert_eq!(status, 200, "{checked}");
    checked["status"].as_str().unwrap().to_owned()
}

/// All rows of a period, and of no other day than one.
async fn rows(host: &Host, period: &str) -> Vec<Value> {
    let measures = host.get(&format!("/games/cup/verifications/measures{period}")).await;
    let days = measures["days"].as_array().unwrap();
    days.iter().flat_map(|day| day["rows"].as_array().unwrap().clone()).collect()
}

fn of<'a>(rows: &'a [Value], country: &str) -> &'a Value {
    rows.iter().find(|row| row["country"] == country).unwrap_or_else(|| panic!("{country}: {rows:?}"))
}

async fn rates_are_those_of_what_was_sent_delivered_and_entered(engine: Engine) {
    let stage = stage(engine).await;
    let mut host = stage.start().await;
    let german = ["+4915550111", "+4915550112"];
    for phone in german {
        let player = stage.player(phone, "Lena");
        let (id, code) = asked(&host, phone, &player).await;
        if phone == german[0] {
            let wrong = format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000);
            assert_eq!(check(&host, &id, &wrong).await, "rejected");
            assert_eq!(check(&host, &id, &code).await, "approved");
            assert_eq!(check(&host, &id, &code).await, "already-used");
        }
    }
    let ada = stage.player("+15550113", "Ada");
    let (_, typed) = asked(&host, "+15550113", &ada).await;
    ada.send(typed.as_str()).await.unwrap();
    at_rest(&stage, &host).await;
    // Around midnight (UTC) the day that was asked about could be over.
    let all = "?from=2020-01-01&to=2020-01-02";
    assert!(rows(&host, all).await.is_empty());
    let found = eventually("all has been counted", async || {
        let found = rows(&host, "").await;
        let sum = |what: &str| found.iter().map(|row| row[what].as_u64().unwrap()).sum::<u64>();
        (sum("sent") == 3 && sum("delivered") == 3 && sum("approved") == 2).then_some(found)
    })
    .await;
    let germany = of(&found, "DE");
    assert_eq!((&germany["channel"], &germany["sent"], &germany["delivered"]), (&json!("cup_code"), &json!(2), &json!(2)));
    assert_eq!((&germany["delivery_rate"], &germany["approval_rate"]), (&json!(1.0), &json!(0.5)), "{germany}");
    assert!(germany["time_to_authenticate_s"]["p95"].as_u64().is_some_and(|p95| (1..=300).contains(&p95)), "{germany}");
    assert_eq!(of(&found, "+1")["approval_rate"], 1.0, "a code typed in the chat counts too");
    let text = Value::from(found.clone()).to_string() + &host.metrics().await;
    assert!(!text.contains("15550111") && !text.contains("15550113"), "no number stands in the figures");
    host.kill().await;
    let host = stage.start().await;
    assert_eq!(rows(&host, "").await, found, "they outlive the host");
    for wrong in ["?from=2026-13-01", "?from=2026-02-01&to=2026-01-01", "?from=2020-01-01&to=2026-01-01", "?day=today"] {
        let request = host.http().get(format!("http://{}/v1/games/cup/verifications/measures{wrong}", host.address));
        assert_eq!(request.bearer_auth(questline_tests::host::TOKEN).send().await.unwrap().status(), 400, "{wrong}");
    }
}

async fn a_studio_reads_the_figures_of_its_own_games(engine: Engine) {
    let stage = stage(engine).await;
    let host = stage.start().await;
    let mut answers = Vec::new();
    for (games, scopes) in [(["cup"], ["events"]), (["other"], ["verifications"]), (["cup"], ["verifications"])] {
        let (_, made) = host.post("/tokens", &json!({ "name": "s", "games": games, "scopes": scopes, "days": 1 })).await;
        let request = host.http().get(format!("http://{}/v1/games/cup/verifications/measures", host.address));
        let token = made["token"].as_str().map_or_else(|| made.to_string(), str::to_owned);
        answers.push(request.bearer_auth(token).send().await.unwrap().status().as_u16());
    }
    assert!(answers[0] == 403 && answers[1] != 200 && answers[2] == 200, "{answers:?}");
}
