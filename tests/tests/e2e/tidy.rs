//! The house rules that a machine can keep: every room says what it is for, none is too large, and who may name whom.

use std::path::{Path, PathBuf};

use questline_tests::guests::workspace;
use toml::Table;

const LINES_MAX: usize = 500;
/// Written by a machine.
const GENERATED: &str = "plugins/sdk/src/bindings.rs";

/// All files below a folder with this ending, without what is built.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                found.extend(files(&path, ending));
            }
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Path in the workspace and text of every Rust file that a person wrote.
fn sources() -> Vec<(String, String)> {
    let named =
        |path: PathBuf| (path.strip_prefix(workspace()).unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap());
    let mut sources: Vec<_> = files(workspace(), ".rs").into_iter().map(named).collect();
    assert!(sources.iter().any(|(path, _)| path == GENERATED));
    sources.retain(|(path, _)| path != GENERATED);
    assert!(sources.len() > 100);
    sources
}

#[test]
fn every_file_says_what_it_is_for_and_is_not_too_long() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if text.lines().next().and_then(|line| line.strip_prefix("//! ")).is_none_or(|words| words.trim().is_empty()) {
            wrong.push(format!("{path}: does not open with a line `//! ` that says what it is for"));
        }
        let lines = text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{path}: {lines} lines, at most {LINES_MAX}: split it by reason"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("#[ign", "ore"), concat!("FIX", "ME"), concat!("TO", "DO")];
    // A test that another test runs as a process of its own.
    let child = concat!("#[ign", "ore = \"runs only as a child");
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) && !line.contains(child) {
                wrong.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The names of a manifest's dependencies of one kind.
fn dependencies(manifest: &Table, kind: &str) -> Vec<String> {
    manifest.get(kind).and_then(|table| table.as_table()).into_iter().flat_map(|table| table.keys().cloned()).collect()
}

#[test]
fn crates_depend_in_one_direction() {
    // Who may name whom, of the house's own, outside of tests.
    let allowed: [(&str, &[&str]); 18] = [
        ("host/core", &[]),
        ("host/wasm", &["questline-core"]),
        ("host/store", &["questline-core"]),
        ("host/whatsapp", &["questline-core"]),
        ("host/emulator", &[]),
        ("host/guest-build", &[]),
        ("plugins/sdk", &[]),
        ("plugins/testing", &["questline-core", "questline-sdk"]),
        ("plugins/account-recovery", &["questline-sdk"]),
        ("plugins/tournament-replies", &["questline-sdk"]),
        ("plugins/vip-routing", &["questline-sdk"]),
        ("tests/guests", &["questline-sdk"]),
        ("tests/guests/echo", &["questline-sdk"]),
        ("tests/guests/herald", &["questline-sdk"]),
        ("tests/guests/puppet", &["questline-sdk"]),
        ("tests/guests/warden", &["questline-sdk"]),
        (
            "host/server",
            &["questline-core", "questline-emulator", "questline-guest-build", "questline-store", "questline-wasm", "questline-whatsapp"],
        ),
        ("tests", &["questline", "questline-core", "questline-emulator", "questline-guest-build", "questline-wasm"]),
    ];
    let manifests = files(workspace(), "Cargo.toml");
    assert_eq!(manifests.len(), allowed.len() + 1, "a new crate needs its place here");
    for (dir, expected) in allowed {
        let manifest: Table = std::fs::read_to_string(workspace().join(dir).join("Cargo.toml")).unwrap().parse().unwrap();
        for name in dependencies(&manifest, "dependencies").iter().filter(|name| name.starts_with("questline")) {
            assert!(expected.contains(&name.as_str()), "{dir} must not depend on {name}");
        }
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let runtime = dependencies(&manifest, kind).iter().any(|name| name.starts_with("wasmtime"));
            assert!(!runtime || dir == "host/wasm", "only host/wasm names wasmtime, and {dir} does");
        }
    }
    // What is pure stays pure.
    let core: Table = std::fs::read_to_string(workspace().join("host/core/Cargo.toml")).unwrap().parse().unwrap();
    for outside in ["tokio", "hyper", "reqwest", "redis", "rusqlite", "tracing", "axum"] {
        assert!(!dependencies(&core, "dependencies").contains(&outside.to_owned()), "host/core has no {outside}");
    }
}

#[test]
fn parts_of_the_host_meet_in_the_store_alone() {
    let parts = ["ingress", "runner", "sender"];
    let concrete = ["questline_store", "questline_wasm"];
    for (path, text) in sources() {
        let Some(inside) = path.strip_prefix("host/server/src/") else { continue };
        let part = parts.iter().find(|part| inside.strip_prefix(**part).is_some_and(|rest| rest.starts_with(['/', '.'])));
        let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
        for (number, line) in code.enumerate() {
            if let Some(part) = part {
                let other = parts.iter().find(|other| *other != part && line.contains(&format!("crate::{other}")));
                assert_eq!(other, None, "{path}:{}: {part} names it: {line}", number + 1);
                assert!(
                    !concrete.iter().any(|name| line.contains(name)),
                    "{path}:{}: only app/ names what is concrete: {line}",
                    number + 1
                );
            }
        }
    }
}
