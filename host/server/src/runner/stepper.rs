//! One step up to its commit: the host's own part, then flows in their order, then the decision. Who runs steps writes the
//! commit: the runner to a store, a transcript's simulation to its memory. Both run this code.

use std::sync::Arc;

use async_trait::async_trait;
use questline_core::authentication::AskedCode;
use questline_core::commit::Commit;
use questline_core::conversation::Conversation;
use questline_core::decide::Measure;
use questline_core::event::{Event, GameEvent, Inbound};
use questline_core::flow::{CallCost, FlowAnswer, FlowFailure, Snapshot};
use questline_core::game::FlowBinding;
use questline_core::id::{FlowName, OutboxRef};
use questline_core::outcome::{InvalidOutcome, Next, Refusal};
use questline_core::port::{Clock, FlowCall, InboxEntry, Outbox, Players, Receipt, ServiceError, StoreError};
use questline_core::send::Reaction;
use questline_core::step::{Followed, Opened, Step};

use super::gate::{Devices, Gate};
use super::log_failure;
use crate::clock::random;
use crate::game::LoadedGame;
use crate::links::{LinkDesk, Turned};
use crate::metrics::Metrics;
use crate::security::AccountGuard;
use crate::two_factor::TwoFactorDesk;
use crate::verification::CodeDesk;

/// A contact that the studio did not know is looked up again after this time.
const UNKNOWN_HOLD_MS: u64 = 30_000;

/// What running a step needs beside the game and the event.
pub struct Stepper {
    /// Receipts of our messages.
    pub receipts: Arc<dyn Receipts>,
    /// What to do about Meta's errors that come by webhook, and whether operators should know.
    pub react: fn(u32) -> (Reaction, bool),
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// Which devices are bound to an account.
    pub devices: Arc<dyn Devices>,
    /// What tries codes that players type; none where there are no codes.
    pub codes: Option<Arc<CodeDesk>>,
    /// What links contacts to accounts; none where there are no links.
    pub links: Option<Arc<LinkDesk>>,
    /// What freezes accounts and counts tries to recover them; none where nothing is kept of players.
    pub security: Option<Arc<AccountGuard>>,
    /// The second factor of players; none where there is none.
    pub two_factor: Option<Arc<TwoFactorDesk>>,
    /// Makes all that is random the same every time, for transcripts. In production there is none.
    pub seed: Option<u64>,
}

/// Where a step asks what became of a message.
#[async_trait]
pub trait Receipts: Send + Sync {
    /// A message that Meta has, as far as it came.
    async fn receipt(&self, message: OutboxRef) -> Result<Option<Receipt>, StoreError>;
}

/// The store's receipts.
pub struct StoredReceipts(pub Arc<dyn Outbox>);

#[async_trait]
impl Receipts for StoredReceipts {
    async fn receipt(&self, message: OutboxRef) -> Result<Option<Receipt>, StoreError> {
        self.0.receipt(message).await
    }
}

/// Which flow was asked in a step, and what it cost.
#[derive(Debug, Clone, Default)]
pub struct Ran {
    /// The last one; none where the host did it alone.
    pub flow: Option<FlowName>,
    /// Of all calls that ended with an answer, those that passed the event on too.
    pub cost: CallCost,
}

/// How a step ended.
pub enum Stepped {
    /// To be written.
    Commit {
        /// What.
        commit: Box<Commit>,
        /// To be counted once it is written.
        measures: Vec<Measure>,
        /// For metrics.
        outcome: &'static str,
        /// Who was asked.
        ran: Ran,
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
    pub(super) fn commit(commit: Commit, outcome: &'static str) -> Self {
        Self::Commit { commit: Box::new(commit), measures: Vec::new(), outcome, ran: Ran::default() }
    }
}

impl Stepper {
    /// Runs one step up to its commit.
    pub async fn step(&self, game: &LoadedGame, conversation: Conversation, entry: &InboxEntry) -> Result<Stepped, StoreError> {
        let now = self.clock.now();
        if self.ends_trust(&conversation, entry) {
            Box::pin(self.end_codes(game, &conversation)).await?;
        }
        let mut conversation = match self.link(game, conversation, entry, now).await? {
            Turned::Done(commit) => return Ok(Stepped::commit(*commit, "link")),
            Turned::Others(conversation) => conversation,
        };
        let proof = self.typed_code(game, &mut conversation, entry, now).await?;
        // What came of the code takes the place of the message: no flow, no history and no dead letter has the code.
        let proven = proof.map(|event| InboxEntry { event: Arc::new(event), ..entry.clone() });
        let entry = proven.as_ref().unwrap_or(entry);
        if let Some(stepped) = self.second_factor(game, &mut conversation, entry, now).await? {
            return Ok(stepped);
        }
        let conversation = match self.proven(game, conversation, entry, now).await? {
            Turned::Done(commit) => return Ok(Stepped::commit(*commit, "link")),
            Turned::Others(conversation) => conversation,
        };
        match Step::open(&game.rules, conversation, entry, now, &*game.services.copy) {
            Opened::Done(commit, by) => Ok(Stepped::Commit { commit, measures: Vec::new(), outcome: by.as_str(), ran: Ran::default() }),
            Opened::Failed(step, status) => {
                let receipt = match status.message {
                    Some(id) => self.receipts.receipt(id).await?,
                    None => None,
                };
                let is_for_backend = |receipt: &Receipt| receipt.message.as_ref().is_some_and(|message| message.content.is_for_backend());
                let (reaction, alert) = match receipt.as_ref().is_some_and(is_for_backend) {
                    true => (Reaction::DeadLetter, false),
                    false => (self.react)(status.error.as_ref().map_or(0, |error| error.code)),
                };
                tracing::warn!(
                    alert,
                    meta.code = status.error.as_ref().map(|error| error.code),
                    ?reaction,
                    "Meta did not deliver a message"
                );
                if reaction == Reaction::RevokeTrust {
                    self.unproven(game, &step.conversation).await?;
                }
                let step = match self.code_failed(game, step, status, receipt.as_ref(), reaction).await? {
                    Followed::Done(commit) => return Ok(Stepped::commit(*commit, "delivery-failed")),
                    Followed::Last(step) => *step,
                };
                Ok(Stepped::commit(step.settle_failure(status, receipt.as_ref(), reaction, self.random()), "delivery-failed"))
            }
            Opened::Watched(step, watch) => self.code_watched(game, step, &watch).await,
            Opened::Ask(step) => self.ask(game, step).await,
            Opened::Block(step) => self.block(game, step).await,
            Opened::Freeze(step) => self.freeze(game, step).await,
            Opened::Release(mut step) => {
                self.release(&mut step).await?;
                self.ask(game, step).await
            }
        }
    }

    /// Asks flows in their order until one takes the event.
    async fn ask(&self, game: &LoadedGame, mut step: Step<'_>) -> Result<Stepped, StoreError> {
        let mut ran = Ran::default();
        let known_before = step.conversation.session.player.clone();
        if let Err(failure) = self.recognise(game, &mut step).await {
            return Ok(self.failed(step, failure, ran));
        }
        if let Event::GameEvent(GameEvent { player: Some(player), .. }) = &*step.entry.event
            && step.conversation.session.player.as_ref() != Some(player)
        {
            // The number or the account has changed hands since: nobody else is told.
            tracing::warn!("a game event is not told: its player is not behind this contact any more");
            return Ok(Stepped::commit(step.go_by(), "not-for-this-player"));
        }
        if let Event::Authenticated(proof) = &*step.entry.event
            && !step.authenticate(proof)
        {
            tracing::warn!("a proof does not count: it is about another account of this contact");
            return Ok(Stepped::commit(step.go_by(), "not-for-this-player"));
        }
        let mut step = match self.arrived(game, step, known_before.as_ref()).await? {
            Ok(step) => step,
            Err(stepped) => return Ok(stepped),
        };
        let intent = match &*step.entry.event {
            Event::Message(message) if game.rules.routes_by_intent() => match &message.content {
                Inbound::Text(text) => game.services.intents.classify(text).into_iter().next().map(|intent| intent.name),
                _ => None,
            },
            _ => None,
        };
        let active = step.conversation.session.active.clone();
        for flow in game.rules.candidates(active.as_ref(), &step.entry.event, intent.as_deref()) {
            match self.ask_one(game, step, flow, &mut ran).await? {
                Asked::Decided(stepped) => return Ok(stepped),
                Asked::Passed(back) => step = *back,
            }
        }
        Ok(match &*step.entry.event {
            Event::Message(_) => self.failed(step, FlowFailure::NobodyTookIt, ran),
            // Nobody asked for it: statuses, game events and the like go by.
            _ => {
                let commit = Box::new(step.go_by());
                Stepped::Commit { commit, measures: Vec::new(), outcome: "nobody-wants-it", ran }
            }
        })
    }

    async fn ask_one<'a>(&self, game: &LoadedGame, step: Step<'a>, flow: &FlowBinding, ran: &mut Ran) -> Result<Asked<'a>, StoreError> {
        let failed = |step: Step<'a>, failure, ran: &mut Ran| Ok(Asked::Decided(self.failed(step, failure, std::mem::take(ran))));
        match game.flows.description(&flow.name) {
            None => return failed(step, FlowFailure::NotLoaded(flow.name.clone()), ran),
            Some(description) if !description.wants(&step.entry.event) => return Ok(Asked::Passed(Box::new(step))),
            Some(_) => {}
        }
        ran.flow = Some(flow.name.clone());
        let (mut step, mut refused) = (step, Vec::new());
        // Once, and once more if the host refused effects: the flow is told why.
        loop {
            let answer = match self.call(game, &mut step, flow, refused.clone()).await {
                Ok(answer) => answer,
                Err(failure) => return failed(step, failure, ran),
            };
            self.metrics.flow_call(&game.rules.id, &answer.cost);
            ran.cost.add(&answer.cost);
            if answer.outcome.next == Next::Pass {
                if answer.outcome.state.is_some() || !answer.outcome.effects.is_empty() {
                    return failed(step, FlowFailure::InvalidOutcome(InvalidOutcome::PassWithEffects), ran);
                }
                return Ok(Asked::Passed(Box::new(step)));
            }
            // What is rare is boxed: it makes every step's future no larger.
            if Self::asks_for_device(game, &answer.outcome.effects) {
                Box::pin(self.confirm_device(game, &mut step)).await?;
            }
            self.count_told(game, &step, flow, &answer.outcome).await?;
            let reserved = self.reserve(game, &step, flow, &answer.outcome).await?;
            step.recovery = reserved.refusal;
            let code = match step.code_to_begin(flow, &answer.outcome) {
                Some(purpose) => Box::pin(self.begin_code(game, &step, purpose)).await?,
                None => AskedCode::None,
            };
            match step.decide(flow, answer.state_version, answer.outcome, code) {
                Ok(decision) => {
                    return Ok(Asked::Decided(Stepped::Commit {
                        commit: Box::new(decision.commit),
                        measures: decision.measures,
                        outcome: "flow",
                        ran: std::mem::take(ran),
                    }));
                }
                Err((back, refusals)) => {
                    self.take_back(game, reserved).await?;
                    if !refused.is_empty() {
                        return failed(*back, FlowFailure::Refused(refusals), ran);
                    }
                    (step, refused) = (*back, refusals);
                }
            }
        }
    }

    async fn call(
        &self,
        game: &LoadedGame,
        step: &mut Step<'_>,
        flow: &FlowBinding,
        refused: Vec<Refusal>,
    ) -> Result<FlowAnswer, FlowFailure> {
        let services = match &self.security {
            Some(security) => game.checked_services(&security.lockout),
            None => &game.services,
        };
        let gate = Gate::of(game, services, step, &self.devices);
        let gated = gate.as_ref().map(|gate| gate.before(services));
        let conversation = &step.conversation;
        let snapshot = step.snapshot(flow, refused).ok_or_else(|| FlowFailure::Host("the game's ticket prefix is unusable".to_owned()))?;
        let extensions = self.recovery_fact(game, step, flow).await?.into_iter().collect();
        let snapshot = Snapshot { extensions, ..snapshot };
        let call = FlowCall {
            game: &game.rules.id,
            flow: &flow.name,
            snapshot,
            event: &step.entry.event,
            references: &|wamid| conversation.reference_of(wamid),
            services: gated.as_ref().unwrap_or(services),
            grants: flow.grants,
            limits: flow.limits,
            now: step.now,
            state_version: conversation.state_of(&flow.name).map(|kept| kept.version),
            idempotency_key: format!("{}.{}", conversation.id, step.entry.seq),
            seed: self.seed.map(|seed| seed ^ conversation.id.0.rotate_left(32) ^ step.entry.seq.0),
        };
        let answer = game.flows.call(call).await;
        if let Some(gate) = gate {
            gate.audit(step, flow);
        }
        answer
    }

    /// Finds out who is writing, if nobody knows yet.
    pub(super) async fn recognise(&self, game: &LoadedGame, step: &mut Step<'_>) -> Result<(), FlowFailure> {
        let session = &step.conversation.session;
        let held = || session.unknown_since.is_some_and(|since| step.now.since_ms(since) < UNKNOWN_HOLD_MS);
        let wanted = match &*step.entry.event {
            Event::Message(_) | Event::GameEvent(GameEvent { player: None, .. }) => !held(),
            // Whoever sent it says that there is a player.
            Event::GameEvent(_) | Event::Authenticated(_) | Event::FreezeAccount(_) => true,
            _ => false,
        };
        if session.player.is_some() || !wanted {
            return Ok(());
        }
        let players: &dyn Players = &*game.services.players;
        let found = match self.by_link(game, &step.conversation.contact).await? {
            Some(found) => Ok(found),
            None => players.by_contact(&step.conversation.contact).await,
        };
        let session = &mut step.conversation.session;
        match found {
            Ok((player, profile)) => session.recognise(player, profile),
            Err(ServiceError::NotFound | ServiceError::NotGranted(_) | ServiceError::Invalid(_)) => session.unknown_since = Some(step.now),
            Err(ServiceError::Unavailable(reason)) => return Err(FlowFailure::Transient(format!("the players' database: {reason}"))),
        }
        Ok(())
    }

    /// Spreads waits.
    pub(super) fn random(&self) -> u64 {
        self.seed.unwrap_or_else(random)
    }

    /// Again later, or never again.
    pub(super) fn failed(&self, step: Step<'_>, failure: FlowFailure, ran: Ran) -> Stepped {
        let attempts = step.entry.attempts + 1;
        let wait_ms = if failure.is_worth_retrying() { step.game.step_retry.wait_ms(attempts, self.random()) } else { None };
        match wait_ms {
            Some(wait_ms) => Stepped::Later { failure, attempts, wait_ms },
            None => {
                // Whoever runs the step may go back to the release before.
                if !matches!(failure, FlowFailure::Migration(_)) {
                    log_failure(&failure, attempts, None);
                }
                let commit = Box::new(step.give_up(&failure));
                Stepped::Commit { commit, measures: Vec::new(), outcome: failure.kind(), ran }
            }
        }
    }
}

enum Asked<'a> {
    Decided(Stepped),
    Passed(Box<Step<'a>>),
}
