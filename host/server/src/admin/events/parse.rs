//! A game event as the backend writes it, read into types. Every error names its field and says what belongs there; none
//! repeats a contact.

use std::collections::BTreeMap;

use questline_core::contact::{Bsuid, Contact, PhoneNumber};
use questline_core::game::Game;
use questline_core::id::{NumberId, PlayerId};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::admin::Problem;

/// Bytes of a payload.
const PAYLOAD_BYTES_MAX: usize = 16 * 1024;
/// Characters of an event's name.
const NAME_CHARS_MAX: usize = 64;
/// Characters of an id.
const ID_CHARS_MAX: usize = 255;

/// An event, read.
#[derive(Debug)]
pub(super) struct NewEvent {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) target: Target,
    /// Of the game.
    pub(super) number: Option<NumberId>,
    /// A JSON object.
    pub(super) payload: String,
}

/// Whom it is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::admin) enum Target {
    Player(PlayerId),
    Contact(Contact),
}

/// The fields of a JSON object that are still to be read.
#[derive(Debug)]
pub(in crate::admin) struct Fields<'a> {
    fields: BTreeMap<String, &'a RawValue>,
    /// In front of a field's name in errors.
    prefix: &'static str,
}

/// Reads a JSON object.
pub(in crate::admin) fn object<'a>(json: &'a [u8], prefix: &'static str) -> Result<Fields<'a>, Problem> {
    let what = || if prefix.is_empty() { "the body" } else { prefix.trim_end_matches('.') };
    let wrong = |problem: serde_json::Error| {
        // Only the place: the words would repeat what stood there.
        Problem::invalid(format!("{} takes a JSON object; it is none from line {}, column {} on", what(), problem.line(), problem.column()))
    };
    Ok(Fields { fields: serde_json::from_slice(json).map_err(wrong)?, prefix })
}

impl<'a> Fields<'a> {
    pub(in crate::admin) fn raw(&mut self, name: &str) -> Option<&'a RawValue> {
        self.fields.remove(name).filter(|value| value.get() != "null")
    }

    /// A field that is still to be read, if it is what is expected.
    pub(in crate::admin) fn peek<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.fields.get(name).and_then(|value| serde_json::from_str(value.get()).ok())
    }

    pub(in crate::admin) fn take<T: DeserializeOwned>(&mut self, name: &str, takes: &str) -> Result<Option<T>, Problem> {
        let read = |value: &RawValue| serde_json::from_str(value.get()).map_err(|_| self.wrong(name, takes));
        let raw = self.fields.get(name).filter(|value| value.get() != "null").map(|value| read(value)).transpose();
        self.fields.remove(name);
        raw
    }

    pub(in crate::admin) fn wrong(&self, name: &str, takes: &str) -> Problem {
        Problem::invalid(format!("{}{name}: takes {takes}", self.prefix))
    }

    pub(in crate::admin) fn end(self, known: &str) -> Result<(), Problem> {
        match self.fields.into_keys().next() {
            None => Ok(()),
            Some(unknown) => {
                let unknown: String = unknown.chars().take(NAME_CHARS_MAX).collect();
                Err(Problem::invalid(format!("{}{unknown}: there is no such field; known are {known}", self.prefix)))
            }
        }
    }
}

/// What tells one event from every other.
pub(in crate::admin) fn id(field: &str, text: Option<&str>) -> Result<String, Problem> {
    let fits = |text: &&str| (1..=ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    text.filter(fits).map(str::to_owned).ok_or_else(|| {
        Problem::invalid(format!(
            "{field}: needed, 1 to {ID_CHARS_MAX} printable ASCII characters without spaces: the event's own id. A repetition carries the same"
        ))
    })
}

/// Reads an event. `key` is its id where a header has it; else the field `id` does.
pub(super) fn event(mut fields: Fields<'_>, key: Option<String>, game: &Game) -> Result<NewEvent, Problem> {
    let (id, known) = match key {
        Some(key) => (key, "name, player, contact, number, payload"),
        None => {
            let text: Option<String> = fields.take("id", "a text")?;
            (self::id("id", text.as_deref())?, "id, name, player, contact, number, payload")
        }
    };
    let takes_name = format!("1 to {NAME_CHARS_MAX} of a-z, 0-9, -, _ and ., for instance \"tournament-result\"");
    let name: String = fields.take("name", &takes_name)?.ok_or_else(|| fields.wrong("name", &takes_name))?;
    let slug = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    if !(1..=NAME_CHARS_MAX).contains(&name.len()) || !name.bytes().all(slug) {
        return Err(fields.wrong("name", &takes_name));
    }
    let target = target(&mut fields, "whom the event is about")?;
    let numbers = || game.numbers.iter().map(|number| number.as_str()).collect::<Vec<_>>().join(", ");
    let takes_number = || format!("one of the numbers of {}, by Meta's phone_number_id: {}", game.id, numbers());
    let number = fields.take::<NumberId>("number", &takes_number())?;
    if number.as_ref().is_some_and(|number| !game.numbers.contains(number)) {
        return Err(fields.wrong("number", &takes_number()));
    }
    let payload = fields.raw("payload").map_or("{}", RawValue::get);
    if !payload.starts_with('{') {
        return Err(fields.wrong("payload", "a JSON object"));
    }
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(fields.wrong("payload", &format!("at most {PAYLOAD_BYTES_MAX} bytes, and this one has {}", payload.len())));
    }
    fields.end(known)?;
    Ok(NewEvent { id, name, target, number, payload: payload.to_owned() })
}

/// Reads `player` or `contact`, one of the two; `says` tells what it says.
pub(in crate::admin) fn target(fields: &mut Fields<'_>, says: &str) -> Result<Target, Problem> {
    let player = fields.take::<PlayerId>("player", "a player's id: 1 to 128 printable ASCII characters")?;
    match (player, fields.raw("contact").map(contact).transpose()?) {
        (Some(player), None) => Ok(Target::Player(player)),
        (None, Some(contact)) => Ok(Target::Contact(contact)),
        _ => Err(Problem::invalid(format!("player, contact: one of the two says {says}, and not both"))),
    }
}

pub(in crate::admin) fn contact(json: &RawValue) -> Result<Contact, Problem> {
    let mut fields = object(json.get().as_bytes(), "contact.")?;
    let phone = fields.take::<PhoneNumber>("phone", "5 to 15 digits with the country code, for instance \"+15550100\"")?;
    let bsuid = fields.take::<Bsuid>("user_id", "a business-scoped user id, for instance \"US.13491208655302741918\"")?;
    fields.end("phone, user_id")?;
    Contact::new(phone, bsuid).ok_or_else(|| Problem::invalid("contact: takes phone, user_id, or both"))
}

/// What became of reading one event of a batch: the event, or its id as far as it is known and what is wrong.
pub(super) type Parsed = Result<NewEvent, (Option<String>, Problem)>;

/// Reads `{"events": [...]}`.
pub(super) fn batch(json: &[u8], events_max: usize, game: &Game) -> Result<Vec<Parsed>, Problem> {
    let mut fields = object(json, "")?;
    let takes = format!("a list of 1 to {events_max} events");
    let list = fields.raw("events").ok_or_else(|| fields.wrong("events", &takes))?;
    let list: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(|_| fields.wrong("events", &takes))?;
    if list.is_empty() || list.len() > events_max {
        return Err(fields.wrong("events", &format!("{takes}; this one has {}", list.len())));
    }
    fields.end("events")?;
    let read = |json: &&RawValue| {
        let fields = object(json.get().as_bytes(), "").map_err(|_| (None, Problem::invalid("an event is a JSON object")))?;
        let named: Option<String> = fields.peek("id");
        let named = named.filter(|named| id("id", Some(named)).is_ok());
        event(fields, None, game).map_err(|problem| (named, problem))
    };
    Ok(list.iter().map(read).collect())
}
