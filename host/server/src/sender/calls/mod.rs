//! Calls of the studios' backends: what commits asked for beside the messages to Meta. They take no number's throughput,
//! keep no message waiting and wait for none. A call may be repeated, for its idempotency key tells the backend: so nothing
//! is noted before it, and after a crash it is made again.

mod line;

use std::sync::Arc;
use std::time::Duration;

use questline_core::event::StatusError;
use questline_core::id::PlayerId;
use questline_core::operation::OPERATION_RETRY;
use questline_core::outbox::{Content, NewMessage, OutboxMessage};
use questline_core::port::{Backend, Clock, Codes, Outbox, ServiceError, Untold};
use questline_core::retry::Backoff;
use questline_core::send::{SendRecord, SendResult};
use questline_core::time::UnixMs;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::TICK;
use super::back::Back;
use super::record::{self, Entry};
use crate::game::Games;
use crate::metrics::Metrics;
use line::{Lines, Next};

/// How a code is tried again while the backend is not there: until it is dead, which ends it before the tries do.
const CODE_RETRY: Backoff = Backoff { base_ms: 500, ceiling_ms: 5_000, attempts_max: 3_000 };

/// What calls need.
pub(super) struct Calls {
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) games: Arc<Games>,
    pub(super) codes: Arc<dyn Codes>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
}

/// Has the backend do it. What is wrong with it is told in our words: the backend's may name persons.
pub(crate) async fn call(backend: &dyn Backend, name: &str, player: Option<&PlayerId>, request: &str, key: &str) -> Result<(), Untold> {
    let never = |detail: String| Untold::Never { reason: "operation-refused", detail };
    backend.call(name, player, request, key).await.map(drop).map_err(|problem| match problem {
        ServiceError::Unavailable(_) => Untold::Later { detail: format!("the backend does not answer {name:?} now") },
        ServiceError::NotFound => never(format!("the backend knows no {name:?}, or not the player that it is about")),
        ServiceError::NotGranted(_) => never(format!("game.toml declares no operation {name:?}")),
        ServiceError::Invalid(_) => never(format!("the backend refuses {name:?}")),
    })
}

/// Starts them; they end after `stop`, when what is under way has its answer noted.
pub(super) fn start(calls: Calls, stop: CancellationToken) -> (mpsc::UnboundedSender<OutboxMessage>, JoinHandle<()>) {
    let (add, added) = mpsc::unbounded_channel();
    (add, tokio::spawn(Arc::new(calls).run(added, stop)))
}

impl Calls {
    async fn run(self: Arc<Self>, mut added: mpsc::UnboundedReceiver<OutboxMessage>, stop: CancellationToken) {
        let mut lines = Lines::default();
        let mut under_way = JoinSet::new();
        let (back, mut noted) = mpsc::unbounded_channel();
        let (recorder, recording) = record::start(self.outbox.clone(), back);
        loop {
            if stop.is_cancelled() && under_way.is_empty() {
                break;
            }
            let now = self.clock.now();
            let mut due_at = None;
            while !stop.is_cancelled() {
                match lines.next(now) {
                    Next::Call(message) => {
                        let calls = self.clone();
                        under_way.spawn(async move {
                            let outcome = calls.make(&message).await;
                            (message, outcome)
                        });
                    }
                    Next::Wait(next_at) => {
                        due_at = next_at;
                        break;
                    }
                }
            }
            let sleep =
                due_at.map_or(TICK, |due_at: UnixMs| Duration::from_millis(due_at.since_ms(now)).clamp(Duration::from_millis(1), TICK));
            tokio::select! {
                () = stop.cancelled(), if !stop.is_cancelled() => {}
                Some(message) = added.recv(), if !stop.is_cancelled() => self.add(&mut lines, message, &recorder),
                Some(back) = noted.recv() => if let Back::Noted(message) = back {
                    lines.back(*message);
                },
                Some(Ok((message, outcome))) = under_way.join_next() => self.ended(&mut lines, *message, outcome, &recorder),
                () = tokio::time::sleep(sleep) => {}
            }
        }
        drop(recorder);
        recording.await;
    }

    fn add(&self, lines: &mut Lines, message: OutboxMessage, recorder: &mpsc::UnboundedSender<Entry>) {
        let Err(message) = lines.add(message) else { return };
        let detail = "too much waits for the game's backend".to_owned();
        self.finish(
            &message,
            "backlog",
            SendResult::Dead { reason: "operation-backlog".to_owned(), detail, at: self.clock.now() },
            recorder,
        );
    }

    /// One call, once.
    async fn make(&self, message: &OutboxMessage) -> Result<(), Untold> {
        let NewMessage { game, content, expires_at, .. } = &message.message;
        if let Content::Code(promise) = content {
            return self.codes.hand_over(message, promise).await;
        }
        if expires_at.is_some_and(|expires_at| expires_at <= self.clock.now()) {
            return Err(Untold::Never { reason: "expired", detail: "not done before its time was over".to_owned() });
        }
        let game = self.games.get(game).ok_or_else(|| Untold::Later { detail: "the game is not loaded".to_owned() })?;
        match content {
            Content::Operation(of) => call(&*game.services.backend, &of.name, of.player.as_ref(), &of.request, &of.idempotency_key).await,
            _ => Err(Untold::Never { reason: "operation-refused", detail: "it is no operation".to_owned() }),
        }
    }

    fn ended(&self, lines: &mut Lines, message: OutboxMessage, outcome: Result<(), Untold>, recorder: &mpsc::UnboundedSender<Entry>) {
        let now = self.clock.now();
        let attempts = message.attempts.saturating_add(1);
        let promise = match &message.message.content {
            Content::Code(promise) => Some(promise),
            _ => None,
        };
        let (name, result) = judge(outcome, promise.is_some(), attempts, now, crate::clock::random());
        if let (Some(promise), "done") = (promise, name) {
            self.metrics.code_send(&message.message.game, Some(&message.message.contact), promise.by.name(), "sent");
        }
        if let SendResult::Again { due_at, attempts } = result {
            self.metrics.operation(&message.message.game, name);
            tracing::warn!(outbox = %message.id, outcome = name, attempts, "the studio's backend did not do an operation: it is tried again");
            lines.pause(&message);
            let _ = recorder.send(Entry::again(OutboxMessage { due_at, attempts, ..message }));
            return;
        }
        lines.finished(&message);
        self.finish(&message, name, result, recorder);
    }

    fn finish(&self, message: &OutboxMessage, name: &'static str, result: SendResult, recorder: &mpsc::UnboundedSender<Entry>) {
        self.metrics.operation(&message.message.game, name);
        if let SendResult::Dead { reason, detail, .. } = &result {
            tracing::error!(alert = true, outbox = %message.id, outcome = name, reason, detail, "an operation is a dead letter");
        }
        let _ = recorder.send(Entry::done(SendRecord { id: message.id, result }));
    }
}

/// What follows from a call, with its name in metrics.
///
/// A code that the backend refuses has failed like a message that Meta refuses: its conversation is told, and it goes on.
fn judge(outcome: Result<(), Untold>, is_code: bool, attempts: u32, now: UnixMs, random: u64) -> (&'static str, SendResult) {
    let retry = if is_code { CODE_RETRY } else { OPERATION_RETRY };
    match outcome {
        Ok(()) => ("done", SendResult::Done),
        Err(Untold::Moot { .. }) => ("moot", SendResult::Done),
        Err(Untold::Never { reason: "operation-refused", detail }) if is_code => {
            ("refused", SendResult::Failed { error: StatusError { code: 0, detail }, attempts, at: now })
        }
        Err(Untold::Later { detail }) => match retry.wait_ms(attempts, random) {
            Some(wait_ms) => ("retry", SendResult::Again { attempts, due_at: now.plus_ms(wait_ms) }),
            None => ("given-up", SendResult::Dead { reason: "operation-unavailable".to_owned(), detail, at: now }),
        },
        Err(Untold::Never { reason, detail }) => ("refused", SendResult::Dead { reason: reason.to_owned(), detail, at: now }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_now_is_tried_again_and_what_is_refused_is_not() {
        let now = UnixMs(1_000);
        assert_eq!(judge(Ok(()), false, 1, now, 0), ("done", SendResult::Done));
        let later = || Err(Untold::Later { detail: "away".to_owned() });
        let (name, again) = judge(later(), false, 1, now, 0);
        assert!(name == "retry" && matches!(again, SendResult::Again { attempts: 1, due_at } if due_at > now), "{again:?}");
        let (name, dead) = judge(later(), false, OPERATION_RETRY.attempts_max, now, 0);
        assert!(name == "given-up" && matches!(dead, SendResult::Dead { .. }), "{dead:?}");
        let never = || Err(Untold::Never { reason: "operation-refused", detail: String::new() });
        assert!(matches!(judge(never(), false, 1, now, 0).1, SendResult::Dead { reason, .. } if reason == "operation-refused"));
        assert!(matches!(judge(never(), true, 1, now, 0).1, SendResult::Failed { .. }), "a code goes on to the next channel");
        assert_eq!(judge(Err(Untold::Moot { reason: "code-dead" }), true, 1, now, 0), ("moot", SendResult::Done));
    }
}
