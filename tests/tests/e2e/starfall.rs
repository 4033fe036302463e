//! The sample game: balances, rewards, events, tickets, and who is served how.

use questline_emulator as meta;
use questline_tests::guests::workspace;
use questline_tests::stage::{ACCOUNT, NUMBER};
use questline_tests::{Engine, Stage};
use serde_json::{Value, json};

use crate::support::{at_rest, dead_letters, hears, now_s, proves, says, taps, ticket_number};

on_both_stores![
    every_tier_is_told_its_balance,
    the_buttons_of_a_balance_work,
    a_purchase_problem_is_served_by_tier,
    active_events_are_listed,
    strangers_are_asked_to_prove_who_they_are,
    a_player_stays_known_when_the_number_disappears,
    a_closed_ticket_is_told,
];

/// The buttons under a balance.
const BUTTONS: [&str; 3] = ["Transaction History", "Claim Rewards", "Speak to Agent"];
const BUTTONS_DE: [&str; 3] = ["Meine Buchungen", "Belohnungen abholen", "Mit Agent sprechen"];

/// The sample's players as their file has them.
fn players() -> Vec<Value> {
    let text = std::fs::read_to_string(workspace().join("flows/starfall/players.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    file["players"].as_array().unwrap().clone()
}

/// The digits of each line after the first.
fn figures(text: &str) -> Vec<u64> {
    let digits = |line: &str| line.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap();
    text.lines().skip(1).map(digits).collect()
}

async fn every_tier_is_told_its_balance(engine: Engine) {
    let stage = Stage::new(engine).await.starfall();
    let _host = stage.start().await;
    let known = players();
    let tiers: std::collections::BTreeSet<_> = known.iter().map(|player| player["tier"].as_str().unwrap()).collect();
    assert_eq!(tiers.into_iter().collect::<Vec<_>>(), ["bronze", "diamond", "gold", "platinum", "silver", "standard"]);
    for player in &known {
        let name = player["name"].as_str().unwrap();
        let handle = stage.player(player["phone"].as_str().unwrap(), name);
        let reply = says(&handle, "What is my balance?").await;
        let balances = &player["balances"];
        let expected = ["premium", "free", "pending_rewards"].map(|key| balances[key].as_u64().unwrap());
        assert_eq!(figures(reply.text()), expected, "{name}: {}", reply.text());
        let german = player["locale"] == "de";
        assert_eq!(reply.titles(), if german { BUTTONS_DE } else { BUTTONS }, "{name}");
        assert_eq!((reply.kind.as_str(), &reply.json["interactive"]["type"]), ("interactive", &json!("button")));
    }
}

async fn the_buttons_of_a_balance_work(engine: Engine) {
    let stage = Stage::new(engine).await.starfall();
    let host = stage.start().await;
    // Meta repeats what it likes: rewards must not be given twice for it.
    stage.emulator.set_webhook_faults(meta::WebhookFaults { duplicates: 2, ..meta::WebhookFaults::default() });
    let nova = stage.player("+15550100001", "Nova");

    says(&nova, "balance").await;
    let transactions = taps(&nova, "Transaction History").await;
    assert!(transactions.text().contains("Crystal Vault (12,000)"), "{}", transactions.text());
    assert_eq!(transactions.text().lines().count(), 1 + 5, "as many as game.toml says: {}", transactions.text());

    taps(&nova, "My Balance").await;
    let claimed = proves(&nova, "Claim Rewards").await;
    for fragment in ["Star League Chest", "Diamond Weekly", "Guild War Spoils", "13,300", "905,000"] {
        assert!(claimed.text().contains(fragment), "{}", claimed.text());
    }
    let nothing = says(&nova, "claim my rewards again").await;
    assert!(nothing.text().contains("nothing left"), "{}", nothing.text());
    let balance = says(&nova, "balance").await;
    assert_eq!(figures(balance.text()), [13_300, 905_000, 0]);

    let agent = taps(&nova, "Speak to Agent").await;
    let number = ticket_number(agent.text());
    let tickets = host.get("/games/starfall/tickets").await;
    assert_eq!((&tickets["rows"][0]["number"], &tickets["rows"][0]["priority"]), (&json!(number), &json!("high")));
    assert_eq!((&tickets["rows"][0]["intent"], &tickets["rows"][0]["player"]), (&json!("agent"), &json!("p-1001")));

    at_rest(&stage, &host).await;
    assert_eq!(stage.emulator.counters().accepted, 10, "one reply to each message, one code and one thanks for it, whatever Meta repeats");
    assert!(host.metric("questline_events_total{kind=\"duplicate\"}").await >= 14.0);
    assert!(dead_letters(&host).await.is_empty());
}

async fn a_purchase_problem_is_served_by_tier(engine: Engine) {
    let stage = Stage::new(engine).await.starfall();
    let host = stage.start().await;
    let cases = [
        ("+15550100007", "Sam", "standard", "low"),
        ("+15550100006", "Priya", "bronze", "normal"),
        ("+4915550100005", "Jonas", "silver", "normal"),
        ("+15550100004", "Mateo", "gold", "critical"),
        ("+15550100003", "Kai", "platinum", "critical"),
        ("+15550100001", "Nova", "diamond", "critical"),
    ];
    for (phone, name, tier, priority) in cases {
        let player = stage.player(phone, name);
        let reply = says(&player, "I was charged twice and my crystals did not arrive!").await;
        let number = ticket_number(reply.text());
        assert_eq!(reply.text().contains("60"), priority == "critical", "{tier}: {}", reply.text());

        let tickets = host.get("/games/starfall/tickets").await["rows"].as_array().unwrap().clone();
        let ticket = tickets.iter().find(|ticket| ticket["number"] == json!(number)).expect("the ticket that was told");
        assert_eq!(ticket["priority"], priority, "{tier}");
        assert_eq!(ticket["intent"], "purchase-problem");
        assert!(ticket["tags"].as_array().unwrap().contains(&json!(format!("tier:{tier}"))), "{ticket}");
        assert!(ticket["body"].as_str().unwrap().contains("charged twice"), "the player's own words");
        let due_ms = ticket["due_at"].as_u64().map(|due_at| due_at - ticket["opened_at"].as_u64().unwrap());
        assert_eq!(due_ms, (priority == "critical").then_some(60_000), "{tier}");

        let again = says(&player, "my purchase is still missing").await;
        assert_eq!(ticket_number(again.text()), number, "one ticket for one problem");
    }
    let tickets = host.get("/games/starfall/tickets").await;
    let priorities: Vec<_> = tickets["rows"].as_array().unwrap().iter().map(|ticket| ticket["priority"].as_str().unwrap()).collect();
    assert_eq!(priorities, ["critical", "critical", "critical", "normal", "normal", "low"], "most urgent first, oldest first");
    assert_eq!(tickets["rows"][0]["player"], "p-1004", "the oldest of them");
}

async fn active_events_are_listed(engine: Engine) {
    let stage = Stage::new(engine).await.starfall();
    let _host = stage.start().await;
    let kai = stage.player("+15550100003", "Kai");
    let list = says(&kai, "Which events are on?").await;
    assert_eq!(list.titles()[..2], ["Meteor Rush", "Star League, Season 14"]);
    assert!(list.titles()[2].starts_with("Festival of Winter L"), "cut to what Meta takes: {:?}", list.titles());
    assert!(list.choices.iter().all(|choice| choice.kind == meta::ChoiceKind::Row && choice.description.is_some()));
    let details = taps(&kai, "Meteor Rush").await;
    assert!(details.text().contains("Shoot down meteors with your guild"), "{}", details.text());
    // What is no text has its answer too, or rightly none.
    let location = meta::Inbound::Location { latitude: 52.52, longitude: 13.405, name: None, address: None };
    assert!(says(&kai, location).await.text().contains("cannot work with that kind of message"));
    kai.react(&details.id, "👍").await.unwrap();
    let next = says(&kai, "help").await;
    assert!(next.text().contains("Hello Kai"), "a reaction is no question: {}", next.text());
}

async fn strangers_are_asked_to_prove_who_they_are(engine: Engine) {
    let stage = Stage::new(engine).await.starfall();
    let host = stage.start().await;
    let hidden = meta::Player::with_user_id_only("US.13491208655302741918", "Hidden");
    let strangers = [stage.player("+15550199", "Stranger"), stage.emulator.add_player(hidden).unwrap()];
    for stranger in &strangers {
        for question in ["What is my balance?", "claim rewards", "I was charged twice", "hello"] {
            let reply = says(stranger, question).await;
            assert!(reply.text().contains("Settings > Account > Link WhatsApp"), "{question}: {}", reply.text());
            assert_eq!(reply.titles(), ["Speak to Agent"]);
        }
        let number = ticket_number(taps(stranger, "Speak to Agent").await.text());
        let tickets = host.get("/games/starfall/tickets").await["rows"].as_array().unwrap().clone();
        let ticket = tickets.iter().find(|ticket| ticket["number"] == json!(number)).unwrap();
        assert_eq!((&ticket["priority"], ticket.get("player")), (&json!("low"), None));
    }
    // Who has no number is reached by the id alone.
    for accepted in stage.emulator.accepted() {
        let body = accepted.json();
        match &accepted.recipient {
            meta::Recipient::UserId(_) => assert_eq!((body.get("to"), &body["recipient"]), (None, &json!("US.13491208655302741918"))),
            meta::Recipient::Phone(phone) => {
                assert_eq!((body["to"].as_str().unwrap().trim_start_matches('+'), body.get("recipient")), (phone.as_str(), None))
            }
        }
    }
    let to_ids = stage.emulator.accepted().iter().filter(|accepted| matches!(accepted.recipient, meta::Recipient::UserId(_))).count();
    assert_eq!(to_ids, 5);
}

async fn a_player_stays_known_when_the_number_disappears(engine: Engine) {
    let stage = Stage::new(engine).await.starfall();
    let host = stage.start().await;
    let nova = stage.player("+15550100001", "Nova");
    says(&nova, "hi").await;
    // The player takes a username: from now on Meta shows the id alone.
    let sender = meta::webhook::Sender::user_id(nova.user_id().unwrap(), "Nova");
    let message = meta::webhook::Message::text(sender, "wamid.hidden", now_s(), "balance");
    let number = meta::webhook::Metadata { display_phone_number: "15550100001", phone_number_id: NUMBER };
    let body = meta::webhook::Webhook::new().with(ACCOUNT, meta::webhook::Change::messages(number, &[message])).to_bytes();
    assert_eq!(stage.post_webhook(&host, &body).await, 200);
    assert_eq!(figures(hears(&nova).await.text()), [12_500, 840_000, 3]);
    assert_eq!(host.get("/depth").await["conversations"], 1, "it is the same conversation");
}

async fn a_closed_ticket_is_told(engine: Engine) {
    let stage = Stage::new(engine).await.starfall();
    let host = stage.start().await;
    let sam = stage.player("+15550100007", "Sam");
    let number = ticket_number(says(&sam, "I want to talk to a human").await.text());
    let close = format!("/games/starfall/tickets/{number}/close");
    assert_eq!(host.post(&close, &json!({ "resolution": " " })).await.0, 400, "the player is told why");
    let (status, done) = host.post(&close, &json!({ "resolution": "Your purchase was refunded." })).await;
    assert_eq!((status, done), (200, json!({ "done": true })));
    let told = hears(&sam).await;
    assert_eq!(ticket_number(told.text()), number);
    assert!(told.text().contains("is closed: Your purchase was refunded."), "{}", told.text());

    assert_eq!(host.get("/games/starfall/tickets").await["rows"], json!([]));
    let closed = host.get("/games/starfall/tickets?closed=true").await["rows"].clone();
    assert_eq!(closed[0]["closed"]["resolution"], "Your purchase was refunded.", "{closed}");
    let (status, problem) = host.post(&close, &json!({ "resolution": "Again." })).await;
    assert_eq!(status, 409, "{problem}");
    assert_eq!(host.post("/games/nothing/tickets/X-1/close", &json!({ "resolution": "?" })).await.0, 404);

    let next = ticket_number(says(&sam, "agent").await.text());
    assert_ne!(next, number, "what is closed is closed");
}
