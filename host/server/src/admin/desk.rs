//! What people look at and decide on: dead letters, tickets, notices.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::{Extension, Json};
use questline_core::commit::{StoredDeadLetter, Ticket};
use questline_core::id::{DeadLetterId, GameId, TicketNumber};
use questline_core::port::{Depth, Notice};
use serde::{Deserialize, Serialize};

use super::token::Bearer;
use super::{Admin, Problem};

/// Rows of one page.
const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 500;
/// Bytes of an agent's words.
const RESOLUTION_BYTES_MAX: usize = 4_096;

type Shared = State<Arc<Admin>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    game: Option<GameId>,
    after: Option<DeadLetterId>,
    limit: Option<usize>,
}

/// A page of rows; `next` is the `after` of the following one.
#[derive(Serialize)]
pub(super) struct Rows<T, N> {
    rows: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<N>,
}

fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query.map(|Query(query)| query).map_err(|problem| Problem::invalid(problem.body_text()))
}

fn limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX)
}

pub(super) async fn dead_letters(
    State(admin): Shared,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Rows<StoredDeadLetter, DeadLetterId>>, Problem> {
    let page = query(page)?;
    let limit = limit(page.limit);
    let rows = admin.desk.dead_letters(page.game, page.after, limit).await?;
    let next = if rows.len() == limit { rows.last().map(|row| row.id) } else { None };
    Ok(Json(Rows { rows, next }))
}

fn dead_letter_id(text: &str) -> Result<DeadLetterId, Problem> {
    text.parse().map(DeadLetterId).map_err(|_| Problem::invalid(format!("{text:?} is no dead letter's id: ids are whole numbers")))
}

fn no_dead_letter(id: DeadLetterId) -> Problem {
    Problem::not_found(format!("there is no dead letter {id}; GET /v1/dead-letters lists them"))
}

pub(super) async fn dead_letter(State(admin): Shared, Path(id): Path<String>) -> Result<Json<StoredDeadLetter>, Problem> {
    let id = dead_letter_id(&id)?;
    admin.desk.dead_letter(id).await?.map(Json).ok_or_else(|| no_dead_letter(id))
}

/// What was done.
#[derive(Serialize)]
pub(super) struct Done {
    done: bool,
}

pub(super) async fn retry_dead_letter(
    State(admin): Shared,
    Extension(bearer): Extension<Bearer>,
    Path(id): Path<String>,
) -> Result<Json<Done>, Problem> {
    let id = dead_letter_id(&id)?;
    match admin.desk.retry_dead_letter(id, &bearer.actor(), admin.clock.now()).await? {
        true => {
            tracing::info!(dead_letter = id.0, "a dead letter is tried again");
            Ok(Json(Done { done: true }))
        }
        false => Err(no_dead_letter(id)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TicketPage {
    #[serde(default)]
    closed: bool,
    limit: Option<usize>,
}

fn game_id(admin: &Admin, text: &str) -> Result<GameId, Problem> {
    let id = GameId::parse(text).map_err(|problem| Problem::invalid(problem.to_string()))?;
    admin.games.get(&id).map(|_| id).ok_or_else(|| super::token::no_game(text))
}

pub(super) async fn tickets(
    State(admin): Shared,
    Path(game): Path<String>,
    page: Result<Query<TicketPage>, QueryRejection>,
) -> Result<Json<Rows<Ticket, ()>>, Problem> {
    let page = query(page)?;
    let game = game_id(&admin, &game)?;
    let rows = admin.desk.tickets(&game, page.closed, limit(page.limit)).await?;
    Ok(Json(Rows { rows, next: None }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resolution {
    resolution: String,
}

pub(super) async fn close_ticket(
    State(admin): Shared,
    Extension(bearer): Extension<Bearer>,
    Path((game, number)): Path<(String, String)>,
    body: Result<Json<Resolution>, axum::extract::rejection::JsonRejection>,
) -> Result<Json<Done>, Problem> {
    let Json(Resolution { resolution }) = body.map_err(|problem| Problem::invalid(problem.body_text()))?;
    let game = game_id(&admin, &game)?;
    let number = TicketNumber::parse(&number).map_err(|problem| Problem::invalid(problem.to_string()))?;
    if resolution.trim().is_empty() || resolution.len() > RESOLUTION_BYTES_MAX {
        return Err(Problem::invalid(format!("resolution takes 1 to {RESOLUTION_BYTES_MAX} bytes: what the player is told")));
    }
    match admin.desk.close_ticket(&game, &number, resolution, &bearer.actor(), admin.clock.now()).await? {
        true => Ok(Json(Done { done: true })),
        false => Err(Problem::conflict(format!("{game} has no open ticket {number}"))),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoticePage {
    limit: Option<usize>,
}

pub(super) async fn notices(
    State(admin): Shared,
    page: Result<Query<NoticePage>, QueryRejection>,
) -> Result<Json<Rows<Notice, ()>>, Problem> {
    let page = query(page)?;
    let rows = admin.desk.notices(limit(page.limit)).await?;
    Ok(Json(Rows { rows, next: None }))
}

pub(super) async fn depth(State(admin): Shared) -> Result<Json<Depth>, Problem> {
    Ok(Json(admin.desk.depth().await?))
}
