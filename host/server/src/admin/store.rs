//! What the operator has the store do.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use questline_core::port::Resealing;

use super::token::Bearer;
use super::{Admin, Problem};

/// Rows that one request looks at, about.
const ROWS: usize = 2_000;

/// Goes on rewriting what lies under older keys.
pub(super) async fn reseal(State(admin): State<Arc<Admin>>, Extension(bearer): Extension<Bearer>) -> Result<Json<Resealing>, Problem> {
    let done = admin.sealing.reseal(ROWS).await?;
    if done.done {
        tracing::info!(
            looked_at = done.looked_at,
            rewritten = done.rewritten,
            by = bearer.name(),
            "all rows were looked at for older keys"
        );
    }
    Ok(Json(done))
}
