//! Presence: the game's backend tells who plays now, and nobody who does is disturbed. `PUT
//! /v1/games/{game}/players/{player}/presence`, or many at once by `POST /v1/games/{game}/presence`. It is forgotten at its
//! time, and by a restart: a backend tells it again while the player plays.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use questline_core::id::PlayerId;
use questline_core::permit::presence::PRESENCE_MS_MAX;
use questline_core::time::{SECOND_MS, UnixMs};
use serde::Serialize;
use serde_json::value::RawValue;

use super::events::parse::{Fields, object};
use super::events::{known_game, read};
use super::{Admin, Problem};

/// Bytes of a body, and of one that tells of many.
const BODY_BYTES_MAX: usize = 1024;
const BATCH_BODY_BYTES_MAX: usize = 256 * 1024;
/// Players of one batch.
const PLAYERS_MAX: usize = 1_000;
/// How long a player counts as playing, where nothing is said.
const TTL_S: u64 = 300;

/// What holds now.
#[derive(Serialize)]
pub(super) struct Presence {
    in_game: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<UnixMs>,
}

/// How many were told of.
#[derive(Serialize)]
pub(super) struct Told {
    accepted: usize,
}

pub(super) async fn tell(
    State(admin): State<Arc<Admin>>,
    Path((game, player)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Presence>, Problem> {
    let game = known_game(&admin, &game)?;
    let player = PlayerId::parse(&player).map_err(|problem| Problem::invalid(problem.to_string()))?;
    let (body, _room) = read(&admin.events, &headers, body, BODY_BYTES_MAX).await?;
    let mut fields = object(&body, "")?;
    let until = until(&mut fields, admin.clock.now())?;
    fields.end("in_game and ttl_s")?;
    admin.sending.presence(&game.rules.id, &player, until);
    Ok(Json(Presence { in_game: until.is_some(), until }))
}

pub(super) async fn look(State(admin): State<Arc<Admin>>, Path((game, player)): Path<(String, String)>) -> Result<Json<Presence>, Problem> {
    let game = known_game(&admin, &game)?;
    let player = PlayerId::parse(&player).map_err(|problem| Problem::invalid(problem.to_string()))?;
    let until = admin.sending.present_until(&game.rules.id, &player);
    Ok(Json(Presence { in_game: until.is_some(), until }))
}

/// All of them or none: what is wrong with one is told, and the rest is to be sent again with it.
pub(super) async fn tell_many(
    State(admin): State<Arc<Admin>>,
    Path(game): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Told>, Problem> {
    let game = known_game(&admin, &game)?;
    let (body, _room) = read(&admin.events, &headers, body, BATCH_BODY_BYTES_MAX).await?;
    let now = admin.clock.now();
    let mut fields = object(&body, "")?;
    let what = format!("a list of 1 to {PLAYERS_MAX} objects with player, in_game and ttl_s");
    let list: Vec<Box<RawValue>> = fields.take("players", &what)?.ok_or_else(|| fields.wrong("players", &what))?;
    if list.is_empty() || list.len() > PLAYERS_MAX {
        return Err(fields.wrong("players", &what));
    }
    fields.end("players")?;
    let mut told = Vec::with_capacity(list.len());
    for one in &list {
        let mut fields = object(one.get().as_bytes(), "players[].")?;
        let what = "a player's id";
        let player: PlayerId = fields.take("player", what)?.ok_or_else(|| fields.wrong("player", what))?;
        let until = until(&mut fields, now)?;
        fields.end("player, in_game and ttl_s")?;
        told.push((player, until));
    }
    for (player, until) in &told {
        admin.sending.presence(&game.rules.id, player, *until);
    }
    Ok(Json(Told { accepted: told.len() }))
}

fn until(fields: &mut Fields<'_>, now: UnixMs) -> Result<Option<UnixMs>, Problem> {
    let what = "true while the player plays, else false";
    let in_game: bool = fields.take("in_game", what)?.ok_or_else(|| fields.wrong("in_game", what))?;
    let longest_s = PRESENCE_MS_MAX / SECOND_MS;
    let what = format!("a number of seconds, 1 to {longest_s}: how long that holds if nothing more is told");
    let ttl_s = fields.take::<u64>("ttl_s", &what)?.unwrap_or(TTL_S);
    if !(1..=longest_s).contains(&ttl_s) {
        return Err(fields.wrong("ttl_s", &what));
    }
    Ok(in_game.then(|| now.plus_ms(ttl_s * SECOND_MS)))
}
