//! More than fits: Meta is told to come again, memory stays bounded, and nothing is lost in the end.

use std::collections::HashMap;
use std::time::Duration;

use questline_emulator as meta;
use questline_emulator::DeliveryOutcome;
use questline_emulator::webhook::{Change, Message, Metadata, Sender, Webhook, sign};
use questline_tests::stage::{ACCOUNT, NUMBER, SECOND_NUMBER, number};
use questline_tests::{Engine, Stage, eventually};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::support::{at_rest, dead_letters, now_s, says, sent_texts};

on_both_stores![
    a_full_inbox_asks_meta_to_come_again,
    bodies_that_do_not_fit_are_asked_to_come_again,
    who_is_refused_hears_why_and_may_go_on
];

const PLAYERS: usize = 200;
const MESSAGES: usize = 3;

async fn a_full_inbox_asks_meta_to_come_again(engine: Engine) {
    let mut config = meta::Config::new(number(NUMBER)).number(number(SECOND_NUMBER));
    config.delivery.retry = meta::Retry::every(Duration::from_millis(500), 1_000);
    // As soon as some messages wait for Meta no further step begins, and the inbox fills.
    let stage = Stage::with_meta(engine, config)
        .await
        .extra("[limits]\ninbox_max = 60\ninbox_per_game_max = 40\noutbox_max = 40\nsteps_max = 8\nsteps_per_game_max = 8")
        .echo("busy", NUMBER)
        .echo("quiet", SECOND_NUMBER);
    let host = stage.start().await;
    stage.emulator.set_graph_faults(meta::GraphFaults { latency: Duration::from_secs(4), ..meta::GraphFaults::default() });

    let players: Vec<_> = (0..PLAYERS).map(|index| stage.player(&format!("+1555{index:07}"), "Player")).collect();
    for message in 0..MESSAGES {
        for (index, player) in players.iter().enumerate() {
            player.send(format!("p{index} m{message}")).await.unwrap();
        }
    }
    // A POST that does not fit is refused as a whole, and says when to come again.
    let sender = |index: usize| Sender::phone(players[index].wa_id().unwrap(), "Player");
    let messages: Vec<_> =
        (0..20).map(|index| Message::text(sender(index), format!("wamid.whole.{index}"), now_s(), format!("whole {index}"))).collect();
    let metadata = Metadata { display_phone_number: "15550102922", phone_number_id: NUMBER };
    let body = Webhook::new().with(ACCOUNT, Change::messages(metadata, &messages)).to_bytes();
    let refused = eventually("the inbox is full", async || {
        let waiting = host.get("/depth").await["inbox"].as_u64().unwrap();
        if waiting < 40 {
            return None;
        }
        let response = stage.post_signed(&host, &body, Some(&sign(stage.app_secret(), &body))).await;
        (response.status().as_u16() == 503).then_some(response)
    })
    .await;
    assert_eq!(refused.headers()["retry-after"], "1");
    assert!(refused.bytes().await.unwrap().is_empty());
    assert!(host.get("/depth").await["inbox"].as_u64().unwrap() <= 60, "what waits is bounded");
    assert!(stage.emulator.deliveries().iter().any(|delivery| delivery.outcome == DeliveryOutcome::Status(503)));
    assert!(host.metric("questline_webhooks_total{outcome=\"full\"}").await >= 1.0);
    // One game's flood leaves room for another's players.
    let quiet = stage.player("+15559990001", "Quiet").with_number(SECOND_NUMBER).unwrap();
    quiet.send("me too").await.unwrap();

    stage.emulator.set_graph_faults(meta::GraphFaults::default());
    eventually("what was refused as a whole is taken as a whole", async || (stage.post_webhook(&host, &body).await == 200).then_some(()))
        .await;
    at_rest(&stage, &host).await;
    let mut counts: HashMap<String, usize> = HashMap::new();
    sent_texts(&stage).into_iter().for_each(|text| *counts.entry(text).or_default() += 1);
    let expected = (0..PLAYERS).flat_map(|index| (0..MESSAGES).map(move |message| format!("echo: p{index} m{message}")));
    let expected: Vec<_> = expected.chain((0..20).map(|index| format!("echo: whole {index}"))).chain(["echo: me too".to_owned()]).collect();
    for text in &expected {
        assert_eq!(counts.get(text), Some(&1), "{text}");
    }
    assert_eq!(counts.len(), expected.len());
    assert_eq!(stage.emulator.counters().updates_dropped, 0);
    assert!(dead_letters(&host).await.is_empty());
}

async fn bodies_that_do_not_fit_are_asked_to_come_again(engine: Engine) {
    let stage = Stage::new(engine).await.extra("[limits]\nbodies_bytes_max = 3145728").echo("echo", NUMBER);
    let host = stage.start().await;
    let body = format!("{{\"object\":\"whatsapp_business_account\",\"entry\":[]{}}}", " ".repeat(3_000_000)).into_bytes();

    // One large body is on its way, and takes its time.
    let mut slow = TcpStream::connect(stage.address()).await.unwrap();
    let head = format!(
        "POST /webhooks/meta/main HTTP/1.1\r\nhost: {}\r\nx-hub-signature-256: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        stage.address(),
        sign(stage.app_secret(), &body),
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    slow.write_all(&body[..1_000]).await.unwrap();
    let refused = eventually("there is no room for another", async || {
        let response = stage.post_signed(&host, &body, Some(&sign(stage.app_secret(), &body))).await;
        (response.status().as_u16() == 503).then_some(response)
    })
    .await;
    assert_eq!(refused.headers()["retry-after"], "1");
    let player = stage.player("+15550101", "Player");
    assert_eq!(says(&player, "small").await.text(), "echo: small", "what is small still fits");

    slow.write_all(&body[1_000..]).await.unwrap();
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    eventually("there is room again", async || (stage.post_webhook(&host, &body).await == 200).then_some(())).await;
}

/// One answer of a connection: its head, with the body read past.
async fn answer(connection: &mut BufReader<TcpStream>) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(connection.read_line(&mut head).await.unwrap() > 0, "the connection ended: {head:?}");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().unwrap());
    connection.read_exact(&mut vec![0; length]).await.unwrap();
    head
}

async fn who_is_refused_hears_why_and_may_go_on(engine: Engine) {
    let stage = Stage::new(engine).await.echo("echo", NUMBER);
    let host = stage.start().await;
    let post = |length: usize, more: &str| {
        let to = "POST /webhooks/meta/main HTTP/1.1\r\nx-hub-signature-256: sha256=00";
        format!("{to}\r\nhost: {}\r\ncontent-length: {length}\r\n{more}\r\n", stage.address()).into_bytes()
    };
    let connect = async || BufReader::new(TcpStream::connect(stage.address()).await.unwrap());
    let mut kept = connect().await;
    for _ in 0..3 {
        let length = 4 << 20;
        kept.write_all(&post(length, "")).await.unwrap();
        kept.write_all(&vec![b' '; length]).await.unwrap();
        let head = answer(&mut kept).await;
        assert!(head.starts_with("HTTP/1.1 413") && !head.contains("connection: close"), "{head}");
    }
    kept.write_all(b"GET /healthz HTTP/1.1\r\nhost: questline\r\n\r\n").await.unwrap();
    assert!(answer(&mut kept).await.starts_with("HTTP/1.1 200"), "the connection serves on");

    // What is far too large is not waited for, nor is what nobody has asked for yet.
    for (length, more) in [(1 << 30, ""), (4 << 20, "expect: 100-continue\r\n")] {
        let mut refused = connect().await;
        refused.write_all(&post(length, more)).await.unwrap();
        let head = answer(&mut refused).await;
        assert!(head.starts_with("HTTP/1.1 413") && head.contains("connection: close"), "{head}");
        assert_eq!(refused.read(&mut [0; 1]).await.unwrap(), 0, "and it ends");
    }
    drop(host);
}
