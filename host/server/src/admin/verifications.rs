//! One-time codes: `POST /v1/games/{game}/verifications` starts one, `.../{id}/check` tries a code, `.../{id}/resend` sends
//! another. A start is answered in the same form and after the same time whether or not anybody is behind what was named.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use questline_core::contact::Address;
use questline_core::id::{DeviceId, PlayerId};
use questline_core::time::{SECOND_MS, UnixMs};
use questline_core::verification::book::{Checked, Issued};
use questline_core::verification::code::Code;
use questline_core::verification::{Purpose, VerificationId};
use serde::Serialize;
use tokio::time::Instant;

use super::code_audit::Asked;
use super::events::parse::{Fields, Target, object, target};
use super::events::{address, known_game, read};
use super::problem::{Failure, Limit};
use super::token::Bearer;
use super::{Admin, Problem};
use crate::game::LoadedGame;
use crate::verification::{CodeWish, NoCode};

/// Bytes of a body.
const BODY_BYTES_MAX: usize = 4 * 1024;
/// A start is not answered sooner: what is looked up and written takes less, so that time tells nothing of it.
const ANSWER_AFTER: Duration = Duration::from_millis(200);

/// A code is on its way, or would be.
#[derive(Serialize)]
pub(super) struct Started {
    id: String,
    expires_at: UnixMs,
    resend_after_s: u64,
}

impl From<Issued> for Started {
    fn from(issued: Issued) -> Self {
        let resend_after_s = issued.resend_after_ms.div_ceil(SECOND_MS);
        Self { id: issued.id.to_string(), expires_at: issued.expires_at, resend_after_s }
    }
}

/// What a check came to.
#[derive(Serialize)]
pub(super) struct Outcome {
    status: &'static str,
    purpose: &'static str,
    attempts_left: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    player: Option<PlayerId>,
}

impl From<Checked> for Outcome {
    fn from(checked: Checked) -> Self {
        let Checked { purpose, player, status, attempts_left, .. } = checked;
        Self { status: status.as_str(), purpose: purpose.as_str(), attempts_left, player }
    }
}

pub(super) fn failed(admin: &Admin, problem: NoCode) -> Failure {
    let text = problem.to_string();
    Failure::Problem(match problem {
        NoCode::Guard(refused) => return Limit::until(refused.retry_at, admin.clock.now(), refused.reason.as_str(), "too many codes"),
        NoCode::NotConfigured | NoCode::NoKeys | NoCode::Ended(_) => Problem::conflict(text),
        NoCode::NoPhone => Problem { status: StatusCode::CONFLICT, title: "a phone number is needed", detail: text },
        NoCode::Unknown => unknown(),
        NoCode::Store(problem) => problem.into(),
        NoCode::NoRandomness => Problem { status: StatusCode::SERVICE_UNAVAILABLE, title: "no code can be made", detail: text },
    })
}

fn unknown() -> Problem {
    Problem::not_found("there is no such verification, or it is long over")
}

/// What a start says.
struct Wish {
    target: Target,
    purpose: Purpose,
    ip: Option<IpAddr>,
    device: Option<DeviceId>,
    locale: Option<String>,
}

fn wish(mut fields: Fields<'_>) -> Result<Wish, Problem> {
    let target = target(&mut fields, "who gets the code")?;
    let takes = format!("one of {}", Purpose::ALL.map(Purpose::as_str).join(", "));
    let purpose = fields.take::<Purpose>("purpose", &takes)?.ok_or_else(|| fields.wrong("purpose", &takes))?;
    let ip = fields.take::<IpAddr>("ip", "the address of the player's device, IPv4 or IPv6")?;
    let device = fields.take::<DeviceId>("device", "1 to 128 printable ASCII characters")?;
    let takes = "a language as BCP 47 writes it, for instance \"pt-BR\"";
    let locale = fields.take::<String>("locale", takes)?;
    let fits = |text: &String| (2..=35).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if locale.as_ref().is_some_and(|locale| !fits(locale)) {
        return Err(fields.wrong("locale", takes));
    }
    fields.end("player, contact, purpose, ip, device, locale")?;
    Ok(Wish { target, purpose, ip, device, locale })
}

/// Starts a verification.
pub(super) async fn start(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path(game): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Started>), Failure> {
    let game = known_game(&admin, &game)?;
    let (body, _room) = read(&admin.events, &headers, body, BODY_BYTES_MAX).await?;
    let wish = wish(object(&body, "")?)?;
    let answer_at = Instant::now() + ANSWER_AFTER;
    let started = begin(Asked { admin: &admin, game: &game, bearer: &bearer }, wish).await;
    tokio::time::sleep_until(answer_at).await;
    Ok((StatusCode::ACCEPTED, Json(started?.into())))
}

async fn begin(asked: Asked<'_>, wish: Wish) -> Result<Issued, Failure> {
    let Asked { admin, game, .. } = asked;
    let Wish { target, purpose, ip, device, locale } = wish;
    let to = reached(admin, game, &target).await?;
    let player = match target {
        Target::Player(player) => Some(player),
        Target::Contact(_) => None,
    };
    let (whose, contact) = (player.clone(), to.as_ref().map(|to| to.contact.clone()));
    let wish = |to| CodeWish { to, player: player.clone(), purpose, ip, device: device.clone(), locale: locale.clone(), key: None };
    let started = match admin.codes.start(game, wish(to)).await {
        // A refusal would tell that there is such a player: they are answered like nobody.
        Err(NoCode::NoPhone) if player.is_some() => admin.codes.start(game, wish(None)).await,
        started => started,
    };
    match started {
        Ok(issued) => Ok(issued),
        Err(problem) => {
            asked.refused(whose, contact, Some(purpose), &problem).await?;
            Err(failed(admin, problem))
        }
    }
}

/// How whoever is named is reached; none when nobody knows.
pub(super) async fn reached(admin: &Admin, game: &LoadedGame, target: &Target) -> Result<Option<Address>, Problem> {
    let may_be_unknown = matches!(target, Target::Player(_)) && !game.rules.numbers.is_empty();
    match address(admin, game, target, None).await {
        Ok(address) => Ok(Some(address)),
        Err(problem) if may_be_unknown && problem.status == StatusCode::CONFLICT => Ok(None),
        Err(problem) => Err(problem),
    }
}

fn id(text: &str) -> Result<VerificationId, Problem> {
    VerificationId::parse(text).map_err(|_| unknown())
}

/// Tries a code.
pub(super) async fn check(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path((game, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Outcome>, Failure> {
    let (game, id) = (known_game(&admin, &game)?, self::id(&id)?);
    let (body, _room) = read(&admin.events, &headers, body, BODY_BYTES_MAX).await?;
    let mut fields = object(&body, "")?;
    let takes = "the code as the player typed it, a text of 4 to 10 digits";
    let typed = fields.take::<zeroize::Zeroizing<String>>("code", takes)?.ok_or_else(|| fields.wrong("code", takes))?;
    let code = Code::parse(&typed).ok_or_else(|| fields.wrong("code", takes))?;
    fields.end("code")?;
    let checked = admin.codes.check(&game, id, code).await.map_err(|problem| failed(&admin, problem))?;
    Asked { admin: &admin, game: &game, bearer: &bearer }.checked(checked.as_ref()).await?;
    Ok(Json(checked.ok_or_else(unknown)?.into()))
}

/// Sends another code in place of the one before.
pub(super) async fn resend(
    State(admin): State<Arc<Admin>>,
    Extension(bearer): Extension<Bearer>,
    Path((game, id)): Path<(String, String)>,
) -> Result<(StatusCode, Json<Started>), Failure> {
    let (game, id) = (known_game(&admin, &game)?, self::id(&id)?);
    match admin.codes.resend(&game, id).await {
        Ok(issued) => Ok((StatusCode::ACCEPTED, Json(issued.into()))),
        Err(problem) => {
            Asked { admin: &admin, game: &game, bearer: &bearer }.refused(None, None, None, &problem).await?;
            Err(failed(&admin, problem))
        }
    }
}
