//! docs/SECURITY.md names for each threat the tests that attack it: they are there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where the tests of a suite are.
fn suite(name: &str) -> &'static str {
    match name {
        "e2e" => "tests/tests/e2e",
        "contract" => "host/store/tests/contract",
        "store" => "host/store",
        "core" => "host/core/src",
        "wasm" => "host/wasm/tests/it",
        "whatsapp" => "host/whatsapp",
        "server" => "host/server/src",
        other => panic!("docs/SECURITY.md names a suite {other:?} that is not known"),
    }
}

/// All Rust files below a folder.
fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The test `suite::room::name`: a function in a file, or in a folder, of the room's name.
fn is_there(root: &Path, test: &str) -> bool {
    let mut parts = test.split("::");
    let (Some(first), Some(room), Some(name), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else { return false };
    let dir = root.join(suite(first));
    let mut all = Vec::new();
    files(&dir, &mut all);
    let of_room = |path: &&PathBuf| {
        let parts: BTreeSet<_> = path.strip_prefix(&dir).unwrap().with_extension("").iter().map(|part| part.to_owned()).collect();
        parts.contains(std::ffi::OsStr::new(room))
    };
    all.iter().filter(of_room).any(|path| std::fs::read_to_string(path).unwrap().contains(&format!("fn {name}")))
}

#[test]
fn every_threat_is_attacked_by_tests_that_are_there() {
    let root = questline_tests::guests::workspace();
    let text = std::fs::read_to_string(root.join("docs/SECURITY.md")).unwrap();
    let rows = text.lines().skip_while(|line| *line != "## Threats").skip(1).take_while(|line| !line.starts_with("## "));
    let (mut threats, mut missing) = (0, Vec::new());
    for row in rows.filter(|line| line.starts_with("| ") && !line.starts_with("| threat") && !line.starts_with("| ---")) {
        threats += 1;
        let tests = row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap_or_default();
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            missing.push(format!("no test: {row}"));
        }
        missing.extend(named.into_iter().filter(|test| !is_there(root, test)).map(|test| format!("{test} is not there")));
    }
    assert!(threats >= 20, "the table has {threats} rows");
    assert!(missing.is_empty(), "{missing:#?}");
}
