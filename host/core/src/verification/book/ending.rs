//! How a verification stands, and what a check of it is told.

use super::{Checked, PlayerMark, State, Status, Verification};
use crate::time::UnixMs;

impl Verification {
    /// How it ended; none while its code counts.
    pub fn status(&self, mark: Option<&PlayerMark>, now: UnixMs) -> Option<Status> {
        match &self.state {
            State::Approved { .. } => Some(Status::AlreadyUsed),
            State::Replaced | State::Superseded => Some(Status::Replaced),
            _ if mark.is_some_and(|mark| mark.ends(self)) => Some(Status::Replaced),
            State::UsedUp => Some(Status::AttemptsUsedUp),
            State::Open if now >= self.expires_at => Some(Status::Expired),
            State::Open => None,
        }
    }

    pub(super) fn wrong(&self) -> Checked {
        self.checked(if self.attempts_left == 0 { Status::AttemptsUsedUp } else { Status::Rejected })
    }

    pub(super) fn checked(&self, status: Status) -> Checked {
        Checked {
            id: self.id,
            purpose: self.purpose,
            player: self.player.clone(),
            to: self.to.clone(),
            device: self.device.clone(),
            status,
            attempts_left: self.attempts_left,
            asked_at: self.created_at,
            channel: self.ways.last().map(|way| way.channel.clone()),
        }
    }
}
