//! Where the data lies nothing personal can be read, and its key changes while players are served.

use std::path::{Path, PathBuf};
use std::time::Duration;

use questline_emulator as meta;
use questline_tests::stage::NUMBER;
use questline_tests::{Engine, Stage, host};
use serde_json::{Value, json};

use crate::support::{at_rest, first_dead_letter, proves, says, ticket_number};

on_both_stores![
    nothing_personal_lies_where_the_data_lies,
    a_key_is_changed_while_players_are_served,
    a_host_without_a_key_that_the_data_needs_does_not_start,
];

const FIRST: &str = "store key one, of thirty-two characters";
const SECOND: &str = "store key two, of thirty-two characters";
const WORDS: [&str; 3] = ["zebracrossing", "marmaladejar", "velvetunicorn"];

/// Bytes of every file in which the store keeps something; Redis keeps every write in its append-only file.
fn files(dir: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        // Compiled flows are shared by all tests.
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else if path.is_file() {
            found.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
}

fn seen(stage: &Stage, private: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    files(&stage.dir().join("data"), &mut found);
    if let Some(redis) = &stage.redis {
        let socket = PathBuf::from(redis.url().replace("redis+unix://", ""));
        files(socket.parent().unwrap(), &mut found);
    }
    assert!(found.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > 10_000, "there is something to look at");
    let holds = |bytes: &[u8], word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    let of = |(path, bytes): &(PathBuf, Vec<u8>)| {
        let words = private.iter().filter(|word| holds(bytes, word));
        words.map(|word| format!("{word} in {}", path.display())).collect::<Vec<_>>()
    };
    found.iter().flat_map(of).collect()
}

fn private(players: &[&meta::PlayerHandle]) -> Vec<String> {
    let mut private: Vec<String> = WORDS.map(str::to_owned).into();
    private.extend(["wamid.", "Quartermaine", "charged twice", "Star Crystals"].map(str::to_owned));
    for player in players {
        private.extend(player.wa_id());
        private.extend(player.user_id().map(|id| id.split('.').next_back().unwrap().to_owned()));
    }
    private
}

async fn nothing_personal_lies_where_the_data_lies(engine: Engine) {
    let stage = Stage::new(engine).await.times(2_000, 1_500).starfall();
    let mut host = stage.start().await;
    let hidden = meta::Player::with_user_id_only("US.13491208655302741918", "Hidden Quartermaine");
    let hidden = stage.emulator.add_player(hidden).unwrap();
    let nova = stage.player("+15550100001", "Nova Quartermaine");
    let mover = stage.player("+15550100003", "Kai Quartermaine");
    let mut private = private(&[&hidden, &nova, &mover]);
    private.push("15550144444".to_owned());

    says(&nova, "balance").await;
    proves(&nova, "Claim Rewards").await;
    let reply = says(&nova, format!("I was charged twice, {}", WORDS[0]).as_str()).await;
    let close = format!("/games/starfall/tickets/{}/close", ticket_number(reply.text()));
    assert_eq!(host.post(&close, &json!({ "resolution": format!("Refunded, {}", WORDS[1]) })).await.0, 200);
    says(&hidden, WORDS[2]).await;
    says(&mover, "hello").await;
    mover.change_number("+15550144444").await.unwrap();
    says(&mover, "STOP").await;
    stage.emulator.inject_for(NUMBER, meta::Fault::Error(meta::MetaError::new(131_026, "wa_id 15550144444 is unknown")), 1);
    mover.send(WORDS[2]).await.unwrap();
    let letter = first_dead_letter(&host).await;
    assert!(letter.to_string().contains("15550144444"), "an operator can read it: {letter}");
    at_rest(&stage, &host).await;
    assert_eq!(seen(&stage, &private), [""; 0], "while the host runs");
    assert!(host.stop().await.success());
    assert_eq!(seen(&stage, &private), [""; 0], "when it was stopped");
}

async fn a_key_is_changed_while_players_are_served(engine: Engine) {
    let stage = Stage::new(engine).await.starfall();
    let mut host = stage.start().await;
    let nova = stage.player("+15550100001", "Nova Quartermaine");
    let others: Vec<_> = (0..12).map(|n| stage.player(&format!("+155502000{n:02}"), "Kai Quartermaine")).collect();
    let known = says(&nova, "balance").await.text().to_owned();
    for player in &others {
        says(player, WORDS[0]).await;
    }
    let ticket = ticket_number(says(&nova, "I was charged twice").await.text());
    at_rest(&stage, &host).await;
    let conversations = host.get("/depth").await["conversations"].clone();
    assert!(host.stop().await.success());

    stage.set_store_keys(&[SECOND, FIRST]);
    let mut host = stage.start().await;
    let talk = async {
        for player in &others {
            says(player, WORDS[1]).await;
        }
    };
    let config = stage.config();
    let ((), resealed) = tokio::join!(talk, host::run(&config, &["store", "reseal"]));
    let said = String::from_utf8(resealed.stdout).unwrap();
    assert!(resealed.status.success(), "{said} {}", String::from_utf8_lossy(&resealed.stderr));
    assert!(said.contains("; it seals") && said.contains("no row is left; the key can be removed"), "{said}");
    assert_eq!(says(&nova, "balance").await.text(), known);
    at_rest(&stage, &host).await;
    assert_eq!(host.get("/depth").await["conversations"], conversations, "everybody was known again");
    assert!(host.stop().await.success());

    stage.set_store_keys(&[SECOND]);
    let mut host = stage.start().await;
    assert_eq!(says(&nova, "balance").await.text(), known);
    for player in &others {
        says(player, WORDS[2]).await;
    }
    assert_eq!(host.get("/depth").await["conversations"], conversations);
    assert!(host.get("/games/starfall/tickets").await.to_string().contains(&ticket));
    let again = host.post("/store/reseal", &Value::Null).await.1;
    assert_eq!(again["rewritten"], 0, "{again}");
    assert!(host.stop().await.success());
}

async fn a_host_without_a_key_that_the_data_needs_does_not_start(engine: Engine) {
    let stage = Stage::new(engine).await.starfall();
    let mut host = stage.start().await;
    let nova = stage.player("+15550100001", "Nova Quartermaine");
    says(&nova, "balance").await;
    let name = host.post("/store/reseal", &Value::Null).await.1["keys"][0]["key"].as_str().unwrap().to_owned();
    assert!(host.stop().await.success());
    stage.set_store_keys(&[SECOND]);
    stage.write_config();
    let refused = tokio::time::timeout(Duration::from_secs(60), host::run(&stage.config(), &["serve"])).await.unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(78), "starting again does not help: {said}");
    assert!(said.contains(&format!("rows under key {name}")) && said.contains("questline store reseal"), "{said}");
    stage.set_store_keys(&[FIRST]);
    let host = stage.start().await;
    says(&nova, "balance").await;
    drop(host);
}
