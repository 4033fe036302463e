//! SIGKILL at random points under load: no accepted message is lost, no step is applied twice, and a message that Meta
//! got twice is one whose send was in flight when the host died.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use questline_emulator as meta;
use questline_tests::stage::{NUMBER, number};
use questline_tests::{Engine, PATIENCE, Stage};
use rand::RngExt;

const KILLS: usize = 50;
const PLAYERS: usize = 300;
/// Below the burst that a pair may have: nothing here is to wait for Meta's six seconds.
const MESSAGES_PER_PLAYER: usize = 36;

async fn survives(engine: Engine) {
    let mut config = meta::Config::new(number(NUMBER));
    config.delivery.retry = meta::Retry::every(Duration::from_millis(50), 100_000);
    config.rules.pair_rate = meta::PairRate::Off;
    config.statuses.sent = Some(Duration::from_millis(20));
    let stage = Stage::with_meta(engine, config).await.times(1_000, 5_000).echo("echo", NUMBER);
    let mut host = stage.start().await;

    let total = PLAYERS * MESSAGES_PER_PLAYER;
    let load = tokio::spawn({
        let players: Vec<_> = (0..PLAYERS).map(|index| stage.player(&format!("+1555{index:07}"), "Player")).collect();
        // Spread over all kills, whatever a cycle takes: the last messages go out after the last kill at the latest.
        async move {
            for message in 0..MESSAGES_PER_PLAYER {
                for (index, player) in players.iter().enumerate() {
                    player.send(format!("p{index} m{message}")).await.expect("it is sent");
                    if index % 4 == 0 {
                        tokio::time::sleep(Duration::from_millis(6)).await;
                    }
                }
            }
        }
    });
    let mut kills = Vec::new();
    for _ in 0..KILLS {
        let lifetime = Duration::from_millis(rand::rng().random_range(0..500));
        tokio::time::sleep(lifetime).await;
        host.kill().await;
        kills.push(Instant::now());
        host = stage.start().await;
    }
    load.await.expect("all messages are sent");
    let all_taken = stage.emulator.settled(PATIENCE).await;
    assert!(all_taken, "{} webhook updates were not taken", stage.emulator.webhooks_pending());
    questline_tests::eventually("every message has its reply", async || {
        let depth = host.get("/depth").await;
        (depth["inbox"] == 0 && depth["outbox"] == 0).then_some(())
    })
    .await;

    // By reply text: the sends of it, by the name that the step gave the message.
    let mut replies: HashMap<String, HashMap<String, Vec<Instant>>> = HashMap::new();
    for accepted in stage.emulator.accepted() {
        let text = accepted.json()["text"]["body"].as_str().expect("a text").to_owned();
        let name = accepted.biz_opaque_callback_data.clone().expect("a name");
        replies.entry(text).or_default().entry(name).or_default().push(accepted.instant);
    }
    let mut repeated = 0;
    for index in 0..PLAYERS {
        for message in 0..MESSAGES_PER_PLAYER {
            let text = format!("echo: p{index} m{message}");
            let names = replies.get(&text).unwrap_or_else(|| panic!("lost: {text}"));
            assert_eq!(names.len(), 1, "{text}: its step was applied {} times", names.len());
            for times in names.values() {
                repeated += times.len() - 1;
                for pair in times.windows(2) {
                    let died_between = kills.iter().any(|kill| pair[0] <= *kill && *kill <= pair[1]);
                    assert!(died_between, "{text} was sent twice, and the host did not die in between");
                }
            }
        }
    }
    assert_eq!(replies.len(), total, "replies to what nobody wrote");
    assert_eq!(host.get("/dead-letters").await["rows"].as_array().map(Vec::len), Some(0));
    println!(
        "{engine:?}: {KILLS} kills, {total} messages, none lost, none handled twice, {repeated} sends repeated after a death in flight"
    );
    assert!(host.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_on_the_embedded_store() {
    survives(Engine::Embedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_on_redis() {
    survives(Engine::Redis).await;
}
