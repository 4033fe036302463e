//! Consent over the API: `POST /v1/games/{game}/consents` records what a player agreed to elsewhere, `.../consents/batch` many
//! of them; `GET /v1/games/{game}/players/{player}/consents` and `.../consents/export` are the evidence, contacts in full.
//! What is told is stored before it is answered, once for each key, and takes effect in its conversation's order.

mod evidence;
mod parse;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, response::Response};
use questline_core::audit::{Action, Actor};
use questline_core::contact::Address;
use questline_core::event::Event;
use questline_core::game::Game;
use questline_core::id::{GameId, PlayerId};
use questline_core::port::{Accounts, Batch, Consents, DedupKey, Incoming};
use questline_core::time::UnixMs;
use serde::Serialize;

use super::events::parse::{Target, object};
use super::events::{Accepted, Item, address, addresses, known_game, read};
use super::token::{Bearer, no_game};
use super::{Admin, Problem, audit};
use crate::game::LoadedGame;
use crate::verification::dedup_key;
use evidence::Evidence;
use parse::NewConsent;

/// Records of one batch.
const CONSENTS_MAX: usize = 500;
/// Bytes of one record's body: its wording may have 4 KiB, and each of them may be written as six.
const BODY_BYTES_MAX: usize = 32 * 1024;
/// Bytes of a batch's body.
const BATCH_BODY_BYTES_MAX: usize = 4 << 20;

/// What the evidence is read from.
pub struct ConsentDesk {
    /// Records.
    pub store: Arc<dyn Consents>,
    /// Contacts that are linked to accounts.
    pub accounts: Arc<dyn Accounts>,
}

/// What became of a batch.
#[derive(Serialize)]
pub(super) struct Answers {
    accepted: u32,
    duplicates: u32,
    refused: u32,
    consents: Vec<Item>,
}

/// One record; `Idempotency-Key` names it.
pub(super) async fn one(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path(game): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let game = known_game(&admin, &game)?;
    let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap_or_default());
    let id = super::events::parse::id("Idempotency-Key", key)?;
    let (body, _room) = read(&admin.events, &headers, body, BODY_BYTES_MAX).await?;
    let now = admin.clock.now();
    let wish = parse::consent(object(&body, "")?, Some(id), &game.rules, now)
        .inspect_err(|_| admin.metrics.consents(&game.rules.id, "refused", 1))?;
    let id = wish.id.clone();
    let address = match address(&admin, &game, &wish.target, None).await {
        Ok(address) => address,
        // What was stored stays so, wherever the player is now.
        Err(problem) => {
            let known = admin.events.inbox().known(vec![key_of(&game.rules.id, &id)]).await?.contains(&true);
            admin.metrics.consents(&game.rules.id, if known { "duplicate" } else { "refused" }, 1);
            return if known { Ok(accepted(id, true)) } else { Err(problem) };
        }
    };
    let events = vec![incoming(&game.rules, address, wish, &bearer.actor(), now)];
    let appended = admin.events.inbox().append(Batch { events, received_at: now, ..Batch::default() }).await?;
    let duplicate = appended.duplicates > 0;
    admin.metrics.consents(&game.rules.id, if duplicate { "duplicate" } else { "accepted" }, 1);
    Ok(accepted(id, duplicate))
}

fn accepted(id: String, duplicate: bool) -> (StatusCode, Json<Accepted>) {
    (StatusCode::ACCEPTED, Json(Accepted { accepted: true, duplicate, id }))
}

/// Up to 500 records, each with its `id`. What is wrong with one keeps no other back.
pub(super) async fn many(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path(game): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Answers>), Problem> {
    let game = known_game(&admin, &game)?;
    let (body, _room) = read(&admin.events, &headers, body, BATCH_BODY_BYTES_MAX).await?;
    let now = admin.clock.now();
    let parsed = parse::batch(&body, CONSENTS_MAX, &game.rules, now)?;
    let targets = parsed.iter().flatten().map(|wish| (wish.target.clone(), None));
    let addresses = addresses(&admin, &game, targets).await;
    let (mut places, mut events, mut items) = (Vec::new(), Vec::new(), Vec::with_capacity(parsed.len()));
    for (place, parsed) in parsed.into_iter().enumerate() {
        let found = parsed.and_then(|wish| match addresses.get(&(wish.target.clone(), None)) {
            Some(Ok(address)) => Ok((wish, address.clone())),
            Some(Err(problem)) => Err((Some(wish.id), problem.clone())),
            None => Err((Some(wish.id), Problem::conflict("the player was not looked up: send the record again"))),
        });
        match found {
            Ok((wish, address)) => {
                places.push(place);
                items.push(Item::Accepted(Accepted { accepted: true, duplicate: false, id: wish.id.clone() }));
                events.push(incoming(&game.rules, address, wish, &bearer.actor(), now));
            }
            Err((id, problem)) => items.push(Item::Refused { accepted: false, id, problem }),
        }
    }
    let again = recognise(&admin, &game, &mut items).await?;
    let refused = (items.len() - events.len()) as u32 - again;
    let appended = match events.is_empty() {
        true => Default::default(),
        false => admin.events.inbox().append(Batch { events, received_at: now, ..Batch::default() }).await?,
    };
    for known in &appended.known {
        let item = places.get(*known as usize).and_then(|place| items.get_mut(*place));
        if let Some(Item::Accepted(accepted)) = item {
            accepted.duplicate = true;
        }
    }
    let duplicates = appended.duplicates + again;
    for (outcome, number) in [("accepted", appended.events), ("duplicate", duplicates), ("refused", refused)] {
        admin.metrics.consents(&game.rules.id, outcome, number);
    }
    Ok((StatusCode::ACCEPTED, Json(Answers { accepted: appended.events, duplicates, refused, consents: items })))
}

/// Turns refusals of records that were stored before into what they were answered then; says how many.
async fn recognise(admin: &Admin, game: &LoadedGame, items: &mut [Item]) -> Result<u32, Problem> {
    let named = |item: &Item| match item {
        Item::Refused { id: Some(id), .. } => Some(id.clone()),
        _ => None,
    };
    let refused: Vec<String> = items.iter().filter_map(named).collect();
    if refused.is_empty() {
        return Ok(0);
    }
    let known = admin.events.inbox().known(refused.iter().map(|id| key_of(&game.rules.id, id)).collect()).await?;
    let known: HashMap<String, bool> = refused.into_iter().zip(known).collect();
    let mut again = 0;
    for item in items {
        if let Some(id) = named(item).filter(|id| known.get(id) == Some(&true)) {
            *item = Item::Accepted(Accepted { accepted: true, duplicate: true, id });
            again += 1;
        }
    }
    Ok(again)
}

fn incoming(game: &Game, address: Address, wish: NewConsent, by: &Actor, now: UnixMs) -> Incoming {
    let dedup = Some(key_of(&game.id, &wish.id));
    let player = match &wish.target {
        Target::Player(player) => Some(player.clone()),
        Target::Contact(_) => None,
    };
    let record = wish.into_record(by.clone(), player, address.contact.clone(), now);
    Incoming { address, dedup, event: Event::Consent(Box::new(record)) }
}

/// What tells a repetition: the game and the key, whatever else differs.
fn key_of(game: &GameId, id: &str) -> DedupKey {
    dedup_key("consent", game, &[id])
}

/// The evidence of one player's contacts.
pub(super) async fn of_player(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path((game, player)): Path<(String, String)>,
) -> Result<Json<Evidence>, Problem> {
    let game = known_game(&admin, &game)?;
    let player = PlayerId::parse(&player).map_err(|problem| Problem::invalid(problem.to_string()))?;
    let evidence = evidence::of_player(&admin, &game, player).await?;
    audit::note(&admin, &bearer, std::slice::from_ref(&game.rules.id), Action::ConsentsExported, "the evidence of one player").await?;
    Ok(Json(evidence))
}

/// The evidence of all of a game, as lines of JSON.
pub(super) async fn export(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path(game): Path<String>,
) -> Result<Response, Problem> {
    // A game that is gone may have left its evidence.
    let id = GameId::parse(&game).map_err(|_| no_game(&game))?;
    audit::note(&admin, &bearer, std::slice::from_ref(&id), Action::ConsentsExported, "the evidence of all players").await?;
    evidence::stream(admin, id).await
}
