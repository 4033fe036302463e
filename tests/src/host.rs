//! `questline serve` as a process of its own: started, asked, stopped, killed.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tokio::process::Child;

use crate::api::Api;
use crate::{PATIENCE, eventually};

/// The operator's token in tests.
pub const TOKEN: &str = "operator-token-for-tests";

/// The program, built once for a test run; or the one that `QUESTLINE_PROGRAM` names, for instance as it is shipped.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(program) = std::env::var_os("QUESTLINE_PROGRAM") {
            return program.into();
        }
        // Tests lie in target/<profile>/deps: the program one folder above.
        let here = std::env::current_exe().expect("a test knows where it is");
        let profile = here.ancestors().nth(2).expect("target/<profile>").to_owned();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "-p", "questline", "--bin", "questline"]).current_dir(crate::guests::workspace());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success(), "the host does not build");
        profile.join("questline")
    })
}

/// Runs a command of the program to its end, which has to come.
pub async fn run(config: &Path, arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(program());
    command.arg("--config").arg(config).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    tokio::time::timeout(PATIENCE, command.output()).await.expect("the command ends in time").expect("the program runs")
}

/// A running host. Killed when dropped.
pub struct Host {
    child: Child,
    api: Api,
    log: PathBuf,
}

impl Deref for Host {
    type Target = Api;
    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Host {
    /// Starts it and waits until it is ready.
    pub async fn start(config: &Path, address: SocketAddr) -> Self {
        let mut host = Self::spawn(config, address);
        host.wait_ready().await;
        host
    }

    /// Starts it without waiting.
    pub fn spawn(config: &Path, address: SocketAddr) -> Self {
        let log = config.with_extension("log");
        let lines = std::fs::OpenOptions::new().create(true).append(true).open(&log).expect("a file for the log");
        let mut command = tokio::process::Command::new(program());
        command.arg("--config").arg(config).arg("serve").stdin(Stdio::null()).stdout(Stdio::null()).stderr(lines).kill_on_drop(true);
        let child = command.spawn().expect("the host starts");
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("a client");
        Self { child, api: Api { address, http }, log }
    }

    pub async fn wait_ready(&mut self) {
        let url = format!("http://{}/readyz", self.api.address);
        eventually("the host is ready", async || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the host ended with {status}:\n{}", self.log());
            }
            self.api.http.get(&url).send().await.ok()?.status().is_success().then_some(())
        })
        .await;
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Memory that it has, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let pid = self.child.id().expect("it runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    }

    /// Ends it as a crash does.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("it is killed");
    }

    fn pid(&self) -> rustix::process::Pid {
        self.child.id().and_then(|pid| rustix::process::Pid::from_raw(pid as i32)).expect("it runs")
    }

    /// Whether it comes to be ready, and does not end before.
    pub async fn is_ready(&mut self) -> bool {
        let url = format!("http://{}/readyz", self.api.address);
        let ready = async || {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return Some(false);
            }
            self.api.http.get(&url).send().await.ok()?.status().is_success().then_some(true)
        };
        eventually("the host is ready, or has ended", ready).await
    }

    /// Stops it where it is, as a machine that hangs does.
    pub fn freeze(&self) {
        rustix::process::kill_process(self.pid(), rustix::process::Signal::STOP).expect("it is stopped");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        rustix::process::kill_process(self.pid(), rustix::process::Signal::CONT).expect("it goes on");
    }

    /// Ends it as an operator does; says how it ended.
    pub async fn stop(&mut self) -> std::process::ExitStatus {
        rustix::process::kill_process(self.pid(), rustix::process::Signal::TERM).expect("it is asked to stop");
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it stops in time").expect("it ends")
    }
}
