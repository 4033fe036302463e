//! What the host keeps of broadcasts, and for how long: no list outlives what it is for, and what a broadcast lacks holds it up
//! and is told.

use std::sync::Arc;

use questline::app::HostOptions;
use questline::clock::MovableClock;
use questline::config::Config;
use questline_tests::host::TOKEN;
use questline_tests::stage::{NUMBER, SECOND_NUMBER};
use questline_tests::{Api, Engine, Host, Stage, eventually};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::broadcasts::{crowd, described, done, order, progress, sent, stage, upload, utility};

on_both_stores![
    a_draft_that_nobody_starts_is_forgotten_with_its_list,
    an_upload_that_lost_its_draft_leaves_nothing,
    what_a_broadcast_lacks_holds_it_up_and_is_told,
    a_pause_of_its_template_holds_the_list_and_keeps_the_pace,
];

const DAY_MS: u64 = 86_400_000;

/// Pieces of lists in the store.
pub(crate) fn pieces(stage: &Stage) -> usize {
    let names: Vec<String> = match &stage.redis {
        Some(redis) => redis::cmd("KEYS").arg("*broadcast/*").query(&mut redis.connect()).unwrap(),
        None => {
            let store = rusqlite::Connection::open(stage.dir().join("data/questline.db")).unwrap();
            let mut names = store.prepare("SELECT name FROM document WHERE name LIKE 'broadcast/%'").unwrap();
            names.query_map((), |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
        }
    };
    names.iter().filter(|name| name.matches('/').count() == 4).count()
}

async fn a_draft_that_nobody_starts_is_forgotten_with_its_list(engine: Engine) {
    let stage = stage(engine).await;
    stage.write_config();
    let clock = Arc::new(MovableClock::default());
    let config = Config::load(&stage.config()).unwrap();
    let running = questline::app::Host::start_with(&config, HostOptions { clock: clock.clone(), ..HostOptions::default() }).await.unwrap();
    let host = Api::at(running.address());
    let draft = described(&host, "k-1", &utility()).await;
    let mut planned = utility();
    planned["schedule"] = json!({ "at": crate::broadcasts::far_ahead(), "zone": "UTC" });
    let planned = described(&host, "k-2", &planned).await;
    let list = crowd(&stage, 3);
    for id in [&draft, &planned] {
        assert_eq!(upload(&host, id, "text/csv", list.clone()).await.0, 200);
    }
    order(&host, &planned, "start").await;
    clock.advance(29 * DAY_MS);
    // Whatever the host has to see to, it has seen to by the time that another broadcast is over.
    let other = described(&host, "k-3", &utility()).await;
    upload(&host, &other, "text/csv", "phone\n+15550000\n").await;
    order(&host, &other, "start").await;
    done(&host, &other).await;
    assert_eq!(host.get(&format!("/games/cup/broadcasts/{draft}")).await["state"], "draft", "it may be started for a month");
    clock.advance(2 * DAY_MS);
    eventually("the draft is forgotten, with its list, and no other", async || {
        let rows = host.get("/games/cup/broadcasts").await["rows"].as_array()?.clone();
        let ids: Vec<&Value> = rows.iter().map(|row| &row["id"]).collect();
        (ids == [&json!(other), &json!(planned)] && pieces(&stage) == 1).then_some(())
    })
    .await;
    order(&host, &planned, "cancel").await;
    eventually("what was cancelled has no list", async || (pieces(&stage) == 0).then_some(())).await;
    running.stop().await;
}

/// A part of a body that is sent as it is made.
async fn send(connection: &mut TcpStream, rows: std::ops::Range<usize>) {
    let mut part = String::new();
    for n in rows {
        part.push_str(&format!("+1555{n:06}\n"));
    }
    connection.write_all(format!("{:x}\r\n{part}\r\n", part.len()).as_bytes()).await.unwrap();
}

async fn an_upload_that_lost_its_draft_leaves_nothing(engine: Engine) {
    let stage = stage(engine).await;
    let host = stage.start().await;
    let id = described(&host, "k-1", &utility()).await;
    let mut connection = TcpStream::connect(host.address).await.unwrap();
    let head = format!(
        "POST /v1/games/cup/broadcasts/{id}/recipients HTTP/1.1\r\nHost: questline\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: text/csv\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n6\r\nphone\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    send(&mut connection, 0..1_200).await;
    eventually("some of the list is stored", async || (pieces(&stage) == 2).then_some(())).await;
    assert_eq!(order(&host, &id, "cancel").await["state"], "cancelled");
    assert_eq!(pieces(&stage), 0, "what there is of it is forgotten at once");
    send(&mut connection, 1_200..3_100).await;
    connection.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
    assert_eq!(pieces(&stage), 0, "nor stays what came later");
}

/// With the number that the game talks from.
async fn with_number(stage: &Stage, number: &str) -> Host {
    stage.write_config();
    let config = std::fs::read_to_string(stage.config()).unwrap();
    std::fs::write(stage.config(), config.replace(NUMBER, number)).unwrap();
    Host::start(&stage.config(), stage.address()).await
}

async fn what_a_broadcast_lacks_holds_it_up_and_is_told(engine: Engine) {
    let stage = stage(engine).await;
    let mut host = stage.start().await;
    let list = crowd(&stage, 8);
    let mut from = utility();
    (from["number"], from["per_second"]) = (json!(NUMBER), json!(2));
    let id = described(&host, "k-1", &from).await;
    upload(&host, &id, "text/csv", list).await;
    order(&host, &id, "start").await;
    eventually("some have it", async || (!sent(&stage).is_empty()).then_some(())).await;
    order(&host, &id, "pause").await;
    let held_up = async |host: &Host, says: &str| {
        order(host, &id, "resume").await;
        let told = eventually("it is told why it does not go on", async || {
            let told = host.get(&format!("/games/cup/broadcasts/{id}")).await;
            told["problem"].is_string().then_some(told)
        })
        .await;
        assert!(told["problem"].as_str().unwrap().contains(says), "{told}");
        assert!(told["progress"]["seen"].as_u64() < Some(8) && told["progress"]["skipped"] == json!({}), "nobody is passed over: {told}");
        let times = host.log().matches("a broadcast does not go on now").count();
        order(host, &id, "pause").await;
        times
    };
    host.stop().await;
    host = with_number(&stage, SECOND_NUMBER).await;
    assert_eq!(held_up(&host, "does not talk from its number").await, 1, "it is logged once");
    host.stop().await;
    let template = stage.game_dir("cup").join("templates/come_back.toml");
    let kept = std::fs::read(&template).unwrap();
    std::fs::remove_file(&template).unwrap();
    host = stage.start().await;
    assert_eq!(held_up(&host, "declares no template \"come_back\"").await, 2, "and once for the other reason");
    host.stop().await;
    let other = String::from_utf8(kept.clone()).unwrap().replacen("There is news", "There is news for {{1}}", 1);
    assert_ne!(other.as_bytes(), kept, "it takes a value now");
    std::fs::write(&template, other).unwrap();
    host = stage.start().await;
    assert_eq!(held_up(&host, "do not fit the template").await, 3);
    host.stop().await;
    std::fs::write(&template, kept).unwrap();
    host = stage.start().await;
    order(&host, &id, "resume").await;
    let progress = done(&host, &id).await;
    assert_eq!((&progress["seen"], &progress["accepted"]), (&json!(8), &json!(8)), "{progress}");
    assert!(sent(&stage).len() == 8 && sent(&stage).values().all(|times| *times == 1), "{:?}", sent(&stage));
    assert_eq!(host.get(&format!("/games/cup/broadcasts/{id}")).await["problem"], Value::Null);
}

async fn a_pause_of_its_template_holds_the_list_and_keeps_the_pace(engine: Engine) {
    let stage = stage(engine).await;
    stage.write_config();
    let clock = Arc::new(MovableClock::default());
    let config = Config::load(&stage.config()).unwrap();
    let running = questline::app::Host::start_with(&config, HostOptions { clock: clock.clone(), ..HostOptions::default() }).await.unwrap();
    let host = Api::at(running.address());
    let list = crowd(&stage, 100);
    let pause = json!({ "target": "template", "name": "come_back", "reason": "the text is wrong", "for_s": 86_400 });
    let (status, pause) = host.post("/games/cup/pauses", &pause).await;
    assert_eq!(status, 201, "{pause}");
    let with = |template: &str| json!({ "template": template, "audience": "list", "per_second": 5 });
    let held = described(&host, "k-1", &with("come_back")).await;
    upload(&host, &held, "text/csv", list.clone()).await;
    order(&host, &held, "start").await;
    let all_parked = async |at_least: u64| {
        eventually("what was handed over waits", async || {
            clock.advance(250);
            let progress = progress(&host, &held).await;
            let parked = progress["parked"]["template-paused"].as_u64()?;
            (parked >= at_least && progress["messages"].as_u64() == Some(parked)).then_some(parked)
        })
        .await
    };
    assert!(all_parked(50).await >= 50);
    // Ten more seconds: as many as a broadcast without a bound would hand over meanwhile.
    let before = clock.offset_ms();
    eventually("time passes", async || {
        clock.advance(250);
        let _ = progress(&host, &held).await;
        (clock.offset_ms() - before >= 60_000).then_some(())
    })
    .await;
    let parked = all_parked(50).await;
    assert!(parked < 70, "ten seconds of its pace, and not the list: {parked}");
    let path = format!("http://{}/v1/games/cup/pauses/{}", host.address, pause["id"].as_str().unwrap());
    assert!(host.http().delete(path).bearer_auth(TOKEN).send().await.unwrap().status().is_success());
    let progress = eventually("all have it", async || {
        clock.advance(250);
        let progress = progress(&host, &held).await;
        (progress["state"] == "done").then_some(progress)
    })
    .await;
    assert_eq!((&progress["messages"], &progress["accepted"]), (&json!(100), &json!(100)), "{progress}");
    running.stop().await;
}
