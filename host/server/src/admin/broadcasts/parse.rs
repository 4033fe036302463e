//! A broadcast as the API takes it. Every error names its field.

use questline_core::broadcast::{
    Audience, Definition, EXPIRES_AFTER_MS, Kind, LocalTime, OUTAGE_EXPIRES_AFTER_MS, Segment, TITLE_CHARS_MAX, Wording, begins_at,
    class_of, is_locale,
};
use questline_core::experiment::{Experiment, Goal, Variant};
use questline_core::game::Game;
use questline_core::id::NumberId;
use questline_core::outbox::MessageClass;
use questline_core::permit::hours::is_zone;
use questline_core::time::{DAY_MS, MINUTE_MS, SECOND_MS, UnixMs};
use serde::Deserialize;

use crate::admin::Problem;
use crate::admin::events::parse::{Fields, object};

/// Messages a second that a pace may be; no number of Meta's is faster.
const PER_SECOND_MAX: u32 = 1_000;
/// How long a message may wait.
const EXPIRES_MIN_MS: u64 = MINUTE_MS;
const EXPIRES_MAX_MS: u64 = 30 * DAY_MS;
/// What the values of a segment's messages may name: nothing else is known of everybody.
const SEGMENT_COLUMNS: [&str; 4] = ["player", "tier", "country", "locale"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ButtonValue {
    index: u32,
    value: String,
}

/// Reads one.
pub(super) fn definition(mut fields: Fields<'_>, kind: Kind, game: &Game, now: UnixMs) -> Result<Definition, Problem> {
    let title: Option<String> = fields.take("title", "a text")?;
    let experiment = if kind == Kind::Broadcast { experiment(&mut fields)? } else { None };
    let wording = wording(&mut fields, experiment.as_ref())?;
    let title = title.unwrap_or_else(|| wording.template.clone());
    if title.trim().is_empty() || title.chars().count() > TITLE_CHARS_MAX || title.chars().any(char::is_control) {
        return Err(fields.wrong("title", &format!("1 to {TITLE_CHARS_MAX} characters: what it is for")));
    }
    let number = fields.take::<NumberId>("number", "one of the game's numbers, by Meta's phone_number_id")?;
    if number.as_ref().is_some_and(|number| !game.numbers.contains(number)) {
        return Err(fields.wrong("number", "one of the game's numbers, by Meta's phone_number_id"));
    }
    if game.numbers.is_empty() {
        return Err(Problem::conflict(format!("{} talks from no number: give it one, in [[numbers]] of questline.toml", game.id)));
    }
    let declared = |name: &str, field: &str| {
        game.templates.get(name).ok_or_else(|| fields.wrong(field, &format!("the name of a template that {} declares", game.id)))
    };
    let template = declared(&wording.template, if experiment.is_some() { "experiment" } else { "template" })?;
    wording.check(template).map_err(|problem| Problem::invalid(format!("values: {problem}")))?;
    for variant in experiment.iter().flat_map(|experiment| &experiment.variants).skip(1) {
        let other = declared(&variant.template, "experiment")?;
        if other.category != template.category {
            return Err(Problem::invalid("experiment: all variants' templates are of one category: each has its own rules"));
        }
        wording.check(other).map_err(|problem| Problem::invalid(format!("values: in template {}: {problem}", variant.template)))?;
    }
    // An outage is told at once, and before all else.
    let is_planned = kind == Kind::Broadcast;
    let class = if is_planned { fields.take::<MessageClass>("class", "one of high, normal and low")? } else { None };
    let class = class_of(kind, template.category, class).map_err(|problem| Problem::invalid(format!("class: {problem}")))?;
    let audience = audience(&mut fields, kind)?;
    if matches!(audience, Audience::Segment(_))
        && let Some(column) = wording.columns().into_iter().find(|column| !SEGMENT_COLUMNS.contains(column))
    {
        let known = SEGMENT_COLUMNS.join(", ");
        return Err(Problem::invalid(format!("values: {column:?} is not known of a segment's players; known are {known}. Upload a list")));
    }
    let (begins_at, local) = if is_planned { schedule(&mut fields, game, now)? } else { (None, None) };
    let per_second = fields.take::<u32>("per_second", "1 to 1000: recipients a second, at most")?;
    if per_second.is_some_and(|pace| !(1..=PER_SECOND_MAX).contains(&pace)) {
        return Err(fields.wrong("per_second", "1 to 1000: recipients a second, at most"));
    }
    let takes = "60 to 2592000: seconds after which a message that has waited is dropped";
    let expires = fields.take::<u64>("expires_after_s", takes)?.map(|s| s.saturating_mul(SECOND_MS));
    if expires.is_some_and(|ms| !(EXPIRES_MIN_MS..=EXPIRES_MAX_MS).contains(&ms)) {
        return Err(fields.wrong("expires_after_s", takes));
    }
    let known = match kind {
        Kind::Broadcast => {
            "title, template or experiment, locale, header, values, buttons, number, class, audience, schedule, per_second, expires_after_s"
        }
        Kind::Outage => "title, template, locale, header, values, buttons, number, affected, per_second, expires_after_s",
    };
    fields.end(known)?;
    let default = if kind == Kind::Outage { OUTAGE_EXPIRES_AFTER_MS } else { EXPIRES_AFTER_MS };
    Ok(Definition {
        title,
        kind,
        number,
        wording,
        audience,
        class,
        begins_at,
        local,
        per_second,
        expires_after_ms: expires.unwrap_or(default),
        experiment: experiment.map(Box::new),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Comparison {
    variants: Vec<Choice>,
    goal: Goal,
    within_s: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    name: String,
    template: String,
    #[serde(default = "one")]
    share: u16,
}

fn one() -> u16 {
    1
}

fn experiment(fields: &mut Fields<'_>) -> Result<Option<Experiment>, Problem> {
    let takes = "{\"variants\": [{\"name\": \"a\", \"template\": \"...\", \"share\": 1}, ...], \"goal\": \"click\" or {\"event\": \"purchase\"}, \"within_s\": 86400}";
    let Some(Comparison { variants, goal, within_s }) = fields.take::<Comparison>("experiment", takes)? else { return Ok(None) };
    let variant = |Choice { name, template, share }| Variant { name, share, template };
    let variants = variants.into_iter().map(variant).collect();
    let experiment = Experiment { variants, goal, within_ms: within_s.saturating_mul(SECOND_MS) };
    experiment.check().map_err(|problem| Problem::invalid(format!("experiment: {problem}")))?;
    Ok(Some(experiment))
}

fn wording(fields: &mut Fields<'_>, experiment: Option<&Experiment>) -> Result<Wording, Problem> {
    let template = match experiment.and_then(|experiment| experiment.variants.first()) {
        Some(first) => first.template.clone(),
        None => fields.take::<String>("template", "a template's name")?.ok_or_else(|| fields.wrong("template", "a template's name"))?,
    };
    let locale = fields.take::<String>("locale", "a language as BCP 47 writes it")?;
    if locale.as_deref().is_some_and(|locale| !is_locale(locale)) {
        return Err(fields.wrong("locale", "a language as BCP 47 writes it"));
    }
    let header = fields.take::<String>("header", "a text, the value of the header's parameter")?;
    let body = fields.take::<Vec<String>>("values", "a list of the body's values")?.unwrap_or_default();
    let buttons = fields.take::<Vec<ButtonValue>>("buttons", "a list of {\"index\": 0, \"value\": \"...\"}")?.unwrap_or_default();
    let buttons = buttons.into_iter().map(|button| (button.index, button.value)).collect();
    Ok(Wording { template, locale, header, body, buttons })
}

fn audience(fields: &mut Fields<'_>, kind: Kind) -> Result<Audience, Problem> {
    let (name, takes) = match kind {
        Kind::Broadcast => (
            "audience",
            "\"list\", or {\"segment\": {...}} with tiers, countries, locales, active_within_days, inactive_for_days, opted_in",
        ),
        Kind::Outage => ("affected", "a segment: an object with tiers, countries, locales, active_within_days, inactive_for_days"),
    };
    let segment = match kind {
        Kind::Broadcast => match fields.take::<Audience>(name, takes)?.ok_or_else(|| fields.wrong(name, takes))? {
            Audience::List => return Ok(Audience::List),
            Audience::Segment(segment) => segment,
        },
        Kind::Outage => fields.take::<Segment>(name, takes)?.unwrap_or_default(),
    };
    segment.check().map_err(|problem| Problem::invalid(format!("{name}: {problem}")))?;
    Ok(Audience::Segment(segment))
}

/// What stands for each recipient's own zone.
const ZONE_OF_RECIPIENT: &str = "recipient";

fn schedule(fields: &mut Fields<'_>, game: &Game, now: UnixMs) -> Result<(Option<UnixMs>, Option<LocalTime>), Problem> {
    let Some(json) = fields.raw("schedule") else { return Ok((None, None)) };
    let mut fields = object(json.get().as_bytes(), "schedule.")?;
    let takes_at = "a local time, for instance \"2026-12-24T18:00\"";
    let takes_zone = "a time zone, for instance \"Europe/Berlin\", or \"recipient\": each recipient's own";
    let takes_fallback = "the time zone of those of whom nobody knows where they are, for instance \"Europe/Berlin\"";
    let at = fields.take::<String>("at", takes_at)?.ok_or_else(|| fields.wrong("at", takes_at))?;
    let zone = fields.take::<String>("zone", takes_zone)?.ok_or_else(|| fields.wrong("zone", takes_zone))?;
    let wrong = |problem| Problem::invalid(format!("schedule.{problem}"));
    if zone != ZONE_OF_RECIPIENT {
        fields.end("at, zone")?;
        return begins_at(&at, &zone, now).map(|at| (Some(at), None)).map_err(wrong);
    }
    let named = fields.take::<String>("fallback_zone", takes_fallback)?;
    let of_game = || game.sending.local_hours.as_ref().map(|hours| hours.zone().to_owned());
    let fallback_zone = named.or_else(of_game).filter(|zone| is_zone(zone));
    let fallback_zone = fallback_zone.ok_or_else(|| fields.wrong("fallback_zone", takes_fallback))?;
    fields.end("at, zone, fallback_zone")?;
    let local = LocalTime { at, fallback_zone };
    let first = local.check(now).map_err(wrong)?.first();
    Ok((Some(first), Some(local)))
}
