//! What a flow answers, taken into the host's types: every length and every name is checked here, once.

use questline_core::decide::TIMER_MS_MAX;
use questline_core::effect as core;
use questline_core::event::Extension as CoreExtension;
use questline_core::id::FlowName;
use questline_core::message;
use questline_core::outcome::{EFFECTS_MAX, InvalidOutcome, Next as CoreNext, OUTCOME_BYTES_MAX, Outcome as CoreOutcome, STATE_BYTES_MAX};

use crate::bindings::guest::{Next, Outcome};
use crate::bindings::types::*;
use crate::convert::{json, reference};

/// Characters of a timer's id.
const TIMER_ID_CHARS_MAX: usize = 128;
/// Bytes of a document that a timer, a hand-over or an extension carries.
const PAYLOAD_BYTES_MAX: usize = STATE_BYTES_MAX;
/// Characters of names and keys.
const NAME_CHARS_MAX: usize = 64;
/// Characters of a template's name: Meta's limit.
const TEMPLATE_NAME_CHARS_MAX: usize = 512;
/// Parameters of a template, and buttons with a variable part.
const TEMPLATE_VALUES_MAX: usize = 64;
/// Characters of a template's value: a body has at most so many itself.
const TEMPLATE_VALUE_CHARS_MAX: usize = 2000;
/// Characters of a ticket's subject.
const SUBJECT_CHARS_MAX: usize = 256;
/// Characters of a ticket's body.
const TICKET_BODY_CHARS_MAX: usize = 4096;
/// Tags of a ticket.
const TAGS_MAX: usize = 16;
/// Characters of a reason or a wording.
const WORDING_CHARS_MAX: usize = 2048;
/// Bytes of an emoji: families with skin tones are the longest.
const EMOJI_BYTES_MAX: usize = 64;

type Problem = String;

/// Takes a flow's answer, or says what is wrong with it.
pub(crate) fn outcome(outcome: Outcome) -> Result<CoreOutcome, InvalidOutcome> {
    let Outcome { state, effects, next } = outcome;
    if next == Next::Pass && (state.is_some() || !effects.is_empty()) {
        return Err(InvalidOutcome::PassWithEffects);
    }
    if effects.len() > EFFECTS_MAX {
        return Err(InvalidOutcome::TooManyEffects { found: effects.len() });
    }
    let state = state.map(self::state).transpose()?;
    let mut bytes = state.as_ref().map_or(0, String::len);
    let mut taken = Vec::with_capacity(effects.len());
    for (index, wanted) in effects.into_iter().enumerate() {
        let kind = kind(&wanted);
        let effect = effect(wanted, &mut bytes).map_err(|problem| InvalidOutcome::Effect { index, effect: kind, problem })?;
        if bytes > OUTCOME_BYTES_MAX {
            return Err(InvalidOutcome::TooLarge { found: bytes });
        }
        taken.push(effect);
    }
    let next = match next {
        Next::Stay => CoreNext::Stay,
        Next::Done => CoreNext::Done,
        Next::Pass => CoreNext::Pass,
    };
    Ok(CoreOutcome { state, effects: taken, next })
}

/// A state that can be kept: a JSON document of bounded length.
pub(crate) fn state(state: String) -> Result<String, InvalidOutcome> {
    if state.len() > STATE_BYTES_MAX {
        return Err(InvalidOutcome::StateTooLarge { found: state.len() });
    }
    json::check(&state).map_err(InvalidOutcome::StateNotJson)?;
    Ok(state)
}

fn kind(effect: &Effect) -> &'static str {
    match effect {
        Effect::Reply(_) => "reply",
        Effect::SendTemplate(_) => "send-template",
        Effect::React(_) => "react",
        Effect::SetTimer(_) => "set-timer",
        Effect::CancelTimer(_) => "cancel-timer",
        Effect::RequestAuthentication(_) => "request-authentication",
        Effect::IssueRecoveryCredentials(_) => "issue-recovery-credentials",
        Effect::OpenTicket(_) => "open-ticket",
        Effect::ChangeConsent(_) => "change-consent",
        Effect::HandOver(_) => "hand-over",
        Effect::Track(_) => "track",
        Effect::Extension(_) => "extension",
    }
}

fn effect(effect: Effect, bytes: &mut usize) -> Result<core::Effect, Problem> {
    let mut take = Take { bytes };
    Ok(match effect {
        Effect::Reply(Reply { content, reply_to }) => {
            let content = outbound(content, &mut take)?;
            content.check().map_err(|invalid| invalid.to_string())?;
            core::Effect::Reply(core::Reply { content, reply_to: reply_to.as_deref().map(players_message).transpose()? })
        }
        Effect::SendTemplate(Template { name, language, body, header, buttons }) => {
            count("template values", body.len().max(buttons.len()), TEMPLATE_VALUES_MAX)?;
            core::Effect::SendTemplate(core::SendTemplate {
                name: take.some("template name", name, TEMPLATE_NAME_CHARS_MAX)?,
                language: language.map(|language| take.some("language", language, NAME_CHARS_MAX)).transpose()?,
                body: take.each("template value", body, TEMPLATE_VALUE_CHARS_MAX)?,
                header: header.map(|header| take.text("header value", header, TEMPLATE_VALUE_CHARS_MAX)).transpose()?,
                buttons: buttons
                    .into_iter()
                    .map(|(position, value)| Ok((position, take.text("button value", value, TEMPLATE_VALUE_CHARS_MAX)?)))
                    .collect::<Result<_, Problem>>()?,
            })
        }
        Effect::React(ReactionResult { target, emoji }) => {
            let target = target.ok_or_else(|| "a reaction needs the message it is put on".to_owned())?;
            let emoji = emoji.map(emoji_of).transpose()?;
            core::Effect::React(core::React { target: players_message(&target)?, emoji })
        }
        Effect::SetTimer(NewTimer { id, after_ms, payload }) => {
            if after_ms > TIMER_MS_MAX {
                return Err(format!("after {after_ms} ms is too far ahead; at most {TIMER_MS_MAX} ms, 30 days"));
            }
            core::Effect::SetTimer(core::SetTimer {
                id: take.some("timer id", id, TIMER_ID_CHARS_MAX)?,
                after_ms,
                payload: take.json("payload", payload)?,
            })
        }
        Effect::CancelTimer(id) => core::Effect::CancelTimer(take.some("timer id", id, TIMER_ID_CHARS_MAX)?),
        Effect::RequestAuthentication(AuthenticationRequest { purpose }) => {
            let purpose = take.some("purpose", purpose, NAME_CHARS_MAX)?;
            core::Effect::RequestAuthentication(core::RequestAuthentication { purpose })
        }
        Effect::IssueRecoveryCredentials(Recovery { reason, confidence }) => {
            if !(0.0..=1.0).contains(&confidence) {
                return Err(format!("confidence is {confidence}; it goes from 0.0 to 1.0"));
            }
            let reason = take.some("reason", reason, WORDING_CHARS_MAX)?;
            core::Effect::IssueRecoveryCredentials(core::IssueRecovery { reason, confidence })
        }
        Effect::OpenTicket(ticket) => core::Effect::OpenTicket(open_ticket(ticket, &mut take)?),
        Effect::ChangeConsent(ConsentChange { marketing, wording, method }) => core::Effect::ChangeConsent(core::ChangeConsent {
            marketing,
            wording: take.some("wording", wording, WORDING_CHARS_MAX)?,
            method: take.some("method", method, NAME_CHARS_MAX)?,
        }),
        Effect::HandOver(HandOver { flow, note }) => core::Effect::HandOver(core::HandOver {
            flow: FlowName::parse(&flow).map_err(|invalid| invalid.to_string())?,
            note: note.map(|note| take.json("note", note)).transpose()?,
        }),
        Effect::Track(Measure { name, value }) => {
            let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            if !name.bytes().all(is_word) || !value.is_finite() {
                return Err("a measure has a name of a-z, 0-9 and _, and a finite value".to_owned());
            }
            core::Effect::Track(core::Track { name: take.some("measure name", name, NAME_CHARS_MAX)?, value })
        }
        Effect::Extension(ExtensionResult { name, value }) => core::Effect::Extension(CoreExtension {
            name: take.some("extension name", name, NAME_CHARS_MAX)?,
            value: take.json("extension value", value)?,
        }),
    })
}

fn open_ticket(ticket: Ticket, take: &mut Take<'_>) -> Result<core::OpenTicket, Problem> {
    let Ticket { priority, intent, subject, body, target_s, tags } = ticket;
    count("tags", tags.len(), TAGS_MAX)?;
    let priority = match priority {
        TicketPriority::Critical => core::TicketPriority::Critical,
        TicketPriority::High => core::TicketPriority::High,
        TicketPriority::Normal => core::TicketPriority::Normal,
        TicketPriority::Low => core::TicketPriority::Low,
    };
    Ok(core::OpenTicket {
        priority,
        intent: take.some("intent", intent, NAME_CHARS_MAX)?,
        subject: take.some("subject", subject, SUBJECT_CHARS_MAX)?,
        body: take.text("body", body, TICKET_BODY_CHARS_MAX)?,
        target_s,
        tags: take.each("tag", tags, NAME_CHARS_MAX)?,
    })
}

/// The message's own limits are Meta's, and checked by [`message::Outbound::check`].
fn outbound(content: Outbound, take: &mut Take<'_>) -> Result<message::Outbound, Problem> {
    let button = |take: &mut Take<'_>, ChoiceResult { id, title }| message::Button { id: take.it(id), title: take.it(title) };
    Ok(match content {
        Outbound::Text(Text { body, preview }) => message::Outbound::Text { body: take.it(body), preview },
        Outbound::Buttons(Buttons { header, body, footer, buttons }) => message::Outbound::Buttons {
            header: header.map(|header| self::header(header, take)),
            body: take.it(body),
            footer: take.maybe(footer),
            buttons: buttons.into_iter().map(|choice| button(take, choice)).collect(),
        },
        Outbound::List(ListMessage { header, body, footer, button, sections }) => message::Outbound::List {
            header: take.maybe(header),
            body: take.it(body),
            footer: take.maybe(footer),
            button: take.it(button),
            sections: sections.into_iter().map(|section| self::section(section, take)).collect(),
        },
        Outbound::Media(OutboundMedia { kind, source, caption, filename }) => message::Outbound::Media {
            kind: media_kind(kind),
            source: media_source(source, take),
            caption: take.maybe(caption),
            filename: take.maybe(filename),
        },
        Outbound::LocationRequest(body) => message::Outbound::LocationRequest { body: take.it(body) },
        Outbound::ContactRequest(body) => message::Outbound::ContactRequest { body: take.it(body) },
        Outbound::LinkButton(LinkButton { body, footer, label, url }) => {
            message::Outbound::LinkButton { body: take.it(body), footer: take.maybe(footer), label: take.it(label), url: take.it(url) }
        }
        Outbound::Extension(ExtensionResult { name, .. }) => {
            return Err(format!("this host knows no message of the kind {:?}", crate::trap::cut(&name, NAME_CHARS_MAX)));
        }
    })
}

fn header(header: Header, take: &mut Take<'_>) -> message::Header {
    match header {
        Header::Text(text) => message::Header::Text(take.it(text)),
        Header::Image(source) => message::Header::Media(message::MediaKind::Image, media_source(source, take)),
        Header::Video(source) => message::Header::Media(message::MediaKind::Video, media_source(source, take)),
        Header::Document(source) => message::Header::Media(message::MediaKind::Document, media_source(source, take)),
    }
}

fn section(section: ListSection, take: &mut Take<'_>) -> message::Section {
    let row = |take: &mut Take<'_>, ListRow { id, title, description }| message::Row {
        id: take.it(id),
        title: take.it(title),
        description: take.maybe(description),
    };
    message::Section { title: take.it(section.title), rows: section.rows.into_iter().map(|wanted| row(take, wanted)).collect() }
}

fn media_kind(kind: MediaKind) -> message::MediaKind {
    match kind {
        MediaKind::Image => message::MediaKind::Image,
        MediaKind::Video => message::MediaKind::Video,
        MediaKind::Audio => message::MediaKind::Audio,
        MediaKind::Document => message::MediaKind::Document,
        MediaKind::Sticker => message::MediaKind::Sticker,
    }
}

fn media_source(source: MediaSource, take: &mut Take<'_>) -> message::MediaSource {
    match source {
        MediaSource::Id(id) => message::MediaSource::Id(take.it(id)),
        MediaSource::Link(url) => message::MediaSource::from_address(take.it(url)),
    }
}

fn players_message(name: &str) -> Result<questline_core::id::InboxSeq, Problem> {
    reference::players(name).ok_or_else(|| format!("{:?} names no message of the player's", crate::trap::cut(name, NAME_CHARS_MAX)))
}

fn emoji_of(emoji: String) -> Result<String, Problem> {
    if emoji.is_empty()
        || emoji.len() > EMOJI_BYTES_MAX
        || emoji.chars().any(|c| c.is_ascii_alphabetic() || c.is_whitespace() || c.is_control())
    {
        return Err("a reaction is one emoji".to_owned());
    }
    Ok(emoji)
}

fn count(field: &str, found: usize, max: usize) -> Result<(), Problem> {
    if found > max { Err(format!("there are {found} {field}; at most {max} are taken")) } else { Ok(()) }
}

/// Takes texts over and counts their bytes.
struct Take<'a> {
    bytes: &'a mut usize,
}

impl Take<'_> {
    fn it(&mut self, text: String) -> String {
        *self.bytes += text.len();
        text
    }

    fn maybe(&mut self, text: Option<String>) -> Option<String> {
        text.map(|text| self.it(text))
    }

    /// At most `chars_max` characters.
    fn text(&mut self, field: &str, text: String, chars_max: usize) -> Result<String, Problem> {
        // A text has at most as many characters as bytes: short ones are not counted.
        if text.len() > chars_max {
            let found = text.chars().count();
            if found > chars_max {
                return Err(format!("{field} has {found} characters; at most {chars_max} are taken"));
            }
        }
        Ok(self.it(text))
    }

    /// 1 to `chars_max` characters.
    fn some(&mut self, field: &str, text: String, chars_max: usize) -> Result<String, Problem> {
        if text.trim().is_empty() {
            return Err(format!("{field} is empty"));
        }
        self.text(field, text, chars_max)
    }

    fn each(&mut self, field: &str, texts: Vec<String>, chars_max: usize) -> Result<Vec<String>, Problem> {
        texts.into_iter().map(|text| self.text(field, text, chars_max)).collect()
    }

    /// A JSON document.
    fn json(&mut self, field: &str, text: String) -> Result<String, Problem> {
        if text.len() > PAYLOAD_BYTES_MAX {
            return Err(format!("{field} has {} bytes; at most {PAYLOAD_BYTES_MAX} are taken", text.len()));
        }
        json::check(&text).map_err(|problem| format!("{field} is not JSON: {problem}"))?;
        Ok(self.it(text))
    }
}
