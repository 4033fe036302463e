//! A player who lost access, from the first word to credentials, an agent, or a lock.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use account_recovery::AccountRecovery;
use questline_sdk::RecoveryState;
use questline_sdk::mock::{self, Answer};
use questline_sdk::prelude::*;
use questline_testing as starfall;
use serde_json::json;

type Chat = mock::Chat<AccountRecovery>;

const SKIP: &str = "account-recovery:skip";
const AGENT: &str = "account-recovery:agent";
const CANCEL: &str = "account-recovery:cancel";

/// Nova: diamond, two devices, last bought for 99.99 USD, first guild Comet Riders. Lena the same in German, 54.99 EUR.
fn player(id: &str) -> Chat {
    let player = starfall::player(|player| player["id"] == id);
    let security = player["security_question"].clone();
    let (question, right) = (security["question"].clone(), security["answer"].clone());
    let mut chat: Chat = starfall::chat("account-recovery", &player);
    chat.host = chat
        .host
        .with_json_operation("security-question", move |_| Ok(json!({ "question": question })))
        .with_json_operation("check-security-answer", move |request| Ok(json!({ "correct": request["answer"] == right })));
    chat
}

fn nova() -> Chat {
    player("p-1001")
}

fn tracked(answer: &Answer) -> BTreeSet<&str> {
    answer.measures().into_iter().inspect(|(_, value)| assert_eq!(*value, 1.0)).map(|(name, _)| name).collect()
}

/// Issued, and with which confidence and reason.
fn issued(answer: &Answer) -> (f64, &str) {
    let [recovery] = answer.recoveries()[..] else { panic!("credentials are issued: {:?}", answer.kinds()) };
    (recovery.confidence, &recovery.reason)
}

fn ticket(answer: &Answer) -> &Ticket {
    let [ticket] = answer.tickets()[..] else { panic!("one ticket: {:?}", answer.kinds()) };
    ticket
}

#[test]
fn a_known_device_and_the_last_purchase_are_enough() {
    let mut chat = nova();
    let silent = chat.game_event("recovery-started", &json!({ "device": "fp-nova-pixel9" }));
    assert!(silent.effects.is_empty(), "the player speaks first");
    let answer = chat.say("I lost access to my account");
    assert!(answer.body().starts_with("I can help you back into your account."), "{}", answer.body());
    assert!(answer.body().contains("reply BLOCK"), "{}", answer.body());
    assert_eq!(answer.button_ids(), [SKIP, AGENT, CANCEL]);
    assert_eq!(tracked(&answer), BTreeSet::from(["recovery_started", "recovery_device_matched"]));
    assert_eq!(answer.next, Next::Stay);

    let answer = chat.say("it was $99.99 I think");
    assert_eq!(issued(&answer), (0.9, "matched: device, purchase"));
    assert!(answer.body().starts_with("Thank you, this is your account.") && answer.body().contains("reply BLOCK"), "{}", answer.body());
    assert_eq!(tracked(&answer), BTreeSet::from(["recovery_purchase_matched", "recovery_verified"]));
    assert!(answer.tickets().is_empty());
    assert_eq!((answer.next, answer.state.as_deref()), (Next::Done, None), "nothing is kept");
    assert!(chat.timers().is_empty());
}

#[test]
fn the_device_can_come_with_the_words_of_the_login_screen() {
    for (text, enough) in [
        ("I cannot get into my account (device: fp-nova-pixel9)", true),
        ("device:fp-nova-desktop", true),
        ("I lost my account. device: fp-somebody", false),
    ] {
        let mut chat = nova();
        chat.say(text);
        assert_eq!(!chat.say("99.99").recoveries().is_empty(), enough, "{text}");
    }
    // It may also come late: with the answer pending, it is what was missing.
    let mut chat = nova();
    chat.say("hacked!");
    chat.say("99,99");
    assert_eq!(issued(&chat.say("device:fp-nova-pixel9")).0, 0.9);
    let mut chat = nova();
    chat.say("hacked!");
    chat.say("99,99");
    assert_eq!(issued(&chat.game_event("recovery-started", &json!({ "device": "fp-nova-pixel9" }))).0, 0.9);
}

#[test]
fn a_device_that_was_told_long_ago_does_not_count() {
    let mut chat = nova();
    chat.game_event("recovery-started", &json!({ "device": "fp-nova-pixel9" }));
    chat.pass(1_801_000);
    let answer = chat.say("I lost my account");
    assert_eq!(tracked(&answer), BTreeSet::from(["recovery_started"]));
    assert!(chat.say("99.99").recoveries().is_empty());
}

#[test]
fn on_a_new_device_purchase_and_question_are_enough() {
    let mut chat = nova();
    chat.say("I lost access (device: fp-brand-new)");
    let answer = chat.say("99.99");
    assert_eq!(answer.body(), "Thank you.\n\nYour security question: What was the name of your first guild?");
    assert_eq!(issued(&chat.say(" Comet Riders ")), (0.8, "matched: purchase, question"));
    assert_eq!(chat.host.requests("check-security-answer"), [json!({ "answer": "Comet Riders" })]);
}

#[test]
fn german_players_are_asked_in_german_and_write_amounts_their_way() {
    for amount in ["54,99", "54.99", "54,99 €", "es waren 54,99 EUR"] {
        let mut chat = player("p-1002").in_locale("de-AT");
        let answer = chat.say("Ich habe den Zugang verloren (device: fp-lena-iphone17)");
        assert!(answer.body().starts_with("Ich helfe dir zurück in dein Konto."), "{}", answer.body());
        assert!(answer.body().contains("antworte mit BLOCK"));
        assert_eq!(answer.buttons()[0], (SKIP, "Weiß ich nicht"));
        let answer = chat.say(amount);
        assert_eq!(issued(&answer).0, 0.9, "{amount}");
        assert!(answer.body().starts_with("Danke, das ist dein Konto."), "{}", answer.body());
    }
    let mut chat = player("p-1002").in_locale("de");
    chat.say("konto verloren");
    assert!(chat.say("54,99").body().contains("Welchen Helden hast du zuerst gewählt?"));
}

#[test]
fn wrong_amounts_give_no_hint_and_are_counted() {
    let mut chat = nova();
    chat.say("locked out");
    let near = chat.say("99.98");
    assert!(near.body().starts_with("That does not match. You have one more try."), "{}", near.body());
    assert!(near.body().contains("reply BLOCK"));
    assert_eq!(tracked(&near), BTreeSet::from(["recovery_purchase_different"]));
    let mut other = nova();
    other.say("locked out");
    assert_eq!(other.say("5").body(), near.body(), "near and far read the same");

    let unclear = chat.say("I really do not remember");
    assert!(unclear.body().starts_with("I need one amount of money, in digits."), "{}", unclear.body());
    assert!(unclear.measures().is_empty(), "no amount is no wrong amount");
    let two = chat.say("99.99 or 49.99");
    assert!(two.body().starts_with("I need one amount"), "two guesses at once are none");

    let next = chat.say("49.99");
    assert!(next.body().starts_with("That does not match. Let us try it another way."), "{}", next.body());
    assert!(next.body().contains("Your security question"));
    // Device unknown and purchase wrong: the question alone is not enough.
    let ended = chat.say("Comet Riders");
    assert!(ended.recoveries().is_empty());
    let ticket = ticket(&ended);
    assert_eq!(
        (ticket.priority, ticket.intent.as_str(), ticket.subject.as_str()),
        (TicketPriority::High, "account-recovery", "Lost access to the account (diamond)")
    );
    assert_eq!(
        ticket.body,
        "Says to be: Nova, tier diamond, language en\nWhat could be checked was not enough.\n- Amount of the last purchase: did not match\n\
         - Security question: matched\nPoints: 35 of 80 needed. Wrong answers: 2."
    );
    assert_eq!(ticket.tags, ["tier:diamond", "recovery:unclear"]);
    assert!(ended.body().contains("T-1") && ended.body().contains("reply BLOCK"), "{}", ended.body());
}

#[test]
fn an_answer_is_in_no_ticket_state_or_log() {
    let mut chat = nova();
    chat.say("hacked (device: fp-somebody-else)");
    for words in ["12.34", "56.78"] {
        let answer = chat.say(words);
        assert!(!answer.state.unwrap().contains(words));
    }
    let answer = chat.say("Lost Legion");
    assert!(!answer.state.clone().unwrap().contains("Legion"));
    let answer = chat.say("Fallen Few");
    let told = format!("{:?} {:?}", answer.effects, answer.state);
    for secret in ["12.34", "1234", "56.78", "Legion", "Fallen", "fp-somebody-else", "Comet"] {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
    assert!(chat.host.logged.is_empty());
}

#[test]
fn too_many_wrong_answers_lock_the_account_for_an_hour() {
    let mut chat = nova();
    chat.say("hacked (device: fp-wrong)");
    for words in ["1", "2", "no idea what"] {
        assert!(chat.say(words).tickets().is_empty());
    }
    let answer = chat.say("still no idea");
    assert_eq!(tracked(&answer), BTreeSet::from(["recovery_question_different", "recovery_locked", "recovery_human"]));
    assert!(answer.body().starts_with("Too many answers did not match. To protect the account, nothing more can be tried for 60 minutes."));
    assert!(answer.body().contains("reply BLOCK") && answer.body().contains("T-1"), "{}", answer.body());
    assert!(ticket(&answer).body.contains("Too many answers were wrong") && ticket(&answer).body.contains("Wrong answers: 5."));
    assert_eq!(answer.next, Next::Done);
    assert_eq!(chat.timers(), ["unlock"]);
    assert!(chat.say("I lost my account").body().starts_with("Your ticket T-1 is open"));
    assert!(chat.fire("unlock").effects.is_empty());
    assert!(chat.say("I lost my account").body().starts_with("Your ticket T-1 is open"), "the agent still looks at it");
    assert!(chat.close_ticket("T-1", "").body().starts_with("Your ticket T-1 is closed."));
    assert!(chat.say("I lost my account").body().starts_with("I can help you back"));
}

#[test]
fn a_lock_of_the_hosts_holds_in_a_new_chat() {
    let locked = |until_ms: u64| RecoveryState { locked_until_ms: Some(until_ms), failures_left: 5 };
    let now_ms = nova().host.now_ms;
    let mut chat = nova().recovery(locked(now_ms + 90_000));
    let answer = chat.say("I lost access to my account");
    assert!(answer.body().contains("2 minutes"), "{}", answer.body());
    assert!(answer.recoveries().is_empty() && answer.tickets().is_empty());
    let mut chat = nova().recovery(locked(now_ms));
    assert!(chat.say("I lost access to my account").body().contains("How much did you pay"), "it is over");
}

#[test]
fn what_the_flow_compares_itself_it_tells_the_host() {
    let told = |answer: &Answer| -> Vec<String> {
        let attempt = |effect: &Effect| match effect {
            Effect::Extension(extension) if extension.name == "recovery-attempt" => Some(extension.value.clone()),
            _ => None,
        };
        answer.effects.iter().filter_map(attempt).collect()
    };
    let mut chat = nova();
    chat.say("I lost access to my account");
    assert_eq!(told(&chat.say("1.00")), ["{\"check\":\"purchase\",\"passed\":false}"]);
    assert_eq!(told(&chat.say("99.99")), ["{\"check\":\"purchase\",\"passed\":true}"]);
    assert!(told(&chat.say("wrong guild")).is_empty(), "the host sees the question's check itself");
}

#[test]
fn without_an_agent_the_lock_still_holds_until_its_time_is_over() {
    let mut chat = nova();
    chat.refuse("open-ticket", RefusalReason::NotGranted);
    chat.say("hacked (device: fp-wrong)");
    for words in ["1", "2", "no idea what"] {
        chat.say(words);
    }
    let answer = chat.say("still no idea");
    assert!(answer.body().contains("60 minutes") && answer.body().contains("Settings > Help"), "{}", answer.body());
    chat.pass(59 * 60_000);
    assert!(chat.say("I lost my account").body().contains("for one minute"));
    chat.fire("unlock");
    assert!(chat.say("I lost my account").body().starts_with("I can help you back"));
}

#[test]
fn wrong_answers_count_through_every_new_start() {
    let mut chat = nova();
    for _ in 0..4 {
        chat.say("I lost my account");
        chat.say("1.23");
        assert_eq!(chat.press(CANCEL).next, Next::Done);
    }
    chat.say("I lost my account");
    assert!(chat.say("4.56").body().starts_with("Too many answers did not match."), "cancelling wins no tries");
    // A device is no way around it either.
    let mut chat = nova();
    for n in 0..4 {
        chat.say(&format!("device:fp-guess-{n}"));
        chat.press(CANCEL);
    }
    assert!(chat.say("device:fp-guess-5").body().starts_with("Too many answers did not match."));
}

#[test]
fn who_succeeds_begins_anew() {
    let mut chat = nova();
    chat.say("I lost my account (device: fp-nova-pixel9)");
    chat.say("1.23");
    assert_eq!(chat.say("99.99").state, None, "wrong answers are forgiven");
}

#[test]
fn what_the_player_cannot_answer_is_skipped() {
    let mut chat = nova();
    chat.say("I lost my account (device: fp-nova-pixel9)");
    let answer = chat.press(SKIP);
    assert!(answer.body().starts_with("Never mind, there are other ways.\n\nYour security question"), "{}", answer.body());
    assert_eq!(tracked(&answer), BTreeSet::from(["recovery_purchase_skipped"]));
    assert_eq!(issued(&chat.say("Comet Riders")), (0.8, "matched: device, question"));

    let mut chat = nova();
    chat.say("I lost my account");
    chat.press(SKIP);
    let answer = chat.press(SKIP);
    assert!(ticket(&answer).body.contains("- Security question: the player could not answer"), "{}", ticket(&answer).body);
}

#[test]
fn without_purchases_and_question_a_known_device_alone_is_not_enough() {
    // Mia has never bought anything, has no device and no question; Jonas has no question.
    let answer = player("p-1008").say("I lost my account");
    assert!(answer.recoveries().is_empty());
    assert!(ticket(&answer).body.contains("What could be checked was not enough."));
    let mut chat = player("p-1005");
    chat.say("I lost my account (device: fp-jonas-fairphone)");
    chat.say("1");
    let answer = chat.say("2");
    assert!(
        ticket(&answer).body.contains("- Device: matched\n- Amount of the last purchase: did not match\nPoints: 45"),
        "{}",
        ticket(&answer).body
    );
    let answer = player("p-1008").say("device:fp-any");
    assert!(ticket(&answer).body.contains("- Device: nothing to compare with"));
}

#[test]
fn a_game_without_the_questions_operations_asks_none() {
    let player = starfall::player(|player| player["id"] == "p-1001");
    let mut chat: Chat = starfall::chat("account-recovery", &player);
    chat.say("I lost my account");
    assert_eq!(chat.say("99.99").tickets().len(), 1);
    let mut chat = nova().settings(&json!({}));
    chat.say("I lost my account");
    assert_eq!(chat.say("99.99").tickets().len(), 1, "by default there is no question");
    assert!(chat.host.called.is_empty());
}

#[test]
fn a_contact_whom_nobody_knows_gives_a_name_and_gets_an_agent() {
    for (locale, intro) in [("en", "Your number is not linked"), ("de", "Deine Nummer ist mit keinem Konto")] {
        let mut chat = nova().in_locale(locale);
        chat.conversation.player = None;
        chat.host.profile = Err(ImportError::NotFound);
        let answer = chat.say("hacked (device: fp-nova-pixel9)");
        assert!(answer.body().contains(intro), "{}", answer.body());
        assert_eq!(answer.button_ids(), [CANCEL]);
        let answer = chat.say("NovaPrime");
        let ticket = ticket(&answer);
        assert!(answer.recoveries().is_empty());
        assert!(ticket.body.contains("Not a known player") && ticket.body.contains("Says to be: NovaPrime"), "{}", ticket.body);
        assert!(ticket.body.contains("The contact is linked to no account"));
        assert_eq!(ticket.tags, ["tier:unknown", "recovery:unknown"]);
    }
}

#[test]
fn an_agent_is_one_tap_or_word_away_with_all_steps_attached() {
    for by_word in [true, false] {
        let mut chat = nova();
        chat.say("I lost my account (device: fp-nova-pixel9)");
        chat.say("1.00");
        let answer = if by_word { chat.say("let me talk to a human please") } else { chat.press(AGENT) };
        assert!(
            ticket(&answer).body.contains("The player asked for an agent.\n- Device: matched\nPoints: 45 of 80 needed. Wrong answers: 1.")
        );
        assert_eq!(answer.next, Next::Done);
        assert!(chat.press(AGENT).tickets().is_empty(), "one ticket is enough");
    }
}

#[test]
fn where_credentials_are_refused_a_human_gets_all_steps() {
    let mut chat = nova();
    chat.refuse("issue-recovery-credentials", RefusalReason::NotGranted);
    chat.say("I lost my account (device: fp-nova-pixel9)");
    let answer = chat.say("99.99");
    assert!(answer.recoveries().is_empty());
    assert!(ticket(&answer).body.contains("the credentials could not be issued"), "{}", ticket(&answer).body);
    assert!(ticket(&answer).body.contains("- Device: matched\n- Amount of the last purchase: matched\nPoints: 90 of 80 needed."));
    assert!(tracked(&answer).contains("recovery_human") && !tracked(&answer).contains("recovery_verified"));
}

#[test]
fn who_falls_silent_is_reminded_once_and_then_the_recovery_ends() {
    let mut chat = nova();
    chat.say("I lost my account");
    let reminder = chat.fire("idle");
    assert!(reminder.body().starts_with("Are you still there?") && reminder.body().contains("last purchase"), "{}", reminder.body());
    assert_eq!(reminder.timers().last().unwrap().after_ms, 1_800_000);
    assert_eq!(chat.timers(), ["idle"]);
    let end = chat.fire("idle");
    assert!(end.body().starts_with("I have not heard from you"), "{}", end.body());
    assert_eq!((tracked(&end), end.next), (BTreeSet::from(["recovery_abandoned"]), Next::Done));
    assert!(chat.timers().is_empty());
    assert_eq!(chat.say("99.99").next, Next::Pass, "an amount without a recovery is for another flow");

    // Who answers after the reminder is reminded again.
    let mut chat = nova();
    chat.say("I lost my account");
    chat.fire("idle");
    chat.say("1.00");
    assert!(chat.fire("idle").body().starts_with("Are you still there?"));
    // With the window closed nothing can be said.
    chat.close_window();
    let end = chat.fire("idle");
    assert!(end.replies().is_empty());
    assert_eq!(tracked(&end), BTreeSet::from(["recovery_abandoned"]));
}

#[test]
fn what_is_for_other_flows_is_passed_on() {
    let mut chat = nova();
    for words in ["What is my balance?", "hello", "99.99"] {
        assert_eq!(chat.say(words).next, Next::Pass, "{words}");
    }
    assert_eq!(chat.press("balance").next, Next::Pass);
    assert_eq!(chat.press(SKIP).next, Next::Pass, "a button of a recovery that is over");
    assert_eq!(chat.game_event("match-found", &json!({})).next, Next::Pass);
    assert_eq!(chat.close_ticket("T-9", "").next, Next::Pass);
    chat.say("I lost my account");
    assert_eq!(chat.press("balance").next, Next::Pass, "also while a recovery runs");
    let again = chat.send(Inbound::Location(questline_sdk::types::Location { latitude: 1.0, longitude: 2.0, name: None, address: None }));
    assert!(again.body().starts_with("Please answer in words"), "{}", again.body());
    assert!(chat.hand_over("vip-routing", None).body().starts_with("I can help you back"));
}

#[test]
fn what_is_busy_is_tried_again() {
    let busy = || ImportError::Unavailable("busy".into());
    let text = |text: &str| mock::message(Inbound::Text(text.to_owned()));
    let mut chat = nova();
    chat.host.profile = Err(busy());
    assert!(matches!(chat.event(text("hacked")), Err(FlowError::Transient(_))));
    let mut chat = nova();
    chat.say("hacked");
    chat.host.last_purchase = Err(busy());
    assert!(matches!(chat.event(text("99.99")), Err(FlowError::Transient(_))), "and no try is lost");
    let mut chat = nova();
    chat.host = chat.host.with_operation("check-security-answer", |_| Err(ImportError::Unavailable("busy".into())));
    chat.say("hacked");
    chat.press(SKIP);
    assert!(matches!(chat.event(text("Comet Riders")), Err(FlowError::Transient(_))));
}

#[test]
fn an_event_that_makes_no_sense_is_told_to_the_studio() {
    for payload in [json!({}), json!({ "device": "" }), json!({ "device": "x".repeat(129) })] {
        let event =
            questline_sdk::types::GameEvent { name: "recovery-started".into(), id: "e1".into(), payload: payload.to_string(), at: 0 };
        assert!(matches!(nova().event(Event::GameEvent(event)), Err(FlowError::Permanent(_))), "{payload}");
    }
}

#[test]
fn the_game_grants_and_routes_what_the_flow_needs_and_no_more() {
    let description = AccountRecovery::describe();
    assert_eq!(description.name, "account-recovery");
    assert_eq!(description.capabilities.into_iter().collect::<BTreeSet<_>>(), starfall::grants("account-recovery"));
    let mut wanted: BTreeSet<String> = description.events.into_iter().collect();
    wanted.remove("timer");
    assert_eq!(wanted, starfall::routed("account-recovery"));
    let wrong = nova().settings(&json!({ "point_min": 80 })).event(mock::message(Inbound::Text("hi".into()))).unwrap_err();
    assert!(wrong.to_string().contains("point_min"), "{wrong}");
}
