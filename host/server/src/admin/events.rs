//! What a game's backend tells: `POST /v1/games/{game}/events`, and many at once under `events/batch`. An event is stored
//! before it is answered, once for each idempotency key, and then handled in its conversation's order like anything that
//! the player wrote; but it is no message: it neither opens the service window nor counts as one.

pub(super) mod parse;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use questline_core::account::LinkedContact;
use questline_core::contact::{Address, Contact};
use questline_core::event::{Event, GameEvent};
use questline_core::id::{GameId, NumberId, PlayerId};
use questline_core::port::{Batch, DedupKey, Inbox, Incoming, ServiceError};
use questline_core::time::UnixMs;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use super::{Admin, Problem};
use crate::game::LoadedGame;
use crate::ingress::Room;
use parse::{NewEvent, Target};

/// Events of one batch.
const EVENTS_MAX: usize = 500;
/// Bytes of one event's body: twice what its payload may have.
const EVENT_BODY_BYTES_MAX: usize = 32 * 1024;
/// Bytes of a batch's body.
const BATCH_BODY_BYTES_MAX: usize = 4 << 20;
/// Bytes of all bodies being read or handled; over it: 503.
const BODIES_BYTES_MAX: usize = 16 << 20;
/// Players of one batch that are looked up at the same time.
const LOOKUPS_MAX: usize = 16;

/// Where game events go.
pub struct GameEvents {
    inbox: Arc<dyn Inbox>,
    room: Room,
}

impl GameEvents {
    /// Into this inbox.
    pub fn new(inbox: Arc<dyn Inbox>) -> Self {
        Self { inbox, room: Room::new(BODIES_BYTES_MAX) }
    }

    /// Where they go.
    pub(super) fn inbox(&self) -> &dyn Inbox {
        &*self.inbox
    }
}

/// An event was stored, now or before.
#[derive(Serialize)]
pub(super) struct Accepted {
    pub(super) accepted: bool,
    pub(super) duplicate: bool,
    pub(super) id: String,
}

/// What became of one event of a batch.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Item {
    Accepted(Accepted),
    Refused { accepted: bool, id: Option<String>, problem: Problem },
}

/// What became of a batch.
#[derive(Serialize)]
pub(super) struct Answers {
    accepted: u32,
    duplicates: u32,
    refused: u32,
    events: Vec<Item>,
}

/// One event; `Idempotency-Key` names it.
pub(super) async fn one(
    State(admin): State<Arc<Admin>>,
    Path(game): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    let game = known_game(&admin, &game)?;
    let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap_or_default());
    let id = parse::id("Idempotency-Key", key)?;
    let (body, _room) = read(&admin.events, &headers, body, EVENT_BODY_BYTES_MAX).await?;
    let event = parse::event(parse::object(&body, "")?, Some(id), &game.rules).inspect_err(|_| count(&admin, &game, "refused", 1))?;
    let address = match address(&admin, &game, &event.target, event.number.as_ref()).await {
        Ok(address) => address,
        // What was stored stays so, wherever the player is now.
        Err(_) if is_known(&admin, &game, &event.id).await? => {
            count(&admin, &game, "duplicate", 1);
            return Ok((StatusCode::ACCEPTED, Json(Accepted { accepted: true, duplicate: true, id: event.id })));
        }
        Err(problem) => {
            count(&admin, &game, "refused", 1);
            return Err(problem);
        }
    };
    let now = admin.clock.now();
    let id = event.id.clone();
    let batch = Batch { events: vec![incoming(&game.rules.id, address, event, now)], received_at: now, ..Batch::default() };
    let appended = admin.events.inbox.append(batch).await?;
    let duplicate = appended.duplicates > 0;
    count(&admin, &game, if duplicate { "duplicate" } else { "accepted" }, 1);
    Ok((StatusCode::ACCEPTED, Json(Accepted { accepted: true, duplicate, id })))
}

/// Up to 500 events, each with its `id`. What is wrong with one keeps no other back.
pub(super) async fn many(
    State(admin): State<Arc<Admin>>,
    Path(game): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Answers>), Problem> {
    let game = known_game(&admin, &game)?;
    let (body, _room) = read(&admin.events, &headers, body, BATCH_BODY_BYTES_MAX).await?;
    let parsed = parse::batch(&body, EVENTS_MAX, &game.rules)?;
    let targets = parsed.iter().flatten().map(|event| (event.target.clone(), event.number.clone()));
    let addresses = addresses(&admin, &game, targets).await;
    let now = admin.clock.now();
    // Places of the events that are stored, among all.
    let (mut places, mut events, mut items) = (Vec::new(), Vec::new(), Vec::with_capacity(parsed.len()));
    for (place, parsed) in parsed.into_iter().enumerate() {
        let found = parsed.and_then(|event| match addresses.get(&(event.target.clone(), event.number.clone())) {
            Some(Ok(address)) => Ok((event, address.clone())),
            Some(Err(problem)) => Err((Some(event.id), problem.clone())),
            None => Err((Some(event.id), Problem::conflict("the player was not looked up: send the event again"))),
        });
        match found {
            Ok((event, address)) => {
                places.push(place);
                items.push(Item::Accepted(Accepted { accepted: true, duplicate: false, id: event.id.clone() }));
                events.push(incoming(&game.rules.id, address, event, now));
            }
            Err((id, problem)) => items.push(Item::Refused { accepted: false, id, problem }),
        }
    }
    let again = recognise(&admin, &game, &mut items).await?;
    let refused = (items.len() - events.len()) as u32 - again;
    let appended = match events.is_empty() {
        true => Default::default(),
        false => admin.events.inbox.append(Batch { events, received_at: now, ..Batch::default() }).await?,
    };
    for known in &appended.known {
        let item = places.get(*known as usize).and_then(|place| items.get_mut(*place));
        if let Some(Item::Accepted(accepted)) = item {
            accepted.duplicate = true;
        }
    }
    for (outcome, number) in [("accepted", appended.events), ("duplicate", appended.duplicates + again), ("refused", refused)] {
        count(&admin, &game, outcome, number);
    }
    Ok((StatusCode::ACCEPTED, Json(Answers { accepted: appended.events, duplicates: appended.duplicates + again, refused, events: items })))
}

async fn is_known(admin: &Admin, game: &LoadedGame, id: &str) -> Result<bool, Problem> {
    let known = admin.events.inbox.known(vec![key_of(&game.rules.id, id)]).await?;
    Ok(known.contains(&true))
}

/// Turns refusals of events that were stored before into what they were answered then; says how many.
async fn recognise(admin: &Admin, game: &LoadedGame, items: &mut [Item]) -> Result<u32, Problem> {
    let mut refused: Vec<(&mut Item, DedupKey)> = Vec::new();
    for item in items {
        if let Item::Refused { id: Some(id), .. } = &*item {
            let key = key_of(&game.rules.id, id);
            refused.push((item, key));
        }
    }
    if refused.is_empty() {
        return Ok(0);
    }
    let known = admin.events.inbox.known(refused.iter().map(|(_, key)| *key).collect()).await?;
    let mut again = 0;
    for ((item, _), _) in refused.into_iter().zip(known).filter(|(_, known)| *known) {
        if let Item::Refused { id: Some(id), .. } = &mut *item {
            let id = std::mem::take(id);
            *item = Item::Accepted(Accepted { accepted: true, duplicate: true, id });
            again += 1;
        }
    }
    Ok(again)
}

pub(super) fn known_game(admin: &Admin, text: &str) -> Result<Arc<LoadedGame>, Problem> {
    let found = GameId::parse(text).ok().and_then(|id| admin.games.get(&id));
    found.ok_or_else(|| super::token::no_game(text))
}

fn count(admin: &Admin, game: &LoadedGame, outcome: &'static str, number: u32) {
    admin.metrics.game_events(&game.rules.id, outcome, number);
}

/// Reads a body, as far as there is room.
pub(super) async fn read(
    events: &GameEvents,
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<(Bytes, OwnedSemaphorePermit), Problem> {
    let too_large = || Problem {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        title: "too large",
        detail: format!("the body may have {bytes_max} bytes: send less at once"),
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > bytes_max) {
        return Err(too_large());
    }
    let room = events.room.take(announced.unwrap_or(bytes_max)).ok_or_else(|| Problem {
        status: StatusCode::SERVICE_UNAVAILABLE,
        title: "overloaded",
        detail: "Too many game events are being taken at once: send it again later, with the same key.".to_owned(),
    })?;
    let body = Limited::new(body, bytes_max).collect().await.map_err(|problem| match problem.is::<LengthLimitError>() {
        true => too_large(),
        false => Problem::invalid("the body broke off: send it again, with the same key"),
    })?;
    Ok((body.to_bytes(), room))
}

/// The address of each target, each looked up once, some at the same time.
pub(super) async fn addresses(
    admin: &Admin,
    game: &LoadedGame,
    targets: impl Iterator<Item = (Target, Option<NumberId>)>,
) -> HashMap<(Target, Option<NumberId>), Result<Address, Problem>> {
    let targets: HashSet<_> = targets.collect();
    let look_up = |(target, number): (Target, Option<NumberId>)| async move {
        let found = address(admin, game, &target, number.as_ref()).await;
        ((target, number), found)
    };
    stream::iter(targets).map(look_up).buffer_unordered(LOOKUPS_MAX).collect().await
}

/// Where a player is: in the conversation where they were active last; else where they are linked; else where the studio
/// says.
pub(super) async fn address(admin: &Admin, game: &LoadedGame, target: &Target, number: Option<&NumberId>) -> Result<Address, Problem> {
    let rules = &game.rules;
    let first = || {
        let number = number.or_else(|| rules.numbers.first());
        number
            .cloned()
            .ok_or_else(|| Problem::conflict(format!("{} talks from no number: give it one, in [[numbers]] of questline.toml", rules.id)))
    };
    let player = match target {
        Target::Contact(contact) => return Ok(Address { game: rules.id.clone(), number: first()?, contact: contact.clone() }),
        Target::Player(player) => player,
    };
    let there = admin.desk.conversations_of(&rules.id, player).await?;
    let fits = |address: &Address| match number {
        Some(number) => address.number == *number,
        None => rules.numbers.contains(&address.number),
    };
    if let Some(found) = there.iter().find(|found| fits(&found.address)) {
        return Ok(found.address.clone());
    }
    let linked = admin.links.contacts(game, player).await?;
    let on_it = |linked: &&LinkedContact| match number {
        Some(number) => linked.number == *number,
        None => rules.numbers.contains(&linked.number),
    };
    if let Some(LinkedContact { number, contact, .. }) = linked.iter().rev().find(on_it).cloned() {
        return Ok(Address { game: rules.id.clone(), number, contact });
    }
    // Known on another number: a phone is the same there, a user id is not.
    let known = there.iter().map(|found| &found.address.contact).chain(linked.iter().rev().map(|linked| &linked.contact));
    let phone = known.into_iter().find_map(|contact| contact.phone().cloned());
    let contact = match Contact::new(phone, None) {
        Some(contact) => contact,
        None => ask_studio(game, player).await?,
    };
    Ok(Address { game: rules.id.clone(), number: first()?, contact })
}

async fn ask_studio(game: &LoadedGame, player: &PlayerId) -> Result<Contact, Problem> {
    game.services.players.contact(player).await.map_err(|problem| match problem {
        ServiceError::Unavailable(reason) => {
            tracing::warn!(%reason, "a player's contact could not be asked for");
            Problem {
                status: StatusCode::SERVICE_UNAVAILABLE,
                title: "the players' database does not answer",
                detail: "player: nobody can say now how to reach them. Send the event again, with the same key.".to_owned(),
            }
        }
        _ => Problem::conflict(
            "player: no conversation is known, and the players' database tells no contact. Name the contact instead, or wait until the player has written",
        ),
    })
}

fn incoming(game: &GameId, address: Address, event: NewEvent, now: UnixMs) -> Incoming {
    let player = match event.target {
        Target::Player(player) => Some(player),
        Target::Contact(_) => None,
    };
    let dedup = Some(key_of(game, &event.id));
    Incoming {
        address,
        dedup,
        event: Event::GameEvent(GameEvent { name: event.name, id: event.id, payload: event.payload, at: now, player }),
    }
}

/// What tells a repetition: the game and the key, whatever else differs.
fn key_of(game: &GameId, id: &str) -> DedupKey {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in ["game-event", game.as_str(), id] {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    let digest = context.finish();
    let digest = digest.as_ref().iter().take(16).fold(0, |digest: u128, byte| digest << 8 | u128::from(*byte));
    DedupKey { sent_s: 0, digest }
}
