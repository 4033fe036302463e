//! Meta's webhooks: bytes in, durable events out. 200 only once the batch is stored; 503 when there is no room, so that
//! Meta comes again.

mod leftover;
pub mod listen;
mod room;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use questline_core::event::Event;
use questline_core::id::NumberId;
use questline_core::port::{Clock, Inbox, StoreError};
use questline_whatsapp::signature::{self, AppSecrets, VerifyToken};
use questline_whatsapp::webhook::{self, DecodeContext, Summary};
use serde::Deserialize;

use crate::game::Games;
use crate::metrics::Metrics;
use crate::sending::SendingDesk;
use crate::templates::TemplateDesk;
use crate::traffic::Traffic;
pub use room::Room;

/// A Meta app as the webhook knows it.
pub struct App {
    /// Its name in the address.
    pub name: String,
    /// What its POSTs are signed with.
    pub secrets: AppSecrets,
    /// What its GET handshake shows.
    pub verify_token: VerifyToken,
}

/// All that the webhook needs.
pub struct Ingress {
    /// By name.
    pub apps: HashMap<String, App>,
    /// Which number is whose.
    pub games: Arc<Games>,
    /// Where batches go.
    pub inbox: Arc<dyn Inbox>,
    /// What Meta tells of numbers and portfolios.
    pub sending: Arc<SendingDesk>,
    /// What hears of templates.
    pub templates: Arc<TemplateDesk>,
    /// What came in on each number.
    pub traffic: Arc<Traffic>,
    /// Numbers that Meta's identity check is on for: what others say of devices is not heeded.
    pub identity_check: Vec<NumberId>,
    /// Time of receipt.
    pub clock: Arc<dyn Clock>,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// Room for bodies.
    pub room: Room,
    /// Bytes of one body.
    pub body_bytes_max: usize,
}

/// `GET` and `POST /webhooks/meta/{app}`.
pub fn router(ingress: Arc<Ingress>) -> Router {
    Router::new().route("/webhooks/meta/{app}", get(handshake).post(receive)).with_state(ingress)
}

#[derive(Deserialize)]
struct Handshake {
    #[serde(rename = "hub.mode")]
    mode: Option<String>,
    #[serde(rename = "hub.verify_token")]
    token: Option<String>,
    #[serde(rename = "hub.challenge")]
    challenge: Option<String>,
}

async fn handshake(State(ingress): State<Arc<Ingress>>, Path(app): Path<String>, Query(query): Query<Handshake>) -> Response {
    let Some(app) = ingress.apps.get(&app) else { return StatusCode::NOT_FOUND.into_response() };
    match signature::handshake(&app.verify_token, query.mode.as_deref(), query.token.as_deref(), query.challenge.as_deref()) {
        Ok(challenge) => challenge.to_owned().into_response(),
        Err(problem) => {
            tracing::warn!(app = app.name, %problem, "a webhook handshake was refused");
            StatusCode::FORBIDDEN.into_response()
        }
    }
}

/// What a POST is answered.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Stored,
    UnknownApp,
    Unauthorized,
    TooLarge,
    Broken,
    NotWebhook,
    Full,
    StoreDown,
}

impl Answer {
    fn outcome(self) -> (&'static str, StatusCode) {
        match self {
            Self::Stored => ("stored", StatusCode::OK),
            Self::UnknownApp => ("unknown-app", StatusCode::NOT_FOUND),
            Self::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED),
            Self::TooLarge => ("too-large", StatusCode::PAYLOAD_TOO_LARGE),
            Self::Broken => ("broken", StatusCode::BAD_REQUEST),
            Self::NotWebhook => ("not-a-webhook", StatusCode::BAD_REQUEST),
            Self::Full => ("full", StatusCode::SERVICE_UNAVAILABLE),
            Self::StoreDown => ("store-down", StatusCode::SERVICE_UNAVAILABLE),
        }
    }
}

async fn receive(State(ingress): State<Arc<Ingress>>, Path(app): Path<String>, headers: HeaderMap, body: Body) -> Response {
    let answer = ingress.receive(&app, &headers, body).await.unwrap_or_else(|answer| answer);
    let (outcome, status) = answer.outcome();
    ingress.metrics.webhook(outcome);
    let mut response = status.into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

impl Ingress {
    async fn receive(&self, app: &str, headers: &HeaderMap, body: Body) -> Result<Answer, Answer> {
        let app = self.apps.get(app).ok_or(Answer::UnknownApp)?;
        // A request without a signature is not worth its bytes.
        let signature = headers.get("x-hub-signature-256").ok_or(Answer::Unauthorized)?.as_bytes();
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|bytes| bytes > self.body_bytes_max) {
            return Err(Answer::TooLarge);
        }
        let Some(_room) = self.room.take(announced.unwrap_or(self.body_bytes_max)) else {
            return Err(Answer::Full);
        };
        let body = Limited::new(body, self.body_bytes_max).collect().await.map_err(|problem| match problem.is::<LengthLimitError>() {
            true => Answer::TooLarge,
            false => Answer::Broken,
        })?;
        let body = body.to_bytes();
        let verified = app.secrets.verify(&body, Some(signature)).map_err(|_| Answer::Unauthorized)?;
        let context = DecodeContext { app: &app.name, now: self.clock.now(), directory: &|number| self.games.of_number(number).cloned() };
        let mut decoded = webhook::decode(&verified, &context).map_err(|problem| {
            tracing::warn!(app = app.name, body.bytes = body.len(), %problem, "a signed webhook could not be read");
            Answer::NotWebhook
        })?;
        self.metrics.decoded(&decoded.stats);
        for incoming in &mut decoded.batch.events {
            if let Event::Message(message) = &mut incoming.event {
                self.traffic.inbound(&incoming.address.number);
                if message.identity_key_hash.is_some() && !self.identity_check.contains(&incoming.address.number) {
                    message.identity_key_hash = None;
                }
            }
        }
        let refused: Vec<(NumberId, u32)> =
            decoded.batch.statuses.iter().filter_map(|status| Some((status.number.clone(), status.error.as_ref()?.code))).collect();
        let news: Vec<Summary> = decoded.batch.notices.iter().filter_map(Summary::of).collect();
        let appended = self.inbox.append(decoded.batch).await.map_err(|problem| match problem {
            StoreError::Overloaded { waiting } => {
                tracing::warn!(waiting, "the inbox is full: Meta is asked to come again");
                Answer::Full
            }
            problem => {
                tracing::error!(%problem, "a webhook could not be stored: Meta is asked to come again");
                Answer::StoreDown
            }
        })?;
        // Stored first: what Meta has told once is not told again.
        self.sending.heard(&news).await;
        refused.iter().for_each(|(number, code)| self.sending.heard_refusal(number, *code));
        self.metrics.appended(&appended);
        self.templates.hear(news, context.now);
        Ok(Answer::Stored)
    }
}
