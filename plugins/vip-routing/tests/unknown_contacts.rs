//! A contact that is no known player is asked to prove who they are, learns nothing personal, and meets no dead end.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Chat, of, unknown};
use questline_sdk::mock::Answer;
use questline_sdk::prelude::*;
use questline_sdk::types::{Authenticated, AuthenticationEvent};

/// Becomes the player whom the host found by the proof.
fn prove(chat: &mut Chat, tier: &str) -> Answer {
    let known = of(tier);
    chat.host.profile = known.host.profile;
    chat.host.balances = known.host.balances;
    chat.prove("p-1")
}

#[test]
fn whatever_they_say_they_are_asked_to_prove_who_they_are() {
    for words in ["hello", "balance", "claim my rewards", "purple elephants", "transaction history"] {
        let mut chat = unknown();
        let answer = chat.say(words);
        assert_eq!(answer.proofs(), ["login"], "{words}");
        assert!(answer.body().contains("I am sending you a code"), "{}", answer.body());
        assert!(answer.tickets().is_empty());
        assert!(chat.host.called.is_empty(), "{words}: nothing was asked of the backend");
    }
}

#[test]
fn what_they_asked_for_is_answered_after_the_proof() {
    let mut chat = unknown();
    chat.say("What is my balance?");
    let answer = prove(&mut chat, "diamond");
    assert!(answer.body().starts_with("Thank you, that was the right code!\n---\nYour balance:"), "{}", answer.body());
    assert_eq!(chat.conversation.state, None, "nothing stays pending");

    let mut chat = unknown();
    chat.say("hello");
    assert!(prove(&mut chat, "diamond").body().starts_with("Hello Nova!"));
}

#[test]
fn while_a_code_is_on_its_way_no_second_one_is_sent_unasked() {
    let mut chat = unknown();
    chat.say("balance");
    chat.conversation.authentication = Authentication::CodeSent;
    let answer = chat.say("hello?");
    assert!(answer.proofs().is_empty());
    assert_eq!(answer.button_ids(), ["new-code", "agent"]);
    assert_eq!(chat.press("new-code").proofs(), ["login"]);
    let body = prove(&mut chat, "silver").body();
    assert!(body.contains("Your balance:"), "what was asked for first is not forgotten: {body}");
}

#[test]
fn wrong_codes_are_counted_for_the_player_and_a_dead_one_can_be_replaced() {
    let mut chat = unknown();
    assert!(chat.reject_code(2).body().contains("2 more tries"));
    assert!(chat.reject_code(1).body().contains("one more try"));
    assert_eq!(chat.reject_code(0).button_ids(), ["new-code", "agent"]);
}

#[test]
fn where_no_code_can_be_sent_they_are_told_how_to_link_the_account_in_the_game() {
    let mut chat = unknown();
    chat.refuse("request-authentication", RefusalReason::NotGranted);
    let answer = chat.say("balance");
    assert!(answer.proofs().is_empty(), "it is not asked for again");
    assert!(answer.body().contains("Settings > Account > Link WhatsApp"), "{}", answer.body());
    assert_eq!(answer.button_ids(), ["agent"]);
}

#[test]
fn a_proof_that_leads_to_no_player_does_not_go_in_circles() {
    let mut chat = unknown();
    chat.conversation.authentication = Authentication::Authenticated(Authenticated { method: "code".into(), at: 1_790_000_000_000 });
    let proved = chat.event(Event::Authenticated(AuthenticationEvent { purpose: "login".into(), attempts_left: 3 })).unwrap();
    for answer in [proved, chat.say("balance")] {
        assert!(answer.proofs().is_empty());
        assert!(answer.body().contains("Link WhatsApp"), "{}", answer.body());
    }
}

#[test]
fn a_player_that_the_database_does_not_know_counts_as_unknown() {
    let mut chat = unknown();
    chat.conversation.player = Some("p-gone".into());
    assert_eq!(chat.say("balance").proofs(), ["login"]);
}

#[test]
fn a_human_is_there_for_everyone() {
    let mut chat = unknown();
    let answer = chat.say("I need to talk to a human, I lost my account");
    let [ticket] = answer.tickets()[..] else { panic!("one ticket") };
    assert_eq!(ticket.priority, TicketPriority::Low);
    assert!(ticket.tags.contains(&"tier:unknown".to_owned()));
    assert!(answer.body().contains("T-1"));
    assert!(chat.press("agent").tickets().is_empty(), "one ticket is enough");
}
