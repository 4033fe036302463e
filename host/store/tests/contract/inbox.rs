//! Events on their way in: whole, in bounds, unchanged.

use questline_core::event::*;
use questline_core::id::{FlowName, OutboxRef, OutboxSeq, TicketNumber};
use questline_core::port::{Appended, Incoming, StoreError};
use questline_core::status::DeliveryState;

use crate::support::*;

fn one_of_each() -> Vec<Event> {
    let wamid = || Wamid("wamid.Hüh\"\\\n\u{1F600}".into());
    let media = || Media {
        id: "1".into(),
        mime_type: "image/jpeg".into(),
        sha256: Some("c2hh".into()),
        caption: Some("ä".into()),
        filename: None,
        voice: true,
    };
    let choice = || Choice { id: "a".into(), title: "A".into() };
    let contents = [
        Inbound::Text("\u{0}\u{1F3AE} \"quoted\" \\ \u{2028}".into()),
        Inbound::Image(media()),
        Inbound::Video(media()),
        Inbound::Audio(media()),
        Inbound::Document(media()),
        Inbound::Sticker(media()),
        Inbound::Location(Location { latitude: -33.8688, longitude: 1e-7, name: None, address: Some("x".into()) }),
        Inbound::Contacts(SharedContacts {
            cards: vec![ContactCard { name: "Ada".into(), phones: vec!["+1 555".into()] }],
            requested: true,
        }),
        Inbound::Button(choice()),
        Inbound::ListItem(choice()),
        Inbound::QuickReply(QuickReply { payload: "p".into(), text: "t".into() }),
        Inbound::Form(Form { name: "flow".into(), response: "{\"a\":1}".into() }),
        Inbound::Reaction(Reaction { target: wamid(), emoji: None }),
        Inbound::Order(Order {
            catalog: "c".into(),
            text: None,
            items: vec![OrderItem { product: "p".into(), quantity: 2, price: 9.99, currency: "USD".into() }],
        }),
        Inbound::Unsupported(None),
        Inbound::Extension(Extension { name: "new".into(), value: "{}".into() }),
    ];
    let messages = contents.into_iter().map(|content| {
        Event::Message(Message {
            content,
            reply_to: Some(wamid()),
            forwarded: true,
            referral: Some(Referral { source_type: "ad".into(), source_id: "7".into(), headline: None, body: Some("b".into()) }),
            profile_name: Some("Ada".into()),
            identity_key_hash: Some("h".into()),
            ..text_message("wamid.1", "")
        })
    });
    let flow = || FlowName::parse("vip-routing").unwrap();
    let authentication =
        || AuthenticationEvent { purpose: "login".into(), method: "code".into(), attempts_left: 3, player: None, device: None };
    let reference = OutboxRef { conversation: questline_core::id::ConversationId(1), seq: OutboxSeq(1) };
    let others = [
        Event::Status(StatusEvent {
            message: Some(reference),
            state: DeliveryState::Failed,
            at: START,
            error: Some(StatusError { code: 131_026, detail: "d".into() }),
        }),
        Event::GameEvent(GameEvent {
            name: "tournament-result".into(),
            id: "1".into(),
            payload: "{\"place\":1}".into(),
            at: START,
            player: None,
        }),
        Event::Timer(TimerEvent { flow: flow(), id: "t".into(), payload: "{}".into() }),
        Event::Authenticated(authentication()),
        Event::CodeRejected(authentication()),
        Event::TicketClosed(TicketClosed { number: TicketNumber::parse("SF-1").unwrap(), resolution: "done".into() }),
        Event::HandedOver(HandedOver { from: flow(), to: flow(), note: Some("{}".into()) }),
        Event::System(SystemChange::Moved(contact(Some(2), Some(3)))),
        Event::System(SystemChange::IdentityChanged { hash: "h".into() }),
        Event::System(SystemChange::Other("new_kind".into())),
        Event::Preference(Preference { marketing: false, detail: "stop".into(), at: START }),
    ];
    messages.chain(others).collect()
}

/// From memory and, after a restart, from the data.
pub async fn what_goes_in_comes_out<E: Engine>() {
    let mut world = World::<E>::new().await;
    let events = one_of_each();
    let incoming = events.iter().map(|event| Incoming { address: player(1), dedup: None, event: event.clone() });
    assert_eq!(world.append(incoming).await.events as usize, events.len());
    for restart in [false, true] {
        if restart {
            world.restart().await;
        }
        let work = world.take().await;
        assert_eq!(work.conversation.game, game("starfall"));
        assert_eq!(work.conversation.contact, phone(1));
        let found = work.events.iter().map(|entry| (*entry.event).clone()).collect::<Vec<_>>();
        assert_eq!(found, events);
        assert!(work.events.iter().all(|entry| entry.received_at == START && entry.attempts == 0));
    }
}

pub async fn a_thousand_events_of_one_post_stay_in_order<E: Engine>() {
    let world = World::<E>::new().await;
    let appended = world.append((0..1_000).map(|n| incoming(&player(n % 3), &n.to_string()))).await;
    assert_eq!(appended, Appended { events: 1_000, ..Appended::default() });
    for _ in 0..3 {
        let work = world.take().await;
        let found = bodies(&work).iter().map(|body| body.parse::<u64>().unwrap()).collect::<Vec<_>>();
        let first = found[0];
        assert_eq!(found, (first..1_000).step_by(3).collect::<Vec<_>>());
        assert!(seqs(&work).is_sorted_by(|a, b| a < b));
    }
}

pub async fn an_empty_post_is_no_harm<E: Engine>() {
    let world = World::<E>::new().await;
    assert_eq!(world.append([]).await, Appended::default());
}

pub async fn too_much_is_refused_whole<E: Engine>() {
    let world = World::<E>::with(|setup| (setup.inbox_max, setup.inbox_per_game_max) = (10, 10)).await;
    world.append((0..8).map(|n| keyed(&player(n), n))).await;
    let refused = world.try_append((8..11).map(|n| keyed(&player(n), n))).await;
    assert_eq!(refused, Err(StoreError::Overloaded { waiting: 8 }));
    assert_eq!(world.store().depth().await.unwrap().inbox, 8, "nothing of it was taken");
    assert_eq!(world.append((8..10).map(|n| keyed(&player(n), n))).await.events, 2);
    assert_eq!(world.try_append([keyed(&player(10), 10)]).await, Err(StoreError::Overloaded { waiting: 10 }));
    // Room is made by commits, and a refused event was not seen: sent again, it is new.
    let work = world.take().await;
    world.commit(done(&work)).await;
    assert_eq!(world.append([keyed(&player(10), 10)]).await.events, 1);
}

pub async fn one_games_flood_leaves_room_for_others<E: Engine>() {
    let world = World::<E>::with(|setup| (setup.inbox_max, setup.inbox_per_game_max) = (10, 5)).await;
    world.append((0..5).map(|n| incoming(&player(n), "flood"))).await;
    assert!(matches!(world.try_append([incoming(&player(5), "flood")]).await, Err(StoreError::Overloaded { .. })));
    let other = questline_core::contact::Address { game: game("calm"), number: number(2), contact: phone(1) };
    assert_eq!(world.append((0..5).map(|_| incoming(&other, "calm"))).await.events, 5);
}

pub async fn events_larger_than_memory_come_out_too<E: Engine>() {
    let world = World::<E>::with(|setup| setup.cache_bytes_max = 16 << 10).await;
    let texts = (0..50).map(|n| format!("{n}{}", "x".repeat(2_000))).collect::<Vec<_>>();
    for text in &texts {
        world.append([incoming(&player(1), text)]).await;
    }
    let work = world.take().await;
    assert_eq!(bodies(&work), texts.iter().map(String::as_str).collect::<Vec<_>>());
}
