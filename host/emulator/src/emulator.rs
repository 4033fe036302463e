//! The running emulator and its controls.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use hyper::Uri;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::{Config, LedgerMode, StatusPlan};
use crate::fault::{Fault, FaultBoard, GraphFaults, WebhookFaults};
use crate::graph::media::{MediaFaults, MediaStore, UploadedFile};
use crate::graph::templates::TemplateBook;
use crate::http;
use crate::ids::Ids;
use crate::ledger::{Accepted, Counters, Ledger, Tally};
use crate::player::chat::{PlayerError, PlayerHandle};
use crate::player::{Directory, Identity, Player, PlayerState};
use crate::rules::recipient;
use crate::rules::template::Spec;
use crate::state::{NumberState, State};
use crate::sync::{lock, write};
use crate::template::{Category, Template, TemplateQuality, TemplateStatus};
use crate::webhook::deliver::{DeliveryRecord, Poster};
use crate::webhook::{Change, Status, Webhooks, fields};

/// What keeps an emulator from starting or from reaching its host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// Choose another port, or 0 for any.
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Bind {
        /// The port asked for.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// Name at least one number.
    #[error("the configuration has no business number")]
    NoNumber,
    /// Give every number an id of its own.
    #[error("two numbers have the id {0}")]
    DuplicateNumber(String),
    /// Give an absolute `http://` address; the emulator speaks no TLS.
    #[error("not an http:// address: {0}")]
    WebhookUrl(String),
    /// Name one of the numbers in the configuration.
    #[error("the emulator has no number with id {0}")]
    UnknownNumber(String),
    /// Look at the host's verify token and webhook path.
    #[error("the host did not pass verification: {0}")]
    Verification(String),
}

/// A running WhatsApp Cloud API. Cheap to clone; the last clone to go stops it.
#[derive(Clone)]
pub struct Emulator {
    inner: Arc<Inner>,
}

struct Inner {
    state: Arc<State>,
    poster: Arc<Poster>,
    config: Config,
    address: SocketAddr,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Emulator {
    /// Binds the port and starts to serve on the current tokio runtime.
    pub async fn start(config: Config) -> Result<Self, EmulatorError> {
        let target = config.webhook_url.as_deref().map(parse_target).transpose()?;
        let mut numbers = std::collections::HashMap::new();
        for number in &config.numbers {
            let state = Arc::new(NumberState::new(number.clone()));
            if numbers.insert(number.phone_number_id.clone(), state).is_some() {
                return Err(EmulatorError::DuplicateNumber(number.phone_number_id.clone()));
            }
        }
        let first_number =
            config.numbers.first().and_then(|first| numbers.get(&first.phone_number_id)).cloned().ok_or(EmulatorError::NoNumber)?;
        let bind = |source| EmulatorError::Bind { port: config.port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, config.port)).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let ids = Ids::new(config.seed);
        let templates = TemplateBook::default();
        for template in &config.templates {
            templates.put(Spec::new(ids.numeric(), template.clone()));
        }
        let (webhooks, lanes) = Webhooks::new(&config.delivery, target);
        let state = Arc::new(State {
            base_url: format!("http://{address}"),
            access_token: config.access_token.clone(),
            rules: config.rules,
            inbox_messages_max: config.inbox_messages_max,
            clock: Clock::new(config.time_runs),
            ids,
            numbers,
            first_number,
            templates,
            players: Directory::new(),
            media: MediaStore::new(config.media_bytes_max, &config.app_secret),
            ledger: Ledger::new(config.ledger, config.subscription_messages_max),
            tally: Tally::default(),
            faults: FaultBoard::new(config.seed),
            statuses: RwLock::new(config.statuses),
            webhooks,
        });
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let poster = Arc::new(Poster::new(
            config.delivery,
            &config.app_secret,
            matches!(config.ledger, LedgerMode::Keep { .. }),
            Arc::clone(&state),
            tasks.clone(),
            stop.clone(),
        ));
        lanes.run(&poster);
        tasks.spawn(http::serve(listener, Arc::clone(&state), tasks.clone(), stop.clone()));
        tracing::info!(%address, numbers = config.numbers.len(), "WhatsApp emulator listens");
        let inner = Inner { state, poster, config, address, tasks, stop };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Stops serving, drops what is under way, and returns once all is closed.
    pub async fn shutdown(self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// The Graph API's base, without version or slash: `http://127.0.0.1:40123`.
    pub fn graph_url(&self) -> &str {
        &self.state().base_url
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.inner.address
    }

    /// What it was started with: the secrets that a host needs are in here.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Sets where webhooks go, now and for what waits.
    pub fn set_webhook_url(&self, url: &str) -> Result<(), EmulatorError> {
        self.state().webhooks.set_target(parse_target(url)?);
        Ok(())
    }

    /// Does what Meta does when a webhook address is entered: a GET with the verify token and a challenge, whose echo
    /// is expected with 200.
    pub async fn verify_webhook(&self, url: &str) -> Result<(), EmulatorError> {
        let base = parse_target(url)?;
        let challenge = self.state().ids.unique().to_string();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("hub.mode", "subscribe")
            .append_pair("hub.challenge", &challenge)
            .append_pair("hub.verify_token", &self.inner.config.verify_token)
            .finish();
        let target = parse_target(&format!("{}?{query}", base.to_string().trim_end_matches('?')))?;
        self.inner.poster.handshake(target, &challenge).await.map_err(EmulatorError::Verification)
    }

    /// Moves the emulator's time forward: windows close, what is due happens.
    pub fn advance(&self, by: Duration) {
        self.state().clock.advance(by);
    }

    /// The emulator's time, in milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> u64 {
        self.state().clock.now_ms()
    }

    /// Adds a player, who first knows the first number (see [`PlayerHandle::with_number`]).
    pub fn add_player(&self, player: Player) -> Result<PlayerHandle, PlayerError> {
        let state = self.state();
        let identity = Identity::of(player);
        let keys: Vec<String> = [&identity.wa_id, &identity.user_id, &identity.parent_user_id].into_iter().flatten().cloned().collect();
        if keys.is_empty() || identity.party().is_empty() {
            return Err(PlayerError::NoIdentity);
        }
        if keys.iter().any(|key| state.players.find(key).is_some()) {
            return Err(PlayerError::Taken);
        }
        let player = Arc::new(PlayerState::new(identity));
        keys.iter().for_each(|key| state.players.put(key, &player));
        Ok(self.handle_of(player))
    }

    /// The player with this phone number (any notation), BSUID or parent BSUID.
    pub fn player(&self, phone_or_user_id: &str) -> Option<PlayerHandle> {
        let key = recipient::wa_id(phone_or_user_id);
        let player = self.state().players.find(key.as_deref().unwrap_or(phone_or_user_id))?;
        Some(self.handle_of(player))
    }

    fn handle_of(&self, player: Arc<PlayerState>) -> PlayerHandle {
        let state = self.state();
        PlayerHandle::new(Arc::clone(state), player, Arc::clone(&state.first_number))
    }

    /// All accepted messages that the ledger still keeps, in the order of acceptance.
    pub fn accepted(&self) -> Vec<Arc<Accepted>> {
        self.state().ledger.snapshot()
    }

    /// Every message accepted from now on. A receiver that falls too far behind is told how many it missed.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Accepted>> {
        self.state().ledger.subscribe()
    }

    /// Totals since the start.
    pub fn counters(&self) -> Counters {
        let state = self.state();
        let tally = &state.tally;
        let get = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            accepted: state.ledger.accepted_count(),
            forgotten: state.ledger.forgotten_count(),
            refused: get(&tally.refused),
            marked_read: get(&tally.marked_read),
            typing_shown: get(&tally.typing_shown),
            player_messages: get(&tally.player_messages),
            webhook_posts: get(&tally.webhook_posts),
            webhook_acks: get(&tally.webhook_acks),
            updates_delivered: get(&tally.updates_delivered),
            updates_dropped: get(&tally.updates_dropped),
        }
    }

    /// The latest 10,000 webhook POSTs, oldest first; none with [`LedgerMode::CountOnly`].
    pub fn deliveries(&self) -> Vec<DeliveryRecord> {
        self.inner.poster.records()
    }

    /// Updates not yet delivered or given up, planned ones included.
    pub fn webhooks_pending(&self) -> usize {
        self.state().webhooks.pending()
    }

    /// Waits until every update, also every planned status and retry, is delivered or given up; false if that takes
    /// longer than `timeout`.
    pub async fn settled(&self, timeout: Duration) -> bool {
        self.state().webhooks.settled(timeout).await
    }

    /// Holds webhooks back: they gather until [`Self::release_webhooks`].
    pub fn hold_webhooks(&self) {
        self.state().webhooks.hold(true);
    }

    /// Posts what was held back, in batches as large as [`crate::Delivery`] allows.
    pub fn release_webhooks(&self) {
        self.state().webhooks.hold(false);
    }

    /// Posts any update for an account of a number: fields of [`crate::webhook::fields`], statuses out of order, ...
    pub fn post_change(&self, phone_number_id: &str, change: Change) -> Result<(), EmulatorError> {
        let number = self.number(phone_number_id)?;
        self.state().tell_account(&number.waba_id, change);
        Ok(())
    }

    /// Posts a status, whether or not it fits to what happened before.
    pub fn post_status(&self, phone_number_id: &str, status: &Status) -> Result<(), EmulatorError> {
        let number = self.number(phone_number_id)?;
        let change = Change::statuses(number.metadata(), std::slice::from_ref(status));
        self.post_change(phone_number_id, change)
    }

    fn number(&self, phone_number_id: &str) -> Result<&Arc<NumberState>, EmulatorError> {
        self.state().numbers.get(phone_number_id).ok_or_else(|| EmulatorError::UnknownNumber(phone_number_id.to_owned()))
    }

    /// Changes which statuses follow messages accepted from now on.
    pub fn set_statuses(&self, plan: StatusPlan) {
        *write(&self.state().statuses) = plan;
    }

    /// Changes a number's throughput, as Meta's upgrade does, and tells the host.
    pub fn set_throughput(&self, phone_number_id: &str, mps: u32) -> Result<(), EmulatorError> {
        let number = self.number(phone_number_id)?;
        number.throughput_mps.store(mps, Ordering::Relaxed);
        let change = fields::phone_number_quality_update(&number.digits, "THROUGHPUT_UPGRADE");
        self.post_change(phone_number_id, change)
    }

    /// Adds a template, or replaces one of the same name and language, without a webhook.
    pub fn put_template(&self, template: Template) {
        let state = self.state();
        state.templates.put(Spec::new(state.ids.numeric(), template));
    }

    /// Changes where a template stands (in one language, or in all) and tells the host. Gives back how many languages
    /// that were.
    pub fn review_template(&self, name: &str, language: Option<&str>, status: TemplateStatus) -> usize {
        self.review_template_with(name, language, status, json!(null))
    }

    /// As [`Self::review_template`], with more keys for the webhook: `reason`, `other_info`, `rejection_info`, ...
    pub fn review_template_with(&self, name: &str, language: Option<&str>, status: TemplateStatus, more: serde_json::Value) -> usize {
        let state = self.state();
        let changed = state.templates.change(name, language, |template| template.status = status);
        changed.iter().for_each(|(_, spec)| state.tell_template_status(spec, more.clone()));
        changed.len()
    }

    /// Changes what players think of a template, and tells the host.
    pub fn rate_template(&self, name: &str, language: Option<&str>, quality: TemplateQuality) -> usize {
        let state = self.state();
        let changed = state.templates.change(name, language, |template| template.quality = quality);
        for (before, spec) in &changed {
            let Template { name, language, .. } = &before;
            let change = fields::message_template_quality_update(before.quality.as_str(), quality.as_str(), &spec.id, name, language);
            state.tell_template(spec, change);
        }
        changed.len()
    }

    /// Takes a template for something else from now on, and tells the host.
    pub fn recategorise_template(&self, name: &str, language: Option<&str>, category: Category) -> usize {
        let state = self.state();
        let changed = state.templates.change(name, language, |template| {
            template.category = category;
            template.correct_category = None;
        });
        for (before, spec) in &changed {
            let Template { name, language, .. } = &before;
            let change = fields::template_category_update(&spec.id, name, language, before.category.as_str(), category.as_str());
            state.tell_template(spec, change);
        }
        changed.len()
    }

    /// Announces that a template will be taken for something else, at a time in seconds since the Unix epoch.
    pub fn announce_category(&self, name: &str, language: Option<&str>, category: Category, at_s: u64) -> usize {
        let state = self.state();
        let changed = state.templates.change(name, language, |template| template.correct_category = Some(category));
        for (before, spec) in &changed {
            let Template { name, language, category: now, .. } = &before;
            let change = fields::template_category_announced(&spec.id, name, language, category.as_str(), now.as_str(), at_s);
            state.tell_template(spec, change);
        }
        changed.len()
    }

    /// Takes a template away without a webhook, as deleting it by hand at Meta does.
    pub fn remove_template(&self, name: &str) -> bool {
        let state = self.state();
        state.templates.remove_all(name)
    }

    /// The template as Meta keeps it.
    pub fn template(&self, name: &str, language: &str) -> Option<Template> {
        let state = self.state();
        state.templates.find(&state.first_number.waba_id, name, language).ok().map(|spec| spec.template.clone())
    }

    /// Sets what goes wrong at the Graph API from now on; the default sets all right.
    pub fn set_graph_faults(&self, faults: GraphFaults) {
        self.state().faults.set_graph(faults);
    }

    /// Sets what goes wrong with webhooks from now on; the default sets all right.
    pub fn set_webhook_faults(&self, faults: WebhookFaults) {
        self.state().faults.set_webhook(faults);
    }

    /// Lets this go wrong with the next `times` sends, after what was injected before.
    pub fn inject(&self, fault: Fault, times: u32) {
        self.state().faults.inject(None, fault, times);
    }

    /// As [`Self::inject`], for sends from one number only.
    pub fn inject_for(&self, phone_number_id: &str, fault: Fault, times: u32) {
        let number = Some(phone_number_id.to_owned());
        self.state().faults.inject(number, fault, times);
    }

    /// Injected faults that no send has met yet.
    pub fn injected_left(&self) -> u32 {
        self.state().faults.injected_left()
    }

    /// Sets all right: no standing faults, none injected.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// The files that the host has put there and that are there still, the oldest first.
    pub fn uploads(&self) -> Vec<UploadedFile> {
        self.state().media.uploads()
    }

    /// Loses a file before its time. False when it is not there.
    pub fn lose_file(&self, id: &str) -> bool {
        self.state().media.remove(id)
    }

    /// Sets what goes wrong with files from now on; the default sets all right.
    pub fn set_media_faults(&self, faults: MediaFaults) {
        self.state().media.set_faults(faults);
    }

    /// The settings that the host has posted for a number.
    pub fn number_settings(&self, phone_number_id: &str) -> Result<serde_json::Value, EmulatorError> {
        Ok(lock(&self.number(phone_number_id)?.settings).clone())
    }

    fn state(&self) -> &Arc<State> {
        &self.inner.state
    }
}

impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator").field("address", &self.inner.address).finish_non_exhaustive()
    }
}

fn parse_target(url: &str) -> Result<Uri, EmulatorError> {
    Uri::from_str(url)
        .ok()
        .filter(|uri| uri.scheme_str() == Some("http") && uri.host().is_some())
        .ok_or_else(|| EmulatorError::WebhookUrl(url.to_owned()))
}
