//! A component with its imports linked and its exports found and proven: what a call starts from.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, Instance, InstancePre, Lift, Lower, TypedFunc};
use wasmtime::{AsContextMut, Store};

use crate::bindings::guest::{Description, FlowError, Outcome};
use crate::bindings::types::{Conversation, Event};
use crate::engine::Engine;
use crate::load::LoadError;
use crate::state::State;
use crate::trap::{Stop, words};
use crate::world::CONTRACT;

type DescribeResults = (Description,);
type HandleParameters<'a> = (&'a Conversation<'a>, &'a Event<'a>);
type HandleResults = (Result<Outcome, FlowError>,);
type MigrateParameters<'a> = (u32, &'a str);
type MigrateResults = (Result<String, String>,);

/// Imports are resolved once, when a flow is loaded, and so are the places and types of its exports: looking at types as
/// large as the contract's in every call would cost more than small calls do.
pub(crate) struct Linked {
    pre: InstancePre<State>,
    describe: ComponentExportIndex,
    handle: ComponentExportIndex,
    migrate: ComponentExportIndex,
}

impl Linked {
    /// Links `component`, and proves that its exports have the contract's types.
    pub(crate) fn new(engine: &Engine, component: &Component) -> Result<Self, LoadError> {
        let pre = engine.linker().instantiate_pre(component).map_err(|error| mismatch(format!("{error:#}")))?;
        let name = format!("questline:flow/guest@{CONTRACT}");
        let guest = component.get_export_index(None, &name).ok_or_else(|| mismatch(format!("{name} is not there")))?;
        let describe = export::<(), DescribeResults>(&pre, &guest, "describe")?;
        let handle = export::<HandleParameters<'_>, HandleResults>(&pre, &guest, "handle")?;
        let migrate = export::<MigrateParameters<'_>, MigrateResults>(&pre, &guest, "migrate")?;
        Ok(Self { pre, describe, handle, migrate })
    }

    pub(crate) async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Instance> {
        self.pre.instantiate_async(store).await
    }

    pub(crate) async fn call_describe(&self, instance: &Instance, store: &mut Store<State>) -> wasmtime::Result<Description> {
        // SAFETY: `new` proved that this export has these parameters and results.
        #[allow(unsafe_code)]
        let describe = unsafe { function::<(), DescribeResults>(instance, store, &self.describe) }?;
        let (description,) = describe.call_async(store, ()).await?;
        Ok(description)
    }

    pub(crate) async fn call_handle(
        &self,
        instance: &Instance,
        store: &mut Store<State>,
        conversation: &Conversation<'_>,
        event: &Event<'_>,
    ) -> wasmtime::Result<Result<Outcome, FlowError>> {
        // SAFETY: `new` proved that this export has these parameters and results.
        #[allow(unsafe_code)]
        let handle = unsafe { function::<HandleParameters<'_>, HandleResults>(instance, store, &self.handle) }?;
        let (answer,) = handle.call_async(store, (conversation, event)).await?;
        Ok(answer)
    }

    pub(crate) async fn call_migrate(
        &self,
        instance: &Instance,
        store: &mut Store<State>,
        from_version: u32,
        state: &str,
    ) -> wasmtime::Result<Result<String, String>> {
        // SAFETY: `new` proved that this export has these parameters and results.
        #[allow(unsafe_code)]
        let migrate = unsafe { function::<MigrateParameters<'_>, MigrateResults>(instance, store, &self.migrate) }?;
        let (migrated,) = migrate.call_async(store, (from_version, state)).await?;
        Ok(migrated)
    }
}

fn mismatch(detail: String) -> LoadError {
    LoadError::Mismatch { detail: words(detail) }
}

/// Finds an exported function and proves its type.
fn export<Parameters, Results>(
    pre: &InstancePre<State>,
    guest: &ComponentExportIndex,
    name: &str,
) -> Result<ComponentExportIndex, LoadError>
where
    Parameters: ComponentNamedList + Lower,
    Results: ComponentNamedList + Lift,
{
    match pre.component().get_export(Some(guest), name) {
        Some((ComponentItem::ComponentFunc(function), index)) => {
            let proven = function.typecheck::<Parameters, Results>(&pre.instance_type());
            proven.map_err(|error| mismatch(format!("guest.{name}: {error:#}")))?;
            Ok(index)
        }
        Some(_) => Err(mismatch(format!("guest.{name} is no function"))),
        None => Err(mismatch(format!("guest.{name} is not there"))),
    }
}

/// The function at `index` of an instance.
///
/// # Safety
/// It must have been proven, as [`export`] does for the component of this instance, to have these parameters and results.
#[allow(unsafe_code)]
unsafe fn function<Parameters, Results>(
    instance: &Instance,
    store: &mut Store<State>,
    index: &ComponentExportIndex,
) -> Result<TypedFunc<Parameters, Results>, Stop>
where
    Parameters: ComponentNamedList + Lower,
    Results: ComponentNamedList + Lift,
{
    let function = instance.get_func(store.as_context_mut(), index).ok_or_else(|| Stop::Host("an export is gone".into()))?;
    // SAFETY: the caller's promise.
    Ok(unsafe { TypedFunc::new_unchecked(function) })
}
