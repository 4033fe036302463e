//! `backend`: named operations of the studio's own systems. No address, no header, no secret passes a flow.

use std::sync::Arc;

use questline_core::capability::Capability;
use questline_core::port::ServiceError;
use ring::digest::{Context, SHA256};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::bindings::backend::Host;
use crate::bindings::types::ImportError;
use crate::state::{State, not_granted};

/// Bytes of an operation's name.
const OPERATION_BYTES_MAX: usize = 128;
/// Bytes of a request.
const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

const IMPORT: &str = "backend.call";

#[derive(Serialize)]
struct Request<'a> {
    operation: &'a str,
    request: &'a RawValue,
}

impl Host for State {
    async fn call(&mut self, operation: String, request: String) -> wasmtime::Result<Result<String, ImportError>> {
        let caller = self.enter(IMPORT, operation.len() + request.len())?;
        if !caller.grants.has(Capability::Backend) {
            return Ok(Err(not_granted(Capability::Backend).into()));
        }
        let request = match checked(&operation, request) {
            Ok(request) => request,
            Err(problem) => return Ok(Err(ImportError::Invalid(problem))),
        };
        let record = serde_json::to_string(&Request { operation: &operation, request: &request })?;
        let digest = digest(&record);
        let earlier = caller.backend_requests.iter().filter(|other| **other == digest).count();
        caller.backend_requests.push(digest);
        let key = format!("{}-{digest:016x}-{earlier}", caller.idempotency_key);
        let (backend, player) = (Arc::clone(&caller.services.backend), caller.player.clone());
        let answer = match self.recorded(IMPORT, &record)? {
            Some(answer) => answer,
            None => backend.call(&operation, player.as_ref(), request.get(), &key).await.and_then(bounded),
        };
        self.record(IMPORT, record, &answer)?;
        Ok(answer.map_err(Into::into))
    }
}

/// A request that is one: a bounded JSON document for an operation with a name.
fn checked(operation: &str, request: String) -> Result<Box<RawValue>, String> {
    if operation.is_empty() || operation.len() > OPERATION_BYTES_MAX {
        return Err(format!("an operation's name has 1 to {OPERATION_BYTES_MAX} bytes"));
    }
    if request.len() > REQUEST_BYTES_MAX {
        return Err(format!("the request has {} bytes; at most {REQUEST_BYTES_MAX} are sent", request.len()));
    }
    RawValue::from_string(request).map_err(|error| format!("the request is not JSON: {error}"))
}

fn bounded(answer: String) -> Result<String, ServiceError> {
    if answer.len() > ANSWER_BYTES_MAX {
        return Err(ServiceError::Invalid(format!("the answer has {} bytes; a flow takes at most {ANSWER_BYTES_MAX}", answer.len())));
    }
    Ok(answer)
}

/// Tells requests apart: a step that is tried again and asks for something else is not taken for the same.
fn digest(record: &str) -> u64 {
    let mut context = Context::new(&SHA256);
    context.update(record.as_bytes());
    let digest = context.finish();
    digest.as_ref().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}
