//! Links of contacts to players: `POST /v1/games/{game}/links` makes one to the chat, `.../players/{player}/contacts` lists the
//! contacts that are linked, and a DELETE ends such a link. Contacts are shown in part only.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use questline_core::account::link::{LinkId, LinkedContact, NewDevice, Wish, shown};
use questline_core::audit::{Action, AuditRecord};
use questline_core::id::{DeviceId, NumberId, PlayerId};
use questline_core::time::UnixMs;
use serde::Serialize;

use super::events::parse::{Fields, object};
use super::events::{known_game, read};
use super::problem::{Failure, Limit};
use super::token::Bearer;
use super::{Admin, Problem};
use crate::game::LoadedGame;
use crate::links::NoLink;

/// Bytes of a body.
const BODY_BYTES_MAX: usize = 4 * 1024;

/// A link to the chat, shown once.
#[derive(Serialize)]
pub(super) struct Created {
    url: String,
    token: String,
    text: String,
    expires_at: UnixMs,
}

fn wish(mut fields: Fields<'_>) -> Result<(Wish, Option<NumberId>), Problem> {
    let takes = "a player's id: 1 to 128 printable ASCII characters";
    let player = fields.take::<PlayerId>("player", takes)?.ok_or_else(|| fields.wrong("player", takes))?;
    let device = match fields.raw("device") {
        None => None,
        Some(raw) => Some(device(object(raw.get().as_bytes(), "device.")?)?),
    };
    let takes = "a language as BCP 47 writes it, for instance \"pt-BR\"";
    let locale = fields.take::<String>("locale", takes)?;
    let fits = |text: &String| (2..=35).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if locale.as_ref().is_some_and(|locale| !fits(locale)) {
        return Err(fields.wrong("locale", takes));
    }
    let number = fields.take::<NumberId>("number", "Meta's phone_number_id of one of the game's numbers")?;
    fields.end("player, device, locale, number")?;
    Ok((Wish { player, device, locale }, number))
}

fn device(mut fields: Fields<'_>) -> Result<NewDevice, Problem> {
    let takes = "1 to 128 printable ASCII characters";
    let id = fields.take::<DeviceId>("id", takes)?.ok_or_else(|| fields.wrong("id", takes))?;
    let takes = "what the player calls it: a text of 1 to 64 characters";
    let name = fields.take::<String>("name", takes)?;
    if name.as_ref().is_some_and(|name| !(1..=64).contains(&name.chars().count())) {
        return Err(fields.wrong("name", takes));
    }
    fields.end("id, name")?;
    Ok(NewDevice { id, name })
}

fn failed(admin: &Admin, problem: NoLink) -> Failure {
    let text = problem.to_string();
    Failure::Problem(match problem {
        NoLink::TooMany { retry_at } => return Limit::until(retry_at, admin.clock.now(), "player", "too many links"),
        NoLink::NoNumber => Problem::invalid(text),
        NoLink::NotConfigured | NoLink::NoDisplayPhone(_) | NoLink::Frozen => Problem::conflict(text),
        NoLink::Store(problem) => problem.into(),
        NoLink::NoRandomness => Problem { status: StatusCode::SERVICE_UNAVAILABLE, title: "no link can be made", detail: text },
    })
}

/// Writes into the audit log what was done about a player.
async fn note(admin: &Admin, bearer: &Bearer, game: &LoadedGame, action: Action, player: PlayerId, detail: &str) -> Result<(), Problem> {
    let record = AuditRecord::new(admin.clock.now(), game.rules.id.clone(), bearer.actor(), action, detail);
    let record = AuditRecord { player: Some(player), ..record };
    Ok(admin.audit.append_audit(vec![record]).await?)
}

/// Makes a link.
pub(super) async fn create(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path(game): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Created>), Failure> {
    let game = known_game(&admin, &game)?;
    let (body, _room) = read(&admin.events, &headers, body, BODY_BYTES_MAX).await?;
    let (wish, number) = wish(object(&body, "")?)?;
    let player = wish.player.clone();
    let made = admin.links.make(&game, wish, number).await.map_err(|problem| failed(&admin, problem))?;
    note(&admin, &bearer, &game, Action::LinkCreated, player, "a token for the chat").await?;
    let created = Created { url: made.url, token: made.token, text: made.text, expires_at: made.expires_at };
    Ok((StatusCode::CREATED, Json(created)))
}

/// A linked contact, as far as it is shown.
#[derive(Serialize)]
pub(super) struct Row {
    id: LinkId,
    contact: String,
    number: NumberId,
    linked_at: UnixMs,
    proven: bool,
}

impl From<LinkedContact> for Row {
    fn from(linked: LinkedContact) -> Self {
        let contact = shown(&linked.contact);
        Self { id: linked.id, contact, number: linked.number, linked_at: linked.at, proven: !linked.unproven }
    }
}

#[derive(Serialize)]
pub(super) struct Rows {
    rows: Vec<Row>,
}

fn named(admin: &Admin, game: &str, player: &str) -> Result<(Arc<LoadedGame>, PlayerId), Problem> {
    let game = known_game(admin, game)?;
    if game.rules.links.is_none() {
        return Err(Problem::conflict(NoLink::NotConfigured.to_string()));
    }
    Ok((game, PlayerId::parse(player).map_err(|problem| Problem::invalid(problem.to_string()))?))
}

/// Contacts of a player, the link that was made first in front.
pub(super) async fn contacts(State(admin): State<Arc<Admin>>, Path((game, player)): Path<(String, String)>) -> Result<Json<Rows>, Problem> {
    let (game, player) = named(&admin, &game, &player)?;
    let rows = admin.links.contacts(&game, &player).await?.into_iter().map(Row::from).collect();
    Ok(Json(Rows { rows }))
}

/// Ends a link.
pub(super) async fn unlink(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path((game, player, id)): Path<(String, String, String)>,
) -> Result<Json<Row>, Problem> {
    let (game, player) = named(&admin, &game, &player)?;
    let unknown = || Problem::not_found("the player has no such link; GET .../contacts lists them");
    let id = LinkId::parse(&id).map_err(|_| unknown())?;
    let ended = admin.links.unlink(&game, &player, id).await?.ok_or_else(unknown)?;
    note(&admin, &bearer, &game, Action::ContactUnlinked, player, "over the API").await?;
    Ok(Json(ended.into()))
}
