//! Whom campaigns reached and what they did then, in the transactions in which it happens.

use std::collections::BTreeMap;

use async_trait::async_trait;
use questline_core::broadcast::Tally;
use questline_core::experiment::{Deed, REACHED, hour_of};
use questline_core::id::{CampaignId, ConversationId, GameId};
use questline_core::port::{DeedNote, Exposures, StoreError};
use questline_core::time::UnixMs;

use super::EmbeddedStore;
use super::op::{Answer, Op};
use super::tally::tallies;
use super::writer::{Failure, Writer};

macro_rules! first_time {
    ($column:literal) => {
        concat!(
            "UPDATE exposure SET ",
            $column,
            " = ?4 WHERE campaign IN (SELECT id FROM campaign WHERE game = ?1 AND name = ?2) AND conversation = ?3 AND ",
            $column,
            " IS NULL AND at_ms <= ?4 AND at_ms + ?5 > ?4 RETURNING campaign, at_ms"
        )
    };
}

impl Writer {
    /// Meta took a campaign's message.
    pub(super) fn reached(&mut self, campaign: Option<i64>, conversation: ConversationId, at: UnixMs) -> rusqlite::Result<()> {
        let Some(campaign) = campaign else { return Ok(()) };
        let sql = "INSERT OR IGNORE INTO exposure(campaign, conversation, at_ms) VALUES (?1, ?2, ?3)";
        if self.execute(sql, (campaign, conversation.0, at.0))? == 1 {
            self.count(Some(campaign), format!("{REACHED}{}", hour_of(at)), 1);
        }
        Ok(())
    }

    /// Meta took it, and left the person out for an experiment of its own.
    pub(super) fn left_out(&mut self, campaign: Option<i64>, conversation: ConversationId) -> rusqlite::Result<()> {
        let Some(campaign) = campaign else { return Ok(()) };
        let sql = "DELETE FROM exposure WHERE campaign = ?1 AND conversation = ?2 RETURNING at_ms";
        if let Some(at) = self.row(sql, (campaign, conversation.0), |row| row.get(0))? {
            self.count(Some(campaign), format!("{REACHED}{}", hour_of(UnixMs(at))), -1);
        }
        Ok(())
    }

    /// Notes what somebody did, the first time.
    pub(super) fn note_deed(&mut self, note: &DeedNote) -> Result<Answer, Failure> {
        let sql = match note.deed {
            Deed::Click => first_time!("click_ms"),
            Deed::Conversion => first_time!("conversion_ms"),
            Deed::OptOut => first_time!("opt_out_ms"),
        };
        let within_ms = i64::try_from(note.within_ms).unwrap_or(i64::MAX / 2);
        let params = (note.game.as_str(), note.campaign.as_str(), note.conversation.0, note.at.0, within_ms);
        let found = self.row(sql, params, |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
        if let Some((campaign, at)) = found {
            self.count(Some(campaign), format!("{}{}", note.deed.counted_as(), hour_of(UnixMs(at))), 1);
        }
        Ok(Answer::Found(found.is_some()))
    }
}

#[async_trait]
impl Exposures for EmbeddedStore {
    async fn note_deed(&self, note: DeedNote) -> Result<bool, StoreError> {
        match self.ask(Op::NoteDeed(Box::new(note))).await? {
            Answer::Found(found) => Ok(found),
            _ => Err(StoreError::Unavailable("the store's writer is out of step".into())),
        }
    }

    async fn tallies(&self, game: &GameId, campaign: &CampaignId) -> Result<BTreeMap<Option<u8>, Tally>, StoreError> {
        let (game, campaign) = (game.clone(), campaign.clone());
        self.read(move |connection| tallies(connection, &game, &campaign)).await
    }
}
