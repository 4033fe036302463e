//! Players and backend behind a studio's own HTTP service: signed requests, faults that pass, a breaker, and no way to
//! where the operator has not allowed it.

use std::time::Duration;

use questline_tests::{Engine, Stage, eventually, host};
use serde_json::{Value, json};

use crate::studio::{Answer, Studio};
use crate::support::{at_rest, dead_letters, first_dead_letter, heard, hears, proves, says, taps};

on_both_stores![
    requests_are_signed_and_operations_done_once,
    a_service_that_fails_for_a_while_costs_time_only,
    what_stays_down_is_left_alone_and_probed,
    a_letter_waits_until_the_service_is_back,
    only_allowed_hosts_are_called,
];

/// Tries often enough for every fault of these tests, and soon.
const PATIENT: &str = "[step_retry]\nbase_ms = 40\nceiling_ms = 160\nattempts_max = 10000\n";

async fn stage_with(engine: Engine, studio: &Studio, more: &str) -> Stage {
    let stage = Stage::new(engine).await.starfall().allow_host("127.0.0.1");
    studio.serves_starfall(&stage, "127.0.0.1", more);
    stage
}

async fn requests_are_signed_and_operations_done_once(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage_with(engine, &studio, PATIENT).await;
    let host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    let balance = says(&ada, "balance").await;
    assert!(balance.text().contains("4,321"), "{}", balance.text());
    let asked = &studio.calls_of("/players/by-contact")[0];
    assert_eq!(asked.body, json!({ "phone": "+15550111", "bsuid": ada.user_id() }));
    assert_eq!(asked.idempotency_key, None);

    // The claim was done, and its answer lost: asked again, it is the same claim.
    let claim = |studio: &Studio| studio.calls_of("/operations/claim-rewards");
    assert!(proves(&ada, "Claim Rewards").await.text().contains("Test Chest"));
    let before = claim(&studio).len();
    studio.always("/operations/", Some(Answer::Status(503)));
    ada.send("claim my rewards").await.unwrap();
    eventually("the step was tried again", async || {
        (host.metric("questline_steps_total{game=\"starfall\",outcome=\"again\"}").await >= 1.0).then_some(())
    })
    .await;
    studio.always("/operations/", None);
    assert!(hears(&ada).await.text().contains("Test Chest"));
    let first: Vec<_> = claim(&studio)[..before].iter().map(|call| call.idempotency_key.clone().expect("a key")).collect();
    let later: Vec<_> = claim(&studio)[before..].iter().map(|call| call.idempotency_key.clone().expect("a key")).collect();
    assert!(later.iter().all(|key| *key == later[0]), "one claim has one key: {later:?}");
    assert!(first.iter().all(|key| *key != later[0]), "another claim has another: {first:?} {later:?}");
    assert!(claim(&studio).iter().all(|call| call.body == json!({ "player": "ada-1", "request": {} })));

    // Who is not there is a stranger; who cannot be asked about is not.
    let stranger = stage.player("+15550122", "Stranger");
    assert!(says(&stranger, "balance").await.text().contains("Link WhatsApp"));
    studio.assert_all_signed();
    at_rest(&stage, &host).await;
    assert!(dead_letters(&host).await.is_empty());
}

async fn a_service_that_fails_for_a_while_costs_time_only(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage_with(engine, &studio, PATIENT).await;
    let host = stage.start().await;
    let elsewhere = Studio::start().await;
    // Each fewer than open the breaker; between them an answer closes it.
    let faults: [Vec<Answer>; 4] = [
        vec![Answer::Status(500), Answer::Status(429), Answer::Status(401)],
        vec![Answer::Late(Duration::from_secs(20)), Answer::Late(Duration::from_secs(20))],
        vec![Answer::Text("not JSON".to_owned()), Answer::Text("{}".to_owned()), Answer::Text(" ".repeat(300_000))],
        vec![Answer::Redirect(elsewhere.url("127.0.0.1")), Answer::Redirect(format!("{}/players/by-contact", elsewhere.url("127.0.0.1")))],
    ];
    for (index, faults) in faults.into_iter().enumerate() {
        let count = faults.len();
        studio.next(faults);
        let ada = stage.player(&format!("+1555013{index:04}"), "Somebody");
        let before = studio.calls_of("/players/by-contact").len();
        assert!(says(&ada, "balance").await.text().contains("Link WhatsApp"));
        assert_eq!(studio.calls_of("/players/by-contact").len() - before, count + 1, "tried until it answered");
        assert_eq!(heard(&ada).len(), 1);
    }
    assert!(elsewhere.calls().is_empty(), "a host was allowed, and not what it points to");
    studio.assert_all_signed();
    assert!(dead_letters(&host).await.is_empty());
}

async fn what_stays_down_is_left_alone_and_probed(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage_with(engine, &studio, PATIENT).await;
    let host = stage.start().await;
    studio.always("/", Some(Answer::Status(500)));
    let ada = stage.player("+15550111", "Ada");
    ada.send("balance").await.unwrap();
    let again = "questline_steps_total{game=\"starfall\",outcome=\"again\"}";
    eventually("the step was tried many times", async || (host.metric(again).await >= 12.0).then_some(())).await;
    assert_eq!(studio.calls().len(), 5, "the service was left alone after five failures in a row");
    assert!(host.log().contains("left alone for a moment"));
    studio.always("/", None);
    assert!(hears(&ada).await.text().contains("4,321"), "and asked again later");
    studio.assert_all_signed();
    assert!(dead_letters(&host).await.is_empty());
}

async fn a_letter_waits_until_the_service_is_back(engine: Engine) {
    let studio = Studio::start().await;
    let hasty = "[step_retry]\nbase_ms = 20\nceiling_ms = 40\nattempts_max = 2\n";
    let stage = stage_with(engine, &studio, hasty).await;
    let host = stage.start().await;
    studio.always("/", Some(Answer::Status(500)));
    let ada = stage.player("+15550111", "Ada");
    ada.send("balance").await.unwrap();
    let letter = first_dead_letter(&host).await;
    assert_eq!((&letter["reason"], &letter["attempts"]), (&json!("transient"), &json!(2)), "{letter}");
    assert!(letter["detail"].as_str().unwrap().contains("answered 500"), "{letter}");
    studio.always("/", None);
    let (status, _) = host.post(&format!("/dead-letters/{}/retry", letter["id"]), &Value::Null).await;
    assert_eq!(status, 200);
    assert!(hears(&ada).await.text().contains("4,321"));
    assert!(dead_letters(&host).await.is_empty());
    assert!(taps(&ada, "Speak to Agent").await.text().contains("SF-"), "and the buttons under it work");
}

async fn only_allowed_hosts_are_called(engine: Engine) {
    let studio = Studio::start().await;
    for (allowed, host_name, code) in [("127.0.0.1", "localhost", 78), ("localhost", "localhost", 0)] {
        let stage = Stage::new(engine).await.starfall().allow_host(allowed);
        studio.serves_starfall(&stage, host_name, "");
        stage.write_config();
        let report = host::run(&stage.config(), &["doctor", "--offline"]).await;
        let report = String::from_utf8(report.stdout).unwrap();
        assert_eq!(report.contains("FAIL"), code != 0, "{report}");
        if code == 0 {
            assert!(stage.start().await.stop().await.success());
            continue;
        }
        let refused = host::run(&stage.config(), &["serve"]).await;
        let words = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(code), "{words}");
        assert!(words.contains("localhost") && words.contains("operator.connector_hosts"), "{words}");
        assert!(report.contains("operator.connector_hosts"), "{report}");
    }
    // Plain http leads nowhere but to the machine itself.
    let stage = Stage::new(engine).await.starfall().allow_host("studio.example");
    studio.serves_starfall(&stage, "studio.example", "");
    stage.write_config();
    let refused = host::run(&stage.config(), &["serve"]).await;
    assert_eq!(refused.status.code(), Some(78));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("is not https"));
    assert!(studio.calls().is_empty());
}
