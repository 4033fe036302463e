//! Which conversations have something to do: one per turn of a game, none twice at once, none before its time.
//!
//! Both engines keep this index in memory and rebuild it at start. It holds names only, never events, so it is as small
//! as the number of conversations that wait. [`ReadyIndex`] is the pure state; [`ReadyQueue`] adds the waiting.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use questline_core::id::{ConversationId, GameId};
use questline_core::port::{Clock, Ready};
use questline_core::time::UnixMs;
use tokio::sync::Notify;

/// The longest that a taker sleeps before it looks at the clock again: wall clocks are set back and forth.
const LOOK_AGAIN_MS: u64 = 1_000;

/// Where a conversation stands. One that is not in the index has nothing to do and is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In its game's lane.
    Queued,
    /// Taken. `again`: something came meanwhile.
    Held { again: bool },
    /// Given back, not before that time.
    Delayed { until: UnixMs },
}

/// A game's conversations that wait, oldest first.
#[derive(Debug)]
struct Lane {
    game: GameId,
    queue: VecDeque<ConversationId>,
}

/// The state, pure: time is a value it is given. Lanes are never removed: there are as many as games.
#[derive(Debug, Default)]
pub struct ReadyIndex {
    places: HashMap<ConversationId, (u32, Place)>,
    lanes: Vec<Lane>,
    lane_of: HashMap<GameId, u32>,
    /// Lanes that have something, each once; the first one's turn is next.
    turns: VecDeque<u32>,
    /// May hold entries that are no longer true: `places` tells.
    delayed: BinaryHeap<Reverse<(UnixMs, ConversationId)>>,
}

impl ReadyIndex {
    /// Something waits in this conversation. Queues it, unless it is queued, taken or delayed already: what arrives in
    /// a delayed conversation waits behind what was delayed. In a taken one it is remembered until the release.
    pub fn mark(&mut self, conversation: ConversationId, game: &GameId) {
        let lane = match self.places.get_mut(&conversation) {
            Some((_, Place::Held { again })) => {
                *again = true;
                return;
            }
            Some(_) => return,
            None => self.lane(game),
        };
        self.queue(conversation, lane);
    }

    /// Whether it is taken.
    pub fn is_held(&self, conversation: ConversationId) -> bool {
        matches!(self.places.get(&conversation), Some((_, Place::Held { .. })))
    }

    /// Gives a taken one back. `more`: events are left in it, as far as the caller knows; also true when
    /// [`mark`](Self::mark) came since it was taken. One that is not taken stays as it is.
    pub fn release(&mut self, conversation: ConversationId, more: bool, not_before: Option<UnixMs>, now: UnixMs) {
        let Some((lane, place @ Place::Held { .. })) = self.places.get_mut(&conversation) else { return };
        let lane = *lane;
        if !more && *place == (Place::Held { again: false }) {
            self.places.remove(&conversation);
            return;
        }
        match not_before {
            Some(until) if until > now => {
                *place = Place::Delayed { until };
                self.delayed.push(Reverse((until, conversation)));
            }
            _ => self.queue(conversation, lane),
        }
    }

    /// Takes up to `limit`, a game a turn. They are held until [`release`](Self::release).
    pub fn take(&mut self, now: UnixMs, limit: usize) -> Vec<Ready> {
        self.wake_due(now);
        let mut taken = Vec::with_capacity(limit.min(self.turns.len().max(16)));
        while taken.len() < limit {
            let Some(turn) = self.turns.pop_front() else { break };
            let Some(lane) = self.lanes.get_mut(turn as usize) else { continue };
            while let Some(conversation) = lane.queue.pop_front() {
                let Some((_, place @ Place::Queued)) = self.places.get_mut(&conversation) else { continue };
                *place = Place::Held { again: false };
                taken.push(Ready { conversation, game: lane.game.clone() });
                break;
            }
            if !lane.queue.is_empty() {
                self.turns.push_back(turn);
            }
        }
        taken
    }

    /// Whether [`take`](Self::take) would find something without the clock moving on.
    pub fn has_ready(&self) -> bool {
        !self.turns.is_empty()
    }

    /// When the next delayed one is due.
    pub fn next_due(&mut self) -> Option<UnixMs> {
        while let Some(&Reverse((until, conversation))) = self.delayed.peek() {
            if matches!(self.places.get(&conversation), Some((_, Place::Delayed { until: due })) if *due == until) {
                return Some(until);
            }
            self.delayed.pop();
        }
        None
    }

    /// Keeps only what `keep` says, taken ones included: the rest is some other node's now.
    pub fn retain(&mut self, mut keep: impl FnMut(ConversationId) -> bool) {
        self.places.retain(|conversation, _| keep(*conversation));
        for lane in &mut self.lanes {
            lane.queue.retain(|conversation| self.places.contains_key(conversation));
        }
        self.turns.retain(|turn| self.lanes.get(*turn as usize).is_some_and(|lane| !lane.queue.is_empty()));
    }

    /// Conversations in the index: queued, delayed and taken.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nothing waits and nothing is taken.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn lane(&mut self, game: &GameId) -> u32 {
        if let Some(lane) = self.lane_of.get(game) {
            return *lane;
        }
        let lane = self.lanes.len() as u32;
        self.lanes.push(Lane { game: game.clone(), queue: VecDeque::new() });
        self.lane_of.insert(game.clone(), lane);
        lane
    }

    fn queue(&mut self, conversation: ConversationId, lane: u32) {
        match self.places.entry(conversation) {
            Entry::Occupied(mut entry) => entry.get_mut().1 = Place::Queued,
            Entry::Vacant(entry) => {
                entry.insert((lane, Place::Queued));
            }
        }
        if let Some(found) = self.lanes.get_mut(lane as usize) {
            if found.queue.is_empty() {
                self.turns.push_back(lane);
            }
            found.queue.push_back(conversation);
        }
    }

    fn wake_due(&mut self, now: UnixMs) {
        while let Some(due) = self.next_due().filter(|due| *due <= now) {
            let Some(Reverse((_, conversation))) = self.delayed.pop() else { return };
            if let Some((lane, Place::Delayed { until })) = self.places.get(&conversation).copied()
                && until == due
            {
                self.queue(conversation, lane);
            }
        }
    }
}

/// The index with takers that wait for it.
pub struct ReadyQueue {
    index: Mutex<ReadyIndex>,
    bell: Notify,
    clock: Arc<dyn Clock>,
}

impl ReadyQueue {
    /// An empty queue.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { index: Mutex::default(), bell: Notify::new(), clock }
    }

    /// Changes the index and wakes one taker if there is something for it: one lock and at most one wake for any number
    /// of changes, so a group of commits is one call.
    pub fn change<T>(&self, change: impl FnOnce(&mut ReadyIndex) -> T) -> T {
        let mut index = self.lock();
        let due_before = index.next_due();
        let result = change(&mut index);
        let due_now = index.next_due();
        let earlier = due_now.is_some_and(|due| due_before.is_none_or(|before| due < before));
        let ring = earlier || index.has_ready();
        drop(index);
        if ring {
            self.bell.notify_one();
        }
        result
    }

    /// Gives a taken conversation back; see [`ReadyIndex::release`].
    pub fn release(&self, conversation: ConversationId, more: bool, not_before: Option<UnixMs>) {
        let now = self.clock.now();
        self.change(|index| index.release(conversation, more, not_before, now));
    }

    /// Waits until there is something, and takes up to `limit` of it. Nothing is lost when the future is dropped.
    pub async fn take(&self, limit: usize) -> Vec<Ready> {
        loop {
            let rung = self.bell.notified();
            let due = {
                let mut index = self.lock();
                let taken = index.take(self.clock.now(), limit);
                if !taken.is_empty() || limit == 0 {
                    let rest = index.has_ready() || index.next_due().is_some();
                    drop(index);
                    if rest {
                        self.bell.notify_one();
                    }
                    return taken;
                }
                index.next_due()
            };
            match due {
                None => rung.await,
                Some(due) => {
                    let wait_ms = due.since_ms(self.clock.now()).clamp(1, LOOK_AGAIN_MS);
                    // Either way the index is looked at again.
                    let _ = tokio::time::timeout(Duration::from_millis(wait_ms), rung).await;
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, ReadyIndex> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn game(name: &str) -> GameId {
        GameId::parse(name).unwrap()
    }

    fn names(taken: &[Ready]) -> Vec<u64> {
        taken.iter().map(|ready| ready.conversation.0).collect()
    }

    const NOW: UnixMs = UnixMs(1_000);

    #[test]
    fn games_take_turns() {
        let mut index = ReadyIndex::default();
        for n in 0..100 {
            index.mark(ConversationId(n), &game("flood"));
        }
        index.mark(ConversationId(200), &game("calm"));
        assert_eq!(names(&index.take(NOW, 4)), [0, 200, 1, 2]);
    }

    #[test]
    fn a_taken_one_is_not_handed_out_again_before_its_release() {
        let mut index = ReadyIndex::default();
        index.mark(ConversationId(1), &game("a"));
        assert_eq!(names(&index.take(NOW, 9)), [1]);
        index.mark(ConversationId(1), &game("a"));
        assert!(index.take(NOW, 9).is_empty());
        index.release(ConversationId(1), false, None, NOW);
        assert_eq!(names(&index.take(NOW, 9)), [1], "what came meanwhile is not forgotten");
        index.release(ConversationId(1), false, None, NOW);
        assert!(index.is_empty());
    }

    #[test]
    fn a_delayed_one_waits_whatever_arrives() {
        let mut index = ReadyIndex::default();
        index.mark(ConversationId(1), &game("a"));
        index.take(NOW, 1);
        index.release(ConversationId(1), true, Some(NOW.plus_ms(10)), NOW);
        index.mark(ConversationId(1), &game("a"));
        assert!(index.take(NOW.plus_ms(9), 1).is_empty());
        assert_eq!(index.next_due(), Some(NOW.plus_ms(10)));
        assert_eq!(names(&index.take(NOW.plus_ms(10), 1)), [1]);
    }

    #[test]
    fn what_is_not_kept_is_gone() {
        let mut index = ReadyIndex::default();
        for n in 1..=4 {
            index.mark(ConversationId(n), &game("a"));
        }
        index.take(NOW, 2);
        index.release(ConversationId(1), true, Some(NOW.plus_ms(5)), NOW);
        index.retain(|conversation| conversation.0 == 4);
        index.release(ConversationId(2), true, None, NOW);
        assert_eq!((index.next_due(), index.len()), (None, 1));
        assert_eq!(names(&index.take(NOW.plus_ms(5), 9)), [4]);
        assert!(!index.has_ready());
    }

    #[derive(Debug, Clone)]
    enum Do {
        Mark(u64),
        Take(usize),
        Release { which: u64, more: bool, delay_ms: u64 },
        Wait(u64),
    }

    fn any_step() -> impl Strategy<Value = Do> {
        prop_oneof![
            (0u64..12).prop_map(Do::Mark),
            (0usize..4).prop_map(Do::Take),
            (0u64..12, any::<bool>(), 0u64..20).prop_map(|(which, more, delay_ms)| Do::Release { which, more, delay_ms }),
            (0u64..15).prop_map(Do::Wait),
        ]
    }

    proptest! {
        /// Against a model that is a list: nothing is lost, nothing is handed out twice at once or too early.
        #[test]
        fn nothing_is_lost_or_doubled(steps in prop::collection::vec(any_step(), 0..200)) {
            let mut index = ReadyIndex::default();
            let mut now = NOW;
            // Waiting, with the time from which on; held, with whether more came.
            let mut waiting = HashMap::<u64, UnixMs>::new();
            let mut held = HashMap::<u64, bool>::new();
            for step in steps {
                match step {
                    Do::Mark(n) => {
                        index.mark(ConversationId(n), &game(if n % 2 == 0 { "even" } else { "odd" }));
                        match held.get_mut(&n) {
                            Some(again) => *again = true,
                            None => {
                                waiting.entry(n).or_insert(now);
                            }
                        }
                    }
                    Do::Take(limit) => {
                        let due = waiting.values().filter(|from| **from <= now).count();
                        let taken = names(&index.take(now, limit));
                        prop_assert_eq!(taken.len(), due.min(limit));
                        for n in taken {
                            prop_assert!(waiting.remove(&n).is_some_and(|from| from <= now));
                            held.insert(n, false);
                        }
                    }
                    Do::Release { which, more, delay_ms } => {
                        index.release(ConversationId(which), more, Some(now.plus_ms(delay_ms)), now);
                        if let Some(again) = held.remove(&which)
                            && (again || more)
                        {
                            waiting.insert(which, now.plus_ms(delay_ms));
                        }
                    }
                    Do::Wait(ms) => now = now.plus_ms(ms),
                }
                prop_assert_eq!(index.len(), waiting.len() + held.len());
                let next = waiting.values().copied().filter(|from| *from > now).min();
                let due = index.next_due();
                prop_assert!(next.is_none() || (due.is_some() && due <= next));
            }
        }
    }

    struct FixedClock;
    impl Clock for FixedClock {
        fn now(&self) -> UnixMs {
            NOW
        }
    }

    #[tokio::test]
    async fn a_waiting_taker_is_woken_and_passes_the_rest_on() {
        let queue = Arc::new(ReadyQueue::new(Arc::new(FixedClock)));
        let takers = (0..3).map(|_| {
            let queue = queue.clone();
            tokio::spawn(async move { queue.take(1).await })
        });
        let takers = takers.collect::<Vec<_>>();
        tokio::task::yield_now().await;
        queue.change(|index| (1..=3).for_each(|n| index.mark(ConversationId(n), &game("a"))));
        let mut taken = Vec::new();
        for taker in takers {
            taken.extend(names(&taker.await.unwrap()));
        }
        taken.sort_unstable();
        assert_eq!(taken, [1, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_taker_wakes_when_a_delay_is_over() {
        struct TokioClock(tokio::time::Instant);
        impl Clock for TokioClock {
            fn now(&self) -> UnixMs {
                NOW.plus_ms(self.0.elapsed().as_millis() as u64)
            }
        }
        let clock = Arc::new(TokioClock(tokio::time::Instant::now()));
        let queue = ReadyQueue::new(clock.clone());
        queue.change(|index| index.mark(ConversationId(1), &game("a")));
        queue.take(1).await;
        queue.release(ConversationId(1), true, Some(NOW.plus_ms(60_000)));
        assert_eq!(names(&queue.take(1).await), [1]);
        assert!(clock.now() >= NOW.plus_ms(60_000));
    }
}
