//! A flow for tests of what comes from the game, and of what a flow never sees: it tells game events, or opens a ticket
//! where the service window is closed, and asks for recovery credentials with the confidence that a message names.
use questline_sdk::prelude::*;

/// The flow.
pub struct Herald;

impl Flow for Herald {
    fn describe() -> Description {
        Description::new("herald", env!("CARGO_PKG_VERSION")).wants(&[EventKind::Message, EventKind::GameEvent]).needs(&[
            Capability::Log,
            Capability::Reply,
            Capability::Tickets,
            Capability::RecoveryCredentials,
        ])
    }

    fn handle(conversation: &Conversation, event: Event) -> Result<Outcome, FlowError> {
        let player = conversation.player.as_deref().unwrap_or("nobody");
        let outcome = Outcome::stay();
        match event {
            // An event that no flow wants goes by.
            Event::GameEvent(event) if event.name == "unwanted" => Ok(Outcome::pass()),
            Event::GameEvent(event) => {
                let told = format!("{} {} {} for {player}", event.name, event.id, event.payload);
                match conversation.window_closes_at {
                    Some(_) => Ok(outcome.reply(told)?),
                    None => Ok(outcome.ticket(Ticket::new(TicketPriority::Low, "window-closed", told))?),
                }
            }
            Event::Message(Message { content: Inbound::Text(text), .. }) => {
                if let Some(refusal) = conversation.refused.first() {
                    return Ok(outcome.reply(format!("refused: {}", refusal.detail))?);
                }
                match text.strip_prefix("recover ").map(str::parse) {
                    Some(Ok(confidence)) => Ok(outcome.issue_recovery_credentials("the tests say so", confidence)?),
                    _ => Ok(outcome.reply(format!("echo: {text}"))?),
                }
            }
            _ => Ok(outcome),
        }
    }
}

questline_sdk::export!(Herald);
