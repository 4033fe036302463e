//! A step: all of it or nothing.

use questline_core::broadcast::{Tally, counted_as};
use questline_core::commit::{Bury, DeadLetter, Letter, Resend, TimerChange};
use questline_core::contact::Contact;
use questline_core::id::{ConversationId, InboxSeq, OutboxRef, OutboxSeq};
use questline_core::outbox::{NewMessage, OutboxMessage, SendState};
use questline_core::port::{Committed, StoreError};
use questline_core::time::UnixMs;

use crate::alias::AliasChange;
use crate::handout::Placed;

use super::append::contact_index;
use super::op::{Answer, CommitOp};
use super::sealing::blob;
use super::send::{FAILED, QUEUED};
use super::writer::{Failure, Writer};
use crate::seal::{Kind, Named, Owner};

/// What a conversation's row says of its contact.
enum Noted {
    /// It is this one.
    Same,
    /// It is another one; or it is to be noted anew, and is the same: then there is none.
    Other(Option<Contact>),
}

impl Writer {
    pub(super) fn commit(&mut self, commit: &mut CommitOp) -> Result<Answer, Failure> {
        let (conversation, doc) = &commit.conversation;
        let id = conversation.id;
        self.require_waiting(id, commit.ack)?;
        let audit_head = if commit.audits.is_empty() { None } else { Some(self.audit_head(&conversation.game)?) };
        let contact = self.contact_before(conversation)?;
        let same_player = self.shared.hot().has_player(id, conversation.session.player.as_ref()) == Some(true);
        if !self.write_conversation(commit, &contact)? {
            self.staged.cold.push(id);
            return Err(Failure::Refused(StoreError::Stale));
        }
        self.staged.hot.push((conversation.clone(), doc.len()));
        if let Noted::Other(Some(before)) = contact {
            self.move_aliases(id, &AliasChange::between(&conversation.number, &before, &conversation.contact))?;
        }
        if !same_player {
            let parts = |player| [conversation.game.as_str(), player];
            let player = conversation.session.player.as_ref();
            let index = player.map(|player| self.shared.sealer.index(Named::Player, &parts(player.as_str())));
            let bytes = index.as_ref().map(|index| index.as_bytes());
            self.execute("UPDATE conversation SET player = ?2 WHERE id = ?1 AND player IS NOT ?2", (id.0, bytes))?;
        }
        let game = conversation.game.clone();

        self.execute("DELETE FROM inbox WHERE seq = ?1", [commit.ack.0])?;
        self.staged.acknowledge(id, commit.ack);

        let mut outbox = Vec::with_capacity(commit.outbox.len());
        for (message, content) in commit.outbox.drain(..) {
            outbox.push(self.queue(id, message, &content)?);
        }
        for resend in &commit.resend {
            self.resend(id, resend, commit.now)?;
        }
        for bury in &commit.bury {
            self.bury(id, bury)?;
        }
        for (change, payload) in &commit.timers {
            self.change_timer(id, change, payload.as_deref())?;
        }
        for (ticket, doc) in &commit.tickets {
            let sql = "INSERT INTO ticket(game, number, priority, opened_ms, doc) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
            let priority = ticket.priority as u8;
            let opened = self.execute(sql, (ticket.game.as_str(), ticket.number.as_str(), priority, ticket.opened_at.0, doc))?;
            self.staged.tickets_open += opened as i64;
        }
        for (consent, doc) in &commit.consents {
            self.execute("INSERT INTO consent(conversation, at_ms, doc) VALUES (?1, ?2, ?3)", (id.0, consent.at.0, doc))?;
        }
        if let Some(mut head) = audit_head {
            self.link(&mut head, &game, commit.audits.drain(..))?;
        }
        for (event, draft) in commit.follow_ups.drain(..) {
            self.arrive(id, game.clone(), commit.now, event, draft)?;
        }
        if let Some(doc) = &commit.dead_letter {
            self.insert_dead_letter(game.as_str(), doc)?;
        }
        if let Some((at, doc)) = &commit.step {
            let sql = "INSERT OR REPLACE INTO step(seq, conversation, at_ms, doc) VALUES (?1, ?2, ?3, ?4)";
            self.execute(sql, (commit.ack.0, id.0, at.0, doc))?;
        }
        Ok(Answer::Committed(Committed { outbox }))
    }

    pub(super) fn count_attempt(&mut self, conversation: ConversationId, seq: InboxSeq, attempts: u32) -> Result<Answer, Failure> {
        self.require_waiting(conversation, seq)?;
        self.execute("UPDATE inbox SET attempts = ?2 WHERE seq = ?1", (seq.0, attempts))?;
        self.staged.attempts.push((conversation, seq, attempts));
        Ok(Answer::Done)
    }

    /// Refuses what is about an event that is no longer there.
    fn require_waiting(&self, conversation: ConversationId, seq: InboxSeq) -> Result<(), Failure> {
        if self.staged.is_acknowledged(seq) || !self.shared.pending().contains(conversation, seq) {
            return Err(Failure::Refused(StoreError::Stale));
        }
        Ok(())
    }

    /// What the row says of the contact that the commit brings.
    fn contact_before(&self, conversation: &questline_core::conversation::Conversation) -> rusqlite::Result<Noted> {
        // If that is another version's, the commit is refused below.
        if self.shared.hot().has_contact(conversation.id, &conversation.contact) == Some(true) {
            return Ok(Noted::Same);
        }
        let noted =
            self.row("SELECT contact FROM conversation WHERE id = ?1", [conversation.id.0], |row| row.get::<_, Option<Vec<u8>>>(0))?;
        let index = contact_index(&self.shared.sealer, conversation.id, &conversation.contact);
        if noted.flatten().is_some_and(|noted| noted == *index.as_bytes()) {
            return Ok(Noted::Same);
        }
        let before = self.conversation(conversation.id).map(|before| before.contact);
        Ok(Noted::Other(before.filter(|before| *before != conversation.contact)))
    }

    /// False when the conversation has moved on: then nothing was written.
    fn write_conversation(&self, commit: &CommitOp, contact: &Noted) -> rusqlite::Result<bool> {
        let (conversation, doc) = &commit.conversation;
        let Some(version_before) = conversation.version.checked_sub(1) else { return Ok(false) };
        let changed = if matches!(contact, Noted::Other(_)) {
            let contact = contact_index(&self.shared.sealer, conversation.id, &conversation.contact);
            let sql = "UPDATE conversation SET version = ?3, contact = ?4, phone = NULL, bsuid = NULL, doc = ?5
                WHERE id = ?1 AND version = ?2";
            self.execute(sql, (conversation.id.0, version_before, conversation.version, contact.as_bytes(), doc))?
        } else {
            let sql = "UPDATE conversation SET version = ?3, doc = ?4 WHERE id = ?1 AND version = ?2";
            self.execute(sql, (conversation.id.0, version_before, conversation.version, doc))?
        };
        Ok(changed == 1)
    }

    /// Puts a new message into the outbox.
    pub(super) fn queue(&mut self, conversation: ConversationId, message: NewMessage, content: &[u8]) -> rusqlite::Result<OutboxRef> {
        let place = self.next_message()?;
        let lane = self.lane_of(&message)?;
        let (at, due_at) = (message.committed_at, message.committed_at);
        let campaign = counted_as(&message).map(|campaign| self.campaign(&message.game, campaign, at)).transpose()?;
        self.count(campaign, Tally::QUEUED, 1);
        let sql = "INSERT INTO message(seq, conversation, place, state, at_ms, attempts, due_ms, content, lane, campaign)
            VALUES (?1, ?2, ?1, ?3, ?4, 0, ?4, ?5, ?6, ?7)";
        self.execute(sql, (place, conversation.0, QUEUED, at.0, content, lane, campaign))?;
        let id = OutboxRef { conversation, seq: OutboxSeq(place) };
        let message = OutboxMessage { id, message, attempts: 0, due_at, state: SendState::Queued };
        self.staged.placed.push(Placed { place, message, bytes: content.len() });
        self.staged.outbox += 1;
        Ok(id)
    }

    /// A failed message goes out again, if its content is still there.
    fn resend(&mut self, conversation: ConversationId, resend: &Resend, now: UnixMs) -> rusqlite::Result<()> {
        if resend.id.conversation != conversation {
            return Ok(());
        }
        let place = self.next_message()?;
        let sql = "UPDATE message SET place = ?3, state = ?4, at_ms = ?5, attempts = ?6, due_ms = ?7
            WHERE seq = ?1 AND conversation = ?2 AND state = ?8 AND content IS NOT NULL RETURNING content, campaign, wamid IS NOT NULL";
        let params = (resend.id.seq.0, conversation.0, place, QUEUED, now.0, resend.attempts, resend.due_at.0, FAILED);
        let found = self.row(sql, params, |row| Ok((blob(row, 0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, bool>(2)?)))?;
        let Some((content, campaign, was_accepted)) = found else {
            tracing::warn!(message = %resend.id, "a message is to go out again, and its content is gone");
            return Ok(());
        };
        self.count(campaign, if was_accepted { Tally::ACCEPTED } else { Tally::REFUSED_AT_ONCE }, -1);
        self.staged.outbox += 1;
        if let Ok(message) = self.shared.sealer.open::<NewMessage>(Owner::number(Kind::Message, conversation.0), &content) {
            // A receipt from before there were lanes has none.
            let lane = self.lane_of(&message)?;
            self.execute("UPDATE message SET lane = ?2 WHERE seq = ?1", (resend.id.seq.0, lane))?;
            let message =
                OutboxMessage { id: resend.id, message, attempts: resend.attempts, due_at: resend.due_at, state: SendState::Queued };
            self.staged.placed.push(Placed { place, message, bytes: content.len() });
        }
        Ok(())
    }

    /// A failed message is given up.
    fn bury(&mut self, conversation: ConversationId, bury: &Bury) -> Result<(), Failure> {
        if bury.id.conversation != conversation {
            return Ok(());
        }
        let sql = "SELECT content, attempts FROM message WHERE seq = ?1 AND conversation = ?2 AND state = ?3 AND content IS NOT NULL";
        let found = self.row(sql, (bury.id.seq.0, conversation.0, FAILED), |row| Ok((blob(row, 0)?, row.get(1)?)))?;
        let Some((content, attempts)) = found else { return Ok(()) };
        self.execute("UPDATE message SET content = NULL WHERE seq = ?1", [bury.id.seq.0])?;
        self.bury_message(conversation, &content, &bury.reason, &bury.detail, attempts, bury.at)?;
        Ok(())
    }

    /// Makes a dead letter of a message's content.
    pub(super) fn bury_message(
        &mut self,
        conversation: ConversationId,
        content: &[u8],
        reason: &str,
        detail: &str,
        attempts: u32,
        at: UnixMs,
    ) -> rusqlite::Result<()> {
        let sealer = &self.shared.sealer;
        let message = sealer.open::<NewMessage>(Owner::number(Kind::Message, conversation.0), content);
        if message.as_ref().is_ok_and(|message| message.campaign.is_some()) {
            // One of many: it is counted by its reason, and a broadcast that goes wrong leaves no million of letters.
            return Ok(());
        }
        let letter = message.and_then(|message| {
            let game = message.game.clone();
            let letter = Letter::Message(message);
            let letter =
                DeadLetter { game: game.clone(), conversation, letter, reason: reason.to_owned(), detail: detail.to_owned(), attempts, at };
            let doc = sealer.seal_json(Owner::letter(&game), &letter)?;
            Ok((game, doc))
        });
        match letter {
            Ok((game, doc)) => self.insert_dead_letter(game.as_str(), &doc).map(|_| ()),
            Err(error) => {
                tracing::error!(%error, "a message that is to be kept cannot be read");
                Ok(())
            }
        }
    }

    fn change_timer(&mut self, conversation: ConversationId, change: &TimerChange, payload: Option<&[u8]>) -> rusqlite::Result<()> {
        match change {
            TimerChange::Set { due_at, timer } => {
                let sql = "UPDATE timer SET due_ms = ?4, payload = ?5 WHERE conversation = ?1 AND flow = ?2 AND name = ?3";
                let params = (conversation.0, timer.flow.as_str(), &timer.id, due_at.0, payload);
                if self.execute(sql, params)? == 0 {
                    let sql = "INSERT INTO timer(conversation, flow, name, due_ms, payload) VALUES (?1, ?2, ?3, ?4, ?5)";
                    self.execute(sql, params)?;
                    self.staged.timers += 1;
                    self.staged.timer_due.set(due_at.0);
                } else {
                    // It may have been the next one, and be later now.
                    self.staged.timer_due = super::staged::TimerDue::Unknown;
                }
            }
            TimerChange::Cancel { flow, id } => {
                let sql = "DELETE FROM timer WHERE conversation = ?1 AND flow = ?2 AND name = ?3";
                if self.execute(sql, (conversation.0, flow.as_str(), id))? > 0 {
                    self.staged.timers -= 1;
                    self.staged.timer_due = super::staged::TimerDue::Unknown;
                }
            }
        }
        Ok(())
    }
}
