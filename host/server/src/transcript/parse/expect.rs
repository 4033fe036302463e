//! Indented lines: what is expected.

use questline_core::effect::TicketPriority;
use questline_core::time::SECOND_MS;
use serde_json::Value;

use super::action::{media, purpose};
use super::words::{after, duration, list, some_word, word};
use super::{Wrong, wrong};
use crate::transcript::pattern::Pattern;
use crate::transcript::script::{Asked, Expectation, ExpectedKind, ExpectedMessage, Part};

/// What can stand below something that happens.
const EXPECTATIONS: &str = "`bot:`, `buttons:`, `list:`, `header:`, `footer:`, `link:`, `asks:`, `image:` (or video, audio, document, \
    sticker), `caption:`, `template:`, `reaction:`, `code`, `nothing`, `ticket:`, `ticket says:`, `timer:`, `no timer:`, `hands over to`, \
    `state:`, `no state`, `consent:`, `authenticated`, `not authenticated`, `calls:`, `log:`, `counts:` or `fails:`";

/// One line, before the lines below it are known.
pub(super) enum Draft<'a> {
    /// Complete.
    Done(Parsed),
    /// Goes on in the lines below.
    Text(TextOf, &'a str),
    /// JSON, which may go on in the lines below.
    Json(JsonOf, &'a str),
}

/// What a text is.
pub(super) enum TextOf {
    Bot,
    Header,
    Footer,
    Caption,
    Ticket,
}

/// What a document is.
pub(super) enum JsonOf {
    State(Option<String>),
    Calls(String),
}

/// One line with all that belongs to it.
pub(super) enum Parsed {
    /// An expectation.
    What(Expectation),
    /// More about the message above.
    Part(Part),
    /// More about the ticket above.
    TicketSays(Pattern),
}

impl Draft<'_> {
    /// Whether lines that are indented further belong to it.
    pub(super) fn takes_lines(&self) -> bool {
        !matches!(self, Self::Done(_))
    }

    /// With the lines below.
    pub(super) fn complete(self, more: &str) -> Result<Parsed, String> {
        match self {
            Self::Done(parsed) => Ok(parsed),
            Self::Text(of, first) => {
                let whole = format!("{first}{more}");
                let text = Pattern::new(whole.trim_start_matches('\n'));
                Ok(match of {
                    TextOf::Bot => message(ExpectedKind::Text(text)),
                    TextOf::Header => Parsed::Part(Part::Header(text)),
                    TextOf::Footer => Parsed::Part(Part::Footer(text)),
                    TextOf::Caption => Parsed::Part(Part::Caption(text)),
                    TextOf::Ticket => Parsed::TicketSays(text),
                })
            }
            Self::Json(of, first) => {
                let whole = format!("{first}{more}");
                let document = |text: &str| serde_json::from_str::<Value>(text).map_err(|problem| format!("JSON ({problem})"));
                Ok(Parsed::What(match of {
                    JsonOf::State(flow) => Expectation::State { flow, state: document(&whole)? },
                    JsonOf::Calls(operation) => {
                        let request = if whole.trim().is_empty() { None } else { Some(document(&whole)?) };
                        Expectation::Calls { operation, request }
                    }
                }))
            }
        }
    }
}

fn message(kind: ExpectedKind) -> Parsed {
    Parsed::What(Expectation::Message(ExpectedMessage { kind, parts: Vec::new() }))
}

fn done<'a>(what: Expectation) -> Result<Draft<'a>, Wrong<'a>> {
    Ok(Draft::Done(Parsed::What(what)))
}

fn part<'a>(part: Part) -> Result<Draft<'a>, Wrong<'a>> {
    Ok(Draft::Done(Parsed::Part(part)))
}

/// Reads the first line.
pub(super) fn line(text: &str) -> Result<Draft<'_>, Wrong<'_>> {
    match text {
        "nothing" => return done(Expectation::Nothing),
        "no state" => return done(Expectation::NoState),
        "code" => return Ok(Draft::Done(message(ExpectedKind::Code(None)))),
        "authenticated" => return done(Expectation::Authenticated { method: None }),
        "not authenticated" => return done(Expectation::NotAuthenticated),
        _ => {}
    }
    if text.starts_with("hands ") {
        let (flow, rest) = some_word(after(after(after(text, "hands")?, "over")?, "to")?, "the flow's name")?;
        return if rest.is_empty() { done(Expectation::HandsOver { flow: flow.to_owned() }) } else { wrong(rest, "the end of the line") };
    }
    let Some((key, value)) = text.split_once(':') else { return wrong(text, EXPECTATIONS) };
    let value = value.trim();
    let some = |expected: &str| if value.is_empty() { wrong(value, expected) } else { Ok(Pattern::new(value)) };
    match key {
        "bot" => Ok(Draft::Text(TextOf::Bot, value)),
        "header" => Ok(Draft::Text(TextOf::Header, value)),
        "footer" => Ok(Draft::Text(TextOf::Footer, value)),
        "caption" => Ok(Draft::Text(TextOf::Caption, value)),
        "ticket says" => Ok(Draft::Text(TextOf::Ticket, value)),
        "buttons" => part(Part::Buttons(list(some("titles, for instance `Yes | No`")?.to_string().as_str()))),
        "list" => part(Part::List(list(some("titles of rows, for instance `First | Second`")?.to_string().as_str()))),
        "link" => match &list(value)[..] {
            [label, url] => part(Part::Link(label.clone(), url.clone())),
            _ => wrong(value, "the button and its address, for instance `Open | https://*`"),
        },
        "asks" => match value {
            "location" => part(Part::Asks(Asked::Location)),
            "contact" => part(Part::Asks(Asked::Contact)),
            _ => wrong(value, "`location` or `contact`"),
        },
        "reaction" => Ok(Draft::Done(message(ExpectedKind::Reaction(some("an emoji")?)))),
        "code" => Ok(Draft::Done(message(ExpectedKind::Code(Some(purpose(value)?))))),
        "authenticated" => done(Expectation::Authenticated { method: Some(some("how, for instance `code`")?) }),
        "template" => template(value),
        "ticket" => ticket(value),
        "timer" => {
            let (id, rest) = some_word(value, "the timer's name")?;
            done(Expectation::Timer { id: Pattern::new(id), in_ms: duration(after(rest, "in")?)? })
        }
        "no timer" => done(Expectation::NoTimer { id: some("the timer's name, or *")? }),
        "state" => Ok(Draft::Json(JsonOf::State(None), value)),
        "calls" => {
            let (operation, request) = some_word(value, "an operation")?;
            Ok(Draft::Json(JsonOf::Calls(operation.to_owned()), request))
        }
        "log" => done(Expectation::Log { line: some("the line, for instance `*no priority*`")? }),
        "counts" => done(Expectation::Counts { name: some("the measure's name")? }),
        "consent" => match value {
            "granted" => done(Expectation::Consent { granted: true }),
            "withdrawn" => done(Expectation::Consent { granted: false }),
            _ => wrong(value, "`granted` or `withdrawn`"),
        },
        "fails" => {
            let (kind, detail) = some_word(value, "how it fails, for instance `trap`")?;
            let detail = (!detail.is_empty()).then(|| Pattern::new(detail));
            done(Expectation::Fails { kind: kind.to_owned(), detail })
        }
        other => match (media(other), other.strip_prefix("state of ")) {
            (Some(kind), _) => Ok(Draft::Done(message(ExpectedKind::Media(kind, some("the file's address or id")?)))),
            (None, Some(flow)) => Ok(Draft::Json(JsonOf::State(Some(flow.trim().to_owned())), value)),
            (None, None) => wrong(text, EXPECTATIONS),
        },
    }
}

/// `match_found_alert`, `match_found_alert en`, `match_found_alert en: Nova | m-1`.
fn template(text: &str) -> Result<Draft<'_>, Wrong<'_>> {
    let (head, values) = text.split_once(':').map_or((text, None), |(head, values)| (head.trim(), Some(values.trim())));
    let (name, language) = some_word(head, "the template's name")?;
    if language.contains(char::is_whitespace) {
        return wrong(language, "one language, for instance `en`, and values behind a colon");
    }
    Ok(Draft::Done(message(ExpectedKind::Template {
        name: name.to_owned(),
        language: (!language.is_empty()).then(|| language.to_owned()),
        values: values.filter(|values| !values.is_empty()).map(list),
    })))
}

/// `critical purchase-problem within 60s`.
fn ticket(text: &str) -> Result<Draft<'_>, Wrong<'_>> {
    let (priority, rest) = word(text);
    let priority = match priority {
        "critical" => TicketPriority::Critical,
        "high" => TicketPriority::High,
        "normal" => TicketPriority::Normal,
        "low" => TicketPriority::Low,
        _ => return wrong(text, "`critical`, `high`, `normal` or `low`"),
    };
    let (intent, rest) = some_word(rest, "what the ticket is about, for instance `purchase-problem`")?;
    let within_s = if rest.is_empty() { None } else { Some(duration(after(rest, "within")?)? / SECOND_MS) };
    done(Expectation::Ticket { priority, intent: Pattern::new(intent), within_s, says: None })
}
