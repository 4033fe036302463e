//! Finds a compiler for the guest target, or gets one: rustup's target, else Debian's compiler with a sysroot of our own.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::{BuildError, Progress, TARGET, debian, process};

/// Bound of asking a tool something.
pub(crate) const QUESTION_LIMIT: Duration = Duration::from_secs(60);
/// Bound of `rustup target add`: some 20 MB.
const TARGET_ADD_LIMIT: Duration = Duration::from_secs(300);

/// Which compiler to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Preference {
    /// The first that is there or can be had.
    #[default]
    Auto,
    /// The toolchain of rustup (or any that has the target's library).
    Rustup,
    /// Debian's `rustc-web` and `rust-web-src`.
    Debian,
}

impl Preference {
    /// What `QUESTLINE_GUEST_TOOLCHAIN` says; [`Preference::Auto`] where it says nothing.
    ///
    /// # Errors
    /// [`BuildError::UnknownPreference`] for a value that is none of `auto`, `rustup`, `debian`.
    pub(crate) fn from_env() -> Result<Self, BuildError> {
        let value = std::env::var_os("QUESTLINE_GUEST_TOOLCHAIN").unwrap_or_default();
        match value.to_string_lossy().as_ref() {
            "" | "auto" => Ok(Self::Auto),
            "rustup" => Ok(Self::Rustup),
            "debian" => Ok(Self::Debian),
            other => Err(BuildError::UnknownPreference(other.to_owned())),
        }
    }
}

/// A compiler that can make guests.
pub(crate) struct Toolchain {
    /// The cargo to run.
    pub(crate) cargo: PathBuf,
    /// The compiler it is to use.
    pub(crate) rustc: PathBuf,
    /// The linker, where the compiler does not find its own.
    pub(crate) linker: Option<PathBuf>,
}

impl Toolchain {
    /// `cargo` with this compiler, in a person's own environment.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = process::command(&self.cargo);
        cargo.env("RUSTC", &self.rustc);
        if let Some(linker) = &self.linker {
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
            // An outer cargo puts its own compiler's libraries first; this compiler has others.
            cargo.env_remove("LD_LIBRARY_PATH");
        }
        cargo
    }
}

/// Finds what `preference` allows, in the order of least effort.
pub(crate) fn find(
    preference: Preference,
    workspace_root: &Path,
    target_dir: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Toolchain, BuildError> {
    let own = Toolchain::of_this_machine();
    let sysroot = own.sysroot(workspace_root);
    let mut tried = Vec::new();

    if preference != Preference::Debian {
        match &sysroot {
            Ok(sysroot) if has_target(sysroot) => return Ok(own),
            Ok(_) => {}
            Err(error) => tried.push(error.to_string()),
        }
        // A sysroot made earlier is there now; rustup may first have to find out that it cannot fetch anything.
        if preference == Preference::Auto
            && let Some(ready) = debian::ready(&own.cargo, sysroot.as_deref().ok(), target_dir)
        {
            return Ok(ready);
        }
        match add_target(workspace_root, progress) {
            Ok(()) if own.sysroot(workspace_root).is_ok_and(|sysroot| has_target(&sysroot)) => return Ok(own),
            Ok(()) => tried.push(format!("rustup added {TARGET} to another toolchain than {}", own.rustc.display())),
            Err(error) => tried.push(error.to_string()),
        }
    }
    if preference != Preference::Rustup {
        match debian::find_or_make(&own.cargo, sysroot.ok().as_deref(), target_dir, progress) {
            Ok(toolchain) => return Ok(toolchain),
            Err(error) => tried.push(error.to_string()),
        }
    }
    Err(BuildError::NoToolchain(format!("no compiler for {TARGET}. {}\nTried:\n- {}", advice(preference), tried.join("\n- "))))
}

fn advice(preference: Preference) -> String {
    let debian = format!("apt-get install -y {}", debian::PACKAGES.join(" "));
    match preference {
        Preference::Debian => format!("Type as root: {debian}"),
        Preference::Rustup => format!("Type: rustup target add {TARGET}"),
        Preference::Auto => format!("Type: rustup target add {TARGET}   (or, on Debian, as root: {debian})"),
    }
}

impl Toolchain {
    /// The cargo that runs this program, or the one on the path, with the compiler beside it.
    fn of_this_machine() -> Self {
        let cargo = std::env::var_os("CARGO").map(PathBuf::from).filter(|cargo| cargo.is_file());
        let rustc = cargo.as_ref().map(|cargo| cargo.with_file_name("rustc")).filter(|rustc| rustc.is_file());
        Self { cargo: cargo.unwrap_or_else(|| "cargo".into()), rustc: rustc.unwrap_or_else(|| "rustc".into()), linker: None }
    }

    /// Where the compiler's libraries lie. Asked in the workspace, whose `rust-toolchain.toml` may choose the compiler.
    fn sysroot(&self, workspace_root: &Path) -> Result<PathBuf, BuildError> {
        let mut rustc = process::command(&self.rustc);
        rustc.args(["--print", "sysroot"]).current_dir(workspace_root);
        let output = process::run(rustc, "rustc --print sysroot", QUESTION_LIMIT, &mut |_| {})?;
        Ok(PathBuf::from(output.stdout.trim()))
    }
}

/// Whether the sysroot has the standard library of the guest target.
fn has_target(sysroot: &Path) -> bool {
    let lib = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    let Ok(entries) = lib.read_dir() else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}

fn add_target(workspace_root: &Path, progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), BuildError> {
    let shown = format!("rustup target add {TARGET}");
    progress(Progress::Preparing(&format!("fetching the guest target: {shown}")));
    let mut rustup = process::command("rustup");
    rustup.args(["target", "add", TARGET]).current_dir(workspace_root);
    process::run(rustup, &shown, TARGET_ADD_LIMIT, progress).map(drop)
}
