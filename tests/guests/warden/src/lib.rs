//! A flow for tests of accounts that are recovered, locked and frozen. What a message says is done by every means that a
//! flow has: it guesses answers and devices, tells checks of its own, asks for credentials, and answers with what it is told.
use questline_sdk::prelude::*;
use questline_sdk::types::Extension;

/// The flow.
pub struct Warden;

impl Flow for Warden {
    fn describe() -> Description {
        Description::new("warden", env!("CARGO_PKG_VERSION")).wants(&[EventKind::Message, EventKind::TicketClosed]).needs(&[
            Capability::Log,
            Capability::Players,
            Capability::Backend,
            Capability::Reply,
            Capability::RecoveryCredentials,
        ])
    }

    fn handle(conversation: &Conversation, event: Event) -> Result<Outcome, FlowError> {
        let outcome = Outcome::stay();
        let text = match event {
            Event::Message(Message { content: Inbound::Text(text), .. }) => text,
            Event::TicketClosed(closed) => return Ok(outcome.reply(format!("closed: {}", closed.resolution))?),
            _ => return Ok(outcome),
        };
        if let Some(refusal) = conversation.refused.first() {
            return Ok(outcome.reply(format!("refused: {}", refusal.detail))?);
        }
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let said = |answer: Result<String, ImportError>| answer.unwrap_or_else(|error| format!("error: {error:?}"));
        Ok(match word {
            "recover" => outcome.issue_recovery_credentials("the tests say so", rest.parse().unwrap_or_default())?,
            "answer" => {
                let request = format!("{{\"answer\":\"{rest}\"}}");
                outcome.reply(said(backend::call("check-security-answer", &request)))?
            }
            // Guesses, and then fails: nothing of the step is done.
            "fail" => {
                let request = format!("{{\"answer\":\"{rest}\"}}");
                let _ = backend::call("check-security-answer", &request);
                return Err(FlowError::permanent("on purpose"));
            }
            "device" => outcome.reply(said(players::check_device(rest).map(|found| format!("{found:?}"))))?,
            "told" => {
                let value = format!("{{\"check\":\"purchase\",\"passed\":{}}}", rest == "right");
                outcome.effect(Effect::Extension(Extension { name: "recovery-attempt".to_owned(), value }))?.reply("told")?
            }
            "who" => outcome.reply(conversation.player.clone().unwrap_or_else(|| "nobody".to_owned()))?,
            "facts" => {
                let facts = conversation.extensions.iter().find(|fact| fact.name == "recovery").map(|fact| fact.value.clone());
                outcome.reply(facts.unwrap_or_else(|| "none".to_owned()))?
            }
            _ => outcome.reply(format!("echo: {text}"))?,
        })
    }
}

questline_sdk::export!(Warden);
