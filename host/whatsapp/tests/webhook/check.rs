//! Loads fixtures, decodes them, and says what came out.

use std::path::PathBuf;

use questline_core::contact::{Bsuid, Contact, PhoneNumber};
use questline_core::event::{Event, Inbound, Message, SystemChange};
use questline_core::id::{GameId, NumberId};
use questline_core::port::{Incoming, Notice, StatusUpdate};
use questline_core::time::UnixMs;
use questline_whatsapp::signature::AppSecrets;
use questline_whatsapp::webhook::{self, DecodeContext, DecodeError, Decoded, Kept, News, Part, Reason, Summary};

pub(crate) type Row = (&'static str, fn(&Decoded));

pub(crate) const NUMBER: &str = "100000000000001";
pub(crate) const ACCOUNT: &str = "200000000000002";
pub(crate) const PHONE: &str = "16505550123";
pub(crate) const BSUID: &str = "US.4711000000000000001";
pub(crate) const PARENT: &str = "US.ENT.9900000000000000001";
pub(crate) const NEW_PHONE: &str = "12195550101";
pub(crate) const NEW_BSUID: &str = "MX.4711000000000000002";
/// The second in which the fixtures' messages were sent.
pub(crate) const SENT_S: u64 = 1_789_000_000;
pub(crate) const SENT: UnixMs = UnixMs(SENT_S * 1_000);
pub(crate) const NOW: UnixMs = UnixMs(1_789_000_002_500);

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/webhook")
}

/// The names of all fixtures.
pub(crate) fn fixtures() -> Vec<String> {
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.unwrap().file_name().into_string().unwrap().strip_suffix(".json").unwrap().to_owned()
    };
    let mut names: Vec<String> = std::fs::read_dir(folder()).unwrap().map(name).collect();
    names.sort();
    names
}

/// A fixture as it stands in its file.
pub(crate) fn fixture(name: &str) -> String {
    std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Signs and decodes a body.
pub(crate) fn try_decode(body: &[u8]) -> Result<Decoded, DecodeError> {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"secret");
    let header = format!("sha256={}", hex::encode(ring::hmac::sign(&key, body)));
    let secrets = AppSecrets::new(["secret"]).unwrap();
    let verified = secrets.verify(body, Some(header.as_bytes())).unwrap();
    let directory = |number: &NumberId| (number.as_str() == NUMBER).then(|| GameId::parse("starfall").unwrap());
    webhook::decode(&verified, &DecodeContext { app: "demo", now: NOW, directory: &directory })
}

pub(crate) fn decode(body: &str) -> Decoded {
    try_decode(body.as_bytes()).unwrap()
}

/// The first 128 bits of SHA-256 over number and id.
pub(crate) fn digest(number: &str, id: &str) -> u128 {
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("{number}\0{id}").as_bytes());
    u128::from_be_bytes(digest.as_ref()[..16].try_into().unwrap())
}

pub(crate) fn contact(phone: Option<&str>, bsuid: Option<&str>) -> Contact {
    Contact::new(phone.map(|p| PhoneNumber::parse(p).unwrap()), bsuid.map(|b| Bsuid::parse(b).unwrap())).unwrap()
}

/// The fixtures' usual sender.
pub(crate) fn sheena() -> Contact {
    contact(Some(PHONE), Some(BSUID))
}

pub(crate) fn id(number: u32) -> String {
    format!("wamid.HBgLMTY1MDU1NTAxMjMVAgASGBQ{number:020}AA==")
}

/// The one event, and nothing else.
pub(crate) fn only(decoded: &Decoded) -> &Incoming {
    let batch = &decoded.batch;
    assert_eq!((batch.events.len(), batch.statuses.len(), batch.notices.len()), (1, 0, 0), "{decoded:?}");
    assert_eq!(decoded.stats.kept_total(), 0);
    let incoming = &batch.events[0];
    assert_eq!(incoming.address.game.as_str(), "starfall");
    assert_eq!(incoming.address.number.as_str(), NUMBER);
    incoming
}

/// The one message, and nothing else.
pub(crate) fn message(decoded: &Decoded) -> &Message {
    let Event::Message(message) = &only(decoded).event else { panic!("{decoded:?}") };
    assert_eq!(decoded.stats.messages_total(), 1);
    let counted: Vec<_> = decoded.stats.messages().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted, [(message.content.kind(), 1)]);
    message
}

/// The usual sender says this.
pub(crate) fn says(decoded: &Decoded, content: Inbound) {
    let message = message(decoded);
    assert_eq!(message.content, content);
    assert_eq!(message.sent_at, SENT);
    assert_eq!(only(decoded).address.contact, sheena());
    assert_eq!(only(decoded).dedup.unwrap().sent_s, SENT_S);
    assert_eq!(message.profile_name.as_deref(), Some("Sheena Nelson"));
}

/// A text from this contact.
pub(crate) fn hello_from(decoded: &Decoded, phone: Option<&str>, bsuid: Option<&str>) {
    assert!(matches!(&message(decoded).content, Inbound::Text(text) if !text.is_empty()), "{decoded:?}");
    assert_eq!(only(decoded).address.contact, contact(phone, bsuid));
}

/// The one change of a user, and nothing else.
pub(crate) fn system(decoded: &Decoded, befell: Contact, change: SystemChange) {
    let incoming = only(decoded);
    assert_eq!(incoming.address.contact, befell);
    assert_eq!(incoming.event, Event::System(change));
    assert_eq!(decoded.stats.system, 1);
}

/// The one status, and nothing else.
pub(crate) fn status(decoded: &Decoded) -> &StatusUpdate {
    let batch = &decoded.batch;
    assert_eq!((batch.events.len(), batch.statuses.len(), batch.notices.len()), (0, 1, 0), "{decoded:?}");
    &batch.statuses[0]
}

/// The one notice, and nothing else.
pub(crate) fn notice(decoded: &Decoded) -> &Notice {
    let batch = &decoded.batch;
    assert_eq!((batch.events.len(), batch.statuses.len(), batch.notices.len()), (0, 0, 1), "{decoded:?}");
    &batch.notices[0]
}

/// What the one notice tells.
pub(crate) fn news(decoded: &Decoded, field: &str) -> News {
    let notice = notice(decoded);
    assert_eq!(notice.field, field);
    let summary = Summary::of(notice).unwrap();
    assert_eq!(summary.account.as_deref(), Some(ACCOUNT));
    assert_eq!((decoded.stats.fields, decoded.stats.fields_unknown), (1, 0));
    summary.news
}

/// Why something was kept.
pub(crate) fn kept_in(notice: &Notice) -> Kept {
    match Summary::of(notice).map(|summary| summary.news) {
        Some(News::Kept(kept)) => kept,
        other => panic!("{other:?}"),
    }
}

/// The one thing was kept, for this reason, and counted.
pub(crate) fn kept(decoded: &Decoded, part: Part, reason: Reason) {
    let kept = kept_in(notice(decoded));
    assert_eq!((kept.part, kept.reason), (part, reason), "{kept:?}");
    let counted: Vec<_> = decoded.stats.kept().filter(|(_, count)| *count > 0).collect();
    assert_eq!(counted.len(), 1);
    assert_eq!(counted[0].0, reason);
}
