//! Broadcasts: one template to many players. What one is, what it may become, and how far it has come; pure.
//!
//! A broadcast never goes around what holds for a single message: each of its messages passes consent, permits and lanes of its
//! own. Here is decided who is handed to them, and how fast.

mod audience;
mod list;
mod local;
mod of_flows;
mod pace;
mod progress;
mod schedule;
#[cfg(test)]
mod tests;
mod wording;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::audit::Actor;
use crate::contact::Contact;
use crate::experiment::Experiment;
use crate::id::{GameId, InvalidName, NumberId};
use crate::outbox::MessageClass;
use crate::template::Category;
use crate::time::{DAY_MS, HOUR_MS, UnixMs};

pub use audience::{
    Audience, ConversationPlace, InvalidSegment, Person, SEGMENT_DAYS_MAX, SEGMENT_NAMES_MAX, Segment, Skip, Verdict, verdict,
};
pub use list::{
    COLUMNS_MAX, ENTRY_BYTES_MAX, Entry, Header, InvalidHeader, KeyColumn, List, ListBuilder, PIECE_ENTRIES, Piece, Row, RowProblem, Who,
    has_language, is_locale, piece_of,
};
pub use local::{LATE_MS_MAX, LocalTime, Round, Wall, Whereabouts, estimate_in_zones};
pub use of_flows::{campaign_of_template, campaigns_of_template, counted_as, is_of_flows};
pub use pace::{Bound, Estimate, Limits, Portfolio, ahead_max, estimate, ready_to_feed};
pub use progress::{Progress, Rates, Tally, UNKNOWN_LISTED_MAX, UnknownOutcome, passed};
pub use schedule::{InvalidSchedule, begins_at};
pub use wording::{COLUMN_BYTES_MAX, VALUE_BYTES_MAX, Wording, WordingProblem};

/// Characters of a broadcast's title.
pub const TITLE_CHARS_MAX: usize = 128;
/// Recipients of one uploaded list.
pub const RECIPIENTS_MAX: u64 = 1_000_000;
/// Broadcasts of one game that are neither done nor cancelled.
pub const OPEN_MAX: usize = 100;
/// Broadcasts of one game that are remembered; the oldest that are over are forgotten first.
pub const REMEMBERED_MAX: usize = 500;
/// How long a message of a broadcast may wait, where nothing else is said.
pub const EXPIRES_AFTER_MS: u64 = DAY_MS;
/// How long an outage is news.
pub const OUTAGE_EXPIRES_AFTER_MS: u64 = HOUR_MS;
/// How long a draft that nobody starts is kept.
pub const DRAFT_KEPT_MS: u64 = 30 * DAY_MS;
/// How far ahead a broadcast may be planned.
pub const AHEAD_MS_MAX: u64 = 365 * DAY_MS;

/// Names a broadcast in the whole host; its messages bear it as their campaign.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BroadcastId(Box<str>);

impl BroadcastId {
    const DIGITS: usize = 20;

    /// The one that a game's key stands for: the same key is the same broadcast. `digest` is a hash over game and key.
    pub fn of_digest(digest: &[u8; 32]) -> Self {
        let digits: String = digest.iter().take(Self::DIGITS / 2).map(|byte| format!("{byte:02x}")).collect();
        Self(format!("b{digits}").into())
    }

    /// Takes `b` and 20 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let digits = text.strip_prefix('b').unwrap_or_default();
        match digits.len() == Self::DIGITS && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            true => Ok(Self(text.into())),
            false => Err(InvalidName { kind: "a broadcast's id", chars_max: 21, alphabet: "the letter b and 20 hexadecimal digits" }),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for BroadcastId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for BroadcastId {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(&text)
    }
}

impl From<BroadcastId> for String {
    fn from(id: BroadcastId) -> String {
        id.0.into()
    }
}

/// Where a broadcast stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is described, and nobody gets it.
    Draft,
    /// It begins by itself at its time.
    Scheduled,
    /// Recipients are handed to the lanes.
    Running,
    /// Nothing more leaves until it is resumed.
    Paused,
    /// Every message of it has its end.
    Done,
    /// It was stopped for good: what had not left is dropped.
    Cancelled,
}

/// What somebody wants of a broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Begin, at its time.
    Start,
    /// Hold it.
    Pause,
    /// Go on.
    Resume,
    /// Stop it for good.
    Cancel,
}

/// An order that makes no sense now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a broadcast that is {} cannot be {}", .state.as_str(), .order.participle())]
pub struct NotNow {
    /// Where it stands.
    pub state: State,
    /// What was wanted.
    pub order: Order,
}

impl Order {
    fn participle(self) -> &'static str {
        match self {
            Self::Start => "started",
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Cancel => "cancelled",
        }
    }
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Draft, Self::Scheduled, Self::Running, Self::Paused, Self::Done, Self::Cancelled];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it stays as it is for ever.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }

    /// The state after an order; the same order twice changes nothing. `is_due`: its time has come, or it has none.
    pub fn after(self, order: Order, is_due: bool) -> Result<Self, NotNow> {
        let begun = if is_due { Self::Running } else { Self::Scheduled };
        match (self, order) {
            (Self::Draft, Order::Start) | (Self::Paused, Order::Resume) => Ok(begun),
            (Self::Scheduled | Self::Running, Order::Start | Order::Resume) => Ok(self),
            (Self::Scheduled | Self::Running | Self::Paused, Order::Pause) => Ok(Self::Paused),
            (Self::Cancelled, Order::Cancel) => Ok(self),
            (state, Order::Cancel) if !state.is_over() => Ok(Self::Cancelled),
            (state, order) => Err(NotNow { state, order }),
        }
    }
}

/// What a broadcast is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Somebody planned it.
    #[default]
    Broadcast,
    /// Something is down, and those whom it concerns are told at once.
    Outage,
}

/// What is sent, to whom, when, how urgently and how fast. Nothing of it changes after it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// For people.
    pub title: String,
    /// What for.
    #[serde(default)]
    pub kind: Kind,
    /// From which number; none: from each number that the game talks to somebody from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<NumberId>,
    /// Which template, and its values.
    pub wording: Wording,
    /// To whom.
    pub audience: Audience,
    /// How urgent.
    pub class: MessageClass,
    /// When it begins; none: when it is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begins_at: Option<UnixMs>,
    /// Everybody gets it when their own clock shows this; it begins with the first clocks that do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalTime>,
    /// Recipients a second, at most; none: as fast as the number may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
    /// A message that has waited for so long is dropped.
    pub expires_after_ms: u64,
    /// Which templates are compared; the wording's own is the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<Box<Experiment>>,
}

/// A class that is not for such a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotThisClass {
    /// The lanes before the last one are not for invitations.
    #[error("a marketing template is sent in class low")]
    Marketing,
    /// The first lane is for what cannot wait.
    #[error("class critical is for outages: POST .../outages")]
    Critical,
    /// Codes are for one player each.
    #[error("an authentication template is not for many: POST .../verifications sends codes")]
    Authentication,
}

/// The class of a broadcast's messages: what was asked for, where it is allowed, else what fits the template.
pub fn class_of(kind: Kind, category: Category, asked: Option<MessageClass>) -> Result<MessageClass, NotThisClass> {
    match (kind, category, asked) {
        (_, Category::Authentication, _) => Err(NotThisClass::Authentication),
        (Kind::Outage, Category::Utility, _) => Ok(MessageClass::Critical),
        (Kind::Broadcast, Category::Utility, Some(MessageClass::Critical)) => Err(NotThisClass::Critical),
        (Kind::Broadcast, Category::Utility, asked) => Ok(asked.unwrap_or(MessageClass::Normal)),
        (Kind::Broadcast, Category::Marketing, None | Some(MessageClass::Low)) => Ok(MessageClass::Low),
        (_, Category::Marketing, _) => Err(NotThisClass::Marketing),
    }
}

/// How far recipients were handed to the lanes. It is written whole with each batch, so that what was counted was handed over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feed {
    /// Behind which recipient of the list, or which conversation.
    pub place: FeedPlace,
    /// Recipients that were looked at.
    pub seen: u64,
    /// Those that do not get it, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skipped: BTreeMap<Skip, u64>,
    /// Every recipient was looked at.
    #[serde(default)]
    pub is_over: bool,
    /// Where everybody has their own time: the round that recipients are handed over in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<Round>,
    /// Up to when the pace is used up.
    #[serde(default)]
    pub paced_until: UnixMs,
    /// Which host hands them over, and until when it need not say so again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Hold>,
}

/// A place among recipients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedPlace {
    /// Entries of the list that were looked at.
    #[serde(default)]
    pub entries: u64,
    /// The last conversation that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationPlace>,
}

/// Who hands a broadcast's recipients over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// A host's name for itself, new at each of its starts.
    pub by: Box<str>,
    /// Nobody else does before then.
    pub until: UnixMs,
}

impl Feed {
    /// Moves on behind a batch: up to `place`, or, behind the last, to the next round, if there is one.
    pub fn move_on(&mut self, place: FeedPlace, is_last: bool, round: Option<Round>) {
        let following = round.filter(|_| is_last).and_then(|round| round.following());
        self.is_over = is_last && following.is_none();
        self.place = if following.is_some() { FeedPlace::default() } else { place };
        self.round = following.or(round);
    }

    /// Whether this host may hand recipients over: nobody else does.
    pub fn may_be_held(&self, by: &str, now: UnixMs) -> bool {
        self.held.as_ref().is_none_or(|hold| *hold.by == *by || hold.until <= now)
    }
}

/// A broadcast as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broadcast {
    /// Its name.
    pub id: BroadcastId,
    /// Whose.
    pub game: GameId,
    /// What it is.
    #[serde(flatten)]
    pub wish: Definition,
    /// Where it stands.
    pub state: State,
    /// When it was made.
    pub created_at: UnixMs,
    /// By whom.
    pub created_by: Actor,
    /// When recipients were first handed over, or are to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<UnixMs>,
    /// Since when it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_at: Option<UnixMs>,
    /// When it was done or cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<UnixMs>,
    /// The list that is on its way: what there is of it is forgotten if it does not arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploading: Option<Box<str>>,
    /// The list that was uploaded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<List>,
    /// How far it is handed over.
    #[serde(default)]
    pub feed: Feed,
    /// The variant of its experiment that was promoted: from then on everybody gets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winner: Option<u8>,
}

/// Why a broadcast does not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotStarted {
    /// See there.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// Its list is missing.
    #[error("its audience is a list, and none was uploaded: POST .../recipients first")]
    NoList,
    /// Nobody is on its list.
    #[error("nobody is on its list")]
    EmptyList,
}

impl Broadcast {
    /// A draft.
    pub fn new(id: BroadcastId, game: GameId, wish: Definition, by: Actor, now: UnixMs) -> Self {
        Self {
            id,
            game,
            wish,
            state: State::Draft,
            created_at: now,
            created_by: by,
            started_at: None,
            paused_at: None,
            ended_at: None,
            uploading: None,
            list: None,
            feed: Feed::default(),
            winner: None,
        }
    }

    /// Whether its time has come.
    pub fn is_due(&self, now: UnixMs) -> bool {
        self.wish.begins_at.is_none_or(|at| at <= now)
    }

    /// Does as ordered. True when that changed something.
    pub fn order(&mut self, order: Order, now: UnixMs) -> Result<bool, NotStarted> {
        let after = self.state.after(order, self.is_due(now))?;
        if order == Order::Start && self.wish.audience == Audience::List {
            match &self.list {
                None => return Err(NotStarted::NoList),
                Some(list) if list.recipients == 0 => return Err(NotStarted::EmptyList),
                Some(_) => {}
            }
        }
        let is_changed = after != self.state;
        self.state = after;
        self.paused_at = (after == State::Paused).then(|| self.paused_at.unwrap_or(now));
        if is_changed && matches!(after, State::Running | State::Scheduled) && self.started_at.is_none() {
            self.started_at = Some(self.wish.begins_at.map_or(now, |at| at.max(now)));
        }
        if is_changed && after.is_over() {
            self.ended_at = Some(now);
        }
        Ok(is_changed)
    }

    /// Goes on by itself: begins at its time, ends when every message has its end. True when that changed something.
    pub fn advance(&mut self, waiting: u64, now: UnixMs) -> bool {
        let after = match self.state {
            State::Scheduled if self.is_due(now) => State::Running,
            State::Running if self.feed.is_over && waiting == 0 => State::Done,
            state => state,
        };
        let is_changed = after != self.state;
        self.state = after;
        if is_changed && after.is_over() {
            self.ended_at = Some(now);
        }
        is_changed
    }

    /// Ends a draft that nobody has started for so long; true when it is to be forgotten with its list. One that was cancelled
    /// as a draft is forgotten at the same age.
    pub fn outlive(&mut self, now: UnixMs) -> bool {
        let is_old = self.started_at.is_none() && now.since_ms(self.created_at) >= DRAFT_KEPT_MS;
        if is_old && self.state == State::Draft {
            (self.state, self.ended_at) = (State::Cancelled, Some(now));
        }
        is_old && self.state == State::Cancelled
    }

    /// Which variant somebody gets, and its template: the same one each time, until one is promoted.
    pub fn variant_of(&self, contact: &Contact) -> Option<(u8, &str)> {
        let experiment = self.wish.experiment.as_deref()?;
        let place = self.winner.unwrap_or_else(|| experiment.assign(self.id.as_str(), contact));
        experiment.variants.get(usize::from(place)).map(|variant| (place, variant.template.as_str()))
    }

    /// When a message is dropped whose time is this one.
    pub fn expires_at(&self, due: UnixMs) -> UnixMs {
        due.plus_ms(self.wish.expires_after_ms)
    }
}
