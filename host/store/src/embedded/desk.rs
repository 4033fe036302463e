//! What people decide: dead letters are tried again, tickets are closed.

use std::sync::Arc;

use questline_core::audit::{Actor, AuditRecord};
use questline_core::commit::{Closed, DeadLetter, Letter, StoredDeadLetter, Ticket};
use questline_core::event::{Event, TicketClosed};
use questline_core::id::{DeadLetterId, GameId, TicketNumber};
use questline_core::time::UnixMs;

use crate::audit::{closed, retried};
use crate::seal::{Draft, Kind, Owner};

use super::audit::{Salted, salted};
use super::op::Answer;
use super::read;
use super::sealing::blob;
use super::writer::{Failure, Writer};

impl Writer {
    pub(super) fn insert_dead_letter(&mut self, game: &str, doc: &[u8]) -> rusqlite::Result<DeadLetterId> {
        self.execute("INSERT INTO dead_letter(game, doc) VALUES (?1, ?2)", (game, doc))?;
        self.staged.dead_letters += 1;
        Ok(DeadLetterId(self.connection.last_insert_rowid() as u64))
    }

    pub(super) fn add_dead_letter(&mut self, letter: &DeadLetter) -> Result<Answer, Failure> {
        let doc = self.shared.sealer.seal_json(Owner::letter(&letter.game), letter).map_err(Failure::Refused)?;
        Ok(Answer::Added(self.insert_dead_letter(letter.game.as_str(), &doc)?))
    }

    pub(super) fn retry_dead_letter(&mut self, id: DeadLetterId, actor: &Actor, now: UnixMs) -> Result<Answer, Failure> {
        let found = read::dead_letter(&self.connection, &self.shared.sealer, id).map_err(Failure::Refused)?;
        let Some(StoredDeadLetter { dead_letter: letter, .. }) = found else { return Ok(Answer::Found(false)) };
        let audit = self.salted(retried(id, &letter, actor, now))?;
        let (game, mut head) = (letter.game.clone(), self.audit_head(&letter.game)?);
        match letter.letter {
            Letter::Event { received_at, event } => {
                let draft = Draft::json(Kind::Event, &event).map_err(Failure::Refused)?;
                self.arrive(letter.conversation, letter.game, received_at, Arc::new(event), draft)?;
            }
            Letter::Message(message) => {
                let message = message.anew(now);
                let owner = Owner::number(Kind::Message, letter.conversation.0);
                let content = self.shared.sealer.seal_json(owner, &message).map_err(Failure::Refused)?;
                self.queue(letter.conversation, message, &content)?;
            }
        }
        self.execute("DELETE FROM dead_letter WHERE id = ?1", [id.0])?;
        self.staged.dead_letters -= 1;
        self.link(&mut head, &game, audit)?;
        Ok(Answer::Found(true))
    }

    pub(super) fn close_ticket(
        &mut self,
        game: &GameId,
        number: &TicketNumber,
        resolution: String,
        actor: &Actor,
        now: UnixMs,
    ) -> Result<Answer, Failure> {
        let sql = "SELECT id, doc FROM ticket WHERE game = ?1 AND number = ?2 AND closed_ms IS NULL";
        let found = self.row(sql, (game.as_str(), number.as_str()), |row| Ok((row.get::<_, i64>(0)?, blob(row, 1)?)))?;
        let Some((row, doc)) = found else { return Ok(Answer::Found(false)) };
        let sealer = &self.shared.sealer;
        let mut ticket: Ticket = sealer.open(Owner::ticket(game, number), &doc).map_err(Failure::Refused)?;
        let event = Event::TicketClosed(TicketClosed { number: number.clone(), resolution: resolution.clone() });
        ticket.closed = Some(Closed { at: now, resolution });
        let doc = sealer.seal_json(Owner::ticket(game, number), &ticket).map_err(Failure::Refused)?;
        let draft = Draft::json(Kind::Event, &event).map_err(Failure::Refused)?;
        let audit = self.salted(closed(&ticket, actor, now))?;
        let mut head = self.audit_head(game)?;
        self.link(&mut head, game, audit)?;
        self.execute("UPDATE ticket SET closed_ms = ?2, doc = ?3 WHERE id = ?1", (row, now.0, doc))?;
        self.staged.tickets_open -= 1;
        self.arrive(ticket.conversation, game.clone(), now, Arc::new(event), draft)?;
        Ok(Answer::Found(true))
    }

    fn salted(&self, record: AuditRecord) -> Result<Vec<Salted>, Failure> {
        salted(vec![record], &self.shared.audit_key).map_err(Failure::Refused)
    }
}
