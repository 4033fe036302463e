//! The host's own names for messages, as flows see them: `in-41` is the player's, `out-7` is ours.

use questline_core::id::{InboxSeq, OutboxRef};

const INBOUND: &str = "in-";
const OUTBOUND: &str = "out-";

/// A message of the player's.
pub(crate) fn of_players(seq: InboxSeq) -> String {
    format!("{INBOUND}{seq}")
}

/// A message of ours.
pub(crate) fn of_ours(message: OutboxRef) -> String {
    format!("{OUTBOUND}{}", message.seq)
}

/// The player's message that a flow names.
pub(crate) fn players(reference: &str) -> Option<InboxSeq> {
    let digits = reference.strip_prefix(INBOUND)?;
    // No sign, no leading zero: each message has one name.
    let canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    canonical.then(|| digits.parse().ok().map(InboxSeq)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        assert_eq!(players(&of_players(InboxSeq(41))), Some(InboxSeq(41)));
        assert_eq!(players(&of_players(InboxSeq(0))), Some(InboxSeq(0)));
        for foreign in ["", "41", "in-", "in-+1", "in-01", "in-99999999999999999999", "out-7", "wamid.X"] {
            assert_eq!(players(foreign), None, "{foreign}");
        }
    }
}
