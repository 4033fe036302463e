//! Who may use the API: whoever has the operator's token.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ring::hmac;

use super::{Admin, Problem};
use crate::config::Secret;

/// The operator's token, kept so that comparing takes the same time whatever was shown.
#[derive(Clone)]
pub struct AdminToken {
    key: hmac::Key,
    tag: hmac::Tag,
}

impl AdminToken {
    /// From the token's text.
    pub fn new(token: &Secret) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"questline operator token");
        let tag = hmac::sign(&key, token.reveal().as_bytes());
        Self { key, tag }
    }

    fn is(&self, shown: &str) -> bool {
        hmac::verify(&self.key, shown.as_bytes(), self.tag.as_ref()).is_ok()
    }
}

/// Lets only bearers of the token through.
pub(super) async fn require(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let Some(token) = &admin.token else {
        let detail = "No operator token is configured: set [admin] token in questline.toml.".to_owned();
        return Problem { status: StatusCode::FORBIDDEN, title: "the API is closed", detail }.into_response();
    };
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if shown.is_some_and(|shown| token.is(shown)) {
        return next.run(request).await;
    }
    let detail = "Send the operator's token as `Authorization: Bearer <token>`.".to_owned();
    let mut response = Problem { status: StatusCode::UNAUTHORIZED, title: "not authorized", detail }.into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
