//! What a transcript says, as data: scenes of beats, each something that happens and what is expected of it.

use questline_core::effect::TicketPriority;
use questline_core::message::MediaKind;
use questline_core::port::ServiceError;
use questline_core::time::UnixMs;
use questline_core::verification::Purpose;
use serde_json::Value;

use super::pattern::Pattern;

/// When scenes begin that do not say: 2026-11-22 12:00 UTC.
pub(super) const START: UnixMs = UnixMs(1_795_348_800_000);

/// A conversation from its beginning.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) title: String,
    pub(super) line: u32,
    pub(super) starts_at: UnixMs,
    pub(super) roles: Vec<Role>,
    /// Messages that are not expected are no failure.
    pub(super) ignores_replies: bool,
    pub(super) beats: Vec<Beat>,
}

/// Who a name stands for.
#[derive(Debug, Clone)]
pub(super) struct Role {
    pub(super) line: u32,
    pub(super) name: String,
    pub(super) who: Who,
    pub(super) traits: Traits,
}

/// Where a player comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    /// One of the sample players, by id or name.
    Sample(String),
    /// Made up for the scene.
    Made,
    /// Nobody that the studio knows.
    Unknown,
}

/// What a scene says of a player; all else is as in the sample data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Traits {
    pub(super) tier: Option<String>,
    pub(super) locale: Option<String>,
    pub(super) country: Option<String>,
    pub(super) devices: Vec<String>,
    pub(super) premium: Option<u64>,
    pub(super) free: Option<u64>,
    /// The last purchase: hundredths, and the currency.
    pub(super) purchase: Option<(u64, String)>,
    /// WhatsApp shows a user id alone.
    pub(super) hidden_number: bool,
}

/// Something that happens, and what is expected of it.
#[derive(Debug, Clone)]
pub(super) struct Beat {
    pub(super) line: u32,
    /// As it was written.
    pub(super) text: String,
    pub(super) action: Action,
    pub(super) expected: Vec<Expected>,
}

/// Something that happens.
#[derive(Debug, Clone)]
pub(super) enum Action {
    Says { player: String, text: String },
    Taps { player: String, title: String },
    Picks { player: String, title: String },
    Sends { player: String, what: Attachment },
    Reacts { player: String, emoji: String },
    Enters { player: String, code: EnteredCode },
    CodeSent { player: String, purpose: Purpose },
    Passes { ms: u64 },
    GameEvent { name: String, player: String, payload: String },
    DeliveryFails { player: String, code: u32, detail: String },
    AgentCloses { player: String, resolution: String },
    Backend { operation: String, answer: BackendAnswer },
}

/// Which code a player enters, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EnteredCode {
    Newest,
    Wrong,
    InGame,
}

/// What a player sends beside texts.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Attachment {
    Media { kind: MediaKind, caption: Option<String> },
    Location { latitude: f64, longitude: f64, name: Option<String> },
    Contact { phone: String },
}

/// What the studio's backend does from now on.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum BackendAnswer {
    AsUsual,
    With(Value),
    Fails(ServiceError),
}

/// One expectation.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) line: u32,
    pub(super) what: Expectation,
}

/// What can be expected.
#[derive(Debug, Clone)]
pub(super) enum Expectation {
    Message(ExpectedMessage),
    Nothing,
    Ticket { priority: TicketPriority, intent: Pattern, within_s: Option<u64>, says: Option<Pattern> },
    Timer { id: Pattern, in_ms: u64 },
    NoTimer { id: Pattern },
    HandsOver { flow: String },
    State { flow: Option<String>, state: Value },
    NoState,
    Consent { granted: bool },
    Authenticated { method: Option<Pattern> },
    NotAuthenticated,
    Calls { operation: String, request: Option<Value> },
    Log { line: Pattern },
    Counts { name: Pattern },
    Fails { kind: String, detail: Option<Pattern> },
}

/// A message of ours, as far as a transcript names it.
#[derive(Debug, Clone)]
pub(super) struct ExpectedMessage {
    pub(super) kind: ExpectedKind,
    pub(super) parts: Vec<Part>,
}

/// What kind of message.
#[derive(Debug, Clone)]
pub(super) enum ExpectedKind {
    /// Anything with words in it.
    Text(Pattern),
    /// A file.
    Media(MediaKind, Pattern),
    /// A template; languages and values count where they are named.
    Template { name: String, language: Option<String>, values: Option<Vec<Pattern>> },
    /// An emoji on the player's message.
    Reaction(Pattern),
    /// A one-time code; its purpose counts where it is named.
    Code(Option<Purpose>),
}

/// More about a message.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Buttons(Vec<Pattern>),
    List(Vec<Pattern>),
    Header(Pattern),
    Footer(Pattern),
    Caption(Pattern),
    Link(Pattern, Pattern),
    Asks(Asked),
}

/// What a message asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Location,
    Contact,
}
