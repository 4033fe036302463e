//! What the host knows of players: no change is lost, and one that concerns several is made whole.

use questline_core::account::link::token::LinkToken;
use questline_core::account::link::{self, Arrival, Attempt, KeptToken, LinkId, LinkRules, Presented, Wish, WrongToken};
use questline_core::account::{ContactKey, LinkedContact};
use questline_core::contact::{Contact, PhoneNumber};
use questline_core::id::{DeviceId, PlayerId};
use questline_core::port::{AccountKeys, AccountPages};
use questline_core::time::UnixMs;

use crate::support::{Engine, World, game, number};

fn player(n: u32) -> PlayerId {
    PlayerId::parse(&format!("p-{n}")).unwrap()
}

fn phone(n: u32) -> PhoneNumber {
    PhoneNumber::parse(&format!("155501{n:02}")).unwrap()
}

fn both(n: u32) -> AccountKeys {
    AccountKeys { players: vec![player(n)], contacts: vec![ContactKey::Phone(phone(n))], ..AccountKeys::default() }
}

fn link(pages: &mut AccountPages, n: u32) {
    let contact = Contact::new(Some(phone(n)), None).unwrap();
    let id = LinkId::from_bytes([n as u8; 8]);
    pages.players[0].contacts.push(LinkedContact { id, contact, number: number(1), at: UnixMs(7), unproven: false });
    pages.contacts[0].player = Some(player(n));
}

pub async fn what_is_known_of_a_player_is_kept<E: Engine>() {
    let mut world = World::<E>::new().await;
    let nothing = world.store().accounts(&game("starfall"), both(1)).await.unwrap();
    assert!(nothing.players[0].is_empty() && nothing.contacts[0].is_empty());
    let linked = world.store().change_accounts(&game("starfall"), both(1), Box::new(|pages| link(pages, 1))).await.unwrap();
    assert_eq!(linked.contacts[0].player, Some(player(1)));
    world.restart().await;
    assert_eq!(world.store().accounts(&game("starfall"), both(1)).await.unwrap(), linked);
    assert!(world.store().accounts(&game("cup"), both(1)).await.unwrap().players[0].is_empty(), "another game knows nothing of it");
    assert!(world.store().accounts(&game("starfall"), both(2)).await.unwrap().players[0].is_empty());
    let forget = Box::new(|pages: &mut AccountPages| pages.players[0] = Default::default());
    let forgotten = world.store().change_accounts(&game("starfall"), both(1), forget).await.unwrap();
    assert!(forgotten.players[0].is_empty());
    let left = world.store().accounts(&game("starfall"), both(1)).await.unwrap();
    assert!(left.players[0].is_empty() && left.contacts[0].player.is_some());
}

pub async fn no_change_of_a_player_is_lost<E: Engine>() {
    let world = World::<E>::new().await;
    let tasks: Vec<_> = (0..12)
        .map(|n| {
            let store = world.store().clone();
            let device = DeviceId::parse(&format!("device-{n}")).unwrap();
            tokio::spawn(async move {
                let bind = move |pages: &mut AccountPages| {
                    pages.players[0].devices.bind(device.clone(), None, UnixMs(n));
                };
                store.change_accounts(&game("starfall"), AccountKeys::player(&player(1)), Box::new(bind)).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let known = world.store().accounts(&game("starfall"), AccountKeys::player(&player(1))).await.unwrap();
    assert_eq!(known.players[0].devices.iter().count(), 12);
}

pub async fn of_many_claims_to_a_contact_one_holds<E: Engine>() {
    let world = World::<E>::new().await;
    let tasks: Vec<_> = (1..40)
        .map(|n| {
            let store = world.store().clone();
            let keys = AccountKeys { players: vec![player(n)], contacts: vec![ContactKey::Phone(phone(0))], ..AccountKeys::default() };
            let claim = move |pages: &mut AccountPages| {
                if pages.contacts[0].player.is_none() {
                    link(pages, n);
                }
            };
            tokio::spawn(async move { store.change_accounts(&game("starfall"), keys, Box::new(claim)).await.unwrap() })
        })
        .collect();
    let mut owners = Vec::new();
    for task in tasks {
        owners.push(task.await.unwrap().contacts[0].player.clone());
    }
    let keys =
        AccountKeys { players: (1..40).map(player).collect(), contacts: vec![ContactKey::Phone(phone(0))], ..AccountKeys::default() };
    let known = world.store().accounts(&game("starfall"), keys).await.unwrap();
    assert!(owners.iter().all(|owner| *owner == known.contacts[0].player));
    assert_eq!(known.players.iter().filter(|account| !account.contacts.is_empty()).count(), 1, "the others' accounts know nothing of it");
}

pub async fn a_change_that_concerns_nothing_is_made<E: Engine>() {
    let world = World::<E>::new().await;
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let ask = asked.clone();
    let note = Box::new(move |_: &mut AccountPages| ask.store(true, std::sync::atomic::Ordering::SeqCst));
    let left = world.store().change_accounts(&game("starfall"), AccountKeys::default(), note).await.unwrap();
    assert!(asked.load(std::sync::atomic::Ordering::SeqCst));
    assert_eq!(
        (left, AccountPages::default()),
        (world.store().accounts(&game("starfall"), AccountKeys::default()).await.unwrap(), AccountPages::default())
    );
}

pub async fn of_a_thousand_messages_with_one_token_one_links<E: Engine>() {
    let world = World::<E>::new().await;
    let hash = LinkToken::from_bytes([7; 16]).hash();
    let wish = Wish { player: player(1), device: None, locale: None };
    let kept = KeptToken { wish, expires_at: world.now().plus_ms(600_000), used_by: None };
    let keys = AccountKeys { tokens: vec![hash], ..AccountKeys::default() };
    let keep = kept.clone();
    let put = Box::new(move |pages: &mut AccountPages| pages.tokens[0] = Some(keep.clone()));
    world.store().change_accounts(&game("starfall"), keys.clone(), put).await.unwrap();
    assert_eq!(world.store().accounts(&game("cup"), keys.clone()).await.unwrap().tokens, [None], "another game has no such token");
    let tasks: Vec<_> = (0..1_000u32)
        .map(|n| {
            let (store, now) = (world.store().clone(), world.now());
            tokio::spawn(async move {
                // Ten phones, each with a hundred messages.
                let contact = Contact::new(Some(phone(n % 10)), None).unwrap();
                let arrival = Arrival {
                    contact: contact.clone(),
                    number: number(1),
                    by: format!("message {n}"),
                    known: None,
                    proven: None,
                    id: LinkId::from_bytes(u64::from(n).to_be_bytes()),
                    now,
                };
                let rules = LinkRules { wrong_per_contact_per_hour: 500, ..LinkRules::default() };
                let (keys, told) = (
                    AccountKeys { players: vec![player(1)], contacts: ContactKey::all(&contact), tokens: vec![hash] },
                    std::sync::Arc::new(std::sync::Mutex::new(None)),
                );
                let (all, tell) = (keys.clone(), told.clone());
                let present = move |pages: &mut AccountPages| {
                    let presented = link::change(&all, pages, |book| book.present(Some(&hash), &arrival, &rules));
                    *tell.lock().unwrap() = Some(presented.unwrap());
                };
                store.change_accounts(&game("starfall"), keys, Box::new(present)).await.unwrap();
                let presented = told.lock().unwrap().take().unwrap();
                (n, presented)
            })
        })
        .collect();
    let mut linked = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            (n, Presented::Good(_, Attempt::Linked(link))) => linked.push((n, link)),
            (_, other) => assert_eq!(other, Presented::Wrong(WrongToken::Used)),
        }
    }
    let [(n, link)] = &linked[..] else { panic!("{linked:?}") };
    assert!(!link.again && link.left.is_none());
    let keys =
        AccountKeys { players: vec![player(1)], contacts: (0..10).map(|n| ContactKey::Phone(phone(n))).collect(), tokens: vec![hash] };
    let left = world.store().accounts(&game("starfall"), keys).await.unwrap();
    assert_eq!(left.players[0].contacts.len(), 1);
    let owners: Vec<_> = (0..10u32).filter(|phone| left.contacts[*phone as usize].player.is_some()).collect();
    assert_eq!(owners, [n % 10]);
    assert_eq!(left.tokens[0].as_ref().unwrap().used_by, Some(format!("message {n}")));
}
