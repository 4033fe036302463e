//! Players: who they are, what each business number has of them, and the directory that finds them by phone or BSUID.

pub(crate) mod chat;
pub(crate) mod content;
pub(crate) mod inbox;
mod wire;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, RwLock};

use tokio::sync::Notify;

use crate::clock::UnixMs;
use crate::ledger::Accepted;
use crate::rules::rate::PairDebt;
use crate::rules::recipient;
use crate::rules::template::Spec;
use crate::sync::{lock, read, write};
use crate::webhook::{Sender, SenderField};

/// Shards of the directory.
const SHARDS: usize = 32;

/// A WhatsApp user, as given to [`crate::Emulator::add_player`].
#[derive(Clone)]
#[non_exhaustive]
pub struct Player {
    /// The phone number in any notation; `None` for a user whose phone this business never sees.
    pub phone: Option<String>,
    /// The business-scoped user id (BSUID).
    pub user_id: UserId,
    /// The id over several portfolios: `US.ENT....`.
    pub parent_user_id: Option<String>,
    /// The profile's name.
    pub name: String,
    /// The username, if the user has one.
    pub username: Option<String>,
    /// How `from` and `wa_id` look in webhooks.
    pub phone_shape: PhoneShape,
}

/// Where a player's BSUID comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum UserId {
    /// Made up from the phone number, the same every time: since April 2026 every user has one.
    Auto,
    /// This one, for example `US.13491208655302741918`.
    Is(String),
    /// None: webhooks as they were before April 2026.
    Absent,
}

/// How a player's phone appears in webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhoneShape {
    /// As the number's digits.
    Shown,
    /// The keys are absent: Meta's final form for users with a username.
    Missing,
    /// The keys hold `null`.
    Null,
    /// The keys hold an empty text: an earlier draft of Meta's.
    Empty,
    /// The keys hold the BSUID: seen in the wild.
    UserId,
}

impl Player {
    /// A user with a visible phone, and a BSUID that is made up from it.
    pub fn new(phone: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            phone: Some(phone.into()),
            user_id: UserId::Auto,
            parent_user_id: None,
            name: name.into(),
            username: None,
            phone_shape: PhoneShape::Shown,
        }
    }

    /// A user known by BSUID alone.
    pub fn with_user_id_only(user_id: impl Into<String>, name: impl Into<String>) -> Self {
        Self { phone: None, user_id: UserId::Is(user_id.into()), phone_shape: PhoneShape::Missing, ..Self::new(String::new(), name) }
    }

    /// Gives a BSUID.
    pub fn user_id(mut self, user_id: impl Into<String>) -> Self {
        self.user_id = UserId::Is(user_id.into());
        self
    }

    /// Takes the BSUID away: webhooks as they were before April 2026.
    pub fn without_user_id(mut self) -> Self {
        self.user_id = UserId::Absent;
        self
    }

    /// Gives a username.
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.username = Some(username.into());
        self
    }

    /// Sets how the phone appears in webhooks.
    pub fn phone_shape(mut self, shape: PhoneShape) -> Self {
        self.phone_shape = shape;
        self
    }
}

impl fmt::Debug for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Player")
            .field("phone", &self.phone.is_some())
            .field("user_id", &(self.user_id != UserId::Absent))
            .field("phone_shape", &self.phone_shape)
            .finish_non_exhaustive()
    }
}

/// Who a player is now; numbers and ids can change.
#[derive(Clone)]
pub(crate) struct Identity {
    /// Digits, as Meta's `wa_id`.
    pub(crate) wa_id: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) parent_user_id: Option<String>,
    pub(crate) name: String,
    pub(crate) username: Option<String>,
    pub(crate) phone_shape: PhoneShape,
    /// Meta's identity check: another one with another device. None where the business has not turned the check on.
    pub(crate) identity_key_hash: Option<String>,
}

impl Identity {
    pub(crate) fn of(player: Player) -> Self {
        let wa_id = player.phone.as_deref().and_then(recipient::wa_id);
        let user_id = match player.user_id {
            UserId::Auto => wa_id.as_deref().map(made_up_user_id),
            UserId::Is(id) => Some(id),
            UserId::Absent => None,
        };
        Self {
            wa_id,
            user_id,
            parent_user_id: player.parent_user_id,
            name: player.name,
            username: player.username,
            phone_shape: player.phone_shape,
            identity_key_hash: None,
        }
    }

    /// What names the player in wamids and lanes.
    pub(crate) fn party(&self) -> &str {
        self.wa_id.as_deref().or(self.user_id.as_deref()).unwrap_or_default()
    }

    pub(crate) fn sender(&self) -> Sender {
        let phone = match (self.phone_shape, &self.wa_id) {
            (PhoneShape::Shown, Some(wa_id)) => SenderField::Text(wa_id.clone()),
            (PhoneShape::Shown, None) | (PhoneShape::Missing, _) => SenderField::Missing,
            (PhoneShape::Null, _) => SenderField::Null,
            (PhoneShape::Empty, _) => SenderField::Text(String::new()),
            (PhoneShape::UserId, _) => match &self.user_id {
                Some(id) => SenderField::Text(id.clone()),
                None => SenderField::Missing,
            },
        };
        Sender {
            phone,
            user_id: self.user_id.clone(),
            parent_user_id: self.parent_user_id.clone(),
            name: Some(self.name.clone()),
            username: self.username.clone(),
            identity_key_hash: self.identity_key_hash.clone(),
        }
    }
}

/// A BSUID that belongs to a phone number: a country and some twenty digits.
pub(crate) fn made_up_user_id(wa_id: &str) -> String {
    let countries = [("1", "US"), ("44", "GB"), ("49", "DE"), ("52", "MX"), ("55", "BR"), ("62", "ID"), ("91", "IN")];
    let country = countries.iter().find(|(code, _)| wa_id.starts_with(code)).map_or("US", |(_, country)| country);
    let mut hasher = DefaultHasher::new();
    wa_id.hash(&mut hasher);
    format!("{country}.{:020}", hasher.finish())
}

/// All about one player.
pub(crate) struct PlayerState {
    pub(crate) identity: RwLock<Identity>,
    conversations: Mutex<Vec<Conversation>>,
    pub(crate) arrived: Notify,
}

/// A message in a player's inbox.
#[derive(Clone)]
pub(crate) struct Arrived {
    pub(crate) message: Arc<Accepted>,
    pub(crate) template: Option<Arc<Spec>>,
    pub(crate) is_delivered: bool,
    pub(crate) is_read: bool,
}

/// What one business number has with one player.
pub(crate) struct Conversation {
    phone_number_id: Arc<str>,
    /// The player's last message: the service window counts from here.
    pub(crate) last_inbound_ms: Option<UnixMs>,
    pub(crate) pair_debt: PairDebt,
    pub(crate) inbox: VecDeque<Arrived>,
    /// Messages that left the inbox for want of room.
    pub(crate) forgotten: usize,
    /// Messages already given out by `next` and `wait_for`, counted from the first ever.
    pub(crate) seen: usize,
    pub(crate) marketing_stopped: bool,
    /// The latest of the player's messages that the business has marked as read.
    pub(crate) read_by_business: Option<String>,
    pub(crate) typing_since_ms: Option<UnixMs>,
    /// What comes meanwhile is sent, but not delivered.
    pub(crate) is_offline: bool,
}

impl PlayerState {
    pub(crate) fn new(identity: Identity) -> Self {
        Self { identity: RwLock::new(identity), conversations: Mutex::default(), arrived: Notify::new() }
    }

    pub(crate) fn identity(&self) -> Identity {
        read(&self.identity).clone()
    }

    /// Works on the conversation with one business number.
    pub(crate) fn with<T>(&self, phone_number_id: &Arc<str>, work: impl FnOnce(&mut Conversation) -> T) -> T {
        let mut all = lock(&self.conversations);
        let at = all.iter().position(|one| one.phone_number_id == *phone_number_id).unwrap_or_else(|| {
            all.push(Conversation {
                phone_number_id: Arc::clone(phone_number_id),
                last_inbound_ms: None,
                pair_debt: PairDebt::default(),
                inbox: VecDeque::new(),
                forgotten: 0,
                seen: 0,
                marketing_stopped: false,
                read_by_business: None,
                typing_since_ms: None,
                is_offline: false,
            });
            all.len() - 1
        });
        work(&mut all[at])
    }
}

/// Players by phone and by BSUID.
pub(crate) struct Directory {
    shards: [RwLock<HashMap<String, Arc<PlayerState>>>; SHARDS],
}

impl Directory {
    pub(crate) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| RwLock::default()) }
    }

    /// By `wa_id`, BSUID or parent BSUID.
    pub(crate) fn find(&self, key: &str) -> Option<Arc<PlayerState>> {
        read(self.shard(key)).get(key).cloned()
    }

    pub(crate) fn put(&self, key: &str, player: &Arc<PlayerState>) {
        write(self.shard(key)).insert(key.to_owned(), Arc::clone(player));
    }

    pub(crate) fn remove(&self, key: &str) {
        write(self.shard(key)).remove(key);
    }

    fn shard(&self, key: &str) -> &RwLock<HashMap<String, Arc<PlayerState>>> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        &self.shards[hasher.finish() as usize % SHARDS]
    }
}
