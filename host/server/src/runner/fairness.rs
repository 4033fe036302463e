//! Whose turn it is: games in a circle, each with its own queue and its own share, so that a flood in one leaves the
//! others' players waiting no longer.

use std::collections::{HashMap, VecDeque};

use questline_core::id::GameId;
use questline_core::port::Ready;

/// Queues by game.
pub(super) struct Turns {
    games: HashMap<GameId, Queue>,
    /// Games with something waiting and room for it, in the order of their turns.
    circle: VecDeque<GameId>,
    in_hand: usize,
    in_hand_max: usize,
    per_game_max: usize,
    waiting: usize,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Ready>,
    in_hand: usize,
    in_circle: bool,
}

/// Names that may wait here before the store is asked for more; the store's own bound is on events.
const WAITING_MAX: usize = 200_000;

impl Turns {
    pub(super) fn new(in_hand_max: usize, per_game_max: usize) -> Self {
        let (games, circle) = (HashMap::new(), VecDeque::new());
        Self { games, circle, in_hand: 0, in_hand_max: in_hand_max.max(1), per_game_max: per_game_max.max(1), waiting: 0 }
    }

    /// Whether more conversations may be taken.
    pub(super) fn wants_more(&self) -> bool {
        self.waiting < WAITING_MAX
    }

    /// A conversation has something to do.
    pub(super) fn add(&mut self, ready: Ready) {
        if !self.games.contains_key(&ready.game) {
            self.games.insert(ready.game.clone(), Queue::default());
        }
        let game = ready.game.clone();
        if let Some(queue) = self.games.get_mut(&game) {
            queue.waiting.push_back(ready);
            self.waiting += 1;
            if !queue.in_circle && queue.in_hand < self.per_game_max {
                queue.in_circle = true;
                self.circle.push_back(game);
            }
        }
    }

    /// The next one, if there is a place for it.
    pub(super) fn next(&mut self) -> Option<Ready> {
        if self.in_hand >= self.in_hand_max {
            return None;
        }
        let game = self.circle.pop_front()?;
        let queue = self.games.get_mut(&game)?;
        let ready = queue.waiting.pop_front();
        if ready.is_some() {
            queue.in_hand += 1;
            self.in_hand += 1;
            self.waiting -= 1;
        }
        queue.in_circle = !queue.waiting.is_empty() && queue.in_hand < self.per_game_max;
        if queue.in_circle {
            self.circle.push_back(game);
        }
        ready
    }

    /// One of this game's is done.
    pub(super) fn finished(&mut self, game: &GameId) {
        self.in_hand = self.in_hand.saturating_sub(1);
        if let Some(queue) = self.games.get_mut(game) {
            queue.in_hand = queue.in_hand.saturating_sub(1);
            if !queue.in_circle && !queue.waiting.is_empty() {
                queue.in_circle = true;
                self.circle.push_back(game.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use questline_core::id::ConversationId;

    fn ready(game: &str, n: u64) -> Ready {
        Ready { conversation: ConversationId(n), game: GameId::parse(game).unwrap() }
    }

    #[test]
    fn a_flood_in_one_game_does_not_hold_up_another() {
        let mut turns = Turns::new(4, 2);
        (0..1_000).for_each(|n| turns.add(ready("flood", n)));
        turns.add(ready("quiet", 5_000));
        let first: Vec<_> = std::iter::from_fn(|| turns.next()).collect();
        assert_eq!(first.len(), 3, "two of the flood, which is its share, and the quiet one");
        assert!(first[..2].iter().any(|ready| ready.game.as_str() == "quiet"), "and not last");
        turns.finished(&first[0].game);
        assert!(turns.next().is_some());
        assert!(turns.next().is_none());
    }

    #[test]
    fn all_get_their_turn_in_order_within_a_game() {
        let mut turns = Turns::new(1, 1);
        (0..10).for_each(|n| turns.add(ready("a", n)));
        for n in 0..10 {
            let next = turns.next().unwrap();
            assert_eq!(next.conversation.0, n);
            assert!(turns.next().is_none());
            turns.finished(&next.game);
        }
        assert!(turns.next().is_none());
    }
}
