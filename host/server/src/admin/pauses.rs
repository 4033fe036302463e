//! Pauses: `POST /v1/games/{game}/pauses` sets one, `GET` lists those that hold, `DELETE .../{id}` lifts one. Messages that a
//! pause holds are parked with their reason, and go on after it.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use questline_core::audit::Action;
use questline_core::game::Game;
use questline_core::id::NumberId;
use questline_core::permit::pause::{PAUSE_MS_MAX, PAUSES_MAX, Pause, PauseTarget, REASON_CHARS_MAX};
use questline_core::port::{PauseChange, PauseChanged};
use questline_core::template::Category;
use questline_core::time::{SECOND_MS, UnixMs};
use serde::Serialize;

use super::events::parse::{Fields, object};
use super::events::{known_game, read};
use super::token::Bearer;
use super::{Admin, Problem, audit};

/// Bytes of a body.
const BODY_BYTES_MAX: usize = 4 * 1024;

/// A pause as the API shows it.
#[derive(Serialize)]
pub(super) struct Row {
    id: String,
    /// `game`, `number`, `category` or `template`.
    target: &'static str,
    /// Which; not with `game`.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    reason: String,
    since: UnixMs,
    until: UnixMs,
}

impl From<&Pause> for Row {
    fn from(pause: &Pause) -> Self {
        let Pause { id, target, reason, until, since, .. } = pause;
        let name = Some(target.name().to_owned()).filter(|name| !name.is_empty());
        Self { id: id.clone(), target: target.kind(), name, reason: reason.clone(), since: *since, until: *until }
    }
}

#[derive(Serialize)]
pub(super) struct Rows {
    rows: Vec<Row>,
}

pub(super) async fn list(State(admin): State<Arc<Admin>>, Path(game): Path<String>) -> Result<Json<Rows>, Problem> {
    let game = known_game(&admin, &game)?;
    let pauses = admin.sending.pauses(&game.rules.id);
    Ok(Json(Rows { rows: pauses.holding(admin.clock.now()).map(Row::from).collect() }))
}

pub(super) async fn set(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path(game): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Row>), Problem> {
    let game = known_game(&admin, &game)?;
    let (body, _room) = read(&admin.events, &headers, body, BODY_BYTES_MAX).await?;
    let now = admin.clock.now();
    let mut fields = object(&body, "")?;
    let target = target(&mut fields, &game.rules)?;
    let what = format!("1 to {REASON_CHARS_MAX} characters: why it is paused");
    let reason: String = fields.take("reason", &what)?.ok_or_else(|| fields.wrong("reason", &what))?;
    if reason.trim().is_empty() || reason.chars().count() > REASON_CHARS_MAX || reason.chars().any(char::is_control) {
        return Err(fields.wrong("reason", &what));
    }
    let longest_s = PAUSE_MS_MAX / SECOND_MS;
    let what = format!("a number of seconds from now on, 1 to {longest_s}: for how long it is paused");
    let for_s: u64 = fields.take("for_s", &what)?.ok_or_else(|| fields.wrong("for_s", &what))?;
    if !(1..=longest_s).contains(&for_s) {
        return Err(fields.wrong("for_s", &what));
    }
    fields.end("target, name, reason and for_s")?;
    let id = format!("{:08x}", crate::clock::random() as u32);
    let pause = Pause { id, target, reason, until: now.plus_ms(for_s * SECOND_MS), since: now, by: bearer.actor() };
    let row = Row::from(&pause);
    let detail = format!("{} {}, for {for_s} s: {}", row.target, row.name.as_deref().unwrap_or_default(), row.reason);
    match admin.sending.change_pauses(&game.rules.id, PauseChange::Add(pause)).await? {
        PauseChanged::Done => {}
        _ => return Err(Problem::conflict(format!("{} pauses hold, and there cannot be more: lift some", PAUSES_MAX))),
    }
    audit::note(&admin, &bearer, std::slice::from_ref(&game.rules.id), Action::SendingPaused, &detail).await?;
    Ok((StatusCode::CREATED, Json(row)))
}

fn target(fields: &mut Fields<'_>, game: &Game) -> Result<PauseTarget, Problem> {
    let what = "game, number, category or template";
    let kind: String = fields.take("target", what)?.ok_or_else(|| fields.wrong("target", what))?;
    let mut name = |what: &str| fields.take::<String>("name", what)?.ok_or_else(|| fields.wrong("name", what));
    match kind.as_str() {
        "game" => Ok(PauseTarget::Game),
        "number" => {
            let what = "one of the game's numbers, by Meta's phone_number_id";
            let number = NumberId::parse(&name(what)?).ok().filter(|number| game.numbers.contains(number));
            number.map(PauseTarget::Number).ok_or_else(|| fields.wrong("name", what))
        }
        "category" => {
            let what = "authentication, utility or marketing";
            let category = Category::parse(&name(what)?);
            category.map(PauseTarget::Category).ok_or_else(|| fields.wrong("name", what))
        }
        "template" => {
            let what = "one of the game's templates";
            let template = Some(name(what)?).filter(|name| game.templates.contains_key(name));
            template.map(PauseTarget::Template).ok_or_else(|| fields.wrong("name", what))
        }
        _ => Err(fields.wrong("target", what)),
    }
}

/// A pause that was lifted.
#[derive(Serialize)]
pub(super) struct Lifted {
    lifted: bool,
    id: String,
}

pub(super) async fn lift(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path((game, id)): Path<(String, String)>,
) -> Result<Json<Lifted>, Problem> {
    let game = known_game(&admin, &game)?;
    let now = admin.clock.now();
    let lifted = admin.sending.pauses(&game.rules.id).holding(now).find(|pause| pause.id == id).map(Row::from);
    let changed = admin.sending.change_pauses(&game.rules.id, PauseChange::Lift(id.clone())).await?;
    let Some(row) = lifted.filter(|_| changed == PauseChanged::Done) else {
        return Err(Problem::not_found(format!("no pause {id:?} holds; GET /v1/games/{}/pauses lists them", game.rules.id)));
    };
    let detail = format!("{} {}: {}", row.target, row.name.as_deref().unwrap_or_default(), row.reason);
    audit::note(&admin, &bearer, std::slice::from_ref(&game.rules.id), Action::SendingResumed, &detail).await?;
    Ok(Json(Lifted { lifted: true, id }))
}
