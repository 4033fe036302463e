//! What sending goes by: what was learned and what is paused, across restarts.

use questline_core::audit::Actor;
use questline_core::permit::learned::Learned;
use questline_core::permit::pause::{PAUSES_MAX, Pause, PauseTarget};
use questline_core::permit::tier::PortfolioLimit;
use questline_core::port::{PauseChange, PauseChanged};

use crate::support::{Engine, START, World, game, number};

pub async fn what_was_learned_of_sending_survives_a_restart<E: Engine>() {
    let mut world = World::<E>::new().await;
    assert_eq!(world.store().learned().await.unwrap(), Learned::default());
    let mut learned = Learned::default().under([(number(1), 80)], [("main".to_owned(), PortfolioLimit::Users(250))]);
    learned.tier(&number(1), 1_000);
    learned.too_fast(&number(1), START);
    learned.limited("main", PortfolioLimit::Unlimited);
    world.store().keep_learned(&learned).await.unwrap();
    world.restart().await;
    assert_eq!(world.store().learned().await.unwrap(), learned);
}

pub async fn of_pauses_set_at_once_none_is_lost<E: Engine>() {
    let mut world = World::<E>::new().await;
    let pause = |n: usize| {
        let (id, reason) = (format!("p{n}"), "a test".to_owned());
        Pause { id, target: PauseTarget::Game, reason, until: START.plus_ms(1_000), since: START, by: Actor::Operator }
    };
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let (store, pause) = (world.store().clone(), pause(n));
            tokio::spawn(async move { store.change_pauses(&game("cup"), PauseChange::Add(pause), START).await.unwrap() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().1, PauseChanged::Done);
    }
    world.restart().await;
    let store = world.store().clone();
    assert_eq!(store.pauses(&game("cup")).await.unwrap().holding(START).count(), 20);
    assert_eq!(store.pauses(&game("starfall")).await.unwrap().holding(START).count(), 0, "a game is no other game's business");
    let lift = || PauseChange::Lift("p7".to_owned());
    let (pauses, lifted) = store.change_pauses(&game("cup"), lift(), START).await.unwrap();
    assert_eq!((pauses.holding(START).count(), lifted), (19, PauseChanged::Done));
    assert_eq!(store.change_pauses(&game("cup"), lift(), START).await.unwrap().1, PauseChanged::Unknown);
    for n in 100..100 + PAUSES_MAX - 19 {
        store.change_pauses(&game("cup"), PauseChange::Add(pause(n)), START).await.unwrap();
    }
    assert_eq!(store.change_pauses(&game("cup"), PauseChange::Add(pause(999)), START).await.unwrap().1, PauseChanged::TooMany);
    drop(store);
}
