//! Experiments, from a list to the promoted template: who gets which stays so, what players do counts once and for their variant,
//! and the better one wins by itself. The host runs in this process, on a clock that can be moved forward.

use std::collections::BTreeMap;
use std::sync::Arc;

use questline::app::HostOptions;
use questline::clock::MovableClock;
use questline::config::Config;
use questline_emulator as meta;
use questline_tests::host::TOKEN;
use questline_tests::stage::NUMBER;
use questline_tests::{Api, Engine, Stage, eventually};
use serde_json::{Value, json};

use crate::support::at_rest;

on_both_stores![the_better_template_is_promoted_by_itself, what_is_no_experiment_is_named];

const PLAYERS: usize = 32;
const HOUR_MS: u64 = 3_600_000;

async fn stage(engine: Engine) -> Stage {
    let stage = Stage::new(engine).await.game("cup", NUMBER, "echo-guest", &["reply", "log"], "");
    for (name, body) in [("cup_plain", "The cup begins."), ("cup_warm", "Your cup begins, champion.")] {
        let template = format!("name = {name:?}\ncategory = \"utility\"\n[languages.en]\nbody = {body:?}\n");
        stage.write("cup", &format!("templates/{name}.toml"), &template);
        stage.emulator.put_template(meta::Template::body(name, "en", meta::Category::Utility, body));
    }
    stage.write_config();
    stage
}

fn phone(n: usize) -> String {
    format!("+1555030{n:04}")
}

fn experiment() -> Value {
    json!({
        "title": "Which words", "audience": "list",
        "experiment": {
            "variants": [{ "name": "plain", "template": "cup_plain" }, { "name": "warm", "template": "cup_warm" }],
            "goal": { "event": "joined" }, "within_s": 3600,
        },
    })
}

/// Which template each phone was sent.
fn sent(stage: &Stage) -> BTreeMap<String, String> {
    let accepted = stage.emulator.accepted();
    let templates = accepted.iter().map(|accepted| accepted.json()).filter(|message| message["type"] == "template");
    let of = |message: &Value| {
        let to = message["to"].as_str().unwrap_or_default().trim_start_matches('+');
        (format!("+{to}"), message["template"]["name"].as_str().unwrap_or_default().to_owned())
    };
    templates.map(|message| of(&message)).collect()
}

async fn the_better_template_is_promoted_by_itself(engine: Engine) {
    let stage = stage(engine).await;
    let clock = Arc::new(MovableClock::default());
    let config = Config::load(&stage.config()).unwrap();
    let running = questline::app::Host::start_with(&config, HostOptions { clock: clock.clone(), ..HostOptions::default() }).await.unwrap();
    let host = Api::at(running.address());
    (0..PLAYERS).for_each(|n| drop(stage.player(&phone(n), "Player")));

    let (status, made, _) = host.post_once("/games/cup/broadcasts", "words", &experiment()).await;
    assert_eq!(status, 201, "{made}");
    let path = format!("/games/cup/broadcasts/{}", made["id"].as_str().unwrap());
    let list: String = std::iter::once("phone\n".to_owned()).chain((0..PLAYERS).map(|n| format!("{}\n", phone(n)))).collect();
    let request = host.http().post(format!("http://{}/v1{path}/recipients", host.address)).bearer_auth(TOKEN);
    assert!(request.header("content-type", "text/csv").body(list).send().await.unwrap().status().is_success());
    assert_eq!(host.post(&format!("{path}/start"), &json!({})).await.0, 200);
    eventually("all have one of the two", async || (sent(&stage).len() == PLAYERS).then_some(())).await;
    at_rest(&stage, &host).await;
    let sent = sent(&stage);
    let warm: Vec<&String> = sent.iter().filter(|(_, template)| *template == "cup_warm").map(|(phone, _)| phone).collect();
    assert!((8..=24).contains(&warm.len()), "both are sent: {}", warm.len());

    // Whoever got the one joins; it is told twice, as backends do. Of the others one does.
    let plain = sent.iter().find(|(_, template)| *template == "cup_plain").map(|(phone, _)| phone).unwrap();
    for (place, phone) in warm.iter().copied().chain([plain]).enumerate() {
        for again in 0..2 {
            let event = json!({ "name": "joined", "contact": { "phone": phone }, "payload": {} });
            assert_eq!(host.post_once("/games/cup/events", &format!("{place}-{again}"), &event).await.0, 202);
        }
    }
    let count = warm.len() + 1;
    eventually("each counts once", async || (host.get(&path).await["progress"]["converted"] == count).then_some(())).await;
    at_rest(&stage, &host).await;
    let early = host.get(&path).await;
    assert_eq!((&early["progress"]["converted"], &early["standing"]["winner"]), (&json!(count), &Value::Null), "{early}");
    assert_eq!(early["standing"]["variants"][0]["subjects"], 0, "nobody's time is over: {early}");

    clock.advance(3 * HOUR_MS);
    let standing = eventually("the better one is promoted", async || {
        let standing = host.get(&path).await["standing"].clone();
        (standing["winner"] == "warm").then_some(standing)
    })
    .await;
    let variant = |place: usize| (standing["variants"][place]["subjects"].clone(), standing["variants"][place]["converted"].clone());
    assert_eq!(variant(1), (json!(warm.len()), json!(warm.len())), "{standing}");
    assert_eq!(variant(0), (json!(PLAYERS - warm.len()), json!(1)), "{standing}");
    assert!(standing["confidence"].as_f64().unwrap() >= 0.95, "{standing}");
    let rows = host.get("/games/cup/audit?limit=500").await["rows"].as_array().unwrap().clone();
    assert_eq!(rows.iter().filter(|row| row["action"] == "experiment-promoted").count(), 1, "it stands in the audit log, once");

    // What is told after its time counts for nobody.
    let late = json!({ "name": "joined", "contact": { "phone": sent.keys().find(|phone| !warm.contains(phone) && *phone != plain).unwrap() }, "payload": {} });
    assert_eq!(host.post_once("/games/cup/events", "late", &late).await.0, 202);
    at_rest(&stage, &host).await;
    assert_eq!(host.get(&path).await["progress"]["converted"], count);
    running.stop().await;
}

async fn what_is_no_experiment_is_named(engine: Engine) {
    let stage = stage(engine).await;
    let host = stage.start().await;
    let wrong = async |key: &str, change: &dyn Fn(&mut Value), words: &str| {
        let mut body = experiment();
        change(&mut body);
        let (status, problem, _) = host.post_once("/games/cup/broadcasts", key, &body).await;
        assert!(status == 400 && problem["detail"].as_str().unwrap().contains(words), "{key}: {problem}");
    };
    wrong("one", &|body| drop(body["experiment"]["variants"].as_array_mut().unwrap().pop()), "1 variants; an experiment compares 2 to 8")
        .await;
    wrong("same", &|body| body["experiment"]["variants"][1]["name"] = json!("plain"), "no other variant's").await;
    wrong("unknown", &|body| body["experiment"]["variants"][1]["template"] = json!("cup_cold"), "a template that cup declares").await;
    wrong("within", &|body| body["experiment"]["within_s"] = json!(5), "one minute to 30 days").await;
    wrong("goal", &|body| body["experiment"]["goal"] = json!("luck"), "experiment").await;
    wrong("both", &|body| body["template"] = json!("cup_plain"), "template").await;
}
