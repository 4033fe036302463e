//! An uploaded list: rows become recipients whose values are frozen, each once, in pieces that fit into memory.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::RECIPIENTS_MAX;
use super::wording::{COLUMN_BYTES_MAX, Wording, WordingProblem};
use crate::contact::{Bsuid, PhoneNumber};
use crate::id::PlayerId;
use crate::permit::hours::is_zone;
use crate::template::Template;
use crate::time::UnixMs;

/// Recipients of a piece; the last one may have fewer.
pub const PIECE_ENTRIES: u64 = 500;
/// Bytes of all that is kept of one recipient.
pub const ENTRY_BYTES_MAX: usize = 4_096;
/// Columns of a row.
pub const COLUMNS_MAX: usize = 64;
/// Characters of a locale.
const LOCALE_CHARS_MAX: usize = 35;

/// How a list names its recipients: in one way all through, so that nobody is named twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyColumn {
    /// By phone number.
    Phone,
    /// By business-scoped user id.
    UserId,
    /// By the studio's id of the player.
    Player,
}

impl KeyColumn {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Phone, Self::UserId, Self::Player];

    /// The column's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::UserId => "user_id",
            Self::Player => "player",
        }
    }
}

/// Who gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// Whoever has this number.
    Phone(PhoneNumber),
    /// Whoever Meta calls so.
    UserId(Bsuid),
    /// This player, wherever they are.
    Player(PlayerId),
}

impl Who {
    /// The text that names them within a list.
    pub fn key(&self) -> &str {
        match self {
            Self::Phone(phone) => phone.digits(),
            Self::UserId(bsuid) => bsuid.as_str(),
            Self::Player(player) => player.as_str(),
        }
    }
}

/// A recipient as they are kept until their turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The line that named them.
    #[serde(rename = "n")]
    pub line: u64,
    /// Who.
    #[serde(rename = "w")]
    pub who: Who,
    /// Their language, if the row named one.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<Box<str>>,
    /// Their time zone, if the row named one.
    #[serde(rename = "z", default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Box<str>>,
    /// Their own time; it stays what it was found to be when the broadcast began.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub due: Option<UnixMs>,
    /// The template's values: header, body, buttons.
    #[serde(rename = "v", default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Box<str>>,
}

/// Recipients that lie together.
pub type Piece = Vec<Entry>;

/// What is known of a list that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Which upload it came with: its pieces lie under this name.
    pub upload: Box<str>,
    /// How it names recipients.
    pub key: KeyColumn,
    /// Those who are on it.
    pub recipients: u64,
    /// Rows that name somebody who is on it already.
    pub duplicates: u64,
    /// Rows that cannot be used.
    pub refused: u64,
}

impl List {
    /// How many pieces it lies in.
    pub fn pieces(&self) -> u64 {
        self.recipients.div_ceil(PIECE_ENTRIES)
    }
}

/// Where an entry lies: its piece, and its place in it.
pub fn piece_of(entry: u64) -> (u64, usize) {
    (entry / PIECE_ENTRIES, usize::try_from(entry % PIECE_ENTRIES).unwrap_or_default())
}

/// One row, as its fields stand there.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Its line in the upload, from 1.
    pub line: u64,
    /// Names of columns, with what stands in them.
    pub fields: &'a [(&'a str, &'a str)],
}

impl<'a> Row<'a> {
    fn field(&self, name: &str) -> Option<&'a str> {
        self.fields.iter().find(|(column, _)| *column == name).map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }
}

/// Why a row is not taken. What stands in it is not repeated: it tells of a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowProblem {
    /// Nobody is named.
    #[error("it names nobody: fill one of the columns phone, user_id and player")]
    Nobody,
    /// Somebody is named twice.
    #[error("it names its recipient in more than one way: fill one of the columns phone, user_id and player")]
    TwoNames,
    /// The list has another key.
    #[error("it names its recipient by {}, and the rows before by {}: a list names all in one way", .found.as_str(), .expected.as_str())]
    OtherKey {
        /// How the first row did.
        expected: KeyColumn,
        /// How this one does.
        found: KeyColumn,
    },
    /// It is no name.
    #[error("{0}")]
    Name(String),
    /// It is no time zone.
    #[error("zone: takes the IANA name of a time zone, for instance Europe/Berlin")]
    Zone,
    /// It is no locale.
    #[error("locale: takes a language as BCP 47 writes it, for instance pt-BR")]
    Locale,
    /// Its values are none.
    #[error(transparent)]
    Values(#[from] WordingProblem),
    /// It is too much.
    #[error("what is kept of a recipient may have {ENTRY_BYTES_MAX} bytes")]
    TooLong,
    /// Somebody else is the same.
    #[error("the same recipient as in line {first}")]
    Duplicate {
        /// The line that counts.
        first: u64,
    },
    /// The list is full.
    #[error("a list has up to {RECIPIENTS_MAX} recipients: this row and those behind it are not taken")]
    Full,
}

/// The head of a CSV list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Names of columns.
    pub columns: Vec<String>,
}

/// Why a head is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeader {
    /// No key.
    #[error("line 1: takes the names of the columns; one of them is phone, user_id or player")]
    NoKey,
    /// Not a name, or there twice.
    #[error(
        "line 1: column {0} has no usable name: 1 to {COLUMN_BYTES_MAX} of a-z, 0-9 and _, each name once, up to {COLUMNS_MAX} columns"
    )]
    Column(usize),
    /// A column that the values ask for is not there.
    #[error("line 1: the template's values ask for column {0:?}, which is not there")]
    Missing(String),
}

impl Header {
    /// Takes names of columns; a byte order mark in front is passed over.
    pub fn new<'a>(names: impl Iterator<Item = &'a str>, wording: &Wording) -> Result<Self, InvalidHeader> {
        let mut columns: Vec<String> = Vec::new();
        for (n, name) in names.enumerate() {
            let name = name.trim_start_matches('\u{feff}').trim().to_ascii_lowercase();
            let fits = (1..=COLUMN_BYTES_MAX).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
            if !fits || columns.contains(&name) || n >= COLUMNS_MAX {
                return Err(InvalidHeader::Column(n + 1));
            }
            columns.push(name);
        }
        if !KeyColumn::ALL.iter().any(|key| columns.iter().any(|column| column == key.as_str())) {
            return Err(InvalidHeader::NoKey);
        }
        match wording.columns().into_iter().find(|wanted| !columns.iter().any(|column| column == wanted)) {
            Some(missing) => Err(InvalidHeader::Missing(missing.to_owned())),
            None => Ok(Self { columns }),
        }
    }
}

/// The first 96 bits of a hash over a recipient's name: a million of them fit into memory with their lines.
type Seen = [u32; 3];

/// Takes rows and makes pieces of them.
pub struct ListBuilder {
    wording: Wording,
    /// Rows may name their time zone.
    with_zones: bool,
    upload: Box<str>,
    key: Option<KeyColumn>,
    piece: Piece,
    /// The line that named each recipient first.
    seen: HashMap<Seen, u32>,
    recipients: u64,
    duplicates: u64,
    refused: u64,
}

impl ListBuilder {
    /// For rows of a broadcast with this wording.
    pub fn new(wording: Wording, upload: impl Into<Box<str>>) -> Self {
        Self {
            wording,
            with_zones: false,
            upload: upload.into(),
            key: None,
            piece: Vec::new(),
            seen: HashMap::new(),
            recipients: 0,
            duplicates: 0,
            refused: 0,
        }
    }

    /// Where everybody has their own time, a row may name their zone.
    pub fn with_zones(self, with_zones: bool) -> Self {
        Self { with_zones, ..self }
    }

    /// Takes a row. A piece that is full now is handed out, to be stored.
    pub fn add(&mut self, row: Row<'_>) -> Result<Option<Piece>, RowProblem> {
        match self.entry(row) {
            Ok(entry) => {
                self.piece.push(entry);
                self.recipients += 1;
                Ok((self.piece.len() as u64 == PIECE_ENTRIES).then(|| std::mem::take(&mut self.piece)))
            }
            Err(problem) => {
                match problem {
                    RowProblem::Duplicate { .. } => self.duplicates += 1,
                    _ => self.refused += 1,
                }
                Err(problem)
            }
        }
    }

    /// Counts a row that could not even be read.
    pub fn refuse(&mut self) {
        self.refused += 1;
    }

    /// The last piece, if there is one, and what became of the list.
    pub fn finish(self) -> (Option<Piece>, List) {
        let Self { upload, key, piece, recipients, duplicates, refused, .. } = self;
        let list = List { upload, key: key.unwrap_or(KeyColumn::Phone), recipients, duplicates, refused };
        ((!piece.is_empty()).then_some(piece), list)
    }

    fn entry(&mut self, row: Row<'_>) -> Result<Entry, RowProblem> {
        if self.recipients >= RECIPIENTS_MAX {
            return Err(RowProblem::Full);
        }
        let mut named = KeyColumn::ALL.into_iter().filter_map(|key| Some((key, row.field(key.as_str())?)));
        let (key, name) = named.next().ok_or(RowProblem::Nobody)?;
        if named.next().is_some() {
            return Err(RowProblem::TwoNames);
        }
        let wrong = |problem: &dyn std::fmt::Display| RowProblem::Name(format!("{}: {problem}", key.as_str()));
        let who = match key {
            KeyColumn::Phone => Who::Phone(PhoneNumber::parse(&plain(name)).map_err(|problem| wrong(&problem))?),
            KeyColumn::UserId => Who::UserId(Bsuid::parse(name).map_err(|problem| wrong(&problem))?),
            KeyColumn::Player => Who::Player(PlayerId::parse(name).map_err(|problem| wrong(&problem))?),
        };
        let expected = *self.key.get_or_insert(key);
        if expected != key {
            return Err(RowProblem::OtherKey { expected, found: key });
        }
        let locale = row.field("locale");
        if locale.is_some_and(|locale| !is_locale(locale)) {
            return Err(RowProblem::Locale);
        }
        let zone = row.field("zone").filter(|_| self.with_zones);
        if zone.is_some_and(|zone| !is_zone(zone)) {
            return Err(RowProblem::Zone);
        }
        let values = self.wording.values(|column| row.field(column))?;
        let bytes =
            who.key().len() + locale.map_or(0, str::len) + zone.map_or(0, str::len) + values.iter().map(|value| value.len()).sum::<usize>();
        if bytes > ENTRY_BYTES_MAX {
            return Err(RowProblem::TooLong);
        }
        let line = u32::try_from(row.line).unwrap_or(u32::MAX);
        match self.seen.entry(digest(who.key())) {
            std::collections::hash_map::Entry::Occupied(first) => return Err(RowProblem::Duplicate { first: u64::from(*first.get()) }),
            std::collections::hash_map::Entry::Vacant(place) => place.insert(line),
        };
        Ok(Entry { line: row.line, who, locale: locale.map(Box::from), zone: zone.map(Box::from), due: None, values })
    }
}

/// A number as people write it: spaces, hyphens, dots and brackets tell nothing.
fn plain(number: &str) -> String {
    number.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '\u{a0}')).collect()
}

/// Whether a text may be a locale: letters and digits in parts.
pub fn is_locale(text: &str) -> bool {
    let part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.len() <= LOCALE_CHARS_MAX && text.split(['-', '_']).all(part) && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn digest(key: &str) -> Seen {
    let digest = ring::digest::digest(&ring::digest::SHA256, key.as_bytes());
    let mut seen = [0; 3];
    for (word, bytes) in seen.iter_mut().zip(digest.as_ref().chunks_exact(4)) {
        *word = bytes.iter().fold(0, |word: u32, byte| word << 8 | u32::from(*byte));
    }
    seen
}

/// Whether the template has a language for somebody: their own, or the game's.
pub fn has_language(template: &Template, wording: &Wording, locale: Option<&str>, game_locale: &str) -> bool {
    let wanted = wording.locale.as_deref().or(locale).and_then(|locale| template.language(locale));
    wanted.or_else(|| template.language(game_locale)).is_some()
}
