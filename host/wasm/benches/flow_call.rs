//! What a call costs: ours, with every limit and record, against the least that the runtime can do for the same component.
//!
//! The ratio is taken from calls that alternate, so that a noisy machine disturbs both alike. Other figures: `cargo bench`
//! prints them as Criterion does.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use criterion::{Criterion, criterion_group, criterion_main};
use questline_core::capability::Grants;
use questline_core::contact::Contact;
use questline_core::conversation::Authentication;
use questline_core::event::{Event, Inbound, Message, Wamid};
use questline_core::flow::{FlowAnswer, FlowFailure, FlowLimits, Snapshot};
use questline_core::id::{FlowName, GameId, InboxSeq, PlayerId, TicketNumber};
use questline_core::intent::Lexicon;
use questline_core::port::{
    Backend, Balances, Copy, DeviceMatch, FlowCall, Flows, GuestLog, LogLevel, Players, Profile, Purchase, ServiceError, Services,
};
use questline_core::time::UnixMs;
use questline_wasm::{Engine, EngineOptions, LoadRequest, LoadedFlow, Registry};
use tokio::runtime::Runtime;

mod floor;

/// What the player says.
const TEXT: &str = "What is my balance?";
/// What the flow kept.
const STATE: &str = r#"{"messages":3}"#;
/// When.
const NOW: UnixMs = UnixMs(1_700_000_000_000);
/// Calls of one kind before it is the other's turn.
const TURN: u32 = 50;
/// Turns of each kind.
const TURNS: u32 = 200;

/// The component of the well-behaved flow in `tests/guests/echo`.
fn component() -> Vec<u8> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let mut guests = questline_guest_build::build_guests(questline_guest_build::Purpose::Ship, root, &["echo-guest"], &target, &mut |_| {})
        .expect("the guest builds");
    guests.remove(0).component
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

struct Ours {
    registry: Registry,
    services: Services,
    game: GameId,
    flow: FlowName,
    event: Event,
}

impl Ours {
    async fn new(component: Vec<u8>) -> Self {
        let engine = Engine::new(EngineOptions::default()).unwrap();
        let flow = LoadedFlow::load(&engine, request(component)).await.unwrap();
        let (game, name) = (GameId::parse("starfall").unwrap(), FlowName::parse("echo").unwrap());
        let log: Arc<dyn GuestLog> = Arc::new(NoLog);
        let registry = Registry::new(&engine, &game, &log, [(name.clone(), flow)]);
        let services = Services {
            players: Arc::new(Nothing),
            backend: Arc::new(Nothing),
            intents: Arc::new(Lexicon::default()),
            copy: Arc::new(Nothing),
        };
        let event = Event::Message(Message {
            wamid: Wamid("wamid.HBgLMTU1NTAxMDAVAgASGBQzQTdCQzREMEY2QTlCMkMxRDNFNAA=".into()),
            sent_at: NOW,
            content: Inbound::Text(TEXT.into()),
            reply_to: None,
            forwarded: false,
            referral: None,
            profile_name: None,
            identity_key_hash: None,
        });
        Self { registry, services, game, flow: name, event }
    }

    async fn call(&self) -> Result<FlowAnswer, FlowFailure> {
        let references = |_: &Wamid| Some(InboxSeq(41));
        let snapshot = Snapshot {
            conversation: "c-42".into(),
            state: Some(STATE.into()),
            locale: "en".into(),
            player: PlayerId::parse("player-1").ok(),
            authentication: Authentication::Unauthenticated,
            window_closes_at: Some(NOW.plus_ms(1)),
            marketing_consent: false,
            ticket_number: TicketNumber::parse("SF-42").unwrap(),
            phone: None,
            settings: "{}".into(),
            refused: vec![],
            extensions: vec![],
        };
        let call = FlowCall {
            game: &self.game,
            flow: &self.flow,
            snapshot,
            event: &self.event,
            references: &references,
            services: &self.services,
            grants: Grants::all(),
            limits: FlowLimits::default(),
            now: NOW,
            state_version: Some(1),
            idempotency_key: "c-42-41".into(),
            seed: None,
        };
        self.registry.call(call).await
    }
}

fn request(bytes: Vec<u8>) -> LoadRequest {
    LoadRequest { bytes, grants: Grants::all(), limits: FlowLimits::default() }
}

struct NoLog;

impl GuestLog for NoLog {
    fn line(&self, _game: &GameId, _flow: &FlowName, _level: LogLevel, _message: &str) {}
}

struct Nothing;

#[async_trait]
impl Players for Nothing {
    async fn by_contact(&self, _contact: &Contact) -> Result<(PlayerId, Profile), ServiceError> {
        Err(ServiceError::NotFound)
    }
    async fn profile(&self, _player: &PlayerId) -> Result<Profile, ServiceError> {
        Err(ServiceError::NotFound)
    }
    async fn balances(&self, _player: &PlayerId) -> Result<Balances, ServiceError> {
        Err(ServiceError::NotFound)
    }
    async fn last_purchase(&self, _player: &PlayerId) -> Result<Option<Purchase>, ServiceError> {
        Err(ServiceError::NotFound)
    }
    async fn check_device(&self, _player: &PlayerId, _fingerprint: &str) -> Result<DeviceMatch, ServiceError> {
        Err(ServiceError::NotFound)
    }
}

#[async_trait]
impl Backend for Nothing {
    async fn call(&self, _: &str, _: Option<&PlayerId>, _: &str, _: &str) -> Result<String, ServiceError> {
        Err(ServiceError::NotFound)
    }
}

impl Copy for Nothing {
    fn text(&self, _: &str, _: &str, _: &[(String, String)]) -> Result<String, ServiceError> {
        Err(ServiceError::NotFound)
    }
}

/// Alternating turns; the median time of a call of either kind.
async fn medians(ours: &Ours, floor: &floor::Floor) -> (Duration, Duration) {
    let (mut of_ours, mut of_floor) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let begun = Instant::now();
        for _ in 0..TURN {
            floor.call(TEXT, STATE).await;
        }
        of_floor.push(begun.elapsed() / TURN);
        let begun = Instant::now();
        for _ in 0..TURN {
            ours.call().await.unwrap();
        }
        of_ours.push(begun.elapsed() / TURN);
    }
    of_ours.sort();
    of_floor.sort();
    (of_ours[of_ours.len() / 2], of_floor[of_floor.len() / 2])
}

fn flow_call(criterion: &mut Criterion) {
    let component = component();
    let runtime = runtime();
    let ours = runtime.block_on(Ours::new(component.clone()));
    let floor = floor::Floor::new(&component);
    runtime.block_on(async {
        assert_eq!(ours.call().await.unwrap().outcome.effects.len(), 1);
        assert_eq!(floor.call(TEXT, STATE).await, 1);
        let (of_ours, of_floor) = medians(&ours, &floor).await;
        let ratio = of_ours.as_nanos() as f64 / of_floor.as_nanos() as f64;
        println!("fresh call: ours {of_ours:?}, floor {of_floor:?}, ratio {ratio:.2} (medians of {TURNS} alternating turns)");
    });
    let mut group = criterion.benchmark_group("flow_call");
    group.bench_function("fresh/ours", |bencher| bencher.to_async(&runtime).iter(|| async { ours.call().await.unwrap() }));
    group.bench_function("fresh/floor", |bencher| bencher.to_async(&runtime).iter(|| floor.call(TEXT, STATE)));
    let mut warm = runtime.block_on(floor.warm());
    group.bench_function("reused/floor", |bencher| bencher.iter_custom(|count| runtime.block_on(warm.calls(TEXT, STATE, count))));
    group.finish();
}

fn load(criterion: &mut Criterion) {
    let component = component();
    let runtime = runtime();
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    let engine = Engine::new(EngineOptions::default()).unwrap();
    group.bench_function("cold", |bencher| {
        bencher.to_async(&runtime).iter(|| async { LoadedFlow::load(&engine, request(component.clone())).await.unwrap() });
    });
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::new(EngineOptions { cache_dir: Some(dir.path().to_owned()), ..EngineOptions::default() }).unwrap();
    group.bench_function("from_cache", |bencher| {
        bencher.to_async(&runtime).iter(|| async { LoadedFlow::load(&engine, request(component.clone())).await.unwrap() });
    });
    group.finish();
}

criterion_group!(benches, flow_call, load);
criterion_main!(benches);
