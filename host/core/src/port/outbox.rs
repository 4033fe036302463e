//! The sender's side of the store.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{DedupKey, StoreError};
use crate::consent::Unwanted;
use crate::contact::Address;
use crate::event::Wamid;
use crate::id::{CampaignId, NumberId, OutboxRef};
use crate::lane::{Lane, Room, TimeToLive};
use crate::outbox::{Campaign, Content, MessageClass, NewMessage, OutboxMessage};
use crate::permit::Known;
use crate::send::{ParkReason, SendRecord};
use crate::status::DeliveryState;
use crate::time::UnixMs;

/// The sender's side of the store.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Waits for committed messages that there is room for, and takes them, each once per process: of each lane in its
    /// order, and of all of them in the order in which they were queued, as far as memory knows it. What more urgent lanes
    /// have does not wait for what others have. After a start, all that was left is handed out, with those that were in
    /// flight marked as such.
    async fn take_lanes(&self, room: &Room) -> Result<Vec<OutboxMessage>, StoreError>;

    /// Takes up to `limit` of any lane.
    async fn take_messages(&self, limit: usize) -> Result<Vec<OutboxMessage>, StoreError> {
        self.take_lanes(&Room::of_any(limit)).await
    }

    /// Puts many messages into the outbox, durably, in one write: all, or none that can be told. The conversation of each
    /// is found, or begun. Each dedup key counts once, as that of an event does ([`DedupKey`]): a repetition is
    /// [`Enqueued::Known`], whatever became of the first, for at least 15 days. Answers in the order of the messages.
    ///
    /// A batch is written in one go and others wait for it: some hundreds at once are right.
    async fn enqueue(&self, messages: Vec<Enqueue>) -> Result<Vec<Enqueued>, StoreError>;

    /// How much waits in the lanes of these numbers, and since when. It looks at all that waits: for people, now and then.
    async fn waiting(&self, numbers: &[NumberId]) -> Result<Vec<LaneWaiting>, StoreError>;

    /// The messages of these numbers that are parked: those that are due first, at most `limit`.
    async fn parked(&self, numbers: &[NumberId], limit: usize) -> Result<Vec<ParkedMessage>, StoreError>;

    /// Notes, durably, that sends begin now: after a crash these and only these may have reached Meta. Gives those that
    /// are begun; the others have left the outbox meanwhile, settled by a status, and must not be sent.
    async fn begin(&self, messages: Vec<OutboxRef>, at: UnixMs) -> Result<Vec<OutboxRef>, StoreError>;

    /// As [`begin`](Self::begin), for marketing: what the player takes no marketing for now is not begun, and stays where it
    /// is. What holds in the conversation is asked in the same write, so that no STOP comes in between. Answers in the order
    /// of the messages.
    async fn begin_marketing(&self, messages: Vec<OutboxRef>, at: UnixMs) -> Result<Vec<Begun>, StoreError>;

    /// Notes what came of sends. A message that a status has settled meanwhile stays settled.
    async fn record(&self, records: Vec<SendRecord>) -> Result<(), StoreError>;

    /// The ones among these that a status webhook has settled: Meta has them.
    async fn settled(&self, messages: Vec<OutboxRef>) -> Result<Vec<OutboxRef>, StoreError>;

    /// A message that Meta has, as far as it came; `None` when it is unknown or forgotten.
    async fn receipt(&self, message: OutboxRef) -> Result<Option<Receipt>, StoreError>;
}

/// What came of beginning a marketing message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It is begun.
    Yes,
    /// It has left the outbox meanwhile, settled by a status.
    Gone,
    /// It is not to be sent.
    Unwanted(Unwanted),
}

/// How far a sent message came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which.
    pub id: OutboxRef,
    /// Meta's name for it; none when Meta refused it at once.
    pub wamid: Option<Wamid>,
    /// How far.
    pub state: DeliveryState,
    /// Since when.
    pub at: UnixMs,
    /// Sends that it took.
    pub attempts: u32,
    /// What was sent; kept until it was delivered or a day has passed.
    pub message: Option<NewMessage>,
}

/// A message that no step of a conversation commits: one of many that are put into the outbox together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enqueue {
    /// To whom, from which number.
    pub address: Address,
    /// What tells a repetition. Keys that lead with rising seconds are written fastest.
    pub dedup: DedupKey,
    /// How urgent.
    pub class: MessageClass,
    /// What.
    pub content: Content,
    /// When it was asked for.
    pub committed_at: UnixMs,
    /// After that it is not sent any more.
    pub expires_at: Option<UnixMs>,
    /// Parked until then, with the reason [`Scheduled`](crate::send::ParkReason::Scheduled).
    pub not_before: Option<UnixMs>,
    /// What it is one of many of.
    pub campaign: Option<Campaign>,
    /// What is known of the player.
    pub known: Option<Box<Known>>,
}

impl Enqueue {
    /// The message as it lies in the outbox. One without an end gets that of its class.
    pub fn into_message(self) -> NewMessage {
        let Address { game, number, contact } = self.address;
        let Self { class, content, committed_at, expires_at, campaign, known, .. } = self;
        let mut message = NewMessage { game, number, contact, class, content, committed_at, expires_at, campaign, known };
        if expires_at.is_none() {
            TimeToLive::default().bound(&mut message);
        }
        message
    }
}

/// What waits in a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneWaiting {
    /// Which.
    pub lane: Lane,
    /// Messages that wait for their turn, or are on their way to Meta.
    pub queued: u64,
    /// When the first of them was committed.
    pub oldest: Option<UnixMs>,
    /// Messages that are parked, by reason.
    pub parked: Vec<(ParkReason, u64)>,
}

/// A parked message, without what it says and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedMessage {
    /// Its name.
    pub id: OutboxRef,
    /// In which lane it will be.
    pub lane: Lane,
    /// What it waits for.
    pub reason: ParkReason,
    /// Not before.
    pub until: UnixMs,
    /// After that it is not sent any more.
    pub expires_at: Option<UnixMs>,
    /// When it was committed.
    pub committed_at: UnixMs,
    /// The template that it is sent by.
    pub template: Option<String>,
    /// What it is one of many of.
    pub campaign: Option<CampaignId>,
}

impl ParkedMessage {
    /// From the message and what is kept beside it.
    pub fn new(id: OutboxRef, message: &NewMessage, reason: ParkReason, until: UnixMs) -> Self {
        Self {
            id,
            lane: Lane::of(message),
            reason,
            until,
            expires_at: message.expires_at,
            committed_at: message.committed_at,
            template: message.content.template().map(str::to_owned),
            campaign: message.campaign.as_ref().map(|campaign| campaign.id.clone()),
        }
    }
}

/// What came of enqueuing a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It is in the outbox, under this name.
    Queued(OutboxRef),
    /// It was there before.
    Known,
}
