//! The client: one per host process, shared by all who talk to Meta.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use questline_core::event::Wamid;
use questline_core::id::NumberId;
use questline_core::outbox::OutboxMessage;
use questline_core::port::Graph;
use questline_core::secret::{SecretTemplate, SecretText};
use questline_core::send::{SendError, SendOutcome};
use serde::Deserialize;

use super::directory::{AccessToken, NumberDirectory};
use super::exchange::{Answer, NoAnswer, exchange};
use super::options::{GraphOptions, GraphSetupError, Origin};
use super::pool::{Pieces, Pool};
use super::{payload, response};

/// Why a call other than a send brought nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GraphError {
    /// We have no access token for it.
    #[error("there is no access token for number {0}")]
    UnknownNumber(NumberId),
    /// The request cannot be made of this.
    #[error("{0}")]
    Invalid(&'static str),
    /// The request never left.
    #[error("Meta was not reached: {0}")]
    NotSent(String),
    /// No answer came, or none that can be read.
    #[error("no answer that can be read: {0}")]
    NoAnswer(String),
    /// Meta refused it.
    #[error(transparent)]
    Refused(SendError),
    /// The answer is longer than was asked for.
    #[error("the answer has more than {bytes_max} bytes")]
    TooLong {
        /// As many as are taken.
        bytes_max: usize,
    },
}

impl From<NoAnswer> for GraphError {
    fn from(none: NoAnswer) -> Self {
        match none {
            NoAnswer::NotSent(reason) => Self::NotSent(reason),
            NoAnswer::Lost(reason) => Self::NoAnswer(reason),
            NoAnswer::TooLong { bytes_max, .. } => Self::TooLong { bytes_max },
        }
    }
}

/// What is made once for each number.
pub(super) struct Access {
    messages: Uri,
    pub(super) authorization: HeaderValue,
}

/// Meta's Graph API.
pub struct GraphClient {
    pub(super) pool: Pool,
    pub(super) origin: Origin,
    pub(super) timeout: Duration,
    numbers: RwLock<HashMap<NumberId, Arc<Access>>>,
}

impl fmt::Debug for GraphClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphClient").field("origin", &self.origin.authority).finish_non_exhaustive()
    }
}

impl GraphClient {
    /// Connects to nothing yet.
    pub fn new(options: GraphOptions, numbers: NumberDirectory) -> Result<Self, GraphSetupError> {
        let origin = Origin::parse(&options)?;
        let pool = Pool::new(origin.uri()?, options.in_flight_max).map_err(|error| GraphSetupError::Tls(error.to_string()))?;
        let timeout = Duration::from_millis(options.timeout_ms);
        let client = Self { pool, origin, timeout, numbers: RwLock::default() };
        for (number, token) in numbers.into_iter() {
            client.set_token(number, &token)?;
        }
        Ok(client)
    }

    /// Adds a number, or gives it another token; requests in flight go on with the old one.
    pub fn set_token(&self, number: NumberId, token: &AccessToken) -> Result<(), GraphSetupError> {
        let unfit = || GraphSetupError::Token(number.clone());
        let usable = !token.reveal().is_empty() && token.reveal().bytes().all(|byte| byte.is_ascii_graphic());
        if !usable {
            return Err(unfit());
        }
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", token.reveal())).map_err(|_| unfit())?;
        authorization.set_sensitive(true);
        let messages = self.path(&format!("/{number}/messages")).map_err(|_| unfit())?;
        let access = Arc::new(Access { messages, authorization });
        self.numbers.write().unwrap_or_else(PoisonError::into_inner).insert(number, access);
        Ok(())
    }

    pub(super) fn access(&self, number: &NumberId) -> Option<Arc<Access>> {
        self.numbers.read().unwrap_or_else(PoisonError::into_inner).get(number).cloned()
    }

    pub(super) fn known(&self, number: &NumberId) -> Result<Arc<Access>, GraphError> {
        self.access(number).ok_or_else(|| GraphError::UnknownNumber(number.clone()))
    }

    /// Where Meta is.
    pub(super) fn origin_uri(&self) -> Result<Uri, GraphError> {
        self.origin.uri().map_err(|_| GraphError::Invalid("the Graph API's address is none"))
    }

    /// The request target for a path below the version.
    pub(super) fn path(&self, path: &str) -> Result<Uri, GraphError> {
        let target = format!("{}{path}", self.origin.prefix);
        target.parse().map_err(|_| GraphError::Invalid("the path holds characters that no path has"))
    }

    pub(super) fn request(&self, method: Method, target: Uri, access: &Access, kind: Option<HeaderValue>, body: Pieces) -> Request<Pieces> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = target;
        let headers = request.headers_mut();
        headers.insert(HOST, self.origin.host.clone());
        headers.insert(AUTHORIZATION, access.authorization.clone());
        if let Some(kind) = kind {
            headers.insert(CONTENT_TYPE, kind);
        }
        request
    }

    /// Sends a request; an answer other than 2xx is an error.
    pub(super) async fn call(&self, request: Request<Pieces>) -> Result<Answer, GraphError> {
        let answer = exchange(&self.pool, request, self.timeout).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(GraphError::Refused(response::refusal(answer.status, &answer.body))) }
    }

    /// Marks a message of the player's, and all before it, as read. With `typing`, the player sees that an answer is
    /// being written, until it comes or 25 seconds have passed. Meta takes it for up to 30 days after the message.
    pub async fn mark_read(&self, number: &NumberId, message: &Wamid, typing: bool) -> Result<(), GraphError> {
        let access = self.known(number)?;
        let body = payload::mark_read(message, typing).map_err(|_| GraphError::Invalid("the message's id cannot be written"))?;
        self.call(self.request(Method::POST, access.messages.clone(), &access, Some(JSON), body.into())).await?;
        Ok(())
    }
}

/// The type of all bodies but uploads.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Reads the answer of a call.
pub(super) fn read<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, GraphError> {
    serde_json::from_slice(&answer.body)
        .map_err(|error| GraphError::NoAnswer(format!("its JSON is odd at line {} column {}", error.line(), error.column())))
}

#[async_trait]
impl Graph for GraphClient {
    async fn send(&self, message: &OutboxMessage) -> SendOutcome {
        self.post(message, payload::message(message)).await
    }

    async fn send_secret(&self, message: &OutboxMessage, text: &SecretText) -> SendOutcome {
        self.post(message, payload::secret(message, text)).await
    }

    async fn send_secret_template(&self, message: &OutboxMessage, template: &SecretTemplate) -> SendOutcome {
        self.post(message, payload::secret_template(message, template)).await
    }
}

impl GraphClient {
    /// Sends a message's body.
    async fn post(&self, message: &OutboxMessage, body: Result<Vec<u8>, serde_json::Error>) -> SendOutcome {
        let Some(access) = self.access(&message.message.number) else {
            return SendOutcome::NotSent { reason: format!("there is no access token for number {}", message.message.number) };
        };
        let body = match body {
            Ok(body) => body,
            Err(error) => return SendOutcome::NotSent { reason: format!("the message cannot be written as JSON: {error}") },
        };
        let request = self.request(Method::POST, access.messages.clone(), &access, Some(JSON), body.into());
        match exchange(&self.pool, request, self.timeout).await {
            Ok(answer) => response::outcome(answer.status, &answer.body),
            Err(NoAnswer::NotSent(reason)) => SendOutcome::NotSent { reason },
            Err(NoAnswer::Lost(reason)) => SendOutcome::Unknown { reason },
            Err(NoAnswer::TooLong { status, .. }) => too_long(status),
        }
    }
}

/// An answer that was not read to its end: a success may hold our message's id, anything else is refused by its status.
fn too_long(status: StatusCode) -> SendOutcome {
    response::outcome(status, b"")
}
