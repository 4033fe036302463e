//! Meta's answers, read into what is known.

use questline_core::event::Wamid;
use questline_core::send::SendOutcome;
use serde::Deserialize;

use super::GraphError;
use crate::error_table;

/// Bytes of an answer to a send: Meta's have a few hundred.
pub(super) const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a wamid; Meta's have about 60.
const WAMID_BYTES_MAX: usize = 512;

#[derive(Deserialize)]
struct Accepted<'a> {
    #[serde(borrow)]
    messages: Vec<AcceptedMessage<'a>>,
}

#[derive(Deserialize)]
struct AcceptedMessage<'a> {
    #[serde(borrow)]
    id: std::borrow::Cow<'a, str>,
}

#[derive(Deserialize)]
struct Refused {
    error: MetaError,
}

#[derive(Deserialize)]
struct MetaError {
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    error_data: Option<ErrorData>,
}

#[derive(Deserialize)]
struct ErrorData {
    #[serde(default)]
    details: Option<String>,
}

#[derive(Deserialize)]
struct Success {
    success: bool,
}

/// What came of a send.
pub(super) fn outcome(status: u16, answer: &[u8]) -> SendOutcome {
    if (200..300).contains(&status) {
        let id = serde_json::from_slice::<Accepted<'_>>(answer).ok().and_then(|accepted| {
            let id = &accepted.messages.first()?.id;
            (1..=WAMID_BYTES_MAX).contains(&id.len()).then(|| Wamid(id.as_ref().into()))
        });
        return match id {
            Some(wamid) => SendOutcome::Accepted { wamid },
            None => SendOutcome::Unknown { reason: format!("HTTP {status} without a message id") },
        };
    }
    match refusal(status, answer) {
        Some((code, detail)) => SendOutcome::Refused(error_table::refusal(code, status, &detail)),
        // Not from the API but from something before it.
        None => SendOutcome::Refused(error_table::refusal(UNKNOWN_CODE, status, "an answer that is not the API's")),
    }
}

/// No row of the table has it: the HTTP status decides.
const UNKNOWN_CODE: u32 = u32::MAX;

fn refusal(_status: u16, answer: &[u8]) -> Option<(u32, String)> {
    let error = serde_json::from_slice::<Refused>(answer).ok()?.error;
    let details = error.error_data.and_then(|data| data.details).unwrap_or(error.message);
    Some((u32::try_from(error.code).ok()?, details))
}

/// The error of a call that is no send.
pub(super) fn error(status: u16, answer: &[u8]) -> GraphError {
    match refusal(status, answer) {
        Some((code, detail)) => GraphError::Refused { code, http_status: status, detail: error_table::refusal(code, status, &detail).detail },
        None => GraphError::Unreadable(format!("HTTP {status}")),
    }
}

/// `{"success": true}`.
pub(super) fn success(status: u16, answer: &[u8]) -> Result<(), GraphError> {
    match serde_json::from_slice::<Success>(answer) {
        Ok(Success { success: true }) if (200..300).contains(&status) => Ok(()),
        _ => Err(error(status, answer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use questline_core::send::Reaction;

    #[test]
    fn accepted_is_what_has_an_id() {
        let body = br#"{"messaging_product":"whatsapp","contacts":[{"input":"+15550100","wa_id":"15550100"}],"messages":[{"id":"wamid.X"}]}"#;
        assert_eq!(outcome(200, body), SendOutcome::Accepted { wamid: Wamid("wamid.X".into()) });
        for unreadable in [&b""[..], b"{}", b"<html>", br#"{"messages":[]}"#, br#"{"messages":[{"id":""}]}"#] {
            assert!(matches!(outcome(200, unreadable), SendOutcome::Unknown { .. }));
        }
    }

    #[test]
    fn refusals_go_by_code_then_by_status() {
        let body = br#"{"error":{"message":"(#131026) Message undeliverable","type":"OAuthException","code":131026,"error_data":{"details":"Recipient has no WhatsApp"}}}"#;
        let SendOutcome::Refused(error) = outcome(400, body) else { panic!("not refused") };
        assert_eq!((error.code, error.reaction), (131_026, Reaction::DeadLetter));
        let SendOutcome::Refused(error) = outcome(502, b"<html>Bad Gateway</html>") else { panic!("not refused") };
        assert!(matches!(error.reaction, Reaction::Retry(_)), "{error:?}");
        let SendOutcome::Refused(error) = outcome(429, b"slow down") else { panic!("not refused") };
        assert!(matches!(error.reaction, Reaction::Pause { .. }), "{error:?}");
    }
}
