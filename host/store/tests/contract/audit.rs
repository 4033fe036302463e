//! The audit log: a chain for each game, written with what it tells of, that can be proven and erased from.

use std::collections::BTreeSet;

use questline_core::audit::{Action, Actor, AuditRecord, Entry, Head, Proof, Verifier};
use questline_core::commit::{DeadLetter, Letter};
use questline_core::effect::TicketPriority;
use questline_core::event::Event;
use questline_core::id::{ConversationId, GameId, PlayerId, TicketNumber};
use questline_core::port::{StoreError, Work};

use crate::commit::ticket;
use crate::support::*;

fn ada() -> PlayerId {
    PlayerId::parse("ada-lovelace").unwrap()
}

/// A player's change of consent, as a step tells it.
fn consent(work: &Work, action: Action, player: Option<PlayerId>) -> AuditRecord {
    let record = AuditRecord::new(START, work.conversation.game.clone(), Actor::Player, action, "in chat");
    record.about(work.conversation.id, player, Some(work.conversation.contact.clone()))
}

/// The whole chain of a game, page by page, with its head.
async fn chain<E: Engine>(world: &World<E>, game: &GameId) -> (Vec<Entry>, Head) {
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let page = world.store().audit_page(game, entries.len() as u64, 7).await.unwrap();
        assert!(page.entries.len() <= 7);
        if page.entries.is_empty() {
            return (entries, page.head);
        }
        entries.extend(page.entries);
    }
}

fn proven(game: &GameId, entries: &[Entry], head: &Head) -> Proof {
    let mut verifier = Verifier::new(game.clone());
    entries.iter().for_each(|entry| verifier.take(entry).unwrap());
    verifier.finish(head).unwrap()
}

/// What nobody may find in the log.
fn assert_hides(entries: &[Entry], words: &[&str]) {
    for entry in entries {
        let json = serde_json::to_string(entry).unwrap();
        assert!(!words.iter().any(|word| json.contains(word)), "{json}");
    }
}

pub async fn commits_and_peoples_deeds_make_one_chain<E: Engine>() {
    let mut world = World::<E>::new().await;
    let game = game("starfall");
    assert_eq!(world.store().audit_page(&game, 0, 9).await.unwrap().head, Head::start(&game));
    world.append([incoming(&player(1), "STOP"), incoming(&player(1), "START")]).await;
    let work = world.take().await;
    let mut commit = done(&work);
    commit.audits = vec![consent(&work, Action::ConsentWithdrawn, Some(ada()))];
    commit.tickets = vec![ticket(&work, "SF-1", TicketPriority::High)];
    let mut next = questline_core::commit::Commit::of(commit.conversation.clone(), work.events[1].seq);
    world.commit(commit).await;
    next.audits = vec![consent(&work, Action::ConsentGranted, None)];
    world.commit(next).await;
    world.restart().await;
    let number = TicketNumber::parse("SF-1").unwrap();
    let desk = Actor::Token("support desk".to_owned());
    assert!(world.store().close_ticket(&game, &number, "the words to +155500001".into(), &desk, START.plus_ms(5)).await.unwrap());
    assert!(!world.store().close_ticket(&game, &number, "again".into(), &desk, START).await.unwrap());
    let letter = DeadLetter {
        game: game.clone(),
        conversation: work.conversation.id,
        letter: Letter::Event { received_at: START, event: Event::Message(text_message("wamid.d", "dead")) },
        reason: "trap".into(),
        detail: "boom".into(),
        attempts: 5,
        at: START,
    };
    let id = world.store().add_dead_letter(letter).await.unwrap();
    assert!(world.store().retry_dead_letter(id, &Actor::Operator, START.plus_ms(6)).await.unwrap());
    assert!(!world.store().retry_dead_letter(id, &Actor::Operator, START).await.unwrap());
    let release = AuditRecord::new(START.plus_ms(7), game.clone(), Actor::Token("ci".into()), Action::ReleaseActivated, "release 1234");
    world.store().append_audit(vec![release]).await.unwrap();

    let (entries, head) = chain(&world, &game).await;
    let told: Vec<_> = entries.iter().map(|entry| (entry.seq, entry.action, entry.actor.to_string())).collect();
    let expected = [
        (1, Action::ConsentWithdrawn, "player"),
        (2, Action::ConsentGranted, "player"),
        (3, Action::TicketClosed, "token support desk"),
        (4, Action::DeadLetterRetried, "operator"),
        (5, Action::ReleaseActivated, "token ci"),
    ];
    assert_eq!(told, expected.map(|(seq, action, actor)| (seq, action, actor.to_owned())));
    let details = |seq: usize| entries[seq - 1].details.clone().unwrap();
    assert!(details(1).player.is_some() && details(1).contact.is_some() && details(2).player.is_none());
    assert_eq!(details(1).contact, details(2).contact, "one contact has one pseudonym");
    assert_eq!((details(3).text.as_str(), details(3).conversation), ("ticket SF-1", Some(work.conversation.id)));
    assert_eq!((details(5).conversation, details(5).text.as_str()), (None, "release 1234"));
    assert_hides(&entries, &["155500001", "lovelace", "words"]);
    assert_eq!(proven(&game, &entries, &head).entries(), 5);
    world.restart().await;
    assert_eq!(chain(&world, &game).await, (entries, head), "a restart changes nothing");
}

pub async fn a_stale_commit_leaves_no_entry<E: Engine>() {
    let world = World::<E>::new().await;
    world.append([incoming(&player(1), "STOP")]).await;
    let work = world.take().await;
    let mut commit = done(&work);
    commit.audits = vec![consent(&work, Action::ConsentWithdrawn, None)];
    world.commit(commit.clone()).await;
    assert_eq!(world.store().commit(commit.clone()).await, Err(StoreError::Stale));
    commit.conversation.version = 9;
    assert_eq!(world.store().commit(commit).await, Err(StoreError::Stale));
    let (entries, head) = chain(&world, &game("starfall")).await;
    assert_eq!(proven(&game("starfall"), &entries, &head).entries(), 1);
}

pub async fn games_have_chains_of_their_own<E: Engine>() {
    let mut world = World::<E>::new().await;
    let record = |name: &str, detail: &str| AuditRecord::new(START, game(name), Actor::Operator, Action::TokenCreated, detail);
    let records = vec![record("beta", "1"), record("alpha", "1"), record("beta", "2")];
    world.store().append_audit(records).await.unwrap();
    world.restart().await;
    let heads = world.store().audit_heads().await.unwrap();
    assert_eq!(heads.iter().map(|(game, head)| (game.as_str(), head.count)).collect::<Vec<_>>(), [("alpha", 1), ("beta", 2)]);
    for (game, head) in heads {
        let (entries, found) = chain(&world, &game).await;
        assert_eq!(found, head);
        let texts: Vec<_> = entries.iter().map(|entry| entry.details.as_ref().unwrap().text.parse::<u64>().unwrap()).collect();
        assert_eq!(texts, (1..=head.count).collect::<Vec<_>>(), "in their order");
        proven(&game, &entries, &head);
    }
    assert_eq!(world.store().audit_page(&game("alpha"), u64::MAX, 5).await.unwrap().entries, []);
}

pub async fn many_at_once_are_linked_once_each<E: Engine>() {
    const PLAYERS: u64 = 120;
    const DEEDS: u64 = 60;
    let mut world = World::<E>::new().await;
    world.append((0..PLAYERS).map(|n| incoming(&player(n), "STOP"))).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..DEEDS {
        let store = world.store().clone();
        let record = AuditRecord::new(START, game("starfall"), Actor::Operator, Action::TokenCreated, format!("deed {n}"));
        tasks.spawn(async move { store.append_audit(vec![record]).await.unwrap() });
    }
    for _ in 0..PLAYERS {
        let work = world.take().await;
        let store = world.store().clone();
        tasks.spawn(async move {
            let mut commit = done(&work);
            commit.audits = vec![consent(&work, Action::ConsentWithdrawn, None)];
            store.commit(commit).await.unwrap();
        });
    }
    // Who reads meanwhile finds a chain that holds, as far as it is.
    for _ in 0..5 {
        let page = world.store().audit_page(&game("starfall"), 0, 500).await.unwrap();
        let mut verifier = Verifier::new(game("starfall"));
        page.entries.iter().for_each(|entry| verifier.take(entry).unwrap());
        assert!(verifier.head().count >= page.head.count);
    }
    tasks.join_all().await;
    for restart in [false, true] {
        if restart {
            world.restart().await;
        }
        let (entries, head) = chain(&world, &game("starfall")).await;
        assert_eq!(proven(&game("starfall"), &entries, &head).entries(), PLAYERS + DEEDS);
        let details = entries.iter().map(|entry| entry.details.as_ref().unwrap());
        let who: BTreeSet<ConversationId> = details.clone().filter_map(|details| details.conversation).collect();
        let deeds: BTreeSet<&str> = details.filter(|details| details.conversation.is_none()).map(|details| details.text.as_str()).collect();
        assert_eq!((who.len(), deeds.len()), (PLAYERS as usize, DEEDS as usize));
    }
}

pub async fn a_player_is_erased_and_the_chain_holds<E: Engine>() {
    let mut world = World::<E>::new().await;
    let game = game("starfall");
    // Before anybody knew who it was; as Ada; and a stranger.
    for (address, known) in [(player(1), None), (player(1), Some(ada())), (player(2), None)] {
        world.append([incoming(&address, "STOP")]).await;
        let work = world.take().await;
        let mut commit = done(&work);
        commit.conversation.session.player = known.clone();
        commit.audits = vec![consent(&work, Action::ConsentWithdrawn, known)];
        world.commit(commit).await;
        world.release(&work).await;
    }
    let (before, _) = chain(&world, &game).await;
    let of_ada = before[1].details.clone().unwrap();
    world.restart().await;
    let erased = world.store().erase_player(&game, &ada(), &Actor::Operator, START.plus_ms(9)).await.unwrap();
    assert_eq!((erased.entries, erased.seq), (2, 4));
    for restart in [false, true] {
        if restart {
            world.restart().await;
        }
        let (entries, head) = chain(&world, &game).await;
        let proof = proven(&game, &entries, &head);
        assert_eq!((proof.entries(), proof.erased, proof.erased_later), (4, 2, 0));
        assert!(entries[0].details.is_none() && entries[1].details.is_none());
        assert_eq!(entries[2], before[2], "the stranger is as before");
        assert_eq!((entries[3].action, &entries[3].erases), (Action::PlayerErased, &vec![1, 2]));
        assert_hides(&entries, &[of_ada.player.as_ref().unwrap().as_str(), of_ada.contact.as_ref().unwrap().as_str()]);
        assert_hides(&entries, &[&of_ada.salt.to_string()]);
    }
    // Asked again, there is nothing left, and it is told again that it was done.
    let again = world.store().erase_player(&game, &ada(), &Actor::Operator, START.plus_ms(10)).await.unwrap();
    assert_eq!((again.entries, again.seq), (0, 5));
    let (entries, head) = chain(&world, &game).await;
    assert_eq!(proven(&game, &entries, &head).erased, 2);
}

pub async fn a_player_with_very_many_entries_is_erased<E: Engine>() {
    const ENTRIES: u64 = 1_100;
    let world = World::<E>::new().await;
    let game = game("starfall");
    let record = |n: u64| {
        let record = AuditRecord::new(START, game.clone(), Actor::Host, Action::SystemNotice, n.to_string());
        record.about(ConversationId(7), Some(ada()), None)
    };
    world.store().append_audit((0..ENTRIES).map(record).collect()).await.unwrap();
    let erased = world.store().erase_player(&game, &ada(), &Actor::Operator, START).await.unwrap();
    assert_eq!((erased.entries, erased.seq), (ENTRIES, ENTRIES + 2), "it takes two entries to say it");
    let (entries, head) = chain(&world, &game).await;
    let proof = proven(&game, &entries, &head);
    assert_eq!((proof.erased, proof.erased_later), (ENTRIES, 0));
}
