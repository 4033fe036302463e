//! A contact who chats with the flow: hands events in and takes the answers as the host does.
use core::marker::PhantomData;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Answer, Mock, conversation, message};
use crate::types::{
    Authenticated, Authentication, AuthenticationEvent, Choice, Conversation, Effect, Event, GameEvent, HandedOver, Inbound, Outbound,
    QuickReply, Refusal, RefusalReason, TicketClosed, Timer,
};
use crate::{Capability, EventKind, Flow, FlowError, Next, Outcome, RecoveryState};

const DAY_MS: u64 = 86_400_000;

/// One contact chatting with the flow `F`.
///
/// It holds the flow to its description (an event, import or effect that [`Flow::describe`] does not name panics), refuses
/// what the host would refuse outside of the service window, keeps state and timers, and hands an event in a second
/// time where an effect was refused.
pub struct Chat<F> {
    /// What stands behind the imports.
    pub host: Mock,
    /// The snapshot that the flow gets with the next event.
    pub conversation: Conversation,
    /// Effects that the host refuses, by name.
    refused: BTreeMap<String, RefusalReason>,
    withheld: BTreeSet<&'static str>,
    /// Due time and payload of the timers that are set, by id.
    timers: BTreeMap<String, (u64, String)>,
    /// Titles of all buttons and rows that were shown, by id.
    shown: BTreeMap<String, String>,
    tickets: u32,
    events: u32,
    flow: PhantomData<F>,
}

impl<F: Flow> Chat<F> {
    /// With a known player, an open window, and [`Mock::new`] behind the imports.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Mock::new())
    }

    /// With `host` behind the imports.
    #[must_use]
    pub fn with(host: Mock) -> Self {
        Self {
            host,
            conversation: conversation(),
            refused: BTreeMap::new(),
            withheld: BTreeSet::new(),
            timers: BTreeMap::new(),
            shown: BTreeMap::new(),
            tickets: 0,
            events: 0,
            flow: PhantomData,
        }
    }

    /// The player's language.
    #[must_use]
    pub fn in_locale(mut self, locale: &str) -> Self {
        locale.clone_into(&mut self.conversation.locale);
        self
    }

    /// The flow's `settings` of `game.toml`.
    ///
    /// # Panics
    /// When they cannot be written as JSON.
    #[must_use]
    pub fn settings(mut self, settings: &impl Serialize) -> Self {
        self.conversation.settings = json(settings);
        self
    }

    /// How the host says that the recovery of the player's account stands.
    #[must_use]
    pub fn recovery(mut self, state: RecoveryState) -> Self {
        self.conversation.extensions = vec![crate::recovery::fact(&state)];
        self
    }

    /// Has the game not grant a capability: its import answers so, its effects are refused.
    #[must_use]
    pub fn without(mut self, capability: Capability) -> Self {
        self.withheld.insert(capability.name());
        self
    }

    /// Has the host refuse an effect by its name, for instance `issue-recovery-credentials`, from now on.
    pub fn refuse(&mut self, effect: &str, reason: RefusalReason) {
        self.refused.insert(effect.to_owned(), reason);
    }

    /// Closes the service window: only templates can be sent.
    pub fn close_window(&mut self) {
        self.conversation.window_closes_at = None;
    }

    /// The player writes.
    pub fn say(&mut self, text: &str) -> Answer {
        self.send(Inbound::Text(text.to_owned()))
    }

    /// The player sends anything.
    pub fn send(&mut self, content: Inbound) -> Answer {
        self.take(message(content))
    }

    /// The player presses a reply button by its id. One that no answer so far had is one of another flow, or of long ago.
    pub fn press(&mut self, id: &str) -> Answer {
        let title = self.title(id);
        self.send(Inbound::Button(Choice { id: id.to_owned(), title }))
    }

    /// The player chooses a row of a list by its id, as [`Chat::press`].
    pub fn choose(&mut self, id: &str) -> Answer {
        let title = self.title(id);
        self.send(Inbound::ListItem(Choice { id: id.to_owned(), title }))
    }

    /// The player presses a template's button. Without a payload of its own it comes back with its text.
    pub fn quick_reply(&mut self, payload: &str, text: &str) -> Answer {
        self.send(Inbound::QuickReply(QuickReply { payload: payload.to_owned(), text: text.to_owned() }))
    }

    /// The game's backend tells something.
    pub fn game_event(&mut self, name: &str, payload: &impl Serialize) -> Answer {
        let id = format!("e{}", self.events + 1);
        self.take(Event::GameEvent(GameEvent { name: name.to_owned(), id, payload: json(payload), at: self.host.now_ms }))
    }

    /// The timer `id` is due: the clock moves on to it.
    ///
    /// # Panics
    /// When the flow has not set it, or has cancelled it.
    pub fn fire(&mut self, id: &str) -> Answer {
        let Some((due_ms, payload)) = self.timers.remove(id) else { panic!("no timer {id:?} is set, only {:?}", self.timers()) };
        self.pass_until(due_ms);
        self.take(Event::Timer(Timer { id: id.to_owned(), payload }))
    }

    /// Ids of the timers that are set.
    #[must_use]
    pub fn timers(&self) -> Vec<&str> {
        self.timers.keys().map(String::as_str).collect()
    }

    /// Time goes by without a timer being due.
    pub fn pass(&mut self, ms: u64) {
        self.pass_until(self.host.now_ms + ms);
    }

    /// The player proved to be `player`.
    pub fn prove(&mut self, player: &str) -> Answer {
        self.conversation.player = Some(player.to_owned());
        let proof = Authenticated { method: "code".to_owned(), at: self.host.now_ms };
        self.conversation.authentication = Authentication::Authenticated(proof);
        self.take(Event::Authenticated(AuthenticationEvent { purpose: "login".to_owned(), attempts_left: 3 }))
    }

    /// The player entered a wrong code.
    pub fn reject_code(&mut self, attempts_left: u32) -> Answer {
        self.take(Event::CodeRejected(AuthenticationEvent { purpose: "login".to_owned(), attempts_left }))
    }

    /// An agent closes a ticket.
    pub fn close_ticket(&mut self, number: &str, resolution: &str) -> Answer {
        self.take(Event::TicketClosed(TicketClosed { number: number.to_owned(), resolution: resolution.to_owned() }))
    }

    /// Another flow hands the conversation over.
    pub fn hand_over(&mut self, from: &str, note: Option<&str>) -> Answer {
        self.take(Event::HandedOver(HandedOver { from: from.to_owned(), note: note.map(str::to_owned) }))
    }

    /// Has the flow bring the state of an older version into its own, as at a release.
    ///
    /// # Panics
    /// When the flow refuses.
    pub fn migrate(&mut self, from_version: u32, state: &impl Serialize) {
        match self.host.run(|| F::migrate(from_version, &json(state))) {
            Ok(state) => self.conversation.state = Some(state),
            Err(why) => panic!("the flow does not migrate: {why}"),
        }
    }

    fn take(&mut self, event: Event) -> Answer {
        self.event(event).unwrap_or_else(|error| panic!("the flow failed: {error}"))
    }

    /// Hands any event in.
    ///
    /// # Errors
    /// What the flow answers; then nothing happened.
    ///
    /// # Panics
    /// When the flow does what it does not describe, when effects are refused twice, or when a passed event has effects.
    pub fn event(&mut self, event: Event) -> Result<Answer, FlowError> {
        let description = F::describe();
        let kind = EventKind::of(&event).map_or("extension", EventKind::name);
        assert!(description.events.iter().any(|wanted| wanted == kind), "{} does not say that it wants {kind}", description.name);
        self.events += 1;
        if let Event::Message(_) = event {
            self.conversation.window_closes_at = Some(self.host.now_ms + DAY_MS);
        }
        self.conversation.ticket_number = format!("T-{}", self.tickets + 1);
        self.host.withheld.clone_from(&self.withheld);
        let mut outcome = self.call(event.clone(), &description.capabilities)?;
        let refusals = self.refusals(&outcome);
        if !refusals.is_empty() {
            self.conversation.refused = refusals;
            let second = self.call(event, &description.capabilities);
            self.conversation.refused.clear();
            outcome = second?;
            let refusals = self.refusals(&outcome);
            assert!(refusals.is_empty(), "effects were refused twice, which fails the step: {refusals:?}");
        }
        if outcome.next == Next::Pass {
            assert!(outcome.effects.is_empty() && outcome.state.is_none(), "a passed event has neither state nor effects");
        } else {
            self.commit(&outcome);
        }
        Ok(outcome.into())
    }

    fn call(&mut self, event: Event, described: &[String]) -> Result<Outcome, FlowError> {
        self.host.used.clear();
        let conversation = &self.conversation;
        let answer = self.host.run(|| F::handle(conversation, event));
        let effects = answer.iter().flat_map(|outcome| &outcome.effects).filter_map(Effect::capability).map(Capability::name);
        for used in self.host.used.iter().copied().chain(effects) {
            assert!(described.iter().any(|named| named == used), "the flow uses {used} and does not say that it needs it");
        }
        answer
    }

    /// What the host refuses of an answer.
    fn refusals(&self, outcome: &Outcome) -> Vec<Refusal> {
        let refuse = |effect: &Effect| {
            let withheld = effect.capability().is_some_and(|capability| self.withheld.contains(capability.name()));
            if withheld {
                return Some(RefusalReason::NotGranted);
            }
            let closed = matches!(effect, Effect::Reply(_) | Effect::React(_)) && !self.conversation.is_window_open();
            if closed { Some(RefusalReason::WindowClosed) } else { self.refused.get(effect.kind()).copied() }
        };
        let refused = outcome.effects.iter().enumerate().filter_map(|(index, effect)| {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            Some(Refusal { index, effect: effect.kind().to_owned(), reason: refuse(effect)?, detail: String::new() })
        });
        refused.collect()
    }

    fn commit(&mut self, outcome: &Outcome) {
        self.conversation.state.clone_from(&outcome.state);
        for effect in &outcome.effects {
            match effect {
                Effect::Reply(reply) => self.show(&reply.content),
                Effect::SetTimer(timer) => {
                    self.timers.insert(timer.id.clone(), (self.host.now_ms + timer.after_ms, timer.payload.clone()));
                }
                Effect::CancelTimer(id) => {
                    self.timers.remove(id);
                }
                Effect::OpenTicket(_) => self.tickets += 1,
                Effect::ChangeConsent(change) => self.conversation.marketing_consent = change.marketing,
                Effect::RequestAuthentication(_) => self.conversation.authentication = Authentication::CodeSent,
                _ => {}
            }
        }
    }

    fn show(&mut self, content: &Outbound) {
        match content {
            Outbound::Buttons(message) => {
                self.shown.extend(message.buttons.iter().map(|button| (button.id.clone(), button.title.clone())));
            }
            Outbound::List(list) => {
                self.shown.extend(list.sections.iter().flat_map(|section| &section.rows).map(|row| (row.id.clone(), row.title.clone())));
            }
            _ => {}
        }
    }

    /// The title under which a button or row was shown.
    fn title(&self, id: &str) -> String {
        self.shown.get(id).map_or_else(|| id.to_owned(), Clone::clone)
    }

    fn pass_until(&mut self, now_ms: u64) {
        self.host.now_ms = self.host.now_ms.max(now_ms);
        self.conversation.window_closes_at = self.conversation.window_closes_at.filter(|closes_at| *closes_at > self.host.now_ms);
    }
}

impl<F: Flow> Default for Chat<F> {
    fn default() -> Self {
        Self::new()
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| panic!("this is not JSON: {error}"))
}
