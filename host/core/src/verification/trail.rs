//! A code on its way through the game's channels, as its conversation remembers it. The conversation is changed by one step
//! at a time: so a code goes on from each channel once, however often it is told that it did not arrive.

use serde::{Deserialize, Serialize};

use super::{CodePromise, VerificationId};
use crate::commit::TimerChange;
use crate::event::{CodeIssued, TimerEvent};
use crate::id::FlowName;

/// Codes of one conversation that are followed at the same time; the oldest are forgotten first.
pub const TRAILS_MAX: usize = 8;

/// A code that is followed until it has arrived, is dead, or has no channel left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CodeTrail {
    /// The code, sealed.
    pub issued: CodeIssued,
    /// Where it is.
    pub at: Whereabouts,
}

/// Where a code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whereabouts {
    /// Given to the channel of this place.
    Channel(u8),
    /// It waits: the player was asked for their number.
    AwaitsNumber,
}

/// Names a code at a channel: what a timer of the host carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeWatch {
    /// Of which verification.
    pub id: VerificationId,
    /// The how manieth code of it.
    pub send: u32,
    /// The channel's place in the game's list.
    pub place: u8,
}

impl CodeWatch {
    /// Of a promise.
    pub fn of(promise: &CodePromise) -> Self {
        Self { id: promise.id, send: promise.send, place: promise.place }
    }

    /// Whether this is where the code is.
    pub fn is_of(&self, trail: &CodeTrail) -> bool {
        trail.issued.id == self.id && trail.issued.send == self.send && trail.at == Whereabouts::Channel(self.place)
    }

    fn timer_id(&self) -> String {
        format!("code.{}.{}.{}", self.id, self.send, self.place)
    }

    /// The timer of the host that asks whether the code has arrived.
    pub fn timer(&self) -> Option<TimerEvent> {
        let payload = serde_json::to_string(self).ok()?;
        Some(TimerEvent { flow: FlowName::host(), id: self.timer_id(), payload })
    }

    /// Ends that timer.
    pub fn cancel(&self) -> TimerChange {
        TimerChange::Cancel { flow: FlowName::host(), id: self.timer_id() }
    }

    /// Out of a timer of the host.
    pub fn read(timer: &TimerEvent) -> Option<Self> {
        serde_json::from_str(&timer.payload).ok().filter(|_| timer.flow.is_host())
    }
}
