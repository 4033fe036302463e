//! Scopes that Meta wants to hear nothing from for a while, or an operator has to mend.

use questline_emulator::Fault;
use questline_tests::stage::{NUMBER, SECOND_NUMBER};
use questline_tests::{Engine, Stage, eventually};

use crate::support::{at_rest, dead_letters, heard, hears, says};

on_both_stores![a_number_that_sends_too_fast_is_held, a_dead_token_holds_its_number_until_it_is_mended];

async fn a_number_that_sends_too_fast_is_held(engine: Engine) {
    let stage = Stage::new(engine).await.echo("first", NUMBER).echo("second", SECOND_NUMBER);
    let host = stage.start().await;
    let players: Vec<_> = (0..5).map(|index| stage.player(&format!("+1555010{index:04}"), "Player")).collect();
    stage.emulator.inject_for(NUMBER, Fault::code(130_429), 1);
    players[0].send("early").await.unwrap();
    eventually("the number is held", async || (host.metric("questline_holds_total{scope=\"number\"}").await == 1.0).then_some(())).await;
    for player in &players {
        player.send("held").await.unwrap();
    }
    let other = stage.player("+15550199", "Other").with_number(SECOND_NUMBER).unwrap();
    assert_eq!(says(&other, "and I?").await.text(), "echo: and I?", "other numbers go on");
    assert_eq!([hears(&players[0]).await.text(), hears(&players[0]).await.text()], ["echo: early", "echo: held"]);
    for player in &players[1..] {
        assert_eq!(hears(player).await.text(), "echo: held");
    }
    at_rest(&stage, &host).await;
    assert_eq!(stage.emulator.counters().refused, 1, "nobody knocked while it was held");
    assert!(dead_letters(&host).await.is_empty());
}

async fn a_dead_token_holds_its_number_until_it_is_mended(engine: Engine) {
    let stage = Stage::new(engine).await.echo("first", NUMBER).echo("second", SECOND_NUMBER);
    let mut host = stage.start().await;
    let player = stage.player("+15550101", "Player");
    stage.emulator.inject_for(NUMBER, Fault::code(190), 1);
    player.send("one").await.unwrap();
    eventually("the number is held", async || (host.metric("questline_holds_total{scope=\"number\"}").await == 1.0).then_some(())).await;
    player.send("two").await.unwrap();
    let other = stage.player("+15550199", "Other").with_number(SECOND_NUMBER).unwrap();
    assert_eq!(says(&other, "and I?").await.text(), "echo: and I?", "other numbers go on");
    eventually("both answers wait", async || (host.get("/depth").await["outbox"] == 2).then_some(())).await;
    assert!(dead_letters(&host).await.is_empty(), "what waits for a token is not given up");
    let log = host.log();
    assert!(
        log.lines().any(|line| line.contains("ERROR") && line.contains("alert") && line.contains("190")),
        "the operator is told:\n{log}"
    );
    assert!(heard(&player).is_empty());
    assert_eq!(stage.emulator.counters().refused, 1, "the number is left alone");

    // The operator mends it and starts anew.
    assert!(host.stop().await.success());
    host = stage.start().await;
    assert_eq!([hears(&player).await.text(), hears(&player).await.text()], ["echo: one", "echo: two"]);
    at_rest(&stage, &host).await;
    assert_eq!(heard(&player).len(), 2);
}
