//! More calls than places: they wait their turn, none fails, and a crowded game keeps nobody else waiting.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use questline_wasm::{Engine, EngineError, EngineOptions};
use tokio::task::JoinSet;

use crate::guest::{Guest, NOTHING, answer_state, echo, import};
use crate::world::{Call, GAME, OTHER_GAME, SlowPlayers, World, text_event};

fn asking() -> Guest {
    Guest::handling(format!("(call $profile (i32.const 512)) (i32.const {NOTHING})")).with(import::PROFILE)
}

fn options(calls_max: u32, calls_per_game_max: u32) -> EngineOptions {
    EngineOptions { calls_max, calls_per_game_max, ..EngineOptions::default() }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn saturation_waits_and_never_fails() {
    let world = Arc::new(World::with(options(2, 2)));
    world.install(GAME, &echo()).await;
    let mut calls = JoinSet::new();
    for _ in 0..500 {
        let world = Arc::clone(&world);
        calls.spawn(async move { world.say("hi").await });
    }
    while let Some(answer) = calls.join_next().await {
        answer.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_game_whose_backend_hangs_keeps_only_its_own_players_waiting() {
    let players = Arc::new(SlowPlayers::default());
    let world = Arc::new(World::with_players(options(4, 2), Arc::clone(&players) as _));
    world.install(GAME, &asking()).await;
    world.install(OTHER_GAME, &echo()).await;
    let mut calls = JoinSet::new();
    for _ in 0..5 {
        let world = Arc::clone(&world);
        calls.spawn(async move { world.say("hi").await });
    }
    until(|| players.asked.load(Ordering::SeqCst) == 2).await;
    for _ in 0..50 {
        world.assert_others_are_served().await;
    }
    assert_eq!(players.asked.load(Ordering::SeqCst), 2, "the others wait at their own game's door");
    assert_eq!(world.engine.calls_running(), 2);
    for round in 1..=5 {
        players.answer.notify_one();
        calls.join_next().await.unwrap().unwrap().unwrap();
        until(|| players.asked.load(Ordering::SeqCst) == (2 + round).min(5)).await;
    }
}

#[tokio::test]
async fn a_call_in_flight_finishes_on_the_flow_it_began_with() {
    let players = Arc::new(SlowPlayers::default());
    let world = Arc::new(World::with_players(options(4, 4), Arc::clone(&players) as _));
    let answering = |state: &str| {
        let mut guest = Guest::default().with(import::PROFILE);
        let (at, length) = guest.text(state);
        guest.handle = format!("(call $profile (i32.const 512)) {}", answer_state(at, length));
        guest
    };
    assert!(world.install(GAME, &answering("\"old\"")).await.is_none());
    let in_flight = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.say("hi").await })
    };
    until(|| players.asked.load(Ordering::SeqCst) == 1).await;
    let old = world.install(GAME, &answering("\"new\"")).await.expect("the old flow is given back");
    let after = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.say("hi").await })
    };
    until(|| players.asked.load(Ordering::SeqCst) == 2).await;
    world.install(GAME, &echo()).await.expect("the new flow");
    players.answer.notify_one();
    players.answer.notify_one();
    assert_eq!(in_flight.await.unwrap().unwrap().outcome.state.as_deref(), Some("\"old\""));
    assert_eq!(after.await.unwrap().unwrap().outcome.state.as_deref(), Some("\"new\""));
    assert_eq!(Arc::strong_count(&old), 1, "nothing keeps the old code");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost_while_flows_are_replaced_over_and_over() {
    let world = Arc::new(World::with(options(8, 8)));
    world.install(GAME, &echo()).await;
    let flows: Vec<_> = [echo(), Guest { version: "1.0.1", ..echo() }].into_iter().map(|guest| guest.component()).collect();
    let mut releases = Vec::new();
    for bytes in flows {
        releases.push(world.release(GAME, bytes).await);
    }
    let mut calls = JoinSet::new();
    for n in 0..400 {
        let (world, release) = (Arc::clone(&world), Arc::clone(&releases[n % 2]));
        calls.spawn(async move {
            world.play(GAME, release);
            world.call(GAME, &text_event("hi"), Call::default()).await
        });
    }
    while let Some(answer) = calls.join_next().await {
        answer.unwrap().unwrap();
    }
}

#[test]
fn options_that_no_machine_can_give_are_refused() {
    for options in [options(0, 1), options(1, 0), options(4097, 1), EngineOptions { memory_bytes_max: (4 << 30) + 1, ..options(1, 1) }] {
        assert!(matches!(Engine::new(options), Err(EngineError::Options(_))));
    }
}
