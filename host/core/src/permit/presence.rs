//! Who plays now, as the game's backend tells: whoever does is not disturbed. It is kept in memory, bounded, and written to
//! the store by whoever holds it.

use std::collections::HashMap;

use crate::id::{GameId, PlayerId};
use crate::time::{HOUR_MS, UnixMs};

/// For so long at most a player counts as playing without being told of again.
pub const PRESENCE_MS_MAX: u64 = 12 * HOUR_MS;
/// Players of all games that may be known to play at once; those whose time is over first are forgotten.
pub const PRESENT_MAX: usize = 1_000_000;

/// Who plays, until when.
#[derive(Debug, Default)]
pub struct Present {
    until: HashMap<(GameId, PlayerId), UnixMs>,
}

impl Present {
    /// A player plays until then, or not any more. Says whether that ends a time in which they were not disturbed.
    pub fn tell(&mut self, game: &GameId, player: &PlayerId, until: Option<UnixMs>, now: UnixMs) -> bool {
        let key = (game.clone(), player.clone());
        match until.filter(|until| *until > now) {
            Some(until) => {
                if self.until.len() >= PRESENT_MAX && !self.until.contains_key(&key) {
                    self.until.retain(|_, until| *until > now);
                }
                // One who does not fit is written to while they play: bounded memory goes before quiet.
                if self.until.len() < PRESENT_MAX || self.until.contains_key(&key) {
                    self.until.insert(key, until.min(now.plus_ms(PRESENCE_MS_MAX)));
                }
                false
            }
            None => self.until.remove(&key).is_some_and(|until| until > now),
        }
    }

    /// Until when a player plays, if they do.
    pub fn until(&self, game: &GameId, player: &PlayerId, now: UnixMs) -> Option<UnixMs> {
        if self.until.is_empty() {
            return None;
        }
        self.until.get(&(game.clone(), player.clone())).copied().filter(|until| *until > now)
    }

    /// Forgets those whose time is over.
    pub fn sweep(&mut self, now: UnixMs) {
        self.until.retain(|_, until| *until > now);
    }

    /// How many are known to play.
    pub fn len(&self) -> usize {
        self.until.len()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.until.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_player_plays_until_their_time_is_over() {
        let (game, other) = (GameId::parse("cup").unwrap(), GameId::parse("starfall").unwrap());
        let player = PlayerId::parse("ada-1").unwrap();
        let mut present = Present::default();
        let now = UnixMs(1_000_000);
        assert!(!present.tell(&game, &player, Some(now.plus_ms(5)), now));
        assert_eq!(present.until(&game, &player, now), Some(now.plus_ms(5)));
        assert_eq!(present.until(&other, &player, now), None);
        assert_eq!(present.until(&game, &player, now.plus_ms(5)), None);
        assert!(!present.tell(&game, &player, None, now.plus_ms(5)), "it had ended by itself");
        present.tell(&game, &player, Some(now.plus_ms(u64::MAX / 2)), now);
        assert_eq!(present.until(&game, &player, now), Some(now.plus_ms(PRESENCE_MS_MAX)));
        assert!(present.tell(&game, &player, None, now));
        assert!(present.is_empty());
        present.tell(&game, &player, Some(now.plus_ms(5)), now);
        present.sweep(now.plus_ms(5));
        assert_eq!(present.len(), 0);
    }
}
