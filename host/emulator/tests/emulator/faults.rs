//! Faults of the Graph API: errors, hangs and resets, before and after the message counts.

use std::time::{Duration, Instant};

use questline_emulator::{Fault, GraphFaults, PairRate};
use serde_json::json;

use crate::support::{ADA, Bench, NUMBER, PATIENCE, config, text};

/// Sends without caring for the content of the answer.
async fn send(bench: &Bench) -> Result<u16, reqwest::Error> {
    let body = json!({"messaging_product": "whatsapp", "to": ADA, "type": "text", "text": {"body": "hi"}});
    let request = bench.http.post(bench.url("1001/messages")).bearer_auth("emulator-access-token").json(&body);
    Ok(request.send().await?.status().as_u16())
}

#[tokio::test]
async fn a_code_comes_as_often_as_asked_with_metas_status() {
    let (bench, _ada) = Bench::with_ada(config()).await;
    bench.emulator.inject(Fault::code(131_056), 2);
    bench.emulator.inject_for("1002", Fault::code(190), 1);
    assert_eq!(bench.refused(text("a")).await, (400, 131_056));
    assert_eq!(bench.refused(text("b")).await, (400, 131_056));
    bench.accepted(text("c")).await;
    assert_eq!(bench.emulator.injected_left(), 1, "meant for another number");
    bench.emulator.clear_faults();
    for (code, status) in [(190, 401), (131_000, 500), (131_016, 500), (368, 403), (132_001, 404)] {
        bench.emulator.inject_for(NUMBER, Fault::code(code), 1);
        assert_eq!(bench.refused(text("d")).await, (status, u64::from(code)));
    }
    assert_eq!(bench.emulator.counters().accepted, 1);
}

#[tokio::test]
async fn a_failure_can_come_after_the_yes() {
    let (bench, ada) = Bench::with_ada(config()).await;
    bench.emulator.inject(Fault::failed_status(131_049), 1);
    let id = bench.accepted(text("hi")).await;
    assert_eq!(bench.host.wait_status(&id, "failed").await["errors"][0]["code"], 131_049);
    assert!(ada.inbox().is_empty());
}

#[tokio::test]
async fn hangs_before_and_after_acceptance_differ_only_in_what_happened() {
    let (bench, ada) = Bench::with_ada(config()).await;
    let met = async {
        while bench.emulator.injected_left() > 0 {
            tokio::task::yield_now().await;
        }
    };
    bench.emulator.inject(Fault::HangBefore, 1);
    tokio::select! {
        answer = send(&bench) => panic!("answered: {answer:?}"),
        () = met => {}
    }
    assert_eq!(bench.emulator.counters().accepted, 0);

    bench.emulator.inject(Fault::HangAfter, 1);
    let received = tokio::select! {
        answer = send(&bench) => panic!("answered: {answer:?}"),
        received = ada.next(PATIENCE) => received.unwrap(),
    };
    assert_eq!(received.text(), "hi");
    bench.host.wait_status(&received.id, "sent").await;
    assert_eq!(send(&bench).await.unwrap(), 200);
}

#[tokio::test]
async fn resets_before_and_after_acceptance_break_the_connection() {
    let (bench, ada) = Bench::with_ada(config()).await;
    bench.emulator.inject(Fault::ResetBefore, 1);
    let error = send(&bench).await.unwrap_err();
    assert!(error.is_request(), "{error:?}");
    assert_eq!(bench.emulator.counters().accepted, 0);
    bench.emulator.inject(Fault::ResetAfter, 1);
    assert!(send(&bench).await.is_err());
    assert_eq!(ada.next(PATIENCE).await.unwrap().text(), "hi");
    assert_eq!(send(&bench).await.unwrap(), 200);
}

#[tokio::test]
async fn answers_can_be_late_or_no_json() {
    let (bench, _ada) = Bench::with_ada(config()).await;
    bench.emulator.inject(Fault::Delay(Duration::from_millis(60)), 1);
    let started = Instant::now();
    bench.accepted(text("hi")).await;
    assert!(started.elapsed() >= Duration::from_millis(60));
    bench.emulator.set_graph_faults(GraphFaults {
        latency: Duration::from_millis(30),
        latency_jitter: Duration::from_millis(5),
        ..GraphFaults::default()
    });
    let started = Instant::now();
    bench.accepted(text("hi")).await;
    assert!(started.elapsed() >= Duration::from_millis(30));
    bench.emulator.clear_faults();
    bench.emulator.inject(Fault::Http(502), 1);
    assert_eq!(send(&bench).await.unwrap(), 502);
}

#[tokio::test]
async fn standing_rates_of_failure_are_kept() {
    let mut config = config();
    config.rules.pair_rate = PairRate::Off;
    config.rules.number_rate = false;
    let (bench, _ada) = Bench::with_ada(config).await;
    bench.emulator.set_graph_faults(GraphFaults { server_error_rate: 0.2, throttle_rate: 0.25, ..GraphFaults::default() });
    let (mut errors, mut throttled) = (0, 0);
    for _ in 0..300 {
        match bench.post(text("hi")).await {
            (500, _) => errors += 1,
            (429, answer) => {
                assert_eq!(answer["error"]["code"], 130_429);
                throttled += 1;
            }
            (status, _) => assert_eq!(status, 200),
        }
    }
    assert!((30..=90).contains(&errors), "{errors} errors of about 60");
    assert!((30..=90).contains(&throttled), "{throttled} throttled of about 60");
    assert_eq!(bench.emulator.counters().accepted, 300 - errors - throttled);
}
