//! A Redis of a test's own: on a socket in a directory of its own, durable, gone at the end.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The longest that a server on a busy machine takes to answer.
const START_MAX: Duration = Duration::from_secs(30);

/// A running `redis-server`.
pub(crate) struct RedisServer {
    dir: TempDir,
    arguments: Vec<String>,
    process: Child,
}

impl RedisServer {
    /// One that keeps every write: append-only file, on the disk before it answers.
    pub(crate) fn start() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// One with these settings.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory for Redis");
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>();
        let process = spawn(&dir, &arguments);
        let mut server = Self { dir, arguments, process };
        server.wait_until_it_answers();
        server
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    /// A connection past every store.
    pub(crate) fn connect(&self) -> redis::Connection {
        redis::Client::open(self.url()).and_then(|client| client.get_connection()).expect("a connection to Redis")
    }

    /// Where it listens, for one who knows a password.
    pub(crate) fn url_with_password(&self, password: &str) -> String {
        format!("{}?pass={password}", self.url())
    }

    /// Stops it in its tracks: connections stay, answers do not come.
    pub(crate) fn stop(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.process.id().to_string()]).status().expect("kill runs");
        assert!(status.success(), "kill {signal}");
    }

    /// Ends it as a crash does: at once, with nothing written that was not written yet.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("Redis is killed");
        self.process.wait().expect("Redis has ended");
    }

    /// Starts it again on the same data.
    pub(crate) fn start_again(&mut self) {
        self.process = spawn(&self.dir, &self.arguments);
        self.wait_until_it_answers();
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    fn wait_until_it_answers(&mut self) {
        let client = redis::Client::open(self.url()).expect("a socket's URL");
        let begun = Instant::now();
        loop {
            let answer = client.get_connection().and_then(|mut connection| redis::cmd("PING").query::<String>(&mut connection));
            // One that asks for a password is there.
            if answer.as_ref().is_ok_and(|answer| answer == "PONG") || answer.as_ref().is_err_and(|error| error.code() == Some("NOAUTH")) {
                return;
            }
            if let Ok(Some(status)) = self.process.try_wait() {
                panic!("redis-server ended at once: {status}");
            }
            assert!(begun.elapsed() < START_MAX, "redis-server does not answer: {answer:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(dir: &TempDir, arguments: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(dir.path().join("redis.sock"));
    command.arg("--dir").arg(dir.path()).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.spawn() {
        Ok(process) => process,
        Err(error) => panic!("redis-server does not start ({error}): install it with `apt-get install redis-server`"),
    }
}
