//! The consent to tournament news. Nobody is asked who did not bring it up: who said STOP is left alone.
use questline_sdk::prelude::*;

use crate::Desk;

/// Ids of the buttons, after the flow's prefix.
pub(crate) const YES: &str = "news-yes";
pub(crate) const NO: &str = "news-no";

impl Desk<'_> {
    /// The player wants news: told what that means, they agree with a button.
    pub(crate) fn ask_news(self) -> Result<Outcome, FlowError> {
        if self.conversation.marketing_consent {
            let body = self.copy("tournament-news-already-on", &[])?;
            return Ok(self.end()?.reply(body)?);
        }
        let question = self.copy("tournament-news-question", &[])?;
        let message = self.buttons(question, &[(YES, "button-news-yes"), (NO, "button-news-no")])?;
        Ok(self.end()?.reply(message)?)
    }

    /// The player agreed: to these words, with this button.
    pub(crate) fn news_on(self, button: &str) -> Result<Outcome, FlowError> {
        if self.conversation.refusal("change-consent").is_some() {
            return self.no_change();
        }
        let question = self.copy("tournament-news-question", &[])?;
        let body = self.copy("tournament-news-on", &[])?;
        let wording = format!("{question} — {button}");
        Ok(self.end()?.change_consent(true, &wording, "chat-button")?.reply(body)?.track("tournament_news_on", 1.0)?)
    }

    /// The player wants no news, in these words.
    pub(crate) fn news_off(self, words: &str, method: &str) -> Result<Outcome, FlowError> {
        if self.conversation.refusal("change-consent").is_some() {
            return self.no_change();
        }
        let body = self.copy("tournament-news-off", &[])?;
        let outcome = self.end()?;
        // Nothing to withdraw where nothing was given: the answer is the same.
        let wording = questline_sdk::limits::fit(words, questline_sdk::limits::WORDING_MAX);
        Ok(outcome.change_consent(false, &wording, method)?.reply(body)?.track("tournament_news_off", 1.0)?)
    }

    fn no_change(self) -> Result<Outcome, FlowError> {
        let body = self.copy("tournament-news-unavailable", &[])?;
        Ok(self.end()?.reply(body)?)
    }
}
