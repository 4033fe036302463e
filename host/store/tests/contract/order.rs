//! Who is handed out, when, and to whom.

use std::collections::HashSet;

use questline_core::contact::Address;

use crate::support::*;

pub async fn events_of_a_conversation_come_in_order<E: Engine>() {
    let world = World::<E>::new().await;
    for n in 0..20 {
        world.append([incoming(&player(1), &n.to_string())]).await;
    }
    let mut work = world.take().await;
    for n in 0..20 {
        assert_eq!(body(&work.events[0].event), n.to_string());
        world.commit(done(&work)).await;
        work = world.store().load(work.conversation.id, 5).await.unwrap();
        assert_eq!(work.conversation.version, n + 1);
        assert_eq!(work.events.len(), 5.min(19 - n as usize));
    }
}

pub async fn a_taken_conversation_is_not_handed_out_again<E: Engine>() {
    let world = World::<E>::new().await;
    world.append([incoming(&player(1), "a")]).await;
    let work = world.take().await;
    world.append([incoming(&player(1), "b")]).await;
    assert_eq!(world.ready_now().await, []);
    world.commit(done(&work)).await;
    assert_eq!(world.ready_now().await, [], "nor does a commit give it back");
}

pub async fn what_is_left_at_release_comes_again<E: Engine>() {
    let world = World::<E>::new().await;
    world.append([incoming(&player(1), "a"), incoming(&player(1), "b")]).await;
    let work = world.take().await;
    world.commit(done(&work)).await;
    world.release(&work).await;
    let work = world.take().await;
    assert_eq!(bodies(&work), ["b"]);
    world.commit(done(&work)).await;
    world.release(&work).await;
    assert_eq!(world.ready_now().await, [], "nothing is left");
    // A release that nobody asked for is no harm.
    world.release(&work).await;
    assert_eq!(world.ready_now().await, []);
}

pub async fn what_arrives_while_taken_comes_after_release<E: Engine>() {
    let world = World::<E>::new().await;
    world.append([incoming(&player(1), "a")]).await;
    let work = world.take().await;
    world.append([incoming(&player(1), "b")]).await;
    world.commit(done(&work)).await;
    world.release(&work).await;
    assert_eq!(bodies(&world.take().await), ["b"]);
}

pub async fn a_delayed_conversation_waits_for_its_time<E: Engine>() {
    let world = World::<E>::new().await;
    world.append([incoming(&player(1), "a")]).await;
    let work = world.take().await;
    world.store().release(work.conversation.id, Some(world.now().plus_ms(60_000))).await.unwrap();
    world.append([incoming(&player(1), "b")]).await;
    assert_eq!(world.ready_now().await, [], "what arrives does not overtake");
    world.setup.clock.pass_ms(59_999);
    assert_eq!(world.ready_now().await, []);
    world.setup.clock.pass_ms(1);
    assert_eq!(bodies(&world.take().await), ["a", "b"]);
    // A time that has passed is no delay.
    world.store().release(work.conversation.id, Some(world.now())).await.unwrap();
    assert_eq!(world.ready_now().await, [work.conversation.id]);
}

pub async fn games_take_turns<E: Engine>() {
    let world = World::<E>::new().await;
    world.append((0..50).map(|n| incoming(&player(n), "flood"))).await;
    let calm = Address { game: game("calm"), number: number(2), contact: phone(1) };
    world.append([incoming(&calm, "calm")]).await;
    let ready = world.store().take(2).await.unwrap();
    let games = ready.iter().map(|ready| ready.game.clone()).collect::<HashSet<_>>();
    assert_eq!(games, HashSet::from([game("starfall"), game("calm")]));
}

pub async fn no_two_takers_get_the_same<E: Engine>() {
    const CONVERSATIONS: u64 = 200;
    let world = World::<E>::new().await;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let takers = (0..8).map(|_| {
        let (store, tell) = (world.store().clone(), tell.clone());
        tokio::spawn(async move {
            loop {
                for ready in store.take(3).await.unwrap() {
                    tell.send(ready.conversation).unwrap();
                }
            }
        })
    });
    let takers = takers.collect::<Vec<_>>();
    for start in (0..CONVERSATIONS).step_by(20) {
        world.append((start..start + 20).flat_map(|n| [incoming(&player(n), "a"), incoming(&player(n), "b")])).await;
    }
    let mut taken = Vec::new();
    while taken.len() < CONVERSATIONS as usize {
        taken.push(told.recv().await.unwrap());
    }
    assert_eq!(taken.iter().collect::<HashSet<_>>().len(), CONVERSATIONS as usize, "each once");
    for taker in takers {
        taker.abort();
        assert!(taker.await.unwrap_err().is_cancelled());
    }
    assert!(told.try_recv().is_err());
    assert_eq!(world.ready_now().await, [], "all are taken");
}
