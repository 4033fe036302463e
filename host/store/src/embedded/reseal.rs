//! Rewrites rows under the key that seals: read, opened and sealed on the reading side, and written by the writer among all
//! else, each row only if it is still what was read.

use async_trait::async_trait;
use questline_core::conversation::Conversation;
use questline_core::id::{ConversationId, GameId, TicketNumber};
use questline_core::port::{DerivedKey, Resealing, Sealing, StoreError};
use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use super::append::{contact_from, contact_index};
use super::op::{Answer, Op};
use super::sealing::{STALE_PAGES, blob};
use super::writer::{Failure, Writer};
use super::{EmbeddedStore, unavailable};
use crate::alias::Alias;
use crate::pages::{PageKey, open_named_page};
use crate::reseal::Tally;
use crate::seal::{Index, Kind, Named, Owner, Sealer};

/// Rows that are read and written at once.
const CHUNK: usize = 128;
/// Bytes of them, before and after, about: pieces of releases are large.
const CHUNK_BYTES: usize = 4 << 20;

/// What a row's value is to be, if it changes.
type Reseal = fn(&Sealer, &Row<'_>, &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

/// One column of one table whose rows have a number.
struct Column {
    /// Number, value, and what it belongs to; from a number on.
    select: &'static str,
    /// Number, value as it was, value as it is to be.
    update: &'static str,
    reseal: Reseal,
}

macro_rules! column {
    ($table:literal, $id:literal, $column:literal, $owner:literal, $reseal:expr) => {
        Column {
            select: concat!(
                "SELECT ",
                $id,
                ", ",
                $column,
                ", ",
                $owner,
                " FROM ",
                $table,
                " WHERE ",
                $id,
                " > ?1 ORDER BY ",
                $id,
                " LIMIT ?2"
            ),
            update: concat!("UPDATE ", $table, " SET ", $column, " = ?3 WHERE ", $id, " = ?1 AND ", $column, " = ?2"),
            reseal: $reseal,
        }
    };
    ($table:literal, $id:literal, $column:literal, $kind:ident) => {
        column!($table, $id, $column, "conversation", |sealer, row, value| {
            sealer.reseal(Owner::number(Kind::$kind, row.get(2).map_err(unavailable)?), value)
        })
    };
}

const COLUMNS: [Column; 10] = [
    column!("timer", "id", "payload", Timer),
    column!("inbox", "seq", "event", Event),
    column!("message", "seq", "content", Message),
    column!("message", "seq", "wamid", "conversation", |sealer, row, value| {
        sealer.reseal_wamid(ConversationId(row.get(2).map_err(unavailable)?), value)
    }),
    column!("consent", "id", "doc", Consent),
    column!("step", "seq", "doc", Step),
    column!("notice", "id", "doc", "received_ms", |sealer, row, value| {
        sealer.reseal(Owner::number(Kind::Notice, row.get(2).map_err(unavailable)?), value)
    }),
    column!("ticket", "id", "doc", "game, number", |sealer, row, value| {
        let number: String = row.get(3).map_err(unavailable)?;
        let number = TicketNumber::parse(&number).map_err(|_| StoreError::Corrupt("a ticket has an odd number".to_owned()))?;
        sealer.reseal(Owner::ticket(&game(row, 2)?, &number), value)
    }),
    column!("document", "id", "value", "name", |sealer, row, value| {
        let name: String = row.get(2).map_err(unavailable)?;
        sealer.reseal(Owner::document(&name), value)
    }),
    column!("dead_letter", "id", "doc", "game", |sealer, row, value| sealer.reseal(Owner::letter(&game(row, 2)?), value)),
];

fn game(row: &Row<'_>, column: usize) -> Result<GameId, StoreError> {
    let name: String = row.get(column).map_err(unavailable)?;
    GameId::parse(&name).map_err(|_| StoreError::Corrupt("a row's game has no name".to_owned()))
}

/// Where a walk stands. Aliases come behind conversations, which tell the names that they stand for.
#[derive(Debug, Clone)]
enum Place {
    Column(usize, i64),
    Pages(Value),
    Conversations(i64),
    Aliases,
    End,
}

/// A walk over all rows.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    place: Place,
    tally: Tally,
    conversations_unreadable: bool,
}

impl Default for Walk {
    fn default() -> Self {
        Self { place: Place::Column(0, i64::MIN), tally: Tally::default(), conversations_unreadable: false }
    }
}

/// A row that is to be written. None of them changes anything but the key.
pub(super) enum Rewrite {
    Cell {
        update: &'static str,
        id: i64,
        before: Value,
        after: Vec<u8>,
    },
    Page {
        name: Value,
        before: Value,
        index: Index,
        value: Vec<u8>,
        forget_ms: u64,
    },
    Conversation {
        id: ConversationId,
        before: Value,
        doc: Vec<u8>,
        contact: Index,
        player: Option<Index>,
    },
    /// Now it is this, if it points here.
    Alias {
        before: Value,
        index: Index,
        id: ConversationId,
    },
    /// A name that no conversation has.
    Forgotten {
        alias: Value,
    },
}

#[async_trait]
impl Sealing for EmbeddedStore {
    fn derived_keys(&self, label: &str) -> Vec<DerivedKey> {
        self.shared.sealer.derived(label)
    }

    async fn reseal(&self, limit: usize) -> Result<Resealing, StoreError> {
        let mut held = self.walk.lock().await;
        let mut walk = std::mem::take(&mut *held);
        let until = walk.tally.looked_at.saturating_add(limit.max(1) as u64);
        let sealer = self.shared.sealer.clone();
        while walk.tally.looked_at < until && !matches!(walk.place, Place::End) {
            let (next, rewrites) = {
                let (sealer, mut walk) = (sealer.clone(), walk.clone());
                self.read(move |connection| {
                    let rewrites = walk.read_on(connection, &sealer)?;
                    Ok((walk, rewrites))
                })
                .await?
            };
            if !rewrites.is_empty() {
                self.ask(Op::Rewrite(rewrites)).await?;
            }
            walk = next;
            *held = walk.clone();
        }
        if !matches!(walk.place, Place::End) {
            return Ok(walk.tally.told(&sealer, false));
        }
        *held = Walk::default();
        let told = walk.tally.told(&sealer, true);
        if walk.tally.is_clean(&sealer) && sealer.has_older() {
            self.ask(Op::StrikeKeys).await?;
            sealer.forget_older();
        }
        Ok(told)
    }
}

impl Walk {
    /// Looks at some more rows; says what is to be written.
    fn read_on(&mut self, connection: &Connection, sealer: &Sealer) -> Result<Vec<Rewrite>, StoreError> {
        match self.place.clone() {
            Place::Column(n, after) => {
                let (rewrites, last) = self.column(connection, sealer, &COLUMNS[n], after)?;
                self.place = match last {
                    Some(last) => Place::Column(n, last),
                    None if n + 1 < COLUMNS.len() => Place::Column(n + 1, i64::MIN),
                    None => Place::Pages(Value::Null),
                };
                Ok(rewrites)
            }
            Place::Pages(after) => {
                let (rewrites, last) = self.pages(connection, sealer, &after)?;
                self.place = last.map_or(Place::Conversations(0), Place::Pages);
                Ok(rewrites)
            }
            Place::Conversations(after) => {
                let (rewrites, last) = self.conversations(connection, sealer, after)?;
                self.place = last.map_or(Place::Aliases, Place::Conversations);
                Ok(rewrites)
            }
            Place::Aliases => {
                let rewrites = self.aliases(connection, sealer)?;
                if rewrites.is_empty() {
                    self.place = Place::End;
                }
                Ok(rewrites)
            }
            Place::End => Ok(Vec::new()),
        }
    }

    fn column(
        &mut self,
        connection: &Connection,
        sealer: &Sealer,
        column: &Column,
        after: i64,
    ) -> Result<(Vec<Rewrite>, Option<i64>), StoreError> {
        let (mut rewrites, mut last, mut count, mut bytes_held) = (Vec::new(), after, 0, 0);
        let mut statement = connection.prepare_cached(column.select).map_err(unavailable)?;
        let mut rows = statement.query((after, CHUNK as i64)).map_err(unavailable)?;
        while let Some(row) = rows.next().map_err(unavailable)? {
            (last, count) = (row.get(0).map_err(unavailable)?, count + 1);
            self.tally.looked_at += 1;
            let before: Value = row.get(1).map_err(unavailable)?;
            if before == Value::Null {
                continue;
            }
            let bytes = blob(row, 1).map_err(unavailable)?;
            match (column.reseal)(sealer, row, &bytes) {
                Ok(after) => {
                    self.tally.first(sealer);
                    if let Some(after) = after {
                        self.tally.rewritten += 1;
                        bytes_held += bytes.len() + after.len();
                        rewrites.push(Rewrite::Cell { update: column.update, id: last, before, after });
                        if bytes_held >= CHUNK_BYTES {
                            count = CHUNK;
                            break;
                        }
                    }
                }
                Err(problem) => self.tally.unreadable(&bytes, &problem),
            }
        }
        Ok((rewrites, (count == CHUNK).then_some(last)))
    }

    fn pages(&mut self, connection: &Connection, sealer: &Sealer, after: &Value) -> Result<(Vec<Rewrite>, Option<Value>), StoreError> {
        let (mut rewrites, mut last, mut count) = (Vec::new(), after.clone(), 0);
        let sql = "SELECT name, value, forget_ms FROM page WHERE ?1 IS NULL OR name > ?1 ORDER BY name LIMIT ?2";
        let mut statement = connection.prepare_cached(sql).map_err(unavailable)?;
        let mut rows = statement.query((after, CHUNK as i64)).map_err(unavailable)?;
        while let Some(row) = rows.next().map_err(unavailable)? {
            last = row.get(0).map_err(unavailable)?;
            count += 1;
            self.tally.looked_at += 1;
            let (name, value) = (blob(row, 0).map_err(unavailable)?, blob(row, 1).map_err(unavailable)?);
            if sealer.is_first(&name) && sealer.is_first(&value) {
                self.tally.first(sealer);
                continue;
            }
            let forget_ms = row.get(2).map_err(unavailable)?;
            match page_anew(sealer, &last, &name, &value) {
                Ok((index, sealed)) => {
                    self.tally.rewritten += 1;
                    // One that comes to lie further on is met there again.
                    if index.as_bytes()[..] <= name[..] && matches!(last, Value::Blob(_)) {
                        self.tally.first(sealer);
                    }
                    let before = row.get(1).map_err(unavailable)?;
                    rewrites.push(Rewrite::Page { name: last.clone(), before, index, value: sealed, forget_ms });
                }
                Err(problem) => self.tally.unreadable(&value, &problem),
            }
        }
        Ok((rewrites, (count == CHUNK).then_some(last)))
    }

    fn conversations(&mut self, connection: &Connection, sealer: &Sealer, after: i64) -> Result<(Vec<Rewrite>, Option<i64>), StoreError> {
        let names_left = !older_aliases(connection, sealer, 1)?.is_empty();
        let (mut rewrites, mut last, mut count) = (Vec::new(), after, 0);
        let sql = "SELECT id, doc, contact, player, phone, bsuid, version FROM conversation WHERE id > ?1 ORDER BY id LIMIT ?2";
        let mut statement = connection.prepare_cached(sql).map_err(unavailable)?;
        let mut rows = statement.query((after, CHUNK as i64)).map_err(unavailable)?;
        while let Some(row) = rows.next().map_err(unavailable)? {
            (last, count) = (row.get(0).map_err(unavailable)?, count + 1);
            self.tally.looked_at += 1;
            let doc = blob(row, 1).map_err(unavailable)?;
            let is_older = |column: usize| -> Result<bool, StoreError> {
                let bytes = row.get_ref(column).map_err(unavailable)?.as_bytes_or_null().map_err(|error| unavailable(error.into()))?;
                Ok(bytes.is_some_and(|bytes| !sealer.is_first(bytes)))
            };
            let is_open = row.get_ref(2).map_err(unavailable)? == rusqlite::types::ValueRef::Null;
            let stays = !(is_open || is_older(1)? || is_older(2)? || is_older(3)?);
            if stays && !names_left {
                self.tally.first(sealer);
                continue;
            }
            match conversation_of(sealer, row, &doc) {
                Ok(conversation) => {
                    self.tally.first(sealer);
                    conversation_anew(connection, sealer, row, &conversation, stays, &mut rewrites)?;
                    self.tally.rewritten += u64::from(!stays);
                }
                Err(problem) => {
                    self.conversations_unreadable = true;
                    self.tally.unreadable(&doc, &problem);
                }
            }
        }
        Ok((rewrites, (count == CHUNK).then_some(last)))
    }

    /// Names that are left under other keys are of no conversation, unless one could not be read.
    fn aliases(&mut self, connection: &Connection, sealer: &Sealer) -> Result<Vec<Rewrite>, StoreError> {
        let left = older_aliases(connection, sealer, if self.conversations_unreadable { usize::MAX } else { CHUNK })?;
        if self.conversations_unreadable || left.is_empty() {
            let sql = "SELECT (SELECT count(*) FROM alias) + (SELECT count(*) FROM alias_new AS new
                WHERE NOT EXISTS (SELECT 1 FROM alias WHERE alias.name = new.name))";
            let all = connection.query_row(sql, [], |row| row.get::<_, u64>(0)).map_err(unavailable)?;
            self.tally.looked_at += all;
            self.tally.first_rows(sealer, all.saturating_sub(left.len() as u64));
            for alias in left {
                let bytes = if let Value::Blob(bytes) = &alias { bytes.clone() } else { Vec::new() };
                self.tally.unreadable(&bytes, &StoreError::Corrupt("a contact's name whose conversation cannot be read".to_owned()));
            }
            return Ok(Vec::new());
        }
        self.tally.looked_at += left.len() as u64;
        Ok(left.into_iter().map(|alias| Rewrite::Forgotten { alias }).collect())
    }
}

/// A page as it is to lie.
fn page_anew(sealer: &Sealer, at: &Value, name: &[u8], value: &[u8]) -> Result<(Index, Vec<u8>), StoreError> {
    let (known, value) = open_named_page(sealer, Index::read(name), value)?;
    let known = match (known, at) {
        (Some(known), _) => known,
        (None, Value::Text(plain)) => plain.clone(),
        (None, _) => String::new(),
    };
    let parts = known.split_once('/').and_then(|(game, name)| Some((GameId::parse(game).ok()?, name)));
    let (game, name) = parts.ok_or_else(|| StoreError::Corrupt("a page has an odd name".to_owned()))?;
    let key = PageKey::new(sealer, &game, name);
    Ok((key.index, key.seal(sealer, &value)?))
}

fn conversation_of(sealer: &Sealer, row: &Row<'_>, doc: &[u8]) -> Result<Conversation, StoreError> {
    let id: u64 = row.get(0).map_err(unavailable)?;
    let text = |column: usize| row.get::<_, Option<String>>(column).map_err(unavailable);
    let mut conversation: Conversation = sealer.open(Owner::number(Kind::Conversation, id), doc)?;
    conversation.version = row.get(6).map_err(unavailable)?;
    if let Some(contact) = contact_from(text(4)?.as_deref(), text(5)?.as_deref()) {
        conversation.contact = contact;
    }
    Ok(conversation)
}

fn conversation_anew(
    connection: &Connection,
    sealer: &Sealer,
    row: &Row<'_>,
    conversation: &Conversation,
    stays: bool,
    rewrites: &mut Vec<Rewrite>,
) -> Result<(), StoreError> {
    let (id, contact) = (conversation.id, &conversation.contact);
    if !stays {
        let player = conversation.session.player.as_ref();
        rewrites.push(Rewrite::Conversation {
            id,
            before: row.get(1).map_err(unavailable)?,
            doc: sealer.seal_json(Owner::number(Kind::Conversation, id.0), conversation)?,
            contact: contact_index(sealer, id, contact),
            player: player.map(|player| sealer.index(Named::Player, &[conversation.game.as_str(), player.as_str()])),
        });
    }
    let mut statement = connection.prepare_cached("SELECT 1 FROM alias WHERE name = ?1 AND conversation = ?2").map_err(unavailable)?;
    for alias in Alias::all(&conversation.number, contact) {
        let parts = [alias.as_str()];
        let older = sealer.older_indexes(Named::Alias, &parts).map(|index| Value::Blob(index.as_bytes().to_vec()));
        let plain = sealer.has_plain().then(|| Value::Text(alias.as_str().to_owned()));
        for before in older.chain(plain) {
            if statement.exists((&before, id.0)).map_err(unavailable)? {
                rewrites.push(Rewrite::Alias { before, index: sealer.index(Named::Alias, &parts), id });
            }
        }
    }
    Ok(())
}

/// Names under other keys than the first: they lie before and behind its own.
fn older_aliases(connection: &Connection, sealer: &Sealer, limit: usize) -> Result<Vec<Value>, StoreError> {
    let (from, to) = sealer.first_range();
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut found = Vec::new();
    let before = ("SELECT name FROM alias WHERE name < ?1 LIMIT ?2", from);
    let behind = ("SELECT name FROM alias WHERE name >= ?1 LIMIT ?2", to);
    for (sql, bound) in [before, behind] {
        let mut statement = connection.prepare_cached(sql).map_err(unavailable)?;
        let rows = statement.query_map((bound, limit), |row| row.get(0)).map_err(unavailable)?;
        found.extend(rows.collect::<rusqlite::Result<Vec<Value>>>().map_err(unavailable)?);
    }
    Ok(found)
}

impl Writer {
    pub(super) fn rewrite(&mut self, rewrites: &mut Vec<Rewrite>) -> Result<Answer, Failure> {
        for rewrite in rewrites.drain(..) {
            match rewrite {
                Rewrite::Cell { update, id, before, after } => {
                    self.execute(update, (id, before, after))?;
                }
                Rewrite::Page { name, before, index, value, forget_ms } => {
                    if self.execute("DELETE FROM page WHERE name = ?1 AND value = ?2", (&name, before))? == 1 {
                        let sql = "INSERT INTO page(name, forget_ms, value) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
                        self.execute(sql, (index.as_bytes(), forget_ms, value))?;
                    }
                }
                Rewrite::Conversation { id, before, doc, contact, player } => {
                    let sql = "UPDATE conversation SET doc = ?3, contact = ?4, player = ?5, phone = NULL, bsuid = NULL
                        WHERE id = ?1 AND doc = ?2";
                    let player = player.as_ref().map(|player| player.as_bytes());
                    self.execute(sql, (id.0, before, doc, contact.as_bytes(), player))?;
                }
                Rewrite::Alias { before, index, id } => {
                    let sql = "DELETE FROM alias WHERE name = ?1 AND conversation = ?2";
                    if self.execute(sql, (before, id.0))? == 1 {
                        let sql = "INSERT INTO alias(name, conversation) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
                        self.execute(sql, (index.as_bytes(), id.0))?;
                    }
                }
                Rewrite::Forgotten { alias } => {
                    self.execute("DELETE FROM alias WHERE name = ?1", [alias])?;
                }
            }
        }
        Ok(Answer::Done)
    }

    /// Strikes all keys but the first off the list, and notes that the file is to be written anew.
    pub(super) fn strike_keys(&mut self) -> Result<Answer, Failure> {
        self.execute("DELETE FROM store_key WHERE id <> ?1", [self.shared.sealer.first_id().to_string()])?;
        self.execute("INSERT OR REPLACE INTO meta(key, value) VALUES (?1, 1)", [STALE_PAGES])?;
        Ok(Answer::Done)
    }
}
