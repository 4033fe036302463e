//! A conversation's messages stay in their order though they wait in different lanes: before one is handed out, what was
//! queued before it and waits in another lane is brought in front of it.

use std::collections::HashMap;

use questline_core::id::ConversationId;
use questline_core::lane::{Lane, LaneKind};
use questline_core::outbox::OutboxMessage;

use super::{Handout, LaneState, Placed, State, Waiting};

/// Looks that are asked for at once.
const LOOKS_MAX: usize = 64;

/// A message that is about to be handed out while other lanes of its number hold something: what they hold of its
/// conversation goes first. Dropping it without [`Handout::looked`] is no harm: the look is asked for again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The message's source.
    pub source: u16,
    /// Its conversation.
    pub conversation: ConversationId,
    /// Messages with lower places go first: places count over all lanes of a source.
    pub before: u64,
    /// Where they may wait.
    pub lanes: Vec<Lane>,
    lane: usize,
}

/// Whether a lane's messages keep the order of their conversations: what belongs to a campaign is a line of its own.
fn is_talk(kind: LaneKind) -> bool {
    kind.class().is_some() && !kind.is_bulk()
}

impl Handout {
    /// Brings what these looks have found in the store, whether it was handed out already or not. What was not comes next, in
    /// front of what the looks were for.
    pub fn looked(&self, looks: &[Look], found: Vec<(u16, Placed)>) {
        let mut state = self.lock();
        for (source, placed) in found {
            state.pull(source, placed);
        }
        for look in looks {
            if let Some(lane) = state.lanes.get_mut(look.lane) {
                let of = |waiting: &&mut Waiting| waiting.source == look.source && waiting.placed.place == look.before;
                if let Some(waiting) = lane.queue.iter_mut().find(of) {
                    waiting.is_looked_for = true;
                }
            }
        }
        drop(state);
        self.bell.notify_one();
    }
}

impl State {
    /// What has to be looked for before so many messages of these lanes are handed out.
    pub(super) fn looks(&self, counts: &[(usize, usize)]) -> Vec<Look> {
        let mut looks = Vec::new();
        for (n, count) in counts.iter().filter(|(_, count)| *count > 0) {
            let Some(lane) = self.lanes.get(*n).filter(|lane| is_talk(lane.lane.kind)) else { continue };
            let others = self.active.iter().filter(|(kind, other)| is_talk(*kind) && other != n);
            let others = others.filter_map(|(_, other)| self.lanes.get(*other).map(|found| (*other, found)));
            let others = others.filter(|(_, found)| found.lane.number == lane.lane.number).collect::<Vec<_>>();
            // Whether they hold something once these are handed out.
            let is_left = |(other, found): &(usize, &LaneState)| {
                let count = counts.iter().find(|(n, _)| n == other).map_or(0, |(_, count)| *count);
                !found.spilled.is_empty() || found.queue.len() > count
            };
            if !others.iter().any(is_left) {
                continue;
            }
            // Its own too: what goes before the message may have to wait for what goes before that.
            let lanes = others.iter().map(|(_, found)| *found).chain([lane]).map(|found| found.lane.clone()).collect::<Vec<_>>();
            for waiting in lane.queue.iter().take(*count).filter(|waiting| !waiting.is_looked_for) {
                let Placed { place, message, .. } = &waiting.placed;
                let (conversation, lanes) = (message.id.conversation, lanes.clone());
                looks.push(Look { source: waiting.source, conversation, before: *place, lanes, lane: *n });
                if looks.len() == LOOKS_MAX {
                    return looks;
                }
            }
        }
        looks
    }

    /// Takes a message out of its lane, to be handed out next; nothing if it was handed out already.
    fn pull(&mut self, source: u16, placed: Placed) {
        if !self.sources.contains(&source) {
            return;
        }
        let n = self.lane(&Lane::of(&placed.message.message));
        let State { lanes, weight, seen, pulled, .. } = self;
        let Some(lane) = lanes.get_mut(n) else { return };
        let sequence = lane.sequences.entry(source).or_default();
        if placed.place > sequence.cursor {
            // The store hands it over once more, when its lane is read on.
            if sequence.pulled.insert(placed.place) {
                *seen += 1;
                pulled.push(Waiting { source, nth: *seen, placed, is_looked_for: true });
            }
            return;
        }
        let is_it = |waiting: &Waiting| waiting.source == source && waiting.placed.place == placed.place;
        if let Some(waiting) = lane.queue.iter().position(is_it).and_then(|at| lane.queue.remove(at)) {
            lane.bytes -= waiting.placed.bytes;
            weight.take(lane.lane.kind, waiting.placed.bytes);
            pulled.push(waiting);
        }
        self.note_activity(n);
    }
}

/// The order in which messages are handed out together: that in which memory saw them, but that each stands in front of those
/// of its conversation that were queued later.
pub(super) fn in_order(mut taken: Vec<Waiting>, is_mixed: bool) -> Vec<OutboxMessage> {
    if is_mixed {
        taken.sort_unstable_by_key(|waiting| std::cmp::Reverse(waiting.placed.place));
        let mut soonest: HashMap<ConversationId, u64> = HashMap::new();
        for waiting in &mut taken {
            let nth = soonest.entry(waiting.placed.message.id.conversation).or_insert(waiting.nth);
            *nth = waiting.nth.min(*nth);
            waiting.nth = *nth;
        }
    }
    taken.sort_unstable_by_key(|waiting| (waiting.nth, waiting.placed.place));
    taken.into_iter().map(|waiting| waiting.placed.message).collect()
}
