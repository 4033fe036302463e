//! Messages of ours: whether they are the expected ones, and how a transcript would write them.

use questline_core::message::{Button, Header, MediaKind, MediaSource, Outbound, Section};
use questline_core::outbox::{Content, NewMessage};
use questline_core::recovery::CredentialsPromise;

use super::pattern::Pattern;
use super::script::{Asked, ExpectedKind, ExpectedMessage, Part};

/// A message, taken apart.
#[derive(Default)]
struct Parts<'a> {
    text: Option<&'a str>,
    media: Option<(MediaKind, &'a str)>,
    caption: Option<&'a str>,
    header: Option<&'a str>,
    footer: Option<&'a str>,
    buttons: Vec<&'a str>,
    rows: Vec<&'a str>,
    link: Option<(&'a str, &'a str)>,
    asks: Option<Asked>,
}

fn source(source: &MediaSource) -> &str {
    match source {
        MediaSource::Id(text) | MediaSource::Link(text) => text,
        MediaSource::File(file) => &file.name,
    }
}

fn parts(message: &Outbound) -> Parts<'_> {
    let none = Parts::default();
    match message {
        Outbound::Text { body, .. } => Parts { text: Some(body), ..none },
        Outbound::Buttons { header, body, footer, buttons } => Parts {
            text: Some(body),
            header: header.as_ref().map(|header| match header {
                Header::Text(text) => text.as_str(),
                Header::Media(_, from) => source(from),
            }),
            footer: footer.as_deref(),
            buttons: buttons.iter().map(|button: &Button| button.title.as_str()).collect(),
            ..none
        },
        Outbound::List { header, body, footer, sections, .. } => Parts {
            text: Some(body),
            header: header.as_deref(),
            footer: footer.as_deref(),
            rows: sections.iter().flat_map(|section: &Section| &section.rows).map(|row| row.title.as_str()).collect(),
            ..none
        },
        Outbound::Media { kind, source: from, caption, .. } => {
            Parts { media: Some((*kind, source(from))), caption: caption.as_deref(), ..none }
        }
        Outbound::LocationRequest { body } => Parts { text: Some(body), asks: Some(Asked::Location), ..none },
        Outbound::ContactRequest { body } => Parts { text: Some(body), asks: Some(Asked::Contact), ..none },
        Outbound::LinkButton { body, footer, label, url } => {
            Parts { text: Some(body), footer: footer.as_deref(), link: Some((label, url)), ..none }
        }
    }
}

fn all_match(patterns: &[Pattern], texts: &[&str]) -> bool {
    patterns.len() == texts.len() && patterns.iter().zip(texts).all(|(pattern, text)| pattern.matches(text))
}

/// Whether this is the message that was expected.
pub(super) fn is_expected(expected: &ExpectedMessage, message: &NewMessage) -> bool {
    match (&expected.kind, &message.content) {
        (ExpectedKind::Code(purpose), Content::Code(found)) => {
            purpose.is_none_or(|purpose| purpose == found.purpose) && expected.parts.is_empty()
        }
        (ExpectedKind::Reaction(emoji), Content::Reaction { emoji: found, .. }) => emoji.matches(found.as_deref().unwrap_or("")),
        (ExpectedKind::Template { name, language, values }, Content::Template(found)) => {
            let found_values: Vec<&str> = found.header.iter().chain(&found.body).map(String::as_str).collect();
            *name == found.name
                && language.as_ref().is_none_or(|language| *language == found.language)
                && values.as_ref().is_none_or(|values| all_match(values, &found_values))
        }
        (ExpectedKind::Text(text), Content::Credentials(promise)) => text.matches(&promised(promise)) && expected.parts.is_empty(),
        (ExpectedKind::Text(text), Content::Reply { message, .. }) => {
            let found = parts(message);
            found.text.is_some_and(|found| text.matches(found)) && expected.parts.iter().all(|part| has(part, &found))
        }
        (ExpectedKind::Media(kind, from), Content::Reply { message, .. }) => {
            let found = parts(message);
            found.media.is_some_and(|(found, link)| found == *kind && from.matches(link))
                && expected.parts.iter().all(|part| has(part, &found))
        }
        _ => false,
    }
}

/// What stands for credentials in a transcript: they are made when a message is sent, and a transcript sends none.
fn promised(promise: &CredentialsPromise) -> String {
    format!("[recovery credentials, good for {} minutes]", promise.valid_s / 60)
}

fn has(part: &Part, found: &Parts<'_>) -> bool {
    let text = |pattern: &Pattern, found: Option<&str>| found.is_some_and(|found| pattern.matches(found));
    match part {
        Part::Buttons(titles) => all_match(titles, &found.buttons),
        Part::List(titles) => all_match(titles, &found.rows),
        Part::Header(header) => text(header, found.header),
        Part::Footer(footer) => text(footer, found.footer),
        Part::Caption(caption) => text(caption, found.caption),
        Part::Link(label, url) => found.link.is_some_and(|(found, address)| label.matches(found) && url.matches(address)),
        Part::Asks(what) => found.asks == Some(*what),
    }
}

/// Key and text; more lines of the text are indented, as a transcript is read.
fn written(key: &str, text: &str) -> Vec<String> {
    let mut lines = text.lines();
    let first = format!("{key}: {}", lines.next().unwrap_or(""));
    std::iter::once(first.trim_end().to_owned()).chain(lines.map(|line| format!("  {line}").trim_end().to_owned())).collect()
}

fn listed<'a>(key: &str, titles: impl Iterator<Item = &'a str>) -> Vec<String> {
    vec![format!("{key}: {}", titles.map(|title| title.replace('|', "\\|")).collect::<Vec<_>>().join(" | "))]
}

fn asks(what: Asked) -> Vec<String> {
    written("asks", if what == Asked::Location { "location" } else { "contact" })
}

/// A message that came, as a transcript would expect it.
pub(super) fn of_message(message: &NewMessage) -> Vec<String> {
    match &message.content {
        Content::Reaction { emoji, .. } => written("reaction", emoji.as_deref().unwrap_or("")),
        Content::Template(template) => {
            let values = template.header.iter().chain(&template.body).map(String::as_str);
            listed(&format!("template: {} {}", template.name, template.language), values)
        }
        Content::Credentials(promise) => written("bot", &promised(promise)),
        Content::Operation(operation) => written("calls", &operation.name),
        Content::Code(promise) => written("code", promise.purpose.as_str()),
        Content::Consent(_) => Vec::new(),
        Content::Reply { message, .. } => {
            let found = parts(message);
            let mut lines = Vec::new();
            lines.extend(found.text.into_iter().flat_map(|text| written("bot", text)));
            lines.extend(found.media.into_iter().flat_map(|(kind, from)| written(kind.as_str(), from)));
            lines.extend(found.caption.into_iter().flat_map(|text| written("caption", text)));
            lines.extend(found.header.into_iter().flat_map(|text| written("header", text)));
            lines.extend(found.footer.into_iter().flat_map(|text| written("footer", text)));
            if !found.buttons.is_empty() {
                lines.extend(listed("buttons", found.buttons.into_iter()));
            }
            if !found.rows.is_empty() {
                lines.extend(listed("list", found.rows.into_iter()));
            }
            lines.extend(found.link.into_iter().flat_map(|(label, url)| listed("link", [label, url].into_iter())));
            lines.extend(found.asks.into_iter().flat_map(asks));
            lines
        }
    }
}

/// A message that was expected, as it was written.
pub(super) fn of_expected(expected: &ExpectedMessage) -> Vec<String> {
    let all = |patterns: &[Pattern]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ");
    let mut lines = match &expected.kind {
        ExpectedKind::Text(text) => written("bot", &text.to_string()),
        ExpectedKind::Media(kind, from) => written(kind.as_str(), &from.to_string()),
        ExpectedKind::Code(purpose) => purpose.map_or_else(|| vec!["code".to_owned()], |purpose| written("code", purpose.as_str())),
        ExpectedKind::Reaction(emoji) => written("reaction", &emoji.to_string()),
        ExpectedKind::Template { name, language, values } => {
            let head = language.as_ref().map_or_else(|| name.clone(), |language| format!("{name} {language}"));
            written("template", &values.as_ref().map_or_else(|| head.clone(), |values| format!("{head}: {}", all(values))))
        }
    };
    for part in &expected.parts {
        lines.extend(match part {
            Part::Buttons(titles) => written("buttons", &all(titles)),
            Part::List(titles) => written("list", &all(titles)),
            Part::Header(text) => written("header", &text.to_string()),
            Part::Footer(text) => written("footer", &text.to_string()),
            Part::Caption(text) => written("caption", &text.to_string()),
            Part::Link(label, url) => written("link", &format!("{label} | {url}")),
            Part::Asks(what) => asks(*what),
        });
    }
    lines
}
