//! Builds flows: finds or makes what the guest target needs, compiles, and makes the component.
//!
//! A guest is a plain library crate on `questline-sdk`; here it becomes a `cdylib` for `wasm32-unknown-unknown` and then
//! a component that imports nothing but the contract. A person types nothing: what the machine lacks is fetched where it
//! can be, and named in one line where it cannot.
//!
//! Calls block for as long as compilers run, and may be made at once from several processes.

mod compile;
mod component;
mod debian;
mod process;
mod toolchain;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

pub use compile::Purpose;
pub use component::NotAFlow;
use toolchain::Preference;

/// The target that guests are compiled for.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Memory that a guest has before it would have to grow it, beside its stack and static data. A usual step needs a
/// tenth; growing costs the host more than the step itself. Untouched pages cost nothing.
const HEAP_BYTES: u32 = 1024 * 1024;

/// A guest's stack. Recursion over the deepest JSON that serde takes (128 levels) fits.
const STACK_BYTES: u32 = 128 * 1024;

/// A guest that was built.
#[derive(Clone, Debug)]
pub struct BuiltGuest {
    /// The package's name.
    pub name: String,
    /// Where the component lies: `<target>/guests/components/<name>.wasm`.
    pub path: PathBuf,
    /// The component itself.
    pub component: Vec<u8>,
}

/// What is going on, for a person to see. `Display` says it in one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// Another build holds the lock.
    Waiting,
    /// Something is being fetched or made, once per machine or target directory.
    Preparing(&'a str),
    /// A package's compile starts.
    Compiling(&'a str),
    /// A line that a tool wrote.
    Tool(&'a str),
    /// A component is there.
    Built {
        /// The package's name.
        name: &'a str,
        /// The component's size.
        size_bytes: usize,
    },
}

impl std::fmt::Display for Progress<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Waiting => f.write_str("waiting for another build of flows"),
            Self::Preparing(what) => f.write_str(what),
            Self::Compiling(name) => write!(f, "compiling flow {name}"),
            Self::Tool(line) => f.write_str(line.trim()),
            Self::Built { name, size_bytes } => write!(f, "built flow {name} ({} KiB)", size_bytes.div_ceil(1024)),
        }
    }
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The flow's own code does not compile; `output` is the compiler's text.
    #[error("flow {package} does not compile:\n{output}")]
    Compile {
        /// The package's name.
        package: String,
        /// What cargo and the compiler wrote.
        output: String,
    },
    /// It compiled, but it is no flow.
    #[error("{package} is not a flow: {reason}")]
    NotAFlow {
        /// The package's name.
        package: String,
        /// What is amiss, and what to do.
        reason: NotAFlow,
    },
    /// No compiler for the guest target, and none could be had. The text says what to type.
    #[error("{0}")]
    NoToolchain(String),
    /// A tool failed that should not.
    #[error("{command} failed{}:\n{output}", .code.map(|code| format!(" with code {code}")).unwrap_or_default())]
    Tool {
        /// What was run.
        command: String,
        /// Its exit code, if it had one.
        code: Option<i32>,
        /// What it wrote.
        output: String,
    },
    /// A tool took too long and was stopped.
    #[error("{command} was stopped after {limit_s} s")]
    TooLong {
        /// What was run.
        command: String,
        /// The bound in seconds.
        limit_s: u64,
    },
    /// A tool is not there or cannot be started.
    #[error("{command} cannot be started: {source}")]
    Start {
        /// What was run.
        command: String,
        /// Why not.
        source: io::Error,
    },
    /// A file or directory could not be read or written.
    #[error("{}: {source}", .path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// `QUESTLINE_GUEST_TOOLCHAIN` has a value that means nothing.
    #[error("QUESTLINE_GUEST_TOOLCHAIN is `{0}`: set auto, rustup or debian, or unset it")]
    UnknownPreference(String),
}

/// Builds `packages` of the workspace at `workspace_root` and answers with their components in the same order.
///
/// `target_dir` is the workspace's own target directory; guests use `<target_dir>/guests`, so that this can run inside
/// another cargo. The compiler is chosen by `QUESTLINE_GUEST_TOOLCHAIN` (`auto`, `rustup`, `debian`).
///
/// # Errors
/// See [`BuildError`]; the text says what to do.
pub fn build_guests(
    purpose: Purpose,
    workspace_root: &Path,
    packages: &[&str],
    target_dir: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Vec<BuiltGuest>, BuildError> {
    let preference = Preference::from_env()?;
    let workspace_root = workspace_root.canonicalize().map_err(at(workspace_root))?;
    fs::create_dir_all(target_dir).map_err(at(target_dir))?;
    let target_dir = target_dir.canonicalize().map_err(at(target_dir))?;
    let guests_dir = target_dir.join("guests");
    let components_dir = guests_dir.join("components");
    fs::create_dir_all(&components_dir).map_err(at(&components_dir))?;

    let _lock = lock(&guests_dir.join(".lock"), progress)?;
    let toolchain = toolchain::find(preference, &workspace_root, &target_dir, progress)?;
    packages
        .iter()
        .map(|package| {
            progress(Progress::Compiling(package));
            let module = compile::compile(&toolchain, &workspace_root, package, purpose, &guests_dir, progress)?;
            let component = component::encode(&module).map_err(|reason| BuildError::NotAFlow { package: (*package).to_owned(), reason })?;
            let path = components_dir.join(format!("{package}.wasm"));
            write_if_new(&path, &component)?;
            progress(Progress::Built { name: package, size_bytes: component.len() });
            Ok(BuiltGuest { name: (*package).to_owned(), path, component })
        })
        .collect()
}

/// One build of guests per target directory at a time, over all processes. Free again when the file is closed.
fn lock(path: &Path, progress: &mut dyn FnMut(Progress<'_>)) -> Result<File, BuildError> {
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(at(path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            progress(Progress::Waiting);
            file.lock().map_err(at(path))?;
        }
        Err(TryLockError::Error(error)) => return Err(at(path)(error)),
    }
    Ok(file)
}

/// Replaces the file in one move, and leaves it alone where nothing changed, so that watchers see real changes only.
fn write_if_new(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let beside = path.with_extension("tmp");
    fs::write(&beside, bytes).map_err(at(&beside))?;
    fs::rename(&beside, path).map_err(at(path))
}

/// Names the path in an I/O error.
fn at(path: &Path) -> impl FnOnce(io::Error) -> BuildError {
    let path = path.to_path_buf();
    move |source| BuildError::File { path, source }
}
