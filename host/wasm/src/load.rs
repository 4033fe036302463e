//! From bytes that somebody uploaded to a flow that can be called: checked, compiled, linked, and asked who it is.

use std::sync::Arc;

use questline_core::capability::{Capability, Grants, UnknownCapability};
use questline_core::flow::{FlowDescription, FlowFailure, FlowLimits};
use ring::digest::{SHA256, digest};
use wasmtime::component::Component;

use crate::bindings::guest::Description;
use crate::cache::{Digest, hex};
use crate::call;
use crate::engine::Engine;
use crate::linked::Linked;
use crate::trap::{cut, words};
use crate::world::{self, CONTRACT};

/// Events that a flow can ask for.
const EVENTS: [&str; 9] =
    ["message", "status", "game-event", "timer", "authenticated", "code-rejected", "ticket-closed", "handed-over", "extension"];
/// Bytes of a flow's name and of its version.
const NAME_BYTES_MAX: usize = 64;

/// A file that is to become a flow.
#[derive(Debug, Clone)]
pub struct LoadRequest {
    /// The component.
    pub bytes: Vec<u8>,
    /// What game and operator grant.
    pub grants: Grants,
    /// What the flow may use up while it describes itself.
    pub limits: FlowLimits,
}

/// Why a file is not taken as a flow.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Over [`crate::EngineOptions::component_bytes_max`].
    #[error(
        "the component has {found} bytes; at most {max} are taken. Build it in release mode, and without debug information but line tables"
    )]
    TooLarge {
        /// Bytes.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// Machine code could do anything.
    #[error("this is native code; upload the component that it was compiled from")]
    NativeCode,
    /// Neither a component nor a module.
    #[error("this is no WebAssembly file")]
    NotWasm,
    /// A module says nothing of the contract.
    #[error("this is a core module, not a component: make a component of it with `questline flow build`")]
    CoreModule,
    /// Damaged, or made by a tool that knows better than the standard.
    #[error("the component is malformed: {detail}")]
    Malformed {
        /// What is wrong, and where.
        detail: String,
    },
    /// Nothing but the contract's interfaces is there.
    #[error(
        "the component imports {import}, and a flow has nothing but the interfaces of questline:flow: build it for wasm32-unknown-unknown, without WASI"
    )]
    ForeignImport {
        /// The import.
        import: String,
    },
    /// An interface that the contract does not have.
    #[error("the component imports {import}, which the contract does not have in version {CONTRACT}")]
    UnknownInterface {
        /// The import.
        import: String,
    },
    /// Built for another version of the contract.
    #[error("{name} is of version {wants:?} of the contract; this host has {CONTRACT}: build the flow with the SDK of that version")]
    WrongVersion {
        /// The import or export.
        name: String,
        /// Its version.
        wants: String,
    },
    /// Nothing to call.
    #[error("the component exports no questline:flow/guest@{CONTRACT}, only: {}", list(.exports))]
    NoGuest {
        /// What it exports, or the first of it.
        exports: Vec<String>,
    },
    /// The import is not granted.
    #[error(
        "the component imports {import}, and {capability} is not granted: grant it in game.toml and in the host's configuration, or build without it"
    )]
    NotGranted {
        /// The import.
        import: String,
        /// What would have to be granted.
        capability: Capability,
    },
    /// It cannot be compiled for this engine.
    #[error("the component cannot be compiled: {detail}")]
    Compile {
        /// Why.
        detail: String,
    },
    /// Names fit, types do not.
    #[error("the component does not fit the contract {CONTRACT}: {detail}. Was it built for a draft of it?")]
    Mismatch {
        /// Where.
        detail: String,
    },
    /// Asked who it is, it failed.
    #[error("the flow fails when it is asked to describe itself: {0}")]
    Describe(FlowFailure),
    /// What it says of itself makes no sense.
    #[error("the flow's description is wrong: {problem}")]
    Description {
        /// What is wrong.
        problem: String,
    },
    /// A capability that no grant can name.
    #[error("the flow needs a capability that is none: {0}")]
    UnknownCapability(#[from] UnknownCapability),
    /// It needs more than is granted.
    #[error("the flow needs what is not granted: {}. Grant it in game.toml and in the host's configuration", list(.missing))]
    NeedsNotGranted {
        /// What is missing.
        missing: Vec<Capability>,
    },
    /// The host's own fault.
    #[error("the host failed: {0}")]
    Host(String),
}

fn list<T: ToString>(names: &[T]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.iter().map(T::to_string).collect::<Vec<_>>().join(", ") }
}

/// A flow that can be called.
pub struct LoadedFlow {
    engine: Engine,
    digest: Digest,
    imports: Vec<String>,
    description: Arc<FlowDescription>,
    from_cache: bool,
    pub(crate) linked: Linked,
}

impl LoadedFlow {
    /// Checks, compiles and links a component, and asks it who it is. Compilation runs beside the async runtime; code
    /// that was compiled before comes from the cache.
    ///
    /// # Errors
    /// Each reason to refuse a file is its own case.
    pub async fn load(engine: &Engine, request: LoadRequest) -> Result<Self, LoadError> {
        let LoadRequest { bytes, grants, limits } = request;
        let max = engine.options().component_bytes_max;
        if bytes.len() > max {
            return Err(LoadError::TooLarge { found: bytes.len(), max });
        }
        let compiler = engine.clone();
        let prepared = tokio::task::spawn_blocking(move || prepare(&compiler, &bytes, grants)).await;
        let Prepared { digest, imports, from_cache, linked } = prepared.map_err(|error| LoadError::Host(error.to_string()))??;
        let description = call::describe(engine, &linked, &limits).await.map_err(LoadError::Describe)?;
        let description = Arc::new(checked(description, grants)?);
        Ok(Self { engine: engine.clone(), digest, imports, description, from_cache, linked })
    }

    /// Whether a file can be a flow: its size, kind, imports and exports. Compiles nothing and runs nothing.
    ///
    /// # Errors
    /// As [`load`](Self::load), as far as the file alone tells.
    pub fn check(engine: &Engine, component: &[u8], grants: Grants) -> Result<(), LoadError> {
        let (found, max) = (component.len(), engine.options().component_bytes_max);
        if found > max {
            return Err(LoadError::TooLarge { found, max });
        }
        world::check(component, grants).map(|_| ())
    }

    /// What it says of itself.
    pub fn description(&self) -> &Arc<FlowDescription> {
        &self.description
    }

    /// SHA-256 of the component, in hexadecimal digits.
    pub fn digest(&self) -> String {
        hex(&self.digest)
    }

    /// What it imports, with versions.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Whether compiled code was found, so that nothing had to be compiled.
    pub fn is_from_cache(&self) -> bool {
        self.from_cache
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }
}

impl std::fmt::Debug for LoadedFlow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadedFlow").field("digest", &self.digest()).field("description", &self.description).finish_non_exhaustive()
    }
}

impl Engine {
    /// Compiles a component into the cache, and nothing more: the part of loading that can take any time and memory. Blocks.
    ///
    /// # Errors
    /// When it cannot be compiled, or there is no cache to keep it in.
    pub fn compile(&self, bytes: &[u8]) -> Result<(), LoadError> {
        let cache = self.cache().ok_or_else(|| LoadError::Host("there is no cache of compiled code".into()))?;
        let code = compile(self.wasm(), bytes)?;
        cache.store(&digest_of(bytes)?, &code).map_err(|error| LoadError::Host(error.to_string()))
    }

    /// Whether the cache has a component's compiled code.
    pub fn is_compiled(&self, bytes: &[u8]) -> bool {
        self.cache().zip(digest_of(bytes).ok()).is_some_and(|(cache, digest)| cache.has(&digest))
    }
}

fn digest_of(bytes: &[u8]) -> Result<Digest, LoadError> {
    digest(&SHA256, bytes).as_ref().try_into().map_err(|_| LoadError::Host("SHA-256 has 32 bytes".into()))
}

struct Prepared {
    digest: Digest,
    imports: Vec<String>,
    from_cache: bool,
    linked: Linked,
}

fn prepare(engine: &Engine, bytes: &[u8], grants: Grants) -> Result<Prepared, LoadError> {
    let imports = world::check(bytes, grants)?;
    let digest = digest_of(bytes)?;
    let cached = engine.cache().and_then(|cache| cache.load(engine.wasm(), &digest));
    let from_cache = cached.is_some();
    let component = match cached {
        Some(component) => component,
        None => compiled(engine, &digest, bytes)?,
    };
    Ok(Prepared { digest, imports, from_cache, linked: Linked::new(engine, &component)? })
}

/// Machine code of a component, as bytes: the one place that compiles, so that it can move to a process of its own.
fn compile(engine: &wasmtime::Engine, bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
    engine.precompile_component(bytes).map_err(|error| LoadError::Compile { detail: words(format!("{error:#}")) })
}

fn compiled(engine: &Engine, digest: &Digest, bytes: &[u8]) -> Result<Component, LoadError> {
    let code = compile(engine.wasm(), bytes)?;
    if let Some(cache) = engine.cache()
        && let Err(error) = cache.store(digest, &code)
    {
        tracing::warn!(%error, "compiled code cannot be kept: the next start compiles it again");
    }
    // SAFETY: these bytes come from `precompile_component` of this very engine, a moment ago, and never left its memory.
    #[allow(unsafe_code)]
    unsafe { Component::deserialize(engine.wasm(), &code) }.map_err(|error| LoadError::Compile { detail: words(format!("{error:#}")) })
}

/// The description, once it makes sense and what it needs is granted.
fn checked(description: Description, grants: Grants) -> Result<FlowDescription, LoadError> {
    let Description { name, version, state_version, events, capabilities } = description;
    let wrong = |problem: String| Err(LoadError::Description { problem });
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_name) {
        return wrong(format!("the name must be 1 to {NAME_BYTES_MAX} characters of a-z, 0-9 and -"));
    }
    if version.len() > NAME_BYTES_MAX || semver::Version::parse(&version).is_err() {
        return wrong("the version must be a semantic one, for instance 1.0.3".into());
    }
    if events.is_empty() || events.len() > EVENTS.len() {
        return wrong(format!("it must want one event at least, and each once: {}", EVENTS.join(", ")));
    }
    if let Some(event) = events.iter().find(|event| !EVENTS.contains(&event.as_str())) {
        return wrong(format!("there is no event {:?}; there are: {}", cut(event, NAME_BYTES_MAX), EVENTS.join(", ")));
    }
    if capabilities.len() > Capability::ALL.len() {
        return wrong("it names more capabilities than there are".into());
    }
    let parse = |name: String| name.parse::<Capability>().map_err(|_| UnknownCapability(words(name)));
    let needs: Grants = capabilities.into_iter().map(parse).collect::<Result<Vec<_>, _>>()?.into_iter().collect();
    let missing: Vec<Capability> = needs.iter().filter(|capability| !grants.has(*capability)).collect();
    if !missing.is_empty() {
        return Err(LoadError::NeedsNotGranted { missing });
    }
    Ok(FlowDescription { name, version, state_version, events, needs })
}
