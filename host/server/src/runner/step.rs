//! One step: the host's own part, then flows in their order, then the decision.

use questline_core::commit::Commit;
use questline_core::conversation::Conversation;
use questline_core::decide::Measure;
use questline_core::event::{Event, Inbound};
use questline_core::flow::{FlowAnswer, FlowFailure};
use questline_core::game::FlowBinding;
use questline_core::outcome::{InvalidOutcome, Next, Refusal};
use questline_core::port::{FlowCall, InboxEntry, Players, ServiceError, StoreError};
use questline_core::step::{Opened, Step};

use super::{Runner, log_failure};
use crate::clock::random;
use crate::game::LoadedGame;

/// A contact that the studio did not know is looked up again after this time.
const UNKNOWN_HOLD_MS: u64 = 30_000;

/// How a step ended.
pub(super) enum Stepped {
    /// To be written.
    Commit {
        /// What.
        commit: Box<Commit>,
        /// To be counted once it is written.
        measures: Vec<Measure>,
        /// For metrics.
        outcome: &'static str,
    },
    /// To be tried again.
    Later {
        /// Why.
        failure: FlowFailure,
        /// Tries so far.
        attempts: u32,
        /// Not before.
        wait_ms: u64,
    },
}

impl Stepped {
    fn commit(commit: Commit, outcome: &'static str) -> Self {
        Self::Commit { commit: Box::new(commit), measures: Vec::new(), outcome }
    }
}

impl Runner {
    /// Runs one step up to its commit.
    pub(super) async fn step(&self, game: &LoadedGame, conversation: Conversation, entry: &InboxEntry) -> Result<Stepped, StoreError> {
        let now = self.clock.now();
        match Step::open(&game.rules, conversation, entry, now, &*game.services.copy) {
            Opened::Done(commit, by) => Ok(Stepped::Commit { commit, measures: Vec::new(), outcome: by.as_str() }),
            Opened::Failed(step, status) => {
                let receipt = match status.message {
                    Some(id) => self.outbox.receipt(id).await?,
                    None => None,
                };
                let (reaction, alert) = (self.react)(status.error.as_ref().map_or(0, |error| error.code));
                tracing::warn!(
                    alert,
                    meta.code = status.error.as_ref().map(|error| error.code),
                    ?reaction,
                    "Meta did not deliver a message"
                );
                Ok(Stepped::commit(step.settle_failure(status, receipt.as_ref(), reaction, random()), "delivery-failed"))
            }
            Opened::Ask(step) => Ok(self.ask(game, step).await),
        }
    }

    /// Asks flows in their order until one takes the event.
    async fn ask(&self, game: &LoadedGame, mut step: Step<'_>) -> Stepped {
        if let Err(failure) = self.recognise(game, &mut step).await {
            return self.failed(step, failure);
        }
        let intent = match &*step.entry.event {
            Event::Message(message) if game.rules.routes_by_intent() => match &message.content {
                Inbound::Text(text) => game.services.intents.classify(text).into_iter().next().map(|intent| intent.name),
                _ => None,
            },
            _ => None,
        };
        let active = step.conversation.session.active.clone();
        for flow in game.rules.candidates(active.as_ref(), &step.entry.event, intent.as_deref()) {
            match self.ask_one(game, step, flow).await {
                Asked::Decided(stepped) => return stepped,
                Asked::Passed(back) => step = *back,
            }
        }
        match &*step.entry.event {
            Event::Message(_) => self.failed(step, FlowFailure::NobodyTookIt),
            // Nobody asked for it: statuses, game events and the like go by.
            _ => Stepped::commit(Commit::of(step.conversation, step.entry.seq), "nobody-wants-it"),
        }
    }

    async fn ask_one<'a>(&self, game: &LoadedGame, step: Step<'a>, flow: &FlowBinding) -> Asked<'a> {
        match game.flows.description(&game.rules.id, &flow.name) {
            None => return Asked::Decided(self.failed(step, FlowFailure::NotLoaded(flow.name.clone()))),
            Some(description) if !description.wants(&step.entry.event) => return Asked::Passed(Box::new(step)),
            Some(_) => {}
        }
        let (mut step, mut refused) = (step, Vec::new());
        // Once, and once more if the host refused effects: the flow is told why.
        loop {
            let answer = match self.call(game, &step, flow, refused.clone()).await {
                Ok(answer) => answer,
                Err(failure) => return Asked::Decided(self.failed(step, failure)),
            };
            self.metrics.flow_call(&game.rules.id, &answer.cost);
            if answer.outcome.next == Next::Pass {
                if answer.outcome.state.is_some() || !answer.outcome.effects.is_empty() {
                    return Asked::Decided(self.failed(step, FlowFailure::InvalidOutcome(InvalidOutcome::PassWithEffects)));
                }
                return Asked::Passed(Box::new(step));
            }
            match step.decide(flow, answer.state_version, answer.outcome) {
                Ok(decision) => {
                    return Asked::Decided(Stepped::Commit {
                        commit: Box::new(decision.commit),
                        measures: decision.measures,
                        outcome: "flow",
                    });
                }
                Err((back, refusals)) if refused.is_empty() => (step, refused) = (*back, refusals),
                Err((back, refusals)) => return Asked::Decided(self.failed(*back, FlowFailure::Refused(refusals))),
            }
        }
    }

    async fn call(&self, game: &LoadedGame, step: &Step<'_>, flow: &FlowBinding, refused: Vec<Refusal>) -> Result<FlowAnswer, FlowFailure> {
        let conversation = &step.conversation;
        let snapshot = step.snapshot(flow, refused).ok_or_else(|| FlowFailure::Host("the game's ticket prefix is unusable".to_owned()))?;
        let call = FlowCall {
            game: &game.rules.id,
            flow: &flow.name,
            snapshot,
            event: &step.entry.event,
            references: &|wamid| conversation.reference_of(wamid),
            services: &game.services,
            grants: flow.grants,
            limits: flow.limits,
            now: step.now,
            state_version: conversation.state_of(&flow.name).map(|kept| kept.version),
            idempotency_key: format!("{}.{}", conversation.id, step.entry.seq),
        };
        game.flows.call(call).await
    }

    /// Finds out who is writing, if nobody knows yet.
    async fn recognise(&self, game: &LoadedGame, step: &mut Step<'_>) -> Result<(), FlowFailure> {
        let session = &step.conversation.session;
        let known = session.player.is_some() || session.unknown_since.is_some_and(|since| step.now.since_ms(since) < UNKNOWN_HOLD_MS);
        if known || !matches!(*step.entry.event, Event::Message(_)) {
            return Ok(());
        }
        let players: &dyn Players = &*game.services.players;
        let found = players.by_contact(&step.conversation.contact).await;
        let session = &mut step.conversation.session;
        match found {
            Ok((player, profile)) => {
                session.player = Some(player);
                session.unknown_since = None;
                session.locale = profile.locale.or(session.locale.take());
            }
            Err(ServiceError::NotFound | ServiceError::NotGranted(_) | ServiceError::Invalid(_)) => session.unknown_since = Some(step.now),
            Err(ServiceError::Unavailable(reason)) => return Err(FlowFailure::Transient(format!("the players' database: {reason}"))),
        }
        Ok(())
    }

    /// Again later, or never again.
    fn failed(&self, step: Step<'_>, failure: FlowFailure) -> Stepped {
        let attempts = step.entry.attempts + 1;
        let wait_ms = if failure.is_worth_retrying() { step.game.step_retry.wait_ms(attempts, random()) } else { None };
        match wait_ms {
            Some(wait_ms) => Stepped::Later { failure, attempts, wait_ms },
            None => {
                log_failure(&failure, attempts, None);
                Stepped::commit(step.give_up(&failure), failure.kind())
            }
        }
    }
}

enum Asked<'a> {
    Decided(Stepped),
    Passed(Box<Step<'a>>),
}
