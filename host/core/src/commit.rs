//! What one step changes: written all together, or not at all.

use serde::{Deserialize, Serialize};

use crate::audit::AuditRecord;
use crate::consent::ConsentRecord;
use crate::conversation::Conversation;
use crate::effect::TicketPriority;
use crate::event::{Event, TimerEvent};
use crate::flow::Read;
use crate::id::{ConversationId, DeadLetterId, FlowName, GameId, InboxSeq, OutboxRef, PlayerId, TicketNumber};
use crate::outbox::NewMessage;
use crate::time::UnixMs;

/// The one atomic write of a step.
///
/// It holds only if the conversation is still at `conversation.version - 1` and `ack` is still in its inbox: otherwise
/// somebody else did the step, and the commit is refused as stale.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// The conversation after the step; its version is raised by one.
    pub conversation: Conversation,
    /// The event that was handled; it leaves the inbox.
    pub ack: InboxSeq,
    /// Messages to send, in their order.
    pub outbox: Vec<NewMessage>,
    /// Failed messages that go out once more.
    pub resend: Vec<Resend>,
    /// Failed messages that are given up.
    pub bury: Vec<Bury>,
    /// Timers to set and to cancel.
    pub timers: Vec<TimerChange>,
    /// Tickets to open.
    pub tickets: Vec<Ticket>,
    /// Changes of consent.
    pub consents: Vec<ConsentRecord>,
    /// What happened, for the audit.
    pub audits: Vec<AuditRecord>,
    /// Events that follow for the same conversation, for instance a hand-over.
    pub follow_ups: Vec<Event>,
    /// The event could not be handled: it is kept here with its reason.
    pub dead_letter: Option<DeadLetter>,
    /// The step as it can be run again; only if steps are kept.
    pub step: Option<StepRecord>,
}

impl Commit {
    /// A commit that does nothing but take the event out of the inbox. Raises the version.
    pub fn of(mut conversation: Conversation, ack: InboxSeq) -> Self {
        conversation.version += 1;
        Self {
            conversation,
            ack,
            outbox: Vec::new(),
            resend: Vec::new(),
            bury: Vec::new(),
            timers: Vec::new(),
            tickets: Vec::new(),
            consents: Vec::new(),
            audits: Vec::new(),
            follow_ups: Vec::new(),
            dead_letter: None,
            step: None,
        }
    }
}

/// A message whose receipt says failed goes out once more: its content moves from the receipt back to the outbox, under
/// the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resend {
    /// Which.
    pub id: OutboxRef,
    /// Not before.
    pub due_at: UnixMs,
    /// Sends so far.
    pub attempts: u32,
}

/// A message whose receipt says failed, and that nothing can help: its content moves from the receipt to the dead
/// letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bury {
    /// Which.
    pub id: OutboxRef,
    /// Short name, for instance `meta-131026`.
    pub reason: String,
    /// In words, without personal data.
    pub detail: String,
    /// When.
    pub at: UnixMs,
}

/// A change of a conversation's timers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimerChange {
    /// Wake the flow; replaces a timer of the same flow and id.
    Set {
        /// When.
        due_at: UnixMs,
        /// Whom and with what.
        timer: TimerEvent,
    },
    /// Do not wake it.
    Cancel {
        /// Whom.
        flow: FlowName,
        /// Which.
        id: String,
    },
}

/// A request for a human.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// What player and agent call it.
    pub number: TicketNumber,
    /// In which conversation.
    pub conversation: ConversationId,
    /// Of which game.
    pub game: GameId,
    /// Of which player, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<PlayerId>,
    /// How soon.
    pub priority: TicketPriority,
    /// What it is about.
    pub intent: String,
    /// In a line.
    pub subject: String,
    /// For the agent.
    pub body: String,
    /// For sorting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// When it was opened.
    pub opened_at: UnixMs,
    /// When an agent is to have answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<UnixMs>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
}

/// How a ticket ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// When.
    pub at: UnixMs,
    /// In the agent's words.
    pub resolution: String,
}

/// What could not be done, with why: kept until somebody decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Of which game.
    pub game: GameId,
    /// In which conversation.
    pub conversation: ConversationId,
    /// What it is.
    pub letter: Letter,
    /// Short name, for instance `cpu-deadline`.
    pub reason: String,
    /// In words; a trap's frames are here.
    pub detail: String,
    /// Tries.
    pub attempts: u32,
    /// When it was given up.
    pub at: UnixMs,
}

/// The thing itself, so that it can be tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Letter {
    /// An event that no flow could handle.
    Event {
        /// When it came.
        received_at: UnixMs,
        /// What came.
        event: Event,
    },
    /// A message that Meta does not take.
    Message(NewMessage),
}

/// A dead letter with its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredDeadLetter {
    /// Its name.
    pub id: DeadLetterId,
    /// The letter.
    #[serde(flatten)]
    pub dead_letter: DeadLetter,
}

/// A step as it can be run again on another version of the flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The event's place.
    pub seq: InboxSeq,
    /// When it was handled; the flow's clock stood at it.
    pub at: UnixMs,
    /// Which flow.
    pub flow: FlowName,
    /// Digest of its component.
    pub component: String,
    /// What came.
    pub event: Event,
    /// The conversation before.
    pub before: Conversation,
    /// What imports answered.
    pub reads: Vec<Read>,
    /// What the flow answered.
    pub outcome: crate::outcome::Outcome,
}
