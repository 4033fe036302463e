//! Broadcasts: kept, changed in one write, their lists in pieces; who could get one; what was counted of their messages.

use std::collections::BTreeMap;

use questline_core::audit::Actor;
use questline_core::broadcast::{
    Audience, Broadcast, BroadcastId, Definition, EXPIRES_AFTER_MS, Entry, Kind, OPEN_MAX, Order, REMEMBERED_MAX, Segment, State, Tally,
    UNKNOWN_LISTED_MAX, UnknownOutcome, Who, Wording, campaign_of_template,
};
use questline_core::contact::{Address, PhoneNumber};
use questline_core::day::Day;
use questline_core::event::StatusError;
use questline_core::experiment::{Arm, Deed, EXPERIMENT_OF_META, REACHED, cohorts, hour_of};
use questline_core::id::{CampaignId, ConversationId, OutboxRef, OutboxSeq};
use questline_core::outbox::{Campaign, Content, MessageClass, NewMessage};
use questline_core::port::{AddedBroadcast, DeedNote, Enqueue, Enqueued, StatusUpdate};
use questline_core::send::{ParkReason, SendResult};
use questline_core::status::DeliveryState;
use questline_core::template::{Category, TemplateMessage};
use questline_core::time::{HOUR_MS, UnixMs};

use crate::support::*;

fn id(n: u16) -> BroadcastId {
    let mut digest = [0; 32];
    digest[..2].copy_from_slice(&n.to_be_bytes());
    BroadcastId::of_digest(&digest)
}

fn broadcast(n: u16, of: &str) -> Broadcast {
    let wording = Wording { template: "cup".to_owned(), locale: None, header: None, body: vec!["Hi".to_owned()], buttons: Vec::new() };
    let wish = Definition {
        title: format!("cup {n}"),
        kind: Kind::Broadcast,
        number: None,
        wording,
        audience: Audience::Segment(Segment::default()),
        class: MessageClass::Low,
        begins_at: None,
        local: None,
        per_second: Some(7),
        expires_after_ms: EXPIRES_AFTER_MS,
        experiment: None,
    };
    Broadcast::new(id(n), game(of), wish, Actor::Operator, START.plus_ms(u64::from(n)))
}

pub async fn a_broadcast_is_kept_and_no_change_of_it_is_lost<E: Engine>() {
    let mut world = World::<E>::new().await;
    let store = world.store();
    assert_eq!(store.add_broadcast(broadcast(1, "a")).await.unwrap(), AddedBroadcast::New);
    assert_eq!(store.add_broadcast(broadcast(2, "a")).await.unwrap(), AddedBroadcast::New);
    let changed = Broadcast { created_by: Actor::Token("other".to_owned()), ..broadcast(1, "a") };
    assert_eq!(store.add_broadcast(changed).await.unwrap(), AddedBroadcast::Known(Box::new(broadcast(1, "a"))), "it stays as it is");
    let changes = (0..40).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.change_broadcast(&game("a"), &id(1), Box::new(|one| one.feed.seen += 1)).await.unwrap() })
    });
    for change in changes.collect::<Vec<_>>() {
        assert!(change.await.unwrap().is_some());
    }
    assert_eq!(store.change_broadcast(&game("a"), &id(3), Box::new(|_| ())).await.unwrap(), None);
    world.restart().await;
    let store = world.store();
    let kept = store.broadcast(&game("a"), &id(1)).await.unwrap().unwrap();
    assert_eq!(kept.feed.seen, 40);
    assert_eq!(Broadcast { feed: broadcast(1, "a").feed, ..kept }, broadcast(1, "a"));
    assert_eq!(store.broadcast(&game("b"), &id(1)).await.unwrap(), None, "another game's");
    let listed = async |limit| store.broadcasts(&game("a"), limit).await.unwrap().into_iter().map(|one| one.id).collect::<Vec<_>>();
    assert_eq!((listed(9).await, listed(1).await), (vec![id(2), id(1)], vec![id(2)]), "the newest first");
    assert_eq!(store.broadcasts(&game("b"), 9).await.unwrap(), []);
}

async fn ordered<E: Engine>(world: &World<E>, n: u16, order: Order) -> State {
    let change = move |one: &mut Broadcast| assert!(one.order(order, START).is_ok());
    world.store().change_broadcast(&game("a"), &id(n), Box::new(change)).await.unwrap().unwrap().state
}

pub async fn what_was_started_is_seen_to_until_it_is_closed<E: Engine>() {
    let mut world = World::<E>::new().await;
    for n in 0..OPEN_MAX as u16 {
        assert_eq!(world.store().add_broadcast(broadcast(n, "a")).await.unwrap(), AddedBroadcast::New);
    }
    assert_eq!(world.store().add_broadcast(broadcast(1_000, "a")).await.unwrap(), AddedBroadcast::Full);
    assert_eq!(world.store().add_broadcast(broadcast(1_000, "b")).await.unwrap(), AddedBroadcast::New, "other games have room");
    assert_eq!(world.store().open_broadcasts().await.unwrap(), []);
    for n in [3, 5] {
        assert_eq!(ordered(&world, n, Order::Start).await, State::Running);
    }
    world.restart().await;
    assert_eq!(world.store().open_broadcasts().await.unwrap(), [(game("a"), id(3)), (game("a"), id(5))]);
    assert_eq!(ordered(&world, 3, Order::Cancel).await, State::Cancelled);
    assert_eq!(world.store().open_broadcasts().await.unwrap().len(), 2, "what waits of it is to be dropped still");
    world.store().close_broadcast(&game("a"), &id(3)).await.unwrap();
    assert_eq!(world.store().open_broadcasts().await.unwrap(), [(game("a"), id(5))]);
    assert_eq!(world.store().add_broadcast(broadcast(1_000, "a")).await.unwrap(), AddedBroadcast::New, "it left room");
}

pub async fn the_oldest_that_are_over_are_forgotten<E: Engine>() {
    let world = World::<E>::new().await;
    let store = world.store();
    assert_eq!(store.add_broadcast(broadcast(9_999, "a")).await.unwrap(), AddedBroadcast::New);
    for n in 0..=REMEMBERED_MAX as u16 {
        assert_eq!(store.add_broadcast(broadcast(n, "a")).await.unwrap(), AddedBroadcast::New);
        store.close_broadcast(&game("a"), &id(n)).await.unwrap();
    }
    assert_eq!(store.broadcasts(&game("a"), 9_999).await.unwrap().len(), REMEMBERED_MAX);
    assert!(store.broadcast(&game("a"), &id(9_999)).await.unwrap().is_some(), "it is open");
    for n in [0, 1] {
        assert_eq!(store.broadcast(&game("a"), &id(n)).await.unwrap(), None);
    }
    assert!(store.broadcast(&game("a"), &id(2)).await.unwrap().is_some());
}

pub async fn one_that_is_forgotten_leaves_nothing<E: Engine>() {
    let mut world = World::<E>::new().await;
    for n in 1..=3 {
        assert_eq!(world.store().add_broadcast(broadcast(n, "a")).await.unwrap(), AddedBroadcast::New);
    }
    assert_eq!(ordered(&world, 1, Order::Start).await, State::Running);
    let outcome = UnknownOutcome { message: OutboxRef { conversation: ConversationId(1), seq: OutboxSeq(1) }, at: START };
    let campaign = CampaignId::parse(id(1).as_str()).unwrap();
    world.store().note_unknown(&game("a"), &campaign, vec![outcome]).await.unwrap();
    for n in [1, 2] {
        world.store().forget_broadcast(&game("a"), &id(n)).await.unwrap();
    }
    world.restart().await;
    let store = world.store();
    let listed: Vec<_> = store.broadcasts(&game("a"), 9).await.unwrap().into_iter().map(|one| one.id).collect();
    assert_eq!((listed, store.open_broadcasts().await.unwrap()), (vec![id(3)], Vec::new()));
    assert_eq!(store.broadcast(&game("a"), &id(1)).await.unwrap(), None);
    assert_eq!(store.unknown(&game("a"), &campaign).await.unwrap(), (Vec::new(), 0));
    assert_eq!(store.add_broadcast(broadcast(1, "a")).await.unwrap(), AddedBroadcast::New, "its name may be given again");
    store.forget_broadcast(&game("a"), &id(99)).await.unwrap();
}

pub async fn a_lists_pieces_are_kept_until_they_are_forgotten<E: Engine>() {
    let mut world = World::<E>::new().await;
    let entry = |n: u64| Entry {
        line: n,
        who: Who::Phone(PhoneNumber::parse(&format!("1555{n:05}")).unwrap()),
        locale: n.is_multiple_of(2).then(|| "de".into()),
        zone: n.is_multiple_of(3).then(|| "Asia/Tokyo".into()),
        due: n.is_multiple_of(5).then(|| START.plus_ms(n)),
        values: vec!["Hi".into(), format!("{n}").into()],
    };
    let piece = |from: u64| (from..from + 500).map(entry).collect::<Vec<_>>();
    for n in 0..3 {
        world.store().put_piece(&game("a"), &id(1), "u1", n, &piece(500 * n)).await.unwrap();
    }
    world.store().put_piece(&game("a"), &id(1), "u2", 0, &piece(9_000)).await.unwrap();
    world.restart().await;
    let store = world.store();
    for n in 0..3 {
        assert_eq!(store.piece(&game("a"), &id(1), "u1", n).await.unwrap(), Some(piece(500 * n)));
    }
    assert_eq!(store.piece(&game("b"), &id(1), "u1", 0).await.unwrap(), None);
    store.forget_list(&game("a"), &id(1), "u1", 3).await.unwrap();
    for n in 0..3 {
        assert_eq!(store.piece(&game("a"), &id(1), "u1", n).await.unwrap(), None);
    }
    assert_eq!(store.piece(&game("a"), &id(1), "u2", 0).await.unwrap(), Some(piece(9_000)));
}

pub async fn a_walk_has_each_conversation_of_a_game_once<E: Engine>() {
    let world = World::<E>::new().await;
    for n in 0..150 {
        world.append([incoming(&player(n), "hello")]).await;
        let other = Address { game: game("moonrise"), number: number(3), contact: phone(n) };
        world.append([incoming(&other, "hello")]).await;
    }
    let (mut after, mut found) = (None, BTreeMap::new());
    loop {
        let page = world.store().conversations_after(&game("starfall"), after, 7).await.unwrap();
        assert!(page.conversations.len() <= 7);
        for conversation in page.conversations {
            assert_eq!(conversation.game, game("starfall"));
            *found.entry(conversation.contact.phone().unwrap().digits().to_owned()).or_insert(0) += 1;
        }
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    assert!(found.len() == 150 && found.values().all(|times| *times == 1), "{}", found.len());
}

pub async fn conversations_are_found_at_their_addresses<E: Engine>() {
    let world = World::<E>::new().await;
    let both = of_contact(contact(Some(1), Some(7)));
    world.append([incoming(&both, "hello"), incoming(&player(2), "hello")]).await;
    let other_game = Address { game: game("moonrise"), ..player(2) };
    let asked = vec![player(2), player(3), player(1), of_contact(contact(None, Some(7))), other_game];
    let found = world.store().conversations_at(asked).await.unwrap();
    let contacts: Vec<_> = found.into_iter().map(|found| found.map(|one| one.contact)).collect();
    assert_eq!(contacts, [Some(phone(2)), None, Some(both.contact.clone()), Some(both.contact), None]);
    assert_eq!(world.store().conversations_at(Vec::new()).await.unwrap(), []);
}

pub async fn messages_of_unknown_outcome_are_listed_once<E: Engine>() {
    let world = World::<E>::new().await;
    let campaign = CampaignId::parse("b1").unwrap();
    let outcome = |n: u64| UnknownOutcome { message: OutboxRef { conversation: ConversationId(n), seq: OutboxSeq(1) }, at: START };
    let note = async |from, to| world.store().note_unknown(&game("a"), &campaign, (from..to).map(outcome).collect()).await.unwrap();
    note(0, 2).await;
    note(1, 3).await;
    assert_eq!(world.store().unknown(&game("a"), &campaign).await.unwrap(), ((0..3).map(outcome).collect(), 3));
    assert_eq!(world.store().unknown(&game("b"), &campaign).await.unwrap(), (Vec::new(), 0));
    note(3, UNKNOWN_LISTED_MAX as u64 + 5).await;
    let (listed, count) = world.store().unknown(&game("a"), &campaign).await.unwrap();
    assert_eq!((listed.len(), count), (UNKNOWN_LISTED_MAX, UNKNOWN_LISTED_MAX as u64 + 5));
}

fn campaign(name: &str, variant: Option<u8>) -> Campaign {
    Campaign { id: CampaignId::parse(name).unwrap(), variant }
}

async fn enqueued<E: Engine>(world: &World<E>, n: u64, campaign: Campaign, not_before_ms: Option<u64>) -> OutboxRef {
    let template = TemplateMessage {
        name: "cup".to_owned(),
        language: "en".to_owned(),
        category: Category::Utility,
        header: None,
        body: Vec::new(),
        buttons: Vec::new(),
    };
    let message = Enqueue {
        address: player(n),
        dedup: key(START.as_s(), n),
        class: MessageClass::Normal,
        content: Content::Template(template),
        committed_at: world.now(),
        expires_at: None,
        not_before: not_before_ms.map(|ms| world.now().plus_ms(ms)),
        campaign: Some(campaign),
        known: None,
    };
    match world.store().enqueue(vec![message]).await.unwrap()[0] {
        Enqueued::Queued(id) => id,
        Enqueued::Known => panic!("it is known"),
    }
}

async fn counts<E: Engine>(world: &World<E>, name: &str) -> Vec<(String, i64)> {
    let tally = world.store().tally(&game("starfall"), &CampaignId::parse(name).unwrap()).await.unwrap();
    tally.counts.into_iter().filter(|(name, count)| *count != 0 && !name.starts_with(REACHED)).collect()
}

fn these(counts: &[(&str, i64)]) -> Vec<(String, i64)> {
    let mut counts: Vec<_> = counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    counts.sort();
    counts
}

pub async fn what_becomes_of_a_campaigns_messages_is_counted_once<E: Engine>() {
    let mut world = World::<E>::new().await;
    let mut ids = Vec::new();
    for n in 1..=5 {
        ids.push(enqueued(&world, n, campaign("b1", (n % 2 == 0).then_some(1)), None).await);
    }
    enqueued(&world, 6, campaign("b2", None), None).await;
    assert_eq!(counts(&world, "b1").await, these(&[("queued", 5)]));
    world.store().begin(ids.clone(), world.now()).await.unwrap();
    // Meta takes three; one is told of by its status before the answer is noted.
    for (n, id) in ids[..2].iter().enumerate() {
        world.record(*id, SendResult::Accepted { wamid: questline_core::event::Wamid(format!("w{n}").into()), at: world.now() }).await;
    }
    world.status(Some(ids[2]), "w2", DeliveryState::Delivered).await;
    world.record(ids[2], SendResult::Accepted { wamid: questline_core::event::Wamid("w2".into()), at: world.now() }).await;
    let refused = StatusError { code: 131_026, detail: "Message undeliverable".to_owned() };
    world.record(ids[3], SendResult::Failed { error: refused, attempts: 1, at: world.now() }).await;
    let dead = SendResult::Dead { reason: "expired".to_owned(), detail: String::new(), at: world.now() };
    world.record(ids[4], dead.clone()).await;
    world.record(ids[4], dead).await;
    // Statuses come late, twice and out of order.
    for state in [DeliveryState::Read, DeliveryState::Sent, DeliveryState::Read, DeliveryState::Delivered] {
        world.status(Some(ids[0]), "w0", state).await;
    }
    for _ in 0..2 {
        world.status(Some(ids[1]), "w1", DeliveryState::Failed).await;
    }
    let expected = these(&[
        ("queued", 5),
        ("accepted", 3),
        ("sent", 2),
        ("delivered", 2),
        ("read", 1),
        ("refused", 1),
        ("failed:131026", 2),
        ("dropped:expired", 1),
    ]);
    assert_eq!(counts(&world, "b1").await, expected);
    assert_eq!(counts(&world, "b2").await, these(&[("queued", 1)]));
    assert_eq!(world.store().dead_letters(None, None, 9).await.unwrap(), [], "it is counted, and not kept one by one");
    world.restart().await;
    assert_eq!(counts(&world, "b1").await, expected);
    let tally = world.store().tally(&game("starfall"), &CampaignId::parse("b1").unwrap()).await.unwrap();
    assert_eq!((tally.waiting(), tally.parked()), (0, 0));
    assert_eq!(world.store().tally(&game("moonrise"), &CampaignId::parse("b1").unwrap()).await.unwrap(), Tally::default());
}

pub async fn what_is_parked_of_a_campaign_is_counted_while_it_is<E: Engine>() {
    let world = World::<E>::new().await;
    let one = enqueued(&world, 1, campaign("b1", None), None).await;
    let two = enqueued(&world, 2, campaign("b1", None), Some(HOUR_MS)).await;
    assert_eq!(counts(&world, "b1").await, these(&[("queued", 2), ("parked:scheduled", 1)]));
    let until = world.now().plus_ms(2 * HOUR_MS);
    world.record(one, SendResult::Parked { until, reason: ParkReason::InGame, attempts: 0 }).await;
    assert_eq!(counts(&world, "b1").await, these(&[("queued", 2), ("parked:scheduled", 1), ("parked:in-game", 1)]));
    world.setup.clock.pass_ms(HOUR_MS);
    while world.store().fire_due(world.now(), 10).await.unwrap().0 > 0 {}
    assert_eq!(counts(&world, "b1").await, these(&[("queued", 2), ("parked:in-game", 1)]));
    // A status settles what is parked, too: an earlier send of it came through.
    world.status(Some(one), "w1", DeliveryState::Sent).await;
    assert_eq!(counts(&world, "b1").await, these(&[("queued", 2), ("accepted", 1), ("sent", 1)]));
    let tally = world.store().tally(&game("starfall"), &CampaignId::parse("b1").unwrap()).await.unwrap();
    assert_eq!((tally.waiting(), tally.parked()), (1, 0));
    let _ = two;
}

pub async fn what_flows_send_by_templates_is_counted_and_is_no_bulk<E: Engine>() {
    let world = World::<E>::new().await;
    let name = "cup_invite_of_this_winter";
    let send = async || {
        world.append([incoming(&player(1), "hello")]).await;
        let work = world.take().await;
        let mut commit = done(&work);
        let template = TemplateMessage {
            name: name.to_owned(),
            language: "en".to_owned(),
            category: Category::Marketing,
            header: None,
            body: Vec::new(),
            buttons: Vec::new(),
        };
        let text = reply(&work.conversation, "first", world.now());
        let message = NewMessage { class: MessageClass::High, content: Content::Template(template), ..text.clone() };
        commit.outbox = vec![text, message];
        let ids = world.commit(commit).await.outbox;
        world.release(&work).await;
        assert_eq!(world.take_messages(2).await.iter().map(|message| message.id).collect::<Vec<_>>(), ids, "in order, as all that is said");
        world.store().begin(ids.clone(), world.now()).await.unwrap();
        world.record(ids[0], SendResult::Done).await;
        ids[1]
    };
    let tally = async |day: Day| {
        let Campaign { id, variant } = campaign_of_template(name, day).unwrap();
        let counts = world.store().tallies(&game("starfall"), &id).await.unwrap().remove(&variant).unwrap_or_default().counts;
        counts.into_iter().filter(|(_, count)| *count != 0).collect::<Vec<_>>()
    };
    let (first, today) = (send().await, Day::of(world.now()));
    world.record(first, SendResult::Accepted { wamid: questline_core::event::Wamid("w1".into()), at: world.now() }).await;
    world.status(Some(first), "w1", DeliveryState::Read).await;
    let reached = format!("{REACHED}{}", hour_of(world.now()));
    let passed = [("queued", 1), ("accepted", 1), ("sent", 1), ("delivered", 1), ("read", 1), (reached.as_str(), 1)];
    assert_eq!(tally(today).await, these(&passed));
    // The next day's is counted by itself, and what somebody does then is due to it.
    world.setup.clock.pass_ms(24 * HOUR_MS);
    let (second, next) = (send().await, Day::of(world.now()));
    world.record(second, SendResult::Accepted { wamid: questline_core::event::Wamid("w2".into()), at: world.now() }).await;
    let deed = DeedNote {
        game: game("starfall"),
        campaign: campaign_of_template(name, next).unwrap().id,
        conversation: second.conversation,
        deed: Deed::OptOut,
        within_ms: HOUR_MS,
        at: world.now().plus_ms(5),
    };
    assert!(world.store().note_deed(deed.clone()).await.unwrap());
    assert!(!world.store().note_deed(deed).await.unwrap(), "once");
    let hour = hour_of(world.now());
    let (reached, left) = (format!("{REACHED}{hour}"), format!("{}{hour}", Deed::OptOut.counted_as()));
    assert_eq!(tally(next).await, these(&[("queued", 1), ("accepted", 1), (&reached, 1), (&left, 1)]));
    assert_eq!(tally(today).await, these(&passed));
    // One that is not sent is a dead letter, as of all that is said.
    let third = send().await;
    let result = SendResult::Dead { reason: "expired".to_owned(), detail: "too late".to_owned(), at: world.now() };
    world.record(third, result).await;
    assert_eq!(world.store().dead_letters(None, None, 9).await.unwrap().len(), 1);
    assert!(tally(next).await.contains(&("dropped:expired".to_owned(), 1)));
}

pub async fn what_people_do_after_a_campaigns_message_is_counted_once<E: Engine>() {
    let mut world = World::<E>::new().await;
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(enqueued(&world, n, campaign("b1", Some((n % 2) as u8)), None).await);
    }
    world.store().begin(ids.clone(), world.now()).await.unwrap();
    let began = world.now();
    // Meta takes five; one of them is known by its status alone.
    for (n, id) in ids[..4].iter().enumerate() {
        world.record(*id, SendResult::Accepted { wamid: questline_core::event::Wamid(format!("w{n}").into()), at: began }).await;
    }
    world.status(Some(ids[4]), "w4", DeliveryState::Sent).await;
    let deed = |n: usize, deed, after_ms: u64| DeedNote {
        game: game("starfall"),
        campaign: CampaignId::parse("b1").unwrap(),
        conversation: ids[n].conversation,
        deed,
        within_ms: HOUR_MS,
        at: began.plus_ms(after_ms),
    };
    let note = async |what: DeedNote| world.store().note_deed(what).await.unwrap();
    // Of many at once, one counts.
    let many = (0..50).map(|_| {
        let (store, what) = (world.store().clone(), deed(0, Deed::Conversion, 5));
        tokio::spawn(async move { store.note_deed(what).await.unwrap() })
    });
    let mut counted = 0;
    for one in many.collect::<Vec<_>>() {
        counted += usize::from(one.await.unwrap());
    }
    assert_eq!(counted, 1);
    for other in [Deed::Click, Deed::OptOut] {
        assert!(note(deed(0, other, 7)).await, "another deed");
        assert!(!note(deed(0, other, 8)).await, "once");
    }
    assert!(note(deed(1, Deed::Conversion, HOUR_MS - 1)).await);
    assert!(!note(deed(2, Deed::Conversion, HOUR_MS)).await, "too late");
    assert!(!note(deed(5, Deed::Conversion, 5)).await, "it never reached them");
    let foreign = DeedNote { game: game("moonrise"), ..deed(2, Deed::Conversion, 5) };
    assert!(!note(foreign).await, "a game is no other game's business");
    // Meta left one out for an experiment of its own.
    let error = Some(StatusError { code: EXPERIMENT_OF_META, detail: "in an experiment".to_owned() });
    world.append_status(StatusUpdate { error, ..world.status_of(Some(ids[3]), "w3", DeliveryState::Failed) }).await;
    assert!(!note(deed(3, Deed::Conversion, 5)).await);
    world.restart().await;
    let tallies = world.store().tallies(&game("starfall"), &CampaignId::parse("b1").unwrap()).await.unwrap();
    let at = |hours: u64| cohorts(&tallies, 2, Deed::Conversion, HOUR_MS, UnixMs(hours * HOUR_MS));
    let arm = |subjects, converted| Arm { subjects, converted };
    assert_eq!(at(hour_of(began) + 2), vec![vec![arm(3, 1), arm(1, 1)]]);
    assert_eq!(at(hour_of(began) + 1), Vec::<Vec<Arm>>::new());
}
