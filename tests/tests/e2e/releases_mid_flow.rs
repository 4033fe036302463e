//! A release that comes while conversations are in the middle of a flow: they migrate, or stay, and nobody is lost.

use bytes::Bytes;
use questline_tests::stage::NUMBER;
use questline_tests::{Engine, Host, Stage};
use serde_json::json;

use crate::guest::{self, ANSWER};
use crate::releases::{Files, activate, bare_echo, component, files, upload};
use crate::support::{dead_letters, says};

on_both_stores![a_failed_migration_stays_with_its_release, a_kept_conversation_moves_on_when_its_flow_is_done];

async fn play(host: &Host, files: Files) -> String {
    let (status, answer, digest) = upload(host, "echo", files).await;
    assert!(status == 201 || status == 200, "{answer}");
    assert_eq!(activate(host, "echo", &digest).await.0, 200);
    digest
}

/// A flow that answers with the text alone, and whose `migrate` traps.
fn cannot_migrate() -> Vec<u8> {
    guest::Guest { capabilities: vec!["reply"], state_version: 2, migrate: "unreachable".into(), ..guest::echo() }.component()
}

async fn a_failed_migration_stays_with_its_release(engine: Engine) {
    let stage = Stage::new(engine).await.echo("echo", NUMBER);
    let mut host = stage.start().await;
    let before = stage.player("+15550101", "Before");
    assert_eq!(says(&before, "one").await.text(), "echo: one");
    let folder = host.get("/games/echo/releases").await["active"].as_str().unwrap().to_owned();

    let traps = play(&host, files(cannot_migrate())).await;
    assert_eq!(says(&before, "two").await.text(), "echo: two", "its state could not migrate");
    assert_eq!(says(&before, "three").await.text(), "echo: three");
    let after = stage.player("+15550102", "After");
    assert_eq!(says(&after, "new").await.text(), "new", "who begins now begins on the new one");
    let list = host.get("/games/echo/releases").await;
    assert_eq!(list["migrations_failed_total"], 1, "tried once, not at each message: {list}");
    let failed = &list["migrations_failed"][0];
    assert_eq!((&failed["from"], &failed["to"], &failed["flow"]), (&json!(folder), &json!(traps), &json!("main")));
    assert_eq!(host.metric("questline_migrations_failed_total{game=\"echo\"}").await, 1.0);

    // Also after a start: the store has the release.
    host.kill().await;
    host = stage.start().await;
    assert_eq!(says(&before, "four").await.text(), "echo: four");

    // A release that its state fits takes it along.
    play(&host, files(bare_echo())).await;
    assert_eq!(says(&before, "five").await.text(), "five");
    assert!(dead_letters(&host).await.is_empty());
}

/// A flow that answers with the text alone, and is done when the text has four letters.
fn done_at_four_letters() -> Vec<u8> {
    let mut flow = guest::Guest { capabilities: vec!["reply"], ..guest::echo() };
    let next = ANSWER + 24;
    flow.handle =
        format!("(i32.store8 (i32.const {next}) (i32.eq (i32.load offset=172 (local.get $input)) (i32.const 4))) {}", flow.handle);
    flow.component()
}

async fn a_kept_conversation_moves_on_when_its_flow_is_done(engine: Engine) {
    let stage = Stage::new(engine).await.echo("echo", NUMBER);
    let host = stage.start().await;
    play(&host, files(done_at_four_letters())).await;
    let player = stage.player("+15550101", "Player");
    assert_eq!(says(&player, "hello").await.text(), "hello");

    let mut keeping = files(component("echo-guest"));
    let game = std::str::from_utf8(&keeping["game.toml"]).unwrap().to_owned();
    keeping.insert("game.toml".to_owned(), Bytes::from(format!("{game}[release]\nmid_flow = \"keep\"\n")));
    play(&host, keeping).await;
    let other = stage.player("+15550102", "Other");
    assert_eq!(says(&other, "hello").await.text(), "echo: hello");
    assert_eq!(says(&player, "again").await.text(), "again", "in the middle of the old one");
    assert_eq!(says(&player, "quit").await.text(), "quit", "and done");
    assert_eq!(says(&player, "hello").await.text(), "echo: hello");
    assert!(dead_letters(&host).await.is_empty());
}
