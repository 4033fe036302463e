//! Results, matches, questions and news: what the player reads, and what the studio's backend hears.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use questline_sdk::mock::{self, Answer};
use questline_sdk::prelude::*;
use questline_testing as starfall;
use serde_json::{Value, json};
use tournament_replies::TournamentReplies;

type Chat = mock::Chat<TournamentReplies>;

fn of(tier: &str) -> Chat {
    with(&starfall::player_of(tier))
}

fn with(player: &Value) -> Chat {
    let answers = starfall::data()["answers"].clone();
    let answer = move |operation: &str, request: &Value| {
        let fits = |canned: &&Value| {
            let fields = canned["request"].as_object();
            canned["operation"] == operation && fields.into_iter().flatten().all(|(name, value)| request.get(name) == Some(value))
        };
        Ok(answers.as_array().unwrap().iter().find(fits).unwrap()["answer"].clone())
    };
    let (first, second) = (answer.clone(), answer);
    let mut chat: Chat = starfall::chat("tournament-replies", player);
    chat.host = chat
        .host
        .with_json_operation("tournament", move |request| first("tournament", &request))
        .with_json_operation("answer-match", move |request| second("answer-match", &request));
    chat
}

fn lena() -> Chat {
    with(&starfall::player(|player| player["name"] == "Lena")).in_locale("de")
}

fn result(chat: &mut Chat, position: u32) -> Answer {
    let tournament = json!({ "en": "Star League Cup", "de": "Sternenliga-Pokal" });
    chat.game_event("tournament-result", &json!({ "tournament": tournament, "position": position, "prize": 5000, "currency": "premium" }))
}

fn found(chat: &mut Chat, id: &str) -> Answer {
    let mode = json!({ "en": "Ranked Duel", "de": "Ranglistenduell" });
    chat.game_event("match-found", &json!({ "match": id, "opponent": "Vega", "mode": mode, "accept_by_s": 90 }))
}

fn measures(answer: &Answer) -> Vec<&str> {
    answer.measures().into_iter().map(|(name, _)| name).collect()
}

fn accept(id: &str) -> String {
    format!("tournament-replies:accept:{id}")
}

fn decline(id: &str) -> String {
    format!("tournament-replies:decline:{id}")
}

#[test]
fn champions_the_best_and_all_others_are_told_position_and_prize() {
    let cases = [
        (1, "🏆 You won Star League Cup! Position 1,", "tournament_champions"),
        (2, "🎉 You finished Star League Cup in position 2,", "tournament_top_results"),
        (10, "🎉 You finished Star League Cup in position 10,", "tournament_top_results"),
        (11, "Star League Cup is over, and you finished in position 11.", "tournament_other_results"),
        (1_204, "Star League Cup is over, and you finished in position 1,204.", "tournament_other_results"),
    ];
    for (position, text, measure) in cases {
        let answer = result(&mut of("gold"), position);
        assert!(answer.body().starts_with(text), "{}", answer.body());
        assert!(answer.body().ends_with("Your prize: 5,000 Star Crystals. It is waiting in your inbox in the game."), "{}", answer.body());
        assert_eq!(measures(&answer), [measure]);
        assert!(answer.tickets().is_empty() && answer.templates().is_empty());
        assert_eq!(answer.next, Next::Done);
    }
    let answer = result(&mut lena(), 1);
    assert!(answer.body().starts_with("🏆 Du hast das Turnier „Sternenliga-Pokal“ gewonnen! Platz 1,"), "{}", answer.body());
    assert!(answer.body().contains("Dein Preis: 5.000 Sternkristalle."), "{}", answer.body());
    assert_eq!(answer.buttons()[0], ("tournament-replies:prizes", "Preise"));
}

#[test]
fn a_prize_is_written_as_its_currency_is() {
    let prize = |payload: Value| {
        let mut payload = payload;
        payload["tournament"] = "Cup".into();
        payload["position"] = 20.into();
        of("gold").game_event("tournament-result", &payload).body()
    };
    assert!(prize(json!({ "prize": 200_000, "currency": "free" })).contains("200,000 Coins"));
    assert!(prize(json!({ "prize": 1250, "currency": "EUR" })).contains("1,250.00 EUR"));
    assert!(prize(json!({ "prize": 12.5, "currency": "USD" })).contains("12.50 USD"));
    assert!(prize(json!({ "prize": 9000, "currency": "JPY" })).contains("9,000 JPY"));
    assert!(prize(json!({ "prize": 3, "currency": "golden tickets" })).contains("3 golden tickets"));
    assert!(prize(json!({ "prize": 3 })).contains("Your prize: 3."));
    for none in [json!({}), json!({ "prize": 0, "currency": "premium" }), json!({ "prize": null }), json!({ "prize": -5 })] {
        assert!(!prize(none.clone()).contains("prize"), "{none}");
    }
}

#[test]
fn diamond_and_platinum_in_the_top_three_hear_from_a_human_too() {
    for tier in ["diamond", "platinum", "gold", "silver", "bronze", "standard"] {
        for position in [1, 3, 4] {
            let answer = result(&mut of(tier), position);
            let expected = ["diamond", "platinum"].contains(&tier) && position <= 3;
            assert_eq!(answer.tickets().len(), usize::from(expected), "{tier} {position}");
            assert_eq!(answer.body().contains("T-1"), expected, "{}", answer.body());
            if let [ticket] = answer.tickets()[..] {
                assert_eq!((ticket.priority, ticket.intent.as_str()), (TicketPriority::High, "tournament-follow-up"));
                assert!(ticket.body.contains("finished Star League Cup in position"), "{}", ticket.body);
                assert_eq!(ticket.tags, [format!("tier:{tier}"), format!("position:{position}")]);
            }
        }
    }
    let mut chat = of("diamond");
    chat.refuse("open-ticket", RefusalReason::NotGranted);
    let answer = result(&mut chat, 1);
    assert!(answer.body().starts_with("🏆") && !answer.body().contains("T-1"), "without agents no promise: {}", answer.body());
}

#[test]
fn outside_the_window_a_result_goes_out_as_a_template() {
    let mut chat = of("diamond");
    chat.close_window();
    let answer = result(&mut chat, 2);
    let [template] = answer.templates()[..] else { panic!("one template") };
    assert_eq!((template.name.as_str(), template.language.as_deref()), ("tournament_result", None));
    assert_eq!(template.body, ["Nova", "Star League Cup", "2", "5,000 Star Crystals"]);
    assert_eq!(answer.tickets().len(), 1, "the follow-up is opened all the same");
    assert!(answer.replies().is_empty());

    let mut chat = lena();
    chat.close_window();
    let answer = chat.game_event("tournament-result", &json!({ "tournament": "Cup", "position": 40 }));
    assert_eq!(answer.templates()[0].body, ["Lena", "Cup", "40", "diesmal keiner"]);

    // Where there is no such template, nothing can be said; the figures show it.
    let mut chat = of("gold");
    chat.close_window();
    chat.refuse("send-template", RefusalReason::UnknownTarget);
    let answer = result(&mut chat, 7);
    assert_eq!((answer.kinds(), measures(&answer)), (vec!["track", "track"], vec!["tournament_top_results", "tournament_results_unsent"]));
}

#[test]
fn a_match_can_be_accepted_once() {
    let mut chat = of("silver");
    let answer = found(&mut chat, "m-77");
    assert_eq!(answer.body(), "⚔️ Match found: Ranked Duel against Vega. Do you accept? You have 90 seconds.");
    assert_eq!(answer.buttons(), [(&*accept("m-77"), "Accept"), (&*decline("m-77"), "Decline")]);
    assert_eq!((answer.next, chat.timers()), (Next::Stay, vec!["match:m-77"]));

    let answer = chat.press(&accept("m-77"));
    assert_eq!(chat.host.requests("answer-match"), [json!({ "match": "m-77", "answer": "accept" })]);
    assert!(answer.body().starts_with("You accepted the match against Vega."), "{}", answer.body());
    assert_eq!((measures(&answer), answer.next), (vec!["match_accepted"], Next::Done));

    // Meta repeats, players tap twice and change their minds: the first answer stands.
    assert!(chat.press(&decline("m-77")).body().starts_with("You accepted the match"));
    assert_eq!(chat.host.requests("answer-match").len(), 1);
    assert!(chat.fire("match:m-77").effects.is_empty(), "who answered is not told that the time is over");
    assert_eq!(chat.conversation.state, None);
}

#[test]
fn a_match_can_be_declined_also_in_words_and_in_german() {
    let mut chat = lena();
    assert_eq!(found(&mut chat, "m-1").body(), "⚔️ Match gefunden: Ranglistenduell gegen Vega. Nimmst du an? Du hast 90 Sekunden.");
    assert!(chat.press(&decline("m-1")).body().starts_with("Du hast das Match gegen Vega abgelehnt."));
    let mut chat = lena();
    found(&mut chat, "m-1");
    found(&mut chat, "m-2");
    chat.say("ich lehne ab");
    chat.say("ich nehme an");
    assert_eq!(
        chat.host.requests("answer-match"),
        [json!({ "match": "m-2", "answer": "decline" }), json!({ "match": "m-1", "answer": "accept" })]
    );
    assert_eq!(chat.say("ich nehme an").next, Next::Pass, "no match waits");
}

#[test]
fn who_is_late_is_told_so() {
    let mut chat = of("silver");
    found(&mut chat, "m-77");
    let over = chat.fire("match:m-77");
    assert!(over.body().starts_with("The time to answer for the match against Vega is over."), "{}", over.body());
    assert_eq!((measures(&over), over.next), (vec!["match_missed"], Next::Done));
    let late = chat.press(&accept("m-77"));
    assert!(late.body().starts_with("The time to answer is over"), "{}", late.body());
    assert_eq!(measures(&late), ["match_late"]);
    assert!(chat.host.called.is_empty(), "the backend is not asked in vain");

    // The clock counts, even before the timer has come.
    let mut chat = of("silver");
    found(&mut chat, "m-77");
    chat.pass(90_000);
    assert!(chat.press(&accept("m-77")).body().starts_with("The time to answer is over"));
    // And the backend has the last word.
    let mut chat = of("silver");
    found(&mut chat, "m-late");
    assert!(chat.press(&accept("m-late")).body().starts_with("The time to answer is over"));

    let mut chat = of("silver");
    found(&mut chat, "m-77");
    chat.close_window();
    assert!(chat.fire("match:m-77").replies().is_empty(), "with the window closed nothing can be said");
}

#[test]
fn outside_the_window_a_match_goes_out_as_a_template_whose_buttons_work() {
    let mut chat = of("silver");
    chat.close_window();
    let answer = found(&mut chat, "m-77");
    let [template] = answer.templates()[..] else { panic!("one template") };
    assert_eq!(template.name, "match_found_alert");
    assert_eq!(template.body, ["Jonas", "Ranked Duel", "Vega", "90 seconds"]);
    assert_eq!(template.buttons, [(0, accept("m-77")), (1, decline("m-77"))]);
    let answer = chat.quick_reply(&accept("m-77"), "Accept");
    assert!(answer.body().contains("Vega"), "{}", answer.body());
    assert_eq!(measures(&answer), ["match_accepted"]);

    let mut chat = of("gold").settings(&json!({}));
    chat.close_window();
    chat.refuse("send-template", RefusalReason::UnknownTarget);
    assert_eq!(measures(&found(&mut chat, "m-1")), ["match_unsent"]);
}

#[test]
fn where_the_backend_takes_no_answers_the_player_answers_in_the_game() {
    let player = starfall::player_of("silver");
    let mut chat: Chat = starfall::chat("tournament-replies", &player);
    found(&mut chat, "m-77");
    assert!(chat.press(&accept("m-77")).body().contains("Starfall"));
    let mut chat = of("silver");
    chat.host = chat.host.with_operation("answer-match", |_| Err(ImportError::Unavailable("busy".into())));
    found(&mut chat, "m-77");
    let press = mock::message(Inbound::Button(Choice { id: accept("m-77"), title: "Accept".into() }));
    assert!(matches!(chat.event(press), Err(FlowError::Transient(_))), "the host tries again");
}

#[test]
fn questions_are_answered_from_the_backend_with_the_others_one_tap_away() {
    let mut chat = of("bronze");
    let answer = chat.say("What are the tournament prizes?");
    assert!(answer.body().starts_with("Star League Cup: 5,000 Star Crystals for the champion"), "{}", answer.body());
    assert_eq!(answer.buttons(), [("tournament-replies:brackets", "Brackets"), ("tournament-replies:registration", "Register")]);
    assert!(chat.press("tournament-replies:brackets").body().contains("drawn on Saturday"));
    assert!(chat.say("how do I join?").body().contains("Registration"));
    assert_eq!(
        chat.host.requests("tournament"),
        [json!({ "topic": "prizes" }), json!({ "topic": "brackets" }), json!({ "topic": "registration" })]
    );
    assert!(lena().say("Wo ist der Turnierbaum?").body().contains("Viertelfinale"));
    let mut stranger = of("bronze");
    stranger.conversation.player = None;
    assert!(stranger.say("tournament prizes").body().starts_with("Star League Cup"), "everybody may ask");
    let mut chat: Chat = starfall::chat("tournament-replies", &starfall::player_of("bronze"));
    assert!(chat.say("prize pool").body().starts_with("I cannot look that up here."));
}

#[test]
fn news_need_a_clear_yes_whose_words_are_kept() {
    let mut chat = of("gold");
    let question = chat.say("send me tournament news");
    assert!(question.consents().is_empty(), "asking is not agreeing");
    assert_eq!(question.button_ids(), ["tournament-replies:news-yes", "tournament-replies:news-no"]);
    let answer = chat.press("tournament-replies:news-yes");
    let [consent] = answer.consents()[..] else { panic!("one consent") };
    assert_eq!((consent.marketing, consent.method.as_str()), (true, "chat-button"));
    assert_eq!(consent.wording, format!("{} — Yes, Send Me News", question.body()));
    assert!(answer.body().contains("Write STOP at any time"), "{}", answer.body());
    assert!(chat.say("tournament news").body().starts_with("You get tournament news already."));

    let answer = chat.say("no more tournament news, please");
    let [consent] = answer.consents()[..] else { panic!("one consent") };
    assert_eq!(
        (consent.marketing, consent.method.as_str(), consent.wording.as_str()),
        (false, "chat-text", "no more tournament news, please")
    );
    assert!(!chat.conversation.marketing_consent);

    let mut chat = lena();
    chat.say("Turniernews abonnieren");
    let answer = chat.press("tournament-replies:news-no");
    assert_eq!((answer.consents()[0].marketing, answer.consents()[0].wording.as_str()), (false, "Nein, danke"));
    chat.refuse("change-consent", RefusalReason::NotGranted);
    chat.say("Turniernews abonnieren");
    assert!(chat.press("tournament-replies:news-yes").body().starts_with("Das kann ich hier nicht ändern."));
}

#[test]
fn nobody_who_said_stop_is_offered_news() {
    let mut chat = of("diamond");
    for answer in [result(&mut chat, 1), found(&mut chat, "m-1"), chat.say("tournament prizes")] {
        assert!(answer.button_ids().iter().all(|id| !id.contains("news")), "{:?}", answer.button_ids());
    }
}

#[test]
fn what_is_for_other_flows_is_passed_on() {
    let mut chat = of("gold");
    for words in ["What is my balance?", "hello", "accept", "decline"] {
        assert_eq!(chat.say(words).next, Next::Pass, "{words}");
    }
    assert_eq!(chat.press("balance").next, Next::Pass);
    assert_eq!(chat.game_event("recovery-started", &json!({ "device": "x" })).next, Next::Pass);
    found(&mut chat, "m-1");
    assert_eq!(chat.say("What is my balance?").next, Next::Pass, "also while a match waits");
    assert!(chat.press(&accept("m-1")).body().contains("Vega"), "which it still does then");
}

#[test]
fn an_event_that_makes_no_sense_is_told_to_the_studio() {
    let matches = |id: &str| json!({ "match": id, "opponent": "Vega", "mode": "Duel", "accept_by_s": 10 });
    for (name, payload) in [
        ("tournament-result", json!({ "tournament": "Cup", "position": 0 })),
        ("tournament-result", json!({ "position": 1 })),
        ("match-found", matches("")),
        ("match-found", matches("m 1")),
        ("match-found", matches(&"m".repeat(65))),
    ] {
        let event = questline_sdk::types::GameEvent { name: name.into(), id: "e1".into(), payload: payload.to_string(), at: 0 };
        assert!(matches!(of("gold").event(Event::GameEvent(event)), Err(FlowError::Permanent(_))), "{payload}");
    }
    // Whatever the names are, the message fits.
    let long = json!({ "match": "m", "opponent": "ü".repeat(2_000), "mode": "ü".repeat(2_000), "accept_by_s": u64::MAX });
    assert!(of("gold").game_event("match-found", &long).body().chars().count() <= 1_024);
    for n in 0..20 {
        let mut chat = of("gold");
        found(&mut chat, &format!("m-{n}"));
    }
}

#[test]
fn the_game_grants_and_routes_what_the_flow_needs_and_no_more() {
    let description = TournamentReplies::describe();
    assert_eq!(description.name, "tournament-replies");
    assert_eq!(description.capabilities.into_iter().collect::<BTreeSet<_>>(), starfall::grants("tournament-replies"));
    let mut wanted: BTreeSet<String> = description.events.into_iter().collect();
    wanted.remove("timer");
    assert_eq!(wanted, starfall::routed("tournament-replies"));
    for template in ["tournament_result", "match_found_alert"] {
        let file: toml::Table = starfall::file(&format!("templates/{template}.toml")).parse().unwrap();
        for locale in starfall::LOCALES {
            let body = file["languages"][locale]["body"].as_str().unwrap();
            assert!((1..=4).all(|n| body.contains(&format!("{{{{{n}}}}}"))) && !body.contains("{{5}}"), "{template} {locale}: {body}");
        }
    }
}
