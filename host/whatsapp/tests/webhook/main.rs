//! Every webhook shape of Meta's that we know has a fixture, and every fixture has a row that says what it becomes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broken;
mod check;
mod fields;
mod messages;
mod outer;
mod statuses;
mod users;

use std::collections::BTreeSet;

use check::{Row, decode, fixture, fixtures};
use questline_core::event::Event;

fn rows() -> Vec<Row> {
    [messages::ROWS, users::ROWS, statuses::ROWS, fields::ROWS, outer::ROWS].concat()
}

#[test]
fn every_fixture_becomes_what_its_row_says() {
    for (name, check) in rows() {
        println!("{name}");
        check(&decode(&fixture(name)));
    }
}

#[test]
fn every_fixture_has_one_row() {
    let rows = rows();
    let named: BTreeSet<&str> = rows.iter().map(|(name, _)| *name).collect();
    assert_eq!(named.len(), rows.len(), "a fixture has two rows");
    let found = fixtures();
    let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(named, found);
    assert!(found.len() >= 150, "{}", found.len());
}

/// What holds of each of them, whatever it is.
#[test]
fn what_holds_of_all() {
    for name in fixtures() {
        let body = fixture(&name);
        let decoded = decode(&body);
        assert_eq!(decoded, decode(&body), "{name}: a repetition is the same");
        let (batch, stats) = (&decoded.batch, &decoded.stats);
        let events = stats.messages_total() + stats.system + stats.preferences;
        assert_eq!(events as usize, batch.events.len(), "{name}");
        assert_eq!(stats.statuses_total() as usize, batch.statuses.len(), "{name}");
        assert_eq!(batch.received_at, check::NOW);
        for incoming in &batch.events {
            assert!(incoming.dedup.is_some(), "{name}: all that users do is known again");
            assert_eq!(incoming.address.number.as_str(), check::NUMBER);
            if let Event::Message(message) = &incoming.event {
                assert_eq!(incoming.dedup.unwrap().digest, check::digest(check::NUMBER, message.wamid.as_str()));
            }
        }
        for notice in &batch.notices {
            assert_eq!(notice.app, "demo");
            assert_eq!(notice.received_at, check::NOW);
            assert!(notice.raw.len() <= questline_whatsapp::webhook::NOTICE_RAW_BYTES_MAX, "{name}");
            assert!(body.contains(notice.raw.as_str()), "{name}: a notice keeps the update as it came");
        }
        let ascii = body.is_ascii();
        assert!(ascii, "{name}: Meta sends ASCII");
    }
}
