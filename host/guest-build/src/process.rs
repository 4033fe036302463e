//! Runs tools: without what an outer cargo left in the environment, with their lines shown, and within a time bound.
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::{BuildError, Progress};

/// Most of a tool's text that is kept for an error.
const OUTPUT_BYTES_MAX: usize = 256 * 1024;

/// What a tool wrote to standard output.
pub(crate) struct Output {
    pub(crate) stdout: String,
}

/// A command whose environment is a person's own: `cargo run` and build scripts set variables that would steer another
/// cargo, such as `CARGO_MAKEFLAGS` and `RUSTFLAGS`.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(leaks) {
            command.env_remove(name);
        }
    }
    command.env("CARGO_TERM_COLOR", "never").env("CARGO_TERM_PROGRESS_WHEN", "never").stdin(Stdio::null());
    command
}

fn leaks(name: &str) -> bool {
    /// Where cargo keeps and fetches things: a person's settings.
    const KEPT: [&str; 5] = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_REGISTRY_"];
    if KEPT.iter().any(|kept| name.starts_with(kept)) {
        return false;
    }
    let cargo = name == "CARGO" || name.starts_with("CARGO_") || name.starts_with("__CARGO");
    cargo || name.starts_with("RUSTC") || name.starts_with("RUSTDOC") || matches!(name, "RUSTFLAGS" | "MAKEFLAGS" | "MFLAGS")
}

enum Line {
    Stderr(String),
    Stdout(String),
}

/// Runs `command`, which is shown as `shown`, for at most `limit`.
pub(crate) fn run(
    mut command: Command,
    shown: &str,
    limit: Duration,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Output, BuildError> {
    let started = Instant::now();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| BuildError::Start { command: shown.to_owned(), source })?;
    let (sender, lines) = mpsc::channel();
    // The threads end when the tool and all that it started have closed their ends.
    if let Some(stderr) = child.stderr.take() {
        read_lines(stderr, sender.clone(), Line::Stderr);
    }
    if let Some(stdout) = child.stdout.take() {
        read_lines(stdout, sender, Line::Stdout);
    }

    let (mut stdout, mut stderr) = (String::new(), String::new());
    loop {
        match lines.recv_timeout(limit.saturating_sub(started.elapsed())) {
            Ok(Line::Stderr(line)) => {
                progress(Progress::Tool(&line));
                keep(&mut stderr, &line);
            }
            Ok(Line::Stdout(line)) => {
                stdout.push_str(&line);
                stdout.push('\n');
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                // It may have ended in this very moment: then there is nothing to stop.
                let _ = child.kill();
                let _ = child.wait();
                return Err(BuildError::TooLong { command: shown.to_owned(), limit_s: limit.as_secs() });
            }
        }
    }
    let status = child.wait().map_err(|source| BuildError::Start { command: shown.to_owned(), source })?;
    if status.success() {
        return Ok(Output { stdout });
    }
    // Some tools tell their errors on standard output.
    let output = if stderr.trim().is_empty() { stdout } else { stderr };
    Err(BuildError::Tool { command: shown.to_owned(), code: status.code(), output })
}

fn read_lines(from: impl Read + Send + 'static, to: mpsc::Sender<Line>, kind: fn(String) -> Line) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line);
            if to.send(kind(text.trim_end_matches(['\n', '\r']).to_owned())).is_err() {
                break;
            }
            line.clear();
        }
    });
}

fn keep(text: &mut String, line: &str) {
    if text.len() + line.len() < OUTPUT_BYTES_MAX {
        text.push_str(line);
        text.push('\n');
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn what_an_outer_cargo_sets_does_not_reach_the_tool() {
        for name in [
            "CARGO",
            "CARGO_MANIFEST_DIR",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_TARGET",
            "CARGO_MAKEFLAGS",
            "CARGO_PROFILE_RELEASE_LTO",
            "RUSTC",
            "RUSTC_WRAPPER",
            "RUSTC_BOOTSTRAP",
            "RUSTFLAGS",
            "MAKEFLAGS",
        ] {
            assert!(leaks(name), "{name}");
        }
        for name in ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "PATH", "HOME", "CARGO_NET_OFFLINE", "CARGO_HTTP_PROXY"] {
            assert!(!leaks(name), "{name}");
        }
    }

    #[test]
    fn a_tool_that_hangs_is_stopped_and_named() {
        let mut sleep = command("sleep");
        sleep.arg("600");
        let error = run(sleep, "sleep 600", Duration::from_millis(50), &mut |_| {}).err().unwrap();
        assert!(matches!(error, BuildError::TooLong { .. }), "{error}");
    }

    #[test]
    fn a_failing_tool_tells_its_code_and_its_own_words() {
        let mut shell = command("sh");
        shell.args(["-c", "echo to stdout; echo boom >&2; exit 3"]);
        let mut shown = Vec::new();
        let error = run(shell, "sh", Duration::from_secs(60), &mut |line| shown.push(line.to_string())).err().unwrap();
        match error {
            BuildError::Tool { code: Some(3), output, .. } => assert_eq!(output, "boom\n"),
            other => panic!("{other}"),
        }
        assert_eq!(shown, ["boom"]);
    }

    #[test]
    fn a_tool_that_is_not_there_is_named() {
        let error = run(command("questline-no-such-tool"), "no-such-tool", Duration::from_secs(1), &mut |_| {});
        assert!(error.err().unwrap().to_string().starts_with("no-such-tool cannot be started"));
    }
}
