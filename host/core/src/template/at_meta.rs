//! What Meta says of templates, and what follows from it: whether one can be sent now, and as what.
//!
//! A [`Book`] holds what is known of one business account's templates. It is told by Meta's list ([`Book::listed`]) and by
//! webhooks ([`Book::hear`]); whichever is newer holds. Where nothing is known, Meta has the last word.

mod choice;
mod live;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Category;
use crate::time::{HOUR_MS, UnixMs};

pub use choice::Choice;
pub use live::{AccountBook, AtMeta};

/// Versions (a template in a language) of one account that are known. Meta keeps at most 6,000 templates.
pub const VERSIONS_MAX: usize = 50_000;
/// How long Meta pauses a template of low quality: the first time, and the second ("Template pausing").
pub const PAUSES_MS: [u64; 2] = [3 * HOUR_MS, 6 * HOUR_MS];

/// Where a version stands at Meta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It may be sent.
    Approved,
    /// It waits for review, the first or one after an edit.
    Pending,
    /// It was rejected, and that is being looked at again.
    InAppeal,
    /// It may not be sent: it has to be edited first.
    Rejected,
    /// It is not sent for a while: too many players did not want it.
    Paused,
    /// It was paused too often and is never sent again.
    Disabled,
    /// It was put away.
    Archived,
    /// The account has as many templates as it may.
    LimitExceeded,
    /// It will be gone.
    PendingDeletion,
    /// It is gone.
    Deleted,
    /// A state that is not known here: Meta has the last word.
    Other,
}

impl State {
    /// The name in the API, logs and refusals.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Pending => "pending",
            Self::InAppeal => "in-appeal",
            Self::Rejected => "rejected",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
            Self::Archived => "archived",
            Self::LimitExceeded => "limit-exceeded",
            Self::PendingDeletion => "pending-deletion",
            Self::Deleted => "deleted",
            Self::Other => "other",
        }
    }

    /// As Meta's list writes it.
    pub fn listed(word: &str) -> Self {
        match word {
            "APPROVED" | "ACTIVE" | "FLAGGED" | "REINSTATED" | "LOCKED" => Self::Approved,
            "PENDING" | "IN_REVIEW" => Self::Pending,
            "IN_APPEAL" | "APPEAL_REQUESTED" => Self::InAppeal,
            "REJECTED" => Self::Rejected,
            "PAUSED" => Self::Paused,
            "DISABLED" => Self::Disabled,
            "ARCHIVED" => Self::Archived,
            "LIMIT_EXCEEDED" => Self::LimitExceeded,
            "PENDING_DELETION" => Self::PendingDeletion,
            "DELETED" => Self::Deleted,
            _ => Self::Other,
        }
    }
}

/// What players' reactions say of a version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quality {
    /// High.
    Green,
    /// Medium.
    Yellow,
    /// Low: it will be paused.
    Red,
    /// Not yet known.
    #[default]
    Unknown,
}

impl Quality {
    /// As Meta writes it.
    pub fn of(word: &str) -> Self {
        match word {
            "GREEN" | "HIGH" => Self::Green,
            "YELLOW" | "MEDIUM" => Self::Yellow,
            "RED" | "LOW" => Self::Red,
            _ => Self::Unknown,
        }
    }

    /// The name in the API and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Red => "red",
            Self::Unknown => "unknown",
        }
    }
}

/// How many values a version takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Takes {
    /// In its header.
    pub header: u8,
    /// In its body.
    pub body: u8,
    /// Buttons that there are.
    pub buttons: u8,
}

/// A category that Meta has announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// What it will be.
    pub category: Category,
    /// From then on.
    pub at: UnixMs,
}

/// One template in one language at one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Meta's id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where it stands.
    pub state: State,
    /// What Meta takes it for; none for a category that is not known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// What Meta will take it for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced: Option<Announced>,
    /// What players think of it.
    #[serde(default)]
    pub quality: Quality,
    /// Why it is in this state, in Meta's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When a pause ends, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<UnixMs>,
    /// How many values it takes; none where only webhooks told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes: Option<Takes>,
    /// A digest of its texts: tells whether they are those of the game.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texts: Option<u64>,
    /// When this became known.
    pub known_at: UnixMs,
}

impl Version {
    fn new(known_at: UnixMs) -> Self {
        Self {
            id: None,
            state: State::Other,
            category: None,
            announced: None,
            quality: Quality::Unknown,
            reason: None,
            paused_until: None,
            takes: None,
            texts: None,
            known_at,
        }
    }

    /// What Meta takes it for now.
    pub fn category_at(&self, now: UnixMs) -> Option<Category> {
        self.announced.filter(|announced| announced.at <= now).map_or(self.category, |announced| Some(announced.category))
    }

    /// Whether it can be sent now.
    pub fn standing(&self, now: UnixMs) -> Standing {
        match self.state {
            State::Approved | State::Other => Standing::Sendable(self.category_at(now)),
            // Meta ends these pauses itself; the webhook about it may be lost.
            State::Paused if self.paused_until.is_some_and(|until| until <= now) => Standing::Sendable(self.category_at(now)),
            State::Paused => Standing::Paused { until: self.paused_until },
            state => Standing::Closed(state),
        }
    }
}

/// Whether a version can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has asked Meta yet, or Meta did not answer: a send tells.
    Unknown,
    /// Meta has been asked and has none.
    Missing,
    /// It can. With what Meta takes it for, where that is known.
    Sendable(Option<Category>),
    /// Not now.
    Paused {
        /// When the pause ends, where that is known.
        until: Option<UnixMs>,
    },
    /// Not as long as nobody changes it, here or at Meta.
    Closed(State),
}

/// One line of Meta's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The template's name.
    pub name: String,
    /// In which language, as Meta writes it.
    pub language: String,
    /// Meta's id of it.
    pub id: Option<String>,
    /// Where it stands.
    pub state: State,
    /// What Meta takes it for.
    pub category: Option<Category>,
    /// What Meta will take it for, at a time that the list does not tell.
    pub will_be: Option<Category>,
    /// What players think of it.
    pub quality: Quality,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// How many values it takes.
    pub takes: Takes,
    /// A digest of its texts.
    pub texts: Option<u64>,
}

/// What a webhook tells of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The template's name.
    pub name: String,
    /// In which language, as Meta writes it.
    pub language: String,
    /// Meta's id of it.
    pub id: Option<String>,
    /// What.
    pub news: News,
}

/// What there is to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Where it stands.
    State {
        /// None where the state is as it was (for instance: it can be edited no more).
        state: Option<State>,
        /// What Meta takes it for.
        category: Option<Category>,
        /// Why.
        reason: Option<String>,
        /// How long a pause lasts.
        paused_ms: Option<u64>,
    },
    /// What players think of it.
    Quality(Quality),
    /// What Meta takes it for.
    Category {
        /// Now.
        now: Option<Category>,
        /// And later.
        announced: Option<Announced>,
    },
    /// Its texts are others: which, and how many values they take, is known after the next list.
    Texts,
}

/// How a book changes: what a store is asked to do in one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BookChange {
    /// Webhooks told.
    Heard {
        /// What.
        told: Vec<Told>,
        /// When they came.
        at: UnixMs,
    },
    /// Meta's whole list was read.
    Listed {
        /// All of it.
        list: Vec<Listed>,
        /// When reading it began: what was heard later holds.
        began_at: UnixMs,
    },
}

/// What is known of an account's templates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    /// When Meta's whole list was last begun to be read; none if it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_at: Option<UnixMs>,
    /// By name, then by language.
    #[serde(default)]
    pub versions: BTreeMap<String, BTreeMap<String, Version>>,
}

impl Book {
    /// One version.
    pub fn version(&self, name: &str, language: &str) -> Option<&Version> {
        self.versions.get(name)?.get(language)
    }

    /// Whether a version can be sent now.
    pub fn standing(&self, name: &str, language: &str, now: UnixMs) -> Standing {
        match self.version(name, language) {
            Some(version) => version.standing(now),
            None if self.listed_at.is_some() => Standing::Missing,
            None => Standing::Unknown,
        }
    }

    /// All that is known, in the order of names and languages.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Version)> {
        let of = |(name, languages)| {
            let (name, languages): (&String, &BTreeMap<String, Version>) = (name, languages);
            languages.iter().map(move |(language, version)| (name.as_str(), language.as_str(), version))
        };
        self.versions.iter().flat_map(of)
    }

    /// Does a change.
    pub fn apply(&mut self, change: &BookChange) {
        match change {
            BookChange::Heard { told, at } => told.iter().for_each(|told| self.hear(told, *at)),
            BookChange::Listed { list, began_at } => self.listed(list, *began_at),
        }
    }

    /// Takes what a webhook told. Webhooks of one version may overtake one another; Meta's next list mends that.
    pub fn hear(&mut self, told: &Told, at: UnixMs) {
        let is_known = self.version(&told.name, &told.language).is_some();
        if !is_known && (self.iter().count() >= VERSIONS_MAX || !told.news.is_of_a_version()) {
            return;
        }
        let languages = self.versions.entry(told.name.clone()).or_default();
        let version = languages.entry(told.language.clone()).or_insert_with(|| Version::new(at));
        if told.id.is_some() {
            version.id.clone_from(&told.id);
        }
        version.known_at = version.known_at.max(at);
        match &told.news {
            News::State { state, category, reason, paused_ms } => {
                if let Some(state) = *state {
                    version.state = state;
                    version.reason.clone_from(reason);
                    version.paused_until = paused_ms.filter(|_| state == State::Paused).map(|paused_ms| at.plus_ms(paused_ms));
                }
                version.category = category.or(version.category);
            }
            News::Quality(quality) => version.quality = *quality,
            News::Category { now, announced } => {
                version.category = now.or(version.category);
                version.announced = *announced;
            }
            News::Texts => (version.takes, version.texts) = (None, None),
        }
    }

    /// Takes Meta's whole list, whose reading began then. What was heard since holds; what is not in the list is gone.
    pub fn listed(&mut self, list: &[Listed], began_at: UnixMs) {
        if self.listed_at.is_some_and(|listed_at| listed_at > began_at) {
            return;
        }
        self.listed_at = Some(began_at);
        let mut before = std::mem::take(&mut self.versions);
        for listed in list.iter().take(VERSIONS_MAX) {
            let known = before.get_mut(&listed.name).and_then(|languages| languages.remove(&listed.language));
            let version = match known {
                Some(known) if known.known_at >= began_at => Version { takes: Some(listed.takes), texts: listed.texts, ..known },
                known => Version::read(listed, known, began_at),
            };
            self.versions.entry(listed.name.clone()).or_default().insert(listed.language.clone(), version);
        }
        for (name, languages) in before {
            for (language, version) in languages.into_iter().filter(|(_, version)| version.known_at >= began_at) {
                self.versions.entry(name.clone()).or_default().insert(language, version);
            }
        }
    }
}

impl News {
    /// Whether a version can begin with it: nobody knows where one stands of which only the quality is told.
    fn is_of_a_version(&self) -> bool {
        matches!(self, Self::State { state: Some(_), .. })
    }
}

impl Version {
    /// As the list has it, with what only webhooks tell.
    fn read(listed: &Listed, known: Option<Self>, at: UnixMs) -> Self {
        let same = known.filter(|known| known.state == listed.state);
        let (reason, paused_until) = same.as_ref().map_or((None, None), |same| (same.reason.clone(), same.paused_until));
        let announced = match listed.will_be {
            // The list does not say when: as announced, else the host goes by it at once, to be on the safe side.
            Some(category) => {
                let told = same.and_then(|same| same.announced).filter(|announced| announced.category == category);
                Some(told.unwrap_or(Announced { category, at }))
            }
            None => None,
        };
        Self {
            id: listed.id.clone(),
            state: listed.state,
            category: listed.category,
            announced,
            quality: listed.quality,
            reason: listed.reason.clone().or(reason),
            paused_until,
            takes: Some(listed.takes),
            texts: listed.texts,
            known_at: at,
        }
    }
}

/// What a message counts as: marketing if either the game or Meta takes it for that. A template that Meta has re-categorised
/// falls under marketing's rules at once; one that the game calls marketing stays it, whatever Meta says.
pub fn counts_as(declared: Category, at_meta: Option<Category>) -> Category {
    match at_meta {
        Some(Category::Marketing) => Category::Marketing,
        _ => declared,
    }
}
