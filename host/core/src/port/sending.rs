//! The store's side of what sending goes by: what Meta has taught, and what people have paused.

use async_trait::async_trait;

use super::StoreError;
use crate::id::GameId;
use crate::permit::learned::Learned;
use crate::permit::pause::{Pause, Pauses};
use crate::time::UnixMs;

/// A change of a game's pauses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PauseChange {
    /// This holds from now on.
    Add(Pause),
    /// The one of this name ends.
    Lift(String),
}

/// What came of a change of pauses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PauseChanged {
    /// It was made.
    Done,
    /// There are as many as there can be.
    TooMany,
    /// None of that name holds.
    Unknown,
}

/// What sending goes by, kept.
#[async_trait]
pub trait SendingState: Send + Sync {
    /// What Meta has taught.
    async fn learned(&self) -> Result<Learned, StoreError>;

    /// Keeps what Meta has taught, durably.
    async fn keep_learned(&self, learned: &Learned) -> Result<(), StoreError>;

    /// The pauses of a game.
    async fn pauses(&self, game: &GameId) -> Result<Pauses, StoreError>;

    /// Changes them in one atomic write; gives them as they are then.
    async fn change_pauses(&self, game: &GameId, change: PauseChange, now: UnixMs) -> Result<(Pauses, PauseChanged), StoreError>;
}
