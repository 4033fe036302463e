//! Releases and tokens: kept whole, switched in one write, found again after a crash.

use questline_core::id::ReleaseDigest;
use questline_core::port::Store;
use questline_core::release::{Origin, Release, Shelf, ShelfChange};
use questline_core::time::{DAY_MS, UnixMs};
use questline_core::token::{Scope, StudioToken, TokenHash};

use crate::support::{Engine, START, World, game};

fn digest(n: u8) -> ReleaseDigest {
    ReleaseDigest::from_bytes([n; 32])
}

fn release(n: u8) -> Release {
    Release::new(digest(n), Origin::Upload, "ci".to_owned(), START)
}

/// More than one piece, and no piece like another.
fn archive(n: u8) -> Vec<u8> {
    (0..600_001u32).map(|at| (at / 7 + u32::from(n)) as u8).collect()
}

async fn activate(store: &dyn Store, n: u8) -> Option<Shelf> {
    store.change_shelf(&game("a"), ShelfChange::Activate { digest: digest(n), at: START }).await.unwrap()
}

pub async fn a_release_is_kept_whole<E: Engine>() {
    let mut world = World::<E>::new().await;
    assert!(world.store().put_release(&game("a"), release(1), &archive(1)).await.unwrap());
    assert!(!world.store().put_release(&game("a"), release(1), &archive(1)).await.unwrap(), "it is known");
    assert!(world.store().put_release(&game("a"), release(2), &[]).await.unwrap());
    world.restart().await;
    let store = world.store();
    assert_eq!(store.release_archive(&game("a"), &digest(1)).await.unwrap(), Some(archive(1)));
    assert_eq!(store.release_archive(&game("a"), &digest(2)).await.unwrap(), Some(Vec::new()));
    assert_eq!(store.release_archive(&game("a"), &digest(3)).await.unwrap(), None);
    assert_eq!(store.release_archive(&game("b"), &digest(1)).await.unwrap(), None, "another game's");
    let shelf = store.shelf(&game("a")).await.unwrap();
    assert_eq!(shelf.releases, [Release { bytes: 600_001, ..release(1) }, release(2)]);
    assert_eq!(store.shelf(&game("b")).await.unwrap(), Shelf::default());
}

pub async fn a_release_is_activated_and_rolled_back<E: Engine>() {
    let mut world = World::<E>::new().await;
    assert_eq!(activate(&**world.store(), 1).await, None, "it is not there");
    for n in 1..=3 {
        world.store().put_release(&game("a"), release(n), &[n]).await.unwrap();
        assert_eq!(activate(&**world.store(), n).await.unwrap().active, Some(digest(n)));
    }
    world.restart().await;
    let shelf = world.store().shelf(&game("a")).await.unwrap();
    assert_eq!((shelf.active, shelf.previous()), (Some(digest(3)), Some(digest(2))));
    let back = ShelfChange::RollBack { digest: digest(2), at: START };
    let shelf = world.store().change_shelf(&game("a"), back).await.unwrap().unwrap();
    assert_eq!((shelf.active, shelf.previous()), (Some(digest(2)), Some(digest(1))));
}

pub async fn of_changes_at_once_none_is_lost<E: Engine>() {
    let world = World::<E>::new().await;
    let tasks: Vec<_> = (0..16u8)
        .map(|n| {
            let store = world.store().clone();
            tokio::spawn(async move {
                store.put_release(&game("a"), release(n), &[n]).await.unwrap();
                activate(&*store, n).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let shelf = world.store().shelf(&game("a")).await.unwrap();
    assert_eq!((shelf.releases.len(), shelf.history.len()), (16, 15));
    assert!(shelf.releases.iter().all(|release| release.activated_at.is_some()));
}

pub async fn old_releases_are_forgotten_with_their_files<E: Engine>() {
    let world = World::<E>::new().await;
    let store = world.store();
    for n in 0..60 {
        store.put_release(&game("a"), release(n), &[n]).await.unwrap();
        if n == 0 {
            activate(&**store, n).await.unwrap();
        }
    }
    let shelf = store.shelf(&game("a")).await.unwrap();
    assert_eq!(shelf.releases.len(), 51, "the newest and the active one");
    assert_eq!(store.release_archive(&game("a"), &digest(0)).await.unwrap(), Some(vec![0]));
    assert_eq!(store.release_archive(&game("a"), &digest(5)).await.unwrap(), None);
    assert!(store.put_release(&game("a"), release(5), &[5]).await.unwrap(), "it is new again");
}

fn token(id: &str) -> StudioToken {
    StudioToken {
        id: id.to_owned(),
        name: "ci".to_owned(),
        hash: TokenHash::new("ab".repeat(32)),
        games: vec![game("a")],
        scopes: vec![Scope::Releases],
        created_at: START,
        expires_at: START.plus_ms(DAY_MS),
        revoked_at: None,
    }
}

pub async fn tokens_are_kept_and_revoked<E: Engine>() {
    let mut world = World::<E>::new().await;
    world.store().add_token(token("one")).await.unwrap();
    world.store().add_token(token("two")).await.unwrap();
    assert!(world.store().revoke_token("one", UnixMs(START.0 + 5)).await.unwrap());
    assert!(world.store().revoke_token("one", UnixMs(START.0 + 9)).await.unwrap(), "it stays so");
    assert!(!world.store().revoke_token("three", START).await.unwrap());
    world.restart().await;
    let tokens = world.store().tokens().await.unwrap();
    assert_eq!(tokens, [StudioToken { revoked_at: Some(UnixMs(START.0 + 5)), ..token("one") }, token("two")]);
    assert_eq!(tokens.iter().map(|token| token.is_valid(START)).collect::<Vec<_>>(), [false, true]);
    world.pass_days(32);
    let expires_at = world.now().plus_ms(DAY_MS);
    world.store().add_token(StudioToken { expires_at, ..token("four") }).await.unwrap();
    let left: Vec<_> = world.store().tokens().await.unwrap().into_iter().map(|token| token.id).collect();
    assert_eq!(left, ["four"], "those that have opened nothing for long are forgotten");
}
