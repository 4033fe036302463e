//! Contacts that are no known player: they are asked to prove who they are, and told how where that cannot be done here.
use questline_sdk::prelude::*;

use crate::player::Player;
use crate::step::Step;
use crate::topic::{Content, Topic};
use crate::{answer, menu, tickets};

/// What the proof is for.
const PURPOSE: &str = "login";

/// Answers a message of somebody unknown. A human is there for everyone; nothing else is.
pub(crate) fn unknown(step: Step<'_>, content: Content<'_>) -> Result<Outcome, FlowError> {
    match content.topic {
        Topic::Agent => tickets::agent(step, None, content.words),
        Topic::NewCode => ask(step, Topic::NewCode),
        _ if matches!(step.conversation.authentication, Authentication::CodeSent) => {
            let body = step.copy("code-waiting", &[])?;
            step.reply_with(body, &["new-code", "agent"])
        }
        topic => ask(step, topic),
    }
}

/// Has the host send a code, and keeps what was asked for until then.
pub(crate) fn ask(mut step: Step<'_>, topic: Topic) -> Result<Outcome, FlowError> {
    // Where the host cannot send one, or the proof led to no player, the game itself can link the account.
    if step.conversation.refusal("request-authentication").is_some() || step.conversation.is_authenticated() {
        return link_in_game(step);
    }
    if topic.can_wait() {
        step.state.pending = Some(topic);
    }
    let body = step.copy("who-are-you", &[])?;
    Ok(step.done()?.reply(body)?.request_authentication(PURPOSE)?)
}

/// The player proved who they are: answers what was asked for before.
pub(crate) fn proved(mut step: Step<'_>) -> Result<Outcome, FlowError> {
    let Some(player) = Player::of(&step)? else { return link_in_game(step) };
    let Some(topic) = step.state.pending.take() else { return menu(step, &player) };
    let thanks = step.copy("code-accepted", &[])?;
    let mut outcome = answer(step, &player, Content { topic, words: None })?;
    let answers = std::mem::take(&mut outcome.effects);
    let mut outcome = outcome.reply(thanks)?;
    outcome.effects.extend(answers);
    Ok(outcome)
}

/// The player entered a wrong or dead code.
pub(crate) fn rejected(step: Step<'_>, attempts_left: u32) -> Result<Outcome, FlowError> {
    if attempts_left > 0 {
        let body = step.copy("code-wrong", &[("attempts", &attempts_left.to_string())])?;
        return Ok(step.done()?.reply(body)?);
    }
    let body = step.copy("code-dead", &[])?;
    step.reply_with(body, &["new-code", "agent"])
}

fn link_in_game(step: Step<'_>) -> Result<Outcome, FlowError> {
    let body = step.copy("link-in-game", &[])?;
    step.reply_with(body, &["agent"])
}
