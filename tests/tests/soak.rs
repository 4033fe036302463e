//! Releases are switched a thousand times while players are chatting: nobody notices, and memory stays what it was.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use questline::game::Bundle;
use questline::release::pack;
use questline_core::id::GameId;
use questline_tests::host::TOKEN;
use questline_tests::stage::NUMBER;
use questline_tests::{Engine, Host, PATIENCE, Stage, guests};
use serde_json::json;

/// Between two releases, both in memory.
const SWITCHES: usize = 1_000;
/// Among more releases than stay in memory: each is loaded anew.
const LOADING_SWITCHES: usize = 60;
const RELEASES: usize = 12;
/// Players at a time, and what each says in one go.
const PLAYERS: usize = 4;
const TEXTS: usize = 8;
/// What a process may grow by on its way.
const GROWTH_BYTES_MAX: u64 = 32 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_switches_under_load_lose_nothing() {
    let stage = Arc::new(Stage::new(Engine::Embedded).await.echo("echo", NUMBER));
    let host = stage.start().await;
    let mut releases = Vec::new();
    for n in 0..RELEASES {
        releases.push(upload(&host, n).await);
    }

    let load = Load::start(&stage);
    switch(&host, &releases[..2], 100).await;
    switch(&host, &releases, LOADING_SWITCHES).await;
    let warmed_up = host.resident_bytes();
    let before = host.metric("questline_releases_switched_total{game=\"echo\"}").await;
    switch(&host, &releases[..2], SWITCHES).await;
    switch(&host, &releases, LOADING_SWITCHES).await;
    let players = load.stop().await;
    let after = host.resident_bytes();

    let switched = host.metric("questline_releases_switched_total{game=\"echo\"}").await - before;
    assert_eq!(switched, (SWITCHES + LOADING_SWITCHES) as f64);
    // Each player heard each answer once and in order: `Load` has looked. Nothing was even tried twice.
    assert!(players >= 2 * PLAYERS as u64, "there was load all along: {players} players");
    let flow = host.metric("questline_steps_total{game=\"echo\",outcome=\"flow\"}").await;
    assert_eq!(flow, (players * TEXTS as u64) as f64);
    assert_eq!(host.metric("questline_steps_total{game=\"echo\",outcome=\"again\"}").await, 0.0);
    let depth = host.get("/depth").await;
    assert_eq!((&depth["dead_letters"], &depth["inbox"]), (&json!(0), &json!(0)), "{depth}");
    let growth = after.saturating_sub(warmed_up);
    println!("{players} players, {switched} switches, {} MiB after warm-up, {} MiB at the end", warmed_up >> 20, after >> 20);
    assert!(growth < GROWTH_BYTES_MAX, "{warmed_up} bytes after warm-up, {after} at the end");
}

/// The same flow with other texts: another release.
async fn upload(host: &Host, n: usize) -> String {
    let game = "name = \"Soak\"\nlocale = \"en\"\nticket_prefix = \"T\"\ndefault_flow = \"main\"\n[flows.main]\nplugin = \"plug\"\n\
                grants = [\"reply\", \"log\"]\n[players]\nconnector = \"sample\"\nfile = \"players.json\"\n";
    let component = std::fs::read(guests::components().join("echo-guest.wasm")).unwrap();
    let files: BTreeMap<String, Bytes> = [
        ("game.toml", Bytes::from(game)),
        ("copy/en.ftl", Bytes::from(format!("hello = Hello {n}\n"))),
        ("players.json", Bytes::from("{\"players\": []}")),
        ("components/plug.wasm", Bytes::from(component)),
    ]
    .map(|(path, content)| (path.to_owned(), content))
    .into();
    let bundle = Bundle::new(GameId::parse("echo").unwrap(), files).unwrap();
    let url = format!("http://{}/v1/games/echo/releases/{}", host.address, bundle.digest());
    let response = host.http().put(url).bearer_auth(TOKEN).body(pack(&bundle).unwrap()).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 201, "{}", response.text().await.unwrap());
    bundle.digest().to_string()
}

async fn switch(host: &Host, releases: &[String], times: usize) {
    for n in 0..times {
        // Rounds end with the first one, so that none begins with the one that is active.
        let release = &releases[(n + 1) % releases.len()];
        let (status, answer) = host.post(&format!("/games/echo/releases/{release}/activate"), &json!(null)).await;
        assert_eq!((status, &answer["active"]), (200, &json!(release)), "{answer}");
    }
}

/// Players who chat until they are stopped.
struct Load {
    over: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<u64>>,
}

impl Load {
    fn start(stage: &Arc<Stage>) -> Self {
        let (over, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let chat = |_| {
            let (stage, over, next) = (stage.clone(), over.clone(), next.clone());
            tokio::spawn(async move {
                let mut players = 0;
                while !over.load(Ordering::Relaxed) {
                    // A new one each time: a player can hear so much a minute, and no more.
                    let player = stage.player(&format!("+1555{:07}", next.fetch_add(1, Ordering::Relaxed)), "Player");
                    for n in 0..TEXTS {
                        player.send(format!("m{n}")).await.unwrap();
                    }
                    let last = format!("echo: m{}", TEXTS - 1);
                    player.wait_for(PATIENCE, |reply| reply.text() == last).await.expect("an answer");
                    let heard: Vec<_> = player.inbox().iter().map(|message| message.text().to_owned()).collect();
                    assert_eq!(heard, (0..TEXTS).map(|n| format!("echo: m{n}")).collect::<Vec<_>>());
                    players += 1;
                }
                players
            })
        };
        let tasks = (0..PLAYERS).map(chat).collect();
        Self { over, tasks }
    }

    /// How many players there were.
    async fn stop(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        let mut players = 0;
        for task in self.tasks {
            players += task.await.unwrap();
        }
        players
    }
}
