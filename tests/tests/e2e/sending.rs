//! What becomes of a message that Meta does not take at once: tried again, settled, reported; never lost, never twice.

use std::time::Duration;

use questline_emulator as meta;
use questline_emulator::Fault;
use questline_emulator::webhook::{Status, StatusKind};
use questline_tests::stage::{NUMBER, SECOND_NUMBER};
use questline_tests::{Engine, Host, PATIENCE, Stage, eventually};
use serde_json::{Value, json};

use crate::support::{at_rest, dead_letters, first_dead_letter, heard, hears, now_s, says, sent_texts};

on_both_stores![
    what_passes_by_itself_is_tried_again,
    sends_without_an_answer_are_settled,
    a_refusal_for_good_is_a_dead_letter,
    a_closed_window_is_answered_by_a_template,
    order_survives_all_that_goes_wrong,
    statuses_never_move_back,
];

async fn sends(host: &Host, outcome: &str) -> f64 {
    host.metric(&format!("questline_sends_total{{outcome=\"{outcome}\"}}")).await
}

async fn what_passes_by_itself_is_tried_again(engine: Engine) {
    let stage = Stage::new(engine).await.echo("echo", NUMBER);
    let host = stage.start().await;
    let player = stage.player("+15550101", "Player");
    for fault in [Fault::code(131_000), Fault::Http(503), Fault::code(131_016), Fault::failed_status(131_000)] {
        let text = format!("{fault:?}");
        stage.emulator.inject(fault, 1);
        assert_eq!(says(&player, text.as_str()).await.text(), format!("echo: {text}"));
    }
    at_rest(&stage, &host).await;
    assert_eq!(heard(&player).len(), 4, "once each");
    assert_eq!((sends(&host, "refused-retry").await, sends(&host, "accepted").await), (3.0, 5.0));
    assert!(dead_letters(&host).await.is_empty());
}

async fn sends_without_an_answer_are_settled(engine: Engine) {
    let stage = Stage::new(engine).await.times(3_000, 1_500).echo("echo", NUMBER);
    let host = stage.start().await;
    for fault in [Fault::HangAfter, Fault::ResetAfter, Fault::HangBefore, Fault::ResetBefore] {
        stage.emulator.inject(fault, 1);
    }
    let players: Vec<_> = (0..4).map(|index| stage.player(&format!("+1555010{index:04}"), "Player")).collect();
    for player in &players {
        player.send("first").await.unwrap();
    }
    eventually("all four have met their fault", async || (stage.emulator.injected_left() == 0).then_some(())).await;
    for player in &players {
        player.send("second").await.unwrap();
    }
    for player in &players {
        assert_eq!([hears(player).await.text(), hears(player).await.text()], ["echo: first", "echo: second"]);
    }
    at_rest(&stage, &host).await;
    assert_eq!(sent_texts(&stage).len(), 8, "Meta got each once: two were settled by their status, two had never arrived");
    for became in ["settled-by-status", "repeated"] {
        assert_eq!(host.metric(&format!("questline_unknown_sends_total{{outcome=\"{became}\"}}")).await, 2.0, "{became}");
    }
    assert_eq!(sends(&host, "unknown").await, 4.0);
    assert!(dead_letters(&host).await.is_empty());
}

async fn a_refusal_for_good_is_a_dead_letter(engine: Engine) {
    let stage = Stage::new(engine).await.echo("echo", NUMBER);
    let host = stage.start().await;
    let player = stage.player("+15550101", "Player");
    // Told at once or by a status later: it is the same refusal.
    for fault in [Fault::code(131_026), Fault::failed_status(131_026), Fault::failed_status(131_047), Fault::code(100)] {
        let text = format!("{fault:?}");
        let code = text.split("code: ").nth(1).unwrap().split(',').next().unwrap().to_owned();
        stage.emulator.inject(fault, 1);
        player.send(text.as_str()).await.unwrap();
        let letter = first_dead_letter(&host).await;
        assert_eq!(letter["reason"], format!("meta-{code}"), "{letter}");
        assert!(letter["letter"]["message"].is_object(), "{letter}");
        // The next one goes its way.
        assert_eq!(says(&player, "next").await.text(), "echo: next");
        // And so does the letter, once its cause is gone.
        let (status, done) = host.post(&format!("/dead-letters/{}/retry", letter["id"]), &Value::Null).await;
        assert_eq!((status, done), (200, json!({ "done": true })));
        assert_eq!(hears(&player).await.text(), format!("echo: {text}"));
        assert!(dead_letters(&host).await.is_empty());
    }
}

async fn a_closed_window_is_answered_by_a_template(engine: Engine) {
    let more = "window_closed_template = \"come_back\"";
    let stage = Stage::new(engine).await.game("late", SECOND_NUMBER, "echo-guest", &["reply", "log"], more);
    let templates = stage.game_dir("late").join("templates");
    std::fs::create_dir_all(&templates).unwrap();
    let text = "We have an answer to your question. Write to us to read it.";
    let template = format!("name = \"come_back\"\ncategory = \"utility\"\n\n[languages.en]\nbody = \"{text}\"\n");
    std::fs::write(templates.join("come_back.toml"), template).unwrap();
    stage.emulator.put_template(meta::Template::body("come_back", "en", meta::Category::Utility, text));
    let host = stage.start().await;
    let player = stage.player("+15550101", "Player").with_number(SECOND_NUMBER).unwrap();
    for fault in [Fault::failed_status(131_047), Fault::code(131_047)] {
        stage.emulator.inject(fault, 1);
        let reply = says(&player, "anybody there?").await;
        assert_eq!((reply.kind.as_str(), reply.text()), ("template", text));
    }
    at_rest(&stage, &host).await;
    assert_eq!(heard(&player).len(), 2, "in place of the answer, not beside it");
    assert!(dead_letters(&host).await.is_empty());
}

async fn order_survives_all_that_goes_wrong(engine: Engine) {
    const PLAYERS: usize = 15;
    const MESSAGES: usize = 8;
    let stage = Stage::new(engine).await.times(2_500, 1_500).echo("echo", NUMBER);
    let host = stage.start().await;
    stage.emulator.set_graph_faults(meta::GraphFaults { latency_jitter: Duration::from_millis(60), ..meta::GraphFaults::default() });
    let players: Vec<_> = (0..PLAYERS).map(|index| stage.player(&format!("+1555010{index:04}"), "Player")).collect();
    for message in 0..MESSAGES {
        match message {
            1 => stage.emulator.inject(Fault::code(131_000), 2),
            2 => stage.emulator.inject(Fault::ResetAfter, 2),
            3 => stage.emulator.inject(Fault::Http(503), 3),
            4 => stage.emulator.inject(Fault::code(130_429), 2),
            5 => stage.emulator.inject(Fault::HangBefore, 1),
            6 => stage.emulator.inject(Fault::HangAfter, 1),
            _ => {}
        }
        for player in &players {
            player.send(format!("m{message}")).await.unwrap();
        }
    }
    let expected: Vec<_> = (0..MESSAGES).map(|message| format!("echo: m{message}")).collect();
    for player in &players {
        player.wait_for(PATIENCE, |reply| reply.text() == expected[MESSAGES - 1]).await.unwrap();
    }
    at_rest(&stage, &host).await;
    assert_eq!(stage.emulator.injected_left(), 0, "all of it went wrong");
    for player in &players {
        assert_eq!(heard(player), expected);
    }
    assert!(dead_letters(&host).await.is_empty());
}

async fn statuses_never_move_back(engine: Engine) {
    let stage = Stage::new(engine).await.echo("echo", NUMBER);
    let host = stage.start().await;
    let player = stage.player("+15550101", "Player");
    let late = |which: usize, kind: StatusKind| {
        let accepted = &stage.emulator.accepted()[which];
        let mut status = Status::new(&accepted.id, kind, now_s(), accepted.recipient.clone());
        if kind == StatusKind::Failed {
            status.errors = vec![meta::MetaError::new(131_026, "Message undeliverable.")];
        }
        status.biz_opaque_callback_data = accepted.biz_opaque_callback_data.clone();
        stage.emulator.post_status(NUMBER, &status).unwrap();
    };

    // What was delivered cannot fail any more, in whichever order Meta tells.
    assert_eq!(says(&player, "one").await.text(), "echo: one");
    at_rest(&stage, &host).await;
    for kind in [StatusKind::Failed, StatusKind::Sent, StatusKind::Read, StatusKind::Delivered, StatusKind::Failed] {
        late(0, kind);
        at_rest(&stage, &host).await;
    }
    assert!(dead_letters(&host).await.is_empty());
    assert_eq!(sent_texts(&stage), ["echo: one"]);

    // What failed stays failed, and is told once.
    stage.emulator.inject(Fault::failed_status(131_026), 1);
    player.send("two").await.unwrap();
    let letter = first_dead_letter(&host).await;
    for kind in [StatusKind::Failed, StatusKind::Sent, StatusKind::Delivered, StatusKind::Failed] {
        late(1, kind);
        at_rest(&stage, &host).await;
    }
    assert_eq!(dead_letters(&host).await, [letter]);
    assert_eq!(sent_texts(&stage), ["echo: one", "echo: two"]);
    assert!(host.metric("questline_events_total{kind=\"status\"}").await >= 9.0);
}
