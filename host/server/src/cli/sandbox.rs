//! A host of its own for demonstrations and measurements: a temporary directory, made-up secrets, an emulator as Meta.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use questline_core::permit::tier::PortfolioLimit;
use questline_emulator as meta;

use super::Failure;
use crate::config::{AppConfig, Config, Engine, NumberConfig, PortfolioConfig, SecretSource};

/// The game that is played.
pub(super) const GAME: &str = "starfall";
/// The number that it talks from.
pub(super) const NUMBER: &str = "106540352242922";
const ACCOUNT: &str = "102290129340398";
const APP: &str = "demo";

/// A place that is gone when this is dropped.
pub(super) struct Sandbox {
    /// Where data lies.
    pub(super) dir: PathBuf,
}

impl Sandbox {
    pub(super) fn new() -> Result<Self, Failure> {
        let name = format!("questline-{}-{:08x}", std::process::id(), crate::clock::random() as u32);
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).map_err(|problem| Failure::new(format!("cannot make {}: {problem}", dir.display())))?;
        Ok(Self { dir })
    }

    /// Writes a secret to a file that only this user can read, and says where it is.
    pub(super) fn secret(&self, name: &str, text: &str) -> Result<SecretSource, Failure> {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.dir.join(name);
        let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|problem| Failure::new(format!("cannot write {}: {problem}", path.display())))?;
        Ok(SecretSource::File(path))
    }

    /// The key of an audit log that is gone with the sandbox.
    pub(super) fn audit_key(&self) -> Result<SecretSource, Failure> {
        self.secret("audit-key", &format!("{:016x}{:016x}", crate::clock::random(), crate::clock::random()))
    }

    /// The key of a store that is gone with the sandbox.
    pub(super) fn store_key(&self) -> Result<SecretSource, Failure> {
        self.secret("store-key", &format!("{:016x}{:016x}", crate::clock::random(), crate::clock::random()))
    }

    /// A configuration that sends to the emulator.
    pub(super) fn config(&self, emulator: &meta::Emulator, meta: &meta::Config, workspace: &Path) -> Result<Config, Failure> {
        let mut config: Config = toml::from_str("").map_err(Failure::new)?;
        config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.games_dir = workspace.join("flows");
        config.components_dir = components(workspace);
        config.store.dir = self.dir.join("data");
        config.store.engine = Engine::Embedded;
        config.graph.url = emulator.graph_url().to_owned();
        config.audit.key = Some(self.audit_key()?);
        config.store.keys = vec![self.store_key()?];
        config.verification.keys =
            vec![self.secret("code-key", &format!("{:016x}{:016x}", crate::clock::random(), crate::clock::random()))?];
        config.apps = vec![AppConfig {
            name: APP.to_owned(),
            secrets: vec![self.secret("app-secret", &meta.app_secret)?],
            verify_token: self.secret("verify-token", &meta.verify_token)?,
        }];
        config.numbers = meta
            .numbers
            .iter()
            .map(|number| {
                Ok(NumberConfig {
                    id: questline_core::id::NumberId::parse(&number.phone_number_id).map_err(Failure::new)?,
                    game: questline_core::id::GameId::parse(GAME).map_err(Failure::new)?,
                    app: APP.to_owned(),
                    account: number.waba_id.clone(),
                    access_token: self.secret("access-token", &meta.access_token)?,
                    display_phone: crate::config::dialled(&number.display_phone_number),
                    per_second: number.throughput_mps,
                    identity_check: false,
                })
            })
            .collect::<Result<_, Failure>>()?;
        // The emulator holds the limit itself.
        let accounts = meta.numbers.iter().map(|number| number.waba_id.clone()).collect::<std::collections::BTreeSet<_>>();
        config.portfolios =
            vec![PortfolioConfig { name: "demo".to_owned(), accounts: accounts.into_iter().collect(), limit: PortfolioLimit::Unlimited }];
        Ok(config)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// The number as the emulator knows it.
pub(super) fn number() -> meta::Number {
    meta::Number::new(NUMBER, "+1 555 019 9999", ACCOUNT)
}

/// Where the components of a workspace are built.
pub(super) fn components(workspace: &Path) -> PathBuf {
    workspace.join("target/guests/components")
}

/// Where webhooks of the app go.
pub(super) fn webhook_url(host: SocketAddr) -> String {
    format!("http://{host}{}", webhook_path())
}

/// The same below the host's address.
pub(super) fn webhook_path() -> String {
    format!("/webhooks/meta/{APP}")
}

/// The workspace that this was built from: the folder above with `flows/` in it, from here upwards.
pub(super) fn workspace() -> Result<PathBuf, Failure> {
    let here = std::env::current_dir().map_err(Failure::new)?;
    let found = here.ancestors().find(|dir| dir.join("flows").join(GAME).join("game.toml").is_file() && dir.join("Cargo.toml").is_file());
    found
        .map(Path::to_owned)
        .ok_or_else(|| Failure::new(format!("there is no flows/{GAME}/game.toml here: run this in a checkout of Questline")))
}
