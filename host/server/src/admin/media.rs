//! Files that players sent: fetched from Meta when the studio asks, handed on piece by piece, and kept nowhere.
//!
//! What comes is a stranger's. Its type is told by its bytes, never by what was said; it is bounded while it comes; and it
//! is answered so that no browser opens it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use questline_core::audit::{Action, AuditRecord};
use questline_core::id::{GameId, NumberId};
use questline_core::media::{DOCUMENT_BYTES_MAX, SNIFF_BYTES, sniff};
use questline_core::message::MediaKind;
use questline_core::port::{FileBody, FileInfo, MediaError};
use ring::digest::{Context, SHA256};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::token::{self, Bearer};
use super::{Admin, Problem};
use crate::game::LoadedGame;

/// Files that are handed on at once: each has a connection to Meta.
const AT_ONCE_MAX: usize = 16;
/// Pieces that are read before they are taken.
const PIECES_AHEAD: usize = 4;
/// How long it may take to hand all of one on.
const HANDING_MAX: Duration = Duration::from_secs(300);
/// What is said of a file that none of its bytes tells of.
const UNKNOWN: &str = "application/octet-stream";

static AT_ONCE: std::sync::LazyLock<Arc<Semaphore>> = std::sync::LazyLock::new(|| Arc::new(Semaphore::new(AT_ONCE_MAX)));

/// What is asked.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Asked {
    number: Option<String>,
    bytes_max: Option<u64>,
}

/// `GET /v1/games/{game}/media/{id}`.
pub(super) async fn fetch(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path((game, id)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let loaded = GameId::parse(&game).ok().filter(|game| bearer.knows(game)).and_then(|game| admin.games.get(&game));
    let loaded = loaded.ok_or_else(|| token::no_game(&game))?;
    let number = number_of(&loaded, asked.number.as_deref())?;
    let bytes_max = asked.bytes_max.unwrap_or(DOCUMENT_BYTES_MAX).min(DOCUMENT_BYTES_MAX);
    let busy = || Problem {
        status: StatusCode::SERVICE_UNAVAILABLE,
        title: "busy",
        detail: format!("{AT_ONCE_MAX} files are being handed on: try again in a moment"),
    };
    let place = AT_ONCE.clone().try_acquire_owned().map_err(|_| busy())?;
    let opened = open(&admin, &number, &id, bytes_max).await;
    let (action, detail) = match &opened {
        Ok(file) => (Action::MediaFetched, format!("{}; {}", shown(&id), file.mime)),
        Err(refused) => (Action::MediaRefused, format!("{}; {}", shown(&id), refused.reason)),
    };
    admin.metrics.media(if opened.is_ok() { "fetched" } else { "not-fetched" });
    let record = AuditRecord::new(admin.clock.now(), loaded.rules.id.clone(), bearer.actor(), action, detail);
    admin.audit.append_audit(vec![record]).await?;
    Ok(opened.map_err(|refused| refused.problem)?.into_response(place))
}

/// The number that the file was sent to: one of the game's own, or the only one.
fn number_of(game: &LoadedGame, asked: Option<&str>) -> Result<NumberId, Problem> {
    let numbers = &game.rules.numbers;
    match (asked, numbers.as_slice()) {
        (Some(asked), _) => {
            let found = numbers.iter().find(|number| number.as_str() == asked);
            found.cloned().ok_or_else(|| Problem::invalid(format!("number: {} talks from no such number", game.rules.id)))
        }
        (None, [only]) => Ok(only.clone()),
        (None, []) => Err(Problem::not_found(format!("{} has no number here", game.rules.id))),
        (None, _) => Err(Problem::invalid(format!("number: name the number that it was sent to, for {} has several", game.rules.id))),
    }
}

/// An id as the audit log may hold it.
fn shown(id: &str) -> String {
    id.chars().filter(char::is_ascii_graphic).take(64).collect()
}

/// A file that is not handed on.
struct Refused {
    /// For the audit log.
    reason: &'static str,
    problem: Problem,
}

impl Refused {
    fn new(reason: &'static str, status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, problem: Problem { status, title, detail: detail.into() } }
    }
}

impl From<MediaError> for Refused {
    fn from(problem: MediaError) -> Self {
        match problem {
            MediaError::NotFound => {
                let detail = "Meta has no such file for this number: what players send is kept for 7 days";
                Self::new("unknown", StatusCode::NOT_FOUND, "not found", detail)
            }
            MediaError::Invalid(detail) => Self::new("invalid", StatusCode::BAD_REQUEST, "invalid request", detail),
            MediaError::TooLong { bytes_max } => too_long(bytes_max),
            MediaError::NotSent(_) | MediaError::Lost(_) => {
                tracing::warn!(%problem, "a file could not be fetched from Meta");
                Self::new("unavailable", StatusCode::SERVICE_UNAVAILABLE, "Meta does not answer", problem.to_string())
            }
            MediaError::Refused(_) => {
                tracing::warn!(%problem, "Meta refuses a file");
                Self::new("meta-refused", StatusCode::BAD_GATEWAY, "Meta refuses the file", problem.to_string())
            }
        }
    }
}

fn too_long(bytes_max: u64) -> Refused {
    let detail = format!("the file has more than {bytes_max} bytes: ask with a larger bytes_max, {DOCUMENT_BYTES_MAX} at most");
    Refused::new("too-long", StatusCode::PAYLOAD_TOO_LARGE, "the file is too large", detail)
}

/// A file whose beginning is there.
struct Opened {
    mime: &'static str,
    info: FileInfo,
    beginning: VecDeque<Bytes>,
    rest: Box<dyn FileBody>,
}

async fn open(admin: &Admin, number: &NumberId, id: &str, bytes_max: u64) -> Result<Opened, Refused> {
    let (info, mut rest) = admin.files.open_file(number, id, bytes_max).await?;
    let (mut beginning, mut head) = (VecDeque::new(), Vec::new());
    while head.len() < SNIFF_BYTES {
        let Some(piece) = rest.next().await? else { break };
        head.extend_from_slice(&piece[..piece.len().min(SNIFF_BYTES)]);
        beginning.push_back(piece);
    }
    let format = sniff(&head);
    let said = info.mime_type.as_deref().and_then(kind_of);
    if let Some(kind) = said
        && !format.is_some_and(|format| format.may_be(kind))
    {
        let is = format.map_or("of no known kind", |format| format.name());
        let detail = format!("it was sent as {}, and is {is} by its bytes: it is not handed on", kind.as_str());
        return Err(Refused::new("another-kind", StatusCode::UNPROCESSABLE_ENTITY, "not what it says", detail));
    }
    Ok(Opened { mime: format.map_or(UNKNOWN, |format| format.mime()), info, beginning, rest })
}

/// What a type says that a file is; a document may be anything.
fn kind_of(mime_type: &str) -> Option<MediaKind> {
    match mime_type.split(['/', ';']).next()?.trim() {
        "image" => Some(MediaKind::Image),
        "video" => Some(MediaKind::Video),
        "audio" => Some(MediaKind::Audio),
        _ => None,
    }
}

/// What goes from Meta to whoever asked. An answer that ends without its end has broken off.
enum Piece {
    Bytes(Bytes),
    End,
}

/// Hands on what there is and what comes.
async fn hand_on(
    beginning: VecDeque<Bytes>,
    mut rest: Box<dyn FileBody>,
    said_sha256: Option<String>,
    to: &mpsc::Sender<Piece>,
) -> Result<(), MediaError> {
    let mut hash = Context::new(&SHA256);
    let mut beginning = beginning.into_iter();
    loop {
        let piece = match beginning.next() {
            Some(piece) => Some(piece),
            None => rest.next().await?,
        };
        let Some(piece) = piece else { break };
        hash.update(&piece);
        if to.send(Piece::Bytes(piece)).await.is_err() {
            return Ok(());
        }
    }
    let found = hex::encode(hash.finish());
    if said_sha256.is_some_and(|said| is_hex_digest(&said) && !said.eq_ignore_ascii_case(&found)) {
        return Err(MediaError::Lost("its bytes are not those that Meta names".to_owned()));
    }
    let _ = to.send(Piece::End).await;
    Ok(())
}

/// Meta's samples have it in two ways; only this one is known to be the digest of the bytes.
fn is_hex_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Opened {
    fn into_response(self, place: OwnedSemaphorePermit) -> Response {
        let Self { mime, info, beginning, rest } = self;
        let (pieces, coming) = mpsc::channel(PIECES_AHEAD);
        let said_sha256 = info.sha256;
        // A task of its own, so that whoever does not read on keeps no place for longer than this.
        tokio::spawn(async move {
            let _place = place;
            match tokio::time::timeout(HANDING_MAX, hand_on(beginning, rest, said_sha256, &pieces)).await {
                Ok(Ok(())) => {}
                Ok(Err(problem)) => tracing::warn!(%problem, "a file broke off on its way to the studio"),
                Err(_) => tracing::warn!("a file was not taken in time, and broke off"),
            }
        });
        let body = Body::from_stream(stream::try_unfold(coming, async |mut coming| match coming.recv().await {
            Some(Piece::Bytes(piece)) => Ok(Some((piece, coming))),
            Some(Piece::End) => Ok(None),
            None => Err(MediaError::Lost("the file broke off".to_owned())),
        }));
        let fixed = [
            (header::CONTENT_TYPE, HeaderValue::from_static(mime)),
            (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'")),
        ];
        let mut response = (fixed, body).into_response();
        // What was said, for whoever wants to compare; as a header it may say nothing else.
        let said = info.mime_type.and_then(|said| HeaderValue::try_from(said).ok());
        if let Some(said) = said {
            response.headers_mut().insert(HeaderName::from_static("questline-said-type"), said);
        }
        response
    }
}
