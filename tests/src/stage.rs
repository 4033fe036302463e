//! What a test plays on: a folder of its own, games, a store, an emulator.

use std::fmt::Write as _;
use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use questline_emulator as meta;
use tempfile::TempDir;

use crate::guests;
use crate::host::{Host, TOKEN};
use crate::port;
use crate::redis::RedisServer;

/// Meta's id of the first number; the second game's follows.
pub const NUMBER: &str = "106540352242922";
pub const SECOND_NUMBER: &str = "106540352242923";
/// The business account of both.
pub const ACCOUNT: &str = "102290129340398";
/// The app secret before it was rotated: still taken.
pub const OLD_SECRET: &str = "the secret before it was rotated";

/// Which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Embedded,
    Redis,
}

impl Engine {
    pub const ALL: [Self; 2] = [Self::Embedded, Self::Redis];
}

/// One number with its game.
struct Played {
    number: &'static str,
    game: String,
}

/// A folder of games, a store, an emulator, and the configuration that joins them.
pub struct Stage {
    dir: TempDir,
    pub emulator: meta::Emulator,
    meta: meta::Config,
    engine: Engine,
    pub redis: Option<RedisServer>,
    address: SocketAddr,
    played: Vec<Played>,
    extra: String,
    hosts: Vec<String>,
    settle_ms: u64,
    timeout_ms: u64,
    per_second: u32,
    portfolio_limit: String,
    breaker_open_ms: u64,
    breaker_failures_max: u32,
    /// The store's keys, the one that seals first.
    store_keys: Mutex<Vec<String>>,
    identity_check: bool,
}

/// A number as people write it.
pub fn number_as_dialled(id: &str) -> String {
    format!("+1 555 010 {}", &id[id.len() - 4..])
}

/// A number as the emulator knows it.
pub fn number(id: &str) -> meta::Number {
    let mut number = meta::Number::new(id, number_as_dialled(id), ACCOUNT);
    number.throughput_mps = 1_000;
    number
}

impl Stage {
    /// With Meta's own rules.
    pub async fn new(engine: Engine) -> Self {
        let mut config = meta::Config::new(number(NUMBER)).number(number(SECOND_NUMBER));
        config.delivery.retry = meta::Retry::every(std::time::Duration::from_millis(100), 1_000);
        Self::with_meta(engine, config).await
    }

    /// With an emulator set up otherwise.
    pub async fn with_meta(engine: Engine, meta: meta::Config) -> Self {
        let emulator = meta::Emulator::start(meta.clone()).await.expect("the emulator starts");
        let address = port::free();
        emulator.set_webhook_url(&format!("http://{address}/webhooks/meta/main")).expect("an address");
        let redis = (engine == Engine::Redis).then(RedisServer::start);
        let dir = tempfile::tempdir().expect("a folder");
        Self {
            dir,
            emulator,
            meta,
            engine,
            redis,
            address,
            played: Vec::new(),
            extra: String::new(),
            hosts: Vec::new(),
            settle_ms: 1_500,
            timeout_ms: 10_000,
            per_second: 1_000,
            portfolio_limit: "unlimited".to_owned(),
            breaker_open_ms: 500,
            breaker_failures_max: 5,
            store_keys: Mutex::new(vec!["store key one, of thirty-two characters".to_owned()]),
            identity_check: false,
        }
    }

    /// Where everything lies.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The host's address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The folder of a game.
    pub fn game_dir(&self, name: &str) -> PathBuf {
        self.dir.path().join("flows").join(name)
    }

    /// The configuration's file.
    pub fn config(&self) -> PathBuf {
        self.dir.path().join("questline.toml")
    }

    /// How long a status is waited for before an unknown send is repeated, and how long a send may take.
    pub fn times(mut self, settle_ms: u64, timeout_ms: u64) -> Self {
        (self.settle_ms, self.timeout_ms) = (settle_ms, timeout_ms);
        self
    }

    /// The keys that the next start has, the one that seals first.
    pub fn set_store_keys(&self, keys: &[&str]) {
        *self.store_keys.lock().expect("keys") = keys.iter().map(|key| (*key).to_owned()).collect();
    }

    /// What the host takes for the numbers' throughput.
    pub fn per_second(mut self, messages: u32) -> Self {
        self.per_second = messages;
        self
    }

    /// Users a day that the host takes for the limit of the numbers' portfolio; none, unless this is said.
    pub fn portfolio_limit(mut self, limit: &str) -> Self {
        self.portfolio_limit = limit.to_owned();
        self
    }

    /// How long a breaker stays open.
    pub fn breaker_open_ms(mut self, open_ms: u64) -> Self {
        self.breaker_open_ms = open_ms;
        self
    }

    /// How many failures in a row open a breaker.
    pub fn breaker_failures_max(mut self, failures_max: u32) -> Self {
        self.breaker_failures_max = failures_max;
        self
    }

    /// Meta's identity check is on for the numbers.
    pub fn identity_check(mut self) -> Self {
        self.identity_check = true;
        self
    }

    /// Lines for the configuration, for instance a `[limits]` section.
    pub fn extra(mut self, lines: &str) -> Self {
        self.extra.push_str(lines);
        self.extra.push('\n');
        self
    }

    /// A host that connectors may call.
    pub fn allow_host(mut self, host: &str) -> Self {
        self.hosts.push(host.to_owned());
        self
    }

    /// The product's sample game, on the first number.
    pub fn starfall(self) -> Self {
        self.starfall_on(NUMBER)
    }

    /// The product's sample game.
    pub fn starfall_on(self, number: &'static str) -> Self {
        let source = guests::workspace().join("flows/starfall");
        copy_dir(&source, &self.dir.path().join("flows/starfall"));
        let templates = questline::game::templates(&source).expect("templates");
        for template in &templates {
            questline::dev::approve(&self.emulator, template);
        }
        let key = self.dir.path().join("code-key");
        std::fs::write(&key, "a key of the tests: 32 characters at the least").expect("a key");
        self.extra(&format!("[verification]\nkeys = [{{ file = {key:?} }}]")).play("starfall", number)
    }

    /// A game with one flow on one number.
    pub fn game(self, name: &str, number: &'static str, plugin: &str, grants: &[&str], more: &str) -> Self {
        let dir = self.dir.path().join("flows").join(name);
        std::fs::create_dir_all(dir.join("copy")).expect("a folder");
        let text = format!(
            "name = \"{name}\"\nlocale = \"en\"\nticket_prefix = \"T\"\ndefault_flow = \"main\"\n{more}\n[flows.main]\nplugin = \"{plugin}\"\n\
             grants = {grants:?}\n\n[players]\nconnector = \"sample\"\nfile = \"players.json\"\n\n[step_retry]\nbase_ms = 20\nceiling_ms = 100\nattempts_max = 3\n"
        );
        std::fs::write(dir.join("game.toml"), text).expect("game.toml");
        std::fs::write(dir.join("copy/en.ftl"), "hello = Hello\n").expect("texts");
        std::fs::write(dir.join("players.json"), "{\"players\": []}").expect("players");
        self.play(name, number)
    }

    /// A game whose flow answers `echo: <text>`.
    pub fn echo(self, name: &str, number: &'static str) -> Self {
        self.game(name, number, "echo-guest", &["reply", "log"], "")
    }

    /// A game whose flow misbehaves as each message asks it to.
    pub fn hostile(self, name: &str, number: &'static str) -> Self {
        let all = ["copy", "log", "clock", "random", "reply", "send-template", "timers", "hand-over", "measures"];
        // Memory fills up before the time for it is over, also on a slow machine.
        let limits = "[flows.main.limits]\nmemory_bytes_max = 16_777_216\ncpu_ms_max = 250\n";
        self.game(name, number, "hostile-guests", &all, limits)
    }

    fn play(mut self, game: &str, number: &'static str) -> Self {
        self.played.push(Played { number, game: game.to_owned() });
        self
    }

    /// Writes the configuration.
    pub fn write_config(&self) {
        let secret = |name: &str, text: &str| {
            let path = self.dir.path().join(name);
            std::fs::write(&path, text).expect("a secret's file");
            format!("{{ file = {path:?} }}")
        };
        let dir = self.dir.path();
        let mut text =
            format!("listen = \"{}\"\ngames_dir = {:?}\ncomponents_dir = {:?}\n", self.address, dir.join("flows"), guests::components());
        let engine = if self.engine == Engine::Redis { "redis" } else { "embedded" };
        let _ = writeln!(text, "[store]\nengine = \"{engine}\"\ndir = {:?}", dir.join("data"));
        let keys: Vec<String> =
            self.store_keys.lock().expect("keys").iter().enumerate().map(|(n, key)| secret(&format!("store-key-{n}"), key)).collect();
        let _ = writeln!(text, "keys = [{}]", keys.join(", "));
        if let Some(redis) = &self.redis {
            let _ = writeln!(text, "url = {}", secret("redis-url", &redis.url()));
            let _ = writeln!(text, "[audit]\nkey = {}", secret("audit-key", "0123456789abcdef0123456789abcdef"));
        }
        let _ = writeln!(
            text,
            "[graph]\nurl = {:?}\nsettle_ms = {}\ntimeout_ms = {}",
            self.emulator.graph_url(),
            self.settle_ms,
            self.timeout_ms
        );
        let _ = writeln!(text, "[admin]\ntoken = {}", secret("operator-token", TOKEN));
        let _ = writeln!(text, "[operator]\nconnector_hosts = {:?}", self.hosts);
        let (app_secret, verify_token) = (secret("app-secret", &self.meta.app_secret), secret("verify-token", &self.meta.verify_token));
        let old_secret = secret("app-secret-old", OLD_SECRET);
        let _ = writeln!(text, "[[apps]]\nname = \"main\"\nsecrets = [{old_secret}, {app_secret}]\nverify_token = {verify_token}");
        for Played { number, game } in &self.played {
            let access_token = secret("access-token", &self.meta.access_token);
            let _ = writeln!(
                text,
                "[[numbers]]\nid = \"{number}\"\ngame = \"{game}\"\napp = \"main\"\naccount = \"{ACCOUNT}\"\naccess_token = {access_token}\ndisplay_phone = \"{}\"\nper_second = {}\nidentity_check = {}",
                number_as_dialled(number),
                self.per_second,
                self.identity_check
            );
        }
        let _ = writeln!(text, "[sending.breaker]\nopen_ms = {}\nfailures_max = {}", self.breaker_open_ms, self.breaker_failures_max);
        if !self.played.is_empty() {
            let _ = writeln!(text, "[[portfolios]]\nname = \"main\"\naccounts = [\"{ACCOUNT}\"]\nlimit = {:?}", self.portfolio_limit);
        }
        text.push_str(&self.extra);
        share_compiled(&dir.join("data"));
        std::fs::write(self.config(), text).expect("questline.toml");
    }

    /// Writes the configuration of another host on the same store, which listens there; says where it lies.
    pub fn write_config_of_another(&self, name: &str, address: SocketAddr) -> PathBuf {
        self.write_config();
        let (config, data) = (self.dir.path().join(format!("{name}.toml")), self.dir.path().join(name));
        let text = std::fs::read_to_string(self.config()).expect("questline.toml");
        let text = text.replace(&self.address.to_string(), &address.to_string());
        let text = text.replace(&format!("dir = {:?}\nkeys", self.dir.path().join("data")), &format!("dir = {data:?}\nkeys"));
        share_compiled(&data);
        std::fs::write(&config, text).expect("a configuration");
        config
    }

    /// Starts the host and waits until it is ready.
    pub async fn start(&self) -> Host {
        self.write_config();
        Host::start(&self.config(), self.address).await
    }

    /// A player of the emulator.
    pub fn player(&self, phone: &str, name: &str) -> meta::PlayerHandle {
        self.emulator.add_player(meta::Player::new(phone, name)).expect("a player")
    }

    /// The app's secret.
    pub fn app_secret(&self) -> &str {
        &self.meta.app_secret
    }

    /// The address that webhooks go to.
    pub fn webhook_url(&self) -> String {
        format!("http://{}/webhooks/meta/main", self.address)
    }

    /// Posts a body with a signature, or with none.
    pub async fn post_signed(&self, host: &Host, body: &[u8], signature: Option<&str>) -> reqwest::Response {
        let mut request = host.http().post(self.webhook_url());
        if let Some(signature) = signature {
            request = request.header("x-hub-signature-256", signature);
        }
        request.body(body.to_vec()).send().await.expect("the host answers")
    }

    /// Posts a body as Meta would, signed; says the status.
    pub async fn post_webhook(&self, host: &Host, body: &[u8]) -> u16 {
        self.post_signed(host, body, Some(&meta::webhook::sign(self.app_secret(), body))).await.status().as_u16()
    }
}

/// All hosts of a test run share compiled flows: each would compile them for seconds.
fn share_compiled(data: &Path) {
    let compiled = data.join("compiled");
    if compiled.exists() {
        return;
    }
    let shared = guests::workspace().join("target/questline-tests/compiled");
    for dir in [data, &shared] {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).expect("a private folder");
    }
    symlink(shared, compiled).expect("a link");
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder to copy") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_dir(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copy");
        }
    }
}
