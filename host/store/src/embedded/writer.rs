//! The thread that writes: it takes what waits, does it in one transaction, and answers when the disk has confirmed it.

use std::collections::HashMap;
use std::hash::RandomState;
use std::sync::Arc;

use lru::LruCache;
use questline_core::id::{ConversationId, GameId, InboxSeq, OutboxRef};
use questline_core::lane::Lane;
use questline_core::port::StoreError;
use questline_core::time::UnixMs;
use rusqlite::{Connection, OptionalExtension, Params, Row};
use tokio::sync::{mpsc, oneshot, watch};

use super::asked::{Asked, GROUP_MAX};
use super::clockwork::PruneCursors;
use super::directory::Directory;
use super::memory::bounded;
use super::names::NamesChange;
use super::op::{Answer, Op, Request};
use super::sealing::broken;
use super::staged::{Arrived, Staged};
use super::tally::Campaigns;
use super::{Shared, unavailable};
use crate::seal::{Draft, Kind, Owner};

/// From a group of so many on, the next one waits for stragglers: callers are many, and at least one core is theirs.
const GATHER_FROM: usize = 8;
/// Names of contacts in memory.
const ALIASES_MAX: usize = 8_192;
/// Messages that Meta accepted lately, for statuses that do not say which message they are about.
const ACCEPTED_MAX: usize = 8_192;
/// How many numbers are reserved at a time: so many are skipped by a crash at most.
const BLOCK: u64 = 1_000;

/// Why an operation was not done.
pub(super) enum Failure {
    /// It was refused before it wrote anything: its group goes on.
    Refused(StoreError),
    /// Something may be half written: its group is undone.
    Broken(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Broken(error)
    }
}

/// Rising numbers that are never given twice, across crashes too: the store knows up to where they may be in use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counter {
    pub(super) key: &'static str,
    pub(super) last: u64,
    pub(super) reserved: u64,
}

impl Counter {
    /// The key under which the inbox's counter is kept.
    pub(super) const INBOX: &'static str = "inbox_seq";
    /// The key under which the messages' counter is kept: their names and their places in the outbox.
    pub(super) const MESSAGE: &'static str = "message_seq";

    fn next(&mut self, connection: &Connection) -> rusqlite::Result<u64> {
        if self.last == self.reserved {
            self.reserve(connection, self.reserved + BLOCK)?;
        }
        self.last += 1;
        Ok(self.last)
    }

    fn reserve(&mut self, connection: &Connection, reserved: u64) -> rusqlite::Result<()> {
        let sql = "INSERT INTO meta(key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
        connection.prepare_cached(sql)?.execute((self.key, reserved))?;
        self.reserved = reserved;
        Ok(())
    }
}

/// The numbers that the store gives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ids {
    pub(super) conversation: u64,
    pub(super) inbox: Counter,
    pub(super) message: Counter,
}

/// The thread's own.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) shared: Arc<Shared>,
    pub(super) staged: Staged,
    pub(super) ids: Ids,
    pub(super) aliases: LruCache<Box<str>, ConversationId>,
    pub(super) accepted: LruCache<u64, OutboxRef>,
    pub(super) lanes: HashMap<Lane, i64>,
    pub(super) hasher: RandomState,
    pub(super) cursors: PruneCursors,
    pub(super) campaigns: Campaigns,
    pub(super) names: NamesChange,
    directory: Directory,
    closing: watch::Sender<bool>,
}

type Reply = (oneshot::Sender<Result<Answer, StoreError>>, Result<Answer, StoreError>);

impl Writer {
    pub(super) fn new(connection: Connection, shared: Arc<Shared>, ids: Ids, directory: Directory, closing: watch::Sender<bool>) -> Self {
        Self {
            connection,
            shared,
            staged: Staged::default(),
            ids,
            aliases: bounded(ALIASES_MAX),
            accepted: bounded(ACCEPTED_MAX),
            lanes: HashMap::new(),
            hasher: RandomState::new(),
            cursors: PruneCursors::default(),
            campaigns: Campaigns::new(),
            names: NamesChange::default(),
            directory,
            closing,
        }
    }

    /// Works until nobody can ask any more, or one asks to close.
    pub(super) fn run(mut self, mut requested: mpsc::Receiver<Request>) {
        let mut waiting = Asked::new();
        let mut replies = Vec::with_capacity(GROUP_MAX);
        let mut group_before = 0;
        loop {
            if waiting.is_empty() {
                if !waiting.receive(&mut requested) {
                    break;
                }
                if group_before >= GATHER_FROM {
                    waiting.gather(&mut requested);
                }
            } else {
                waiting.take(&mut requested);
            }
            group_before = waiting.len();
            if self.group(&mut waiting, &mut requested, &mut replies) {
                // What was sent before still comes; then the channel ends.
                requested.close();
            }
            for (caller, answer) in replies.drain(..) {
                // A caller that went away does not want to know.
                let _ = caller.send(answer);
            }
        }
        if let Err(error) = self.wind_up() {
            tracing::warn!(%error, "the database was not wound up; the next start does it");
        }
        let Self { connection, directory, closing, .. } = self;
        drop(connection);
        drop(directory);
        closing.send_replace(true);
    }

    /// Gives numbers back that were reserved and not used, and folds the log into the database.
    fn wind_up(&mut self) -> rusqlite::Result<()> {
        for counter in [&mut self.ids.inbox, &mut self.ids.message] {
            if counter.reserved != counter.last {
                counter.reserve(&self.connection, counter.last)?;
            }
        }
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }

    /// Does a group of what waits. True when it was asked to close.
    fn group(&mut self, waiting: &mut Asked, requested: &mut mpsc::Receiver<Request>, replies: &mut Vec<Reply>) -> bool {
        let ids_before = self.ids;
        let mut closing = false;
        waiting.begin_group();
        let mut written = self.statement("BEGIN IMMEDIATE");
        while written.is_ok()
            && let Some(Request { mut op, reply }) = waiting.next(requested)
        {
            closing |= matches!(op, Op::Close);
            match self.apply(&mut op) {
                Ok(answer) => replies.push((reply, Ok(answer))),
                Err(Failure::Refused(error)) => replies.push((reply, Err(error))),
                Err(Failure::Broken(error)) => {
                    replies.push((reply, Ok(Answer::Done)));
                    written = Err(error);
                }
            }
        }
        let written = written.and_then(|()| self.move_names()).and_then(|()| self.write_counts());
        match written.and_then(|()| self.statement("COMMIT")) {
            Ok(()) => {
                self.publish_names();
                self.staged.publish(&self.shared);
            }
            Err(error) => {
                // Without even a beginning nobody was taken; those that wait are told as well, or they would wait on.
                replies.extend(waiting.drain().map(|request| (request.reply, Ok(Answer::Done))));
                self.undo(ids_before, error, replies);
            }
        }
        closing
    }

    fn undo(&mut self, ids_before: Ids, error: rusqlite::Error, replies: &mut [Reply]) {
        tracing::error!(%error, operations = replies.len(), "a group of writes failed and was undone");
        if !self.connection.is_autocommit()
            && let Err(error) = self.statement("ROLLBACK")
        {
            tracing::error!(%error, "undoing failed");
        }
        self.staged.clear();
        self.campaigns.clear();
        self.undo_names();
        // They may name what was undone.
        self.aliases.clear();
        self.accepted.clear();
        self.lanes.clear();
        self.ids = ids_before;
        let error = unavailable(error);
        for (_, answer) in replies {
            // A refusal is the answer still: it wrote nothing.
            if answer.is_ok() {
                *answer = Err(error.clone());
            }
        }
    }

    fn apply(&mut self, op: &mut Op) -> Result<Answer, Failure> {
        match op {
            Op::Append(append) => self.append(append),
            Op::Commit(commit) => self.commit(commit),
            Op::CountAttempt { conversation, seq, attempts } => self.count_attempt(*conversation, *seq, *attempts),
            Op::Begin { messages, at } => self.begin(messages, *at),
            Op::BeginMarketing { messages, at } => self.begin_marketing(messages, *at),
            Op::Record(records) => self.record(records),
            Op::Enqueue(op) => self.enqueue(op),
            Op::FireDue { now, limit } => self.fire_due(*now, *limit),
            Op::Prune { now, limit } => self.prune(*now, *limit),
            Op::RetryDeadLetter { id, actor, now } => self.retry_dead_letter(*id, actor, *now),
            Op::AddDeadLetter(letter) => self.add_dead_letter(letter),
            Op::CloseTicket { game, number, resolution, actor, now } => {
                self.close_ticket(game, number, std::mem::take(resolution), actor, *now)
            }
            Op::AppendAudit(records) => self.append_audit(records),
            Op::Erase(op) => self.erase(op),
            Op::WriteDocument(write) => self.write_document(write),
            Op::ChangePages { keys, change } => self.change_pages(keys, change),
            Op::TakePermits { asks, now } => self.take_permits(asks, *now),
            Op::ReturnPermits(returns) => self.return_permits(returns),
            Op::NoteDeed(note) => self.note_deed(note),
            Op::Rewrite(rewrites) => self.rewrite(rewrites),
            Op::StrikeKeys => self.strike_keys(),
            Op::Check => {
                self.execute("UPDATE meta SET value = value WHERE key = 'schema_version'", [])?;
                Ok(Answer::Done)
            }
            Op::Close => Ok(Answer::Done),
        }
    }

    // ---- what all operations use ------------------------------------------------------------------------------------

    /// Runs a prepared statement; says how many rows it changed.
    pub(super) fn execute(&self, sql: &'static str, params: impl Params) -> rusqlite::Result<usize> {
        self.connection.prepare_cached(sql)?.execute(params)
    }

    /// Reads the first row, if there is one.
    pub(super) fn row<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        self.connection.prepare_cached(sql)?.query_row(params, read).optional()
    }

    /// Reads all rows.
    pub(super) fn rows<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        self.connection.prepare_cached(sql)?.query_map(params, read)?.collect()
    }

    /// Puts an event at the end of a conversation's inbox.
    pub(super) fn arrive(
        &mut self,
        conversation: ConversationId,
        game: GameId,
        received_at: UnixMs,
        event: Arc<questline_core::event::Event>,
        draft: Draft,
    ) -> rusqlite::Result<()> {
        let json_bytes = draft.len();
        let sealed = self.shared.sealer.seal(Owner::number(Kind::Event, conversation.0), draft).map_err(broken)?;
        let seq = self.ids.inbox.next(&self.connection)?;
        let sql = "INSERT INTO inbox(seq, conversation, received_ms, attempts, event) VALUES (?1, ?2, ?3, 0, ?4)";
        self.execute(sql, (seq, conversation.0, received_at.0, sealed))?;
        let seq = InboxSeq(seq);
        self.staged.arrived.push(Arrived { conversation, game, seq, received_at, event, json_bytes });
        Ok(())
    }

    /// The next name or place of a message.
    pub(super) fn next_message(&mut self) -> rusqlite::Result<u64> {
        self.ids.message.next(&self.connection)
    }

    /// Whose a conversation is.
    pub(super) fn game_of(&self, conversation: ConversationId) -> rusqlite::Result<Option<GameId>> {
        let found = self.row("SELECT game FROM conversation WHERE id = ?1", [conversation.0], |row| row.get::<_, String>(0))?;
        Ok(found.and_then(|game| GameId::parse(&game).ok()))
    }

    fn statement(&self, sql: &'static str) -> rusqlite::Result<()> {
        self.execute(sql, []).map(|_| ())
    }
}
