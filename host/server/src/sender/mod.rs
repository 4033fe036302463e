//! Sends what steps committed: in order within a conversation, at the pace of each number, with what Meta refuses held,
//! tried again or reported. Every send is noted before it begins, so that after a crash it is known which messages may
//! have left.

mod calls;
mod consent;
pub(crate) use calls::call;
mod hold;
mod judge;
mod lane;
mod record;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use questline_core::consent::Unwanted;
use questline_core::event::StatusError;
use questline_core::id::{NumberId, OutboxRef};
use questline_core::outbox::{Content, OutboxMessage, SendState};
use questline_core::port::{Begun, Clock, Codes, Credentials, Graph, Inbox, Outbox, StoreError, Untold};
use questline_core::send::{SendOutcome, SendRecord, SendResult};
use questline_core::time::UnixMs;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::game::Games;
use crate::metrics::Metrics;
use crate::traffic::Traffic;
use hold::Scopes;
use judge::{Then, judge, judge_untold};
use lane::{Lanes, Next};

/// Messages taken from the store at once, and begun in one write.
const TAKE_MAX: usize = 256;
const BEGIN_MAX: usize = 64;
/// Wait after the store failed.
const STORE_WAIT: Duration = Duration::from_millis(500);
/// Sends of one message whose outcome nobody knows; then it is left to a person.
const UNKNOWN_ATTEMPTS_MAX: u32 = 5;
/// Meta's code for a template that is paused.
const TEMPLATE_PAUSED: u32 = 132_015;
/// Longest sleep of the loop: what others did to the pace meanwhile is seen then.
const TICK: Duration = Duration::from_millis(250);

/// A number as the sender knows it.
#[derive(Debug, Clone)]
pub struct Number {
    /// Meta's `phone_number_id`.
    pub id: NumberId,
    /// The app whose access token it uses.
    pub app: String,
    /// The business account it belongs to.
    pub account: String,
    /// Messages a second, inbound and outbound together.
    pub per_second: u32,
}

/// All that sending needs.
pub struct Sender {
    /// Committed messages.
    pub outbox: Arc<dyn Outbox>,
    /// Where the conversations with a game's other numbers hear of consent.
    pub inbox: Arc<dyn Inbox>,
    /// Meta.
    pub graph: Arc<dyn Graph>,
    /// What puts credentials into words.
    pub credentials: Arc<dyn Credentials>,
    /// What opens one-time codes.
    pub codes: Arc<dyn Codes>,
    /// The games, with their studios' backends.
    pub games: Arc<Games>,
    /// Numbers to send from.
    pub numbers: Vec<Number>,
    /// What came in: it counts against the same throughput.
    pub traffic: Arc<Traffic>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// Sends in flight.
    pub in_flight_max: usize,
    /// How long a status is waited for before an unknown send is repeated.
    pub settle_ms: u64,
}

fn ids(messages: &[OutboxMessage]) -> Vec<OutboxRef> {
    messages.iter().map(|message| message.id).collect()
}

/// It has left the outbox meanwhile, settled by a status.
fn gone(message: OutboxMessage, back: &mpsc::UnboundedSender<Back>) {
    let _ = back.send(Back::Checked { message: Box::new(message), settled: true });
}

async fn not_begun(messages: Vec<OutboxMessage>, problem: &StoreError, back: &mpsc::UnboundedSender<Back>) {
    tracing::error!(%problem, "sends could not be noted and are not begun");
    tokio::time::sleep(STORE_WAIT).await;
    let _ = back.send(Back::NotBegun(messages));
}

/// A send that an earlier run of the host left in flight: while nobody was there, no status could come. The wait for one
/// begins now.
fn known_since_now(mut message: OutboxMessage, now: UnixMs) -> OutboxMessage {
    if let SendState::InFlight { since } = &mut message.state {
        *since = now;
    }
    message
}

/// What a send came to.
struct Sent {
    message: OutboxMessage,
    outcome: Result<SendOutcome, Untold>,
    took: Duration,
}

/// What comes back to the loop.
enum Back {
    Sent(Box<Sent>),
    /// A repetition was noted: the message may go its way again.
    Noted(Box<OutboxMessage>),
    /// Nobody knows whether Meta has it, and time is up: `settled` tells whether a status came.
    Checked {
        message: Box<OutboxMessage>,
        settled: bool,
    },
    /// The player takes no marketing, or none now: it is not sent.
    Unwanted(Box<OutboxMessage>, Unwanted),
    /// The store could not note the begin of these.
    NotBegun(Vec<OutboxMessage>),
}

impl Sender {
    /// Runs until `stop`; then begins nothing more, and returns when what is in flight has its answer noted.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let scopes: HashMap<NumberId, Scopes> = self.numbers.iter().map(|number| (number.id.clone(), Scopes::of(number))).collect();
        let mut lanes = Lanes::new(&self.numbers, self.settle_ms);
        let (back, mut backs) = mpsc::unbounded_channel();
        let (recorder, recording) = record::start(self.outbox.clone(), back.clone());
        let calls = calls::Calls {
            outbox: self.outbox.clone(),
            games: self.games.clone(),
            codes: self.codes.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
        };
        let (calls, calling) = calls::start(calls, stop.clone());
        let news =
            consent::News { outbox: self.outbox.clone(), inbox: self.inbox.clone(), games: self.games.clone(), clock: self.clock.clone() };
        let (news, telling) = consent::start(news, stop.clone());
        let mut in_flight = 0usize;
        loop {
            if stop.is_cancelled() && in_flight == 0 {
                break;
            }
            let now = self.clock.now();
            let mut due_at = None;
            if !stop.is_cancelled() {
                for (number, count) in self.traffic.drain() {
                    lanes.charge(number, count, now);
                }
                due_at = self.dispatch(&mut lanes, &mut in_flight, &back, &recorder, now);
            }
            self.metrics.in_flight(in_flight);
            self.traffic.set_waiting(lanes.len() + in_flight);
            let sleep =
                due_at.map_or(TICK, |due_at: UnixMs| Duration::from_millis(due_at.since_ms(now)).clamp(Duration::from_millis(1), TICK));
            tokio::select! {
                () = stop.cancelled(), if !stop.is_cancelled() => {}
                Some(event) = backs.recv() => {
                    self.take_back(event, &mut lanes, &scopes, &mut in_flight, &recorder);
                    while let Ok(event) = backs.try_recv() {
                        self.take_back(event, &mut lanes, &scopes, &mut in_flight, &recorder);
                    }
                }
                taken = self.outbox.take_messages(TAKE_MAX), if !stop.is_cancelled() => match taken {
                    Ok(messages) => for message in messages {
                        if message.message.content.is_for_backend() {
                            let _ = calls.send(message);
                        } else if consent::is_news(&message.message.content) {
                            let _ = news.send(message);
                        } else {
                            lanes.add(known_since_now(message, now));
                        }
                    },
                    Err(problem) => {
                        tracing::error!(%problem, "the sender cannot ask the store for messages");
                        tokio::time::sleep(STORE_WAIT).await;
                    }
                },
                () = tokio::time::sleep(sleep) => {}
            }
        }
        drop((recorder, back));
        recording.await;
        if let Err(problem) = telling.await {
            tracing::error!(%problem, "what tells a game's other numbers of consent has ended oddly");
        }
        if let Err(problem) = calling.await {
            tracing::error!(%problem, "what calls the studios' backends has ended oddly");
        }
    }

    /// Begins all that may begin now; says when more may.
    fn dispatch(
        self: &Arc<Self>,
        lanes: &mut Lanes,
        in_flight: &mut usize,
        back: &mpsc::UnboundedSender<Back>,
        recorder: &mpsc::UnboundedSender<record::Entry>,
        now: UnixMs,
    ) -> Option<UnixMs> {
        let mut batch = Vec::new();
        let due_at = loop {
            if *in_flight >= self.in_flight_max {
                break None;
            }
            match lanes.next(now) {
                Next::Send(message) => {
                    *in_flight += 1;
                    batch.push(message);
                    if batch.len() == BEGIN_MAX {
                        self.begin(std::mem::take(&mut batch), back.clone());
                    }
                }
                Next::Check(message) => {
                    *in_flight += 1;
                    self.check(message, back.clone());
                }
                Next::Expired(message) => {
                    tracing::info!(outbox = %message.id, "a message was not sent: it is too late for it");
                    let result =
                        SendResult::Dead { reason: "expired".to_owned(), detail: "not sent before its time was over".to_owned(), at: now };
                    let _ = recorder.send(record::Entry::done(SendRecord { id: message.id, result }));
                }
                Next::Unsendable(message) => {
                    tracing::warn!(outbox = %message.id, "a code does not wait for its template, which is paused");
                    let error = StatusError { code: TEMPLATE_PAUSED, detail: "the template is paused".to_owned() };
                    let result = SendResult::Failed { error, attempts: message.attempts, at: now };
                    let _ = recorder.send(record::Entry::done(SendRecord { id: message.id, result }));
                }
                Next::Wait(due_at) => break due_at,
            }
        };
        if !batch.is_empty() {
            self.begin(batch, back.clone());
        }
        due_at
    }

    /// Notes that these sends begin, then sends them side by side. Marketing begins only while the player agrees: that is
    /// asked in the write that notes it, so that a STOP comes before it or after, and never in between.
    fn begin(self: &Arc<Self>, messages: Vec<OutboxMessage>, back: mpsc::UnboundedSender<Back>) {
        let (marketing, messages): (Vec<_>, Vec<_>) = messages.into_iter().partition(|message| message.message.is_marketing());
        if !messages.is_empty() {
            let (sender, back) = (self.clone(), back.clone());
            tokio::spawn(async move {
                match sender.outbox.begin(ids(&messages), sender.clock.now()).await {
                    Ok(begun) => messages.into_iter().for_each(|message| match begun.contains(&message.id) {
                        true => sender.start(message, &back),
                        false => gone(message, &back),
                    }),
                    Err(problem) => not_begun(messages, &problem, &back).await,
                }
            });
        }
        if !marketing.is_empty() {
            let sender = self.clone();
            tokio::spawn(async move {
                match sender.outbox.begin_marketing(ids(&marketing), sender.clock.now()).await {
                    Ok(begun) => marketing.into_iter().zip(begun).for_each(|(message, begun)| match begun {
                        Begun::Yes => sender.start(message, &back),
                        Begun::Gone => gone(message, &back),
                        Begun::Unwanted(unwanted) => {
                            let _ = back.send(Back::Unwanted(Box::new(message), unwanted));
                        }
                    }),
                    Err(problem) => not_begun(marketing, &problem, &back).await,
                }
            });
        }
    }

    /// Sends one that is begun.
    fn start(self: &Arc<Self>, message: OutboxMessage, back: &mpsc::UnboundedSender<Back>) {
        let (sender, back) = (self.clone(), back.clone());
        tokio::spawn(async move {
            let started = Instant::now();
            let outcome = sender.send(&message).await;
            let _ = back.send(Back::Sent(Box::new(Sent { message, outcome, took: started.elapsed() })));
        });
    }

    /// Sends a message once. Credentials are put into words only here, and codes opened, and forgotten at once.
    async fn send(&self, message: &OutboxMessage) -> Result<SendOutcome, Untold> {
        match &message.message.content {
            Content::Credentials(promise) => {
                let text = self.credentials.tell(&message.message.game, message.id.conversation, promise).await?;
                Ok(self.graph.send_secret(message, &text).await)
            }
            Content::Code(promise) => {
                let template = self.codes.tell(message, promise).await?;
                Ok(self.graph.send_secret_template(message, &template).await)
            }
            _ => Ok(self.graph.send(message).await),
        }
    }

    /// Asks whether a status has told meanwhile that Meta has the message.
    fn check(self: &Arc<Self>, message: OutboxMessage, back: mpsc::UnboundedSender<Back>) {
        let sender = self.clone();
        tokio::spawn(async move {
            let settled = loop {
                match sender.outbox.settled(vec![message.id]).await {
                    Ok(settled) => break !settled.is_empty(),
                    Err(problem) => {
                        tracing::error!(%problem, "the store cannot tell what became of a send");
                        tokio::time::sleep(STORE_WAIT).await;
                    }
                }
            };
            let _ = back.send(Back::Checked { message: Box::new(message), settled });
        });
    }

    fn take_back(
        &self,
        event: Back,
        lanes: &mut Lanes,
        scopes: &HashMap<NumberId, Scopes>,
        in_flight: &mut usize,
        recorder: &mpsc::UnboundedSender<record::Entry>,
    ) {
        match event {
            Back::Sent(sent) => {
                *in_flight -= 1;
                self.sent(*sent, lanes, scopes, recorder);
            }
            Back::Noted(message) => lanes.back(*message),
            Back::Checked { message, settled } => {
                *in_flight -= 1;
                if settled {
                    self.metrics.unknown("settled-by-status");
                    lanes.finished(&message);
                } else if message.attempts + 1 >= UNKNOWN_ATTEMPTS_MAX {
                    lanes.finished(&message);
                    let detail = format!("sent {UNKNOWN_ATTEMPTS_MAX} times without an answer or a status");
                    let result = SendResult::Dead { reason: "unknown".to_owned(), detail, at: self.clock.now() };
                    let _ = recorder.send(record::Entry::done(SendRecord { id: message.id, result }));
                } else {
                    tracing::warn!(outbox = %message.id, "a send of unknown outcome is repeated: no status came for it");
                    self.metrics.unknown("repeated");
                    let now = self.clock.now();
                    lanes.back(OutboxMessage { state: SendState::Queued, attempts: message.attempts + 1, due_at: now, ..*message });
                }
            }
            Back::Unwanted(message, unwanted) => {
                *in_flight -= 1;
                lanes.finished(&message);
                self.metrics.marketing_dropped(&message.message.game, unwanted.as_str());
                tracing::info!(outbox = %message.id, reason = unwanted.as_str(), "a marketing message is not sent");
                let (reason, detail) = (unwanted.as_str().to_owned(), unwanted.detail().to_owned());
                let result = SendResult::Dead { reason, detail, at: self.clock.now() };
                let _ = recorder.send(record::Entry::done(SendRecord { id: message.id, result }));
            }
            Back::NotBegun(messages) => {
                *in_flight -= messages.len();
                messages.into_iter().for_each(|message| lanes.back(message));
            }
        }
    }

    fn sent(&self, sent: Sent, lanes: &mut Lanes, scopes: &HashMap<NumberId, Scopes>, recorder: &mpsc::UnboundedSender<record::Entry>) {
        let Sent { message, outcome, took } = sent;
        let now = self.clock.now();
        let attempts = message.attempts + 1;
        let judged = match outcome {
            Ok(outcome) => {
                let judged = judge(&message, outcome, now, crate::clock::random());
                self.metrics.send(judged.name, took.as_secs_f64());
                if let (Content::Code(promise), "accepted") = (&message.message.content, judged.name) {
                    self.metrics.code_send(&message.message.game, Some(&message.message.contact), promise.by.name(), "sent");
                }
                if judged.name == "accepted" {
                    self.metrics.reply(now.since_ms(message.message.committed_at) as f64 / 1e3);
                } else {
                    tracing::warn!(outbox = %message.id, outcome = judged.name, detail = judged.detail, attempts, "Meta did not take a message");
                }
                judged
            }
            Err(untold) => {
                let judged = judge_untold(&message, untold, now, crate::clock::random());
                self.metrics.unsent(judged.name);
                tracing::warn!(outbox = %message.id, outcome = judged.name, detail = judged.detail, attempts, "what was promised could not be sent");
                judged
            }
        };
        if judged.alert {
            tracing::error!(alert = true, outcome = judged.name, detail = judged.detail, "sending needs the operator");
        }
        if let Some(scopes) = scopes.get(&message.message.number) {
            match judged.hold {
                Some((scope, hold)) => {
                    let until = lanes.hold(scopes.key(scope, &message), hold, now);
                    self.metrics.held(scope.as_str());
                    tracing::warn!(scope = scope.as_str(), until_ms = until.0, "sending is held");
                }
                None if judged.name == "accepted" => lanes.accepted(scopes, &message),
                None => {}
            }
        }
        match judged.then {
            Then::Done(result) => {
                lanes.finished(&message);
                let _ = recorder.send(record::Entry::done(SendRecord { id: message.id, result }));
            }
            Then::Again { due_at, attempts } => {
                let again = OutboxMessage { due_at, attempts, state: SendState::Queued, ..message };
                let _ = recorder.send(record::Entry::again(again));
            }
            Then::Unknown => lanes.back(OutboxMessage { state: SendState::InFlight { since: now }, ..message }),
        }
    }
}
