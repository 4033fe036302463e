//! The mock host takes a flow's answers as the host does, and finds what a flow does without saying so.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use questline_sdk::mock::{self, Chat, Mock};
use questline_sdk::players::DeviceMatch;
use questline_sdk::prelude::*;
use questline_sdk::types::GameEvent;
use serde::{Deserialize, Serialize};

/// Does what it is told.
struct Puppet;

#[derive(Default, Serialize, Deserialize)]
struct State {
    heard: Vec<String>,
}

#[derive(Deserialize)]
struct Score {
    points: u32,
}

impl Flow for Puppet {
    fn describe() -> Description {
        Description::new("puppet", "1.0.0").state_version(2).wants(&[EventKind::Message, EventKind::GameEvent, EventKind::Timer]).needs(&[
            Capability::Reply,
            Capability::Timers,
            Capability::Tickets,
            Capability::Players,
            Capability::Consent,
        ])
    }

    fn handle(conversation: &Conversation, event: Event) -> Result<Outcome, FlowError> {
        let mut state: State = conversation.read_state()?.unwrap_or_default();
        let words = match &event {
            Event::Message(message) => match message.content.picked() {
                Some(picked) => format!("{}={}", picked.id, picked.title),
                None => message.content.words().unwrap_or_default().to_owned(),
            },
            Event::GameEvent(event) => format!("{} points", event.read_payload::<Score>()?.points),
            Event::Timer(timer) => format!("{} {}", timer.id, timer.read_payload::<u32>()?),
            _ => String::new(),
        };
        state.heard.push(words.clone());
        let outcome = Outcome::stay().state(&state)?;
        Ok(match words.as_str() {
            "pass" => Outcome::pass(),
            "timer" => outcome.set_timer(NewTimer::new("wake", 90_000).payload(&7)?)?,
            "cancel" => outcome.cancel_timer("wake")?,
            "ticket" if conversation.refusal("open-ticket").is_some() => outcome.reply("no ticket")?,
            "ticket" => outcome.ticket(Ticket::new(TicketPriority::Low, "agent", conversation.ticket_number.clone()))?,
            "yes" => outcome.change_consent(true, "yes", "chat")?,
            "template" => outcome.template(Template::new("secret"))?,
            "time" => outcome.reply(clock::now().to_string())?,
            "device" => outcome.reply(format!("{:?}", players::check_device("fp-1")?))?,
            "pick" => outcome.reply(Buttons::new("Pick").button("a", "One"))?,
            other => outcome.reply(format!("heard {other}"))?,
        })
    }

    fn migrate(from_version: u32, state: &str) -> Result<String, String> {
        match from_version {
            1 => Ok(format!(r#"{{"heard":[{state}]}}"#)),
            other => Err(format!("no way from state version {other}")),
        }
    }
}

fn chat() -> Chat<Puppet> {
    Chat::new()
}

#[test]
fn state_timers_tickets_and_consent_are_kept() {
    let mut chat = chat();
    assert_eq!(chat.say("one").body(), "heard one");
    assert_eq!(chat.say("two").read_state::<State>().unwrap().heard, ["one", "two"]);
    assert_eq!(chat.say("pass").next, Next::Pass);
    chat.say("timer");
    assert_eq!(chat.timers(), ["wake"]);
    let before_ms = chat.host.now_ms;
    assert_eq!(chat.fire("wake").body(), "heard wake 7");
    assert_eq!(chat.host.now_ms - before_ms, 90_000, "the clock moves on");
    assert_eq!([chat.say("ticket").tickets()[0].subject.as_str(), &chat.say("ticket").tickets()[0].subject], ["T-1", "T-2"]);
    chat.say("yes");
    assert!(chat.conversation.marketing_consent);
    assert_eq!(chat.game_event("score", &serde_json::json!({ "points": 12 })).body(), "heard 12 points");
    assert_eq!(chat.say("pick").buttons(), [("a", "One")]);
    assert_eq!(chat.press("a").body(), "heard a=One");
    chat.migrate(1, &"old words");
    assert_eq!(chat.say("now").read_state::<State>().unwrap().heard, ["old words", "now"]);
}

#[test]
#[should_panic(expected = "no timer \"wake\" is set")]
fn a_cancelled_timer_is_never_due() {
    let mut chat = chat();
    chat.say("timer");
    chat.say("cancel");
    chat.fire("wake");
}

#[test]
fn a_refused_effect_has_the_event_handed_in_again() {
    let mut refusing = chat();
    refusing.refuse("open-ticket", RefusalReason::Other);
    let answer = refusing.say("ticket");
    assert_eq!((answer.kinds(), answer.body()), (vec!["reply"], "no ticket".to_owned()));
    assert_eq!(answer.read_state::<State>().unwrap().heard, ["ticket"], "nothing of the first answer was kept");
    let mut without = chat().without(Capability::Tickets);
    assert_eq!(without.say("ticket").body(), "no ticket");
}

#[test]
#[should_panic(expected = "refused twice")]
fn outside_the_window_only_templates_can_be_sent() {
    let mut chat = chat();
    chat.close_window();
    chat.game_event("score", &serde_json::json!({ "points": 1 }));
}

#[test]
fn the_window_closes_a_day_after_the_last_message() {
    let mut chat = chat();
    chat.say("hi");
    chat.pass(86_400_000 - 1);
    assert!(chat.conversation.is_window_open());
    chat.pass(1);
    assert!(!chat.conversation.is_window_open());
}

#[test]
#[should_panic(expected = "the flow uses send-template")]
fn an_effect_that_is_not_described_is_found() {
    chat().say("template");
}

#[test]
#[should_panic(expected = "the flow uses clock")]
fn an_import_that_is_not_described_is_found() {
    chat().say("time");
}

#[test]
#[should_panic(expected = "does not say that it wants ticket-closed")]
fn an_event_that_is_not_wanted_is_found() {
    chat().close_ticket("T-1", "");
}

#[test]
fn imports_that_are_withheld_are_not_granted() {
    let with = |host: Mock| Chat::<Puppet>::with(host).say("device").body();
    assert_eq!(with(Mock::new().with_devices(&["fp-1"])), format!("{:?}", DeviceMatch::Same));
    assert_eq!(with(Mock::new().with_devices(&["fp-2"])), format!("{:?}", DeviceMatch::Different));
    assert_eq!(with(Mock::new().with_devices(&[])), format!("{:?}", DeviceMatch::Unknown));
    let mut chat = chat().without(Capability::Players);
    let failed = chat.event(mock::message(Inbound::Text("device".into()))).unwrap_err();
    assert_eq!(failed, FlowError::permanent("not granted: players"));
}

#[test]
fn what_is_no_such_payload_is_told_with_its_name() {
    let event = GameEvent { name: "score".into(), id: "e1".into(), payload: r#"{"points": "many"}"#.into(), at: 0 };
    let error = chat().event(Event::GameEvent(event)).unwrap_err();
    assert!(error.to_string().contains("the game event score"), "{error}");
}
