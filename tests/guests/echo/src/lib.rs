//! A well-behaved flow for tests and benchmarks: answers `echo: <text>` and counts the messages in its state.
use questline_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// The flow.
pub struct Echo;

/// What it keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Messages seen, of any kind.
    pub messages: u64,
}

impl Flow for Echo {
    fn describe() -> Description {
        Description::new("echo", env!("CARGO_PKG_VERSION")).wants(&[EventKind::Message]).needs(&[Capability::Log, Capability::Reply])
    }

    fn handle(conversation: &Conversation, event: Event) -> Result<Outcome, FlowError> {
        let Event::Message(message) = event else {
            return Ok(Outcome::stay().keep_state(conversation));
        };
        let mut state: State = conversation.read_state()?.unwrap_or_default();
        state.messages += 1;
        let outcome = Outcome::stay().state(&state)?;
        match message.content {
            Inbound::Text(text) => Ok(outcome.reply(format!("echo: {text}"))?),
            _ => Ok(outcome),
        }
    }
}

questline_sdk::export!(Echo);

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use questline_sdk::mock;

    use super::*;

    #[test]
    fn a_text_comes_back_and_messages_are_counted() {
        let mut conversation = mock::conversation();
        for count in 1..=3 {
            let outcome = Echo::handle(&conversation, mock::message(Inbound::Text("hi".into()))).unwrap();
            assert_eq!(outcome.next, Next::Stay);
            assert_eq!(outcome, Outcome::stay().state(&State { messages: count }).unwrap().reply("echo: hi").unwrap());
            conversation.state = outcome.state;
        }
    }
}
