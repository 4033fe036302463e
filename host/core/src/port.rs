//! What the outside implements: stores, flows, Meta, the studio's systems, the clock.
//!
//! `ingress`, `runner` and `sender` know one another only through the store's ports.

mod accounts;
mod audit;
mod broadcasts;
mod consents;
mod credentials;
mod exposures;
mod guest_log;
mod media;
mod outbox;
mod permits;
mod players;
mod releases;
mod sealing;
mod sending;
mod templates;
mod verifications;

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::audit::Actor;
use crate::capability::Grants;
use crate::commit::{Commit, DeadLetter, StoredDeadLetter, Ticket};
use crate::contact::{Address, Contact};
use crate::conversation::Conversation;
use crate::event::{Event, StatusError, Wamid};
use crate::flow::{FlowAnswer, FlowDescription, FlowFailure, FlowLimits, Read, Snapshot};
use crate::id::{ConversationId, DeadLetterId, FlowName, GameId, InboxSeq, NumberId, OutboxRef, PlayerId, TicketNumber};
use crate::intent::Intent;
use crate::outbox::OutboxMessage;
use crate::secret::{SecretTemplate, SecretText};
use crate::send::SendOutcome;
pub use accounts::{AccountChange, AccountKeys, AccountPages, Accounts};
pub use audit::{Audit, AuditPage, Erased};
pub use broadcasts::{AddedBroadcast, Audiences, BroadcastChange, Broadcasts, ConversationPage};
pub use consents::{ConsentPage, ConsentPlace, Consents};
pub use credentials::{Credentials, Untold};
pub use exposures::{DeedNote, Exposures};
pub use guest_log::{GuestLog, LogLevel};
pub use media::{FileBody, FileInfo, MediaError, MediaGraph, Upload, UploadKey, Uploads};
pub use outbox::{Begun, Enqueue, Enqueued, LaneWaiting, Outbox, ParkedMessage, Receipt};
pub use permits::{PERMIT_NAME_BYTES_MAX, PermitAnswer, PermitAsk, PermitMember, PermitReturn, PermitWindow, Permits};
pub use players::{CONVERSATIONS_OF_MAX, PlayerConversation};
pub use releases::{Releases, Tokens};
pub use sealing::{DerivedKey, KeyRows, Resealing, Sealing};
pub use sending::{PauseChange, PauseChanged, SendingState};
pub use templates::Templates;
pub use verifications::{
    CheckVerification, Codes, EndVerifications, ForgetVerifications, MakeCode, Place, Places, ResendVerification, StartVerification,
    Verifications,
};

pub use crate::service::{Balances, DeviceMatch, Profile, Purchase, ServiceError};
use crate::status::DeliveryState;
use crate::time::UnixMs;

// ---- the store ------------------------------------------------------------------------------------------------------

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// So much is waiting that nothing more is taken now: answer 503, and Meta comes again.
    #[error("{waiting} events are waiting; no more are taken before some are done")]
    Overloaded {
        /// Events in the inbox.
        waiting: u64,
    },
    /// Somebody else did this step, or the event is gone. Load again.
    #[error("stale: the conversation has moved on")]
    Stale,
    /// The store cannot be reached or written. Nothing was done, or it is not known whether it was: ask again.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// What the store holds makes no sense. Trying again does not help.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
}

/// What one webhook POST holds, typed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// Events of conversations, in the order of the POST.
    pub events: Vec<Incoming>,
    /// How far our messages came.
    pub statuses: Vec<StatusUpdate>,
    /// What concerns no conversation: accounts, templates, numbers, and all that is unknown.
    pub notices: Vec<Notice>,
    /// When it came.
    pub received_at: UnixMs,
}

/// An event for a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// Between whom.
    pub address: Address,
    /// What tells a repetition; none where repeating does no harm.
    pub dedup: Option<DedupKey>,
    /// What came.
    pub event: Event,
}

/// What tells that Meta sent something again, up to seven days later.
///
/// A repetition carries the same second as the first, so keys that lead with it are written in order: an index over
/// random ids costs a store nearly half of its ingress.
///
/// Second 0 stands for a key without a time of its own, for instance an idempotency key of the API. It names one event in
/// the whole store: a repetition that is addressed to another conversation is a repetition still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DedupKey {
    /// The message's own time, whole seconds.
    pub sent_s: u64,
    /// The first 128 bits of SHA-256 over number and id.
    pub digest: u128,
}

/// A status of one of our messages.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusUpdate {
    /// Which message, from `biz_opaque_callback_data`; else the store may know the wamid.
    pub message: Option<OutboxRef>,
    /// Meta's name for it.
    pub wamid: Wamid,
    /// Our end.
    pub number: NumberId,
    /// How far it came.
    pub state: DeliveryState,
    /// When, as Meta says.
    pub at: UnixMs,
    /// Why it failed.
    pub error: Option<StatusError>,
}

/// A webhook update that belongs to no conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The app it came to.
    pub app: String,
    /// Meta's field, for instance `message_template_status_update`; bounded.
    pub field: String,
    /// Known fields in our own words; none where we do not know it.
    pub summary: Option<String>,
    /// The update as it came, bounded.
    pub raw: String,
    /// When.
    pub received_at: UnixMs,
}

/// What an append did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Appended {
    /// Events that were new.
    pub events: u32,
    /// Events that were known.
    pub duplicates: u32,
    /// Places, within the batch, of the events that were known; rising.
    pub known: Vec<u32>,
    /// Statuses of messages of ours.
    pub statuses: u32,
    /// Statuses of messages that are not ours, or too old.
    pub statuses_unknown: u32,
    /// Notices kept.
    pub notices: u32,
}

/// The edge's side of the store.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Appends all that is new of one POST, durably, in one write; when it returns, Meta can be told 200.
    ///
    /// Statuses move receipts forward at once. A `failed` one of a message of ours also becomes an
    /// [`Event::Status`] in its conversation, once.
    async fn append(&self, batch: Batch) -> Result<Appended, StoreError>;

    /// Which of these keys, all without a time of their own, have had their event appended.
    async fn known(&self, keys: Vec<DedupKey>) -> Result<Vec<bool>, StoreError>;
}

/// A conversation that has something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Which.
    pub conversation: ConversationId,
    /// Whose: the runner is fair between games.
    pub game: GameId,
}

/// A conversation with the events that wait in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// As of its last commit.
    pub conversation: Conversation,
    /// The oldest events of its inbox, in order.
    pub events: Vec<InboxEntry>,
}

/// An event in an inbox.
#[derive(Debug, Clone, PartialEq)]
pub struct InboxEntry {
    /// Its place.
    pub seq: InboxSeq,
    /// When it came.
    pub received_at: UnixMs,
    /// Tries that failed.
    pub attempts: u32,
    /// What came.
    pub event: Arc<Event>,
}

/// What a commit did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// The names that the outbox messages were given, in their order.
    pub outbox: Vec<OutboxRef>,
}

/// The runner's side of the store.
#[async_trait]
pub trait Conversations: Send + Sync {
    /// Waits until conversations have something to do, and takes up to `limit` of them. A taken conversation is not
    /// handed out again before [`release`](Self::release), whatever arrives. After a start, all that was left is
    /// handed out.
    async fn take(&self, limit: usize) -> Result<Vec<Ready>, StoreError>;

    /// Reads a taken conversation and up to `events_max` of its oldest events.
    async fn load(&self, conversation: ConversationId, events_max: usize) -> Result<Work, StoreError>;

    /// Writes a step: all of it, durably, or nothing.
    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError>;

    /// Notes a failed try of the oldest event, so that the count outlives the process.
    async fn count_attempt(&self, conversation: ConversationId, seq: InboxSeq, attempts: u32) -> Result<(), StoreError>;

    /// Gives a conversation back. If events are left, it is handed out again: at once, or not before `not_before`.
    async fn release(&self, conversation: ConversationId, not_before: Option<UnixMs>) -> Result<(), StoreError>;
}

/// The clockwork's side of the store.
#[async_trait]
pub trait Timers: Send + Sync {
    /// Turns up to `limit` due timers into events of their conversations, and queues as many parked messages that are due
    /// behind what is queued, durably; says how many of both, and when the next is due, if there is one.
    async fn fire_due(&self, now: UnixMs, limit: usize) -> Result<(usize, Option<UnixMs>), StoreError>;

    /// Forgets what is older than it needs to be, at most `limit` rows of each kind; says how many. Repetitions are
    /// known for at least 15 days, receipts for 30, notices for 90.
    async fn prune(&self, now: UnixMs, limit: usize) -> Result<usize, StoreError>;
}

/// What people look at and decide on.
#[async_trait]
pub trait Desk: Send + Sync {
    /// Dead letters after `after`, oldest first.
    async fn dead_letters(
        &self,
        game: Option<GameId>,
        after: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<Vec<StoredDeadLetter>, StoreError>;

    /// One of them.
    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<StoredDeadLetter>, StoreError>;

    /// Puts one back where it was, with its tries at 0, and writes into the audit log who did it. False when there is no
    /// such letter.
    async fn retry_dead_letter(&self, id: DeadLetterId, actor: &Actor, now: UnixMs) -> Result<bool, StoreError>;

    /// Adds one: what the sender gave up is added by [`Outbox::record`] instead.
    async fn add_dead_letter(&self, dead_letter: DeadLetter) -> Result<DeadLetterId, StoreError>;

    /// Tickets, open ones first by priority and age, closed ones only if asked for.
    async fn tickets(&self, game: &GameId, closed: bool, limit: usize) -> Result<Vec<Ticket>, StoreError>;

    /// Closes a ticket, tells its conversation, and writes into the audit log who did it. False when it does not exist or
    /// is closed.
    async fn close_ticket(
        &self,
        game: &GameId,
        number: &TicketNumber,
        resolution: String,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<bool, StoreError>;

    /// A game's conversations in whose session this player was last known, newest activity first, at most
    /// [`CONVERSATIONS_OF_MAX`].
    async fn conversations_of(&self, game: &GameId, player: &PlayerId) -> Result<Vec<PlayerConversation>, StoreError>;

    /// A conversation as of its last commit, for looking at.
    async fn conversation(&self, conversation: ConversationId) -> Result<Option<Conversation>, StoreError>;

    /// Kept notices, newest first.
    async fn notices(&self, limit: usize) -> Result<Vec<Notice>, StoreError>;

    /// How much is where.
    async fn depth(&self) -> Result<Depth, StoreError>;

    /// Says that the store answers and can be written.
    async fn check(&self) -> Result<(), StoreError>;
}

/// How much is where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Depth {
    /// Events that wait.
    pub inbox: u64,
    /// Messages that wait.
    pub outbox: u64,
    /// Timers set.
    pub timers: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Open tickets.
    pub tickets_open: u64,
    /// Conversations known.
    pub conversations: u64,
}

/// All of a store.
pub trait Store:
    Inbox
    + Conversations
    + Outbox
    + Timers
    + Desk
    + Audit
    + Releases
    + Sealing
    + Templates
    + Tokens
    + Verifications
    + Accounts
    + Consents
    + Permits
    + Broadcasts
    + Audiences
    + Exposures
    + SendingState
    + Uploads
{
}

impl<T> Store for T where
    T: Inbox
        + Conversations
        + Outbox
        + Timers
        + Desk
        + Audit
        + Releases
        + Sealing
        + Templates
        + Tokens
        + Verifications
        + Accounts
        + Consents
        + Permits
        + Broadcasts
        + Audiences
        + Exposures
        + SendingState
        + Uploads
{
}

// ---- flows ----------------------------------------------------------------------------------------------------------

/// One call of a flow.
pub struct FlowCall<'a> {
    /// Of which game.
    pub game: &'a GameId,
    /// Which flow.
    pub flow: &'a FlowName,
    /// What it may know.
    pub snapshot: Snapshot,
    /// What came.
    pub event: &'a Event,
    /// Names of the player's messages that the event may point at.
    pub references: &'a (dyn Fn(&Wamid) -> Option<InboxSeq> + Send + Sync),
    /// What its imports reach.
    pub services: &'a Services,
    /// What game and operator grant.
    pub grants: Grants,
    /// What it may use up.
    pub limits: FlowLimits,
    /// The flow's clock.
    pub now: UnixMs,
    /// What the state in the snapshot was written as; migrated first if the flow has moved on.
    pub state_version: Option<u32>,
    /// Stays the same when the step is tried again.
    pub idempotency_key: String,
    /// What the flow's random numbers follow from, for transcripts; none takes the system's.
    pub seed: Option<u64>,
}

/// Loaded flows.
#[async_trait]
pub trait Flows: Send + Sync {
    /// Hands one event to a flow in a fresh instance.
    async fn call(&self, call: FlowCall<'_>) -> Result<FlowAnswer, FlowFailure>;

    /// What a loaded flow says of itself.
    fn description(&self, flow: &FlowName) -> Option<Arc<FlowDescription>>;
}

/// What a game's flows reach through their imports.
#[derive(Clone)]
pub struct Services {
    /// The players' database.
    pub players: Arc<dyn Players>,
    /// The studio's backend.
    pub backend: Arc<dyn Backend>,
    /// What texts are about.
    pub intents: Arc<dyn Intents>,
    /// The game's texts.
    pub copy: Arc<dyn Copy>,
}

/// The studio's database of players.
#[async_trait]
pub trait Players: Send + Sync {
    /// Who is behind a contact; `NotFound` when nobody is linked to it.
    async fn by_contact(&self, contact: &Contact) -> Result<(PlayerId, Profile), ServiceError>;
    /// The profile.
    async fn profile(&self, player: &PlayerId) -> Result<Profile, ServiceError>;
    /// The balances.
    async fn balances(&self, player: &PlayerId) -> Result<Balances, ServiceError>;
    /// The latest purchase, if there ever was one.
    async fn last_purchase(&self, player: &PlayerId) -> Result<Option<Purchase>, ServiceError>;
    /// How a player can be reached on WhatsApp; `NotFound` when the studio knows no such player, or does not say.
    async fn contact(&self, player: &PlayerId) -> Result<Contact, ServiceError> {
        let _ = player;
        Err(ServiceError::NotFound)
    }
    /// Whether the player uses this device.
    async fn check_device(&self, player: &PlayerId, fingerprint: &str) -> Result<DeviceMatch, ServiceError>;
}

/// Named operations of the studio's backend.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Does one, once per idempotency key. Request and answer are JSON.
    async fn call(&self, operation: &str, player: Option<&PlayerId>, request: &str, idempotency_key: &str) -> Result<String, ServiceError>;
}

/// What texts are about.
pub trait Intents: Send + Sync {
    /// Likeliest first.
    fn classify(&self, text: &str) -> Vec<Intent>;
}

impl Intents for crate::intent::Lexicon {
    fn classify(&self, text: &str) -> Vec<Intent> {
        self.classify(text)
    }
}

/// A game's texts.
pub trait Copy: Send + Sync {
    /// The text of a key in the language nearest to a locale.
    fn text(&self, key: &str, locale: &str, arguments: &[(String, String)]) -> Result<String, ServiceError>;
}

/// Notes of what a call read: services' answers in their order.
pub type Reads = Vec<Read>;

// ---- Meta, and the clock --------------------------------------------------------------------------------------------

/// Meta's Graph API.
#[async_trait]
pub trait Graph: Send + Sync {
    /// Sends one message once.
    async fn send(&self, message: &OutboxMessage) -> SendOutcome;

    /// Sends one message once, with this text in place of the promise that its content is.
    async fn send_secret(&self, message: &OutboxMessage, text: &SecretText) -> SendOutcome;

    /// Sends one message once, with this template in place of the promise that its content is.
    async fn send_secret_template(&self, message: &OutboxMessage, template: &SecretTemplate) -> SendOutcome;
}

/// What time it is.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> UnixMs;
}
