//! A long list: it is uploaded, tried dry and handed over in pieces, so that memory and outbox stay as they are however long it is.
//! `QUESTLINE_BROADCAST_ROWS=1000000 QUESTLINE_PROGRAM=target/release/questline` measures it as it is shipped.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use questline_tests::host::TOKEN;
use questline_tests::{Engine, Host, eventually};
use serde_json::{Value, json};

use crate::broadcasts::{described, order, progress, stage};

on_both_stores![a_long_list_takes_little_memory_and_little_room_in_the_outbox];

const ROWS: usize = 12_000;
/// Memory that a host may take for a list whatever its length, and for each row: what tells duplicates.
const BYTES_MAX: u64 = 96 << 20;
const BYTES_OF_ROW_MAX: u64 = 96;
/// Thirty seconds of the number's throughput and a batch: what may wait of a broadcast, and what was under way when it was counted.
const AHEAD_MAX: u64 = 6_000 + 1_500;

fn rows() -> usize {
    std::env::var("QUESTLINE_BROADCAST_ROWS").ok().map_or(ROWS, |rows| rows.parse().expect("QUESTLINE_BROADCAST_ROWS is a number"))
}

/// A request that may take as long as the host lets it.
async fn long(host: &Host, path: &str, body: impl Into<reqwest::Body>) -> Value {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(600)).build().unwrap();
    let request = client.post(format!("http://{}/v1{path}", host.address)).bearer_auth(TOKEN).header("content-type", "text/csv");
    let response = request.body(body).send().await.unwrap();
    let (status, answer) = (response.status(), response.json::<Value>().await.unwrap());
    assert!(status.is_success(), "{path}: {status} {answer}");
    answer
}

async fn a_long_list_takes_little_memory_and_little_room_in_the_outbox(engine: Engine) {
    let rows = rows();
    let stage = stage(engine).await.per_second(200);
    let host = stage.start().await;
    let mut list = "phone,name,locale\n".to_owned();
    for n in 0..rows {
        let _ = writeln!(list, "+1555{n:07},Player {n},en");
    }
    let pause = json!({ "target": "template", "name": "come_back", "reason": "nobody is to get it", "for_s": 86_400 });
    assert_eq!(host.post("/games/cup/pauses", &pause).await.0, 201);
    let id = described(&host, "k-1", &json!({ "template": "come_back", "audience": "list" })).await;
    let path = format!("/games/cup/broadcasts/{id}");
    let before = host.resident_bytes();
    let taken_at = |began: Instant| rows as f64 / began.elapsed().as_secs_f64();

    let began = Instant::now();
    let taken = long(&host, &format!("{path}/recipients"), list).await;
    let uploaded = taken_at(began);
    assert_eq!((&taken["recipients"], &taken["refused"], &taken["duplicates"]), (&json!(rows), &json!(0), &json!(0)));
    let of_upload = host.resident_bytes().saturating_sub(before);

    let began = Instant::now();
    let dry = long(&host, &format!("{path}/dry-run"), "").await;
    let tried = taken_at(began);
    assert_eq!((&dry["recipients"], &dry["gets"]), (&json!(rows), &json!(rows)), "{dry}");
    let of_dry_run = host.resident_bytes().saturating_sub(before);

    let began = Instant::now();
    order(&host, &id, "start").await;
    let expected = (rows as u64).min(6_000);
    let told = eventually("as much waits as may", async || {
        let told = progress(&host, &id).await;
        (told["messages"].as_u64()? >= expected).then_some(told)
    })
    .await;
    let fed = told["messages"].as_u64().unwrap() as f64 / began.elapsed().as_secs_f64();
    let told = eventually("all of it waits for its template", async || {
        let told = progress(&host, &id).await;
        (told["queued"] == 0 && told["parked"]["template-paused"] == told["messages"]).then_some(told)
    })
    .await;
    let messages = told["messages"].as_u64().unwrap();
    assert!(messages <= AHEAD_MAX.max(expected), "the list is not put into the outbox as a whole: {told}");
    let of_feeding = host.resident_bytes().saturating_sub(before);
    println!(
        "{engine:?}: {rows} rows: uploaded {uploaded:.0}/s (+{} MiB), tried dry {tried:.0}/s (+{} MiB), fed {fed:.0}/s up to {messages} (+{} MiB)",
        of_upload >> 20,
        of_dry_run >> 20,
        of_feeding >> 20
    );
    for bytes in [of_upload, of_dry_run, of_feeding] {
        assert!(bytes <= BYTES_MAX + BYTES_OF_ROW_MAX * rows as u64, "{} MiB more than before", bytes >> 20);
    }
    let began = Instant::now();
    order(&host, &id, "cancel").await;
    eventually("the list is forgotten", async || (crate::broadcasts_kept::pieces(&stage) == 0).then_some(())).await;
    println!("{engine:?}: forgotten within {:.1} s", began.elapsed().as_secs_f64());
}
