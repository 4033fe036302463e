//! The host around the flows under test: an engine, a registry, services that answer, and calls as the runner makes them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use questline_core::capability::Grants;
use questline_core::contact::Contact;
use questline_core::conversation::Authentication;
use questline_core::effect::{Effect, Reply};
use questline_core::event::{Event, Inbound, Message, Wamid};
use questline_core::flow::{FlowAnswer, FlowFailure, FlowLimits, Read, Snapshot};
use questline_core::id::{FlowName, GameId, InboxSeq, PlayerId, TicketNumber};
use questline_core::intent::Intent;
use questline_core::message::Outbound;
use questline_core::port::{
    Backend, Balances, Copy, DeviceMatch, FlowCall, Flows, GuestLog, Intents, LogLevel, Players, Profile, Purchase, ServiceError, Services,
};
use questline_core::time::UnixMs;
use questline_wasm::{Engine, EngineOptions, LoadError, LoadRequest, LoadedFlow, Registry};

use crate::guest::{Guest, echo};

/// The game under test.
pub(crate) const GAME: &str = "starfall";
/// A game that must never notice.
pub(crate) const OTHER_GAME: &str = "moonrise";
/// The flow under test, in either game.
pub(crate) const FLOW: &str = "flow";
/// What every flow's clock shows.
pub(crate) const NOW: UnixMs = UnixMs(1_700_000_000_000);

/// A host with flows.
pub(crate) struct World {
    pub(crate) engine: Engine,
    games: Mutex<HashMap<GameId, Arc<Registry>>>,
    pub(crate) services: Services,
    pub(crate) log: Arc<Log>,
    pub(crate) backend: Arc<FakeBackend>,
    pub(crate) limits: FlowLimits,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(EngineOptions { calls_max: 8, calls_per_game_max: 4, ..EngineOptions::default() })
    }

    pub(crate) fn with(options: EngineOptions) -> Self {
        Self::with_players(options, Arc::new(FakePlayers))
    }

    pub(crate) fn with_players(options: EngineOptions, players: Arc<dyn Players>) -> Self {
        let engine = Engine::new(options).unwrap();
        let log = Arc::new(Log::default());
        let backend = Arc::new(FakeBackend::default());
        let services = Services {
            players,
            backend: Arc::clone(&backend) as Arc<dyn Backend>,
            intents: Arc::new(FakeIntents),
            copy: Arc::new(FakeCopy),
        };
        Self { engine, games: Mutex::default(), services, log, backend, limits: FlowLimits::default() }
    }

    /// A world with the guest installed, and an echo in the other game.
    pub(crate) async fn of(guest: &Guest) -> Self {
        let world = Self::new();
        world.install(GAME, guest).await;
        world.install(OTHER_GAME, &echo()).await;
        world
    }

    pub(crate) async fn load(&self, bytes: Vec<u8>) -> Result<LoadedFlow, LoadError> {
        let request = LoadRequest { bytes, grants: Grants::all(), limits: FlowLimits::default() };
        LoadedFlow::load(&self.engine, request).await
    }

    /// Makes a game of one flow, in place of what was played there, which is given back.
    pub(crate) async fn install(&self, game: &str, guest: &Guest) -> Option<Arc<Registry>> {
        let release = self.release(game, guest.component()).await;
        self.play(game, release)
    }

    /// A release of a game with one flow.
    pub(crate) async fn release(&self, game: &str, component: Vec<u8>) -> Arc<Registry> {
        let flow = self.load(component).await.unwrap();
        self.release_of(game, [(flow_name(), flow)])
    }

    /// A release of a game with these flows.
    pub(crate) fn release_of(&self, game: &str, flows: impl IntoIterator<Item = (FlowName, LoadedFlow)>) -> Arc<Registry> {
        let log = Arc::clone(&self.log) as Arc<dyn GuestLog>;
        Arc::new(Registry::new(&self.engine, &game_id(game), &log, flows))
    }

    /// Plays a release from now on.
    pub(crate) fn play(&self, game: &str, release: Arc<Registry>) -> Option<Arc<Registry>> {
        self.games.lock().unwrap().insert(game_id(game), release)
    }

    /// What is played.
    pub(crate) fn played(&self, game: &str) -> Arc<Registry> {
        Arc::clone(&self.games.lock().unwrap()[&game_id(game)])
    }

    /// Hands a text to the flow under test.
    pub(crate) async fn say(&self, text: &str) -> Result<FlowAnswer, FlowFailure> {
        self.call(GAME, &text_event(text), Call::default()).await
    }

    /// Hands an event to a game's flow.
    pub(crate) async fn call(&self, game: &str, event: &Event, call: Call) -> Result<FlowAnswer, FlowFailure> {
        let played = self.played(game);
        let (game, flow) = (game_id(game), flow_name());
        let references = |_: &Wamid| Some(InboxSeq(41));
        played.call(self.flow_call(&game, &flow, event, &references, call)).await
    }

    /// Hands an event to the flow under test as it was recorded.
    pub(crate) async fn replay(&self, event: &Event, reads: Vec<Read>) -> Result<FlowAnswer, FlowFailure> {
        let (game, name) = (game_id(GAME), flow_name());
        let references = |_: &Wamid| Some(InboxSeq(41));
        let call = self.flow_call(&game, &name, event, &references, Call::default());
        self.played(GAME).replay(call, reads).await
    }

    fn flow_call<'a>(
        &'a self,
        game: &'a GameId,
        flow: &'a FlowName,
        event: &'a Event,
        references: &'a (dyn Fn(&Wamid) -> Option<InboxSeq> + Send + Sync),
        call: Call,
    ) -> FlowCall<'a> {
        FlowCall {
            game,
            flow,
            snapshot: call.snapshot,
            event,
            references,
            services: &self.services,
            grants: call.grants,
            limits: call.limits.unwrap_or(self.limits),
            now: NOW,
            state_version: call.state_version,
            idempotency_key: "step-7".into(),
            seed: None,
        }
    }

    /// Says that the other game is served as if nothing had happened.
    pub(crate) async fn assert_others_are_served(&self) {
        let answer = self.call(OTHER_GAME, &text_event("still there?"), Call::default()).await.expect("the other game's call");
        assert_eq!(replies(&answer), ["still there?"]);
    }
}

/// What varies between calls.
pub(crate) struct Call {
    pub(crate) snapshot: Snapshot,
    pub(crate) grants: Grants,
    pub(crate) limits: Option<FlowLimits>,
    pub(crate) state_version: Option<u32>,
}

impl Default for Call {
    fn default() -> Self {
        Self { snapshot: snapshot(), grants: Grants::all(), limits: None, state_version: None }
    }
}

impl Call {
    pub(crate) fn limited(limits: FlowLimits) -> Self {
        Self { limits: Some(limits), ..Self::default() }
    }
}

pub(crate) fn game_id(name: &str) -> GameId {
    GameId::parse(name).unwrap()
}

pub(crate) fn flow_name() -> FlowName {
    FlowName::parse(FLOW).unwrap()
}

pub(crate) fn snapshot() -> Snapshot {
    Snapshot {
        conversation: "c-1".into(),
        state: None,
        locale: "en".into(),
        player: PlayerId::parse("player-1").ok(),
        authentication: Authentication::Unauthenticated,
        window_closes_at: Some(NOW.plus_ms(1000)),
        marketing_consent: false,
        ticket_number: TicketNumber::parse("SF-1").unwrap(),
        phone: None,
        settings: "{}".into(),
        refused: vec![],
        extensions: vec![],
    }
}

pub(crate) fn text_event(text: &str) -> Event {
    Event::Message(Message {
        wamid: Wamid("wamid.test".into()),
        sent_at: NOW,
        content: Inbound::Text(text.into()),
        reply_to: None,
        forwarded: false,
        referral: None,
        profile_name: None,
        identity_key_hash: None,
    })
}

/// The texts that an answer says.
pub(crate) fn replies(answer: &FlowAnswer) -> Vec<&str> {
    let text = |effect: &'_ Effect| match effect {
        Effect::Reply(Reply { content: Outbound::Text { .. }, .. }) => true,
        other => panic!("no text: {other:?}"),
    };
    assert!(answer.outcome.effects.iter().all(text));
    let body = |effect| match effect {
        &Effect::Reply(Reply { content: Outbound::Text { ref body, .. }, .. }) => body.as_str(),
        _ => "",
    };
    answer.outcome.effects.iter().map(body).collect()
}

/// Lines that flows wrote.
#[derive(Default)]
pub(crate) struct Log(pub(crate) Mutex<Vec<(String, LogLevel, String)>>);

impl GuestLog for Log {
    fn line(&self, game: &GameId, _flow: &FlowName, level: LogLevel, message: &str) {
        self.0.lock().unwrap().push((game.to_string(), level, message.to_owned()));
    }
}

/// A database with one player.
pub(crate) struct FakePlayers;

#[async_trait]
impl Players for FakePlayers {
    async fn by_contact(&self, _contact: &Contact) -> Result<(PlayerId, Profile), ServiceError> {
        Err(ServiceError::NotFound)
    }
    async fn profile(&self, _player: &PlayerId) -> Result<Profile, ServiceError> {
        Ok(Profile { name: "Mara".into(), tier: "diamond".into(), locale: None, country: None, time_zone: None, created_at: None })
    }
    async fn balances(&self, _player: &PlayerId) -> Result<Balances, ServiceError> {
        Ok(Balances { premium: 1, free: 2, pending_rewards: 3 })
    }
    async fn last_purchase(&self, _player: &PlayerId) -> Result<Option<Purchase>, ServiceError> {
        Ok(None)
    }
    async fn check_device(&self, _player: &PlayerId, _fingerprint: &str) -> Result<DeviceMatch, ServiceError> {
        Ok(DeviceMatch::Same)
    }
}

/// A database that answers when it is told to.
#[derive(Default)]
pub(crate) struct SlowPlayers {
    pub(crate) asked: AtomicUsize,
    pub(crate) answer: tokio::sync::Notify,
}

#[async_trait]
impl Players for SlowPlayers {
    async fn by_contact(&self, contact: &Contact) -> Result<(PlayerId, Profile), ServiceError> {
        FakePlayers.by_contact(contact).await
    }
    async fn profile(&self, player: &PlayerId) -> Result<Profile, ServiceError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.answer.notified().await;
        FakePlayers.profile(player).await
    }
    async fn balances(&self, player: &PlayerId) -> Result<Balances, ServiceError> {
        FakePlayers.balances(player).await
    }
    async fn last_purchase(&self, player: &PlayerId) -> Result<Option<Purchase>, ServiceError> {
        FakePlayers.last_purchase(player).await
    }
    async fn check_device(&self, player: &PlayerId, fingerprint: &str) -> Result<DeviceMatch, ServiceError> {
        FakePlayers.check_device(player, fingerprint).await
    }
}

/// A backend that notes what it is asked, and answers with a counter.
#[derive(Default)]
pub(crate) struct FakeBackend {
    pub(crate) keys: Mutex<Vec<String>>,
}

#[async_trait]
impl Backend for FakeBackend {
    async fn call(&self, operation: &str, _player: Option<&PlayerId>, _request: &str, key: &str) -> Result<String, ServiceError> {
        let mut keys = self.keys.lock().unwrap();
        keys.push(key.to_owned());
        Ok(format!("{{\"operation\":{operation:?},\"count\":{}}}", keys.len()))
    }
}

struct FakeIntents;

impl Intents for FakeIntents {
    fn classify(&self, _text: &str) -> Vec<Intent> {
        vec![Intent { name: "balance".into(), confidence: 0.9 }]
    }
}

struct FakeCopy;

impl Copy for FakeCopy {
    fn text(&self, key: &str, locale: &str, _arguments: &[(String, String)]) -> Result<String, ServiceError> {
        Ok(format!("{key} in {locale}"))
    }
}
