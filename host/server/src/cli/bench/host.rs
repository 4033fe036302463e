//! The measured host: `questline serve` as a process of its own, with what the kernel says of it.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use questline_emulator as meta;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::cli::Failure;
use crate::cli::sandbox::{self, GAME, Sandbox};

/// How long it may take to start: flows are compiled.
const START_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) struct HostProcess {
    child: Child,
    pid: u32,
    pub(super) address: SocketAddr,
}

/// What a host is set up with.
pub(super) struct Setup<'a> {
    pub(super) sandbox: &'a Sandbox,
    pub(super) workspace: &'a Path,
    pub(super) emulator: &'a meta::Emulator,
    pub(super) meta: &'a meta::Config,
    pub(super) store: &'a str,
    pub(super) redis_url: &'a str,
    /// Of each number.
    pub(super) per_second: u32,
}

impl HostProcess {
    pub(super) async fn start(setup: &Setup<'_>) -> Result<Self, Failure> {
        Self::start_as(setup, &["serve"], Stdio::null(), Stdio::null()).await
    }

    /// Starts it by another command, and perhaps to be talked to.
    pub(super) async fn start_as(setup: &Setup<'_>, command: &[&str], stdin: Stdio, stdout: Stdio) -> Result<Self, Failure> {
        // A free port, for the moment that it takes to start.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).map_err(Failure::new)?;
        let text = configuration(setup, address)?;
        let path = setup.sandbox.dir.join("questline.toml");
        std::fs::write(&path, text).map_err(Failure::new)?;
        let program = std::env::current_exe().map_err(Failure::new)?;
        let child = Command::new(program)
            .arg("--config")
            .arg(&path)
            .args(command)
            .stdin(stdin)
            .stdout(stdout)
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(|problem| Failure::new(format!("the host does not start: {problem}")))?;
        let pid = child.id().ok_or_else(|| Failure::new("the host ended at once"))?;
        let mut host = Self { child, pid, address };
        host.wait_ready().await?;
        Ok(host)
    }

    async fn wait_ready(&mut self) -> Result<(), Failure> {
        let http = reqwest::Client::builder().no_proxy().build().map_err(Failure::new)?;
        let url = format!("http://{}/readyz", self.address);
        let ready = async {
            loop {
                if let Ok(Some(status)) = self.child.try_wait() {
                    return Err(Failure::new(format!("the host ended with {status}")));
                }
                if http.get(&url).send().await.is_ok_and(|response| response.status().is_success()) {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(START_TIMEOUT, ready).await.unwrap_or_else(|_| Err(Failure::new("the host did not become ready")))
    }

    /// CPU time used so far, user and system, all threads.
    pub(super) fn cpu(&self) -> Result<Duration, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).map_err(Failure::new)?;
        // The second field is the name in brackets and may hold anything; the rest are numbers (proc(5)).
        let rest = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
        let field = |place: usize| rest.split_whitespace().nth(place).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let ticks_per_s = rustix::param::clock_ticks_per_second();
        Ok(Duration::from_micros((field(11) + field(12)) * 1_000_000 / ticks_per_s.max(1)))
    }

    /// What it is told by, and what it says.
    pub(super) fn pipes(&mut self) -> Result<(ChildStdin, ChildStdout), Failure> {
        self.child.stdin.take().zip(self.child.stdout.take()).ok_or_else(|| Failure::new("the host cannot be talked to"))
    }

    fn status_mib(&self, key: &str) -> Result<f64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).map_err(Failure::new)?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        Ok(line.trim_start_matches(':').split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0)
    }

    /// Resident memory now.
    pub(super) fn rss_mib(&self) -> Result<f64, Failure> {
        self.status_mib("VmRSS")
    }

    /// The most it was.
    pub(super) fn rss_peak_mib(&self) -> Result<f64, Failure> {
        self.status_mib("VmHWM")
    }

    /// Asks it to stop, and waits.
    pub(super) async fn stop(self, timeout: Duration) -> Result<(), Failure> {
        if let Some(pid) = rustix::process::Pid::from_raw(self.pid as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        self.ended(timeout).await
    }

    /// Waits until it has stopped by itself.
    pub(super) async fn ended(mut self, timeout: Duration) -> Result<(), Failure> {
        match tokio::time::timeout(timeout, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(Failure::new(format!("the host ended with {status}"))),
            Ok(Err(problem)) => Err(Failure::new(problem)),
            Err(_) => Err(Failure::new("the host did not stop in time")),
        }
    }
}

fn configuration(setup: &Setup<'_>, address: SocketAddr) -> Result<String, Failure> {
    let Setup { sandbox, workspace, emulator, meta, store, redis_url, per_second } = setup;
    let secret = |name: &str, text: &str| -> Result<String, Failure> {
        sandbox.secret(name, text)?;
        Ok(format!("{{ file = {:?} }}", sandbox.dir.join(name)))
    };
    let (app_secret, verify_token) = (secret("app-secret", &meta.app_secret)?, secret("verify-token", &meta.verify_token)?);
    let (access_token, redis) = (secret("access-token", &meta.access_token)?, secret("redis-url", redis_url)?);
    let mut text = format!(
        "listen = \"{address}\"\ngames_dir = {:?}\ncomponents_dir = {:?}\n",
        sandbox.dir.join("flows"),
        workspace.join("target/guests/components")
    );
    let _ = writeln!(
        text,
        "[store]\nengine = \"{store}\"\ndir = {:?}\nprefix = \"ql-bench-{:08x}\"",
        sandbox.dir.join("data"),
        crate::clock::random() as u32
    );
    if *store == "redis" {
        let _ = writeln!(text, "url = {redis}");
    }
    sandbox.store_key()?;
    let _ = writeln!(text, "keys = [{{ file = {:?} }}]", sandbox.dir.join("store-key"));
    sandbox.audit_key()?;
    let _ = writeln!(text, "[audit]\nkey = {{ file = {:?} }}", sandbox.dir.join("audit-key"));
    let _ = writeln!(text, "[graph]\nurl = \"{}\"\n[log]\nlevel = \"warn\"", emulator.graph_url());
    let _ = writeln!(text, "[[apps]]\nname = \"demo\"\nsecrets = [{app_secret}]\nverify_token = {verify_token}");
    let mut accounts: Vec<&str> = meta.numbers.iter().map(|number| number.waba_id.as_str()).collect();
    accounts.dedup();
    let _ = writeln!(text, "[[portfolios]]\nname = \"bench\"\naccounts = {accounts:?}\nlimit = \"unlimited\"");
    for number in &meta.numbers {
        let _ = writeln!(
            text,
            "[[numbers]]\nid = \"{}\"\ngame = \"{GAME}\"\napp = \"demo\"\naccount = \"{}\"\naccess_token = {access_token}\nper_second = {per_second}",
            number.phone_number_id, number.waba_id
        );
    }
    Ok(text)
}

/// Where webhooks go.
pub(super) fn webhook_path() -> String {
    let url = sandbox::webhook_url(SocketAddr::from(([127, 0, 0, 1], 1)));
    url.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap_or_default()
}
