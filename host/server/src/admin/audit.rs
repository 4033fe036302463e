//! The audit log over the API: read it, and write what people do.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use questline_core::audit::{Action, AuditRecord, Entry, Head};
use questline_core::id::GameId;
use serde::{Deserialize, Serialize};

use super::token::{Bearer, no_game};
use super::{Admin, Problem};

/// Rows of one page.
const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 500;

/// Writes what a bearer has done. What was done stays done when this fails, and the answer says so.
pub(super) async fn note(admin: &Admin, bearer: &Bearer, games: &[GameId], action: Action, detail: &str) -> Result<(), Problem> {
    let now = admin.clock.now();
    let records = games.iter().map(|game| AuditRecord::new(now, game.clone(), bearer.actor(), action, detail));
    admin.audit.append_audit(records.collect()).await.map_err(|problem| {
        tracing::error!(%problem, %action, detail, by = bearer.name(), "it was done, and the audit log was not written");
        Problem {
            title: "not in the audit log",
            detail: format!("{detail}: it was done, and the audit log could not be written. The host's log says more."),
            ..Problem::from(problem)
        }
    })
}

/// How far a game's chain has come.
#[derive(Serialize)]
struct Chain {
    game: GameId,
    #[serde(flatten)]
    head: Head,
}

#[derive(Serialize)]
pub(super) struct Chains {
    rows: Vec<Chain>,
}

pub(super) async fn heads(State(admin): State<Arc<Admin>>) -> Result<Json<Chains>, Problem> {
    let heads = admin.audit.audit_heads().await?;
    Ok(Json(Chains { rows: heads.into_iter().map(|(game, head)| Chain { game, head }).collect() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

/// Entries, and the head of the chain that they are of.
#[derive(Serialize)]
pub(super) struct Entries {
    rows: Vec<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
    head: Head,
}

pub(super) async fn entries(
    State(admin): State<Arc<Admin>>,
    Path(game): Path<String>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Entries>, Problem> {
    let Query(Page { after, limit }) = page.map_err(|problem| Problem::invalid(problem.body_text()))?;
    let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let id = GameId::parse(&game).map_err(|problem| Problem::invalid(problem.to_string()))?;
    let found = admin.audit.audit_page(&id, after, limit).await?;
    // A game that is gone may have left its log.
    if found.head.count == 0 && admin.games.get(&id).is_none() {
        return Err(no_game(&game));
    }
    let next = if found.entries.len() == limit { found.entries.last().map(|entry| entry.seq) } else { None };
    Ok(Json(Entries { rows: found.entries, next, head: found.head }))
}
