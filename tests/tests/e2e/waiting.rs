//! What waits to be sent: in whose way it is, and what people see of it.

use questline_emulator::Fault;
use questline_tests::stage::{NUMBER, SECOND_NUMBER};
use questline_tests::{Engine, Stage, eventually, host};
use serde_json::Value;

use crate::support::says;

on_both_stores![a_held_number_holds_up_no_other, what_is_tried_again_much_later_is_parked];

/// More than the sender takes in hand.
const PLAYERS: usize = 300;

/// What waits of a class, as the API says.
pub(crate) fn class<'a>(waiting: &'a Value, name: &str) -> &'a Value {
    waiting["classes"].as_array().unwrap().iter().find(|row| row["class"] == name).unwrap()
}

async fn a_held_number_holds_up_no_other(engine: Engine) {
    let stage = Stage::new(engine).await.per_second(100).echo("busy", NUMBER).echo("quiet", SECOND_NUMBER);
    let running = stage.start().await;
    // The access token is dead: nothing of this number is sent until an operator has mended it.
    stage.emulator.inject_for(NUMBER, Fault::code(190), 1_000);
    let players: Vec<_> = (0..PLAYERS).map(|index| stage.player(&format!("+1555{index:07}"), "Player")).collect();
    for player in &players {
        player.send("hello").await.unwrap();
    }
    let waiting = eventually("all answers wait", async || {
        let waiting = running.get("/games/busy/outbox").await;
        (class(&waiting, "normal")["queued"] == PLAYERS).then_some(waiting)
    })
    .await;
    assert!(class(&waiting, "normal")["oldest_at"].as_u64().is_some(), "{waiting}");
    assert_eq!(waiting["numbers"][0]["number"], NUMBER);
    let age = async |class: &str| running.metric(&format!("questline_outbox_oldest_age_seconds{{class=\"{class}\"}}")).await;
    eventually("the figures tell how old the oldest is", async || (age("normal").await >= 1.0).then_some(())).await;
    assert_eq!(age("critical").await, 0.0);
    let quiet = stage.player("+15559990001", "Quiet").with_number(SECOND_NUMBER).unwrap();
    assert_eq!(says(&quiet, "me too").await.text(), "echo: me too");
    let left = async || (class(&running.get("/games/quiet/outbox").await, "normal")["queued"] == 0).then_some(());
    eventually("its answer is noted", left).await;
    let shown = host::run(&stage.config(), &["outbox", "--game", "busy"]).await;
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(&format!("{NUMBER} normal: {PLAYERS} queued")), "{shown}");
}

async fn what_is_tried_again_much_later_is_parked(engine: Engine) {
    let stage = Stage::new(engine).await.echo("echo", NUMBER);
    let mut running = stage.start().await;
    let player = stage.player("+15550101", "Player");
    // Meta says: in ten minutes.
    stage.emulator.inject(Fault::code(134_101), 1);
    player.send("first").await.unwrap();
    eventually("it is parked", async || {
        let waiting = running.get("/games/echo/outbox").await;
        (class(&waiting, "normal")["parked"]["retry"] == 1).then_some(())
    })
    .await;
    assert_eq!(says(&player, "second").await.text(), "echo: second", "its conversation does not wait");
    running.kill().await;
    let running = stage.start().await;
    assert_eq!(says(&player, "third").await.text(), "echo: third");
    let parked = running.get("/games/echo/outbox/parked?limit=5").await;
    let rows = parked["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{parked}");
    assert_eq!((&rows[0]["reason"], &rows[0]["lane"], &rows[0]["number"]), (&"retry".into(), &"normal".into(), &NUMBER.into()));
    assert!(rows[0]["until"].as_u64() > rows[0]["committed_at"].as_u64() && rows[0]["expires_at"].is_u64());
    assert!(!parked.to_string().contains("15550101") && !parked.to_string().contains("first"), "nothing personal: {parked}");
    let shown = host::run(&stage.config(), &["outbox", "--game", "echo", "--parked"]).await;
    assert!(String::from_utf8(shown.stdout).unwrap().contains("normal  retry  in "));
    assert!(running.metric("questline_waiting{kind=\"outbox\"}").await >= 1.0);
}
