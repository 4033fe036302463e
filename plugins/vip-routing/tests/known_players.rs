//! What a known player gets: balances, transactions, rewards, events, and a human by tier and intent.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{of, with};
use questline_sdk::mock::message;
use questline_sdk::prelude::*;
use questline_sdk::types::{Authenticated, AuthenticationEvent, Media, Reaction};

const TIERS: [&str; 6] = ["diamond", "platinum", "gold", "silver", "bronze", "standard"];

#[test]
fn every_tier_gets_its_balance_with_three_buttons() {
    for tier in TIERS {
        let answer = of(tier).say("What is my balance?");
        assert_eq!(
            answer.buttons(),
            [("transactions", "Transaction History"), ("claim-rewards", "Claim Rewards"), ("agent", "Speak to Agent")],
            "{tier}"
        );
        assert!(answer.tickets().is_empty());
    }
    assert_eq!(of("diamond").say("balance").body(), "Your balance:\n✨ Star Crystals: 12,500\n🪙 Coins: 840,000\n🎁 Rewards waiting: 3");
}

#[test]
fn german_players_are_answered_in_german() {
    let mut chat = of("diamond").in_locale("de-AT");
    let answer = chat.say("Wie viele Kristalle habe ich?");
    assert_eq!(answer.body(), "Dein Guthaben:\n✨ Sternkristalle: 12.500\n🪙 Münzen: 840.000\n🎁 Wartende Belohnungen: 3");
    assert_eq!(answer.buttons()[2], ("agent", "Mit Agent sprechen"));
    assert!(chat.press("transactions").body().contains("20.11.2026  +12.000 Sternkristalle  Kristalltresor (12.000)"));
}

#[test]
fn transactions_are_the_last_five_newest_first() {
    let mut chat = of("diamond");
    let answer = chat.press("transactions");
    let body = answer.body();
    let lines: Vec<&str> = body.lines().collect();
    assert_eq!(lines.len(), 6, "a heading and five lines: {body}");
    assert_eq!(lines[1], "2026-11-20  +12,000 Star Crystals  Crystal Vault (12,000)");
    assert_eq!(lines[2], "2026-11-19  −2,400 Star Crystals  Legendary skin: Eclipse");
    assert_eq!(chat.host.called, [("transactions".to_owned(), r#"{"limit":5}"#.to_owned())]);
    assert_eq!(answer.button_ids(), ["balance", "agent"]);
}

#[test]
fn rewards_are_told_and_a_second_claim_says_that_nothing_is_left() {
    let mut chat = of("diamond");
    let body = chat.press("claim-rewards").body();
    assert!(body.contains("• Star League Chest  +500 Star Crystals  +25,000 Coins"), "{body}");
    assert!(body.contains("• Guild War Spoils  +40,000 Coins"), "{body}");
    assert!(body.contains("You have 13,300 Star Crystals and 905,000 Coins."), "{body}");
    assert!(chat.press("claim-rewards").body().starts_with("There is nothing left to claim"));
}

#[test]
fn an_empty_account_is_told_so() {
    let mut mia = serde_json::json!({
        "name": "Mia", "tier": "standard", "balances": { "premium": 0, "free": 0, "pending_rewards": 0 },
        "transactions": [], "rewards": [],
    });
    let mut chat = with(&mia);
    assert!(chat.press("transactions").body().starts_with("There are no transactions"));
    assert!(chat.press("claim-rewards").body().starts_with("There is nothing left to claim"));
    mia["tier"] = "mythic".into();
    let mut chat = with(&mia);
    assert_eq!(chat.press("agent").tickets()[0].priority, TicketPriority::Low, "an unknown tier is served as standard");
    assert!(chat.host.logged.iter().any(|(_, line)| line.contains("mythic")), "and the studio is told");
}

#[test]
fn active_events_are_a_list_and_each_tells_more() {
    let mut chat = of("silver");
    let answer = chat.say("Which events are on?");
    assert_eq!(
        answer.rows(),
        [
            ("event:meteor-rush", "Meteor Rush"),
            ("event:star-league-14", "Star League, Season 14"),
            ("event:winter-lights", "Festival of Winter Ligh…"),
        ]
    );
    let body = chat.choose("event:meteor-rush").body();
    assert!(body.starts_with("*Meteor Rush*\nShoot down meteors"), "{body}");
    assert!(body.ends_with("Until 2026-12-06"), "{body}");
    assert!(chat.press("event:long-gone").body().starts_with("That event is over."));
}

#[test]
fn a_purchase_problem_is_critical_at_once_up_to_gold() {
    for tier in ["diamond", "platinum", "gold"] {
        let answer = of(tier).say("I paid but my crystals did not arrive!");
        let [ticket] = answer.tickets()[..] else { panic!("{tier}: one ticket") };
        assert_eq!(ticket.priority, TicketPriority::Critical, "{tier}");
        assert_eq!(ticket.target_s, Some(60), "{tier}");
        assert_eq!(ticket.intent, "purchase-problem");
        assert!(ticket.tags.contains(&format!("tier:{tier}")));
        assert!(ticket.body.contains("I paid but my crystals did not arrive!"));
        assert!(ticket.body.contains("Last purchase: Crystal") || ticket.body.contains("Last purchase: Starter"));
        assert!(answer.body().contains("within 60 seconds"), "{}", answer.body());
        assert!(answer.body().contains("T-1"), "{}", answer.body());
    }
}

#[test]
fn everybody_elses_purchase_problem_is_queued_by_tier() {
    for (tier, priority) in [("silver", TicketPriority::Normal), ("bronze", TicketPriority::Normal), ("standard", TicketPriority::Low)] {
        let answer = of(tier).say("I was charged twice, I want a refund");
        let [ticket] = answer.tickets()[..] else { panic!("{tier}: one ticket") };
        assert_eq!((ticket.priority, ticket.target_s), (priority, None), "{tier}");
        assert!(answer.body().contains("T-1") && !answer.body().contains("seconds"), "{}", answer.body());
    }
}

#[test]
fn an_agent_is_queued_by_tier_and_intent() {
    for (tier, priority) in TIERS.iter().zip([
        TicketPriority::High,
        TicketPriority::High,
        TicketPriority::High,
        TicketPriority::Normal,
        TicketPriority::Normal,
        TicketPriority::Low,
    ]) {
        let answer = of(tier).press("agent");
        let [ticket] = answer.tickets()[..] else { panic!("{tier}: one ticket") };
        assert_eq!((ticket.priority, ticket.intent.as_str()), (priority, "agent"), "{tier}");
        assert!(answer.body().contains("T-1"), "{}", answer.body());
    }
}

#[test]
fn an_open_ticket_is_named_instead_of_opening_a_second() {
    let mut chat = of("bronze");
    assert_eq!(chat.press("agent").tickets().len(), 1);
    for _ in 0..3 {
        let answer = chat.say("I want to speak to an agent");
        assert!(answer.tickets().is_empty());
        assert!(answer.body().contains("T-1"));
    }
    // Another matter is another ticket, once.
    let answer = chat.say("my purchase never arrived");
    assert_eq!(answer.tickets().len(), 1);
    assert!(answer.body().contains("T-2"));
    assert!(chat.say("my purchase never arrived").body().contains("T-2"));

    for number in ["T-1", "T-2"] {
        let answer = chat.close_ticket(number, "Crystals delivered.");
        assert_eq!(answer.body(), format!("Your ticket {number} is closed: Crystals delivered.\nIs there anything else?"));
    }
    assert!(chat.press("agent").body().contains("T-3"), "a closed ticket is forgotten");
}

#[test]
fn a_ticket_closed_after_the_window_is_forgotten_without_a_word() {
    let mut chat = of("gold");
    chat.press("agent");
    chat.close_window();
    assert!(chat.close_ticket("T-1", "").effects.is_empty());
    assert_eq!(chat.conversation.state, None);
}

#[test]
fn where_no_ticket_can_be_opened_the_player_is_told_another_way() {
    let mut chat = of("platinum");
    chat.refuse("open-ticket", RefusalReason::NotGranted);
    let answer = chat.say("agent please");
    assert!(answer.tickets().is_empty());
    assert!(answer.body().contains("Settings > Help"), "{}", answer.body());
    assert_eq!(chat.conversation.state, None, "no ticket is kept that was not opened");
}

#[test]
fn greetings_and_unclear_words_show_the_menu() {
    let mut chat = of("gold");
    let hello = chat.say("Hello!");
    assert!(hello.body().starts_with("Hello Mateo!"), "{}", hello.body());
    assert_eq!(hello.button_ids(), ["balance", "events", "agent"]);
    let unclear = chat.say("purple elephants");
    assert!(unclear.body().starts_with("Sorry"), "{}", unclear.body());
    assert_eq!(unclear.button_ids(), ["balance", "events", "agent"]);
    let both = chat.say("Hi, my purchase is missing");
    assert_eq!(both.tickets().len(), 1, "a greeting with a request is the request");
    assert!(chat.hand_over("other", None).body().starts_with("Hello Mateo!"));
    assert_eq!(chat.say("balance").next, Next::Done, "the next message is for whichever flow it is about");
}

#[test]
fn every_kind_of_content_leaves_a_way_on() {
    let media = |caption: Option<&str>| Media {
        id: "1".into(),
        mime_type: "image/png".into(),
        caption: caption.map(str::to_owned),
        filename: None,
        voice: false,
    };
    let mut chat = of("silver");
    assert_eq!(chat.send(Inbound::Image(media(None))).button_ids(), ["agent", "menu"]);
    assert_eq!(chat.send(Inbound::Audio(media(None))).button_ids(), ["agent", "menu"]);
    assert_eq!(chat.send(Inbound::Sticker(media(None))).button_ids(), ["agent", "menu"]);
    assert_eq!(chat.send(Inbound::Unsupported("poll".into())).button_ids(), ["balance", "events", "agent"]);
    assert!(chat.quick_reply("balance", "My Balance").body().starts_with("Your balance"));
    assert!(chat.quick_reply("x-17", "Show me the events").list().is_some());
    assert!(chat.send(Inbound::Reaction(Reaction { target: None, emoji: Some("👍".into()) })).effects.is_empty());
    let screenshot = chat.send(Inbound::Image(media(Some("charged twice, see here"))));
    assert_eq!(screenshot.tickets().len(), 1, "a caption counts as words");
}

#[test]
fn what_is_busy_is_tried_again_and_what_is_not_granted_is_said() {
    let text = |text: &str| message(Inbound::Text(text.to_owned()));
    let unavailable = || ImportError::Unavailable("busy".into());

    let mut chat = of("gold");
    chat.host.balances = Err(unavailable());
    assert!(matches!(chat.event(text("balance")), Err(FlowError::Transient(_))));
    let mut chat = of("gold");
    chat.host.profile = Err(unavailable());
    assert!(matches!(chat.event(text("hello")), Err(FlowError::Transient(_))));
    let mut chat = of("gold");
    chat.host.last_purchase = Err(unavailable());
    assert!(matches!(chat.event(text("refund")), Err(FlowError::Transient(_))));
    let mut chat = of("gold");
    chat.host = chat.host.with_operation("transactions", move |_| Err(ImportError::Unavailable("busy".into())));
    assert!(matches!(chat.event(text("transaction history")), Err(FlowError::Transient(_))));

    let not_granted = || ImportError::NotGranted("players".into());
    let mut chat = of("gold");
    (chat.host.profile, chat.host.balances) = (Err(not_granted()), Err(not_granted()));
    assert!(chat.say("hello").body().starts_with("Hello! What can I do"));
    let answer = chat.say("balance");
    assert!(answer.body().contains("An agent can do it"), "{}", answer.body());
    assert_eq!(answer.button_ids(), ["agent", "menu"]);
}

#[test]
fn words_that_an_answer_cannot_hold_do_not_break_it() {
    let mut chat = of("gold");
    let answer = chat.say(&format!("refund {}", "ü".repeat(5000)));
    assert!(answer.tickets()[0].body.chars().count() <= 4096);
}

/// Has the host refuse claims until the player has proven who they are.
fn guarded(chat: &mut common::Chat) {
    let refused = "fresh-authentication: it needs a proof that is at most 300 s old; use request-authentication".to_owned();
    chat.host = std::mem::take(&mut chat.host).with_operation("claim-rewards", move |_| Err(ImportError::NotGranted(refused.clone())));
}

#[test]
fn a_claim_asks_for_a_proof_and_goes_on_after_it() {
    let mut chat = of("diamond");
    guarded(&mut chat);
    let answer = chat.press("claim-rewards");
    assert_eq!(answer.proofs(), ["high-value"]);
    assert!(answer.body().contains("I am sending you a code"), "{}", answer.body());
    chat.conversation.authentication = Authentication::CodeSent;
    let waiting = chat.say("claim my rewards");
    assert!(waiting.proofs().is_empty() && waiting.button_ids() == ["new-code", "agent"], "no second code unasked");
    assert_eq!(chat.press("new-code").proofs(), ["high-value"]);
    chat.host = of("diamond").host;
    let body = chat.prove("p-1").body();
    assert!(body.starts_with("Thank you, that was the right code!\n---\nThese rewards are yours now:"), "{body}");
}

#[test]
fn a_claim_that_cannot_be_proven_here_goes_in_no_circles() {
    for (reason, words) in [
        (RefusalReason::NotGranted, "You can do this in Starfall"),
        (RefusalReason::Unreachable, "You can do this in Starfall"),
        (RefusalReason::Other, "please wait a little"),
    ] {
        let mut chat = of("diamond");
        guarded(&mut chat);
        chat.refuse("request-authentication", reason);
        let answer = chat.press("claim-rewards");
        assert!(answer.proofs().is_empty() && answer.body().contains(words), "{}", answer.body());
        assert_eq!(answer.button_ids(), ["agent", "menu"]);
    }
    // Proven, and still refused: a bound device is asked for, which a chat is not.
    let mut chat = of("diamond");
    guarded(&mut chat);
    chat.press("claim-rewards");
    let answer = chat.prove("p-1");
    assert!(answer.proofs().is_empty() && answer.body().contains("You can do this in Starfall"), "{}", answer.body());
}

#[test]
fn who_proves_it_in_the_game_is_not_talked_to_unasked() {
    let mut chat = of("diamond");
    let event = || Event::Authenticated(AuthenticationEvent { purpose: "login".into(), attempts_left: 0 });
    let proof = Authenticated { method: "code-in-game".into(), at: 1_790_000_000_000 };
    chat.conversation.authentication = Authentication::Authenticated(proof);
    chat.conversation.window_closes_at = Some(u64::MAX);
    assert!(chat.event(event()).unwrap().kinds().is_empty());
    // Where the chat is closed nothing can be said, whatever waits.
    guarded(&mut chat);
    chat.press("claim-rewards");
    chat.conversation.window_closes_at = None;
    assert!(chat.event(event()).unwrap().kinds().is_empty());
}
