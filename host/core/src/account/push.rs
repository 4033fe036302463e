//! What the second factor's chat is told by the rest of the host, and how what the player taps there is written.

use serde::{Deserialize, Serialize};

use super::challenge::{ChallengeId, NamedDevice};
use super::device::Device;
use crate::conversation::Conversation;
use crate::id::{DeviceId, PlayerId};
use crate::time::UnixMs;
use crate::verification::Purpose;

/// In front of ids of buttons that answer a challenge: no flow's name has a colon.
const TAP: &str = "host:two-factor:";
/// In front of ids of rows that stand for a device.
const ROW: &str = "host:device:";
/// Challenges that one chat can answer at the same time.
const OPEN_MAX: usize = 8;
/// Accounts whose second factor one chat can be; the oldest makes room.
const ACCOUNTS_MAX: usize = 8;

/// What happened to an account's second factor; for the host alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TwoFactorEvent {
    /// It was turned on: this chat is it.
    On {
        /// Whose.
        player: PlayerId,
        /// BCP 47, if it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        locale: Option<String>,
    },
    /// It was turned off.
    Off {
        /// Whose.
        player: PlayerId,
    },
    /// The player is asked whether it is them.
    Challenged(Push),
    /// A device was removed from the account: sessions that were trusted because of it are no more.
    DeviceRemoved {
        /// Whose.
        player: PlayerId,
        /// Which.
        device: DeviceId,
    },
}

/// A challenge on its way to the chat. Which number is right does not travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    /// Which.
    pub id: ChallengeId,
    /// Whose account.
    pub player: PlayerId,
    /// What for.
    pub purpose: Purpose,
    /// On which device.
    pub device: NamedDevice,
    /// What the player is told that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Where it comes from, told where there is no detail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<std::net::IpAddr>,
    /// To choose from.
    pub numbers: [u8; 3],
    /// The game wants a one-time code entered, whatever else is possible.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_code: bool,
    /// BCP 47, if whoever asked knows the player's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Until when it can be answered.
    pub expires_at: UnixMs,
}

/// A challenge that waits in a chat for the player's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenChallenge {
    /// Which.
    pub id: ChallengeId,
    /// Whose account.
    pub player: PlayerId,
    /// Until when.
    pub expires_at: UnixMs,
}

/// A device that the player wants removed, and has to prove themselves for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removing {
    /// Which.
    pub device: Device,
    /// Whose.
    pub player: PlayerId,
    /// Until when the proof can come.
    pub expires_at: UnixMs,
}

/// How a challenge reaches the player.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// By a message with numbers to tap.
    Message,
    /// By a one-time code.
    Code,
    /// Not at all, and why.
    Nowhere(&'static str),
}

impl Conversation {
    /// How a challenge reaches the player of this conversation. The chat is the second factor from the moment at which it
    /// was turned on there until trust in it is lost: whoever has the number then is asked nothing.
    pub fn route(&self, push: &Push, now: UnixMs) -> Route {
        if self.secured.is_some() {
            Route::Nowhere("the account is secured")
        } else if now >= push.expires_at {
            Route::Nowhere("too late")
        } else if !self.second_factor_of.contains(&push.player) {
            Route::Nowhere("trust in this chat was lost since two-factor was turned on")
        } else if push.by_code || self.window.closes_at(now).is_none() {
            Route::Code
        } else {
            Route::Message
        }
    }

    /// This chat is the second factor of an account from now on.
    pub(super) fn trust_as_second_factor(&mut self, player: &PlayerId) {
        self.second_factor_of.retain(|known| known != player);
        if self.second_factor_of.len() >= ACCOUNTS_MAX {
            self.second_factor_of.remove(0);
        }
        self.second_factor_of.push(player.clone());
    }

    /// It is no more.
    pub(super) fn distrust_as_second_factor(&mut self, player: &PlayerId) {
        self.second_factor_of.retain(|known| known != player);
        self.session.challenges.retain(|open| open.player != *player);
    }

    /// A challenge waits here.
    pub(super) fn expect_answer(&mut self, open: OpenChallenge, now: UnixMs) {
        let challenges = &mut self.session.challenges;
        challenges.retain(|known| now < known.expires_at);
        if challenges.len() >= OPEN_MAX {
            challenges.remove(0);
        }
        challenges.push(open);
    }

    /// Takes a challenge that waits here: it is answered once.
    pub fn take_challenge(&mut self, id: &ChallengeId, now: UnixMs) -> Option<OpenChallenge> {
        let place = self.session.challenges.iter().position(|open| open.id == *id)?;
        Some(self.session.challenges.remove(place)).filter(|open| now < open.expires_at)
    }

    /// The device that this session may be trusted on: the player proved themselves on it, and it is bound to the account. No
    /// store is asked: what is removed from an account is told to the player's conversations.
    pub fn bound_device(&self) -> Option<&DeviceId> {
        let session = &self.session;
        let is_proven = matches!(session.authentication, crate::conversation::Authentication::Authenticated { .. });
        session.bound_device.as_ref().filter(|_| is_proven)
    }

    /// When the player proved who they are, if they did.
    pub fn proven_at(&self) -> Option<UnixMs> {
        match self.session.authentication {
            crate::conversation::Authentication::Authenticated { at, .. } => Some(at),
            _ => None,
        }
    }

    /// Ends the session's trust if it was proven on this device, whether or not that was still bound; says whether it was.
    pub fn distrust_device(&mut self, device: &DeviceId) -> bool {
        let session = &mut self.session;
        let was = session.bound_device.as_ref() == Some(device) || session.device.as_ref() == Some(device);
        if was {
            (session.bound_device, session.device) = (None, None);
            session.authentication = crate::conversation::Authentication::Unauthenticated;
        }
        was
    }
}

/// A device in the id of a row: a digest, since a studio's name for a device can be longer than a row's id, and is nobody's
/// business on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceKey([u8; 12]);

impl DeviceKey {
    /// A device's.
    pub fn of(device: &DeviceId) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, format!("questline device\0{device}").as_bytes());
        let mut key = [0; 12];
        key.iter_mut().zip(digest.as_ref()).for_each(|(byte, digest)| *byte = *digest);
        Self(key)
    }
}

/// What a tap is for, where it is the second factor's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tap {
    /// A number for a challenge.
    Number(ChallengeId, u8),
    /// A device to be removed.
    Device(DeviceKey),
}

impl Tap {
    /// Reads the id of a button or row.
    pub fn parse(id: &str) -> Option<Self> {
        if let Some(rest) = id.strip_prefix(TAP) {
            let (id, number) = rest.split_once(':')?;
            let number = Some(number).filter(|digits| digits.len() == 2)?.parse().ok()?;
            return Some(Self::Number(ChallengeId::parse(id).ok()?, number));
        }
        crate::hex::bytes(id.strip_prefix(ROW)?).map(|key| Self::Device(DeviceKey(key)))
    }
}

impl std::fmt::Display for Tap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(id, number) => write!(f, "{TAP}{id}:{number}"),
            Self::Device(key) => {
                f.write_str(ROW)?;
                key.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::contact::{Address, Contact, PhoneNumber};
    use crate::conversation::Authentication;
    use crate::id::{ConversationId, GameId, NumberId, TicketNumber};
    use crate::message::{BUTTON_ID_CHARS_MAX, ROW_ID_CHARS_MAX};
    use crate::time::HOUR_MS;
    use proptest::prelude::*;

    const NOW: UnixMs = UnixMs(1_790_000_000_000);

    fn player(name: &str) -> PlayerId {
        PlayerId::parse(name).unwrap()
    }

    fn device(name: &str) -> DeviceId {
        DeviceId::parse(name).unwrap()
    }

    fn conversation() -> Conversation {
        let contact = Contact::new(PhoneNumber::parse("15550100").ok(), None).unwrap();
        let address = Address { game: GameId::parse("cup").unwrap(), number: NumberId::parse("100").unwrap(), contact };
        Conversation::new(ConversationId(1), address)
    }

    fn push() -> Push {
        Push {
            id: ChallengeId::from_bytes([1; 16]),
            player: player("ada"),
            purpose: Purpose::Login,
            device: NamedDevice { id: device("d"), name: None },
            detail: None,
            ip: None,
            numbers: [10, 11, 12],
            by_code: false,
            locale: None,
            expires_at: NOW.plus_ms(120_000),
        }
    }

    #[test]
    fn a_challenge_reaches_the_chat_that_is_trusted_and_no_other() {
        let mut chat = conversation();
        chat.window.heard(NOW, NOW);
        assert!(matches!(chat.route(&push(), NOW), Route::Nowhere(_)), "it was not turned on here");
        chat.trust_as_second_factor(&player("ada"));
        assert_eq!(chat.route(&push(), NOW), Route::Message);
        assert_eq!(chat.route(&Push { by_code: true, ..push() }, NOW), Route::Code);
        assert!(matches!(chat.route(&Push { player: player("bob"), ..push() }, NOW), Route::Nowhere(_)));
        assert!(matches!(chat.route(&push(), push().expires_at), Route::Nowhere(_)), "too late");
        let later = Push { expires_at: NOW.plus_ms(48 * HOUR_MS), ..push() };
        assert_eq!(chat.route(&later, NOW.plus_ms(25 * HOUR_MS)), Route::Code, "the window is closed");
        let secured = Conversation { secured: TicketNumber::parse("T-1").ok(), ..chat.clone() };
        assert!(matches!(secured.route(&push(), NOW), Route::Nowhere(_)));
        chat.distrust_as_second_factor(&player("ada"));
        assert!(matches!(chat.route(&push(), NOW), Route::Nowhere(_)));
    }

    #[test]
    fn a_challenge_is_taken_once_and_in_time() {
        let mut chat = conversation();
        let open = OpenChallenge { id: push().id, player: player("ada"), expires_at: NOW.plus_ms(10) };
        chat.expect_answer(open.clone(), NOW);
        assert_eq!(chat.clone().take_challenge(&open.id, NOW.plus_ms(10)), None);
        assert_eq!(chat.take_challenge(&open.id, NOW), Some(open.clone()));
        assert_eq!(chat.take_challenge(&open.id, NOW), None);
        for n in 0..100 {
            chat.expect_answer(OpenChallenge { id: ChallengeId::from_bytes([n; 16]), ..open.clone() }, NOW);
            chat.trust_as_second_factor(&player(&format!("p{n}")));
        }
        assert_eq!((chat.session.challenges.len(), chat.second_factor_of.len()), (OPEN_MAX, ACCOUNTS_MAX));
    }

    #[test]
    fn a_session_is_bound_while_it_is_proven_on_a_device_that_stays() {
        let mut chat = conversation();
        chat.session.bound_device = Some(device("d"));
        assert_eq!(chat.bound_device(), None, "nobody proved anything");
        chat.session.authentication = Authentication::Authenticated { method: "two-factor".into(), at: NOW };
        assert_eq!((chat.bound_device(), chat.proven_at()), (Some(&device("d")), Some(NOW)));
        assert!(!chat.distrust_device(&device("other")) && chat.bound_device().is_some());
        assert!(chat.distrust_device(&device("d")));
        assert_eq!((chat.bound_device(), chat.proven_at()), (None, None));
        chat.session.authentication = Authentication::Authenticated { method: "two-factor".into(), at: NOW };
        chat.session.device = Some(device("d"));
        assert!(chat.distrust_device(&device("d")) && chat.proven_at().is_none(), "it was removed before the proof came in");
    }

    proptest! {
        #[test]
        fn a_tap_is_read_as_it_is_written(id in any::<[u8; 16]>(), number in 10u8..100, name in "[ -~]{1,128}") {
            let (number, row) = (Tap::Number(ChallengeId::from_bytes(id), number), Tap::Device(DeviceKey::of(&device(&name))));
            prop_assert_eq!(Tap::parse(&number.to_string()), Some(number));
            prop_assert_eq!(Tap::parse(&row.to_string()), Some(row));
            prop_assert!(number.to_string().len() <= BUTTON_ID_CHARS_MAX && row.to_string().len() <= ROW_ID_CHARS_MAX);
        }

        #[test]
        fn nothing_else_is_one(text in "(host:two-factor:|host:device:|)[ -~]{0,60}") {
            if let Some(tap) = Tap::parse(&text) {
                prop_assert_eq!(tap.to_string(), text.to_lowercase());
            }
        }
    }
}
