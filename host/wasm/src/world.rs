//! Whether a file is a flow at all, told before anything of it is compiled, and in words that name what is wrong.

use questline_core::capability::{Capability, Grants};
use semver::Version;
use wasmparser::{Parser, Payload};

use crate::load::LoadError;
use crate::trap::{cut, words};

/// The contract's package.
const PACKAGE: &str = "questline:flow";
/// The contract's version: that of `wit/`.
pub(crate) const CONTRACT: Version = Version::new(0, 1, 0);
/// The interface that a flow exports.
const GUEST: &str = "guest";
/// Bytes of a name, and names of a list, that a refusal tells.
const NAME_BYTES_MAX: usize = 256;
const NAMES_MAX: usize = 16;
/// The interface that has types alone.
const TYPES: &str = "types";

/// Checks the file's kind, its imports against contract and grants, and that it exports a flow. The imports it has.
pub(crate) fn check(bytes: &[u8], grants: Grants) -> Result<Vec<String>, LoadError> {
    check_kind(bytes)?;
    let (imports, exports) = names(bytes)?;
    for import in &imports {
        check_import(import, grants)?;
    }
    check_exports(&exports)?;
    Ok(imports)
}

fn check_kind(bytes: &[u8]) -> Result<(), LoadError> {
    if wasmtime::Engine::detect_precompiled(bytes).is_some() || bytes.starts_with(b"\x7fELF") {
        return Err(LoadError::NativeCode);
    }
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => Ok(()),
        Some([0, b'a', b's', b'm', _, _, 0, 0]) => Err(LoadError::CoreModule),
        _ => Err(LoadError::NotWasm),
    }
}

/// Names of the component's own imports and exports; what is nested in it does not count.
fn names(bytes: &[u8]) -> Result<(Vec<String>, Vec<String>), LoadError> {
    let malformed = |error: wasmparser::BinaryReaderError| LoadError::Malformed { detail: words(error.to_string()) };
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(malformed)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import.map_err(malformed)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export.map_err(malformed)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

/// An interface of the contract's package: its name and its version. `None` for anything else.
fn ours(name: &str) -> Option<(&str, &str)> {
    let rest = name.strip_prefix(PACKAGE)?.strip_prefix('/')?;
    Some(rest.split_once('@').unwrap_or((rest, "")))
}

/// Versions before 1.0 are compatible within a minor version.
fn is_compatible(version: &str) -> bool {
    Version::parse(version)
        .is_ok_and(|version| version.pre.is_empty() && (version.major, version.minor) == (CONTRACT.major, CONTRACT.minor))
}

fn check_import(import: &str, grants: Grants) -> Result<(), LoadError> {
    let told = || cut(import, NAME_BYTES_MAX).to_owned();
    let Some((interface, version)) = ours(import) else {
        return Err(LoadError::ForeignImport { import: told() });
    };
    let capability = match interface {
        TYPES => None,
        "clock" => Some(Capability::Clock),
        "copy" => Some(Capability::Copy),
        "backend" => Some(Capability::Backend),
        "intents" => Some(Capability::Intents),
        "log" => Some(Capability::Log),
        "players" => Some(Capability::Players),
        "random" => Some(Capability::Random),
        _ => return Err(LoadError::UnknownInterface { import: told() }),
    };
    if !is_compatible(version) {
        return Err(LoadError::WrongVersion { name: told(), wants: cut(version, NAME_BYTES_MAX).to_owned() });
    }
    match capability {
        Some(capability) if !grants.has(capability) => Err(LoadError::NotGranted { import: told(), capability }),
        _ => Ok(()),
    }
}

fn check_exports(exports: &[String]) -> Result<(), LoadError> {
    let versions: Vec<&str> =
        exports.iter().filter_map(|name| ours(name)).filter(|(name, _)| *name == GUEST).map(|(_, version)| version).collect();
    if versions.iter().any(|version| is_compatible(version)) {
        return Ok(());
    }
    Err(match versions.first().map(|wants| cut(wants, NAME_BYTES_MAX)) {
        Some(wants) => LoadError::WrongVersion { name: format!("{PACKAGE}/{GUEST}@{wants}"), wants: wants.to_owned() },
        None => LoadError::NoGuest { exports: exports.iter().take(NAMES_MAX).map(|name| cut(name, NAME_BYTES_MAX).to_owned()).collect() },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_contracts_version_is_that_of_wit() {
        let world = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/world.wit")).unwrap();
        assert!(world.contains(&format!("package {PACKAGE}@{CONTRACT};")), "raise CONTRACT together with wit/");
    }

    #[test]
    fn versions_are_compatible_within_a_minor_version() {
        for (version, compatible) in
            [("0.1.0", true), ("0.1.9", true), ("0.2.0", false), ("1.1.0", false), ("0.1.0-draft", false), ("", false)]
        {
            assert_eq!(is_compatible(version), compatible, "{version}");
        }
    }

    #[test]
    fn every_import_is_known_granted_and_of_our_version() {
        let all = Grants::all();
        assert!(check_import("questline:flow/players@0.1.0", all).is_ok());
        assert!(check_import("questline:flow/types@0.1.3", Grants::default()).is_ok());
        assert!(matches!(check_import("wasi:cli/environment@0.2.0", all), Err(LoadError::ForeignImport { .. })));
        assert!(matches!(check_import("questline:flowers/players@0.1.0", all), Err(LoadError::ForeignImport { .. })));
        assert!(matches!(check_import("questline:flow/sockets@0.1.0", all), Err(LoadError::UnknownInterface { .. })));
        assert!(matches!(check_import("questline:flow/guest@0.1.0", all), Err(LoadError::UnknownInterface { .. })));
        assert!(matches!(check_import("questline:flow/players@0.2.0", all), Err(LoadError::WrongVersion { .. })));
        let none = Grants::default();
        assert!(matches!(
            check_import("questline:flow/players@0.1.0", none),
            Err(LoadError::NotGranted { capability: Capability::Players, .. })
        ));
    }
}
