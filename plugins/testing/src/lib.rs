//! The sample game behind the SDK's mock host: flows are tested with the texts, words, settings and players of
//! `flows/starfall`, as a host would load them.
//!
//! All that is missing or wrong is a failed test: everything here panics.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use fluent_bundle::{FluentArgs, FluentBundle, FluentResource, FluentValue};
use questline_core::intent::Lexicon;
use questline_sdk::intents::Intent;
use questline_sdk::mock::{Chat, Mock};
use questline_sdk::players::{PlayerBalances, PlayerProfile, Purchase};
use questline_sdk::prelude::*;
use serde_json::{Value, json};

/// The locales that the sample game speaks.
pub const LOCALES: [&str; 2] = ["en", "de"];

/// A file of the sample game.
pub fn file(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../flows/starfall").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// game.toml.
pub fn game() -> toml::Table {
    file("game.toml").parse().unwrap()
}

/// A flow's `settings` of game.toml.
pub fn settings(flow: &str) -> Value {
    let game = game();
    let flow = game["flows"].get(flow).unwrap_or_else(|| panic!("game.toml has no [flows.{flow}]"));
    flow.get("settings").map_or_else(|| json!({}), |settings| serde_json::to_value(settings).unwrap())
}

/// Names of a flow's grants in game.toml.
pub fn grants(flow: &str) -> BTreeSet<String> {
    let game = game();
    game["flows"][flow]["grants"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// Kinds of events that game.toml routes to a flow; timers come to whoever set them.
pub fn routed(flow: &str) -> BTreeSet<String> {
    let game = game();
    let routes = game["routes"].as_array().unwrap().iter().filter(|route| route["flow"].as_str() == Some(flow));
    routes.flat_map(|route| route["events"].as_array().unwrap()).map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// The words that game.toml knows.
pub fn lexicon() -> Lexicon {
    let intents: BTreeMap<String, BTreeMap<String, Vec<String>>> = game()["intents"].clone().try_into().unwrap();
    Lexicon::new(&intents)
}

/// The texts of one locale.
pub struct Texts(FluentBundle<FluentResource>);

impl Texts {
    /// Reads `copy/<locale>.ftl`.
    pub fn of(locale: &str) -> Self {
        let resource = FluentResource::try_new(file(&format!("copy/{locale}.ftl"))).map_err(|(_, errors)| errors).unwrap();
        let mut bundle = FluentBundle::new(vec![locale.parse().unwrap()]);
        bundle.set_use_isolating(false);
        bundle.add_resource(resource).unwrap();
        Self(bundle)
    }

    /// A text with its variables filled in as the host does; a variable without a value is an error.
    pub fn text(&self, key: &str, arguments: &[(String, String)]) -> Result<String, ImportError> {
        let pattern = self.0.get_message(key).and_then(|message| message.value()).ok_or(ImportError::NotFound)?;
        let mut values = FluentArgs::new();
        for (name, value) in arguments {
            let number = value.parse::<i64>().is_ok_and(|number| number.to_string() == *value);
            values.set(name.as_str(), if number { FluentValue::try_number(value) } else { FluentValue::from(value.as_str()) });
        }
        let mut errors = Vec::new();
        let text = self.0.format_pattern(pattern, Some(&values), &mut errors);
        if errors.is_empty() { Ok(text.into_owned()) } else { Err(ImportError::Invalid(format!("{key}: {errors:?}"))) }
    }
}

/// Keys of a locale's texts, with the variables that each uses.
pub fn keys(locale: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut last = String::new();
    for line in file(&format!("copy/{locale}.ftl")).lines().filter(|line| !line.starts_with('#')) {
        if let Some((key, _)) = line.split_once(" =").filter(|_| line.starts_with(|first: char| first.is_ascii_lowercase())) {
            key.clone_into(&mut last);
            assert!(keys.insert(last.clone(), BTreeSet::new()).is_none(), "{locale}: {key} stands twice");
        }
        let variables = line.split('$').skip(1).map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap());
        if let Some(found) = keys.get_mut(&last) {
            found.extend(variables.map(str::to_owned));
        }
    }
    keys
}

/// players.json.
pub fn data() -> Value {
    serde_json::from_str(&file("players.json")).unwrap()
}

/// The first sample player for whom `is_it` holds.
pub fn player(is_it: impl Fn(&Value) -> bool) -> Value {
    data()["players"].as_array().unwrap().iter().find(|player| is_it(player)).expect("such a sample player").clone()
}

/// The first sample player of a tier.
pub fn player_of(tier: &str) -> Value {
    player(|player| player["tier"] == tier)
}

/// A host with the game's texts and words that knows no player.
pub fn host() -> Mock {
    let (en, de, lexicon) = (Texts::of("en"), Texts::of("de"), lexicon());
    Mock::new().with_copy(move |key, locale, arguments| if locale.starts_with("de") { &de } else { &en }.text(key, arguments)).with_intents(
        move |text| {
            let found = lexicon.classify(text).into_iter();
            Ok(found.map(|intent| Intent { name: intent.name, confidence: intent.confidence }).collect())
        },
    )
}

/// A host that knows a player, written as in players.json, and their belongings.
pub fn host_of(player: &Value) -> Mock {
    let mut host = host();
    let text = |name: &str| player[name].as_str().map(str::to_owned);
    host.profile = Ok(PlayerProfile {
        name: text("name").unwrap(),
        tier: text("tier").unwrap(),
        locale: text("locale"),
        country: text("country"),
        created_at: player["created_at_ms"].as_u64(),
    });
    let balance = |name: &str| player["balances"][name].as_u64().unwrap();
    host.balances = Ok(PlayerBalances {
        premium: balance("premium"),
        free: balance("free"),
        pending_rewards: balance("pending_rewards").try_into().unwrap(),
    });
    host.last_purchase = Ok(player["last_purchase"].as_object().map(|purchase| Purchase {
        id: purchase["id"].as_str().unwrap().to_owned(),
        product: purchase["product"].as_str().unwrap().to_owned(),
        amount_minor: purchase["amount_minor"].as_u64().unwrap(),
        currency: purchase["currency"].as_str().unwrap().to_owned(),
        at: purchase["at_ms"].as_u64().unwrap(),
    }));
    let devices: Vec<&str> = player["devices"].as_array().into_iter().flatten().map(|device| device.as_str().unwrap()).collect();
    host.with_devices(&devices)
}

/// A sample player chatting with the flow of that name, in English, with its settings of game.toml.
pub fn chat<F: Flow>(flow: &str, player: &Value) -> Chat<F> {
    let mut chat = Chat::with(host_of(player)).settings(&settings(flow));
    if let Some(id) = player["id"].as_str() {
        chat.conversation.player = Some(id.to_owned());
    }
    chat
}
