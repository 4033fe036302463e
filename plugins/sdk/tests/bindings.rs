//! The committed bindings are what the generator makes of `wit/`, byte for byte.
//!
//! `QUESTLINE_BLESS=1 cargo test -p questline-sdk --test bindings` writes them anew.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator as _};
use wit_bindgen_rust::Opts;

const HEADER: &str = "//! The contract's types, imports and exports, generated from `wit/`. Not edited by hand:\n\
                      //! `QUESTLINE_BLESS=1 cargo test -p questline-sdk --test bindings` writes this file.\n\n";

fn generate() -> String {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(&wit).expect("wit/ parses");
    let world = resolve.select_world(&[package], Some("flow")).unwrap();
    let mut files = Files::default();
    Opts {
        format: true,
        generate_all: true,
        generate_unused_types: true,
        pub_export_macro: true,
        export_macro_name: Some("export_world".to_owned()),
        // Through the SDK, so that a guest needs no dependency but the SDK.
        runtime_path: Some("crate::rt".to_owned()),
        default_bindings_module: Some("questline_sdk::bindings".to_owned()),
        additional_derive_attributes: vec!["PartialEq".to_owned()],
        ..Opts::default()
    }
    .build()
    .generate(&mut resolve, world, &mut files)
    .expect("the world generates");
    let (_, source) = files.iter().next().expect("one file");
    format!("{HEADER}{}", std::str::from_utf8(source).unwrap())
}

#[test]
fn committed_bindings_match_the_contract() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bindings.rs");
    let generated = generate();
    if std::env::var_os("QUESTLINE_BLESS").is_some() {
        std::fs::write(&path, &generated).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).expect("src/bindings.rs is there");
    let differs = committed.lines().zip(generated.lines()).position(|(a, b)| a != b);
    assert!(
        committed == generated,
        "src/bindings.rs is not what wit/ says (first difference at line {}): run QUESTLINE_BLESS=1 cargo test -p \
         questline-sdk --test bindings, and raise the package's version if the contract changed",
        differs.map_or(committed.lines().count().min(generated.lines().count()), |at| at) + 1,
    );
}
