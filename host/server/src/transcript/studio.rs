//! A scene's studio: the sample backend, with answers that the scene sets, and a note of every call.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use questline_core::id::PlayerId;
use questline_core::port::{Backend, ServiceError};
use serde_json::Value;

use super::script::BackendAnswer;

/// The backend.
pub(super) struct SceneBackend {
    sample: Arc<dyn Backend>,
    declared: BTreeSet<String>,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    answers: HashMap<String, BackendAnswer>,
    calls: Vec<(String, Value)>,
}

impl SceneBackend {
    pub(super) fn new(sample: Arc<dyn Backend>, declared: BTreeSet<String>) -> Self {
        Self { sample, declared, notes: Mutex::default() }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers so from now on.
    pub(super) fn set(&self, operation: &str, answer: BackendAnswer) -> Result<(), String> {
        if !self.declared.contains(operation) {
            let known = self.declared.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(format!("game.toml declares no operation {operation:?}; it declares: {known}"));
        }
        self.notes().answers.insert(operation.to_owned(), answer);
        Ok(())
    }

    /// Operations called since this was last asked, with their requests.
    pub(super) fn take_calls(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.notes().calls)
    }
}

#[async_trait]
impl Backend for SceneBackend {
    async fn call(&self, operation: &str, player: Option<&PlayerId>, request: &str, idempotency_key: &str) -> Result<String, ServiceError> {
        let answer = {
            let mut notes = self.notes();
            let document = serde_json::from_str(request).unwrap_or_else(|_| Value::String(request.to_owned()));
            notes.calls.push((operation.to_owned(), document));
            notes.answers.get(operation).cloned().unwrap_or(BackendAnswer::AsUsual)
        };
        match answer {
            BackendAnswer::With(document) => Ok(document.to_string()),
            BackendAnswer::Fails(error) => Err(error),
            BackendAnswer::AsUsual => self.sample.call(operation, player, request, idempotency_key).await,
        }
    }
}
