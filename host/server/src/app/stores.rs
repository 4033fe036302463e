//! Opens the store that the configuration names, behind its ports.

use std::sync::Arc;

use questline_core::port::{
    Accounts, Audiences, Audit, Broadcasts, Clock, Consents, Conversations, Desk, Exposures, Inbox, Outbox, Permits, Releases, Sealing,
    SendingState, Store, StoreError, Templates, Timers, Tokens, Uploads, Verifications,
};
use questline_store::audit::{AuditKey, ShortKey};
use questline_store::embedded::{self, EmbeddedOptions, EmbeddedStore};
use questline_store::redis::{self, RedisOptions, RedisStore};
use questline_store::seal::{StoreKeys, UnusableKeys};

use crate::clock::SystemClock;
use crate::config::{Config, Engine, SecretError};

/// A store behind its ports.
pub struct OpenedStore {
    /// The edge's side.
    pub inbox: Arc<dyn Inbox>,
    /// The runner's side.
    pub conversations: Arc<dyn Conversations>,
    /// The sender's side.
    pub outbox: Arc<dyn Outbox>,
    /// The clockwork's side.
    pub timers: Arc<dyn Timers>,
    /// What people look at.
    pub desk: Arc<dyn Desk>,
    /// What was done, and by whom.
    pub audit: Arc<dyn Audit>,
    /// Releases of games.
    pub releases: Arc<dyn Releases>,
    /// Its keys.
    pub sealing: Arc<dyn Sealing>,
    /// What is known of templates at Meta.
    pub templates: Arc<dyn Templates>,
    /// What sending goes by.
    pub sending: Arc<dyn SendingState>,
    /// Sliding windows.
    pub permits: Arc<dyn Permits>,
    /// Tokens of studios.
    pub tokens: Arc<dyn Tokens>,
    /// One-time codes.
    pub verifications: Arc<dyn Verifications>,
    /// What the host knows of players.
    pub accounts: Arc<dyn Accounts>,
    /// Evidence of consent.
    pub consents: Arc<dyn Consents>,
    /// Broadcasts.
    pub broadcasts: Arc<dyn Broadcasts>,
    /// Who could get one.
    pub audiences: Arc<dyn Audiences>,
    /// What players did then.
    pub exposures: Arc<dyn Exposures>,
    /// What was put at Meta.
    pub uploads: Arc<dyn Uploads>,
    /// What the store may lose as it is set up, in words; empty when nothing.
    pub warnings: Vec<String>,
    concrete: Concrete,
}

enum Concrete {
    Embedded(Arc<EmbeddedStore>),
    Redis(Arc<RedisStore>),
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenError {
    /// The embedded engine.
    #[error(transparent)]
    Embedded(#[from] embedded::OpenError),
    /// Redis.
    #[error(transparent)]
    Redis(#[from] redis::OpenError),
    /// Its address.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The key of the audit log.
    #[error("[audit] key: {0}")]
    AuditKey(#[from] ShortKey),
    /// The keys of what it holds.
    #[error("[store] keys: {0}")]
    Keys(#[from] UnusableKeys),
    /// Its address is not configured.
    #[error("store.engine is \"redis\" and store.url is missing")]
    NoUrl,
}

impl StoreOpenError {
    /// Whether only a change of the configuration helps: starting again does not.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Secret(_) | Self::AuditKey(_) | Self::Keys(_) | Self::NoUrl => true,
            Self::Redis(problem) => matches!(problem, redis::OpenError::Options(_) | redis::OpenError::Url(_) | redis::OpenError::Keys(_)),
            Self::Embedded(problem) => matches!(problem, embedded::OpenError::Keys(_)),
        }
    }
}

/// Opens it.
pub async fn open(config: &Config) -> Result<OpenedStore, StoreOpenError> {
    open_with(config, Arc::new(SystemClock)).await
}

/// Opens it, with this clock.
pub(super) async fn open_with(config: &Config, clock: Arc<dyn Clock>) -> Result<OpenedStore, StoreOpenError> {
    let limits = &config.limits;
    let audit_key = config.audit.key.as_ref().map(|source| source.read("the key of the audit log")).transpose()?;
    let audit_key = audit_key.map(|secret| AuditKey::new(secret.reveal().as_bytes())).transpose()?;
    let keys = store_keys(config)?;
    match config.store.engine {
        Engine::Embedded => {
            let mut options = EmbeddedOptions::new(&config.store.dir, clock);
            options.audit_key = audit_key;
            options.keys = keys;
            options.inbox_max = limits.inbox_max;
            options.inbox_per_game_max = limits.inbox_per_game_max;
            let store = Arc::new(EmbeddedStore::open(options)?);
            Ok(OpenedStore::over(store.clone(), Concrete::Embedded(store), Vec::new()))
        }
        Engine::Redis => {
            let url = config.store.url.as_ref().ok_or(StoreOpenError::NoUrl)?.read("the address of Redis")?;
            let mut options = RedisOptions::new(url.reveal(), clock);
            options.prefix = config.store.prefix.clone();
            options.audit_key = audit_key;
            options.keys = keys;
            options.inbox_max = limits.inbox_max;
            options.inbox_per_game_max = limits.inbox_per_game_max;
            let (store, warnings) = RedisStore::open(options).await?;
            let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
            for warning in &warnings {
                tracing::warn!("{warning}");
            }
            let store = Arc::new(store);
            Ok(OpenedStore::over(store.clone(), Concrete::Redis(store), warnings))
        }
    }
}

/// The keys of what the store holds, if any are set.
fn store_keys(config: &Config) -> Result<Option<StoreKeys>, StoreOpenError> {
    let secrets = config.store.keys.iter().map(|source| source.read("a key of the store")).collect::<Result<Vec<_>, _>>()?;
    if secrets.is_empty() {
        return Ok(None);
    }
    let secrets: Vec<&str> = secrets.iter().map(|secret| secret.reveal()).collect();
    Ok(Some(StoreKeys::new(&secrets)?))
}

impl OpenedStore {
    fn over<S: Store + 'static>(store: Arc<S>, concrete: Concrete, warnings: Vec<String>) -> Self {
        Self {
            inbox: store.clone(),
            conversations: store.clone(),
            outbox: store.clone(),
            timers: store.clone(),
            desk: store.clone(),
            verifications: store.clone(),
            accounts: store.clone(),
            consents: store.clone(),
            broadcasts: store.clone(),
            audiences: store.clone(),
            exposures: store.clone(),
            audit: store.clone(),
            releases: store.clone(),
            sealing: store.clone(),
            sending: store.clone(),
            permits: store.clone(),
            templates: store.clone(),
            uploads: store.clone(),
            tokens: store,
            warnings,
            concrete,
        }
    }

    /// Whether other nodes may write to the same data.
    pub fn is_shared(&self) -> bool {
        matches!(self.concrete, Concrete::Redis(_))
    }

    /// Writes what is left, and lets go.
    pub async fn close(self) -> Result<(), StoreError> {
        match self.concrete {
            Concrete::Embedded(store) => store.close().await,
            Concrete::Redis(store) => store.close().await,
        }
    }
}
