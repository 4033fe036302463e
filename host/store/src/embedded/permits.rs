//! Sliding windows in tables of their own: who holds a place since when, and how many there are in each window.

use async_trait::async_trait;
use questline_core::port::{PermitAnswer, PermitAsk, PermitReturn, PermitWindow, Permits, StoreError};
use questline_core::time::UnixMs;

use super::op::{Answer, Op};
use super::writer::{Failure, Writer};
use super::{EmbeddedStore, unavailable};
use crate::permits::{KeyedAsk, PermitDigest, member_digest, place_to_wait_for, turn, window_digest};

/// Places that are swept in one ask; what is left of more is swept by the next ones, and counts until then.
const SWEEP_MAX: i64 = 256;

/// A place that is given back.
pub(super) struct KeyedReturn {
    window: PermitDigest,
    member: PermitDigest,
    taken_at: UnixMs,
}

#[async_trait]
impl Permits for EmbeddedStore {
    async fn take_permits(&self, asks: Vec<PermitAsk>, now: UnixMs) -> Result<Vec<PermitAnswer>, StoreError> {
        if asks.is_empty() {
            return Ok(Vec::new());
        }
        let asks = asks.iter().map(|ask| KeyedAsk::new(&self.shared.audit_key, ask)).collect();
        match self.ask(Op::TakePermits { asks, now }).await? {
            Answer::Permits(answers) => Ok(answers),
            _ => Err(StoreError::Unavailable("the store's writer is out of step".into())),
        }
    }

    async fn return_permits(&self, returns: Vec<PermitReturn>) -> Result<(), StoreError> {
        if returns.is_empty() {
            return Ok(());
        }
        let key = &self.shared.audit_key;
        let returns = returns.iter().map(|back| KeyedReturn {
            window: window_digest(key, &back.window),
            member: member_digest(key, &back.window, &back.member),
            taken_at: back.taken_at,
        });
        self.ask(Op::ReturnPermits(returns.collect())).await.map(drop)
    }

    async fn permits_used(&self, windows: Vec<(PermitWindow, u64)>, now: UnixMs) -> Result<Vec<u32>, StoreError> {
        let key = &self.shared.audit_key;
        let windows: Vec<_> = windows.iter().map(|(window, span_ms)| (window_digest(key, window), now.minus_ms(*span_ms))).collect();
        let used = move |connection: &rusqlite::Connection| -> rusqlite::Result<Vec<u32>> {
            let sql = "SELECT count(*) FROM permit INDEXED BY permit_at WHERE window = ?1 AND at_ms > ?2";
            let mut statement = connection.prepare_cached(sql)?;
            windows.iter().map(|(window, over)| statement.query_row((window, over.0), |row| row.get(0))).collect()
        };
        self.read(move |connection| used(connection).map_err(unavailable)).await
    }
}

impl Writer {
    pub(super) fn take_permits(&mut self, asks: &[KeyedAsk], now: UnixMs) -> Result<Answer, Failure> {
        let answers = asks.iter().map(|ask| self.take_permit(ask, now)).collect::<rusqlite::Result<_>>()?;
        Ok(Answer::Permits(answers))
    }

    fn take_permit(&self, ask: &KeyedAsk, now: UnixMs) -> rusqlite::Result<PermitAnswer> {
        let over = now.minus_ms(ask.span_ms);
        let found = self.row("SELECT count FROM permit_window WHERE window = ?1", [&ask.window], |row| row.get::<_, u64>(0))?;
        let count = match found {
            Some(count) => {
                let sweep = "DELETE FROM permit WHERE window = ?1 AND member IN
                    (SELECT member FROM permit INDEXED BY permit_at WHERE window = ?1 AND at_ms <= ?2 ORDER BY at_ms LIMIT ?3)";
                let swept = self.execute(sweep, (&ask.window, over.0, SWEEP_MAX))? as u64;
                count.saturating_sub(swept)
            }
            None => 0,
        };
        let held = "SELECT at_ms FROM permit WHERE window = ?1 AND member = ?2";
        let held = self.row(held, (&ask.window, &ask.member), |row| row.get::<_, u64>(0))?;
        let holds = held.is_some_and(|at_ms| at_ms > over.0);
        // One that is over and not swept yet counts still, and is taken anew in its place.
        let others = count - u64::from(held.is_some()).min(count);
        if !holds && others >= u64::from(ask.max) {
            self.set_count(ask, count, None)?;
            let place = count.saturating_sub(u64::from(ask.max.max(1))) + place_to_wait_for(ask.max, ask.behind);
            let sql = "SELECT at_ms FROM permit INDEXED BY permit_at WHERE window = ?1 ORDER BY at_ms LIMIT 1 OFFSET ?2";
            let taken_at = self.row(sql, (&ask.window, place), |row| row.get::<_, u64>(0))?;
            return Ok(PermitAnswer::NotBefore(turn(taken_at.map_or(now, UnixMs), ask.max, ask.span_ms, ask.behind, now)));
        }
        let sql = "INSERT INTO permit(window, member, at_ms) VALUES (?1, ?2, ?3)
            ON CONFLICT DO UPDATE SET at_ms = max(at_ms, excluded.at_ms)";
        self.execute(sql, (&ask.window, &ask.member, now.0))?;
        self.set_count(ask, others + 1, Some(now.plus_ms(ask.span_ms)))?;
        Ok(if holds { PermitAnswer::Held } else { PermitAnswer::New })
    }

    fn set_count(&self, ask: &KeyedAsk, count: u64, forget_at: Option<UnixMs>) -> rusqlite::Result<()> {
        let sql = "INSERT INTO permit_window(window, count, forget_ms) VALUES (?1, ?2, ?3)
            ON CONFLICT DO UPDATE SET count = excluded.count, forget_ms = max(forget_ms, excluded.forget_ms)";
        self.execute(sql, (&ask.window, count, forget_at.map_or(0, |at| at.0))).map(drop)
    }

    pub(super) fn return_permits(&mut self, returns: &[KeyedReturn]) -> Result<Answer, Failure> {
        for back in returns {
            let sql = "DELETE FROM permit WHERE window = ?1 AND member = ?2 AND at_ms = ?3";
            let gone = self.execute(sql, (&back.window, &back.member, back.taken_at.0))?;
            if gone > 0 {
                self.execute("UPDATE permit_window SET count = max(count - 1, 0) WHERE window = ?1", [&back.window])?;
            }
        }
        Ok(Answer::Done)
    }

    /// Forgets windows in which nobody holds a place any more, with at most so many places in all.
    pub(super) fn prune_permits(&mut self, now: UnixMs, limit: i64) -> rusqlite::Result<usize> {
        let sql = "SELECT window FROM permit_window WHERE forget_ms <= ?1 ORDER BY forget_ms LIMIT ?2";
        let over = self.rows(sql, (now.0, limit), |row| row.get::<_, PermitDigest>(0))?;
        let mut forgotten = 0;
        for window in over {
            let left = limit - i64::try_from(forgotten).unwrap_or(limit);
            let places = "DELETE FROM permit WHERE window = ?1 AND member IN (SELECT member FROM permit WHERE window = ?1 LIMIT ?2)";
            let gone = self.execute(places, (&window, left))?;
            forgotten += gone;
            if gone as i64 >= left {
                self.execute("UPDATE permit_window SET count = max(count - ?2, 0) WHERE window = ?1", (&window, gone))?;
                break;
            }
            self.execute("DELETE FROM permit_window WHERE window = ?1", [&window])?;
        }
        Ok(forgotten)
    }
}
