//! The composition root: the only place that names concrete stores, the registry of flows and the Graph client. Parts
//! start in the order of their needs, and stop in the reverse, within a bound.

mod flows;
mod options;
mod parts;
mod sending;
mod stores;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use questline_core::capability::{Capability, Grants};
use questline_core::id::GameId;
use questline_core::port::{Depth, Desk, Outbox, StoreError};
use questline_core::time::SECOND_MS;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Admin, AdminToken, ConsentDesk, GameEvents, OutboxDesk, TokenBook};
use crate::broadcast::{self, BroadcastDesk, Deeds, DeskParts};
use crate::clicks::{self, ClickDesk};
use crate::config::{Config, SecretError};
use crate::game::{self, Bundle, DeclaredGame, GameError, Games, LoadContext, SecretRule, Studio};
use crate::guest_log::TracedGuestLog;
use crate::ingress::{self, Ingress, Room};
use crate::links::LinkDesk;
use crate::media::{LinkFetcher, MediaDesk, MediaParts};
use crate::metrics::Metrics;
use crate::recovery::Recovery;
use crate::release::{Parts, Releaser, StartProblem};
use crate::runner::{AccountDevices, Runner, Stepper, StoredReceipts};
use crate::security::{AccountGuard, Lockout};
use crate::sender::Sender;
use crate::sending::{SendingDesk, SendingParts};
use crate::templates::{Accounts, TemplateDesk, TemplateParts};
use crate::timer;
use crate::traffic::Traffic;
use crate::two_factor::TwoFactorDesk;
use crate::verification::CodeDesk;

use parts::{apps, listen, numbers};
use sending::{alerts, sending_numbers, sending_portfolios};

pub use flows::{FlowsError, GameLoader, compiled_dir};
pub use options::HostOptions;
pub use parts::{code_keys, connector_client, graph};
pub use stores::{OpenedStore, StoreOpenError, open as open_store};

/// Why the host does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A secret that cannot be used.
    #[error("{what} cannot be used: {problem}")]
    Unusable {
        /// Which.
        what: String,
        /// Why.
        problem: String,
    },
    /// The folder of games, for those who look at nothing else.
    #[error("cannot read the folder of games {path}: {problem}")]
    GamesDir {
        /// Which.
        path: PathBuf,
        /// Why.
        problem: std::io::Error,
    },
    /// The games' releases.
    #[error(transparent)]
    Releases(#[from] StartProblem),
    /// A game.
    #[error(transparent)]
    Game(#[from] GameError),
    /// Flows.
    #[error(transparent)]
    Flows(#[from] FlowsError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// What was kept of sending.
    #[error("what sending goes by cannot be read: {0}")]
    Sending(StoreError),
    /// Meta's address.
    #[error("graph: {0}")]
    Graph(String),
    /// Our address.
    #[error("cannot listen on {address}: {problem}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        problem: std::io::Error,
    },
}

/// A running host.
pub struct Host {
    address: SocketAddr,
    admin: Arc<Admin>,
    games: Arc<Games>,
    store: OpenedStore,
    listener: JoinHandle<()>,
    runner: JoinHandle<()>,
    sender: JoinHandle<()>,
    timers: JoinHandle<()>,
    broadcasts: JoinHandle<()>,
    clicks: JoinHandle<()>,
    stop_listening: CancellationToken,
    stop_running: CancellationToken,
    stop_sending: CancellationToken,
    stop_templates: CancellationToken,
    drain: Duration,
}

/// How a stop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// All that was in hand is done.
    Drained,
    /// Time was up: what was in hand is done after the next start.
    Cut,
}

/// Reads all games of the folder, and what they declare. What was uploaded is not among them.
pub fn declare_games(config: &Config, http: &reqwest::Client) -> Result<Vec<(Bundle, DeclaredGame)>, StartError> {
    let folders = game::folders(&config.games_dir).map_err(|problem| StartError::GamesDir { path: config.games_dir.clone(), problem })?;
    let mut games = Vec::new();
    for dir in folders {
        let bundle = game::read_folder(&dir, &config.components_dir)?;
        let declared = game::declare(&bundle, &load_context(config, bundle.game(), http))?;
        games.push((bundle, declared));
    }
    Ok(games)
}

/// What the host has for a game.
pub fn load_context<'a>(config: &'a Config, game: &GameId, http: &'a reqwest::Client) -> LoadContext<'a> {
    let denied: Grants = config.operator.deny.iter().copied().collect();
    LoadContext {
        numbers: config.numbers.iter().filter(|number| number.game == *game).map(|number| number.id.clone()).collect(),
        operator_grants: Capability::ALL.iter().copied().filter(|capability| !denied.has(*capability)).collect(),
        connector_hosts: &config.operator.connector_hosts,
        secrets: SecretRule::Any,
        studio: Studio::Real,
        http,
    }
}

impl Host {
    /// Starts all parts. When it returns, webhooks are taken.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        Self::start_with(config, HostOptions::default()).await
    }

    /// As [`Host::start`], with a clock, an observer or a loader of the caller's.
    pub async fn start_with(config: &Config, options: HostOptions) -> Result<Self, StartError> {
        let HostOptions { clock, observer, loader } = options;
        let metrics = Arc::new(Metrics::default());
        let apps = apps(config)?;
        let graph = Arc::new(graph(config)?);
        let admin_token = config.admin.token.as_ref().map(|token| token.read("the operator's token")).transpose()?;
        let own = loader.is_some();
        let loader = match loader {
            Some(loader) => loader,
            None => GameLoader::of(config, Arc::new(TracedGuestLog::new(clock.clone(), metrics.clone())))?,
        };
        let accounts = Accounts::of(&config.numbers);
        let loader = loader.with_at_meta(accounts.at_meta());
        let by_number = config.numbers.iter().map(|number| (number.id.clone(), number.game.clone())).collect();
        let games = Arc::new(Games::new(Vec::new(), by_number));
        let (http, code_keys) = (connector_client()?, code_keys(config)?);
        let store = stores::open_with(config, clock.clone()).await?;
        let releaser = Arc::new(Releaser::new(Parts {
            store: store.releases.clone(),
            games: games.clone(),
            loader,
            config: Arc::new(config.clone()),
            http,
            clock: clock.clone(),
            metrics: metrics.clone(),
        }));
        let ready = async {
            if !own {
                releaser.start().await?;
            }
            listen(config.listen).await
        };
        let (listener, address) = match ready.await {
            Ok(listening) => listening,
            Err(problem) => {
                // The hold on the store is given back: the next start need not wait for it to end.
                if let Err(problem) = store.close().await {
                    tracing::error!(%problem, "the store did not close well");
                }
                return Err(problem);
            }
        };

        let stop_templates = CancellationToken::new();
        let parts = TemplateParts {
            accounts,
            store: store.templates.clone(),
            graph: graph.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            every_ms: config.graph.templates_every_s * SECOND_MS,
        };
        let templates = TemplateDesk::open(parts, stop_templates.clone()).await;

        let traffic = Arc::new(Traffic::new(config.numbers.iter().map(|number| number.id.clone())));
        let (alerts, courier) = alerts(config, clock.clone(), metrics.clone())?;
        let sending = SendingDesk::open(SendingParts {
            store: store.sending.clone(),
            permits: store.permits.clone(),
            games: games.clone(),
            numbers: sending_numbers(config),
            portfolios: sending_portfolios(config),
            reserve_percent: config.sending.reserve_percent,
            alerts,
            clock: clock.clone(),
            metrics: metrics.clone(),
        });
        let sending = match sending.await {
            Ok(sending) => Arc::new(sending),
            Err(problem) => {
                if let Err(problem) = store.close().await {
                    tracing::error!(%problem, "the store did not close well");
                }
                return Err(StartError::Sending(problem));
            }
        };
        let ingress = Arc::new(Ingress {
            apps,
            games: games.clone(),
            inbox: store.inbox.clone(),
            sending: sending.clone(),
            templates: templates.clone(),
            traffic: traffic.clone(),
            identity_check: config.numbers.iter().filter(|number| number.identity_check).map(|number| number.id.clone()).collect(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            room: Room::new(config.limits.bodies_bytes_max),
            body_bytes_max: config.limits.body_bytes_max,
        });
        let codes = Arc::new(CodeDesk {
            games: games.clone(),
            store: store.verifications.clone(),
            accounts: store.accounts.clone(),
            inbox: store.inbox.clone(),
            desk: Some(store.desk.clone()),
            keys: code_keys,
            clock: clock.clone(),
            metrics: metrics.clone(),
        });
        let two_factor = Arc::new(TwoFactorDesk {
            accounts: store.accounts.clone(),
            audit: store.audit.clone(),
            desk: store.desk.clone(),
            codes: codes.clone(),
        });
        let dialled = |number: &crate::config::NumberConfig| Some((number.id.clone(), number.display_phone.clone()?));
        let links = Arc::new(LinkDesk {
            accounts: store.accounts.clone(),
            inbox: store.inbox.clone(),
            desk: store.desk.clone(),
            codes: codes.clone(),
            numbers: config.numbers.iter().filter_map(dialled).collect(),
            clock: clock.clone(),
            metrics: metrics.clone(),
        });
        let deeds = Arc::new(Deeds::new(store.exposures.clone()));
        let broadcasts = Arc::new(BroadcastDesk::new(DeskParts {
            store: store.broadcasts.clone(),
            audiences: store.audiences.clone(),
            outbox: store.outbox.clone(),
            desk: store.desk.clone(),
            links: links.clone(),
            games: games.clone(),
            numbers: config.numbers.iter().map(|number| (number.id.clone(), number.per_second)).collect(),
            sending: sending.clone(),
            deeds: deeds.clone(),
            audit: store.audit.clone(),
            clock: clock.clone(),
        }));
        let (clicks, noter) = ClickDesk::new(&*store.sealing, games.clone(), deeds.clone(), clock.clone(), metrics.clone());
        let lockout = Arc::new(Lockout { accounts: store.accounts.clone(), audit: store.audit.clone(), clock: clock.clone() });
        let security = Arc::new(AccountGuard {
            accounts: store.accounts.clone(),
            desk: store.desk.clone(),
            inbox: store.inbox.clone(),
            codes: codes.clone(),
            lockout,
            clock: clock.clone(),
        });
        let admin = Arc::new(Admin {
            desk: store.desk.clone(),
            audit: store.audit.clone(),
            sealing: store.sealing.clone(),
            events: GameEvents::new(store.inbox.clone()),
            consents: ConsentDesk { store: store.consents.clone(), accounts: store.accounts.clone() },
            broadcasts: broadcasts.clone(),
            codes: codes.clone(),
            accounts: store.accounts.clone(),
            links: links.clone(),
            two_factor: two_factor.clone(),
            sending: sending.clone(),
            templates: templates.clone(),
            outbox: OutboxDesk::new(store.outbox.clone(), traffic.clone()),
            games: games.clone(),
            metrics: metrics.clone(),
            clock: clock.clone(),
            releases: releaser.clone(),
            files: graph.clone(),
            tokens: TokenBook::new(store.tokens.clone(), clock.clone(), admin_token.as_ref().map(AdminToken::new)),
            ready: AtomicBool::new(true),
        });
        let runner = Arc::new(Runner {
            conversations: store.conversations.clone(),
            stepper: Stepper {
                receipts: Arc::new(StoredReceipts(store.outbox.clone())),
                react: |code| questline_whatsapp::error_table::react(code, 0),
                clock: clock.clone(),
                metrics: metrics.clone(),
                codes: Some(codes.clone()),
                links: Some(links),
                security: Some(security),
                two_factor: Some(two_factor),
                devices: Arc::new(AccountDevices(store.accounts.clone())),
                seed: None,
            },
            traffic: traffic.clone(),
            games: games.clone(),
            deeds,
            observer,
            releases: releaser.clone(),
            steps_max: config.limits.steps_max,
            steps_per_game_max: config.limits.steps_per_game_max,
            outbox_max: config.limits.outbox_max,
        });
        let sender = Arc::new(Sender {
            clicks: clicks.clone(),
            outbox: store.outbox.clone(),
            inbox: store.inbox.clone(),
            media: Arc::new(MediaDesk::new(MediaParts {
                graph: graph.clone(),
                uploads: store.uploads.clone(),
                releases: store.releases.clone(),
                games: games.clone(),
                clock: clock.clone(),
                metrics: metrics.clone(),
                links: LinkFetcher::new().map_err(|problem| StartError::Graph(problem.to_string()))?,
            })),
            graph,
            gate: broadcasts.gate.clone(),
            broadcasts: store.broadcasts.clone(),
            codes,
            templates,
            games: games.clone(),
            credentials: Arc::new(Recovery { games: games.clone(), desk: store.desk.clone(), accounts: store.accounts.clone() }),
            numbers: numbers(config),
            traffic,
            clock: clock.clone(),
            metrics,
            sending: sending.clone(),
            taken: crate::sender::Taken::default(),
            breaker: config.sending.breaker,
            in_flight_max: config.graph.in_flight_max,
            settle_ms: config.graph.settle_ms,
        });

        let (stop_listening, stop_running, stop_sending) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        if store.is_shared() {
            tokio::spawn(releaser.clone().follow(stop_running.clone()));
        }
        if let Err(problem) = broadcasts.start().await {
            tracing::error!(%problem, "what is held back of broadcasts could not be read; it will be");
        }
        let broadcasts = tokio::spawn(broadcast::run(broadcasts, stop_running.clone()));
        let timers = tokio::spawn(timer::run(store.timers.clone(), clock, stop_running.clone()));
        let sender = tokio::spawn(sender.run(stop_sending.clone()));
        tokio::spawn(sending.clone().run(stop_sending.clone()));
        if let Some(courier) = courier {
            tokio::spawn(courier.run(stop_sending.clone()));
        }
        let noter = tokio::spawn(noter.run(clicks.clone(), stop_sending.clone()));
        let runner = tokio::spawn(runner.run(stop_running.clone()));
        let router = ingress::router(ingress).merge(clicks::router(clicks)).merge(admin::router(admin.clone()));
        let listener =
            tokio::spawn(ingress::listen::serve(listener, router, config.limits.connections_max, admin::time_for, stop_listening.clone()));
        tracing::info!(%address, numbers = config.numbers.len(), "questline takes webhooks");
        crate::memory::give_back();
        let drain = Duration::from_millis(config.limits.drain_ms);
        Ok(Self {
            address,
            admin,
            games,
            store,
            listener,
            runner,
            sender,
            timers,
            broadcasts,
            clicks: noter,
            stop_listening,
            stop_running,
            stop_sending,
            stop_templates,
            drain,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The sender's side of its store, for measuring.
    pub fn outbox(&self) -> &Arc<dyn Outbox> {
        &self.store.outbox
    }

    /// The games that it plays.
    pub fn games(&self) -> &Arc<Games> {
        &self.games
    }

    /// What people look at and decide on.
    pub fn desk(&self) -> &Arc<dyn Desk> {
        &self.store.desk
    }

    /// Steps that ended by a commit since the start.
    pub fn steps(&self) -> u64 {
        self.admin.metrics.steps_total()
    }

    /// Waits until nothing waits in inbox and outbox, at most this long; says how much is where then.
    pub async fn settled(&self, timeout: Duration) -> Result<Depth, StoreError> {
        let deadline = tokio::time::Instant::now() + timeout;
        loop {
            let depth = self.store.desk.depth().await?;
            if depth.inbox + depth.outbox == 0 || tokio::time::Instant::now() >= deadline {
                return Ok(depth);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Stops in the message's order: no more webhooks, then no more steps, then no more sends; each part finishes what
    /// it has in hand, all within `limits.drain_ms`.
    pub async fn stop(self) -> Stopped {
        self.admin.ready.store(false, Ordering::Relaxed);
        self.stop_templates.cancel();
        let deadline = tokio::time::Instant::now() + self.drain;
        let mut stopped = Stopped::Drained;
        let stages = [
            ("listener", self.stop_listening, vec![self.listener]),
            ("runner", self.stop_running, vec![self.runner, self.timers, self.broadcasts]),
            ("sender", self.stop_sending, vec![self.sender, self.clicks]),
        ];
        for (name, stop, tasks) in stages {
            stop.cancel();
            for mut task in tasks {
                if tokio::time::timeout_at(deadline, &mut task).await.is_err() {
                    tracing::warn!(part = name, "time is up: what is in hand goes on after the next start");
                    task.abort();
                    stopped = Stopped::Cut;
                }
            }
        }
        if let Err(problem) = self.store.close().await {
            tracing::error!(%problem, "the store did not close well");
            stopped = Stopped::Cut;
        }
        tracing::info!(drained = stopped == Stopped::Drained, "questline has stopped");
        stopped
    }
}
