//! What the page asks for and does, in JSON; and the stream of news that it listens to.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{Stream, stream};
use questline_core::audit::Actor;
use questline_core::id::TicketNumber;
use questline_core::port::Clock;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;

use super::chat::Sent;
use super::people::{Device, Person, Presence};
use super::{NewPerson, Room};

/// Bytes of a file that a player sends; Meta takes 5 MB of a picture.
const FILE_BYTES_MAX: usize = 5 << 20;
/// Files that are kept for the page.
const FILES_MAX: usize = 32;
/// The furthest that time is moved at once: a year.
const ADVANCE_MS_MAX: u64 = 366 * questline_core::time::DAY_MS;

/// Files that players sent, by their ids.
#[derive(Default)]
pub(super) struct Files {
    kept: VecDeque<(u64, String, Bytes)>,
    next: u64,
}

/// Why something was not done, for people.
pub(super) struct Refused(StatusCode, String);

impl Refused {
    fn wrong(words: impl std::fmt::Display) -> Self {
        Self(StatusCode::UNPROCESSABLE_ENTITY, words.to_string())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(serde_json::json!({ "problem": self.1 }))).into_response()
    }
}

type Done = Result<StatusCode, Refused>;
const DONE: Done = Ok(StatusCode::NO_CONTENT);

pub(super) fn router(room: Arc<Room>) -> Router {
    Router::new()
        .route("/api/live", get(live))
        .route("/api/clock", post(clock))
        .route("/api/events", post(game_event))
        .route("/api/files/{id}", get(file))
        .route("/api/players", post(add))
        .route("/api/players/{phone}", post(set).delete(remove))
        .route("/api/players/{phone}/say", post(say))
        .route("/api/players/{phone}/tap", post(tap))
        .route("/api/players/{phone}/react", post(react))
        .route("/api/players/{phone}/read", post(read))
        .route("/api/players/{phone}/files", post(send_file).layer(DefaultBodyLimit::max(FILE_BYTES_MAX)))
        .route("/api/tickets/{number}/close", post(close_ticket))
        .with_state(room)
}

/// Everything as it is, then what changes. Who falls behind gets everything again.
async fn live(State(room): State<Arc<Room>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    room.tell_clock();
    let (hello, news) = room.journal.listen();
    let from = (room, Some(hello), news);
    let stream = stream::unfold(from, |(room, hello, mut news)| async move {
        if let Some(hello) = hello {
            return Some((Ok(Event::default().data(&*hello)), (room, None, news)));
        }
        match news.recv().await {
            Ok(one) => Some((Ok(Event::default().data(&*one)), (room, None, news))),
            Err(RecvError::Lagged(_)) => {
                let (hello, news) = room.journal.listen();
                Some((Ok(Event::default().data(&*hello)), (room, None, news)))
            }
            Err(RecvError::Closed) => None,
        }
    });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

fn person(room: &Room, phone: &str) -> Result<Person, Refused> {
    room.people.get(phone).ok_or_else(|| Refused(StatusCode::NOT_FOUND, "this player is not on the page".to_owned()))
}

/// A player who can write: with a phone that is on, to a game that is there.
fn writer(room: &Room, phone: &str) -> Result<Person, Refused> {
    let person = person(room, phone)?;
    if person.presence == Presence::Offline {
        return Err(Refused::wrong(format!("{}'s phone is off: set it to online first", person.name)));
    }
    if !room.plays() {
        return Err(Refused::wrong("the game does not build yet: nobody is there to answer"));
    }
    Ok(person)
}

#[derive(Deserialize)]
struct Advance {
    by_ms: u64,
}

async fn clock(State(room): State<Arc<Room>>, Json(advance): Json<Advance>) -> Done {
    if advance.by_ms == 0 || advance.by_ms > ADVANCE_MS_MAX {
        return Err(Refused::wrong("time is moved forward, by a year at most"));
    }
    room.advance(advance.by_ms);
    DONE
}

#[derive(Deserialize)]
struct NewEvent {
    player: String,
    name: String,
    payload: Value,
}

/// Over the host's own API, as a studio's backend does it.
async fn game_event(State(room): State<Arc<Room>>, Json(new): Json<NewEvent>) -> Done {
    let person = person(&room, &new.player)?;
    let ports = room.ports().map_err(Refused::wrong)?;
    let mut event = serde_json::json!({ "name": new.name, "payload": new.payload });
    match person.linked {
        true => event["player"] = person.id.as_str().into(),
        false => event["contact"] = serde_json::json!({ "phone": format!("+{}", person.phone) }),
    }
    let key = format!("dev-{:016x}", crate::clock::random());
    let request = ports.http.post(&ports.events_url).bearer_auth(ports.operator.reveal()).header("idempotency-key", key);
    let answer = request.json(&event).send().await.map_err(Refused::wrong)?;
    if answer.status().is_success() {
        return DONE;
    }
    let status = answer.status();
    let problem: Value = answer.json().await.unwrap_or_default();
    Err(Refused::wrong(problem["detail"].as_str().map_or_else(|| format!("the host answers {status}"), str::to_owned)))
}

async fn add(State(room): State<Arc<Room>>, Json(new): Json<NewPerson>) -> Done {
    room.add(new).await.map_err(Refused::wrong)?;
    DONE
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    tier: Option<String>,
    locale: Option<String>,
    linked: Option<bool>,
    device: Option<Device>,
    presence: Option<Presence>,
}

async fn set(State(room): State<Arc<Room>>, Path(phone): Path<String>, Json(settings): Json<Settings>) -> Done {
    for (what, text) in [("a tier", &settings.tier), ("a locale", &settings.locale)] {
        let fits = |text: &String| {
            (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        if text.as_ref().is_some_and(|text| !fits(text)) {
            return Err(Refused::wrong(format!("{what} is 1 to 32 letters, digits, - and _")));
        }
    }
    let changed = room.people.change(&phone, |person| {
        person.tier = settings.tier.unwrap_or_else(|| person.tier.clone());
        person.locale = settings.locale.unwrap_or_else(|| person.locale.clone());
        person.linked = settings.linked.unwrap_or(person.linked);
        person.device = settings.device.unwrap_or(person.device);
        person.presence = settings.presence.unwrap_or(person.presence);
    });
    let person = changed.ok_or_else(|| Refused(StatusCode::NOT_FOUND, "this player is not on the page".to_owned()))?;
    person.handle.set_online(person.presence != Presence::Offline);
    room.chat().look(&person);
    DONE
}

async fn remove(State(room): State<Arc<Room>>, Path(phone): Path<String>) -> Done {
    person(&room, &phone)?;
    room.people.remove(&phone);
    room.journal.gone(&phone);
    DONE
}

#[derive(Deserialize)]
struct Said {
    text: String,
    reply_to: Option<String>,
}

async fn say(State(room): State<Arc<Room>>, Path(phone): Path<String>, Json(said): Json<Said>) -> Done {
    let person = writer(&room, &phone)?;
    let text = said.text.trim();
    if text.is_empty() || text.chars().count() > questline_core::message::TEXT_CHARS_MAX {
        return Err(Refused::wrong(format!("a message has 1 to {} characters", questline_core::message::TEXT_CHARS_MAX)));
    }
    room.chat().say(&person, text, said.reply_to.as_deref()).await.map_err(Refused::wrong)?;
    DONE
}

#[derive(Deserialize)]
struct Tapped {
    message: String,
    index: usize,
}

async fn tap(State(room): State<Arc<Room>>, Path(phone): Path<String>, Json(tapped): Json<Tapped>) -> Done {
    let person = writer(&room, &phone)?;
    room.chat().tap(&person, &tapped.message, tapped.index).await.map_err(Refused::wrong)?;
    DONE
}

#[derive(Deserialize)]
struct Reacted {
    message: String,
    emoji: String,
}

async fn react(State(room): State<Arc<Room>>, Path(phone): Path<String>, Json(reacted): Json<Reacted>) -> Done {
    let person = writer(&room, &phone)?;
    if reacted.emoji.chars().count() > 8 {
        return Err(Refused::wrong("a reaction is one emoji"));
    }
    room.chat().react(&person, &reacted.message, &reacted.emoji).await.map_err(Refused::wrong)?;
    DONE
}

async fn read(State(room): State<Arc<Room>>, Path(phone): Path<String>) -> Done {
    let person = person(&room, &phone)?;
    person.handle.read_all();
    room.chat().look(&person);
    DONE
}

#[derive(Deserialize)]
struct About {
    name: String,
    caption: Option<String>,
}

async fn send_file(
    State(room): State<Arc<Room>>,
    Path(phone): Path<String>,
    Query(about): Query<About>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Done {
    let person = writer(&room, &phone)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("application/octet-stream");
    if !["image/jpeg", "image/png", "application/pdf", "text/plain"].contains(&kind) {
        return Err(Refused::wrong("send a picture (JPEG, PNG), a PDF or a plain text"));
    }
    let url = {
        let mut files = room.files.lock().unwrap_or_else(PoisonError::into_inner);
        let id = files.next;
        files.next += 1;
        if files.kept.len() >= FILES_MAX {
            files.kept.pop_front();
        }
        files.kept.push_back((id, kind.to_owned(), bytes.clone()));
        format!("/api/files/{id}")
    };
    let filename: String = about.name.chars().filter(|c| !c.is_control()).take(120).collect();
    let caption = about.caption.filter(|caption| !caption.trim().is_empty());
    let sent = Sent { mime_type: kind.to_owned(), filename, caption, bytes, url };
    room.chat().send_file(&person, sent).await.map_err(Refused::wrong)?;
    DONE
}

async fn file(State(room): State<Arc<Room>>, Path(id): Path<u64>) -> Response {
    let files = room.files.lock().unwrap_or_else(PoisonError::into_inner);
    match files.kept.iter().find(|(known, ..)| *known == id) {
        Some((_, kind, bytes)) => ([(header::CONTENT_TYPE, kind.clone())], bytes.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[derive(Deserialize)]
struct Closed {
    resolution: String,
}

async fn close_ticket(State(room): State<Arc<Room>>, Path(number): Path<String>, Json(closed): Json<Closed>) -> Done {
    let number = TicketNumber::parse(&number).map_err(Refused::wrong)?;
    let resolution = closed.resolution.trim();
    if resolution.is_empty() || resolution.len() > 4_096 {
        return Err(Refused::wrong("say in a few words how it was resolved"));
    }
    let ports = room.ports().map_err(Refused::wrong)?;
    let now = room.clock.now();
    let closed =
        ports.desk.close_ticket(&room.game, &number, resolution.to_owned(), &Actor::Operator, now).await.map_err(Refused::wrong)?;
    room.onlooker.tickets.notify_one();
    if closed { DONE } else { Err(Refused(StatusCode::CONFLICT, "this ticket is closed".to_owned())) }
}
