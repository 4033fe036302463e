//! What the player is asked, and what happens while no answer comes.
use questline_sdk::limits::{BODY_MAX, fit};
use questline_sdk::prelude::*;

use crate::state::{Asked, Check, Step, Verdict};
use crate::{AGENT, CANCEL, IDLE, Recovery, SKIP};

/// Most characters of a studio's security question, so that the words around it fit.
const QUESTION_MAX: usize = 300;

impl Recovery<'_> {
    /// Asks, and waits for an answer. `words` come first.
    pub(crate) fn ask(mut self, asked: Asked, words: &str, measures: Vec<String>) -> Result<Outcome, FlowError> {
        self.state.asked = Some(asked);
        let question = match asked {
            Asked::Purchase => self.copy("recovery-ask-purchase", &[])?,
            Asked::Name => self.copy("recovery-ask-name", &[])?,
            Asked::Question => {
                let Some(question) = self.security_question()? else { return self.human_with("unclear", None, measures) };
                self.copy("recovery-ask-question", &[("question", &fit(&question, QUESTION_MAX))])?
            }
        };
        let buttons: &[(&str, &str)] = match asked {
            Asked::Name => &[(CANCEL, "button-recovery-cancel")],
            _ => &[(SKIP, "button-recovery-skip"), (AGENT, "button-agent"), (CANCEL, "button-recovery-cancel")],
        };
        let message = self.conversation.buttons(fit(&format!("{words}\n\n{question}"), BODY_MAX), buttons)?;
        let idle = NewTimer::new(IDLE, self.settings.remind_s.saturating_mul(1_000));
        let outcome = self.stay()?.reply(message)?.set_timer(idle)?;
        measures.iter().try_fold(outcome, |outcome, name| Ok(outcome.track(name, 1.0)?))
    }

    /// Asks the same once more; the text `key` says why.
    pub(crate) fn ask_again(self, asked: Asked, key: &str) -> Result<Outcome, FlowError> {
        let words = self.copy(key, &[])?;
        self.ask(asked, &words, Vec::new())
    }

    /// The player cannot answer this one.
    pub(crate) fn skip(mut self, asked: Asked) -> Result<Outcome, FlowError> {
        let check = match asked {
            Asked::Purchase => Check::Purchase,
            Asked::Question => Check::Question,
            Asked::Name => return self.ask_again(asked, "recovery-words-only"),
        };
        self.state.steps.push(Step { check, verdict: Verdict::Skipped });
        let words = self.copy("recovery-skipped", &[])?;
        self.advance(&words, vec![format!("recovery_{}_skipped", check.name())])
    }

    /// Nothing was heard for a while: once the player is reminded, then the recovery ends.
    pub(crate) fn on_idle(mut self) -> Result<Outcome, FlowError> {
        let Some(asked) = self.state.asked else { return self.done() };
        let is_open = self.conversation.is_window_open();
        if is_open && !self.state.reminded {
            self.state.reminded = true;
            let after_ms = self.settings.give_up_s.saturating_mul(1_000);
            let words = self.copy("recovery-reminder", &[])?;
            // The same timer, moved: asking sets it, and this comes after.
            return Ok(self.ask(asked, &words, Vec::new())?.set_timer(NewTimer::new(IDLE, after_ms))?);
        }
        let goodbye = self.copy("recovery-ended", &[])?;
        self.state.end();
        let outcome = self.done()?.track("recovery_abandoned", 1.0)?;
        if is_open { Ok(outcome.reply(goodbye)?) } else { Ok(outcome) }
    }
}
