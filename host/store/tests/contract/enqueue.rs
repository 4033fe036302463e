//! Many messages at once: each once, in its conversation, whatever happens in between.

use questline_core::contact::Address;
use questline_core::id::{CampaignId, OutboxRef};
use questline_core::message::Outbound;
use questline_core::outbox::{Campaign, Content, MessageClass};
use questline_core::port::{DedupKey, Enqueue, Enqueued};
use questline_core::time::DAY_MS;

use crate::support::*;

/// The n-th message of a broadcast.
pub fn one_of_many(address: &Address, n: u64) -> Enqueue {
    Enqueue {
        address: address.clone(),
        dedup: key(START.as_s() + n / 100, 1_000_000 + n),
        class: MessageClass::Low,
        content: Content::Reply { message: Outbound::Text { body: format!("{n}"), preview: false }, reply_to: None },
        committed_at: START,
        expires_at: Some(START.plus_ms(DAY_MS)),
        not_before: None,
        campaign: Some(Campaign { id: CampaignId::parse("summer-2026").unwrap(), variant: Some(1) }),
        known: None,
    }
}

pub fn name(enqueued: &Enqueued) -> OutboxRef {
    match enqueued {
        Enqueued::Queued(id) => *id,
        Enqueued::Known => panic!("known"),
    }
}

pub async fn many_messages_are_put_in_once<E: Engine>() {
    const MESSAGES: u64 = 500;
    let mut world = World::<E>::with(|setup| setup.cache_bytes_max = 64 << 10).await;
    let batch = || (0..MESSAGES).map(|n| one_of_many(&player(n), n)).collect::<Vec<_>>();
    let names = world.store().enqueue(batch()).await.unwrap().iter().map(name).collect::<Vec<_>>();
    assert_eq!(world.store().enqueue(batch()).await.unwrap(), vec![Enqueued::Known; MESSAGES as usize]);
    world.restart().await;
    let mut more = batch().split_off(MESSAGES as usize - 3);
    more.push(one_of_many(&player(MESSAGES), MESSAGES));
    let enqueued = world.store().enqueue(more).await.unwrap();
    assert_eq!(enqueued[..3], [Enqueued::Known; 3], "after a restart too");
    let last = name(&enqueued[3]);
    assert_eq!(world.store().enqueue(Vec::new()).await.unwrap(), []);
    let depth = world.store().depth().await.unwrap();
    assert_eq!((depth.outbox, depth.conversations), (MESSAGES + 1, MESSAGES + 1));
    let mut messages = world.take_messages(MESSAGES as usize + 1).await;
    messages.sort_by_key(|message| sent_body(message).parse::<u64>().unwrap());
    let taken = messages.iter().map(|message| message.id).collect::<Vec<_>>();
    assert_eq!(taken, names.into_iter().chain([last]).collect::<Vec<_>>());
    let message = &messages[7].message;
    let expected = one_of_many(&player(7), 7).into_message();
    assert_eq!(message, &expected, "as it was put in");
}

pub async fn an_enqueued_message_goes_to_its_conversation<E: Engine>() {
    let world = World::<E>::new().await;
    let known = world.reply(&of_contact(contact(Some(1), Some(1))), &["a"]).await[0];
    let enqueued = world
        .store()
        .enqueue(vec![
            one_of_many(&player(1), 1),
            one_of_many(&player(2), 2),
            one_of_many(&player(2), 3),
            one_of_many(&of_contact(contact(None, Some(1))), 4),
        ])
        .await
        .unwrap();
    let of = enqueued.iter().map(|enqueued| name(enqueued).conversation).collect::<Vec<_>>();
    assert_eq!((of[0], of[3]), (known.conversation, known.conversation));
    assert_eq!(of[1], of[2], "begun once");
    assert_ne!(of[1], known.conversation);
    // The player who was written to answers, and it is the same conversation.
    world.append([incoming(&player(2), "hello")]).await;
    let work = world.take().await;
    assert_eq!((work.conversation.id, work.conversation.contact.clone()), (of[1], phone(2)));
    world.commit(done(&work)).await;
    let bodies = world.take_messages(5).await;
    let of_two = bodies.iter().filter(|message| message.id.conversation == of[1]).map(sent_body).collect::<Vec<_>>();
    assert_eq!(of_two, ["2", "3"], "in their order");
}

pub async fn a_key_without_a_time_is_enqueued_once_wherever_it_goes<E: Engine>() {
    let mut world = World::<E>::new().await;
    let keyed = |n: u64| Enqueue { dedup: DedupKey { sent_s: 0, digest: 77 }, ..one_of_many(&player(n), n) };
    let first = world.store().enqueue(vec![keyed(1)]).await.unwrap();
    assert!(matches!(first[..], [Enqueued::Queued(_)]));
    world.restart().await;
    assert_eq!(world.store().enqueue(vec![keyed(1), keyed(2)]).await.unwrap(), [Enqueued::Known; 2]);
    assert_eq!(world.store().depth().await.unwrap().outbox, 1);
}

pub async fn what_is_scheduled_waits_for_its_time<E: Engine>() {
    let mut world = World::<E>::new().await;
    let not_before = Some(START.plus_ms(60_000));
    let later = Enqueue { not_before, ..one_of_many(&player(1), 1) };
    let past = Enqueue { not_before: Some(START), ..one_of_many(&player(1), 2) };
    let enqueued = world.store().enqueue(vec![later.clone(), past]).await.unwrap();
    assert_eq!(world.take_messages(1).await[0].id, name(&enqueued[1]), "its conversation's next message does not wait");
    world.restart().await;
    assert_eq!(world.store().enqueue(vec![later]).await.unwrap(), [Enqueued::Known]);
    assert_eq!(world.store().fire_due(START.plus_ms(59_999), 9).await.unwrap(), (0, not_before));
    assert_eq!(world.store().fire_due(START.plus_ms(60_000), 9).await.unwrap(), (1, None));
    let bodies = world.take_messages(2).await;
    assert_eq!(sent_bodies(&bodies), ["2", "1"], "behind what was queued");
}
