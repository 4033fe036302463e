//! `intents`: what a text is about.

use questline_core::capability::Capability;
use questline_core::intent::Intent as CoreIntent;

use crate::bindings::intents::{Host, Intent};
use crate::bindings::types::ImportError;
use crate::state::{State, not_granted};

/// Bytes of a text: WhatsApp's longest message has 4096 characters.
const TEXT_BYTES_MAX: usize = 16 * 1024;

const IMPORT: &str = "intents.classify";

impl Host for State {
    fn classify(&mut self, text: String) -> wasmtime::Result<Result<Vec<Intent>, ImportError>> {
        let caller = self.enter(IMPORT, text.len())?;
        if !caller.grants.has(Capability::Intents) {
            return Ok(Err(not_granted(Capability::Intents).into()));
        }
        if text.len() > TEXT_BYTES_MAX {
            return Ok(Err(ImportError::Invalid(format!("a text has at most {TEXT_BYTES_MAX} bytes"))));
        }
        let intents = std::sync::Arc::clone(&caller.services.intents);
        let request = serde_json::to_string(&text)?;
        let found: Vec<CoreIntent> = match self.recorded(IMPORT, &request)? {
            Some(found) => found,
            None => intents.classify(&text),
        };
        self.record(IMPORT, request, &found)?;
        Ok(Ok(found.into_iter().map(|CoreIntent { name, confidence }| Intent { name, confidence }).collect()))
    }
}
