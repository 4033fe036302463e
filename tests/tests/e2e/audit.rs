//! The audit log, from outside: what players and people did is in it, it can be proven here and anywhere, and whatever is
//! changed by hand is found with its place.

use std::path::PathBuf;

use questline_tests::host::{self, TOKEN};
use questline_tests::stage::NUMBER;
use questline_tests::{Engine, Host, Stage};
use serde_json::{Value, json};

use crate::support::{at_rest, says};

on_both_stores![
    what_was_done_is_told_and_proven,
    what_is_changed_by_hand_is_found_with_its_place,
    an_export_is_proven_without_a_host,
    a_player_is_erased_and_the_log_holds,
];

const PLAYERS: &str = r#"{"players": [
  {"id": "ada-lovelace", "phone": "+15550111", "name": "Ada", "tier": "gold", "balances": {"premium": 1, "free": 1}}
]}"#;

/// A player stops, starts and blocks; an agent closes the ticket of it with a token of their own.
async fn played(engine: Engine) -> (Stage, Host) {
    let stage = Stage::new(engine).await.echo("echo", NUMBER);
    std::fs::write(stage.game_dir("echo").join("players.json"), PLAYERS).unwrap();
    let host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    for words in ["hello", "STOP", "START", "BLOCK"] {
        says(&ada, words).await;
    }
    let tickets = host.get("/games/echo/tickets").await;
    let number = tickets["rows"][0]["number"].as_str().unwrap().to_owned();
    let wanted = json!({ "name": "support desk", "games": ["echo"], "scopes": ["desk"] });
    let (status, made) = host.post("/tokens", &wanted).await;
    assert_eq!(status, 201, "{made}");
    let close = host.http().post(format!("http://{}/v1/games/echo/tickets/{number}/close", host.address));
    let closed = close.bearer_auth(made["token"].as_str().unwrap()).json(&json!({ "resolution": "It was you." })).send().await.unwrap();
    assert_eq!(closed.status(), 200);
    at_rest(&stage, &host).await;
    (stage, host)
}

async fn entries(host: &Host) -> Vec<Value> {
    host.get("/games/echo/audit?limit=500").await["rows"].as_array().unwrap().clone()
}

/// Exit code and all that a command says.
async fn command(stage: &Stage, arguments: &[&str]) -> (i32, String) {
    let output = host::run(&stage.config(), arguments).await;
    let words = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code().unwrap(), words.concat())
}

/// The head that `verify` shows.
fn head(words: &str) -> String {
    words.lines().find_map(|line| line.strip_prefix("  head ")).unwrap_or_else(|| panic!("{words}")).to_owned()
}

async fn what_was_done_is_told_and_proven(engine: Engine) {
    let (stage, mut host) = played(engine).await;
    let found = entries(&host).await;
    let told: Vec<_> = found.iter().map(|entry| (entry["action"].as_str().unwrap(), entry["actor"].clone())).collect();
    let expected = [
        ("consent-withdrawn", json!("player")),
        ("consent-granted", json!("player")),
        ("account-secured", json!("player")),
        ("account-frozen", json!("host")),
        ("token-created", json!("operator")),
        ("ticket-closed", json!({ "token": "support desk" })),
        ("account-released", json!("host")),
    ];
    assert_eq!(told, expected);
    assert_eq!(found[0]["details"]["player"], found[5]["details"]["player"], "it is one player");
    let all = Value::from(found.clone()).to_string();
    for hidden in ["15550111", "lovelace", "It was you", TOKEN] {
        assert!(!all.contains(hidden), "{hidden}");
    }
    let page = host.get("/games/echo/audit?after=2&limit=2").await;
    assert_eq!((page["rows"].as_array().unwrap().as_slice(), &page["next"]), (&found[2..4], &json!(4)));
    assert_eq!(host.get("/audit").await["rows"], json!([{ "game": "echo", "count": 7, "hash": found[6]["hash"] }]));

    let (code, words) = command(&stage, &["audit", "verify"]).await;
    assert_eq!(code, 0, "{words}");
    assert!(words.starts_with("echo: 7 entries, 2") && words.contains("unchanged, in order, none missing"), "{words}");
    let kept = head(&words);
    // A kill changes nothing of it, and it goes on behind.
    host.kill().await;
    let host = stage.start().await;
    assert_eq!(entries(&host).await, found);
    says(&stage.player("+15550122", "Bob"), "STOP").await;
    at_rest(&stage, &host).await;
    let (code, words) = command(&stage, &["audit", "verify", "--game", "echo", "--head", &kept]).await;
    assert!(code == 0 && words.contains("echo: 8 entries") && words.contains("goes through entry 7"), "{words}");
    let other = kept.replace("7:", "6:");
    let (code, words) = command(&stage, &["audit", "verify", "--game", "echo", "--head", &other]).await;
    assert!(code == 1 && words.contains("at entry 6") && words.contains("written anew"), "{words}");
}

/// Entry and details as they are stored.
type Stored = (Option<String>, Option<String>);

/// Puts something else in an entry's place; gives what stood there.
fn replace(stage: &Stage, engine: Engine, seq: u64, change: impl Fn(Stored) -> Stored) -> Stored {
    match engine {
        Engine::Embedded => {
            let database = rusqlite::Connection::open(stage.dir().join("data/questline.db")).unwrap();
            let read = "SELECT doc, details FROM audit_entry WHERE game = 'echo' AND seq = ?1";
            let before: Stored = database.query_row(read, [seq], |row| Ok((row.get(0)?, row.get(1)?))).unwrap_or_default();
            let (doc, details) = change(before.clone());
            database.execute("DELETE FROM audit_entry WHERE game = 'echo' AND seq = ?1", [seq]).unwrap();
            if let Some(doc) = doc {
                let write = "INSERT INTO audit_entry(game, seq, doc, details) VALUES ('echo', ?1, ?2, ?3)";
                database.execute(write, (seq, doc, details)).unwrap();
            }
            before
        }
        Engine::Redis => {
            let mut redis = stage.redis.as_ref().unwrap().connect();
            let keys = ["entries", "details"].map(|part| format!("ql:{{g:echo}}:audit:{part}"));
            let [entry, details] = keys.each_ref().map(|key| redis::cmd("HGET").arg(key).arg(seq).query(&mut redis).unwrap());
            let before: Stored = (entry, details);
            let after = change(before.clone());
            for (key, value) in keys.iter().zip([&after.0, &after.1]) {
                match value {
                    Some(value) => redis::cmd("HSET").arg(key).arg(seq).arg(value).exec(&mut redis).unwrap(),
                    None => redis::cmd("HDEL").arg(key).arg(seq).exec(&mut redis).unwrap(),
                }
            }
            before
        }
    }
}

async fn what_is_changed_by_hand_is_found_with_its_place(engine: Engine) {
    let (stage, mut host) = played(engine).await;
    let swap = |text: Option<String>, from: &str, to: &str| {
        let text = text.unwrap();
        assert!(text.contains(from), "{text}");
        Some(text.replace(from, to))
    };
    type Change<'a> = Box<dyn Fn(Stored) -> Stored + 'a>;
    let changes: [(u64, Change<'_>, &str, &str); 5] = [
        (1, Box::new(|(doc, details)| (swap(doc, "withdrawn", "granted"), details)), "entry 1", "was changed"),
        (3, Box::new(|(doc, details)| (doc, swap(details, "in chat", "by hand"))), "entry 3", "details were changed"),
        (3, Box::new(|(doc, _)| (doc, None)), "entry 3", "no entry says that they were erased"),
        (2, Box::new(|_| (None, None)), "entry 2", "entry 3 stands in its place"),
        (7, Box::new(|_| (None, None)), "entry 6", "missing at the end"),
    ];
    for (seq, change, place, fault) in changes {
        assert!(host.stop().await.success());
        let before = replace(&stage, engine, seq, change);
        host = stage.start().await;
        let (code, words) = command(&stage, &["audit", "verify"]).await;
        assert!(code == 1 && words.contains(&format!("broken at {place}")) && words.contains(fault), "{place}, {fault}: {words}");
        assert!(host.stop().await.success());
        replace(&stage, engine, seq, |_| before.clone());
        host = stage.start().await;
        let (code, words) = command(&stage, &["audit", "verify"]).await;
        assert_eq!(code, 0, "put back as it was: {words}");
    }
}

async fn an_export_is_proven_without_a_host(engine: Engine) {
    let (stage, mut host) = played(engine).await;
    let export = async |name: &str, more: &[&str]| -> PathBuf {
        let output = host::run(&stage.config(), &[&["audit", "export", "--game", "echo"], more].concat()).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let path = stage.dir().join(name);
        std::fs::write(&path, output.stdout).unwrap();
        path
    };
    let whole = export("whole.jsonl", &[]).await;
    let part = export("part.jsonl", &["--from", "2", "--to", "3", "--format", "jsonl"]).await;
    let (code, words) = command(&stage, &["audit", "export", "--game", "echo", "--from", "9"]).await;
    assert!(code == 1 && words.contains("has 7 entries"), "{words}");
    assert!(host.stop().await.success());
    std::fs::remove_dir_all(stage.dir().join("data")).unwrap();

    let verify = async |path: &PathBuf, more: &[&str]| {
        command(&stage, &[&["audit", "verify", "--file", path.to_str().unwrap()], more].concat()).await
    };
    let (code, words) = verify(&whole, &[]).await;
    assert!(code == 0 && words.starts_with("echo: 7 entries") && !words.contains("not proven"), "{words}");
    let kept = head(&words);
    let (code, words) = verify(&part, &[]).await;
    assert!(code == 0 && words.starts_with("echo: 2 entries") && words.contains("behind entry 1"), "{words}");
    assert!(words.contains("what comes after is not proven"), "{words}");
    assert_eq!(verify(&whole, &["--head", &kept]).await.0, 0);
    let (code, words) = verify(&part, &["--head", &kept]).await;
    assert!(code == 1 && words.contains("head that was kept is that of entry 7"), "{words}");

    let text = std::fs::read_to_string(&whole).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let without = |gone: usize| lines.iter().enumerate().filter(|(place, _)| *place != gone).map(|(_, line)| format!("{line}\n")).collect();
    let swapped = [&lines[..2], &[lines[3], lines[2]], &lines[4..]].concat().join("\n");
    let cases: [(String, &str); 7] = [
        (text.replace("account-secured", "identity-changed"), "line 4: the audit log of echo is broken at entry 3"),
        (text.replacen("in chat", "by hand", 1), "line 2: the audit log of echo is broken at entry 1: its details"),
        (without(3), "line 4: the audit log of echo is broken at entry 3"),
        (swapped, "broken at entry 2"),
        (without(7), "missing at the end"),
        (without(8), "breaks off before entry 8"),
        (without(0), "this is no export"),
    ];
    for (text, expected) in cases {
        let path = stage.dir().join("forged.jsonl");
        std::fs::write(&path, text).unwrap();
        let (code, words) = verify(&path, &[]).await;
        assert!(code == 1 && words.contains(expected), "{expected}: {words}");
    }
}

async fn a_player_is_erased_and_the_log_holds(engine: Engine) {
    let (stage, host) = played(engine).await;
    let before = entries(&host).await;
    let pseudonyms = [&before[0]["details"]["player"], &before[0]["details"]["contact"]].map(|text| text.as_str().unwrap().to_owned());
    let (code, words) = command(&stage, &["players", "erase", "--game", "echo", "--player", "ada-lovelace"]).await;
    assert!(code == 0 && words.contains("6 entries") && words.contains("entry 8 says so"), "{words}");
    let after = entries(&host).await;
    let erased: Vec<_> = after.iter().filter(|entry| entry["details"].is_null()).map(|entry| entry["seq"].as_u64().unwrap()).collect();
    assert_eq!((erased, &after[7]["action"], &after[7]["actor"]), (vec![1, 2, 3, 4, 6, 7], &json!("player-erased"), &json!("operator")));
    assert_eq!(after[4], before[4], "what is about nobody stays");
    let all = Value::from(after).to_string();
    assert!(!pseudonyms.iter().any(|pseudonym| all.contains(pseudonym)));
    let (code, words) = command(&stage, &["audit", "verify"]).await;
    assert!(code == 0 && words.contains("6 of them have lost their personal details"), "{words}");
    let (code, words) = command(&stage, &["players", "erase", "--game", "nobody", "--player", "ada-lovelace"]).await;
    assert!(code == 1 && words.contains("404"), "{words}");
}
