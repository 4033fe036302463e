//! The sample game's flows behind its default one: lost access, tournaments and matches.

use questline_tests::{Engine, Host, Stage};
use serde_json::{Value, json};

use crate::support::{at_rest, dead_letters, hears, mentions, says, taps, ticket_number};

on_both_stores![
    a_known_device_and_a_purchase_bring_credentials,
    what_is_not_clear_goes_to_an_agent_without_the_answers,
    a_match_is_answered_by_button_and_by_template,
    results_reach_players_in_and_out_of_the_window,
];

async fn tell(host: &Host, key: &str, name: &str, player: &str, payload: Value) {
    let event = json!({ "name": name, "player": player, "payload": payload });
    let (status, answer, _) = host.post_once("/games/starfall/events", key, &event).await;
    assert_eq!(status, 202, "{answer}");
}

async fn tickets(host: &Host) -> Vec<Value> {
    host.get("/games/starfall/tickets").await["rows"].as_array().unwrap().clone()
}

async fn a_known_device_and_a_purchase_bring_credentials(engine: Engine) {
    let stage = Stage::new(engine).await.starfall();
    let host = stage.start().await;
    let nova = stage.player("+15550100001", "Nova");
    says(&nova, "hello").await;
    tell(&host, "k1", "recovery-started", "p-1001", json!({ "device": "fp-nova-pixel9" })).await;
    assert!(says(&nova, "I lost access to my account").await.text().contains("How much did you pay"));
    assert!(says(&nova, "99.99").await.text().starts_with("Thank you, this is your account."));
    let credentials = hears(&nova).await;
    assert!(
        credentials.text().starts_with("Your temporary sign-in, good for 60 minutes:\nUser name: nova-recovery\n"),
        "made up by the sample"
    );
    assert!(tickets(&host).await.is_empty());
    // Whoever did not ask for them ends it with one word.
    let blocked = says(&nova, "BLOCK").await;
    let number = ticket_number(blocked.text());
    assert!(says(&nova, "I lost access to my account").await.text().contains(&number), "nothing more is issued");
    at_rest(&stage, &host).await;
    assert!(dead_letters(&host).await.is_empty());
}

async fn what_is_not_clear_goes_to_an_agent_without_the_answers(engine: Engine) {
    let stage = Stage::new(engine).await.starfall();
    let host = stage.start().await;
    let lena = stage.player("+4915550100002", "Lena");
    assert!(says(&lena, "Mein Konto wurde gehackt").await.text().contains("Wie viel hast du"));
    assert!(says(&lena, "12,34").await.text().contains("noch einen Versuch"));
    assert!(says(&lena, "56,78").await.text().contains("Sicherheitsfrage"));
    let told = says(&lena, "sternenwächter").await;
    let [ticket] = &tickets(&host).await[..] else { panic!("one ticket") };
    assert_eq!((&ticket["number"], &ticket["intent"]), (&json!(ticket_number(told.text())), &json!("account-recovery")));
    let body = ticket["body"].as_str().unwrap();
    assert!(body.contains("Amount of the last purchase: did not match") && body.contains("Security question: matched"), "{body}");
    for answer in ["12", "34", "56", "78", "sternenwächter"] {
        assert!(!body.contains(answer), "{body}");
    }
    at_rest(&stage, &host).await;
    assert!(dead_letters(&host).await.is_empty());
}

async fn a_match_is_answered_by_button_and_by_template(engine: Engine) {
    let stage = Stage::new(engine).await.starfall();
    let host = stage.start().await;
    let found = |id: &str| json!({ "match": id, "opponent": "Vega", "mode": "Ranked Duel", "accept_by_s": 600 });
    let kai = stage.player("+15550100003", "Kai");
    assert!(says(&kai, "I lost my account").await.text().contains("How much did you pay"));
    tell(&host, "k1", "match-found", "p-1003", found("m-1")).await;
    assert_eq!(hears(&kai).await.titles(), ["Accept", "Decline"]);
    assert!(taps(&kai, "Accept").await.text().starts_with("You accepted the match against Vega."), "though another flow holds the chat");

    // Who has not written yet gets the template, and can answer it.
    let jonas = stage.player("+4915550100005", "Jonas");
    tell(&host, "k2", "match-found", "p-1005", found("m-2")).await;
    let alert = hears(&jonas).await;
    assert_eq!((alert.kind.as_str(), alert.titles()), ("template", vec!["Annehmen", "Ablehnen"]));
    assert!(alert.text().starts_with("Hallo Jonas, dein Match Ranked Duel gegen Vega"), "{}", alert.text());
    assert!(taps(&jonas, "Ablehnen").await.text().starts_with("Du hast das Match gegen Vega abgelehnt."));
    at_rest(&stage, &host).await;
    assert!(dead_letters(&host).await.is_empty());
}

async fn results_reach_players_in_and_out_of_the_window(engine: Engine) {
    let stage = Stage::new(engine).await.starfall();
    let host = stage.start().await;
    let result = |position: u32| json!({ "tournament": "Nightfall Cup", "position": position, "prize": 1000, "currency": "free" });
    let (nova, lena) = (stage.player("+15550100001", "Nova"), stage.player("+4915550100002", "Lena"));
    says(&nova, "hello").await;
    tell(&host, "k1", "tournament-result", "p-1001", result(1)).await;
    let champion = hears(&nova).await;
    assert!(champion.text().starts_with("🏆 You won Nightfall Cup!") && champion.text().contains("1,000 Coins"), "{}", champion.text());
    tell(&host, "k2", "tournament-result", "p-1002", result(2)).await;
    let second = hears(&lena).await;
    assert_eq!(second.kind, "template");
    assert!(second.text().contains("Dein Platz: 2. Dein Preis: 1.000 Münzen."), "{}", second.text());
    at_rest(&stage, &host).await;
    let follow_ups = tickets(&host).await;
    assert_eq!(follow_ups.iter().filter(|ticket| ticket["intent"] == "tournament-follow-up").count(), 2);
    assert!(mentions(&json!(follow_ups), &ticket_number(champion.text())));
}
