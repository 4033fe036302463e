//! The HTTP API and what machines ask: `/v1/...` (JSON, with a token), `/metrics`, `/healthz`, `/readyz`.

mod audit;
mod broadcasts;
mod code_audit;
mod consents;
mod desk;
mod erasure;
mod events;
mod limits;
mod links;
mod measures;
mod media;
mod openapi;
mod outbox;
mod pauses;
mod presence;
mod problem;
mod releases;
mod routes;
mod store;
mod templates;
mod token;
mod tokens;
mod two_factor;
mod verifications;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, Uri};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use questline_core::port::{Accounts, Audit, Clock, Desk, MediaGraph, Sealing};
use questline_core::token::Scope;

use crate::broadcast::BroadcastDesk;
use crate::game::Games;
use crate::links::LinkDesk;
use crate::metrics::Metrics;
use crate::release::Releaser;
use crate::sending::SendingDesk;
use crate::templates::TemplateDesk;
use crate::two_factor::TwoFactorDesk;
use crate::verification::CodeDesk;
use routes::Routes;

pub use consents::ConsentDesk;
pub use events::GameEvents;
pub use outbox::OutboxDesk;
pub use problem::Problem;
pub use token::{AdminToken, TokenBook};

/// For an answer, and for that of an upload.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(300);

/// All that the API needs.
pub struct Admin {
    /// What people look at and decide on.
    pub desk: Arc<dyn Desk>,
    /// What was done, and by whom.
    pub audit: Arc<dyn Audit>,
    /// Keys of what the store holds.
    pub sealing: Arc<dyn Sealing>,
    /// Where game events go.
    pub events: GameEvents,
    /// Evidence of consent.
    pub consents: ConsentDesk,
    /// Broadcasts.
    pub broadcasts: Arc<BroadcastDesk>,
    /// One-time codes.
    pub codes: Arc<CodeDesk>,
    /// What is known of players.
    pub accounts: Arc<dyn Accounts>,
    /// Links of contacts to accounts.
    pub links: Arc<LinkDesk>,
    /// The second factor of players.
    pub two_factor: Arc<TwoFactorDesk>,
    /// What sending goes by.
    pub sending: Arc<SendingDesk>,
    /// Templates at Meta.
    pub templates: Arc<TemplateDesk>,
    /// What waits to be sent.
    pub outbox: OutboxDesk,
    /// Games that exist.
    pub games: Arc<Games>,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Releases of games.
    pub releases: Arc<Releaser>,
    /// Files at Meta.
    pub files: Arc<dyn MediaGraph>,
    /// Who may use the API.
    pub tokens: TokenBook,
    /// False from the moment a stop was asked for: load balancers go elsewhere.
    pub ready: AtomicBool,
}

/// What lies under `/v1`, and whose token opens it. All of it is in `openapi.json`.
fn v1() -> Routes {
    let operator = Routes::default()
        .get("/dead-letters", desk::dead_letters)
        .get("/dead-letters/{id}", desk::dead_letter)
        .post("/dead-letters/{id}/retry", desk::retry_dead_letter)
        .get("/notices", desk::notices)
        .get("/depth", desk::depth)
        .get("/limits", limits::all)
        .get("/audit", audit::heads)
        .get("/games/{game}/audit", audit::entries)
        .delete("/games/{game}/players/{player}", erasure::erase)
        .post("/store/reseal", store::reseal)
        .get("/tokens", tokens::list)
        .post("/tokens", tokens::create)
        .delete("/tokens/{id}", tokens::revoke);
    let desk = Routes::default()
        .get("/games/{game}/tickets", desk::tickets)
        .post("/games/{game}/tickets/{number}/close", desk::close_ticket)
        .get("/games/{game}/outbox", outbox::waiting)
        .get("/games/{game}/outbox/parked", outbox::parked)
        .get("/games/{game}/pauses", pauses::list)
        .post("/games/{game}/pauses", pauses::set)
        .delete("/games/{game}/pauses/{id}", pauses::lift);
    let events = Routes::default()
        .post("/games/{game}/events", events::one)
        .post("/games/{game}/events/batch", events::many)
        .get("/games/{game}/players/{player}/presence", presence::look)
        .put("/games/{game}/players/{player}/presence", presence::tell)
        .post("/games/{game}/presence", presence::tell_many);
    let consents = Routes::default()
        .post("/games/{game}/consents", consents::one)
        .post("/games/{game}/consents/batch", consents::many)
        .get("/games/{game}/consents/export", consents::export)
        .get("/games/{game}/players/{player}/consents", consents::of_player);
    let verifications = Routes::default()
        .post("/games/{game}/verifications", verifications::start)
        .get("/games/{game}/verifications/measures", measures::codes)
        .post("/games/{game}/verifications/{id}/check", verifications::check)
        .post("/games/{game}/verifications/{id}/resend", verifications::resend)
        .get("/games/{game}/players/{player}/two-factor", two_factor::status)
        .post("/games/{game}/players/{player}/two-factor", two_factor::begin)
        .delete("/games/{game}/players/{player}/two-factor", two_factor::turn_off)
        .post("/games/{game}/players/{player}/two-factor/confirm", two_factor::confirm)
        .post("/games/{game}/players/{player}/two-factor/recovery-codes", two_factor::renew_codes)
        .post("/games/{game}/players/{player}/two-factor/challenges", two_factor::challenge)
        .get("/games/{game}/players/{player}/two-factor/challenges/{id}", two_factor::look)
        .post("/games/{game}/players/{player}/two-factor/challenges/{id}/check", two_factor::check)
        .get("/games/{game}/players/{player}/devices", two_factor::devices)
        .delete("/games/{game}/players/{player}/devices/{device}", two_factor::remove_device);
    let links = Routes::default()
        .post("/games/{game}/links", links::create)
        .get("/games/{game}/players/{player}/contacts", links::contacts)
        .delete("/games/{game}/players/{player}/contacts/{id}", links::unlink);
    let media = Routes::default().get("/games/{game}/media/{id}", media::fetch);
    let releases = Routes::default()
        .get("/games/{game}/releases", releases::list)
        .put("/games/{game}/releases/{digest}", releases::upload)
        .post("/games/{game}/releases/{digest}/activate", releases::activate)
        .post("/games/{game}/rollback", releases::roll_back)
        .get("/games/{game}/templates", templates::list)
        .post("/games/{game}/templates/sync", templates::sync)
        .post("/games/{game}/templates/{name}/submit", templates::submit);
    let casts = Routes::default()
        .get("/games/{game}/broadcasts", broadcasts::list)
        .post("/games/{game}/broadcasts", broadcasts::create)
        .get("/games/{game}/broadcasts/{id}", broadcasts::one)
        .post("/games/{game}/broadcasts/{id}/recipients", broadcasts::recipients)
        .post("/games/{game}/broadcasts/{id}/dry-run", broadcasts::dry_run)
        .post("/games/{game}/broadcasts/{id}/start", broadcasts::start)
        .post("/games/{game}/broadcasts/{id}/pause", broadcasts::pause)
        .post("/games/{game}/broadcasts/{id}/resume", broadcasts::resume)
        .post("/games/{game}/broadcasts/{id}/cancel", broadcasts::cancel)
        .get("/games/{game}/broadcasts/{id}/unknown", broadcasts::unknown)
        .get("/games/{game}/measures/templates", measures::templates)
        .post("/games/{game}/outages", broadcasts::outage);
    Routes::default()
        .get("/openapi.json", openapi::document)
        .and(operator.guarded(token::for_operator))
        .and(desk.guarded(|routes| token::for_scope(Scope::Desk, routes)))
        .and(events.guarded(|routes| token::for_scope(Scope::Events, routes)))
        .and(casts.guarded(|routes| token::for_scope(Scope::Broadcasts, routes)))
        .and(consents.guarded(|routes| token::for_scope(Scope::Consents, routes)))
        .and(verifications.guarded(|routes| token::for_scope(Scope::Verifications, routes)))
        .and(links.guarded(|routes| token::for_scope(Scope::Links, routes)))
        .and(media.guarded(|routes| token::for_scope(Scope::Media, routes)))
        .and(releases.guarded(|routes| token::for_scope(Scope::Releases, routes)))
}

/// How long an answer may take. An upload is read, compiled and played through first; a list is read whole.
pub fn time_for(method: &Method, uri: &Uri) -> Duration {
    let is_upload = *method == Method::PUT && uri.path().starts_with("/v1/games/");
    match is_upload || broadcasts::takes_long(uri.path()) {
        true => UPLOAD_TIMEOUT,
        false => REQUEST_TIMEOUT,
    }
}

/// All routes.
pub fn router(admin: Arc<Admin>) -> Router {
    let authenticated = axum::middleware::from_fn_with_state(admin.clone(), token::authenticate);
    let v1 = v1().router.fallback(problem::no_such_route).layer(authenticated);
    Router::new()
        .nest("/v1", v1)
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(admin)
}

/// Ready: not stopping, and the store answers and can be written.
async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    if !admin.ready.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    match admin.desk.check().await {
        Ok(()) => "ready\n".into_response(),
        Err(problem) => {
            tracing::warn!(%problem, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n").into_response()
        }
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let depth = admin.desk.depth().await.ok();
    if let Ok(limits) = admin.sending.limits().await {
        admin.metrics.sending.limits(&limits);
    }
    let numbers: Vec<_> = admin.games.numbers().cloned().collect();
    if let Some(ages) = admin.outbox.ages(&numbers, admin.clock.now()).await {
        admin.metrics.lanes.oldest(ages);
    }
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], admin.metrics.render(depth)).into_response()
}
