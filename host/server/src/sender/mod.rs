//! Sends what steps committed: in order within a conversation, at the pace of each number, with what Meta refuses held,
//! tried again or reported. Every send is noted before it begins, so that after a crash it is known which messages may
//! have left.

mod back;
mod begin;
mod breakers;
mod calls;
mod consent;
pub(crate) use calls::call;
mod gate;
mod hold;
mod judge;
mod lane;
mod permits;
mod record;
mod take;
mod template;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use questline_core::event::StatusError;
use questline_core::id::NumberId;
use questline_core::outbox::{OutboxMessage, SendState};
use questline_core::permit::breaker::{BreakerRules, BreakerState};
use questline_core::port::{Broadcasts, Clock, Codes, Credentials, Graph, Inbox, Outbox};
use questline_core::send::{SendRecord, SendResult};
use questline_core::time::UnixMs;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::broadcast::Gate;
use crate::clicks::ClickDesk;
use crate::game::Games;
use crate::media::MediaDesk;
use crate::metrics::Metrics;
use crate::sending::SendingDesk;
use crate::sending::alerts::Alert;
use crate::templates::TemplateDesk;
use crate::traffic::Traffic;
use back::Back;
use hold::Scopes;
use lane::{Lanes, Next};
pub use permits::Taken;

/// Messages begun in one write.
const BEGIN_MAX: usize = 64;
/// Wait after the store failed.
const STORE_WAIT: Duration = Duration::from_millis(500);
/// Of the sends in flight, one in so many is kept for critical messages.
const CRITICAL_SHARE: usize = 8;
/// How often it is asked how fast numbers may send.
const PACES_MS: u64 = 250;
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
    /// What is held back of broadcasts.
    pub gate: Arc<Gate>,
    /// Where messages are listed that may have been sent twice.
    pub broadcasts: Arc<dyn Broadcasts>,
    /// What is told of templates that Meta refuses.
    pub templates: Arc<TemplateDesk>,
    /// What makes links whose clicks are counted.
    pub clicks: Arc<ClickDesk>,
    /// What brings files to Meta.
    pub media: Arc<MediaDesk>,
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
    /// What sending goes by.
    pub sending: Arc<SendingDesk>,
    /// Places that messages on their way have taken.
    pub taken: Taken,
    /// How breakers are set up.
    pub breaker: BreakerRules,
    /// Sends in flight.
    pub in_flight_max: usize,
    /// How long a status is waited for before an unknown send is repeated.
    pub settle_ms: u64,
}

/// A send that an earlier run of the host left in flight: while nobody was there, no status could come. The wait for one
/// begins now.
fn known_since_now(mut message: OutboxMessage, now: UnixMs) -> OutboxMessage {
    if let SendState::InFlight { since } = &mut message.state {
        *since = now;
    }
    message
}

impl Sender {
    /// Runs until `stop`; then begins nothing more, and returns when what is in flight has its answer noted.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let scopes: HashMap<NumberId, Scopes> = self.numbers.iter().map(|number| (number.id.clone(), Scopes::of(number))).collect();
        let permits = permits::of_memory(self.sending.clone());
        let mut lanes = Lanes::new(&self.numbers, self.settle_ms).with(Box::new(permits), self.breaker);
        let mut paced_at = UnixMs(0);
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
        let (rooms, mut taken) = take::start(self.outbox.clone(), lanes.room(true).unwrap_or_default(), stop.clone());
        loop {
            if stop.is_cancelled() && in_flight == 0 {
                break;
            }
            let now = self.clock.now();
            let mut due_at = None;
            if !stop.is_cancelled() {
                if now.since_ms(paced_at) >= PACES_MS {
                    paced_at = now;
                    self.set_paces(&mut lanes, now);
                }
                for (number, count) in self.traffic.drain() {
                    lanes.charge(number, count, now);
                }
                due_at = self.dispatch(&mut lanes, &mut in_flight, &back, &recorder, now);
            }
            self.metrics.in_flight(in_flight);
            self.traffic.set_waiting(lanes.talk());
            lanes.out().for_each(|(number, out)| self.traffic.set_out(number, out));
            if let Some(room) = lanes.room(false) {
                rooms.send_replace(room);
            }
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
                Some(messages) = taken.recv(), if !stop.is_cancelled() => {
                    let now = self.clock.now();
                    for message in messages {
                        if message.message.content.is_for_backend() {
                            let _ = calls.send(message);
                        } else if consent::is_news(&message.message.content) {
                            let _ = news.send(message);
                        } else if message.state == SendState::Queued && self.is_held_back(&message, &recorder) {
                            // It is where it has to wait, or gone.
                        } else {
                            lanes.add(known_since_now(message, now), now);
                        }
                    }
                    rooms.send_replace(lanes.room(true).unwrap_or_default());
                }
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

    /// Numbers send as fast as is known now.
    fn set_paces(&self, lanes: &mut Lanes, now: UnixMs) {
        for number in &self.numbers {
            if let Some(per_second) = self.sending.per_second(&number.id, now) {
                lanes.set_pace(&number.id, per_second);
            }
        }
    }

    /// Tells operators of breakers that have changed, and whoever asks of all that stands still.
    fn tell_stops(&self, lanes: &mut Lanes) {
        for change in lanes.breaker_changes() {
            let (scope, to) = (change.scope.as_str(), change.to.as_str());
            self.metrics.sending.breaker(scope, to);
            let detail = match change.to {
                BreakerState::Open => "Meta does not answer, or fails: nothing is sent for a while",
                BreakerState::HalfOpen => "a few messages are sent, to see whether Meta answers again",
                BreakerState::Closed => "Meta answers again: all is sent",
            };
            tracing::warn!(scope, name = change.name, state = to, "a breaker has changed");
            self.sending.alerts().raise(Alert::new("breaker", scope, change.name, detail.to_owned()).state(to));
        }
        if let Some(stops) = lanes.stops() {
            self.sending.set_stops(stops);
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
            let critical_only = *in_flight + self.in_flight_max / CRITICAL_SHARE >= self.in_flight_max;
            match lanes.next(now, critical_only) {
                Next::Send(message) if self.is_held_back(&message, recorder) => lanes.finished(&message),
                Next::Send(mut message) => {
                    if !self.may_go(&mut message, lanes, recorder, now) {
                        continue;
                    }
                    *in_flight += 1;
                    let could_since = message.due_at.max(message.message.committed_at);
                    self.metrics.lanes.waited(message.message.class, now.since_ms(could_since));
                    batch.push(message);
                    if batch.len() == BEGIN_MAX {
                        self.ask_and_begin(std::mem::take(&mut batch), back.clone());
                    }
                }
                Next::Check(message) => {
                    *in_flight += 1;
                    self.check(message, back.clone());
                }
                Next::Expired(message) => {
                    tracing::info!(outbox = %message.id, "a message was not sent: it is too late for it");
                    self.metrics.lanes.expired(message.message.class);
                    self.give_up(&message, "expired", "not sent before its time was over", recorder);
                }
                Next::Park(message, until, reason) => self.park(&message, until, reason, message.attempts, recorder),
                Next::Unsendable(message) => {
                    tracing::warn!(outbox = %message.id, "a code does not wait for its template, which is paused");
                    let error = StatusError { code: template::PAUSED, detail: "the template is paused".to_owned() };
                    let result = SendResult::Failed { error, attempts: message.attempts, at: now };
                    let _ = recorder.send(record::Entry::done(SendRecord { id: message.id, result }));
                }
                Next::Wait(due_at) => break due_at,
            }
        };
        self.tell_stops(lanes);
        if !batch.is_empty() {
            self.ask_and_begin(batch, back.clone());
        }
        due_at
    }
}
