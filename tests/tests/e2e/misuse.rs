//! Flows written in bad faith, or badly: each misdeed ends with its own reason, and nobody else notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use questline_tests::stage::{NUMBER, SECOND_NUMBER};
use questline_tests::{Engine, Host, PATIENCE, Stage, eventually};
use serde_json::Value;

use crate::support::{dead_letters, heard, mentions, says};

on_both_stores![every_misdeed_ends_with_its_reason];

/// As often as the game tries a step.
const TRIES: u64 = 3;

/// What a message makes the flow do; as what it ends; after how many tries; what the letter tells.
const MISDEEDS: &[(&str, &str, u64, &str)] = &[
    ("loop", "cpu-deadline", TRIES, "lib.rs:"),
    ("memory", "memory-limit", TRIES, "16777216 bytes"),
    ("stack", "stack-overflow", TRIES, "exhaustion.rs:"),
    ("shadow-stack", "trap", TRIES, "out of bounds"),
    ("copy", "cpu-deadline", TRIES, "250 ms"),
    ("hostcall-flood", "host-call-limit", TRIES, "64 times"),
    ("huge-argument", "transfer-limit", TRIES, "bytes"),
    ("big-state", "invalid-outcome", 1, "the state has 65538 bytes"),
    ("bad-state", "invalid-outcome", 1, "not JSON"),
    ("deep-state", "invalid-outcome", 1, "not JSON"),
    ("many-effects", "transfer-limit", TRIES, "bytes"),
    ("invalid-effect", "invalid-outcome", 1, "effect 0 (reply)"),
    ("empty-effect", "invalid-outcome", 1, "effect 0 (reply)"),
    ("huge-effect", "invalid-outcome", 1, "effect 0 (reply)"),
    ("bad-timer", "invalid-outcome", 1, "effect 0 (set-timer)"),
    ("bad-measure", "invalid-outcome", 1, "effect 0 (track)"),
    ("unknown-flow", "refused", 1, "no-such-flow"),
    ("unknown-template", "refused", 1, "no_such_template"),
    ("unknown-effect", "refused", 1, "not-granted"),
    ("panic", "trap", TRIES, "a flow that panics, on purpose"),
    ("trap", "trap", TRIES, "lib.rs:"),
    ("error-transient", "transient", TRIES, "not now"),
    ("error-permanent", "permanent", 1, "never"),
    ("huge-error", "permanent", 1, "xxx"),
    ("pass-with-effects", "invalid-outcome", 1, "without state and effects"),
    ("pass", "nobody-took-it", 1, "passed"),
];

/// Longest words of a letter.
const DETAIL_BYTES_MAX: usize = 8 * 1024;

async fn every_misdeed_ends_with_its_reason(engine: Engine) {
    let stage = Stage::new(engine).await.hostile("hostile", NUMBER).echo("quiet", SECOND_NUMBER);
    let host = stage.start().await;
    let over = Arc::new(AtomicBool::new(false));
    let others = tokio::spawn({
        let players: Vec<_> =
            (0..8).map(|index| stage.player(&format!("+1555020{index:04}"), "Quiet").with_number(SECOND_NUMBER).unwrap()).collect();
        let over = over.clone();
        async move {
            let mut served = 0;
            // As many as one player may hear at once.
            while served < players.len() * 40 && !over.load(Ordering::Relaxed) {
                let text = format!("message {served}");
                assert_eq!(says(&players[served % players.len()], text.as_str()).await.text(), format!("echo: {text}"));
                served += 1;
            }
            served
        }
    });

    let players: Vec<_> = MISDEEDS
        .iter()
        .enumerate()
        .map(|(index, (misdeed, ..))| (*misdeed, stage.player(&format!("+1555010{index:04}"), "Hostile")))
        .collect();
    for (misdeed, player) in &players {
        player.send(*misdeed).await.unwrap();
    }
    let letters = eventually("every misdeed has its dead letter", async || {
        let letters = dead_letters(&host).await;
        (letters.len() >= MISDEEDS.len()).then_some(letters)
    })
    .await;
    over.store(true, Ordering::Relaxed);
    let served = others.await.unwrap();
    assert!(served >= 20, "players of another game were answered all along: {served}");

    assert_eq!(letters.len(), MISDEEDS.len());
    let mut wrong = Vec::new();
    for (misdeed, reason, attempts, fragment) in MISDEEDS {
        let letter = letters.iter().find(|letter| mentions(&letter["letter"], misdeed)).unwrap_or_else(|| panic!("no letter of {misdeed}"));
        let detail = letter["detail"].as_str().unwrap();
        let right =
            letter["reason"] == *reason && letter["attempts"] == *attempts && detail.contains(fragment) && letter["game"] == "hostile";
        if !right || detail.len() > DETAIL_BYTES_MAX {
            wrong.push(format!("{misdeed}: expected {reason} after {attempts} tries with {fragment:?}, got {letter}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));

    // The next event is served as if nothing had happened.
    for (_, player) in &players {
        assert_eq!(says(player, "and now?").await.text(), "echo: and now?");
    }
    flood_of_log_lines(&stage, &host).await;
}

/// What a flow writes is bounded, whatever becomes of the call.
async fn flood_of_log_lines(stage: &Stage, host: &Host) {
    let player = stage.player("+15550300001", "Chatty");
    player.send("log-flood").await.unwrap();
    player.send("and now?").await.unwrap();
    player.wait_for(PATIENCE, |reply| reply.text() == "echo: and now?").await.unwrap();
    let answered = heard(&player) == ["the log is full", "echo: and now?"];
    let letters = dead_letters(host).await;
    let letter: Option<&Value> = letters.iter().find(|letter| mentions(&letter["letter"], "log-flood"));
    assert!(answered || letter.is_some_and(|letter| letter["reason"] == "cpu-deadline"), "{letter:?}");
    let lines = host.log().matches("one line of very many").count();
    assert!((1..=32 * TRIES as usize).contains(&lines), "{lines} lines were written");
    let dropped = host.metric("questline_guest_log_lines_dropped_total{game=\"hostile\"}").await;
    assert!(!answered || dropped > 90_000.0, "what was dropped is counted: {dropped}");
}
