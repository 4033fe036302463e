//! Templates, from outside: the host knows what Meta says of them, sends what Meta takes, keeps back what it does not, and hands in
//! what the game has.

use questline_emulator as meta;
use questline_tests::host::{self, TOKEN};
use questline_tests::stage::{ACCOUNT, NUMBER, SECOND_NUMBER};
use questline_tests::{Engine, Host, Stage, eventually};
use serde_json::{Value, json};

use crate::consents::GRANTS;
use crate::support::{at_rest, dead_letters, first_dead_letter, hears, mentions, says};

on_both_stores![
    what_meta_tells_is_known_and_outlives_a_crash,
    a_paused_template_waits_without_asking_meta,
    a_template_that_meta_closed_is_refused_to_the_flow_and_in_the_queue,
    what_becomes_marketing_needs_consent_at_once_also_in_the_queue,
    the_nearest_language_that_meta_sends_is_sent,
    late_replies_become_the_games_template,
    a_template_is_handed_in_for_review,
    nobody_hands_in_templates_where_others_send,
];

const PHONE: &str = "+15550111";
const PLAYERS: &str = r#"{"players": [
  {"id": "ada-1", "phone": "+15550111", "name": "Ada", "tier": "gold", "locale": "pt-BR", "balances": {"premium": 1, "free": 1}}
]}"#;
const WORDS: [(&str, &str); 3] = [
    ("en", "Hello {{1}}, your match {{2}} is ready now."),
    ("pt", "Viva {{1}}, a tua partida {{2}} está pronta agora."),
    ("pt_BR", "Oi {{1}}, sua partida {{2}} está pronta agora."),
];

/// A game whose flow sends the template `match_found` in English and Portuguese, as the game's events wish.
async fn stage(engine: Engine, more: &str) -> Stage {
    let stage = Stage::new(engine).await.game("cup", NUMBER, "puppet-guest", &GRANTS, "");
    stage.write("cup", "players.json", PLAYERS);
    stage.append("cup", more);
    let mut text = "name = \"match_found\"\ncategory = \"utility\"\n".to_owned();
    for (language, words) in WORDS {
        text.push_str(&format!("[languages.{language}]\nbody = \"{words}\"\n[languages.{language}.examples]\nbody = [\"Ada\", \"m-7\"]\n"));
    }
    stage.write("cup", "templates/match_found.toml", &text);
    stage
}

fn approved(stage: &Stage) {
    for (language, words) in WORDS {
        stage.emulator.put_template(meta::Template::body("match_found", language, meta::Category::Utility, words));
    }
}

/// Has the flow do this, as the game's backend wishes.
async fn wish(host: &Host, key: &str, what: &str) {
    let event = json!({ "name": "match", "player": "ada-1", "payload": { "do": what } });
    assert_eq!(host.post_once("/games/cup/events", key, &event).await.0, 202);
}

async fn found(host: &Host, key: &str) {
    wish(host, key, "template match_found Ada | m-7").await;
}

/// What Meta says of a template's language, as the API has it.
async fn at_meta(host: &Host, name: &str, language: &str) -> Option<Value> {
    let answer = host.get("/games/cup/templates").await;
    let template = answer["templates"].as_array().unwrap().iter().find(|template| template["name"] == name)?.clone();
    let language = template["languages"].as_array().unwrap().iter().find(|version| version["language"] == language)?.clone();
    Some(language["at"][0].clone())
}

/// Waits until the API says this of a version.
async fn until(host: &Host, language: &str, key: &str, value: Value) -> Value {
    eventually("the host knows what Meta said", async || at_meta(host, "match_found", language).await.filter(|at| at[key] == value)).await
}

/// Languages of all templates that Meta has accepted.
fn languages(stage: &Stage) -> Vec<String> {
    let language = |message: Value| message["template"]["language"]["code"].as_str().map(str::to_owned);
    stage.emulator.accepted().iter().filter_map(|accepted| language(accepted.json())).collect()
}

async fn what_meta_tells_is_known_and_outlives_a_crash(engine: Engine) {
    let stage = stage(engine, "").await;
    let mut host = stage.start().await;
    // Nothing is there yet.
    until(&host, "pt", "state", json!("missing")).await;
    approved(&stage);
    stage.emulator.put_template(meta::Template::body("of_the_operator", "en", meta::Category::Utility, "By hand."));
    assert_eq!(at_meta(&host, "match_found", "pt").await.unwrap()["state"], "missing", "nobody has told");
    let (status, synced) = host.post("/games/cup/templates/sync", &Value::Null).await;
    assert_eq!((status, &synced["accounts"][ACCOUNT]), (200, &json!({ "versions": 4, "unreadable": 0 })), "{synced}");
    let listed = at_meta(&host, "match_found", "pt").await.unwrap();
    assert_eq!((&listed["state"], &listed["sendable"], &listed["counts_as"]), (&json!("approved"), &json!(true), &json!("utility")));
    let undeclared = at_meta(&host, "of_the_operator", "en").await.expect("what Meta alone has");
    assert_eq!(undeclared["state"], "approved");

    // Webhooks, each in its way.
    let pause = json!({ "other_info": { "title": "FIRST_PAUSE", "description": "Low quality" } });
    stage.emulator.review_template_with("match_found", Some("pt"), meta::TemplateStatus::Paused, pause);
    let paused = until(&host, "pt", "state", json!("paused")).await;
    assert_eq!((&paused["sendable"], &paused["reason"]), (&json!(false), &json!("Low quality")));
    let until_ms = paused["paused_until"].as_u64().unwrap();
    stage.emulator.rate_template("match_found", Some("en"), meta::TemplateQuality::Yellow);
    until(&host, "en", "quality", json!("yellow")).await;
    stage.emulator.announce_category("match_found", Some("pt_BR"), meta::Category::Marketing, 4_000_000_000);
    let announced = until(&host, "pt_BR", "announced", json!({ "category": "marketing", "at": 4_000_000_000_000u64 })).await;
    assert_eq!(announced["counts_as"], "utility", "not yet");
    stage.emulator.recategorise_template("match_found", Some("pt_BR"), meta::Category::Marketing);
    until(&host, "pt_BR", "counts_as", json!("marketing")).await;

    host.kill().await;
    let host = stage.start().await;
    let kept = at_meta(&host, "match_found", "pt").await.unwrap();
    assert_eq!((&kept["state"], kept["paused_until"].as_u64()), (&json!("paused"), Some(until_ms)), "known before Meta has answered");
    // What the list does not know is kept, what it knows better is not.
    let (status, _) = host.post("/games/cup/templates/sync", &Value::Null).await;
    assert_eq!(status, 200);
    let kept = at_meta(&host, "match_found", "pt").await.unwrap();
    assert_eq!((&kept["state"], kept["paused_until"].as_u64()), (&json!("paused"), Some(until_ms)));
    assert!(stage.emulator.remove_template("of_the_operator"));
    host.post("/games/cup/templates/sync", &Value::Null).await;
    assert_eq!(at_meta(&host, "of_the_operator", "en").await, None);

    // By the command line.
    let list = host::run(&stage.config(), &["templates", "list", "cup"]).await;
    let text = String::from_utf8(list.stdout).unwrap();
    assert!(list.status.success() && text.lines().any(|line| line.contains("match_found") && line.contains("paused")), "{text}");
    let sync = host::run(&stage.config(), &["templates", "sync", "cup"]).await;
    assert!(String::from_utf8(sync.stdout).unwrap().contains("3 versions at Meta"));
    // Meta limits these calls: nobody uses them up.
    let mut refused = None;
    for _ in 0..40 {
        let (status, problem) = host.post("/games/cup/templates/sync", &Value::Null).await;
        if status != 200 {
            refused = Some((status, problem));
            break;
        }
    }
    let (status, problem) = refused.expect("a bound");
    assert_eq!(status, 429, "{problem}");
}

async fn a_paused_template_waits_without_asking_meta(engine: Engine) {
    let stage = stage(engine, "").await;
    approved(&stage);
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    until(&host, "pt_BR", "state", json!("approved")).await;
    for language in ["en", "pt", "pt_BR"] {
        stage.emulator.review_template("match_found", Some(language), meta::TemplateStatus::Paused);
        until(&host, language, "state", json!("paused")).await;
    }
    found(&host, "e-1").await;
    let parked = "questline_templates_unsendable_total{game=\"cup\",outcome=\"parked\"}";
    eventually("it waits", async || (host.metric(parked).await >= 1.0).then_some(())).await;
    // Nothing behind it waits with it.
    assert_eq!(says(&ada, "say and I?").await.text(), "and I?");
    assert_eq!(stage.emulator.counters().refused, 0, "Meta was not asked in vain");
    stage.emulator.review_template("match_found", None, meta::TemplateStatus::Approved);
    assert_eq!(hears(&ada).await.text(), "Oi Ada, sua partida m-7 está pronta agora.");
    at_rest(&stage, &host).await;
    assert_eq!((languages(&stage), stage.emulator.counters().refused), (vec!["pt_BR".to_owned()], 0));
    assert!(dead_letters(&host).await.is_empty());
}

async fn a_template_that_meta_closed_is_refused_to_the_flow_and_in_the_queue(engine: Engine) {
    let stage = stage(engine, "").await;
    approved(&stage);
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    until(&host, "pt_BR", "state", json!("approved")).await;
    // One waits in the queue while Meta pauses, then disables its template.
    stage.emulator.review_template("match_found", None, meta::TemplateStatus::Paused);
    for language in ["en", "pt", "pt_BR"] {
        until(&host, language, "state", json!("paused")).await;
    }
    found(&host, "e-1").await;
    let parked = "questline_templates_unsendable_total{game=\"cup\",outcome=\"parked\"}";
    eventually("it waits", async || (host.metric(parked).await >= 1.0).then_some(())).await;
    stage.emulator.review_template("match_found", None, meta::TemplateStatus::Disabled);
    let letter = first_dead_letter(&host).await;
    assert_eq!(letter["reason"], "meta-132016", "{letter}");
    assert!(letter["detail"].as_str().unwrap().contains("disabled at Meta"), "{letter}");
    // The flow is told why, and its answer is not done: a dead letter, since it insists.
    found(&host, "e-2").await;
    let letters = eventually("the flow was refused", async || Some(dead_letters(&host).await).filter(|letters| letters.len() == 2)).await;
    assert_eq!(letters[1]["reason"], "refused");
    assert!(letters[1]["detail"].as_str().unwrap().contains("template-disabled"), "{}", letters[1]);
    assert!(languages(&stage).is_empty() && ada.inbox().is_empty());
    assert_eq!(stage.emulator.counters().refused, 0, "Meta was not asked in vain");
    assert!(host.log().lines().any(|line| line.contains("alert") && line.contains("match_found")), "the operator is told");
}

async fn what_becomes_marketing_needs_consent_at_once_also_in_the_queue(engine: Engine) {
    let stage = stage(engine, "").await;
    approved(&stage);
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    until(&host, "pt_BR", "state", json!("approved")).await;
    stage.emulator.review_template("match_found", None, meta::TemplateStatus::Paused);
    for language in ["en", "pt", "pt_BR"] {
        until(&host, language, "state", json!("paused")).await;
    }
    found(&host, "e-1").await;
    let parked = "questline_templates_unsendable_total{game=\"cup\",outcome=\"parked\"}";
    eventually("it waits", async || (host.metric(parked).await >= 1.0).then_some(())).await;
    stage.emulator.recategorise_template("match_found", None, meta::Category::Marketing);
    until(&host, "pt_BR", "counts_as", json!("marketing")).await;
    stage.emulator.review_template("match_found", None, meta::TemplateStatus::Approved);
    // What was queued as utility is marketing now, and nobody has agreed to that.
    let letter = first_dead_letter(&host).await;
    assert_eq!(letter["reason"], "no-consent", "{letter}");
    found(&host, "e-2").await;
    let letters = eventually("the flow was refused", async || Some(dead_letters(&host).await).filter(|letters| letters.len() == 2)).await;
    assert_eq!(letters[1]["reason"], "refused");
    assert!(letters[1]["detail"].as_str().unwrap().contains("no-consent"), "{}", letters[1]);
    assert!(languages(&stage).is_empty());
    // With consent it goes, as marketing.
    let consent = json!({ "player": "ada-1", "decision": "granted", "method": "in-game-checkbox", "wording": "News?" });
    assert_eq!(host.post_once("/games/cup/consents", "c-1", &consent).await.0, 202);
    found(&host, "e-3").await;
    assert_eq!(hears(&ada).await.text(), "Oi Ada, sua partida m-7 está pronta agora.");
}

async fn the_nearest_language_that_meta_sends_is_sent(engine: Engine) {
    let stage = stage(engine, "").await;
    approved(&stage);
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    until(&host, "pt_BR", "state", json!("approved")).await;
    for (refused, sent) in [(None, "pt_BR"), (Some("pt_BR"), "pt"), (Some("pt"), "en")] {
        if let Some(language) = refused {
            stage.emulator.review_template("match_found", Some(language), meta::TemplateStatus::Rejected);
            until(&host, language, "state", json!("rejected")).await;
        }
        found(&host, &format!("e-{sent}")).await;
        hears(&ada).await;
        assert_eq!(languages(&stage).last().unwrap(), sent);
    }
    assert!(dead_letters(&host).await.is_empty());
}

const STAND_IN: &str = "\n[replies.main]\ntemplate = \"answer\"\nbody = [\"{game}\", \"{text}\"]\n";
const ANSWER: &str = "There is news from {{1}} support: {{2}} Write to us here.";

async fn late_replies_become_the_games_template(engine: Engine) {
    let stage = stage(engine, STAND_IN).await;
    stage.write(
        "cup",
        "templates/answer.toml",
        &format!("name = \"answer\"\ncategory = \"utility\"\n[languages.en]\nbody = \"{ANSWER}\"\n"),
    );
    approved(&stage);
    stage.emulator.put_template(meta::Template::body("answer", "en", meta::Category::Utility, ANSWER));
    let host = stage.start().await;
    let ada = stage.player(PHONE, "Ada");
    until(&host, "pt_BR", "state", json!("approved")).await;
    // Ada has never written: the window is closed.
    wish(&host, "e-1", "say Your crystals are back.\nsay Have fun!").await;
    let late = hears(&ada).await;
    assert_eq!(
        (late.kind.as_str(), late.text()),
        ("template", "There is news from cup support: Your crystals are back. Have fun! Write to us here.")
    );
    // Within it a reply is a reply.
    assert_eq!(says(&ada, "say hello").await.text(), "hello");
    at_rest(&stage, &host).await;
    assert_eq!(ada.inbox().len(), 2, "one template for both");
    // Where the template cannot go either, the flow is told.
    let bob = "+15550122";
    stage.emulator.review_template("answer", None, meta::TemplateStatus::Rejected);
    eventually("the host knows", async || at_meta(&host, "answer", "en").await.filter(|at| at["state"] == "rejected")).await;
    let event = json!({ "name": "match", "contact": { "phone": bob }, "payload": { "do": "say anybody there?" } });
    assert_eq!(host.post_once("/games/cup/events", "e-2", &event).await.0, 202);
    let letter = first_dead_letter(&host).await;
    let detail = letter["detail"].as_str().unwrap();
    assert!(detail.contains("window-closed") && detail.contains("template-rejected"), "{letter}");
}

async fn submit(host: &Host, name: &str, body: &Value) -> (u16, Value) {
    host.post(&format!("/games/cup/templates/{name}/submit"), body).await
}

async fn a_template_is_handed_in_for_review(engine: Engine) {
    let stage = stage(engine, "").await;
    stage.write(
        "cup",
        "templates/bare.toml",
        "name = \"bare\"\ncategory = \"utility\"\n[languages.en]\nbody = \"Hello {{1}}, and welcome back.\"\n",
    );
    let host = stage.start().await;
    let outcomes = |answer: &Value| -> Vec<(String, String)> {
        let text = |version: &Value, key: &str| version[key].as_str().unwrap_or_default().to_owned();
        answer["versions"].as_array().unwrap().iter().map(|version| (text(version, "language"), text(version, "outcome"))).collect()
    };
    let each = |outcome: &str| ["en", "pt", "pt_BR"].map(|language| (language.to_owned(), outcome.to_owned())).to_vec();
    // What Meta would refuse is refused here, with its place.
    let (status, problem) = submit(&host, "bare", &json!({})).await;
    assert_eq!(status, 422, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("template bare, examples (en): body has 0 examples"), "{problem}");
    assert_eq!(submit(&host, "nothing", &json!({})).await.0, 404);
    assert_eq!(submit(&host, "match_found", &json!({ "language": "fr" })).await.0, 404);
    assert_eq!(submit(&host, "match_found", &json!({ "langauge": "en" })).await.0, 400);

    let (status, answer) = submit(&host, "match_found", &json!({})).await;
    assert_eq!((status, outcomes(&answer)), (200, each("created")), "{answer}");
    assert_eq!(until(&host, "pt", "state", json!("pending")).await["sendable"], false);
    assert_eq!(outcomes(&submit(&host, "match_found", &json!({})).await.1), each("in-review"), "{answer}");
    stage.emulator.review_template("match_found", None, meta::TemplateStatus::Approved);
    for language in ["en", "pt", "pt_BR"] {
        until(&host, language, "state", json!("approved")).await;
    }
    assert_eq!(outcomes(&submit(&host, "match_found", &json!({})).await.1), each("unchanged"));
    // Somebody has changed it by hand.
    stage.emulator.put_template(meta::Template::body(
        "match_found",
        "pt",
        meta::Category::Utility,
        "Olá {{1}}, partida {{2}} pronta agora mesmo.",
    ));
    let submitted = host::run(&stage.config(), &["templates", "submit", "cup", "match_found", "--language", "pt"]).await;
    let text = String::from_utf8(submitted.stdout).unwrap();
    assert!(submitted.status.success() && text.contains("edited"), "{text}");
    let kept = stage.emulator.template("match_found", "pt").unwrap();
    assert_eq!((&kept.components[0]["text"], kept.status), (&json!(WORDS[1].1), meta::TemplateStatus::Pending));
    let audit = host.get("/games/cup/audit").await;
    assert!(mentions(&audit, "template-submitted"), "{audit}");
    // Checked without a host.
    let check = host::run(&stage.config(), &["templates", "check", stage.game_dir("cup").to_str().unwrap()]).await;
    assert!(!check.status.success() && String::from_utf8(check.stdout).unwrap().contains("bare"));
}

async fn nobody_hands_in_templates_where_others_send(engine: Engine) {
    let stage = stage(engine, "").await.echo("other", SECOND_NUMBER);
    stage.emulator.put_template(meta::Template::body("of_the_other", "en", meta::Category::Utility, "Secret plans."));
    let host = stage.start().await;
    let wanted = json!({ "name": "ci", "games": ["cup"], "scopes": ["releases"], "days": 1 });
    let (status, made) = host.post("/tokens", &wanted).await;
    assert!(status < 300, "{made}");
    let token = made["token"].as_str().unwrap();
    let call = async |method: reqwest::Method, path: &str, token: &str| {
        let request = host.http().request(method, format!("http://{}/v1{path}", host.address)).bearer_auth(token);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default())
    };
    let submit = "/games/cup/templates/match_found/submit";
    let (status, problem) = call(reqwest::Method::POST, submit, token).await;
    assert_eq!(status, 403, "{problem}");
    assert!(stage.emulator.template("match_found", "en").is_none(), "Meta was asked for nothing");
    // What the other game or the operator has at the account is not shown.
    let (status, list) = call(reqwest::Method::GET, "/games/cup/templates", token).await;
    assert_eq!(status, 200);
    assert!(!list.to_string().contains("of_the_other"), "{list}");
    assert_eq!(call(reqwest::Method::GET, "/games/other/templates", token).await.0, 404, "another game's");
    assert_eq!(call(reqwest::Method::POST, "/games/other/templates/sync", token).await.0, 404);
    assert_eq!(call(reqwest::Method::GET, "/games/cup/templates", "qlst_nobody").await.0, 401);
    assert_eq!(call(reqwest::Method::POST, submit, TOKEN).await.0, 200, "the operator may");
}
