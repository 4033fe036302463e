//! What can arrive. An event is parsed once, at the edge; from there on it is typed.

use serde::{Deserialize, Serialize};

use crate::account::link::{LinkId, Linked, Wish};
use crate::account::push::TwoFactorEvent;
use crate::contact::Contact;
use crate::id::{DeviceId, FlowName, OutboxRef, PlayerId, TicketNumber};
use crate::status::DeliveryState;
use crate::time::UnixMs;
use crate::verification::code::SealedCode;
use crate::verification::{Purpose, VerificationId};

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
        }
    }
}

/// A message of the player's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Meta's id. It contains the phone number: never shown to flows or logs.
    pub wamid: Wamid,
    /// When the player sent it, as Meta says; the time of receipt where Meta says nothing usable.
    pub sent_at: UnixMs,
    /// What it says.
    pub content: Inbound,
    /// Meta's id of the message that this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Wamid>,
    /// Forwarded from elsewhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forwarded: bool,
    /// From an ad or post that leads into the chat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referral: Option<Referral>,
    /// The name the user gave themselves in WhatsApp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_name: Option<String>,
    /// Changes when the user behind the number changes (Meta's identity check).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_key_hash: Option<String>,
}

/// Meta's id of a message. Its text contains the phone number, so `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Wamid(pub Box<str>);

impl Wamid {
    /// The id as Meta writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Wamid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wamid(hidden)")
    }
}

/// What a player's message says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inbound {
    /// Plain text.
    Text(String),
    /// A picture.
    Image(Media),
    /// A video.
    Video(Media),
    /// A sound or voice note.
    Audio(Media),
    /// A file.
    Document(Media),
    /// A sticker.
    Sticker(Media),
    /// A place.
    Location(Location),
    /// Contact cards.
    Contacts(SharedContacts),
    /// A reply button of an interactive message.
    Button(Choice),
    /// A row of a list.
    ListItem(Choice),
    /// A quick-reply button of a template.
    QuickReply(QuickReply),
    /// An answered form (WhatsApp Flow) or address.
    Form(Form),
    /// An emoji on a message.
    Reaction(Reaction),
    /// A cart.
    Order(Order),
    /// Meta says only that there was something; its type if told.
    Unsupported(Option<String>),
    /// A type we do not know: its name and its JSON.
    Extension(Extension),
}

impl Inbound {
    /// The type's name, for logs and metrics; unknown ones share one name so that no sender can make up labels.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Image(_) => "image",
            Self::Video(_) => "video",
            Self::Audio(_) => "audio",
            Self::Document(_) => "document",
            Self::Sticker(_) => "sticker",
            Self::Location(_) => "location",
            Self::Contacts(_) => "contacts",
            Self::Button(_) => "button",
            Self::ListItem(_) => "list-item",
            Self::QuickReply(_) => "quick-reply",
            Self::Form(_) => "form",
            Self::Reaction(_) => "reaction",
            Self::Order(_) => "order",
            Self::Unsupported(_) => "unsupported",
            Self::Extension(_) => "extension",
        }
    }

    /// The id of the button or row that the player picked, if it is one.
    pub fn picked_id(&self) -> Option<&str> {
        match self {
            Self::Button(choice) | Self::ListItem(choice) => Some(&choice.id),
            Self::QuickReply(reply) => Some(&reply.payload),
            _ => None,
        }
    }
}

/// A name and a JSON document: how what we do not know travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// As the sender named it.
    pub name: String,
    /// JSON.
    pub value: String,
}

/// A file that lies at Meta.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Meta's media id, valid for 7 days.
    pub id: String,
    /// As Meta tells it; not to be trusted.
    pub mime_type: String,
    /// Digest of the bytes, base64, if told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Text under it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// As the sender named it; not to be trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// A recorded voice note.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub voice: bool,
}

/// A place on earth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// Degrees.
    pub latitude: f64,
    /// Degrees.
    pub longitude: f64,
    /// The place's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The place's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// Contact cards that the player sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedContacts {
    /// At least one.
    pub cards: Vec<ContactCard>,
    /// Origin `contact_request`: the answer to our request, hence the player's own card. Any other card proves nothing.
    pub requested: bool,
}

/// One contact card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactCard {
    /// The formatted name.
    pub name: String,
    /// Phone numbers as written on the card.
    pub phones: Vec<String>,
}

/// A tapped button or list row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The id that the flow gave it.
    pub id: String,
    /// What the player read.
    pub title: String,
}

/// A tapped quick-reply button of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuickReply {
    /// Set when the template was sent.
    pub payload: String,
    /// What the player read.
    pub text: String,
}

/// An answered form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// `flow`, `address_message`, ...
    pub name: String,
    /// JSON; usually an object, not always.
    pub response: String,
}

/// An emoji put on, or taken off, a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// The message it is on.
    pub target: Wamid,
    /// None when it was taken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emoji: Option<String>,
}

/// A cart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The catalog's id.
    pub catalog: String,
    /// A note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What is in it.
    pub items: Vec<OrderItem>,
}

/// A position of a cart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderItem {
    /// The retailer's product id.
    pub product: String,
    /// How many.
    pub quantity: u32,
    /// In units of the currency.
    pub price: f64,
    /// ISO 4217.
    pub currency: String,
}

/// The ad or post that led into the chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Referral {
    /// `ad` or `post`.
    pub source_type: String,
    /// Meta's id of it.
    pub source_id: String,
    /// Its headline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headline: Option<String>,
    /// Its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
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
