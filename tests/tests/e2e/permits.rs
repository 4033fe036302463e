//! Permits, from outside: no limit is passed whoever asks, what waits is parked with its reason, and nobody else waits for it.

use questline_emulator::Fault;
use questline_emulator::webhook::fields;
use questline_tests::stage::{ACCOUNT, NUMBER, number_as_dialled};
use questline_tests::{Engine, Host, Stage, eventually, guests};
use serde_json::{Value, json};

use crate::support::{at_rest, dead_letters, heard, hears, says};

on_both_stores![
    a_portfolio_writes_to_no_more_users_than_its_limit,
    no_flow_sends_more_marketing_than_the_cap,
    who_plays_is_not_disturbed,
    promotions_wait_for_the_morning_where_the_player_is,
    a_pause_holds_what_it_names_and_nothing_else,
    what_meta_teaches_survives_a_crash,
    a_spam_limit_stops_marketing_and_no_answers,
    what_is_wrong_with_a_pause_or_presence_is_named,
];

const GRANTS: [&str; 13] = [
    "backend",
    "log",
    "random",
    "clock",
    "reply",
    "send-template",
    "react",
    "timers",
    "tickets",
    "authentication",
    "consent",
    "hand-over",
    "measures",
];

/// A game whose flow does what its backend's events say.
fn play(stage: Stage, more: &str) -> Stage {
    let stage = stage.game("cup", NUMBER, "puppet-guest", &GRANTS, "");
    let dir = stage.game_dir("cup");
    let wording = "[consent]\nchat_wording = \"news-1\"\n[consent.wordings.news-1]\nen = \"Shall we send you news?\"\n";
    let game = std::fs::read_to_string(dir.join("game.toml")).unwrap();
    std::fs::write(dir.join("game.toml"), format!("{game}{wording}{more}")).unwrap();
    let players = r#"{"players": [{"id": "ada-1", "phone": "+15550111", "name": "Ada", "tier": "gold", "locale": "en",
        "time_zone": "ZONE", "balances": {"premium": 1, "free": 1}}]}"#;
    std::fs::write(dir.join("players.json"), players.replace("ZONE", "Asia/Tokyo")).unwrap();
    std::fs::create_dir_all(dir.join("templates")).unwrap();
    let source = guests::workspace().join("tests/games/puppet/templates");
    for template in ["news.toml", "come_back.toml"] {
        std::fs::copy(source.join(template), dir.join("templates").join(template)).unwrap();
    }
    for template in &questline::game::templates(&dir).unwrap() {
        questline::dev::approve(&stage.emulator, template);
    }
    stage
}

/// Has the flow do something for whoever has this phone number.
async fn has(host: &Host, key: &str, phone: &str, what: &str) {
    let event = json!({ "name": "do", "contact": { "phone": phone }, "payload": { "do": what } });
    let (status, answer, _) = host.post_once("/games/cup/events", key, &event).await;
    assert_eq!(status, 202, "{answer}");
}

async fn agrees(host: &Host, key: &str, phone: &str) {
    let consent =
        json!({ "contact": { "phone": phone }, "decision": "granted", "method": "website-form", "version": "news-1", "locale": "en" });
    assert_eq!(host.post_once("/games/cup/consents", key, &consent).await.0, 202);
}

async fn parked(host: &Host, class: &str, reason: &str) -> f64 {
    host.metric(&format!("questline_permits_total{{class=\"{class}\",reason=\"{reason}\"}}")).await
}

async fn is_parked(host: &Host, class: &str, reason: &str, count: f64) {
    eventually(&format!("{count} are parked: {reason}"), async || (parked(host, class, reason).await >= count).then_some(())).await;
}

fn templates_sent(stage: &Stage) -> usize {
    stage.emulator.accepted().iter().filter(|accepted| accepted.json()["type"] == "template").count()
}

async fn call(host: &Host, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = host.http().request(method.parse().unwrap(), format!("http://{}/v1{path}", host.address));
    let response = request.bearer_auth(questline_tests::host::TOKEN).json(body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

async fn a_portfolio_writes_to_no_more_users_than_its_limit(engine: Engine) {
    let stage = play(Stage::new(engine).await.portfolio_limit("5"), "");
    let mut host = stage.start().await;
    let players: Vec<_> = (0..8).map(|n| stage.player(&format!("+1555014{n:02}"), "Player")).collect();
    for n in 0..8 {
        has(&host, &format!("e{n}"), &format!("+1555014{n:02}"), "template come_back").await;
    }
    is_parked(&host, "normal", "portfolio-limit", 3.0).await;
    assert_eq!(templates_sent(&stage), 5);
    let limits = host.get("/limits").await;
    assert_eq!((&limits["portfolios"][0]["used"], &limits["portfolios"][0]["left"]), (&json!(5), &json!(0)));

    // One of the five has their place, and takes no other. Who writes first needs none.
    let reached = players.iter().position(|player| !heard(player).is_empty()).unwrap();
    has(&host, "again", &format!("+1555014{reached:02}"), "template come_back").await;
    eventually("they hear more", async || (heard(&players[reached]).len() == 2).then_some(())).await;
    let left_out = players.iter().position(|player| heard(player).is_empty()).unwrap();
    assert_eq!(says(&players[left_out], "say I am here").await.text(), "I am here", "an answer asks for no place");
    has(&host, "inside", &format!("+1555014{left_out:02}"), "template come_back").await;
    assert_eq!(hears(&players[left_out]).await.kind, "template", "nor does what is sent inside the window");

    // Nor does a crash make new places.
    host.kill().await;
    let host = stage.start().await;
    has(&host, "after", "+155501499", "template come_back").await;
    is_parked(&host, "normal", "portfolio-limit", 1.0).await;
    assert_eq!(host.get("/limits").await["portfolios"][0]["used"], 5);
    assert_eq!(templates_sent(&stage), 7);
    assert!(dead_letters(&host).await.is_empty(), "what waits is not given up");
}

async fn no_flow_sends_more_marketing_than_the_cap(engine: Engine) {
    let stage = play(Stage::new(engine).await, "[sending]\nmarketing_per_week = 2\n");
    let mut host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    agrees(&host, "c1", "+15550111").await;
    let all = ["template news Ada | the cup"; 5].join("\n");
    has(&host, "n1", "+15550111", &all).await;
    assert_eq!([hears(&ada).await.kind, hears(&ada).await.kind], ["template", "template"]);
    is_parked(&host, "low", "marketing-cap", 3.0).await;
    // Asked by the player or not, inside the window or not, after a crash or not.
    assert_eq!(says(&ada, "say hello").await.text(), "hello");
    ada.send("template news Ada | the cup").await.unwrap();
    is_parked(&host, "low", "marketing-cap", 4.0).await;
    host.kill().await;
    let host = stage.start().await;
    has(&host, "n2", "+15550111", "template news Ada | the cup").await;
    is_parked(&host, "low", "marketing-cap", 1.0).await;
    assert_eq!(templates_sent(&stage), 2);

    // A refused one was none: its place is free again.
    let bob = stage.player("+15550122", "Bob");
    agrees(&host, "c2", "+15550122").await;
    stage.emulator.inject(Fault::code(131_026), 1);
    for n in 0..3 {
        has(&host, &format!("b{n}"), "+15550122", "template news Bob | the cup").await;
        if n == 0 {
            eventually("it was refused", async || (!dead_letters(&host).await.is_empty()).then_some(())).await;
        }
    }
    assert_eq!([hears(&bob).await.kind, hears(&bob).await.kind], ["template", "template"]);
}

async fn who_plays_is_not_disturbed(engine: Engine) {
    let stage = play(Stage::new(engine).await, "");
    let host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    assert_eq!(says(&ada, "say hello").await.text(), "hello");
    let path = "/games/cup/players/ada-1/presence";
    let (status, answer) = call(&host, "PUT", path, &json!({ "in_game": true, "ttl_s": 6 })).await;
    assert_eq!((status, &answer["in_game"]), (200, &json!(true)));
    has(&host, "e1", "+15550111", "say the lobby is open").await;
    is_parked(&host, "normal", "in-game", 1.0).await;
    assert_eq!(says(&ada, "say an answer").await.text(), "an answer", "who writes reads");
    // Their time is over, and what waited comes.
    assert_eq!(hears(&ada).await.text(), "the lobby is open");
    assert_eq!(host.get(path).await, json!({ "in_game": false }));
    let many = json!({ "players": [{ "player": "ada-1", "in_game": true }, { "player": "bob-2", "in_game": true, "ttl_s": 60 }] });
    assert_eq!(call(&host, "POST", "/games/cup/presence", &many).await, (200, json!({ "accepted": 2 })));
    assert_eq!(host.get("/limits").await["in_game"], 2);
    assert_eq!(call(&host, "PUT", path, &json!({ "in_game": false })).await.0, 200);
    has(&host, "e2", "+15550111", "say it is late").await;
    assert_eq!(hears(&ada).await.text(), "it is late");
    at_rest(&stage, &host).await;
}

async fn promotions_wait_for_the_morning_where_the_player_is(engine: Engine) {
    // Ten hours from an hour from now on, as it is in Tokyo: not now.
    let tokyo_min = (crate::support::now_s() / 60 + 9 * 60) % 1_440;
    let time = |min: u64| format!("{:02}:{:02}", min % 1_440 / 60, min % 60);
    let hours = |from: u64, to: u64| format!("[sending.local_hours]\nfrom = \"{}\"\nto = \"{}\"\n", time(from), time(to));
    let stage = play(Stage::new(engine).await, &hours(tokyo_min + 60, tokyo_min + 660));
    let host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    agrees(&host, "c1", "+15550111").await;
    assert_eq!(says(&ada, "say hello").await.text(), "hello");
    has(&host, "n1", "+15550111", "template news Ada | the cup").await;
    is_parked(&host, "low", "local-hours", 1.0).await;
    has(&host, "u1", "+15550111", "template come_back").await;
    assert_eq!(hears(&ada).await.kind, "template", "what is no promotion comes at any time");
    assert_eq!(templates_sent(&stage), 1);
}

async fn a_pause_holds_what_it_names_and_nothing_else(engine: Engine) {
    let stage = play(Stage::new(engine).await, "");
    let mut host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    let pause = json!({ "target": "template", "name": "come_back", "reason": "wrong price in it", "for_s": 3_600 });
    let (status, set) = host.post("/games/cup/pauses", &pause).await;
    assert_eq!((status, &set["target"], &set["name"]), (201, &json!("template"), &json!("come_back")));
    has(&host, "e1", "+15550111", "template come_back").await;
    is_parked(&host, "normal", "template-paused", 1.0).await;
    assert_eq!(says(&ada, "say hello").await.text(), "hello");
    assert_eq!(templates_sent(&stage), 0);
    // It outlives a crash.
    host.kill().await;
    let host = stage.start().await;
    assert_eq!(host.get("/games/cup/pauses").await["rows"], json!([set]));
    has(&host, "e2", "+15550111", "template come_back").await;
    is_parked(&host, "normal", "template-paused", 1.0).await;
    let path = format!("/games/cup/pauses/{}", set["id"].as_str().unwrap());
    assert_eq!(call(&host, "DELETE", &path, &Value::Null).await.0, 200);
    assert_eq!(call(&host, "DELETE", &path, &Value::Null).await.0, 404);
    // What waited comes, long before the pause would have ended.
    assert_eq!([hears(&ada).await.kind, hears(&ada).await.kind], ["template", "template"]);
    let log = host.get("/games/cup/audit").await;
    let actions: Vec<_> = log["rows"].as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert!(actions.contains(&"sending-paused") && actions.contains(&"sending-resumed"), "{actions:?}");
}

async fn what_meta_teaches_survives_a_crash(engine: Engine) {
    let stage = play(Stage::new(engine).await.per_second(80).portfolio_limit("250"), "");
    let mut host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    let number = async |host: &Host, key: &str| host.get("/limits").await["numbers"][0][key].as_u64().unwrap();
    assert_eq!((number(&host, "tier_per_second").await, number(&host, "per_second").await), (80, 80));
    stage.emulator.inject(Fault::code(130_429), 1);
    assert_eq!(says(&ada, "say slowly").await.text(), "slowly");
    let halved = number(&host, "per_second").await;
    assert!((40..80).contains(&halved), "{halved}");
    stage.emulator.post_change(NUMBER, fields::phone_number_quality_update(&number_as_dialled(NUMBER), "THROUGHPUT_UPGRADE")).unwrap();
    eventually("the tier is known", async || (number(&host, "tier_per_second").await == 1_000).then_some(())).await;
    assert_eq!(number(&host, "per_second").await, 1_000);
    stage.emulator.post_change(NUMBER, fields::business_capability_update(json!("TIER_10K"), 2)).unwrap();
    let limit = async |host: &Host| host.get("/limits").await["portfolios"][0]["limit"].as_u64();
    eventually("the limit is known", async || (limit(&host).await == Some(10_000)).then_some(())).await;
    // What was learned is written a moment later.
    eventually("it is kept", async || {
        host.kill().await;
        host = stage.start().await;
        (limit(&host).await == Some(10_000) && number(&host, "tier_per_second").await == 1_000).then_some(())
    })
    .await;
    assert_eq!(ACCOUNT.len(), 15);
}

async fn a_spam_limit_stops_marketing_and_no_answers(engine: Engine) {
    let stage = play(Stage::new(engine).await, "");
    let host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    agrees(&host, "c1", "+15550111").await;
    stage.emulator.inject(Fault::code(131_048), 1);
    has(&host, "n1", "+15550111", "template news Ada | the cup").await;
    eventually("Meta's word is heard", async || host.get("/limits").await["numbers"][0]["bulk_held_until"].is_u64().then_some(())).await;
    has(&host, "n2", "+15550111", "template news Ada | the cup").await;
    is_parked(&host, "low", "number-paused", 1.0).await;
    assert_eq!(says(&ada, "say hello").await.text(), "hello");
    has(&host, "u1", "+15550111", "template come_back").await;
    assert_eq!(hears(&ada).await.kind, "template", "utility goes on");
    assert_eq!(templates_sent(&stage), 1);
    let log = host.log();
    assert!(log.lines().any(|line| line.contains("ERROR") && line.contains("131048")), "the operator is told:\n{log}");
}

async fn what_is_wrong_with_a_pause_or_presence_is_named(engine: Engine) {
    let stage = play(Stage::new(engine).await, "");
    let host = stage.start().await;
    let good = json!({ "target": "number", "name": NUMBER, "reason": "x", "for_s": 1 });
    for (field, wrong) in [
        ("target", json!("planet")),
        ("target", json!(7)),
        ("name", json!("4711")),
        ("name", Value::Null),
        ("reason", json!("")),
        ("reason", json!("x".repeat(201))),
        ("for_s", json!(0)),
        ("for_s", json!(7_776_001)),
        ("more", json!(1)),
    ] {
        let mut pause = good.clone();
        pause[field] = wrong.clone();
        let (status, problem) = host.post("/games/cup/pauses", &pause).await;
        assert_eq!(status, 400, "{field}: {wrong}");
        assert!(problem["detail"].as_str().unwrap().contains(field), "{problem}");
    }
    for (target, name) in [("category", "spam"), ("template", "none")] {
        let pause = json!({ "target": target, "name": name, "reason": "x", "for_s": 1 });
        assert_eq!(host.post("/games/cup/pauses", &pause).await.0, 400);
    }
    for wrong in [json!({}), json!({ "in_game": "yes" }), json!({ "in_game": true, "ttl_s": 0 }), json!({ "in_game": true, "x": 1 })] {
        assert_eq!(call(&host, "PUT", "/games/cup/players/ada-1/presence", &wrong).await.0, 400, "{wrong}");
    }
    assert_eq!(call(&host, "PUT", "/games/none/players/ada-1/presence", &json!({ "in_game": true })).await.0, 404);
    let half = json!({ "players": [{ "player": "ada-1", "in_game": true }, { "player": "bob-2" }] });
    assert_eq!(call(&host, "POST", "/games/cup/presence", &half).await.0, 400);
    assert_eq!(host.get("/limits").await["in_game"], 0, "all or none");
}
