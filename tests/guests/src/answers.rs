//! Answers that a host must not act on.
use questline_sdk::prelude::*;
use questline_sdk::types::{Extension, HandOver, Measure, Reply};

use crate::reply;

pub(crate) fn text(body: String) -> Result<Outcome, FlowError> {
    effect(reply(body))
}

pub(crate) fn state(state: String) -> Result<Outcome, FlowError> {
    Ok(Outcome { state: Some(state), ..Outcome::stay() })
}

pub(crate) fn many_effects() -> Result<Outcome, FlowError> {
    Ok(Outcome { effects: (0..10_000).map(|at| reply(format!("reply {at}"))).collect(), ..Outcome::stay() })
}

pub(crate) fn invalid_effect() -> Result<Outcome, FlowError> {
    let buttons = Buttons::new("Four buttons, and a title of 21 characters")
        .button("1", "One")
        .button("2", "Two")
        .button("3", "Three")
        .button("4", "x".repeat(21));
    effect(Effect::Reply(Reply { content: Outbound::Buttons(buttons), reply_to: None }))
}

pub(crate) fn bad_timer() -> Result<Outcome, FlowError> {
    effect(Effect::SetTimer(NewTimer { id: "t".to_owned(), after_ms: 1000, payload: "{not json".to_owned() }))
}

pub(crate) fn bad_measure() -> Result<Outcome, FlowError> {
    effect(Effect::Track(Measure { name: "hostile".to_owned(), value: f64::NAN }))
}

pub(crate) fn unknown_flow() -> Result<Outcome, FlowError> {
    effect(Effect::HandOver(HandOver { flow: "no-such-flow".to_owned(), note: None }))
}

pub(crate) fn unknown_template() -> Result<Outcome, FlowError> {
    effect(Effect::SendTemplate(Template::new("no_such_template")))
}

pub(crate) fn unknown_effect() -> Result<Outcome, FlowError> {
    effect(Effect::Extension(Extension { name: "no-such-effect".to_owned(), value: "{}".to_owned() }))
}

pub(crate) fn pass_with_effects() -> Result<Outcome, FlowError> {
    Ok(Outcome { effects: vec![reply("passed, and yet here".to_owned())], ..Outcome::pass() })
}

fn effect(effect: Effect) -> Result<Outcome, FlowError> {
    Ok(Outcome { effects: vec![effect], ..Outcome::stay() })
}
