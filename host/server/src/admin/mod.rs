//! The HTTP API and what machines ask: `/v1/...` (JSON, with a token), `/metrics`, `/healthz`, `/readyz`.

mod desk;
mod events;
mod openapi;
mod problem;
mod routes;
mod token;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use questline_core::port::{Clock, Desk};

use crate::game::Games;
use crate::metrics::Metrics;
use routes::Routes;

pub use events::GameEvents;
pub use problem::Problem;
pub use token::AdminToken;

/// All that the API needs.
pub struct Admin {
    /// What people look at and decide on.
    pub desk: Arc<dyn Desk>,
    /// Where game events go.
    pub events: GameEvents,
    /// Games that exist.
    pub games: Arc<Games>,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The operator's token; none closes `/v1`.
    pub token: Option<AdminToken>,
    /// False from the moment a stop was asked for: load balancers go elsewhere.
    pub ready: AtomicBool,
}

/// What lies under `/v1`. All of it is in `openapi.json`.
fn v1() -> Routes {
    Routes::default()
        .get("/dead-letters", desk::dead_letters)
        .get("/dead-letters/{id}", desk::dead_letter)
        .post("/dead-letters/{id}/retry", desk::retry_dead_letter)
        .post("/games/{game}/events", events::one)
        .post("/games/{game}/events/batch", events::many)
        .get("/games/{game}/tickets", desk::tickets)
        .post("/games/{game}/tickets/{number}/close", desk::close_ticket)
        .get("/notices", desk::notices)
        .get("/depth", desk::depth)
        .get("/openapi.json", openapi::document)
}

/// All routes.
pub fn router(admin: Arc<Admin>) -> Router {
    let v1 = v1().router.fallback(problem::no_such_route).layer(axum::middleware::from_fn_with_state(admin.clone(), token::require));
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
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], admin.metrics.render(depth)).into_response()
}
