//! The second factor: whatever happens at once, a challenge is approved once and a recovery code works once.

use questline_core::account::challenge::{ChallengeId, NamedDevice, NewChallenge, Numbers};
use questline_core::account::factor::{Answer, Answered, Enrolment, RecoveryUse, TwoFactorRules};
use questline_core::account::recovery_codes::RecoveryTry;
use questline_core::account::{Account, ContactKey};
use questline_core::contact::{Address, Contact, PhoneNumber};
use questline_core::id::{DeviceId, NumberId, PlayerId};
use questline_core::port::{AccountKeys, Accounts};
use questline_core::time::HOUR_MS;
use questline_core::verification::code::{CodeDigest, KeyId};
use questline_core::verification::{Purpose, VerificationId};
use std::sync::{Arc, Mutex};

use crate::support::{Engine, World, game};

const ID: fn() -> ChallengeId = || ChallengeId::from_bytes([3; 16]);

fn player() -> PlayerId {
    PlayerId::parse("ada-1").unwrap()
}

fn contact() -> Contact {
    Contact::new(PhoneNumber::parse("15550111").ok(), None).unwrap()
}

fn numbers() -> Numbers {
    let mut bytes = [5, 6, 7, 0].into_iter();
    Numbers::draw(|| Ok::<_, ()>(bytes.next().unwrap())).unwrap()
}

/// Changes the player's account; the answer of the change that was written.
async fn change<S: Accounts + ?Sized, T: Send + 'static>(store: &S, mut apply: impl FnMut(&mut Account) -> T + Send + 'static) -> T {
    let answer = Arc::new(Mutex::new(None));
    let told = answer.clone();
    let change = Box::new(move |pages: &mut questline_core::port::AccountPages| {
        *told.lock().unwrap() = Some(apply(&mut pages.players[0]));
    });
    store.change_accounts(&game("starfall"), AccountKeys::player(&player()), change).await.unwrap();
    answer.lock().unwrap().take().unwrap()
}

/// A player with two-factor on, ten recovery codes and an open challenge.
async fn asked<E: Engine>() -> World<E> {
    let world = World::<E>::new().await;
    let now = world.now();
    change(&**world.store(), move |account| {
        let (id, device) = (VerificationId::from_bytes([1; 16]), NamedDevice { id: DeviceId::parse("home").unwrap(), name: None });
        let to = Address { game: game("starfall"), number: NumberId::parse("100").unwrap(), contact: contact() };
        account.begin_two_factor(Enrolment { id, to: Some(to), device: device.clone(), locale: None, expires_at: now.plus_ms(1_000) });
        let codes = (0..10).map(|n| CodeDigest::new(KeyId("k".into()), [n; 32])).collect();
        account.confirm_two_factor(&id, codes, now).unwrap();
        let new = NewChallenge { id: ID(), purpose: Purpose::Login, device, numbers: numbers() };
        account.begin_challenge(None, new, &TwoFactorRules::default(), now).unwrap();
    })
    .await;
    world
}

/// So many changes of the account at the same time.
async fn rush<E: Engine, T: Send + 'static>(
    world: &World<E>,
    count: usize,
    apply: impl Fn(usize, &mut Account) -> T + Clone + Send + 'static,
) -> Vec<T> {
    let tasks: Vec<_> = (0..count)
        .map(|n| {
            let (store, apply) = (world.store().clone(), apply.clone());
            tokio::spawn(async move { change(&*store, move |account| apply(n, account)).await })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

pub async fn of_a_thousand_uses_of_a_recovery_code_at_once_one_counts<E: Engine>() {
    let world = asked::<E>().await;
    let now = world.now();
    let used = rush(&world, 1_000, move |_, account| {
        account.use_recovery_code(None, |digest| digest.is(&[4; 32]), &TwoFactorRules::default(), now).unwrap()
    });
    let used = used.await;
    let right = RecoveryUse::Tried(RecoveryTry::Right { codes_left: 9 });
    assert_eq!(used.iter().filter(|used| **used == right).count(), 1);
    let locked = used.iter().filter(|used| matches!(used, RecoveryUse::Tried(RecoveryTry::Locked(_)))).count();
    assert!(locked >= 994, "the wrong ones lock: {locked}");
    assert_eq!(change(&**world.store(), |account| account.factor.recovery_codes_left()).await, 9);
}

pub async fn of_a_thousand_approvals_of_a_challenge_at_once_one_counts<E: Engine>() {
    let world = asked::<E>().await;
    let now = world.now();
    let right = Answer::Number(numbers().right());
    let answered: Vec<Answered> = rush(&world, 1_000, move |n, account| {
        account.answer_challenge(&ID(), &contact(), right, &format!("tap {n}"), &TwoFactorRules::default(), now).unwrap()
    })
    .await;
    assert_eq!(answered.iter().filter(|answered| answered.counts).count(), 1);
}

pub async fn of_an_approval_and_a_denial_at_once_one_counts<E: Engine>() {
    let world = asked::<E>().await;
    let now = world.now();
    let right = Answer::Number(numbers().right());
    let answered: Vec<Answered> = rush(&world, 40, move |n, account| {
        let answer = if n % 2 == 0 { right } else { Answer::NotMe };
        account.answer_challenge(&ID(), &contact(), answer, &format!("tap {n}"), &TwoFactorRules::default(), now).unwrap()
    })
    .await;
    assert_eq!(answered.iter().filter(|answered| answered.counts).count(), 1);
    assert!(answered.iter().all(|answer| answer.status == answered[0].status), "all are told the same");
}

pub async fn what_was_asked_of_nobody_is_forgotten<E: Engine>() {
    let world = World::<E>::new().await;
    let now = world.now();
    let keys = || AccountKeys {
        players: vec![player()],
        contacts: vec![ContactKey::Phone(PhoneNumber::parse("15550111").unwrap())],
        ..Default::default()
    };
    let begin = Box::new(move |pages: &mut questline_core::port::AccountPages| {
        let device = NamedDevice { id: DeviceId::parse("home").unwrap(), name: None };
        let new = NewChallenge { id: ID(), purpose: Purpose::Login, device, numbers: numbers() };
        let (account, contact) = (&mut pages.players[0], pages.contacts.first_mut());
        account.begin_challenge(contact, new, &TwoFactorRules::default(), now).unwrap();
    });
    world.store().change_accounts(&game("starfall"), keys(), begin).await.unwrap();
    let kept = world.store().accounts(&game("starfall"), keys()).await.unwrap();
    assert!(!kept.players[0].is_empty() && !kept.contacts[0].is_empty());
    let at = kept.players[0].forget_at().max(kept.contacts[0].forget_at()).unwrap();
    assert!(at <= now.plus_ms(2 * HOUR_MS) && at > now, "{at:?}");
    world.setup.clock.pass_ms(at.since_ms(now) + 1);
    world.prune_all().await;
    let left = world.store().accounts(&game("starfall"), keys()).await.unwrap();
    assert_eq!(left.players[0].is_empty() && left.contacts[0].is_empty(), !E::FORGETS_BY_ITS_OWN_CLOCK);
}
