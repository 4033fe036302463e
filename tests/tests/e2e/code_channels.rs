//! A code finds its way: where one channel does not bring it to the player the next one does, with the same code and once,
//! whatever happens to the host; and nothing goes on that counts no more.

use std::time::{Duration, Instant};

use questline_emulator as meta;
use questline_tests::stage::NUMBER;
use questline_tests::{Engine, Host, Stage, eventually};
use serde_json::{Value, json};

use crate::credentials::{dump, holds, told};
use crate::studio::{Answer, SECRET, Studio};
use crate::support::{at_rest, dead_letters};

on_both_stores![
    a_code_that_nobody_can_get_reaches_the_studio,
    a_code_that_is_not_delivered_in_time_goes_on_once_also_after_a_crash,
    a_paused_template_does_not_hold_a_code_up,
    a_code_that_arrived_or_was_used_goes_nowhere_else,
    a_studio_that_fails_is_asked_again_with_one_key,
    nothing_is_sent_on_where_the_account_is_secured_or_the_code_replaced,
];

const PHONE: &str = "+15550111";
const WORDS: &str = "Your {{1}} code is {{2}}. It is good for {{3}} minutes. If you did not ask for it, tell us at {{4}} please.";
const SEND_CODE: &str = "/operations/send-code";

/// A game whose codes go by Meta's template, by its own, and by this studio, each for so many seconds.
async fn stage(engine: Engine, studio: &Studio, within_s: [u32; 3]) -> Stage {
    let stage = Stage::new(engine).await.allow_host("127.0.0.1").game("cup", NUMBER, "echo-guest", &["reply", "log"], "");
    let secret = stage.dir().join("studio-secret");
    std::fs::write(&secret, SECRET).unwrap();
    studio.always(SEND_CODE, Some(Answer::Text("{}".to_owned())));
    let [first_s, second_s, third_s] = within_s;
    let more = format!(
        "[verification]\nsupport_link = \"https://cup.example/help\"\nresend_wait_s = 0\n\
         [[verification.channels]]\ntemplate = \"cup_code\"\ndelivered_within_s = {first_s}\n\
         [[verification.channels]]\ntemplate = \"gaming_otp_verification\"\ndelivered_within_s = {second_s}\n\
         [[verification.channels]]\noperation = \"send-code\"\ndelivered_within_s = {third_s}\n\
         [backend]\nconnector = \"http\"\nurl = {:?}\nsecret = {{ file = {secret:?} }}\ntimeout_ms = 1000\n\
         [backend.operations.send-code]\n",
        studio.url("127.0.0.1")
    );
    stage.append("cup", &more);
    let source = format!("name = \"gaming_otp_verification\"\ncategory = \"utility\"\n[languages.en]\nbody = \"{WORDS}\"\n");
    stage.write("cup", "templates/otp.toml", &source);
    stage.emulator.put_template(meta::Template::body("gaming_otp_verification", "en", meta::Category::Utility, WORDS));
    stage.sends_codes(&["cup"]).extra("[log]\nlevel = \"debug\"")
}

async fn ask(host: &Host) -> String {
    let (status, started) = host.post("/games/cup/verifications", &json!({ "contact": { "phone": PHONE }, "purpose": "login" })).await;
    assert_eq!(status, 202, "{started}");
    started["id"].as_str().unwrap().to_owned()
}

async fn status(host: &Host, id: &str, code: &str) -> String {
    let (_, checked) = host.post(&format!("/games/cup/verifications/{id}/check"), &json!({ "code": code })).await;
    checked["status"].as_str().unwrap_or_else(|| panic!("{checked}")).to_owned()
}

/// Name and code of all templates that Meta has accepted, in their order.
fn templates(stage: &Stage) -> Vec<(String, String)> {
    let told = |message: Value| {
        let template = &message["template"];
        let name = template["name"].as_str()?.to_owned();
        let values = template["components"][0]["parameters"].as_array()?.clone();
        let code = values[usize::from(name != "cup_code")]["text"].as_str()?.to_owned();
        Some((name, code))
    };
    stage.emulator.accepted().iter().filter_map(|accepted| told(accepted.json())).collect()
}

/// What the studio was asked to send: the codes, and the keys.
fn handed_over(studio: &Studio) -> Vec<(String, String)> {
    let of = |call: crate::studio::Call| (call.body["request"]["code"].as_str().unwrap().to_owned(), call.idempotency_key.expect("a key"));
    studio.calls_of(SEND_CODE).into_iter().map(of).collect()
}

async fn sends(host: &Host, channel: &str, outcome: &str) -> f64 {
    host.metric(&format!("questline_code_sends_total{{game=\"cup\",country=\"+1\",channel=\"{channel}\",outcome=\"{outcome}\"}}")).await
}

/// Waits until so many codes were looked after.
async fn watched(host: &Host, count: f64) {
    let line = "questline_steps_total{game=\"cup\",outcome=\"code-watched\"}";
    eventually("the code was looked after", async || (host.metric(line).await >= count).then_some(())).await;
}

async fn audited(host: &Host) -> Vec<String> {
    let page = host.get("/games/cup/audit?limit=500").await;
    let words = |entry: &Value| {
        format!("{} {}", entry["action"].as_str().unwrap_or_default(), entry["details"]["text"].as_str().unwrap_or_default())
    };
    page["rows"].as_array().unwrap_or_else(|| panic!("{page}")).iter().map(words).collect()
}

/// Nobody plays with this number: Meta answers 200 and tells 131026 later, for either template.
async fn a_code_that_nobody_can_get_reaches_the_studio(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage(engine, &studio, [60, 60, 60]).await;
    let mut host = stage.start().await;
    let id = ask(&host).await;
    let code = eventually("the studio has it", async || handed_over(&studio).pop()).await.0;
    at_rest(&stage, &host).await;
    let expected = [("cup_code".to_owned(), code.clone()), ("gaming_otp_verification".to_owned(), code.clone())];
    assert_eq!(templates(&stage), expected, "the same code, by each once");
    let calls = studio.calls_of(SEND_CODE);
    assert_eq!(calls.len(), 1);
    let request = &calls[0].body["request"];
    assert_eq!(request["contact"], json!({ "phone": PHONE, "bsuid": null }));
    assert_eq!((&request["verification"], &request["purpose"], &request["locale"]), (&json!(id), &json!("login"), &json!("en")));
    assert!(request["expires_at_ms"].as_u64().is_some());
    studio.assert_all_signed();
    assert!(dead_letters(&host).await.is_empty());
    for (channel, outcome) in
        [("cup_code", "failed"), ("gaming_otp_verification", "failed"), ("send-code", "sent"), ("send-code", "delivered")]
    {
        assert_eq!(sends(&host, channel, outcome).await, 1.0, "{channel} {outcome}");
    }
    let audited = audited(&host).await;
    for (action, why) in [
        ("code-sent", "by cup_code"),
        ("code-moved-on", "on to gaming_otp_verification: failed, meta-131026"),
        ("code-moved-on", "on to send-code: failed, meta-131026"),
    ] {
        assert_eq!(audited.iter().filter(|entry| entry.starts_with(action) && entry.ends_with(why)).count(), 1, "{audited:?}");
    }
    assert_eq!(status(&host, &id, &code).await, "approved");
    assert_eq!(sends(&host, "send-code", "approved").await, 1.0);
    assert!(host.metric("questline_time_to_authenticate_seconds_count{game=\"cup\",country=\"+1\"").await >= 1.0);

    let told = told(&host).await;
    assert!(host.stop().await.success());
    assert!(!told.contains(&code) && !host.log().contains(&code));
    let data = stage.dir().join("data");
    let kept = |words: &str| stage.redis.as_ref().map(dump).map_or_else(|| holds(&data, words), |redis| redis.contains(words));
    assert!(kept("code-moved-on") && !kept(&format!("\"{code}\"")), "the store has no code");
}

async fn a_code_that_is_not_delivered_in_time_goes_on_once_also_after_a_crash(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage(engine, &studio, [2, 2, 60]).await;
    let mut host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    ada.set_online(false);
    let id = ask(&host).await;
    eventually("it is sent", async || (!templates(&stage).is_empty()).then_some(())).await;
    at_rest(&stage, &host).await;
    host.kill().await;
    let died_at = Instant::now();
    eventually("its time passes while nobody is there", async || (died_at.elapsed() > Duration::from_secs(2)).then_some(())).await;
    let mut host = stage.start().await;
    eventually("it has gone on", async || (templates(&stage).len() == 2).then_some(())).await;
    at_rest(&stage, &host).await;
    host.kill().await;
    let host = stage.start().await;
    let (code, _) = eventually("the studio has it", async || handed_over(&studio).pop()).await;
    at_rest(&stage, &host).await;
    let expected = [("cup_code".to_owned(), code.clone()), ("gaming_otp_verification".to_owned(), code.clone())];
    assert_eq!((templates(&stage), handed_over(&studio).len()), (expected.to_vec(), 1), "each once");
    ada.set_online(true);
    at_rest(&stage, &host).await;
    assert_eq!(status(&host, &id, &code).await, "approved", "whichever came, it is the same");
    let moved = audited(&host).await.into_iter().filter(|entry| entry.contains("not delivered in its time")).count();
    assert_eq!(moved, 2);
}

async fn a_paused_template_does_not_hold_a_code_up(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage(engine, &studio, [600, 600, 600]).await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    assert_eq!(stage.emulator.review_template("cup_code", None, meta::TemplateStatus::Paused), 2, "in both languages");
    for sent in 1..=2 {
        let id = ask(&host).await;
        let message = crate::support::hears(&ada).await;
        assert!(message.text().starts_with("Your cup code is "), "{}", message.text());
        let (name, code) = templates(&stage).pop().unwrap();
        assert_eq!((name.as_str(), templates(&stage).len()), ("gaming_otp_verification", sent));
        assert_eq!(status(&host, &id, &code).await, "approved");
    }
    assert!(stage.emulator.counters().refused <= 1, "once its refusal or its webhook told, Meta is not asked again");
    assert_eq!(stage.emulator.review_template("gaming_otp_verification", None, meta::TemplateStatus::Disabled), 1);
    ask(&host).await;
    eventually("the studio has it", async || handed_over(&studio).pop()).await;
    at_rest(&stage, &host).await;
    assert_eq!(templates(&stage).len(), 2);
    assert!(dead_letters(&host).await.is_empty());
}

async fn a_code_that_arrived_or_was_used_goes_nowhere_else(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage(engine, &studio, [2, 2, 60]).await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    let id = ask(&host).await;
    crate::support::hears(&ada).await;
    watched(&host, 1.0).await;
    assert_eq!(sends(&host, "cup_code", "delivered").await, 1.0);
    let (_, code) = templates(&stage).pop().unwrap();
    assert_eq!(status(&host, &id, &code).await, "approved");
    // The next one is entered although Meta never says that it arrived.
    ada.set_online(false);
    let id = ask(&host).await;
    eventually("it is sent", async || (templates(&stage).len() == 2).then_some(())).await;
    let (_, code) = templates(&stage).pop().unwrap();
    assert_eq!(status(&host, &id, &code).await, "approved");
    watched(&host, 2.0).await;
    at_rest(&stage, &host).await;
    assert_eq!((templates(&stage).len(), handed_over(&studio).len()), (2, 0));
    assert_eq!((sends(&host, "cup_code", "delivered").await, sends(&host, "cup_code", "undelivered").await), (2.0, 0.0));
}

async fn a_studio_that_fails_is_asked_again_with_one_key(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage(engine, &studio, [60, 60, 60]).await;
    let mut host = stage.start().await;
    studio.always(SEND_CODE, Some(Answer::Status(503)));
    ask(&host).await;
    eventually("the studio was asked again", async || (handed_over(&studio).len() >= 2).then_some(())).await;
    host.kill().await;
    studio.always(SEND_CODE, Some(Answer::Text("{}".to_owned())));
    let host = stage.start().await;
    at_rest(&stage, &host).await;
    let calls = handed_over(&studio);
    assert!(calls.iter().all(|call| *call == calls[0]), "one code, one key");
    assert_eq!(sends(&host, "send-code", "delivered").await, 1.0);
    // One that refuses is the last: what it refused is looked at by a person.
    studio.always(SEND_CODE, Some(Answer::Status(422)));
    ask(&host).await;
    eventually("it is a dead letter", async || (dead_letters(&host).await.len() == 1).then_some(())).await;
    let letter = dead_letters(&host).await.remove(0);
    let (code, _) = handed_over(&studio).pop().unwrap();
    assert_eq!(letter["reason"], "operation-refused", "{letter}");
    assert!(!letter.to_string().contains(&format!("\"{code}\"")), "without the code: {letter}");
}

async fn nothing_is_sent_on_where_the_account_is_secured_or_the_code_replaced(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage(engine, &studio, [2, 60, 60]).await;
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    ada.set_online(false);
    let first = ask(&host).await;
    eventually("it is sent", async || (templates(&stage).len() == 1).then_some(())).await;
    let (status, _) = host.post(&format!("/games/cup/verifications/{first}/resend"), &json!({})).await;
    assert_eq!(status, 202);
    eventually("another is sent", async || (templates(&stage).len() == 2).then_some(())).await;
    ada.set_online(true);
    ada.send("BLOCK").await.unwrap();
    watched(&host, 2.0).await;
    at_rest(&stage, &host).await;
    let names: Vec<String> = templates(&stage).into_iter().map(|(name, _)| name).collect();
    assert_eq!((names, handed_over(&studio).len()), (vec!["cup_code".to_owned(); 2], 0));
}
