//! Links of a chat to an account: a game shows one, the player's first message carries its token, and both know one another.
//! And everybody who shows a token that is not theirs.

use questline_emulator as meta;
use questline_tests::stage::{NUMBER, SECOND_NUMBER};
use questline_tests::{Engine, Host, Stage, eventually};
use serde_json::{Value, json};

use crate::authentication::{audited, stage as stage_with_codes};
use crate::credentials::{dump, holds, told};
use crate::studio::{Answer, SECRET, Studio};
use crate::support::{at_rest, code, dead_letters, heard, hears, now_s, says};

on_both_stores![
    a_player_links_by_their_first_message,
    a_token_counts_once,
    guessed_and_broken_tokens_are_counted_and_reach_no_flow,
    a_token_of_another_game_or_too_late_is_worth_nothing,
    a_secured_chat_links_nothing,
    unlinking_over_the_api_ends_the_session,
    unlinking_in_the_chat_asks_for_a_proof,
    a_moved_number_takes_its_link_along_and_leaves_nothing_behind,
    the_studio_hears_of_links,
    links_are_made_for_those_who_may_and_not_too_often,
];

pub(crate) const ADA: &str = "+15550111";
pub(crate) const BEA: &str = "+15550122";

pub(crate) const PLAYERS: &str = r#"{"players": [
  {"id": "ada-1", "phone": "+15550111", "name": "Ada", "tier": "gold", "balances": {"premium": 1, "free": 1}},
  {"id": "bea-2", "name": "Bea", "tier": "gold", "locale": "de", "balances": {"premium": 1, "free": 1}},
  {"id": "cid-3", "name": "Cid", "tier": "gold", "balances": {"premium": 1, "free": 1}}
]}"#;

/// A game that makes links, with these lines in its `[links]`.
pub(crate) async fn stage(engine: Engine, lines: &str) -> Stage {
    let stage = stage_with_codes(engine, &format!("resend_wait_s = 0\nrequests_per_hour = 20\n[links]\n{lines}")).await;
    std::fs::write(stage.game_dir("cup").join("players.json"), PLAYERS).unwrap();
    stage
}

/// A link for a player; what the API answers.
pub(crate) async fn link(host: &Host, player: &str) -> Value {
    let device = json!({ "id": format!("device of {player}"), "name": "Phone" });
    let (status, made) = host.post("/games/cup/links", &json!({ "player": player, "device": device })).await;
    assert_eq!(status, 201, "{made}");
    made
}

/// What a player has to send.
pub(crate) async fn message(host: &Host, player: &str) -> String {
    link(host, player).await["text"].as_str().unwrap().to_owned()
}

/// The player sends a token and is linked.
pub(crate) async fn links(host: &Host, phone: &meta::PlayerHandle, player: &str, name: &str) {
    let greeting = says(phone, message(host, player).await.as_str()).await;
    assert_eq!(greeting.text(), format!("This chat is linked to your cup account {name}. Write UNLINK to end that."));
    assert_eq!(hears(phone).await.text(), "proved login");
}

/// The contacts of a player, as the API shows them.
pub(crate) async fn contacts(host: &Host, player: &str) -> Vec<Value> {
    host.get(&format!("/games/cup/players/{player}/contacts")).await["rows"].as_array().unwrap().clone()
}

pub(crate) async fn shown(host: &Host, player: &str) -> Vec<String> {
    contacts(host, player).await.iter().map(|row| row["contact"].as_str().unwrap().to_owned()).collect()
}

/// The game's backend tells a player something; the status.
pub(crate) async fn news(host: &Host, player: &str, id: &str) -> u16 {
    let event = json!({ "name": "news", "player": player, "payload": { "do": format!("say news for {player}") } });
    host.post_once("/games/cup/events", id, &event).await.0
}

async fn a_player_links_by_their_first_message(engine: Engine) {
    let stage = stage(engine, "").await.extra("[log]\nlevel = \"debug\"");
    let mut host = stage.start().await;
    let bea = stage.player(BEA, "Bea");
    assert_eq!(news(&host, "bea-2", "e1").await, 409, "nobody knows how to reach her");
    let made = link(&host, "bea-2").await;
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("LINK-") && token.len() == 35, "{token}");
    let text = made["text"].as_str().unwrap();
    assert_eq!(text, format!("Please link this chat to my account. {token}"));
    let url =
        format!("https://wa.me/1555010{}?text=Please%20link%20this%20chat%20to%20my%20account.%20{token}", &NUMBER[NUMBER.len() - 4..]);
    assert_eq!(made["url"], json!(url));
    assert!((590..=600).contains(&(made["expires_at"].as_u64().unwrap() / 1_000 - now_s())), "{made}");

    let greeting = says(&bea, text).await;
    assert_eq!(greeting.text(), "This chat is linked to your cup account Bea. Write UNLINK to end that.");
    assert_eq!(hears(&bea).await.text(), "proved login");
    assert_eq!(says(&bea, "trust").await.text(), "authenticated by link");
    assert_eq!(news(&host, "bea-2", "e2").await, 202);
    assert_eq!(hears(&bea).await.text(), "news for bea-2");
    let known = contacts(&host, "bea-2").await;
    assert_eq!((known.len(), &known[0]["contact"], &known[0]["number"]), (1, &json!("+1******122"), &json!(NUMBER)), "{known:?}");
    at_rest(&stage, &host).await;
    assert!(host.metric("questline_links_total{game=\"cup\",outcome=\"linked\"}").await >= 1.0);
    let expected = [
        ("link-created", json!("operator"), "a token for the chat"),
        ("contact-linked", json!("player"), "by a token"),
        ("authenticated", json!("player"), "by link, for login"),
    ];
    assert_eq!(audited(&host).await, expected.map(|(action, actor, words)| (action.to_owned(), actor, words.to_owned())));
    assert!(dead_letters(&host).await.is_empty());

    let told = told(&host).await;
    assert!(host.stop().await.success());
    let redis = stage.redis.as_ref().map(dump);
    let data = stage.dir().join("data");
    let kept = |words: &str| redis.as_ref().map_or_else(|| holds(&data, words), |redis| redis.contains(words));
    assert!(kept("contact-linked"), "the search finds what is there");
    assert!(redis.is_none_or(|redis| !redis.contains(token)), "what the player sent is gone");
    assert!(!told.contains(token) && !host.log().contains(token) && !host.log().contains(&BEA[1..]));
    // What was linked outlives the host, and the session.
    let host = stage.start().await;
    assert_eq!(shown(&host, "bea-2").await, ["+1******122"]);
}

async fn a_token_counts_once(engine: Engine) {
    let stage = stage(engine, "").await;
    let host = stage.start().await;
    let (bea, thief) = (stage.player(BEA, "Bea"), stage.player("+15550133", "Thief"));
    let text = message(&host, "bea-2").await;
    says(&bea, text.as_str()).await;
    hears(&bea).await;
    for player in [&thief, &bea] {
        assert_eq!(says(player, text.as_str()).await.text(), "This link was used before. Ask for a new one in the game.");
    }
    assert_eq!(says(&thief, "trust").await.text(), "unauthenticated");
    assert_eq!(shown(&host, "bea-2").await, ["+1******122"]);
    let refused = audited(&host).await.into_iter().filter(|(action, ..)| action == "link-refused").count();
    assert_eq!(refused, 2);
}

async fn guessed_and_broken_tokens_are_counted_and_reach_no_flow(engine: Engine) {
    let stage = stage(engine, "wrong_per_contact_per_hour = 3").await;
    let host = stage.start().await;
    let thief = stage.player("+15550133", "Thief");
    let real = message(&host, "bea-2").await;
    let broken = &real[..real.len() - 1];
    let wrong = "This link does not work. Ask for a new one in the game.";
    for guess in ["LINK-00000-00000-00000-00000-000000", "my token: link-7zzzz-zzzzz-zzzzz-zzzzz-zzzzzz!", broken] {
        assert_eq!(says(&thief, guess).await.text(), wrong, "{guess}");
    }
    let many = "Too many links that do not work. Try again in an hour.";
    for guess in ["LINK-00000-00000-00000-00000-000001", real.as_str()] {
        assert_eq!(says(&thief, guess).await.text(), many);
    }
    assert_eq!(says(&thief, "say LINK-1 is a text").await.text(), "LINK-1 is a text");
    let bea = stage.player(BEA, "Bea");
    assert!(says(&bea, real.as_str()).await.text().starts_with("This chat is linked"), "others are not kept out, and nothing is used up");
    at_rest(&stage, &host).await;
    assert!(heard(&thief).iter().all(|text| !text.contains("what is")), "no flow was asked");
}

async fn a_token_of_another_game_or_too_late_is_worth_nothing(engine: Engine) {
    let stage = stage(engine, "valid_s = 10").await.game("other", SECOND_NUMBER, "echo-guest", &["reply", "log"], "");
    let file = stage.game_dir("other").join("game.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}\n[links]\n")).unwrap();
    let host = stage.start().await;
    let bea = stage.player(BEA, "Bea");
    let made = link(&host, "bea-2").await;
    let text = made["text"].as_str().unwrap();
    let elsewhere = bea.with_number(SECOND_NUMBER).unwrap();
    assert_eq!(says(&elsewhere, text).await.text(), "This link does not work. Ask for a new one in the game.");
    let expires_at = made["expires_at"].as_u64().unwrap();
    eventually("its time is over", async || (now_s() * 1_000 > expires_at).then_some(())).await;
    assert_eq!(says(&bea, text).await.text(), "This link is too old. Ask for a new one in the game.");
    assert!(shown(&host, "bea-2").await.is_empty());
}

async fn a_secured_chat_links_nothing(engine: Engine) {
    let stage = stage(engine, "").await;
    let host = stage.start().await;
    let ada = stage.player(ADA, "Ada");
    let text = message(&host, "bea-2").await;
    assert!(says(&ada, "BLOCK").await.text().contains("secured"));
    assert!(says(&ada, text.as_str()).await.text().contains("secured"));
    assert!(shown(&host, "bea-2").await.is_empty());
    assert!(says(&ada, "UNLINK").await.text().contains("secured"));
}

async fn unlinking_over_the_api_ends_the_session(engine: Engine) {
    let stage = stage(engine, "").await;
    let host = stage.start().await;
    let bea = stage.player(BEA, "Bea");
    links(&host, &bea, "bea-2", "Bea").await;
    let id = contacts(&host, "bea-2").await[0]["id"].as_str().unwrap().to_owned();
    bea.send("prove login").await.unwrap();
    let open = code(&bea).await;
    let end = async |player: &str, id: &str| {
        let url = format!("http://{}/v1/games/cup/players/{player}/contacts/{id}", host.address);
        host.http().delete(url).bearer_auth(questline_tests::host::TOKEN).send().await.unwrap().status().as_u16()
    };
    assert_eq!(end("ada-1", &id).await, 404, "it is not hers");
    assert_eq!(end("bea-2", "nothing").await, 404);
    assert_eq!(end("bea-2", &id).await, 200);
    assert_eq!(hears(&bea).await.text(), "This chat is linked to your cup account no more.");
    assert_eq!(end("bea-2", &id).await, 404);
    assert_eq!(says(&bea, open.as_str()).await.text(), format!("what is {open}?"), "no code is open any more");
    assert_eq!(says(&bea, "trust").await.text(), "unauthenticated");
    assert!(contacts(&host, "bea-2").await.is_empty());
    assert_eq!(news(&host, "bea-2", "e1").await, 409);
}

async fn unlinking_in_the_chat_asks_for_a_proof(engine: Engine) {
    let stage = stage(engine, "").await;
    let host = stage.start().await;
    let bea = stage.player(BEA, "Bea");
    assert_eq!(says(&bea, "unlink").await.text(), "This chat is linked to no account.");
    links(&host, &bea, "bea-2", "Bea").await;
    assert_eq!(says(&bea, "Unlink!").await.text(), "This chat is linked to your cup account no more.", "the proof is fresh");
    assert!(contacts(&host, "bea-2").await.is_empty());

    links(&host, &bea, "bea-2", "Bea").await;
    bea.send(meta::Inbound::IdentityChanged { body: "a new phone".into(), hash: "h2".into(), created_timestamp_s: now_s() }).await.unwrap();
    assert_eq!(says(&bea, "trust").await.text(), "unauthenticated", "another device has to prove itself");
    assert_eq!(says(&bea, "UNLINK").await.text(), "To end the link, write the code here that we send you now.");
    let sent = code(&bea).await;
    assert_eq!(contacts(&host, "bea-2").await.len(), 1);
    assert_eq!(says(&bea, crate::authentication::wrong(&sent).as_str()).await.text(), "wrong, 2 left");
    assert_eq!(says(&bea, sent.as_str()).await.text(), "This chat is linked to your cup account no more.");
    assert!(contacts(&host, "bea-2").await.is_empty());
    assert_eq!(says(&bea, "trust").await.text(), "unauthenticated");
}

/// Bea moves to +15550144, and the host has heard of it.
pub(crate) async fn moves(host: &Host, bea: &meta::PlayerHandle) {
    bea.change_number("+15550144").await.unwrap();
    let moved = json!(["+1******144", false]);
    eventually("the link has moved along", async || {
        let known = contacts(host, "bea-2").await;
        (known.len() == 1 && json!([known[0]["contact"], known[0]["proven"]]) == moved).then_some(())
    })
    .await;
}

async fn a_moved_number_takes_its_link_along_and_leaves_nothing_behind(engine: Engine) {
    let stage = stage(engine, "").await;
    let host = stage.start().await;
    let bea = stage.player(BEA, "Bea");
    links(&host, &bea, "bea-2", "Bea").await;
    moves(&host, &bea).await;
    assert_eq!(says(&bea, "trust").await.text(), "unauthenticated");
    // The old number is somebody else's by now.
    let stranger = stage.player(BEA, "Stranger");
    assert_eq!(
        says(&stranger, "prove login").await.text(),
        "refused: player-unknown: nobody knows which player is behind this contact, so there is nothing to prove"
    );
    assert_eq!(news(&host, "bea-2", "e1").await, 202);
    assert_eq!(hears(&bea).await.text(), "news for bea-2");
    bea.send("prove login").await.unwrap();
    let sent = code(&bea).await;
    assert_eq!(says(&bea, sent.as_str()).await.text(), "proved login");
    assert_eq!(contacts(&host, "bea-2").await[0]["proven"], json!(true));
    at_rest(&stage, &host).await;
    assert!(heard(&stranger).iter().all(|text| !text.contains("bea")));
}

async fn the_studio_hears_of_links(engine: Engine) {
    let studio = Studio::start().await;
    studio.always("/operations/", Some(Answer::Text("{}".to_owned())));
    let stage = stage(engine, "operation = \"contact-changed\"").await.allow_host("127.0.0.1");
    let secret = stage.dir().join("studio-secret");
    std::fs::write(&secret, SECRET).unwrap();
    let file = stage.game_dir("cup").join("game.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let url = studio.url("127.0.0.1");
    let backend =
        format!("[backend]\nconnector = \"http\"\nurl = {url:?}\nsecret = {{ file = {secret:?} }}\n[backend.operations.contact-changed]\n");
    std::fs::write(&file, format!("{text}\n{backend}")).unwrap();
    let host = stage.start().await;
    let bea = stage.player(BEA, "Bea");
    links(&host, &bea, "bea-2", "Bea").await;
    let id = contacts(&host, "bea-2").await[0]["id"].clone();
    says(&bea, "unlink").await;
    let calls =
        eventually("both are told", async || Some(studio.calls_of("/operations/contact-changed")).filter(|calls| calls.len() == 2)).await;
    for (call, event) in calls.iter().zip(["linked", "unlinked"]) {
        assert_eq!(call.body["player"], json!("bea-2"));
        let request = &call.body["request"];
        assert_eq!((&request["event"], &request["id"], &request["contact"]), (&json!(event), &id, &json!("+1******122")));
    }
    assert_ne!(calls[0].idempotency_key, calls[1].idempotency_key);
    studio.assert_all_signed();
}

async fn links_are_made_for_those_who_may_and_not_too_often(engine: Engine) {
    let stage = stage(engine, "per_player_per_hour = 2").await.echo("other", SECOND_NUMBER);
    let mut host = stage.start().await;
    let (_, made) = host.post("/tokens", &json!({ "name": "s", "games": ["cup"], "scopes": ["links"], "days": 1 })).await;
    let token = made["token"].as_str().unwrap_or_else(|| panic!("{made}"));
    let (_, made) = host.post("/tokens", &json!({ "name": "v", "games": ["cup"], "scopes": ["verifications"], "days": 1 })).await;
    let narrow = made["token"].as_str().unwrap();
    let ask = async |game: &str, token: &str, body: Value| {
        let url = format!("http://{}/v1/games/{game}/links", host.address);
        let response = host.http().post(url).bearer_auth(token).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.headers().get("retry-after").is_some(), response.json::<Value>().await.unwrap())
    };
    let wish = json!({ "player": "bea-2" });
    assert_eq!(ask("cup", narrow, wish.clone()).await.0, 403);
    assert_eq!(ask("other", token, wish.clone()).await.0, 404);
    for bad in [json!({}), json!({ "player": "" }), json!({ "player": "bea-2", "device": "d" }), json!({ "player": "bea-2", "qr": true })] {
        assert_eq!(ask("cup", token, bad).await.0, 400);
    }
    assert_eq!(ask("cup", token, json!({ "player": "bea-2", "number": "1" })).await.0, 400);
    let german = json!({ "player": "bea-2", "locale": "de", "number": NUMBER });
    for wish in [wish.clone(), german] {
        assert_eq!(ask("cup", token, wish).await.0, 201);
    }
    let (status, retry_after, problem) = ask("cup", token, wish).await;
    assert_eq!((status, retry_after, &problem["reason"]), (429, true, &json!("player")), "{problem}");
    assert_eq!(ask("cup", token, json!({ "player": "cid-3" })).await.0, 201, "another player's are counted apart");
    let (status, problem) = host.post("/games/other/links", &json!({ "player": "bea-2" })).await;
    assert_eq!((status, &problem["detail"]), (409, &json!("game.toml has no [links]")));
    host.kill().await;
    let config = std::fs::read_to_string(stage.config()).unwrap();
    let lines = config.lines().filter(|line| !line.starts_with("display_phone")).collect::<Vec<_>>().join("\n");
    std::fs::write(stage.config(), lines).unwrap();
    let host = Host::start(&stage.config(), stage.address()).await;
    let (status, problem) = host.post("/games/cup/links", &json!({ "player": "cid-3" })).await;
    assert_eq!(status, 409);
    assert!(problem["detail"].as_str().unwrap().contains("display_phone"), "{problem}");
}
