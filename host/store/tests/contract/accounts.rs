//! What the host knows of players: no change is lost, and one that concerns several is made whole.

use questline_core::account::{ContactKey, LinkedContact};
use questline_core::contact::{Contact, PhoneNumber};
use questline_core::id::{DeviceId, PlayerId};
use questline_core::port::{AccountKeys, AccountPages};
use questline_core::time::UnixMs;

use crate::support::{Engine, World, game};

fn player(n: u32) -> PlayerId {
    PlayerId::parse(&format!("p-{n}")).unwrap()
}

fn phone(n: u32) -> PhoneNumber {
    PhoneNumber::parse(&format!("155501{n:02}")).unwrap()
}

fn both(n: u32) -> AccountKeys {
    AccountKeys { players: vec![player(n)], contacts: vec![ContactKey::Phone(phone(n))] }
}

fn link(pages: &mut AccountPages, n: u32) {
    let contact = Contact::new(Some(phone(n)), None).unwrap();
    pages.players[0].contacts.push(LinkedContact { contact, at: UnixMs(7) });
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
            let keys = AccountKeys { players: vec![player(n)], contacts: vec![ContactKey::Phone(phone(0))] };
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
    let keys = AccountKeys { players: (1..40).map(player).collect(), contacts: vec![ContactKey::Phone(phone(0))] };
    let known = world.store().accounts(&game("starfall"), keys).await.unwrap();
    assert!(owners.iter().all(|owner| *owner == known.contacts[0].player));
    assert_eq!(known.players.iter().filter(|account| !account.contacts.is_empty()).count(), 1, "the others' accounts know nothing of it");
}
