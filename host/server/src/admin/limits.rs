//! `GET /v1/limits`: how fast each number may send now, and how many users each portfolio may still write to.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::{Admin, Problem};
use crate::sending::SendingLimits;

pub(super) async fn all(State(admin): State<Arc<Admin>>) -> Result<Json<SendingLimits>, Problem> {
    Ok(Json(admin.sending.limits().await?))
}
