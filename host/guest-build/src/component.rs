//! Makes the component of a core module, and refuses what no host would take: better here than at upload.
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// All that a guest may import lies in this package.
const CONTRACT: &str = "questline:flow/";
/// What makes a module a flow.
const GUEST: &str = "questline:flow/guest@";

/// Why a module is not a flow.
#[derive(Debug, thiserror::Error)]
pub enum NotAFlow {
    /// It wants something that no host of flows has.
    #[error(
        "it imports `{name}` from `{module}`, and a flow can import only {CONTRACT}*: a dependency wants the operating \
         system or JavaScript"
    )]
    ForeignImport {
        /// The import's module.
        module: String,
        /// The import's name.
        name: String,
    },
    /// It exports no flow.
    #[error("it exports no {GUEST}...: write `questline_sdk::export!(YourFlow);` in its lib.rs")]
    NoExport,
    /// The module cannot be read, or the component not be made of it.
    #[error("{0}")]
    Broken(String),
}

/// The component of a core module that was compiled with the SDK.
pub(crate) fn encode(module: &[u8]) -> Result<Vec<u8>, NotAFlow> {
    let broken = |error: wasmparser::BinaryReaderError| NotAFlow::Broken(error.to_string());
    let mut exports_guest = false;
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(broken)? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.map_err(broken)?;
                    if !import.module.starts_with(CONTRACT) {
                        let (module, name) = (import.module.to_owned(), import.name.to_owned());
                        return Err(NotAFlow::ForeignImport { module, name });
                    }
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    exports_guest |= export.map_err(broken)?.name.starts_with(GUEST);
                }
            }
            _ => {}
        }
    }
    if !exports_guest {
        return Err(NotAFlow::NoExport);
    }
    ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| NotAFlow::Broken(format!("{error:#}")))
}
