//! The second factor of players: turned on and off, challenges, recovery codes, devices. What begins something is answered
//! in the same form and after the same time whether or not the player has a second factor, or is known at all.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use questline_core::account::challenge::{Challenge, ChallengeId, ChallengeStatus, DETAIL_CHARS_MAX, NamedDevice};
use questline_core::account::device::{DEVICE_NAME_CHARS_MAX, Device};
use questline_core::account::recovery_codes::RecoveryCode;
use questline_core::id::{DeviceId, PlayerId};
use questline_core::time::UnixMs;
use questline_core::verification::code::Code;
use questline_core::verification::{Purpose, VerificationId};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::events::parse::{Fields, Target, contact, object};
use super::events::{known_game, read};
use super::problem::{Failure, Limit};
use super::token::Bearer;
use super::verifications::{Outcome, Started, failed, reached};
use super::{Admin, Problem};
use crate::game::LoadedGame;
use crate::two_factor::{ChallengeWish, EnrolmentWish, Entry, NotDone, Proof, ShownCodes};

/// Bytes of a body.
const BODY_BYTES_MAX: usize = 4 * 1024;
/// What an attacker could time is not answered sooner.
const ANSWER_AFTER: Duration = Duration::from_millis(200);

type Shared = State<Arc<Admin>>;

fn not_done(admin: &Admin, problem: NotDone) -> Failure {
    let limited = |reason, retry_at| Limit::until(retry_at, admin.clock.now(), reason, "too many tries");
    let text = problem.to_string();
    match problem {
        NotDone::Code(problem) => failed(admin, problem),
        NotDone::AlreadyOn | NotDone::Off => Problem::conflict(text).into(),
        NotDone::Unknown => Problem::not_found(text).into(),
        NotDone::Limit(limit) => limited(limit.limit.as_str(), limit.retry_at),
        NotDone::RecoveryLocked(until) => limited("recovery-codes-locked", until),
        NotDone::NotProven => Problem { status: StatusCode::FORBIDDEN, title: "not proven", detail: text }.into(),
        NotDone::Store(problem) => Problem::from(problem).into(),
    }
}

fn player_id(text: &str) -> Result<PlayerId, Problem> {
    PlayerId::parse(text).map_err(|problem| Problem::invalid(problem.to_string()))
}

fn game_and_player(admin: &Admin, game: &str, player: &str) -> Result<(Arc<LoadedGame>, PlayerId), Problem> {
    Ok((known_game(admin, game)?, player_id(player)?))
}

fn text(fields: &mut Fields<'_>, name: &str, chars_max: usize) -> Result<Option<String>, Problem> {
    let takes = format!("1 to {chars_max} characters, none of them a control character");
    let text = fields.take::<String>(name, &takes)?;
    let fits = |text: &String| !text.trim().is_empty() && text.chars().count() <= chars_max && !text.chars().any(char::is_control);
    if text.as_ref().is_some_and(|text| !fits(text)) {
        return Err(fields.wrong(name, &takes));
    }
    Ok(text)
}

fn device(fields: &mut Fields<'_>) -> Result<NamedDevice, Problem> {
    let json: &RawValue =
        fields.raw("device").ok_or_else(|| fields.wrong("device", "an object with id and, if the player knows one, name"))?;
    let mut fields = object(json.get().as_bytes(), "device.")?;
    let takes = "the device's id: 1 to 128 printable ASCII characters";
    let id = fields.take::<DeviceId>("id", takes)?.ok_or_else(|| fields.wrong("id", takes))?;
    let name = text(&mut fields, "name", DEVICE_NAME_CHARS_MAX)?;
    fields.end("id, name")?;
    Ok(NamedDevice { id, name })
}

fn ip(fields: &mut Fields<'_>) -> Result<Option<IpAddr>, Problem> {
    fields.take::<IpAddr>("ip", "the address of the player's device, IPv4 or IPv6")
}

fn locale(fields: &mut Fields<'_>) -> Result<Option<String>, Problem> {
    let takes = "a language as BCP 47 writes it, for instance \"pt-BR\"";
    let locale = fields.take::<String>("locale", takes)?;
    let fits = |text: &String| (2..=35).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if locale.as_ref().is_some_and(|locale| !fits(locale)) {
        return Err(fields.wrong("locale", takes));
    }
    Ok(locale)
}

/// A text that is wiped.
fn secret(fields: &mut Fields<'_>, name: &str, takes: &str) -> Result<Option<Zeroizing<String>>, Problem> {
    fields.take::<Zeroizing<String>>(name, takes)
}

/// Whether it is on, and what belongs to it.
#[derive(Serialize)]
pub(super) struct Status {
    on: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<UnixMs>,
    recovery_codes_left: usize,
    devices: Vec<Device>,
}

pub(super) async fn status(State(admin): Shared, Path((game, player)): Path<(String, String)>) -> Result<Json<Status>, Failure> {
    let (game, player) = game_and_player(&admin, &game, &player)?;
    let account = admin.two_factor.account(&game.rules.id, &player).await.map_err(Problem::from)?;
    let on = account.factor.on();
    let devices = account.devices.iter().cloned().collect();
    let recovery_codes_left = account.factor.recovery_codes_left();
    Ok(Json(Status { on: on.is_some(), since: on.map(|on| on.since), recovery_codes_left, devices }))
}

/// Begins to turn it on.
pub(super) async fn begin(
    State(admin): Shared,
    Extension(bearer): Extension<Bearer>,
    Path((game, player)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Started>), Failure> {
    let (game, player) = game_and_player(&admin, &game, &player)?;
    let (body, _room) = read(&admin.events, &headers, body, BODY_BYTES_MAX).await?;
    let mut fields = object(&body, "")?;
    let contact = fields.raw("contact").map(contact).transpose()?;
    let (device, ip, locale) = (device(&mut fields)?, ip(&mut fields)?, locale(&mut fields)?);
    fields.end("device, contact, ip, locale")?;
    let answer_at = Instant::now() + ANSWER_AFTER;
    let begun = async {
        let target = contact.map_or_else(|| Target::Player(player.clone()), Target::Contact);
        let to = reached(&admin, &game, &target).await?;
        let wish = EnrolmentWish { to, device, ip, locale };
        admin.two_factor.begin(&game, &player, wish, &bearer.actor()).await.map_err(|problem| not_done(&admin, problem))
    };
    let begun: Result<_, Failure> = begun.await;
    tokio::time::sleep_until(answer_at).await;
    Ok((StatusCode::ACCEPTED, Json(begun?.into())))
}

/// What a confirmation came to; recovery codes are shown this once.
#[derive(Serialize)]
pub(super) struct Confirmation {
    #[serde(flatten)]
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_codes: Option<Vec<String>>,
}

fn shown(codes: ShownCodes) -> Vec<String> {
    codes.iter().map(|code| code.to_string()).collect()
}

const TAKES_CODE: &str = "the code as the player typed it, a text of 4 to 10 digits";

/// Turns it on.
pub(super) async fn confirm(
    State(admin): Shared,
    Extension(bearer): Extension<Bearer>,
    Path((game, player)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Confirmation>, Failure> {
    let (game, player) = game_and_player(&admin, &game, &player)?;
    let (body, _room) = read(&admin.events, &headers, body, BODY_BYTES_MAX).await?;
    let mut fields = object(&body, "")?;
    let takes = "the id that the begin was answered with";
    let id = fields.take::<VerificationId>("id", takes)?.ok_or_else(|| fields.wrong("id", takes))?;
    let typed = secret(&mut fields, "code", TAKES_CODE)?.ok_or_else(|| fields.wrong("code", TAKES_CODE))?;
    let code = Code::parse(&typed).ok_or_else(|| fields.wrong("code", TAKES_CODE))?;
    fields.end("id, code")?;
    let answer_at = Instant::now() + ANSWER_AFTER;
    let confirmed = admin.two_factor.confirm(&game, &player, id, code, &bearer.actor()).await;
    tokio::time::sleep_until(answer_at).await;
    let confirmed = confirmed.map_err(|problem| not_done(&admin, problem))?;
    Ok(Json(Confirmation { outcome: confirmed.checked.into(), recovery_codes: confirmed.codes.map(shown) }))
}

fn proof(mut fields: Fields<'_>) -> Result<Proof, Problem> {
    let takes_challenge = "the id of a challenge for high-value that the player has just approved";
    let challenge = fields.take::<ChallengeId>("challenge", takes_challenge)?;
    let takes_code = "a recovery code as the player typed it";
    let typed = secret(&mut fields, "recovery_code", takes_code)?;
    let code = typed.map(|typed| RecoveryCode::parse(&typed).ok_or_else(|| fields.wrong("recovery_code", takes_code))).transpose()?;
    fields.end("challenge, recovery_code")?;
    match (challenge, code) {
        (Some(challenge), None) => Ok(Proof::Challenge(challenge)),
        (None, Some(code)) => Ok(Proof::RecoveryCode(code)),
        _ => Err(Problem::invalid("challenge, recovery_code: one of the two proves that it is the player, and not both")),
    }
}

/// What was done.
#[derive(Serialize)]
pub(super) struct Done {
    done: bool,
}

/// Turns it off.
pub(super) async fn turn_off(
    State(admin): Shared,
    Extension(bearer): Extension<Bearer>,
    Path((game, player)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Done>, Failure> {
    let (game, player) = game_and_player(&admin, &game, &player)?;
    let (body, _room) = read(&admin.events, &headers, body, BODY_BYTES_MAX).await?;
    let proof = proof(object(&body, "")?)?;
    admin.two_factor.turn_off(&game, &player, proof, &bearer.actor()).await.map_err(|problem| not_done(&admin, problem))?;
    Ok(Json(Done { done: true }))
}

/// New recovery codes, shown this once.
#[derive(Serialize)]
pub(super) struct NewCodes {
    recovery_codes: Vec<String>,
}

pub(super) async fn renew_codes(
    State(admin): Shared,
    Extension(bearer): Extension<Bearer>,
    Path((game, player)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<NewCodes>, Failure> {
    let (game, player) = game_and_player(&admin, &game, &player)?;
    let (body, _room) = read(&admin.events, &headers, body, BODY_BYTES_MAX).await?;
    let proof = proof(object(&body, "")?)?;
    let codes = admin.two_factor.renew_codes(&game, &player, proof, &bearer.actor()).await;
    Ok(Json(NewCodes { recovery_codes: shown(codes.map_err(|problem| not_done(&admin, problem))?) }))
}

/// A challenge is on its way, or would be.
#[derive(Serialize)]
pub(super) struct Begun {
    id: ChallengeId,
    expires_at: UnixMs,
    /// What the game shows.
    r#match: u8,
}

/// Begins a challenge.
pub(super) async fn challenge(
    State(admin): Shared,
    Extension(bearer): Extension<Bearer>,
    Path((game, player)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Begun>), Failure> {
    let (game, player) = game_and_player(&admin, &game, &player)?;
    let (body, _room) = read(&admin.events, &headers, body, BODY_BYTES_MAX).await?;
    let mut fields = object(&body, "")?;
    let takes = format!("one of {}", Purpose::ALL.map(Purpose::as_str).join(", "));
    let purpose = fields.take::<Purpose>("purpose", &takes)?.ok_or_else(|| fields.wrong("purpose", &takes))?;
    let (device, ip, locale) = (device(&mut fields)?, ip(&mut fields)?, locale(&mut fields)?);
    let detail = text(&mut fields, "detail", DETAIL_CHARS_MAX)?;
    let takes = "\"code\", for a one-time code in place of a message with numbers";
    let by_code = match fields.take::<String>("by", takes)?.as_deref() {
        None => false,
        Some("code") => true,
        Some(_) => return Err(fields.wrong("by", takes).into()),
    };
    fields.end("purpose, device, detail, ip, locale, by")?;
    let answer_at = Instant::now() + ANSWER_AFTER;
    let wish = ChallengeWish { purpose, device, detail, ip, locale, by_code };
    let begun = admin.two_factor.challenge(&game, &player, wish, &bearer.actor()).await;
    tokio::time::sleep_until(answer_at).await;
    let Challenge { id, expires_at, numbers, .. } = begun.map_err(|problem| not_done(&admin, problem))?;
    Ok((StatusCode::ACCEPTED, Json(Begun { id, expires_at, r#match: numbers.right() })))
}

fn challenge_id(text: &str) -> Result<ChallengeId, Problem> {
    ChallengeId::parse(text).map_err(|_| no_challenge())
}

fn no_challenge() -> Problem {
    Problem::not_found("there is no such challenge, or it is long over")
}

/// How a challenge stands.
#[derive(Serialize)]
pub(super) struct Stands {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    how: Option<&'static str>,
    purpose: Purpose,
    device: DeviceId,
    expires_at: UnixMs,
}

pub(super) async fn look(State(admin): Shared, Path((game, player, id)): Path<(String, String, String)>) -> Result<Json<Stands>, Failure> {
    let (game, player) = game_and_player(&admin, &game, &player)?;
    let id = challenge_id(&id)?;
    let account = admin.two_factor.account(&game.rules.id, &player).await.map_err(Problem::from)?;
    let known = account.factor.challenge(&id).ok_or_else(no_challenge)?;
    let status = known.status(admin.clock.now());
    let (purpose, device, expires_at) = (known.purpose, known.device.id.clone(), known.expires_at);
    Ok(Json(Stands { status: status.as_str(), how: status.how(), purpose, device, expires_at }))
}

/// What an entered code came to.
#[derive(Serialize)]
pub(super) struct Checked {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    how: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts_left: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_codes_left: Option<usize>,
}

/// Tries a code or a recovery code.
pub(super) async fn check(
    State(admin): Shared,
    Extension(bearer): Extension<Bearer>,
    Path((game, player, id)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Checked>, Failure> {
    let (game, player) = game_and_player(&admin, &game, &player)?;
    let id = challenge_id(&id)?;
    let (body, _room) = read(&admin.events, &headers, body, BODY_BYTES_MAX).await?;
    let mut fields = object(&body, "")?;
    let takes = "a code of 4 to 10 digits or a recovery code, as the player typed it";
    let typed = secret(&mut fields, "code", takes)?.ok_or_else(|| fields.wrong("code", takes))?;
    let code = Code::parse(&typed).map(Entry::Code).or_else(|| RecoveryCode::parse(&typed).map(Entry::RecoveryCode));
    let entry = code.ok_or_else(|| fields.wrong("code", takes))?;
    fields.end("code")?;
    let answer_at = Instant::now() + ANSWER_AFTER;
    let entered = admin.two_factor.enter(&game, &player, id, entry, &bearer.actor()).await;
    tokio::time::sleep_until(answer_at).await;
    let entered = entered.map_err(|problem| not_done(&admin, problem))?;
    let goes_on = entered.rejected && entered.status == ChallengeStatus::Pending;
    Ok(Json(Checked {
        status: if goes_on { "rejected" } else { entered.status.as_str() },
        how: entered.status.how(),
        attempts_left: entered.attempts_left,
        recovery_codes_left: entered.codes_left,
    }))
}

/// Devices that are bound.
#[derive(Serialize)]
pub(super) struct Bound {
    rows: Vec<Device>,
}

pub(super) async fn devices(State(admin): Shared, Path((game, player)): Path<(String, String)>) -> Result<Json<Bound>, Failure> {
    let (game, player) = game_and_player(&admin, &game, &player)?;
    let account = admin.two_factor.account(&game.rules.id, &player).await.map_err(Problem::from)?;
    Ok(Json(Bound { rows: account.devices.iter().cloned().collect() }))
}

pub(super) async fn remove_device(
    State(admin): Shared,
    Extension(bearer): Extension<Bearer>,
    Path((game, player, device)): Path<(String, String, String)>,
) -> Result<Json<Done>, Failure> {
    let (game, player) = game_and_player(&admin, &game, &player)?;
    let device = DeviceId::parse(&device).map_err(|problem| Problem::invalid(problem.to_string()))?;
    let removed = admin.two_factor.remove_device(&game.rules.id, &player, &device, &bearer.actor()).await.map_err(Problem::from)?;
    match removed {
        true => Ok(Json(Done { done: true })),
        false => Err(Problem::not_found("this device is not bound to the player").into()),
    }
}
