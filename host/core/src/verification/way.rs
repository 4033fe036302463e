//! How a code goes to the player: by which of the game's channels, and what is known of its arrival. It is part of the
//! verification, and changes with it in one go.

use serde::{Deserialize, Serialize};

use super::VerificationId;
use super::book::{PlayerMark, Status, Subject, Verification};
use crate::id::{OutboxRef, PlayerId};
use crate::time::UnixMs;

/// One channel that a code was given to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The channel's place in the game's list.
    pub place: u8,
    /// Its name: that of its template or operation.
    pub channel: Box<str>,
    /// The message that carries it.
    pub message: OutboxRef,
    /// When its sending was first begun.
    pub sent_at: UnixMs,
    /// When it came to the player, once that is known; of an operation when the studio's backend took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<UnixMs>,
}

/// Whether a code may go out by a channel now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It may, and that is noted.
    Go {
        /// Whose account it is for, if it was named.
        player: Option<PlayerId>,
    },
    /// It counts no more.
    Dead,
    /// It has gone on to a later channel.
    Passed,
}

/// How a code stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeStanding {
    /// How it ended; none while it counts.
    pub status: Option<Status>,
    /// How it went by the channel that was asked about, if it was given to it.
    pub way: Option<Way>,
}

impl Subject {
    /// Begins to send a code by a channel, unless it is dead or has gone on. To begin the same again changes nothing.
    pub fn begin_way(&mut self, id: &VerificationId, send: u32, way: Way, mark: Option<&PlayerMark>, now: UnixMs) -> Begun {
        let Some(known) = self.code_mut(id, send).filter(|known| known.status(mark, now).is_none()) else { return Begun::Dead };
        if known.ways.iter().any(|other| other.place > way.place) {
            return Begun::Passed;
        }
        if known.ways.iter().all(|other| other.place != way.place) {
            known.ways.push(way);
        }
        Begun::Go { player: known.player.clone() }
    }

    /// Whether a code was given to the channel of this place before.
    pub fn has_way(&self, id: &VerificationId, send: u32, place: u8) -> bool {
        self.channel_of(id, send, place).is_some()
    }

    /// The name of the channel of this place, if the code was given to it.
    pub fn channel_of(&self, id: &VerificationId, send: u32, place: u8) -> Option<Box<str>> {
        let known = self.verifications.iter().find(|known| known.id == *id && known.sends == send)?;
        known.ways.iter().find(|way| way.place == place).map(|way| way.channel.clone())
    }

    /// Notes that a code came to the player. False when that is known, or nothing was sent so.
    pub fn way_delivered(&mut self, id: &VerificationId, send: u32, place: u8, at: UnixMs) -> bool {
        let way = self.code_mut(id, send).and_then(|known| known.ways.iter_mut().find(|way| way.place == place));
        match way {
            Some(way) if way.delivered_at.is_none() => {
                way.delivered_at = Some(at);
                true
            }
            _ => false,
        }
    }

    /// How the `send`-th code of a verification stands, and how it went by a channel.
    pub fn standing(&self, id: &VerificationId, send: u32, place: u8, mark: Option<&PlayerMark>, now: UnixMs) -> Option<CodeStanding> {
        let known = self.verifications.iter().find(|known| known.id == *id)?;
        if known.sends != send {
            return Some(CodeStanding { status: Some(Status::Replaced), way: None });
        }
        let way = known.ways.iter().find(|way| way.place == place).cloned();
        Some(CodeStanding { status: known.status(mark, now), way })
    }

    fn code_mut(&mut self, id: &VerificationId, send: u32) -> Option<&mut Verification> {
        self.verifications.iter_mut().find(|known| known.id == *id && known.sends == send)
    }
}
