//! The sample game as the host loads it, and a player who chats with the flow: real texts, intents, settings and data.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use fluent_bundle::{FluentArgs, FluentBundle, FluentResource, FluentValue};
use questline_core::intent::Lexicon;
use questline_sdk::intents::Intent;
use questline_sdk::mock::{self, Mock};
use questline_sdk::players::{PlayerBalances, PlayerProfile, Purchase};
use questline_sdk::prelude::*;
use questline_sdk::types::{Refusal, Reply};
use serde_json::{Value, json};
use vip_routing::VipRouting;

/// A file of the sample game.
pub fn file(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../flows/starfall").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// game.toml.
pub fn game() -> toml::Table {
    file("game.toml").parse().unwrap()
}

fn lexicon() -> Lexicon {
    let intents: BTreeMap<String, BTreeMap<String, Vec<String>>> = game()["intents"].clone().try_into().unwrap();
    Lexicon::new(&intents)
}

/// The texts of one locale.
pub fn texts(locale: &str) -> FluentBundle<FluentResource> {
    let resource = FluentResource::try_new(file(&format!("copy/{locale}.ftl"))).map_err(|(_, errors)| errors).unwrap();
    let mut bundle = FluentBundle::new(vec![locale.parse().unwrap()]);
    bundle.set_use_isolating(false);
    bundle.add_resource(resource).unwrap();
    bundle
}

/// A text with its variables filled in; what is missing is a failure.
pub fn text(bundle: &FluentBundle<FluentResource>, key: &str, arguments: &[(String, String)]) -> Result<String, ImportError> {
    let pattern = bundle.get_message(key).and_then(|message| message.value()).ok_or(ImportError::NotFound)?;
    let mut values = FluentArgs::new();
    for (name, value) in arguments {
        values.set(name.as_str(), FluentValue::try_number(value));
    }
    let mut errors = Vec::new();
    let text = bundle.format_pattern(pattern, Some(&values), &mut errors);
    if errors.is_empty() { Ok(text.into_owned()) } else { Err(ImportError::Invalid(format!("{key}: {errors:?}"))) }
}

fn player_of(tier: &str) -> Value {
    let players: Value = serde_json::from_str(&file("players.json")).unwrap();
    let found = players["players"].as_array().unwrap().iter().find(|player| player["tier"] == tier);
    found.unwrap_or_else(|| panic!("no sample player of tier {tier}")).clone()
}

/// One contact chatting with the flow.
pub struct Chat {
    pub host: Mock,
    pub conversation: Conversation,
    tickets: u32,
}

impl Chat {
    /// The first sample player of the tier, with their data, in English.
    pub fn of(tier: &str) -> Self {
        Self::with(&player_of(tier))
    }

    /// A sample player, written as in players.json.
    pub fn with(player: &Value) -> Self {
        let (texts_en, texts_de, lexicon) = (texts("en"), texts("de"), lexicon());
        let transactions = json!({ "transactions": player["transactions"] }).to_string();
        let events = serde_json::from_str::<Value>(&file("players.json")).unwrap()["active_events"].clone();
        let events = json!({ "events": events }).to_string();
        let balances = &player["balances"];
        let (mut premium, mut free) = (balances["premium"].as_u64().unwrap(), balances["free"].as_u64().unwrap());
        let mut rewards = player["rewards"].as_array().unwrap().clone();
        let mut host = Mock::new()
            .with_copy(move |key, locale, arguments| {
                let bundle = if locale.starts_with("de") { &texts_de } else { &texts_en };
                text(bundle, key, arguments)
            })
            .with_intents(move |text| {
                let found = lexicon.classify(text).into_iter();
                Ok(found.map(|intent| Intent { name: intent.name, confidence: intent.confidence }).collect())
            })
            .with_operation("transactions", move |_| Ok(transactions.clone()))
            .with_operation("active-events", move |_| Ok(events.clone()))
            .with_operation("claim-rewards", move |_| {
                let claimed = std::mem::take(&mut rewards);
                premium += claimed.iter().map(|reward| reward["premium"].as_u64().unwrap()).sum::<u64>();
                free += claimed.iter().map(|reward| reward["free"].as_u64().unwrap()).sum::<u64>();
                Ok(json!({ "claimed": claimed, "premium": premium, "free": free }).to_string())
            });
        host.profile = Ok(PlayerProfile {
            name: player["name"].as_str().unwrap().to_owned(),
            tier: player["tier"].as_str().unwrap().to_owned(),
            locale: player["locale"].as_str().map(str::to_owned),
            country: player["country"].as_str().map(str::to_owned),
            created_at: player["created_at_ms"].as_u64(),
        });
        host.balances =
            Ok(PlayerBalances { premium, free, pending_rewards: balances["pending_rewards"].as_u64().unwrap().try_into().unwrap() });
        host.last_purchase = Ok(player["last_purchase"].as_object().map(|purchase| Purchase {
            id: purchase["id"].as_str().unwrap().to_owned(),
            product: purchase["product"].as_str().unwrap().to_owned(),
            amount_minor: purchase["amount_minor"].as_u64().unwrap(),
            currency: purchase["currency"].as_str().unwrap().to_owned(),
            at: purchase["at_ms"].as_u64().unwrap(),
        }));
        let settings = serde_json::to_string(&game()["flows"]["vip-routing"]["settings"]).unwrap();
        let conversation = Conversation { settings, ticket_number: "SF-1".to_owned(), ..mock::conversation() };
        Self { host, conversation, tickets: 0 }
    }

    /// A contact that nobody knows.
    pub fn unknown() -> Self {
        let mut chat = Self::of("standard");
        chat.conversation.player = None;
        chat.host.profile = Err(ImportError::NotFound);
        chat
    }

    pub fn in_locale(mut self, locale: &str) -> Self {
        self.conversation.locale = locale.to_owned();
        self
    }

    /// Hands an event in, and keeps what the flow keeps, as the host does.
    pub fn event(&mut self, event: Event) -> Result<Answer, FlowError> {
        self.conversation.ticket_number = format!("SF-{}", self.tickets + 1);
        let conversation = &self.conversation;
        let outcome = self.host.run(|| VipRouting::handle(conversation, event))?;
        assert_eq!(outcome.next, Next::Stay);
        self.conversation.state.clone_from(&outcome.state);
        let answer = Answer { effects: outcome.effects };
        self.tickets += u32::try_from(answer.tickets().len()).unwrap();
        Ok(answer)
    }

    pub fn say(&mut self, text: &str) -> Answer {
        self.event(mock::message(Inbound::Text(text.to_owned()))).unwrap()
    }

    /// Presses a button by its id.
    pub fn press(&mut self, id: &str) -> Answer {
        let choice = Choice { id: id.to_owned(), title: "-".to_owned() };
        self.event(mock::message(Inbound::Button(choice))).unwrap()
    }

    /// Hands the same message in a second time, after the host refused `effect`.
    pub fn say_after_refusal(&mut self, text: &str, effect: &str) -> Answer {
        let refusal = Refusal { index: 0, effect: effect.to_owned(), reason: RefusalReason::NotGranted, detail: String::new() };
        self.conversation.refused = vec![refusal];
        let answer = self.say(text);
        self.conversation.refused.clear();
        answer
    }
}

/// What the flow answered.
pub struct Answer {
    pub effects: Vec<Effect>,
}

impl Answer {
    fn replies(&self) -> impl Iterator<Item = &Reply> {
        self.effects.iter().filter_map(|effect| match effect {
            Effect::Reply(reply) => Some(reply),
            _ => None,
        })
    }

    /// All that the player reads, bodies only.
    pub fn body(&self) -> String {
        let bodies = self.replies().map(|reply| match &reply.content {
            Outbound::Text(text) => text.body.clone(),
            Outbound::Buttons(buttons) => buttons.body.clone(),
            Outbound::List(list) => list.body.clone(),
            other => panic!("{other:?}"),
        });
        bodies.collect::<Vec<_>>().join("\n---\n")
    }

    /// Ids and titles of the buttons.
    pub fn buttons(&self) -> Vec<(&str, &str)> {
        let buttons = self.replies().filter_map(|reply| match &reply.content {
            Outbound::Buttons(buttons) => Some(buttons),
            _ => None,
        });
        buttons.flat_map(|message| &message.buttons).map(|button| (button.id.as_str(), button.title.as_str())).collect()
    }

    pub fn button_ids(&self) -> Vec<&str> {
        self.buttons().into_iter().map(|(id, _)| id).collect()
    }

    /// The list message, if there is one.
    pub fn list(&self) -> Option<&ListMessage> {
        self.replies().find_map(|reply| match &reply.content {
            Outbound::List(list) => Some(list),
            _ => None,
        })
    }

    pub fn tickets(&self) -> Vec<&Ticket> {
        let tickets = self.effects.iter().filter_map(|effect| match effect {
            Effect::OpenTicket(ticket) => Some(ticket),
            _ => None,
        });
        tickets.collect()
    }

    /// Purposes of the proofs that were asked for.
    pub fn proofs(&self) -> Vec<&str> {
        let proofs = self.effects.iter().filter_map(|effect| match effect {
            Effect::RequestAuthentication(request) => Some(request.purpose.as_str()),
            _ => None,
        });
        proofs.collect()
    }
}
