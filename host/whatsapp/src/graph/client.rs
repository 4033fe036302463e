//! The client: numbers with their tokens, and the port that the sender uses.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use hyper::header::HeaderValue;
use hyper::{Method, Uri};
use questline_core::id::NumberId;
use questline_core::outbox::OutboxMessage;
use questline_core::port::Graph;
use questline_core::send::SendOutcome;

use super::directory::NumberDirectory;
use super::http::{Exchange, Http, HttpError};
use super::{payload, response};

/// How the API is reached.
#[derive(Debug, Clone)]
pub struct GraphOptions {
    /// `https://graph.facebook.com`; plain http only on loopback.
    pub base_url: String,
    /// For instance `v25.0`.
    pub version: String,
    /// From the request's start to the end of the answer.
    pub timeout_ms: u64,
    /// Requests at the same time; as many connections are kept.
    pub in_flight_max: usize,
}

/// Why there is no client, or no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// The address or version.
    #[error("{0}")]
    Options(String),
    /// A token with characters that no header takes.
    #[error("the access token of number {0} has characters that no token has")]
    Token(NumberId),
    /// No such number in the directory.
    #[error("number {0} has no access token")]
    UnknownNumber(NumberId),
    /// Meta refused.
    #[error("Meta answered {code} (HTTP {http_status}): {detail}")]
    Refused {
        /// Meta's code.
        code: u32,
        /// HTTP status.
        http_status: u16,
        /// Meta's words, bounded.
        detail: String,
    },
    /// No answer.
    #[error("Meta cannot be reached: {0}")]
    Unreachable(String),
    /// An answer that is none of the documented ones.
    #[error("Meta's answer cannot be read: {0}")]
    Unreadable(String),
    /// The answer is larger than it may be.
    #[error("the answer has more than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: usize,
    },
    /// Media may be fetched from Meta's hosts only.
    #[error("{0} is not one of Meta's hosts: nothing is fetched from there")]
    ForeignHost(String),
}

impl From<HttpError> for GraphError {
    fn from(problem: HttpError) -> Self {
        match problem {
            HttpError::TooLarge { bytes_max } => Self::TooLarge { bytes_max },
            problem => Self::Unreachable(problem.to_string()),
        }
    }
}

/// A number's part of every request, made once.
struct Number {
    messages: Uri,
    authorization: HeaderValue,
}

/// The client. Connections are kept and shared.
pub struct GraphClient {
    pub(super) http: Http,
    pub(super) base: String,
    pub(super) timeout: Duration,
    numbers: HashMap<NumberId, Number>,
}

impl GraphClient {
    /// For these numbers.
    pub fn new(options: GraphOptions, directory: NumberDirectory) -> Result<Self, GraphError> {
        let base = base(&options)?;
        let mut numbers = HashMap::new();
        for (id, token) in directory.into_iter() {
            let messages = format!("{base}/{id}/messages").parse().map_err(|_| GraphError::Options(format!("{base} is no address")))?;
            let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.reveal())).map_err(|_| GraphError::Token(id.clone()))?;
            authorization.set_sensitive(true);
            numbers.insert(id, Number { messages, authorization });
        }
        Ok(Self { http: Http::new(options.in_flight_max), base, timeout: Duration::from_millis(options.timeout_ms.max(1)), numbers })
    }

    pub(super) fn authorization(&self, number: &NumberId) -> Result<HeaderValue, GraphError> {
        self.numbers.get(number).map(|number| number.authorization.clone()).ok_or_else(|| GraphError::UnknownNumber(number.clone()))
    }

    /// Shows the player that a message was read, and with `typing` that an answer is being written (for up to 25 s).
    pub async fn mark_read(&self, number: &NumberId, wamid: &questline_core::event::Wamid, typing: bool) -> Result<(), GraphError> {
        let known = self.numbers.get(number).ok_or_else(|| GraphError::UnknownNumber(number.clone()))?;
        let body = payload::mark_read(wamid, typing).map_err(|problem| GraphError::Unreadable(problem.to_string()))?;
        let exchange = Exchange { method: Method::POST, uri: known.messages.clone(), authorization: known.authorization.clone(), body: Some(body) };
        let (status, answer) = self.http.exchange(exchange, self.timeout, response::ANSWER_BYTES_MAX).await?;
        response::success(status, &answer)
    }
}

/// `<url>/<version>`, if both make sense.
fn base(options: &GraphOptions) -> Result<String, GraphError> {
    let url = options.base_url.trim_end_matches('/');
    let wrong = |problem: &str| Err(GraphError::Options(format!("graph.url {url:?} {problem}")));
    let Ok(uri) = url.parse::<Uri>() else { return wrong("is no address") };
    let host = uri.host().unwrap_or_default();
    let loopback = matches!(host, "127.0.0.1" | "localhost" | "[::1]");
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if loopback => {}
        _ => return wrong("is not https: access tokens would be readable on the way"),
    }
    let version = &options.version;
    let fits = version.strip_prefix('v').and_then(|rest| rest.split_once('.')).is_some_and(|(major, minor)| {
        [major, minor].iter().all(|part| !part.is_empty() && part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit()))
    });
    if fits { Ok(format!("{url}/{version}")) } else { Err(GraphError::Options(format!("graph.version {version:?} is not like v25.0"))) }
}

#[async_trait]
impl Graph for GraphClient {
    async fn send(&self, message: &OutboxMessage) -> SendOutcome {
        let Some(number) = self.numbers.get(&message.message.number) else {
            return SendOutcome::NotSent { reason: format!("number {} has no access token", message.message.number) };
        };
        let body = match payload::message(message) {
            Ok(body) => body,
            Err(problem) => return SendOutcome::NotSent { reason: format!("the message cannot be written: {problem}") },
        };
        let exchange = Exchange { method: Method::POST, uri: number.messages.clone(), authorization: number.authorization.clone(), body: Some(body) };
        match self.http.exchange(exchange, self.timeout, response::ANSWER_BYTES_MAX).await {
            Ok((status, answer)) => response::outcome(status, &answer),
            // Without a connection nothing has left; with one, nobody knows how much.
            Err(problem @ HttpError::Connect(_)) => SendOutcome::NotSent { reason: problem.to_string() },
            Err(problem) => SendOutcome::Unknown { reason: problem.to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn options(url: &str, version: &str) -> GraphOptions {
        GraphOptions { base_url: url.into(), version: version.into(), timeout_ms: 1_000, in_flight_max: 8 }
    }

    #[test]
    fn tokens_go_over_https_only() {
        assert_eq!(base(&options("https://graph.facebook.com/", "v25.0")).unwrap(), "https://graph.facebook.com/v25.0");
        assert!(base(&options("http://127.0.0.1:9000", "v25.0")).is_ok());
        for (url, version) in [("http://graph.facebook.com", "v25.0"), ("graph.facebook.com", "v25.0"), ("https://graph.facebook.com", "25"), ("https://graph.facebook.com", "v25.0/..")] {
            assert!(base(&options(url, version)).is_err(), "{url} {version}");
        }
    }
}
