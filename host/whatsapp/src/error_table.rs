//! Meta's error codes, and what to do about each: one table for refusals by answer and by webhook.
//!
//! Rules: "Error codes", Cloud API (v25.0). Meta asks to rely on the code, never on titles or the HTTP status; the status
//! decides only where the code is unknown.

use questline_core::event::StatusError;
use questline_core::retry::Backoff;
use questline_core::send::{Hold, PauseScope, Reaction, SendError};
use questline_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};

use crate::bound;

/// What Meta says about one code or a range of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The first code.
    pub first: u32,
    /// The last code; the first, if it is one code.
    pub last: u32,
    /// A short name, for logs and metrics.
    pub name: &'static str,
    /// What to do.
    pub reaction: Reaction,
    /// Operators should know.
    pub alert: bool,
}

const fn retry(base_ms: u64, ceiling_ms: u64, attempts_max: u32) -> Reaction {
    Reaction::Retry(Backoff { base_ms, ceiling_ms, attempts_max })
}

const fn throttled(scope: PauseScope, base_ms: u64, ceiling_ms: u64) -> Reaction {
    Reaction::Pause { scope, hold: Hold::Growing { base_ms, ceiling_ms } }
}

const fn mend(scope: PauseScope, probe_ms: u64) -> Reaction {
    Reaction::Pause { scope, hold: Hold::UntilMended { probe_ms } }
}

/// Meta's services are down or busy.
const SERVER_FAULT: Reaction = retry(SECOND_MS, 5 * MINUTE_MS, 8);
/// Nobody knows what it was.
const UNKNOWN_FAULT: Reaction = retry(2 * SECOND_MS, MINUTE_MS, 4);
/// One message each six seconds to one user; Meta asks for 4^X seconds after the X-th failure.
const PAIR_LIMIT: Reaction = retry(4 * SECOND_MS, 256 * SECOND_MS, 8);
/// A number does about 80 messages a second, so a second of silence empties its bucket.
const NUMBER_LIMIT: Reaction = throttled(PauseScope::Number, SECOND_MS, MINUTE_MS);
/// Meta counts calls by the hour.
const QUOTA_BASE_MS: u64 = MINUTE_MS;
const QUOTA_CEILING_MS: u64 = HOUR_MS;
/// How often a number that an operator has to mend is tried again.
const PROBE_MS: u64 = 5 * MINUTE_MS;

const DEAD: Reaction = Reaction::DeadLetter;
const STOP_NUMBER: Reaction = mend(PauseScope::Number, PROBE_MS);
const STOP_ACCOUNT: Reaction = mend(PauseScope::Account, 15 * MINUTE_MS);

const fn rule(code: u32, name: &'static str, reaction: Reaction, alert: bool) -> Rule {
    range(code, code, name, reaction, alert)
}

const fn range(first: u32, last: u32, name: &'static str, reaction: Reaction, alert: bool) -> Rule {
    Rule { first, last, name, reaction, alert }
}

/// The table, by rising code.
///
/// A dead token or permission stops the one number that it was used for, not all of them: other numbers may have other
/// tokens, and those that share it stop at their own next send.
pub const TABLE: &[Rule] = &[
    rule(0, "auth-failed", STOP_NUMBER, true),
    rule(1, "unknown-or-invalid", retry(2 * SECOND_MS, MINUTE_MS, 3), false),
    rule(2, "service-down", SERVER_FAULT, false),
    rule(3, "capability-missing", STOP_NUMBER, true),
    rule(4, "app-quota", throttled(PauseScope::App, QUOTA_BASE_MS, QUOTA_CEILING_MS), true),
    rule(10, "permission-missing", STOP_NUMBER, true),
    rule(33, "number-deleted", STOP_NUMBER, true),
    rule(100, "invalid-parameter", DEAD, false),
    rule(190, "token-expired", STOP_NUMBER, true),
    range(200, 299, "permission-missing", STOP_NUMBER, true),
    rule(368, "policy-block", STOP_ACCOUNT, true),
    rule(80_007, "account-quota", throttled(PauseScope::Account, QUOTA_BASE_MS, QUOTA_CEILING_MS), true),
    rule(130_429, "number-throughput", NUMBER_LIMIT, false),
    rule(130_472, "user-in-experiment", DEAD, false),
    rule(130_497, "country-restricted", DEAD, false),
    rule(131_000, "unknown-fault", UNKNOWN_FAULT, false),
    rule(131_005, "access-denied", STOP_NUMBER, true),
    rule(131_008, "parameter-missing", DEAD, true),
    rule(131_009, "parameter-invalid", DEAD, true),
    rule(131_016, "service-unavailable", SERVER_FAULT, false),
    rule(131_021, "recipient-is-sender", DEAD, false),
    rule(131_026, "undeliverable", DEAD, false),
    rule(131_030, "recipient-not-allowed", DEAD, false),
    rule(131_031, "account-locked", STOP_ACCOUNT, true),
    rule(131_037, "display-name-missing", STOP_NUMBER, true),
    rule(131_042, "payment-problem", STOP_ACCOUNT, true),
    rule(131_044, "payment-problem", STOP_ACCOUNT, true),
    rule(131_045, "not-registered", STOP_NUMBER, true),
    rule(131_047, "window-closed", Reaction::UseTemplate, false),
    rule(131_048, "spam-limit", throttled(PauseScope::Number, HOUR_MS, DAY_MS), true),
    rule(131_049, "marketing-cap", Reaction::SuppressMarketing { hold_ms: Some(DAY_MS) }, false),
    rule(131_050, "marketing-stopped", Reaction::SuppressMarketing { hold_ms: None }, false),
    rule(131_051, "type-unsupported", DEAD, false),
    rule(131_052, "media-not-downloadable", DEAD, false),
    rule(131_053, "media-upload-failed", retry(5 * SECOND_MS, MINUTE_MS, 3), false),
    rule(131_055, "marketing-api-only", DEAD, true),
    rule(131_056, "pair-limit", PAIR_LIMIT, false),
    rule(131_057, "maintenance", retry(MINUTE_MS, 5 * MINUTE_MS, 10), false),
    rule(131_059, "bad-cursor", DEAD, false),
    rule(131_062, "bsuid-not-allowed", DEAD, false),
    rule(131_063, "marketing-on-cloud-api-disabled", DEAD, true),
    rule(131_064, "classification-violations", mend(PauseScope::Template, 6 * HOUR_MS), true),
    range(131_200, 131_299, "groups", DEAD, true),
    rule(132_000, "template-parameter-count", DEAD, true),
    rule(132_001, "template-missing", DEAD, true),
    rule(132_005, "template-text-too-long", DEAD, true),
    rule(132_007, "template-policy", DEAD, true),
    rule(132_008, "template-parameter-format", DEAD, true),
    rule(132_012, "template-parameter-format", DEAD, true),
    rule(132_015, "template-paused", mend(PauseScope::Template, 30 * MINUTE_MS), true),
    rule(132_016, "template-disabled", DEAD, true),
    rule(132_068, "form-blocked", DEAD, true),
    rule(132_069, "form-throttled", retry(6 * MINUTE_MS, HOUR_MS, 6), true),
    rule(133_000, "deregistration-incomplete", STOP_NUMBER, true),
    rule(133_004, "server-unavailable", SERVER_FAULT, false),
    rule(133_005, "pin-mismatch", STOP_NUMBER, true),
    rule(133_006, "reverification-needed", STOP_NUMBER, true),
    rule(133_008, "pin-guessed-too-often", STOP_NUMBER, true),
    rule(133_009, "pin-guessed-too-fast", STOP_NUMBER, true),
    rule(133_010, "not-registered", STOP_NUMBER, true),
    rule(133_015, "deleted-a-moment-ago", STOP_NUMBER, true),
    rule(133_016, "registration-limit", STOP_NUMBER, true),
    rule(134_011, "payment-terms", STOP_ACCOUNT, true),
    rule(134_100, "marketing-messages-only", DEAD, true),
    rule(134_101, "template-syncing", retry(10 * MINUTE_MS, 20 * MINUTE_MS, 4), false),
    rule(134_102, "template-unavailable", mend(PauseScope::Template, 30 * MINUTE_MS), true),
    rule(135_000, "generic-user-error", DEAD, false),
    rule(137_000, "identity-changed", Reaction::RevokeTrust, true),
    range(138_000, 138_999, "calling", DEAD, true),
    range(139_000, 139_999, "flows-and-blocking", DEAD, true),
    range(147_000, 147_999, "usernames", DEAD, true),
    range(200_005, 200_007, "insights", DEAD, true),
    range(2_388_000, 2_388_999, "templates-and-migration", DEAD, true),
    range(2_494_000, 2_494_999, "maintenance-and-signup", DEAD, true),
    range(2_593_000, 2_593_999, "account-and-sync", DEAD, true),
];

/// The table's row for a code.
pub fn find(code: u32) -> Option<&'static Rule> {
    let rule = TABLE.get(TABLE.partition_point(|rule| rule.last < code))?;
    (rule.first <= code).then_some(rule)
}

/// The code's name in logs and metrics; unknown ones share one name.
pub fn name(code: u32) -> &'static str {
    find(code).map_or("unknown", |rule| rule.name)
}

/// What to do, and whether operators should know. `http_status` is 0 for a `failed` status that came by webhook.
pub fn react(code: u32, http_status: u16) -> (Reaction, bool) {
    match find(code) {
        Some(rule) => (rule.reaction, rule.alert),
        None => by_http_status(http_status),
    }
}

fn by_http_status(http_status: u16) -> (Reaction, bool) {
    match http_status {
        // Who refuses the token refuses it for every message: the queue waits rather than die.
        401 => (STOP_NUMBER, true),
        // The server did not get the whole request.
        408 => (SERVER_FAULT, false),
        429 => (NUMBER_LIMIT, false),
        500..=599 => (SERVER_FAULT, false),
        _ => (DEAD, true),
    }
}

/// Meta's refusal with its reaction. `detail` is cut, and loses what may be a phone number.
pub fn refusal(code: u32, http_status: u16, detail: &str) -> SendError {
    let (reaction, alert) = react(code, http_status);
    SendError { code, http_status, detail: bound::words(detail), reaction, alert }
}

/// The same for a `failed` status that came by webhook.
pub fn failed_status(error: &StatusError) -> SendError {
    refusal(error.code, 0, &error.detail)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Kind {
        Retry,
        Throttle(PauseScope),
        Mend(PauseScope),
        Dead,
        UseTemplate,
        HoldMarketing,
        EndMarketing,
        RevokeTrust,
    }
    use Kind::{Dead, EndMarketing, HoldMarketing, Mend, Retry, RevokeTrust, Throttle, UseTemplate};
    use PauseScope::{Account, App, Number, Template};

    fn kind(reaction: Reaction) -> Kind {
        match reaction {
            Reaction::Retry(_) => Retry,
            Reaction::Pause { scope, hold: Hold::Growing { .. } } => Throttle(scope),
            Reaction::Pause { scope, hold: Hold::UntilMended { .. } } => Mend(scope),
            Reaction::DeadLetter => Dead,
            Reaction::UseTemplate => UseTemplate,
            Reaction::SuppressMarketing { hold_ms: Some(_) } => HoldMarketing,
            Reaction::SuppressMarketing { hold_ms: None } => EndMarketing,
            Reaction::RevokeTrust => RevokeTrust,
        }
    }

    /// Every row of the design's table: codes, HTTP status, reaction, alert.
    fn rows() -> Vec<(Vec<u32>, u16, Kind, bool)> {
        vec![
            (vec![0, 190], 401, Mend(Number), true),
            (vec![3, 10, 200, 250, 299, 131_005], 403, Mend(Number), true),
            (vec![1], 400, Retry, false),
            (vec![2, 131_016, 133_004], 503, Retry, false),
            (vec![4], 400, Throttle(App), true),
            (vec![80_007], 400, Throttle(Account), true),
            (vec![130_429], 400, Throttle(Number), false),
            (vec![131_048], 400, Throttle(Number), true),
            (vec![131_056], 400, Retry, false),
            (vec![131_057], 500, Retry, false),
            (vec![133_016], 400, Mend(Number), true),
            (vec![131_000], 500, Retry, false),
            (vec![131_026], 400, Dead, false),
            (vec![131_047], 400, UseTemplate, false),
            (vec![131_049], 400, HoldMarketing, false),
            (vec![131_050], 400, EndMarketing, false),
            (vec![130_472], 400, Dead, false),
            (vec![131_062], 400, Dead, false),
            (vec![131_063], 400, Dead, true),
            (vec![131_064], 400, Mend(Template), true),
            (vec![130_497], 403, Dead, false),
            (vec![368, 131_031], 403, Mend(Account), true),
            (vec![131_021], 400, Dead, false),
            (vec![131_030], 400, Dead, false),
            (vec![131_037], 400, Mend(Number), true),
            (vec![131_042, 131_044], 400, Mend(Account), true),
            (vec![131_045, 133_010], 500, Mend(Number), true),
            (vec![133_000, 133_005, 133_006, 133_008, 133_009, 133_015], 400, Mend(Number), true),
            (vec![131_008, 131_009], 400, Dead, true),
            (vec![100, 135_000], 400, Dead, false),
            (vec![33], 400, Mend(Number), true),
            (vec![131_051], 400, Dead, false),
            (vec![131_052], 400, Dead, false),
            (vec![131_053], 400, Retry, false),
            (vec![131_055, 134_100], 400, Dead, true),
            (vec![134_101], 500, Retry, false),
            (vec![134_102], 500, Mend(Template), true),
            (vec![131_059], 400, Dead, false),
            (vec![132_000, 132_012, 132_008], 400, Dead, true),
            (vec![132_001], 404, Dead, true),
            (vec![132_005, 132_007], 400, Dead, true),
            (vec![132_015], 400, Mend(Template), true),
            (vec![132_016], 400, Dead, true),
            (vec![132_068], 400, Dead, true),
            (vec![132_069], 400, Retry, true),
            (vec![134_011], 400, Mend(Account), true),
            (vec![137_000], 0, RevokeTrust, true),
            (vec![138_000, 138_999, 139_100, 131_201, 131_299, 147_001, 147_005], 400, Dead, true),
            (vec![2_388_299, 2_388_293, 2_494_100, 2_593_108, 200_005, 200_007], 400, Dead, true),
        ]
    }

    #[test]
    fn every_row_of_the_design() {
        for (codes, http_status, expected, alert) in rows() {
            for code in codes {
                // By answer and by webhook alike.
                for status in [http_status, 0] {
                    let (reaction, alerts) = react(code, status);
                    assert_eq!((kind(reaction), alerts), (expected, alert), "code {code}");
                }
            }
        }
    }

    #[test]
    fn no_row_that_the_design_does_not_know() {
        let known: Vec<u32> = rows().into_iter().flat_map(|(codes, ..)| codes).collect();
        for rule in TABLE {
            assert!(known.iter().any(|code| (rule.first..=rule.last).contains(code)), "{rule:?}");
        }
    }

    #[test]
    fn rows_rise_and_do_not_overlap() {
        for pair in TABLE.windows(2) {
            assert!(pair[0].first <= pair[0].last && pair[0].last < pair[1].first, "{pair:?}");
        }
    }

    #[test]
    fn unknown_codes_go_by_their_status() {
        let by = |status| kind(react(999_999, status).0);
        assert_eq!(by(429), Throttle(Number));
        assert_eq!(by(401), Mend(Number));
        for status in [408, 500, 502, 503, 599] {
            assert_eq!(by(status), Retry, "{status}");
        }
        for status in [0, 302, 400, 403, 404, 413] {
            assert_eq!(by(status), Dead, "{status}");
        }
        assert_eq!(name(999_999), "unknown");
        assert!(find(11).is_none() && find(u32::MAX).is_none());
    }

    #[test]
    fn the_pair_limit_waits_as_meta_asks() {
        let Reaction::Retry(backoff) = react(131_056, 400).0 else { panic!("a pair limit is tried again") };
        // The longest waits: 4, 8, 16, ... 256 seconds, together more than 1 + 4 + 16 + 64 + 256.
        let waits: Vec<u64> = (1..8).map_while(|n| backoff.wait_ms(n, u64::from(u32::MAX) * 2)).collect();
        assert_eq!(waits.len(), 7);
        assert!(waits.iter().all(|wait| (2_000..=256_000).contains(wait)), "{waits:?}");
    }

    #[test]
    fn a_refusal_says_what_to_do_and_hides_numbers() {
        let error = refusal(131_026, 400, "Message undeliverable to 16505551234");
        assert_eq!(error.reaction, Reaction::DeadLetter);
        assert!(!error.detail.contains("16505551234"), "{}", error.detail);
        let later = failed_status(&StatusError { code: 131_047, detail: "Re-engagement message".into() });
        assert_eq!((later.http_status, later.reaction), (0, Reaction::UseTemplate));
    }
}
