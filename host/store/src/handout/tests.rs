//! What the hand-out promises: each message once, in its lane's order, and no lane in another's way.
#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use questline_core::contact::{Contact, PhoneNumber};
use questline_core::id::{ConversationId, GameId, NumberId, OutboxRef, OutboxSeq};
use questline_core::message::Outbound;
use questline_core::outbox::{Content, MessageClass, NewMessage, SendState};
use questline_core::time::UnixMs;

use super::*;

const BYTES: usize = 10;

fn placed_in(class: MessageClass, place: u64) -> Placed {
    let message = NewMessage {
        game: GameId::parse("starfall").unwrap(),
        number: NumberId::parse("100").unwrap(),
        contact: Contact::new(PhoneNumber::parse("15550100").ok(), None).unwrap(),
        class,
        content: Content::Reply { message: Outbound::Text { body: "hi".into(), preview: false }, reply_to: None },
        committed_at: UnixMs(1),
        expires_at: None,
        campaign: None,
        known: None,
    };
    let id = OutboxRef { conversation: ConversationId(place), seq: OutboxSeq(place) };
    let message = OutboxMessage { id, message, attempts: 0, due_at: UnixMs(0), state: SendState::Queued };
    Placed { place, message, bytes: BYTES }
}

fn placed(place: u64) -> Placed {
    placed_in(MessageClass::Normal, place)
}

fn lane(class: MessageClass) -> Lane {
    Lane { number: NumberId::parse("100").unwrap(), kind: LaneKind::of_class(class, false) }
}

fn poll_once(handout: &Handout, room: &Room) -> Option<Handed> {
    let mut take = std::pin::pin!(handout.take(room));
    match take.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(handed) => Some(handed),
        Poll::Pending => None,
    }
}

/// The same, where no look finds anything.
fn poll_room(handout: &Handout, room: &Room) -> Option<Handed> {
    loop {
        match poll_once(handout, room) {
            Some(Handed::Look(looks)) => handout.looked(&looks, Vec::new()),
            handed => return handed,
        }
    }
}

fn poll(handout: &Handout, limit: usize) -> Option<Handed> {
    poll_room(handout, &Room::of_any(limit))
}

fn places(handed: Option<Handed>) -> Vec<u64> {
    match handed {
        Some(Handed::Messages(messages)) => messages.iter().map(|message| message.id.seq.0).collect(),
        other => panic!("{other:?}"),
    }
}

#[derive(Debug, Clone)]
enum Do {
    Commit(u16, MessageClass),
    /// Takes; a page is read, then so many are committed, then it is brought.
    Take {
        limit: usize,
        meanwhile: usize,
    },
}

/// A store with two sources, that counts its places over all lanes.
#[derive(Default)]
struct Stored {
    last: [u64; 2],
    lanes: HashMap<(u16, LaneKind), Vec<u64>>,
    /// Of each source; 0: each message is of a conversation of its own.
    conversations: u64,
}

impl Stored {
    fn conversation(&self, source: u16, place: u64) -> ConversationId {
        let nth = if self.conversations == 0 { place } else { place * 7 % self.conversations };
        ConversationId(nth * 2 + u64::from(source))
    }

    fn placed(&self, source: u16, class: MessageClass, place: u64) -> Placed {
        let mut one = placed_in(class, place);
        one.message.id.conversation = self.conversation(source, place);
        one
    }

    fn commit(&mut self, source: u16, class: MessageClass) -> Placed {
        let place = &mut self.last[usize::from(source)];
        *place += 1;
        let place = *place;
        self.lanes.entry((source, LaneKind::of_class(class, false))).or_default().push(place);
        self.placed(source, class, place)
    }

    /// What a look finds: here all that was ever queued, as if nothing had left the outbox.
    fn behind(&self, look: &Look) -> Vec<(u16, Placed)> {
        let lanes = look.lanes.iter().filter_map(|lane| Some((lane.kind, self.lanes.get(&(look.source, lane.kind))?)));
        let found = lanes.flat_map(|(kind, places)| places.iter().map(move |place| (kind, *place)));
        let found = found.filter(|(_, place)| *place < look.before && self.conversation(look.source, *place) == look.conversation);
        found.map(|(kind, place)| (look.source, self.placed(look.source, kind.class().unwrap(), place))).collect()
    }
}

fn class() -> impl Strategy<Value = MessageClass> {
    prop::sample::select(&MessageClass::ALL[..])
}

proptest! {
    /// Whatever the order of commits, takes and reads, and however small memory is: all, each once, in the order of its lane, but
    /// that none goes before an earlier one of its conversation, whatever their lanes.
    #[test]
    fn each_once_in_order(
        start in prop::collection::vec((0u16..2, class()), 0..20),
        budget in 0usize..40,
        conversations in 0u64..4,
        steps in prop::collection::vec(
            prop_oneof![
                (0u16..2, class()).prop_map(|(source, class)| Do::Commit(source, class)),
                (1usize..5, 0usize..4).prop_map(|(limit, meanwhile)| Do::Take { limit, meanwhile }),
            ],
            0..120,
        ),
    ) {
        let handout = Handout::new(budget * BYTES);
        let mut stored = Stored { conversations, ..Stored::default() };
        start.into_iter().for_each(|(source, class)| drop(stored.commit(source, class)));
        for source in 0..2 {
            let lanes = stored.lanes.keys().filter(|(of, _)| *of == source).map(|(_, kind)| Lane { kind: *kind, ..lane(MessageClass::Low) });
            handout.open(source, lanes.collect::<Vec<_>>());
        }
        let mut handed: HashMap<(u16, LaneKind), Vec<u64>> = HashMap::new();
        let mut said: HashMap<ConversationId, Vec<u64>> = HashMap::new();
        let mut take = |stored: &mut Stored, limit: usize, meanwhile: usize| match poll_once(&handout, &Room::of_any(limit)) {
            None => false,
            Some(Handed::Messages(messages)) => {
                assert!(messages.len() <= limit);
                for message in messages {
                    let (source, place) = ((message.id.conversation.0 % 2) as u16, message.id.seq.0);
                    handed.entry((source, LaneKind::of(&message.message))).or_default().push(place);
                    said.entry(message.id.conversation).or_default().push(place);
                }
                true
            }
            Some(Handed::Look(looks)) => {
                let found = looks.iter().flat_map(|look| stored.behind(look)).collect();
                handout.looked(&looks, found);
                true
            }
            Some(Handed::Refill(page)) => {
                let all = stored.lanes.get(&(page.source, page.lane.kind)).cloned().unwrap_or_default();
                let class = page.lane.kind.class().unwrap();
                let read = all.into_iter().filter(|place| *place > page.after).take(3);
                let read = read.map(|place| stored.placed(page.source, class, place)).collect::<Vec<_>>();
                let end = read.len() < 3;
                for _ in 0..meanwhile {
                    handout.push([(page.source, stored.commit(page.source, class))]);
                }
                handout.refill(page, read, end);
                true
            }
        };
        for step in steps {
            match step {
                Do::Commit(source, class) => handout.push([(source, stored.commit(source, class))]),
                Do::Take { limit, meanwhile } => {
                    take(&mut stored, limit, meanwhile);
                }
            }
        }
        while take(&mut stored, 3, 0) {}
        if conversations > 0 {
            for places in said.values() {
                prop_assert!(places.is_sorted(), "{:?}", places);
            }
            handed.values_mut().for_each(|places| places.sort_unstable());
        }
        prop_assert_eq!(handed, stored.lanes);
        let state = handout.lock();
        prop_assert_eq!((state.weight.all, state.weight.rest), (0, 0));
    }
}

#[test]
fn reading_on_ends_though_others_go_on_committing() {
    let handout = Handout::new(1_000);
    handout.open(0, [lane(MessageClass::Normal)]);
    let Some(Handed::Refill(page)) = poll(&handout, 9) else { panic!("a source opens with what is stored") };
    handout.push([(0, placed(2)), (0, placed(3))]);
    // The page was read between the two.
    handout.refill(page, vec![placed(1), placed(2)], true);
    assert_eq!(places(poll(&handout, 9)), [1, 2, 3]);
    assert_eq!(poll(&handout, 9), None);
}

#[test]
fn a_closed_source_hands_nothing_out() {
    let handout = Handout::new(1_000);
    handout.open(0, [lane(MessageClass::Normal)]);
    let Some(Handed::Refill(page)) = poll(&handout, 1) else { panic!("a source opens with what is stored") };
    handout.refill(page, vec![placed(1)], true);
    handout.close(0);
    handout.push([(0, placed(2))]);
    assert_eq!(poll(&handout, 1), None);
}

#[test]
fn a_lane_without_room_holds_up_no_other() {
    let handout = Handout::new(100 * BYTES);
    handout.open(0, []);
    // Far more than memory holds, and nobody takes it.
    handout.push((1..=1_000).map(|place| (0, placed_in(MessageClass::Low, place))));
    assert!(handout.lock().weight.all <= 25 * BYTES, "a lane has its share of memory");
    handout.push([(0, placed_in(MessageClass::Critical, 1_001)), (0, placed_in(MessageClass::Normal, 1_002))]);
    let mut room = Room::of_none(usize::MAX);
    room.give(NumberId::parse("100").unwrap(), [9, 0, 9, 0, 9, 0, 0, 0]);
    assert_eq!(places(poll_room(&handout, &room)), [1_001, 1_002]);
    assert_eq!(poll_room(&handout, &room), None);
    room.give(NumberId::parse("100").unwrap(), [9, 0, 9, 0, 9, 0, 2, 0]);
    assert_eq!(places(poll_room(&handout, &room)), [1, 2], "so many as there is room for");
}

#[test]
fn what_is_taken_together_comes_in_the_order_in_which_it_was_queued() {
    let handout = Handout::new(100 * BYTES);
    handout.open(0, []);
    handout.push([
        (0, placed_in(MessageClass::Normal, 1)),
        (0, placed_in(MessageClass::Critical, 2)),
        (0, placed_in(MessageClass::Normal, 3)),
    ]);
    assert_eq!(places(poll(&handout, 9)), [1, 2, 3]);
}

#[test]
fn a_page_waits_for_no_more_than_one_hand_out() {
    let handout = Handout::new(100 * BYTES);
    handout.open(0, [lane(MessageClass::Low)]);
    handout.push([(0, placed_in(MessageClass::Critical, 9))]);
    assert_eq!(places(poll(&handout, 9)), [9], "what is more urgent goes first");
    handout.push([(0, placed_in(MessageClass::Critical, 10))]);
    let Some(Handed::Refill(page)) = poll(&handout, 9) else { panic!("but only once") };
    assert_eq!(page.lane, lane(MessageClass::Low));
    handout.refill(page, vec![placed_in(MessageClass::Low, 1)], true);
    assert_eq!(places(poll(&handout, 9)), [10, 1]);
}
