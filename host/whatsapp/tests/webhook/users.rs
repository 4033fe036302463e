//! What befalls users, and what they set outside of the chat.

use questline_core::contact::Contact;
use questline_core::event::{Event, Preference, SystemChange};
use questline_whatsapp::webhook::{Decoded, Part, Reason};

use crate::check::{BSUID, NEW_BSUID, NEW_PHONE, PHONE, Row, SENT, SENT_S, contact, decode, fixture, kept, only, sheena, system};

fn moved(phone: Option<&str>, bsuid: Option<&str>) -> SystemChange {
    SystemChange::Moved(contact(phone, bsuid))
}

fn prefers(decoded: &Decoded, who: Contact, marketing: bool, word: &str) {
    let incoming = only(decoded);
    assert_eq!(incoming.address.contact, who);
    let detail = format!("User requested to {word} marketing messages");
    assert_eq!(incoming.event, Event::Preference(Preference { marketing, detail, at: SENT }));
    assert_eq!((decoded.stats.preferences, incoming.dedup.unwrap().sent_s), (1, SENT_S));
}

pub(crate) const ROWS: &[Row] = &[
    ("system_number_changed", |d| system(d, contact(Some(PHONE), None), moved(Some(NEW_PHONE), None))),
    ("system_number_changed_with_bsuid", |d| system(d, sheena(), moved(Some(NEW_PHONE), Some(NEW_BSUID)))),
    ("system_number_changed_older_keys", |d| system(d, contact(Some(PHONE), None), moved(Some(NEW_PHONE), None))),
    ("system_user_id_changed", |d| system(d, contact(None, Some(BSUID)), moved(None, Some(NEW_BSUID)))),
    ("system_user_id_changed_with_phone", |d| {
        system(d, contact(Some(PHONE), None), moved(Some(NEW_PHONE), Some(NEW_BSUID)));
    }),
    ("system_user_id_changed_no_sender", |d| kept(d, Part::Message, Reason::NoSender)),
    ("system_identity_changed", |d| {
        system(d, contact(Some(PHONE), None), SystemChange::IdentityChanged { hash: "xYz9+8=".into() });
    }),
    ("system_identity_changed_inside", |d| {
        system(d, contact(Some(PHONE), None), SystemChange::IdentityChanged { hash: "aBc1=".into() });
    }),
    ("system_unknown_change", |d| system(d, sheena(), SystemChange::Other("user_did_something_new".into()))),
    ("preference_stop", |d| prefers(d, sheena(), false, "stop")),
    ("preference_resume", |d| prefers(d, sheena(), true, "resume")),
    ("preference_signup_bsuid", |d| prefers(d, contact(None, Some(BSUID)), true, "signup")),
    ("preference_contact_in_contacts_only", |d| prefers(d, sheena(), false, "stop")),
    ("preference_unknown_value", |d| kept(d, Part::Preference, Reason::UnknownValue)),
    ("preference_unknown_category", |d| kept(d, Part::Preference, Reason::UnknownValue)),
    ("preference_nobody", |d| kept(d, Part::Preference, Reason::NoSender)),
    ("preference_two_users", |d| {
        let set = |incoming: &questline_core::port::Incoming| match &incoming.event {
            Event::Preference(preference) => (incoming.address.contact.clone(), preference.marketing),
            other => panic!("{other:?}"),
        };
        let sets: Vec<_> = d.batch.events.iter().map(set).collect();
        assert_eq!(sets, [(contact(Some(PHONE), None), false), (contact(Some("4915550100"), None), true)]);
        assert_ne!(d.batch.events[0].dedup, d.batch.events[1].dedup);
    }),
    ("user_id_update", |d| system(d, sheena(), moved(Some(PHONE), Some(NEW_BSUID)))),
    ("user_id_update_without_phone", |d| system(d, contact(None, Some(BSUID)), moved(None, Some(NEW_BSUID)))),
    ("user_id_update_without_current", |d| kept(d, Part::UserIdUpdate, Reason::Unreadable)),
    ("user_id_update_of_nobody", |d| kept(d, Part::UserIdUpdate, Reason::NoSender)),
];

#[test]
fn repeated_changes_are_known_by_what_they_say() {
    let dedup = |body: &str| only(&decode(body)).dedup;
    let stop = fixture("preference_stop");
    // A repetition may tell more, or less, of the same user.
    assert_eq!(dedup(&stop), dedup(&stop.replace("\"value\": \"stop\",", "\"value\": \"stop\", \"signup_id\": null,")));
    assert_ne!(dedup(&stop), dedup(&stop.replace("\"value\": \"stop\"", "\"value\": \"resume\"")));
    assert_ne!(dedup(&stop), dedup(&stop.replace("1789000000", "1789000001")));
    let update = fixture("user_id_update");
    assert_eq!(dedup(&update), dedup(&update.replace("has been updated", "was updated")));
    assert_ne!(dedup(&update), dedup(&update.replace(NEW_BSUID, "MX.1")));
}

#[test]
fn the_sender_already_named_by_the_new_name_is_found_by_the_old() {
    let body = fixture("system_user_id_changed")
        .replace("\"type\": \"system\",", &format!("\"type\": \"system\", \"from\": \"{NEW_PHONE}\", \"from_user_id\": \"{NEW_BSUID}\","));
    let body = body.replace("\"previous_user_id\"", &format!("\"wa_id\": \"{NEW_PHONE}\", \"previous_user_id\""));
    system(&decode(&body), contact(None, Some(BSUID)), moved(Some(NEW_PHONE), Some(NEW_BSUID)));
}
