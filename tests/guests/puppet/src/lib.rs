//! A flow that does what a message says, one effect a line, so that tests can cause whatever they are about.
//!
//! Timers and game events carry such lines too: the timer in its payload, the event under `do`.
use questline_sdk::log::Level;
use questline_sdk::prelude::*;
use questline_sdk::types::HandOver;

/// The flow.
pub struct Puppet;

impl Flow for Puppet {
    fn describe() -> Description {
        Description::new("puppet", env!("CARGO_PKG_VERSION"))
            .wants(&[
                EventKind::Message,
                EventKind::Timer,
                EventKind::GameEvent,
                EventKind::HandedOver,
                EventKind::TicketClosed,
                EventKind::Authenticated,
                EventKind::CodeRejected,
            ])
            .needs(&[
                Capability::Backend,
                Capability::Log,
                Capability::Random,
                Capability::Clock,
                Capability::Reply,
                Capability::SendTemplate,
                Capability::React,
                Capability::Timers,
                Capability::Tickets,
                Capability::Authentication,
                Capability::Consent,
                Capability::HandOver,
                Capability::Measures,
            ])
    }

    fn handle(conversation: &Conversation, event: Event) -> Result<Outcome, FlowError> {
        let unread = |error: serde_json::Error| FlowError::permanent(error.to_string());
        match event {
            Event::Message(message) => match &message.content {
                Inbound::Text(text) => obey(conversation, text, &message.id),
                Inbound::Button(choice) | Inbound::ListItem(choice) => obey(conversation, &choice.id, &message.id),
                Inbound::QuickReply(reply) => obey(conversation, &reply.payload, &message.id),
                other => obey(conversation, &format!("say got {}", seen(other)), &message.id),
            },
            Event::Timer(timer) => obey(conversation, &serde_json::from_str::<String>(&timer.payload).map_err(unread)?, ""),
            Event::GameEvent(event) => {
                let payload: serde_json::Value = serde_json::from_str(&event.payload).map_err(unread)?;
                obey(conversation, payload["do"].as_str().unwrap_or("say nothing to do"), "")
            }
            Event::HandedOver(over) => obey(conversation, &format!("say from {}", over.from), ""),
            Event::Authenticated(proof) => obey(conversation, &format!("say proved {}", proof.purpose), ""),
            Event::CodeRejected(tried) => obey(conversation, &format!("say wrong, {} left", tried.attempts_left), ""),
            _ => Ok(Outcome::stay().keep_state(conversation)),
        }
    }
}

questline_sdk::export!(Puppet);

fn seen(content: &Inbound) -> &'static str {
    match content {
        Inbound::Image(_) => "an image",
        Inbound::Audio(_) => "a sound",
        Inbound::Location(_) => "a location",
        Inbound::Contacts(contacts) if contacts.requested => "the contact that was asked for",
        Inbound::Contacts(_) => "a contact",
        Inbound::Reaction(_) => "a reaction",
        _ => "something",
    }
}

/// A file of the release, as `media:name`, or from an address.
fn file(kind: &str, address: &str, caption: &str) -> OutboundMedia {
    let kind = match kind {
        "video" => MediaKind::Video,
        "document" => MediaKind::Document,
        _ => MediaKind::Image,
    };
    OutboundMedia::new(kind, MediaSource::Link(address.to_owned())).caption(caption)
}

fn obey(conversation: &Conversation, script: &str, message: &str) -> Result<Outcome, FlowError> {
    let mut outcome = Outcome::stay().keep_state(conversation);
    for line in script.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (first, more) = rest.split_once(' ').unwrap_or((rest, ""));
        let titles = || rest.split(" | ");
        outcome = match word {
            "say" => outcome.reply(rest)?,
            "buttons" => {
                outcome.reply(titles().fold(Buttons::new("Choose"), |message, title| message.button(format!("say {title}!"), title)))?
            }
            "list" => {
                let rows = titles().fold(ListSection::new(""), |section, title| section.row(format!("say {title}!"), title, None));
                outcome.reply(ListMessage::new("Choose", "Open").header("Menu").footer("Take your time").section(rows))?
            }
            "link" => outcome.reply(LinkButton::new("Have a look", "Open", rest))?,
            "image" | "video" | "document" => match conversation.refusal("reply") {
                Some(refusal) => outcome.reply(format!("refused: {}", refusal.detail))?,
                None => outcome.reply(file(word, first, more))?,
            },
            "where" => outcome.reply(Outbound::LocationRequest("Where are you?".to_owned()))?,
            "who" => outcome.reply(Outbound::ContactRequest("What is your number?".to_owned()))?,
            "template" => {
                outcome.template(more.split(" | ").filter(|value| !value.is_empty()).fold(Template::new(first), Template::parameter))?
            }
            "react" => outcome.react(message, Some(rest))?,
            "timer" => {
                let (seconds, then) = more.split_once(' ').unwrap_or((more, "say time is up"));
                outcome.set_timer(NewTimer::new(first, seconds.parse::<u64>().unwrap_or(0) * 1000).payload(&then)?)?
            }
            "prove" => match conversation.refusal("request-authentication") {
                Some(refusal) => outcome.reply(format!("refused: {}", refusal.detail))?,
                None => outcome.request_authentication(rest)?,
            },
            "trust" => outcome.reply(match &conversation.authentication {
                Authentication::Unauthenticated => "unauthenticated".to_owned(),
                Authentication::CodeSent => "a code was sent".to_owned(),
                Authentication::Extension(other) => format!("what is {}?", other.name),
                Authentication::Authenticated(proof) => format!("authenticated by {}", proof.method),
            })?,
            "again" => outcome.set_timer(NewTimer::new("again", 1000).payload(&script)?)?,
            "cancel" => outcome.cancel_timer(rest)?,
            "ticket" => outcome.ticket(Ticket::new(TicketPriority::Normal, "help", "Help").body(rest))?,
            "consent" => outcome.change_consent(rest == "yes", line, "chat")?,
            "over" => outcome.effect(Effect::HandOver(HandOver { flow: rest.to_owned(), note: None }))?,
            "count" => outcome.track(rest, 1.0)?,
            "keep" => outcome.state(&serde_json::json!({ "kept": rest }))?,
            "forget" => Outcome { state: None, ..outcome },
            "log" => {
                log::write(Level::Info, rest);
                outcome
            }
            "call" => match backend::call(first, if more.is_empty() { "{}" } else { more }) {
                Ok(answer) => outcome.reply(answer)?,
                Err(ImportError::NotGranted(reason)) => outcome.reply(format!("not granted: {reason}"))?,
                Err(problem) => return Err(problem.into()),
            },
            "random" => {
                let numbers = [random::next(), random::next()];
                outcome.reply(format!("{} {}", numbers[0], numbers[1]))?
            }
            "clock" => outcome.reply(clock::now().to_string())?,
            "panic" => panic!("{rest}"),
            _ => outcome.reply(format!("what is {word}?"))?,
        };
    }
    Ok(outcome)
}
