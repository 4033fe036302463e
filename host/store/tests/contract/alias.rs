//! A player is one conversation, whatever Meta calls them, and nobody is anybody else.

use std::sync::Arc;

use questline_core::contact::Address;
use questline_core::id::ConversationId;
use questline_core::port::StoreError;

use crate::support::*;

/// Appends a text, takes its conversation, does the step, and gives it back.
async fn conversation_of<E: Engine>(world: &World<E>, address: &Address) -> ConversationId {
    world.append([incoming(address, "who am I")]).await;
    let work = world.take().await;
    world.commit(done(&work)).await;
    world.release(&work).await;
    work.conversation.id
}

pub async fn phone_and_bsuid_are_one_conversation<E: Engine>() {
    let world = World::<E>::new().await;
    let both = conversation_of(&world, &of_contact(contact(Some(1), Some(7)))).await;
    assert_eq!(conversation_of(&world, &of_contact(contact(Some(1), None))).await, both);
    assert_eq!(conversation_of(&world, &of_contact(contact(None, Some(7)))).await, both);
    assert_ne!(conversation_of(&world, &player(2)).await, both);
    assert_eq!(world.store().depth().await.unwrap().conversations, 2);
}

pub async fn a_contact_learned_outdates_a_step_under_way<E: Engine>() {
    let world = World::<E>::new().await;
    world.append([incoming(&of_contact(contact(None, Some(7))), "by bsuid")]).await;
    let work = world.take().await;
    assert_eq!(work.conversation.contact, contact(None, Some(7)));
    world.append([incoming(&of_contact(contact(Some(1), Some(7))), "by both")]).await;
    assert_eq!(world.store().commit(done(&work)).await, Err(StoreError::Stale), "it would forget the phone number");
    let work = world.store().load(work.conversation.id, 9).await.unwrap();
    assert_eq!(bodies(&work), ["by bsuid", "by both"]);
    assert_eq!(work.conversation.contact, contact(Some(1), Some(7)));
    world.commit(done(&work)).await;
    world.append([incoming(&of_contact(contact(None, Some(7))), "nothing new")]).await;
    let again = world.store().load(work.conversation.id, 9).await.unwrap();
    assert_eq!(again.conversation.contact, contact(Some(1), Some(7)), "what is not told is not forgotten");
    assert_eq!(again.conversation.version, work.conversation.version + 1);
}

pub async fn the_phone_wins_and_the_bsuid_moves<E: Engine>() {
    let world = World::<E>::new().await;
    let by_phone = conversation_of(&world, &player(1)).await;
    let by_bsuid = conversation_of(&world, &of_contact(contact(None, Some(7)))).await;
    assert_ne!(by_phone, by_bsuid);
    assert_eq!(conversation_of(&world, &of_contact(contact(Some(1), Some(7)))).await, by_phone);
    assert_eq!(conversation_of(&world, &of_contact(contact(None, Some(7)))).await, by_phone);
    // A BSUID that meets a new phone number brings its conversation along, and the old number is another's now.
    assert_eq!(conversation_of(&world, &of_contact(contact(Some(2), Some(7)))).await, by_phone);
    let other = conversation_of(&world, &player(1)).await;
    assert!(other != by_phone && other != by_bsuid);
}

pub async fn numbers_and_games_keep_apart<E: Engine>() {
    let world = World::<E>::new().await;
    let first = conversation_of(&world, &of_contact(contact(Some(1), Some(7)))).await;
    let elsewhere = Address { game: game("other"), number: number(2), contact: contact(Some(1), Some(7)) };
    let second = conversation_of(&world, &elsewhere).await;
    assert_ne!(first, second);
    assert_eq!(world.store().load(second, 1).await.unwrap().conversation.game, game("other"));
}

pub async fn a_committed_contact_moves_the_names<E: Engine>() {
    let mut world = World::<E>::new().await;
    let taken_over = conversation_of(&world, &player(2)).await;
    world.append([incoming(&of_contact(contact(Some(1), Some(7))), "I have moved")]).await;
    let work = world.take().await;
    let mut commit = done(&work);
    commit.conversation.contact = contact(Some(2), Some(8));
    world.commit(commit).await;
    world.release(&work).await;
    for restart in [false, true] {
        if restart {
            world.restart().await;
        }
        for new in [contact(Some(2), None), contact(None, Some(8))] {
            assert_eq!(conversation_of(&world, &of_contact(new)).await, work.conversation.id);
        }
        assert_eq!(world.store().load(work.conversation.id, 1).await.unwrap().conversation.contact, contact(Some(2), Some(8)));
    }
    // The old number belongs to somebody else from now on.
    let stranger = conversation_of(&world, &player(1)).await;
    assert!(stranger != work.conversation.id && stranger != taken_over);
    assert_ne!(conversation_of(&world, &of_contact(contact(None, Some(7)))).await, work.conversation.id);
}

pub async fn a_commit_takes_no_name_back_that_moved<E: Engine>() {
    let world = World::<E>::new().await;
    let old = of_contact(contact(None, Some(7)));
    world.append([incoming(&old, "a"), incoming(&old, "b")]).await;
    let work = world.take().await;
    // Meanwhile the BSUID turns out to be the one of another's phone number.
    world.append([incoming(&player(1), "c")]).await;
    world.append([incoming(&of_contact(contact(Some(1), Some(7))), "d")]).await;
    world.commit(done(&work)).await;
    let other = world.take().await;
    assert_ne!(other.conversation.id, work.conversation.id);
    assert_eq!(bodies(&other), ["c", "d"]);
    world.append([incoming(&old, "e")]).await;
    let other = world.store().load(other.conversation.id, 9).await.unwrap();
    assert_eq!(bodies(&other), ["c", "d", "e"]);
}

pub async fn a_new_contact_begins_one_conversation<E: Engine>() {
    let world = Arc::new(World::<E>::new().await);
    let tasks = (0..64u64).map(|n| {
        let world = world.clone();
        // By phone, by BSUID, by both: the first to come knows both.
        let contact = match n % 3 {
            0 => contact(Some(1), Some(7)),
            1 => contact(Some(1), None),
            _ => contact(None, Some(7)),
        };
        tokio::spawn(async move {
            world.append([incoming(&of_contact(crate::support::contact(Some(1), Some(7))), "first")]).await;
            world.append([incoming(&of_contact(contact), "second")]).await
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap().events, 1);
    }
    assert_eq!(world.store().depth().await.unwrap().conversations, 1);
    assert_eq!(world.take().await.events.len(), 128);
}

pub async fn names_survive_a_restart<E: Engine>() {
    let mut world = World::<E>::new().await;
    let before = conversation_of(&world, &of_contact(contact(Some(1), Some(7)))).await;
    world.restart().await;
    assert_eq!(conversation_of(&world, &of_contact(contact(None, Some(7)))).await, before);
    assert_eq!(conversation_of(&world, &player(1)).await, before);
    assert_eq!(world.store().depth().await.unwrap().conversations, 1);
}
