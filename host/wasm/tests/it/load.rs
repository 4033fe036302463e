//! What is no flow is refused before any of it runs, each kind with its own reason.

use questline_core::capability::{Capability, Grants};
use questline_core::flow::{FlowFailure, FlowLimits};
use questline_wasm::{EngineOptions, LoadError, LoadRequest, LoadedFlow};

use crate::guest::{Guest, contract, echo, import};
use crate::world::World;

async fn refusal(bytes: Vec<u8>) -> LoadError {
    World::new().load(bytes).await.expect_err("a refusal")
}

async fn refusal_of(guest: Guest) -> LoadError {
    refusal(guest.component()).await
}

#[tokio::test]
async fn a_flow_is_taken_and_says_who_it_is() {
    let guest = Guest { capabilities: vec!["reply", "timers"], events: vec!["message", "timer"], state_version: 3, ..echo() };
    let flow = World::new().load(guest.component()).await.unwrap();
    let description = flow.description();
    assert_eq!((description.name.as_str(), description.version.as_str(), description.state_version), ("test", "1.0.0", 3));
    assert_eq!(description.events, ["message", "timer"]);
    assert_eq!(description.needs.iter().collect::<Vec<_>>(), [Capability::Reply, Capability::Timers]);
    assert_eq!(flow.digest().len(), 64);
    assert!(flow.imports().iter().all(|import| import.starts_with("questline:flow/")), "{:?}", flow.imports());
}

#[tokio::test]
async fn garbage_modules_and_native_code_are_told_apart() {
    assert!(matches!(refusal(vec![]).await, LoadError::NotWasm));
    assert!(matches!(refusal(b"#!/bin/sh\nrm -rf /".to_vec()).await, LoadError::NotWasm));
    assert!(matches!(refusal(b"(component)".to_vec()).await, LoadError::NotWasm), "text is not taken either");
    assert!(matches!(refusal(echo().module()).await, LoadError::CoreModule));
    assert!(matches!(refusal(wat::parse_str("(component)").unwrap()).await, LoadError::NoGuest { .. }), "a module without metadata");
    let native = wasmtime_like_native_code();
    assert!(matches!(refusal(native).await, LoadError::NativeCode));
}

/// What the compile cache holds behind its MAC: exactly what the engine would load if it were asked to.
fn wasmtime_like_native_code() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let options = EngineOptions { cache_dir: Some(dir.path().to_owned()), ..EngineOptions::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || {
        runtime.block_on(async { World::with(options).load(echo().component()).await.unwrap() });
        let file = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path()).find(|file| file.extension().is_some());
        std::fs::read(file.unwrap()).unwrap().split_off(32)
    })
    .join()
    .unwrap()
}

#[tokio::test]
async fn damaged_components_are_refused_wherever_they_are_damaged() {
    let whole = echo().component();
    let world = World::new();
    for at in (8..whole.len()).step_by(whole.len() / 40) {
        let truncated = whole[..at].to_vec();
        let error = world.load(truncated).await.expect_err("a refusal");
        let known = matches!(error, LoadError::Malformed { .. } | LoadError::NoGuest { .. } | LoadError::Compile { .. });
        assert!(known, "cut at {at}: {error:?}");
    }
    for at in (8..whole.len()).step_by(whole.len() / 60) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x55;
        // A change in a name or in data may leave a flow; whatever it is, the host stands.
        let _ = world.load(flipped).await;
    }
    world.load(whole).await.unwrap();
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_unread() {
    let world = World::with(EngineOptions { component_bytes_max: 1000, ..EngineOptions::default() });
    assert!(matches!(world.load(vec![0; 1001]).await, Err(LoadError::TooLarge { found: 1001, max: 1000 })));
}

#[tokio::test]
async fn an_import_outside_of_the_contract_is_named() {
    let wit = contract().replace("world flow {", "world flow { import wasi:cli/environment@0.2.0;")
        + "\npackage wasi:cli@0.2.0 { interface environment { initial-cwd: func() -> option<string>; } }";
    let guest = Guest { wit, ..echo() }.with(r#"(import "wasi:cli/environment@0.2.0" "initial-cwd" (func (param i32)))"#);
    let error = refusal_of(guest).await;
    assert!(matches!(&error, LoadError::ForeignImport { import } if import == "wasi:cli/environment@0.2.0"), "{error:?}");
    assert!(error.to_string().contains("wasi:cli/environment@0.2.0"));
}

#[tokio::test]
async fn an_interface_that_the_contract_does_not_have_is_named() {
    let wit = contract().replace("world flow {", "interface sockets { open: func(); }\nworld flow { import sockets;");
    let guest = Guest { wit, ..echo() }.with(r#"(import "questline:flow/sockets@0.1.0" "open" (func))"#);
    let error = refusal_of(guest).await;
    assert!(matches!(&error, LoadError::UnknownInterface { import } if import == "questline:flow/sockets@0.1.0"), "{error:?}");
}

#[tokio::test]
async fn another_version_of_the_contract_is_told_in_our_words() {
    let wit = contract().replace("package questline:flow@0.1.0;", "package questline:flow@0.2.0;");
    let error = refusal_of(Guest { wit, contract: "0.2.0", ..echo() }).await;
    assert!(matches!(&error, LoadError::WrongVersion { wants, .. } if wants == "0.2.0"), "{error:?}");
    assert!(error.to_string().contains("this host has 0.1.0"), "{error}");
}

#[tokio::test]
async fn a_later_patch_of_the_contract_is_taken() {
    let wit = contract().replace("package questline:flow@0.1.0;", "package questline:flow@0.1.7;");
    let guest = Guest { wit, contract: "0.1.7", ..echo() }.with(&import::CLOCK.replace("0.1.0", "0.1.7"));
    World::new().load(guest.component()).await.unwrap();
}

#[tokio::test]
async fn a_flow_built_for_a_draft_with_other_types_is_refused() {
    let wit = contract().replace("    ticket-closed(ticket-closed),\n", "");
    let error = refusal_of(Guest { wit, ..echo() }).await;
    assert!(matches!(&error, LoadError::Mismatch { detail } if detail.contains("handle")), "{error:?}");
}

#[tokio::test]
async fn a_world_without_a_guest_is_refused() {
    let wit = "package studio:game; world flow { export run: func(); }";
    let module = r#"(module (func (export "run")))"#;
    let mut module = wat::parse_str(module).unwrap();
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("x.wit", wit).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8).unwrap();
    let component = wit_component::ComponentEncoder::default().module(&module).unwrap().encode().unwrap();
    let error = refusal(component).await;
    assert!(matches!(&error, LoadError::NoGuest { exports } if exports == &["run"]), "{error:?}");
}

#[tokio::test]
async fn a_refusal_is_bounded_whatever_the_names_are() {
    let names = (0..1000).map(|n| format!("(export \"a{n}-{}\" (instance 0))", "x".repeat(1000))).collect::<String>();
    let component = wat::parse_str(format!("(component (instance) {names})")).unwrap();
    let error = refusal(component).await;
    assert!(matches!(&error, LoadError::NoGuest { exports } if exports.len() == 16), "{error:?}");
    assert!(error.to_string().len() < 8192);
}

#[tokio::test]
async fn an_import_that_is_not_granted_is_refused_at_the_door() {
    let world = World::new();
    let grants: Grants = Capability::ALL.iter().copied().filter(|capability| *capability != Capability::Players).collect();
    let load = async |guest: Guest| {
        let request = LoadRequest { bytes: guest.component(), grants, limits: FlowLimits::default() };
        LoadedFlow::load(&world.engine, request).await
    };
    let error = load(echo().with(import::PROFILE)).await.expect_err("a refusal");
    assert!(matches!(&error, LoadError::NotGranted { capability: Capability::Players, .. }), "{error:?}");
    load(echo().with(import::CLOCK)).await.unwrap();
    let error = load(Guest { capabilities: vec!["reply", "players"], ..echo() }).await.expect_err("a refusal");
    assert!(matches!(&error, LoadError::NeedsNotGranted { missing } if missing == &[Capability::Players]), "{error:?}");
}

#[tokio::test]
async fn descriptions_are_checked() {
    let error = refusal_of(Guest { capabilities: vec!["free-http"], ..echo() }).await;
    assert!(matches!(&error, LoadError::UnknownCapability(unknown) if unknown.0 == "free-http"), "{error:?}");
    let error = refusal_of(Guest { events: vec!["mesage"], ..echo() }).await;
    assert!(matches!(&error, LoadError::Description { problem } if problem.contains("mesage")), "{error:?}");
    let error = refusal_of(Guest { events: vec![], ..echo() }).await;
    assert!(matches!(&error, LoadError::Description { .. }), "{error:?}");
    let error = refusal_of(Guest { version: "latest", ..echo() }).await;
    assert!(matches!(&error, LoadError::Description { problem } if problem.contains("version")), "{error:?}");
}

#[tokio::test]
async fn describing_has_limits_and_no_imports() {
    let error = refusal_of(Guest { describe: "unreachable".into(), ..echo() }).await;
    assert!(matches!(&error, LoadError::Describe(FlowFailure::Trap { .. })), "{error:?}");
    let error = refusal_of(Guest { describe: "(loop $on (br $on))".into(), ..echo() }).await;
    assert!(matches!(&error, LoadError::Describe(FlowFailure::CpuDeadline { .. })), "{error:?}");
    let asking = Guest { describe: "(drop (call $now))".into(), ..echo() }.with(import::CLOCK);
    let error = refusal_of(asking).await;
    assert!(matches!(&error, LoadError::Describe(FlowFailure::Trap { message, .. }) if message.contains("clock.now")), "{error:?}");
    let error = refusal_of(Guest { pages: 2000, ..echo() }).await;
    assert!(matches!(&error, LoadError::Describe(FlowFailure::MemoryLimit { .. })), "{error:?}");
}
