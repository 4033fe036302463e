//! One-time codes, whole rounds: asked for over the API, read on the player's phone, and checked; and found nowhere else.

use questline_emulator as meta;
use questline_tests::host::TOKEN;
use questline_tests::stage::{NUMBER, SECOND_NUMBER};
use questline_tests::{Engine, Host, Stage};
use serde_json::{Value, json};

use crate::credentials::{dump, holds, told};
use crate::support::{at_rest, code, dead_letters, heard, hears, says};

on_both_stores![
    a_code_is_asked_for_read_and_checked_once,
    wrong_tries_end_a_code,
    a_code_dies_of_age,
    a_resend_kills_the_code_before_it,
    success_ends_all_that_a_player_has_open,
    guards_refuse_with_their_reason,
    nobody_is_answered_like_somebody,
    a_user_id_alone_gets_no_code,
    codes_outlive_the_host,
    a_studio_checks_codes_of_its_own_games_only,
    a_template_of_the_games_own_tells_more,
    a_code_typed_in_the_chat_never_reaches_a_flow,
];

const KEY: &str = "a key of the tests: 32 characters at the least";

const PLAYERS: &str = r#"{"players": [
  {"id": "ada-1", "phone": "+15550111", "name": "Ada", "tier": "gold", "balances": {"premium": 1, "free": 1}}
]}"#;

/// A game that sends codes, with these lines in its `[verification]`.
async fn stage(engine: Engine, lines: &str) -> Stage {
    stage_with(engine, "cup_code", lines).await
}

async fn stage_with(engine: Engine, template: &str, lines: &str) -> Stage {
    let stage = Stage::new(engine).await.game("cup", NUMBER, "echo-guest", &["reply", "log"], "").echo("other", SECOND_NUMBER);
    stage.append("cup", &format!("[verification]\n{lines}\n[[verification.channels]]\ntemplate = {template:?}"));
    stage.write("cup", "players.json", PLAYERS);
    stage.sends_codes(&["cup"]).extra("[log]\nlevel = \"debug\"")
}

const PHONE: &str = "+15550111";

/// Asks for a code; the answer.
async fn ask(host: &Host, body: Value) -> (u16, Value) {
    host.post("/games/cup/verifications", &body).await
}

/// Asks for a code for a number; the verification's id.
async fn login(host: &Host, phone: &str) -> String {
    let (status, started) = ask(host, json!({ "contact": { "phone": phone }, "purpose": "login" })).await;
    assert_eq!(status, 202, "{started}");
    started["id"].as_str().unwrap().to_owned()
}

async fn check(host: &Host, id: &str, code: &str) -> Value {
    let (status, checked) = host.post(&format!("/games/cup/verifications/{id}/check"), &json!({ "code": code })).await;
    assert_eq!(status, 200, "{checked}");
    checked
}

async fn status(host: &Host, id: &str, code: &str) -> String {
    check(host, id, code).await["status"].as_str().unwrap().to_owned()
}

/// Another code than this one.
fn wrong(code: &str) -> String {
    let number: u32 = code.parse().unwrap();
    format!("{:06}", (number + 1) % 1_000_000)
}

async fn a_code_is_asked_for_read_and_checked_once(engine: Engine) {
    let stage = stage(engine, "").await;
    let mut host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    let asked = json!({ "player": "ada-1", "purpose": "login", "ip": "203.0.113.7", "device": "phone-77", "locale": "en-GB" });
    let (status, started) = ask(&host, asked).await;
    assert_eq!((status, &started["resend_after_s"]), (202, &json!(30)), "{started}");
    let id = started["id"].as_str().unwrap();
    let sent = code(&ada).await;
    let typed = format!(" {} {}", &sent[..3], &sent[3..]);
    let checked = check(&host, id, &typed).await;
    assert_eq!(checked, json!({ "status": "approved", "purpose": "login", "attempts_left": 2, "player": "ada-1" }));
    assert_eq!(self::status(&host, id, &sent).await, "already-used");
    assert!(host.metric("questline_verifications_total{game=\"cup\",outcome=\"approved\"}").await >= 1.0);
    at_rest(&stage, &host).await;
    assert_eq!(heard(&ada).len(), 1);
    assert!(dead_letters(&host).await.is_empty());

    let told = told(&host).await;
    assert!(host.stop().await.success());
    let redis = stage.redis.as_ref().map(dump);
    let data = stage.dir().join("data");
    let kept = |words: &str| redis.as_ref().map_or_else(|| holds(&data, words), |redis| redis.contains(words));
    assert!(kept("code-sent") && kept(id), "what may be kept is there");
    // Six digits stand in a time or a digest by chance: what nobody may find is the code as a text of its own.
    for form in [format!("\"{sent}\""), format!(" {sent} "), format!(" {sent}\n"), format!("={sent}"), format!(":{sent},")] {
        assert!(!kept(&form), "the store: {form:?}");
        assert!(!told.contains(&form) && !host.log().contains(&form), "{form:?}");
        assert!(!holds(stage.dir(), &form), "a file of the host's");
    }
    assert!(!kept("203.0.113.7"), "addresses are counted under digests");
    assert!(!host.log().contains("phone-77"), "the device is the session's, and nobody else's");
    assert!(!host.log().contains(&PHONE[1..]) && !host.log().contains(id), "the log knows neither number nor verification");
    assert!(holds(stage.dir(), TOKEN) && holds(stage.dir(), KEY), "the search finds what is there");
    assert!(!kept(KEY) && !host.log().contains(KEY));
}

async fn wrong_tries_end_a_code(engine: Engine) {
    let stage = stage(engine, "").await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    let id = login(&host, PHONE).await;
    let sent = code(&ada).await;
    for left in [2, 1] {
        let expected = json!({ "status": "rejected", "purpose": "login", "attempts_left": left });
        assert_eq!(check(&host, &id, &wrong(&sent)).await, expected);
    }
    assert_eq!(status(&host, &id, &wrong(&sent)).await, "attempts-used-up");
    assert_eq!(status(&host, &id, &sent).await, "attempts-used-up", "the right one comes too late");
    for (body, expected) in [(json!({ "code": "12" }), 400), (json!({ "code": 123_456 }), 400), (json!({}), 400)] {
        let (status, problem) = host.post(&format!("/games/cup/verifications/{id}/check"), &body).await;
        assert_eq!(status, expected, "{problem}");
        assert!(!problem.to_string().contains("123456"), "{problem}");
    }
    let unknown = format!("/games/cup/verifications/{}/check", "0".repeat(32));
    assert_eq!(host.post(&unknown, &json!({ "code": "123456" })).await.0, 404);
    assert_eq!(host.post("/games/cup/verifications/x/check", &json!({ "code": "123456" })).await.0, 404);
}

async fn a_code_dies_of_age(engine: Engine) {
    let stage = stage(engine, "life_s = 30\nresend_wait_s = 0").await;
    let mut host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    // One that Meta takes nothing of while it lives never leaves.
    stage.emulator.inject_for(NUMBER, meta::Fault::Http(500), u32::MAX);
    let (_, started) = ask(&host, json!({ "contact": { "phone": PHONE }, "purpose": "login" })).await;
    let expires_at = started["expires_at"].as_u64().unwrap();
    host.stop().await;
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    questline_tests::eventually("its time is over", async || (now() > expires_at).then_some(())).await;
    stage.emulator.clear_faults();
    let host = stage.start().await;
    at_rest(&stage, &host).await;
    assert!(heard(&ada).is_empty(), "a dead code is not sent");
    assert_eq!(status(&host, started["id"].as_str().unwrap(), "123456").await, "expired");
    login(&host, PHONE).await;
    code(&ada).await;
}

async fn a_resend_kills_the_code_before_it(engine: Engine) {
    let stage = stage(engine, "resend_wait_s = 0").await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    let id = login(&host, PHONE).await;
    let first = code(&ada).await;
    let (status, resent) = host.post(&format!("/games/cup/verifications/{id}/resend"), &json!({})).await;
    assert_eq!((status, &resent["id"]), (202, &json!(id)), "{resent}");
    let second = code(&ada).await;
    if first != second {
        assert_eq!(self::status(&host, &id, &first).await, "rejected");
    }
    assert_eq!(self::status(&host, &id, &second).await, "approved");
    assert_eq!(host.post(&format!("/games/cup/verifications/{id}/resend"), &json!({})).await.0, 409);
}

async fn success_ends_all_that_a_player_has_open(engine: Engine) {
    let stage = stage(engine, "resend_wait_s = 0").await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    let mut open = Vec::new();
    for purpose in ["login", "high-value", "login"] {
        let (_, started) = ask(&host, json!({ "player": "ada-1", "purpose": purpose })).await;
        open.push((started["id"].as_str().unwrap().to_owned(), code(&ada).await));
    }
    let [(replaced, old), (other, untouched), (id, sent)] = &open[..] else { panic!("three") };
    assert_eq!(status(&host, replaced, old).await, "replaced");
    assert_eq!(status(&host, id, sent).await, "approved");
    assert_eq!(status(&host, other, untouched).await, "replaced");
}

async fn guards_refuse_with_their_reason(engine: Engine) {
    let lines = "requests_per_ip_per_hour = 3\nrequests_per_device_per_hour = 2\nrequests_per_prefix_per_hour = 4";
    let stage = stage(engine, lines).await;
    let host = stage.start().await;
    let refused = async |body: Value| {
        let request = host.http().post(format!("http://{}/v1/games/cup/verifications", host.address)).bearer_auth(TOKEN).json(&body);
        let response = request.send().await.unwrap();
        let retry_after: u64 = response.headers().get("retry-after").unwrap().to_str().unwrap().parse().unwrap();
        assert_eq!((response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()), (429, "application/problem+json"));
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["retry_after_s"], retry_after, "{problem}");
        (problem["reason"].as_str().unwrap().to_owned(), retry_after)
    };
    let wish =
        |phone: &str, ip: &str, device: &str| json!({ "contact": { "phone": phone }, "purpose": "login", "ip": ip, "device": device });
    assert_eq!(ask(&host, wish("+15550201", "192.0.2.1", "a")).await.0, 202);
    let (reason, retry_after) = refused(wish("+15550201", "192.0.2.9", "z")).await;
    assert!(reason == "resend-wait" && (1..=30).contains(&retry_after), "{reason} {retry_after}");
    assert_eq!(ask(&host, wish("+15550202", "192.0.2.1", "a")).await.0, 202);
    let (reason, retry_after) = refused(wish("+15550203", "192.0.2.2", "a")).await;
    assert!(reason == "device" && (3_500..=3_600).contains(&retry_after), "{reason} {retry_after}");
    assert_eq!(ask(&host, wish("+15550204", "192.0.2.1", "b")).await.0, 202);
    assert_eq!(refused(wish("+15550205", "192.0.2.1", "c")).await.0, "ip");
    assert_eq!(ask(&host, wish("+15550206", "2001:db8::1", "d")).await.0, 202);
    assert_eq!(refused(wish("+15550207", "192.0.2.3", "e")).await.0, "number-prefix");
    assert_eq!(ask(&host, wish("+4915550208", "192.0.2.3", "e")).await.0, 202, "numbers elsewhere");
    assert_eq!(host.metric("questline_verifications_total{game=\"cup\",outcome=\"device\"}").await, 1.0);
}

async fn nobody_is_answered_like_somebody(engine: Engine) {
    let stage = stage(engine, "").await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    let (known_status, known) = ask(&host, json!({ "player": "ada-1", "purpose": "login" })).await;
    let (unknown_status, unknown) = ask(&host, json!({ "player": "nobody-9", "purpose": "login" })).await;
    assert_eq!((known_status, unknown_status), (202, 202));
    let fields = |answer: &Value| answer.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(fields(&known), fields(&unknown));
    assert_eq!(known["resend_after_s"], unknown["resend_after_s"]);
    code(&ada).await;
    let id = unknown["id"].as_str().unwrap();
    let mut approved = 0;
    for n in 0..3 {
        approved += u32::from(status(&host, id, &format!("00000{n}")).await == "approved");
    }
    assert_eq!((approved, status(&host, id, "000003").await.as_str()), (0, "attempts-used-up"));
    let (status, again) = ask(&host, json!({ "player": "nobody-9", "purpose": "login" })).await;
    assert_eq!((status, &again["reason"]), (429, &json!("resend-wait")), "guards count for nobody too");
}

async fn a_user_id_alone_gets_no_code(engine: Engine) {
    let stage = stage(engine, "").await;
    let host = stage.start().await;
    let (status, problem) = ask(&host, json!({ "contact": { "user_id": "US.13491208655302741918" }, "purpose": "login" })).await;
    assert_eq!((status, &problem["title"]), (409, &json!("a phone number is needed")), "{problem}");
    for body in [json!({}), json!({ "player": "ada-1" }), json!({ "player": "ada-1", "purpose": "fun" })] {
        assert_eq!(ask(&host, body).await.0, 400);
    }
}

async fn codes_outlive_the_host(engine: Engine) {
    let stage = stage(engine, "").await;
    let mut host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    let id = login(&host, PHONE).await;
    let sent = code(&ada).await;
    assert_eq!(status(&host, &id, &wrong(&sent)).await, "rejected");
    host.kill().await;
    let host = stage.start().await;
    assert_eq!(check(&host, &id, &sent).await, json!({ "status": "approved", "purpose": "login", "attempts_left": 1 }));
}

async fn a_studio_checks_codes_of_its_own_games_only(engine: Engine) {
    let stage = stage(engine, "").await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    let id = login(&host, PHONE).await;
    let sent = code(&ada).await;
    let mut answers = Vec::new();
    for (games, scopes) in [(["cup"], ["events"]), (["other"], ["verifications"]), (["cup"], ["verifications"])] {
        let (_, made) = host.post("/tokens", &json!({ "name": "s", "games": games, "scopes": scopes, "days": 1 })).await;
        let request = host.http().post(format!("http://{}/v1/games/cup/verifications/{id}/check", host.address));
        let token = made["token"].as_str().unwrap_or_else(|| panic!("{made}"));
        let response = request.bearer_auth(token).json(&json!({ "code": sent })).send().await.unwrap();
        answers.push(response.status().as_u16());
    }
    assert_eq!(answers, [403, 404, 200]);
    assert_eq!(status(&host, &id, &sent).await, "already-used");
}

async fn a_template_of_the_games_own_tells_more(engine: Engine) {
    let lines = "support_link = \"https://cup.example/help\"\nlife_s = 300\ndigits = 8";
    let stage = stage_with(engine, "gaming_otp_verification", lines).await;
    let words = "Your {{1}} code is {{2}}. It is good for {{3}} minutes. If you did not ask for it, tell us at {{4}} please.";
    let source = format!("name = \"gaming_otp_verification\"\ncategory = \"utility\"\n[languages.en]\nbody = \"{words}\"\n");
    std::fs::write(stage.game_dir("cup").join("templates/otp.toml"), source).unwrap();
    stage.emulator.put_template(meta::Template::body("gaming_otp_verification", "en", meta::Category::Utility, words));
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    let id = login(&host, PHONE).await;
    let message = hears(&ada).await;
    let sent = message.text().split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 8).expect("eight digits").to_owned();
    let expected = format!(
        "Your cup code is {sent}. It is good for 5 minutes. If you did not ask for it, tell us at https://cup.example/help please."
    );
    assert_eq!(message.text(), expected);
    assert_eq!(status(&host, &id, &sent).await, "approved");
    assert_eq!(says(&ada, "hello").await.text(), "echo: hello");
}

async fn a_code_typed_in_the_chat_never_reaches_a_flow(engine: Engine) {
    let stage = stage(engine, "").await;
    let mut host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    assert_eq!(says(&ada, "481516").await.text(), "echo: 481516", "no code is open: they are digits");
    let id = login(&host, PHONE).await;
    let sent = code(&ada).await;
    ada.send(wrong(&sent).as_str()).await.unwrap();
    let counted = async |outcome: &str| {
        let line = format!("questline_verifications_total{{game=\"cup\",outcome=\"{outcome}\"}}");
        questline_tests::eventually("the code was tried", async || (host.metric(&line).await >= 1.0).then_some(())).await;
    };
    counted("rejected").await;
    let typed = format!("{}-{}", &sent[..3], &sent[3..]);
    ada.send(typed.as_str()).await.unwrap();
    counted("approved").await;
    assert_eq!(check(&host, &id, &sent).await, json!({ "status": "already-used", "purpose": "login", "attempts_left": 1 }));
    assert_eq!(says(&ada, "hello").await.text(), "echo: hello");
    at_rest(&stage, &host).await;
    assert_eq!(heard(&ada).len(), 3, "the echo of digits, the code, the echo: {:?}", heard(&ada));
    assert!(dead_letters(&host).await.is_empty());
    assert!(host.stop().await.success());
    assert!(!host.log().contains(&typed));
    let data = stage.dir().join("data");
    let redis = stage.redis.as_ref().map(dump);
    let kept = |words: &str| redis.as_ref().map_or_else(|| holds(&data, words), |redis| redis.contains(words));
    assert!(kept("by code, for login") && kept("for login; 2 tries left"), "both are audited");
    assert!(redis.is_none_or(|redis| !redis.contains(&typed)), "what the player typed is gone");
}
