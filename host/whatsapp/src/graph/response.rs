//! What Meta answers.

use hyper::StatusCode;
use questline_core::event::Wamid;
use questline_core::send::{SendError, SendOutcome};
use serde::Deserialize;

use crate::error_table;
use crate::lax::{List, Obj, Text};
use crate::meta_error::MetaError;

/// Bytes of a message's id; Meta's have about a hundred.
const WAMID_BYTES_MAX: usize = 512;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    messages: List<Obj<Sent<'a>>>,
    #[serde(borrow)]
    error: Obj<MetaError<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sent<'a> {
    #[serde(borrow)]
    id: Text<'a>,
}

/// What an answer says of the send.
pub(super) fn outcome(status: StatusCode, body: &[u8]) -> SendOutcome {
    let answer: Answer<'_> = serde_json::from_slice(body).unwrap_or_default();
    if let Some(error) = error(status, &answer.error) {
        return SendOutcome::Refused(error);
    }
    let http_status = status.as_u16();
    if status.is_success() {
        let first = answer.messages.into_items().into_iter().next();
        return match first.and_then(|sent| sent.0?.id.take_whole(WAMID_BYTES_MAX)) {
            Some(id) => SendOutcome::Accepted { wamid: Wamid(id.into()) },
            None => SendOutcome::Unknown { reason: format!("HTTP {http_status} without a message id") },
        };
    }
    match http_status {
        // Something between Meta and here has lost the answer, not the request.
        502 | 504 => SendOutcome::Unknown { reason: format!("HTTP {http_status} from a gateway") },
        _ => SendOutcome::Refused(unexplained(status)),
    }
}

/// The refusal in an answer to any call: Meta's where it has one, else by HTTP status.
pub(super) fn refusal(status: StatusCode, body: &[u8]) -> SendError {
    let answer: Answer<'_> = serde_json::from_slice(body).unwrap_or_default();
    error(status, &answer.error).unwrap_or_else(|| unexplained(status))
}

fn error(status: StatusCode, error: &Obj<MetaError<'_>>) -> Option<SendError> {
    let error = error.0.as_ref()?;
    Some(error_table::refusal(error.code()?, status.as_u16(), &error.words()))
}

/// A refusal without a code of Meta's. The HTTP status stands in for it: no code of Meta's lies between 400 and 599.
fn unexplained(status: StatusCode) -> SendError {
    let http_status = status.as_u16();
    error_table::refusal(u32::from(http_status), http_status, "the answer carries no error of Meta's")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use questline_core::send::Reaction;

    fn of(status: u16, body: &str) -> SendOutcome {
        outcome(StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    fn refused(status: u16, body: &str) -> SendError {
        match of(status, body) {
            SendOutcome::Refused(error) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn accepted_by_phone_by_bsuid_and_held_back() {
        for body in [
            r#"{"messaging_product":"whatsapp","contacts":[{"input":"+16505550123","wa_id":"16505550123"}],"messages":[{"id":"wamid.1"}]}"#,
            r#"{"messaging_product":"whatsapp","contacts":[{"input":"US.1","user_id":"US.1"}],"messages":[{"id":"wamid.1","message_status":"accepted"}]}"#,
            r#"{"messages":[{"id":"wamid.1","message_status":"held_for_quality_assessment"}],"beta":1}"#,
        ] {
            assert_eq!(of(200, body), SendOutcome::Accepted { wamid: Wamid("wamid.1".into()) });
        }
    }

    #[test]
    fn a_success_that_cannot_be_read_is_unknown() {
        for body in ["", "{}", "<html>", r#"{"messages":[]}"#, r#"{"messages":[{}]}"#, r#"{"messages":"wamid.1"}"#, r#"{"success":true}"#] {
            assert!(matches!(of(200, body), SendOutcome::Unknown { .. }), "{body}");
        }
    }

    #[test]
    fn refusals_go_by_metas_code() {
        let body = r#"{"error":{"message":"(#131047) Re-engagement message","type":"OAuthException","code":131047,
            "error_data":{"messaging_product":"whatsapp","details":"More than 24 hours have passed"},"fbtrace_id":"A1"}}"#;
        let error = refused(400, body);
        assert_eq!((error.code, error.http_status, error.reaction), (131_047, 400, Reaction::UseTemplate));
        assert_eq!(error.detail, "More than 24 hours have passed");
        let error = refused(401, r#"{"error":{"message":"Error validating access token","code":190,"error_subcode":463}}"#);
        assert!(error.alert && matches!(error.reaction, Reaction::Pause { .. }));
        assert_eq!(refused(200, r#"{"error":{"code":131000}}"#).code, 131_000, "even where HTTP says otherwise");
        assert_eq!(refused(400, r#"{"error":{"code":0}}"#).code, 0);
    }

    #[test]
    fn without_a_code_the_http_status_decides() {
        assert!(matches!(refused(503, "<html>").reaction, Reaction::Retry(_)));
        assert!(matches!(refused(429, "").reaction, Reaction::Pause { .. }));
        assert!(matches!(refused(401, "").reaction, Reaction::Pause { .. }), "the queue outlives a dead token");
        let error = refused(400, r#"{"error":{"message":"odd"}}"#);
        assert_eq!((error.code, error.reaction), (400, Reaction::DeadLetter));
        for gateway in [502, 504] {
            assert!(matches!(of(gateway, "<html>"), SendOutcome::Unknown { .. }));
        }
        assert_eq!(refused(302, "").reaction, Reaction::DeadLetter);
        for code in 400..600 {
            assert!(error_table::find(code).is_none(), "{code} would be taken for Meta's");
        }
    }
}
