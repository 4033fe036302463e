//! A scene's players: those of the sample data as the scene changes them, and those that it makes up.

use questline_core::contact::{Bsuid, Contact, PhoneNumber};
use questline_core::id::PlayerId;
use serde_json::{Value, json};

use super::script::{Role, START, Traits, Who};
use crate::connector::SampleData;

/// A player with a phone in their hand.
#[derive(Debug, Clone)]
pub(super) struct Actor {
    pub(super) name: String,
    pub(super) contact: Contact,
    /// None for somebody unknown.
    pub(super) id: Option<PlayerId>,
}

/// Made-up numbers are of a range that nobody has (+1 555 01xx, North American Numbering Plan).
const MADE_UP_NUMBERS: u64 = 1_555_019_000_000;

/// Puts a scene's players into its own copy of the sample data.
pub(super) struct Casting {
    data: SampleData,
    actors: Vec<Actor>,
}

impl Casting {
    pub(super) fn new(data: SampleData) -> Self {
        Self { data, actors: Vec::new() }
    }

    /// The data and everyone who has a part.
    pub(super) fn done(self) -> (SampleData, Vec<Actor>) {
        (self.data, self.actors)
    }

    /// Gives somebody a part.
    pub(super) fn add(&mut self, role: &Role) -> Result<(), String> {
        if self.actors.iter().any(|actor| actor.name == role.name) {
            return Err(format!("{} is in this scene already", role.name));
        }
        let place = self.actors.len() as u64 + 1;
        let made_up = format!("{}", MADE_UP_NUMBERS + place);
        let mut id = None;
        let phone = match &role.who {
            Who::Unknown => made_up,
            Who::Sample(name) => {
                let player = self.find(name).ok_or_else(|| format!("there is no player {name:?} in the game's sample data"))?;
                change(player, &role.traits);
                id = id_of(player);
                player["phone"].as_str().map_or(made_up.clone(), str::to_owned)
            }
            Who::Made => {
                let mut player = json!({
                    "id": format!("made-{place}"), "phone": format!("+{made_up}"), "name": role.name, "tier": "standard",
                    "balances": { "premium": 0, "free": 0 },
                });
                change(&mut player, &role.traits);
                id = id_of(&player);
                self.players().ok_or("the sample data has no list of players")?.push(player);
                made_up
            }
        };
        self.actors.push(Actor { name: role.name.clone(), contact: contact(&phone, place, role.traits.hidden_number)?, id });
        Ok(())
    }

    /// Gives a part to a name that the scene does not explain: a sample player who is called so.
    pub(super) fn add_by_name(&mut self, name: &str) -> Result<(), String> {
        if self.actors.iter().any(|actor| actor.name == name) {
            return Ok(());
        }
        let role = Role { line: 0, name: name.to_owned(), who: Who::Sample(name.to_owned()), traits: Traits::default() };
        self.add(&role).map_err(|_| {
            format!(
                "nobody here is called {name}: write `player {name} is <id>`, `player {name} is unknown` or `player {name} has tier gold`"
            )
        })
    }

    fn players(&mut self) -> Option<&mut Vec<Value>> {
        if !self.data.players["players"].is_array() {
            self.data.players["players"] = json!([]);
        }
        self.data.players["players"].as_array_mut()
    }

    fn find(&mut self, name: &str) -> Option<&mut Value> {
        let players = self.players()?;
        let by_id = players.iter().position(|player| player["id"] == name);
        let found = by_id.or_else(|| players.iter().position(|player| player["name"] == name))?;
        players.get_mut(found)
    }
}

fn id_of(player: &Value) -> Option<PlayerId> {
    PlayerId::parse(player["id"].as_str()?).ok()
}

fn contact(phone: &str, place: u64, hidden: bool) -> Result<Contact, String> {
    let phone = PhoneNumber::parse(phone).map_err(|problem| problem.to_string())?;
    // Everybody has a user id; most show their number too.
    let bsuid = Bsuid::parse(&format!("US.{}", 13_491_208_655_302_000_000 + place)).map_err(|problem| problem.to_string())?;
    Contact::new((!hidden).then_some(phone), Some(bsuid)).ok_or_else(|| "a contact has a number or an id".to_owned())
}

fn change(player: &mut Value, traits: &Traits) {
    let texts = [("tier", &traits.tier), ("locale", &traits.locale), ("country", &traits.country)];
    for (key, value) in texts {
        if let Some(value) = value {
            player[key] = json!(value);
        }
    }
    for (key, value) in [("premium", traits.premium), ("free", traits.free)] {
        if let Some(value) = value {
            player["balances"][key] = json!(value);
        }
    }
    if !traits.devices.is_empty() {
        player["devices"] = json!(traits.devices);
    }
    if let Some((amount_minor, currency)) = &traits.purchase {
        let at_ms = START.minus_ms(questline_core::time::DAY_MS).0;
        player["last_purchase"] =
            json!({ "id": "buy-scene", "product": "Purchase", "amount_minor": amount_minor, "currency": currency, "at_ms": at_ms });
    }
}
