//! Lanes: where a message waits to be sent, how many of each the sender takes, and whose turn is next.
//!
//! A lane is a number and a [`LaneKind`]. Messages of a lane are sent in the order in which they were queued; which of a
//! number's lanes is next says [`Turns`]: the most urgent one that has something, but for a small share that is guaranteed
//! to each of the others.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::NumberId;
use crate::outbox::{Content, MessageClass, NewMessage};
use crate::time::{DAY_MS, HOUR_MS};

/// What waits together, most urgent first. What belongs to a campaign has lanes of its own behind those of its class, so
/// that a million of them are ahead of nobody who talks to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LaneKind {
    /// Codes, security.
    Critical,
    /// Many messages at once of that class: outages.
    CriticalBulk,
    /// VIP support, purchases.
    High,
    /// Many of them at once.
    HighBulk,
    /// Support, game events.
    Normal,
    /// Many of them at once.
    NormalBulk,
    /// Marketing.
    Low,
    /// Many of them at once.
    LowBulk,
    /// No messages to Meta: calls of the studio's backend. They take no turn of the number's.
    Backend,
    /// No messages either: what a game's other numbers are told. They take no turn of the number's.
    News,
}

impl LaneKind {
    /// All, most urgent first.
    pub const ALL: [Self; 10] = [
        Self::Critical,
        Self::CriticalBulk,
        Self::High,
        Self::HighBulk,
        Self::Normal,
        Self::NormalBulk,
        Self::Low,
        Self::LowBulk,
        Self::Backend,
        Self::News,
    ];
    /// How many of them are sent to Meta: the first ones.
    pub const SENT: usize = 8;

    /// Where messages of a class wait.
    pub fn of_class(class: MessageClass, is_bulk: bool) -> Self {
        match (class, is_bulk) {
            (MessageClass::Critical, false) => Self::Critical,
            (MessageClass::Critical, true) => Self::CriticalBulk,
            (MessageClass::High, false) => Self::High,
            (MessageClass::High, true) => Self::HighBulk,
            (MessageClass::Normal, false) => Self::Normal,
            (MessageClass::Normal, true) => Self::NormalBulk,
            (MessageClass::Low, false) => Self::Low,
            (MessageClass::Low, true) => Self::LowBulk,
        }
    }

    /// Where a message waits.
    pub fn of(message: &NewMessage) -> Self {
        match &message.content {
            Content::Consent(_) => Self::News,
            content if content.is_for_backend() => Self::Backend,
            _ => Self::of_class(message.class, message.campaign.is_some()),
        }
    }

    /// The class of what waits here; none where nothing is sent to Meta.
    pub fn class(self) -> Option<MessageClass> {
        MessageClass::ALL.get(self as usize / 2).copied()
    }

    /// Whether it is for many messages at once.
    pub fn is_bulk(self) -> bool {
        matches!(self, Self::CriticalBulk | Self::HighBulk | Self::NormalBulk | Self::LowBulk)
    }

    /// The name, as stores keep it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::CriticalBulk => "critical-bulk",
            Self::High => "high",
            Self::HighBulk => "high-bulk",
            Self::Normal => "normal",
            Self::NormalBulk => "normal-bulk",
            Self::Low => "low",
            Self::LowBulk => "low-bulk",
            Self::Backend => "backend",
            Self::News => "news",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Where a message waits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// To leave from this number.
    pub number: NumberId,
    /// In this line of it.
    pub kind: LaneKind,
}

impl Lane {
    /// A message's.
    pub fn of(message: &NewMessage) -> Self {
        Self { number: message.number.clone(), kind: LaneKind::of(message) }
    }

    /// The lane that [`Display`](fmt::Display) writes so.
    pub fn parse(name: &str) -> Option<Self> {
        let (number, kind) = name.split_once('.')?;
        Some(Self { number: NumberId::parse(number).ok()?, kind: LaneKind::parse(kind)? })
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.number, self.kind.as_str())
    }
}

/// How many messages of each lane there is room for. Of lanes whose messages are not sent to Meta all are taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Room {
    /// Of all lanes together, at once.
    pub messages_max: usize,
    others: usize,
    of: HashMap<NumberId, [usize; LaneKind::SENT]>,
}

impl Room {
    /// As many of any lane.
    pub fn of_any(messages_max: usize) -> Self {
        Self { messages_max, others: messages_max, of: HashMap::new() }
    }

    /// None, but for those that are given room; and so many at once.
    pub fn of_none(messages_max: usize) -> Self {
        Self { messages_max, others: 0, of: HashMap::new() }
    }

    /// A number's lanes have room for so many.
    pub fn give(&mut self, number: NumberId, room: [usize; LaneKind::SENT]) {
        self.of.insert(number, room);
    }

    /// How many of a lane.
    pub fn left(&self, lane: &Lane) -> usize {
        match self.of.get(&lane.number).map(|of| of.get(lane.kind as usize)) {
            Some(Some(left)) => *left,
            None if (lane.kind as usize) < LaneKind::SENT => self.others,
            // Whoever does them bounds them.
            _ => self.messages_max,
        }
    }
}

/// How long after its commit a message of each class may still be sent. What is later is dropped and counted, never sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeToLive {
    /// By class, milliseconds, the most urgent first.
    pub ms: [u64; 4],
}

impl Default for TimeToLive {
    /// An hour for what is critical, a day for what players wait for, three days for marketing.
    fn default() -> Self {
        Self { ms: [HOUR_MS, DAY_MS, DAY_MS, 3 * DAY_MS] }
    }
}

impl TimeToLive {
    /// Gives a message its end, if it has none that is earlier. What is not sent to Meta has its own.
    pub fn bound(&self, message: &mut NewMessage) {
        if LaneKind::of(message).class().is_none() {
            return;
        }
        let end = message.committed_at.plus_ms(self.ms.get(message.class as usize).copied().unwrap_or(DAY_MS));
        message.expires_at = Some(message.expires_at.map_or(end, |expires_at| expires_at.min(end)));
    }
}

/// Of so many sends in a row, one is each waiting lane's, whatever more urgent ones have.
pub const SHARE: u8 = 32;

/// Whose turn it is among a number's lanes.
///
/// The most urgent lane that has something is next, unless another one has been passed over [`SHARE`] - 1 times since it was
/// last served, or since it last had nothing: then it is that one's turn. So of any `SHARE + SENT` sends in a row each lane
/// that has something all the while gets at least one, and the most urgent gets all but the others' shares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turns {
    passed: [u8; LaneKind::SENT],
}

impl Turns {
    /// The lane that is next among those that have something: bit 0 stands for [`LaneKind::Critical`].
    pub fn next(&self, waiting: u8) -> Option<usize> {
        let has = |lane: &usize| waiting & (1 << lane) != 0;
        let first = (0..LaneKind::SENT).find(has)?;
        let owed = (first + 1..LaneKind::SENT).filter(has).filter(|lane| self.passed[*lane] >= SHARE - 1);
        // The one that waits longest; of two, the more urgent.
        Some(owed.rev().max_by_key(|lane| self.passed[*lane]).unwrap_or(first))
    }

    /// A lane's message is sent, while these had something.
    pub fn sent(&mut self, served: usize, waiting: u8) {
        for (lane, passed) in self.passed.iter_mut().enumerate() {
            *passed = if lane == served || waiting & (1 << lane) == 0 { 0 } else { passed.saturating_add(1) };
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_lane_is_found_by_its_name() {
        for kind in LaneKind::ALL {
            let lane = Lane { number: NumberId::parse("100").unwrap(), kind };
            assert_eq!(Lane::parse(&lane.to_string()), Some(lane));
        }
        assert_eq!(LaneKind::ALL.map(|kind| kind as usize), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert!(Lane::parse("100.slow").is_none() && Lane::parse("x.low").is_none() && Lane::parse("100").is_none());
        let classes = LaneKind::ALL.map(|kind| kind.class().map(|class| LaneKind::of_class(class, kind.is_bulk())));
        assert_eq!(classes[..LaneKind::SENT], LaneKind::ALL.map(Some)[..LaneKind::SENT], "a class and bulk say which");
        assert_eq!(classes[LaneKind::SENT..], [None, None]);
    }

    #[test]
    fn room_is_for_the_lanes_that_it_was_given_to() {
        let lane = |number: &str, kind| Lane { number: NumberId::parse(number).unwrap(), kind };
        let mut room = Room::of_none(9);
        room.give(NumberId::parse("1").unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!((room.left(&lane("1", LaneKind::Critical)), room.left(&lane("1", LaneKind::LowBulk))), (0, 7));
        assert_eq!((room.left(&lane("2", LaneKind::Critical)), Room::of_any(5).left(&lane("2", LaneKind::Critical))), (0, 5));
        assert_eq!((room.left(&lane("1", LaneKind::Backend)), room.left(&lane("2", LaneKind::News))), (9, 9));
    }

    #[test]
    fn every_message_to_meta_has_an_end() {
        use crate::contact::{Contact, PhoneNumber};
        use crate::message::Outbound;
        use crate::time::UnixMs;
        let mut message = NewMessage {
            game: crate::id::GameId::parse("g").unwrap(),
            number: NumberId::parse("1").unwrap(),
            contact: Contact::new(PhoneNumber::parse("15550100").ok(), None).unwrap(),
            class: MessageClass::Critical,
            content: Content::Reply { message: Outbound::Text { body: "x".into(), preview: false }, reply_to: None },
            committed_at: UnixMs(1_000),
            expires_at: None,
            campaign: None,
            known: None,
        };
        TimeToLive::default().bound(&mut message);
        assert_eq!(message.expires_at, Some(UnixMs(1_000).plus_ms(HOUR_MS)));
        message.expires_at = Some(UnixMs(2_000));
        TimeToLive::default().bound(&mut message);
        assert_eq!(message.expires_at, Some(UnixMs(2_000)), "an earlier end stays");
        message.expires_at = Some(UnixMs(u64::MAX));
        message.class = MessageClass::Low;
        TimeToLive::default().bound(&mut message);
        assert_eq!(message.expires_at, Some(UnixMs(1_000).plus_ms(3 * DAY_MS)));
    }

    proptest! {
        /// Whatever lanes have something when: the most urgent is next but for the shares, each share is kept, and nobody starves.
        #[test]
        fn strict_but_for_a_share(masks in prop::collection::vec((any::<u8>(), 1usize..80), 1..30)) {
            let mut turns = Turns::default();
            // Sends since each lane was served, while it had something.
            let mut since = [0usize; LaneKind::SENT];
            for (waiting, times) in masks {
                for _ in 0..times {
                    let Some(lane) = turns.next(waiting) else {
                        prop_assert_eq!(waiting, 0);
                        break;
                    };
                    prop_assert!(waiting & (1 << lane) != 0, "it has something");
                    let first = waiting.trailing_zeros() as usize;
                    prop_assert!(lane == first || since[lane] >= usize::from(SHARE) - 1, "{} before its share", lane);
                    turns.sent(lane, waiting);
                    for (other, since) in since.iter_mut().enumerate() {
                        *since = if other == lane || waiting & (1 << other) == 0 { 0 } else { *since + 1 };
                        prop_assert!(other == first || *since < usize::from(SHARE) + LaneKind::SENT, "{} starves", other);
                    }
                }
            }
        }

        /// Over a long time with the same lanes waiting: each lower one gets one of 32, within what the others' shares shift.
        #[test]
        fn the_share_is_one_of_thirty_two(waiting in 1u8..) {
            let mut turns = Turns::default();
            let mut sent = [0u32; LaneKind::SENT];
            for _ in 0..32_000 {
                let lane = turns.next(waiting).unwrap();
                turns.sent(lane, waiting);
                sent[lane] += 1;
            }
            let first = waiting.trailing_zeros() as usize;
            for lane in (0..LaneKind::SENT).filter(|lane| waiting & (1 << lane) != 0 && *lane != first) {
                prop_assert!((990..=1_010).contains(&sent[lane]), "{:?}", sent);
            }
        }
    }
}
