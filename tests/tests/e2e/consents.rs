//! Consent, from outside: what players agree to is recorded wherever they say it, can be proven, and holds for every marketing
//! message, those that wait already included.

use questline_emulator::Fault;
use questline_tests::host::{self, TOKEN};
use questline_tests::stage::{ACCOUNT, NUMBER, SECOND_NUMBER};
use questline_tests::{Engine, Host, Stage, eventually, guests};
use serde_json::{Value, json};

use crate::support::{at_rest, dead_letters, first_dead_letter, heard, hears, says};

on_both_stores![
    consent_told_over_the_api_lets_marketing_through_and_can_be_proven,
    a_stop_takes_back_what_waits_in_the_queue,
    a_withdrawal_over_the_api_takes_back_what_waits_too,
    what_is_told_late_undoes_nothing,
    a_stop_counts_for_all_numbers_of_a_game,
    words_of_many_languages_end_marketing,
    what_meta_says_ends_in_the_same_state,
    no_flow_goes_around_it,
    what_is_wrong_is_named_and_other_tokens_are_refused,
];

const PLAYERS: &str = r#"{"players": [
  {"id": "ada-1", "phone": "+15550111", "name": "Ada", "tier": "gold", "locale": "en", "balances": {"premium": 1, "free": 1}},
  {"id": "bob-2", "phone": "+15550122", "name": "Bob", "tier": "gold", "locale": "es-MX", "balances": {"premium": 1, "free": 1}}
]}"#;

pub(crate) const GRANTS: [&str; 13] = [
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

const WORDINGS: &str = "[consent]\nchat_wording = \"news-1\"\n[consent.wordings.news-1]\nen = \"Shall we send you news?\"\n\
     es = \"¿Te enviamos novedades?\"\n[consent.stop_words]\nen = [\"no more pigeons\"]\n";

async fn stage(engine: Engine) -> Stage {
    let stage = Stage::new(engine).await.game("cup", NUMBER, "puppet-guest", &GRANTS, "");
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

async fn tell(host: &Host, key: &str, consent: &Value) -> (u16, Value) {
    let (status, answer, _) = host.post_once("/games/cup/consents", key, consent).await;
    (status, answer)
}

fn granted(who: Value) -> Value {
    let mut consent = json!({ "decision": "granted", "method": "in-game-checkbox", "version": "news-1", "locale": "en" });
    consent.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
    consent
}

/// Has the flow send the marketing template to Ada, as the game's backend wishes.
async fn send_news(host: &Host, key: &str) {
    let event = json!({ "name": "news", "player": "ada-1", "payload": { "do": "template news Ada | Starfall" } });
    assert_eq!(host.post_once("/games/cup/events", key, &event).await.0, 202);
}

async fn evidence(host: &Host, player: &str) -> Value {
    host.get(&format!("/games/cup/players/{player}/consents")).await
}

fn templates_sent(stage: &Stage) -> usize {
    stage.emulator.accepted().iter().filter(|accepted| accepted.json()["type"] == "template").count()
}

fn reasons(letters: &[Value]) -> Vec<&str> {
    letters.iter().map(|letter| letter["reason"].as_str().unwrap()).collect()
}

async fn consent_told_over_the_api_lets_marketing_through_and_can_be_proven(engine: Engine) {
    let stage = stage(engine).await;
    let mut host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    // Nothing was agreed to.
    send_news(&host, "n-1").await;
    assert_eq!(first_dead_letter(&host).await["reason"], "refused");
    assert_eq!(templates_sent(&stage), 0);

    // A player who has never written.
    assert_eq!(
        tell(&host, "c-1", &granted(json!({ "player": "ada-1" }))).await,
        (202, json!({ "accepted": true, "duplicate": false, "id": "c-1" }))
    );
    send_news(&host, "n-2").await;
    assert!(hears(&ada).await.text().starts_with("Hello Ada"));
    // Once, also after a crash.
    let again = (202, json!({ "accepted": true, "duplicate": true, "id": "c-1" }));
    assert_eq!(tell(&host, "c-1", &granted(json!({ "player": "bob-2" }))).await, again);
    host.kill().await;
    let host = stage.start().await;
    assert_eq!(tell(&host, "c-1", &granted(json!({ "player": "ada-1" }))).await, again);

    says(&ada, "STOP").await;
    says(&ada, "START").await;
    let batch = json!({ "consents": [
        { "id": "c-2", "contact": { "phone": "+15550133" }, "decision": "granted", "method": "website-form", "wording": "Yes, send me news.", "locale": "en" },
        { "id": "c-3", "player": "ada-1", "decision": "perhaps", "method": "website-form" },
        { "id": "c-1", "player": "ada-1", "decision": "withdrawn", "method": "website-form" },
        { "id": "c-4", "player": "nobody", "decision": "withdrawn", "method": "website-form" },
    ] });
    let (status, answer) = host.post("/games/cup/consents/batch", &batch).await;
    assert_eq!(status, 202, "{answer}");
    assert_eq!((&answer["accepted"], &answer["duplicates"], &answer["refused"]), (&json!(1), &json!(1), &json!(2)));
    assert!(answer["consents"][1]["problem"]["detail"].as_str().unwrap().starts_with("decision: takes"), "{answer}");
    assert_eq!(answer["consents"][3]["problem"]["status"], 409);
    at_rest(&stage, &host).await;

    // The evidence: every record, the words, who told, and the contact in full.
    let found = evidence(&host, "ada-1").await;
    assert_eq!(found["decision"], "granted");
    let rows = found["rows"].as_array().unwrap();
    let told: Vec<_> =
        rows.iter().map(|row| (row["decision"].as_str().unwrap(), row["method"].as_str().unwrap(), row["source"].clone())).collect();
    let expected =
        [("granted", "in-game-checkbox", json!("operator")), ("withdrawn", "chat", json!("player")), ("granted", "chat", json!("player"))];
    assert_eq!(told, expected, "{found}");
    assert_eq!((&rows[0]["wording"], &rows[0]["version"]), (&json!("Shall we send you news?"), &json!("news-1")));
    assert_eq!((&rows[2]["wording"], &rows[2]["version"]), (&json!("Shall we send you news? — START"), &json!("news-1")));
    assert!(rows.iter().all(|row| row["contact"]["phone"] == "+15550111"), "{found}");
    assert_eq!(rows[0]["player"], "ada-1");

    // All of it as lines, over the API and by the command.
    let exported =
        host.http().get(format!("http://{}/v1/games/cup/consents/export", host.address)).bearer_auth(TOKEN).send().await.unwrap();
    let exported = exported.text().await.unwrap();
    let lines: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[4]), (5, &json!({ "records": 4 })));
    assert!(lines.iter().any(|line| line["contact"]["phone"] == "+15550133" && line["wording"] == "Yes, send me news."), "{exported}");
    let output = host::run(&stage.config(), &["consents", "export", "--game", "cup"]).await;
    assert!(output.status.success(), "{output:?}");
    let mut both = [exported.lines().collect::<Vec<_>>(), std::str::from_utf8(&output.stdout).unwrap().lines().collect()];
    both.iter_mut().for_each(|lines| lines.sort_unstable());
    assert_eq!(both[0], both[1]);

    // The audit log knows people by pseudonyms, and who took the evidence.
    let audit = host.get("/games/cup/audit?limit=500").await["rows"].clone();
    let actions: Vec<_> = audit.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions.iter().filter(|action| **action == "consents-exported").count(), 3, "{actions:?}");
    assert!(!audit.to_string().contains("15550111") && !host.log().contains("15550111"));
}

/// Ada's number is held while a marketing message waits in it.
async fn held(engine: Engine) -> (Stage, Host, questline_emulator::PlayerHandle) {
    let stage = stage(engine).await;
    let host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    says(&ada, "START").await;
    stage.emulator.inject_for(NUMBER, Fault::code(190), 1);
    ada.send("say held").await.unwrap();
    eventually("the number is held", async || (host.metric("questline_holds_total{scope=\"number\"}").await == 1.0).then_some(())).await;
    send_news(&host, "n-1").await;
    eventually("it waits", async || (host.get("/depth").await["outbox"] == 2).then_some(())).await;
    (stage, host, ada)
}

async fn a_stop_takes_back_what_waits_in_the_queue(engine: Engine) {
    let (stage, mut host, ada) = held(engine).await;
    ada.send("STOP").await.unwrap();
    eventually("the STOP is handled", async || (host.get("/depth").await["outbox"] == 3).then_some(())).await;
    // The operator mends it and starts anew.
    assert!(host.stop().await.success());
    let host = stage.start().await;
    assert_eq!(hears(&ada).await.text(), "held");
    assert!(hears(&ada).await.text().contains("no more news"));
    at_rest(&stage, &host).await;
    assert_eq!(templates_sent(&stage), 0);
    assert_eq!(reasons(&dead_letters(&host).await), ["no-consent"]);
    assert_eq!(host.metric("questline_marketing_dropped_total{game=\"cup\",outcome=\"no-consent\"}").await, 1.0);
    // Whoever puts it back does not get it through either.
    let id = first_dead_letter(&host).await["id"].clone();
    assert_eq!(host.post(&format!("/dead-letters/{id}/retry"), &json!({})).await.0, 200);
    at_rest(&stage, &host).await;
    assert_eq!((templates_sent(&stage), reasons(&dead_letters(&host).await)), (0, vec!["no-consent"]));
}

async fn a_withdrawal_over_the_api_takes_back_what_waits_too(engine: Engine) {
    let (stage, mut host, ada) = held(engine).await;
    let withdrawn = json!({ "contact": { "phone": "+15550111" }, "decision": "withdrawn", "method": "website-form" });
    assert_eq!(tell(&host, "c-1", &withdrawn).await.0, 202);
    eventually("it is heard", async || (host.get("/depth").await["inbox"] == 0).then_some(())).await;
    assert!(host.stop().await.success());
    let host = stage.start().await;
    assert_eq!(hears(&ada).await.text(), "held");
    at_rest(&stage, &host).await;
    assert_eq!((templates_sent(&stage), reasons(&dead_letters(&host).await)), (0, vec!["no-consent"]));
    assert_eq!(evidence(&host, "ada-1").await["decision"], "withdrawn");
}

async fn what_is_told_late_undoes_nothing(engine: Engine) {
    let stage = stage(engine).await;
    let host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    says(&ada, "STOP").await;
    let mut late = granted(json!({ "player": "ada-1" }));
    late["at"] = json!(crate::support::now_s() * 1_000 - 3_600_000);
    assert_eq!(tell(&host, "c-1", &late).await.0, 202);
    send_news(&host, "n-1").await;
    assert_eq!(first_dead_letter(&host).await["reason"], "refused");
    at_rest(&stage, &host).await;
    let found = evidence(&host, "ada-1").await;
    assert_eq!((found["rows"].as_array().unwrap().len(), &found["decision"]), (2, &json!("withdrawn")), "kept as evidence all the same");
    assert_eq!(templates_sent(&stage), 0);
}

async fn a_stop_counts_for_all_numbers_of_a_game(engine: Engine) {
    let stage = stage(engine).await;
    let token = stage.dir().join("access-token");
    let second = format!(
        "[[numbers]]\nid = \"{SECOND_NUMBER}\"\ngame = \"cup\"\napp = \"main\"\naccount = \"{ACCOUNT}\"\naccess_token = {{ file = {token:?} }}\nper_second = 1000"
    );
    let stage = stage.extra(&second);
    let mut host = stage.start().await;
    // Told for the first number; the second one has never heard of this contact.
    let contact = json!({ "contact": { "phone": "+15550111" } });
    assert_eq!(tell(&host, "c-1", &granted(contact)).await.0, 202);
    at_rest(&stage, &host).await;
    let first = stage.player("+15550111", "Ada");
    let second = first.with_number(SECOND_NUMBER).unwrap();
    second.send("template news Ada | Starfall").await.unwrap();
    assert!(hears(&second).await.text().starts_with("Hello Ada"));
    says(&first, "STOP").await;
    at_rest(&stage, &host).await;
    host.kill().await;
    let host = stage.start().await;
    second.send("template news Ada | Starfall").await.unwrap();
    assert_eq!(first_dead_letter(&host).await["reason"], "refused");
    at_rest(&stage, &host).await;
    assert_eq!(templates_sent(&stage), 1);
    assert_eq!(evidence(&host, "ada-1").await["rows"].as_array().unwrap().len(), 2, "each record once");
}

async fn words_of_many_languages_end_marketing(engine: Engine) {
    let stage = stage(engine).await;
    let host = stage.start().await;
    let (ada, bob) = (stage.player("+15550111", "Ada"), stage.player("+15550122", "Bob"));
    assert_eq!(says(&ada, "say hi").await.text(), "hi");
    assert_eq!(says(&bob, "say hi").await.text(), "hi");
    for words in ["Стоп!", "수신 거부", "stop promotions", "No more pigeons."] {
        assert!(says(&ada, "start").await.text().contains("again"));
        assert!(says(&ada, words).await.text().contains("no more news"), "{words}");
    }
    // A word of one language is nothing to players of another.
    assert_eq!(says(&ada, "baja").await.text(), "what is baja?");
    assert!(says(&bob, "Baja").await.text().contains("no more news"));
    assert_eq!(says(&ada, "stop the match").await.text(), "what is stop?");
    at_rest(&stage, &host).await;
    let rows = evidence(&host, "ada-1").await["rows"].clone();
    assert_eq!(rows.as_array().unwrap().len(), 8);
    assert_eq!(rows[7]["wording"], "No more pigeons.");
}

async fn what_meta_says_ends_in_the_same_state(engine: Engine) {
    let stage = stage(engine).await;
    let host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    says(&ada, "START").await;
    // Meta takes no more marketing for her now: neither this message nor the next one goes.
    stage.emulator.inject_for(NUMBER, Fault::failed_status(131_049), 1);
    send_news(&host, "n-1").await;
    eventually("it is a dead letter", async || (dead_letters(&host).await.len() == 1).then_some(())).await;
    send_news(&host, "n-2").await;
    eventually("so is the next", async || (dead_letters(&host).await.len() == 2).then_some(())).await;
    let letters = dead_letters(&host).await;
    assert_eq!(reasons(&letters), ["meta-131049", "refused"]);
    assert!(host.get(&format!("/dead-letters/{}", letters[1]["id"])).await.to_string().contains("marketing-held"));
    assert_eq!(evidence(&host, "ada-1").await["decision"], "granted", "she decided nothing");

    // She stops it in WhatsApp itself.
    ada.set_marketing(false).await;
    eventually("it is heard", async || (evidence(&host, "ada-1").await["decision"] == "withdrawn").then_some(())).await;
    ada.set_marketing(true).await;
    eventually("it is heard", async || (evidence(&host, "ada-1").await["decision"] == "granted").then_some(())).await;

    // Bob has stopped it, and only Meta's refusal says so.
    let bob = stage.player("+15550122", "Bob");
    says(&bob, "START").await;
    stage.emulator.inject_for(NUMBER, Fault::code(131_050), 1);
    bob.send("template news Bob | Starfall").await.unwrap();
    eventually("it is heard", async || (evidence(&host, "bob-2").await["decision"] == "withdrawn").then_some(())).await;
    let rows = evidence(&host, "bob-2").await["rows"].clone();
    assert_eq!((&rows[1]["method"], &rows[1]["source"]), (&json!("meta-131050"), &json!("host")));
    at_rest(&stage, &host).await;
    assert!(!heard(&bob).iter().any(|text| text.starts_with("Hello")));
}

async fn no_flow_goes_around_it(engine: Engine) {
    let stage = stage(engine).await;
    let host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    says(&ada, "say hello").await;
    // Without consent, with one that the same answer makes up, and with one that nobody was asked for.
    let wishes = ["template news Ada | Starfall", "consent yes\ntemplate news Ada | Starfall", "timer t 0 consent yes"];
    for (count, wish) in wishes.iter().enumerate() {
        ada.send(*wish).await.unwrap();
        eventually("it is refused", async || (dead_letters(&host).await.len() == count + 1).then_some(())).await;
    }
    // In the name of the game's backend, which has not asked the player either.
    let event = json!({ "name": "news", "player": "ada-1", "payload": { "do": "consent yes" } });
    assert_eq!(host.post_once("/games/cup/events", "n-1", &event).await.0, 202);
    eventually("it is refused", async || (dead_letters(&host).await.len() == 4).then_some(())).await;
    at_rest(&stage, &host).await;
    for letter in dead_letters(&host).await {
        assert_eq!(letter["reason"], "refused");
        assert!(host.get(&format!("/dead-letters/{}", letter["id"])).await.to_string().contains("no-consent"));
    }
    assert_eq!(templates_sent(&stage), 0);
    assert_eq!(evidence(&host, "ada-1").await["rows"], json!([]));
    // What needs no consent goes.
    ada.send("template come_back").await.unwrap();
    assert!(hears(&ada).await.text().starts_with("There is news for you"));
}

async fn what_is_wrong_is_named_and_other_tokens_are_refused(engine: Engine) {
    let stage = stage(engine).await.echo("other", SECOND_NUMBER);
    let host = stage.start().await;
    let soon = (crate::support::now_s() + 3_600) * 1_000;
    let long = "x".repeat(4_097);
    let wrong = [
        (json!({}), "player, contact: one"),
        (json!({ "player": "ada-1" }), "decision: takes"),
        (json!({ "player": "ada-1", "decision": "granted" }), "method: takes"),
        (json!({ "player": "ada-1", "decision": "granted", "method": "By phone" }), "method: takes"),
        (json!({ "player": "ada-1", "decision": "granted", "method": "form" }), "wording: needed"),
        (json!({ "player": "ada-1", "decision": "granted", "method": "form", "wording": " " }), "wording: takes"),
        (json!({ "player": "ada-1", "decision": "granted", "method": "form", "wording": long }), "wording: takes"),
        (
            json!({ "player": "ada-1", "decision": "granted", "method": "form", "version": "news-9" }),
            "version: the game declares no wording",
        ),
        (
            json!({ "player": "ada-1", "decision": "granted", "method": "form", "version": "news-1", "locale": "ja" }),
            "version: wording \"news-1\" is not declared",
        ),
        (
            json!({ "player": "ada-1", "decision": "granted", "method": "form", "version": "news-1", "wording": "Other words" }),
            "wording: these are not the words",
        ),
        (json!({ "player": "ada-1", "decision": "withdrawn", "method": "form", "at": soon }), "at: takes"),
        (json!({ "player": "ada-1", "decision": "withdrawn", "method": "form", "at": "now" }), "at: takes"),
        (json!({ "player": "ada-1", "decision": "withdrawn", "method": "form", "locale": "!" }), "locale: takes"),
        (json!({ "player": "ada-1", "decision": "withdrawn", "method": "form", "channel": 1 }), "channel: there is no such field"),
        (json!({ "contact": { "phone": "me" }, "decision": "withdrawn", "method": "form" }), "contact.phone: takes"),
    ];
    for (body, says) in wrong {
        let (status, problem) = tell(&host, "c-1", &body).await;
        assert_eq!(status, 400, "{body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().starts_with(says), "{body}: {problem}");
    }
    let withdrawn = json!({ "player": "ada-1", "decision": "withdrawn", "method": "form" });
    let (status, problem) = host.post("/games/cup/consents", &withdrawn).await;
    assert!(status == 400 && problem["detail"].as_str().unwrap().starts_with("Idempotency-Key: needed"), "{problem}");

    // A token without the scope, and one of another game.
    let token = async |games: [&str; 1], scope: &str| {
        let (status, made) = host.post("/tokens", &json!({ "name": "shop", "games": games, "scopes": [scope] })).await;
        assert_eq!(status, 201, "{made}");
        made["token"].as_str().unwrap().to_owned()
    };
    let ask = async |token: &str, path: &str| {
        let request = host.http().get(format!("http://{}/v1/games/cup/{path}", host.address));
        request.bearer_auth(token).send().await.unwrap().status().as_u16()
    };
    let (events, other, own) = (token(["cup"], "events").await, token(["other"], "consents").await, token(["cup"], "consents").await);
    for path in ["consents/export", "players/ada-1/consents"] {
        assert_eq!((ask(&events, path).await, ask(&other, path).await, ask(&own, path).await), (403, 404, 200), "{path}");
    }
    let request = host.http().post(format!("http://{}/v1/games/cup/consents", host.address)).bearer_auth(&own);
    let answer = request.header("idempotency-key", "c-2").json(&withdrawn).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    at_rest(&stage, &host).await;
    assert_eq!(evidence(&host, "ada-1").await["rows"][0]["source"], json!({ "token": "shop" }));
}
