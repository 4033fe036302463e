//! Codes for players who hide their number: they are asked for it, only their own answer counts, and what needs no number
//! goes without.

use questline_emulator as meta;
use questline_tests::stage::NUMBER;
use questline_tests::{Engine, Host, Stage, eventually};
use serde_json::{Value, json};

use crate::studio::{Answer, SECRET, Studio};
use crate::support::{at_rest, code_of, dead_letters, hears, says};

on_both_stores![a_hidden_player_is_asked_and_only_their_own_answer_counts, what_needs_no_number_goes_without_and_nobody_learns_who_plays,];

const PHONE: &str = "+15550111";
const USER_ID: &str = "EG.99";
const WORDS: &str = "Your {{1}} code is {{2}}. It is good for {{3}} minutes. If you did not ask for it, tell us at {{4}} please.";

/// A game whose studio knows one player, by her user id.
async fn stage(engine: Engine, studio: &Studio, verification: &str) -> Stage {
    let stage = Stage::new(engine).await.allow_host("127.0.0.1").game("cup", NUMBER, "echo-guest", &["reply", "log"], "");
    let secret = stage.dir().join("studio-secret");
    std::fs::write(&secret, SECRET).unwrap();
    let eve = json!({ "id": "eve-1", "profile": { "name": "Eve", "tier": "gold", "locale": "en" } });
    studio.always("/players/by-contact", Some(Answer::Text(eve.to_string())));
    studio.always("/players/contact", Some(Answer::Text(json!({ "phone": null, "bsuid": USER_ID }).to_string())));
    let dir = stage.game_dir("cup");
    let connection = format!("connector = \"http\"\nurl = {:?}\nsecret = {{ file = {secret:?} }}", studio.url("127.0.0.1"));
    let text = std::fs::read_to_string(dir.join("game.toml")).unwrap();
    let text = text.replace("connector = \"sample\"\nfile = \"players.json\"", &connection);
    std::fs::write(dir.join("game.toml"), format!("{text}\n[verification]\nresend_wait_s = 0\n{verification}\n")).unwrap();
    let source = format!("name = \"gaming_otp_verification\"\ncategory = \"utility\"\n[languages.en]\nbody = \"{WORDS}\"\n");
    stage.write("cup", "templates/otp.toml", &source);
    stage.emulator.put_template(meta::Template::body("gaming_otp_verification", "en", meta::Category::Utility, WORDS));
    stage.sends_codes(&["cup"]).extra("[log]\nlevel = \"debug\"")
}

fn hidden(stage: &Stage) -> meta::PlayerHandle {
    let eve = meta::Player::new(PHONE, "Eve").user_id(USER_ID).phone_shape(meta::PhoneShape::Missing);
    stage.emulator.add_player(eve).unwrap()
}

async fn ask(host: &Host, whom: Value) -> (u16, Value) {
    let mut body = json!({ "purpose": "login" });
    body.as_object_mut().unwrap().extend(whom.as_object().unwrap().clone());
    host.post("/games/cup/verifications", &body).await
}

async fn approved(host: &Host, count: f64) {
    let line = "questline_verifications_total{game=\"cup\",outcome=\"approved\"}";
    eventually("the code was entered", async || (host.metric(line).await >= count).then_some(())).await;
}

async fn a_hidden_player_is_asked_and_only_their_own_answer_counts(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage(engine, &studio, "channels = [{ template = \"cup_code\" }]").await;
    let mut host = stage.start().await;
    let eve = hidden(&stage);
    assert_eq!(says(&eve, "hello").await.text(), "echo: hello");
    let (status, started) = ask(&host, json!({ "player": "eve-1" })).await;
    assert_eq!(status, 202, "{started}");
    let request = hears(&eve).await;
    assert!(request.text().contains("phone number"), "{}", request.text());
    // Somebody else's card, as if it were the answer.
    let card = meta::Card { formatted_name: "Mallory".into(), phone: "+15550199".into(), wa_id: Some("15550199".into()) };
    eve.send_with(meta::Inbound::Contacts { cards: vec![card], origin: Some("other") }, meta::Context::reply_to(&request.id))
        .await
        .unwrap();
    assert_eq!(says(&eve, "still me").await.text(), "echo: still me");
    at_rest(&stage, &host).await;
    let templates = || stage.emulator.accepted().iter().filter(|accepted| accepted.json()["type"] == "template").count();
    assert_eq!(templates(), 0, "any other card proves nothing");
    // The wait outlives the host.
    host.kill().await;
    let host = stage.start().await;
    let choice = request.titles().first().expect("a button").to_string();
    eve.tap(&choice).await.unwrap();
    let code = code_of(&hears(&eve).await);
    assert_eq!(stage.emulator.accepted().last().unwrap().recipient.as_str(), PHONE.trim_start_matches('+'));
    eve.send(code.as_str()).await.unwrap();
    approved(&host, 1.0).await;
    at_rest(&stage, &host).await;
    // Her number is known from now on.
    let (status, _) = ask(&host, json!({ "player": "eve-1" })).await;
    assert_eq!(status, 202);
    let code = code_of(&hears(&eve).await);
    eve.send(code.as_str()).await.unwrap();
    approved(&host, 2.0).await;
    assert!(dead_letters(&host).await.is_empty());
    let audit = host.get("/games/cup/audit?limit=500").await.to_string();
    for action in ["number-asked", "number-learned", "code-sent"] {
        assert!(audit.contains(action), "{action}");
    }
    assert!(!host.log().contains("15550111"), "no number in a line");
}

async fn what_needs_no_number_goes_without_and_nobody_learns_who_plays(engine: Engine) {
    let studio = Studio::start().await;
    let only = "channels = [{ template = \"cup_code\" }]";
    let stage = stage(engine, &studio, only).await;
    let host = stage.start().await;
    let eve = hidden(&stage);
    // The studio knows her, she has not written: whoever asks does not learn it.
    let (status, known) = ask(&host, json!({ "player": "eve-1" })).await;
    studio.always("/players/contact", Some(Answer::Status(404)));
    let (unknown_status, unknown) = ask(&host, json!({ "player": "nobody-9" })).await;
    assert_eq!((status, unknown_status), (202, 202));
    let fields = |answer: &Value| answer.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((fields(&known), &known["resend_after_s"]), (fields(&unknown), &unknown["resend_after_s"]));
    let (status, problem) = ask(&host, json!({ "contact": { "user_id": USER_ID } })).await;
    assert_eq!((status, &problem["title"]), (409, &json!("a phone number is needed")), "{problem}");
    at_rest(&stage, &host).await;
    assert!(stage.emulator.accepted().is_empty());
    drop(host);

    let file = stage.game_dir("cup").join("game.toml");
    let more =
        "support_link = \"https://cup.example/help\"\nchannels = [{ template = \"cup_code\" }, { template = \"gaming_otp_verification\" }]";
    let text = std::fs::read_to_string(&file).unwrap().replace(only, more);
    std::fs::write(&file, text).unwrap();
    let host = stage.start().await;
    let (status, started) = ask(&host, json!({ "contact": { "user_id": USER_ID } })).await;
    assert_eq!(status, 202, "{started}");
    let message = hears(&eve).await;
    assert!(message.text().starts_with("Your cup code is "), "{}", message.text());
    assert_eq!(stage.emulator.accepted().last().unwrap().recipient.as_str(), USER_ID);
}
