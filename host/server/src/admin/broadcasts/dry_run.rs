//! A dry run: who gets a broadcast, who does not and why, and how long it takes under the limits of now. It writes nothing, and
//! asks what the feeder asks. With `rows=all` every recipient is told, a line of JSON for each.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use questline_core::broadcast::{Audience, Broadcast, Estimate, FeedPlace, Limits, Skip, estimate, estimate_in_zones};
use questline_core::id::PlayerId;
use questline_core::permit::Verdict;
use questline_core::permit::windows::{MARKETING_SPAN_MS, marketing_window};
use questline_core::send::ParkReason;
use questline_core::template::Category;
use questline_core::time::{HOUR_MS, UnixMs};
use serde::{Deserialize, Serialize};

use super::{heavy, known};
use crate::admin::{Admin, Problem};
use crate::broadcast::{Batch, Recipient, Unready, template_of};
use crate::game::LoadedGame;

/// Recipients that are looked at at once.
const PART: usize = 250;
/// Recipients without a message that are named; more are counted.
const NAMED_MAX: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Asked {
    rows: Option<Rows>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Rows {
    All,
    Skipped,
}

/// One recipient.
#[derive(Serialize)]
struct Row {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    player: Option<PlayerId>,
    gets: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Skip>,
}

impl Row {
    fn of(recipient: &Recipient) -> Self {
        let reason = recipient.outcome.as_ref().err().copied();
        Self { line: recipient.line, player: recipient.player.clone(), gets: reason.is_none(), reason }
    }
}

/// All of them.
#[derive(Serialize)]
struct Sum {
    recipients: u64,
    gets: u64,
    skipped: BTreeMap<Skip, u64>,
    /// Those who get it and would have to wait for it now, by what for.
    waits: BTreeMap<&'static str, u64>,
    #[serde(skip)]
    counted: u64,
    /// How many get it at which time, where everybody has their own.
    #[serde(skip)]
    at: BTreeMap<UnixMs, u64>,
}

#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    sum: Sum,
    estimate: Estimate,
    /// How many get it in which hour, where everybody has their own time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hours: Vec<Hour>,
    limits: Limits,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rows: Vec<Row>,
    #[serde(skip_serializing_if = "is_zero")]
    rows_left_off: u64,
}

/// Those whose time is in one hour.
#[derive(Serialize)]
struct Hour {
    at: UnixMs,
    gets: u64,
}

fn hours(at: &BTreeMap<UnixMs, u64>) -> Vec<Hour> {
    let mut hours: Vec<Hour> = Vec::new();
    for (due, count) in at {
        let begins = UnixMs(due.0 - due.0 % HOUR_MS);
        match hours.last_mut().filter(|hour| hour.at == begins) {
            Some(hour) => hour.gets += count,
            None => hours.push(Hour { at: begins, gets: *count }),
        }
    }
    hours
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn unready(problem: Unready) -> Problem {
    match problem {
        Unready::Store(problem) => problem.into(),
        Unready::NoTemplate(_) | Unready::NoFit(_) | Unready::NoNumber(_) | Unready::NoTime(_) => Problem::conflict(problem.to_string()),
        Unready::Players(_) | Unready::NoPiece => {
            tracing::warn!(%problem, "a dry run could not be made");
            Problem { status: StatusCode::SERVICE_UNAVAILABLE, title: "not now", detail: format!("{problem}. Try again.") }
        }
    }
}

/// A walk over all recipients.
struct Walk {
    admin: Arc<Admin>,
    game: Arc<LoadedGame>,
    broadcast: Broadcast,
    place: Option<FeedPlace>,
    sum: Sum,
}

impl Walk {
    async fn next(&mut self) -> Result<Option<Vec<Recipient>>, Problem> {
        let Some(place) = self.place else { return Ok(None) };
        let now = self.admin.clock.now();
        let batch = self.admin.broadcasts.batch(&self.game, &self.broadcast, place, None, PART, now).await.map_err(unready)?;
        let Batch { recipients, place, is_last, .. } = batch;
        self.place = (!is_last).then_some(place);
        for recipient in &recipients {
            self.sum.recipients += 1;
            match &recipient.outcome {
                Ok((_, counts)) => {
                    self.sum.gets += 1;
                    self.sum.counted += u64::from(*counts);
                    if let Some(due) = recipient.due {
                        *self.sum.at.entry(due.max(now)).or_insert(0) += 1;
                    }
                }
                Err(skip) => *self.sum.skipped.entry(*skip).or_insert(0) += 1,
            }
        }
        self.wait(&recipients, now).await?;
        Ok(Some(recipients))
    }

    /// Counts who would have to wait now: what permits say of each message, the cap on marketing included.
    async fn wait(&mut self, recipients: &[Recipient], now: UnixMs) -> Result<(), Problem> {
        let sending = &self.admin.broadcasts.sending;
        let category = template_of(&self.game, &self.broadcast).map(|template| template.category);
        let mut capped = Vec::new();
        for (enqueue, _) in recipients.iter().filter_map(|recipient| recipient.outcome.as_ref().ok()) {
            let message = enqueue.as_ref().clone().into_message();
            match sending.verdict(&message, category, now) {
                Verdict::Park { reason, .. } => *self.sum.waits.entry(reason.as_str()).or_insert(0) += 1,
                Verdict::Go if category == Some(Category::Marketing) => {
                    capped.push((marketing_window(&message.game, &message.contact), MARKETING_SPAN_MS));
                }
                Verdict::Go => {}
            }
        }
        if !capped.is_empty() {
            let per_week = sending.marketing_per_week(&self.game.rules.id);
            let used = sending.permits().permits_used(capped, now).await?;
            let full = used.into_iter().filter(|used| *used >= per_week).count() as u64;
            if full > 0 {
                *self.sum.waits.entry(ParkReason::MarketingCap.as_str()).or_insert(0) += full;
            }
        }
        Ok(())
    }

    async fn answer(self, rows: Vec<Row>, rows_left_off: u64) -> Result<Answer, Problem> {
        let limits = self.admin.broadcasts.limits(&self.game, &self.broadcast).await?;
        let estimate = match self.sum.at.is_empty() {
            true => estimate(self.sum.gets, self.sum.counted, limits),
            false => estimate_in_zones(&self.sum.at, self.sum.counted, limits),
        };
        Ok(Answer { hours: hours(&self.sum.at), sum: self.sum, estimate, limits, rows, rows_left_off })
    }
}

/// What would happen if it began now.
pub(in crate::admin) async fn dry_run(
    State(admin): State<Arc<Admin>>,
    Path((game, id)): Path<(String, String)>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Asked { rows }) = asked.map_err(|problem| Problem::invalid(problem.body_text()))?;
    let (game, broadcast) = known(&admin, &game, &id).await?;
    if broadcast.wish.audience == Audience::List && broadcast.list.is_none() {
        return Err(Problem::conflict("its audience is a list, and none was uploaded: POST .../recipients first"));
    }
    if broadcast.state.is_over() {
        return Err(Problem::conflict(format!("it is {}: there is nobody left to look at", broadcast.state.as_str())));
    }
    let _room = heavy(&admin)?;
    let sum = Sum { recipients: 0, gets: 0, skipped: BTreeMap::new(), waits: BTreeMap::new(), counted: 0, at: BTreeMap::new() };
    let mut walk = Walk { admin: admin.clone(), game, broadcast, place: Some(FeedPlace::default()), sum };
    if let Some(Rows::All) = rows {
        return Ok(lines(walk));
    }
    let (mut named, mut left_off) = (Vec::new(), 0);
    while let Some(recipients) = walk.next().await? {
        for recipient in recipients.iter().filter(|recipient| recipient.outcome.is_err()) {
            match named.len() < NAMED_MAX {
                true => named.push(Row::of(recipient)),
                false => left_off += 1,
            }
        }
    }
    Ok(Json(walk.answer(named, left_off).await?).into_response())
}

/// Every recipient, and in the last line all of them: without it, the answer broke off.
fn lines(walk: Walk) -> Response {
    let parts = stream::unfold(Some(walk), |walk| async move {
        let mut walk = walk?;
        let mut text = Vec::new();
        match walk.next().await {
            Ok(Some(recipients)) => {
                recipients.iter().for_each(|recipient| line(&mut text, &Row::of(recipient)));
                Some((Ok(Bytes::from(text)), Some(walk)))
            }
            Ok(None) => match walk.answer(Vec::new(), 0).await {
                Ok(answer) => {
                    line(&mut text, &answer);
                    Some((Ok(Bytes::from(text)), None))
                }
                Err(problem) => Some((Err(std::io::Error::other(problem.detail)), None)),
            },
            Err(problem) => {
                tracing::error!(detail = problem.detail, "a dry run broke off");
                Some((Err(std::io::Error::other(problem.detail)), None))
            }
        }
    });
    let mut response = Response::new(Body::from_stream(parts));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
    response
}

fn line(to: &mut Vec<u8>, row: &impl Serialize) {
    // Numbers, names and texts: they always have a JSON form.
    let _ = serde_json::to_writer(&mut *to, row);
    to.push(b'\n');
}
