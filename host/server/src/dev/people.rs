//! The players of the page: who they are to the game, and what the page sets of them. What is set here lies over what the
//! sample file says, for this run alone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use questline_core::contact::Contact;
use questline_core::id::PlayerId;
use questline_core::port::{Balances, DeviceMatch, Players, Profile, Purchase, ServiceError};
use questline_emulator::PlayerHandle;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Where the player's phone is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Presence {
    /// The chat is open: what comes is read at once.
    Chat,
    /// The phone is on: what comes is delivered.
    Online,
    /// The phone is off: what comes waits at Meta.
    Offline,
}

/// What the studio says when a flow compares devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Device {
    /// What the sample file says.
    Sample,
    /// A device of the player's.
    Same,
    /// Not one of the player's.
    Different,
    /// The studio knows no devices of the player.
    Unknown,
}

/// One player of the page.
#[derive(Clone)]
pub(super) struct Person {
    /// Digits: what names them on the page.
    pub(super) phone: String,
    pub(super) id: PlayerId,
    pub(super) name: String,
    pub(super) tier: String,
    pub(super) locale: String,
    /// Whether the studio knows whose number this is.
    pub(super) linked: bool,
    /// Whether the sample file has them.
    pub(super) sample: bool,
    pub(super) device: Device,
    pub(super) presence: Presence,
    pub(super) handle: PlayerHandle,
}

impl Person {
    /// As the page shows them.
    pub(super) fn shown(&self) -> Value {
        json!({
            "phone": self.phone, "id": self.id.as_str(), "name": self.name, "tier": self.tier, "locale": self.locale,
            "linked": self.linked, "sample": self.sample, "device": self.device, "presence": self.presence,
            "window_closes_at_ms": self.handle.window_closes_at_ms(), "typing": self.handle.sees_typing(),
        })
    }

    /// As the sample file would have them, for those that it lacks.
    fn in_sample(&self) -> Value {
        json!({
            "id": self.id.as_str(), "phone": format!("+{}", self.phone), "name": self.name, "tier": self.tier, "locale": self.locale,
            "balances": { "premium": 500, "free": 10_000 },
            "rewards": [{ "id": "welcome", "name": "Welcome gift", "premium": 50, "free": 1_000 }],
        })
    }
}

/// All of them, in the order in which they came.
#[derive(Default)]
pub(super) struct People {
    all: Mutex<Vec<Person>>,
}

impl People {
    fn lock(&self) -> MutexGuard<'_, Vec<Person>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn all(&self) -> Vec<Person> {
        self.lock().clone()
    }

    pub(super) fn get(&self, phone: &str) -> Option<Person> {
        self.lock().iter().find(|person| person.phone == phone).cloned()
    }

    /// Adds one, or replaces who had the number.
    pub(super) fn put(&self, person: Person) {
        let mut all = self.lock();
        match all.iter_mut().find(|known| known.phone == person.phone) {
            Some(known) => *known = person,
            None => all.push(person),
        }
    }

    pub(super) fn change(&self, phone: &str, change: impl FnOnce(&mut Person)) -> Option<Person> {
        let mut all = self.lock();
        let person = all.iter_mut().find(|person| person.phone == phone)?;
        change(person);
        Some(person.clone())
    }

    pub(super) fn remove(&self, phone: &str) {
        self.lock().retain(|person| person.phone != phone);
    }

    /// What the page says of a player's language.
    pub(super) fn locale_of(&self, player: &PlayerId) -> Option<String> {
        self.lock().iter().find(|person| person.id == *player).map(|person| person.locale.clone())
    }

    /// Puts those whom the sample file lacks into its document.
    pub(super) fn join_sample(&self, document: &mut Value) {
        if let Some(players) = document["players"].as_array_mut() {
            players.extend(self.lock().iter().filter(|person| !person.sample).map(Person::in_sample));
        }
    }
}

/// The studio's players with what the page sets of them.
pub(super) struct PagePlayers {
    pub(super) studio: Arc<dyn Players>,
    pub(super) people: Arc<People>,
}

impl PagePlayers {
    fn find<T>(&self, player: &PlayerId, read: impl FnOnce(&Person) -> T) -> Option<T> {
        self.people.lock().iter().find(|person| person.id == *player).map(read)
    }

    fn set(&self, player: &PlayerId, profile: Profile) -> Profile {
        match self.find(player, |person| (person.tier.clone(), person.locale.clone())) {
            Some((tier, locale)) => Profile { tier, locale: Some(locale), ..profile },
            None => profile,
        }
    }
}

#[async_trait]
impl Players for PagePlayers {
    async fn by_contact(&self, contact: &Contact) -> Result<(PlayerId, Profile), ServiceError> {
        let on_page = contact.phone().and_then(|phone| self.people.get(phone.digits()));
        if on_page.is_some_and(|person| !person.linked) {
            return Err(ServiceError::NotFound);
        }
        let (id, profile) = self.studio.by_contact(contact).await?;
        let profile = self.set(&id, profile);
        Ok((id, profile))
    }

    async fn profile(&self, player: &PlayerId) -> Result<Profile, ServiceError> {
        Ok(self.set(player, self.studio.profile(player).await?))
    }

    async fn balances(&self, player: &PlayerId) -> Result<Balances, ServiceError> {
        self.studio.balances(player).await
    }

    async fn last_purchase(&self, player: &PlayerId) -> Result<Option<Purchase>, ServiceError> {
        self.studio.last_purchase(player).await
    }

    async fn contact(&self, player: &PlayerId) -> Result<Contact, ServiceError> {
        self.studio.contact(player).await
    }

    async fn check_device(&self, player: &PlayerId, fingerprint: &str) -> Result<DeviceMatch, ServiceError> {
        match self.find(player, |person| person.device) {
            Some(Device::Same) => Ok(DeviceMatch::Same),
            Some(Device::Different) => Ok(DeviceMatch::Different),
            Some(Device::Unknown) => Ok(DeviceMatch::Unknown),
            Some(Device::Sample) | None => self.studio.check_device(player, fingerprint).await,
        }
    }
}
