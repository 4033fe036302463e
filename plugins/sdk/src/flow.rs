//! The trait that a flow implements, and the macro that makes it the component's export.
use crate::bindings::exports::questline::flow::guest::Guest;
use crate::types::{Conversation, Event};
use crate::{Description, FlowError, Outcome};

/// One flow: a function from an event and a snapshot of the conversation to new state and effects.
pub trait Flow {
    /// Who this flow is and what it needs. Called once when it is uploaded, with no import at hand but `log`.
    fn describe() -> Description;

    /// Answers one event. Nothing of the answer happens before the host has committed all of it.
    ///
    /// # Errors
    /// [`FlowError::Transient`] has the event tried again later, [`FlowError::Permanent`] makes it a dead letter.
    fn handle(conversation: &Conversation, event: Event) -> Result<Outcome, FlowError>;

    /// Turns the state (JSON) that `from_version` of this flow kept into this version's.
    ///
    /// # Errors
    /// Says why not. As long as a flow has one state version there is nothing to do.
    fn migrate(from_version: u32, _state: &str) -> Result<String, String> {
        Err(format!("no way from state version {from_version}"))
    }
}

/// What the generated exports call: the flow `F`, its panics told to the host.
#[doc(hidden)]
pub struct Component<F>(core::marker::PhantomData<F>);

impl<F: Flow> Guest for Component<F> {
    fn describe() -> Description {
        #[cfg(target_arch = "wasm32")]
        crate::panic_hook::install();
        F::describe()
    }

    fn handle(conversation: Conversation, event: Event) -> Result<Outcome, FlowError> {
        #[cfg(target_arch = "wasm32")]
        crate::panic_hook::install();
        F::handle(&conversation, event)
    }

    fn migrate(from_version: u32, state: String) -> Result<String, String> {
        #[cfg(target_arch = "wasm32")]
        crate::panic_hook::install();
        F::migrate(from_version, &state)
    }
}

/// Makes a [`Flow`] the export of this crate's component. Once per crate.
#[macro_export]
macro_rules! export {
    ($flow:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $crate::Component<$flow>;
    $crate::bindings::export_world!(Exported with_types_in $crate::bindings);
        };
    };
}
