//! What a game's backend tells over the API reaches the right player, once, in order, and opens no window.

use questline_tests::stage::{NUMBER, SECOND_NUMBER};
use questline_tests::{Engine, Host, Stage, eventually};
use serde_json::{Value, json};

use crate::studio::{Answer, Studio};
use crate::support::{at_rest, dead_letters, heard, hears, says};

on_both_stores![
    an_event_is_told_once_to_its_player,
    a_batch_is_told_in_order_and_answered_one_by_one,
    what_is_wrong_is_named,
    an_event_opens_no_window_and_finds_contacts,
    nobody_else_is_told,
    the_studio_tells_where_a_player_is,
    a_full_inbox_asks_to_come_again,
    a_secured_account_is_told_nothing,
    the_sample_game_tells_of_tournaments,
];

const PLAYERS: &str = r#"{"players": [
  {"id": "ada-1", "phone": "+15550111", "name": "Ada", "tier": "gold", "balances": {"premium": 1, "free": 1}},
  {"id": "bob-2", "phone": "+15550122", "name": "Bob", "tier": "gold", "balances": {"premium": 1, "free": 1}},
  {"id": "ghost-3", "name": "Ghost", "tier": "gold", "balances": {"premium": 1, "free": 1}}
]}"#;

const GRANTS: [&str; 4] = ["log", "reply", "tickets", "recovery-credentials"];

async fn stage(engine: Engine) -> Stage {
    let stage = Stage::new(engine).await.game("cup", NUMBER, "herald-guest", &GRANTS, "");
    std::fs::write(stage.game_dir("cup").join("players.json"), PLAYERS).unwrap();
    stage
}

async fn tell(host: &Host, key: &str, event: &Value) -> (u16, Value) {
    let (status, answer, _) = host.post_once("/games/cup/events", key, event).await;
    (status, answer)
}

fn to_ada(place: u32) -> Value {
    json!({ "name": "tournament-result", "player": "ada-1", "payload": { "place": place } })
}

async fn an_event_is_told_once_to_its_player(engine: Engine) {
    let stage = stage(engine).await;
    let mut host = stage.start().await;
    let (ada, bob) = (stage.player("+15550111", "Ada"), stage.player("+15550122", "Bob"));
    says(&ada, "hello").await;
    says(&bob, "hello").await;
    assert_eq!(tell(&host, "cup-1", &to_ada(1)).await, (202, json!({ "accepted": true, "duplicate": false, "id": "cup-1" })));
    assert_eq!(hears(&ada).await.text(), "tournament-result cup-1 {\"place\":1} for ada-1");
    let again = (202, json!({ "accepted": true, "duplicate": true, "id": "cup-1" }));
    assert_eq!(tell(&host, "cup-1", &to_ada(1)).await, again);
    // The key decides, not what stands beside it; and it outlives a crash.
    assert_eq!(tell(&host, "cup-1", &json!({ "name": "other", "player": "bob-2" })).await, again);
    host.kill().await;
    let host = stage.start().await;
    assert_eq!(tell(&host, "cup-1", &to_ada(1)).await, again);
    // What no flow wants goes by.
    assert_eq!(tell(&host, "cup-2", &json!({ "name": "unwanted", "player": "ada-1" })).await.0, 202);
    assert_eq!(tell(&host, "cup-3", &to_ada(3)).await.0, 202);
    assert_eq!(hears(&ada).await.text(), "tournament-result cup-3 {\"place\":3} for ada-1");
    at_rest(&stage, &host).await;
    assert_eq!((heard(&ada).len(), heard(&bob).len()), (3, 1));
    assert!(dead_letters(&host).await.is_empty());
    let count = async |outcome: &str| host.metric(&format!("questline_game_events_total{{game=\"cup\",outcome=\"{outcome}\"}}")).await;
    assert_eq!((count("accepted").await, count("duplicate").await), (2.0, 1.0));
}

async fn a_batch_is_told_in_order_and_answered_one_by_one(engine: Engine) {
    let stage = stage(engine).await;
    let host = stage.start().await;
    let (ada, bob) = (stage.player("+15550111", "Ada"), stage.player("+15550122", "Bob"));
    says(&ada, "hello").await;
    says(&bob, "hello").await;
    let event = |n: usize| {
        let player = if n.is_multiple_of(2) { "ada-1" } else { "bob-2" };
        json!({ "id": format!("round-{n}"), "name": "round", "player": player, "payload": { "n": n } })
    };
    let mut events: Vec<Value> = (0..40).map(event).collect();
    events.insert(10, json!({ "id": "wrong", "name": "Round!", "player": "ada-1" }));
    events.push(event(3));
    events.push(json!({ "name": "round", "player": "ada-1" }));
    let (status, answer) = host.post("/games/cup/events/batch", &json!({ "events": events })).await;
    assert_eq!(status, 202, "{answer}");
    assert_eq!((&answer["accepted"], &answer["duplicates"], &answer["refused"]), (&json!(40), &json!(1), &json!(2)));
    let answers = answer["events"].as_array().unwrap();
    assert_eq!(answers.len(), events.len());
    assert_eq!(answers[0], json!({ "accepted": true, "duplicate": false, "id": "round-0" }));
    assert_eq!((&answers[10]["id"], &answers[10]["problem"]["status"]), (&json!("wrong"), &json!(400)));
    assert!(answers[10]["problem"]["detail"].as_str().unwrap().starts_with("name: takes"), "{}", answers[10]);
    assert_eq!(answers[41], json!({ "accepted": true, "duplicate": true, "id": "round-3" }));
    assert_eq!(answers[42]["id"], Value::Null);
    assert!(answers[42]["problem"]["detail"].as_str().unwrap().starts_with("id: needed"), "{}", answers[42]);

    let all_heard = async || (heard(&ada).len() == 21 && heard(&bob).len() == 21).then_some(());
    eventually("everybody has heard everything", all_heard).await;
    for (player, id, first) in [(&ada, "ada-1", 0), (&bob, "bob-2", 1)] {
        let expected: Vec<String> = (first..40).step_by(2).map(|n| format!("round round-{n} {{\"n\":{n}}} for {id}")).collect();
        assert_eq!(heard(player)[1..], expected, "in the order of the batch");
    }
    let (_, answer) = host.post("/games/cup/events/batch", &json!({ "events": (0..40).map(event).collect::<Vec<_>>() })).await;
    assert_eq!((&answer["accepted"], &answer["duplicates"]), (&json!(0), &json!(40)));
    at_rest(&stage, &host).await;
    assert_eq!((heard(&ada).len(), heard(&bob).len()), (21, 21));
}

async fn what_is_wrong_is_named(engine: Engine) {
    let stage = stage(engine).await.echo("other", SECOND_NUMBER);
    let host = stage.start().await;
    let deep = format!("{{\"a\":\"{}\"}}", "x".repeat(16 * 1024));
    let deep: Value = serde_json::from_str(&deep).unwrap();
    let wrong = [
        (json!({ "player": "ada-1" }), "name: takes"),
        (json!({ "name": "Nope", "player": "ada-1" }), "name: takes"),
        (json!({ "name": 5, "player": "ada-1" }), "name: takes"),
        (json!({ "name": "x" }), "player, contact: one"),
        (json!({ "name": "x", "player": "a", "contact": { "phone": "+15550111" } }), "player, contact: one"),
        (json!({ "name": "x", "player": "a b" }), "player: takes"),
        (json!({ "name": "x", "player": 7 }), "player: takes"),
        (json!({ "name": "x", "contact": {} }), "contact: takes phone, user_id"),
        (json!({ "name": "x", "contact": "+15550111" }), "contact takes a JSON object"),
        (json!({ "name": "x", "contact": { "phone": "0800 call us" } }), "contact.phone: takes"),
        (json!({ "name": "x", "contact": { "user_id": "nobody" } }), "contact.user_id: takes"),
        (json!({ "name": "x", "contact": { "email": "a@b.example" } }), "contact.email: there is no such field"),
        (json!({ "name": "x", "player": "ada-1", "number": SECOND_NUMBER }), "number: takes one of the numbers of cup"),
        (json!({ "name": "x", "player": "ada-1", "payload": [] }), "payload: takes a JSON object"),
        (json!({ "name": "x", "player": "ada-1", "payload": deep }), "payload: takes at most 16384 bytes"),
        (json!({ "name": "x", "player": "ada-1", "when": 5 }), "when: there is no such field"),
        (json!([]), "the body takes a JSON object"),
    ];
    for (body, expected) in wrong {
        let (status, problem) = tell(&host, "k", &body).await;
        assert_eq!((status, &problem["status"], &problem["title"]), (400, &json!(400), &json!("invalid request")), "{body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().starts_with(expected), "{expected}: {problem}");
        assert!(!problem.to_string().contains("0800"), "{problem}");
    }
    for (key, fits) in [("", false), ("two words", false), (&"k".repeat(256), false), (&"k".repeat(255), true)] {
        let (status, problem) = tell(&host, key, &json!({ "name": "x", "contact": { "phone": "+15550111" } })).await;
        assert_eq!(status, if fits { 202 } else { 400 }, "{problem}");
        assert!(fits || problem["detail"].as_str().unwrap().starts_with("Idempotency-Key: needed"), "{problem}");
    }
    let (status, problem) = host.post("/games/cup/events", &to_ada(1)).await;
    assert_eq!(status, 400);
    assert!(problem["detail"].as_str().unwrap().starts_with("Idempotency-Key: needed"), "{problem}");
    assert_eq!(host.post_once("/games/chess/events", "k", &to_ada(1)).await.0, 404);
    let large = json!({ "name": "x", "player": "ada-1", "payload": { "a": "x".repeat(40_000) } });
    assert_eq!(tell(&host, "k", &large).await.0, 413);
    for (body, expected) in [
        (json!({}), "events: takes a list of 1 to 500"),
        (json!({ "events": [] }), "events: takes a list of 1 to 500"),
        (json!({ "events": vec![json!({}); 501] }), "events: takes a list of 1 to 500 events; this one has 501"),
        (json!({ "events": [{}], "more": 1 }), "more: there is no such field"),
    ] {
        let (status, problem) = host.post("/games/cup/events/batch", &body).await;
        assert_eq!(status, 400);
        assert!(problem["detail"].as_str().unwrap().starts_with(expected), "{problem}");
    }
    // A player that nobody can reach, and one that nobody knows.
    for player in ["ghost-3", "stranger-9"] {
        let (status, problem) = tell(&host, "k2", &json!({ "name": "x", "player": player })).await;
        assert_eq!((status, &problem["title"]), (409, &json!("conflict")), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("Name the contact instead"), "{problem}");
    }
    let unauthorized = host.http().post(format!("http://{}/v1/games/cup/events", stage.address())).json(&to_ada(1));
    assert_eq!(unauthorized.send().await.unwrap().status().as_u16(), 401);
}

async fn an_event_opens_no_window_and_finds_contacts(engine: Engine) {
    let stage = stage(engine).await;
    let host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    // By contact, twice: the first one opens no window for the second.
    for n in 0..2 {
        let event = json!({ "name": "gift", "contact": { "phone": "+15550111" }, "payload": { "n": n } });
        assert_eq!(tell(&host, &format!("gift-{n}"), &event).await.0, 202);
    }
    // By player: the sample players' file has the phone.
    assert_eq!(tell(&host, "gift-2", &json!({ "name": "gift", "player": "ada-1" })).await.0, 202);
    at_rest(&stage, &host).await;
    let tickets = host.get("/games/cup/tickets").await;
    let mut subjects: Vec<_> = tickets["rows"].as_array().unwrap().iter().map(|ticket| ticket["subject"].as_str().unwrap()).collect();
    subjects.sort_unstable();
    let expected = ["gift gift-0 {\"n\":0} for ada-1", "gift gift-1 {\"n\":1} for ada-1", "gift gift-2 {} for ada-1"];
    assert_eq!(subjects, expected, "the window was closed each time");
    assert!(heard(&ada).is_empty());
    assert_eq!(host.get("/depth").await["conversations"], 1, "it is one conversation");
    says(&ada, "hello").await;
    assert_eq!(tell(&host, "gift-3", &json!({ "name": "gift", "player": "ada-1", "number": NUMBER })).await.0, 202);
    assert_eq!(hears(&ada).await.text(), "gift gift-3 {} for ada-1");
}

/// The cup's players are behind the studio's own service.
async fn stage_of_studio(engine: Engine, studio: &Studio) -> Stage {
    let stage = stage(engine).await.allow_host("127.0.0.1");
    let secret = stage.dir().join("studio-secret");
    std::fs::write(&secret, crate::studio::SECRET).unwrap();
    let file = stage.game_dir("cup").join("game.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let connection =
        format!("connector = \"http\"\nurl = {:?}\nsecret = {{ file = {secret:?} }}\ntimeout_ms = 300", studio.url("127.0.0.1"));
    std::fs::write(&file, text.replace("connector = \"sample\"\nfile = \"players.json\"", &connection)).unwrap();
    stage
}

async fn nobody_else_is_told(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage_of_studio(engine, &studio).await;
    let host = stage.start().await;
    // The number is somebody else's by now, and half of the studio knows.
    let eve = json!({ "id": "eve-9", "profile": { "name": "Eve", "tier": "gold" } });
    studio.always("/players/by-contact", Some(Answer::Text(eve.to_string())));
    assert_eq!(tell(&host, "secret-1", &to_ada(1)).await.0, 202);
    at_rest(&stage, &host).await;
    assert_eq!(host.metric("questline_steps_total{game=\"cup\",outcome=\"not-for-this-player\"}").await, 1.0);
    assert_eq!(host.get("/games/cup/tickets").await["rows"], json!([]));
    // What is addressed to the contact itself is told to whoever is there.
    let event = json!({ "name": "news", "contact": { "phone": "+15550111" } });
    assert_eq!(tell(&host, "news-1", &event).await.0, 202);
    at_rest(&stage, &host).await;
    assert_eq!(host.get("/games/cup/tickets").await["rows"][0]["subject"], "news news-1 {} for eve-9");
    assert!(dead_letters(&host).await.is_empty());
}

async fn the_studio_tells_where_a_player_is(engine: Engine) {
    let studio = Studio::start().await;
    let stage = stage_of_studio(engine, &studio).await;
    let host = stage.start().await;

    studio.next([Answer::Status(500)]);
    let (status, problem, retry_after) = host.post_once("/games/cup/events", "k-1", &to_ada(1)).await;
    assert_eq!((status, retry_after.as_deref()), (503, Some("1")), "{problem}");
    assert_eq!(tell(&host, "k-1", &to_ada(1)).await, (202, json!({ "accepted": true, "duplicate": false, "id": "k-1" })));
    let asked = studio.calls_of("/players/contact");
    assert_eq!(asked.last().unwrap().body, json!({ "player": "ada-1" }));
    at_rest(&stage, &host).await;
    let tickets = host.get("/games/cup/tickets").await;
    assert_eq!(tickets["rows"][0]["subject"], "tournament-result k-1 {\"place\":1} for ada-1");
    // Now the store knows.
    let before = studio.calls_of("/players/contact").len();
    assert_eq!(tell(&host, "k-2", &to_ada(2)).await.0, 202);
    assert_eq!(studio.calls_of("/players/contact").len(), before);
    assert_eq!(tell(&host, "k-3", &json!({ "name": "x", "player": "stranger-9" })).await.0, 409);
    // Once nobody knows any more where she is, a repetition still is one.
    let ada = stage.player("+15550111", "Ada");
    says(&ada, "hello").await;
    assert!(says(&ada, "BLOCK").await.text().contains("secured"));
    studio.always("/players/contact", Some(Answer::Status(404)));
    assert_eq!(tell(&host, "k-4", &to_ada(4)).await.0, 409);
    assert_eq!(tell(&host, "k-1", &to_ada(1)).await, (202, json!({ "accepted": true, "duplicate": true, "id": "k-1" })));
    let events = json!([{ "id": "k-2", "name": "x", "player": "ada-1" }, { "id": "k-4", "name": "x", "player": "ada-1" }]);
    let (status, answer) = host.post("/games/cup/events/batch", &json!({ "events": events })).await;
    assert_eq!((status, &answer["duplicates"], &answer["refused"]), (202, &json!(1), &json!(1)), "{answer}");
    assert_eq!((&answer["events"][0]["duplicate"], &answer["events"][1]["problem"]["status"]), (&json!(true), &json!(409)), "{answer}");
    studio.assert_all_signed();
}

async fn a_full_inbox_asks_to_come_again(engine: Engine) {
    let stage = stage(engine).await.extra("[limits]\ninbox_max = 20\ninbox_per_game_max = 20");
    let host = stage.start().await;
    let event = |n: usize| json!({ "id": format!("e-{n}"), "name": "x", "contact": { "phone": format!("+1555{n:07}") } });
    let batch = |count: usize| json!({ "events": (0..count).map(event).collect::<Vec<_>>() });
    let (status, problem) = host.post("/games/cup/events/batch", &batch(21)).await;
    assert_eq!((status, &problem["title"]), (503, &json!("overloaded")), "{problem}");
    assert_eq!(host.get("/depth").await["inbox"], 0, "all or nothing");
    assert_eq!(host.post("/games/cup/events/batch", &batch(20)).await.0, 202);
    at_rest(&stage, &host).await;
}

async fn a_secured_account_is_told_nothing(engine: Engine) {
    let stage = stage(engine).await;
    let host = stage.start().await;
    let ada = stage.player("+15550111", "Ada");
    says(&ada, "hello").await;
    assert!(says(&ada, "BLOCK").await.text().contains("secured"));
    let before = heard(&ada).len();
    assert_eq!(tell(&host, "k-1", &to_ada(1)).await.0, 202);
    at_rest(&stage, &host).await;
    assert_eq!(heard(&ada).len(), before);
    let tickets = host.get("/games/cup/tickets").await;
    assert_eq!(tickets["rows"].as_array().unwrap().len(), 1, "only that of BLOCK");
    assert_eq!(host.get("/openapi.json").await["openapi"], "3.1.0");
    assert_eq!(host.metric("questline_steps_total{game=\"cup\",outcome=\"secured\"}").await, 1.0);
}

/// The sample game: a player in the chat reads words, one who has not written gets the template.
async fn the_sample_game_tells_of_tournaments(engine: Engine) {
    let stage = Stage::new(engine).await.starfall();
    let host = stage.start().await;
    let (nova, lena) = (stage.player("+15550100001", "Nova"), stage.player("+4915550100002", "Lena"));
    says(&nova, "hello").await;
    for (player, position) in [("p-1001", 1), ("p-1002", 2)] {
        let payload = json!({ "tournament": "Star League Cup", "position": position, "prize": 5000, "currency": "premium" });
        let event = json!({ "name": "tournament-result", "player": player, "payload": payload });
        let (status, answer, _) = host.post_once("/games/starfall/events", &format!("cup-77-{player}"), &event).await;
        assert_eq!(status, 202, "{answer}");
    }
    let told = hears(&nova).await;
    assert!(told.text().contains("Star League Cup"), "{}", told.text());
    let template = hears(&lena).await;
    assert!(template.text().contains("Star League Cup"), "{}", template.text());
    at_rest(&stage, &host).await;
    let accepted = stage.emulator.accepted();
    let templates = accepted.iter().filter(|accepted| accepted.json()["template"]["name"] == "tournament_result").count();
    assert_eq!(templates, 1, "outside of the window only");
    assert!(dead_letters(&host).await.is_empty());
}
