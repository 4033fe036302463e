//! Dead letters: seen and tried again by the operator's command, taken by a flow that was mended.

use questline_tests::stage::NUMBER;
use questline_tests::{Engine, Stage, host};
use serde_json::Value;

use crate::support::{at_rest, dead_letters, first_dead_letter, hears, mentions, says};

on_both_stores![letters_are_listed_shown_and_tried_again, a_mended_flow_takes_what_failed];

/// Runs `questline dead-letters`; gives exit code, output and errors.
async fn dead_letters_command(stage: &Stage, arguments: &[&str]) -> (i32, String, String) {
    let all: Vec<&str> = ["dead-letters"].into_iter().chain(arguments.iter().copied()).collect();
    let output = host::run(&stage.config(), &all).await;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

async fn letters_are_listed_shown_and_tried_again(engine: Engine) {
    let stage = Stage::new(engine).await.hostile("hostile", NUMBER);
    let mut host = stage.start().await;
    assert_eq!(dead_letters_command(&stage, &["list"]).await, (0, "there are no dead letters\n".to_owned(), String::new()));

    let player = stage.player("+15550101", "Player");
    for text in ["error-permanent", "panic"] {
        player.send(text).await.unwrap();
    }
    assert_eq!(says(&player, "after").await.text(), "echo: after", "what failed holds nothing up for ever");
    let (code, list, _) = dead_letters_command(&stage, &["list"]).await;
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!((code, lines.len()), (0, 3), "{list}");
    assert!(lines[1].contains("hostile") && lines[1].contains("message") && lines[1].contains("permanent"), "oldest first: {list}");
    assert!(lines[2].contains(" trap ") && lines[2].contains("panicked at") && lines[2].contains("lib.rs:"), "{list}");

    let (_, json, _) = dead_letters_command(&stage, &["list", "--json", "--game", "hostile"]).await;
    let rows: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows, dead_letters(&host).await);
    assert_eq!(dead_letters_command(&stage, &["list", "--game", "other"]).await.1, "there are no dead letters\n");
    assert_eq!(dead_letters_command(&stage, &["list", "--json", "--limit", "1"]).await.1.lines().count(), 1);

    let id = rows[1]["id"].to_string();
    let (code, shown, _) = dead_letters_command(&stage, &["show", &id]).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, &shown), (0, &rows[1]));
    assert!(shown["detail"].as_str().unwrap().contains("src/lib.rs:"), "file and line: {shown}");
    assert!(mentions(&shown["letter"], "panic"), "and what it was about");

    // A flow as it was fails as it did.
    let (code, done, _) = dead_letters_command(&stage, &["retry", &id]).await;
    assert_eq!((code, done), (0, format!("{id} is tried again\n")));
    at_rest(&stage, &host).await;
    let letters = dead_letters(&host).await;
    let panics: Vec<_> = letters.iter().filter(|letter| letter["reason"] == "trap").collect();
    assert_eq!((letters.len(), panics.len()), (2, 1));
    assert_ne!(panics[0]["id"], rows[1]["id"], "a letter of its own");
    assert_eq!(panics[0]["attempts"], rows[1]["attempts"]);

    let (code, _, problem) = dead_letters_command(&stage, &["retry", &id]).await;
    assert!(code == 1 && problem.contains(&format!("no dead letter {id}")), "{problem}");
    let (code, _, problem) = dead_letters_command(&stage, &["show", "999999999"]).await;
    assert!(code == 1 && problem.contains("no dead letter 999999999"), "{problem}");
    assert!(host.stop().await.success());
    let (code, _, problem) = dead_letters_command(&stage, &["list"]).await;
    assert!(code == 1 && problem.contains("is `questline serve` running?"), "{problem}");
}

async fn a_mended_flow_takes_what_failed(engine: Engine) {
    let stage = Stage::new(engine).await.hostile("game", NUMBER);
    let mut host = stage.start().await;
    let player = stage.player("+15550101", "Player");
    player.send("panic").await.unwrap();
    first_dead_letter(&host).await;
    assert!(host.stop().await.success());

    // The studio mends its flow.
    let file = stage.game_dir("game").join("game.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let mended = text.replace("plugin = \"hostile-guests\"", "plugin = \"echo-guest\"");
    assert_ne!(text, mended);
    std::fs::write(&file, mended).unwrap();
    host = stage.start().await;
    assert_eq!(dead_letters(&host).await.len(), 1, "letters wait for their operator");
    let (code, done, _) = dead_letters_command(&stage, &["retry", "--all", "--game", "game"]).await;
    assert!(code == 0 && done.ends_with(" is tried again\n"), "{done}");
    assert_eq!(hears(&player).await.text(), "echo: panic");
    assert!(dead_letters(&host).await.is_empty());
    assert_eq!(dead_letters_command(&stage, &["retry", "--all"]).await.1, "there are no dead letters\n");
}
