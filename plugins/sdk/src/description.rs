//! How a flow says what it wants and needs.
use crate::Description;
use crate::types::{Effect, Event};

/// The events that a flow can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The player wrote, pressed or sent something.
    Message,
    /// How far a message of ours came.
    Status,
    /// The game's backend told something.
    GameEvent,
    /// A timer that this flow had set is due.
    Timer,
    /// The player proved who they are.
    Authenticated,
    /// The player entered a wrong or dead code.
    CodeRejected,
    /// An agent closed a ticket.
    TicketClosed,
    /// Another flow handed the conversation over.
    HandedOver,
}

impl EventKind {
    /// The kind of an event; none for one that this version does not name.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        Some(match event {
            Event::Message(_) => Self::Message,
            Event::Status(_) => Self::Status,
            Event::GameEvent(_) => Self::GameEvent,
            Event::Timer(_) => Self::Timer,
            Event::Authenticated(_) => Self::Authenticated,
            Event::CodeRejected(_) => Self::CodeRejected,
            Event::TicketClosed(_) => Self::TicketClosed,
            Event::HandedOver(_) => Self::HandedOver,
            Event::Extension(_) => return None,
        })
    }

    /// The name of the contract's case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Status => "status",
            Self::GameEvent => "game-event",
            Self::Timer => "timer",
            Self::Authenticated => "authenticated",
            Self::CodeRejected => "code-rejected",
            Self::TicketClosed => "ticket-closed",
            Self::HandedOver => "handed-over",
        }
    }
}

/// What a game can grant to a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Import: the player's profile, balances, last purchase and devices.
    Players,
    /// Import: named operations of the studio's backend.
    Backend,
    /// Import: what a text is about.
    Intents,
    /// Import: the game's texts.
    Copy,
    /// Import: lines for the studio's eyes.
    Log,
    /// Import: the time.
    Clock,
    /// Import: randomness.
    Random,
    /// Effect: answer the player.
    Reply,
    /// Effect: send a template.
    SendTemplate,
    /// Effect: react with an emoji.
    React,
    /// Effects: set and cancel timers.
    Timers,
    /// Effect: ask the player to prove who they are.
    Authentication,
    /// Effect: have temporary credentials issued.
    RecoveryCredentials,
    /// Effect: open a ticket.
    Tickets,
    /// Effect: change the marketing consent.
    Consent,
    /// Effect: hand the conversation to another flow.
    HandOver,
    /// Effect: track a measure.
    Measures,
    /// The player's phone number in the snapshot and in shared contacts.
    ContactPhone,
}

impl Capability {
    /// The name in `game.toml`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Players => "players",
            Self::Backend => "backend",
            Self::Intents => "intents",
            Self::Copy => "copy",
            Self::Log => "log",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Reply => "reply",
            Self::SendTemplate => "send-template",
            Self::React => "react",
            Self::Timers => "timers",
            Self::Authentication => "authentication",
            Self::RecoveryCredentials => "recovery-credentials",
            Self::Tickets => "tickets",
            Self::Consent => "consent",
            Self::HandOver => "hand-over",
            Self::Measures => "measures",
            Self::ContactPhone => "contact-phone",
        }
    }
}

impl Effect {
    /// The name of the contract's case, for instance `open-ticket`; also what a refusal calls it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Reply(_) => "reply",
            Self::SendTemplate(_) => "send-template",
            Self::React(_) => "react",
            Self::SetTimer(_) => "set-timer",
            Self::CancelTimer(_) => "cancel-timer",
            Self::RequestAuthentication(_) => "request-authentication",
            Self::IssueRecoveryCredentials(_) => "issue-recovery-credentials",
            Self::OpenTicket(_) => "open-ticket",
            Self::ChangeConsent(_) => "change-consent",
            Self::HandOver(_) => "hand-over",
            Self::Track(_) => "track",
            Self::Extension(_) => "extension",
        }
    }

    /// What a game must grant for it; none for one that this version does not name.
    #[must_use]
    pub fn capability(&self) -> Option<Capability> {
        Some(match self {
            Self::Reply(_) => Capability::Reply,
            Self::SendTemplate(_) => Capability::SendTemplate,
            Self::React(_) => Capability::React,
            Self::SetTimer(_) | Self::CancelTimer(_) => Capability::Timers,
            Self::RequestAuthentication(_) => Capability::Authentication,
            Self::IssueRecoveryCredentials(_) => Capability::RecoveryCredentials,
            Self::OpenTicket(_) => Capability::Tickets,
            Self::ChangeConsent(_) => Capability::Consent,
            Self::HandOver(_) => Capability::HandOver,
            Self::Track(_) => Capability::Measures,
            Self::Extension(extension) if extension.name == crate::recovery::ATTEMPT => Capability::RecoveryCredentials,
            Self::Extension(_) => return None,
        })
    }
}

impl Description {
    /// `name`: lower-case words joined by `-`; `version`: the flow's semantic version. State version 1.
    ///
    /// It needs [`Capability::Log`] from the start: a panic's words and place go there.
    #[must_use]
    pub fn new(name: &str, version: &str) -> Self {
        let capabilities = vec![Capability::Log.name().to_owned()];
        Self { name: name.to_owned(), version: version.to_owned(), state_version: 1, events: Vec::new(), capabilities }
    }

    /// Raise it when the state's meaning changes, and write `migrate`.
    #[must_use]
    pub fn state_version(mut self, version: u32) -> Self {
        self.state_version = version;
        self
    }

    /// The events that it wants; all others pass it by.
    #[must_use]
    pub fn wants(mut self, events: &[EventKind]) -> Self {
        self.events.extend(events.iter().map(|event| event.name().to_owned()));
        self
    }

    /// The capabilities that it cannot do without.
    #[must_use]
    pub fn needs(mut self, capabilities: &[Capability]) -> Self {
        for name in capabilities.iter().map(|capability| capability.name()) {
            if !self.capabilities.iter().any(|known| known == name) {
                self.capabilities.push(name.to_owned());
            }
        }
        self
    }
}
