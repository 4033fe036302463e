//! Consent: no marketing begins that a player does not agree to, whatever happens at once; and what was told is kept.

use std::collections::BTreeSet;

use questline_core::audit::Actor;
use questline_core::consent::{ConsentRecord, Held, Marketing, Unwanted};
use questline_core::contact::Address;
use questline_core::id::{GameId, OutboxRef};
use questline_core::outbox::{Content, MessageClass, NewMessage};
use questline_core::port::{Begun, StoreError};
use questline_core::send::SendResult;
use questline_core::template::{Category, TemplateMessage};
use questline_core::time::UnixMs;

use crate::support::{Engine, START, World, contact, done, game, incoming, number, of_contact, phone, player, reply};

const NO_CONSENT: Begun = Begun::Unwanted(Unwanted::NoConsent);

/// What somebody told.
pub fn told(marketing: Marketing, wording: &str, at: UnixMs) -> ConsentRecord {
    ConsentRecord {
        id: format!("{wording}.{at}"),
        marketing,
        wording: wording.into(),
        wording_version: Some("news-1".into()),
        method: "website-form".into(),
        source: Actor::Token("shop".into()),
        locale: Some("de".into()),
        at,
        recorded_at: at,
        player: None,
        contact: Some(phone(1)),
        from: None,
        copy: false,
    }
}

fn marketing(to: &questline_core::conversation::Conversation) -> NewMessage {
    let template = TemplateMessage {
        name: "season".into(),
        language: "en".into(),
        category: Category::Marketing,
        header: None,
        body: Vec::new(),
        buttons: Vec::new(),
    };
    NewMessage { class: MessageClass::Low, content: Content::Template(template), ..reply(to, "", START) }
}

/// A conversation hears a decision, and queues marketing messages in the same step.
async fn decide<E: Engine>(world: &World<E>, who: &Address, record: Option<ConsentRecord>, messages: usize) -> Vec<OutboxRef> {
    world.append([incoming(who, "told")]).await;
    let work = world.take().await;
    let mut commit = done(&work);
    if let Some(record) = record {
        commit.conversation.hear_consent(&record);
        commit.consents = vec![record];
    }
    commit.outbox = (0..messages).map(|_| marketing(&work.conversation)).collect();
    let committed = world.commit(commit).await;
    world.release(&work).await;
    committed.outbox
}

pub async fn marketing_begins_only_while_the_player_agrees<E: Engine>() {
    let mut world = World::<E>::new().await;
    let begin =
        async |world: &World<E>, messages: &[OutboxRef], at: UnixMs| world.store().begin_marketing(messages.to_vec(), at).await.unwrap();
    let unasked = decide(&world, &player(1), None, 1).await;
    let agreed = decide(&world, &player(2), Some(told(Marketing::Granted, "Yes", START)), 3).await;
    let all = [unasked[0], agreed[1], unasked[0], agreed[0]];
    assert_eq!(begin(&world, &all, START).await, [NO_CONSENT, Begun::Yes, NO_CONSENT, Begun::Yes], "in the order of the messages");
    world.restart().await;
    let taken = world.take_messages(4).await;
    let in_flight: Vec<_> = taken.iter().filter(|message| message.state != questline_core::outbox::SendState::Queued).collect();
    assert_eq!(in_flight.len(), 2, "what is not wanted was not begun: {taken:?}");

    // What has left the outbox is told apart.
    world.record(agreed[0], SendResult::Done).await;
    assert_eq!(begin(&world, &[agreed[0], agreed[2]], START).await, [Begun::Gone, Begun::Yes]);

    // Withdrawn: all that is queued stays where it is, until it is recorded that it is given up.
    decide(&world, &player(2), Some(told(Marketing::Withdrawn, "STOP", START.plus_ms(1))), 0).await;
    assert_eq!(begin(&world, &agreed[1..], START.plus_ms(2)).await, [NO_CONSENT, NO_CONSENT]);
    let given_up = SendResult::Dead { reason: "no-consent".into(), detail: "marketing".into(), at: START };
    world.record(agreed[2], given_up).await;
    let letters = world.store().dead_letters(None, None, 9).await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.dead_letter.reason.as_str()).collect::<Vec<_>>(), ["no-consent"]);

    // Held by Meta: not before its time.
    world.append([incoming(&player(3), "hi")]).await;
    let work = world.take().await;
    let mut commit = done(&work);
    commit.conversation.hear_consent(&told(Marketing::Granted, "Yes", START));
    let until = START.plus_ms(5_000);
    commit.conversation.marketing_held = Some(Held { until, times: 0 });
    commit.outbox = vec![marketing(&work.conversation)];
    let held = world.commit(commit).await.outbox;
    world.release(&work).await;
    assert_eq!(begin(&world, &held, START.plus_ms(4_999)).await, [Begun::Unwanted(Unwanted::Held { until })]);
    assert_eq!(begin(&world, &held, until).await, [Begun::Yes]);
}

pub async fn of_a_stop_and_a_begin_at_once_one_comes_first<E: Engine>() {
    let world = World::<E>::new().await;
    let mut messages = Vec::new();
    for n in 0..50 {
        messages.push(decide(&world, &player(n), Some(told(Marketing::Granted, "Yes", START)), 1).await[0]);
    }
    world.append((0..50).map(|n| incoming(&player(n), "STOP"))).await;
    let mut works = Vec::new();
    for _ in 0..50 {
        works.push(world.take().await);
    }
    let stops = works.into_iter().map(|work| {
        let store = world.store().clone();
        tokio::spawn(async move {
            let mut commit = done(&work);
            commit.conversation.hear_consent(&told(Marketing::Withdrawn, "STOP", START.plus_ms(1)));
            let message = store.commit(commit).await.map(|_| work.conversation.id).unwrap();
            // From the moment at which the STOP is written nothing begins any more.
            (message, store)
        })
    });
    let stops: Vec<_> = stops.collect();
    let begins = messages.iter().map(|id| {
        let (store, id) = (world.store().clone(), *id);
        tokio::spawn(async move { store.begin_marketing(vec![id], START.plus_ms(2)).await.unwrap() })
    });
    let begins: Vec<_> = begins.collect();
    for stop in stops {
        let (stopped, store) = stop.await.unwrap();
        let id = *messages.iter().find(|id| id.conversation == stopped).unwrap();
        assert_eq!(store.begin_marketing(vec![id], START.plus_ms(2)).await.unwrap(), [NO_CONSENT]);
    }
    for begin in begins {
        let answer = begin.await.unwrap();
        assert!(answer == [Begun::Yes] || answer == [NO_CONSENT], "{answer:?}");
    }
}

pub async fn marketing_on_a_stale_decision_is_not_queued<E: Engine>() {
    let world = World::<E>::new().await;
    decide(&world, &player(1), Some(told(Marketing::Granted, "Yes", START)), 0).await;
    world.append([incoming(&player(1), "STOP"), incoming(&player(1), "news?")]).await;
    let work = world.take().await;
    let mut stop = done(&work);
    stop.conversation.hear_consent(&told(Marketing::Withdrawn, "STOP", START.plus_ms(1)));
    world.commit(stop).await;
    // Decided on what was read before the STOP.
    let mut stale = questline_core::commit::Commit::of(work.conversation.clone(), work.events[1].seq);
    stale.outbox = vec![marketing(&work.conversation)];
    stale.consents = vec![told(Marketing::Granted, "stale", START)];
    assert_eq!(world.store().commit(stale).await, Err(StoreError::Stale));
    assert_eq!(world.store().depth().await.unwrap().outbox, 0);
    let kept = world.store().consents_of(&game("starfall"), &[number(1)], &[phone(1)]).await.unwrap();
    assert!(!kept.iter().any(|record| record.wording == "stale"));
}

pub async fn what_was_told_is_kept_in_order<E: Engine>() {
    let mut world = World::<E>::new().await;
    let with_both = of_contact(contact(Some(1), Some(7)));
    let elsewhere = Address { number: number(2), ..player(1) };
    let mut expected = Vec::new();
    for n in 0..5u64 {
        let record = told(if n % 2 == 0 { Marketing::Granted } else { Marketing::Withdrawn }, &format!("words {n}"), START.plus_ms(n));
        decide(&world, if n == 4 { &elsewhere } else { &with_both }, Some(record.clone()), 0).await;
        expected.push(record);
    }
    decide(&world, &player(2), Some(told(Marketing::Granted, "of somebody else", START)), 0).await;
    world.restart().await;
    let starfall = game("starfall");
    let of = async |game: &GameId, numbers: &[u64], who: &[questline_core::contact::Contact]| {
        let numbers: Vec<_> = numbers.iter().map(|n| number(*n)).collect();
        world.store().consents_of(game, &numbers, who).await.unwrap()
    };
    assert_eq!(of(&starfall, &[1, 2], &[phone(1)]).await, expected);
    assert_eq!(of(&starfall, &[1], &[contact(None, Some(7)), phone(1)]).await, expected[..4], "by any of its names, once");
    assert_eq!(of(&starfall, &[1], &[phone(99)]).await, []);
    assert_eq!(of(&game("other"), &[1, 2], &[phone(1)]).await, [], "another game's");
}

pub async fn an_export_has_each_record_once<E: Engine>() {
    let world = World::<E>::new().await;
    for n in 0..40u64 {
        let who = if n % 4 == 3 { Address { game: game("other"), number: number(9), contact: phone(n) } } else { player(n % 8) };
        decide(&world, &who, Some(told(Marketing::Granted, &format!("{n}"), START)), 0).await;
    }
    for (of, expected) in [("starfall", 30), ("other", 10), ("nobody", 0)] {
        let (mut after, mut found, mut parts) = (None, Vec::new(), 0);
        loop {
            let page = world.store().consents_after(&game(of), after, 7).await.unwrap();
            found.extend(page.records.into_iter().map(|record| record.wording));
            parts += 1;
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert!(parts > 1 || expected == 0, "in parts");
        let each: BTreeSet<_> = found.iter().collect();
        assert_eq!((found.len(), each.len()), (expected, expected), "{of}");
    }
}
