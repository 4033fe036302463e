//! How far our messages came.

use questline_core::event::{StatusError, Wamid};
use questline_core::id::{ConversationId, OutboxRef, OutboxSeq};
use questline_core::status::DeliveryState;
use questline_whatsapp::webhook::{Decoded, Part, Reason};

use crate::check::{NOW, NUMBER, Row, SENT, id, kept, status};

fn ours(seq: u64) -> Option<OutboxRef> {
    Some(OutboxRef { conversation: ConversationId(7), seq: OutboxSeq(seq) })
}

fn came(decoded: &Decoded, wamid: u32, message: Option<OutboxRef>, state: DeliveryState) {
    let update = status(decoded);
    assert_eq!(update.wamid, Wamid(id(wamid).into()));
    assert_eq!(update.number.as_str(), NUMBER);
    assert_eq!((update.message, update.state, update.at), (message, state, SENT));
    let counted: Vec<_> = decoded.stats.statuses().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted, [(state, 1)]);
}

fn failed(decoded: &Decoded, code: u32, detail: &str) {
    assert_eq!(status(decoded).error, Some(StatusError { code, detail: detail.to_owned() }));
}

pub(crate) const ROWS: &[Row] = &[
    ("status_sent", |d| came(d, 910, ours(41), DeliveryState::Sent)),
    ("status_delivered", |d| came(d, 910, ours(41), DeliveryState::Delivered)),
    ("status_read", |d| came(d, 910, ours(41), DeliveryState::Read)),
    ("status_played", |d| came(d, 910, ours(41), DeliveryState::Played)),
    ("status_failed", |d| {
        came(d, 911, ours(42), DeliveryState::Failed);
        failed(d, 131_049, "In order to maintain a healthy ecosystem engagement, the message failed to be delivered.");
    }),
    ("status_failed_with_contacts", |d| {
        came(d, 911, None, DeliveryState::Failed);
        failed(d, 131_026, "Message undeliverable to #");
    }),
    ("status_failed_without_errors", |d| {
        came(d, 911, None, DeliveryState::Failed);
        assert_eq!(status(d).error, None);
    }),
    ("status_to_bsuid", |d| came(d, 912, None, DeliveryState::Delivered)),
    ("status_to_bsuid_other_parent_key", |d| came(d, 912, None, DeliveryState::Delivered)),
    ("status_of_another_sender", |d| came(d, 913, None, DeliveryState::Delivered)),
    ("status_deleted", |d| kept(d, Part::Status, Reason::UnknownValue)),
    ("status_in_group", |d| came(d, 915, None, DeliveryState::Read)),
    ("status_integer_timestamp", |d| came(d, 916, None, DeliveryState::Sent)),
    ("status_without_timestamp", |d| assert_eq!(status(d).at, NOW)),
    ("status_without_id", |d| kept(d, Part::Status, Reason::NoId)),
    ("status_identity_hash", |d| came(d, 918, None, DeliveryState::Sent)),
];
