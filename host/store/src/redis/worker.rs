//! The store's task: the only one that talks to Redis once a store is open.
//!
//! It gathers whatever calls wait into one pipeline, sends it, and takes the answers in their order. While a pipeline is
//! under way the next one gathers: the busier the store, the larger the batches, and the fewer system calls, wakes and
//! fsyncs for each call. In between it keeps the leases alive. When a session breaks it makes the next one.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use questline_core::port::StoreError;
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, Value};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::keys::PARTITIONS;
use super::memory::{Memory, News};
use super::names::Names;
use super::options::OpenError;
use super::server::{Established, Server};
use super::session::{Call, Request, Session, Standing};
use super::value;

/// Calls in one pipeline.
const BATCH: usize = 256;

/// The first wait after a session broke; doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(2);

pub(super) struct Worker {
    pub(super) server: Server,
    pub(super) memory: Arc<Memory>,
    pub(super) names: Arc<Names>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) standing: Arc<RwLock<Standing>>,
}

/// Why a session ended.
enum End {
    /// The store was closed or dropped.
    Closed(Option<tokio::sync::oneshot::Sender<()>>),
    /// Something is wrong with the connection, the server or the leases.
    Broken(String),
}

impl Worker {
    pub(super) async fn run(mut self, first: Established) {
        let mut connection = first.connection;
        let mut session = first.session;
        loop {
            let reason = match self.serve(&mut connection, &session).await {
                End::Closed(done) => {
                    self.stand(Standing::Down("the store is closed".into()));
                    self.server.leave(&mut connection, &session).await;
                    if let Some(done) = done {
                        let _ = done.send(());
                    }
                    return;
                }
                End::Broken(reason) => reason,
            };
            tracing::warn!(reason, "the connection to Redis is given up; a new one is made");
            self.stand(Standing::Down(reason.into()));
            drop(connection);
            match self.reconnect(session.number + 1).await {
                Some(next) => {
                    connection = next.connection;
                    session = next.session;
                    self.names.forget();
                    self.stand(Standing::Up(session.clone()));
                    tracing::info!("Redis is back: every partition is taken again, and what waits in them is known");
                }
                None => return,
            }
        }
    }

    /// Does calls until the session breaks or the store is closed.
    async fn serve(&mut self, connection: &mut MultiplexedConnection, session: &Session) -> End {
        let mut renew = tokio::time::interval(self.server.renew_every());
        renew.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut renew_from = 0;
        let mut requests = Vec::with_capacity(BATCH);
        let mut news = News::default();
        loop {
            let mut renewals = Vec::new();
            tokio::select! {
                biased;
                _ = renew.tick() => {
                    renewals = self.server.renew_commands(session, renew_from);
                    renew_from = (renew_from + renewals.len() as u16) % PARTITIONS;
                    while requests.len() < BATCH && let Ok(request) = self.requests.try_recv() {
                        requests.push(request);
                    }
                }
                received = self.requests.recv_many(&mut requests, BATCH) => {
                    if received == 0 {
                        return End::Closed(None);
                    }
                }
            }
            let mut batch = Batch::new(renewals);
            let mut close = None;
            for request in requests.drain(..) {
                match request {
                    Request::Call(call) if call.session == session.number => batch.add(call),
                    Request::Call(call) => refuse(call, "the connection to Redis was renewed meanwhile"),
                    Request::Close(done) => close = Some(done),
                }
            }
            let broken = batch.run(connection, &self.memory, &mut news).await.err();
            match (close, broken) {
                (Some(done), _) => return End::Closed(Some(done)),
                (None, Some(reason)) => return End::Broken(reason),
                (None, None) => {}
            }
        }
    }

    /// Tries until there is a session again; none when the store is closed meanwhile.
    async fn reconnect(&mut self, mut number: u64) -> Option<Established> {
        let mut wait = RETRY_MIN;
        loop {
            let (server, memory) = (&self.server, &self.memory);
            let (waiting, next) = (wait, number);
            let attempt = async move {
                tokio::time::sleep(waiting).await;
                server.establish(memory, next).await
            };
            let mut attempt = std::pin::pin!(attempt);
            let outcome = loop {
                tokio::select! {
                    outcome = &mut attempt => break outcome,
                    request = self.requests.recv() => match request {
                        Some(Request::Call(call)) => refuse(call, "Redis is not reachable now"),
                        Some(Request::Close(done)) => {
                            let _ = done.send(());
                            return None;
                        }
                        None => return None,
                    },
                }
            };
            match outcome {
                Ok(established) => return Some(established),
                Err(error) => {
                    if matches!(error, OpenError::Held { .. }) {
                        tracing::error!(%error, "another process has taken this store's data over");
                    }
                    self.stand(Standing::Down(error.to_string().into()));
                }
            }
            number += 1;
            wait = (wait * 2).min(RETRY_MAX);
        }
    }

    fn stand(&self, standing: Standing) {
        *self.standing.write().unwrap_or_else(PoisonError::into_inner) = standing;
    }
}

fn refuse(call: Call, reason: &str) {
    // A caller that has gone needs no answer.
    let _ = call.answer.send(Err(StoreError::Unavailable(reason.to_owned())));
}

/// Calls that go to Redis together.
struct Batch {
    pipeline: Pipeline,
    /// Commands in front that are the store's own.
    own: usize,
    count: usize,
    calls: Vec<(usize, Call)>,
}

impl Batch {
    fn new(own: Vec<redis::Cmd>) -> Self {
        let count = own.len();
        let mut pipeline = Pipeline::with_capacity(count + 16);
        for command in own {
            pipeline.add_command(command);
        }
        Self { pipeline, own: count, count, calls: Vec::new() }
    }

    fn add(&mut self, mut call: Call) {
        let count = call.commands.len();
        for command in call.commands.drain(..) {
            self.pipeline.add_command(command);
        }
        self.count += count;
        self.calls.push((count, call));
    }

    /// Sends it, brings the answers to memory and then to the callers. An error ends the session.
    async fn run(self, connection: &mut MultiplexedConnection, memory: &Memory, news: &mut News) -> Result<(), String> {
        if self.count == 0 {
            return Ok(());
        }
        let answers = match connection.send_packed_commands(&self.pipeline, 0, self.count).await {
            Ok(answers) if answers.len() == self.count => answers,
            outcome => {
                let reason = outcome.err().map_or_else(|| "it lost count of its answers".to_owned(), |error| error.to_string());
                self.calls.into_iter().for_each(|(_, call)| refuse(call, &format!("Redis did not answer: {reason}")));
                return Err(reason);
            }
        };
        let broken = answers.iter().find_map(breaks);
        let mut answers = answers.into_iter();
        answers.by_ref().take(self.own).for_each(drop);
        let mut outcomes = Vec::with_capacity(self.calls.len());
        for (count, call) in self.calls {
            let values = answers.by_ref().take(count).collect::<Vec<_>>();
            // What was done is noted even if more of the same call was refused.
            let noted = call.note.map_or(Ok(()), |note| note(&values, news));
            let outcome = values.iter().try_for_each(value::check).and(noted).map(|()| values);
            outcomes.push((call.answer, outcome));
        }
        memory.learn(news);
        for (answer, outcome) in outcomes {
            // A caller that has gone needs no answer.
            let _ = answer.send(outcome);
        }
        broken.map_or(Ok(()), Err)
    }
}

/// Refusals after which nothing more is to be expected of a session.
fn breaks(answer: &Value) -> Option<String> {
    match value::code(answer)? {
        "FENCED" => Some("another process has taken a partition, or the lease has expired".to_owned()),
        "NOSCRIPT" => Some("the server has forgotten the scripts".to_owned()),
        code @ ("READONLY" | "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "MOVED" | "NOAUTH" | "NOPERM") => {
            Some(format!("the server refuses: {code}"))
        }
        _ => None,
    }
}
