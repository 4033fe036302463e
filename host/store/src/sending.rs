//! What sending goes by, over an engine's documents.
//!
//! | document | holds |
//! | --- | --- |
//! | `sending/learned` | what Meta has taught of numbers and portfolios, JSON |
//! | `pauses/<game>` | what people have paused, JSON |

use questline_core::id::GameId;
use questline_core::permit::learned::Learned;
use questline_core::permit::pause::Pauses;
use questline_core::port::{PauseChange, PauseChanged, StoreError};
use questline_core::time::UnixMs;

use crate::codec::encode;
use crate::documents::{DocumentWrite, Documents, Expected, change, read};

const LEARNED: &str = "sending/learned";
const WHAT_LEARNED: &str = "what was learned of sending";
const WHAT_PAUSED: &str = "a game's pauses";

fn pauses_name(game: &GameId) -> String {
    format!("pauses/{game}")
}

pub(crate) async fn learned(store: &dyn Documents) -> Result<Learned, StoreError> {
    read(store, WHAT_LEARNED, LEARNED).await.map(|(learned, _)| learned)
}

pub(crate) async fn keep_learned(store: &dyn Documents, learned: &Learned) -> Result<(), StoreError> {
    let value = encode(WHAT_LEARNED, learned)?.into_bytes();
    // One process sends: nobody else writes it.
    let write = DocumentWrite { name: LEARNED.to_owned(), expected: Expected::Anything, value: Some(value) };
    store.write_document(write).await.map(drop)
}

pub(crate) async fn pauses(store: &dyn Documents, game: &GameId) -> Result<Pauses, StoreError> {
    read(store, WHAT_PAUSED, &pauses_name(game)).await.map(|(pauses, _)| pauses)
}

pub(crate) async fn change_pauses(
    store: &dyn Documents,
    game: &GameId,
    wanted: PauseChange,
    now: UnixMs,
) -> Result<(Pauses, PauseChanged), StoreError> {
    let apply = |pauses: &mut Pauses| {
        let before = pauses.clone();
        let changed = match &wanted {
            PauseChange::Add(pause) if pauses.add(pause.clone(), now) => PauseChanged::Done,
            PauseChange::Add(_) => PauseChanged::TooMany,
            PauseChange::Lift(id) if pauses.lift(id, now).is_some() => PauseChanged::Done,
            PauseChange::Lift(_) => PauseChanged::Unknown,
        };
        Ok((changed, *pauses != before))
    };
    change(store, WHAT_PAUSED, &pauses_name(game), apply).await
}

/// The port over an engine's documents.
macro_rules! sending_over_documents {
    ($store:ty) => {
        #[async_trait::async_trait]
        impl questline_core::port::SendingState for $store {
            async fn learned(&self) -> Result<questline_core::permit::learned::Learned, questline_core::port::StoreError> {
                $crate::sending::learned(self).await
            }

            async fn keep_learned(
                &self,
                learned: &questline_core::permit::learned::Learned,
            ) -> Result<(), questline_core::port::StoreError> {
                $crate::sending::keep_learned(self, learned).await
            }

            async fn pauses(
                &self,
                game: &questline_core::id::GameId,
            ) -> Result<questline_core::permit::pause::Pauses, questline_core::port::StoreError> {
                $crate::sending::pauses(self, game).await
            }

            async fn change_pauses(
                &self,
                game: &questline_core::id::GameId,
                change: questline_core::port::PauseChange,
                now: questline_core::time::UnixMs,
            ) -> Result<(questline_core::permit::pause::Pauses, questline_core::port::PauseChanged), questline_core::port::StoreError> {
                $crate::sending::change_pauses(self, game, change, now).await
            }
        }
    };
}

pub(crate) use sending_over_documents;
