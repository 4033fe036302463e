//! Broadcasts over an engine's documents. A list's pieces are documents of their own, so that no write is long, and none of them
//! outlives its broadcast.
//!
//! | document | holds |
//! | --- | --- |
//! | `broadcast/<game>/<id>` | a broadcast, JSON: changed by compare-and-swap |
//! | `broadcast/<game>/<id>/<upload>/<n>` | a piece of its list, JSON |
//! | `broadcasts/<game>` | the names of a game's broadcasts, JSON |
//! | `broadcasts` | those that somebody has to see to, JSON: never too few, perhaps too many |
//! | `unknown/<game>/<campaign>` | messages that may have been sent twice, JSON |

use futures_util::stream::{self, TryStreamExt};
use questline_core::broadcast::{Broadcast, BroadcastId, OPEN_MAX, Piece, REMEMBERED_MAX, State, UNKNOWN_LISTED_MAX, UnknownOutcome};
use questline_core::id::{CampaignId, GameId};
use questline_core::port::{AddedBroadcast, BroadcastChange, StoreError};
use questline_core::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::codec::{decode, encode};
use crate::documents::{DocumentWrite, Documents, Expected, change, read};

const BROADCAST: &str = "a broadcast";
const NAMES: &str = "a game's broadcasts";
const OPEN: &str = "open broadcasts";
const PIECE: &str = "a piece of a list";
const UNKNOWN: &str = "messages of unknown outcome";

/// Broadcasts of all games that are seen to at the same time.
const OPEN_OF_ALL_MAX: usize = 1_000;
/// Pieces that are removed at the same time.
const REMOVALS_MAX: usize = 64;

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Name {
    id: BroadcastId,
    at: UnixMs,
    #[serde(default)]
    over: bool,
}

#[derive(Default, Serialize, Deserialize)]
struct Unknown {
    count: u64,
    listed: Vec<UnknownOutcome>,
}

fn name_of(game: &GameId, id: &BroadcastId) -> String {
    format!("broadcast/{game}/{id}")
}

fn names_of(game: &GameId) -> String {
    format!("broadcasts/{game}")
}

const OPEN_NAME: &str = "broadcasts";

fn piece_name(game: &GameId, id: &BroadcastId, upload: &str, number: u64) -> String {
    format!("broadcast/{game}/{id}/{upload}/{number}")
}

fn unknown_name(game: &GameId, campaign: &CampaignId) -> String {
    format!("unknown/{game}/{campaign}")
}

async fn remove(store: &dyn Documents, name: String) -> Result<(), StoreError> {
    store.write_document(DocumentWrite { name, expected: Expected::Anything, value: None }).await.map(drop)
}

pub(crate) async fn add(store: &dyn Documents, broadcast: Broadcast) -> Result<AddedBroadcast, StoreError> {
    let (game, id) = (&broadcast.game, &broadcast.id);
    let (names, _) = read::<Vec<Name>>(store, NAMES, &names_of(game)).await?;
    let is_known = names.iter().any(|name| name.id == *id);
    if !is_known && names.iter().filter(|name| !name.over).count() >= OPEN_MAX {
        return Ok(AddedBroadcast::Full);
    }
    let value = Some(encode(BROADCAST, &broadcast)?.into_bytes());
    let is_new = store.write_document(DocumentWrite { name: name_of(game, id), expected: Expected::Nothing, value }).await?;
    let add = |names: &mut Vec<Name>| {
        if names.iter().any(|name| name.id == *id) {
            return Ok((Vec::new(), false));
        }
        names.push(Name { id: id.clone(), at: broadcast.created_at, over: false });
        let mut gone = Vec::new();
        while names.len() > REMEMBERED_MAX
            && let Some(place) = names.iter().position(|name| name.over)
        {
            gone.push(names.remove(place).id);
        }
        Ok((gone, true))
    };
    let (_, gone) = change(store, NAMES, &names_of(game), add).await?;
    for id in gone {
        remove(store, name_of(game, &id)).await?;
        if let Ok(campaign) = CampaignId::parse(id.as_str()) {
            remove(store, unknown_name(game, &campaign)).await?;
        }
    }
    match is_new {
        true => Ok(AddedBroadcast::New),
        false => Ok(broadcast_of(store, game, id).await?.map_or(AddedBroadcast::New, |known| AddedBroadcast::Known(Box::new(known)))),
    }
}

pub(crate) async fn broadcast_of(store: &dyn Documents, game: &GameId, id: &BroadcastId) -> Result<Option<Broadcast>, StoreError> {
    read::<Option<Broadcast>>(store, BROADCAST, &name_of(game, id)).await.map(|(found, _)| found)
}

pub(crate) async fn list(store: &dyn Documents, game: &GameId, limit: usize) -> Result<Vec<Broadcast>, StoreError> {
    let (names, _) = read::<Vec<Name>>(store, NAMES, &names_of(game)).await?;
    let mut found = Vec::new();
    for name in names.iter().rev().take(limit) {
        found.extend(broadcast_of(store, game, &name.id).await?);
    }
    Ok(found)
}

/// Whether somebody has to see to it.
fn is_open(broadcast: &Broadcast) -> bool {
    matches!(broadcast.state, State::Scheduled | State::Running | State::Paused)
}

pub(crate) async fn change_one(
    store: &dyn Documents,
    game: &GameId,
    id: &BroadcastId,
    mut wanted: BroadcastChange,
) -> Result<Option<Broadcast>, StoreError> {
    // Told first: what is to be seen to is in the list before it is so.
    let Some(mut trial) = broadcast_of(store, game, id).await? else { return Ok(None) };
    let was_open = is_open(&trial);
    wanted(&mut trial);
    if !was_open && is_open(&trial) {
        open(store, game, id).await?;
    }
    let apply = |broadcast: &mut Option<Broadcast>| {
        let before = broadcast.clone();
        if let Some(broadcast) = broadcast {
            wanted(broadcast);
        }
        Ok(((), *broadcast != before))
    };
    let (after, ()) = change(store, BROADCAST, &name_of(game, id), apply).await?;
    Ok(after)
}

async fn open(store: &dyn Documents, game: &GameId, id: &BroadcastId) -> Result<(), StoreError> {
    let add = |open: &mut Vec<(GameId, BroadcastId)>| {
        let place = (game.clone(), id.clone());
        if open.contains(&place) {
            return Ok(((), false));
        }
        if open.len() >= OPEN_OF_ALL_MAX {
            return Err(StoreError::Unavailable(format!("{OPEN_OF_ALL_MAX} broadcasts are under way: start it when some are done")));
        }
        open.push(place);
        Ok(((), true))
    };
    change(store, OPEN, OPEN_NAME, add).await.map(drop)
}

pub(crate) async fn all_open(store: &dyn Documents) -> Result<Vec<(GameId, BroadcastId)>, StoreError> {
    read(store, OPEN, OPEN_NAME).await.map(|(open, _)| open)
}

pub(crate) async fn close(store: &dyn Documents, game: &GameId, id: &BroadcastId) -> Result<(), StoreError> {
    let over = |names: &mut Vec<Name>| {
        let found = names.iter_mut().find(|name| name.id == *id && !name.over);
        let is_changed = found.is_some();
        found.into_iter().for_each(|name| name.over = true);
        Ok(((), is_changed))
    };
    change(store, NAMES, &names_of(game), over).await?;
    let strike = |open: &mut Vec<(GameId, BroadcastId)>| {
        let before = open.len();
        open.retain(|(of, known)| !(of == game && known == id));
        Ok(((), open.len() != before))
    };
    change(store, OPEN, OPEN_NAME, strike).await.map(drop)
}

pub(crate) async fn forget(store: &dyn Documents, game: &GameId, id: &BroadcastId) -> Result<(), StoreError> {
    close(store, game, id).await?;
    remove(store, name_of(game, id)).await?;
    if let Ok(campaign) = CampaignId::parse(id.as_str()) {
        remove(store, unknown_name(game, &campaign)).await?;
    }
    // The name goes last: as long as it is there, whatever breaks off before is done again.
    let strike = |names: &mut Vec<Name>| {
        let before = names.len();
        names.retain(|name| name.id != *id);
        Ok(((), names.len() != before))
    };
    change(store, NAMES, &names_of(game), strike).await.map(drop)
}

pub(crate) async fn put_piece(
    store: &dyn Documents,
    game: &GameId,
    id: &BroadcastId,
    upload: &str,
    number: u64,
    piece: &Piece,
) -> Result<(), StoreError> {
    let value = Some(encode(PIECE, piece)?.into_bytes());
    let name = piece_name(game, id, upload, number);
    store.write_document(DocumentWrite { name, expected: Expected::Anything, value }).await.map(drop)
}

pub(crate) async fn piece(
    store: &dyn Documents,
    game: &GameId,
    id: &BroadcastId,
    upload: &str,
    number: u64,
) -> Result<Option<Piece>, StoreError> {
    let found = store.read_document(piece_name(game, id, upload, number)).await?;
    found.map(|json| decode(PIECE, &json)).transpose()
}

pub(crate) async fn forget_list(
    store: &dyn Documents,
    game: &GameId,
    id: &BroadcastId,
    upload: &str,
    pieces: u64,
) -> Result<(), StoreError> {
    // Many at once share a write of the disk.
    let removals = (0..pieces).map(|number| Ok(remove(store, piece_name(game, id, upload, number))));
    stream::iter(removals).try_buffer_unordered(REMOVALS_MAX).try_collect().await
}

pub(crate) async fn note_unknown(
    store: &dyn Documents,
    game: &GameId,
    campaign: &CampaignId,
    outcomes: Vec<UnknownOutcome>,
) -> Result<(), StoreError> {
    let add = |unknown: &mut Unknown| {
        let before = unknown.count;
        for outcome in &outcomes {
            if unknown.listed.iter().any(|known| known.message == outcome.message) {
                continue;
            }
            unknown.count += 1;
            if unknown.listed.len() < UNKNOWN_LISTED_MAX {
                unknown.listed.push(*outcome);
            }
        }
        Ok(((), unknown.count != before))
    };
    change(store, UNKNOWN, &unknown_name(game, campaign), add).await.map(drop)
}

pub(crate) async fn unknown(store: &dyn Documents, game: &GameId, campaign: &CampaignId) -> Result<(Vec<UnknownOutcome>, u64), StoreError> {
    let (Unknown { count, listed }, _) = read(store, UNKNOWN, &unknown_name(game, campaign)).await?;
    Ok((listed, count))
}

/// The port over an engine's documents.
macro_rules! broadcasts_over_documents {
    ($store:ty) => {
        #[async_trait::async_trait]
        impl questline_core::port::Broadcasts for $store {
            async fn add_broadcast(
                &self,
                broadcast: questline_core::broadcast::Broadcast,
            ) -> Result<questline_core::port::AddedBroadcast, questline_core::port::StoreError> {
                $crate::broadcasts::add(self, broadcast).await
            }

            async fn broadcast(
                &self,
                game: &questline_core::id::GameId,
                id: &questline_core::broadcast::BroadcastId,
            ) -> Result<Option<questline_core::broadcast::Broadcast>, questline_core::port::StoreError> {
                $crate::broadcasts::broadcast_of(self, game, id).await
            }

            async fn broadcasts(
                &self,
                game: &questline_core::id::GameId,
                limit: usize,
            ) -> Result<Vec<questline_core::broadcast::Broadcast>, questline_core::port::StoreError> {
                $crate::broadcasts::list(self, game, limit).await
            }

            async fn change_broadcast(
                &self,
                game: &questline_core::id::GameId,
                id: &questline_core::broadcast::BroadcastId,
                change: questline_core::port::BroadcastChange,
            ) -> Result<Option<questline_core::broadcast::Broadcast>, questline_core::port::StoreError> {
                $crate::broadcasts::change_one(self, game, id, change).await
            }

            async fn open_broadcasts(
                &self,
            ) -> Result<Vec<(questline_core::id::GameId, questline_core::broadcast::BroadcastId)>, questline_core::port::StoreError> {
                $crate::broadcasts::all_open(self).await
            }

            async fn close_broadcast(
                &self,
                game: &questline_core::id::GameId,
                id: &questline_core::broadcast::BroadcastId,
            ) -> Result<(), questline_core::port::StoreError> {
                $crate::broadcasts::close(self, game, id).await
            }

            async fn forget_broadcast(
                &self,
                game: &questline_core::id::GameId,
                id: &questline_core::broadcast::BroadcastId,
            ) -> Result<(), questline_core::port::StoreError> {
                $crate::broadcasts::forget(self, game, id).await
            }

            async fn put_piece(
                &self,
                game: &questline_core::id::GameId,
                id: &questline_core::broadcast::BroadcastId,
                upload: &str,
                number: u64,
                piece: &questline_core::broadcast::Piece,
            ) -> Result<(), questline_core::port::StoreError> {
                $crate::broadcasts::put_piece(self, game, id, upload, number, piece).await
            }

            async fn piece(
                &self,
                game: &questline_core::id::GameId,
                id: &questline_core::broadcast::BroadcastId,
                upload: &str,
                number: u64,
            ) -> Result<Option<questline_core::broadcast::Piece>, questline_core::port::StoreError> {
                $crate::broadcasts::piece(self, game, id, upload, number).await
            }

            async fn forget_list(
                &self,
                game: &questline_core::id::GameId,
                id: &questline_core::broadcast::BroadcastId,
                upload: &str,
                pieces: u64,
            ) -> Result<(), questline_core::port::StoreError> {
                $crate::broadcasts::forget_list(self, game, id, upload, pieces).await
            }

            async fn note_unknown(
                &self,
                game: &questline_core::id::GameId,
                campaign: &questline_core::id::CampaignId,
                outcomes: Vec<questline_core::broadcast::UnknownOutcome>,
            ) -> Result<(), questline_core::port::StoreError> {
                $crate::broadcasts::note_unknown(self, game, campaign, outcomes).await
            }

            async fn unknown(
                &self,
                game: &questline_core::id::GameId,
                campaign: &questline_core::id::CampaignId,
            ) -> Result<(Vec<questline_core::broadcast::UnknownOutcome>, u64), questline_core::port::StoreError> {
                $crate::broadcasts::unknown(self, game, campaign).await
            }
        }
    };
}

pub(crate) use broadcasts_over_documents;
