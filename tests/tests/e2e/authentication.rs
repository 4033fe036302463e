//! Proofs of who the player is, whole rounds: a flow asks for one, the host sends the code with the flow's answer, the player
//! types it; and a code that is entered in the game makes the chat know them too.

use questline_emulator as meta;
use questline_tests::stage::NUMBER;
use questline_tests::{Engine, Host, Stage, eventually};
use serde_json::{Value, json};

use crate::support::{at_rest, code, dead_letters, heard, hears, says};

on_both_stores![
    a_flow_asks_and_the_player_types_the_code,
    what_is_refused_comes_back_with_its_reason,
    a_code_entered_in_the_game_is_known_in_the_chat,
    another_account_of_the_same_phone_gains_nothing,
    a_kill_in_the_middle_makes_no_second_code,
    no_flow_goes_around_the_proof_of_a_sensitive_operation,
    a_bound_device_is_asked_for_where_the_game_says_so,
    another_device_behind_the_number_has_to_prove_itself,
];

pub(crate) const ADA: &str = "+15550111";

const PLAYERS: &str = r#"{"players": [
  {"id": "ada-1", "phone": "+15550111", "name": "Ada", "tier": "gold", "country": "DE", "balances": {"premium": 1, "free": 1}}
]}"#;

/// A game whose flow does what a message says and may ask for proofs, with these lines in its `[verification]` and behind.
pub(crate) async fn stage(engine: Engine, lines: &str) -> Stage {
    let grants = [
        "backend",
        "log",
        "random",
        "clock",
        "reply",
        "send-template",
        "react",
        "timers",
        "tickets",
        "authentication",
        "consent",
        "hand-over",
        "measures",
    ];
    let stage = Stage::new(engine).await.game("cup", NUMBER, "puppet-guest", &grants, "");
    stage.append("cup", &format!("[verification]\nchannels = [{{ template = \"cup_code\" }}]\n{lines}"));
    stage.write("cup", "players.json", PLAYERS);
    stage.sends_codes(&["cup"])
}

/// Another code than this one.
pub(crate) fn wrong(code: &str) -> String {
    let number: u32 = code.parse().unwrap();
    format!("{:06}", (number + 1) % 1_000_000)
}

/// The game's audit, as action, actor and words.
pub(crate) async fn audited(host: &Host) -> Vec<(String, Value, String)> {
    let rows = host.get("/games/cup/audit?limit=500").await["rows"].as_array().unwrap().clone();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    rows.iter().map(|entry| (word(&entry["action"]), entry["actor"].clone(), word(&entry["details"]["text"]))).collect()
}

async fn a_flow_asks_and_the_player_types_the_code(engine: Engine) {
    let stage = stage(engine, "[verification.aliases]\nclaim = \"high-value\"").await;
    let host = stage.start().await;
    let ada = stage.player(ADA, "Ada");
    assert_eq!(says(&ada, "trust").await.text(), "unauthenticated");
    assert_eq!(says(&ada, "say a code comes\nprove claim").await.text(), "a code comes");
    let sent = code(&ada).await;
    assert_eq!(says(&ada, "trust").await.text(), "a code was sent");
    assert_eq!(says(&ada, wrong(&sent).as_str()).await.text(), "wrong, 2 left");
    assert_eq!(says(&ada, sent.as_str()).await.text(), "proved high-value");
    assert_eq!(says(&ada, "trust").await.text(), "authenticated by code");
    let echo = says(&ada, sent.as_str()).await;
    assert_eq!(echo.text(), format!("what is {sent}?"), "it counts no more: they are digits");
    at_rest(&stage, &host).await;
    let codes = host.metric("questline_verifications_total{game=\"cup\",outcome=\"issued\"}").await;
    assert_eq!((codes, dead_letters(&host).await.len()), (1.0, 0));
    let expected = [
        ("code-sent", json!({ "flow": "main" }), "for high-value; code 1 of its verification; by cup_code"),
        ("code-rejected", json!("player"), "for high-value; 2 tries left"),
        ("authenticated", json!("player"), "by code, for high-value"),
    ];
    assert_eq!(audited(&host).await, expected.map(|(action, actor, text)| (action.to_owned(), actor, text.to_owned())));
}

async fn what_is_refused_comes_back_with_its_reason(engine: Engine) {
    let stage = stage(engine, "requests_per_hour = 2").await;
    let host = stage.start().await;
    let ada = stage.player(ADA, "Ada");
    let refused = async |words: &str| says(&ada, words).await.text().to_owned();
    assert!(refused("prove claim").await.starts_with("refused: unknown-purpose: \"claim\" is none of login, "), "no alias here");
    ada.send("prove login").await.unwrap();
    code(&ada).await;
    let told = refused("prove login").await;
    assert!(told.starts_with("refused: resend-wait: ") && told.ends_with(" s"), "{told}");
    let stranger = stage.player("+15550133", "Who");
    let told = says(&stranger, "prove login").await;
    assert!(told.text().starts_with("refused: player-unknown: "), "{}", told.text());
    stranger.send("prove registration").await.unwrap();
    code(&stranger).await;
    at_rest(&stage, &host).await;
    let refusals: Vec<_> = audited(&host).await.into_iter().filter(|(action, ..)| action == "code-refused").collect();
    assert_eq!(refusals.len(), 2, "{refusals:?}");
    assert!(refusals[1].2.starts_with("resend-wait, for login; again in "), "{refusals:?}");
    assert!(dead_letters(&host).await.is_empty());
    assert_eq!(heard(&ada).len(), 3);
}

/// Starts a verification over the API; its id.
async fn start(host: &Host, body: Value) -> String {
    let (status, started) = host.post("/games/cup/verifications", &body).await;
    assert_eq!(status, 202, "{started}");
    started["id"].as_str().unwrap().to_owned()
}

async fn check(host: &Host, id: &str, code: &str) -> Value {
    host.post(&format!("/games/cup/verifications/{id}/check"), &json!({ "code": code })).await.1["status"].clone()
}

async fn a_code_entered_in_the_game_is_known_in_the_chat(engine: Engine) {
    let stage = stage(engine, "").await;
    let mut host = stage.start().await;
    let ada = stage.player(ADA, "Ada");
    says(&ada, "say hello").await;
    let id = start(&host, json!({ "player": "ada-1", "purpose": "login", "device": "Pixel 9" })).await;
    let sent = code(&ada).await;
    assert_eq!(check(&host, &id, &wrong(&sent)).await, "rejected");
    assert_eq!(says(&ada, "trust").await.text(), "a code was sent");
    assert_eq!(check(&host, &id, &sent).await, "approved");
    assert_eq!(hears(&ada).await.text(), "proved login", "the flow hears of it");
    assert_eq!(check(&host, &id, &sent).await, "already-used");
    assert_eq!(says(&ada, "trust").await.text(), "authenticated by code-in-game");
    // What is known of it outlives the host.
    host.kill().await;
    let host = stage.start().await;
    assert_eq!(says(&ada, "trust").await.text(), "authenticated by code-in-game");
    at_rest(&stage, &host).await;
    assert_eq!(heard(&ada).iter().filter(|text| *text == "proved login").count(), 1);
    let actions: Vec<_> = audited(&host).await.into_iter().map(|(action, ..)| action).collect();
    assert_eq!(actions, ["code-sent", "code-rejected", "authenticated", "code-rejected"]);
}

async fn another_account_of_the_same_phone_gains_nothing(engine: Engine) {
    let stage = stage(engine, "").await;
    let mut host = stage.start().await;
    let phone = stage.player(ADA, "Ada");
    says(&phone, "say hello").await;
    // The studio lets Bob in by the phone that he shares now: the chat is with Ada's account still.
    host.stop().await;
    std::fs::write(stage.game_dir("cup").join("players.json"), PLAYERS.replace("ada-1", "bob-2")).unwrap();
    let host = stage.start().await;
    let id = start(&host, json!({ "player": "bob-2", "purpose": "login" })).await;
    let sent = code(&phone).await;
    assert_eq!(check(&host, &id, &sent).await, "approved");
    let ignored = async || audited(&host).await.into_iter().find(|(action, ..)| action == "proof-ignored");
    let (_, _, words) = eventually("it is audited", ignored).await;
    assert_eq!(words, "another account of this contact: by code-in-game, for login");
    assert_eq!(says(&phone, "trust").await.text(), "a code was sent", "nobody has proven to be Ada");
    assert!(!heard(&phone).iter().any(|text| text == "proved login"));
}

async fn a_kill_in_the_middle_makes_no_second_code(engine: Engine) {
    let stage = stage(engine, "resend_wait_s = 0\nrequests_per_hour = 20").await;
    let ada = stage.player(ADA, "Ada");
    let mut host = stage.start().await;
    for round in 0..4 {
        ada.send(format!("say round {round}\nprove login").as_str()).await.unwrap();
        host.kill().await;
        host = stage.start().await;
        eventually("the round is told", async || heard(&ada).contains(&format!("round {round}")).then_some(())).await;
    }
    at_rest(&stage, &host).await;
    let texts = heard(&ada);
    let codes = texts.iter().filter(|text| text.ends_with(" is your verification code.")).collect::<std::collections::BTreeSet<_>>();
    let sent = audited(&host).await.into_iter().filter(|(action, ..)| action == "code-sent").count();
    // A send that a kill cut off may be repeated, with the same code: never is there another code.
    assert!(codes.len() <= 4 && sent == 4, "{sent} were committed; {texts:?}");
    let last = texts.iter().rev().find_map(|text| text.strip_suffix(" is your verification code.")).unwrap().to_owned();
    ada.send(last.as_str()).await.unwrap();
    eventually("the last code counts", async || heard(&ada).contains(&"proved login".to_owned()).then_some(())).await;
}

const SENSITIVE: &str = "resend_wait_s = 0\nrequests_per_hour = 20\n[backend]\nconnector = \"sample\"\n[backend.operations.transactions]\n\
    [backend.operations.claim-rewards]\nfresh_authentication_s = 300\n[backend.operations.refund]\nbound_device = true\n";

/// Ada, with rewards to claim, and a backend that answers `refund`.
fn rewards(stage: &Stage) {
    let players = json!({
        "players": [{
            "id": "ada-1", "phone": ADA, "name": "Ada", "tier": "gold", "balances": { "premium": 1, "free": 1 },
            "rewards": [{ "id": "r1", "name": "Daily", "premium": 5, "free": 0 }],
        }],
        "answers": [{ "operation": "refund", "answer": { "refunded": true } }],
    });
    std::fs::write(stage.game_dir("cup").join("players.json"), players.to_string()).unwrap();
}

async fn no_flow_goes_around_the_proof_of_a_sensitive_operation(engine: Engine) {
    let stage = stage(engine, SENSITIVE).await;
    rewards(&stage);
    let host = stage.start().await;
    let ada = stage.player(ADA, "Ada");
    // Again and again, also together with the request for the proof: the backend hears nothing of it.
    for words in ["call claim-rewards", "call claim-rewards\ncall claim-rewards", "call claim-rewards\nprove high-value"] {
        let answer = says(&ada, words).await;
        assert!(answer.text().starts_with("not granted: fresh-authentication: "), "{}", answer.text());
        assert!(answer.text().contains("request-authentication"), "the flow is told the way");
    }
    let sent = codes(&ada, 1).await.remove(0);
    ada.send("call transactions").await.unwrap();
    let went_on = async || heard(&ada).iter().any(|text| text.contains("\"transactions\"")).then_some(());
    eventually("what is not sensitive goes on", went_on).await;
    at_rest(&stage, &host).await;
    ada.send(wrong(&sent).as_str()).await.unwrap();
    ada.send("call claim-rewards").await.unwrap();
    eventually("a wrong code opens nothing", async || {
        (heard(&ada).iter().filter(|text| text.starts_with("not granted: ")).count() >= 5).then_some(())
    })
    .await;
    ada.send(sent.as_str()).await.unwrap();
    ada.send("call claim-rewards").await.unwrap();
    let claimed = async || heard(&ada).into_iter().find(|text| text.contains("\"claimed\""));
    let claimed = eventually("the rewards are claimed", claimed).await;
    assert!(claimed.contains("\"r1\""), "the refused claims lost nothing: {claimed}");
    let refused = audited(&host).await.into_iter().filter(|(action, ..)| action == "operation-refused");
    let refused: Vec<_> = refused.map(|(_, actor, text)| (actor, text)).collect();
    assert_eq!(refused, vec![(json!({ "flow": "main" }), "claim-rewards: fresh-authentication".to_owned()); 4]);
}

/// All codes that came, oldest first, once there are so many.
async fn codes(player: &meta::PlayerHandle, count: usize) -> Vec<String> {
    let all = async || {
        let texts = heard(player);
        let codes = texts.iter().filter_map(|text| text.strip_suffix(" is your verification code.").map(str::to_owned)).collect::<Vec<_>>();
        (codes.len() >= count).then_some(codes)
    };
    eventually("the codes come", all).await
}

/// Asks for a refund, for the nth time; what is said of it.
async fn refund(player: &meta::PlayerHandle, nth: usize) -> String {
    player.send("call refund").await.unwrap();
    let told =
        async || heard(player).into_iter().filter(|text| text.starts_with("not granted: ") || text.contains("refunded")).nth(nth - 1);
    eventually("it is answered", told).await
}

async fn a_bound_device_is_asked_for_where_the_game_says_so(engine: Engine) {
    let stage = stage(engine, SENSITIVE).await;
    rewards(&stage);
    let host = stage.start().await;
    let ada = stage.player(ADA, "Ada");
    let refused = "not granted: bound-device: ";
    ada.send("prove high-value").await.unwrap();
    ada.send(codes(&ada, 1).await[0].as_str()).await.unwrap();
    eventually("it is proven", async || heard(&ada).contains(&"proved high-value".to_owned()).then_some(())).await;
    assert!(refund(&ada, 1).await.starts_with(refused), "a chat is no device of the account's");
    // Whoever has the phone for a minute names a device of their own: it is not the account's.
    let id = start(&host, json!({ "player": "ada-1", "purpose": "device-authorisation", "device": "a thief's" })).await;
    let sent = codes(&ada, 2).await.remove(1);
    assert_eq!(check(&host, &id, &sent).await, "approved");
    eventually("it is told", async || heard(&ada).contains(&"proved device-authorisation".to_owned()).then_some(())).await;
    assert!(refund(&ada, 2).await.starts_with(refused));

    let (status, begun) = host.post("/games/cup/players/ada-1/two-factor", &json!({ "device": { "id": "Pixel 9" } })).await;
    assert_eq!(status, 202, "{begun}");
    let confirm = json!({ "id": begun["id"], "code": codes(&ada, 3).await[2] });
    let (status, confirmed) = host.post("/games/cup/players/ada-1/two-factor/confirm", &confirm).await;
    assert_eq!((status, &confirmed["status"]), (200, &json!("approved")), "{confirmed}");
    let id = start(&host, json!({ "player": "ada-1", "purpose": "login", "device": "Pixel 9" })).await;
    let sent = codes(&ada, 4).await.remove(3);
    assert_eq!(check(&host, &id, &sent).await, "approved");
    eventually("it is told", async || heard(&ada).contains(&"proved login".to_owned()).then_some(())).await;
    assert_eq!(refund(&ada, 3).await, "{\"refunded\":true}");
}

async fn another_device_behind_the_number_has_to_prove_itself(engine: Engine) {
    let stage = stage(engine, "resend_wait_s = 0").await.identity_check();
    let host = stage.start().await;
    let ada = stage.player(ADA, "Ada");
    ada.set_identity_key_hash("first-device");
    says(&ada, "say hello").await;
    ada.send("prove login").await.unwrap();
    let sent = code(&ada).await;
    says(&ada, sent.as_str()).await;
    assert_eq!(says(&ada, "trust").await.text(), "authenticated by code", "the same device is the same player");
    ada.send("prove login").await.unwrap();
    let open = code(&ada).await;
    // Whoever has the number now has what the old device was sent, and gains nothing by it.
    ada.set_identity_key_hash("second-device");
    assert_eq!(says(&ada, open.as_str()).await.text(), format!("what is {open}?"));
    assert_eq!(says(&ada, "trust").await.text(), "unauthenticated");
    let changed: Vec<_> = audited(&host).await.into_iter().filter(|(action, ..)| action == "identity-changed").collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    let last = stage.emulator.accepted().into_iter().rfind(|accepted| accepted.json()["type"] == "template").unwrap();
    assert_eq!(last.json()["recipient_identity_key_hash"], "first-device", "codes are for one device");

    // A code for a device that is not there any more reaches nobody.
    ada.send("prove login").await.unwrap();
    let sent = code(&ada).await;
    says(&ada, sent.as_str()).await;
    ada.set_identity_key_hash("third-device");
    let id = start(&host, json!({ "player": "ada-1", "purpose": "login" })).await;
    let revoked = async || audited(&host).await.into_iter().find(|(action, ..)| action == "trust-revoked");
    eventually("Meta says 137000, and trust is gone", revoked).await;
    assert_eq!(check(&host, &id, "000000").await, "replaced", "its code is dead");
    assert_eq!(says(&ada, "trust").await.text(), "unauthenticated");
}
