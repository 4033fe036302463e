//! After a crash: all that was answered is there, nothing else is, and nothing is given twice.

use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use questline_core::event::{Event, StatusError};
use questline_core::id::{ConversationId, OutboxRef};
use questline_core::outbox::SendState;
use questline_core::send::SendResult;
use questline_core::status::DeliveryState;

use crate::outbox::accepted;
use crate::support::*;

pub async fn all_that_waits_comes_back<E: Engine>() {
    let mut world = World::<E>::new().await;
    world.append((0..30).map(|n| keyed(&player(n % 3), n))).await;
    // One is taken, one half done, one delayed: a start knows nothing of that but what was committed.
    let first = world.take().await;
    let second = world.take().await;
    let third = world.take().await;
    world.commit(done(&second)).await;
    world.store().release(third.conversation.id, Some(world.now().plus_ms(60_000))).await.unwrap();
    for _ in 0..2 {
        world.restart().await;
        let mut found = HashMap::new();
        for _ in 0..3 {
            let work = world.take().await;
            found.insert(work.conversation.id, seqs(&work));
        }
        let expected = [(&first, 0), (&second, 1), (&third, 0)].map(|(work, done)| (work.conversation.id, seqs(work)[done..].to_vec()));
        assert_eq!(found, HashMap::from(expected));
    }
}

/// A number that was given names one thing for ever: tickets, replies and Meta's webhooks point at it.
pub async fn numbers_are_never_given_twice<E: Engine>() {
    let mut world = World::<E>::new().await;
    let mut events = HashSet::new();
    let mut messages = HashSet::new();
    let mut letters = HashSet::new();
    for _ in 0..4 {
        for _ in 0..3 {
            world.append([incoming(&player(1), "x")]).await;
            let work = world.take().await;
            assert!(events.insert(work.events[0].seq));
            let mut commit = done(&work);
            commit.outbox = vec![reply(&work.conversation, "a", START)];
            let name = world.commit(commit).await.outbox[0];
            assert!(messages.insert(name));
            // Nothing of it is left in the store, so that only the store's own counting can tell.
            world.record(name, SendResult::Dead { reason: "r".into(), detail: String::new(), at: START }).await;
            let letter = world.store().dead_letters(None, None, 9).await.unwrap().remove(0).id;
            assert!(letters.insert(letter));
            assert!(world.store().retry_dead_letter(letter, &questline_core::audit::Actor::Operator, START).await.unwrap());
            let again = world.store().depth().await.unwrap().outbox;
            assert_eq!(again, 1);
            let id = loop {
                let id = world.take_messages(1).await[0].id;
                if id != name {
                    break id;
                }
            };
            assert!(messages.insert(id));
            world.record(id, accepted("wamid.a")).await;
            world.release(&work).await;
        }
        world.restart().await;
    }
}

#[derive(Debug, Clone)]
enum Do {
    Append { player: u64, id: u64 },
    Step { messages: u64, follow_ups: u64 },
    FailTry,
    Send(Outcome),
    Status { which: prop::sample::Index, state: DeliveryState },
    Restart,
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Begun,
    Accepted,
    Again,
    Failed,
    Dead,
}

fn any_step() -> impl Strategy<Value = Do> {
    let outcomes = vec![Outcome::Begun, Outcome::Accepted, Outcome::Again, Outcome::Failed, Outcome::Dead];
    prop_oneof![
        // Meta gives no id twice: players share none.
        6 => (0u64..3, 0u64..40).prop_map(|(player, id)| Do::Append { player, id: 3 * id + player }),
        6 => (0u64..3, 0u64..2).prop_map(|(messages, follow_ups)| Do::Step { messages, follow_ups }),
        1 => Just(Do::FailTry),
        6 => prop::sample::select(outcomes).prop_map(Do::Send),
        3 => (any::<prop::sample::Index>(), prop::sample::select(DeliveryState::ALL.to_vec()))
            .prop_map(|(which, state)| Do::Status { which, state }),
        1 => Just(Do::Restart),
    ]
}

/// What should be in the store, in plain collections.
#[derive(Debug, Default, PartialEq)]
struct Model {
    seen: HashSet<u64>,
    /// What waits in each conversation, with tries.
    inbox: BTreeMap<ConversationId, Vec<(String, u32)>>,
    /// What waits to be sent: text, tries, whether begun.
    outbox: BTreeMap<OutboxRef, (String, u32, bool)>,
    receipts: BTreeMap<OutboxRef, DeliveryState>,
    dead: usize,
    said: u64,
}

fn label(event: &Event) -> String {
    match event {
        Event::Status(status) => format!("failed {}", status.message.unwrap()),
        event => body(event).to_owned(),
    }
}

impl Model {
    fn tell_failed(&mut self, id: OutboxRef) {
        self.inbox.entry(id.conversation).or_default().push((format!("failed {id}"), 0));
    }

    fn status(&mut self, id: OutboxRef, state: DeliveryState) {
        let before = match self.outbox.remove(&id) {
            Some(_) => DeliveryState::Accepted,
            None => self.receipts[&id],
        };
        let after = before.advance(state);
        self.receipts.insert(id, after);
        if after == DeliveryState::Failed && before != DeliveryState::Failed {
            self.tell_failed(id);
        }
    }

    fn send(&mut self, id: OutboxRef, outcome: Outcome) -> Option<SendResult> {
        let (_, attempts, begun) = self.outbox.get_mut(&id)?;
        match outcome {
            Outcome::Begun => {
                *begun = true;
                None
            }
            Outcome::Again => {
                *attempts += 1;
                *begun = false;
                Some(SendResult::Again { attempts: *attempts, due_at: START })
            }
            Outcome::Accepted => {
                self.outbox.remove(&id);
                self.receipts.insert(id, DeliveryState::Accepted);
                Some(accepted(&format!("wamid.{id}")))
            }
            Outcome::Failed => {
                let attempts = *attempts + 1;
                self.outbox.remove(&id);
                self.receipts.insert(id, DeliveryState::Failed);
                self.tell_failed(id);
                Some(SendResult::Failed { error: StatusError { code: 1, detail: String::new() }, attempts, at: START })
            }
            Outcome::Dead => {
                self.outbox.remove(&id);
                self.dead += 1;
                Some(SendResult::Dead { reason: "r".into(), detail: String::new(), at: START })
            }
        }
    }
}

async fn play<E: Engine>(steps: Vec<Do>) -> Result<(), TestCaseError> {
    let mut world = World::<E>::new().await;
    let mut model = Model::default();
    for step in steps {
        match step {
            Do::Append { player: n, id } => {
                world.append([keyed(&player(n), id)]).await;
                if model.seen.insert(id) {
                    let conversation = take_of(&world, n).await;
                    model.inbox.entry(conversation).or_default().push((id.to_string(), 0));
                }
            }
            Do::Step { messages, follow_ups } if model.inbox.values().any(|events| !events.is_empty()) => {
                let work = world.take().await;
                let mut commit = done(&work);
                let text = |model: &mut Model| {
                    model.said += 1;
                    format!("said {}", model.said)
                };
                let texts = (0..messages).map(|_| text(&mut model)).collect::<Vec<_>>();
                let follow = (0..follow_ups).map(|_| text(&mut model)).collect::<Vec<_>>();
                commit.outbox = texts.iter().map(|text| reply(&work.conversation, text, START)).collect();
                commit.follow_ups = follow.iter().map(|text| Event::Message(text_message("wamid.f", text))).collect();
                let committed = world.commit(commit).await;
                world.release(&work).await;
                let events = model.inbox.get_mut(&work.conversation.id).unwrap();
                prop_assert_eq!(label(&work.events[0].event), events.remove(0).0);
                events.extend(follow.into_iter().map(|text| (text, 0)));
                model.outbox.extend(committed.outbox.into_iter().zip(texts).map(|(id, text)| (id, (text, 0, false))));
            }
            Do::FailTry if model.inbox.values().any(|events| !events.is_empty()) => {
                let work = world.take().await;
                let attempts = work.events[0].attempts + 1;
                world.store().count_attempt(work.conversation.id, work.events[0].seq, attempts).await.unwrap();
                world.release(&work).await;
                model.inbox.get_mut(&work.conversation.id).unwrap()[0].1 = attempts;
            }
            Do::Send(outcome) => {
                let Some(id) = model.outbox.keys().next().copied() else { continue };
                if matches!(outcome, Outcome::Begun) {
                    world.store().begin(vec![id], START).await.unwrap();
                }
                if let Some(result) = model.send(id, outcome) {
                    world.record(id, result).await;
                }
            }
            Do::Status { which, state } => {
                let begun = model.outbox.iter().filter(|(_, (_, _, begun))| *begun).map(|(id, _)| *id);
                let known = begun.chain(model.receipts.keys().copied()).collect::<Vec<_>>();
                if known.is_empty() {
                    continue;
                }
                let id = known[which.index(known.len())];
                world.status(Some(id), &format!("wamid.{id}"), state).await;
                model.status(id, state);
            }
            Do::Restart => world.restart().await,
            Do::Step { .. } | Do::FailTry => {}
        }
        let depth = world.store().depth().await.unwrap();
        prop_assert_eq!(depth.inbox as usize, model.inbox.values().map(Vec::len).sum::<usize>());
        prop_assert_eq!((depth.outbox as usize, depth.dead_letters as usize), (model.outbox.len(), model.dead));
    }
    world.restart().await;
    compare(&world, model).await
}

/// The conversation of a player, found without leaving a trace.
async fn take_of<E: Engine>(world: &World<E>, n: u64) -> ConversationId {
    let mut taken = Vec::new();
    let found = loop {
        let work = world.take().await;
        let found = work.conversation.contact == player(n).contact;
        taken.push(work);
        if found {
            break taken[taken.len() - 1].conversation.id;
        }
    };
    for work in &taken {
        world.release(work).await;
    }
    found
}

async fn compare<E: Engine>(world: &World<E>, mut model: Model) -> Result<(), TestCaseError> {
    model.inbox.retain(|_, events| !events.is_empty());
    let mut inbox = BTreeMap::new();
    for _ in 0..model.inbox.len() {
        let work = world.take().await;
        let events = work.events.iter().map(|entry| (label(&entry.event), entry.attempts)).collect::<Vec<_>>();
        inbox.insert(work.conversation.id, events);
    }
    prop_assert_eq!(inbox, model.inbox);
    prop_assert_eq!(world.ready_now().await, []);
    let messages = world.take_messages(model.outbox.len()).await;
    let last = messages.iter().map(|message| (message.id.conversation, message.id.seq)).fold(HashMap::new(), |mut last, (of, seq)| {
        assert!(last.insert(of, seq).is_none_or(|before| before < seq), "in order within a conversation");
        last
    });
    drop(last);
    let outbox = messages.iter().map(|message| {
        (message.id, (sent_body(message).to_owned(), message.attempts, matches!(message.state, SendState::InFlight { .. })))
    });
    prop_assert_eq!(outbox.collect::<BTreeMap<_, _>>(), model.outbox);
    for (id, state) in model.receipts {
        prop_assert_eq!(world.state_of(id).await, Some(state));
    }
    Ok(())
}

pub async fn any_history_ends_as_a_model_says<E: Engine>() {
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let handle = tokio::runtime::Handle::current();
    let run = move || runner.run(&prop::collection::vec(any_step(), 0..60), |steps| handle.block_on(play::<E>(steps)));
    tokio::task::spawn_blocking(run).await.unwrap().unwrap();
}
