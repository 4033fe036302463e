//! The contract with flows changes only together with its version: guests that were built against a version go on to
//! mean what they meant.

use std::fmt::Write as _;

use questline_tests::guests::workspace;

const LOCK: &str = "tests/wit.lock";

/// Files of `wit/`, by name.
fn files() -> Vec<(String, String)> {
    let entries = std::fs::read_dir(workspace().join("wit")).unwrap().map(|entry| entry.unwrap().path());
    let wit = entries.filter(|path| path.extension().is_some_and(|extension| extension == "wit"));
    let read =
        |path: std::path::PathBuf| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(&path).unwrap());
    let mut files: Vec<_> = wit.map(read).collect();
    files.sort();
    files
}

/// What counts: neither comments nor spacing.
fn meaning(text: &str) -> String {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

/// `questline:flow@0.1.0`, the same in every file.
fn package(files: &[(String, String)]) -> String {
    let mut packages: Vec<&str> = files
        .iter()
        .map(|(name, text)| {
            let line = text.lines().find_map(|line| line.strip_prefix("package ")).unwrap_or_else(|| panic!("wit/{name} names no package"));
            line.trim_end_matches(';')
        })
        .collect();
    packages.dedup();
    assert_eq!(packages.len(), 1, "all files of wit/ are of one package and version");
    packages[0].to_owned()
}

fn digest(files: &[(String, String)]) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for (name, text) in files {
        let mut part = String::new();
        let _ = write!(part, "{name}\n{}\n", meaning(text));
        context.update(part.as_bytes());
    }
    format!("sha256:{}", hex::encode(context.finish()))
}

#[test]
fn a_published_version_of_the_contract_never_changes() {
    let files = files();
    let (package, digest) = (package(&files), digest(&files));
    let lock = std::fs::read_to_string(workspace().join(LOCK)).unwrap();
    let locked: Vec<(&str, &str)> = lock.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' ')).collect();
    let line = format!("{package} {digest}");
    match locked.iter().find(|(known, _)| *known == package) {
        Some((_, known)) => assert_eq!(
            *known, digest,
            "wit/ has changed, and is still called {package}. Guests that were built against it would break: give the package of \
             every file in wit/ a new version, keep the old one linkable in host/wasm, and add the new version's line to {LOCK}"
        ),
        None => panic!("wit/ has a new version: add this line to {LOCK}, and leave the lines of older versions as they are\n{line}"),
    }
    let mut packages: Vec<_> = locked.iter().map(|(package, _)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    assert_eq!(packages.len(), locked.len(), "one line for each version");
}

#[test]
fn only_what_has_a_meaning_counts() {
    let of = |text: &str| digest(&[("a.wit".to_owned(), text.to_owned())]);
    assert_eq!(of("/// Words.\nrecord a {\n  b: u32, // more\n}"), of("record a { b: u32, }"));
    assert_ne!(of("record a { b: u32, }"), of("record a { b: u64, }"));
}
