//! Who is asked to prove who they are: contacts that are no known player, and players before something sensitive. They are
//! told how where that cannot be done here.
use questline_sdk::prelude::*;

use crate::player::Player;
use crate::step::Step;
use crate::topic::{Content, Topic};
use crate::{answer, menu, tickets};

/// What the proof is for.
const PURPOSE: &str = "login";
/// What it is for before something sensitive.
const CONFIRM: &str = "high-value";
/// The method of a proof that was given in the game, where nobody in the chat waits for an answer.
const IN_GAME: &str = "code-in-game";

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

/// A known player asked for something that needs a fresh proof: has the host send a code, and keeps what was asked for.
pub(crate) fn confirm(mut step: Step<'_>, topic: Topic) -> Result<Outcome, FlowError> {
    if let Some(refusal) = step.conversation.refusal("request-authentication") {
        // A guard holds for a while; all else can be done in the game.
        let waits = refusal.reason == RefusalReason::Other;
        let body = step.copy(if waits { "code-later" } else { "prove-elsewhere" }, &[])?;
        return step.reply_with(body, &["agent", "menu"]);
    }
    if step.proved_now {
        let body = step.copy("prove-elsewhere", &[])?;
        return step.reply_with(body, &["agent", "menu"]);
    }
    let waits = matches!(step.conversation.authentication, Authentication::CodeSent) && step.state.pending.as_ref() == Some(&topic);
    if waits && !step.wants_new_code {
        let body = step.copy("code-waiting", &[])?;
        return step.reply_with(body, &["new-code", "agent"]);
    }
    step.state.pending = Some(topic);
    let body = step.copy("prove-first", &[])?;
    Ok(step.done()?.reply(body)?.request_authentication(CONFIRM)?)
}

/// A known player asks for another code: for what waits for one, if anything does.
pub(crate) fn new_code(mut step: Step<'_>, player: &Player) -> Result<Outcome, FlowError> {
    match step.state.pending.clone() {
        Some(topic) => {
            step.wants_new_code = true;
            confirm(step, topic)
        }
        None => menu(step, player),
    }
}

/// The player proved who they are: answers what was asked for before.
pub(crate) fn proved(mut step: Step<'_>) -> Result<Outcome, FlowError> {
    let in_game = matches!(&step.conversation.authentication, Authentication::Authenticated(proof) if proof.method == IN_GAME);
    // Who got into the game asked for nothing here; and where the chat is closed, nothing can be said.
    if !step.conversation.is_window_open() || (in_game && step.state.pending.is_none()) {
        return step.done();
    }
    let Some(player) = Player::of(&step)? else { return link_in_game(step) };
    let Some(topic) = step.state.pending.take() else { return menu(step, &player) };
    step.proved_now = true;
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
