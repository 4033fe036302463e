//! The checks: what the player says against what is known. No answer is kept, logged or shown to anybody.
use questline_sdk::backend::find_json;
use questline_sdk::locale::parse_amount_minor;
use questline_sdk::players::DeviceMatch;
use questline_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Recovery;
use crate::state::{Asked, Check, Step, Verdict};

/// Longest answer to a security question that is looked at.
const ANSWER_MAX: usize = 256;

#[derive(Serialize)]
struct SecurityAnswer<'a> {
    answer: &'a str,
}

/// Answer of `check-security-answer`. The right answer stays with the studio.
#[derive(Deserialize)]
struct Checked {
    correct: bool,
}

impl Recovery<'_> {
    /// Takes the player's words for an answer.
    pub(crate) fn answer(self, asked: Asked, words: &str) -> Result<Outcome, FlowError> {
        match asked {
            Asked::Name => self.human_with("unknown", Some(words), Vec::new()),
            Asked::Purchase => match parse_amount_minor(words) {
                // Not a wrong answer: none at all.
                None => self.ask_again(asked, "recovery-amount-unclear"),
                Some(amount_minor) => {
                    let purchase = match players::last_purchase() {
                        Ok(purchase) => purchase,
                        Err(ImportError::NotFound | ImportError::NotGranted(_)) => None,
                        Err(error) => return Err(error.into()),
                    };
                    // Hundredths against hundredths: nothing is said of how near it was, nor of the currency.
                    let is_right = purchase.is_some_and(|purchase| purchase.amount_minor == amount_minor);
                    self.checked(asked, Check::Purchase, is_right)
                }
            },
            Asked::Question if words.trim().is_empty() || words.chars().count() > ANSWER_MAX => {
                self.ask_again(asked, "recovery-answer-unclear")
            }
            Asked::Question => match find_json::<Checked>("check-security-answer", &SecurityAnswer { answer: words.trim() })? {
                Some(Checked { correct }) => self.checked(asked, Check::Question, correct),
                None => self.human("unclear"),
            },
        }
    }

    fn checked(self, asked: Asked, check: Check, is_right: bool) -> Result<Outcome, FlowError> {
        let outcome = self.after(asked, check, is_right)?;
        // What this flow compares itself the host does not see.
        if check == Check::Purchase { Ok(outcome.recovery_attempt(check.name(), is_right)?) } else { Ok(outcome) }
    }

    fn after(mut self, asked: Asked, check: Check, is_right: bool) -> Result<Outcome, FlowError> {
        if is_right {
            self.state.steps.push(Step { check, verdict: Verdict::Matched });
            let thanks = self.copy("recovery-thanks", &[])?;
            return self.advance(&thanks, vec![measure(check, Verdict::Matched)]);
        }
        let measures = vec![measure(check, Verdict::Different)];
        self.state.wrong += 1;
        self.state.wrong_here += 1;
        let is_last = self.state.wrong_here >= self.settings.attempts_per_check_max;
        if is_last || self.state.wrong >= self.settings.attempts_max {
            self.state.steps.push(Step { check, verdict: Verdict::Different });
        }
        if self.state.wrong >= self.settings.attempts_max {
            return self.lock(measures);
        }
        if is_last {
            let words = self.copy("recovery-next", &[])?;
            return self.advance(&words, measures);
        }
        let left = (self.settings.attempts_per_check_max - self.state.wrong_here).min(self.settings.attempts_max - self.state.wrong);
        let words = self.copy("recovery-try-again", &[("left", &left.to_string())])?;
        self.ask(asked, &words, measures)
    }

    /// Compares a device with those of the player. Tells the measure.
    pub(crate) fn check_device(&mut self, fingerprint: &str) -> Result<String, FlowError> {
        let verdict = match players::check_device(fingerprint) {
            Ok(DeviceMatch::Same) => Verdict::Matched,
            Ok(DeviceMatch::Different) => Verdict::Different,
            Ok(DeviceMatch::Unknown) | Err(ImportError::NotFound | ImportError::NotGranted(_)) => Verdict::Unknown,
            Err(error) => return Err(error.into()),
        };
        if verdict == Verdict::Different {
            self.state.wrong += 1;
        }
        self.state.steps.push(Step { check: Check::Device, verdict });
        Ok(measure(Check::Device, verdict))
    }

    /// The device became known while something else was asked. It counts once.
    pub(crate) fn late_device(mut self, asked: Asked, fingerprint: &str) -> Result<Outcome, FlowError> {
        let thanks = self.copy("recovery-thanks", &[])?;
        if self.state.is_over(Check::Device) {
            return self.ask(asked, &thanks, Vec::new());
        }
        let measures = vec![self.check_device(fingerprint)?];
        if self.state.wrong >= self.settings.attempts_max {
            return self.lock(measures);
        }
        if self.state.points(&self.settings) >= self.settings.points_min {
            return self.verified(measures);
        }
        self.ask(asked, &thanks, measures)
    }
}

fn measure(check: Check, verdict: Verdict) -> String {
    format!("recovery_{}_{}", check.name(), verdict.name())
}
