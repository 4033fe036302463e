//! Errors of the API: RFC 9457 problem details, saying what was wrong and what to do.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use questline_core::port::StoreError;
use serde::Serialize;

/// One error.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    /// HTTP status.
    #[serde(serialize_with = "as_number")]
    pub status: StatusCode,
    /// In a few words; the same for every error of its kind.
    pub title: &'static str,
    /// What was wrong here, and what to do.
    pub detail: String,
}

fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// There is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, title: "not found", detail: detail.into() }
    }

    /// The request makes no sense.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, title: "invalid request", detail: detail.into() }
    }

    /// It does not fit what is there.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::CONFLICT, title: "conflict", detail: detail.into() }
    }
}

impl From<StoreError> for Problem {
    fn from(problem: StoreError) -> Self {
        if let StoreError::Overloaded { waiting } = problem {
            tracing::warn!(waiting, "the inbox is full: the API asks to come again");
            let detail = format!("{waiting} events are waiting. Send it again later, with the same key.");
            return Self { status: StatusCode::SERVICE_UNAVAILABLE, title: "overloaded", detail };
        }
        tracing::error!(%problem, "the store failed a request of the API");
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            title: "the store does not answer",
            detail: "Try again; `questline doctor` says more.".to_owned(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let comes_again = self.status == StatusCode::SERVICE_UNAVAILABLE;
        let mut response = (self.status, Json(self)).into_response();
        if comes_again {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

pub(super) async fn no_such_route(uri: axum::http::Uri) -> Problem {
    Problem::not_found(format!("there is nothing at /v1{}", uri.path()))
}
