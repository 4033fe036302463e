//! What time does: due timers become events, and what is old is forgotten.

use std::sync::Arc;

use questline_core::event::{Event, TimerEvent};
use questline_core::id::{ConversationId, FlowName};
use questline_core::port::StoreError;
use questline_core::time::{DAY_MS, UnixMs};

use crate::seal::{Draft, Kind, Owner};

use super::NO_TIMER;
use super::op::Answer;
use super::sealing::blob;
use super::send::FAILED;
use super::staged::TimerDue;
use super::writer::{Failure, Writer};

/// Meta sends again for up to seven days; this is twice that.
const SEEN_MS: u64 = 15 * DAY_MS;
/// How long a receipt is kept after its last change.
const RECEIPT_MS: u64 = 30 * DAY_MS;
/// How long a sent message's content is kept; that of a failed one stays with the receipt, for its step may come late.
const CONTENT_MS: u64 = DAY_MS;
/// How long recorded steps are kept.
const STEP_MS: u64 = 30 * DAY_MS;
/// How long notices are kept.
const NOTICE_MS: u64 = 90 * DAY_MS;

/// Where forgetting goes on: tables are walked from their old end, a bounded way at a time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PruneCursors {
    /// Sent second and digest of the last key that was looked at.
    seen: (i64, [u8; 16]),
    receipt: i64,
}

/// The key of the walk that takes the content out of receipts; it outlives the process, for it never starts over.
const CONTENT_CURSOR: &str = "content_cursor";

impl Writer {
    pub(super) fn fire_due(&mut self, now: UnixMs, limit: usize) -> Result<Answer, Failure> {
        let room = self.shared.pending().room().saturating_sub(self.staged.arrived.len() as u64);
        let asked = i64::try_from(limit).unwrap_or(i64::MAX);
        let limit = (limit as u64).min(room) as i64;
        let sql = "SELECT id, conversation, flow, name, payload FROM timer WHERE due_ms <= ?1 ORDER BY due_ms, id LIMIT ?2";
        let due = self.rows(sql, (now.0, limit), |row| {
            Ok((row.get::<_, i64>(0)?, ConversationId(row.get(1)?), row.get::<_, String>(2)?, row.get(3)?, blob(row, 4)?))
        })?;
        let mut fired = 0;
        for (row, conversation, flow, id, payload) in due {
            self.execute("DELETE FROM timer WHERE id = ?1", [row])?;
            self.staged.timers -= 1;
            let owner = Owner::number(Kind::Timer, conversation.0);
            let payload = self.shared.sealer.opened(owner, &payload, |text| Ok(String::from_utf8_lossy(text).into_owned()));
            let (Some(game), Ok(flow), Ok(payload)) = (self.game_of(conversation)?, FlowName::parse(&flow), payload) else {
                tracing::error!(%conversation, "a timer cannot be read and is dropped");
                continue;
            };
            let event = Event::Timer(TimerEvent { flow, id, payload });
            let Ok(draft) = Draft::json(Kind::Event, &event) else { continue };
            self.arrive(conversation, game, now, Arc::new(event), draft)?;
            fired += 1;
        }
        let queued = self.queue_due(now, asked.saturating_sub(fired as i64))?;
        let next = self.row("SELECT min(due_ms) FROM timer", [], |row| row.get::<_, Option<u64>>(0))?.flatten();
        let parked = "SELECT min(park_ms) FROM message WHERE park_ms IS NOT NULL";
        let next_parked = self.row(parked, [], |row| row.get::<_, Option<u64>>(0))?.flatten();
        let is_held_back = next.is_some_and(|next| next <= now.0);
        let next = [next, next_parked].into_iter().flatten().min();
        self.staged.timer_due = TimerDue::Is(next.unwrap_or(NO_TIMER));
        if fired + queued == 0 && room == 0 && is_held_back {
            // Nothing was written: there was no row to take.
            return Err(Failure::Refused(StoreError::Overloaded { waiting: self.shared.pending().waiting() }));
        }
        Ok(Answer::Fired(fired + queued, next.map(UnixMs)))
    }

    pub(super) fn prune(&mut self, now: UnixMs, limit: usize) -> Result<Answer, Failure> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut forgotten = self.prune_seen(now.minus_ms(SEEN_MS), limit)?;
        forgotten += self.prune_receipts(now.minus_ms(RECEIPT_MS), limit)?;
        forgotten += self.prune_contents(now.minus_ms(CONTENT_MS), limit)?;
        let steps = "SELECT seq, at_ms FROM step ORDER BY seq LIMIT ?1";
        forgotten += self.prune_oldest(steps, "DELETE FROM step WHERE seq = ?1", now.minus_ms(STEP_MS), limit)?;
        let notices = "SELECT id, received_ms FROM notice ORDER BY id LIMIT ?1";
        forgotten += self.prune_oldest(notices, "DELETE FROM notice WHERE id = ?1", now.minus_ms(NOTICE_MS), limit)?;
        let pages = "DELETE FROM page WHERE name IN (SELECT name FROM page WHERE forget_ms <= ?1 ORDER BY forget_ms LIMIT ?2)";
        forgotten += self.execute(pages, (now.0, limit))?;
        forgotten += self.prune_permits(now, limit)?;
        forgotten += self.prune_campaigns(now, limit)?;
        Ok(Answer::Pruned(forgotten))
    }

    /// Keys lie in the order of the sender's clock, and are forgotten only when they are old by ours too: a key that
    /// came today with a time of long ago is passed over.
    fn prune_seen(&mut self, before: UnixMs, limit: i64) -> rusqlite::Result<usize> {
        let before_s = before.as_s() as i64;
        let (sent_s, digest) = self.cursors.seen;
        let sql = "SELECT sent_s, digest, arrived_s FROM seen WHERE (sent_s, digest) > (?1, ?2) AND sent_s < ?3
            ORDER BY sent_s, digest LIMIT ?4";
        let old = self.rows(sql, (sent_s, &digest[..], before_s, limit), |row| {
            Ok(((row.get::<_, i64>(0)?, row.get::<_, [u8; 16]>(1)?), row.get::<_, i64>(2)?))
        })?;
        // At the end of what is old the next walk starts over.
        self.cursors.seen =
            if (old.len() as i64) < limit { Default::default() } else { old.last().map(|(key, _)| *key).unwrap_or_default() };
        let mut forgotten = 0;
        for ((sent_s, digest), arrived_s) in old {
            if arrived_s < before_s {
                forgotten += self.execute("DELETE FROM seen WHERE sent_s = ?1 AND digest = ?2", (sent_s, &digest[..]))?;
            }
        }
        Ok(forgotten)
    }

    fn prune_receipts(&mut self, before: UnixMs, limit: i64) -> rusqlite::Result<usize> {
        let sql = "SELECT seq, place IS NOT NULL, at_ms FROM message WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        let rows = self
            .rows(sql, (self.cursors.receipt, limit), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?, row.get::<_, u64>(2)?)))?;
        // After a full page the walk goes on behind it; else it starts over.
        self.cursors.receipt = if (rows.len() as i64) < limit { 0 } else { rows.last().map_or(0, |(seq, ..)| *seq) };
        let mut forgotten = 0;
        for (seq, in_outbox, at_ms) in rows {
            if in_outbox {
                continue;
            }
            if at_ms >= before.0 {
                // From here on all are young.
                self.cursors.receipt = 0;
                break;
            }
            forgotten += self.execute("DELETE FROM message WHERE seq = ?1", [seq])?;
        }
        Ok(forgotten)
    }

    fn prune_contents(&mut self, before: UnixMs, limit: i64) -> rusqlite::Result<usize> {
        let cursor = self.row("SELECT value FROM meta WHERE key = ?1", [CONTENT_CURSOR], |row| row.get::<_, i64>(0))?.unwrap_or(0);
        let sql = "SELECT seq, place IS NULL, state, at_ms, content IS NOT NULL FROM message WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        let rows = self.rows(sql, (cursor, limit), |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?, row.get::<_, u8>(2)?, row.get::<_, u64>(3)?, row.get::<_, bool>(4)?))
        })?;
        let mut forgotten = 0;
        let mut passed = cursor;
        for (seq, is_receipt, state, at_ms, has_content) in rows {
            if at_ms >= before.0 {
                break;
            }
            if is_receipt && has_content && state != FAILED {
                forgotten += self.execute("UPDATE message SET content = NULL WHERE seq = ?1", [seq])?;
            }
            passed = seq;
        }
        if passed != cursor {
            let sql = "INSERT INTO meta(key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
            self.execute(sql, (CONTENT_CURSOR, passed))?;
        }
        Ok(forgotten)
    }

    /// Deletes from the old end of a table up to the first row that is young.
    fn prune_oldest(&self, select: &'static str, delete: &'static str, before: UnixMs, limit: i64) -> rusqlite::Result<usize> {
        let rows = self.rows(select, [limit], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, u64>(1)?)))?;
        let mut forgotten = 0;
        for (row, _) in rows.into_iter().take_while(|(_, at_ms)| *at_ms < before.0) {
            forgotten += self.execute(delete, [row])?;
        }
        Ok(forgotten)
    }
}
