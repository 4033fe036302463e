//! What the store keeps of a conversation: the one row that a step reads and writes.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::account::link::Awaited;
use crate::account::push::{OpenChallenge, Removing};
use crate::consent::{Held, Marketing};
use crate::contact::{Address, Contact};
use crate::event::{Message, Wamid};
use crate::id::{ConversationId, DeviceId, FlowName, GameId, InboxSeq, NumberId, PlayerId, ReleaseDigest, TicketNumber};
use crate::service::Profile;
use crate::time::{DAY_MS, UnixMs};
use crate::verification::trail::CodeTrail;
use crate::window::ServiceWindow;

/// A session ends this long after the last activity.
pub const SESSION_TTL_MS: u64 = DAY_MS;

/// How many of the player's messages are remembered: for quoting, for reactions, and against late duplicates.
pub const RECENT_MAX: usize = 16;

/// A conversation as of its last commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// The store's name for it.
    pub id: ConversationId,
    /// Raised by every commit: a commit made on an older version is refused as stale.
    pub version: u64,
    /// Whose.
    pub game: GameId,
    /// Our end.
    pub number: NumberId,
    /// Their end.
    pub contact: Contact,
    /// The 24-hour window; outlives sessions.
    #[serde(default)]
    pub window: ServiceWindow,
    /// Whether marketing may be sent; outlives sessions.
    #[serde(default)]
    pub marketing: Marketing,
    /// From when on that holds: what was said before changes it no more.
    #[serde(default)]
    pub marketing_from: UnixMs,
    /// Meta takes no marketing for this player for a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marketing_held: Option<Held>,
    /// Stands for the device behind the contact, where Meta's identity check is on: another one is somebody else until
    /// they have proven who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_key_hash: Option<Box<str>>,
    /// The player wrote BLOCK: nothing of the account is told or done until an agent closed this ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secured: Option<TicketNumber>,
    /// Whose account is frozen with it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<PlayerId>,
    /// When credentials were issued within the last day; outlives sessions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recoveries: Vec<UnixMs>,
    /// Accounts whose second factor this chat is, for as long as it is trusted; outlives sessions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub second_factor_of: Vec<PlayerId>,
    /// One-time codes on their way to the player, at most [`TRAILS_MAX`](crate::verification::trail::TRAILS_MAX).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<CodeTrail>,
    /// The player's latest messages, oldest first.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub recent: VecDeque<Recent>,
    /// The live part.
    #[serde(default)]
    pub session: Session,
}

/// One of the player's latest messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    /// Our name for it; what flows call it.
    pub seq: InboxSeq,
    /// Meta's name for it.
    pub wamid: Wamid,
}

/// The live part of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Last activity: any handled event.
    #[serde(default)]
    pub active_at: UnixMs,
    /// Who the player is, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub player: Option<PlayerId>,
    /// When the players' database was last asked and did not know them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_since: Option<UnixMs>,
    /// How the player proved it.
    #[serde(default)]
    pub authentication: Authentication,
    /// The device that the proof was asked for on, if it was named: the session is bound to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// The player's tier, as the studio told it when they were recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// ISO 3166-1 alpha-2, as the studio told it when they were recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// IANA name of the player's time zone, as the studio told it when they were recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// What the host does once the player has proven themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaited: Option<Box<Awaited>>,
    /// The device that the proof was on, where it is bound to the account: see [`Conversation::bound_device`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_device: Option<DeviceId>,
    /// Challenges that wait here for the player's answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub challenges: Vec<OpenChallenge>,
    /// A device that is removed once the player has proven themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removing: Option<Removing>,
    /// BCP 47, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The flow that keeps the conversation, and its state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<FlowState>,
    /// The flow whose turn it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<FlowName>,
    /// The release that this flow is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseDigest>,
    /// The release that its state could not migrate to: the conversation stays off that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stays_off: Option<ReleaseDigest>,
    /// Messages of the player in this session.
    #[serde(default)]
    pub inbound: u32,
    /// Messages of ours in this session.
    #[serde(default)]
    pub outbound: u32,
}

/// What one flow keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowState {
    /// Whose state.
    pub flow: FlowName,
    /// The flow's own version of its state's meaning.
    pub version: u32,
    /// JSON of at most [`crate::outcome::STATE_BYTES_MAX`] bytes.
    pub state: String,
}

/// How far the player has proven who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    /// Not at all.
    #[default]
    Unauthenticated,
    /// A code is on its way.
    CodeSent,
    /// Done.
    Authenticated {
        /// For instance `code`.
        method: String,
        /// When.
        at: UnixMs,
    },
}

impl Session {
    /// When the player proved who they are, if they did.
    pub fn authenticated_at(&self) -> Option<UnixMs> {
        match self.authentication {
            Authentication::Authenticated { at, .. } => Some(at),
            Authentication::Unauthenticated | Authentication::CodeSent => None,
        }
    }

    /// Notes who the player is, as the studio has just told.
    pub fn recognise(&mut self, player: PlayerId, profile: Profile) {
        let Profile { tier, locale, country, time_zone, .. } = profile;
        self.player = Some(player);
        self.unknown_since = None;
        self.tier = Some(tier);
        self.country = country;
        self.time_zone = time_zone;
        self.locale = locale.or(self.locale.take());
    }

    /// Forgets who the player is, and what the studio told of them. The language stays: the words are read by whoever writes.
    pub fn forget_player(&mut self) {
        self.player = None;
        self.unknown_since = None;
        self.tier = None;
        self.country = None;
        self.time_zone = None;
    }
}

impl Conversation {
    /// A conversation that begins.
    pub fn new(id: ConversationId, address: Address) -> Self {
        Self {
            id,
            version: 0,
            game: address.game,
            number: address.number,
            contact: address.contact,
            window: ServiceWindow::default(),
            marketing: Marketing::default(),
            marketing_from: UnixMs::default(),
            marketing_held: None,
            identity_key_hash: None,
            secured: None,
            frozen: None,
            recoveries: Vec::new(),
            second_factor_of: Vec::new(),
            codes: Vec::new(),
            recent: VecDeque::new(),
            session: Session::default(),
        }
    }

    /// Starts a new session if the last one ended, and notes the activity.
    pub fn touch(&mut self, now: UnixMs) {
        if now.since_ms(self.session.active_at) >= SESSION_TTL_MS {
            self.session = Session::default();
        }
        self.session.active_at = now;
    }

    /// Remembers a message of the player's. False when it is one of the recent ones: a duplicate.
    pub fn remember(&mut self, seq: InboxSeq, wamid: &Wamid) -> bool {
        if self.recent.iter().any(|recent| recent.wamid == *wamid) {
            return false;
        }
        while self.recent.len() >= RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(Recent { seq, wamid: wamid.clone() });
        true
    }

    /// Notes a message of the player's: they are there, and the service window is open. False when it is one of the recent
    /// ones: a duplicate.
    pub fn hear(&mut self, seq: InboxSeq, message: &Message, now: UnixMs) -> bool {
        if !self.remember(seq, &message.wamid) {
            return false;
        }
        self.window.heard(message.sent_at, now);
        self.session.inbound = self.session.inbound.saturating_add(1);
        true
    }

    /// Whether a message comes from another device than the one that is known.
    pub fn is_of_another_identity(&self, message: &Message) -> bool {
        message.identity_key_hash.as_deref().is_some_and(|hash| self.identity_key_hash.as_deref().is_some_and(|known| known != hash))
    }

    /// Remembers the device that a message comes from.
    pub fn remember_identity(&mut self, hash: Option<&str>) {
        if let Some(hash) = hash.filter(|hash| self.identity_key_hash.as_deref() != Some(hash)) {
            self.identity_key_hash = Some(hash.into());
        }
    }

    /// What the flow calls a message of the player's.
    pub fn reference_of(&self, wamid: &Wamid) -> Option<InboxSeq> {
        self.recent.iter().find(|recent| recent.wamid == *wamid).map(|recent| recent.seq)
    }

    /// Meta's name for what the flow calls so.
    pub fn wamid_of(&self, seq: InboxSeq) -> Option<&Wamid> {
        self.recent.iter().find(|recent| recent.seq == seq).map(|recent| &recent.wamid)
    }

    /// The release that a flow of this conversation is in the middle of.
    pub fn mid_flow(&self, now: UnixMs) -> Option<ReleaseDigest> {
        let session = &self.session;
        let is_live = session.active.is_some() && now.since_ms(session.active_at) < SESSION_TTL_MS;
        session.release.filter(|_| is_live)
    }

    /// Notes which release the active flow is of, after a step that `played` one and asked `asked` last.
    pub fn note_release(&mut self, played: ReleaseDigest, asked: Option<&FlowName>) {
        let session = &mut self.session;
        match &session.active {
            None => (session.release, session.stays_off) = (None, None),
            // Its state is of the release that wrote it: another flow's step, or the host's own, leaves it there.
            Some(active) if asked == Some(active) || session.release.is_none() => session.release = Some(played),
            Some(_) => {}
        }
    }

    /// What this flow kept.
    pub fn state_of(&self, flow: &FlowName) -> Option<&FlowState> {
        self.session.states.iter().find(|state| state.flow == *flow)
    }

    /// The number of the first ticket that a step on this event opens: unique, because the event's place is. Letters
    /// keep it short: the conversation and the place, both in base 36.
    pub fn ticket_number(&self, prefix: &str, seq: InboxSeq, index: usize) -> Option<TicketNumber> {
        let mut text = format!("{prefix}-{}{}", base36(self.id.0), base36_padded(seq.0));
        if index > 0 {
            text.push_str(&format!("-{}", index + 1));
        }
        TicketNumber::parse(&text).ok()
    }
}

const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(DIGITS[(number % 36) as usize] as char);
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

/// At least four digits and, beyond, a digit that tells how many: so that two numbers side by side stay unambiguous.
fn base36_padded(number: u64) -> String {
    let digits = base36(number);
    match digits.len() {
        0..=4 => format!("{digits:0>4}"),
        longer => format!("-{longer}{digits}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::contact::PhoneNumber;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn conversation(id: u64) -> Conversation {
        let address = Address {
            game: GameId::parse("starfall").unwrap(),
            number: NumberId::parse("100").unwrap(),
            contact: Contact::new(PhoneNumber::parse("15550100").ok(), None).unwrap(),
        };
        Conversation::new(ConversationId(id), address)
    }

    #[test]
    fn a_session_ends_a_day_after_the_last_activity() {
        let mut conversation = conversation(1);
        let start = UnixMs(1_000_000_000);
        conversation.touch(start);
        conversation.session.inbound = 3;
        conversation.touch(start.plus_ms(SESSION_TTL_MS - 1));
        assert_eq!(conversation.session.inbound, 3);
        conversation.touch(start.plus_ms(3 * SESSION_TTL_MS));
        assert_eq!(conversation.session.inbound, 0);
    }

    #[test]
    fn recent_messages_are_bounded_and_told_apart() {
        let mut conversation = conversation(1);
        for n in 0..50u64 {
            assert!(conversation.remember(InboxSeq(n), &Wamid(format!("wamid.{n}").into())));
        }
        assert_eq!(conversation.recent.len(), RECENT_MAX);
        assert!(!conversation.remember(InboxSeq(99), &Wamid("wamid.49".into())));
        assert_eq!(conversation.reference_of(&Wamid("wamid.49".into())), Some(InboxSeq(49)));
        assert_eq!(conversation.wamid_of(InboxSeq(0)), None);
    }

    proptest! {
        #[test]
        fn ticket_numbers_are_unique(pairs in prop::collection::hash_set((0u64..5_000_000, 0u64..5_000_000, 0usize..3), 1..200)) {
            let numbers = pairs.iter().map(|(id, seq, index)| conversation(*id).ticket_number("SF", InboxSeq(*seq), *index).unwrap());
            prop_assert_eq!(numbers.collect::<HashSet<_>>().len(), pairs.len());
        }
    }
}
