//! What the page shows, kept for pages that open later, and told to those that are open.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::NewPerson;

/// Messages and steps kept of each player.
const MESSAGES_MAX: usize = 300;
const STEPS_MAX: usize = 200;
/// News that a slow page may be behind; then it is told everything anew.
const NEWS_MAX: usize = 1_024;

/// Everything, and who listens.
pub(super) struct Journal {
    kept: Mutex<Kept>,
    news: broadcast::Sender<Arc<str>>,
}

#[derive(Default)]
struct Kept {
    game: Value,
    build: Value,
    tickets: Value,
    clock: Value,
    players: Vec<Record>,
}

struct Record {
    phone: String,
    player: Value,
    messages: VecDeque<Value>,
    steps: VecDeque<Value>,
    /// By flow and id.
    timers: BTreeMap<(String, String), Value>,
}

impl Journal {
    pub(super) fn new() -> Self {
        Self { kept: Mutex::default(), news: broadcast::Sender::new(NEWS_MAX) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that is kept, as the first news of a page, and all news from then on.
    pub(super) fn listen(&self) -> (Arc<str>, broadcast::Receiver<Arc<str>>) {
        // The lock is held by whoever tells, so nothing falls between.
        let kept = self.kept();
        let news = self.news.subscribe();
        let players: Vec<Value> = kept.players.iter().map(Record::all).collect();
        let all = json!({
            "kind": "hello", "game": kept.game, "build": kept.build, "tickets": kept.tickets, "clock": kept.clock, "players": players,
        });
        (all.to_string().into(), news)
    }

    fn tell(&self, news: &Value) {
        // Nobody may be listening.
        let _ = self.news.send(news.to_string().into());
    }

    pub(super) fn game(&self, game: Value) {
        let mut kept = self.kept();
        self.tell(&json!({ "kind": "game", "game": game }));
        kept.game = game;
    }

    /// The sample's players, as they join.
    pub(super) fn samples(&self) -> Vec<NewPerson> {
        let samples = self.kept().game["samples"].clone();
        let joining = |mut sample: Value| {
            sample["linked"] = true.into();
            serde_json::from_value(sample).ok()
        };
        samples.as_array().into_iter().flatten().cloned().filter_map(joining).collect()
    }

    pub(super) fn build(&self, build: Value) {
        let mut kept = self.kept();
        self.tell(&json!({ "kind": "build", "build": build }));
        kept.build = build;
    }

    pub(super) fn tickets(&self, tickets: Value) {
        let mut kept = self.kept();
        self.tell(&json!({ "kind": "tickets", "tickets": tickets }));
        kept.tickets = tickets;
    }

    pub(super) fn clock(&self, clock: Value) {
        let mut kept = self.kept();
        self.tell(&json!({ "kind": "clock", "clock": clock }));
        kept.clock = clock;
    }

    /// A player as they are now; a new one comes last.
    pub(super) fn player(&self, phone: &str, player: Value) {
        let mut kept = self.kept();
        match kept.players.iter_mut().find(|record| record.phone == phone) {
            Some(record) if record.player == player => return,
            Some(record) => record.player = player,
            None => kept.players.push(Record::new(phone, player)),
        }
        if let Some(record) = kept.players.iter().find(|record| record.phone == phone) {
            self.tell(&json!({ "kind": "player", "phone": phone, "player": record.player }));
        }
    }

    /// The player leaves the page.
    pub(super) fn gone(&self, phone: &str) {
        let mut kept = self.kept();
        kept.players.retain(|record| record.phone != phone);
        self.tell(&json!({ "kind": "gone", "phone": phone }));
    }

    /// A message as it is now, told by its `id`.
    pub(super) fn message(&self, phone: &str, message: Value) {
        let mut kept = self.kept();
        let Some(record) = kept.players.iter_mut().find(|record| record.phone == phone) else { return };
        match record.messages.iter_mut().find(|known| known["id"] == message["id"]) {
            Some(known) if *known == message => return,
            Some(known) => known.clone_from(&message),
            None => push(&mut record.messages, message.clone(), MESSAGES_MAX),
        }
        self.tell(&json!({ "kind": "message", "phone": phone, "message": message }));
    }

    /// Changes a message that is there.
    pub(super) fn change_message(&self, phone: &str, id: &str, change: impl FnOnce(&mut Value)) {
        let mut kept = self.kept();
        let record = kept.players.iter_mut().find(|record| record.phone == phone);
        let Some(message) = record.and_then(|record| record.messages.iter_mut().find(|known| known["id"] == id)) else { return };
        let before = message.clone();
        change(message);
        if *message != before {
            self.tell(&json!({ "kind": "message", "phone": phone, "message": message }));
        }
    }

    /// What a message says of itself under a key.
    pub(super) fn message_field(&self, phone: &str, id: &str, key: &str) -> Option<Value> {
        let kept = self.kept();
        let record = kept.players.iter().find(|record| record.phone == phone)?;
        record.messages.iter().find(|known| known["id"] == id).map(|message| message[key].clone())
    }

    pub(super) fn step(&self, phone: &str, step: Value) {
        let mut kept = self.kept();
        let Some(record) = kept.players.iter_mut().find(|record| record.phone == phone) else { return };
        self.tell(&json!({ "kind": "step", "phone": phone, "step": step }));
        push(&mut record.steps, step, STEPS_MAX);
    }

    /// Sets a timer, or takes it away.
    pub(super) fn timer(&self, phone: &str, flow: &str, id: &str, timer: Option<Value>) {
        let mut kept = self.kept();
        let Some(record) = kept.players.iter_mut().find(|record| record.phone == phone) else { return };
        let key = (flow.to_owned(), id.to_owned());
        match timer {
            Some(timer) => drop(record.timers.insert(key, timer)),
            None => drop(record.timers.remove(&key)),
        }
        self.tell(&json!({ "kind": "timers", "phone": phone, "timers": record.timers.values().collect::<Vec<_>>() }));
    }
}

impl Record {
    fn new(phone: &str, player: Value) -> Self {
        Self { phone: phone.to_owned(), player, messages: VecDeque::new(), steps: VecDeque::new(), timers: BTreeMap::new() }
    }

    fn all(&self) -> Value {
        json!({
            "phone": self.phone, "player": self.player, "messages": self.messages, "steps": self.steps,
            "timers": self.timers.values().collect::<Vec<_>>(),
        })
    }
}

fn push(list: &mut VecDeque<Value>, value: Value, max: usize) {
    if list.len() >= max {
        list.pop_front();
    }
    list.push_back(value);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn who_listens_later_gets_all_and_who_listens_gets_changes_once() {
        let journal = Journal::new();
        journal.player("1", json!({ "name": "Ada" }));
        journal.message("1", json!({ "id": "m", "text": "hi" }));
        let (hello, mut news) = journal.listen();
        let hello: Value = serde_json::from_str(&hello).unwrap();
        assert_eq!(hello["players"][0]["messages"][0]["text"], "hi");
        journal.message("1", json!({ "id": "m", "text": "hi" }));
        journal.player("1", json!({ "name": "Ada" }));
        journal.change_message("1", "m", |message| message["text"] = "changed".into());
        assert!(news.try_recv().unwrap().contains("changed"), "what did not change is not told");
        assert!(news.try_recv().is_err());
        (0..MESSAGES_MAX).for_each(|n| journal.message("1", json!({ "id": n })));
        let hello: Value = serde_json::from_str(&journal.listen().0).unwrap();
        assert_eq!(hello["players"][0]["messages"].as_array().unwrap().len(), MESSAGES_MAX);
    }
}
