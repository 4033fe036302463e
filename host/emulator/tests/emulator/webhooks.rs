//! Webhooks: signature, form, retries, duplicates, order, batches, and the handshake.

use std::collections::HashSet;
use std::time::Duration;

use questline_emulator::webhook::{Status, StatusKind, fields, sign};
use questline_emulator::{DeliveryOutcome, EmulatorError, Player, Recipient, Retry, StatusPlan, WebhookFaults};
use serde_json::{Value, json};

use crate::support::{ADA, Bench, NUMBER, PATIENCE, config, text};

fn bodies(values: &[Value]) -> Vec<String> {
    values
        .iter()
        .flat_map(|value| value["messages"].as_array().cloned().unwrap_or_default())
        .map(|message| message["text"]["body"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_webhook_is_ascii_and_signed_over_its_raw_bytes() {
    let (bench, ada) = Bench::with_ada(config()).await;
    ada.send("Grüße 🎮 https://x/y").await.unwrap();
    let posted = &bench.host.wait_posts(1).await[0];
    assert!(posted.body.is_ascii());
    let raw = std::str::from_utf8(&posted.body).unwrap();
    assert!(raw.contains(r"Gr\u00fc\u00dfe \ud83c\udfae https:\/\/x\/y"), "{raw}");
    assert_eq!(posted.signature, sign("emulator-app-secret", &posted.body));
    assert_ne!(posted.signature, sign("another-secret", &posted.body));
    let body = posted.json();
    assert_eq!(body["object"], "whatsapp_business_account");
    assert_eq!(body["entry"][0]["id"], "2001");
    assert_eq!(body["entry"][0]["changes"][0]["field"], "messages");
    let message = &posted.values()[0]["messages"][0];
    assert_eq!(message["text"]["body"], "Grüße 🎮 https://x/y");
    assert!(message["timestamp"].is_string());
}

#[tokio::test]
async fn anything_but_200_is_tried_again_with_growing_delays_until_the_bound() {
    let mut config = config();
    config.time_runs = false;
    config.delivery.retry = Retry { delay_first: Duration::from_secs(10), growth: 3, delay_max: Duration::from_secs(60), attempts_max: 5 };
    let (bench, ada) = Bench::with_ada(config).await;
    bench.host.answer(&[500, 503, 202, 404, 401]);
    ada.send("hello").await.unwrap();
    bench.host.wait_posts(1).await;
    let delays_s = [10, 30, 60, 60];
    for (failed, delay_s) in delays_s.into_iter().enumerate() {
        bench.emulator.advance(Duration::from_millis(delay_s * 1_000 - 1));
        bench.emulator.advance(Duration::from_millis(1));
        bench.host.wait_posts(failed + 2).await;
    }
    assert!(bench.emulator.settled(PATIENCE).await);
    let posted = bench.host.posted();
    assert_eq!(posted.len(), 5);
    assert!(posted.iter().all(|again| again.body == posted[0].body));
    let counters = bench.emulator.counters();
    assert_eq!((counters.updates_dropped, counters.updates_delivered), (1, 0));
    let records = bench.emulator.deliveries();
    let waits_ms: Vec<_> = records.windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms).collect();
    assert_eq!(waits_ms, delays_s.map(|delay_s| delay_s * 1_000));
    assert_eq!((records[0].attempt, &records[0].outcome), (1, &DeliveryOutcome::Status(500)));
    assert_eq!((records[4].attempt, &records[4].outcome), (5, &DeliveryOutcome::Status(401)));
}

#[tokio::test]
async fn a_host_that_is_down_gets_everything_once_it_is_back() {
    let mut config = config();
    config.delivery.retry = Retry::every(Duration::from_millis(1), 1_000_000);
    config.delivery.concurrency = 4;
    let (bench, ada) = Bench::with_ada(config).await;
    bench.emulator.set_webhook_url("http://127.0.0.1:9/hook").unwrap();
    for n in 0..10 {
        ada.send(format!("{n}")).await.unwrap();
    }
    assert!(!bench.emulator.settled(Duration::from_millis(1)).await);
    bench.emulator.set_webhook_url(&bench.host.url).unwrap();
    assert!(bench.emulator.settled(PATIENCE).await);
    let mut bodies = bodies(&bench.host.values());
    bodies.sort();
    assert_eq!(bodies, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}

#[tokio::test]
async fn one_conversation_arrives_in_order() {
    let (bench, ada) = Bench::with_ada(config()).await;
    let sent: Vec<_> = (0..200).map(|n| n.to_string()).collect();
    for text in &sent {
        ada.send(text.as_str()).await.unwrap();
    }
    assert!(bench.emulator.settled(PATIENCE).await);
    assert_eq!(bodies(&bench.host.values()), sent);
    assert_eq!(bench.host.posted().len(), 200);
}

#[tokio::test]
async fn duplicates_are_the_same_bytes_again() {
    let (bench, ada) = Bench::with_ada(config()).await;
    bench.emulator.set_webhook_faults(WebhookFaults { duplicates: 2, ..WebhookFaults::default() });
    ada.send("hello").await.unwrap();
    assert!(bench.emulator.settled(PATIENCE).await);
    let posted = bench.host.posted();
    assert_eq!(posted.len(), 3);
    assert!(posted.iter().all(|copy| copy.body == posted[0].body));
    bench.emulator.clear_faults();
    ada.send("once").await.unwrap();
    assert!(bench.emulator.settled(PATIENCE).await);
    assert_eq!(bench.host.posted().len(), 4);
}

#[tokio::test]
async fn what_is_held_back_comes_in_one_post_of_up_to_1000_updates() {
    let mut config = config();
    config.delivery.batch_updates_max = 1_000;
    config.delivery.concurrency = 1;
    config.rules.number_rate = false;
    let bench = Bench::start(config).await;
    bench.emulator.hold_webhooks();
    for player in 0..100 {
        let player = Player::new(format!("1650555{player:04}"), "P");
        let player = bench.emulator.add_player(player).unwrap();
        for n in 0..11 {
            player.send(n.to_string()).await.unwrap();
        }
    }
    assert_eq!(bench.emulator.webhooks_pending(), 1_100);
    assert!(bench.host.posted().is_empty());
    bench.emulator.release_webhooks();
    assert!(bench.emulator.settled(PATIENCE).await);
    let posted = bench.host.posted();
    let sizes: Vec<_> = posted.iter().map(|posted| posted.values().len()).collect();
    assert_eq!(sizes, [1_000, 100]);
    assert_eq!(posted[0].json()["entry"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn shuffled_updates_are_the_same_in_another_order() {
    let mut config = config();
    config.delivery.batch_updates_max = 1_000;
    config.delivery.concurrency = 1;
    let (bench, ada) = Bench::with_ada(config).await;
    bench.emulator.set_webhook_faults(WebhookFaults { shuffle: true, ..WebhookFaults::default() });
    bench.emulator.hold_webhooks();
    let sent: Vec<_> = (0..50).map(|n| n.to_string()).collect();
    for text in &sent {
        ada.send(text.as_str()).await.unwrap();
    }
    bench.emulator.release_webhooks();
    assert!(bench.emulator.settled(PATIENCE).await);
    let got = bodies(&bench.host.values());
    assert_ne!(got, sent);
    assert_eq!(HashSet::<_>::from_iter(&got), HashSet::<_>::from_iter(&sent));
}

#[tokio::test]
async fn delayed_updates_wait_for_the_emulators_time_and_overtake_each_other() {
    let mut config = config();
    config.time_runs = false;
    let (bench, ada) = Bench::with_ada(config).await;
    bench.emulator.set_webhook_faults(WebhookFaults {
        delay: Duration::from_secs(60),
        delay_jitter: Duration::from_secs(60),
        ..WebhookFaults::default()
    });
    let sent: Vec<_> = (0..50).map(|n| n.to_string()).collect();
    for text in &sent {
        ada.send(text.as_str()).await.unwrap();
    }
    let start_ms = bench.emulator.now_ms();
    for _ in 0..12 {
        bench.emulator.advance(Duration::from_secs(10));
    }
    assert!(bench.emulator.settled(PATIENCE).await);
    assert!(bench.emulator.deliveries().iter().all(|record| record.at_ms >= start_ms + 60_000));
    let got = bodies(&bench.host.values());
    assert_ne!(got, sent);
    assert_eq!(got.len(), 50);
}

#[tokio::test]
async fn lost_posts_and_lost_answers_are_tried_again() {
    let mut config = config();
    config.delivery.retry = Retry::every(Duration::from_millis(1), 10);
    let (bench, ada) = Bench::with_ada(config).await;
    bench.emulator.set_webhook_faults(WebhookFaults { loss_rate: 1.0, ..WebhookFaults::default() });
    ada.send("lost on its way").await.unwrap();
    assert!(bench.emulator.settled(PATIENCE).await);
    assert_eq!(bench.host.posted().len(), 1);
    assert_eq!(bench.emulator.deliveries()[0].outcome, DeliveryOutcome::Lost);
    bench.emulator.set_webhook_faults(WebhookFaults { lost_ack_rate: 1.0, ..WebhookFaults::default() });
    ada.send("answer lost").await.unwrap();
    assert!(bench.emulator.settled(PATIENCE).await);
    assert_eq!(bodies(&bench.host.values()), ["lost on its way", "answer lost", "answer lost"]);
}

#[tokio::test]
async fn a_host_that_does_not_answer_in_time_is_tried_again() {
    let mut config = config();
    config.delivery.timeout = Duration::from_millis(50);
    config.delivery.retry = Retry::every(Duration::from_millis(1), 2);
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (bench, ada) = Bench::with_ada(config).await;
    let url = format!("http://{}/hook", silent.local_addr().unwrap());
    bench.emulator.set_webhook_url(&url).unwrap();
    ada.send("hello").await.unwrap();
    assert!(bench.emulator.settled(PATIENCE).await);
    let outcomes: Vec<_> = bench.emulator.deliveries().into_iter().map(|record| record.outcome).collect();
    assert_eq!(outcomes, [DeliveryOutcome::TimedOut, DeliveryOutcome::TimedOut]);
}

#[tokio::test]
async fn statuses_follow_the_plan_and_its_delays() {
    let mut config = config();
    config.time_runs = false;
    config.statuses = StatusPlan {
        sent: Some(Duration::ZERO),
        delivered: Some(Duration::from_secs(2)),
        read: Some(Duration::from_secs(60)),
        failed_with_contact: false,
    };
    let (bench, ada) = Bench::with_ada(config).await;
    let id = bench.accepted(text("hi")).await;
    let sent = bench.host.wait_status(&id, "sent").await;
    assert_eq!(bench.host.posted().len(), 1);
    bench.emulator.advance(Duration::from_secs(2));
    let delivered = bench.host.wait_status(&id, "delivered").await;
    bench.emulator.advance(Duration::from_secs(58));
    let read = bench.host.wait_status(&id, "read").await;
    let at = |status: &Value| status["timestamp"].as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(at(&delivered) - at(&sent), 2);
    assert_eq!(at(&read) - at(&sent), 60);
    assert!(sent.get("pricing").is_some() && delivered.get("pricing").is_some());
    assert!(read.get("pricing").is_none());
    assert_eq!(ada.read_all(), 0, "the plan has read it already");

    bench.emulator.set_statuses(StatusPlan::NONE);
    bench.accepted(text("silent")).await;
    assert!(bench.emulator.settled(PATIENCE).await);
    assert_eq!(bench.host.posted().len(), 3);
}

#[tokio::test]
async fn reactions_are_only_sent_never_delivered() {
    let (bench, ada) = Bench::with_ada(config()).await;
    let target = ada.send("hello").await.unwrap();
    let reaction = json!({"type": "reaction", "reaction": {"message_id": target, "emoji": "🎮"}});
    let id = bench.accepted(reaction).await;
    assert!(bench.emulator.settled(PATIENCE).await);
    let statuses: Vec<_> = bench.host.values().into_iter().filter(|value| value["statuses"][0]["id"] == id.as_str()).collect();
    assert_eq!(statuses.len(), 1);
    assert_eq!(statuses[0]["statuses"][0]["status"], "sent");
}

#[tokio::test]
async fn any_field_and_any_status_can_be_posted() {
    let (bench, _ada) = Bench::with_ada(config()).await;
    let ban = json!({"ban_info": {"waba_ban_state": "DISABLE"}});
    let change = fields::account_update("DISABLED_UPDATE", ban);
    bench.emulator.post_change(NUMBER, change).unwrap();
    let value = bench.host.wait_value(|value| value["event"] == "DISABLED_UPDATE").await;
    assert_eq!(value["ban_info"]["waba_ban_state"], "DISABLE");
    let posted = bench.host.posted();
    let entry = posted[0].json()["entry"][0].clone();
    assert!(entry["time"].is_u64());
    assert_eq!(entry["changes"][0]["field"], "account_update");
    let played = Status::new("wamid.x", StatusKind::Played, 5, Recipient::Phone(ADA.into()));
    bench.emulator.post_status(NUMBER, &played).unwrap();
    bench.host.wait_status("wamid.x", "played").await;
    assert!(bench.emulator.post_status("9999", &played).is_err());
}

#[tokio::test]
async fn the_handshake_expects_the_challenge_back() {
    let (bench, _ada) = Bench::with_ada(config()).await;
    bench.emulator.verify_webhook(&bench.host.url).await.unwrap();
    let query = &bench.host.queries()[0];
    assert!(query.contains("hub.mode=subscribe") && query.contains("hub.challenge="), "{query}");

    let mut other = config();
    other.verify_token = "not the host's".into();
    let other = Bench::start(other).await;
    let refused = other.emulator.verify_webhook(&bench.host.url).await;
    assert!(matches!(refused, Err(EmulatorError::Verification(_))), "{refused:?}");
    let no_tls = other.emulator.verify_webhook("https://example.com/hook").await;
    assert!(matches!(no_tls, Err(EmulatorError::WebhookUrl(_))));
}

#[tokio::test]
async fn what_waits_has_a_bound() {
    let mut config = config();
    config.delivery.pending_updates_max = 1;
    let (bench, ada) = Bench::with_ada(config).await;
    bench.emulator.hold_webhooks();
    ada.send("one").await.unwrap();
    tokio::select! {
        biased;
        _ = ada.send("two") => panic!("there was no room"),
        () = std::future::ready(()) => {}
    }
    for _ in 0..10 {
        bench.accepted(text("two statuses each")).await;
    }
    assert_eq!(bench.emulator.webhooks_pending(), 4);
    assert_eq!(bench.emulator.counters().updates_dropped, 17);
    bench.emulator.release_webhooks();
    ada.send("two").await.unwrap();
    assert!(bench.emulator.settled(PATIENCE).await);
    assert_eq!(bodies(&bench.host.values()), ["one", "two"]);
}
