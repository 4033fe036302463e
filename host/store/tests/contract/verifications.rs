//! One-time codes: whatever happens at once, a code counts once and no try is free.

use std::sync::Arc;

use questline_core::id::{ConversationId, OutboxRef, OutboxSeq};
use questline_core::port::{CheckVerification, EndVerifications, Place, Places, ResendVerification, StartVerification};
use questline_core::time::{DAY_MS, HOUR_MS, UnixMs};
use questline_core::verification::book::{Checked, Issued, ResendRefusal, Status};
use questline_core::verification::code::{Code, CodeDigest, CodeKeys, KeyId, SealedCode};
use questline_core::verification::guard::{GuardReason, GuardRules, Refused};
use questline_core::verification::trail::CodeWatch;
use questline_core::verification::way::{Begun, CodeStanding, Way};
use questline_core::verification::{CodeRules, NewCode, NewVerification, Purpose, VerificationId};

use crate::support::{Engine, World, game};

/// Keys that hide nothing: the store is not asked to.
struct OpenKeys;

fn tag(id: &VerificationId, send: u32, code: &Code) -> [u8; 32] {
    let mut tag = [0; 32];
    tag[..16].copy_from_slice(id.as_bytes());
    tag[16..20].copy_from_slice(&send.to_be_bytes());
    tag[20..20 + code.reveal().len()].copy_from_slice(code.reveal().as_bytes());
    tag
}

impl CodeKeys for OpenKeys {
    fn digest(&self, id: &VerificationId, send: u32, code: &Code) -> CodeDigest {
        CodeDigest::new(KeyId("open".into()), tag(id, send, code))
    }

    fn matches(&self, id: &VerificationId, send: u32, code: &Code, digest: &CodeDigest) -> bool {
        digest.is(&tag(id, send, code))
    }

    fn seal(&self, _: &VerificationId, _: u32, _: &Code) -> Option<SealedCode> {
        Some(SealedCode { key: KeyId("open".into()), text: "sealed".into() })
    }

    fn open(&self, _: &VerificationId, _: u32, _: &SealedCode) -> Option<Code> {
        None
    }
}

fn code(text: &str) -> Code {
    Code::parse(text).unwrap()
}

fn new_code(id: &VerificationId, send: u32, text: &str) -> NewCode {
    let code = code(text);
    NewCode { digest: OpenKeys.digest(id, send, &code), sealed: OpenKeys.seal(id, send, &code).unwrap() }
}

fn id(n: u16) -> VerificationId {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    VerificationId::from_bytes(bytes)
}

fn place(name: &str) -> Place {
    Place(name.into())
}

/// The n-th contact, and nothing else that is known.
fn places(n: u64) -> Places {
    Places { contact: place(&format!("c{n}")), player: None, ip: None, device: None, prefix: None, dial: None, measured: None }
}

fn wish(n: u16, places: Places, now: UnixMs) -> StartVerification {
    StartVerification {
        game: game("starfall"),
        places,
        wish: NewVerification {
            id: id(n),
            purpose: Purpose::Login,
            player: None,
            to: None,
            device: None,
            locale: None,
            code: new_code(&id(n), 1, "123456"),
            key: None,
        },
        rules: CodeRules::default(),
        limits: GuardRules::default(),
        now,
    }
}

async fn start<E: Engine>(world: &World<E>, n: u16, places: Places) -> Result<Issued, Refused> {
    world.store().start_verification(wish(n, places, world.now())).await.unwrap()
}

fn entered(n: u16, text: &str, now: UnixMs) -> CheckVerification {
    let (game, keys) = (game("starfall"), Arc::new(OpenKeys));
    CheckVerification { game, id: Some(id(n)), contact: None, code: code(text), by: None, keys, now }
}

async fn check<E: Engine>(world: &World<E>, n: u16, text: &str) -> Option<Checked> {
    world.store().check_verification(entered(n, text, world.now())).await.unwrap()
}

async fn status<E: Engine>(world: &World<E>, n: u16, text: &str) -> Status {
    check(world, n, text).await.unwrap().status
}

/// So many checks of one verification at the same time.
async fn rush<E: Engine>(world: &World<E>, count: usize, text: &'static str) -> Vec<Status> {
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let (store, now) = (world.store().clone(), world.now());
            tokio::spawn(async move { store.check_verification(entered(1, text, now)).await.unwrap().unwrap().status })
        })
        .collect();
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.unwrap());
    }
    statuses
}

pub async fn of_a_thousand_right_codes_at_once_one_counts<E: Engine>() {
    let world = World::<E>::new().await;
    start(&world, 1, places(1)).await.unwrap();
    let statuses = rush(&world, 1_000, "123456").await;
    assert_eq!(statuses.iter().filter(|status| **status == Status::Approved).count(), 1);
    assert_eq!(statuses.iter().filter(|status| **status == Status::AlreadyUsed).count(), 999);
}

pub async fn a_thousand_wrong_codes_at_once_use_up_the_tries<E: Engine>() {
    let world = World::<E>::new().await;
    start(&world, 1, places(1)).await.unwrap();
    let statuses = rush(&world, 1_000, "654321").await;
    assert_eq!(statuses.iter().filter(|status| **status == Status::Rejected).count(), 2, "and the third ends it");
    assert_eq!(statuses.iter().filter(|status| **status == Status::AttemptsUsedUp).count(), 998);
    assert_eq!(status(&world, 1, "123456").await, Status::AttemptsUsedUp);
}

pub async fn of_many_starts_at_once_the_guards_let_few_through<E: Engine>() {
    let world = World::<E>::new().await;
    let limits = GuardRules { resend_wait_s: 0, ip_per_hour: 7, ..GuardRules::default() };
    let tasks: Vec<_> = (0..60u16)
        .map(|n| {
            let (store, now) = (world.store().clone(), world.now());
            let places = Places { ip: Some(place("ip")), dial: Some(place("1")), ..places(u64::from(n % 20)) };
            tokio::spawn(async move { store.start_verification(StartVerification { limits, ..wish(n, places, now) }).await.unwrap() })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => made += 1,
            Err(refused) => assert_eq!(refused, Refused { reason: GuardReason::Ip, retry_at: world.now().plus_ms(HOUR_MS) }),
        }
    }
    assert_eq!(made, 7);
}

pub async fn a_game_is_no_other_games_business<E: Engine>() {
    let world = World::<E>::new().await;
    let limits = GuardRules { ip_per_hour: 1, ..GuardRules::default() };
    let with_ip = |n| Places { ip: Some(place("ip")), ..places(n) };
    let ask = |name: &'static str, n, contact| StartVerification { game: game(name), limits, ..wish(n, with_ip(contact), world.now()) };
    let store = world.store();
    store.start_verification(ask("starfall", 1, 1)).await.unwrap().unwrap();
    assert_eq!(store.start_verification(ask("starfall", 2, 2)).await.unwrap().unwrap_err().reason, GuardReason::Ip);
    store.start_verification(ask("other", 3, 1)).await.unwrap().unwrap();
    let foreign = CheckVerification { game: game("other"), ..entered(1, "123456", world.now()) };
    assert_eq!(store.check_verification(foreign).await.unwrap(), None, "it is not that game's");
    assert_eq!(status(&world, 1, "123456").await, Status::Approved);
}

pub async fn codes_and_tries_survive_a_crash<E: Engine>() {
    let mut world = World::<E>::new().await;
    start(&world, 1, places(1)).await.unwrap();
    assert_eq!(status(&world, 1, "654321").await, Status::Rejected);
    world.restart().await;
    assert_eq!(status(&world, 1, "654321").await, Status::Rejected);
    world.restart().await;
    let checked = check(&world, 1, "123456").await.unwrap();
    assert_eq!((checked.status, checked.purpose), (Status::Approved, Purpose::Login));
    world.restart().await;
    assert_eq!(status(&world, 1, "123456").await, Status::AlreadyUsed);
}

pub async fn a_resend_kills_the_code_before_it_in_the_store_too<E: Engine>() {
    let world = World::<E>::new().await;
    start(&world, 1, places(1)).await.unwrap();
    let resend = |n: u16, now| ResendVerification {
        game: game("starfall"),
        id: id(n),
        make: Arc::new(move |send, _| Some((new_code(&id(n), send, "777777"), CodeRules::default()))),
        limits: GuardRules::default(),
        now,
    };
    let store = world.store();
    let early = store.resend_verification(resend(1, world.now())).await.unwrap().unwrap().unwrap_err();
    let retry_at = world.now().plus_ms(30_000);
    assert_eq!(early, ResendRefusal::Guard(Refused { reason: GuardReason::ResendWait, retry_at }));
    world.setup.clock.pass_ms(30_000);
    let issued = store.resend_verification(resend(1, world.now())).await.unwrap().unwrap().unwrap();
    assert_eq!(issued.send, 2);
    let alive = async |send| standing(&world, 1, send).await.status.is_none();
    assert_eq!((alive(1).await, alive(2).await), (false, true));
    assert_eq!(status(&world, 1, "123456").await, Status::Rejected);
    assert_eq!(status(&world, 1, "777777").await, Status::Approved);
    assert!(!alive(2).await);
    assert!(store.resend_verification(resend(9, world.now())).await.unwrap().is_none());
}

pub async fn success_ends_what_a_player_has_open_anywhere<E: Engine>() {
    let world = World::<E>::new().await;
    let of_player = |n| Places { player: Some(place("p")), ..places(n) };
    start(&world, 1, of_player(1)).await.unwrap();
    start(&world, 2, of_player(2)).await.unwrap();
    start(&world, 3, places(3)).await.unwrap();
    world.setup.clock.pass_ms(5);
    assert_eq!(status(&world, 1, "123456").await, Status::Approved);
    assert_eq!(standing(&world, 2, 1).await.status, Some(Status::Replaced));
    assert_eq!(status(&world, 2, "123456").await, Status::Replaced);
    assert_eq!(status(&world, 3, "123456").await, Status::Approved, "it is somebody else's");
}

pub async fn all_that_a_player_has_open_is_ended<E: Engine>() {
    let mut world = World::<E>::new().await;
    let of_player = |n| Places { player: Some(place("p")), ..places(n) };
    start(&world, 1, of_player(1)).await.unwrap();
    start(&world, 2, places(2)).await.unwrap();
    start(&world, 3, places(3)).await.unwrap();
    world.setup.clock.pass_ms(5);
    for _ in 0..2 {
        let end = EndVerifications {
            game: game("starfall"),
            player: Some(place("p")),
            contacts: vec![place("c2"), place("c9")],
            now: world.now(),
        };
        world.store().end_verifications(end).await.unwrap();
    }
    world.restart().await;
    for n in [1, 2] {
        assert!(standing(&world, n, 1).await.status.is_some());
        assert_eq!(status(&world, n, "123456").await, Status::Replaced, "{n}");
    }
    assert_eq!(status(&world, 3, "123456").await, Status::Approved, "it is somebody else's");
    world.setup.clock.pass_ms(60_000);
    start(&world, 4, of_player(1)).await.unwrap();
    assert_eq!(status(&world, 4, "123456").await, Status::Approved, "what begins later counts");
}

pub async fn a_code_in_the_chat_is_tried_on_what_is_open<E: Engine>() {
    let world = World::<E>::new().await;
    let (store, now) = (world.store(), world.now());
    let typed =
        |text: &str, by: &str| CheckVerification { id: None, contact: Some(place("c1")), by: Some(by.to_owned()), ..entered(0, text, now) };
    assert_eq!(store.check_verification(typed("123456", "1.1")).await.unwrap(), None);
    start(&world, 1, places(1)).await.unwrap();
    let wrong = store.check_verification(typed("654321", "1.2")).await.unwrap().unwrap();
    assert_eq!((wrong.status, wrong.attempts_left), (Status::Rejected, 2));
    for _ in 0..2 {
        let right = store.check_verification(typed("123456", "1.3")).await.unwrap().unwrap();
        assert_eq!((right.id, right.status), (id(1), Status::Approved), "the same event asks again after a crash");
    }
    assert_eq!(store.check_verification(typed("123456", "1.4")).await.unwrap(), None);
}

pub async fn old_verifications_are_forgotten<E: Engine>() {
    let world = World::<E>::new().await;
    start(&world, 1, Places { ip: Some(place("ip")), dial: Some(place("1")), ..places(1) }).await.unwrap();
    world.setup.clock.pass_ms(600_000);
    assert_eq!(status(&world, 1, "123456").await, Status::Expired);
    world.setup.clock.pass_ms(3 * DAY_MS);
    world.prune_all().await;
    let kept = check(&world, 1, "123456").await.map(|kept| kept.status);
    assert_eq!(kept, if E::FORGETS_BY_ITS_OWN_CLOCK { Some(Status::Expired) } else { None });
    start(&world, 2, places(1)).await.unwrap();
    assert_eq!(status(&world, 2, "123456").await, Status::Approved);
}

async fn standing<E: Engine>(world: &World<E>, n: u16, send: u32) -> CodeStanding {
    let code = CodeWatch { id: id(n), send, place: 0 };
    world.store().code_standing(&game("starfall"), code, world.now()).await.unwrap().unwrap()
}

fn way(place: u8, now: UnixMs) -> Way {
    let message = OutboxRef { conversation: ConversationId(7), seq: OutboxSeq(u64::from(place)) };
    Way { place, channel: "sms".into(), message, sent_at: now, delivered_at: None }
}

/// Many senders at once, as after a crash or on several nodes, and the player at the same time.
pub async fn a_code_goes_on_and_never_back<E: Engine>() {
    let mut world = World::<E>::new().await;
    start(&world, 1, places(1)).await.unwrap();
    let now = world.now();
    let code = |place: u8| CodeWatch { id: id(1), send: 1, place };
    let begin = |store: Arc<dyn questline_core::port::Store>, place: u8| async move {
        store.begin_code(&game("starfall"), code(place), way(place, now), now).await.unwrap()
    };
    let all = (0..40).map(|n| tokio::spawn(begin(world.store().clone(), n % 4)));
    for task in all.collect::<Vec<_>>() {
        assert_ne!(task.await.unwrap(), Begun::Dead);
    }
    assert_eq!(begin(world.store().clone(), 2).await, Begun::Passed);
    world.restart().await;
    assert_eq!(begin(world.store().clone(), 3).await, Begun::Go { player: None });
    let noted = (0..20).map(|_| {
        let store = world.store().clone();
        tokio::spawn(async move { store.code_delivered(&game("starfall"), code(3), now).await.unwrap() })
    });
    let mut first = 0;
    for task in noted.collect::<Vec<_>>() {
        first += u32::from(task.await.unwrap());
    }
    assert_eq!(first, 1, "that it came is noted once");
    let known = world.store().code_standing(&game("starfall"), code(3), now).await.unwrap().unwrap();
    assert_eq!((known.status, known.way.unwrap().delivered_at), (None, Some(now)));
    assert_eq!(world.store().code_standing(&game("other"), code(3), now).await.unwrap(), None, "another game's are its own");
    assert_eq!(status(&world, 1, "123456").await, Status::Approved);
    assert_eq!(begin(world.store().clone(), 3).await, Begun::Dead);
}
