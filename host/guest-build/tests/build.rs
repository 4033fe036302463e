//! A guest becomes a component that a host takes; what is no guest is refused with the reason and what to do.
//!
//! Compiles for real, with the compiler that `QUESTLINE_GUEST_TOOLCHAIN` names or the first that is there.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};

use questline_guest_build::{BuildError, NotAFlow, Progress, Purpose, build_guests};
use wasmparser::{Parser, Payload};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A workspace with one package that needs nothing.
fn package(library: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("src")).unwrap();
    let manifest = "[package]\nname = \"lonely\"\nedition = \"2024\"\n\n[workspace]\n";
    fs::write(directory.path().join("Cargo.toml"), manifest).unwrap();
    fs::write(directory.path().join("src/lib.rs"), library).unwrap();
    directory
}

fn refused(library: &str) -> BuildError {
    let package = package(library);
    build_guests(Purpose::Ship, package.path(), &["lonely"], &workspace().join("target"), &mut |_| {}).expect_err("is refused")
}

/// Module and name of each import, and the pages of memory at the start, of the core modules inside a component.
fn core_imports_and_memory(component: &[u8]) -> (Vec<String>, u64) {
    let (mut imports, mut pages) = (Vec::new(), 0);
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                imports.extend(section.into_iter().map(|import| import.unwrap().name.name.to_owned()));
            }
            Payload::MemorySection(section) => {
                pages = pages.max(section.into_iter().map(|memory| memory.unwrap().initial).max().unwrap_or(0));
            }
            _ => {}
        }
    }
    (imports, pages)
}

#[test]
fn a_guest_becomes_a_component_that_imports_the_contract_alone() {
    let root = workspace();
    let mut shown = Vec::new();
    let built =
        build_guests(Purpose::Ship, &root, &["echo-guest"], &root.join("target"), &mut |step| shown.push(step.to_string())).unwrap();
    let [guest] = &built[..] else { panic!("one guest") };
    assert_eq!(guest.name, "echo-guest");
    assert_eq!(guest.path, root.join("target/guests/components/echo-guest.wasm"));
    assert_eq!(fs::read(&guest.path).unwrap(), guest.component);
    assert!(shown.iter().any(|line| line == "compiling flow echo-guest"), "{shown:?}");

    let (imports, pages) = core_imports_and_memory(&guest.component);
    assert!(!imports.is_empty());
    assert!(imports.iter().all(|name| name.starts_with("questline:flow/")), "{imports:?}");
    assert!(pages * 65_536 >= 1024 * 1024, "starts with {pages} pages: a usual step would grow its memory");

    let text = String::from_utf8_lossy(&guest.component);
    assert!(!text.contains(root.to_str().unwrap()), "the machine's paths are in the component");
    assert!(text.contains("tests/guests/echo/src/lib.rs"), "there are no line tables");
}

#[test]
fn a_build_that_changes_nothing_gives_the_same_bytes_and_leaves_the_file_alone() {
    let root = workspace();
    let build = || build_guests(Purpose::Ship, &root, &["echo-guest"], &root.join("target"), &mut |_| {}).unwrap().remove(0);
    let first = build();
    let written = fs::metadata(&first.path).unwrap().modified().unwrap();
    let second = build();
    assert_eq!(first.component, second.component);
    assert_eq!(fs::metadata(&second.path).unwrap().modified().unwrap(), written);
}

#[test]
fn builds_at_once_wait_for_each_other() {
    let root = workspace();
    let build = || {
        let mut waited = false;
        let mut watch = |step: Progress<'_>| waited |= step == Progress::Waiting;
        let built = build_guests(Purpose::Ship, &root, &["echo-guest"], &root.join("target"), &mut watch).unwrap();
        (built[0].component.clone(), waited)
    };
    let answers: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..3).map(|_| scope.spawn(build)).collect();
        running.into_iter().map(|build| build.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|(component, _)| *component == answers[0].0));
    assert!(answers.iter().any(|(_, waited)| *waited), "three builds at once, and none waited");
}

#[test]
fn the_compilers_own_words_are_passed_on() {
    match refused("pub fn broken() -> u32 { \"text\" }") {
        BuildError::Compile { package, output } => {
            assert_eq!(package, "lonely");
            assert!(output.contains("error[E0308]: mismatched types"), "{output}");
            assert!(output.contains("src/lib.rs:1:"), "{output}");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_library_that_exports_no_flow_is_told_what_to_write() {
    let error = refused("pub fn nothing() {}");
    assert!(matches!(error, BuildError::NotAFlow { reason: NotAFlow::NoExport, .. }), "{error}");
    assert!(error.to_string().contains("questline_sdk::export!"), "{error}");
}

#[test]
fn an_import_outside_of_the_contract_is_named() {
    let error = refused(
        r#"
        #[link(wasm_import_module = "wasi_snapshot_preview1")]
        unsafe extern "C" { fn fd_write(a: i32, b: i32, c: i32, d: i32) -> i32; }
        #[unsafe(no_mangle)]
        pub extern "C" fn run() -> i32 { unsafe { fd_write(1, 0, 0, 0) } }
        "#,
    );
    match error {
        BuildError::NotAFlow { reason: NotAFlow::ForeignImport { module, name }, .. } => {
            assert_eq!((module.as_str(), name.as_str()), ("wasi_snapshot_preview1", "fd_write"));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_package_that_is_not_there_is_named() {
    let package = package("");
    let error = build_guests(Purpose::Ship, package.path(), &["missing"], &workspace().join("target"), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
}
