//! Looks at every step and says it in JSON: what came, which flows were asked, what they answered and what became of it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use questline_core::commit::TimerChange;
use questline_core::conversation::Conversation;
use questline_core::event::{Event, Inbound};
use questline_core::flow::{FlowAnswer, FlowDescription, FlowFailure};
use questline_core::id::{ConversationId, FlowName, GameId};
use questline_core::port::{Clock, FlowCall, Flows, GuestLog, LogLevel};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::journal::Journal;
use super::people::People;
use crate::runner::{Ended, Observe, Observed, TracedAnswer, TracedCall, TracedLine, note};

/// Flows whose calls are noted, and which see players' languages as the page sets them.
pub(super) struct NotedFlows {
    pub(super) flows: Arc<dyn Flows>,
    pub(super) people: Arc<People>,
}

#[async_trait]
impl Flows for NotedFlows {
    async fn call(&self, mut call: FlowCall<'_>) -> Result<FlowAnswer, FlowFailure> {
        // A session keeps the language that it began with; on the page a change is to be seen at once.
        if let Some(locale) = call.snapshot.player.as_ref().and_then(|player| self.people.locale_of(player)) {
            call.snapshot.locale = locale;
        }
        let (flow, refused) = (call.flow.clone(), call.snapshot.refused.clone());
        let result = self.flows.call(call).await;
        let told = match &result {
            Ok(answer) => Ok(TracedAnswer { outcome: answer.outcome.clone(), cost: answer.cost, reads: answer.reads.clone() }),
            Err(failure) => Err(failure.clone()),
        };
        note(|trace| trace.calls.push(TracedCall { flow, refused, result: told }));
        result
    }

    fn description(&self, flow: &FlowName) -> Option<Arc<FlowDescription>> {
        self.flows.description(flow)
    }
}

/// Puts flows' log lines beside their steps.
pub(super) struct NotedLog;

impl GuestLog for NotedLog {
    fn line(&self, _: &GameId, flow: &FlowName, level: LogLevel, message: &str) {
        note(|trace| trace.lines.push(TracedLine { flow: flow.clone(), level, text: message.to_owned() }));
    }
}

/// Tells the journal.
pub(super) struct Onlooker {
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    steps: AtomicU64,
    phones: Mutex<HashMap<ConversationId, String>>,
    /// Tickets may have changed.
    pub(super) tickets: Notify,
}

impl Onlooker {
    pub(super) fn new(journal: Arc<Journal>, clock: Arc<dyn Clock>) -> Self {
        Self { journal, clock, steps: AtomicU64::new(0), phones: Mutex::default(), tickets: Notify::new() }
    }

    /// Whose conversation it is.
    pub(super) fn phone_of(&self, conversation: ConversationId) -> Option<String> {
        self.phones.lock().unwrap_or_else(PoisonError::into_inner).get(&conversation).cloned()
    }

    fn timers(&self, phone: &str, seen: &Observed<'_>) {
        let Ended::Committed { commit, .. } = &seen.end else { return };
        if let Event::Timer(timer) = &*seen.entry.event {
            self.journal.timer(phone, timer.flow.as_str(), &timer.id, None);
        }
        for change in &commit.timers {
            match change {
                TimerChange::Set { due_at, timer } => {
                    let shown =
                        json!({ "flow": timer.flow.as_str(), "id": timer.id, "due_at_ms": due_at.0, "payload": document(&timer.payload) });
                    self.journal.timer(phone, timer.flow.as_str(), &timer.id, Some(shown));
                }
                TimerChange::Cancel { flow, id } => self.journal.timer(phone, flow.as_str(), id, None),
            }
        }
    }
}

impl Observe for Onlooker {
    fn step(&self, seen: &Observed<'_>) {
        let Some(phone) = seen.before.contact.phone().map(|phone| phone.digits().to_owned()) else { return };
        self.phones.lock().unwrap_or_else(PoisonError::into_inner).insert(seen.before.id, phone.clone());
        if let (Event::Message(message), Ended::Committed { .. }) = (&*seen.entry.event, &seen.end) {
            self.journal.change_message(&phone, message.wamid.as_str(), |shown| {
                if shown["state"] == "sent" {
                    shown["state"] = "delivered".into();
                }
            });
        }
        self.timers(&phone, seen);
        let id = self.steps.fetch_add(1, Ordering::Relaxed) + 1;
        self.journal.step(&phone, step(id, self.clock.now().0, seen));
        self.tickets.notify_one();
    }
}

fn step(id: u64, at_ms: u64, seen: &Observed<'_>) -> Value {
    let (kind, words, wamid) = event(&seen.entry.event);
    let calls: Vec<Value> = seen.trace.calls.iter().map(call).collect();
    let lines = seen.trace.lines.iter();
    let lines: Vec<Value> = lines.map(|line| json!({ "level": line.level, "flow": line.flow.as_str(), "text": line.text })).collect();
    let mut step = json!({
        "id": id, "at_ms": at_ms, "took_us": seen.took.as_micros() as u64, "release": seen.game.release.short(),
        "event": { "kind": kind, "words": words, "wamid": wamid, "detail": serde_json::to_value(&*seen.entry.event).unwrap_or_default() },
        "conversation": seen.before.id.to_string(), "calls": calls, "lines": lines, "before": session(seen.before),
    });
    match &seen.end {
        Ended::Later { failure: why, attempts, wait_ms } => {
            step["outcome"] = "tried again".into();
            step["failure"] = failure(why);
            step["failure"]["again"] = json!({ "attempts": attempts, "wait_ms": wait_ms });
        }
        Ended::Committed { commit, committed, measures, outcome } => {
            step["outcome"] = (*outcome).into();
            step["after"] = session(&commit.conversation);
            step["messages"] = committed.outbox.iter().map(|name| Value::from(name.to_callback_data())).collect();
            step["tickets"] = commit.tickets.iter().map(|ticket| Value::from(ticket.number.as_str())).collect();
            step["measures"] = measures.iter().map(|measure| json!({ "name": measure.name, "value": measure.value })).collect();
            step["audits"] = commit.audits.iter().map(|audit| format!("{}: {}", audit.action, audit.detail)).collect();
            step["follow_ups"] = commit.follow_ups.iter().map(|event| Value::from(event.kind())).collect();
            if let Some(letter) = &commit.dead_letter {
                let why = seen.trace.calls.iter().rev().find_map(|call| call.result.as_ref().err());
                step["failure"] = match why.filter(|why| why.kind() == letter.reason) {
                    Some(why) => failure(why),
                    None => json!({ "kind": letter.reason, "words": letter.detail, "backtrace": "", "place": null }),
                };
                step["failure"]["dead_letter"] = true.into();
            }
        }
    }
    step
}

fn call(call: &TracedCall) -> Value {
    let refused: Vec<Value> =
        call.refused.iter().map(|no| json!({ "effect": no.effect, "reason": no.reason.as_str(), "detail": no.detail })).collect();
    let mut shown = json!({ "flow": call.flow.as_str(), "refused": refused });
    match &call.result {
        Err(why) => shown["failure"] = failure(why),
        Ok(answer) => {
            let cost = &answer.cost;
            shown["next"] = serde_json::to_value(answer.outcome.next).unwrap_or_default();
            shown["state"] = answer.outcome.state.as_deref().map_or(Value::Null, document);
            shown["effects"] = (answer.outcome.effects.iter())
                .map(|effect| json!({ "kind": effect.kind(), "detail": inner(serde_json::to_value(effect).unwrap_or_default()) }))
                .collect();
            shown["reads"] = (answer.reads.iter())
                .map(|read| json!({ "import": read.import, "request": document(&read.request), "answer": document(&read.answer) }))
                .collect();
            shown["cost"] = json!({
                "wall_us": cost.wall_us, "cpu_us": cost.cpu_us, "memory_peak_bytes": cost.memory_peak_bytes, "host_calls": cost.host_calls,
            });
        }
    }
    shown
}

/// Where and why, with the first line that is the flow's own.
fn failure(why: &FlowFailure) -> Value {
    let backtrace = match why {
        FlowFailure::Trap { backtrace, .. }
        | FlowFailure::StackOverflow { backtrace }
        | FlowFailure::CpuDeadline { backtrace, .. }
        | FlowFailure::MemoryLimit { backtrace, .. } => backtrace.as_str(),
        _ => "",
    };
    let all = why.to_string();
    let words = all.strip_suffix(backtrace).unwrap_or(&all).trim_end();
    let place = place_in(words).or_else(|| backtrace.lines().find_map(place_in));
    json!({ "kind": why.kind(), "words": words, "backtrace": backtrace, "place": place })
}

/// `file:line` in the flow's own source.
fn place_in(line: &str) -> Option<String> {
    let foreign = |place: &str| place.starts_with("library/") || place.starts_with("plugins/sdk/") || place.starts_with("registry");
    let place = line.split(" at ").skip(1).find_map(|rest| {
        let place = rest.split_whitespace().next()?.trim_end_matches([',', ')', ':']);
        let (file, number) = place.split_once(".rs:")?;
        number.starts_with(|digit: char| digit.is_ascii_digit()).then(|| format!("{file}.rs:{number}"))
    })?;
    (!foreign(&place)).then_some(place)
}

/// The live part of a conversation, with states as documents.
fn session(conversation: &Conversation) -> Value {
    let mut session = serde_json::to_value(&conversation.session).unwrap_or_default();
    for kept in session["states"].as_array_mut().into_iter().flatten() {
        if let Some(text) = kept["state"].as_str() {
            kept["state"] = document(text);
        }
    }
    session["marketing"] = serde_json::to_value(conversation.marketing).unwrap_or_default();
    if let Some(ticket) = &conversation.secured {
        session["secured"] = ticket.as_str().into();
    }
    session
}

fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

/// What stands under the only key of an enum's JSON.
fn inner(value: Value) -> Value {
    match value {
        Value::Object(map) if map.len() == 1 => map.into_iter().next().map(|(_, value)| value).unwrap_or_default(),
        other => other,
    }
}

/// Kind, words, and Meta's name where it is a message.
fn event(event: &Event) -> (&'static str, String, Option<String>) {
    let words = match event {
        Event::Message(message) => {
            let words = match &message.content {
                Inbound::Text(text) => text.clone(),
                Inbound::Button(choice) | Inbound::ListItem(choice) => format!("{} ({})", choice.title, choice.id),
                Inbound::QuickReply(reply) => format!("{} ({})", reply.text, reply.payload),
                Inbound::Reaction(reaction) => reaction.emoji.clone().unwrap_or_else(|| "reaction taken back".to_owned()),
                other => other.kind().to_owned(),
            };
            return (message.content.kind(), words, Some(message.wamid.as_str().to_owned()));
        }
        Event::Status(status) => {
            let error = status.error.as_ref().map(|error| format!(", error {}: {}", error.code, error.detail));
            format!("{:?}{}", status.state, error.unwrap_or_default()).to_lowercase()
        }
        Event::GameEvent(event) => event.name.clone(),
        Event::Timer(timer) => timer.id.clone(),
        Event::TicketClosed(closed) => format!("{}: {}", closed.number, closed.resolution),
        Event::HandedOver(over) => format!("{} → {}", over.from, over.to),
        _ => String::new(),
    };
    (event.kind(), words, None)
}

#[cfg(test)]
mod tests {
    use super::place_in;

    #[test]
    fn a_trap_is_found_in_the_flows_own_source() {
        assert_eq!(place_in("boom at plugins/dice/src/lib.rs:27").as_deref(), Some("plugins/dice/src/lib.rs:27"));
        assert_eq!(place_in("dice::roll at src/lib.rs:9").as_deref(), Some("src/lib.rs:9"));
        assert_eq!(place_in("panicked at src/lib.rs:9:13: boom").as_deref(), Some("src/lib.rs:9:13"));
        assert_eq!(place_in("core::panicking::panic at library/core/src/panicking.rs:80"), None);
        assert_eq!(place_in("a flow meets at noon"), None);
    }
}
