//! Temporary credentials reach the player, and are found nowhere else: not in the data, the logs, the figures or the API.

use std::path::Path;

use questline_emulator::Fault;
use questline_tests::host::TOKEN;
use questline_tests::stage::NUMBER;
use questline_tests::{Engine, Host, Stage, eventually};
use serde_json::{Value, json};

use crate::studio::{Answer, SECRET, Studio};
use crate::support::{at_rest, dead_letters, first_dead_letter, heard, hears, says};

on_both_stores![
    credentials_are_told_and_kept_nowhere,
    one_key_for_all_tries_of_one_promise,
    block_stops_what_is_promised,
    what_the_backend_refuses_is_a_letter_without_a_secret,
];

const PLAYERS: &str = r#"{"players": [
  {"id": "ada-1", "phone": "+15550111", "name": "Ada", "tier": "gold", "balances": {"premium": 1, "free": 1}}
]}"#;

/// A game that issues credentials, with these connections to the studio.
async fn stage(engine: Engine, connection: impl FnOnce(&Stage) -> String) -> Stage {
    let grants = ["log", "reply", "tickets", "recovery-credentials"];
    let stage = Stage::new(engine).await.times(2_000, 1_500).extra("[log]\nlevel = \"debug\"").allow_host("127.0.0.1");
    let stage = stage.game("cup", NUMBER, "herald-guest", &grants, "");
    let connection = connection(&stage);
    let file = stage.game_dir("cup").join("game.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("connector = \"sample\"\nfile = \"players.json\"", &connection);
    let backend = connection.replace("file = \"players.json\"", "");
    let text =
        format!("{text}\n[backend]\n{backend}\n[backend.operations.issue-credentials]\n[recovery]\nvalid_s = 1800\nper_day_max = 2\n");
    std::fs::write(&file, text).unwrap();
    std::fs::write(stage.game_dir("cup").join("players.json"), PLAYERS).unwrap();
    let copy = "recovery-credentials = Log in as { $username } with { $password } within { $minutes } minutes.\n";
    std::fs::write(stage.game_dir("cup").join("copy/en.ftl"), copy).unwrap();
    stage
}

async fn stage_of_studio(engine: Engine, studio: &Studio) -> Stage {
    stage(engine, |stage| {
        let secret = stage.dir().join("studio-secret");
        std::fs::write(&secret, SECRET).unwrap();
        format!("connector = \"http\"\nurl = {:?}\nsecret = {{ file = {secret:?} }}\ntimeout_ms = 300", studio.url("127.0.0.1"))
    })
    .await
}

/// Name and password out of the text.
fn credentials(text: &str) -> [String; 2] {
    let words: Vec<&str> = text.split(' ').collect();
    let ["Log", "in", "as", username, "with", password, "within", "30", "minutes."] = words[..] else { panic!("{text}") };
    [username.to_owned(), password.to_owned()]
}

/// Whether any file below a folder, as it lies there, holds these bytes.
pub(crate) fn holds(dir: &Path, wanted: &str) -> bool {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()).any(|entry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => holds(&entry.path(), wanted),
        // Compiled code, shared by all tests.
        kind if kind.is_symlink() => false,
        _ => std::fs::read(entry.path()).unwrap().windows(wanted.len()).any(|bytes| bytes == wanted.as_bytes()),
    })
}

/// All that Redis holds, keys included, as text.
pub(crate) fn dump(redis: &questline_tests::RedisServer) -> String {
    let mut connection = redis.connect();
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
    let mut all = String::new();
    for key in keys {
        let kind: String = redis::cmd("TYPE").arg(&key).query(&mut connection).unwrap();
        let mut read = redis::cmd(match kind.as_str() {
            "string" => "GET",
            "hash" => "HGETALL",
            "list" => "LRANGE",
            "set" => "SMEMBERS",
            "zset" => "ZRANGE",
            "stream" => "XRANGE",
            other => panic!("a key of type {other}"),
        });
        read.arg(&key);
        match kind.as_str() {
            "list" | "zset" => read.arg(0).arg(-1),
            "stream" => read.arg("-").arg("+"),
            _ => &mut read,
        };
        let value: redis::Value = read.query(&mut connection).unwrap();
        all.push_str(&String::from_utf8_lossy(&key));
        write(&value, &mut all);
    }
    all
}

fn write(value: &redis::Value, all: &mut String) {
    match value {
        redis::Value::BulkString(bytes) => all.push_str(&String::from_utf8_lossy(bytes)),
        redis::Value::SimpleString(text) => all.push_str(text),
        redis::Value::Array(items) | redis::Value::Set(items) => items.iter().for_each(|item| write(item, all)),
        redis::Value::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            write(key, all);
            write(value, all);
        }),
        _ => {}
    }
    all.push('\n');
}

/// All that the API and the figures tell.
pub(crate) async fn told(host: &Host) -> String {
    let mut told = host.metrics().await;
    for path in ["/dead-letters?limit=500", "/games/cup/tickets?closed=true", "/notices", "/depth"] {
        told.push_str(&host.get(path).await.to_string());
    }
    told
}

async fn credentials_are_told_and_kept_nowhere(engine: Engine) {
    let stage = stage(engine, |_| "connector = \"sample\"\nfile = \"players.json\"".to_owned()).await;
    let mut host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    let stranger = stage.player("+15550199", "Stranger");
    let refused = says(&ada, "recover 0.79").await;
    assert!(refused.text().starts_with("refused: confidence-too-low"), "{}", refused.text());
    let unknown = says(&stranger, "recover 1.0").await;
    assert!(unknown.text().starts_with("refused: player-unknown"), "{}", unknown.text());
    let first = credentials(says(&ada, "recover 0.8").await.text());
    // Meta fails while they are sent: the message waits, and its words are made again.
    for fault in [Fault::Http(500), Fault::code(130_429)] {
        stage.emulator.inject_for(NUMBER, fault, 1);
    }
    let second = credentials(says(&ada, "recover 0.95").await.text());
    assert_ne!(first, second);
    let third = says(&ada, "recover 1.0").await;
    assert!(third.text().starts_with("refused: too-many"), "{}", third.text());
    at_rest(&stage, &host).await;
    assert!(dead_letters(&host).await.is_empty());
    let told = told(&host).await;
    assert!(host.stop().await.success());

    let data = stage.dir().join("data");
    let redis = stage.redis.as_ref().map(dump);
    let kept = |words: &str| redis.as_ref().map_or_else(|| holds(&data, words), |redis| redis.contains(words));
    assert!(kept("credentials-promised") && kept("credentials-refused") && kept("confidence 0.950"), "what is audited is there");
    for secret in first.iter().chain(&second) {
        assert!(secret.len() > 8);
        assert!(!kept(secret), "the store");
        assert!(!holds(stage.dir(), secret), "a file of the host's: data, log or configuration");
        assert!(!told.contains(secret.as_str()), "the API or the figures");
    }
    assert!(holds(stage.dir(), TOKEN), "the search finds what is there");
}

async fn one_key_for_all_tries_of_one_promise(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage_of_studio(engine, &studio).await;
    let mut host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    let made = json!({ "username": "guest-42", "password": "s3cret \"quoted\" \\ {x}" });
    studio.always("/operations/", Some(Answer::Status(503)));
    ada.send("recover 0.9").await.unwrap();
    eventually("the backend was asked again", async || (studio.calls_of("/operations/issue-credentials").len() >= 2).then_some(())).await;
    // Meta does not say whether it took the first one: the same goes out again.
    stage.emulator.inject_for(NUMBER, Fault::HangBefore, 1);
    studio.always("/operations/", Some(Answer::Text(made.to_string())));
    assert_eq!(hears(&ada).await.text(), "Log in as guest-42 with s3cret \"quoted\" \\ {x} within 30 minutes.");
    let calls = studio.calls_of("/operations/issue-credentials");
    assert!(calls.len() >= 4, "{}", calls.len());
    assert!(calls.iter().all(|call| call.idempotency_key.is_some() && call.idempotency_key == calls[0].idempotency_key));
    let asked = json!({ "player": "ada-1", "request": { "reason": "the tests say so", "confidence": 0.9, "valid_s": 1800 } });
    assert!(calls.iter().all(|call| call.body == asked), "{}", calls[0].body);
    studio.assert_all_signed();
    at_rest(&stage, &host).await;
    assert_eq!(heard(&ada).len(), 1);
    assert!(host.metric("questline_sends_total{outcome=\"untold-retry\"}").await >= 2.0);
    // Another promise is another key.
    says(&ada, "recover 0.9").await;
    assert_ne!(studio.calls_of("/operations/issue-credentials").last().unwrap().idempotency_key, calls[0].idempotency_key);
    let told = told(&host).await;
    assert!(host.stop().await.success());
    assert!(!told.contains("s3cret") && !holds(stage.dir(), "s3cret"));
    assert!(stage.redis.as_ref().is_none_or(|redis| !dump(redis).contains("s3cret")));
}

async fn block_stops_what_is_promised(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage_of_studio(engine, &studio).await;
    let host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    studio.always("/operations/", Some(Answer::Status(503)));
    ada.send("recover 0.9").await.unwrap();
    eventually("the backend was asked", async || (!studio.calls_of("/operations/issue-credentials").is_empty()).then_some(())).await;
    ada.send("BLOCK").await.unwrap();
    eventually("the account is secured", async || {
        (host.metric("questline_steps_total{game=\"cup\",outcome=\"block\"}").await >= 1.0).then_some(())
    })
    .await;
    studio.always("/operations/", Some(Answer::Text(json!({ "username": "guest-42", "password": "never-told" }).to_string())));
    let letter = first_dead_letter(&host).await;
    assert_eq!(letter["reason"], "credentials-withdrawn", "{letter}");
    assert!(hears(&ada).await.text().contains("secured"));
    at_rest(&stage, &host).await;
    assert_eq!(heard(&ada).len(), 1);
    // Tried again by hand it is refused again, while the account is secured.
    assert_eq!(host.post(&format!("/dead-letters/{}/retry", letter["id"]), &Value::Null).await.0, 200);
    let again = first_dead_letter(&host).await;
    assert_eq!(again["reason"], "credentials-withdrawn", "{again}");
    assert!(!told(&host).await.contains("never-told"));
}

async fn what_the_backend_refuses_is_a_letter_without_a_secret(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage_of_studio(engine, &studio).await;
    let mut host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    let odd = [Answer::Status(404), Answer::Text(json!({ "username": "guest-42", "pass": "leaked-one" }).to_string())];
    for (count, answer) in (1..).zip(odd) {
        studio.always("/operations/", Some(answer));
        ada.send("recover 0.9").await.unwrap();
        let letters =
            eventually("there is a letter", async || Some(dead_letters(&host).await).filter(|letters| letters.len() == count)).await;
        assert_eq!(letters[count - 1]["reason"], "credentials-refused", "{letters:?}");
    }
    let told = told(&host).await;
    assert!(host.stop().await.success());
    assert!(!told.contains("leaked-") && !holds(stage.dir(), "leaked-"));
    assert!(stage.redis.as_ref().is_none_or(|redis| !dump(redis).contains("leaked-")));
    assert!(heard(&ada).is_empty());
}
