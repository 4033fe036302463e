//! Matches that were found: the player accepts or declines in time, or learns that it is too late.
use questline_sdk::backend::find_json;
use questline_sdk::limits::fit;
use questline_sdk::locale::Localised;
use questline_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{ACCEPT, DECLINE, Desk, MATCH, PREFIX};

/// Matches that are kept; the oldest goes first.
const MATCHES_MAX: usize = 8;
/// Longest id of a match, and name of an opponent or mode.
const ID_MAX: usize = 64;
const NAME_MAX: usize = 60;
/// Longest time to answer, in seconds.
const ACCEPT_S_MAX: u64 = 86_400;

/// The game event `match-found`.
#[derive(Deserialize)]
pub(crate) struct MatchFound {
    #[serde(rename = "match")]
    id: String,
    opponent: String,
    mode: Localised,
    /// Seconds from now on in which an answer counts.
    accept_by_s: u64,
}

/// A match whose time to answer is not over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenMatch {
    id: String,
    opponent: String,
    until_ms: u64,
    /// What the player answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<Answer>,
}

impl OpenMatch {
    /// Whether an answer is awaited.
    pub(crate) fn is_open(&self) -> bool {
        self.answer.is_none()
    }
}

/// What a player can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answer {
    Accept,
    Decline,
}

impl Answer {
    fn text(self) -> &'static str {
        match self {
            Self::Accept => "match-accepted",
            Self::Decline => "match-declined",
        }
    }

    fn measure(self) -> &'static str {
        match self {
            Self::Accept => "match_accepted",
            Self::Decline => "match_declined",
        }
    }
}

/// Asks for `answer-match`.
#[derive(Serialize)]
struct AnswerMatch<'a> {
    #[serde(rename = "match")]
    id: &'a str,
    answer: Answer,
}

/// Answer of `answer-match`.
#[derive(Deserialize)]
struct Answered {
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// The answer counts.
    Confirmed,
    /// It came too late, or the match is off.
    Late,
}

impl Desk<'_> {
    pub(crate) fn on_match_found(mut self, found: MatchFound) -> Result<Outcome, FlowError> {
        let is_id = |id: &str| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        if found.id.is_empty() || found.id.len() > ID_MAX || !is_id(&found.id) {
            return Err(FlowError::permanent(format!("match-found: a match is named by 1 to {ID_MAX} letters, digits, -, _ and .")));
        }
        let accept_s = found.accept_by_s.clamp(1, ACCEPT_S_MAX);
        let opponent = fit(&found.opponent, NAME_MAX);
        let mode = fit(found.mode.of(self.locale()), NAME_MAX);
        let time = self.duration(accept_s)?;
        self.state.matches.retain(|known| known.id != found.id);
        if self.state.matches.len() >= MATCHES_MAX {
            self.state.matches.remove(0);
        }
        let until_ms = clock::now().saturating_add(accept_s * 1_000);
        let (accept, decline) = (format!("{ACCEPT}{}", found.id), format!("{DECLINE}{}", found.id));
        let timer = NewTimer::new(format!("{MATCH}{}", found.id), accept_s * 1_000);
        if self.conversation.is_window_open() {
            let body = self.copy("match-found", &[("opponent", &opponent), ("mode", &mode), ("time", &time)])?;
            let message = self.buttons(body, &[(&accept, "button-match-accept"), (&decline, "button-match-decline")])?;
            self.state.matches.push(OpenMatch { id: found.id, opponent, until_ms, answer: None });
            return Ok(self.end()?.reply(message)?.set_timer(timer)?.track("match_found", 1.0)?);
        }
        if self.is_unreachable() {
            return Ok(self.end()?.track("match_unsent", 1.0)?);
        }
        let template = Template::new(&self.settings.match_template);
        let template = template.parameter(self.name()?).parameter(mode).parameter(&opponent).parameter(time);
        let template = template.button(0, format!("{PREFIX}{accept}")).button(1, format!("{PREFIX}{decline}"));
        self.state.matches.push(OpenMatch { id: found.id, opponent, until_ms, answer: None });
        Ok(self.end()?.template(template)?.set_timer(timer)?.track("match_found", 1.0)?)
    }

    /// The player answers in words: to the last match that waits.
    pub(crate) fn answer_open_match(self, answer: Answer) -> Result<Outcome, FlowError> {
        match self.state.matches.iter().rfind(|known| known.is_open()).map(|known| known.id.clone()) {
            Some(id) => self.answer_match(&id, answer),
            None => Ok(Outcome::pass()),
        }
    }

    /// The player answers to the match `id`.
    pub(crate) fn answer_match(mut self, id: &str, answer: Answer) -> Result<Outcome, FlowError> {
        let now_ms = clock::now();
        let Some(at) = self.state.matches.iter().position(|known| known.id == id && known.until_ms > now_ms) else {
            return self.too_late();
        };
        let opponent = self.state.matches[at].opponent.clone();
        if let Some(before) = self.state.matches[at].answer {
            let body = self.copy(before.text(), &[("opponent", &opponent)])?;
            return Ok(self.end()?.reply(body)?);
        }
        match find_json::<Answered>("answer-match", &AnswerMatch { id, answer })? {
            Some(Answered { status: Status::Confirmed }) => {
                self.state.matches[at].answer = Some(answer);
                let body = self.copy(answer.text(), &[("opponent", &opponent)])?;
                Ok(self.end()?.reply(body)?.track(answer.measure(), 1.0)?)
            }
            Some(Answered { status: Status::Late }) => {
                self.state.matches.remove(at);
                self.too_late()
            }
            None => {
                let body = self.copy("match-in-game", &[])?;
                Ok(self.end()?.reply(body)?)
            }
        }
    }

    fn too_late(self) -> Result<Outcome, FlowError> {
        let body = self.copy("match-late", &[])?;
        Ok(self.end()?.reply(body)?.track("match_late", 1.0)?)
    }

    /// The time to answer is over.
    pub(crate) fn on_match_over(mut self, id: &str) -> Result<Outcome, FlowError> {
        let over = self.state.matches.iter().position(|known| known.id == id).map(|at| self.state.matches.remove(at));
        let Some(missed) = over.filter(OpenMatch::is_open) else { return self.end() };
        let body = self.copy("match-missed", &[("opponent", &missed.opponent)])?;
        let is_open = self.conversation.is_window_open();
        let outcome = self.end()?.track("match_missed", 1.0)?;
        if is_open { Ok(outcome.reply(body)?) } else { Ok(outcome) }
    }

    /// `90 seconds`, `3 minutes`.
    fn duration(&self, seconds: u64) -> Result<String, FlowError> {
        if seconds < 120 {
            return self.copy("duration-seconds", &[("seconds", &seconds.to_string())]);
        }
        self.copy("duration-minutes", &[("minutes", &(seconds / 60).to_string())])
    }
}
