//! The service window and the rates, by the emulator's clock.

use std::time::Duration;

use questline_emulator::{Category, PairRate, Player, Report, Template};
use serde_json::json;

use crate::support::{ADA, Bench, NUMBER, config, text};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn outside_of_the_window_a_text_fails_later_and_a_template_arrives() {
    let welcome = Template::body("welcome", "en", Category::Utility, "Welcome back to the game.");
    let mut config = config().template(welcome);
    config.time_runs = false;
    let bench = Bench::start(config).await;
    let ada = bench.emulator.add_player(Player::new(ADA, "Ada")).unwrap();
    let template = json!({"type": "template", "template": {"name": "welcome", "language": {"code": "en"}}});

    let failed = async |text| {
        let id = bench.accepted(text).await;
        bench.host.wait_status(&id, "failed").await["errors"][0]["code"].clone()
    };
    assert_eq!(failed(text("never wrote")).await, 131_047);
    let id = bench.accepted(template.clone()).await;
    let sent = bench.host.wait_status(&id, "sent").await;
    assert_eq!(sent["pricing"]["type"], "regular");
    assert_eq!(sent["pricing"]["category"], "utility");

    ada.send("hello").await.unwrap();
    let id = bench.accepted(text("inside")).await;
    bench.host.wait_status(&id, "delivered").await;
    let id = bench.accepted(template).await;
    let sent = bench.host.wait_status(&id, "sent").await;
    assert_eq!(sent["pricing"]["type"], "free_customer_service");

    bench.emulator.advance(DAY - Duration::from_secs(60));
    let id = bench.accepted(text("still inside")).await;
    bench.host.wait_status(&id, "delivered").await;
    bench.emulator.advance(Duration::from_secs(60));
    assert_eq!(failed(text("a day later")).await, 131_047);
    ada.send("again").await.unwrap();
    let id = bench.accepted(text("open again")).await;
    bench.host.wait_status(&id, "delivered").await;
}

#[tokio::test]
async fn the_closed_window_can_be_told_at_once_or_be_ignored() {
    for (report, expected) in [(Report::Response, 400), (Report::Off, 200)] {
        let mut config = config();
        config.rules.window = report;
        let bench = Bench::start(config).await;
        bench.emulator.add_player(Player::new(ADA, "Ada")).unwrap();
        let (status, answer) = bench.post(text("hi")).await;
        assert_eq!(status, expected, "{answer}");
        if report == Report::Response {
            assert_eq!(answer["error"]["code"], 131_047);
        }
    }
}

#[tokio::test]
async fn one_player_gets_45_messages_at_once_then_one_in_six_seconds() {
    let mut config = config();
    config.time_runs = false;
    let (bench, _ada) = Bench::with_ada(config).await;
    let grace = bench.emulator.add_player(Player::new("16505550000", "Grace")).unwrap();
    grace.open_window();
    for n in 0..45 {
        bench.accepted(text(&format!("{n}"))).await;
    }
    assert_eq!(bench.refused(text("one too many")).await, (400, 131_056));
    let mut to_grace = text("others are free");
    to_grace["to"] = "16505550000".into();
    bench.accepted(to_grace).await;
    bench.emulator.advance(Duration::from_secs(6));
    bench.accepted(text("paid back")).await;
    assert_eq!(bench.refused(text("again too many")).await, (400, 131_056));
}

#[tokio::test]
async fn a_burst_can_be_followed_by_its_pause() {
    let mut config = config();
    config.time_runs = false;
    config.rules.pair_rate = PairRate::Pause;
    let (bench, _ada) = Bench::with_ada(config).await;
    for _ in 0..20 {
        bench.accepted(text("burst")).await;
    }
    bench.emulator.advance(Duration::from_secs(100));
    assert_eq!(bench.refused(text("too early")).await, (400, 131_056));
    bench.emulator.advance(Duration::from_secs(20));
    bench.accepted(text("paid back")).await;
}

#[tokio::test]
async fn a_number_has_its_throughput_which_inbound_uses_too() {
    let mut config = config();
    config.time_runs = false;
    config.numbers[0].throughput_mps = 10;
    config.rules.pair_rate = PairRate::Off;
    let (bench, ada) = Bench::with_ada(config).await;
    for _ in 0..7 {
        ada.send("inbound").await.unwrap();
    }
    for _ in 0..3 {
        bench.accepted(text("outbound")).await;
    }
    assert_eq!(bench.refused(text("one too many")).await, (400, 130_429));
    bench.emulator.advance(Duration::from_millis(100));
    bench.accepted(text("a tenth of a second later")).await;
    assert_eq!(bench.refused(text("again too many")).await, (400, 130_429));
    bench.emulator.set_throughput(NUMBER, 1_000).unwrap();
    let upgrade = bench.host.wait_value(|value| value["event"] == "THROUGHPUT_UPGRADE").await;
    assert_eq!(upgrade["display_phone_number"], "15550100001");
    bench.emulator.advance(Duration::from_secs(1));
    for _ in 0..100 {
        bench.accepted(text("upgraded")).await;
    }
}
