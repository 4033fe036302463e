//! The HTTP API and what machines ask: `/v1/...` (JSON, with a token), `/metrics`, `/healthz`, `/readyz`.

mod desk;
mod problem;
mod token;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use questline_core::port::{Clock, Desk};

use crate::game::Games;
use crate::metrics::Metrics;

pub use problem::Problem;
pub use token::AdminToken;

/// All that the API needs.
pub struct Admin {
    /// What people look at and decide on.
    pub desk: Arc<dyn Desk>,
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

/// All routes.
pub fn router(admin: Arc<Admin>) -> Router {
    let v1 = Router::new()
        .route("/dead-letters", get(desk::dead_letters))
        .route("/dead-letters/{id}", get(desk::dead_letter))
        .route("/dead-letters/{id}/retry", post(desk::retry_dead_letter))
        .route("/games/{game}/tickets", get(desk::tickets))
        .route("/games/{game}/tickets/{number}/close", post(desk::close_ticket))
        .route("/notices", get(desk::notices))
        .route("/depth", get(desk::depth))
        .fallback(problem::no_such_route)
        .layer(axum::middleware::from_fn_with_state(admin.clone(), token::require));
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
