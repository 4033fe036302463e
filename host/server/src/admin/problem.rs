//! Errors of the API: RFC 9457 problem details, saying what was wrong and what to do.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use questline_core::port::StoreError;
use questline_core::time::{SECOND_MS, UnixMs};
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

/// An error that may be a limit.
pub(super) enum Failure {
    Problem(Problem),
    Limit(Limit),
}

/// Too much was asked for: programs are told of what, and when to come again.
#[derive(Serialize)]
pub(super) struct Limit {
    #[serde(flatten)]
    problem: Problem,
    reason: &'static str,
    retry_after_s: u64,
}

impl Limit {
    /// By a short name of the limit and what there is too much of, until a time.
    pub(super) fn until(retry_at: UnixMs, now: UnixMs, reason: &'static str, too_much: &str) -> Failure {
        Self::in_s(retry_at.since_ms(now).div_ceil(SECOND_MS).max(1), reason, too_much)
    }

    /// As [`Self::until`], for so many seconds.
    pub(super) fn in_s(retry_after_s: u64, reason: &'static str, too_much: &str) -> Failure {
        let detail = format!("{reason}: {too_much}; nothing more for {retry_after_s} s.");
        let problem = Problem { status: StatusCode::TOO_MANY_REQUESTS, title: "too many requests", detail };
        Failure::Limit(Self { problem, reason, retry_after_s })
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<StoreError> for Failure {
    fn from(problem: StoreError) -> Self {
        Self::Problem(problem.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let limit = match self {
            Self::Problem(problem) => return problem.into_response(),
            Self::Limit(limit) => limit,
        };
        let retry_after_s = limit.retry_after_s;
        let mut response = (StatusCode::TOO_MANY_REQUESTS, Json(limit)).into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

pub(super) async fn no_such_route(uri: axum::http::Uri) -> Problem {
    Problem::not_found(format!("there is nothing at /v1{}", uri.path()))
}
