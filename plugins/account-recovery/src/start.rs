//! How a recovery begins, and which check comes next.
use questline_sdk::backend::find_json;
use questline_sdk::locale::Localised;
use questline_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Recovery;
use crate::state::{Asked, Check};

/// A request without fields.
#[derive(Serialize)]
struct Nothing {}

/// Answer of `security-question`: none where the player has set none.
#[derive(Deserialize)]
struct SecurityQuestion {
    #[serde(default)]
    question: Option<Localised>,
}

impl Recovery<'_> {
    /// Begins a recovery. `device`: the fingerprint in the player's words, if there is one.
    pub(crate) fn start(mut self, device: Option<String>) -> Result<Outcome, FlowError> {
        if let Some(number) = self.state.ticket.clone() {
            let body = self.copy("ticket-already-open", &[("number", &number)])?;
            return Ok(self.done()?.reply(body)?);
        }
        let now_ms = clock::now();
        // The host's lock holds over all phones of the player, this flow's own in this chat.
        let locked = [self.state.locked_until_ms, self.conversation.recovery().and_then(|recovery| recovery.locked_until_ms)];
        if let Some(until_ms) = locked.into_iter().flatten().max().filter(|until_ms| *until_ms > now_ms) {
            let minutes = (until_ms - now_ms).div_ceil(60_000).to_string();
            let body = self.copy("recovery-locked", &[("minutes", &minutes)])?;
            return Ok(self.done()?.reply(body)?);
        }
        self.state.end();
        let mut measures = vec!["recovery_started".to_owned()];
        let intro = self.copy("recovery-intro", &[])?;
        if self.player()?.is_none() {
            return self.ask(Asked::Name, &intro, measures);
        }
        let valid_ms = self.settings.device_valid_s.saturating_mul(1_000);
        let told = self.state.device.take().filter(|device| now_ms.saturating_sub(device.at_ms) <= valid_ms);
        if let Some(fingerprint) = device.or(told.map(|device| device.fingerprint)) {
            measures.push(self.check_device(&fingerprint)?);
            if self.state.wrong >= self.settings.attempts_max {
                return self.lock(measures);
            }
        }
        self.advance(&intro, measures)
    }

    /// Goes on to the next check, or ends: with credentials where it is clear enough, else with a human. `words` come
    /// before what is asked.
    pub(crate) fn advance(mut self, words: &str, measures: Vec<String>) -> Result<Outcome, FlowError> {
        self.state.wrong_here = 0;
        if self.state.points(&self.settings) >= self.settings.points_min {
            return self.verified(measures);
        }
        if !self.state.is_over(Check::Purchase) && has_purchase()? {
            return self.ask(Asked::Purchase, words, measures);
        }
        if !self.state.is_over(Check::Question) && self.security_question()?.is_some() {
            return self.ask(Asked::Question, words, measures);
        }
        self.human_with("unclear", None, measures)
    }

    /// The player's security question, where the studio has them and the player set one.
    pub(crate) fn security_question(&self) -> Result<Option<String>, FlowError> {
        if !self.settings.security_question {
            return Ok(None);
        }
        let answer: Option<SecurityQuestion> = find_json("security-question", &Nothing {})?;
        let question = answer.and_then(|answer| answer.question).map(|question| question.of(&self.conversation.locale).to_owned());
        Ok(question.filter(|question| !question.trim().is_empty()))
    }
}

fn has_purchase() -> Result<bool, FlowError> {
    match players::last_purchase() {
        Ok(purchase) => Ok(purchase.is_some()),
        Err(ImportError::NotFound | ImportError::NotGranted(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
