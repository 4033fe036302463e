//! Two hosts and one store: one that lost it in the middle of a broadcast does nothing more, and the one in its place goes on
//! where it was, so that nobody has the message twice.

use std::collections::HashMap;

use questline_emulator as meta;
use questline_tests::stage::{NUMBER, SECOND_NUMBER, number};
use questline_tests::{Engine, Host, Stage, eventually, port};
use serde_json::json;

use crate::broadcasts::{crowd, described, done, order, played, sent, upload};

const CROWD: usize = 400;

/// How often each message was taken by Meta, by recipient and name.
fn taken(stage: &Stage) -> HashMap<String, HashMap<String, usize>> {
    let mut names: HashMap<String, HashMap<String, usize>> = HashMap::new();
    for accepted in stage.emulator.accepted() {
        let to = accepted.json()["to"].as_str().unwrap().to_owned();
        *names.entry(to).or_default().entry(accepted.biz_opaque_callback_data.clone().unwrap()).or_default() += 1;
    }
    names
}

async fn taken_over(is_killed: bool) {
    let mut config = meta::Config::new(number(NUMBER)).number(number(SECOND_NUMBER));
    config.delivery.retry = meta::Retry::every(std::time::Duration::from_millis(100), 1_000);
    let stage = played(Stage::with_meta(Engine::Redis, config).await.per_second(100).times(1_000, 5_000));
    let mut first = stage.start().await;
    let list = crowd(&stage, CROWD);
    let id = described(&first, "k-1", &json!({ "template": "come_back", "audience": "list" })).await;
    upload(&first, &id, "text/csv", list).await;
    order(&first, &id, "start").await;
    eventually("some have it", async || (sent(&stage).len() >= CROWD / 4).then_some(())).await;
    if is_killed {
        first.kill().await;
    } else {
        first.freeze();
    }
    let address = port::free();
    stage.emulator.set_webhook_url(&format!("http://{address}/webhooks/meta/main")).unwrap();
    // It waits for the store, and tells so; an operator starts it again until it has it.
    let config = stage.write_config_of_another("second", address);
    let second = eventually("the second host has the store", async || {
        let mut host = Host::spawn(&config, address);
        host.is_ready().await.then_some(host)
    })
    .await;
    let progress = done(&second, &id).await;
    assert_eq!((&progress["seen"], &progress["messages"], &progress["accepted"]), (&json!(CROWD), &json!(CROWD), &json!(CROWD)));
    if !is_killed {
        first.thaw();
        eventually("the first one knows that it has lost the store", async || {
            first.log().contains("another process has taken this store's data over").then_some(())
        })
        .await;
    }
    let listed = second.get(&format!("/games/cup/broadcasts/{id}/unknown")).await;
    let listed: Vec<&str> = listed["rows"].as_array().unwrap().iter().map(|row| row["message"].as_str().unwrap()).collect();
    let names = taken(&stage);
    assert_eq!(names.len(), CROWD);
    for (to, names) in names {
        assert_eq!(names.len(), 1, "{to} was sent two messages");
        for (name, times) in names {
            assert!(times == 1 || listed.contains(&name.trim_start_matches("q1.")), "{to} has {name} {times} times, and nobody says so");
        }
    }
    println!("killed: {is_killed}, {CROWD} recipients, {} of unknown outcome", listed.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_in_place_of_a_killed_one_goes_on_and_nobody_has_it_twice() {
    taken_over(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_lost_its_store_sends_nothing_more() {
    taken_over(false).await;
}
