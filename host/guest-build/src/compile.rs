//! Compiles one guest to a core module, with a profile of our own, so that any workspace's guests come out alike.
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::toolchain::Toolchain;
use crate::{BuildError, HEAP_BYTES, Progress, STACK_BYTES, TARGET, at, process};

/// A guest's first build compiles serde for host and guest: seconds. This only ends what hangs.
const COMPILE_LIMIT: Duration = Duration::from_secs(3600);

/// What a guest is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be played: small, and the same from the same source.
    Ship,
    /// To be looked at while it is written: compiled again in a fraction of the time, and three times as large.
    Try,
}

/// Small code is compiled and mapped sooner by the host, and a call is as fast with `s` as with `3`: it spends its time
/// at the border. Own line tables make traps readable; those of dependencies would double them.
const SHIP: [&str; 9] = [
    "profile.guest.inherits='release'",
    "profile.guest.opt-level='s'",
    "profile.guest.lto='fat'",
    "profile.guest.codegen-units=1",
    "profile.guest.panic='abort'",
    "profile.guest.debug='line-tables-only'",
    "profile.guest.package.'*'.debug=false",
    "profile.guest.strip='none'",
    "profile.guest.incremental=false",
];

/// Optimising the whole program is what takes the seconds.
const TRY: [&str; 9] = [
    "profile.guest-try.inherits='release'",
    "profile.guest-try.opt-level=1",
    "profile.guest-try.lto='off'",
    "profile.guest-try.codegen-units=16",
    "profile.guest-try.panic='abort'",
    "profile.guest-try.debug='line-tables-only'",
    "profile.guest-try.package.'*'.debug=false",
    "profile.guest-try.strip='none'",
    "profile.guest-try.incremental=true",
];

impl Purpose {
    fn profile(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Ship => ("guest", &SHIP),
            Self::Try => ("guest-try", &TRY),
        }
    }
}

/// The core module of `package`.
pub(crate) fn compile(
    toolchain: &Toolchain,
    workspace_root: &Path,
    package: &str,
    purpose: Purpose,
    guests_dir: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Vec<u8>, BuildError> {
    let (profile, settings) = purpose.profile();
    let mut cargo = toolchain.cargo();
    cargo
        .current_dir(workspace_root)
        .args(["rustc", "--package", package, "--lib", "--crate-type", "cdylib", "--profile", profile])
        .args(["--target", TARGET, "--message-format", "json-render-diagnostics"])
        .arg("--target-dir")
        .arg(guests_dir)
        .args(settings.iter().flat_map(|setting| ["--config", setting]))
        .args(["--config", &rename_paths(workspace_root, guests_dir)])
        .arg("--")
        .args([format!("-Clink-arg=--initial-heap={HEAP_BYTES}"), format!("-Clink-arg=-zstack-size={STACK_BYTES}")]);
    let output =
        process::run(cargo, &format!("cargo rustc --package {package}"), COMPILE_LIMIT, progress).map_err(|error| match error {
            BuildError::Tool { output, .. } => BuildError::Compile { package: package.to_owned(), output },
            other => other,
        })?;
    let path = output.stdout.lines().find_map(module_path).ok_or_else(|| BuildError::Compile {
        package: package.to_owned(),
        output: "cargo told no module; is it a library crate?".to_owned(),
    })?;
    fs::read(&path).map_err(at(&path))
}

/// Takes the machine's own paths out of line tables and messages: the same source gives the same component anywhere.
fn rename_paths(workspace_root: &Path, guests_dir: &Path) -> String {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(Path::new(&home).join(".cargo"))
    });
    // The last that fits is taken: the most special comes last.
    let mut flags = vec![format!("--remap-path-prefix={}=.", workspace_root.display())];
    if let Some(cargo_home) = cargo_home {
        flags.push(format!("--remap-path-prefix={}=registry", cargo_home.join("registry/src").display()));
    }
    flags.push(format!("--remap-path-prefix={}=build", guests_dir.display()));
    // A JSON array of strings is a TOML one.
    format!("target.{TARGET}.rustflags={}", serde_json::Value::from(flags))
}

/// The module's path, if this line of cargo's JSON tells it.
fn module_path(line: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let is_guest = message["target"]["crate_types"].as_array()?.iter().any(|kind| kind == "cdylib");
    let files = message["filenames"].as_array()?;
    files.iter().filter_map(|file| file.as_str()).find(|file| is_guest && file.ends_with(".wasm")).map(PathBuf::from)
}
