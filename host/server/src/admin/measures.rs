//! How well codes do: `GET /v1/games/{game}/verifications/measures` tells it by day, country and channel. And how well templates do:
//! `GET /v1/games/{game}/measures/templates`.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use questline_core::day::Day;
use questline_core::verification::measure::{DayMeasures, Tally};
use serde::{Deserialize, Serialize};

use super::events::known_game;
use super::{Admin, Problem};
use crate::broadcast::TemplateMeasure;

/// Days of one answer.
const DAYS_MAX: u32 = 92;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Period {
    from: Option<String>,
    to: Option<String>,
}

/// All of a period.
#[derive(Serialize)]
pub(super) struct Measures {
    days: Vec<OneDay>,
}

#[derive(Serialize)]
struct OneDay {
    date: String,
    rows: Vec<Row>,
}

/// One country's channel.
#[derive(Serialize)]
struct Row {
    country: Box<str>,
    channel: Box<str>,
    sent: u64,
    delivered: u64,
    approved: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval_rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_to_authenticate_s: Option<Took>,
}

/// At most so long.
#[derive(Serialize)]
struct Took {
    median: u32,
    p95: u32,
}

fn row(country: &str, channel: Box<str>, tally: &Tally) -> Row {
    let took = tally.took_s(500).zip(tally.took_s(950)).map(|(median, p95)| Took { median, p95 });
    Row {
        country: country.into(),
        channel,
        sent: tally.sent,
        delivered: tally.delivered,
        approved: tally.approved,
        delivery_rate: tally.delivery_rate(),
        approval_rate: tally.approval_rate(),
        time_to_authenticate_s: took,
    }
}

impl From<DayMeasures> for OneDay {
    fn from(measures: DayMeasures) -> Self {
        let of = |(country, figures): (Box<str>, questline_core::verification::measure::CountryDay)| {
            figures.channels.into_iter().map(move |(channel, tally)| row(&country, channel, &tally)).collect::<Vec<_>>()
        };
        Self { date: measures.day.to_string(), rows: measures.countries.into_iter().flat_map(of).collect() }
    }
}

/// The figures of a period, both days included; of today where none is named.
pub(super) async fn codes(
    State(admin): State<Arc<Admin>>,
    Path(game): Path<String>,
    period: Result<Query<Period>, QueryRejection>,
) -> Result<Json<Measures>, Problem> {
    let game = known_game(&admin, &game)?;
    let (first, last) = days(&admin, period)?;
    let days = admin.codes.measures(&game.rules.id, first, last).await?;
    Ok(Json(Measures { days: days.into_iter().map(OneDay::from).collect() }))
}

/// Templates of a period.
#[derive(Serialize)]
pub(super) struct Templates {
    templates: Vec<TemplateMeasure>,
}

/// Templates that flows sent in a period, both days included, and those of broadcasts that began in it; today where none is named.
pub(super) async fn templates(
    State(admin): State<Arc<Admin>>,
    Path(game): Path<String>,
    period: Result<Query<Period>, QueryRejection>,
) -> Result<Json<Templates>, Problem> {
    let game = known_game(&admin, &game)?;
    let (first, last) = days(&admin, period)?;
    Ok(Json(Templates { templates: admin.broadcasts.template_measures(&game.rules, first, last).await? }))
}

/// The first day and the last.
fn days(admin: &Admin, period: Result<Query<Period>, QueryRejection>) -> Result<(Day, Day), Problem> {
    let Query(Period { from, to }) = period.map_err(|problem| Problem::invalid(problem.body_text()))?;
    let day = |name: &str, text: &str| Day::parse(text).map_err(|problem| Problem::invalid(format!("{name}: {problem}")));
    let today = Day::of(admin.clock.now());
    let last = to.map_or(Ok(today), |to| day("to", &to))?;
    let first = from.map_or(Ok(last), |from| day("from", &from))?;
    if first > last || last.0 - first.0 >= DAYS_MAX {
        return Err(Problem::invalid(format!("from, to: 1 to {DAYS_MAX} days, the first one in from")));
    }
    Ok((first, last))
}
