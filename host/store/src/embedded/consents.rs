//! Consent: a marketing message begins only while the player agrees, and what they said is read as evidence.

use async_trait::async_trait;
use questline_core::consent::{ConsentRecord, Standing};
use questline_core::contact::Contact;
use questline_core::id::{ConversationId, GameId, NumberId, OutboxRef};
use questline_core::port::{Begun, ConsentPage, ConsentPlace, Consents, StoreError};
use questline_core::time::UnixMs;
use rusqlite::Connection;

use super::op::Answer;
use super::sealing::blob;
use super::writer::{Failure, Writer};
use super::{EmbeddedStore, unavailable};
use crate::alias::Alias;
use crate::seal::{Kind, Owner, Sealer};

impl Writer {
    /// Reads what holds and begins in the same transaction: what is withdrawn before is not begun.
    pub(super) fn begin_marketing(&mut self, messages: &[OutboxRef], at: UnixMs) -> Result<Answer, Failure> {
        let standings = messages.iter().map(|id| self.standing(id.conversation)).collect::<Vec<_>>();
        let mut answers = Vec::with_capacity(messages.len());
        for (id, standing) in messages.iter().zip(standings) {
            answers.push(match standing.takes_marketing(at) {
                Err(unwanted) => Begun::Unwanted(unwanted),
                Ok(()) if self.begin_one(*id, at)? => Begun::Yes,
                Ok(()) => Begun::Gone,
            });
        }
        Ok(Answer::MarketingBegun(answers))
    }

    /// What holds in a conversation; nothing was agreed to where it cannot be read.
    fn standing(&self, id: ConversationId) -> Standing {
        self.conversation(id).map(|known| known.standing()).unwrap_or_default()
    }
}

#[async_trait]
impl Consents for EmbeddedStore {
    async fn consents_of(&self, game: &GameId, numbers: &[NumberId], contacts: &[Contact]) -> Result<Vec<ConsentRecord>, StoreError> {
        let aliases: Vec<Alias> =
            numbers.iter().flat_map(|number| contacts.iter().flat_map(move |contact| Alias::all(number, contact))).collect();
        let (game, shared) = (game.clone(), self.shared.clone());
        self.read(move |connection| {
            let sealer = &shared.sealer;
            let mut found = Vec::new();
            for alias in &aliases {
                let id = shared.names.conversation(connection, sealer, alias)?;
                found.extend(id.filter(|id| !found.contains(id)));
            }
            let mut records = Vec::new();
            for id in found {
                let sql = "SELECT c.id, c.conversation, c.doc FROM consent c JOIN conversation v ON v.id = c.conversation
                    WHERE c.conversation = ?1 AND v.game = ?2 ORDER BY c.id";
                records.extend(rows(connection, sealer, sql, (id, game.as_str()))?.into_iter().map(|(_, record)| record));
            }
            Ok(records)
        })
        .await
    }

    async fn consents_after(&self, game: &GameId, after: Option<ConsentPlace>, limit: usize) -> Result<ConsentPage, StoreError> {
        let (game, sealer) = (game.clone(), self.shared.sealer.clone());
        self.read(move |connection| {
            let sql = "SELECT c.id, c.conversation, c.doc FROM consent c JOIN conversation v ON v.id = c.conversation
                WHERE c.id > ?1 AND v.game = ?2 ORDER BY c.id LIMIT ?3";
            let after = after.map_or(0, |(id, ..)| i64::try_from(id).unwrap_or(i64::MAX));
            let found = rows(connection, &sealer, sql, (after, game.as_str(), i64::try_from(limit).unwrap_or(i64::MAX)))?;
            let next = if found.len() == limit { found.last().map(|(id, _)| (*id, 0, 0)) } else { None };
            Ok(ConsentPage { records: found.into_iter().map(|(_, record)| record).collect(), next })
        })
        .await
    }
}

fn rows(
    connection: &Connection,
    sealer: &Sealer,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<(u64, ConsentRecord)>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(unavailable)?;
    let mut rows = statement.query(params).map_err(unavailable)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(unavailable)? {
        let owner = Owner::number(Kind::Consent, row.get(1).map_err(unavailable)?);
        let doc = blob(row, 2).map_err(unavailable)?;
        found.push((row.get(0).map_err(unavailable)?, sealer.open(owner, &doc)?));
    }
    Ok(found)
}
