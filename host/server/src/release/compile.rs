//! Compiling what somebody uploaded, in a process of its own: a component can be made to take any time and memory to
//! compile, and then only that process ends.
//!
//! The program runs itself with a hidden command. The child gives up time and memory first, reads the component from its
//! standard input, and leaves the compiled code in the cache, where its MAC proves it.

use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use clap::Parser;
use questline_wasm::{Engine, EngineOptions, LoadError};
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::io::AsyncWriteExt as _;

/// The hidden command's name.
const COMMAND: &str = "compile-component";
/// The program that runs, also after its file was replaced.
const SELF: &str = "/proc/self/exe";
/// The child ended because the component cannot be compiled; its words are on standard error.
const REFUSED: u8 = 3;
/// Bytes of a child's words that are told.
const WORDS_BYTES_MAX: usize = 2_048;

/// Compiles in child processes.
#[derive(Debug, Clone)]
pub struct Compiler {
    /// The cache that the host loads from.
    pub cache_dir: PathBuf,
    /// How long one component may take, wall time.
    pub time_max: Duration,
    /// Memory that it may take.
    pub memory_bytes_max: u64,
    /// Bytes of a component.
    pub component_bytes_max: usize,
}

/// Why a component was not compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// It takes too long.
    #[error("the component takes longer than {limit_ms} ms to compile: make it smaller")]
    TooLong {
        /// The limit.
        limit_ms: u128,
    },
    /// It takes too much.
    #[error("the component takes more than {limit_bytes} bytes of memory to compile: make it smaller")]
    TooMuchMemory {
        /// The limit.
        limit_bytes: u64,
    },
    /// It is wrong.
    #[error("{0}")]
    Refused(String),
    /// The child itself.
    #[error("the compiler's process failed: {0}")]
    Failed(String),
}

impl Compiler {
    /// Compiles into the cache.
    pub async fn compile(&self, component: &[u8]) -> Result<(), CompileError> {
        let failed = |problem: std::io::Error| CompileError::Failed(problem.to_string());
        let mut command = tokio::process::Command::new(SELF);
        command.arg(COMMAND).arg("--cache").arg(&self.cache_dir);
        command.arg("--memory-bytes").arg(self.memory_bytes_max.to_string());
        command.arg("--cpu-s").arg(self.time_max.as_secs().saturating_add(1).to_string());
        command.arg("--component-bytes").arg(self.component_bytes_max.to_string());
        // Nothing of the host's environment is its business.
        command.env_clear().stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let stdin = child.stdin.take();
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A child that ends early says why by how it ends.
                let _ = stdin.write_all(component).await;
            }
        };
        let run = async { tokio::join!(feed, child.wait_with_output()).1 };
        let output = match tokio::time::timeout(self.time_max, run).await {
            Ok(output) => output.map_err(failed)?,
            Err(_) => return Err(CompileError::TooLong { limit_ms: self.time_max.as_millis() }),
        };
        let words: String = String::from_utf8_lossy(&output.stderr).trim().chars().take(WORDS_BYTES_MAX).collect();
        match (output.status.code(), output.status.signal()) {
            (Some(0), _) => Ok(()),
            (Some(code), _) if code == i32::from(REFUSED) => Err(CompileError::Refused(words)),
            (_, Some(signal)) if signal == libc::SIGXCPU || signal == libc::SIGKILL => {
                Err(CompileError::TooLong { limit_ms: self.time_max.as_millis() })
            }
            // Rust ends so when there is no memory; other parts fail to map or to start a thread.
            _ if words.contains("memory allocation") || words.contains("Cannot allocate memory") || words.contains("os error 11") => {
                Err(CompileError::TooMuchMemory { limit_bytes: self.memory_bytes_max })
            }
            _ => Err(CompileError::Failed(format!("{}: {words}", output.status))),
        }
    }
}

/// Arguments of the child.
#[derive(Debug, Parser)]
pub struct Args {
    #[arg(long)]
    cache: PathBuf,
    #[arg(long)]
    memory_bytes: u64,
    #[arg(long)]
    cpu_s: u64,
    #[arg(long)]
    component_bytes: usize,
}

/// The child: one component in, compiled code in the cache.
pub fn child(args: &Args) -> ExitCode {
    match give_up_power(args).and_then(|()| compile(&args.cache, args.component_bytes)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Ended::Refused(problem)) => {
            eprintln!("{problem}");
            ExitCode::from(REFUSED)
        }
        Err(Ended::Failed(problem)) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

enum Ended {
    Refused(LoadError),
    Failed(String),
}

/// No more than this from here on. Address space is not limited: the engine reserves much and uses little of it.
fn give_up_power(args: &Args) -> Result<(), Ended> {
    let limit = |resource, value| {
        setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })
            .map_err(|problem| Ended::Failed(format!("a limit cannot be set: {problem}")))
    };
    limit(Resource::Data, args.memory_bytes)?;
    limit(Resource::Cpu, args.cpu_s.max(1))?;
    limit(Resource::Core, 0)?;
    // What it compiles can be so large, and not more.
    limit(Resource::Fsize, 1 << 30)
}

fn compile(cache: &Path, component_bytes: usize) -> Result<(), Ended> {
    let mut component = Vec::new();
    std::io::stdin()
        .lock()
        .take(component_bytes as u64 + 1)
        .read_to_end(&mut component)
        .map_err(|problem| Ended::Failed(format!("the component cannot be read: {problem}")))?;
    let options = EngineOptions {
        calls_max: 1,
        calls_per_game_max: 1,
        warm_memories: 1,
        cache_dir: Some(cache.to_owned()),
        ..EngineOptions::default()
    };
    let engine = Engine::new(options).map_err(|problem| Ended::Failed(problem.to_string()))?;
    engine.compile(&component).map_err(|problem| match problem {
        LoadError::Host(problem) => Ended::Failed(problem),
        problem => Ended::Refused(problem),
    })
}
