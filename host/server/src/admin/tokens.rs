//! Tokens of studios: made, listed and revoked by the operator.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use questline_core::audit::Action;
use questline_core::id::GameId;
use questline_core::time::{DAY_MS, UnixMs};
use questline_core::token::{Scope, StudioToken};
use serde::{Deserialize, Serialize};

use super::token::Bearer;
use super::{Admin, Problem, audit, token};

/// Days that a token can live: the longest, and where nothing is said.
const DAYS_MAX: u64 = 366;
const DAYS_DEFAULT: u64 = 90;
/// Bytes of a token's name.
const NAME_BYTES_MAX: usize = 64;
/// Games of one token.
const GAMES_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    name: String,
    games: Vec<GameId>,
    scopes: Vec<Scope>,
    days: Option<u64>,
}

/// A token without its secret.
#[derive(Serialize)]
struct Row {
    id: String,
    name: String,
    games: Vec<GameId>,
    scopes: Vec<Scope>,
    created_at: UnixMs,
    expires_at: UnixMs,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<UnixMs>,
    valid: bool,
}

impl Row {
    fn of(token: StudioToken, now: UnixMs) -> Self {
        let valid = token.is_valid(now);
        let StudioToken { id, name, hash: _, games, scopes, created_at, expires_at, revoked_at } = token;
        Self { id, name, games, scopes, created_at, expires_at, revoked_at, valid }
    }
}

#[derive(Serialize)]
struct Created {
    /// The token itself: this answer is the only place that has it.
    token: String,
    #[serde(flatten)]
    row: Row,
}

#[derive(Serialize)]
pub(super) struct Rows {
    rows: Vec<Row>,
}

pub(super) async fn create(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    body: Result<Json<NewToken>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(NewToken { name, mut games, mut scopes, days }) = body.map_err(|problem| Problem::invalid(problem.body_text()))?;
    let is_printable = |name: &str| name.chars().all(|c| !c.is_control());
    if name.trim().is_empty() || name.len() > NAME_BYTES_MAX || !is_printable(&name) {
        return Err(Problem::invalid(format!("name takes 1 to {NAME_BYTES_MAX} printable bytes: what the token is for")));
    }
    games.sort_unstable();
    games.dedup();
    if games.is_empty() || games.len() > GAMES_MAX {
        return Err(Problem::invalid(format!("games takes 1 to {GAMES_MAX} games: the only ones that exist for the token")));
    }
    if let Some(unknown) = games.iter().find(|game| !admin.releases.knows(game)) {
        return Err(token::no_game(unknown.as_str()));
    }
    scopes.sort_unstable();
    scopes.dedup();
    if scopes.is_empty() {
        let all: Vec<_> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        return Err(Problem::invalid(format!("scopes takes one or more of: {}", all.join(", "))));
    }
    let days = days.unwrap_or(DAYS_DEFAULT);
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(Problem::invalid(format!("days takes 1 to {DAYS_MAX}")));
    }
    let now = admin.clock.now();
    let made = token::make(now, name, games, scopes, now.plus_ms(days * DAY_MS));
    let (token, kept) = made.ok_or_else(|| Problem {
        status: StatusCode::SERVICE_UNAVAILABLE,
        title: "no randomness",
        detail: "The system gives no random numbers. Try again.".to_owned(),
    })?;
    admin.tokens.store().add_token(kept.clone()).await?;
    admin.tokens.forget();
    tracing::info!(id = kept.id, name = kept.name, "a studio's token was made");
    let scopes: Vec<_> = kept.scopes.iter().map(|scope| scope.as_str()).collect();
    let detail = format!("token {}, {:?}, for {}", kept.id, kept.name, scopes.join(", "));
    audit::note(&admin, &bearer, &kept.games, Action::TokenCreated, &detail).await?;
    let created = Created { token, row: Row::of(kept, now) };
    Ok((StatusCode::CREATED, [("cache-control", "no-store")], Json(created)).into_response())
}

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Result<Json<Rows>, Problem> {
    let now = admin.clock.now();
    let tokens = admin.tokens.store().tokens().await?;
    Ok(Json(Rows { rows: tokens.into_iter().map(|token| Row::of(token, now)).collect() }))
}

#[derive(Serialize)]
pub(super) struct Done {
    done: bool,
}

pub(super) async fn revoke(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path(id): Path<String>,
) -> Result<Json<Done>, Problem> {
    let known = admin.tokens.store().tokens().await?.into_iter().find(|token| token.id == id);
    let is_found = admin.tokens.store().revoke_token(&id, admin.clock.now()).await?;
    admin.tokens.forget();
    match is_found {
        true => {
            tracing::info!(id, "a studio's token was revoked");
            if let Some(token) = known {
                let detail = format!("token {}, {:?}", token.id, token.name);
                audit::note(&admin, &bearer, &token.games, Action::TokenRevoked, &detail).await?;
            }
            Ok(Json(Done { done: true }))
        }
        false => Err(Problem::not_found("there is no such token; GET /v1/tokens lists them")),
    }
}
