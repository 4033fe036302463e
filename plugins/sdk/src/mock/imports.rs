//! The imports, answered by the host of this thread. Same names and signatures as in the component.

use super::HOST;
use crate::Capability;
use crate::types::ImportError;

/// Notes that the flow used an import. Not granted where the host of this thread withholds it.
fn enter(capability: Capability) -> Result<(), ImportError> {
    HOST.with_borrow_mut(|host| {
        host.used.insert(capability.name());
        if host.withheld.contains(capability.name()) { Err(ImportError::NotGranted(capability.name().to_owned())) } else { Ok(()) }
    })
}

/// Operations of the studio's backend.
pub(crate) mod backend {
    use super::HOST;
    use crate::types::ImportError;

    /// Calls an operation with a JSON request.
    ///
    /// # Errors
    /// What the mock's operation answers.
    pub fn call(operation: &str, request: &str) -> Result<String, ImportError> {
        super::enter(crate::Capability::Backend)?;
        // Out of the host while it runs, so that it may itself use the imports.
        let taken = HOST.with_borrow_mut(|host| {
            host.called.push((operation.to_owned(), request.to_owned()));
            host.operations.remove_entry(operation)
        });
        let Some((name, mut answer)) = taken else {
            return Err(ImportError::NotGranted(operation.to_owned()));
        };
        let answered = answer(request);
        HOST.with_borrow_mut(|host| host.operations.insert(name, answer));
        answered
    }
}

/// The time.
pub mod clock {
    /// Milliseconds since 1970.
    #[must_use]
    pub fn now() -> u64 {
        let _ = super::enter(crate::Capability::Clock);
        super::HOST.with_borrow(|host| host.now_ms)
    }
}

/// The game's texts.
pub mod copy {
    use crate::types::ImportError;

    /// The text of `key` in the locale nearest to `locale`.
    ///
    /// # Errors
    /// What the mock's texts answer.
    pub fn text(key: &str, locale: &str, arguments: &[(String, String)]) -> Result<String, ImportError> {
        super::enter(crate::Capability::Copy)?;
        super::HOST.with_borrow(|host| (host.copy)(key, locale, arguments))
    }
}

/// What a text is about.
pub mod intents {
    pub use crate::bindings::questline::flow::intents::Intent;
    use crate::types::ImportError;

    /// Likeliest first.
    ///
    /// # Errors
    /// What the mock's classifier answers.
    pub fn classify(text: &str) -> Result<Vec<Intent>, ImportError> {
        super::enter(crate::Capability::Intents)?;
        super::HOST.with_borrow(|host| (host.classify)(text))
    }
}

/// Lines for the studio's eyes.
pub mod log {
    pub use crate::bindings::questline::flow::log::Level;

    /// Writes a line.
    pub fn write(level: Level, message: &str) {
        let _ = super::enter(crate::Capability::Log);
        super::HOST.with_borrow_mut(|host| host.logged.push((level, message.to_owned())));
    }
}

/// The player of the conversation.
pub mod players {
    pub use crate::bindings::questline::flow::players::{DeviceMatch, PlayerBalances, PlayerProfile, Purchase};
    use crate::types::ImportError;

    /// Who they are.
    ///
    /// # Errors
    /// What the mock was given.
    pub fn profile() -> Result<PlayerProfile, ImportError> {
        super::enter(crate::Capability::Players)?;
        super::HOST.with_borrow(|host| host.profile.clone())
    }

    /// What they own.
    ///
    /// # Errors
    /// What the mock was given.
    pub fn balances() -> Result<PlayerBalances, ImportError> {
        super::enter(crate::Capability::Players)?;
        super::HOST.with_borrow(|host| host.balances.clone())
    }

    /// What they bought last.
    ///
    /// # Errors
    /// What the mock was given.
    pub fn last_purchase() -> Result<Option<Purchase>, ImportError> {
        super::enter(crate::Capability::Players)?;
        super::HOST.with_borrow(|host| host.last_purchase.clone())
    }

    /// Whether they use the device.
    ///
    /// # Errors
    /// What the mock was given.
    pub fn check_device(fingerprint: &str) -> Result<DeviceMatch, ImportError> {
        super::enter(crate::Capability::Players)?;
        super::HOST.with_borrow(|host| match &host.devices {
            None => host.device.clone(),
            Some(devices) if devices.is_empty() => Ok(DeviceMatch::Unknown),
            Some(devices) if devices.contains(fingerprint) => Ok(DeviceMatch::Same),
            Some(_) => Ok(DeviceMatch::Different),
        })
    }
}

/// Randomness.
pub mod random {
    /// The next number.
    #[must_use]
    pub fn next() -> u64 {
        let _ = super::enter(crate::Capability::Random);
        super::HOST.with_borrow_mut(|host| {
            host.random = host.random.wrapping_add(1);
            host.random
        })
    }
}
