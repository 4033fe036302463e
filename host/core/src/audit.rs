//! The audit log: what must be provable later, written down once and never changed.
//!
//! An [`AuditRecord`] names people; before it is written it becomes a [`Noted`] one, in which they are keyed pseudonyms;
//! linked into its game's [`chain`] it is an [`Entry`]. What tells of a person is held beside the chain as [`Details`],
//! and only its salted hash is in the chain: details and salt can be erased, and the chain still proves that nothing was
//! changed, left out, put in or moved.

mod chain;
mod verify;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::contact::Contact;
use crate::id::{ConversationId, FlowName, GameId, InvalidName, PlayerId};
use crate::time::UnixMs;

pub use chain::{AuditHash, Head};
pub use verify::{Break, Fault, Proof, Verifier};

/// Bytes of a detail's text; what is over is cut.
pub const DETAIL_BYTES_MAX: usize = 1_024;
/// Entries whose details one [`Action::PlayerErased`] erases; more take several.
pub const ERASED_AT_ONCE_MAX: usize = 1_000;

macro_rules! actions {
    ($($(#[$attribute:meta])* $action:ident $name:literal,)*) => {
        /// What happened. The names are stable: they stand in the chain.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Action { $($(#[$attribute])* #[serde(rename = $name)] $action,)* }

        impl Action {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$action,)*];

            /// The name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$action => $name,)* }
            }
        }
    };
}

actions! {
    /// The player agreed to marketing messages.
    ConsentGranted "consent-granted",
    /// The player took that back.
    ConsentWithdrawn "consent-withdrawn",
    /// Evidence of consent was handed out.
    ConsentsExported "consents-exported",
    /// A file that a player sent was handed out.
    MediaFetched "media-fetched",
    /// A file that a player sent was asked for and not handed out.
    MediaRefused "media-refused",
    /// The player wrote BLOCK.
    AccountSecured "account-secured",
    /// The account of whoever wrote BLOCK is frozen, here and at the studio: its sessions, codes and pending links end.
    AccountFrozen "account-frozen",
    /// A session ended, for its player froze the account in another conversation.
    SessionEnded "session-ended",
    /// The ticket of a frozen account was closed: the account is as it was.
    AccountReleased "account-released",
    /// A check of whose account it is failed.
    RecoveryCheckFailed "recovery-check-failed",
    /// Too many failed: nothing can be recovered for a while.
    RecoveryLocked "recovery-locked",
    /// The contact has another number or id; trust is dropped.
    ContactMoved "contact-moved",
    /// The contact's device changed; trust is dropped.
    IdentityChanged "identity-changed",
    /// Meta told a change of a kind that is not known.
    SystemNotice "system-notice",
    /// The identity behind a number changed while a message was on its way; trust is dropped.
    TrustRevoked "trust-revoked",
    /// Recovery credentials will be made and told when they are sent.
    #[serde(alias = "recovery-issued")]
    CredentialsPromised "credentials-promised",
    /// A flow wanted recovery credentials and did not get them.
    #[serde(alias = "recovery-refused")]
    CredentialsRefused "credentials-refused",
    /// A template was handed in for Meta's review.
    TemplateSubmitted "template-submitted",
    /// A ticket was closed.
    TicketClosed "ticket-closed",
    /// A dead letter was put back where it was.
    DeadLetterRetried "dead-letter-retried",
    /// A studio's token was made.
    TokenCreated "token-created",
    /// A studio's token was closed for ever.
    TokenRevoked "token-revoked",
    /// People have paused something that is sent.
    SendingPaused "sending-paused",
    /// A pause was lifted before its end.
    SendingResumed "sending-resumed",
    /// A release came.
    ReleaseUploaded "release-uploaded",
    /// A release became the one that is played.
    ReleaseActivated "release-activated",
    /// The game went back to a release that was played before.
    ReleaseRolledBack "release-rolled-back",
    /// A conversation's state could not migrate to the active release: it stays with its own.
    MigrationFailed "migration-failed",
    /// A one-time code was handed over for sending.
    CodeSent "code-sent",
    /// A code did not arrive and was handed over to the next channel.
    CodeMovedOn "code-moved-on",
    /// A code did not arrive, and there was no further channel.
    CodeUndelivered "code-undelivered",
    /// The player was asked for their phone number, to send a code to.
    NumberAsked "number-asked",
    /// The player told their phone number in answer to that.
    NumberLearned "number-learned",
    /// A code proved who the player is.
    Authenticated "authenticated",
    /// A wrong or dead code was entered.
    CodeRejected "code-rejected",
    /// A code was asked for, over the API or by a flow, and a guard or a rule refused it.
    CodeRefused "code-refused",
    /// A proof came that does not count: it is about another account than the session's, or the account is secured.
    ProofIgnored "proof-ignored",
    /// A token that links a contact to a player was made.
    LinkCreated "link-created",
    /// A contact wants to join an account: somebody has to prove or approve it first.
    LinkAsked "link-asked",
    /// Nothing was linked: the token is worth nothing, or nobody approved.
    LinkRefused "link-refused",
    /// A contact of the account has approved another one.
    LinkApproved "link-approved",
    /// A contact was linked to a player.
    ContactLinked "contact-linked",
    /// A contact is linked to a player no more.
    ContactUnlinked "contact-unlinked",
    /// The second factor was asked for; a code confirms it.
    TwoFactorBegun "two-factor-begun",
    /// The second factor was turned on.
    TwoFactorOn "two-factor-on",
    /// The second factor was turned off.
    TwoFactorOff "two-factor-off",
    /// Somebody wanted the second factor changed and did not prove themselves.
    TwoFactorRefused "two-factor-refused",
    /// Recovery codes were made, in place of all before.
    RecoveryCodesMade "recovery-codes-made",
    /// A recovery code was used.
    RecoveryCodeUsed "recovery-code-used",
    /// A wrong recovery code was entered.
    RecoveryCodeRejected "recovery-code-rejected",
    /// The game asked whether it is the player.
    ChallengeBegun "challenge-begun",
    /// The player was asked, by a message or a code.
    ChallengeSent "challenge-sent",
    /// A challenge was not begun or not sent, or an answer to it did not count.
    ChallengeRefused "challenge-refused",
    /// It was the player.
    ChallengeApproved "challenge-approved",
    /// It was not the player.
    ChallengeDenied "challenge-denied",
    /// The player denied so many that no further one is begun for a while.
    ChallengesLocked "challenges-locked",
    /// A device was bound to an account.
    DeviceBound "device-bound",
    /// A device was removed from an account.
    DeviceRemoved "device-removed",
    /// A flow called a sensitive operation without a fresh proof, and the host did not.
    OperationRefused "operation-refused",
    /// A broadcast was described.
    BroadcastCreated "broadcast-created",
    /// A broadcast's list of recipients was uploaded.
    BroadcastListTaken "broadcast-list-taken",
    /// A broadcast was started.
    BroadcastStarted "broadcast-started",
    /// A broadcast was held.
    BroadcastPaused "broadcast-paused",
    /// A held broadcast goes on.
    BroadcastResumed "broadcast-resumed",
    /// A broadcast was stopped for good.
    BroadcastCancelled "broadcast-cancelled",
    /// A variant of an experiment did better than the others for certain, and everybody gets it from then on.
    ExperimentPromoted "experiment-promoted",
    /// Players are told of an outage.
    OutageTold "outage-told",
    /// Personal details of a player were erased from this log.
    PlayerErased "player-erased",
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who did it. Names are those of flows and tokens, never of players.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Actor {
    /// The host by itself.
    #[default]
    Host,
    /// The player.
    Player,
    /// Whoever has the operator's token.
    Operator,
    /// A flow of the game.
    Flow(FlowName),
    /// Whoever has the studio's token of this name.
    Token(String),
}

impl Actor {
    /// Its kind, and its name if it has one.
    pub fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Host => ("host", ""),
            Self::Player => ("player", ""),
            Self::Operator => ("operator", ""),
            Self::Flow(name) => ("flow", name.as_str()),
            Self::Token(name) => ("token", name),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts() {
            (kind, "") => f.write_str(kind),
            (kind, name) => write!(f, "{kind} {name}"),
        }
    }
}

/// Something that must be provable later. It names people, and is never written as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// When.
    pub at: UnixMs,
    /// Of which game.
    pub game: GameId,
    /// In which conversation.
    pub conversation: Option<ConversationId>,
    /// About whom, as the studio knows them.
    pub player: Option<PlayerId>,
    /// About whom, as WhatsApp knows them.
    pub contact: Option<Contact>,
    /// Who did it.
    pub actor: Actor,
    /// What.
    pub action: Action,
    /// In words, without personal data, at most [`DETAIL_BYTES_MAX`].
    pub detail: String,
}

impl AuditRecord {
    /// A record that is about nobody in particular.
    pub fn new(at: UnixMs, game: GameId, actor: Actor, action: Action, detail: impl Into<String>) -> Self {
        Self { at, game, conversation: None, player: None, contact: None, actor, action, detail: detail.into() }
    }

    /// The same, about whoever is in a conversation.
    pub fn about(self, conversation: ConversationId, player: Option<PlayerId>, contact: Option<Contact>) -> Self {
        Self { conversation: Some(conversation), player, contact, ..self }
    }

    /// The record as it may be written: people become pseudonyms.
    pub fn note(mut self, key: &dyn Pseudonyms) -> Noted {
        let cut = self.detail.floor_char_boundary(DETAIL_BYTES_MAX);
        self.detail.truncate(cut);
        Noted {
            player: self.player.map(|player| Pseudonym::of_player(&self.game, &player, key)),
            contact: self.contact.as_ref().and_then(|contact| Pseudonym::of_contact(&self.game, contact, key).into_iter().next()),
            at: self.at,
            game: self.game,
            conversation: self.conversation,
            actor: self.actor,
            action: self.action,
            erases: Vec::new(),
            detail: self.detail,
        }
    }
}

/// The key that makes pseudonyms. Whoever does not have it can neither find a person in the log nor try numbers.
pub trait Pseudonyms: Send + Sync {
    /// A keyed hash that nobody without the key can compute, for instance HMAC-SHA-256.
    fn mac(&self, text: &[u8]) -> [u8; 32];
}

/// Stands for a player or a contact of one game: 128 bits of a keyed hash, as 32 hexadecimal digits. The same person has
/// another one in another game.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pseudonym(Box<str>);

impl Pseudonym {
    const DIGITS: usize = 32;

    /// A player's.
    pub fn of_player(game: &GameId, player: &PlayerId, key: &dyn Pseudonyms) -> Self {
        Self::of("player", game, player.as_str(), key)
    }

    /// A contact's: the one of its phone number if that is known, then the one of its BSUID.
    pub fn of_contact(game: &GameId, contact: &Contact, key: &dyn Pseudonyms) -> Vec<Self> {
        let phone = contact.phone().map(|phone| Self::of("phone", game, phone.digits(), key));
        let bsuid = contact.bsuid().map(|bsuid| Self::of("bsuid", game, bsuid.as_str(), key));
        phone.into_iter().chain(bsuid).collect()
    }

    fn of(kind: &str, game: &GameId, name: &str, key: &dyn Pseudonyms) -> Self {
        let mac = key.mac(format!("questline audit\0{kind}\0{game}\0{name}").as_bytes());
        Self(mac.iter().take(Self::DIGITS / 2).map(|byte| format!("{byte:02x}")).collect::<String>().into())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pseudonym({})", self.0)
    }
}

impl TryFrom<String> for Pseudonym {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        match text.len() == Self::DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(Self(text.into())),
            false => Err(InvalidName { kind: "a pseudonym", chars_max: Self::DIGITS, alphabet: "hexadecimal digits, 32 of them" }),
        }
    }
}

impl From<Pseudonym> for String {
    fn from(pseudonym: Pseudonym) -> String {
        pseudonym.0.into()
    }
}

/// A record as it may be written, before it has its place in a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// When.
    pub at: UnixMs,
    /// Of which game.
    pub game: GameId,
    /// In which conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// About which player.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<Pseudonym>,
    /// About which contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Pseudonym>,
    /// Who did it.
    #[serde(default)]
    pub actor: Actor,
    /// What.
    pub action: Action,
    /// Entries whose details are erased by this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erases: Vec<u64>,
    /// In words.
    pub detail: String,
}

/// What makes the hash of details say nothing about them once it is gone: random, one for each entry.
pub type Salt = [u8; 32];

/// What an entry tells of a person. It is held beside the chain, and can be erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// Random.
    pub salt: AuditHash,
    /// In which conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// About which player.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<Pseudonym>,
    /// About which contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Pseudonym>,
    /// In words.
    pub text: String,
}

impl Details {
    /// The names under which the entry is found when somebody is to be erased.
    pub fn keys(&self) -> Vec<String> {
        let people = self.player.iter().chain(&self.contact).map(|pseudonym| pseudonym.as_str().to_owned());
        people.chain(self.conversation.map(conversation_key)).collect()
    }
}

fn conversation_key(conversation: ConversationId) -> String {
    format!("c{conversation}")
}

/// One entry of a game's chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place in the chain, from 1 on without a gap.
    pub seq: u64,
    /// When it happened.
    pub at: UnixMs,
    /// Of which game.
    pub game: GameId,
    /// Who did it.
    pub actor: Actor,
    /// What.
    pub action: Action,
    /// Entries whose details are erased by this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erases: Vec<u64>,
    /// SHA-256 over the details with their salt.
    pub details_hash: AuditHash,
    /// SHA-256 over the hash before and all of the above.
    pub hash: AuditHash,
    /// What it tells of a person; none when that is erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
}

/// Who is to be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The player.
    pub player: Pseudonym,
    /// Contacts that are the player's.
    pub contacts: Vec<Pseudonym>,
    /// Conversations of the player.
    pub conversations: Vec<ConversationId>,
}

impl Erasure {
    /// From what is known of a player.
    pub fn of(game: &GameId, player: &PlayerId, conversations: &[(ConversationId, Contact)], key: &dyn Pseudonyms) -> Self {
        let mut contacts: Vec<_> = conversations.iter().flat_map(|(_, contact)| Pseudonym::of_contact(game, contact, key)).collect();
        contacts.sort();
        contacts.dedup();
        let conversations = conversations.iter().map(|(id, _)| *id).collect();
        Self { player: Pseudonym::of_player(game, player, key), contacts, conversations }
    }

    /// The names under which entries are looked for.
    pub fn keys(&self) -> Vec<String> {
        let people = std::iter::once(&self.player).chain(&self.contacts).map(|pseudonym| pseudonym.as_str().to_owned());
        people.chain(self.conversations.iter().copied().map(conversation_key)).collect()
    }

    /// Whether an entry is about the player: it says so, or it is about one of their contacts or conversations and about
    /// no other player or contact. Several players may share a phone.
    pub fn covers(&self, details: &Details) -> bool {
        match (&details.player, &details.contact) {
            (Some(player), _) => *player == self.player,
            (None, Some(contact)) => self.contacts.contains(contact),
            (None, None) => details.conversation.is_some_and(|id| self.conversations.contains(&id)),
        }
    }

    /// The entry that says it: of whom, it does not say.
    pub fn noted(at: UnixMs, game: GameId, actor: Actor, erases: Vec<u64>) -> Noted {
        let detail = format!("personal details of {} entries", erases.len());
        Noted { at, game, conversation: None, player: None, contact: None, actor, action: Action::PlayerErased, erases, detail }
    }
}

#[cfg(test)]
mod tests;
