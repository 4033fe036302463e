//! The audit log: a chain for each game, linked by the writer in the transaction of what caused it.

use std::collections::BTreeSet;

use async_trait::async_trait;
use questline_core::audit::{Actor, AuditHash, AuditRecord, Details, ERASED_AT_ONCE_MAX, Entry, Erasure, Head, Noted, Salt};
use questline_core::id::{GameId, PlayerId};
use questline_core::port::{Audit, AuditPage, Desk, Erased, StoreError};
use questline_core::time::UnixMs;
use rusqlite::{Connection, OptionalExtension};

use super::op::{Answer, Op};
use super::sealing::broken;
use super::writer::{Failure, Writer};
use super::{EmbeddedStore, unavailable};
use crate::audit::{AuditKey, salt};
use crate::codec::{decode, encode};

/// Rows of an older layout that are linked in one transaction.
const TAKEN_OVER_AT_ONCE: usize = 1_000;

/// A record with what its details are hashed with.
pub(super) type Salted = (Noted, Salt);

/// Records as the writer takes them.
pub(super) fn salted(records: Vec<AuditRecord>, key: &AuditKey) -> Result<Vec<Salted>, StoreError> {
    records.into_iter().map(|record| Ok((record.note(key), salt()?))).collect()
}

#[async_trait]
impl Audit for EmbeddedStore {
    async fn append_audit(&self, records: Vec<AuditRecord>) -> Result<(), StoreError> {
        self.ask(Op::AppendAudit(salted(records, &self.shared.audit_key)?)).await.map(|_| ())
    }

    async fn audit_page(&self, game: &GameId, after: u64, limit: usize) -> Result<AuditPage, StoreError> {
        let game = game.clone();
        self.read(move |connection| {
            let head = head(connection, &game)?;
            let sql = "SELECT doc, details FROM audit_entry WHERE game = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
            let mut statement = connection.prepare_cached(sql).map_err(unavailable)?;
            let (after, limit) = (i64::try_from(after).unwrap_or(i64::MAX), i64::try_from(limit).unwrap_or(i64::MAX));
            let mut rows = statement.query((game.as_str(), after, limit)).map_err(unavailable)?;
            let mut entries = Vec::new();
            while let Some(row) = rows.next().map_err(unavailable)? {
                let doc: String = row.get(0).map_err(unavailable)?;
                let details: Option<String> = row.get(1).map_err(unavailable)?;
                let mut entry: Entry = decode("an audit entry", doc.as_bytes())?;
                entry.details = details.map(|json| decode("an audit entry's details", json.as_bytes())).transpose()?;
                entries.push(entry);
            }
            Ok(AuditPage { entries, head })
        })
        .await
    }

    async fn audit_heads(&self) -> Result<Vec<(GameId, Head)>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT game FROM audit_head ORDER BY game").map_err(unavailable)?;
            let games = statement.query_map([], |row| row.get::<_, String>(0)).map_err(unavailable)?;
            let games = games.collect::<rusqlite::Result<Vec<_>>>().map_err(unavailable)?;
            let of = |game: String| {
                let game = GameId::parse(&game).map_err(|_| StoreError::Corrupt("the audit log is of a game without a name".into()))?;
                let head = head(connection, &game)?;
                Ok((game, head))
            };
            games.into_iter().map(of).collect()
        })
        .await
    }

    async fn erase_player(&self, game: &GameId, player: &PlayerId, actor: &Actor, now: UnixMs) -> Result<Erased, StoreError> {
        let known = self.conversations_of(game, player).await?;
        let known: Vec<_> = known.into_iter().map(|conversation| (conversation.id, conversation.address.contact)).collect();
        let erasure = Erasure::of(game, player, &known, &self.shared.audit_key);
        let op = EraseOp { game: game.clone(), erasure, actor: actor.clone(), now };
        match self.ask(Op::Erase(Box::new(op))).await? {
            Answer::Erased(erased) => Ok(erased),
            _ => Err(StoreError::Unavailable("the store's writer is out of step".into())),
        }
    }
}

/// Who is to be erased, and who wants it.
pub(super) struct EraseOp {
    game: GameId,
    erasure: Erasure,
    actor: Actor,
    now: UnixMs,
}

impl Writer {
    /// The head of a game's chain. Refuses, before anything is written, when it cannot be read.
    pub(super) fn audit_head(&self, game: &GameId) -> Result<Head, Failure> {
        head(&self.connection, game).map_err(Failure::Refused)
    }

    /// Links records of one game behind its head.
    pub(super) fn link(&self, head: &mut Head, game: &GameId, records: impl IntoIterator<Item = Salted>) -> rusqlite::Result<()> {
        link(&self.connection, head, game, records)
    }

    pub(super) fn append_audit(&self, records: &mut Vec<Salted>) -> Result<Answer, Failure> {
        // All heads first: a refusal has written nothing.
        let games: BTreeSet<GameId> = records.iter().map(|(noted, _)| noted.game.clone()).collect();
        let heads = games.into_iter().map(|game| Ok((self.audit_head(&game)?, game))).collect::<Result<Vec<_>, Failure>>()?;
        for (mut head, game) in heads {
            let of_game = records.extract_if(.., |(noted, _)| noted.game == game);
            self.link(&mut head, &game, of_game)?;
        }
        Ok(Answer::Done)
    }

    pub(super) fn erase(&self, op: &EraseOp) -> Result<Answer, Failure> {
        let EraseOp { game, erasure, actor, now } = op;
        let mut head = self.audit_head(game)?;
        let mut found = BTreeSet::new();
        for name in erasure.keys() {
            let sql = "SELECT seq FROM audit_subject WHERE game = ?1 AND name = ?2";
            found.extend(self.rows(sql, (game.as_str(), name), |row| row.get::<_, u64>(0))?);
        }
        let mut covered = Vec::new();
        for seq in found {
            let sql = "SELECT details FROM audit_entry WHERE game = ?1 AND seq = ?2";
            let json = self.row(sql, (game.as_str(), seq), |row| row.get::<_, Option<String>>(0))?.flatten();
            let Some(json) = json else { continue };
            let details: Details = decode("an audit entry's details", json.as_bytes()).map_err(Failure::Refused)?;
            if erasure.covers(&details) {
                covered.push((seq, details));
            }
        }
        // What is freed is overwritten, not left in the file for whoever reads it.
        self.connection.pragma_update(None, "secure_delete", true)?;
        for (seq, details) in &covered {
            self.execute("UPDATE audit_entry SET details = NULL WHERE game = ?1 AND seq = ?2", (game.as_str(), seq))?;
            for name in details.keys() {
                self.execute("DELETE FROM audit_subject WHERE game = ?1 AND name = ?2 AND seq = ?3", (game.as_str(), name, seq))?;
            }
        }
        self.connection.pragma_update(None, "secure_delete", false)?;
        let seqs: Vec<u64> = covered.iter().map(|(seq, _)| *seq).collect();
        let parts = if seqs.is_empty() { vec![Vec::new()] } else { seqs.chunks(ERASED_AT_ONCE_MAX).map(<[u64]>::to_vec).collect() };
        for erases in parts {
            let noted = Erasure::noted(*now, game.clone(), actor.clone(), erases);
            self.link(&mut head, game, [(noted, salt().map_err(broken)?)])?;
        }
        Ok(Answer::Erased(Erased { entries: seqs.len() as u64, seq: head.count }))
    }
}

fn head(connection: &Connection, game: &GameId) -> Result<Head, StoreError> {
    let mut statement = connection.prepare_cached("SELECT count, hash FROM audit_head WHERE game = ?1").map_err(unavailable)?;
    let found = statement.query_row([game.as_str()], |row| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?)));
    let Some((count, hash)) = found.optional().map_err(unavailable)? else { return Ok(Head::start(game)) };
    let hash = AuditHash::parse(&hash).map_err(|_| StoreError::Corrupt(format!("the head of the audit log of {game} cannot be read")))?;
    Ok(Head { count, hash })
}

fn link(connection: &Connection, head: &mut Head, game: &GameId, records: impl IntoIterator<Item = Salted>) -> rusqlite::Result<()> {
    for (noted, salt) in records {
        let mut entry = head.link(noted, salt);
        let details = entry.details.take();
        let doc = encode("an audit entry", &entry).map_err(broken)?;
        let json = details.as_ref().map(|details| encode("an audit entry's details", details)).transpose().map_err(broken)?;
        let sql = "INSERT INTO audit_entry(game, seq, doc, details) VALUES (?1, ?2, ?3, ?4)";
        connection.prepare_cached(sql)?.execute((game.as_str(), entry.seq, doc, json))?;
        for name in details.iter().flat_map(Details::keys) {
            let sql = "INSERT OR IGNORE INTO audit_subject(game, name, seq) VALUES (?1, ?2, ?3)";
            connection.prepare_cached(sql)?.execute((game.as_str(), name, entry.seq))?;
        }
    }
    let sql = "INSERT INTO audit_head(game, count, hash) VALUES (?1, ?2, ?3)
        ON CONFLICT(game) DO UPDATE SET count = excluded.count, hash = excluded.hash";
    connection.prepare_cached(sql)?.execute((game.as_str(), head.count, head.hash.to_string()))?;
    Ok(())
}

/// Links what an older version wrote without a chain.
pub(super) fn take_over(connection: &mut Connection) -> Result<(), StoreError> {
    loop {
        let transaction = connection.transaction().map_err(unavailable)?;
        let rows: Vec<(i64, String)> = {
            let mut statement = transaction.prepare_cached("SELECT id, doc FROM audit ORDER BY id LIMIT ?1").map_err(unavailable)?;
            let rows = statement.query_map([TAKEN_OVER_AT_ONCE as i64], |row| Ok((row.get(0)?, row.get(1)?))).map_err(unavailable)?;
            rows.collect::<rusqlite::Result<_>>().map_err(unavailable)?
        };
        let Some((last, _)) = rows.last() else { return Ok(()) };
        for (_, doc) in &rows {
            let noted: Noted = decode("an audit record", doc.as_bytes())?;
            let game = noted.game.clone();
            let mut head = head(&transaction, &game)?;
            link(&transaction, &mut head, &game, [(noted, salt()?)]).map_err(unavailable)?;
        }
        transaction.execute("DELETE FROM audit WHERE id <= ?1", [last]).map_err(unavailable)?;
        transaction.commit().map_err(unavailable)?;
    }
}
