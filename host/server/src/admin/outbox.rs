//! `GET /v1/games/{game}/outbox`: how much waits to be sent, lane by lane; `.../outbox/parked`: which messages wait for
//! something else than their turn, and for what. Neither says what a message says, or to whom.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use questline_core::id::NumberId;
use questline_core::lane::LaneKind;
use questline_core::outbox::MessageClass;
use questline_core::port::{LaneWaiting, Outbox, ParkedMessage};
use questline_core::time::{SECOND_MS, UnixMs};
use serde::{Deserialize, Serialize};

use super::events::known_game;
use super::{Admin, Problem};
use crate::traffic::Traffic;

/// Rows of one answer.
const ROWS_MAX: usize = 500;
const ROWS_DEFAULT: usize = 50;

/// What is looked at.
pub struct OutboxDesk {
    /// What waits.
    pub outbox: Arc<dyn Outbox>,
    /// What is on its way.
    pub traffic: Arc<Traffic>,
    ages: Mutex<Option<(UnixMs, Ages)>>,
}

/// Seconds for which the oldest message of each class has waited for its turn.
type Ages = [u64; MessageClass::ALL.len()];

/// For so long ages are not looked at again: each look reads the heads of all lanes.
const AGES_MS: u64 = 5 * SECOND_MS;

impl OutboxDesk {
    /// Over an outbox.
    pub fn new(outbox: Arc<dyn Outbox>, traffic: Arc<Traffic>) -> Self {
        Self { outbox, traffic, ages: Mutex::default() }
    }

    /// How old the oldest message of each class is, a few seconds ago at most; none where the store does not answer.
    pub(super) async fn ages(&self, numbers: &[NumberId], now: UnixMs) -> Option<Ages> {
        let known = *self.ages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, ages)) = known
            && now.since_ms(at) < AGES_MS
        {
            return Some(ages);
        }
        let mut ages = Ages::default();
        for lane in self.outbox.waiting(numbers).await.ok()? {
            let age = lane.lane.kind.class().and_then(|class| ages.get_mut(class as usize));
            if let (Some(age), Some(oldest)) = (age, lane.oldest) {
                *age = (*age).max(now.since_ms(oldest) / SECOND_MS);
            }
        }
        *self.ages.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, ages));
        Some(ages)
    }
}

/// A lane, or all of a class.
#[derive(Debug, Default, Serialize)]
struct Counts {
    queued: u64,
    in_flight: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parked: BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_at: Option<UnixMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_age_s: Option<u64>,
}

impl Counts {
    fn of(lane: &LaneWaiting, out: u64, now: UnixMs) -> Self {
        let in_flight = out.min(lane.queued);
        let mut counts = Self { queued: lane.queued - in_flight, in_flight, ..Self::default() };
        counts.parked.extend(lane.parked.iter().map(|(reason, count)| (reason.as_str(), *count)));
        counts.since(lane.oldest, now);
        counts
    }

    fn since(&mut self, oldest: Option<UnixMs>, now: UnixMs) {
        self.oldest_at = [self.oldest_at, oldest].into_iter().flatten().min();
        self.oldest_age_s = self.oldest_at.map(|oldest| now.since_ms(oldest) / SECOND_MS);
    }

    fn add(&mut self, other: &Self, now: UnixMs) {
        self.queued += other.queued;
        self.in_flight += other.in_flight;
        for (reason, count) in &other.parked {
            *self.parked.entry(reason).or_default() += count;
        }
        self.since(other.oldest_at, now);
    }
}

#[derive(Debug, Serialize)]
struct LaneRow {
    lane: &'static str,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Debug, Serialize)]
struct NumberRow {
    number: String,
    lanes: Vec<LaneRow>,
}

#[derive(Debug, Serialize)]
struct ClassRow {
    class: &'static str,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Debug, Serialize)]
pub(super) struct Waiting {
    classes: Vec<ClassRow>,
    numbers: Vec<NumberRow>,
}

pub(super) async fn waiting(State(admin): State<Arc<Admin>>, Path(game): Path<String>) -> Result<Json<Waiting>, Problem> {
    let game = known_game(&admin, &game)?;
    let lanes = admin.outbox.outbox.waiting(&game.rules.numbers).await?;
    let now = admin.clock.now();
    let mut classes = MessageClass::ALL.map(|class| ClassRow { class: class.as_str(), counts: Counts::default() });
    let mut numbers: Vec<NumberRow> =
        game.rules.numbers.iter().map(|number| NumberRow { number: number.to_string(), lanes: Vec::new() }).collect();
    for lane in &lanes {
        let counts = Counts::of(lane, admin.outbox.traffic.out(&lane.lane), now);
        let class = lane.lane.kind.class().and_then(|class| classes.get_mut(class as usize));
        if let Some(class) = class {
            class.counts.add(&counts, now);
        }
        let number = numbers.iter_mut().find(|row| row.number == lane.lane.number.as_str());
        if let Some(number) = number {
            number.lanes.push(LaneRow { lane: lane.lane.kind.as_str(), counts });
        }
    }
    Ok(Json(Waiting { classes: classes.into(), numbers }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<usize>,
}

#[derive(Debug, Serialize)]
struct ParkedRow {
    message: String,
    number: String,
    lane: &'static str,
    reason: &'static str,
    until: UnixMs,
    committed_at: UnixMs,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<UnixMs>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    campaign: Option<String>,
}

impl From<ParkedMessage> for ParkedRow {
    fn from(parked: ParkedMessage) -> Self {
        let kind: LaneKind = parked.lane.kind;
        Self {
            message: parked.id.to_string(),
            number: parked.lane.number.to_string(),
            lane: kind.as_str(),
            reason: parked.reason.as_str(),
            until: parked.until,
            committed_at: parked.committed_at,
            expires_at: parked.expires_at,
            template: parked.template,
            campaign: parked.campaign.map(|campaign| campaign.to_string()),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Parked {
    rows: Vec<ParkedRow>,
}

pub(super) async fn parked(
    State(admin): State<Arc<Admin>>,
    Path(game): Path<String>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Parked>, Problem> {
    let game = known_game(&admin, &game)?;
    let Query(page) = page.map_err(|problem| Problem::invalid(problem.body_text()))?;
    let limit = page.limit.unwrap_or(ROWS_DEFAULT).clamp(1, ROWS_MAX);
    let rows = admin.outbox.outbox.parked(&game.rules.numbers, limit).await?;
    Ok(Json(Parked { rows: rows.into_iter().map(ParkedRow::from).collect() }))
}
