//! What an operator sets: `questline.toml`, then `QUESTLINE_*` from the environment. Unknown keys are refused; secrets
//! come from the environment or from files only.

mod environment;
mod secret;
mod sending;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use questline_core::capability::Capability;
use questline_core::contact::PhoneNumber;
use questline_core::id::{GameId, NumberId};
use serde::Deserialize;

pub use secret::{Secret, SecretError, SecretSource};
pub use sending::{AlertsConfig, PortfolioConfig, SendingConfig, portfolio_of};

/// Everything.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where webhooks, API and metrics are served.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// The folder of games.
    #[serde(default = "default_games_dir")]
    pub games_dir: PathBuf,
    /// The folder of components: `<plugin>.wasm` each.
    #[serde(default = "default_components_dir")]
    pub components_dir: PathBuf,
    /// What is kept.
    #[serde(default)]
    pub store: StoreConfig,
    /// Meta's side.
    #[serde(default)]
    pub graph: GraphConfig,
    /// Meta apps: who calls our webhook.
    #[serde(default)]
    pub apps: Vec<AppConfig>,
    /// WhatsApp business numbers.
    #[serde(default)]
    pub numbers: Vec<NumberConfig>,
    /// Portfolios: whose users count together.
    #[serde(default)]
    pub portfolios: Vec<PortfolioConfig>,
    /// How sending protects itself.
    #[serde(default)]
    pub sending: SendingConfig,
    /// Who hears of what needs an operator.
    #[serde(default)]
    pub alerts: AlertsConfig,
    /// The HTTP API.
    #[serde(default)]
    pub admin: AdminConfig,
    /// One-time codes.
    #[serde(default)]
    pub verification: VerificationConfig,
    /// The audit log.
    #[serde(default)]
    pub audit: AuditConfig,
    /// How much at once.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// What flows may never have, whatever game.toml grants.
    #[serde(default)]
    pub operator: OperatorConfig,
    /// Lines for the operator.
    #[serde(default)]
    pub log: LogConfig,
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

fn default_games_dir() -> PathBuf {
    PathBuf::from("flows")
}

fn default_components_dir() -> PathBuf {
    PathBuf::from("components")
}

/// Where state lives.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Which engine.
    pub engine: Engine,
    /// The data directory: of the embedded engine, and of compiled flows.
    pub dir: PathBuf,
    /// The address of Redis, `redis://...`: it may hold a password.
    pub url: Option<SecretSource>,
    /// In front of every key in Redis.
    pub prefix: String,
    /// What is personal is sealed under the first of these, and opens under all: at least 32 characters each. Without any the
    /// embedded store makes one in its directory; a store over Redis needs one.
    pub keys: Vec<SecretSource>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { engine: Engine::Embedded, dir: PathBuf::from("data"), url: None, prefix: "ql".to_owned(), keys: Vec::new() }
    }
}

/// Store engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// One directory, nothing to install.
    Embedded,
    /// Redis 7 or later, or Valkey.
    Redis,
}

/// The Graph API.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GraphConfig {
    /// Its address.
    pub url: String,
    /// Its version.
    pub version: String,
    /// A send that takes longer counts as unknown.
    pub timeout_ms: u64,
    /// How long a status webhook is waited for before an unknown send is repeated.
    pub settle_ms: u64,
    /// Sends in flight, of all numbers.
    pub in_flight_max: usize,
    /// How often Meta's lists of templates are read, beside what webhooks tell: 1 to 86400 seconds.
    pub templates_every_s: u64,
}

impl Default for GraphConfig {
    fn default() -> Self {
        Self {
            url: "https://graph.facebook.com".to_owned(),
            version: "v25.0".to_owned(),
            timeout_ms: 35_000,
            settle_ms: 15_000,
            in_flight_max: 512,
            templates_every_s: 900,
        }
    }
}

/// A Meta app.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppConfig {
    /// Its name in our webhook's address, `/webhooks/meta/{name}`.
    pub name: String,
    /// App secrets; several while they are rotated.
    pub secrets: Vec<SecretSource>,
    /// The token of Meta's GET handshake.
    pub verify_token: SecretSource,
}

/// A WhatsApp business number.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberConfig {
    /// Meta's `phone_number_id`.
    pub id: NumberId,
    /// Which game talks from it.
    pub game: GameId,
    /// Which app it belongs to.
    pub app: String,
    /// The WhatsApp business account (WABA) it belongs to.
    pub account: String,
    /// The access token to send with.
    pub access_token: SecretSource,
    /// The number as players dial it, with its country code: where links to the chat lead.
    #[serde(default, deserialize_with = "display_phone")]
    pub display_phone: Option<PhoneNumber>,
    /// Messages a second, inbound and outbound together: 80 unless Meta raised it to 1000; 20 for coexistence.
    #[serde(default = "default_per_second")]
    pub per_second: u32,
    /// Meta's identity check is on for it: each message says which device it is from, and trust ends with the device.
    #[serde(default)]
    pub identity_check: bool,
}

/// A phone number as people and Meta write it: `+1 (555) 010-0100`.
pub fn dialled(text: &str) -> Option<PhoneNumber> {
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '\u{a0}' | '-' | '.' | '(' | ')')).collect();
    PhoneNumber::parse(&digits).ok()
}

fn display_phone<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<PhoneNumber>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = || serde::de::Error::custom("display_phone takes a number with its country code, for instance \"+1 555 010 0100\"");
    dialled(&text).map(Some).ok_or_else(wrong)
}

fn default_per_second() -> u32 {
    80
}

/// The HTTP API.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// The operator's token; without it `/v1` answers 403.
    pub token: Option<SecretSource>,
}

/// One-time codes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VerificationConfig {
    /// Keys: the first makes digests and seals, all of them check and open. Without one there are no codes.
    pub keys: Vec<SecretSource>,
}

/// The audit log.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// The key that makes pseudonyms of players and contacts, at least 32 characters. Without it the embedded store makes
    /// one in its directory; a store over Redis needs it.
    pub key: Option<SecretSource>,
}

/// How much at once: what is over waits, or is asked to come again.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Bytes of one webhook POST; Meta sends at most 3 MB.
    pub body_bytes_max: usize,
    /// Bytes of all POSTs being read.
    pub bodies_bytes_max: usize,
    /// Connections.
    pub connections_max: usize,
    /// Events that wait; more are answered with 503, and Meta comes again.
    pub inbox_max: u64,
    /// Of which of one game.
    pub inbox_per_game_max: u64,
    /// Messages that wait; beyond it no further step begins.
    pub outbox_max: u64,
    /// Conversations in hand at once.
    pub steps_max: usize,
    /// Of which of one game.
    pub steps_per_game_max: usize,
    /// Bytes of one component.
    pub component_bytes_max: usize,
    /// How long the compilation of one uploaded component may take.
    pub compile_ms_max: u64,
    /// Bytes of memory that it may take.
    pub compile_memory_bytes_max: u64,
    /// How long a stop waits for what is in hand.
    pub drain_ms: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            body_bytes_max: 3 << 20,
            bodies_bytes_max: 24 << 20,
            connections_max: 1_024,
            inbox_max: 100_000,
            inbox_per_game_max: 50_000,
            outbox_max: 100_000,
            steps_max: 512,
            steps_per_game_max: 256,
            component_bytes_max: 32 << 20,
            compile_ms_max: 60_000,
            compile_memory_bytes_max: 1 << 30,
            drain_ms: 20_000,
        }
    }
}

/// The operator's word on flows.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperatorConfig {
    /// Capabilities that no flow gets.
    pub deny: Vec<Capability>,
    /// Hosts that games' connectors may call.
    pub connector_hosts: Vec<String>,
    /// Folders with a folder for each game, `<dir>/<game>/`, whose files uploaded releases may name as secrets.
    pub secret_dirs: Vec<PathBuf>,
}

/// Lines for the operator.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// For people or for machines.
    pub format: LogFormat,
    /// As in `RUST_LOG`, for instance `info` or `questline::sender=debug,info`.
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file.
    #[error("cannot read {path}: {problem}. Copy questline.example.toml to {path} and fill it in, or name another file with --config")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        problem: std::io::Error,
    },
    /// Its text.
    #[error("{path} is not right: {problem}")]
    Parse {
        /// Which.
        path: PathBuf,
        /// What and where.
        problem: String,
    },
    /// An environment variable.
    #[error("environment variable {name} is not right: {problem}")]
    Environment {
        /// Which.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// Two settings that do not go together.
    #[error("{0}")]
    Contradiction(String),
}

impl Config {
    /// Reads the file, then the environment over it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|problem| ConfigError::Read { path: path.to_owned(), problem })?;
        Self::parse(path, &text, std::env::vars())
    }

    fn parse(path: &Path, text: &str, environment: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let wrong =
            |problem: toml::de::Error| ConfigError::Parse { path: path.to_owned(), problem: problem.to_string().trim_end().to_owned() };
        // Read once as it stands, for errors that name line and column; then with the environment over it.
        toml::from_str::<Self>(text).map_err(wrong)?;
        let mut table: toml::Table = toml::from_str(text).map_err(wrong)?;
        environment::apply(&mut table, environment)?;
        let config: Self = table.try_into().map_err(wrong)?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let contradiction = |text: String| Err(ConfigError::Contradiction(text));
        for (place, app) in self.apps.iter().enumerate() {
            if app.secrets.is_empty() {
                return contradiction(format!("app {:?} has no secrets: webhooks could not be verified", app.name));
            }
            if self.apps[..place].iter().any(|other| other.name == app.name) {
                return contradiction(format!("two apps are called {:?}", app.name));
            }
        }
        for (place, number) in self.numbers.iter().enumerate() {
            if !self.apps.iter().any(|app| app.name == number.app) {
                return contradiction(format!("number {} belongs to app {:?}, and no app has that name", number.id, number.app));
            }
            if self.numbers[..place].iter().any(|other| other.id == number.id) {
                return contradiction(format!("number {} is listed twice", number.id));
            }
        }
        sending::check(&self.portfolios, &self.numbers, &self.sending, &self.alerts).or_else(contradiction)?;
        if !(1..=86_400).contains(&self.graph.templates_every_s) {
            return contradiction(format!("graph.templates_every_s is {}; it takes 1 to 86400", self.graph.templates_every_s));
        }
        if self.limits.bodies_bytes_max < self.limits.body_bytes_max {
            return contradiction(format!(
                "limits.bodies_bytes_max is {} and limits.body_bytes_max {}: no webhook of that size would ever be taken",
                self.limits.bodies_bytes_max, self.limits.body_bytes_max
            ));
        }
        if self.store.engine == Engine::Redis && self.store.url.is_none() {
            return contradiction(
                "store.engine is \"redis\" and store.url is missing: set it, for instance url = { env = \"QUESTLINE_REDIS_URL\" }"
                    .to_owned(),
            );
        }
        if self.store.engine == Engine::Redis && self.store.keys.is_empty() {
            return contradiction(
                "store.engine is \"redis\" and [store] keys is missing: make a key with `openssl rand -hex 32`, keep it, and name it, for \
                 instance keys = [{ env = \"QUESTLINE_STORE_KEY\" }]"
                    .to_owned(),
            );
        }
        if self.store.engine == Engine::Redis && self.audit.key.is_none() {
            return contradiction(
                "store.engine is \"redis\" and [audit] key is missing: make one with `openssl rand -hex 32`, keep it, and name it, for \
                 instance key = { env = \"QUESTLINE_AUDIT_KEY\" }"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::parse(Path::new("questline.toml"), text, environment)
    }

    #[test]
    fn the_example_is_right() {
        let example = include_str!("../../../../questline.example.toml");
        parse(example, &[]).unwrap();
    }

    #[test]
    fn unknown_keys_are_refused_with_their_place() {
        let problem = parse("listen = \"127.0.0.1:1\"\nlisten_adress = 1\n", &[]).unwrap_err().to_string();
        assert!(problem.contains("listen_adress") && problem.contains("line 2"), "{problem}");
    }

    #[test]
    fn the_environment_goes_over_the_file() {
        let config =
            parse("listen = \"127.0.0.1:1\"", &[("QUESTLINE_LISTEN", "127.0.0.1:2"), ("QUESTLINE_LIMITS_STEPS_MAX", "7")]).unwrap();
        assert_eq!((config.listen.port(), config.limits.steps_max), (2, 7));
        let problem = parse("", &[("QUESTLINE_LIMITS_STEPS_MAX", "many")]).unwrap_err().to_string();
        assert!(problem.contains("steps_max") || problem.contains("STEPS_MAX"), "{problem}");
    }

    #[test]
    fn contradictions_are_named() {
        let number = "[[numbers]]\nid = \"1\"\ngame = \"g\"\napp = \"x\"\naccount = \"1\"\naccess_token = { env = \"T\" }\n";
        assert!(parse(number, &[]).unwrap_err().to_string().contains("no app has that name"));
        assert!(parse("[store]\nengine = \"redis\"", &[]).unwrap_err().to_string().contains("store.url"));
        let redis = "[store]\nengine = \"redis\"\nurl = { env = \"U\" }";
        assert!(parse(redis, &[]).unwrap_err().to_string().contains("[store] keys"));
        let redis = "[store]\nengine = \"redis\"\nurl = { env = \"U\" }\nkeys = [{ env = \"S\" }]";
        assert!(parse(redis, &[]).unwrap_err().to_string().contains("[audit] key"));
        parse(&format!("{redis}\n[audit]\nkey = {{ env = \"K\" }}"), &[]).unwrap();
        let small = parse("[limits]\nbody_bytes_max = 1000\nbodies_bytes_max = 999", &[]).unwrap_err().to_string();
        assert!(small.contains("bodies_bytes_max") && small.contains("999"), "{small}");
    }
}
