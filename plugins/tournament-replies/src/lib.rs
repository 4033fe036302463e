//! Tells tournament results, has found matches accepted or declined, answers questions about tournaments, and keeps the
//! consent to tournament news.
//!
//! The game's backend sends two events. Outside of the service window both go out as templates.
//!
//! - `tournament-result`: `{"tournament": text, "position": 1, "prize": 500, "currency": "premium"}`. Prize and currency
//!   may be missing. The currency is `premium`, `free`, an ISO 4217 code, or any other name that is shown as it is.
//! - `match-found`: `{"match": "m-77", "opponent": "Vega", "mode": text, "accept_by_s": 120}`.
//!
//! A text is a string, or an object by language.

mod matches;
mod news;
mod questions;
mod result;
mod settings;

use questline_sdk::players::PlayerProfile;
use questline_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use matches::{Answer, OpenMatch};
use questions::Topic;
use settings::Settings;

/// The flow.
pub struct TournamentReplies;

/// In front of the ids of all buttons: so that they come back here.
const PREFIX: &str = "tournament-replies:";
/// In front of a match's id in the ids of its timer and, after [`PREFIX`], of its buttons.
const ACCEPT: &str = "accept:";
const DECLINE: &str = "decline:";
const MATCH: &str = "match:";

impl Flow for TournamentReplies {
    fn describe() -> Description {
        Description::new("tournament-replies", env!("CARGO_PKG_VERSION"))
            .wants(&[EventKind::Message, EventKind::GameEvent, EventKind::Timer])
            .needs(&[
                Capability::Players,
                Capability::Backend,
                Capability::Intents,
                Capability::Copy,
                Capability::Clock,
                Capability::Reply,
                Capability::SendTemplate,
                Capability::Timers,
                Capability::Tickets,
                Capability::Consent,
                Capability::Measures,
            ])
    }

    fn handle(conversation: &Conversation, event: Event) -> Result<Outcome, FlowError> {
        let profile = match conversation.player.as_ref().map(|_| players::profile()) {
            Some(Ok(profile)) => Some(profile),
            None | Some(Err(ImportError::NotFound | ImportError::NotGranted(_))) => None,
            Some(Err(error)) => return Err(error.into()),
        };
        let desk =
            Desk { conversation, settings: conversation.read_settings()?, state: conversation.read_state()?.unwrap_or_default(), profile };
        match event {
            Event::Message(message) => desk.on_message(&message.content),
            Event::GameEvent(event) if event.name == "tournament-result" => desk.on_result(&event.read_payload()?),
            Event::GameEvent(event) if event.name == "match-found" => desk.on_match_found(event.read_payload()?),
            Event::Timer(timer) => match timer.id.strip_prefix(MATCH) {
                Some(id) => desk.on_match_over(id),
                None => desk.end(),
            },
            _ => Ok(Outcome::pass()),
        }
    }
}

questline_sdk::export!(TournamentReplies);

/// What the flow keeps between events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct State {
    /// Matches whose time to answer is not over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    matches: Vec<OpenMatch>,
}

/// One event being answered.
struct Desk<'a> {
    conversation: &'a Conversation,
    settings: Settings,
    state: State,
    profile: Option<PlayerProfile>,
}

impl Desk<'_> {
    fn on_message(self, content: &Inbound) -> Result<Outcome, FlowError> {
        if let Some(picked) = content.picked() {
            let Some(id) = picked.id.strip_prefix(PREFIX) else { return Ok(Outcome::pass()) };
            if let Some(id) = id.strip_prefix(ACCEPT) {
                return self.answer_match(id, Answer::Accept);
            }
            if let Some(id) = id.strip_prefix(DECLINE) {
                return self.answer_match(id, Answer::Decline);
            }
            return match (Topic::of_button(id), id) {
                (Some(topic), _) => self.tell(topic),
                (None, news::YES) => self.news_on(picked.title),
                (None, news::NO) => self.news_off(picked.title, "chat-button"),
                _ => Ok(Outcome::pass()),
            };
        }
        let Some(words) = content.words() else { return Ok(Outcome::pass()) };
        let Some(intent) = self.intent(words)? else { return Ok(Outcome::pass()) };
        match (Topic::of_intent(&intent), intent.as_str()) {
            (Some(topic), _) => self.tell(topic),
            (None, "tournament-news-on") => self.ask_news(),
            (None, "tournament-news-off") => self.news_off(words, "chat-text"),
            (None, "match-accept") => self.answer_open_match(Answer::Accept),
            (None, "match-decline") => self.answer_open_match(Answer::Decline),
            _ => Ok(Outcome::pass()),
        }
    }

    /// What a text is likeliest about.
    fn intent(&self, words: &str) -> Result<Option<String>, FlowError> {
        match intents::classify(words) {
            Ok(found) => {
                Ok(found.into_iter().next().filter(|found| found.confidence >= self.settings.confidence_min).map(|found| found.name))
            }
            Err(ImportError::NotGranted(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A text in the player's language.
    fn copy(&self, key: &str, arguments: &[(&str, &str)]) -> Result<String, FlowError> {
        Ok(self.conversation.copy(key, arguments)?)
    }

    /// `body` above buttons: of each the id without [`PREFIX`], and the key of its title.
    fn buttons(&self, body: String, buttons: &[(&str, &str)]) -> Result<Buttons, FlowError> {
        let mut message = Buttons::new(body);
        for (id, key) in buttons {
            message = message.button(format!("{PREFIX}{id}"), self.copy(key, &[])?);
        }
        Ok(message)
    }

    /// The player's language.
    fn locale(&self) -> &str {
        &self.conversation.locale
    }

    /// Whether the template cannot be sent, outside of the service window: nothing can be said then.
    fn is_unreachable(&self) -> bool {
        self.conversation.refusal("send-template").is_some()
    }

    /// Keeps the conversation as long as a match waits for an answer.
    fn end(self) -> Result<Outcome, FlowError> {
        let outcome = if self.state.matches.iter().any(OpenMatch::is_open) { Outcome::stay() } else { Outcome::done() };
        if self.state == State::default() { Ok(outcome) } else { Ok(outcome.state(&self.state)?) }
    }
}
