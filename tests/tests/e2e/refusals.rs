//! What follows when Meta fails again and again.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use questline_emulator::GraphFaults;
use questline_tests::stage::NUMBER;
use questline_tests::{Engine, Stage, eventually};
use serde_json::Value;

use crate::support::{at_rest, dead_letters, hears};

on_both_stores![a_breaker_opens_tells_the_operator_and_closes];

const SECRET: &str = "a secret that signs alerts";

/// Takes alerts; the first is answered with an error.
struct Operator {
    url: String,
    alerts: Arc<Mutex<Vec<Value>>>,
}

impl Operator {
    async fn start() -> Self {
        let alerts = Arc::new(Mutex::new(Vec::new()));
        let (taken, tries) = (alerts.clone(), Arc::new(Mutex::new(0)));
        let take = move |headers: HeaderMap, body: Bytes| async move {
            let header = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
            let mut signed = format!("{}./alerts.", header("x-questline-timestamp")).into_bytes();
            signed.extend_from_slice(&body);
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
            let genuine = header("x-questline-signature") == format!("v1={}", hex::encode(ring::hmac::sign(&key, &signed)));
            assert!(genuine, "an alert is signed");
            *tries.lock().unwrap() += 1;
            if *tries.lock().unwrap() == 1 {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            taken.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
            StatusCode::NO_CONTENT
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/alerts", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, Router::new().route("/alerts", post(take))).into_future());
        Self { url, alerts }
    }

    fn states(&self, scope: &str) -> Vec<String> {
        let alerts = self.alerts.lock().unwrap();
        let of_scope = alerts.iter().filter(|alert| alert["kind"] == "breaker" && alert["scope"] == scope);
        of_scope.map(|alert| alert["state"].as_str().unwrap().to_owned()).collect()
    }
}

async fn a_breaker_opens_tells_the_operator_and_closes(engine: Engine) {
    let operator = Operator::start().await;
    let stage = Stage::new(engine).await.echo("echo", NUMBER).breaker_open_ms(1_500);
    let secret = stage.config().with_file_name("alerts-secret");
    std::fs::write(&secret, SECRET).unwrap();
    let stage = stage.extra(&format!("[alerts]\nurl = {:?}\nsecret = {{ file = {secret:?} }}", operator.url));
    let host = stage.start().await;
    let players: Vec<_> = (0..12).map(|n| stage.player(&format!("+1555018{n:02}"), "Player")).collect();
    stage.emulator.set_graph_faults(GraphFaults { server_error_rate: 1.0, ..GraphFaults::default() });
    for player in &players[..6] {
        player.send("hello").await.unwrap();
    }
    let changes = async |to: &str| host.metric(&format!("questline_breaker_changes_total{{scope=\"number\",to=\"{to}\"}}")).await;
    eventually("it opens", async || (changes("open").await >= 1.0).then_some(())).await;
    let refused = stage.emulator.counters().refused;
    assert!((5..10).contains(&refused), "Meta is left alone: {refused}");
    for player in &players[6..] {
        player.send("hello").await.unwrap();
    }
    stage.emulator.set_graph_faults(GraphFaults::default());
    for player in &players {
        assert_eq!(hears(player).await.text(), "echo: hello");
    }
    eventually("it closes", async || (changes("closed").await >= 1.0).then_some(())).await;
    at_rest(&stage, &host).await;
    assert!(dead_letters(&host).await.is_empty(), "nothing is lost over it");
    for scope in ["number", "app"] {
        eventually("the operator has heard of all of it", async || (operator.states(scope).last()? == "closed").then_some(())).await;
        let states = operator.states(scope);
        assert_eq!(states.first().map(String::as_str), Some("open"), "{states:?}");
        assert!(states.contains(&"half-open".to_owned()), "{states:?}");
    }
    let text = serde_json::to_string(&*operator.alerts.lock().unwrap()).unwrap();
    assert!(!text.contains("1555018"), "no phone number in alerts");
}
