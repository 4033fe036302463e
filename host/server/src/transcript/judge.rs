//! Compares what came of a beat with what was expected of it.

use questline_core::commit::Ticket;
use questline_core::conversation::Authentication;
use questline_core::effect::TicketPriority;
use questline_core::outbox::NewMessage;
use questline_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use serde_json::Value;

use super::diff::diff;
use super::message;
use super::pattern::{Pattern, json_has};
use super::report::Failure;
use super::script::{Action, Beat, Expectation, Expected, ExpectedMessage};
use super::simulation::{Happened, Simulation};

/// All that came of a beat.
pub(super) struct Came<'a> {
    pub(super) happened: Vec<Happened>,
    pub(super) calls: Vec<(String, Value)>,
    pub(super) log: Vec<String>,
    pub(super) world: &'a Simulation,
}

/// What went otherwise than expected.
pub(super) fn judge(beat: &Beat, came: &Came<'_>, ignores_replies: bool) -> Vec<Failure> {
    let lenient = ignores_replies && !beat.expected.iter().any(|expected| matches!(expected.what, Expectation::Nothing));
    let mut failures = Vec::new();
    failures.extend(failed(beat, came));
    failures.extend(messages(beat, came, lenient));
    failures.extend(tickets(beat, came, lenient));
    failures.extend(beat.expected.iter().filter_map(|expected| {
        let found = other(&expected.what, came).err()?;
        Some(Failure { line: expected.line, text: format!("{}\n{found}", beat.text) })
    }));
    failures
}

fn failure(beat: &Beat, line: u32, lines: &[String]) -> Failure {
    Failure { line, text: format!("{}\n{}", beat.text, lines.join("\n")) }
}

/// Dead letters have to be expected; so has what Meta would refuse, which cannot be.
fn failed(beat: &Beat, came: &Came<'_>) -> Vec<Failure> {
    let mut wanted: Vec<_> = beat
        .expected
        .iter()
        .filter_map(|expected| match &expected.what {
            Expectation::Fails { kind, detail } => Some((expected.line, kind, detail)),
            _ => None,
        })
        .collect();
    let mut failures = Vec::new();
    for happened in &came.happened {
        match happened {
            Happened::Refused(refused, problems) => {
                let mut lines = vec![format!("Meta would refuse this: {problems}")];
                lines.extend(message::of_message(refused).into_iter().map(|line| format!("+ {line}")));
                failures.push(failure(beat, beat.line, &lines));
            }
            Happened::Failed { kind, detail } => {
                let fits = |(_, wanted, words): &(u32, &String, &Option<Pattern>)| {
                    *wanted == kind && words.as_ref().is_none_or(|words| words.matches(detail))
                };
                match wanted.iter().position(fits) {
                    Some(place) => drop(wanted.remove(place)),
                    // The scene said itself that the message fails.
                    None if matches!(beat.action, Action::DeliveryFails { .. }) && kind.starts_with("meta-") => {}
                    None => {
                        let mut lines = vec![format!("+ fails: {kind}")];
                        lines.extend(detail.lines().map(|line| format!("    {line}")));
                        failures.push(failure(beat, beat.line, &lines));
                    }
                }
            }
            _ => {}
        }
    }
    failures.extend(wanted.into_iter().map(|(line, kind, words)| {
        let words = words.as_ref().map(ToString::to_string).unwrap_or_default();
        failure(beat, line, &[format!("- fails: {kind} {words}").trim_end().to_owned()])
    }));
    failures
}

fn messages(beat: &Beat, came: &Came<'_>, lenient: bool) -> Option<Failure> {
    let wanted: Vec<(u32, &ExpectedMessage)> = beat
        .expected
        .iter()
        .filter_map(|expected| match &expected.what {
            Expectation::Message(message) => Some((expected.line, message)),
            _ => None,
        })
        .collect();
    let mut found: Vec<&NewMessage> = came
        .happened
        .iter()
        .filter_map(|happened| match happened {
            Happened::Said(message) => Some(message),
            _ => None,
        })
        .collect();
    if lenient {
        // Those that nobody asks for are passed over, as long as all that are asked for come, in their order.
        let mut rest = &wanted[..];
        found.retain(|message| match rest.split_first() {
            Some((first, others)) if message::is_expected(first.1, message) => {
                rest = others;
                true
            }
            _ => false,
        });
    }
    let fits = |wanted: &(u32, &ExpectedMessage), found: &&NewMessage| message::is_expected(wanted.1, found);
    let differs = diff(&wanted, &found, fits, |wanted| message::of_expected(wanted.1), |found| message::of_message(found))?;
    let line = differs.first_missing.and_then(|place| wanted.get(place)).map_or(beat.line, |(line, _)| *line);
    Some(failure(beat, line, &differs.lines))
}

struct WantedTicket<'a> {
    line: u32,
    priority: TicketPriority,
    intent: &'a Pattern,
    within_s: Option<u64>,
    says: Option<&'a Pattern>,
}

fn tickets(beat: &Beat, came: &Came<'_>, lenient: bool) -> Option<Failure> {
    let wanted: Vec<WantedTicket<'_>> = beat
        .expected
        .iter()
        .filter_map(|Expected { line, what }| match what {
            Expectation::Ticket { priority, intent, within_s, says } => {
                Some(WantedTicket { line: *line, priority: *priority, intent, within_s: *within_s, says: says.as_ref() })
            }
            _ => None,
        })
        .collect();
    let found: Vec<&Ticket> = came
        .happened
        .iter()
        .filter_map(|happened| match happened {
            Happened::Ticket(ticket) => Some(&**ticket),
            _ => None,
        })
        .collect();
    if lenient && wanted.is_empty() {
        return None;
    }
    let within = |ticket: &Ticket| ticket.due_at.map(|due_at| due_at.since_ms(ticket.opened_at) / SECOND_MS);
    let fits = |wanted: &WantedTicket<'_>, ticket: &&Ticket| {
        wanted.priority == ticket.priority
            && wanted.intent.matches(&ticket.intent)
            && wanted.within_s.is_none_or(|within_s| within(ticket) == Some(within_s))
            && wanted.says.is_none_or(|says| says.matches(&ticket.body))
    };
    let line = |priority, intent: &str, within_s: Option<u64>| {
        let within = within_s.map(|within_s| format!(" within {}", spoken(within_s * SECOND_MS))).unwrap_or_default();
        format!("ticket: {} {intent}{within}", word(priority))
    };
    let of_wanted = |wanted: &WantedTicket<'_>| {
        let mut lines = vec![line(wanted.priority, &wanted.intent.to_string(), wanted.within_s)];
        lines.extend(wanted.says.map(|says| format!("ticket says: {says}")));
        lines
    };
    let of_found = |ticket: &&Ticket| {
        let mut lines = vec![line(ticket.priority, &ticket.intent, within(ticket))];
        let mut body = ticket.body.lines();
        lines.push(format!("ticket says: {}", body.next().unwrap_or("")));
        lines.extend(body.map(|line| format!("  {line}")));
        lines
    };
    let differs = diff(&wanted, &found, fits, of_wanted, of_found)?;
    let line = differs.first_missing.and_then(|place| wanted.get(place)).map_or(beat.line, |wanted| wanted.line);
    Some(failure(beat, line, &differs.lines))
}

fn word(priority: TicketPriority) -> &'static str {
    match priority {
        TicketPriority::Critical => "critical",
        TicketPriority::High => "high",
        TicketPriority::Normal => "normal",
        TicketPriority::Low => "low",
    }
}

/// What need not be expected, but is there if it is.
fn other(what: &Expectation, came: &Came<'_>) -> Result<(), String> {
    let lines = |wanted: String, found: Vec<String>| {
        let found = if found.is_empty() { vec!["nothing of the kind".to_owned()] } else { found };
        std::iter::once(format!("- {wanted}")).chain(found.into_iter().map(|line| format!("+ {line}"))).collect::<Vec<_>>().join("\n")
    };
    let happened = |of: &dyn Fn(&Happened) -> Option<String>| came.happened.iter().filter_map(of).collect::<Vec<_>>();
    match what {
        // These are judged by themselves.
        Expectation::Message(_) | Expectation::Nothing | Expectation::Ticket { .. } | Expectation::Fails { .. } => Ok(()),
        Expectation::Timer { id, in_ms } => {
            let set = |happened: &Happened| matches!(happened, Happened::Timer(timer, ms) if id.matches(&timer.id) && ms == in_ms);
            let shown = |happened: &Happened| match happened {
                Happened::Timer(timer, ms) => Some(format!("timer: {} in {}", timer.id, spoken(*ms))),
                _ => None,
            };
            let wanted = || format!("timer: {id} in {}", spoken(*in_ms));
            if came.happened.iter().any(set) { Ok(()) } else { Err(lines(wanted(), happened(&shown))) }
        }
        Expectation::NoTimer { id } => match came.world.timers().find(|timer| id.matches(&timer.id)) {
            None => Ok(()),
            Some(timer) => Err(lines(format!("no timer: {id}"), vec![format!("a timer {} waits", timer.id)])),
        },
        Expectation::HandsOver { flow } => {
            let to = happened(&|happened| match happened {
                Happened::HandedOver(to) => Some(to.clone()),
                _ => None,
            });
            let shown = || to.iter().map(|to| format!("hands over to {to}")).collect();
            if to.contains(flow) { Ok(()) } else { Err(lines(format!("hands over to {flow}"), shown())) }
        }
        Expectation::State { flow, state } => {
            let found = state_of(came, flow.as_deref());
            let document = found.and_then(|(_, found)| serde_json::from_str::<Value>(found).ok());
            if document.is_some_and(|found| json_has(state, &found)) {
                return Ok(());
            }
            Err(lines(format!("state: {state}"), found.map(|(flow, found)| format!("state of {flow}: {found}")).into_iter().collect()))
        }
        Expectation::NoState => match state_of(came, None) {
            None => Ok(()),
            Some((flow, found)) => Err(lines("no state".to_owned(), vec![format!("state of {flow}: {found}")])),
        },
        Expectation::Consent { granted } => {
            let text = |granted: bool| format!("consent: {}", if granted { "granted" } else { "withdrawn" });
            let found = happened(&|happened| match happened {
                Happened::Consent(granted) => Some(text(*granted)),
                _ => None,
            });
            if found.contains(&text(*granted)) { Ok(()) } else { Err(lines(text(*granted), found)) }
        }
        Expectation::Authenticated { method } => {
            let found = authentication(came);
            let fits = |found: &Authentication| match found {
                Authentication::Authenticated { method: found, .. } => method.as_ref().is_none_or(|method| method.matches(found)),
                Authentication::Unauthenticated | Authentication::CodeSent => false,
            };
            let wanted = || method.as_ref().map_or_else(|| "authenticated".to_owned(), |method| format!("authenticated: {method}"));
            if found.is_some_and(fits) { Ok(()) } else { Err(lines(wanted(), vec![shown(found)])) }
        }
        Expectation::NotAuthenticated => match authentication(came) {
            found @ Some(Authentication::Authenticated { .. }) => Err(lines("not authenticated".to_owned(), vec![shown(found)])),
            _ => Ok(()),
        },
        Expectation::Calls { operation, request } => {
            let fits =
                |(name, found): &(String, Value)| name == operation && request.as_ref().is_none_or(|request| json_has(request, found));
            let shown = || came.calls.iter().map(|(name, request)| format!("calls: {name} {request}")).collect();
            let wanted = || format!("calls: {operation} {}", request.as_ref().map(ToString::to_string).unwrap_or_default());
            if came.calls.iter().any(fits) { Ok(()) } else { Err(lines(wanted().trim_end().to_owned(), shown())) }
        }
        Expectation::Log { line } => {
            // With its level or without.
            let fits = |found: &String| line.matches(found) || found.split_once(' ').is_some_and(|(_, words)| line.matches(words));
            let shown = || came.log.iter().map(|line| format!("log: {line}")).collect();
            if came.log.iter().any(fits) { Ok(()) } else { Err(lines(format!("log: {line}"), shown())) }
        }
        Expectation::Counts { name } => {
            let found = happened(&|happened| match happened {
                Happened::Counted(name) => Some(name.clone()),
                _ => None,
            });
            let shown = || found.iter().map(|name| format!("counts: {name}")).collect();
            if found.iter().any(|found| name.matches(found)) { Ok(()) } else { Err(lines(format!("counts: {name}"), shown())) }
        }
    }
}

/// How far the player of the latest step has proven who they are.
fn authentication<'a>(came: &'a Came<'_>) -> Option<&'a Authentication> {
    Some(&came.world.rooms.get(came.world.room)?.conversation.session.authentication)
}

fn shown(authentication: Option<&Authentication>) -> String {
    match authentication {
        Some(Authentication::Authenticated { method, .. }) => format!("authenticated: {method}"),
        _ => "not authenticated".to_owned(),
    }
}

/// What a flow keeps in the conversation of the latest step: the one named, else the one that was asked last.
fn state_of<'a>(came: &'a Came<'_>, flow: Option<&str>) -> Option<(&'a str, &'a str)> {
    let flow = flow.or(came.world.flow.as_deref())?;
    let states = &came.world.rooms.get(came.world.room)?.conversation.session.states;
    states.iter().find(|kept| kept.flow.as_str() == flow).map(|kept| (kept.flow.as_str(), kept.state.as_str()))
}

/// `1 day 2 hours`, as a transcript writes times.
fn spoken(ms: u64) -> String {
    let (mut rest, mut words) = (ms, Vec::new());
    for (unit_ms, unit) in [(DAY_MS, "day"), (HOUR_MS, "hour"), (MINUTE_MS, "minute"), (SECOND_MS, "second")] {
        let count = rest / unit_ms;
        rest %= unit_ms;
        if count > 0 {
            words.push(format!("{count} {unit}{}", if count == 1 { "" } else { "s" }));
        }
    }
    if rest > 0 || words.is_empty() {
        words.push(format!("{rest} ms"));
    }
    words.join(" ")
}
