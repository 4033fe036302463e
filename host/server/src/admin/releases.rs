//! Releases of a game: uploaded, listed, activated, rolled back.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use questline_core::audit::Action;
use questline_core::id::{GameId, ReleaseDigest};
use questline_core::release::{Release, Shelf};
use serde::{Deserialize, Serialize};

use super::token::{self, Bearer};
use super::{Admin, Problem, audit};
use crate::release::{ARCHIVE_BYTES_MAX, FailedMigration, Refusal, ReleaseError};

/// An error of these routes: a problem as everywhere, or a refusal with its code and file.
pub(super) enum Failed {
    Problem(Problem),
    Refused(Refusal),
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<ReleaseError> for Failed {
    fn from(problem: ReleaseError) -> Self {
        match problem {
            ReleaseError::Refused(refusal) => Self::Refused(refusal),
            ReleaseError::NoGame(game) => Self::Problem(token::no_game(&game)),
            ReleaseError::NoRelease { .. } => Self::Problem(Problem::not_found(problem.to_string())),
            ReleaseError::NothingBefore(_) => Self::Problem(Problem::conflict(problem.to_string())),
            ReleaseError::Busy => {
                Self::Problem(Problem { status: StatusCode::SERVICE_UNAVAILABLE, title: "busy", detail: problem.to_string() })
            }
            ReleaseError::Store(problem) => Self::Problem(problem.into()),
        }
    }
}

/// RFC 9457 with the reason's code and file.
#[derive(Serialize)]
struct RefusedProblem {
    #[serde(rename = "type")]
    kind: String,
    status: u16,
    title: &'static str,
    #[serde(flatten)]
    refusal: Refusal,
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        match self {
            Self::Problem(problem) => problem.into_response(),
            Self::Refused(refusal) => {
                let status = match refusal.code {
                    "host-failed" => StatusCode::SERVICE_UNAVAILABLE,
                    "too-large" => StatusCode::PAYLOAD_TOO_LARGE,
                    _ => StatusCode::UNPROCESSABLE_ENTITY,
                };
                let kind = format!("urn:questline:release:{}", refusal.code);
                let problem = RefusedProblem { kind, status: status.as_u16(), title: "the release is refused", refusal };
                let mut response = (status, Json(problem)).into_response();
                response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
                if status == StatusCode::PAYLOAD_TOO_LARGE {
                    // The rest of the body is still on its way: nobody reads it, and nothing can follow it.
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                response
            }
        }
    }
}

fn game_id(text: &str) -> Result<GameId, Problem> {
    GameId::parse(text).map_err(|problem| Problem::invalid(problem.to_string()))
}

fn digest(text: &str) -> Result<ReleaseDigest, Problem> {
    ReleaseDigest::parse(text).map_err(|problem| Problem::invalid(problem.to_string()))
}

#[derive(Serialize)]
struct Uploaded {
    release: ReleaseDigest,
    /// False when the very same was there already.
    new: bool,
}

pub(super) async fn upload(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path((game, release)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Failed> {
    let (game, release) = (game_id(&game)?, digest(&release)?);
    if !admin.releases.knows(&game) {
        return Err(token::no_game(game.as_str()).into());
    }
    let _place = admin.releases.place()?;
    let archive = axum::body::to_bytes(body, ARCHIVE_BYTES_MAX).await;
    let archive = archive.map_err(|_| {
        Refusal::new(
            "too-large",
            format!("the archive has more than {ARCHIVE_BYTES_MAX} bytes, or did not come whole: leave out what the game does not need"),
        )
    });
    let archive = archive.map_err(Failed::Refused)?;
    let new = admin.releases.upload(&game, &release, archive, bearer.name()).await?;
    if new {
        audit::note(&admin, &bearer, &[game], Action::ReleaseUploaded, &format!("release {release}")).await?;
    }
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(Uploaded { release, new })).into_response())
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    release: Release,
    active: bool,
}

/// All that is known of a game's releases.
#[derive(Serialize)]
pub(super) struct Releases {
    active: Option<ReleaseDigest>,
    /// What a rollback goes back to.
    previous: Option<ReleaseDigest>,
    /// The newest first.
    rows: Vec<Row>,
    /// Conversations that stay with an old release because their state could not migrate; the last of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    migrations_failed: Vec<FailedMigration>,
    /// How many there were since the host's start.
    migrations_failed_total: u64,
}

pub(super) async fn list(State(admin): State<Arc<Admin>>, Path(game): Path<String>) -> Result<Json<Releases>, Failed> {
    let listing = admin.releases.list(&game_id(&game)?).await?;
    let (active, previous) = (listing.shelf.active, listing.shelf.previous());
    let row = |release: Release| Row { active: Some(release.digest) == active, release };
    let (migrations_failed, migrations_failed_total) = listing.failed_migrations;
    Ok(Json(Releases {
        active,
        previous,
        rows: listing.shelf.releases.into_iter().rev().map(row).collect(),
        migrations_failed,
        migrations_failed_total,
    }))
}

#[derive(Serialize)]
pub(super) struct Switched {
    active: Option<ReleaseDigest>,
    /// What a rollback goes back to.
    previous: Option<ReleaseDigest>,
}

impl From<Shelf> for Switched {
    fn from(shelf: Shelf) -> Self {
        Self { active: shelf.active, previous: shelf.previous() }
    }
}

pub(super) async fn activate(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path((game, release)): Path<(String, String)>,
) -> Result<Json<Switched>, Failed> {
    let (game, release) = (game_id(&game)?, digest(&release)?);
    let shelf = admin.releases.activate(&game, &release, bearer.name()).await?;
    audit::note(&admin, &bearer, &[game], Action::ReleaseActivated, &format!("release {release}")).await?;
    Ok(Json(shelf.into()))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RollBack {
    to: Option<ReleaseDigest>,
}

pub(super) async fn roll_back(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path(game): Path<String>,
    body: axum::body::Bytes,
) -> Result<Json<Switched>, Failed> {
    let wanted = if body.is_empty() { Ok(RollBack::default()) } else { serde_json::from_slice(&body) };
    let RollBack { to } =
        wanted.map_err(|problem| Problem::invalid(format!("the body is {{\"to\": \"<digest>\"}}, or empty: {problem}")))?;
    let game = game_id(&game)?;
    let shelf = admin.releases.roll_back(&game, to, bearer.name()).await?;
    let detail = shelf.active.map_or_else(String::new, |release| format!("to release {release}"));
    audit::note(&admin, &bearer, &[game], Action::ReleaseRolledBack, &detail).await?;
    Ok(Json(shelf.into()))
}
