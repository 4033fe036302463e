//! A host in memory with a clock of its own: conversations, inboxes, timers, tickets and the players' phones. Steps are run
//! by the code that runs them in production, and their commits applied here.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use questline_core::commit::{Commit, Resend, Ticket, TimerChange};
use questline_core::contact::Address;
use questline_core::conversation::Conversation;
use questline_core::decide::Measure;
use questline_core::event::{Event, HandedOver, StatusError, StatusEvent, TicketClosed, TimerEvent, Wamid};
use questline_core::id::{ConversationId, InboxSeq, NumberId, OutboxRef, OutboxSeq, PlayerId, TicketNumber};
use questline_core::operation::Operation;
use questline_core::outbox::{Content, NewMessage};
use questline_core::port::{Clock, InboxEntry, Receipt, StoreError};
use questline_core::status::DeliveryState;
use questline_core::time::UnixMs;
use questline_core::verification::Purpose;
use questline_core::verification::book::Status;
use questline_core::verification::code::Code;

use super::cast::Actor;
use super::codes::SceneCodes;
use super::report::StepReport;
use crate::game::LoadedGame;
use crate::metrics::Metrics;
use crate::runner::{NoDevices, Ran, Receipts, Stepped, Stepper};
use crate::verification::CodeWish;

/// Steps of one scene: a flow that wakes itself again and again does not hold up whoever plays it.
const STEPS_MAX: usize = 1_000;
/// What random numbers follow from.
const SEED: u64 = 1;

/// Something that came of a step.
#[derive(Debug, Clone)]
pub(super) enum Happened {
    /// A message reached a phone.
    Said(NewMessage),
    /// Meta would have refused it.
    Refused(NewMessage, String),
    /// A ticket was opened.
    Ticket(Box<Ticket>),
    /// A timer was set, this far ahead.
    Timer(TimerEvent, u64),
    /// The conversation went to another flow.
    HandedOver(String),
    /// The player agreed, or no longer does.
    Consent(bool),
    /// A figure.
    Counted(String),
    /// An event or a message ended as a dead letter.
    Failed { kind: String, detail: String },
}

/// A message on a player's phone.
pub(super) struct Arrived {
    pub(super) wamid: Wamid,
    pub(super) id: OutboxRef,
    pub(super) message: NewMessage,
}

/// One player's conversation.
pub(super) struct Room {
    pub(super) name: String,
    /// None for somebody unknown.
    pub(super) player: Option<PlayerId>,
    pub(super) conversation: Conversation,
    pub(super) arrived: Vec<Arrived>,
    inbox: VecDeque<InboxEntry>,
    last_in: u64,
    last_out: u64,
}

struct Due {
    at: UnixMs,
    room: usize,
    what: DueWhat,
}

enum DueWhat {
    Timer(TimerEvent),
    Resend(Resend),
}

/// The whole of a scene's world.
pub(super) struct Simulation {
    game: LoadedGame,
    stepper: Stepper,
    clock: Arc<SceneClock>,
    receipts: Arc<SceneReceipts>,
    codes: SceneCodes,
    pub(super) rooms: Vec<Room>,
    due: Vec<Due>,
    tickets: Vec<Ticket>,
    happened: Vec<Happened>,
    steps: Vec<StepReport>,
    steps_run: usize,
    /// Where the latest step was.
    pub(super) room: usize,
    /// Who was asked in the latest step.
    pub(super) flow: Option<String>,
}

impl Simulation {
    pub(super) fn new(game: LoadedGame, actors: Vec<Actor>, starts_at: UnixMs, metrics: &Arc<Metrics>) -> Result<Self, String> {
        let clock = Arc::new(SceneClock(AtomicU64::new(starts_at.0)));
        let receipts = Arc::new(SceneReceipts::default());
        let codes = SceneCodes::new(clock.clone(), metrics)?;
        let stepper = Stepper {
            receipts: receipts.clone(),
            react: |code| questline_whatsapp::error_table::react(code, 0),
            clock: clock.clone(),
            metrics: metrics.clone(),
            codes: Some(codes.desk.clone()),
            devices: Arc::new(NoDevices),
            links: None,
            security: None,
            two_factor: None,
            seed: Some(SEED),
        };
        let number = match game.rules.numbers.first() {
            Some(number) => number.clone(),
            None => NumberId::parse("100000000000001").map_err(|problem| problem.to_string())?,
        };
        let room = |(place, actor): (usize, Actor)| {
            let address = Address { game: game.rules.id.clone(), number: number.clone(), contact: actor.contact };
            Room {
                name: actor.name,
                player: actor.id,
                conversation: Conversation::new(ConversationId(place as u64 + 1), address),
                arrived: Vec::new(),
                inbox: VecDeque::new(),
                last_in: 0,
                last_out: 0,
            }
        };
        let rooms = actors.into_iter().enumerate().map(room).collect();
        Ok(Self {
            rooms,
            game,
            stepper,
            clock,
            receipts,
            codes,
            due: Vec::new(),
            tickets: Vec::new(),
            happened: Vec::new(),
            steps: Vec::new(),
            steps_run: 0,
            room: 0,
            flow: None,
        })
    }

    pub(super) fn now(&self) -> UnixMs {
        self.clock.now()
    }

    pub(super) fn game(&self) -> &LoadedGame {
        &self.game
    }

    /// Whose conversation it is.
    pub(super) fn room_of(&self, player: &str) -> Result<usize, String> {
        self.rooms.iter().position(|room| room.name == player).ok_or_else(|| format!("nobody here is called {player}"))
    }

    /// What came of it since this was last asked.
    pub(super) fn take_happened(&mut self) -> (Vec<Happened>, Vec<StepReport>) {
        (std::mem::take(&mut self.happened), std::mem::take(&mut self.steps))
    }

    /// Whether a timer of this name waits in the conversation of the latest step.
    pub(super) fn timers(&self) -> impl Iterator<Item = &TimerEvent> {
        self.due.iter().filter(|due| due.room == self.room).filter_map(|due| match &due.what {
            DueWhat::Timer(timer) => Some(timer),
            DueWhat::Resend(_) => None,
        })
    }

    /// An event comes to a conversation, and all that follows from it at once happens.
    pub(super) async fn hand(&mut self, room: usize, event: Event) -> Result<(), String> {
        self.room = room;
        self.enqueue(room, event);
        self.run(room).await
    }

    fn enqueue(&mut self, room: usize, event: Event) {
        let now = self.clock.now();
        let room = &mut self.rooms[room];
        room.last_in += 1;
        let entry = InboxEntry { seq: InboxSeq(room.last_in), received_at: now, attempts: 0, event: Arc::new(event) };
        room.inbox.push_back(entry);
    }

    async fn run(&mut self, room: usize) -> Result<(), String> {
        while let Some(entry) = self.rooms[room].inbox.front().cloned() {
            self.steps_run += 1;
            if self.steps_run > STEPS_MAX {
                return Err(format!("more than {STEPS_MAX} steps in one scene: does a flow wake itself without end?"));
            }
            let before = self.rooms[room].conversation.clone();
            let stepped = Box::pin(self.stepper.step(&self.game, before, &entry)).await;
            match stepped.map_err(|problem| problem.to_string())? {
                Stepped::Later { attempts, wait_ms, .. } => {
                    self.clock.set(self.clock.now().plus_ms(wait_ms));
                    if let Some(entry) = self.rooms[room].inbox.front_mut() {
                        entry.attempts = attempts;
                    }
                }
                Stepped::Commit { commit, measures, outcome, ran } => {
                    self.rooms[room].inbox.pop_front();
                    self.note(&entry, outcome, ran);
                    self.room = room;
                    let operations = self.commit(room, *commit, measures);
                    self.ask_backend(operations).await;
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, entry: &InboxEntry, outcome: &'static str, ran: Ran) {
        self.flow = ran.flow.map(|flow| flow.to_string());
        self.steps.push(StepReport {
            line: 0,
            event: entry.event.kind(),
            outcome,
            flow: self.flow.clone(),
            fuel: ran.cost.fuel,
            cpu_us: ran.cost.cpu_us,
            host_calls: ran.cost.host_calls,
            memory_peak_bytes: ran.cost.memory_peak_bytes,
        });
    }

    /// Has the studio's backend do what a step asked of it.
    async fn ask_backend(&mut self, operations: Vec<Operation>) {
        for Operation { name, player, request, idempotency_key } in operations {
            let asked = self.game.services.backend.call(&name, player.as_ref(), &request, &idempotency_key).await;
            if let Err(problem) = asked {
                self.happened.push(Happened::Failed { kind: "operation-refused".to_owned(), detail: format!("{name}: {problem}") });
            }
        }
    }

    /// Applies a commit; gives what it asks of the studio's backend.
    fn commit(&mut self, room: usize, commit: Commit, measures: Vec<Measure>) -> Vec<Operation> {
        let now = self.clock.now();
        self.rooms[room].conversation = commit.conversation;
        let mut operations = Vec::new();
        for message in commit.outbox {
            match message.content {
                Content::Operation(operation) => operations.push(operation),
                // There is one number.
                Content::Consent(_) => {}
                _ => self.send(room, message),
            }
        }
        for resend in commit.resend {
            self.due.push(Due { at: resend.due_at, room, what: DueWhat::Resend(resend) });
        }
        for bury in commit.bury {
            self.receipts.forget(bury.id);
            self.happened.push(Happened::Failed { kind: bury.reason, detail: bury.detail });
        }
        for change in commit.timers {
            let (flow, id) = match &change {
                TimerChange::Set { timer, .. } => (&timer.flow, &timer.id),
                TimerChange::Cancel { flow, id } => (flow, id),
            };
            self.due.retain(|due| match &due.what {
                DueWhat::Timer(timer) => due.room != room || timer.flow != *flow || timer.id != *id,
                DueWhat::Resend(_) => true,
            });
            if let TimerChange::Set { due_at, timer } = change {
                self.happened.push(Happened::Timer(timer.clone(), due_at.since_ms(now)));
                self.due.push(Due { at: due_at, room, what: DueWhat::Timer(timer) });
            }
        }
        for ticket in commit.tickets {
            self.happened.push(Happened::Ticket(Box::new(ticket.clone())));
            self.tickets.push(ticket);
        }
        for consent in commit.consents {
            self.happened.push(Happened::Consent(consent.marketing == questline_core::consent::Marketing::Granted));
        }
        for event in commit.follow_ups {
            if let Event::HandedOver(HandedOver { to, .. }) = &event {
                self.happened.push(Happened::HandedOver(to.to_string()));
            }
            self.enqueue(room, event);
        }
        if let Some(letter) = commit.dead_letter {
            self.happened.push(Happened::Failed { kind: letter.reason, detail: letter.detail });
        }
        self.happened.extend(measures.into_iter().map(|measure| Happened::Counted(measure.name)));
        operations
    }

    /// What Meta would refuse is refused; all else is on the phone at once.
    fn send(&mut self, room: usize, message: NewMessage) {
        let problems = match &message.content {
            Content::Template(template) => {
                questline_whatsapp::template::check_values(template).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            }
            Content::Reply { message, .. } => message.check().err().map(|problem| problem.to_string()).unwrap_or_default(),
            Content::Reaction { .. } | Content::Credentials(_) | Content::Code(_) | Content::Operation(_) | Content::Consent(_) => {
                String::new()
            }
        };
        if !problems.is_empty() {
            self.happened.push(Happened::Refused(message, problems));
            return;
        }
        let place = &mut self.rooms[room];
        place.last_out += 1;
        let id = OutboxRef { conversation: place.conversation.id, seq: OutboxSeq(place.last_out) };
        self.arrive(room, id, message);
    }

    fn arrive(&mut self, room: usize, id: OutboxRef, message: NewMessage) {
        let wamid = Wamid(format!("wamid.scene.{id}").into());
        self.happened.push(Happened::Said(message.clone()));
        self.rooms[room].arrived.push(Arrived { wamid, id, message });
    }

    /// Meta says that the latest message to a player did not arrive.
    pub(super) async fn fail_delivery(&mut self, room: usize, code: u32, detail: &str) -> Result<(), String> {
        let now = self.clock.now();
        let Some(last) = self.rooms[room].arrived.pop() else {
            return Err(format!("nothing was sent to {} that could fail", self.rooms[room].name));
        };
        let attempts = self.receipts.attempts(last.id) + 1;
        self.receipts.fail(Receipt {
            id: last.id,
            wamid: Some(last.wamid),
            state: DeliveryState::Failed,
            at: now,
            attempts,
            message: Some(last.message),
        });
        let error = Some(StatusError { code, detail: detail.to_owned() });
        self.hand(room, Event::Status(StatusEvent { message: Some(last.id), state: DeliveryState::Failed, at: now, error })).await
    }

    /// The newest code on a player's phone.
    pub(super) fn code_of(&self, room: usize) -> Result<Code, String> {
        let room = &self.rooms[room];
        self.codes.newest(&room.arrived).map(|(_, code)| code).ok_or_else(|| format!("no code was sent to {}", room.name))
    }

    /// The player enters the newest code in the game, and the studio has it checked.
    pub(super) async fn enter_in_game(&mut self, room: usize) -> Result<(), String> {
        let found = self.codes.newest(&self.rooms[room].arrived).map(|(promise, code)| (promise.id, code));
        let (id, code) = found.ok_or_else(|| format!("no code was sent to {}", self.rooms[room].name))?;
        let checked = self.codes.desk.check(&self.game, id, code).await.map_err(|problem| problem.to_string())?;
        match checked.map(|checked| checked.status) {
            Some(Status::Approved) => self.hand_told(room).await,
            status => Err(format!("the code is not taken: {}", status.map_or("it is forgotten", Status::as_str))),
        }
    }

    /// The studio has a code sent to a player.
    pub(super) async fn send_code(&mut self, room: usize, purpose: Purpose) -> Result<(), String> {
        let Room { player, conversation, .. } = &self.rooms[room];
        let Conversation { game, number, contact, .. } = conversation;
        let to = Address { game: game.clone(), number: number.clone(), contact: contact.clone() };
        let wish = CodeWish { to: Some(to), player: player.clone(), purpose, ip: None, device: None, locale: None, key: None };
        self.codes.desk.start(&self.game, wish).await.map_err(|problem| format!("no code is sent: {problem}"))?;
        self.hand_told(room).await
    }

    async fn hand_told(&mut self, room: usize) -> Result<(), String> {
        for incoming in self.codes.take_told() {
            self.hand(room, incoming.event).await?;
        }
        Ok(())
    }

    /// An agent closes the latest open ticket of a conversation.
    pub(super) async fn close_ticket(&mut self, room: usize, resolution: &str) -> Result<(), String> {
        let conversation = self.rooms[room].conversation.id;
        let open = self.tickets.iter().rposition(|ticket| ticket.conversation == conversation);
        let Some(open) = open else { return Err(format!("{} has no open ticket", self.rooms[room].name)) };
        let number: TicketNumber = self.tickets.remove(open).number;
        self.hand(room, Event::TicketClosed(TicketClosed { number, resolution: resolution.to_owned() })).await
    }

    /// Time passes: what is due happens, each at its own time.
    pub(super) async fn pass(&mut self, ms: u64) -> Result<(), String> {
        let until = self.clock.now().plus_ms(ms);
        while let Some(next) =
            self.due.iter().enumerate().filter(|(_, due)| due.at <= until).min_by_key(|(_, due)| due.at).map(|(at, _)| at)
        {
            let due = self.due.remove(next);
            self.clock.set(self.clock.now().max(due.at));
            match due.what {
                DueWhat::Timer(timer) => self.hand(due.room, Event::Timer(timer)).await?,
                DueWhat::Resend(resend) => {
                    let Some(message) = self.receipts.resend(&resend) else { continue };
                    if message.expires_at.is_some_and(|expires_at| expires_at <= due.at) {
                        let detail = "the service window closed before it could be sent again".to_owned();
                        self.happened.push(Happened::Failed { kind: "expired".to_owned(), detail });
                    } else {
                        self.room = due.room;
                        self.arrive(due.room, resend.id, message);
                    }
                }
            }
        }
        self.clock.set(self.clock.now().max(until));
        Ok(())
    }
}

/// Time as the scene tells it.
struct SceneClock(AtomicU64);

impl SceneClock {
    fn set(&self, now: UnixMs) {
        self.0.store(now.0, Ordering::Relaxed);
    }
}

impl Clock for SceneClock {
    fn now(&self) -> UnixMs {
        UnixMs(self.0.load(Ordering::Relaxed))
    }
}

/// Receipts of messages that failed; all others were delivered, and nobody asks for those.
#[derive(Default)]
struct SceneReceipts(Mutex<HashMap<OutboxRef, Receipt>>);

impl SceneReceipts {
    fn with<T>(&self, work: impl FnOnce(&mut HashMap<OutboxRef, Receipt>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn attempts(&self, id: OutboxRef) -> u32 {
        self.with(|receipts| receipts.get(&id).map_or(0, |receipt| receipt.attempts))
    }

    fn fail(&self, receipt: Receipt) {
        self.with(|receipts| receipts.insert(receipt.id, receipt));
    }

    fn forget(&self, id: OutboxRef) {
        self.with(|receipts| receipts.remove(&id));
    }

    /// The message, which is sent once more; its count of sends stays.
    fn resend(&self, resend: &Resend) -> Option<NewMessage> {
        self.with(|receipts| {
            let receipt = receipts.get_mut(&resend.id)?;
            (receipt.attempts, receipt.state) = (resend.attempts, DeliveryState::Delivered);
            receipt.message.take()
        })
    }
}

#[async_trait]
impl Receipts for SceneReceipts {
    async fn receipt(&self, message: OutboxRef) -> Result<Option<Receipt>, StoreError> {
        Ok(self.with(|receipts| receipts.get(&message).cloned()))
    }
}
