//! Names of contacts, as [`crate::alias`] has the rules, and where they point.
//!
//! Digests lie anywhere in their table: each one that comes alone writes a page of its own. So new names wait in a log, and
//! in memory, until there are so many that neighbours go to the table together: a generation of them in the order of their
//! digests, a part with each group. Once the table has all of a generation its rows leave the log, in the order in which they
//! lie there. Until then a name is in both, and both say the same: whoever changes where it points takes it out of the log. Only
//! names that were unknown come to the log, and only under the first key.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use questline_core::id::ConversationId;
use questline_core::port::StoreError;
use rusqlite::{Connection, OptionalExtension, ToSql};

use super::unavailable;
use super::writer::Writer;
use crate::alias::{Alias, AliasChange};
use crate::seal::{Index, Named, Sealer};

/// The part of a generation that goes to the table at once at least.
const MOVED_PART: usize = 128;

/// A name in the log.
#[derive(Debug, Clone, Copy)]
struct NewName {
    conversation: ConversationId,
    row: i64,
}

type ByDigest = BTreeMap<Index, NewName>;

/// The names in the log. What a group adds and takes away is here before it is durable: who reads may see it early.
pub(super) struct NewNames {
    waiting: Mutex<ByDigest>,
    waiting_max: usize,
    /// The last row that was given. None is given again while a generation that it was in may leave the log.
    last_row: AtomicI64,
}

impl NewNames {
    /// Reads the log. What lies in it under other keys than the first goes to the table, where all is found.
    pub(super) fn open(connection: &mut Connection, sealer: &Sealer, waiting_max: usize) -> rusqlite::Result<Self> {
        let range = sealer.first_range();
        let transaction = connection.transaction()?;
        let older = "INSERT INTO alias(name, conversation) SELECT name, conversation FROM alias_new WHERE name < ?1 OR name >= ?2
            ON CONFLICT DO UPDATE SET conversation = excluded.conversation";
        if transaction.execute(older, (&range.0, &range.1))? > 0 {
            transaction.execute("DELETE FROM alias_new WHERE name < ?1 OR name >= ?2", (&range.0, &range.1))?;
        }
        transaction.commit()?;
        let mut statement = connection.prepare("SELECT name, conversation, id FROM alias_new")?;
        let rows = statement.query_map([], |row| {
            let name = Index::read(row.get_ref(0)?.as_bytes()?);
            Ok(name.zip(Some(NewName { conversation: ConversationId(row.get(1)?), row: row.get(2)? })))
        })?;
        let waiting = rows.filter_map(Result::transpose).collect::<rusqlite::Result<ByDigest>>()?;
        let last_row = waiting.values().map(|new| new.row).max().unwrap_or_default();
        Ok(Self { waiting: Mutex::new(waiting), waiting_max, last_row: AtomicI64::new(last_row) })
    }

    fn map(&self) -> MutexGuard<'_, ByDigest> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, name: &Index) -> Option<ConversationId> {
        self.map().get(name).map(|new| new.conversation)
    }

    /// Where a name points, in the log or under whichever key it lies in the table.
    pub(super) fn conversation(&self, connection: &Connection, sealer: &Sealer, alias: &Alias) -> Result<Option<u64>, StoreError> {
        let first = sealer.index(Named::Alias, &[alias.as_str()]);
        // The log first: it is in memory, and a name leaves it when the table has it durably.
        match self.find(&first) {
            Some(found) => Ok(Some(found.0)),
            None => in_table(connection, sealer, alias, &first).map(|found| found.map(|id| id.0)).map_err(unavailable),
        }
    }
}

/// What a group does to the log, until it is durable or undone; and the generation that is on its way to the table.
#[derive(Default)]
pub(super) struct NamesChange {
    /// What the group changed in memory, and what was there before.
    before: Vec<(Index, Option<NewName>)>,
    /// Names that came since a part was moved.
    came: usize,
    generation: Generation,
    /// The end of the part of it that the group moves.
    staged_end: Option<usize>,
}

/// Names that go to the table together, and how far they are.
#[derive(Default)]
struct Generation {
    names: Vec<(Index, NewName)>,
    /// The table has all of them; they leave the log now.
    in_table: bool,
    done: usize,
}

/// A contact's name, and what is known of it.
pub(super) enum Looked {
    /// The contact has no such name.
    Nameless,
    /// It points there.
    Known(ConversationId),
    /// It points nowhere.
    New(Alias, Index),
}

impl Looked {
    pub(super) fn conversation(&self) -> Option<ConversationId> {
        match self {
            Self::Known(conversation) => Some(*conversation),
            Self::Nameless | Self::New(..) => None,
        }
    }

    /// Whether nothing is to be learned of it.
    pub(super) fn agrees(&self, with: ConversationId) -> bool {
        matches!(self, Self::Nameless) || self.conversation() == Some(with)
    }
}

impl Writer {
    /// `soon`: it is about to be asked for again.
    pub(super) fn look_up(&mut self, alias: Option<Alias>, soon: bool) -> rusqlite::Result<Looked> {
        let Some(alias) = alias else { return Ok(Looked::Nameless) };
        if let Some(conversation) = self.aliases.get(alias.as_str()) {
            return Ok(Looked::Known(*conversation));
        }
        let sealer = &self.shared.sealer;
        let first = sealer.index(Named::Alias, &[alias.as_str()]);
        let found = match self.shared.names.find(&first) {
            Some(found) => Some(found),
            None => in_table(&self.connection, sealer, &alias, &first)?,
        };
        let Some(conversation) = found else { return Ok(Looked::New(alias, first)) };
        if soon {
            self.aliases.put(alias.as_str().into(), conversation);
        }
        Ok(Looked::Known(conversation))
    }

    /// Notes where a name points that pointed nowhere.
    pub(super) fn begin_name(&mut self, alias: &Alias, name: Index, id: ConversationId, soon: bool) -> rusqlite::Result<()> {
        let row = self.shared.names.last_row.fetch_add(1, Ordering::Relaxed) + 1;
        self.execute("INSERT INTO alias_new(id, name, conversation) VALUES (?1, ?2, ?3)", (row, name.as_bytes(), id.0))?;
        let new = NewName { conversation: id, row };
        let before = self.shared.names.map().insert(name, new);
        self.names.before.push((name, before));
        self.names.came += 1;
        if soon {
            self.aliases.put(alias.as_str().into(), id);
        }
        Ok(())
    }

    /// Makes names follow a contact.
    pub(super) fn move_aliases(&mut self, id: ConversationId, change: &AliasChange) -> rusqlite::Result<()> {
        for alias in &change.forget {
            let sealer = self.shared.sealer.clone();
            let parts = [alias.as_str()];
            self.take_from_log(sealer.index(Named::Alias, &parts), Some(id))?;
            let forget = |name: &dyn ToSql| self.execute("DELETE FROM alias WHERE name = ?1 AND conversation = ?2", (name, id.0));
            for index in sealer.indexes(Named::Alias, &parts) {
                forget(index.as_bytes())?;
            }
            if sealer.has_plain() {
                forget(&alias.as_str())?;
            }
            self.aliases.pop(alias.as_str());
        }
        for alias in &change.add {
            self.point(alias, id)?;
        }
        Ok(())
    }

    /// Makes a name point here, wherever it pointed before.
    pub(super) fn point(&mut self, alias: &Alias, id: ConversationId) -> rusqlite::Result<()> {
        let sealer = self.shared.sealer.clone();
        let parts = [alias.as_str()];
        let name = sealer.index(Named::Alias, &parts);
        self.take_from_log(name, None)?;
        self.execute(POINT, (name.as_bytes(), id.0))?;
        // Wherever it pointed under another key, it points no more.
        let forget = "DELETE FROM alias WHERE name = ?1";
        for older in sealer.older_indexes(Named::Alias, &parts) {
            self.execute(forget, [older.as_bytes()])?;
        }
        if sealer.has_plain() {
            self.execute(forget, [alias.as_str()])?;
        }
        self.aliases.put(alias.as_str().into(), id);
        Ok(())
    }

    /// Takes a name out of the log, if it is there, and if it points to `only`.
    fn take_from_log(&mut self, name: Index, only: Option<ConversationId>) -> rusqlite::Result<()> {
        let found = self.shared.names.map().get(&name).copied();
        let Some(new) = found.filter(|new| only.is_none_or(|only| only == new.conversation)) else { return Ok(()) };
        self.execute(TAKE_FROM_LOG, [new.row])?;
        self.shared.names.map().remove(&name);
        self.names.before.push((name, Some(new)));
        Ok(())
    }

    /// The last thing that a group does with names: a part of a generation goes on its way. Twice as many as came: so a
    /// generation, half of what may wait, is in the table and out of the log when the next one is there.
    pub(super) fn move_names(&mut self) -> rusqlite::Result<()> {
        let waiting_max = self.shared.names.waiting_max;
        let generation_max = (waiting_max / 2).max(1);
        let names = &mut self.names;
        let waiting = self.shared.names.map().len();
        if names.generation.names.is_empty() {
            if waiting < generation_max {
                return Ok(());
            }
            names.generation.names = self.shared.names.map().iter().map(|(name, new)| (*name, *new)).collect();
            // What came until now is the generation: its way begins with what comes from now on.
            names.came = 0;
        }
        let count = (2 * names.came).max(waiting.saturating_sub(waiting_max));
        if count < generation_max / MOVED_PART || count == 0 {
            return Ok(());
        }
        let Generation { names: all, in_table, done } = &names.generation;
        let end = all.len().min(done + count);
        let part = all.get(*done..end).unwrap_or_default();
        if *in_table {
            if let Some((_, last)) = part.last() {
                self.connection.prepare_cached(TAKE_UP_TO)?.execute([last.row])?;
            }
        } else {
            let mut point = self.connection.prepare_cached(POINT)?;
            for (name, new) in part {
                // Unless it was taken out meanwhile: the table has what holds now.
                if self.shared.names.map().get(name).is_some_and(|now| now.row == new.row) {
                    point.execute((name.as_bytes(), new.conversation.0))?;
                }
            }
        }
        names.staged_end = Some(end);
        Ok(())
    }

    /// The group is durable.
    pub(super) fn publish_names(&mut self) {
        let names = &mut self.names;
        names.before.clear();
        let Some(end) = names.staged_end.take() else { return };
        names.came = 0;
        let generation = &mut names.generation;
        if generation.in_table {
            let mut map = self.shared.names.map();
            for (name, gone) in generation.names.get(generation.done..end).unwrap_or_default() {
                if map.get(name).is_some_and(|now| now.row == gone.row) {
                    map.remove(name);
                }
            }
        }
        generation.done = end;
        if end < generation.names.len() {
            return;
        }
        if generation.in_table {
            *generation = Generation::default();
        } else {
            generation.names.sort_unstable_by_key(|(_, new)| new.row);
            (generation.in_table, generation.done) = (true, 0);
        }
    }

    /// The group was not written: nothing of it happened.
    pub(super) fn undo_names(&mut self) {
        self.names.staged_end = None;
        let mut map = self.shared.names.map();
        for (name, before) in self.names.before.drain(..).rev() {
            match before {
                Some(new) => map.insert(name, new),
                None => map.remove(&name),
            };
        }
    }
}

const POINT: &str = "INSERT INTO alias(name, conversation) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET conversation = excluded.conversation";
const TAKE_FROM_LOG: &str = "DELETE FROM alias_new WHERE id = ?1";
/// What is in the log before a generation is of that generation, or of one that is gone.
const TAKE_UP_TO: &str = "DELETE FROM alias_new WHERE id <= ?1";

/// Where the table has a name point, under whichever key; `first` is its digest under the first.
fn in_table(connection: &Connection, sealer: &Sealer, alias: &Alias, first: &Index) -> rusqlite::Result<Option<ConversationId>> {
    let find = |name: &dyn ToSql| {
        let mut statement = connection.prepare_cached("SELECT conversation FROM alias WHERE name = ?1")?;
        statement.query_row([name], |row| row.get(0).map(ConversationId)).optional()
    };
    if let Some(found) = find(first.as_bytes())? {
        return Ok(Some(found));
    }
    for index in sealer.older_indexes(Named::Alias, &[alias.as_str()]) {
        if let Some(found) = find(index.as_bytes())? {
            return Ok(Some(found));
        }
    }
    if sealer.has_plain() { find(&alias.as_str()) } else { Ok(None) }
}
