//! A flow that misbehaves in the way its message names: each of the host's limits has something to bite on.
//!
//! The message's text is one of [`Misdeed::ALL`]'s names; anything else is echoed, so that a test can see that the next
//! event is served as if nothing had happened. Answers are built from the contract's bare types: the SDK's builders would
//! refuse most of them.

mod answers;
mod exhaustion;

use questline_sdk::prelude::*;
use questline_sdk::types::{Reply, Text};

/// The flow.
pub struct Hostile;

macro_rules! misdeeds {
    ($($(#[$doc:meta])* $case:ident = $name:literal => $does:expr,)*) => {
        /// What it can be made to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Misdeed {
            $($(#[$doc])* $case,)*
        }

        impl Misdeed {
            /// All of them, with the texts that set them off.
            pub const ALL: &[(&str, Self)] = &[$(($name, Self::$case),)*];

            fn does(self) -> Result<Outcome, FlowError> {
                match self {
                    $(Self::$case => $does,)*
                }
            }
        }
    };
}

misdeeds! {
    /// Never ends, and calls nothing.
    Loop = "loop" => exhaustion::endless_loop(),
    /// Allocates and touches memory until there is no more, then aborts.
    Memory = "memory" => exhaustion::memory(),
    /// Recurses without end on the engine's own stack.
    Stack = "stack" => exhaustion::call_stack(),
    /// Recurses without end on the stack in linear memory.
    ShadowStack = "shadow-stack" => exhaustion::shadow_stack(),
    /// Copies as much memory as it can get, up to 64 MiB, again and again.
    Copy = "copy" => exhaustion::bulk_copy(),
    /// Writes log lines by the hundred thousand, some very long, then answers.
    LogFlood = "log-flood" => exhaustion::log_flood(),
    /// Calls the host without end.
    HostcallFlood = "hostcall-flood" => exhaustion::hostcall_flood(),
    /// Calls an import with an argument of 8 MiB.
    HugeArgument = "huge-argument" => exhaustion::huge_argument(),
    /// Keeps a state of 64 KiB.
    BigState = "big-state" => answers::state(format!("\"{}\"", "x".repeat(64 * 1024))),
    /// Keeps a state that is not JSON.
    BadState = "bad-state" => answers::state("{not json".to_owned()),
    /// Keeps a state of 8,000 nested arrays: fewer bytes than allowed, deeper than a careless parser's stack.
    DeepState = "deep-state" => answers::state(format!("{}{}", "[".repeat(8000), "]".repeat(8000))),
    /// Answers with 10,000 replies.
    ManyEffects = "many-effects" => answers::many_effects(),
    /// Answers with four buttons, one with a title of 21 characters.
    InvalidEffect = "invalid-effect" => answers::invalid_effect(),
    /// Answers with an empty text.
    EmptyEffect = "empty-effect" => answers::text(String::new()),
    /// Answers with a text of 1 MB.
    HugeEffect = "huge-effect" => answers::text("x".repeat(1_000_000)),
    /// Sets a timer whose payload is not JSON.
    BadTimer = "bad-timer" => answers::bad_timer(),
    /// Tracks a measure that is no number.
    BadMeasure = "bad-measure" => answers::bad_measure(),
    /// Hands over to a flow that does not exist.
    UnknownFlow = "unknown-flow" => answers::unknown_flow(),
    /// Sends a template that does not exist.
    UnknownTemplate = "unknown-template" => answers::unknown_template(),
    /// Asks for an effect that this version does not name.
    UnknownEffect = "unknown-effect" => answers::unknown_effect(),
    /// Panics.
    Panic = "panic" => panic!("a flow that panics, on purpose"),
    /// Traps without a word.
    Trap = "trap" => std::process::abort(),
    /// Asks to be tried again.
    ErrorTransient = "error-transient" => Err(FlowError::Transient("not now".to_owned())),
    /// Gives up on the event.
    ErrorPermanent = "error-permanent" => Err(FlowError::Permanent("never".to_owned())),
    /// Gives up with a reason of 1 MB.
    HugeError = "huge-error" => Err(FlowError::Permanent("x".repeat(1_000_000))),
    /// Passes, and yet wants something done.
    PassWithEffects = "pass-with-effects" => answers::pass_with_effects(),
    /// Passes, as a flow may.
    Pass = "pass" => Ok(Outcome::pass()),
}

impl Flow for Hostile {
    fn describe() -> Description {
        Description::new("hostile", env!("CARGO_PKG_VERSION")).wants(&[EventKind::Message]).needs(&[
            Capability::Clock,
            Capability::Copy,
            Capability::Log,
            Capability::Random,
            Capability::Reply,
            Capability::SendTemplate,
            Capability::Timers,
            Capability::HandOver,
            Capability::Measures,
        ])
    }

    fn handle(conversation: &Conversation, event: Event) -> Result<Outcome, FlowError> {
        let Event::Message(Message { content: Inbound::Text(text), .. }) = event else {
            return Ok(Outcome::stay().keep_state(conversation));
        };
        match Misdeed::ALL.iter().find(|(name, _)| *name == text) {
            Some((_, misdeed)) => misdeed.does(),
            None => Ok(Outcome { effects: vec![reply(format!("echo: {text}"))], ..Outcome::stay() }),
        }
    }
}

questline_sdk::export!(Hostile);

/// A reply that nothing has checked.
fn reply(body: String) -> Effect {
    Effect::Reply(Reply { content: Outbound::Text(Text { body, preview: false }), reply_to: None })
}
