//! What was put at Meta: kept until Meta forgets it, and forgotten only by who means this very upload.

use questline_core::id::{GameId, NumberId};
use questline_core::media::ContentDigest;
use questline_core::message::MediaKind;
use questline_core::port::{Upload, UploadKey};

use crate::support::{Engine, World};

fn key(number: &str, kind: MediaKind, digest: u8) -> UploadKey {
    UploadKey {
        game: GameId::parse("starfall").unwrap(),
        number: NumberId::parse(number).unwrap(),
        kind,
        digest: ContentDigest([digest; 32]),
    }
}

pub async fn an_upload_is_a_numbers_a_kinds_and_a_contents_own<E: Engine>() {
    let world = World::<E>::new().await;
    let upload = Upload { id: "4490709327384033".into(), at: world.now() };
    let this = key("1001", MediaKind::Image, 1);
    assert_eq!(world.store().upload(&this).await.unwrap(), None);
    world.store().keep_upload(&this, upload.clone()).await.unwrap();
    assert_eq!(world.store().upload(&this).await.unwrap(), Some(upload));
    for other in [key("1002", MediaKind::Image, 1), key("1001", MediaKind::Document, 1), key("1001", MediaKind::Image, 2)] {
        assert_eq!(world.store().upload(&other).await.unwrap(), None, "{other:?}");
    }
}

pub async fn only_the_upload_that_is_meant_is_forgotten<E: Engine>() {
    let world = World::<E>::new().await;
    let this = key("1001", MediaKind::Image, 1);
    let upload = |id: &str| Upload { id: id.into(), at: world.now() };
    world.store().keep_upload(&this, upload("new")).await.unwrap();
    world.store().forget_upload(&this, "old").await.unwrap();
    assert_eq!(world.store().upload(&this).await.unwrap(), Some(upload("new")), "somebody put it there again meanwhile");
    world.store().forget_upload(&this, "new").await.unwrap();
    assert_eq!(world.store().upload(&this).await.unwrap(), None);
    world.store().forget_upload(&this, "new").await.unwrap();
}

pub async fn an_upload_ends_when_meta_forgets_it<E: Engine>() {
    let world = World::<E>::new().await;
    let this = key("1001", MediaKind::Image, 1);
    let at = world.now();
    world.store().keep_upload(&this, Upload { id: "1".into(), at }).await.unwrap();
    world.pass_days(29);
    assert!(world.store().upload(&this).await.unwrap().is_some());
    world.pass_days(2);
    let kept = world.store().upload(&this).await.unwrap();
    assert!(kept.is_none_or(|kept| !kept.is_good(world.now())), "nobody relies on it");
}
