//! Broadcasts, from outside: a dry run says what happens, whoever did not agree gets no marketing, and nobody gets a message twice,
//! whatever happens to the host meanwhile.

use std::collections::{BTreeMap, HashMap};

use questline_emulator as meta;
use questline_tests::host::{self, TOKEN};
use questline_tests::stage::{NUMBER, SECOND_NUMBER, number};
use questline_tests::{Api, Engine, Host, Stage, eventually, guests};
use serde_json::{Value, json};

use crate::support::{at_rest, dead_letters, hears, says};

on_both_stores![
    a_dry_run_says_what_happens,
    rows_that_cannot_be_used_are_told_by_line,
    a_broadcast_is_paused_resumed_and_cancelled,
    killed_half_way_nobody_gets_it_twice,
    an_outage_reaches_those_whom_it_concerns_once,
    a_planned_broadcast_waits_for_its_time,
    what_is_wrong_is_named_and_other_tokens_are_refused,
];

const PLAYERS: &str = r#"{"players": [
  {"id": "ada-1", "phone": "+15550111", "name": "Ada", "tier": "gold", "country": "DE", "locale": "de", "balances": {"premium": 1, "free": 1}},
  {"id": "bob-2", "phone": "+15550122", "name": "Bob", "tier": "silver", "country": "MX", "locale": "es-MX", "balances": {"premium": 1, "free": 1}}
]}"#;

/// All that the flow asks for.
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

const WORDINGS: &str = "[consent]\n[consent.wordings.news-1]\nen = \"Shall we send you news?\"\n";

pub(crate) fn played(stage: Stage) -> Stage {
    let stage = stage.game("cup", NUMBER, "puppet-guest", &GRANTS, "");
    let dir = stage.game_dir("cup");
    std::fs::write(dir.join("players.json"), PLAYERS).unwrap();
    let game = std::fs::read_to_string(dir.join("game.toml")).unwrap();
    std::fs::write(dir.join("game.toml"), format!("{game}{WORDINGS}")).unwrap();
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

pub(crate) async fn stage(engine: Engine) -> Stage {
    played(Stage::new(engine).await)
}

pub(crate) async fn described(host: &Api, key: &str, broadcast: &Value) -> String {
    let (status, answer, _) = host.post_once("/games/cup/broadcasts", key, broadcast).await;
    assert_eq!((status, &answer["state"]), (201, &json!("draft")), "{answer}");
    answer["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn upload(host: &Api, id: &str, kind: &str, list: impl Into<String>) -> (u16, Value) {
    // A list that is refused before all of it came ends its connection: nothing else goes over it.
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let request = client.post(format!("http://{}/v1/games/cup/broadcasts/{id}/recipients", host.address)).bearer_auth(TOKEN);
    let response = request.header("content-type", kind).body(list.into()).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

pub(crate) async fn order(host: &Api, id: &str, order: &str) -> Value {
    let (status, answer) = host.post(&format!("/games/cup/broadcasts/{id}/{order}"), &json!({})).await;
    assert_eq!(status, 200, "{order}: {answer}");
    answer
}

pub(crate) async fn progress(host: &Api, id: &str) -> Value {
    host.get(&format!("/games/cup/broadcasts/{id}")).await["progress"].clone()
}

pub(crate) async fn done(host: &Api, id: &str) -> Value {
    eventually("the broadcast is done", async || {
        let progress = progress(host, id).await;
        (progress["state"] == "done").then_some(progress)
    })
    .await
}

/// Agrees to marketing, over the API.
async fn agree(host: &Host, phones: &[&str]) {
    for phone in phones {
        let consent =
            json!({ "contact": { "phone": phone }, "decision": "granted", "method": "website-form", "version": "news-1", "locale": "en" });
        assert_eq!(host.post_once("/games/cup/consents", phone, &consent).await.0, 202);
    }
}

/// How often each phone was sent a template.
pub(crate) fn sent(stage: &Stage) -> BTreeMap<String, usize> {
    let mut sent = BTreeMap::new();
    for accepted in stage.emulator.accepted() {
        let message = accepted.json();
        if message["type"] == "template" {
            *sent.entry(message["to"].as_str().unwrap_or_default().trim_start_matches('+').to_owned()).or_insert(0) += 1;
        }
    }
    sent
}

pub(crate) fn utility() -> Value {
    json!({ "title": "There is news", "template": "come_back", "audience": "list" })
}

async fn a_dry_run_says_what_happens(engine: Engine) {
    let stage = stage(engine).await;
    let host = stage.start().await;
    let players: Vec<_> = (0..4).map(|n| stage.player(&format!("+1555020{n}"), "Player")).collect();
    agree(&host, &["+15550200", "+15550201", "+15550202"]).await;
    at_rest(&stage, &host).await;
    // One of them has taken it back, in the chat.
    players[1].send("STOP").await.unwrap();
    hears(&players[1]).await;
    at_rest(&stage, &host).await;

    let news = json!({ "title": "Winter cup", "template": "news", "values": ["{name}", "the Winter cup"], "audience": "list" });
    let id = described(&host, "winter", &news).await;
    let (status, early) = host.post(&format!("/games/cup/broadcasts/{id}/start"), &json!({})).await;
    assert!(status == 409 && early["detail"].as_str().unwrap().contains("recipients first"), "{early}");
    let list = "phone,name,locale\n+15550200,Ada,en\n+15550201,Bob,en\n+15550202,Carla,de\n+15550203,Dora,en\n";
    let (status, taken) = upload(&host, &id, "text/csv", list).await;
    assert_eq!((status, &taken), (200, &json!({ "recipients": 4, "duplicates": 0, "refused": 0, "problems": [] })), "{taken}");

    let (status, dry) = host.post(&format!("/games/cup/broadcasts/{id}/dry-run"), &json!({})).await;
    assert_eq!(
        (status, &dry["recipients"], &dry["gets"], &dry["skipped"]),
        (200, &json!(4), &json!(2), &json!({ "no-consent": 2 })),
        "{dry}"
    );
    assert_eq!(
        dry["rows"],
        json!([{ "line": 3, "gets": false, "reason": "no-consent" }, { "line": 5, "gets": false, "reason": "no-consent" }])
    );
    assert!(dry["estimate"]["seconds"].as_u64().is_some(), "{dry}");
    let all = host.http().post(format!("http://{}/v1/games/cup/broadcasts/{id}/dry-run?rows=all", host.address)).bearer_auth(TOKEN);
    let all = all.send().await.unwrap().text().await.unwrap();
    let lines: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0], &lines[4]["gets"]), (5, &json!({ "line": 2, "gets": true }), &json!(2)), "{all}");
    assert_eq!(sent(&stage), BTreeMap::new(), "a dry run sends nothing");

    order(&host, &id, "start").await;
    let progress = done(&host, &id).await;
    assert_eq!((&progress["seen"], &progress["messages"], &progress["skipped"]), (&dry["recipients"], &dry["gets"], &dry["skipped"]));
    assert_eq!(sent(&stage), BTreeMap::from([("15550200".to_owned(), 1), ("15550202".to_owned(), 1)]));
    assert!(hears(&players[0]).await.text().starts_with("Hello Ada, there is something new for you in the Winter cup"));
    assert!(hears(&players[2]).await.text().starts_with("Hallo Carla"), "in the recipient's language");
    at_rest(&stage, &host).await;
    let progress = eventually("both were read or delivered", async || {
        let progress = self::progress(&host, &id).await;
        (progress["delivered"] == 2).then_some(progress)
    })
    .await;
    assert_eq!((&progress["accepted"], &progress["failed"], &progress["unknown"]), (&json!(2), &json!({}), &json!(0)));
    let (status, over) = host.post(&format!("/games/cup/broadcasts/{id}/cancel"), &json!({})).await;
    assert!(status == 409 && over["detail"].as_str().unwrap().contains("done"), "{over}");

    let audit = host.get("/games/cup/audit?limit=500").await["rows"].to_string();
    for action in ["broadcast-created", "broadcast-list-taken", "broadcast-started"] {
        assert!(audit.contains(action), "{action}");
    }
    assert!(!audit.contains("15550200") && !host.log().contains("15550200"), "people are in no log");
    let output = host::run(&stage.config(), &["broadcast", "--game", "cup", "show", &id]).await;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && shown.contains("2 accepted") && shown.contains("skipped: no-consent 2"), "{output:?}");
}

async fn rows_that_cannot_be_used_are_told_by_line(engine: Engine) {
    let stage = stage(engine).await;
    let host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    let id = described(&host, "k-1", &json!({ "template": "news", "values": ["{name}", "{what}"], "audience": "list" })).await;
    for (kind, list, says) in [
        ("text/csv", "name,what\nAda,x\n", "phone, user_id or player"),
        ("text/csv", "phone,name\n+15550111,Ada\n", "\"what\""),
        ("text/csv", "", "empty"),
    ] {
        let (status, answer) = upload(&host, &id, kind, list).await;
        assert!(status == 400 && answer["detail"].as_str().unwrap().contains(says), "{answer}");
    }
    assert_eq!(upload(&host, &id, "application/pdf", "x").await.0, 415);
    // A quote that is never closed does not fill the host's memory.
    let (status, answer) = upload(&host, &id, "text/csv", format!("phone,name,what\n\"{}", "x".repeat(1 << 20))).await;
    assert!(status == 400 && answer["detail"].as_str().unwrap().starts_with("line 2"), "{answer}");
    let (_, draft) = host.post(&format!("/games/cup/broadcasts/{id}/start"), &json!({})).await;
    assert!(draft["detail"].as_str().unwrap().contains("none was uploaded"), "{draft}");

    let list = "phone,name,what\n+15550111,Ada,x\nnot a number,Bob,x\n+1 555 0111,Ada,x\n+15550133,,x\n+15550144,Dora\n\n+15550155,\"E\nva\",x\n+15550166,Fay,x\n";
    let (status, taken) = upload(&host, &id, "text/csv; charset=utf-8", list).await;
    assert_eq!((status, &taken["recipients"], &taken["duplicates"], &taken["refused"]), (200, &json!(2), &json!(1), &json!(4)), "{taken}");
    let problems = taken["problems"].as_array().unwrap();
    let lines: Vec<u64> = problems.iter().map(|problem| problem["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [3, 4, 5, 6, 8], "{taken}");
    assert!(problems[1]["problem"].as_str().unwrap().contains("line 2"), "a duplicate names the line that counts: {taken}");
    assert!(!taken.to_string().contains("not a number"), "what stands there is not repeated");

    // The same as lines of JSON, by the studio's ids; a list takes the place of the one before.
    let list = "{\"player\": \"ada-1\", \"name\": \"Ada\", \"what\": 5}\n{\"player\": \"ghost\", \"name\": \"G\", \"what\": true}\n\n[1]\n{\"player\": {}, \"name\": \"x\", \"what\": 1}\n{\"phone\": \"+15550111\", \"name\": \"x\", \"what\": 1}\n";
    let (status, taken) = upload(&host, &id, "application/jsonl", list).await;
    let lines: Vec<u64> = taken["problems"].as_array().unwrap().iter().map(|problem| problem["line"].as_u64().unwrap()).collect();
    assert_eq!((status, &taken["recipients"], lines), (200, &json!(2), vec![4, 5, 6]), "{taken}");
    agree(&host, &["+15550111"]).await;
    at_rest(&stage, &host).await;
    order(&host, &id, "start").await;
    let progress = done(&host, &id).await;
    assert_eq!((&progress["messages"], &progress["skipped"]), (&json!(1), &json!({ "no-contact": 1 })), "{progress}");
    assert!(hears(&ada).await.text().contains("in 5 today"));
    assert_eq!(upload(&host, &id, "text/csv", "phone,name,what\n").await.0, 409, "it is done");
}

/// A list of so many phones, with a player behind each.
pub(crate) fn crowd(stage: &Stage, count: usize) -> String {
    let mut list = "phone\n".to_owned();
    for n in 0..count {
        let phone = format!("+1555{n:06}");
        stage.player(&phone, "Player");
        list.push_str(&format!("{phone}\n"));
    }
    list
}

async fn a_broadcast_is_paused_resumed_and_cancelled(engine: Engine) {
    let stage = played(Stage::new(engine).await.per_second(60));
    let host = stage.start().await;
    let list = crowd(&stage, 240);
    let id = described(&host, "k-1", &utility()).await;
    upload(&host, &id, "text/csv", list.clone()).await;
    order(&host, &id, "start").await;
    eventually("some have it", async || (!sent(&stage).is_empty()).then_some(())).await;
    assert_eq!(order(&host, &id, "pause").await["state"], "paused");
    let held = eventually("what waits is held", async || {
        let progress = progress(&host, &id).await;
        let waits = progress["messages"].as_u64()? - progress["accepted"].as_u64()?;
        (progress["queued"] == 0 && progress["parked"]["campaign-paused"].as_u64() == Some(waits)).then_some(progress)
    })
    .await;
    let so_far = sent(&stage).len();
    assert!(so_far < 240 && held["accepted"].as_u64() == Some(so_far as u64), "{so_far}: {held}");
    // Other messages do not wait for it.
    let ada = stage.player("+15550111", "Ada");
    assert_eq!(says(&ada, "say hello").await.text(), "hello");
    assert_eq!(templates(&stage), so_far, "nothing left meanwhile");
    assert_eq!(order(&host, &id, "pause").await["state"], "paused", "twice is once");
    order(&host, &id, "resume").await;
    let progress = done(&host, &id).await;
    assert_eq!((&progress["messages"], &progress["accepted"]), (&json!(240), &json!(240)), "{progress}");
    assert!(sent(&stage).len() == 240 && sent(&stage).values().all(|times| *times == 1));

    let id = described(&host, "k-2", &utility()).await;
    upload(&host, &id, "text/csv", list).await;
    order(&host, &id, "start").await;
    eventually("some have it", async || (templates(&stage) > 240).then_some(())).await;
    assert_eq!(order(&host, &id, "cancel").await["state"], "cancelled");
    let ended = eventually("nothing of it waits", async || {
        let progress = self::progress(&host, &id).await;
        let over = progress["accepted"].as_u64()? + progress["dropped"]["cancelled"].as_u64()?;
        (progress["messages"].as_u64() == Some(over)).then_some(progress)
    })
    .await;
    assert!(ended["dropped"]["cancelled"].as_u64() > Some(0) && templates(&stage) < 480, "{ended}");
    assert_eq!(templates(&stage) as u64, 240 + ended["accepted"].as_u64().unwrap());
    assert_eq!(dead_letters(&host).await, Vec::<Value>::new(), "it is counted, and not kept one by one");
    assert_eq!(host.post(&format!("/games/cup/broadcasts/{id}/resume"), &json!({})).await.0, 409);
}

pub(crate) fn templates(stage: &Stage) -> usize {
    sent(stage).values().sum()
}

async fn killed_half_way_nobody_gets_it_twice(engine: Engine) {
    const CROWD: usize = 600;
    let mut config = meta::Config::new(number(NUMBER)).number(number(SECOND_NUMBER));
    config.delivery.retry = meta::Retry::every(std::time::Duration::from_millis(100), 1_000);
    let stage = played(Stage::with_meta(engine, config).await.per_second(150).times(1_000, 5_000));
    let mut host = stage.start().await;
    let list = crowd(&stage, CROWD);
    let id = described(&host, "k-1", &json!({ "template": "come_back", "audience": "list", "per_second": 150 })).await;
    upload(&host, &id, "text/csv", list).await;
    order(&host, &id, "start").await;
    for share in [6, 3, 2] {
        eventually("some have it", async || (templates(&stage) >= CROWD / share).then_some(())).await;
        host.kill().await;
        host = stage.start().await;
    }
    let progress = done(&host, &id).await;
    assert_eq!(
        (&progress["seen"], &progress["messages"], &progress["accepted"]),
        (&json!(CROWD), &json!(CROWD), &json!(CROWD)),
        "{progress}"
    );
    let unknown = host.get(&format!("/games/cup/broadcasts/{id}/unknown")).await;
    let listed: Vec<&str> = unknown["rows"].as_array().unwrap().iter().map(|row| row["message"].as_str().unwrap()).collect();
    // One message for each recipient, by the names that they were sent under; twice only what is listed.
    let mut names: HashMap<String, HashMap<String, usize>> = HashMap::new();
    for accepted in stage.emulator.accepted() {
        let to = accepted.json()["to"].as_str().unwrap().to_owned();
        *names.entry(to).or_default().entry(accepted.biz_opaque_callback_data.clone().unwrap()).or_default() += 1;
    }
    assert_eq!(names.len(), CROWD);
    for (to, names) in names {
        assert_eq!(names.len(), 1, "{to} was sent two messages");
        for (name, times) in names {
            let is_listed = listed.contains(&name.trim_start_matches("q1."));
            assert!(times == 1 || is_listed, "{to} has {name} {times} times, and nobody says so");
        }
    }
    println!("{engine:?}: killed three times, {CROWD} recipients, {} of unknown outcome", listed.len());
    assert_eq!(progress["unknown"].as_u64(), Some(listed.len() as u64));
}

async fn an_outage_reaches_those_whom_it_concerns_once(engine: Engine) {
    let stage = stage(engine).await;
    let host = stage.start().await;
    let (ada, bob, eve) = (stage.player("+15550111", "Ada"), stage.player("+15550122", "Bob"), stage.player("+15550133", "Eve"));
    for player in [&ada, &bob, &eve] {
        assert_eq!(says(player, "say hello").await.text(), "hello");
    }
    at_rest(&stage, &host).await;
    let outage = json!({ "title": "Servers in Europe", "template": "come_back", "affected": { "countries": ["DE"] } });
    let (status, told, _) = host.post_once("/games/cup/outages", "o-1", &outage).await;
    assert_eq!((status, &told["kind"], &told["class"]), (201, &json!("outage"), &json!("critical")), "{told}");
    assert!(hears(&ada).await.text().starts_with("There is news"));
    let id = told["id"].as_str().unwrap().to_owned();
    let progress = done(&host, &id).await;
    assert_eq!((&progress["seen"], &progress["accepted"]), (&json!(1), &json!(1)), "{progress}");
    let (status, again, _) = host.post_once("/games/cup/outages", "o-1", &outage).await;
    assert_eq!((status, &again["id"], &again["state"]), (200, &told["id"], &json!("done")), "{again}");
    // Everybody.
    let (status, all, _) = host.post_once("/games/cup/outages", "o-2", &json!({ "template": "come_back" })).await;
    assert_eq!(status, 201, "{all}");
    for player in [&ada, &bob, &eve] {
        assert!(hears(player).await.text().starts_with("There is news"));
    }
    done(&host, all["id"].as_str().unwrap()).await;
    at_rest(&stage, &host).await;
    assert_eq!(templates(&stage), 4);
    // Nothing that invites goes this way.
    let invites = json!({ "template": "news", "values": ["you", "here"] });
    let (status, refused, _) = host.post_once("/games/cup/outages", "o-3", &invites).await;
    assert!(status == 400 && refused["detail"].as_str().unwrap().contains("marketing"), "{refused}");
    for (field, value) in [("class", json!("low")), ("schedule", json!({ "at": far_ahead(), "zone": "UTC" }))] {
        let mut outage = outage.clone();
        outage[field] = value;
        let (status, refused, _) = host.post_once("/games/cup/outages", "o-4", &outage).await;
        assert!(status == 400 && refused["detail"].as_str().unwrap().contains("there is no such field"), "{refused}");
    }
    assert!(host.get("/games/cup/audit?limit=500").await["rows"].to_string().contains("outage-told"));
}

async fn a_planned_broadcast_waits_for_its_time(engine: Engine) {
    let stage = stage(engine).await;
    let mut host = stage.start().await;
    stage.player("+15550111", "Ada");
    let mut planned = utility();
    planned["schedule"] = json!({ "at": far_ahead(), "zone": "Europe/Berlin" });
    let id = described(&host, "k-1", &planned).await;
    upload(&host, &id, "text/csv", "phone\n+15550111\n").await;
    let started = order(&host, &id, "start").await;
    assert_eq!(started["state"], "scheduled", "{started}");
    assert!(started["begins_at"].as_u64() == started["started_at"].as_u64(), "{started}");
    host.kill().await;
    let host = stage.start().await;
    // What is not planned goes its way meanwhile.
    let other = described(&host, "k-2", &utility()).await;
    upload(&host, &other, "text/csv", "phone\n+15550111\n").await;
    order(&host, &other, "start").await;
    done(&host, &other).await;
    assert_eq!((templates(&stage), &progress(&host, &id).await["state"]), (1, &json!("scheduled")));
    assert_eq!(order(&host, &id, "cancel").await["state"], "cancelled");
    let rows = host.get("/games/cup/broadcasts").await["rows"].clone();
    let states: Vec<_> = rows.as_array().unwrap().iter().map(|row| (row["id"].clone(), row["state"].clone())).collect();
    assert_eq!(states, [(json!(other), json!("done")), (json!(id), json!("cancelled"))]);
}

/// A local time in half a year.
pub(crate) fn far_ahead() -> String {
    let day = questline_core::day::Day::of(questline_core::time::UnixMs((crate::support::now_s() + 180 * 86_400) * 1_000));
    format!("{day}T18:00")
}

async fn what_is_wrong_is_named_and_other_tokens_are_refused(engine: Engine) {
    let stage = stage(engine).await.echo("other", SECOND_NUMBER);
    let host = stage.start().await;
    let with = |name: &str, value: Value| {
        let mut broadcast = json!({ "template": "news", "values": ["a", "b"], "audience": "list" });
        broadcast[name] = value;
        broadcast
    };
    let wrong = [
        (with("template", json!("nothing")), "template: takes"),
        (with("values", json!(["a"])), "values: "),
        (with("class", json!("critical")), "class: a marketing template"),
        (with("class", json!("high")), "class: a marketing template"),
        (with("audience", json!("all")), "audience: takes"),
        (with("audience", json!({ "segment": { "shoe_size": 5 } })), "audience: takes"),
        (with("audience", json!({ "segment": { "active_within_days": 0 } })), "audience: active_within_days"),
        (with("number", json!(SECOND_NUMBER)), "number: takes"),
        (with("per_second", json!(0)), "per_second: takes"),
        (with("expires_after_s", json!(1)), "expires_after_s: takes"),
        (with("schedule", json!({ "at": "2020-01-01T00:00", "zone": "UTC" })), "schedule.at: lies in the past"),
        (with("schedule", json!({ "at": "2020-01-01T00:00", "zone": "Mars" })), "schedule.zone: takes"),
        (with("title", json!("")), "title: takes"),
        (with("channel", json!("x")), "channel: there is no such field"),
    ];
    for (body, says) in wrong {
        let (status, problem, _) = host.post_once("/games/cup/broadcasts", "k-1", &body).await;
        assert!(status == 400 && problem["detail"].as_str().unwrap().starts_with(says), "{body}: {problem}");
    }
    let critical = json!({ "template": "come_back", "class": "critical", "audience": "list" });
    let (status, problem, _) = host.post_once("/games/cup/broadcasts", "k-1", &critical).await;
    assert!(status == 400 && problem["detail"].as_str().unwrap().starts_with("class: class critical is for outages"), "{problem}");
    let id = described(&host, "k-1", &utility()).await;
    let (status, same, _) = host.post_once("/games/cup/broadcasts", "k-1", &utility()).await;
    assert_eq!((status, &same["id"]), (200, &json!(id)));
    let (status, _, _) = host.post_once("/games/cup/broadcasts", "k-1", &with("title", json!("x"))).await;
    assert_eq!(status, 409, "the key has made another one");

    let token = async |games: [&str; 1], scope: &str| {
        let (status, made) = host.post("/tokens", &json!({ "name": "studio", "games": games, "scopes": [scope] })).await;
        assert_eq!(status, 201, "{made}");
        made["token"].as_str().unwrap().to_owned()
    };
    let ask = async |token: &str, path: &str| {
        let request = host.http().get(format!("http://{}/v1/games/{path}", host.address));
        request.bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    let (events, other, own) = (token(["cup"], "events").await, token(["other"], "broadcasts").await, token(["cup"], "broadcasts").await);
    for path in ["cup/broadcasts".to_owned(), format!("cup/broadcasts/{id}"), format!("cup/broadcasts/{id}/unknown")] {
        assert_eq!((ask(&events, &path).await, ask(&other, &path).await, ask(&own, &path).await), (403, 404, 200), "{path}");
    }
    assert_eq!(ask(&other, &format!("other/broadcasts/{id}")).await, 404, "another game's broadcast is not there");
    for path in [format!("broadcasts/{id}/start"), format!("broadcasts/{id}/cancel"), "outages".to_owned()] {
        let request = host.http().post(format!("http://{}/v1/games/cup/{path}", host.address)).bearer_auth(&events);
        assert_eq!(request.send().await.unwrap().status().as_u16(), 403, "{path}");
    }
}
