//! Meta's rates hold by pacing: nobody has to tell the host off.

use questline_emulator as meta;
use questline_tests::stage::{NUMBER, SECOND_NUMBER, number};
use questline_tests::{Engine, Stage};

use crate::support::{at_rest, dead_letters, hears};

on_both_stores![one_player_hears_no_more_than_the_pair_may, a_crowd_is_answered_at_the_numbers_pace];

/// One more than may be borrowed from the time to come.
const MORE_THAN_A_BURST: usize = 46;

async fn one_player_hears_no_more_than_the_pair_may(engine: Engine) {
    let stage = Stage::new(engine).await.echo("echo", NUMBER);
    let host = stage.start().await;
    let player = stage.player("+15550101", "Player");
    let other = stage.player("+15550102", "Other");
    for message in 0..MORE_THAN_A_BURST {
        player.send(format!("m{message}")).await.unwrap();
    }
    for message in 0..40 {
        assert_eq!(hears(&player).await.text(), format!("echo: m{message}"));
    }
    other.send("me?").await.unwrap();
    assert_eq!(hears(&other).await.text(), "echo: me?", "one pair's wait is nobody else's");
    assert!(player.inbox().len() < MORE_THAN_A_BURST, "the last ones wait");
    for message in 40..MORE_THAN_A_BURST {
        assert_eq!(hears(&player).await.text(), format!("echo: m{message}"));
    }
    at_rest(&stage, &host).await;
    assert_eq!(stage.emulator.counters().refused, 0, "Meta never had to refuse");
    assert!(dead_letters(&host).await.is_empty());
}

async fn a_crowd_is_answered_at_the_numbers_pace(engine: Engine) {
    let mut crowded = number(NUMBER);
    crowded.throughput_mps = 80;
    let config = meta::Config::new(crowded).number(number(SECOND_NUMBER));
    let stage = Stage::with_meta(engine, config).await.per_second(80).echo("echo", NUMBER);
    let host = stage.start().await;
    let players: Vec<_> = (0..400).map(|index| stage.player(&format!("+1555{index:07}"), "Player")).collect();
    // Meta counts what players write at once, the host as it hears of it: no more comes in between than Meta lets pass.
    for wave in players.chunks(40) {
        for player in wave {
            player.send("hello").await.unwrap();
        }
        for player in wave {
            assert_eq!(hears(player).await.text(), "echo: hello");
        }
    }
    at_rest(&stage, &host).await;
    assert_eq!(stage.emulator.counters().refused, 0, "Meta never had to refuse");
    assert_eq!(stage.emulator.counters().accepted, 400);
}
