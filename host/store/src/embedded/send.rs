//! Messages on their way: begun, sent, refused, and how far Meta has them.

use std::hash::BuildHasher;
use std::sync::Arc;

use questline_core::broadcast::{Tally, passed};
use questline_core::event::{Event, StatusError, StatusEvent};
use questline_core::id::{ConversationId, OutboxRef, OutboxSeq};
use questline_core::outbox::{OutboxMessage, SendState};
use questline_core::port::{StatusUpdate, StoreError};
use questline_core::send::{ParkReason, SendRecord, SendResult};
use questline_core::status::DeliveryState;
use questline_core::time::UnixMs;

use crate::handout::Placed;
use crate::seal::{Draft, Kind, Owner};

use super::op::{Answer, Recorded};
use super::sealing::{blob, broken};
use super::writer::{Failure, Writer};
use questline_core::experiment::EXPERIMENT_OF_META;

/// In the outbox, not under way.
pub(super) const QUEUED: u8 = 0;
/// In the outbox, a send was begun.
pub(super) const IN_FLIGHT: u8 = 1;
/// Meta has it or has refused it: this, and the number of its [`DeliveryState`].
pub(super) const RECEIPT: u8 = 10;
/// Meta has refused it.
pub(super) const FAILED: u8 = RECEIPT + 5;

/// How far a receipt's message came.
pub(super) fn delivery_state(state: u8) -> Result<DeliveryState, StoreError> {
    let known = state.checked_sub(RECEIPT).and_then(DeliveryState::from_number);
    known.ok_or_else(|| StoreError::Corrupt(format!("a receipt has state {state}")))
}

/// The name under which messages are counted that wait for this.
pub(super) fn parked(reason: &str) -> String {
    format!("{}{reason}", Tally::PARKED)
}

/// The name under which messages are counted that Meta refused so.
fn failed(error: Option<&StatusError>) -> String {
    error.map_or_else(|| format!("{}unknown", Tally::FAILED), |error| format!("{}{}", Tally::FAILED, error.code))
}

fn receipt_state(state: DeliveryState) -> u8 {
    RECEIPT + state.number()
}

/// Whether the content is needed no more: the player has the message.
fn is_done(state: DeliveryState) -> bool {
    matches!(state, DeliveryState::Delivered | DeliveryState::Read | DeliveryState::Played)
}

impl Writer {
    pub(super) fn begin(&mut self, messages: &[OutboxRef], at: UnixMs) -> Result<Answer, Failure> {
        let mut begun = Vec::with_capacity(messages.len());
        for id in messages {
            if self.begin_one(*id, at)? {
                begun.push(*id);
            }
        }
        Ok(Answer::Begun(begun))
    }

    /// False when it has left the outbox.
    pub(super) fn begin_one(&self, id: OutboxRef, at: UnixMs) -> rusqlite::Result<bool> {
        let sql = "UPDATE message SET state = ?3, at_ms = ?4 WHERE seq = ?1 AND conversation = ?2 AND place IS NOT NULL";
        Ok(self.execute(sql, (id.seq.0, id.conversation.0, IN_FLIGHT, at.0))? == 1)
    }

    /// What a status has settled meanwhile has no place in the outbox any more, so that nothing here finds it.
    pub(super) fn record(&mut self, records: &mut Vec<Recorded>) -> Result<Answer, Failure> {
        for Recorded { record: SendRecord { id, result }, wamid: kept } in records.drain(..) {
            match result {
                SendResult::Accepted { wamid, at } => {
                    if let Some(campaign) = self.campaign_in_outbox(id)? {
                        let sql = "UPDATE message SET place = NULL, park_ms = NULL, state = ?2, at_ms = ?3, attempts = attempts + 1,
                            wamid = ?4 WHERE seq = ?1";
                        self.execute(sql, (id.seq.0, receipt_state(DeliveryState::Accepted), at.0, kept))?;
                        self.staged.outbox -= 1;
                        self.count(campaign, Tally::ACCEPTED, 1);
                        self.reached(campaign, id.conversation, at)?;
                        let key = self.hasher.hash_one(&wamid);
                        self.accepted.put(key, id);
                    }
                }
                SendResult::Done => {
                    let sql = "DELETE FROM message WHERE seq = ?1 AND conversation = ?2 AND place IS NOT NULL";
                    if self.execute(sql, (id.seq.0, id.conversation.0))? == 1 {
                        self.staged.outbox -= 1;
                    }
                }
                SendResult::Again { attempts, due_at } => {
                    let sql = "UPDATE message SET state = ?3, attempts = ?4, due_ms = ?5
                        WHERE seq = ?1 AND conversation = ?2 AND place IS NOT NULL";
                    self.execute(sql, (id.seq.0, id.conversation.0, QUEUED, attempts, due_at.0))?;
                }
                SendResult::Parked { until, reason, attempts } => self.park(id, until, reason, attempts)?,
                SendResult::Failed { error, attempts, at } => {
                    if let Some(campaign) = self.campaign_in_outbox(id)? {
                        let sql = "UPDATE message SET place = NULL, park_ms = NULL, state = ?2, at_ms = ?3, attempts = ?4, wamid = NULL
                            WHERE seq = ?1";
                        self.execute(sql, (id.seq.0, FAILED, at.0, attempts))?;
                        self.staged.outbox -= 1;
                        self.count(campaign, Tally::REFUSED_AT_ONCE, 1);
                        self.count(campaign, failed(Some(&error)), 1);
                        self.tell_failed(id, at, Some(error), at)?;
                    }
                }
                SendResult::Dead { reason, detail, at } => self.give_up(id, &reason, &detail, at)?,
            }
        }
        Ok(Answer::Done)
    }

    /// Of which campaign a message is; none where it is not in the outbox. Asked before it is written: `RETURNING` builds a
    /// table for its answer and a journal of the statement, which cost twice as much as both statements.
    fn campaign_in_outbox(&self, id: OutboxRef) -> rusqlite::Result<Option<Option<i64>>> {
        let sql = "SELECT campaign FROM message WHERE seq = ?1 AND conversation = ?2 AND place IS NOT NULL";
        self.row(sql, (id.seq.0, id.conversation.0), |row| row.get(0))
    }

    fn park(&mut self, id: OutboxRef, until: UnixMs, reason: ParkReason, attempts: u32) -> rusqlite::Result<()> {
        if let Some(campaign) = self.campaign_in_outbox(id)? {
            let sql = "UPDATE message SET state = ?2, attempts = ?3, due_ms = ?4, park_ms = ?4, park_reason = ?5 WHERE seq = ?1";
            self.execute(sql, (id.seq.0, QUEUED, attempts, until.0, reason.as_str()))?;
            self.staged.timer_due.set(until.0);
            self.count(campaign, parked(reason.as_str()), 1);
        }
        Ok(())
    }

    /// Queues parked messages that are due, behind all that is queued; says how many.
    pub(super) fn queue_due(&mut self, now: UnixMs, limit: i64) -> rusqlite::Result<usize> {
        let sql = "SELECT seq, conversation, attempts, due_ms, content, campaign, park_reason FROM message
            WHERE park_ms IS NOT NULL AND park_ms <= ?1 ORDER BY park_ms, seq LIMIT ?2";
        let due = self.rows(sql, (now.0, limit), |row| {
            let id = OutboxRef { conversation: ConversationId(row.get(1)?), seq: OutboxSeq(row.get(0)?) };
            let counted = (row.get::<_, Option<i64>>(5)?, row.get::<_, Option<String>>(6)?);
            Ok((id, row.get::<_, u32>(2)?, UnixMs(row.get(3)?), blob(row, 4)?, counted))
        })?;
        let count = due.len();
        for (id, attempts, due_at, content, (campaign, reason)) in due {
            self.count(campaign, parked(&reason.unwrap_or_default()), -1);
            let place = self.next_message()?;
            self.execute("UPDATE message SET place = ?2, park_ms = NULL WHERE seq = ?1", (id.seq.0, place))?;
            match self.shared.sealer.open(Owner::number(Kind::Message, id.conversation.0), &content) {
                Ok(message) => {
                    let message = OutboxMessage { id, message, attempts, due_at, state: SendState::Queued };
                    self.staged.placed.push(Placed { place, message, bytes: content.len() });
                }
                Err(error) => tracing::error!(%error, message = %id, "a message in the outbox is left where it is"),
            }
        }
        Ok(count)
    }

    fn give_up(&mut self, id: OutboxRef, reason: &str, detail: &str, at: UnixMs) -> rusqlite::Result<()> {
        let sql = "DELETE FROM message WHERE seq = ?1 AND conversation = ?2 AND place IS NOT NULL RETURNING content, attempts, campaign";
        let found = self.row(sql, (id.seq.0, id.conversation.0), |row| Ok((blob(row, 0)?, row.get(1)?, row.get(2)?)))?;
        if let Some((content, attempts, campaign)) = found {
            self.staged.outbox -= 1;
            self.count(campaign, format!("{}{reason}", Tally::DROPPED), 1);
            self.bury_message(id.conversation, &content, reason, detail, attempts, at)?;
        }
        Ok(())
    }

    /// Moves a receipt forward. False when the message is not known.
    ///
    /// A status of a message in the outbox settles it: Meta has it, whatever came of the request. One that names an
    /// earlier send of a message that goes out again, or a failure of a second copy, changes nothing.
    pub(super) fn status(&mut self, update: StatusUpdate, received_at: UnixMs) -> rusqlite::Result<bool> {
        let named = update.message.or_else(|| self.accepted.get(&self.hasher.hash_one(&update.wamid)).copied());
        let Some(id) = named else { return Ok(false) };
        let sql = "SELECT conversation, place IS NOT NULL, state, wamid, campaign, iif(park_ms IS NULL, NULL, park_reason)
            FROM message WHERE seq = ?1";
        let found = self.row(sql, [id.seq.0], |row| {
            let kept = row.get_ref(3)?.as_bytes_or_null()?.map(<[u8]>::to_vec);
            let counted = (row.get::<_, Option<i64>>(4)?, row.get::<_, Option<String>>(5)?);
            Ok((ConversationId(row.get(0)?), row.get::<_, bool>(1)?, row.get::<_, u8>(2)?, kept, counted))
        })?;
        let Some((conversation, in_outbox, state, kept, (campaign, waits_for))) = found else { return Ok(false) };
        if conversation != id.conversation {
            return Ok(false);
        }
        let same_send = || kept.as_ref().is_some_and(|kept| self.shared.sealer.is_wamid(kept, &update.wamid));
        let before = if in_outbox {
            if same_send() {
                return Ok(true);
            }
            self.staged.outbox -= 1;
            DeliveryState::Accepted
        } else {
            let Ok(before) = delivery_state(state) else { return Ok(false) };
            if before.advance(update.state) == before || (update.state == DeliveryState::Failed && kept.is_some() && !same_send()) {
                return Ok(true);
            }
            before
        };
        let after = before.advance(update.state);
        let sql =
            "UPDATE message SET place = NULL, park_ms = NULL, state = ?2, at_ms = ?3, attempts = attempts + ?4, wamid = ifnull(?5, wamid),
            content = iif(?6, NULL, content) WHERE seq = ?1";
        let is_new = in_outbox || kept.is_none();
        let wamid = is_new.then(|| self.shared.sealer.seal_wamid(conversation, &update.wamid)).transpose().map_err(broken)?;
        self.execute(sql, (id.seq.0, receipt_state(after), update.at.0, in_outbox, wamid, is_done(after)))?;
        if campaign.is_some() {
            if in_outbox {
                self.count(campaign, Tally::ACCEPTED, 1);
                self.reached(campaign, conversation, update.at)?;
                waits_for.into_iter().for_each(|reason| self.count(campaign, parked(&reason), -1));
            }
            passed(before, after).for_each(|name| self.count(campaign, name, 1));
        }
        if after == DeliveryState::Failed {
            self.count(campaign, failed(update.error.as_ref()), 1);
            if update.error.as_ref().is_some_and(|error| error.code == EXPERIMENT_OF_META) {
                self.left_out(campaign, conversation)?;
            }
            self.tell_failed(id, update.at, update.error, received_at)?;
        }
        Ok(true)
    }

    /// Tells a conversation that its message failed.
    fn tell_failed(&mut self, id: OutboxRef, at: UnixMs, error: Option<StatusError>, received_at: UnixMs) -> rusqlite::Result<()> {
        let Some(game) = self.game_of(id.conversation)? else { return Ok(()) };
        let event = Event::Status(StatusEvent { message: Some(id), state: DeliveryState::Failed, at, error });
        match Draft::json(Kind::Event, &event) {
            Ok(draft) => self.arrive(id.conversation, game, received_at, Arc::new(event), draft),
            // Numbers and texts alone: they always have a JSON form.
            Err(error) => {
                tracing::error!(%error, "a failed message's event");
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_has_the_number_of_failed() {
        assert_eq!(receipt_state(DeliveryState::Failed), FAILED);
        assert_eq!(delivery_state(FAILED), Ok(DeliveryState::Failed));
        assert!(delivery_state(QUEUED).is_err() && delivery_state(RECEIPT + 6).is_err());
    }
}
