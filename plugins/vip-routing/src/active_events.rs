//! What is on in the game: a list, and more about each event.
use questline_sdk::backend::find_json;
use questline_sdk::limits::{ROW_DESCRIPTION_MAX, ROW_TITLE_MAX, ROWS_MAX, fit};
use questline_sdk::locale::date;
use questline_sdk::prelude::*;

use crate::account::unavailable;
use crate::backend::{ActiveEvents, Nothing};
use crate::step::{MENU, Step};
use crate::topic::EVENT_PREFIX;

/// A list of all that is on, soonest over first.
pub(crate) fn list(step: Step<'_>) -> Result<Outcome, FlowError> {
    let Some(mut answer) = find_json::<ActiveEvents>("active-events", &Nothing {})? else {
        return unavailable(step);
    };
    if answer.events.is_empty() {
        let body = step.copy("events-none", &[])?;
        return step.reply_with(body, MENU);
    }
    answer.events.sort_by_key(|event| event.ends_at_ms);
    let locale = &step.conversation.locale;
    let mut section = ListSection::new("");
    for event in answer.events.iter().take(ROWS_MAX) {
        let description = step.copy("event-row", &[("date", &date(event.ends_at_ms, locale))])?;
        section = section.row(
            format!("{EVENT_PREFIX}{}", event.id),
            fit(event.title.of(locale), ROW_TITLE_MAX),
            Some(fit(&description, ROW_DESCRIPTION_MAX)),
        );
    }
    let message = ListMessage::new(step.copy("events", &[])?, step.copy("button-events-open", &[])?).section(section);
    Ok(step.done()?.reply(message)?)
}

/// More about the event that was chosen, if it is still on.
pub(crate) fn details(step: Step<'_>, id: &str) -> Result<Outcome, FlowError> {
    let Some(answer) = find_json::<ActiveEvents>("active-events", &Nothing {})? else {
        return unavailable(step);
    };
    let locale = &step.conversation.locale;
    let body = match answer.events.iter().find(|event| event.id == id) {
        Some(event) => step.copy(
            "event-details",
            &[("title", event.title.of(locale)), ("description", event.description.of(locale)), ("date", &date(event.ends_at_ms, locale))],
        )?,
        None => step.copy("event-over", &[])?,
    };
    step.reply_with(fit(&body, questline_sdk::limits::BODY_MAX), &["events", "menu"])
}
