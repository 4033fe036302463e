//! The command as a process of its own.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use questline_tests::{eventually, host};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

/// A running `questline dev`. Killed when dropped.
pub(crate) struct Dev {
    child: Child,
    lines: Arc<Mutex<String>>,
    pub(crate) url: String,
}

impl Dev {
    /// Starts it in a workspace and waits until it says where the page is.
    pub(crate) async fn start(workspace: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(host::program());
        command.arg("dev").args(arguments).current_dir(workspace).stdin(Stdio::null()).kill_on_drop(true);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("questline dev starts");
        let lines = Arc::new(Mutex::new(String::new()));
        keep(child.stdout.take().expect("its words"), lines.clone());
        keep(child.stderr.take().expect("its complaints"), lines.clone());
        let url = eventually("questline dev says where the page is", async || {
            let said = lines.lock().unwrap().clone();
            said.lines().find_map(|line| line.strip_prefix("Open ")).map(|url| url.trim().to_owned())
        })
        .await;
        Self { child, lines, url }
    }

    /// All that it has written.
    pub(crate) fn said(&self) -> String {
        self.lines.lock().unwrap().clone()
    }

    /// Presses Ctrl-C; says how it ended.
    pub(crate) async fn interrupt(mut self) -> std::process::ExitStatus {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid as i32)).expect("it runs");
        kill_process(pid, Signal::INT).expect("it is asked to stop");
        tokio::time::timeout(questline_tests::PATIENCE, self.child.wait()).await.expect("it stops in time").expect("it ends")
    }
}

fn keep(from: impl AsyncRead + Send + Unpin + 'static, lines: Arc<Mutex<String>>) {
    tokio::spawn(async move {
        let mut from = BufReader::new(from).lines();
        while let Ok(Some(line)) = from.next_line().await {
            let mut lines = lines.lock().unwrap();
            lines.push_str(&line);
            lines.push('\n');
        }
    });
}
