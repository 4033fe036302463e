//! Entries, changes, and what stands beside one another in them.

use questline_core::event::{Event, Inbound, Message};
use questline_core::port::Incoming;
use questline_whatsapp::webhook::{AccountError, Decoded, News, Part, Reason, Summary, UPDATES_MAX};

use crate::check::{ACCOUNT, BSUID, NUMBER, PHONE, Row, contact, decode, fixture, hello_from, kept, kept_in, notice, sheena, try_decode};

const LIMIT: &str = "Message failed to send because there were too many messages sent from this phone number in a short period of time";

fn text(incoming: &Incoming) -> Option<&str> {
    match &incoming.event {
        Event::Message(Message { content: Inbound::Text(text), .. }) => Some(text),
        _ => None,
    }
}

fn texts(decoded: &Decoded) -> Vec<&str> {
    decoded.batch.events.iter().filter_map(text).collect()
}

fn limit_hit(news: News) {
    assert_eq!(news, News::Errors(vec![AccountError { code: 130_429, detail: LIMIT.into() }]));
}

fn counted(decoded: &Decoded, reason: Reason) -> u32 {
    decoded.stats.kept().find(|(known, _)| *known == reason).unwrap().1
}

pub(crate) const ROWS: &[Row] = &[
    ("interactive_without_body", |d| {
        let Event::Message(message) = &d.batch.events[0].event else { panic!("{d:?}") };
        assert_eq!(message.content, Inbound::Unsupported(Some("interactive".into())));
        assert_eq!((d.batch.events.len(), d.batch.notices.len(), d.stats.errors), (1, 1, 1));
        let error = AccountError { code: 131_000, detail: "Message could not be processed".into() };
        assert_eq!(Summary::of(&d.batch.notices[0]).unwrap().news, News::Errors(vec![error]));
    }),
    ("messages_statuses_and_errors", |d| {
        assert_eq!(texts(d), ["Hello"]);
        assert_eq!((d.batch.statuses.len(), d.batch.notices.len(), d.stats.errors), (1, 1, 1));
        limit_hit(Summary::of(&d.batch.notices[0]).unwrap().news);
    }),
    ("value_errors", |d| {
        let summary = Summary::of(notice(d)).unwrap();
        assert_eq!((summary.account.as_deref(), summary.number.as_deref()), (Some(ACCOUNT), Some(NUMBER)));
        limit_hit(summary.news);
        assert_eq!((notice(d).field.as_str(), d.stats.errors), ("messages", 1));
    }),
    ("many_entries_and_changes", |d| {
        assert_eq!(texts(d), ["one", "two", "three"], "in the order of the POST");
        assert_eq!((d.batch.statuses.len(), d.batch.notices.len()), (2, 1));
        assert_eq!(Summary::of(&d.batch.notices[0]).unwrap().account.as_deref(), Some("200000000000003"));
    }),
    ("two_users_in_one_change", |d| {
        let from: Vec<_> = d.batch.events.iter().map(|incoming| incoming.address.contact.clone()).collect();
        assert_eq!(from, [sheena(), contact(Some("4915550100"), Some("DE.4711000000000000003"))]);
        let name = |at: usize| match &d.batch.events[at].event {
            Event::Message(message) => message.profile_name.clone(),
            _ => None,
        };
        assert_eq!((name(0).as_deref(), name(1).as_deref()), (Some("First"), Some("Second")));
    }),
    ("bad_message_among_good", |d| {
        assert_eq!(texts(d), ["before", "after"]);
        assert_eq!(d.batch.notices.len(), 2);
        for notice in &d.batch.notices {
            assert_eq!((kept_in(notice).part, kept_in(notice).reason), (Part::Message, Reason::Unreadable));
        }
        assert_eq!(d.batch.notices[1].raw, "7");
        assert_eq!(counted(d, Reason::Unreadable), 2);
    }),
    ("duplicate_message", |d| {
        // The store tells repetitions; here both come out under one key.
        assert_eq!(texts(d), ["twice", "twice"]);
        assert_eq!(d.batch.events[0].dedup, d.batch.events[1].dedup);
    }),
    ("messages_not_a_list", |d| {
        assert_eq!((d.batch.events.len(), d.batch.statuses.len(), d.batch.notices.len()), (0, 1, 1));
        assert_eq!(kept_in(&d.batch.notices[0]).part, Part::Value);
        assert!(d.batch.notices[0].raw.contains("alone"));
    }),
    ("unknown_number", |d| {
        kept(d, Part::Value, Reason::UnknownNumber);
        assert!(notice(d).raw.contains("Hello"));
    }),
    ("unknown_number_with_statuses", |d| {
        kept(d, Part::Value, Reason::UnknownNumber);
        assert_eq!(counted(d, Reason::UnknownNumber), 2);
    }),
    ("metadata_missing", |d| kept(d, Part::Value, Reason::UnknownNumber)),
    ("number_as_integer", |d| hello_from(d, Some(PHONE), Some(BSUID))),
    ("value_empty", |d| kept(d, Part::Value, Reason::Empty)),
    ("value_not_an_object", |d| kept(d, Part::Value, Reason::Unreadable)),
    ("bad_change_among_good", |d| {
        assert_eq!(texts(d), ["before", "after"]);
        let parts: Vec<_> = d.batch.notices.iter().map(|notice| kept_in(notice).part).collect();
        assert_eq!(parts, [Part::Change, Part::Change, Part::Entry, Part::Entry]);
        assert_eq!(counted(d, Reason::Unreadable), 4);
    }),
    ("field_after_and_before_value", |d| assert_eq!(texts(d), ["field first"])),
    ("other_object", |d| kept(d, Part::Entry, Reason::OtherObject)),
    ("unknown_keys_everywhere", |d| hello_from(d, Some(PHONE), Some(BSUID))),
    ("no_entries", |d| assert_eq!((d.batch.events.len(), d.batch.notices.len()), (0, 0))),
    ("field_missing", |d| {
        assert_eq!((notice(d).field.as_str(), d.stats.fields_unknown), ("", 1));
        assert!(notice(d).raw.contains("Hello"));
    }),
];

#[test]
fn only_what_is_no_webhook_at_all_fails() {
    let bad: [&[u8]; 13] = [
        b"",
        b" ",
        b"null",
        b"[]",
        b"\"entry\"",
        b"{}",
        b"{\"object\":\"whatsapp_business_account\"}",
        b"{\"entry\":{}}",
        b"{\"entry\":null}",
        b"{\"entry\":[]",
        b"{\"entry\":[]} x",
        b"[\"whatsapp_business_account\",[]]",
        b"{\"entry\":[\"\xff\"]}",
    ];
    for body in bad {
        assert!(try_decode(body).is_err(), "{}", body.escape_ascii());
    }
    assert!(try_decode(b"{\"entry\":[]}").is_ok());
    assert!(try_decode(b"\n{\"entry\":[]}\n").is_ok());
}

#[test]
fn keys_that_stand_twice_fail_nothing_else() {
    let twice = fixture("bad_message_among_good").replace("\"latitude\": \"north\"", "\"latitude\": 1, \"latitude\": 2");
    assert_eq!(texts(&decode(&twice)), ["before", "after"]);
    let card = fixture("text").replace("\"wa_id\":", "\"wa_id\": \"1\", \"wa_id\":");
    assert_eq!(texts(&decode(&card)), ["Where is my refund?"], "a broken card costs the name alone");
    let value = fixture("text").replace("\"contacts\":", "\"messages\": [], \"contacts\":");
    kept(&decode(&value), Part::Value, Reason::Unreadable);
    let change =
        fixture("many_entries_and_changes").replace("\"field\": \"account_review_update\",", "\"field\": \"x\", \"field\": \"y\",");
    assert_eq!(texts(&decode(&change)), ["one", "two", "three"]);
}

#[test]
fn deep_nesting_is_refused_or_kept_not_followed() {
    let deep = format!("{}{}", "[".repeat(400_000), "]".repeat(400_000));
    assert!(try_decode(deep.as_bytes()).is_err());
    let inside = fixture("text").replace("\"Where is my refund?\"", &deep);
    kept(&decode(&inside), Part::Message, Reason::Unreadable);
    let unknown = fixture("text").replace("\"messaging_product\": \"whatsapp\"", &format!("\"beta\": {deep}"));
    assert_eq!(texts(&decode(&unknown)), ["Where is my refund?"]);
}

#[test]
fn a_thousand_updates_in_one_post() {
    let one = fixture("text");
    let start = one.find("\"messages\": [").unwrap() + "\"messages\": [".len();
    let end = one.rfind("]\n          },\n          \"field\"").unwrap();
    let many = |count: usize| {
        let message = |at: usize| one[start..end].replace("00000000000000000001AA==", &format!("{at:020}AA=="));
        let list = (0..count).map(message).collect::<Vec<_>>().join(",");
        format!("{}{list}{}", &one[..start], &one[end..])
    };
    let decoded = decode(&many(1_000));
    assert_eq!((decoded.batch.events.len(), decoded.stats.messages_total()), (1_000, 1_000));
    let keys: std::collections::BTreeSet<_> = decoded.batch.events.iter().map(|incoming| incoming.dedup).collect();
    assert_eq!(keys.len(), 1_000);
    let beyond = decode(&many(UPDATES_MAX + 1));
    kept(&beyond, Part::Value, Reason::OverLimit);
    assert_eq!(counted(&beyond, Reason::OverLimit) as usize, UPDATES_MAX + 1);
}

#[test]
fn a_flood_of_broken_parts_is_counted_and_takes_no_more_room() {
    let entries = vec!["1"; 20_000].join(",");
    let decoded = decode(&format!("{{\"entry\":[{entries}]}}"));
    assert_eq!(counted(&decoded, Reason::Unreadable), 20_000);
    assert_eq!(decoded.batch.notices.len(), UPDATES_MAX + 1);
    assert_eq!(kept_in(decoded.batch.notices.last().unwrap()).reason, Reason::OverLimit);
    let changes = vec![r#"{"field":"calls","value":{}}"#; 20_000].join(",");
    let decoded = decode(&format!("{{\"entry\":[{{\"id\":\"1\",\"changes\":[{changes}]}}]}}"));
    assert_eq!((decoded.stats.fields_unknown as usize, decoded.batch.notices.len()), (UPDATES_MAX, UPDATES_MAX + 1));
    assert_eq!(counted(&decoded, Reason::OverLimit) as usize, 20_000 - UPDATES_MAX);
}
