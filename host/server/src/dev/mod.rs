//! `questline dev`: a page in the browser where players chat with a game on this machine. Beside the chat stands what the
//! host did. The host is the real one, Meta is the emulator, time can be moved, and what is saved is built and swapped in
//! while the chat goes on.

mod api;
mod chat;
mod http;
mod journal;
mod look;
mod people;
mod template;
mod watch;
mod workshop;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use questline_core::id::{GameId, PlayerId};
use questline_core::port::{Clock, Desk};
use questline_emulator::{Emulator, Player};
use questline_wasm::EngineOptions;
use serde::Deserialize;
use serde_json::json;

use crate::app::{GameLoader, Host, HostOptions};
use crate::clock::MovableClock;
use crate::config::{Config, Secret};
use crate::game::{Games, LoadedGame};
use chat::Chat;
use journal::Journal;
use look::{NotedLog, Onlooker};
use people::{Device, People, Person, Presence};
use watch::{Saved, Watch};
use workshop::{Broken, Rebuild, Workshop};

pub use http::token;
pub use template::approve;

/// Sample players who are on the page at the start.
const PLAYERS_AT_START: usize = 2;
/// Players on the page at once.
const PLAYERS_MAX: usize = 12;
/// Tickets that the page shows.
const TICKETS_MAX: usize = 200;

/// What is played, and where.
pub struct Options {
    /// The host's configuration: its one number plays the game, its Graph API is the emulator.
    pub config: Config,
    /// The token of the configuration's `[admin]`.
    pub operator: Secret,
    /// Meta.
    pub emulator: Emulator,
    /// Where Meta posts to, below the host's address.
    pub webhook_path: String,
    /// The workspace with `plugins/`.
    pub workspace: PathBuf,
    /// The game's folder.
    pub game_dir: PathBuf,
    /// The port of the page; if it is taken, one of the next.
    pub port: u16,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The configuration names no number.
    #[error("the configuration has no number to play on")]
    NoNumber,
    /// The page's port.
    #[error("no port from {0} on is free for the page: {1}. Choose another with --port")]
    Port(u16, std::io::Error),
    /// Watching files.
    #[error("files cannot be watched: {0}")]
    Watch(#[from] notify::Error),
    /// The host.
    #[error(transparent)]
    Start(#[from] crate::app::StartError),
    /// Flows.
    #[error(transparent)]
    Flows(#[from] crate::app::FlowsError),
    /// Meta's side.
    #[error(transparent)]
    Emulator(#[from] questline_emulator::EmulatorError),
    /// No randomness.
    #[error("the system gives no random bytes for the page's token")]
    Random,
}

/// All that the page's parts share.
struct Room {
    game: GameId,
    clock: Arc<MovableClock>,
    emulator: Emulator,
    people: Arc<People>,
    journal: Arc<Journal>,
    onlooker: Arc<Onlooker>,
    workshop: Arc<Workshop>,
    files: Mutex<api::Files>,
    ports: OnceLock<Ports>,
    /// One at a time makes and swaps the game.
    swap: tokio::sync::Mutex<()>,
}

/// The running host's.
struct Ports {
    games: Arc<Games>,
    desk: Arc<dyn Desk>,
    http: reqwest::Client,
    /// Where game events go.
    events_url: String,
    operator: Secret,
}

/// A player who joins: one of the sample, or a new one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPerson {
    /// Of a sample player; none makes a number up.
    phone: Option<String>,
    name: String,
    tier: String,
    locale: String,
    /// Of a sample player.
    id: Option<PlayerId>,
    linked: bool,
}

/// Runs until the process is asked to stop.
pub async fn run(options: Options, stop: impl Future<Output = ()>) -> Result<(), DevError> {
    let Options { config, operator, emulator, webhook_path, workspace, game_dir, port } = options;
    let number = config.numbers.first().ok_or(DevError::NoNumber)?;
    let (game, number) = (number.game.clone(), number.id.clone());
    let listener = http::bind(port).await.map_err(|problem| DevError::Port(port, problem))?;
    let port = listener.local_addr().map_err(|problem| DevError::Port(port, problem))?.port();
    let mut watch = Watch::start(&workspace.join("plugins"), &game_dir)?;
    greet(port, &workspace, &game_dir);

    let clock = Arc::new(MovableClock::default());
    let (people, journal) = (Arc::new(People::default()), Arc::new(Journal::new()));
    let engine = EngineOptions {
        calls_max: 16,
        calls_per_game_max: 16,
        cache_dir: Some(workspace.join("target/guests/compiled")),
        ..EngineOptions::default()
    };
    let workshop = Arc::new(Workshop {
        workspace,
        game_dir,
        number,
        loader: GameLoader::new(engine, Arc::new(NotedLog))?,
        http: crate::app::connector_client()?,
        emulator: emulator.clone(),
        people: people.clone(),
        journal: journal.clone(),
        sample: Mutex::default(),
        // What lies there may be of other sources.
        owed: Mutex::new(Rebuild::All),
    });
    let onlooker = Arc::new(Onlooker::new(journal.clone(), clock.clone()));
    let room = Arc::new(Room {
        game: game.clone(),
        clock: clock.clone(),
        emulator: emulator.clone(),
        people,
        journal,
        onlooker: onlooker.clone(),
        workshop,
        files: Mutex::default(),
        ports: OnceLock::new(),
        swap: tokio::sync::Mutex::default(),
    });
    room.journal.game(json!({ "id": game.as_str(), "name": game.as_str() }));
    let door = http::Door::new(port).map_err(|_| DevError::Random)?;
    let page = axum::serve(listener, http::router(room.clone(), door));
    let page = tokio::spawn(async move { page.await });

    let host_options = HostOptions { clock, observer: Some(onlooker), loader: Some(room.workshop.loader.clone()) };
    let host = Host::start_with(&config, host_options).await?;
    emulator.set_webhook_url(&format!("http://{}{webhook_path}", host.address()))?;
    let ports = Ports {
        games: host.games().clone(),
        desk: host.desk().clone(),
        http: room.workshop.http.clone(),
        events_url: format!("http://{}/v1/games/{game}/events", host.address()),
        operator,
    };
    let _ = room.ports.set(ports);
    let chat = tokio::spawn(room.chat().run());
    let tickets = tokio::spawn(room.clone().follow_tickets());

    tokio::pin!(stop);
    let work = async {
        room.renew(None).await;
        while let Some(saved) = watch.saved().await {
            room.renew(Some(saved)).await;
        }
    };
    tokio::select! {
        () = &mut stop => {}
        () = work => stop.await,
    }
    for task in [chat, tickets] {
        task.abort();
    }
    page.abort();
    host.stop().await;
    emulator.shutdown().await;
    Ok(())
}

fn greet(port: u16, workspace: &Path, game_dir: &Path) {
    let shown = |path: &Path| {
        std::env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned)).unwrap_or_else(|| path.to_owned())
    };
    println!("Open      http://127.0.0.1:{port}/");
    println!(
        "Watching  {}/ and {}/: save a file, and the chat goes on with it",
        shown(&workspace.join("plugins")).display(),
        shown(game_dir).display()
    );
    println!("Stop      Ctrl-C");
    println!();
}

impl Room {
    fn ports(&self) -> Result<&Ports, &'static str> {
        self.ports.get().ok_or("the host is starting")
    }

    fn chat(&self) -> Chat {
        Chat { emulator: self.emulator.clone(), people: self.people.clone(), journal: self.journal.clone() }
    }

    /// Whether there is a game to write to.
    fn plays(&self) -> bool {
        self.ports.get().is_some_and(|ports| ports.games.get(&self.game).is_some())
    }

    fn put(&self, game: LoadedGame) {
        if let Some(ports) = self.ports.get() {
            ports.games.put(game);
        }
    }

    /// Makes the game anew after files were saved, or for the first time.
    async fn renew(&self, saved: Option<Saved>) {
        let _one = self.swap.lock().await;
        let rebuild = saved.as_ref().map(|saved| saved.rebuild.clone()).unwrap_or_default();
        match self.workshop.make(rebuild, saved.is_none()).await {
            Ok((game, built, mut took)) => {
                let release = game.release.short();
                self.put(game);
                if let Some(saved) = &saved {
                    took = saved.at.elapsed();
                }
                let what = if built.is_empty() { "reloaded".to_owned() } else { format!("built {}", built.join(", ")) };
                let took_ms = took.as_millis() as u64;
                println!("  {}{what}, live after {:.1} s", saved_words(saved.as_ref()), took.as_secs_f64());
                let words = format!("{what} in {:.1} s", took.as_secs_f64());
                self.journal
                    .build(json!({ "state": "live", "words": words, "took_ms": took_ms, "release": release, "first": saved.is_none() }));
                self.seat_samples().await;
            }
            Err(broken) => self.tell_broken(&broken, saved.as_ref()),
        }
    }

    fn tell_broken(&self, broken: &Broken, saved: Option<&Saved>) {
        let plays = self.plays();
        let still = if plays { "; the version before goes on" } else { "" };
        eprintln!("  {}{}{still}\n", saved_words(saved), broken.title);
        broken.detail.lines().for_each(|line| eprintln!("    {line}"));
        eprintln!();
        self.journal.build(broken.shown(plays));
    }

    /// The first players, once the game is there.
    async fn seat_samples(&self) {
        if !self.people.all().is_empty() {
            return;
        }
        let samples = self.journal.samples();
        for sample in samples.into_iter().take(PLAYERS_AT_START) {
            if let Err(problem) = self.seat(sample) {
                tracing::warn!(problem, "a sample player cannot join");
            }
        }
        if self.people.all().is_empty() {
            let first = NewPerson {
                phone: None,
                name: "Ada".to_owned(),
                tier: "standard".to_owned(),
                locale: "en".to_owned(),
                id: None,
                linked: true,
            };
            if self.seat(first).is_ok() {
                self.reload().await;
            }
        }
    }

    /// Another player on the page.
    async fn add(&self, new: NewPerson) -> Result<(), String> {
        let is_new = new.id.is_none();
        self.seat(new)?;
        if is_new {
            let _one = self.swap.lock().await;
            self.reload().await;
        }
        Ok(())
    }

    /// Lets the studio know of a player it did not have.
    async fn reload(&self) {
        match self.workshop.make(Rebuild::Nothing, false).await {
            Ok((game, ..)) => self.put(game),
            Err(broken) => self.tell_broken(&broken, None),
        }
    }

    fn seat(&self, new: NewPerson) -> Result<(), String> {
        let known = self.people.all();
        if known.len() >= PLAYERS_MAX {
            return Err(format!("{PLAYERS_MAX} players fit on the page: remove one first"));
        }
        let name: String = new.name.trim().chars().filter(|c| !c.is_control()).take(60).collect();
        if name.is_empty() {
            return Err("a player has a name".to_owned());
        }
        let sample = new.id.is_some();
        let phone = match new.phone {
            Some(phone) => questline_core::contact::PhoneNumber::parse(&phone).map_err(|problem| problem.to_string())?.digits().to_owned(),
            // Numbers of this form belong to nobody: 555-01xx is for fiction.
            None => (100..200)
                .map(|last| format!("15550{last:06}"))
                .find(|phone| self.emulator.player(phone).is_none())
                .ok_or("no number is left")?,
        };
        if known.iter().any(|person| person.phone == phone) {
            return Err(format!("{name} is on the page"));
        }
        let handle = match self.emulator.player(&phone) {
            // They were on the page before.
            Some(handle) => handle,
            None => self.emulator.add_player(Player::new(format!("+{phone}"), &name)).map_err(|problem| problem.to_string())?,
        };
        let id = match new.id {
            Some(id) => id,
            None => PlayerId::parse(&format!("dev-{phone}")).map_err(|problem| problem.to_string())?,
        };
        handle.set_online(true);
        let (device, presence) = (Device::Sample, Presence::Chat);
        let person = Person { phone, id, name, tier: new.tier, locale: new.locale, linked: new.linked, sample, device, presence, handle };
        self.people.put(person.clone());
        self.journal.player(&person.phone, person.shown());
        self.chat().look(&person);
        Ok(())
    }

    /// Moves everybody's time forward.
    fn advance(&self, by_ms: u64) {
        self.clock.advance(by_ms);
        self.emulator.advance(Duration::from_millis(by_ms));
        self.tell_clock();
    }

    fn tell_clock(&self) {
        self.journal.clock(json!({ "now_ms": self.clock.now().0, "ahead_ms": self.clock.offset_ms() }));
    }

    /// Keeps the page's tickets as they are in the store.
    async fn follow_tickets(self: Arc<Self>) {
        loop {
            self.onlooker.tickets.notified().await;
            let Ok(ports) = self.ports() else { continue };
            match ports.desk.tickets(&self.game, true, TICKETS_MAX).await {
                Ok(tickets) => {
                    let shown = |ticket: &questline_core::commit::Ticket| json!({ "phone": self.onlooker.phone_of(ticket.conversation), "ticket": ticket });
                    self.journal.tickets(tickets.iter().map(shown).collect());
                }
                Err(problem) => tracing::warn!(%problem, "tickets cannot be read"),
            }
        }
    }
}

fn saved_words(saved: Option<&Saved>) -> String {
    let name = saved.and_then(|saved| saved.path.file_name());
    name.map(|name| format!("saved {}: ", name.to_string_lossy())).unwrap_or_default()
}
