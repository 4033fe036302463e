//! The way without rustup's target: Debian's compiler, and the target's standard library built from Debian's source.
//!
//! The library is built once per compiler version into a sysroot of its own below the target directory; guests are then
//! compiled like any crate, by a wrapper that names that sysroot.
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process;
use crate::toolchain::{QUESTION_LIMIT, Toolchain};
use crate::{BuildError, Progress, TARGET, at};

/// The compiler, and the source of its standard library.
pub(crate) const PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];

const RUSTC: &str = "/usr/bin/rustc";
/// Of the library that belongs to [`RUSTC`].
const LIBRARY_LOCK: &str = "/usr/lib/rustlib/src/rust/library/Cargo.lock";
/// The oldest compiler that takes the SDK.
const RUSTC_MINOR_MIN: u32 = 95;
const INSTALL_LIMIT: Duration = Duration::from_secs(900);
const LIBRARY_LIMIT: Duration = Duration::from_secs(1800);

/// The sysroot of the compiler that is here, if it was made before. `rustup_sysroot` may have a linker.
pub(crate) fn ready(cargo: &Path, rustup_sysroot: Option<&Path>, target_dir: &Path) -> Option<Toolchain> {
    let compiler = Compiler::ask().ok()?;
    let linker = find_linker(&compiler.host, rustup_sysroot).ok()?;
    let sysroot = compiler.sysroot(target_dir);
    sysroot.is_dir().then(|| toolchain(cargo, &sysroot, linker))
}

/// The sysroot of Debian's compiler, with all that it takes to get there.
pub(crate) fn find_or_make(
    cargo: &Path,
    rustup_sysroot: Option<&Path>,
    target_dir: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Toolchain, BuildError> {
    if let Some(ready) = ready(cargo, rustup_sysroot, target_dir) {
        return Ok(ready);
    }
    if !is_installed() {
        install(progress)?;
    }
    let compiler = Compiler::ask()?;
    let linker = find_linker(&compiler.host, rustup_sysroot)?;
    let sysroot = compiler.sysroot(target_dir);
    make_sysroot(&compiler, cargo, &sysroot, progress)?;
    Ok(toolchain(cargo, &sysroot, linker))
}

/// Debian's compiler.
struct Compiler {
    /// For instance `1.96.0`.
    release: String,
    /// For instance `x86_64-unknown-linux-gnu`.
    host: String,
    /// Its full version as a file name.
    key: String,
}

impl Compiler {
    fn ask() -> Result<Self, BuildError> {
        let mut rustc = process::command(RUSTC);
        rustc.arg("-vV").env_remove("LD_LIBRARY_PATH");
        let says = process::run(rustc, "/usr/bin/rustc -vV", QUESTION_LIMIT, &mut |_| {})?.stdout;
        let field = |name: &str| {
            says.lines()
                .find_map(|line| line.strip_prefix(name))
                .map(|value| value.trim().to_owned())
                .ok_or_else(|| BuildError::NoToolchain(format!("/usr/bin/rustc -vV does not say its {name}")))
        };
        let (release, host) = (field("release:")?, field("host:")?);
        let minor = release.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
        if !release.starts_with("1.") || minor.is_none_or(|minor| minor < RUSTC_MINOR_MIN) {
            return Err(BuildError::NoToolchain(format!(
                "/usr/bin/rustc is {release}, 1.{RUSTC_MINOR_MIN} is needed: apt-get install -y {}",
                PACKAGES.join(" ")
            )));
        }
        // The line that libraries are bound to: one of another compiler is refused by this one.
        let version = says.lines().next().unwrap_or_default();
        let words = version.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let key = words.collect::<Vec<_>>().join("-");
        Ok(Self { release, host, key })
    }

    fn sysroot(&self, target_dir: &Path) -> PathBuf {
        target_dir.join("guest-sysroot").join(&self.key)
    }
}

fn toolchain(cargo: &Path, sysroot: &Path, linker: PathBuf) -> Toolchain {
    Toolchain { cargo: cargo.to_path_buf(), rustc: sysroot.join("bin/rustc"), linker: Some(linker) }
}

fn is_installed() -> bool {
    Path::new(RUSTC).exists() && Path::new(LIBRARY_LOCK).exists()
}

/// Has apt install the packages; where it cannot, says what to type.
fn install(progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), BuildError> {
    let install = format!("apt-get install -y --no-install-recommends {}", PACKAGES.join(" "));
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(BuildError::NoToolchain("this is no Debian: there is no apt-get".to_owned()));
    }
    if !is_root {
        return Err(BuildError::NoToolchain(format!("not root, so Debian's compiler is not installed: sudo {install}")));
    }
    progress(Progress::Preparing(&format!("installing Debian's compiler: {install}")));
    let mut run = |arguments: &[&str], shown: &str| {
        let mut apt = process::command("/usr/bin/apt-get");
        apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        process::run(apt, shown, INSTALL_LIMIT, progress).map(drop)
    };
    run(&["update", "-q"], "apt-get update")?;
    run(&[&["install", "-y", "-q", "--no-install-recommends"][..], &PACKAGES[..]].concat(), &install)?;
    if is_installed() {
        return Ok(());
    }
    Err(BuildError::NoToolchain(format!("{install} did not bring {RUSTC} and {LIBRARY_LOCK}")))
}

/// Debian's compiler comes without a linker for the target: rustup's, else LLVM's own.
fn find_linker(host: &str, rustup_sysroot: Option<&Path>) -> Result<PathBuf, BuildError> {
    let of_rustup = rustup_sysroot.map(|sysroot| sysroot.join("lib/rustlib").join(host).join("bin/rust-lld"));
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let of_path = std::env::split_paths(&on_path).flat_map(|directory| ["rust-lld", "wasm-ld", "lld"].map(|name| directory.join(name)));
    of_rustup
        .into_iter()
        .chain(of_path)
        .find(|linker| linker.is_file())
        .ok_or_else(|| BuildError::NoToolchain("no linker for the guest target: apt-get install -y lld".to_owned()))
}

/// Builds the library beside its place and moves the sysroot there in one step: what is there is whole.
fn make_sysroot(compiler: &Compiler, cargo: &Path, sysroot: &Path, progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), BuildError> {
    progress(Progress::Preparing(&format!(
        "building the guest target's standard library with Debian's rustc {} (once, a minute or two)",
        compiler.release
    )));
    let beside = sysroot.with_extension("tmp");
    // Left by a build that was stopped. The lock keeps others out.
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(at(&beside))?;
    }
    let built = build_library(compiler, cargo, &beside.join("build"), progress)?;

    let made = beside.join("sysroot");
    let libraries = made.join("lib/rustlib").join(TARGET).join("lib");
    fs::create_dir_all(&libraries).map_err(at(&libraries))?;
    for entry in built.read_dir().map_err(at(&built))? {
        let path = entry.map_err(at(&built))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libempty-") {
            let to = libraries.join(name);
            fs::copy(&path, &to).map_err(at(&to))?;
        }
    }

    // Build scripts and macros of guests' dependencies are for the host.
    let host = made.join("lib/rustlib").join(&compiler.host);
    fs::create_dir_all(&host).map_err(at(&host))?;
    let host_lib = host.join("lib");
    symlink(Path::new("/usr/lib/rustlib").join(&compiler.host).join("lib"), &host_lib).map_err(at(&host_lib))?;

    let bin = made.join("bin");
    fs::create_dir_all(&bin).map_err(at(&bin))?;
    let wrapper = bin.join("rustc");
    fs::write(&wrapper, format!("#!/bin/sh\nexec {RUSTC} --sysroot \"${{0%/*}}/..\" \"$@\"\n")).map_err(at(&wrapper))?;
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).map_err(at(&wrapper))?;

    fs::rename(&made, sysroot).map_err(at(sysroot))?;
    fs::remove_dir_all(&beside).map_err(at(&beside))
}

/// Builds the standard library for an empty crate; the directory that its parts are in.
fn build_library(
    compiler: &Compiler,
    cargo: &Path,
    directory: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PathBuf, BuildError> {
    let source = directory.join("src");
    fs::create_dir_all(&source).map_err(at(&source))?;
    let manifest = directory.join("Cargo.toml");
    fs::write(&manifest, "[package]\nname = \"empty\"\nedition = \"2024\"\n\n[workspace]\n").map_err(at(&manifest))?;
    let library = source.join("lib.rs");
    fs::write(&library, "").map_err(at(&library))?;

    let target_dir = directory.join("target");
    let mut build = process::command(cargo);
    build
        .args(["build", "--release", "-Z", "build-std=std,panic_abort,panic_unwind", "--target", TARGET])
        .arg("--target-dir")
        .arg(&target_dir)
        .current_dir(directory)
        .env("RUSTC", RUSTC)
        // Building the library is not stable, and Debian's compiler is not a nightly.
        .env("RUSTC_BOOTSTRAP", "1")
        // For link-time optimisation of the guests.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes")
        .env_remove("LD_LIBRARY_PATH");
    let shown = format!("building the standard library with rustc {}", compiler.release);
    process::run(build, &shown, LIBRARY_LIMIT, progress)?;
    Ok(target_dir.join(TARGET).join("release/deps"))
}
