//! Broadcasts over the API: `/v1/games/{game}/broadcasts` and what lies under it, and `POST /v1/games/{game}/outages`. What
//! somebody orders is stored before it is answered, and stands in the audit log.

mod dry_run;
mod parse;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::{Extension, Json};
use questline_core::audit::Action;
use questline_core::broadcast::{
    Audience, Broadcast, BroadcastId, Definition, Kind, List, Order, Progress, State as CastState, UnknownOutcome,
};
use questline_core::id::GameId;
use questline_core::port::AddedBroadcast;
use questline_core::time::UnixMs;
use serde::{Deserialize, Serialize};
use tokio::sync::SemaphorePermit;

use super::events::parse::object;
use super::events::{known_game, read};
use super::token::Bearer;
use super::{Admin, Problem, audit};
use crate::broadcast::{Format, ToldStanding, Upload, UploadFailed, campaign_of};
use crate::game::LoadedGame;

pub(super) use dry_run::dry_run;

/// Bytes of a broadcast's description.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Rows of a list of broadcasts.
const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 200;

/// A broadcast as it is told.
#[derive(Serialize)]
pub(super) struct Told {
    id: BroadcastId,
    state: CastState,
    #[serde(flatten)]
    wish: Definition,
    created_at: UnixMs,
    created_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<UnixMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<UnixMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<ToldList>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<ToldStanding>,
    /// Why it does not go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Serialize)]
struct ToldList {
    recipients: u64,
    duplicates: u64,
    refused: u64,
}

impl Told {
    fn of(broadcast: Broadcast, progress: Option<Progress>) -> Self {
        let Broadcast { id, wish, state, created_at, created_by, started_at, ended_at, list, .. } = broadcast;
        let told = |List { recipients, duplicates, refused, .. }| ToldList { recipients, duplicates, refused };
        let list = list.map(told);
        let created_by = created_by.to_string();
        Self { id, state, wish, created_at, created_by, started_at, ended_at, list, progress, standing: None, problem: None }
    }
}

/// The name that a key stands for, within its game.
fn id_of(game: &GameId, key: &str) -> BroadcastId {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in ["broadcast", game.as_str(), key] {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    BroadcastId::of_digest(&digest)
}

/// Makes one, once for each key.
async fn make(
    admin: &Admin,
    bearer: &Bearer,
    game: &LoadedGame,
    kind: Kind,
    headers: &HeaderMap,
    body: Body,
) -> Result<(StatusCode, Broadcast), Problem> {
    let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap_or_default());
    let key = super::events::parse::id("Idempotency-Key", key)?;
    let (body, _room) = read(&admin.events, headers, body, BODY_BYTES_MAX).await?;
    let now = admin.clock.now();
    let wish = parse::definition(object(&body, "")?, kind, &game.rules, now)?;
    let broadcast = Broadcast::new(id_of(&game.rules.id, &key), game.rules.id.clone(), wish, bearer.actor(), now);
    match admin.broadcasts.store.add_broadcast(broadcast.clone()).await? {
        AddedBroadcast::New => {
            let action = if kind == Kind::Outage { Action::OutageTold } else { Action::BroadcastCreated };
            let detail = format!("{}, template {}", broadcast.id, broadcast.wish.wording.template);
            audit::note(admin, bearer, std::slice::from_ref(&game.rules.id), action, &detail).await?;
            Ok((StatusCode::CREATED, broadcast))
        }
        AddedBroadcast::Known(known) if known.wish == broadcast.wish => Ok((StatusCode::OK, *known)),
        AddedBroadcast::Known(_) => Err(Problem::conflict("Idempotency-Key: it has made another broadcast; take another key for this one")),
        AddedBroadcast::Full => {
            Err(Problem::conflict("the game has 100 broadcasts that are not over: cancel some, or wait until they are done"))
        }
    }
}

/// A draft.
pub(super) async fn create(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path(game): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Told>), Problem> {
    let game = known_game(&admin, &game)?;
    let (status, broadcast) = make(&admin, &bearer, &game, Kind::Broadcast, &headers, body).await?;
    Ok((status, Json(Told::of(broadcast, None))))
}

/// Tells all whom it concerns, at once.
pub(super) async fn outage(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path(game): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Told>), Problem> {
    let game = known_game(&admin, &game)?;
    let (status, broadcast) = make(&admin, &bearer, &game, Kind::Outage, &headers, body).await?;
    let started = match broadcast.state {
        CastState::Draft => {
            let ordered = admin.broadcasts.order(&game.rules.id, &broadcast.id, Order::Start).await?;
            ordered.map_or(broadcast, |(started, _)| started)
        }
        _ => broadcast,
    };
    let progress = admin.broadcasts.progress(&started).await?;
    Ok((status, Json(Told::of(started, Some(progress)))))
}

async fn known(admin: &Admin, game: &str, id: &str) -> Result<(Arc<LoadedGame>, Broadcast), Problem> {
    let game = known_game(admin, game)?;
    let none = || Problem::not_found("there is no such broadcast; GET .../broadcasts lists them");
    let id = BroadcastId::parse(id).map_err(|_| none())?;
    let broadcast = admin.broadcasts.store.broadcast(&game.rules.id, &id).await?.ok_or_else(none)?;
    Ok((game, broadcast))
}

/// One that takes memory or much of the store, if there is room for it.
fn heavy(admin: &Admin) -> Result<SemaphorePermit<'_>, Problem> {
    admin.broadcasts.heavy.try_acquire().map_err(|_| Problem {
        status: StatusCode::SERVICE_UNAVAILABLE,
        title: "busy",
        detail: "Other lists are uploaded or gone through right now. Try again soon.".to_owned(),
    })
}

/// Its list, in place of the one before.
pub(super) async fn recipients(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path((game, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Upload>, Problem> {
    let (game, broadcast) = known(&admin, &game, &id).await?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let format = match kind.split(';').next().unwrap_or_default().trim() {
        "text/csv" => Format::Csv,
        "application/jsonl" | "application/x-ndjson" | "application/json-lines" => Format::JsonLines,
        _ => {
            return Err(Problem {
                status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
                title: "not a list",
                detail: "Content-Type: takes text/csv or application/jsonl".to_owned(),
            });
        }
    };
    if broadcast.wish.audience != Audience::List {
        return Err(Problem::conflict("its audience is a segment: it takes no list"));
    }
    if broadcast.state != CastState::Draft {
        return Err(Problem::conflict(format!("it is {}: a list is for a draft", broadcast.state.as_str())));
    }
    let _room = heavy(&admin)?;
    let taken =
        admin.broadcasts.take_list(&game.rules.id, &broadcast.id, &broadcast.wish, format, body).await.map_err(
            |problem| match problem {
                UploadFailed::TooLarge => {
                    Problem { status: StatusCode::PAYLOAD_TOO_LARGE, title: "too large", detail: problem.to_string() }
                }
                UploadFailed::Unreadable(_) | UploadFailed::BrokeOff => Problem::invalid(problem.to_string()),
                UploadFailed::Started => Problem::conflict(problem.to_string()),
                UploadFailed::Store(problem) => problem.into(),
            },
        )?;
    let detail =
        format!("{}: {} recipients, {} duplicates, {} rows refused", broadcast.id, taken.recipients, taken.duplicates, taken.refused);
    audit::note(&admin, &bearer, std::slice::from_ref(&game.rules.id), Action::BroadcastListTaken, &detail).await?;
    Ok(Json(taken))
}

async fn order(
    admin: Arc<Admin>,
    bearer: Bearer,
    (game, id): (String, String),
    order: Order,
    action: Action,
) -> Result<Json<Told>, Problem> {
    let (game, broadcast) = known(&admin, &game, &id).await?;
    if order == Order::Start && crate::broadcast::template_of(&game, &broadcast).is_none() {
        let template = &broadcast.wish.wording.template;
        return Err(Problem::conflict(format!("the game declares no template {template:?} any more: make the broadcast anew")));
    }
    let ordered = admin.broadcasts.order(&game.rules.id, &broadcast.id, order).await?;
    let (broadcast, outcome) = ordered.ok_or_else(|| Problem::not_found("there is no such broadcast"))?;
    let is_changed = outcome.map_err(|problem| Problem::conflict(problem.to_string()))?;
    if is_changed {
        tracing::info!(broadcast = %broadcast.id, state = broadcast.state.as_str(), by = bearer.name(), "a broadcast was ordered about");
        audit::note(&admin, &bearer, std::slice::from_ref(&game.rules.id), action, broadcast.id.as_str()).await?;
    }
    let progress = admin.broadcasts.progress(&broadcast).await?;
    Ok(Json(Told::of(broadcast, Some(progress))))
}

macro_rules! orders {
    ($($(#[$doc:meta])* $name:ident $order:ident $action:ident;)*) => {
        $($(#[$doc])*
        pub(super) async fn $name(
            State(admin): State<Arc<Admin>>,
            Extension(bearer): Extension<Bearer>,
            Path(path): Path<(String, String)>,
        ) -> Result<Json<Told>, Problem> {
            order(admin, bearer, path, Order::$order, Action::$action).await
        })*
    };
}

orders! {
    /// Begins, at its time.
    start Start BroadcastStarted;
    /// Holds it.
    pause Pause BroadcastPaused;
    /// Goes on.
    resume Resume BroadcastResumed;
    /// Stops it for good.
    cancel Cancel BroadcastCancelled;
}

/// One, with how far it is.
pub(super) async fn one(State(admin): State<Arc<Admin>>, Path((game, id)): Path<(String, String)>) -> Result<Json<Told>, Problem> {
    let (_, broadcast) = known(&admin, &game, &id).await?;
    let progress = admin.broadcasts.progress(&broadcast).await?;
    let standing = admin.broadcasts.standing(&broadcast).await?;
    let problem = admin.broadcasts.problem(&broadcast.id);
    Ok(Json(Told { standing, problem, ..Told::of(broadcast, Some(progress)) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<usize>,
}

#[derive(Serialize)]
pub(super) struct Rows {
    rows: Vec<Told>,
}

/// A game's, the newest first.
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Path(game): Path<String>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Rows>, Problem> {
    let game = known_game(&admin, &game)?;
    let Query(Page { limit }) = page.map_err(|problem| Problem::invalid(problem.body_text()))?;
    let found = admin.broadcasts.store.broadcasts(&game.rules.id, limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX)).await?;
    Ok(Json(Rows { rows: found.into_iter().map(|broadcast| Told::of(broadcast, None)).collect() }))
}

#[derive(Serialize)]
pub(super) struct Unknown {
    count: u64,
    rows: Vec<UnknownRow>,
}

#[derive(Serialize)]
struct UnknownRow {
    message: String,
    at: UnixMs,
}

/// Messages that players may have twice.
pub(super) async fn unknown(State(admin): State<Arc<Admin>>, Path((game, id)): Path<(String, String)>) -> Result<Json<Unknown>, Problem> {
    let (game, broadcast) = known(&admin, &game, &id).await?;
    let none = || Problem::not_found("there is no such broadcast");
    let campaign = campaign_of(&broadcast.id).ok_or_else(none)?;
    let (listed, count) = admin.broadcasts.store.unknown(&game.rules.id, &campaign).await?;
    let row = |UnknownOutcome { message, at }: UnknownOutcome| UnknownRow { message: message.to_string(), at };
    Ok(Json(Unknown { count, rows: listed.into_iter().map(row).collect() }))
}

/// Requests that take their time: a list that comes or is gone through.
pub(super) fn takes_long(path: &str) -> bool {
    path.starts_with("/v1/games/") && path.contains("/broadcasts/") && (path.ends_with("/recipients") || path.ends_with("/dry-run"))
}
