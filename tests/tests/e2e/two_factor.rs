//! Two-factor, whole rounds: turned on with a code, asked in the chat with numbers, answered by a tap, a code or a recovery
//! code; devices; and what attackers try.

use questline_emulator as meta;
use questline_tests::host::TOKEN;
use questline_tests::stage::{NUMBER, SECOND_NUMBER};
use questline_tests::{Engine, Host, PATIENCE, Stage, eventually};
use serde_json::{Value, json};

use crate::credentials::{dump, holds};
use crate::support::{at_rest, code, dead_letters, heard, hears, says, taps};

on_both_stores![
    the_right_number_gets_the_player_in,
    a_wrong_number_denies,
    not_me_denies_and_too_many_denials_stop_the_asking,
    a_tap_counts_once_and_in_its_own_chat_only,
    an_old_challenge_is_over,
    too_many_challenges_are_refused,
    a_closed_window_brings_a_code,
    recovery_codes_work_once_each_and_guessing_locks_them,
    nobody_is_answered_like_somebody,
    turning_it_off_takes_a_proof,
    a_challenge_of_another_game_does_not_exist,
    devices_are_listed_and_removed_in_the_chat,
    a_removed_device_ends_the_trust,
    a_chat_that_lost_its_trust_is_asked_nothing,
];

const PHONE: &str = "+15550111";
const ADA: &str = "/games/cup/players/ada-1";

const PLAYERS: &str = r#"{"players": [
  {"id": "ada-1", "phone": "+15550111", "name": "Ada", "tier": "gold", "balances": {"premium": 1, "free": 1}},
  {"id": "bob-1", "phone": "+15550122", "name": "Bob", "tier": "gold", "balances": {"premium": 1, "free": 1}}
]}"#;

/// A game with codes, with these lines in its `[two_factor]`.
async fn stage(engine: Engine, lines: &str) -> Stage {
    let stage = Stage::new(engine).await.game("cup", NUMBER, "echo-guest", &["reply", "log"], "").echo("other", SECOND_NUMBER);
    for name in ["cup", "other"] {
        let codes = "[verification]\nchannels = [{ template = \"cup_code\" }]\nresend_wait_s = 0\nrequests_per_hour = 20";
        stage.append(name, &format!("{codes}\n[two_factor]\n{lines}"));
        stage.write(name, "players.json", PLAYERS);
    }
    stage.sends_codes(&["cup", "other"]).extra("[log]\nlevel = \"debug\"")
}

/// Another code than this one.
fn wrong(code: &str) -> String {
    let number: u32 = code.parse().unwrap();
    format!("{:06}", (number + 1) % 1_000_000)
}

async fn send(host: &Host, method: reqwest::Method, path: &str, body: Value) -> (u16, Value) {
    let request = host.http().request(method, format!("http://{}/v1{path}", host.address)).bearer_auth(TOKEN).json(&body);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

/// Turns two-factor on for Ada, who has written before; her recovery codes.
async fn enrol(host: &Host, ada: &meta::PlayerHandle) -> Vec<String> {
    assert_eq!(says(ada, "hello").await.text(), "echo: hello");
    let wish = json!({ "device": { "id": "home", "name": "Ada's PC" }, "locale": "en" });
    let (status, begun) = host.post(&format!("{ADA}/two-factor"), &wish).await;
    assert_eq!(status, 202, "{begun}");
    let sent = code(ada).await;
    let (status, confirmed) = host.post(&format!("{ADA}/two-factor/confirm"), &json!({ "id": begun["id"], "code": sent })).await;
    assert_eq!((status, &confirmed["status"]), (200, &json!("approved")), "{confirmed}");
    assert!(hears(ada).await.text().starts_with("Two-factor protection is on"));
    confirmed["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}

fn login() -> Value {
    json!({ "purpose": "login", "device": { "id": "tablet", "name": "Tablet" }, "detail": "Sign-in from Berlin" })
}

/// Begins a challenge: its id and the number that the game shows.
async fn challenge(host: &Host, wish: Value) -> (String, String) {
    let (status, begun) = host.post(&format!("{ADA}/two-factor/challenges"), &wish).await;
    assert_eq!(status, 202, "{begun}");
    (begun["id"].as_str().unwrap().to_owned(), begun["match"].as_u64().unwrap().to_string())
}

async fn stands(host: &Host, id: &str) -> (String, String) {
    let stands = host.get(&format!("{ADA}/two-factor/challenges/{id}")).await;
    (stands["status"].as_str().unwrap().to_owned(), stands["how"].as_str().unwrap_or_default().to_owned())
}

async fn check(host: &Host, id: &str, code: &str) -> (u16, Value) {
    host.post(&format!("{ADA}/two-factor/challenges/{id}/check"), &json!({ "code": code })).await
}

/// A number that the chat offers and the game does not show.
fn other_than(message: &meta::Received, right: &str) -> String {
    message.titles().into_iter().find(|title| *title != right).unwrap().to_owned()
}

async fn actions(host: &Host, game: &str) -> Vec<String> {
    let rows = host.get(&format!("/games/{game}/audit?limit=500")).await;
    rows["rows"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}

/// A challenge that Ada has approved.
async fn approved(host: &Host, ada: &meta::PlayerHandle, wish: Value) -> String {
    let (id, right) = challenge(host, wish).await;
    let is_asked = |message: &meta::Received| message.choices.iter().any(|choice| choice.id.contains(&id));
    ada.wait_for(PATIENCE, is_asked).await.expect("she is asked");
    assert!(taps(ada, &right).await.text().starts_with("Thank you: it was you"));
    assert_eq!(stands(host, &id).await.0, "approved");
    id
}

fn change() -> Value {
    json!({ "purpose": "high-value", "device": { "id": "home" } })
}

async fn the_right_number_gets_the_player_in(engine: Engine) {
    let stage = stage(engine, "").await;
    let mut host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    let before = host.get(&format!("{ADA}/two-factor")).await;
    assert_eq!(before, json!({ "on": false, "recovery_codes_left": 0, "devices": [] }));
    let codes = enrol(&host, &ada).await;
    assert!(codes.len() == 10 && codes.iter().all(|code| code.len() == 14));
    let (id, right) = challenge(&host, login()).await;
    assert_eq!(stands(&host, &id).await.0, "pending");
    let asked = hears(&ada).await;
    assert!(asked.text().starts_with("Sign-in from Berlin\n\nIs this you?"), "{}", asked.text());
    assert!(asked.titles().contains(&right.as_str()) && asked.titles().len() == 3, "{:?}", asked.titles());
    assert!(taps(&ada, &right).await.text().starts_with("Thank you: it was you"));
    assert_eq!(stands(&host, &id).await, ("approved".to_owned(), "number".to_owned()));
    let after = host.get(&format!("{ADA}/two-factor")).await;
    let devices: Vec<_> = after["devices"].as_array().unwrap().iter().map(|device| device["name"].as_str().unwrap()).collect();
    assert_eq!((&after["on"], &after["recovery_codes_left"], devices), (&json!(true), &json!(10), vec!["Ada's PC", "Tablet"]));
    at_rest(&stage, &host).await;
    let audited = actions(&host, "cup").await;
    for action in ["two-factor-begun", "two-factor-on", "recovery-codes-made", "challenge-begun", "challenge-sent", "challenge-approved"] {
        assert!(audited.iter().any(|known| known == action), "{action}: {audited:?}");
    }
    assert_eq!(audited.iter().filter(|action| *action == "device-bound").count(), 2);
    assert!(audited.iter().any(|action| action == "authenticated"), "the chat is authenticated: {audited:?}");
    assert_eq!(says(&ada, "hello").await.text(), "echo: hello");
    assert!(dead_letters(&host).await.is_empty());
    assert!(host.stop().await.success());
    let redis = stage.redis.as_ref().map(dump);
    let kept = |words: &str| redis.as_ref().map_or_else(|| holds(&stage.dir().join("data"), words), |redis| redis.contains(words));
    for code in &codes {
        assert!(!kept(code) && !kept(&code.replace('-', "")) && !host.log().contains(code), "recovery codes are kept nowhere");
    }
    assert!(!host.log().contains(&id) && !host.log().contains(&PHONE[1..]));
}

async fn a_wrong_number_denies(engine: Engine) {
    let stage = stage(engine, "").await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    enrol(&host, &ada).await;
    let (id, right) = challenge(&host, login()).await;
    let asked = hears(&ada).await;
    assert!(taps(&ada, &other_than(&asked, &right)).await.text().starts_with("That is not the number"));
    assert_eq!(stands(&host, &id).await, ("denied".to_owned(), "wrong-number".to_owned()));
    assert!(taps(&ada, &right).await.text().starts_with("This question is over"), "the right one comes too late");
    assert_eq!(stands(&host, &id).await.0, "denied");
    let (_, checked) = check(&host, &id, "123456").await;
    assert_eq!(checked, json!({ "status": "denied", "how": "wrong-number" }));
    assert_eq!(host.get(&format!("{ADA}/devices")).await["rows"].as_array().unwrap().len(), 1, "nothing was bound");
}

async fn not_me_denies_and_too_many_denials_stop_the_asking(engine: Engine) {
    let stage = stage(engine, "denials = 2\nlock_s = 600").await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    enrol(&host, &ada).await;
    assert_eq!(says(&ada, "no").await.text(), "echo: no", "while nobody asks, it is a word");
    let (first, _) = challenge(&host, login()).await;
    hears(&ada).await;
    assert!(says(&ada, "No!").await.text().starts_with("Thank you: nobody gets in"));
    assert_eq!(stands(&host, &first).await, ("denied".to_owned(), "not-me".to_owned()));
    let (second, right) = challenge(&host, login()).await;
    let asked = hears(&ada).await;
    assert!(taps(&ada, &other_than(&asked, &right)).await.text().contains("not asked again for 10 minutes"));
    assert_eq!(stands(&host, &second).await.0, "denied");
    let (status, problem) = host.post(&format!("{ADA}/two-factor/challenges"), &login()).await;
    assert_eq!((status, &problem["reason"]), (429, &json!("denied-too-often")), "{problem}");
    assert!((500..=600).contains(&problem["retry_after_s"].as_u64().unwrap()), "{problem}");
    at_rest(&stage, &host).await;
    let audited = actions(&host, "cup").await;
    assert_eq!(audited.iter().filter(|action| *action == "challenge-denied").count(), 2);
    assert!(audited.iter().any(|action| action == "challenges-locked"));
}

async fn a_tap_counts_once_and_in_its_own_chat_only(engine: Engine) {
    let stage = stage(engine, "").await;
    let host = stage.start().await;
    let (ada, bob) = (stage.player(PHONE, "Ada"), stage.player("+15550122", "Bob"));
    enrol(&host, &ada).await;
    assert_eq!(says(&bob, "hello").await.text(), "echo: hello");
    let (id, right) = challenge(&host, login()).await;
    let asked = hears(&ada).await;
    let button = asked.choices.iter().find(|choice| choice.title == right).unwrap();
    let stolen = || meta::Inbound::ButtonReply { id: button.id.clone(), title: right.clone() };
    assert!(says(&bob, stolen()).await.text().starts_with("This question is over"), "another contact's tap");
    assert_eq!(stands(&host, &id).await.0, "pending");
    // So many taps of the same button at the same time: one counts.
    for _ in 0..5 {
        ada.send(stolen()).await.unwrap();
    }
    at_rest(&stage, &host).await;
    for _ in 0..5 {
        hears(&ada).await;
    }
    let told = heard(&ada);
    assert_eq!(told.iter().filter(|text| text.starts_with("Thank you: it was you")).count(), 1, "{told:?}");
    assert_eq!(told.iter().filter(|text| text.starts_with("This question is over")).count(), 4, "{told:?}");
    assert_eq!(stands(&host, &id).await, ("approved".to_owned(), "number".to_owned()));
    let audited = actions(&host, "cup").await;
    assert_eq!(audited.iter().filter(|action| *action == "challenge-approved").count(), 1);
    assert_eq!(audited.iter().filter(|action| *action == "challenge-refused").count(), 5, "the stray ones are noted");
    let forged = meta::Inbound::ButtonReply { id: format!("host:two-factor:{}:42", "0".repeat(32)), title: "42".to_owned() };
    assert!(says(&ada, forged).await.text().starts_with("This question is over"));
}

async fn an_old_challenge_is_over(engine: Engine) {
    let stage = stage(engine, "life_s = 30").await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    enrol(&host, &ada).await;
    let (old, right) = challenge(&host, login()).await;
    let asked = hears(&ada).await;
    let (newer, newer_right) = challenge(&host, login()).await;
    let newer_asked = hears(&ada).await;
    let tap = |message: &meta::Received, title: &str| {
        let button = message.choices.iter().find(|choice| choice.title == title).unwrap();
        meta::Inbound::ButtonReply { id: button.id.clone(), title: title.to_owned() }
    };
    assert!(says(&ada, tap(&asked, &right)).await.text().starts_with("This question is over"), "a newer one took its place");
    assert_eq!(stands(&host, &old).await.0, "replaced");
    eventually("its time is over", async || (stands(&host, &newer).await.0 == "expired").then_some(())).await;
    assert!(says(&ada, tap(&newer_asked, &newer_right)).await.text().starts_with("This question is over"));
    assert_eq!(stands(&host, &newer).await.0, "expired");
    assert_eq!(check(&host, &newer, "123456").await.1["status"], "expired");
}

async fn too_many_challenges_are_refused(engine: Engine) {
    let stage = stage(engine, "challenges_per_hour = 3").await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    enrol(&host, &ada).await;
    for _ in 0..3 {
        challenge(&host, login()).await;
        hears(&ada).await;
    }
    let (status, problem) = host.post(&format!("{ADA}/two-factor/challenges"), &login()).await;
    assert_eq!((status, &problem["reason"]), (429, &json!("challenges")), "{problem}");
    at_rest(&stage, &host).await;
    assert_eq!(heard(&ada).iter().filter(|text| text.starts_with("Sign-in from Berlin")).count(), 3, "the chat is left alone");
}

async fn a_closed_window_brings_a_code(engine: Engine) {
    let stage = stage(engine, "attempts = 2").await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    // She never wrote: the window is closed from the beginning.
    let (_, begun) = host.post(&format!("{ADA}/two-factor"), &json!({ "device": { "id": "home" } })).await;
    let sent = code(&ada).await;
    let confirm = json!({ "id": begun["id"], "code": wrong(&sent) });
    let (_, rejected) = host.post(&format!("{ADA}/two-factor/confirm"), &confirm).await;
    assert!(rejected["status"] == "rejected" && rejected["recovery_codes"].is_null(), "{rejected}");
    let confirm = json!({ "id": begun["id"], "code": sent });
    let (_, confirmed) = host.post(&format!("{ADA}/two-factor/confirm"), &confirm).await;
    assert_eq!(confirmed["recovery_codes"].as_array().unwrap().len(), 10, "{confirmed}");
    assert_eq!(host.post(&format!("{ADA}/two-factor/confirm"), &confirm).await.0, 404, "once");
    let (id, _) = challenge(&host, login()).await;
    let sent = code(&ada).await;
    let (_, checked) = check(&host, &id, &wrong(&sent)).await;
    assert_eq!(checked, json!({ "status": "rejected", "attempts_left": 1 }));
    let (_, checked) = check(&host, &id, &sent).await;
    assert_eq!((&checked["status"], &checked["how"]), (&json!("approved"), &json!("code")), "{checked}");
    assert_eq!(check(&host, &id, &sent).await.1, json!({ "status": "approved", "how": "code" }), "it stays so");
    assert_eq!(host.get(&format!("{ADA}/devices")).await["rows"].as_array().unwrap().len(), 2);
    // Where the game asks for a code, there is one, with the window open too; wrong ones end it.
    assert_eq!(says(&ada, "hello").await.text(), "echo: hello");
    let mut wish = login();
    wish["by"] = json!("code");
    let (id, _) = challenge(&host, wish).await;
    let sent = code(&ada).await;
    check(&host, &id, &wrong(&sent)).await;
    assert_eq!(check(&host, &id, &wrong(&sent)).await.1["how"], "wrong-codes");
    assert_eq!(check(&host, &id, &sent).await.1, json!({ "status": "denied", "how": "wrong-codes" }), "the right one comes too late");
}

async fn recovery_codes_work_once_each_and_guessing_locks_them(engine: Engine) {
    let stage = stage(engine, "recovery_attempts = 3").await;
    let mut host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    let codes = enrol(&host, &ada).await;
    let (id, _) = challenge(&host, login()).await;
    let typed = codes[0].to_lowercase().replace('-', " ");
    let (_, checked) = check(&host, &id, &typed).await;
    assert_eq!(checked, json!({ "status": "approved", "how": "recovery-code", "recovery_codes_left": 9 }));
    host.kill().await;
    let host = stage.start().await;
    let (id, _) = challenge(&host, login()).await;
    assert_eq!(check(&host, &id, &codes[0]).await.1, json!({ "status": "rejected" }), "it was used");
    // Many guesses at once: no more than the limit are compared.
    let guesses: Vec<_> = (0..20)
        .map(|n| {
            let url = format!("http://{}/v1{ADA}/two-factor/challenges/{id}/check", host.address);
            let guess = host.http().post(url).bearer_auth(TOKEN).json(&json!({ "code": format!("0000-0000-00{n:02}") }));
            tokio::spawn(async move { guess.send().await.unwrap().status().as_u16() })
        })
        .collect();
    let mut compared = 0;
    for guess in guesses {
        compared += u32::from(guess.await.unwrap() == 200);
    }
    assert_eq!(compared, 2);
    let (status, problem) = check(&host, &id, &codes[1]).await;
    assert_eq!((status, &problem["reason"]), (429, &json!("recovery-codes-locked")), "the right one too: {problem}");
    assert_eq!(host.get(&format!("{ADA}/two-factor")).await["recovery_codes_left"], 9);
    // The chat is another way, and makes new ones.
    let proof = approved(&host, &ada, change()).await;
    let path = format!("{ADA}/two-factor/recovery-codes");
    let (status, renewed) = host.post(&path, &json!({ "challenge": proof })).await;
    assert_eq!((status, renewed["recovery_codes"].as_array().unwrap().len()), (200, 10), "{renewed}");
    assert_eq!(host.post(&path, &json!({ "challenge": proof })).await.0, 403, "a proof counts once");
    assert_eq!(host.get(&format!("{ADA}/two-factor")).await["recovery_codes_left"], 10);
}

async fn nobody_is_answered_like_somebody(engine: Engine) {
    let stage = stage(engine, "").await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    enrol(&host, &ada).await;
    let bob = stage.player("+15550122", "Bob");
    let mut seen = Vec::new();
    for player in ["ada-1", "bob-1", "nobody-9"] {
        let path = format!("/games/cup/players/{player}/two-factor/challenges");
        let fields = |answer: &Value| answer.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(",");
        let started = std::time::Instant::now();
        let (status, begun) = host.post(&path, &login()).await;
        assert!(started.elapsed().as_millis() >= 200, "what takes less is not told");
        let id = begun["id"].as_str().unwrap();
        let mut told = vec![format!("{status} {}", fields(&begun)), host.get(&format!("{path}/{id}")).await["status"].to_string()];
        for code in ["123456", "654321", "AAAA-BBBB-CCCC"] {
            let (status, checked) = host.post(&format!("{path}/{id}/check"), &json!({ "code": code })).await;
            told.push(format!("{status} {checked}"));
        }
        seen.push(told);
    }
    assert!(seen[0] == seen[1] && seen[1] == seen[2], "{seen:#?}");
    at_rest(&stage, &host).await;
    assert!(heard(&bob).is_empty(), "who has no second factor is asked nothing");
    let (known, unknown) = ("bob-1", "nobody-9");
    let mut begun = Vec::new();
    for player in [known, unknown] {
        let (status, answer) = host.post(&format!("/games/cup/players/{player}/two-factor"), &json!({ "device": { "id": "d" } })).await;
        begun.push((status, answer.as_object().unwrap().keys().cloned().collect::<Vec<_>>(), answer["id"].clone()));
    }
    assert_eq!((begun[0].0, &begun[0].1), (begun[1].0, &begun[1].1));
    let confirm = json!({ "id": begun[1].2, "code": "123456" });
    let (status, rejected) = host.post(&format!("/games/cup/players/{unknown}/two-factor/confirm"), &confirm).await;
    assert_eq!((status, &rejected["status"]), (200, &json!("rejected")), "{rejected}");
}

async fn turning_it_off_takes_a_proof(engine: Engine) {
    let stage = stage(engine, "").await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    let codes = enrol(&host, &ada).await;
    let path = format!("{ADA}/two-factor");
    let (status, problem) = host.post(&path, &json!({ "device": { "id": "mine" }, "contact": { "phone": "+15550199" } })).await;
    assert_eq!((status, &problem["title"]), (409, &json!("conflict")), "nobody puts their own chat in its place: {problem}");
    let off = async |body: Value| send(&host, reqwest::Method::DELETE, &path, body).await;
    assert_eq!(off(json!({})).await.0, 400);
    assert_eq!(off(json!({ "challenge": "0".repeat(32) })).await.0, 403);
    assert_eq!(off(json!({ "recovery_code": "0000-0000-0000" })).await.0, 403);
    let (pending, _) = challenge(&host, change()).await;
    hears(&ada).await;
    assert_eq!(off(json!({ "challenge": pending })).await.0, 403, "it is not approved");
    let sign_in = approved(&host, &ada, login()).await;
    assert_eq!(off(json!({ "challenge": sign_in })).await.0, 403, "a sign-in turns nothing off");
    assert_eq!(host.get(&path).await["on"], true);
    assert_eq!(off(json!({ "recovery_code": codes[3] })).await, (200, json!({ "done": true })));
    assert!(hears(&ada).await.text().starts_with("Two-factor protection is off"));
    assert_eq!(host.get(&path).await["on"], false);
    assert_eq!(off(json!({ "recovery_code": codes[4] })).await.0, 409);
    at_rest(&stage, &host).await;
    let audited = actions(&host, "cup").await;
    for action in ["two-factor-refused", "recovery-code-rejected", "recovery-code-used", "two-factor-off"] {
        assert!(audited.iter().any(|known| known == action), "{action}: {audited:?}");
    }
    let (id, _) = challenge(&host, login()).await;
    at_rest(&stage, &host).await;
    assert_eq!(stands(&host, &id).await.0, "pending");
    assert!(heard(&ada).last().unwrap().starts_with("Two-factor protection is off"), "nobody asks any more");
}

async fn a_challenge_of_another_game_does_not_exist(engine: Engine) {
    let stage = stage(engine, "").await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    let codes = enrol(&host, &ada).await;
    let (id, right) = challenge(&host, login()).await;
    let asked = hears(&ada).await;
    let there = "/games/other/players/ada-1/two-factor/challenges";
    let response = host.http().get(format!("http://{}/v1{there}/{id}", host.address)).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(response.status(), 404);
    assert_eq!(host.post(&format!("{there}/{id}/check"), &json!({ "code": codes[0] })).await.0, 404);
    let (_, made) = host.post("/tokens", &json!({ "name": "s", "games": ["other"], "scopes": ["verifications"], "days": 1 })).await;
    let request = host.http().get(format!("http://{}/v1{ADA}/two-factor/challenges/{id}", host.address));
    let response = request.bearer_auth(made["token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(response.status(), 404, "the game does not exist for this studio");
    // Her tap in the chat of the other game counts nowhere.
    let in_other = ada.with_number(SECOND_NUMBER).unwrap();
    assert_eq!(says(&in_other, "hello").await.text(), "echo: hello");
    let button = asked.choices.iter().find(|choice| choice.title == right).unwrap();
    let tap = meta::Inbound::ButtonReply { id: button.id.clone(), title: right.clone() };
    assert!(says(&in_other, tap).await.text().starts_with("This question is over"));
    assert_eq!(stands(&host, &id).await.0, "pending");
}

async fn devices_are_listed_and_removed_in_the_chat(engine: Engine) {
    let stage = stage(engine, "fresh_s = 3600").await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    assert!(says(&ada, "devices").await.text().starts_with("No device is bound"));
    enrol(&host, &ada).await;
    approved(&host, &ada, login()).await;
    let listed = says(&ada, "DEVICES").await;
    assert_eq!(listed.titles(), ["Tablet", "Ada's PC"], "{listed:?}");
    assert_eq!(taps(&ada, "Tablet").await.text(), "Tablet is removed from your account.", "she has just proven herself");
    let left = host.get(&format!("{ADA}/devices")).await;
    assert_eq!((left["rows"].as_array().unwrap().len(), &left["rows"][0]["id"]), (1, &json!("home")), "{left}");
    assert!(taps(&ada, "Tablet").await.text().starts_with("This device is not bound"));
    // The session's trust was on that device: now a code is asked for.
    assert!(taps(&ada, "Ada's PC").await.text().starts_with("To remove Ada's PC"));
    let sent = code(&ada).await;
    assert_eq!(host.get(&format!("{ADA}/devices")).await["rows"].as_array().unwrap().len(), 1);
    ada.send(wrong(&sent).as_str()).await.unwrap();
    at_rest(&stage, &host).await;
    assert_eq!(host.get(&format!("{ADA}/devices")).await["rows"].as_array().unwrap().len(), 1, "a wrong code removes nothing");
    assert_eq!(says(&ada, sent.as_str()).await.text(), "Ada's PC is removed from your account.");
    assert!(host.get(&format!("{ADA}/devices")).await["rows"].as_array().unwrap().is_empty());
    at_rest(&stage, &host).await;
    assert_eq!(actions(&host, "cup").await.iter().filter(|action| *action == "device-removed").count(), 2);
}

async fn a_removed_device_ends_the_trust(engine: Engine) {
    let stage = stage(engine, "fresh_s = 3600").await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    enrol(&host, &ada).await;
    approved(&host, &ada, login()).await;
    let remove = async |device: &str| send(&host, reqwest::Method::DELETE, &format!("{ADA}/devices/{device}"), json!(null)).await.0;
    assert_eq!((remove("tablet").await, remove("tablet").await), (200, 404));
    at_rest(&stage, &host).await;
    assert!(actions(&host, "cup").await.iter().any(|action| action == "trust-revoked"));
    says(&ada, "devices").await;
    assert!(taps(&ada, "Ada's PC").await.text().starts_with("To remove Ada's PC"), "the session proves nothing any more");
    code(&ada).await;
}

async fn a_chat_that_lost_its_trust_is_asked_nothing(engine: Engine) {
    let stage = stage(engine, "").await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    let codes = enrol(&host, &ada).await;
    let body = "Ada's security code changed".to_owned();
    ada.send(meta::Inbound::IdentityChanged { body, hash: "new".to_owned(), created_timestamp_s: crate::support::now_s() }).await.unwrap();
    at_rest(&stage, &host).await;
    let before = heard(&ada).len();
    let (id, _) = challenge(&host, login()).await;
    at_rest(&stage, &host).await;
    assert_eq!(heard(&ada).len(), before, "whoever has the phone now is not asked");
    assert_eq!(stands(&host, &id).await.0, "pending");
    assert!(actions(&host, "cup").await.iter().any(|action| action == "challenge-refused"));
    assert_eq!(check(&host, &id, &codes[7]).await.1["how"], "recovery-code", "recovery codes are for that day");
}
