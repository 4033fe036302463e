//! Flows in WebAssembly text: tests need no compiler, and a guest can do what no SDK would let it do.

use std::fmt::Write as _;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where `describe` finds its answer.
const DESCRIPTION: u32 = 1024;
/// Zeros: as an answer of `handle`, "stay, no state, no effects".
pub(crate) const NOTHING: u32 = 8192;
/// Room for an answer that the guest writes.
pub(crate) const ANSWER: u32 = 16384;
/// Room for texts of [`Guest::text`].
const TEXTS: u32 = 4096;
/// Where the guest's allocator begins.
const HEAP: u32 = 65536;

/// A guest in the making.
#[derive(Clone)]
pub(crate) struct Guest {
    /// Pages of memory at the start.
    pub(crate) pages: u32,
    /// What it says it needs.
    pub(crate) capabilities: Vec<&'static str>,
    /// What it says it wants.
    pub(crate) events: Vec<&'static str>,
    /// Its own version.
    pub(crate) version: &'static str,
    /// The version of its state.
    pub(crate) state_version: u32,
    /// Instructions of `describe` before it answers.
    pub(crate) describe: String,
    /// Instructions of `handle`, local 0 being the address of conversation and event; they leave the answer's address.
    pub(crate) handle: String,
    /// Instructions of `migrate`, with version, address and length as locals; they leave the answer's address.
    pub(crate) migrate: String,
    /// What its allocator answers, local `at` being the right address.
    pub(crate) realloc: &'static str,
    /// Imports, functions, tables.
    pub(crate) items: String,
    /// The contract, for those who are built for another one.
    pub(crate) wit: String,
    /// The contract's version in export names.
    pub(crate) contract: &'static str,
    /// Texts that it has.
    pub(crate) texts: Vec<u8>,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            pages: 2,
            capabilities: vec![],
            events: vec!["message"],
            version: "1.0.0",
            state_version: 1,
            describe: String::new(),
            handle: format!("i32.const {NOTHING}"),
            migrate: "unreachable".into(),
            realloc: "local.get $at",
            items: String::new(),
            wit: contract(),
            contract: "0.1.0",
            texts: Vec::new(),
        }
    }
}

/// The files of `wit/` as one.
pub(crate) fn contract() -> String {
    // The workspace's, from wherever in it this is used.
    let above = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let dir = above.map(|dir| dir.join("wit")).find(|dir| dir.is_dir()).unwrap();
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap());
    let without_package = |text: String| text.lines().filter(|line| !line.starts_with("package ")).collect::<Vec<_>>().join("\n");
    texts.fold("package questline:flow@0.1.0;\n".to_owned(), |all, text| all + &without_package(text) + "\n")
}

impl Guest {
    /// A guest that handles events with these instructions.
    pub(crate) fn handling(instructions: impl Into<String>) -> Self {
        Self { handle: instructions.into(), ..Self::default() }
    }

    /// Adds imports, functions or tables.
    pub(crate) fn with(mut self, items: &str) -> Self {
        self.items.push_str(items);
        self
    }

    /// Puts a text into the guest's memory: its address and length.
    pub(crate) fn text(&mut self, text: &str) -> (u32, u32) {
        let at = TEXTS + self.texts.len() as u32;
        self.texts.extend_from_slice(text.as_bytes());
        assert!(TEXTS + (self.texts.len() as u32) < NOTHING, "no room for so much text");
        (at, text.len() as u32)
    }

    /// The core module.
    pub(crate) fn module(&self) -> Vec<u8> {
        let Self { pages, describe, handle, migrate, realloc, items, contract, .. } = self;
        let wat = format!(
            r#"(module $guest
                {items}
                (memory (export "memory") {pages})
                (global $next (mut i32) (i32.const {HEAP}))
                (func $realloc (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
                    (local $at i32)
                    (local.set $at (i32.and (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
                    (global.set $next (i32.add (local.get $at) (local.get $size)))
                    {realloc})
                (func $describe (export "questline:flow/guest@{contract}#describe") (result i32)
                    {describe}
                    i32.const {DESCRIPTION})
                (func $handle (export "questline:flow/guest@{contract}#handle") (param $input i32) (result i32)
                    {handle})
                (func $migrate (export "questline:flow/guest@{contract}#migrate") (param $version i32) (param $at i32) (param $length i32) (result i32)
                    {migrate})
                (data (i32.const {DESCRIPTION}) "{description}")
                (data (i32.const {TEXTS}) "{texts}"))"#,
            description = escape(&self.description()),
            texts = escape(&self.texts),
        );
        wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}\n{wat}"))
    }

    /// The component.
    pub(crate) fn component(&self) -> Vec<u8> {
        let mut module = self.module();
        let mut resolve = Resolve::default();
        let package = resolve.push_str("contract.wit", &self.wit).unwrap();
        let world = resolve.select_world(&[package], Some("flow")).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
    }

    /// The record that `describe` answers with, and behind it what it points at.
    fn description(&self) -> Vec<u8> {
        const RECORD_BYTES: usize = 36;
        let lists = [&self.events, &self.capabilities];
        let mut behind: Vec<u8> = Vec::new();
        let place = |behind: &[u8]| DESCRIPTION + (RECORD_BYTES + behind.len()) as u32;
        let mut record: Vec<u8> = Vec::new();
        for text in ["test", self.version] {
            record.extend(place(&behind).to_le_bytes());
            record.extend((text.len() as u32).to_le_bytes());
            behind.extend(text.as_bytes());
        }
        record.extend(self.state_version.to_le_bytes());
        for names in lists {
            let pointers: Vec<(u32, u32)> = names
                .iter()
                .map(|name| {
                    let at = place(&behind);
                    behind.extend(name.as_bytes());
                    (at, name.len() as u32)
                })
                .collect();
            while !(RECORD_BYTES + behind.len()).is_multiple_of(4) {
                behind.push(0);
            }
            record.extend(place(&behind).to_le_bytes());
            record.extend((pointers.len() as u32).to_le_bytes());
            behind.extend(pointers.iter().flat_map(|(at, length)| [at.to_le_bytes(), length.to_le_bytes()]).flatten());
        }
        assert_eq!(record.len(), RECORD_BYTES);
        record.extend(behind);
        assert!(record.len() < (TEXTS - DESCRIPTION) as usize);
        record
    }
}

/// Imports of the contract, as core functions.
pub(crate) mod import {
    pub(crate) const LOG: &str = r#"(import "questline:flow/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#;
    pub(crate) const CLOCK: &str = r#"(import "questline:flow/clock@0.1.0" "now" (func $now (result i64)))"#;
    pub(crate) const RANDOM: &str = r#"(import "questline:flow/random@0.1.0" "next" (func $random (result i64)))"#;
    pub(crate) const PROFILE: &str = r#"(import "questline:flow/players@0.1.0" "profile" (func $profile (param i32)))"#;
    pub(crate) const BALANCES: &str = r#"(import "questline:flow/players@0.1.0" "balances" (func $balances (param i32)))"#;
    pub(crate) const BACKEND: &str = r#"(import "questline:flow/backend@0.1.0" "call" (func $backend (param i32 i32 i32 i32 i32)))"#;
}

/// Instructions that answer with this state and nothing else.
pub(crate) fn answer_state(at: u32, length: u32) -> String {
    format!(
        "(i32.store8 (i32.const {}) (i32.const 1))
         (i32.store (i32.const {}) (i32.const {at}))
         (i32.store (i32.const {}) (i32.const {length}))
         (i32.const {ANSWER})",
        ANSWER + 4,
        ANSWER + 8,
        ANSWER + 12,
    )
}

/// Instructions that answer with a list of `count` effects that stand at `at`.
pub(crate) fn answer_effects(at: u32, count: u32) -> String {
    format!(
        "(i32.store (i32.const {}) (i32.const {at}))
         (i32.store (i32.const {}) (i32.const {count}))
         (i32.const {ANSWER})",
        ANSWER + 16,
        ANSWER + 20,
    )
}

/// A guest that replies with the text of the message it is handed.
pub(crate) fn echo() -> Guest {
    // Of the input: conversation (136 bytes), then the event: a message's text is at 168. Of an effect: its payload is at 8,
    // the reply's content at 8 too, and the text in it at 12.
    let effect = ANSWER + 256;
    Guest::handling(format!(
        "(i32.store (i32.const {text}) (i32.load offset=168 (local.get $input)))
         (i32.store (i32.const {length}) (i32.load offset=172 (local.get $input)))
         {answer}",
        text = effect + 12,
        length = effect + 16,
        answer = answer_effects(effect, 1),
    ))
}

fn escape(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "\\{byte:02x}");
        text
    })
}
