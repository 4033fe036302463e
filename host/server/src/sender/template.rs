//! Whether a message's template can be sent now, as far as Meta has told: asked before a send begins, so that nobody is asked in
//! vain. What is paused waits, what is gone is refused as Meta would, and what Meta takes for marketing is marketing.

use std::sync::Arc;

use questline_core::event::StatusError;
use questline_core::outbox::{Content, OutboxMessage};
use questline_core::send::{ParkReason, PauseScope, SendRecord, SendResult};
use questline_core::template::at_meta::{AtMeta, Choice, Standing, State, counts_as};
use questline_core::time::{MINUTE_MS, SECOND_MS, UnixMs};
use questline_core::verification::CodePromise;
use tokio::sync::mpsc;

use super::judge::{Judged, Then};
use super::lane::Lanes;
use super::{Sender, record};
use crate::game::{Games, LoadedGame};

/// What waits for a template is looked at again after a quarter of the time for which it has waited, within these bounds: a
/// message goes soon after its template is back, and one that waits for hours costs little. Of a broadcast there may be very
/// many: they take the longest wait at once.
const LOOK_AGAIN_MS: (u64, u64) = (5 * SECOND_MS, 5 * MINUTE_MS);
/// Meta's code for a template that is paused.
pub(super) const PAUSED: u32 = 132_015;
/// Meta's code for a template that is disabled.
const DISABLED: u32 = 132_016;
/// Meta's code for a template that is not there, or not approved.
const NOT_THERE: u32 = 132_001;

/// What becomes of the message.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// As far as templates go, it may be sent.
    Go,
    /// It waits.
    Park {
        /// Not before.
        until: UnixMs,
        /// What for.
        reason: ParkReason,
    },
    /// It is refused as Meta would refuse it.
    Refuse(StatusError),
}

/// Meta's codes that say that it has another template than was thought: its list is read then.
const OTHER_THAN_THOUGHT: [u32; 5] = [132_000, NOT_THERE, 132_012, PAUSED, DISABLED];

impl Sender {
    /// Whether a message may go, as far as its template goes; else it has left its lane.
    pub(super) fn may_go(
        &self,
        message: &mut OutboxMessage,
        lanes: &mut Lanes,
        recorder: &mpsc::UnboundedSender<record::Entry>,
        now: UnixMs,
    ) -> bool {
        match look(&self.games, message, now) {
            Verdict::Go => return true,
            Verdict::Park { until, reason } => {
                self.metrics.template_unsendable(&message.message.game, "parked");
                self.park(message, until, reason, message.attempts, recorder);
            }
            Verdict::Refuse(error) => {
                self.metrics.template_unsendable(&message.message.game, "refused");
                tracing::warn!(outbox = %message.id, detail = error.detail, "a message is not sent: its template cannot be");
                let result = SendResult::Failed { error, attempts: message.attempts, at: now };
                let _ = recorder.send(record::Entry::done(SendRecord { id: message.id, result }));
            }
        }
        lanes.finished(message);
        false
    }

    /// What Meta answered may tell that it has another template than was thought.
    pub(super) fn doubt_template(&self, message: &OutboxMessage, judged: &Judged) {
        let refused = matches!(&judged.then, Then::Done(SendResult::Failed { error, .. }) if OTHER_THAN_THOUGHT.contains(&error.code));
        if refused || matches!(judged.hold, Some((PauseScope::Template, _))) {
            self.templates.doubt(&message.message.number);
        }
    }
}

/// Looks at a message before it is sent. What it counts as is set by what Meta says now.
pub(super) fn look(games: &Games, message: &mut OutboxMessage, now: UnixMs) -> Verdict {
    match &message.message.content {
        Content::Template(_) | Content::Code(_) => {}
        _ => return Verdict::Go,
    }
    let Some(game) = games.get(&message.message.game) else { return Verdict::Go };
    let at_meta = &game.rules.at_meta;
    if let Content::Code(promise) = &message.message.content {
        return code(&game, at_meta, message, promise, now);
    }
    template(at_meta, message, now)
}

fn template(at_meta: &AtMeta, message: &mut OutboxMessage, now: UnixMs) -> Verdict {
    let again = again(message, now);
    let number = &message.message.number;
    let Content::Template(filled) = &mut message.message.content else { return Verdict::Go };
    let standing = at_meta.standing(number, &filled.name, &filled.language, now);
    if let Standing::Sendable(category) = standing {
        filled.category = counts_as(filled.category, category);
    }
    verdict(standing, &filled.name, &filled.language, again)
}

/// When a message is looked at again.
fn again(message: &OutboxMessage, now: UnixMs) -> UnixMs {
    let (soonest_ms, latest_ms) = LOOK_AGAIN_MS;
    let waited_ms = now.since_ms(message.message.committed_at);
    now.plus_ms(if message.message.campaign.is_some() { latest_ms } else { (waited_ms / 4).clamp(soonest_ms, latest_ms) })
}

/// A code goes on to another channel rather than wait for a template; the last one waits only while it lives.
fn code(game: &Arc<LoadedGame>, at_meta: &AtMeta, message: &OutboxMessage, promise: &CodePromise, now: UnixMs) -> Verdict {
    let Some(template) = promise.by.template().and_then(|name| game.rules.templates.get(name)) else { return Verdict::Go };
    let book = at_meta.book(&message.message.number);
    let again = again(message, now);
    match template.choose([promise.locale.as_str(), game.rules.locale.as_str()], book.as_deref(), now) {
        Choice::Send { .. } | Choice::NoLanguage => Verdict::Go,
        Choice::Wait { language, until, .. } => {
            let ends_in_time = until.is_some_and(|until| until < promise.expires_at);
            if !promise.is_last || !ends_in_time {
                return Verdict::Refuse(refusal(PAUSED, &template.name, language, "paused"));
            }
            verdict(Standing::Paused { until }, &template.name, language, again)
        }
        Choice::Closed { language, standing } => match verdict(standing, &template.name, language, again) {
            // Review takes longer than a code lives.
            Verdict::Park { .. } => Verdict::Refuse(refusal(NOT_THERE, &template.name, language, standing.as_str())),
            verdict => verdict,
        },
    }
}

fn verdict(standing: Standing, name: &str, language: &str, again: UnixMs) -> Verdict {
    match standing {
        Standing::Unknown | Standing::Sendable(_) => Verdict::Go,
        Standing::Paused { until } => {
            Verdict::Park { until: until.map_or(again, |until| until.min(again)), reason: ParkReason::TemplatePaused }
        }
        // It was edited since: once it is approved, what waits can go.
        Standing::Closed(State::Pending | State::InAppeal) => Verdict::Park { until: again, reason: ParkReason::TemplateHeld },
        Standing::Closed(State::Disabled) => Verdict::Refuse(refusal(DISABLED, name, language, "disabled")),
        Standing::Closed(_) | Standing::Missing => Verdict::Refuse(refusal(NOT_THERE, name, language, standing.as_str())),
    }
}

fn refusal(code: u32, name: &str, language: &str, state: &str) -> StatusError {
    StatusError { code, detail: format!("template {name:?} in {language:?} is {state} at Meta") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_800_000_000_000);

    #[test]
    fn what_meta_would_refuse_is_refused_and_what_it_may_take_later_waits() {
        let again = NOW.plus_ms(60_000);
        let of = |standing| verdict(standing, "hello", "en", again);
        let code = |verdict| match verdict {
            Verdict::Refuse(error) => Some(error.code),
            _ => None,
        };
        assert_eq!(of(Standing::Unknown), Verdict::Go, "Meta has the last word");
        assert_eq!(of(Standing::Sendable(None)), Verdict::Go);
        let paused = |until| Verdict::Park { until, reason: ParkReason::TemplatePaused };
        assert_eq!(of(Standing::Paused { until: None }), paused(again));
        assert_eq!(of(Standing::Paused { until: Some(NOW.plus_ms(1)) }), paused(NOW.plus_ms(1)));
        assert_eq!(of(Standing::Paused { until: Some(again.plus_ms(1)) }), paused(again), "it may be over sooner");
        let held = Verdict::Park { until: again, reason: ParkReason::TemplateHeld };
        assert_eq!(of(Standing::Closed(State::Pending)), held);
        assert_eq!(code(of(Standing::Closed(State::Disabled))), Some(DISABLED));
        for standing in
            [Standing::Missing, Standing::Closed(State::Rejected), Standing::Closed(State::Deleted), Standing::Closed(State::Archived)]
        {
            assert_eq!(code(of(standing)), Some(NOT_THERE), "{standing:?}");
        }
    }
}
