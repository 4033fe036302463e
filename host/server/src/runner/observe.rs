//! Looking on: what a step did, told to whoever develops a flow. In production nobody looks on, and nothing here runs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use questline_core::commit::Commit;
use questline_core::conversation::Conversation;
use questline_core::decide::Measure;
use questline_core::flow::{CallCost, FlowFailure, Read};
use questline_core::id::FlowName;
use questline_core::outcome::{Outcome, Refusal};
use questline_core::port::{Committed, InboxEntry, LogLevel};

use crate::game::LoadedGame;

/// Is told of every step once it is written, or put off.
pub trait Observe: Send + Sync {
    /// One step.
    fn step(&self, step: &Observed<'_>);
}

/// One step, looked at from outside.
pub struct Observed<'a> {
    /// The game as it was played.
    pub game: &'a LoadedGame,
    /// The conversation before.
    pub before: &'a Conversation,
    /// What came.
    pub entry: &'a InboxEntry,
    /// How it ended.
    pub end: Ended<'a>,
    /// What was noted while it ran.
    pub trace: &'a Trace,
    /// From load to commit.
    pub took: Duration,
}

/// How a step ended.
pub enum Ended<'a> {
    /// It was written.
    Committed {
        /// What was written.
        commit: &'a Commit,
        /// The names of its messages, in their order.
        committed: &'a Committed,
        /// What was counted.
        measures: &'a [Measure],
        /// Its name in metrics.
        outcome: &'static str,
    },
    /// It failed and is tried again.
    Later {
        /// Why.
        failure: &'a FlowFailure,
        /// Tries so far.
        attempts: u32,
        /// Not before.
        wait_ms: u64,
    },
}

/// What is noted while a step runs.
#[derive(Debug, Default)]
pub struct Trace {
    /// Calls of flows, in their order.
    pub calls: Vec<TracedCall>,
    /// Log lines of flows, in their order.
    pub lines: Vec<TracedLine>,
}

/// One call of a flow.
#[derive(Debug)]
pub struct TracedCall {
    /// Which flow.
    pub flow: FlowName,
    /// Effects of its first answer that were refused, when it was asked again.
    pub refused: Vec<Refusal>,
    /// What it answered.
    pub result: Result<TracedAnswer, FlowFailure>,
}

/// An answer of a flow.
#[derive(Debug)]
pub struct TracedAnswer {
    /// State, effects, and who is next.
    pub outcome: Outcome,
    /// What the call cost.
    pub cost: CallCost,
    /// What imports answered.
    pub reads: Vec<Read>,
}

/// One log line of a flow.
#[derive(Debug)]
pub struct TracedLine {
    /// Which flow.
    pub flow: FlowName,
    /// How loud.
    pub level: LogLevel,
    /// What it says.
    pub text: String,
}

type Noted = Arc<Mutex<Trace>>;

tokio::task_local! {
    static TRACE: Noted;
}

/// Notes something about the step that this task runs; does nothing outside of a step that is looked at.
pub fn note(change: impl FnOnce(&mut Trace)) {
    let _ = TRACE.try_with(|trace| change(&mut trace.lock().unwrap_or_else(PoisonError::into_inner)));
}

/// A step that is looked at.
pub(super) struct Watch<'a> {
    observer: &'a Arc<dyn Observe>,
    game: &'a LoadedGame,
    before: Conversation,
    entry: &'a InboxEntry,
    trace: Noted,
    started: Instant,
}

impl<'a> Watch<'a> {
    pub(super) fn new(observer: &'a Arc<dyn Observe>, game: &'a LoadedGame, before: &Conversation, entry: &'a InboxEntry) -> Self {
        Self { observer, game, before: before.clone(), entry, trace: Noted::default(), started: Instant::now() }
    }

    /// Runs the step, with what it notes kept.
    pub(super) async fn trace<T>(&self, step: impl Future<Output = T>) -> T {
        TRACE.scope(Arc::clone(&self.trace), step).await
    }

    pub(super) fn committed(self: Box<Self>, commit: &Commit, committed: &Committed, measures: &[Measure], outcome: &'static str) {
        self.tell(Ended::Committed { commit, committed, measures, outcome });
    }

    pub(super) fn later(self: Box<Self>, failure: &FlowFailure, attempts: u32, wait_ms: u64) {
        self.tell(Ended::Later { failure, attempts, wait_ms });
    }

    fn tell(&self, end: Ended<'_>) {
        let trace = std::mem::take(&mut *self.trace.lock().unwrap_or_else(PoisonError::into_inner));
        let (game, before, entry, took) = (self.game, &self.before, self.entry, self.started.elapsed());
        self.observer.step(&Observed { game, before, entry, end, trace: &trace, took });
    }
}
