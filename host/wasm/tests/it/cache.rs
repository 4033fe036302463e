//! Compiled code on disk: found again, and never run unless this host wrote it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use questline_wasm::{CacheError, Engine, EngineError, EngineOptions, LoadedFlow};

use crate::guest::{Guest, echo};
use crate::world::World;

fn options(dir: &Path) -> EngineOptions {
    EngineOptions { cache_dir: Some(dir.to_owned()), ..EngineOptions::default() }
}

async fn load(dir: &Path, guest: &Guest) -> LoadedFlow {
    World::with(options(dir)).load(guest.component()).await.unwrap()
}

fn compiled(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|extension| extension == "cwasm")).collect()
}

#[tokio::test]
async fn a_second_start_compiles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let first = load(dir.path(), &echo()).await;
    let second = load(dir.path(), &echo()).await;
    assert!(!first.is_from_cache() && second.is_from_cache());
    assert_eq!(first.digest(), second.digest());
    assert!(!load(dir.path(), &Guest { version: "1.0.1", ..echo() }).await.is_from_cache());
    assert_eq!(compiled(dir.path()).len(), 2);
    for file in fs::read_dir(dir.path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "nobody else reads or writes here");
    }
}

#[tokio::test]
async fn what_was_tampered_with_is_never_run_but_compiled_again() {
    let dir = tempfile::tempdir().unwrap();
    load(dir.path(), &echo()).await;
    let file = compiled(dir.path()).remove(0);
    let good = fs::read(&file).unwrap();
    let tampered = [
        {
            let mut bytes = good.clone();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            bytes
        },
        {
            let mut bytes = good.clone();
            bytes[40] ^= 1;
            bytes
        },
        {
            let mut bytes = good.clone();
            bytes[0] ^= 1;
            bytes
        },
        good[..good.len() / 2].to_vec(),
        good[32..].to_vec(),
        vec![],
        vec![0; 16],
    ];
    for bytes in tampered {
        fs::write(&file, bytes).unwrap();
        assert!(!load(dir.path(), &echo()).await.is_from_cache());
        assert_eq!(fs::read(&file).unwrap().len(), good.len(), "and kept anew");
        assert!(load(dir.path(), &echo()).await.is_from_cache());
    }
}

#[tokio::test]
async fn compiled_code_of_one_flow_cannot_be_passed_off_as_anothers() {
    let dir = tempfile::tempdir().unwrap();
    load(dir.path(), &echo()).await;
    let echo_file = compiled(dir.path()).remove(0);
    let other = Guest { version: "6.6.6", ..echo() };
    load(dir.path(), &other).await;
    let other_file = compiled(dir.path()).into_iter().find(|file| *file != echo_file).unwrap();
    fs::copy(other_file, &echo_file).unwrap();
    let flow = load(dir.path(), &echo()).await;
    assert!(!flow.is_from_cache());
    assert_eq!(flow.description().version, "1.0.0");
}

#[tokio::test]
async fn another_hosts_key_proves_nothing_here() {
    let dir = tempfile::tempdir().unwrap();
    load(dir.path(), &echo()).await;
    fs::remove_file(dir.path().join("key")).unwrap();
    assert!(!load(dir.path(), &echo()).await.is_from_cache());
    assert!(load(dir.path(), &echo()).await.is_from_cache());
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    Engine::new(options(dir.path())).unwrap();
    let key = dir.path().join("key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let error = Engine::new(options(dir.path())).unwrap_err();
    assert!(matches!(error, EngineError::Cache(CacheError::KeyExposed { mode: 0o644, .. })), "{error:?}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, b"short").unwrap();
    let error = Engine::new(options(dir.path())).unwrap_err();
    assert!(matches!(error, EngineError::Cache(CacheError::KeyDamaged { .. })), "{error:?}");
}
