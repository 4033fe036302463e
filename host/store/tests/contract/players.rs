//! Who a conversation is with is found from the player's side too.

use std::sync::Arc;

use questline_core::contact::Address;
use questline_core::id::{ConversationId, PlayerId};
use questline_core::port::PlayerConversation;

use crate::support::*;

fn named(name: &str) -> PlayerId {
    PlayerId::parse(name).unwrap()
}

/// A step in the conversation with this contact that leaves this player in its session, some time later.
async fn is_now<E: Engine>(world: &World<E>, address: &Address, player: Option<&str>) -> ConversationId {
    world.setup.clock.pass_ms(1_000);
    world.append([incoming(address, "x")]).await;
    let work = world.take().await;
    let mut commit = done(&work);
    commit.conversation.touch(world.now());
    commit.conversation.session.player = player.map(named);
    world.commit(commit).await;
    world.release(&work).await;
    work.conversation.id
}

async fn found<E: Engine>(world: &World<E>, player: &str) -> Vec<ConversationId> {
    world.store().conversations_of(&game("starfall"), &named(player)).await.unwrap().into_iter().map(|found| found.id).collect()
}

pub async fn a_player_is_found_in_their_conversations<E: Engine>() {
    let world = World::<E>::new().await;
    assert_eq!(found(&world, "ada").await, []);
    let one = is_now(&world, &player(1), Some("ada")).await;
    let elsewhere = Address { number: number(2), ..player(1) };
    let two = is_now(&world, &elsewhere, Some("ada")).await;
    is_now(&world, &player(2), Some("bob")).await;
    is_now(&world, &player(3), None).await;
    let other_game = Address { game: game("moonrise"), number: number(3), contact: phone(1) };
    let moonrise = is_now(&world, &other_game, Some("ada")).await;
    assert_eq!(found(&world, "ada").await, [two, one], "newest activity first");
    is_now(&world, &player(1), Some("ada")).await;
    assert_eq!(found(&world, "ada").await, [one, two]);
    let first = &world.store().conversations_of(&game("starfall"), &named("ada")).await.unwrap()[0];
    assert_eq!(*first, PlayerConversation { id: one, address: player(1), active_at: world.now() });
    let there = world.store().conversations_of(&game("moonrise"), &named("ada")).await.unwrap();
    assert_eq!(there.iter().map(|found| found.id).collect::<Vec<_>>(), [moonrise]);
    // Every character that an id may have.
    let odd = "{a1}:\"\\/*?[]|'%$";
    let three = is_now(&world, &player(4), Some(odd)).await;
    assert_eq!(found(&world, odd).await, [three]);
    assert_eq!(found(&world, "*").await, []);
}

pub async fn a_player_leaves_when_the_session_says_so<E: Engine>() {
    let world = World::<E>::new().await;
    let one = is_now(&world, &player(1), Some("ada")).await;
    is_now(&world, &player(1), Some("bob")).await;
    assert_eq!((found(&world, "ada").await, found(&world, "bob").await), (vec![], vec![one]));
    is_now(&world, &player(1), None).await;
    assert_eq!((found(&world, "ada").await, found(&world, "bob").await), (vec![], vec![]));
    is_now(&world, &player(1), Some("ada")).await;
    assert_eq!(found(&world, "ada").await, [one]);
    // A commit that is refused moves nobody.
    world.append([incoming(&player(1), "x")]).await;
    let work = world.take().await;
    let mut stale = done(&work);
    stale.conversation.version += 1;
    stale.conversation.session.player = Some(named("eve"));
    assert!(world.store().commit(stale).await.is_err());
    assert_eq!((found(&world, "ada").await, found(&world, "eve").await), (vec![one], vec![]));
}

pub async fn many_players_come_and_go_at_once<E: Engine>() {
    const TASKS: u64 = 24;
    let world = Arc::new(World::<E>::new().await);
    world.append((0..TASKS).flat_map(|n| (0..6).map(move |_| incoming(&player(n), "x")))).await;
    let ready = world.store().take(TASKS as usize).await.unwrap();
    assert_eq!(ready.len(), TASKS as usize);
    let tasks = ready.into_iter().map(|ready| {
        let world = world.clone();
        tokio::spawn(async move {
            // Everybody is each of three players in turn, and the last is told by the conversation's number.
            for turn in 0..6 {
                let work = world.store().load(ready.conversation, 1).await.unwrap();
                let mut commit = done(&work);
                commit.conversation.session.player = Some(named(&format!("p{}", (ready.conversation.0 + turn) % 3)));
                world.commit(commit).await;
            }
            ready.conversation
        })
    });
    let mut conversations = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        conversations.push(task.await.unwrap());
    }
    for player in 0..3 {
        let mut expected: Vec<_> = conversations.iter().copied().filter(|id| (id.0 + 5) % 3 == player).collect();
        let mut there = found(&world, &format!("p{player}")).await;
        expected.sort();
        there.sort();
        assert_eq!(there, expected, "p{player}");
    }
}

pub async fn players_are_found_after_a_restart<E: Engine>() {
    let mut world = World::<E>::new().await;
    let one = is_now(&world, &player(1), Some("ada")).await;
    let two = is_now(&world, &player(2), Some("ada")).await;
    is_now(&world, &player(2), Some("bob")).await;
    world.restart().await;
    assert_eq!((found(&world, "ada").await, found(&world, "bob").await), (vec![one], vec![two]));
    is_now(&world, &player(1), None).await;
    world.restart().await;
    assert_eq!(found(&world, "ada").await, []);
}
