//! What follows from each of Meta's error codes, one by one through the emulator; and what follows when nothing answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use questline_core::send::Reaction;
use questline_emulator::{Fault, GraphFaults};
use questline_tests::stage::NUMBER;
use questline_tests::{Engine, Host, Stage, eventually};
use questline_whatsapp::error_table::{Rule, TABLE};
use serde_json::{Value, json};

use crate::support::{at_rest, dead_letters, heard, hears, says};
use crate::waiting::class;

on_both_stores![a_breaker_opens_tells_the_operator_and_closes, what_fails_again_and_again_waits_for_what_is_new];

/// What becomes of an answer that Meta refuses with a code.
#[derive(Debug, PartialEq)]
enum Became {
    /// A dead letter of its reason; the next answer goes its way.
    DeadLetter,
    /// It waits and is tried again; others go on.
    Waits,
    /// Its scope is held; it waits with it.
    Held(&'static str),
}

/// The design's reaction to a code, for an answer inside the window in a game without a template for a closed one.
fn expected(rule: &Rule) -> Became {
    match rule.reaction {
        // What is held is marketing or utility, and this is neither.
        Reaction::Pause { .. } if matches!(rule.first, 131_048 | 131_064) => Became::Waits,
        // An answer is sent by no template: its number is what is held.
        Reaction::Pause { scope, .. } => Became::Held(scope.as_str()),
        Reaction::Retry(_) => Became::Waits,
        Reaction::DeadLetter | Reaction::UseTemplate | Reaction::SuppressMarketing { .. } | Reaction::RevokeTrust => Became::DeadLetter,
    }
}

async fn outcomes(host: &Host) -> BTreeMap<&'static str, f64> {
    let mut found = BTreeMap::new();
    for outcome in ["refused", "refused-retry", "refused-hold"] {
        found.insert(outcome, host.metric(&format!("questline_sends_total{{outcome=\"{outcome}\"}}")).await);
    }
    found
}

async fn became(host: &Host, before: &BTreeMap<&'static str, f64>, scope: impl Fn() -> &'static str) -> Became {
    let outcome = eventually("Meta's refusal is answered", async || {
        let now = outcomes(host).await;
        now.into_iter().find(|(outcome, count)| before[outcome] < *count).map(|(outcome, _)| outcome)
    })
    .await;
    match outcome {
        "refused" => Became::DeadLetter,
        "refused-retry" => Became::Waits,
        _ => Became::Held(scope()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_code_of_the_table_has_its_reaction() {
    let fresh = async || {
        let stage = Stage::new(Engine::Embedded).await.echo("echo", NUMBER);
        let host = stage.start().await;
        (stage, host)
    };
    let (mut stage, mut host) = fresh().await;
    // Meta tells of a number that is gone (33) as code 100 with a subcode; the emulator does so too.
    for (n, rule) in TABLE.iter().enumerate().filter(|(_, rule)| rule.first != 33) {
        let player = stage.player(&format!("+1555016{n:03}"), "Player");
        let before = outcomes(&host).await;
        let letters = dead_letters(&host).await.len();
        stage.emulator.inject(Fault::code(rule.first), 1);
        player.send("hello").await.unwrap();
        let wanted = expected(rule);
        let scope = || match &wanted {
            Became::Held(scope) => *scope,
            _ => "none",
        };
        assert_eq!(became(&host, &before, scope).await, wanted, "{rule:?}");
        let code = format!("code={} ", rule.first);
        let told = || host.log().lines().any(|line| line.contains("ERROR") && line.contains("alert") && line.contains(&code));
        if rule.alert {
            eventually("the operator is told of what has to be mended", async || told().then_some(())).await;
        }
        match wanted {
            Became::DeadLetter => {
                assert_eq!(told(), rule.alert, "{rule:?}");
                let letter = eventually("it is a dead letter", async || dead_letters(&host).await.into_iter().nth(letters)).await;
                assert_eq!(letter["reason"], format!("meta-{}", rule.first), "{rule:?}");
                assert_eq!(says(&player, "next").await.text(), "echo: next", "{rule:?}");
            }
            Became::Waits => {
                assert_eq!(dead_letters(&host).await.len(), letters, "{rule:?}");
                let other = stage.player(&format!("+1555017{n:03}"), "Other");
                assert_eq!(says(&other, "next").await.text(), "echo: next", "others go on: {rule:?}");
                // What is tried again must not meet the next code.
                (stage, host) = fresh().await;
            }
            Became::Held(scope) => {
                let metric = format!("questline_holds_total{{scope=\"{scope}\"}}");
                assert_eq!(host.metric(&metric).await, 1.0, "{rule:?}");
                assert_eq!(dead_letters(&host).await.len(), letters, "what waits is not given up: {rule:?}");
                assert!(heard(&player).is_empty() || rule.first == 130_429, "{rule:?}");
                // It is over at once, and grows if Meta says so again.
                if rule.first != 130_429 {
                    // An answer has no template: its number stands still instead.
                    let scope = if scope == "template" { "number" } else { scope };
                    eventually("what stands still is told", async || {
                        let limits = host.get("/limits").await;
                        (limits["stops"][0]["scope"] == scope && limits["stops"][0]["cause"] == "refused").then_some(())
                    })
                    .await;
                }
                // What is held stays so for minutes.
                (stage, host) = fresh().await;
            }
        }
    }
}

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
    let stops = eventually("what stands still is told", async || {
        let limits = host.get("/limits").await;
        let stops = limits["stops"].as_array().cloned().unwrap_or_default();
        (stops.len() == 2).then_some(stops)
    })
    .await;
    assert_eq!((&stops[0]["scope"], &stops[1]["scope"], &stops[1]["name"]), (&json!("app"), &json!("number"), &json!(NUMBER)));
    assert!(stops.iter().all(|stop| stop["cause"].as_str().is_some_and(|cause| cause.starts_with("breaker-"))), "{stops:?}");
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
    eventually("nothing stands still any more", async || (host.get("/limits").await["stops"] == json!([])).then_some(())).await;
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

async fn what_fails_again_and_again_waits_for_what_is_new(engine: Engine) {
    let stage = Stage::new(engine).await.echo("echo", NUMBER).breaker_failures_max(100);
    let host = stage.start().await;
    // Meta fails with many, and not so often in a row that it is left alone.
    stage.emulator.set_graph_faults(GraphFaults { server_error_rate: 0.8, ..GraphFaults::default() });
    for n in 0..300 {
        stage.player(&format!("+1555{n:07}"), "Player").send("hello").await.unwrap();
    }
    let sends = async |outcome: &str| host.metric(&format!("questline_sends_total{{outcome=\"{outcome}\"}}")).await;
    let waiting = async || class(&host.get("/games/echo/outbox").await, "normal")["parked"]["retry"].as_u64().unwrap_or(0);
    eventually("what is over waits", async || (waiting().await >= 20).then_some(())).await;
    assert!(sends("refused-put-off").await >= 20.0);
    assert!(dead_letters(&host).await.is_empty(), "it is not given up");
    stage.emulator.clear_faults();
    let player = stage.player("+15550999", "New");
    assert_eq!(says(&player, "and I?").await.text(), "echo: and I?");
    let soon = 300 - waiting().await as usize;
    eventually("what is not over was tried again", async || (stage.emulator.counters().accepted as usize > soon).then_some(())).await;
}
