//! Webhooks: a signed body becomes a typed batch, and nothing in it is lost in silence.
//!
//! Each element of `messages[]` and `statuses[]` is read on its own. One that makes no sense becomes a [`Notice`] with
//! its JSON and the [`Reason`], is counted, and leaves its siblings alone. The same holds for fields, types and keys that
//! Meta adds: unknown fields and elements are kept, unknown keys are passed over.
//!
//! A body of messages and statuses that is all as documented is read in one pass. Any other one is read again, layer by
//! layer, in the same terms: what comes out is the same, and what is odd is kept.

mod cards;
mod content;
mod envelope;
pub mod field;
mod identity;
mod message;
mod notice;
mod plain;
mod preference;
mod stats;
mod status;
mod system;

use questline_core::contact::{Address, Contact};
use questline_core::event::Event;
use questline_core::id::{GameId, NumberId};
use questline_core::port::{Batch, DedupKey, Incoming, Notice, StatusUpdate};
use questline_core::time::UnixMs;
use serde_json::value::RawValue;

pub use content::{EXTENSION_BYTES_MAX, FORM_BYTES_MAX, TEXT_BYTES_MAX};
pub use notice::{AccountError, FIELD_BYTES_MAX, Kept, NOTICE_RAW_BYTES_MAX, News, Part, Reason, Summary};
pub use stats::DecodeStats;

use self::envelope::{Change, Entry, Envelope, LooseEntry, LooseEnvelope, RawParts, object};
use self::identity::Contacts;
use self::notice::Refused;
use crate::bound;
use crate::lax::List;
use crate::meta_error::MetaError;
use crate::signature::VerifiedBody;

/// Updates that one POST may hold; Meta sends up to 1,000. What lies beyond is kept as one notice for each change, and
/// beyond as many notices it is counted only.
pub const UPDATES_MAX: usize = 10_000;
/// Errors of one `value.errors[]` that are kept.
const ERRORS_MAX: usize = 16;
/// Bytes of a business account's id.
const ACCOUNT_BYTES_MAX: usize = 64;

/// What decoding needs to know.
pub struct DecodeContext<'a> {
    /// The app that the webhook came to: the last part of its path.
    pub app: &'a str,
    /// When it came.
    pub now: UnixMs,
    /// The game that a number belongs to; `None` for numbers that are not ours.
    pub directory: &'a (dyn Fn(&NumberId) -> Option<GameId> + Sync),
}

/// What a POST held.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decoded {
    /// For the inbox.
    pub batch: Batch,
    /// For the metrics.
    pub stats: DecodeStats,
}

/// The body is no webhook at all: answer 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not a JSON object with entry[] (line {line}, column {column})")]
pub struct DecodeError {
    /// Where reading stopped, counted from 1.
    pub line: usize,
    /// Where reading stopped.
    pub column: usize,
}

/// Reads a verified body.
pub fn decode(body: &VerifiedBody<'_>, context: &DecodeContext<'_>) -> Result<Decoded, DecodeError> {
    // Checked once for the whole, not once for each string in it.
    let json = std::str::from_utf8(body.bytes()).map_err(|error| DecodeError { line: 1, column: error.valid_up_to() + 1 })?;
    // A derived struct takes an array for its fields in order, too.
    if !json.trim_ascii_start().starts_with('{') {
        return Err(DecodeError { line: 1, column: 1 });
    }
    if let Some(decoded) = plain::decode(json, context) {
        return Ok(decoded);
    }
    let mut decoder = Decoder::new(context);
    match serde_json::from_str::<Envelope<'_, &RawValue>>(json) {
        Ok(envelope) if envelope.object.get().is_none_or(is_whatsapp) => {
            envelope.entry.into_iter().for_each(|entry| decoder.entry(entry));
        }
        Ok(_) | Err(_) => decoder.taken_apart(json)?,
    }
    Ok(decoder.decoded)
}

/// An element that became an event.
struct Found {
    contact: Contact,
    dedup: DedupKey,
    event: Event,
}

/// Which of our numbers a change is about, and when it came.
struct Users<'a> {
    number: &'a NumberId,
    game: &'a GameId,
    now: UnixMs,
}

fn is_whatsapp(object: &str) -> bool {
    object == "whatsapp_business_account"
}

/// What an update belongs to, for its notice.
#[derive(Clone, Copy)]
struct Place<'a> {
    account: Option<&'a str>,
    number: Option<&'a str>,
    field: &'a str,
}

struct Decoder<'c> {
    context: &'c DecodeContext<'c>,
    decoded: Decoded,
    updates_left: usize,
    numbers: Numbers,
}

impl<'c> Decoder<'c> {
    fn new(context: &'c DecodeContext<'c>) -> Self {
        Self { context, decoded: Decoded::new(context), updates_left: UPDATES_MAX, numbers: Numbers::default() }
    }

    // ---- the layers, one by one, where they are not all as documented ----

    fn taken_apart(&mut self, json: &str) -> Result<(), DecodeError> {
        let not_a_webhook = |error: serde_json::Error| DecodeError { line: error.line(), column: error.column() };
        let envelope: LooseEnvelope<'_> = serde_json::from_str(json).map_err(not_a_webhook)?;
        let foreign = !envelope.object.get().is_none_or(is_whatsapp);
        for raw in envelope.entry {
            let place = Place { account: None, number: None, field: "entry" };
            if foreign {
                self.keep(place, Part::Entry, raw, Refused::because(Reason::OtherObject), 1);
                continue;
            }
            match object::<Entry<'_, &RawValue>>(raw) {
                Ok(entry) => self.entry(entry),
                Err(_) => self.loose_entry(raw),
            }
        }
        Ok(())
    }

    fn loose_entry(&mut self, raw: &RawValue) {
        let entry: LooseEntry<'_> = match object(raw) {
            Ok(entry) => entry,
            Err(refused) => {
                let place = Place { account: None, number: None, field: "entry" };
                return self.keep(place, Part::Entry, raw, refused, 1);
            }
        };
        for raw in entry.changes {
            match object::<Change<'_, &RawValue>>(raw) {
                Ok(change) => self.change(entry.id.get(), &change),
                Err(refused) => {
                    let place = Place { account: entry.id.get(), number: None, field: "changes" };
                    self.keep(place, Part::Change, raw, refused, 1);
                }
            }
        }
    }

    // ---- the usual way ----

    fn entry(&mut self, entry: Entry<'_, &RawValue>) {
        for change in &entry.changes {
            self.change(entry.id.get(), change);
        }
    }

    fn change(&mut self, account: Option<&str>, change: &Change<'_, &RawValue>) {
        let field = bound::cut(change.field.get().unwrap_or_default(), FIELD_BYTES_MAX);
        let place = Place { account, number: None, field };
        if matches!(field, "messages" | "user_preferences" | "user_id_update") {
            return self.value(place, change.value);
        }
        if self.updates_left == 0 {
            return self.keep(place, Part::Change, change.value, Refused::because(Reason::OverLimit), 1);
        }
        self.updates_left -= 1;
        match field::read(field, change.value) {
            Some(Ok(news)) => {
                self.decoded.stats.fields += 1;
                self.notice(place, Some(news), change.value);
            }
            Some(Err(refused)) => self.keep(place, Part::Value, change.value, refused, 1),
            None => {
                self.decoded.stats.fields_unknown += 1;
                self.notice(place, None, change.value);
            }
        }
    }

    /// The `value` of a field that is about users.
    fn value(&mut self, place: Place<'_>, raw: &RawValue) {
        let value: RawParts<'_> = match object(raw) {
            Ok(value) => value,
            Err(refused) => return self.keep(place, Part::Value, raw, refused, 1),
        };
        let number = value.metadata.0.as_ref().and_then(|metadata| metadata.phone_number_id.get());
        let place = Place { number, ..place };
        let lists = [&value.messages, &value.statuses, &value.errors, &value.user_preferences, &value.user_id_update];
        let updates: usize = lists.iter().map(|list| list.len()).sum();
        if lists.iter().any(|list| matches!(list, List::Odd)) {
            // The lists beside it are still read.
            self.keep(place, Part::Value, raw, Refused::detailed(Reason::Unreadable, "a list is no array"), 1);
        } else if updates == 0 {
            return self.keep(place, Part::Value, raw, Refused::because(Reason::Empty), 1);
        }
        if updates > self.updates_left {
            return self.keep(place, Part::Value, raw, Refused::because(Reason::OverLimit), clamp(updates));
        }
        self.updates_left -= updates;

        let errors = value.errors.into_items();
        if !errors.is_empty() {
            self.errors(place, &errors, raw);
        }
        if updates == errors.len() {
            return;
        }
        let Some((number, game)) = number.and_then(|number| self.numbers.look_up(number, self.context)) else {
            let about_users = clamp(updates - errors.len());
            return self.keep(place, Part::Value, raw, Refused::because(Reason::UnknownNumber), about_users);
        };
        let contacts = Contacts::read(value.contacts.into_items());
        let users = Users { number: &number, game: &game, now: self.context.now };
        let alone = value.messages.len() == 1;
        for raw in value.messages.into_items() {
            let found = object(raw).and_then(|head| message::read(head, Some(raw), &contacts, alone, &users));
            self.found(place, Part::Message, raw, found, &users);
        }
        for raw in value.statuses.into_items() {
            match object(raw).and_then(|status| status::read(status, &number, users.now)) {
                Ok(update) => self.decoded.status(update),
                Err(refused) => self.keep(place, Part::Status, raw, refused, 1),
            }
        }
        let alone = value.user_preferences.len() == 1;
        for raw in value.user_preferences.into_items() {
            self.found(place, Part::Preference, raw, preference::preference(raw, &contacts, alone, &users), &users);
        }
        let alone = value.user_id_update.len() == 1;
        for raw in value.user_id_update.into_items() {
            self.found(place, Part::UserIdUpdate, raw, preference::user_id(raw, &contacts, alone, &users), &users);
        }
    }

    fn found(&mut self, place: Place<'_>, part: Part, raw: &RawValue, found: Result<Found, Refused>, users: &Users<'_>) {
        match found {
            Ok(found) => self.decoded.event(found, users),
            Err(refused) => self.keep(place, part, raw, refused, 1),
        }
    }

    fn errors(&mut self, place: Place<'_>, errors: &[&RawValue], raw: &RawValue) {
        self.decoded.stats.errors += clamp(errors.len());
        let read = |raw: &&RawValue| {
            let error: MetaError<'_> = object(raw).unwrap_or_default();
            AccountError { code: error.code().unwrap_or(0), detail: error.words() }
        };
        let errors = errors.iter().take(ERRORS_MAX).map(read).collect();
        self.notice(place, Some(News::Errors(errors)), raw);
    }

    // ---- what is kept ----

    /// Keeps what could not become an event, and counts it as so many updates.
    fn keep(&mut self, place: Place<'_>, part: Part, raw: &RawValue, refused: Refused, updates: u32) {
        self.decoded.stats.keep(refused.reason, updates);
        let kept = Kept { part, reason: refused.reason, detail: refused.detail };
        self.notice(place, Some(News::Kept(kept)), raw);
    }

    /// Beyond [`UPDATES_MAX`] notices only their number is kept, and one notice that says so.
    fn notice(&mut self, place: Place<'_>, news: Option<News>, raw: &RawValue) {
        let kept = self.decoded.batch.notices.len();
        if kept > UPDATES_MAX {
            return;
        }
        let last = kept == UPDATES_MAX;
        let news = if last { Some(News::Kept(Kept { part: Part::Change, reason: Reason::OverLimit, detail: None })) } else { news };
        let short = |text: Option<&str>| text.map(|text| bound::cut(text, ACCOUNT_BYTES_MAX).to_owned());
        let summary = news.and_then(|news| {
            let summary = Summary { account: short(place.account), number: short(place.number), news };
            serde_json::to_string(&summary).ok()
        });
        self.decoded.batch.notices.push(Notice {
            app: self.context.app.to_owned(),
            field: place.field.to_owned(),
            summary,
            raw: if last { String::new() } else { notice::raw(raw.get()) },
            received_at: self.context.now,
        });
    }
}

impl Decoded {
    fn new(context: &DecodeContext<'_>) -> Self {
        let batch = Batch { received_at: context.now, ..Batch::default() };
        Self { batch, stats: DecodeStats::default() }
    }

    fn event(&mut self, found: Found, users: &Users<'_>) {
        match &found.event {
            Event::Message(message) => self.stats.message(&message.content),
            Event::Preference(_) => self.stats.preferences += 1,
            _ => self.stats.system += 1,
        }
        let address = Address { game: users.game.clone(), number: users.number.clone(), contact: found.contact };
        self.batch.events.push(Incoming { address, dedup: Some(found.dedup), event: found.event });
    }

    fn status(&mut self, update: StatusUpdate) {
        self.stats.status(update.state);
        self.batch.statuses.push(update);
    }
}

/// Our numbers as one POST meets them: all of its changes tend to be about one.
#[derive(Default)]
struct Numbers {
    last: Option<(NumberId, Option<GameId>)>,
}

impl Numbers {
    fn look_up(&mut self, number: &str, context: &DecodeContext<'_>) -> Option<(NumberId, GameId)> {
        if self.last.as_ref().is_none_or(|(known, _)| known.as_str() != number) {
            let number = NumberId::parse(number).ok()?;
            let game = (context.directory)(&number);
            self.last = Some((number, game));
        }
        let (number, game) = self.last.as_ref()?;
        Some((number.clone(), game.clone()?))
    }
}

/// What tells a repetition of something that reached `number`, called `name`, in its own second `sent_s`.
pub fn dedup_key(sent_s: u64, number: &NumberId, name: &str) -> DedupKey {
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    hash.update(number.as_str().as_bytes());
    hash.update(&[0]);
    hash.update(name.as_bytes());
    let digest = hash.finish();
    let mut first = [0; 16];
    first.copy_from_slice(&digest.as_ref()[..16]);
    DedupKey { sent_s, digest: u128::from_be_bytes(first) }
}

fn clamp(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
