//! What is known of templates at Meta: kept, and changed in one write.

use questline_core::template::Category;
use questline_core::template::at_meta::{Book, BookChange, Listed, News, Quality, State, Takes, Told};

use crate::support::{Engine, START, World};

fn listed(name: &str) -> Listed {
    Listed {
        name: name.into(),
        language: "en".into(),
        id: Some("77".into()),
        state: State::Approved,
        category: Some(Category::Utility),
        will_be: None,
        quality: Quality::Green,
        reason: None,
        takes: Takes { header: 0, body: 2, buttons: 1 },
        texts: Some(u64::MAX),
    }
}

fn paused(name: &str) -> Told {
    let news = News::State { state: Some(State::Paused), category: None, reason: Some("FIRST_PAUSE".into()), paused_ms: Some(10_800_000) };
    Told { name: name.into(), language: "en".into(), id: None, news }
}

pub async fn what_is_known_of_templates_survives_a_restart<E: Engine>() {
    let mut world = World::<E>::new().await;
    assert_eq!(world.store().template_book("1001").await.unwrap(), Book::default());
    let list = BookChange::Listed { list: vec![listed("a"), listed("b")], began_at: START };
    world.store().change_template_book("1001", list).await.unwrap();
    let heard = BookChange::Heard { told: vec![paused("a")], at: START.plus_ms(1) };
    let book = world.store().change_template_book("1001", heard).await.unwrap();
    assert_eq!(book.version("a", "en").unwrap().state, State::Paused);
    world.restart().await;
    assert_eq!(world.store().template_book("1001").await.unwrap(), book);
    assert_eq!(world.store().template_book("1002").await.unwrap(), Book::default(), "another account's");
}

pub async fn of_news_at_once_none_is_lost<E: Engine>() {
    let world = World::<E>::new().await;
    let names: Vec<String> = (0..16).map(|n| format!("t{n}")).collect();
    let list = BookChange::Listed { list: names.iter().map(|name| listed(name)).collect(), began_at: START };
    world.store().change_template_book("1001", list).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for name in names.clone() {
        let store = world.store().clone();
        tasks.spawn(async move {
            let heard = BookChange::Heard { told: vec![paused(&name)], at: START.plus_ms(1) };
            store.change_template_book("1001", heard).await.unwrap();
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let book = world.store().template_book("1001").await.unwrap();
    assert!(names.iter().all(|name| book.version(name, "en").unwrap().state == State::Paused));
}
