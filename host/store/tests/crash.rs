//! The embedded engine is killed at random points, and opened again: all that it had answered is there, each once.
//!
//! The store runs in a process of its own, this test's own program, which says on its standard output what was answered.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use questline_core::commit::Commit;
use questline_core::contact::{Address, Contact, PhoneNumber};
use questline_core::event::{Event, Inbound, Message, Wamid};
use questline_core::id::{ConversationId, GameId, NumberId, OutboxRef, OutboxSeq};
use questline_core::message::Outbound;
use questline_core::outbox::{Content, MessageClass, NewMessage, SendState};
use questline_core::port::{Batch, Clock, Conversations, DedupKey, Desk, Inbox, Incoming, Outbox};
use questline_core::send::{SendRecord, SendResult};
use questline_core::time::UnixMs;
use questline_store::embedded::{EmbeddedOptions, EmbeddedStore};

const DIR: &str = "QUESTLINE_CRASH_DIR";
const FROM: &str = "QUESTLINE_CRASH_FROM";
const ROUNDS: u64 = 15;

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMs {
        UnixMs(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64)
    }
}

fn open(dir: &Path) -> EmbeddedStore {
    let mut options = EmbeddedOptions::new(dir, Arc::new(SystemClock));
    // Of forty contacts: some are moved to their table while others come.
    options.names_waiting_max = 8;
    EmbeddedStore::open(options).unwrap()
}

fn incoming(id: u64) -> Incoming {
    let contact = Contact::new(PhoneNumber::parse(&format!("1555{:05}", id % 40)).ok(), None).unwrap();
    let message = Message {
        wamid: Wamid(format!("wamid.{id}").into()),
        sent_at: UnixMs(1),
        content: Inbound::Text(id.to_string()),
        reply_to: None,
        forwarded: false,
        referral: None,
        profile_name: None,
        identity_key_hash: None,
    };
    Incoming {
        address: Address { game: GameId::parse("starfall").unwrap(), number: NumberId::parse("100").unwrap(), contact },
        dedup: Some(DedupKey { sent_s: 1, digest: id.into() }),
        event: Event::Message(message),
    }
}

fn event_id(event: &Event) -> u64 {
    match event {
        Event::Message(Message { content: Inbound::Text(text), .. }) => text.parse().unwrap(),
        other => panic!("{}", other.kind()),
    }
}

fn message_id(message: &NewMessage) -> u64 {
    match &message.content {
        Content::Reply { message: Outbound::Text { body, .. }, .. } => body.parse().unwrap(),
        other => panic!("{}", other.kind()),
    }
}

/// Says what was answered: one write, so that a kill leaves whole lines.
fn say(what: &str) {
    std::io::stdout().write_all(format!("@{what}\n").as_bytes()).unwrap();
}

/// The process that is killed.
#[test]
#[ignore = "runs only as a child of the test below"]
fn child() {
    let dir = std::env::var(DIR).unwrap();
    let from = std::env::var(FROM).unwrap().parse::<u64>().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = Arc::new(open(Path::new(&dir)));
    runtime.block_on(async {
        let next = Arc::new(std::sync::atomic::AtomicU64::new(from));
        for _ in 0..4 {
            let (store, next) = (store.clone(), next.clone());
            tokio::spawn(async move {
                loop {
                    let id = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    say(&format!("try {id}"));
                    let batch = Batch { events: vec![incoming(id)], received_at: UnixMs(1), ..Batch::default() };
                    store.append(batch).await.unwrap();
                    say(&format!("event {id}"));
                }
            });
        }
        for _ in 0..4 {
            let store = store.clone();
            tokio::spawn(async move {
                loop {
                    let ready = store.take(1).await.unwrap().remove(0);
                    let work = store.load(ready.conversation, 1).await.unwrap();
                    let id = event_id(&work.events[0].event);
                    let message = NewMessage {
                        game: work.conversation.game.clone(),
                        number: work.conversation.number.clone(),
                        contact: work.conversation.contact.clone(),
                        class: MessageClass::Normal,
                        content: Content::Reply { message: Outbound::Text { body: id.to_string(), preview: false }, reply_to: None },
                        committed_at: UnixMs(1),
                        expires_at: None,
                        campaign: None,
                        known: None,
                    };
                    let mut commit = Commit::of(work.conversation, work.events[0].seq);
                    commit.outbox.push(message);
                    let name = store.commit(commit).await.unwrap().outbox[0];
                    say(&format!("step {id} {} {}", name.conversation, name.seq));
                    store.release(ready.conversation, None).await.unwrap();
                }
            });
        }
        for _ in 0..3 {
            let store = store.clone();
            tokio::spawn(async move {
                loop {
                    for message in store.take_messages(3).await.unwrap() {
                        let (id, name) = (message_id(&message.message), message.id);
                        // Every fourth stays in flight.
                        store.begin(vec![name], UnixMs(2)).await.unwrap();
                        say(&format!("begun {id}"));
                        if id % 4 == 0 {
                            continue;
                        }
                        let result = SendResult::Accepted { wamid: Wamid(format!("wamid.out.{id}").into()), at: UnixMs(3) };
                        say(&format!("recording {id}"));
                        store.record(vec![SendRecord { id: name, result }]).await.unwrap();
                        say(&format!("accepted {id}"));
                    }
                }
            });
        }
        std::future::pending::<()>().await;
    });
}

/// What the killed processes said, all together.
#[derive(Default)]
struct Said {
    tried: HashSet<u64>,
    events: HashSet<u64>,
    steps: HashMap<u64, OutboxRef>,
    names: HashSet<OutboxSeq>,
    begun: HashSet<u64>,
    recording: HashSet<u64>,
    accepted: HashSet<u64>,
}

impl Said {
    fn hear(&mut self, line: &str) {
        // The test harness of the child says things too.
        let Some(line) = line.split('@').nth(1) else { return };
        let words = line.split(' ').collect::<Vec<_>>();
        let id = words[1].parse::<u64>().unwrap();
        match words[0] {
            "try" => assert!(self.tried.insert(id)),
            "event" => assert!(self.events.insert(id)),
            "step" => {
                let name = OutboxRef { conversation: ConversationId(words[2].parse().unwrap()), seq: OutboxSeq(words[3].parse().unwrap()) };
                assert!(self.steps.insert(id, name).is_none(), "a step was done twice");
                assert!(self.names.insert(name.seq), "a name was given twice");
            }
            "begun" => {
                self.begun.insert(id);
            }
            "recording" => {
                self.recording.insert(id);
            }
            "accepted" => assert!(self.accepted.insert(id), "a message was accepted twice"),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn nothing_is_lost_or_doubled_by_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut said = Said::default();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..ROUNDS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        kill_after(dir.path(), 1 + (random >> 33) % 2_500, &mut said);
        check(dir.path(), &mut said);
    }
    assert!(said.accepted.len() > 100 && said.events.len() > 500, "too little happened: {} events", said.events.len());
}

/// Starts the process, hears so many lines, kills it, and hears what it had said before.
fn kill_after(dir: &Path, lines: u64, said: &mut Said) {
    let from = said.tried.iter().max().map_or(0, |last| last + 1);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .env(FROM, from.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in output.by_ref().take(lines as usize) {
        said.hear(&line.unwrap());
    }
    child.kill().unwrap();
    for line in output {
        said.hear(&line.unwrap());
    }
    child.wait().unwrap();
}

fn check(dir: &Path, said: &mut Said) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = open(dir);
    runtime.block_on(async {
        let depth = store.depth().await.unwrap();
        let mut waiting = HashSet::new();
        while (waiting.len() as u64) < depth.inbox {
            for ready in store.take(1_000).await.unwrap() {
                for entry in store.load(ready.conversation, 100_000).await.unwrap().events {
                    assert!(waiting.insert(event_id(&entry.event)), "an event is there twice");
                }
            }
        }
        let mut outbox = HashMap::new();
        while (outbox.len() as u64) < depth.outbox {
            for message in store.take_messages(1_000).await.unwrap() {
                let id = message_id(&message.message);
                assert!(outbox.insert(id, message.state).is_none(), "a message is there twice");
                // A step that was done and not answered: its message tells.
                let name = *said.steps.entry(id).or_insert(message.id);
                assert_eq!(name, message.id, "a step was done twice");
            }
        }
        let mut receipts = HashSet::new();
        for (id, name) in &said.steps {
            if store.receipt(*name).await.unwrap().is_some() {
                receipts.insert(*id);
            }
        }
        for id in &said.tried {
            let places = [waiting.contains(id), outbox.contains_key(id), receipts.contains(id)].into_iter().filter(|there| *there).count();
            assert!(places <= 1, "event {id} is in {places} places");
            assert!(places == 1 || !said.events.contains(id), "event {id} was answered and is lost");
            assert!(!(waiting.contains(id) && said.steps.contains_key(id)), "the step of {id} was answered and is lost");
        }
        for id in &receipts {
            assert!(said.recording.contains(id), "{id} was never sent");
        }
        for id in &said.accepted {
            assert!(receipts.contains(id), "{id} was accepted, and it is forgotten");
        }
        for (id, state) in &outbox {
            if said.begun.contains(id) {
                assert!(matches!(state, SendState::InFlight { .. }), "{id} may have reached Meta, and it is forgotten");
            }
        }
    });
}
