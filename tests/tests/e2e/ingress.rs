//! Meta's webhooks: who is listened to, what a POST may hold, and that each update counts once.

use std::collections::{BTreeMap, BTreeSet};

use questline_emulator as meta;
use questline_emulator::webhook::{Change, Message, Metadata, Sender, Webhook, sign};
use questline_tests::guests::workspace;
use questline_tests::stage::{ACCOUNT, NUMBER, OLD_SECRET, SECOND_NUMBER, number};
use questline_tests::{Engine, Host, Stage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{at_rest, dead_letters, now_s, says, sent_texts};

on_both_stores![only_meta_is_listened_to, a_post_has_bounds, a_thousand_updates_in_one_post, every_kind_of_update_is_taken];

/// What Meta sends at most.
const BODY_BYTES_MAX: usize = 3 << 20;
const EMPTY: &str = r#"{"object":"whatsapp_business_account","entry":[]}"#;

/// A stage whose emulator takes messages to anybody, as if all had written before.
async fn open_stage(engine: Engine, numbers: [&str; 2]) -> Stage {
    let mut config = meta::Config::new(number(numbers[0])).number(number(numbers[1]));
    config.rules.undeliverable = meta::Report::Off;
    config.rules.window = meta::Report::Off;
    Stage::with_meta(engine, config).await
}

async fn only_meta_is_listened_to(engine: Engine) {
    let stage = Stage::new(engine).await.echo("echo", NUMBER);
    let host = stage.start().await;
    let url = stage.webhook_url();

    stage.emulator.verify_webhook(&url).await.unwrap();
    let token = &stage.emulator.config().verify_token;
    let challenge = "1158201444<b>&x=1";
    let ask = async |query: &[(&str, &str)]| {
        let response = host.http().get(&url).query(query).send().await.unwrap();
        let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        (response.status().as_u16(), kind, response.text().await.unwrap())
    };
    let good = [("hub.challenge", challenge), ("hub.verify_token", token), ("hub.mode", "subscribe")];
    let (status, kind, body) = ask(&good).await;
    assert_eq!((status, body.as_str()), (200, challenge));
    assert!(kind.unwrap().starts_with("text/plain"), "an echo must not be run as a page");
    for wrong in [
        vec![("hub.mode", "subscribe"), ("hub.verify_token", "guess"), ("hub.challenge", challenge)],
        vec![("hub.mode", "unsubscribe"), ("hub.verify_token", token), ("hub.challenge", challenge)],
        vec![("hub.mode", "subscribe"), ("hub.challenge", challenge)],
        vec![("hub.mode", "subscribe"), ("hub.verify_token", token)],
        vec![],
    ] {
        let (status, _, body) = ask(&wrong).await;
        assert_eq!((status, body.as_str()), (403, ""), "{wrong:?}");
    }

    let player = stage.player("+15550101", "Player");
    assert_eq!(says(&player, "known").await.text(), "echo: known");
    let body = stage.emulator.deliveries()[0].body.clone();
    let right = sign(stage.app_secret(), &body);
    let wrong = [
        None,
        Some(String::new()),
        Some("sha256=".to_owned()),
        Some(right.replace("sha256=", "")),
        Some(right.replace("sha256=", "sha1=")),
        Some(right[..70].to_owned()),
        Some(format!("{right}00")),
        Some(format!("sha256={}", "g".repeat(64))),
        Some(sign("another secret", &body)),
        Some(sign(stage.app_secret(), &body[1..])),
        Some(sign("", &body)),
    ];
    for signature in &wrong {
        let response = stage.post_signed(&host, &body, signature.as_deref()).await;
        assert_eq!(response.status().as_u16(), 401, "{signature:?}");
        let length = response.headers().get("content-length").cloned();
        assert_eq!((response.bytes().await.unwrap().len(), length.unwrap().to_str().unwrap()), (0, "0"), "no hint of what was expected");
    }
    assert_eq!(host.metric("questline_webhooks_total{outcome=\"unauthorized\"}").await, wrong.len() as f64);
    // Re-signed bytes that differ are other bytes, whatever their meaning.
    let respaced = String::from_utf8(body.to_vec()).unwrap().replace("\":", "\": ");
    assert_eq!(stage.post_signed(&host, respaced.as_bytes(), Some(&right)).await.status().as_u16(), 401);

    for secret in [stage.app_secret(), OLD_SECRET] {
        let response = stage.post_signed(&host, &body, Some(&sign(secret, &body))).await;
        assert_eq!(response.status().as_u16(), 200, "every active secret is taken");
    }
    let elsewhere = host.http().post(url.replace("/main", "/other")).header("x-hub-signature-256", &right).body(body.to_vec());
    assert_eq!(elsewhere.send().await.unwrap().status().as_u16(), 404);
    let elsewhere = host.http().get(url.replace("/main", "/other")).query(&good).send().await.unwrap();
    assert_eq!(elsewhere.status().as_u16(), 404);
    at_rest(&stage, &host).await;
    assert_eq!(sent_texts(&stage), ["echo: known"], "repetitions had no effect");
}

/// Posts in chunks, so that no length is announced; gives the status.
async fn post_in_chunks(stage: &Stage, body: &[u8]) -> u16 {
    let stream = tokio::net::TcpStream::connect(stage.address()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let head = format!(
        "POST /webhooks/meta/main HTTP/1.1\r\nhost: {}\r\nx-hub-signature-256: {}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n",
        stage.address(),
        sign(stage.app_secret(), body)
    );
    let body = body.to_vec();
    let write = tokio::spawn(async move {
        // The host may hang up as soon as it has seen enough.
        writer.write_all(head.as_bytes()).await?;
        for chunk in body.chunks(64 * 1024) {
            writer.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
            writer.write_all(chunk).await?;
            writer.write_all(b"\r\n").await?;
        }
        writer.write_all(b"0\r\n\r\n").await?;
        Ok::<_, std::io::Error>(writer)
    });
    let mut answer = Vec::new();
    let _ = reader.read_to_end(&mut answer).await;
    let _ = write.await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

async fn a_post_has_bounds(engine: Engine) {
    let stage = Stage::new(engine).await.echo("echo", NUMBER);
    let host = stage.start().await;
    let padded = |bytes: usize| format!("{EMPTY}{}", " ".repeat(bytes - EMPTY.len())).into_bytes();
    assert_eq!(stage.post_webhook(&host, &padded(BODY_BYTES_MAX)).await, 200, "Meta's largest");
    assert_eq!(stage.post_webhook(&host, &padded(BODY_BYTES_MAX + 1)).await, 413);
    assert_eq!(post_in_chunks(&stage, &padded(BODY_BYTES_MAX)).await, 200);
    assert_eq!(post_in_chunks(&stage, &padded(BODY_BYTES_MAX + 1)).await, 413, "whether the length was announced or not");

    let deep = "[".repeat(500_000);
    let nonsense: [&[u8]; 7] = [b"", b"hello", b"[1,2]", b"{\"entry\":[]", b"\xff\xfe{}", deep.as_bytes(), b"{\"object\":1}"];
    for body in nonsense {
        assert_eq!(stage.post_webhook(&host, body).await, 400, "{}", body[..body.len().min(20)].escape_ascii());
    }
    assert_eq!(host.metric("questline_webhooks_total{outcome=\"not-a-webhook\"}").await, nonsense.len() as f64);
    let player = stage.player("+15550101", "Player");
    assert_eq!(says(&player, "still there").await.text(), "echo: still there");
}

/// 1,000 messages of 250 players on two numbers, in many entries and changes.
fn a_thousand() -> Webhook {
    let display = ["15550102922", "15550102923"];
    let mut webhook = Webhook::new();
    for (round, ids) in (0..4).flat_map(|round| (0..10).map(move |group| (round, group * 25..(group + 1) * 25))) {
        let which = (ids.start / 25) % 2;
        let messages: Vec<Message> = ids
            .map(|player: usize| {
                let sender = Sender::phone(format!("1555{player:07}"), "Player");
                let mut message = Message::text(sender, format!("wamid.{player}.{round}"), now_s(), format!("p{player} m{round}"));
                message.timestamp_as_number = player.is_multiple_of(3);
                message
            })
            .collect();
        let metadata = Metadata { display_phone_number: display[which], phone_number_id: [NUMBER, SECOND_NUMBER][which] };
        webhook = webhook.with(format!("{ACCOUNT}{}", round % 2), Change::messages(metadata, &messages));
    }
    webhook
}

async fn a_thousand_updates_in_one_post(engine: Engine) {
    let stage = open_stage(engine, [NUMBER, SECOND_NUMBER]).await.echo("first", NUMBER).echo("second", SECOND_NUMBER);
    let mut host = stage.start().await;
    let body = a_thousand().to_bytes();
    assert_eq!(stage.post_webhook(&host, &body).await, 200);
    at_rest(&stage, &host).await;
    let mut replies: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for accepted in stage.emulator.accepted() {
        let text = accepted.json()["text"]["body"].as_str().unwrap().to_owned();
        replies.entry(accepted.recipient.as_str().to_owned()).or_default().push(text);
    }
    assert_eq!(replies.len(), 250);
    for player in 0..250 {
        let expected: Vec<_> = (0..4).map(|round| format!("echo: p{player} m{round}")).collect();
        assert_eq!(replies[&format!("1555{player:07}")], expected, "all, once each, in their order");
    }

    // Meta comes again with the same, also after a restart.
    assert_eq!(stage.post_webhook(&host, &body).await, 200);
    assert_eq!(host.metric("questline_events_total{kind=\"duplicate\"}").await, 1_000.0);
    assert!(host.stop().await.success());
    host = stage.start().await;
    assert_eq!(stage.post_webhook(&host, &body).await, 200);
    assert_eq!(host.metric("questline_events_total{kind=\"duplicate\"}").await, 1_000.0);

    // One message twice within one POST, as two changes and within one.
    let twice = |id: &str| Message::text(Sender::phone("15550000001", "Player"), id, now_s(), id);
    let metadata = Metadata { display_phone_number: "15550102922", phone_number_id: NUMBER };
    let change = |messages: &[Message]| Change::messages(metadata, messages);
    let webhook = Webhook::new()
        .with(ACCOUNT, change(&[twice("wamid.a"), twice("wamid.a")]))
        .with(ACCOUNT, change(&[twice("wamid.b")]))
        .with(ACCOUNT, change(&[twice("wamid.b"), twice("wamid.a")]));
    assert_eq!(stage.post_webhook(&host, &webhook.to_bytes()).await, 200);
    at_rest(&stage, &host).await;
    let texts = sent_texts(&stage);
    assert_eq!(texts[1_000..], ["echo: wamid.a", "echo: wamid.b"]);
}

/// The number that the fixtures are about.
const FIXTURES_NUMBER: &str = "100000000000001";

async fn every_kind_of_update_is_taken(engine: Engine) {
    let stage = open_stage(engine, [FIXTURES_NUMBER, SECOND_NUMBER]).await.echo("echo", FIXTURES_NUMBER);
    let host = stage.start().await;
    let mut names: Vec<_> =
        std::fs::read_dir(workspace().join("tests/fixtures/webhook")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.len() > 150);
    // As if all of it were sent now: a reply to a message of last week could not be sent.
    let now = now_s().to_string();
    for path in &names {
        let body = std::fs::read_to_string(path).unwrap().replace("1789000000", &now);
        assert_eq!(stage.post_webhook(&host, body.as_bytes()).await, 200, "{}", path.display());
    }
    at_rest(&stage, &host).await;
    let player = stage.emulator.add_player(meta::Player::new("+15550101", "Player")).unwrap();
    assert_eq!(says(&player, "and on").await.text(), "echo: and on");
    at_rest(&stage, &host).await;

    let texts = sent_texts(&stage);
    for heard in ["Where is my refund?", "Hello", "one", "two", "three", "before", "after", "twice"] {
        assert!(texts.contains(&format!("echo: {heard}")), "no answer to {heard:?}: {texts:?}");
    }
    assert_eq!(texts.iter().filter(|text| *text == "echo: twice").count(), 1);
    nothing_failed(&host).await;

    // What no conversation is about is kept, and so is all that nobody knows.
    let notices = host.get("/notices?limit=500").await["rows"].as_array().unwrap().clone();
    let fields: BTreeSet<_> = notices.iter().map(|notice| notice["field"].as_str().unwrap()).collect();
    let known = ["account_update", "message_template_status_update", "phone_number_quality_update", "security", "account_alerts"];
    let unknown = ["calls", "flows", "history", "smb_message_echoes", "automatic_events", "payment_configuration_update"];
    for field in known.iter().chain(&unknown) {
        assert!(fields.contains(field), "{field} is not among {fields:?}");
    }
    for notice in &notices {
        assert!(notice["raw"].as_str().is_some_and(|raw| !raw.is_empty()), "{notice}");
        let field = notice["field"].as_str().unwrap();
        if known.contains(&field) || unknown.contains(&field) {
            assert_eq!(notice["summary"].is_string(), known.contains(&field), "in our own words if we know it: {notice}");
        }
    }
    let kept = |words: &str| notices.iter().any(|notice| notice["raw"].as_str().unwrap().contains(words));
    assert!(kept("ALCHEMY"), "an event of tomorrow in a field of today");
    assert!(host.metric("questline_events_total{kind=\"notice\"}").await >= notices.len() as f64);
}

/// No dead letter, no failed step, no POST that was not stored.
async fn nothing_failed(host: &Host) {
    assert_eq!(dead_letters(host).await, Vec::<serde_json::Value>::new());
    let metrics = host.metrics().await;
    for line in metrics.lines().filter(|line| line.starts_with("questline_webhooks_total")) {
        assert!(line.contains("stored"), "{line}");
    }
    for line in metrics.lines().filter(|line| line.starts_with("questline_steps_total")) {
        let fine = ["flow", "nobody-wants-it", "duplicate", "system", "preference", "stop", "start", "block", "secured", "delivery-failed"];
        assert!(fine.iter().any(|outcome| line.contains(&format!("\"{outcome}\""))), "{line}");
    }
}
