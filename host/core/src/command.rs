//! Words that the host answers itself, before any flow: a flow with a bug must not be able to swallow a STOP.

use crate::consent::words::{self, OwnWords};

/// What the player told the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostCommand {
    /// No more marketing: STOP, and its like in many languages.
    Stop,
    /// Marketing again: START, and its like.
    Start,
    /// Secure the account: BLOCK.
    Block,
}

impl HostCommand {
    /// Reads a text that is a command and nothing else, in any case, spacing and punctuation: `Opt-out!` and
    /// `o p t  OUT` are commands, `please stop the match` is for a flow. Which words there are: [`words`].
    pub fn parse(text: &str, locale: Option<&str>, own: &OwnWords) -> Option<Self> {
        words::find(text, locale, own)
    }

    /// The name in logs, metrics and the audit.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Block => "block",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Option<HostCommand> {
        HostCommand::parse(text, Some("en"), &OwnWords::default())
    }

    proptest! {
        #[test]
        fn any_case_and_spacing(
            command in prop::sample::select(vec![("stop", HostCommand::Stop), ("unsubscribe", HostCommand::Stop), ("opt out", HostCommand::Stop), ("start", HostCommand::Start), ("block", HostCommand::Block)]),
            upper in prop::collection::vec(any::<bool>(), 16),
            gaps in prop::collection::vec(prop::sample::select(vec!["", " ", "  ", "\t", "\n", "-", "\u{a0}"]), 16),
        ) {
            let letters = command.0.chars().zip(&upper).zip(&gaps);
            let text: String = letters.map(|((c, upper), gap)| format!("{gap}{}", if *upper { c.to_ascii_uppercase() } else { c })).collect();
            prop_assert_eq!(parse(&text), Some(command.1), "{:?}", text);
        }
    }

    #[test]
    fn only_the_whole_text_is_a_command() {
        for text in ["", "please stop the match", "stopped", "restart", "start my match", "blocked", "non-stop", &"STOP ".repeat(20)] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("Stop!"), Some(HostCommand::Stop));
    }
}
