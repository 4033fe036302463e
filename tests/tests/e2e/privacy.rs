//! Who writes, and what, is nobody's business who reads logs or figures: also at level debug, also when things fail.

use questline_emulator as meta;
use questline_emulator::Fault;
use questline_emulator::webhook::sign;
use questline_tests::guests::workspace;
use questline_tests::host::TOKEN;
use questline_tests::stage::{NUMBER, OLD_SECRET, SECOND_NUMBER};
use questline_tests::{Engine, Host, Stage, eventually, host};
use serde_json::{Value, json};

use crate::support::{at_rest, dead_letters, hears, proves, says, ticket_number};

on_both_stores![nothing_personal_is_logged_or_counted];

const WORDS: [&str; 4] = ["zebracrossing", "marmaladejar", "velvetunicorn", "thunderhedgehog"];

/// All that must not be seen, whichever way it is written.
fn private(stage: &Stage, players: &[meta::PlayerHandle]) -> Vec<String> {
    let config = stage.emulator.config();
    let mut private: Vec<String> = [&config.access_token, &config.app_secret, &config.verify_token].map(Clone::clone).to_vec();
    private.extend([OLD_SECRET, TOKEN, "wamid.", "Quartermaine", "quartz.username"].map(str::to_owned));
    private.extend(WORDS.map(str::to_owned));
    private.extend(["Star Crystals", "charged twice", "12,500", "Star League Chest"].map(str::to_owned));
    for player in players {
        private.extend(player.wa_id());
        private.extend(player.user_id().map(|id| id.split('.').next_back().unwrap().to_owned()));
    }
    private.extend(["15550144444", "16505550123", "4711000000000000001"].map(str::to_owned));
    private
}

async fn nothing_personal_is_logged_or_counted(engine: Engine) {
    let stage = Stage::new(engine).await.times(2_000, 1_500).extra("[log]\nlevel = \"debug\"").starfall().hostile("hostile", SECOND_NUMBER);
    let mut host = stage.start().await;
    let hidden = meta::Player::with_user_id_only("US.13491208655302741918", "Hidden Quartermaine").username("quartz.username");
    let hidden = stage.emulator.add_player(hidden).unwrap();
    let nova = stage.player("+15550100001", "Nova Quartermaine");
    let mover = stage.player("+15550100003", "Kai Quartermaine");
    let rogue = stage.player("+15550155555", "Rogue Quartermaine").with_number(SECOND_NUMBER).unwrap();
    let mut hiding = private(&stage, &[hidden.clone(), nova.clone(), mover.clone(), rogue.clone()]);

    // What goes well.
    says(&nova, "balance").await;
    proves(&nova, "Claim Rewards").await;
    let reply = says(&nova, format!("I was charged twice, {}", WORDS[0]).as_str()).await;
    let close = format!("/games/starfall/tickets/{}/close", ticket_number(reply.text()));
    assert_eq!(host.post(&close, &json!({ "resolution": format!("Refunded, {}", WORDS[1]) })).await.0, 200);
    hears(&nova).await;
    nova.react(&reply.id, "👍").await.unwrap();
    says(&nova, "BLOCK").await;
    says(&hidden, WORDS[2]).await;
    hidden.set_marketing(false).await;
    says(&mover, "hello").await;
    mover.change_number("+15550144444").await.unwrap();
    says(&mover, "STOP").await;

    // What goes wrong.
    let told = |code: u32| meta::MetaError::new(code, "Recipient +15550100003 (16505550123) is unknown, says wa_id 15550144444");
    for fault in [Fault::Error(told(131_026)), Fault::FailedStatus(told(131_026)), Fault::FailedStatus(told(137_000))] {
        stage.emulator.inject_for(NUMBER, fault, 1);
        let before = dead_letters(&host).await.len();
        mover.send(WORDS[3]).await.unwrap();
        eventually("there is another letter", async || (dead_letters(&host).await.len() > before).then_some(())).await;
    }
    for fault in [Fault::Http(500), Fault::ResetAfter, Fault::HangBefore, Fault::code(130_429)] {
        stage.emulator.inject_for(NUMBER, fault, 1);
        says(&hidden, WORDS[2]).await;
    }
    for misdeed in ["panic", "loop", "invalid-effect", "error-transient", "bad-state", "memory"] {
        rogue.send(misdeed).await.unwrap();
    }
    assert_eq!(says(&rogue, WORDS[3]).await.text(), format!("echo: {}", WORDS[3]));
    unfit_webhooks(&stage, &host).await;
    at_rest(&stage, &host).await;

    // What an operator does about it: there, and only there, it can be read.
    let letters = dead_letters(&host).await;
    assert!(letters.len() >= 9 && letters.iter().any(|letter| letter.to_string().contains("15550144444")), "{letters:?}");
    assert_eq!(host.post(&format!("/dead-letters/{}/retry", letters[0]["id"]), &Value::Null).await.0, 200);
    let listed = host::run(&stage.config(), &["dead-letters", "list"]).await;
    let listed = String::from_utf8(listed.stdout).unwrap();
    at_rest(&stage, &host).await;
    let mut figures = host.metrics().await;
    assert!(host.stop().await.success());
    host = stage.start().await;
    says(&hidden, WORDS[2]).await;
    figures.push_str(&host.metrics().await);
    assert!(host.stop().await.success());

    let log = host.log();
    assert!(
        log.contains("DEBUG") && log.contains("Meta did not take a message") && log.contains("dead letter"),
        "the log is worth looking at"
    );
    hiding.sort();
    hiding.dedup();
    let mut seen = Vec::new();
    for (place, text) in [("log", &log), ("metrics", &figures), ("dead-letters list", &listed)] {
        for secret in &hiding {
            seen.extend(text.lines().find(|line| line.contains(secret.as_str())).map(|line| format!("{secret:?} in {place}: {line}")));
        }
    }
    assert!(seen.is_empty(), "{}", seen.join("\n"));
}

/// POSTs that are refused, and some that are kept as they are.
async fn unfit_webhooks(stage: &Stage, host: &Host) {
    let text =
        std::fs::read_to_string(workspace().join("tests/fixtures/webhook/text.json")).unwrap().replace("Where is my refund?", WORDS[0]);
    let forged = stage.post_signed(host, text.as_bytes(), Some(&sign("forged", text.as_bytes()))).await;
    assert_eq!(forged.status().as_u16(), 401);
    assert_eq!(stage.post_webhook(host, &text.as_bytes()[..text.len() / 2]).await, 400);
    assert_eq!(stage.post_webhook(host, text.as_bytes()).await, 200, "of a number that is not ours");
    let ours = text.replace("100000000000001", NUMBER);
    for broken in [ours.replace("\"text\": {", "\"text\": 7, \"x\": {"), ours.replace("\"type\": \"text\"", "\"type\": \"hologram\"")] {
        assert_ne!(broken, ours);
        assert_eq!(stage.post_webhook(host, broken.as_bytes()).await, 200);
    }
    let wrong_token =
        host.http().get(stage.webhook_url()).query(&[("hub.mode", "subscribe"), ("hub.verify_token", WORDS[1]), ("hub.challenge", "1")]);
    assert_eq!(wrong_token.send().await.unwrap().status().as_u16(), 403);
    let guess = host.http().get(format!("http://{}/v1/depth", stage.address())).bearer_auth(WORDS[1]);
    assert_eq!(guess.send().await.unwrap().status().as_u16(), 401);
}
