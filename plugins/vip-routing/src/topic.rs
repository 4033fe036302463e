//! What a message is about.
use questline_sdk::prelude::*;
use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// What a player wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Topic {
    /// What they own.
    Balance,
    /// What they earned and spent.
    Transactions,
    /// To have their rewards.
    ClaimRewards,
    /// What is on in the game.
    Events,
    /// More about one event.
    EventDetails(String),
    /// A purchase went wrong.
    PurchaseProblem,
    /// A human.
    Agent,
    /// A greeting or a call for help.
    Menu,
    /// Another code to prove who they are.
    NewCode,
    /// A picture, film, sound, document or sticker without words.
    Media,
    /// A kind of message that this flow has no use for.
    Unreadable,
    /// Words without a meaning known here.
    Unclear,
    /// Nothing that wants an answer, such as a reaction.
    Silence,
}

/// Before the id in the id of an event's row.
pub(crate) const EVENT_PREFIX: &str = "event:";

impl Topic {
    /// By the id of a button or row of ours.
    fn of_choice(id: &str) -> Option<Self> {
        if let Some(event) = id.strip_prefix(EVENT_PREFIX) {
            return Some(Self::EventDetails(event.to_owned()));
        }
        match id {
            "menu" => Some(Self::Menu),
            "new-code" => Some(Self::NewCode),
            _ => Self::of_intent(id),
        }
    }

    /// By the name of an intent in `game.toml`. Some are buttons too.
    fn of_intent(name: &str) -> Option<Self> {
        match name {
            "balance" => Some(Self::Balance),
            "transactions" => Some(Self::Transactions),
            "claim-rewards" => Some(Self::ClaimRewards),
            "events" => Some(Self::Events),
            "purchase-problem" => Some(Self::PurchaseProblem),
            "agent" => Some(Self::Agent),
            "greeting" | "help" => Some(Self::Menu),
            _ => None,
        }
    }

    /// Whether it can be answered later, once it is known who asked.
    pub(crate) fn can_wait(&self) -> bool {
        matches!(self, Self::Balance | Self::Transactions | Self::ClaimRewards | Self::Events | Self::PurchaseProblem)
    }
}

/// A message as this flow sees it.
pub(crate) struct Content<'a> {
    pub(crate) topic: Topic,
    /// What the player wrote, if anything.
    pub(crate) words: Option<&'a str>,
}

impl<'a> Content<'a> {
    pub(crate) fn read(inbound: &'a Inbound, settings: &Settings) -> Result<Self, FlowError> {
        let bare = |topic| Ok(Self { topic, words: None });
        match inbound {
            Inbound::Text(text) => Self::of_words(text, Topic::Unclear, settings),
            Inbound::Button(choice) | Inbound::ListItem(choice) => match Topic::of_choice(&choice.id) {
                Some(topic) => bare(topic),
                // A button of another flow: its title is all that is known of it.
                None => Self::of_words(&choice.title, Topic::Unclear, settings),
            },
            Inbound::QuickReply(reply) => match Topic::of_choice(&reply.payload) {
                Some(topic) => bare(topic),
                None => Self::of_words(&reply.text, Topic::Unclear, settings),
            },
            Inbound::Image(media) | Inbound::Video(media) | Inbound::Audio(media) | Inbound::Document(media) | Inbound::Sticker(media) => {
                match &media.caption {
                    Some(caption) => Self::of_words(caption, Topic::Media, settings),
                    None => bare(Topic::Media),
                }
            }
            Inbound::Reaction(_) => bare(Topic::Silence),
            Inbound::Location(_)
            | Inbound::Contacts(_)
            | Inbound::Form(_)
            | Inbound::Order(_)
            | Inbound::Unsupported(_)
            | Inbound::Extension(_) => bare(Topic::Unreadable),
        }
    }

    fn of_words(words: &'a str, otherwise: Topic, settings: &Settings) -> Result<Self, FlowError> {
        let intents = match intents::classify(words) {
            Ok(intents) => intents,
            // Without it the buttons still work.
            Err(ImportError::NotGranted(_)) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let topics = || {
            let likely = intents.iter().filter(|intent| intent.confidence >= settings.confidence_min);
            likely.filter_map(|intent| Topic::of_intent(&intent.name))
        };
        // "Hello, what about my refund?" is no greeting.
        let topic = topics().find(|topic| *topic != Topic::Menu).or_else(|| topics().next());
        Ok(Self { topic: topic.unwrap_or(otherwise), words: Some(words) })
    }
}
