//! A record of consent as a studio writes it, read into types. Every error names its field and says what belongs there; none
//! repeats a contact.

use questline_core::audit::Actor;
use questline_core::consent::{AHEAD_MS_MAX, ConsentRecord, Marketing, NAME_CHARS_MAX, WORDING_BYTES_MAX};
use questline_core::contact::Contact;
use questline_core::game::Game;
use questline_core::id::PlayerId;
use questline_core::time::UnixMs;
use serde_json::value::RawValue;

use crate::admin::Problem;
use crate::admin::events::parse::{Fields, Target, id, object, target};
use crate::game::is_name;

/// A record, read.
#[derive(Debug)]
pub(super) struct NewConsent {
    pub(super) id: String,
    pub(super) target: Target,
    marketing: Marketing,
    wording: String,
    version: Option<String>,
    method: String,
    locale: Option<String>,
    at: UnixMs,
}

impl NewConsent {
    pub(super) fn into_record(self, by: Actor, player: Option<PlayerId>, contact: Contact, now: UnixMs) -> ConsentRecord {
        ConsentRecord {
            id: format!("api/{}", self.id),
            marketing: self.marketing,
            wording: self.wording,
            wording_version: self.version,
            method: self.method,
            source: by,
            locale: self.locale,
            at: self.at,
            recorded_at: now,
            player,
            contact: Some(contact),
            from: None,
            copy: false,
        }
    }
}

/// Reads a record. `key` is its id where a header has it; else the field `id` does.
pub(super) fn consent(mut fields: Fields<'_>, key: Option<String>, game: &Game, now: UnixMs) -> Result<NewConsent, Problem> {
    let (id, known) = match key {
        Some(key) => (key, "player, contact, decision, method, wording, version, locale, at"),
        None => {
            let text: Option<String> = fields.take("id", "a text")?;
            (self::id("id", text.as_deref())?, "id, player, contact, decision, method, wording, version, locale, at")
        }
    };
    let target = target(&mut fields, "whose consent it is")?;
    let takes = "\"granted\" or \"withdrawn\"";
    let marketing = match fields.take::<String>("decision", takes)?.as_deref() {
        Some("granted") => Marketing::Granted,
        Some("withdrawn") => Marketing::Withdrawn,
        _ => return Err(fields.wrong("decision", takes)),
    };
    let takes = format!("1 to {NAME_CHARS_MAX} of a-z, 0-9, -, _ and ., for instance \"in-game-checkbox\"");
    let method = fields.take::<String>("method", &takes)?.filter(|method| is_name(method)).ok_or_else(|| fields.wrong("method", &takes))?;
    let takes = "a language as BCP 47 writes it, for instance \"pt-BR\"";
    let locale = fields.take::<String>("locale", takes)?;
    let fits = |text: &String| (2..=35).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if locale.as_ref().is_some_and(|locale| !fits(locale)) {
        return Err(fields.wrong("locale", takes));
    }
    let (wording, version) = wording(&mut fields, marketing, locale.as_deref(), game)?;
    let takes = "when the player said it, in milliseconds since 1970, not in the future";
    let at = fields.take::<u64>("at", takes)?.map_or(now, UnixMs);
    if at > now.plus_ms(AHEAD_MS_MAX) {
        return Err(fields.wrong("at", takes));
    }
    fields.end(known)?;
    // A clock that is a little ahead is not to keep a STOP from counting.
    Ok(NewConsent { id, target, marketing, wording, version, method, locale, at: at.min(now) })
}

/// The exact words with their version. A game that declares its wordings is held to them.
fn wording(fields: &mut Fields<'_>, marketing: Marketing, locale: Option<&str>, game: &Game) -> Result<(String, Option<String>), Problem> {
    let takes = format!("the exact words, 1 to {WORDING_BYTES_MAX} bytes");
    let wording = fields.take::<String>("wording", &takes)?;
    if wording.as_ref().is_some_and(|wording| wording.trim().is_empty() || wording.len() > WORDING_BYTES_MAX) {
        return Err(fields.wrong("wording", &takes));
    }
    let takes_version = format!("the version of the wording, 1 to {NAME_CHARS_MAX} of a-z, 0-9, -, _ and .");
    let version = fields.take::<String>("version", &takes_version)?;
    if version.as_ref().is_some_and(|version| !is_name(version)) {
        return Err(fields.wrong("version", &takes_version));
    }
    let declares = !game.consent.wordings.is_empty();
    match (wording, version) {
        (None, Some(version)) => {
            let text = game.consent.wording(&version, locale.unwrap_or(&game.locale));
            let text = text.map_err(|problem| Problem::invalid(format!("version: {problem}; give the exact words as wording")))?;
            Ok((text.to_owned(), Some(version)))
        }
        (Some(wording), Some(version)) if declares && game.consent.version_of(&wording) != Some(version.as_str()) => {
            Err(Problem::invalid(format!("wording: these are not the words that game.toml declares as {version:?} in [consent.wordings]")))
        }
        (Some(wording), Some(version)) => Ok((wording, Some(version))),
        (Some(wording), None) => {
            let version = game.consent.version_of(&wording).map(str::to_owned);
            Ok((wording, version))
        }
        // Whoever takes it back need not say it in certain words.
        (None, None) if marketing == Marketing::Withdrawn => Ok((String::new(), None)),
        (None, None) => {
            Err(Problem::invalid("wording: needed, the exact words that the player agreed to; or version, where game.toml declares it"))
        }
    }
}

/// What became of reading one record of a batch: the record, or its id as far as it is known and what is wrong.
pub(super) type Parsed = Result<NewConsent, (Option<String>, Problem)>;

/// Reads `{"consents": [...]}`.
pub(super) fn batch(json: &[u8], consents_max: usize, game: &Game, now: UnixMs) -> Result<Vec<Parsed>, Problem> {
    let mut fields = object(json, "")?;
    let takes = format!("a list of 1 to {consents_max} records");
    let list = fields.raw("consents").ok_or_else(|| fields.wrong("consents", &takes))?;
    let list: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(|_| fields.wrong("consents", &takes))?;
    if list.is_empty() || list.len() > consents_max {
        return Err(fields.wrong("consents", &format!("{takes}; this one has {}", list.len())));
    }
    fields.end("consents")?;
    let read = |json: &&RawValue| {
        let fields = object(json.get().as_bytes(), "").map_err(|_| (None, Problem::invalid("a record is a JSON object")))?;
        let named: Option<String> = fields.peek("id");
        let named = named.filter(|named| id("id", Some(named)).is_ok());
        consent(fields, None, game, now).map_err(|problem| (named, problem))
    };
    Ok(list.iter().map(read).collect())
}
