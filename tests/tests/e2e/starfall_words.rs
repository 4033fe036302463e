//! Words that the host answers before any flow, and players who speak German.

use questline_emulator as meta;
use questline_tests::{Engine, Stage};
use serde_json::json;

use crate::support::{hears, proves, says, taps, ticket_number};

on_both_stores![stop_and_start_in_any_wording, block_secures_the_account, a_german_player_is_answered_in_german];

async fn stop_and_start_in_any_wording(engine: Engine) {
    let stage = Stage::new(engine).await.starfall();
    let _host = stage.start().await;
    let known = stage.player("+15550100003", "Kai");
    let stranger = stage.player("+15550199", "Stranger");
    for player in [&known, &stranger] {
        for stop in ["STOP", "  sToP!! ", "Unsubscribe.", " opt-OUT ", "o p t\tout", "\"Opt Out\""] {
            assert!(says(player, stop).await.text().contains("Write START"), "{stop:?}");
        }
        for start in ["START", "s t a r t", " Start. "] {
            assert!(says(player, start).await.text().contains("Write STOP"), "{start:?}");
        }
    }
    for other in ["please stop the match", "how do I start?", "stopping", "blocked"] {
        let reply = says(&known, other).await;
        assert!(
            !reply.text().contains("news and offers") && !reply.text().contains("secured"),
            "{other:?} is for the flow: {}",
            reply.text()
        );
    }
}

async fn block_secures_the_account(engine: Engine) {
    let stage = Stage::new(engine).await.starfall();
    let host = stage.start().await;
    let nova = stage.player("+15550100001", "Nova");
    says(&nova, "balance").await;
    let blocked = says(&nova, " b L o C k! ").await;
    assert!(blocked.text().contains("secured"), "{}", blocked.text());
    let number = ticket_number(blocked.text());
    let tickets = host.get("/games/starfall/tickets").await["rows"].clone();
    let ticket = &tickets[0];
    assert_eq!(
        (&ticket["number"], &ticket["priority"], &ticket["intent"]),
        (&json!(number), &json!("critical"), &json!("account-security"))
    );
    assert_eq!(ticket["due_at"].as_u64().unwrap() - ticket["opened_at"].as_u64().unwrap(), 60_000);

    // Nothing is told any more, however it is asked; and one ticket is enough.
    let later = [says(&nova, "balance").await, taps(&nova, "Claim Rewards").await, taps(&nova, "Transaction History").await];
    for reply in later.into_iter().chain([says(&nova, "BLOCK").await]) {
        assert!(reply.text().contains("secured") && reply.choices.is_empty(), "{}", reply.text());
        assert_eq!(ticket_number(reply.text()), number);
    }
    assert_eq!(host.get("/depth").await["tickets_open"], 1);
    // The player can still say no to news.
    assert!(says(&nova, "stop").await.text().contains("Write START"));

    let (status, _) = host.post(&format!("/games/starfall/tickets/{number}/close"), &json!({ "resolution": "It was really you." })).await;
    assert_eq!(status, 200);
    assert!(hears(&nova).await.text().contains("It was really you."));
    assert!(says(&nova, "balance").await.text().contains("12,500"), "the account is open again, with all that was in it");
}

async fn a_german_player_is_answered_in_german(engine: Engine) {
    let stage = Stage::new(engine).await.starfall();
    let _host = stage.start().await;
    let lena = stage.player("+4915550100002", "Lena");
    let balance = says(&lena, "Wie viele Kristalle habe ich?").await;
    assert!(balance.text().contains("Sternkristalle: 8.320"), "{}", balance.text());
    let transactions = taps(&lena, "Meine Buchungen").await;
    assert!(transactions.text().contains("Kristalltruhe (6.500)"), "{}", transactions.text());
    let claimed = proves(&lena, "Belohnungen abholen").await;
    assert!(claimed.text().contains("8.620 Sternkristalle"), "{}", claimed.text());
    let critical = says(&lena, "Mir wurde doppelt abgebucht, und meine Kristalle fehlen").await;
    assert!(critical.text().contains("innerhalb von 60 Sekunden"), "{}", critical.text());
    let location = meta::Inbound::Location { latitude: 52.52, longitude: 13.405, name: None, address: None };
    assert!(says(&lena, location).await.text().contains("kann ich nichts anfangen"));
    let events = says(&lena, "Was ist los?").await;
    assert_eq!(events.titles(), ["Meteorsturm", "Sternenliga, Saison 14", "Fest der Winterlichter"]);
}
