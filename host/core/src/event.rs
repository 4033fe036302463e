//! What can arrive. An event is parsed once, at the edge; from there on it is typed.

mod message;

use serde::{Deserialize, Serialize};

use crate::account::link::{LinkId, Linked, Wish};
use crate::account::push::TwoFactorEvent;
use crate::consent::ConsentRecord;
use crate::contact::Contact;
use crate::id::{DeviceId, FlowName, OutboxRef, PlayerId, TicketNumber};
use crate::status::DeliveryState;
use crate::time::UnixMs;
use crate::verification::code::SealedCode;
use crate::verification::{Purpose, VerificationId};

pub use message::{
    Choice, ContactCard, Extension, Form, Inbound, Location, Media, Message, Order, OrderItem, QuickReply, Reaction, Referral,
    SharedContacts, Wamid,
};

/// Everything a conversation's inbox can hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
// Nearly every event is a message: a box would cost each an allocation, to make the rare ones smaller.
#[allow(clippy::large_enum_variant)]
pub enum Event {
    /// The player wrote.
    Message(Message),
    /// One of our messages came further, or failed.
    Status(StatusEvent),
    /// The game's backend told something.
    GameEvent(GameEvent),
    /// A timer that a flow set is due.
    Timer(TimerEvent),
    /// The player proved who they are.
    Authenticated(AuthenticationEvent),
    /// The player entered a wrong or dead code.
    CodeRejected(AuthenticationEvent),
    /// An agent closed a ticket.
    TicketClosed(TicketClosed),
    /// Another flow handed the conversation over.
    HandedOver(HandedOver),
    /// The user behind the contact changed; for the host alone.
    System(SystemChange),
    /// The player set their marketing preference in WhatsApp itself; for the host alone.
    Preference(Preference),
    /// A one-time code was made and is to be sent; for the host alone.
    CodeIssued(CodeIssued),
    /// A link of this or another contact is on its way, made or ended; for the host alone.
    Link(LinkNotice),
    /// The player froze their account in another conversation; for the host alone.
    AccountFrozen(AccountFrozen),
    /// The ticket of a frozen account was closed in another conversation; for the host alone.
    AccountReleased(TicketNumber),
    /// BLOCK was written while nobody could say whose account it is: with this ticket, it is still to be frozen; for the
    /// host alone.
    FreezeAccount(TicketNumber),
    /// Something happened to an account's second factor; for the host alone.
    TwoFactor(TwoFactorEvent),
    /// Somebody else than the player told what the player agreed to; for the host alone.
    Consent(Box<ConsentRecord>),
}

impl Event {
    /// The event's name in flows' descriptions, logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Message(_) => "message",
            Self::Status(_) => "status",
            Self::GameEvent(_) => "game-event",
            Self::Timer(_) => "timer",
            Self::Authenticated(_) => "authenticated",
            Self::CodeRejected(_) => "code-rejected",
            Self::TicketClosed(_) => "ticket-closed",
            Self::HandedOver(_) => "handed-over",
            Self::System(_) => "system",
            Self::Preference(_) => "preference",
            Self::CodeIssued(_) => "code-issued",
            Self::Link(_) => "link",
            Self::AccountFrozen(_) => "account-frozen",
            Self::AccountReleased(_) => "account-released",
            Self::FreezeAccount(_) => "freeze-account",
            Self::TwoFactor(_) => "two-factor",
            Self::Consent(_) => "consent",
        }
    }
}

/// A message of ours came further, or failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusEvent {
    /// Which message; none when the status does not say, and it is not a recent one.
    pub message: Option<OutboxRef>,
    /// How far.
    pub state: DeliveryState,
    /// When, as Meta says.
    pub at: UnixMs,
    /// Meta's error, when failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StatusError>,
}

/// Meta's reason for a failed message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusError {
    /// See Meta's error table.
    pub code: u32,
    /// Meta's words, cut to a bounded length.
    pub detail: String,
}

/// What the game's backend told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GameEvent {
    /// For instance `tournament-result`.
    pub name: String,
    /// The backend's own id of it.
    pub id: String,
    /// JSON.
    pub payload: String,
    /// When it happened.
    pub at: UnixMs,
    /// For whom; none where the backend named a contact. Nobody else is told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<PlayerId>,
}

/// A due timer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerEvent {
    /// The flow that set it.
    pub flow: FlowName,
    /// The flow's name for it.
    pub id: String,
    /// JSON.
    pub payload: String,
}

/// The outcome of an authentication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthenticationEvent {
    /// What the proof is for.
    pub purpose: String,
    /// How it was proven, for instance `code`.
    pub method: String,
    /// Tries left.
    pub attempts_left: u32,
    /// Whose account it is about, if it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<PlayerId>,
    /// The device that it was asked for on, in the studio's words, if it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
}

/// A closed ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketClosed {
    /// Which.
    pub number: TicketNumber,
    /// In the agent's words.
    pub resolution: String,
}

/// A one-time code was made and is to be sent. The code is sealed: whoever reads this cannot read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeIssued {
    /// Of which verification.
    pub id: VerificationId,
    /// The how manieth code of it.
    pub send: u32,
    /// What it proves.
    pub purpose: Purpose,
    /// The code.
    pub sealed: SealedCode,
    /// When it was made.
    pub made_at: UnixMs,
    /// When it dies.
    pub expires_at: UnixMs,
    /// BCP 47, if whoever asked for it knows the player's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

/// What a conversation is told about a link that something elsewhere concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkNotice {
    /// Another contact wants to join the account that this one is linked to: this one is asked.
    Ask(AskedLink),
    /// The account's contact has approved: this contact has joined.
    Joined {
        /// The account.
        wish: Wish,
        /// The link.
        linked: Linked,
    },
    /// The account's contact has denied it.
    Denied,
    /// This contact is linked to the account no more.
    Unlinked {
        /// Which.
        player: PlayerId,
        /// What ended it: the start of an operation's idempotency key.
        by: String,
    },
}

/// A contact that wants to join an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedLink {
    /// What the answer names.
    pub id: LinkId,
    /// The account.
    pub player: PlayerId,
    /// Who wants to join, as far as it may be shown.
    pub shown: String,
    /// Whoever is asked is asked for a code where buttons cannot be sent, or are not enough.
    pub by_code: bool,
    /// Whoever is asked has to prove themselves first.
    pub unproven: bool,
    /// No answer counts from then on.
    pub expires_at: UnixMs,
}

/// An account is frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountFrozen {
    /// Whose.
    pub player: PlayerId,
    /// Until this ticket is closed.
    pub ticket: TicketNumber,
}

/// Another flow handed the conversation over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedOver {
    /// The flow that did.
    pub from: FlowName,
    /// The flow that takes over.
    pub to: FlowName,
    /// JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The user behind a contact changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemChange {
    /// They moved to another phone number or BSUID (`user_changed_number`, `user_changed_user_id`, `user_id_update`).
    Moved(Contact),
    /// Their device changed (`customer_identity_changed`): trust has to be earned again.
    IdentityChanged {
        /// The new hash.
        hash: String,
    },
    /// A change we do not know, by its type.
    Other(String),
}

/// A marketing preference set in WhatsApp itself (`user_preferences`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preference {
    /// False: `stop`. True: `resume` or `signup`.
    pub marketing: bool,
    /// Meta's words, kept as evidence.
    pub detail: String,
    /// When.
    pub at: UnixMs,
}
