//! Questions about tournaments: the studio's backend knows the answers.
use questline_sdk::backend::find_json;
use questline_sdk::limits::{BODY_MAX, fit};
use questline_sdk::locale::Localised;
use questline_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Desk;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Topic {
    Brackets,
    Prizes,
    Registration,
}

/// All of them, with the keys of their buttons.
const TOPICS: [(Topic, &str); 3] = [
    (Topic::Brackets, "button-tournament-brackets"),
    (Topic::Prizes, "button-tournament-prizes"),
    (Topic::Registration, "button-tournament-registration"),
];

impl Topic {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Brackets => "brackets",
            Self::Prizes => "prizes",
            Self::Registration => "registration",
        }
    }

    pub(crate) fn of_button(id: &str) -> Option<Self> {
        TOPICS.into_iter().map(|(topic, _)| topic).find(|topic| topic.name() == id)
    }

    pub(crate) fn of_intent(name: &str) -> Option<Self> {
        Self::of_button(name.strip_prefix("tournament-")?)
    }
}

/// Asks for `tournament`.
#[derive(Serialize)]
struct Ask {
    topic: Topic,
}

/// Answer of `tournament`.
#[derive(Deserialize)]
struct Told {
    text: Localised,
}

impl Desk<'_> {
    /// Answers a question, with the others one tap away.
    pub(crate) fn tell(self, topic: Topic) -> Result<Outcome, FlowError> {
        let body = match find_json::<Told>("tournament", &Ask { topic })? {
            Some(told) => fit(told.text.of(self.locale()), BODY_MAX),
            None => self.copy("tournament-unavailable", &[])?,
        };
        let others: Vec<(&str, &str)> =
            TOPICS.iter().filter(|(other, _)| *other != topic).map(|(other, key)| (other.name(), *key)).collect();
        let message = self.buttons(body, &others)?;
        Ok(self.end()?.reply(message)?.track("tournament_questions", 1.0)?)
    }
}
