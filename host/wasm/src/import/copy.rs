//! `copy`: the game's texts, in the player's language.

use questline_core::capability::Capability;

use crate::bindings::copy::Host;
use crate::bindings::types::ImportError;
use crate::state::{State, not_granted};

/// Bytes of a key.
const KEY_BYTES_MAX: usize = 256;
/// Bytes of a language tag.
const LOCALE_BYTES_MAX: usize = 64;
/// Variables of a text.
const ARGUMENTS_MAX: usize = 64;
/// Bytes of all variables together.
const ARGUMENT_BYTES_MAX: usize = 16 * 1024;

const IMPORT: &str = "copy.text";

impl Host for State {
    fn text(&mut self, key: String, locale: String, arguments: Vec<(String, String)>) -> wasmtime::Result<Result<String, ImportError>> {
        let argument_bytes = arguments.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let caller = self.enter(IMPORT, key.len() + locale.len() + argument_bytes)?;
        if !caller.grants.has(Capability::Copy) {
            return Ok(Err(not_granted(Capability::Copy).into()));
        }
        if key.len() > KEY_BYTES_MAX || locale.len() > LOCALE_BYTES_MAX {
            return Ok(Err(ImportError::Invalid("the key or the language tag is too long".into())));
        }
        if arguments.len() > ARGUMENTS_MAX || argument_bytes > ARGUMENT_BYTES_MAX {
            return Ok(Err(ImportError::Invalid(format!(
                "a text takes at most {ARGUMENTS_MAX} variables of {ARGUMENT_BYTES_MAX} bytes together"
            ))));
        }
        let copy = std::sync::Arc::clone(&caller.services.copy);
        let request = serde_json::to_string(&(&key, &locale, &arguments))?;
        let answer = match self.recorded(IMPORT, &request)? {
            Some(answer) => answer,
            None => copy.text(&key, &locale, &arguments),
        };
        self.record(IMPORT, request, &answer)?;
        Ok(answer.map_err(Into::into))
    }
}
