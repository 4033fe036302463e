//! What becomes of a campaign's messages, counted in the transaction in which it does: by name, one row for each, written once
//! for a whole group of operations.

use std::borrow::Cow;
use std::collections::BTreeMap;

use lru::LruCache;
use questline_core::broadcast::{Tally, is_of_flows};
use questline_core::id::{CampaignId, GameId};
use questline_core::outbox::Campaign;
use questline_core::port::StoreError;
use questline_core::time::{DAY_MS, UnixMs};
use rusqlite::Connection;

use super::memory::bounded;
use super::unavailable;
use super::writer::Writer;

/// Campaigns whose numbers are in memory.
const CAMPAIGNS_MAX: usize = 256;
/// How long after its first message a campaign's counts are kept.
const KEPT_MS: u64 = 100 * DAY_MS;

/// The writer's campaigns.
pub(super) struct Campaigns {
    ids: LruCache<(GameId, Campaign), i64>,
    counted: BTreeMap<(i64, Cow<'static, str>), i64>,
}

impl Campaigns {
    pub(super) fn new() -> Self {
        Self { ids: bounded(CAMPAIGNS_MAX), counted: BTreeMap::new() }
    }

    /// The group was not written.
    pub(super) fn clear(&mut self) {
        self.ids.clear();
        self.counted.clear();
    }
}

impl Writer {
    /// The number of a campaign in a game, a new one if it has none.
    pub(super) fn campaign(&mut self, game: &GameId, campaign: Campaign, at: UnixMs) -> rusqlite::Result<i64> {
        let key = (game.clone(), campaign);
        if let Some(known) = self.campaigns.ids.get(&key) {
            return Ok(*known);
        }
        let (name, variant) = (key.1.id.as_str(), key.1.variant.map_or(-1, i64::from));
        let sql = "SELECT id FROM campaign WHERE game = ?1 AND name = ?2 AND variant = ?3";
        let found = self.row(sql, (game.as_str(), name, variant), |row| row.get(0))?;
        let id = match found {
            Some(id) => id,
            None => {
                // Numbers below 0 say that its messages are no bulk: the index of what waits of conversations has them.
                let sql = if is_of_flows(&key.1.id) {
                    "INSERT INTO campaign(id, game, name, variant, at_ms)
                     VALUES ((SELECT min(ifnull(min(id), 0), 0) - 1 FROM campaign), ?1, ?2, ?3, ?4)"
                } else {
                    "INSERT INTO campaign(id, game, name, variant, at_ms)
                     VALUES ((SELECT max(ifnull(max(id), 0), 0) + 1 FROM campaign), ?1, ?2, ?3, ?4)"
                };
                self.execute(sql, (game.as_str(), name, variant, at.0))?;
                self.connection.last_insert_rowid()
            }
        };
        self.campaigns.ids.put(key, id);
        Ok(id)
    }

    /// Counts, if it is a campaign's.
    pub(super) fn count(&mut self, campaign: Option<i64>, name: impl Into<Cow<'static, str>>, by: i64) {
        if let Some(campaign) = campaign {
            *self.campaigns.counted.entry((campaign, name.into())).or_insert(0) += by;
        }
    }

    /// Writes what was counted, as the last thing of a group.
    pub(super) fn write_counts(&mut self) -> rusqlite::Result<()> {
        if self.campaigns.counted.is_empty() {
            return Ok(());
        }
        let sql = "INSERT INTO campaign_count(campaign, name, count) VALUES (?1, ?2, ?3)
            ON CONFLICT(campaign, name) DO UPDATE SET count = count + excluded.count";
        let mut statement = self.connection.prepare_cached(sql)?;
        for ((campaign, name), by) in std::mem::take(&mut self.campaigns.counted) {
            statement.execute((campaign, &*name, by))?;
        }
        Ok(())
    }

    pub(super) fn prune_campaigns(&mut self, now: UnixMs, limit: i64) -> rusqlite::Result<usize> {
        let sql = "SELECT id FROM campaign WHERE at_ms < ?1 LIMIT ?2";
        let old = self.rows(sql, (now.minus_ms(KEPT_MS).0, limit), |row| row.get::<_, i64>(0))?;
        for id in &old {
            self.execute("DELETE FROM campaign_count WHERE campaign = ?1", [id])?;
            self.execute("DELETE FROM exposure WHERE campaign = ?1", [id])?;
            self.execute("DELETE FROM campaign WHERE id = ?1", [id])?;
        }
        if !old.is_empty() {
            self.campaigns.ids.clear();
        }
        Ok(old.len())
    }
}

/// What was counted of a campaign, by variant.
pub(super) fn tallies(connection: &Connection, game: &GameId, campaign: &CampaignId) -> Result<BTreeMap<Option<u8>, Tally>, StoreError> {
    let sql =
        "SELECT c.variant, n.name, n.count FROM campaign c JOIN campaign_count n ON n.campaign = c.id WHERE c.game = ?1 AND c.name = ?2";
    let mut statement = connection.prepare_cached(sql).map_err(unavailable)?;
    let count = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?));
    let rows = statement.query_map((game.as_str(), campaign.as_str()), count);
    let mut tallies: BTreeMap<Option<u8>, Tally> = BTreeMap::new();
    for row in rows.map_err(unavailable)? {
        let (variant, name, count) = row.map_err(unavailable)?;
        tallies.entry(u8::try_from(variant).ok()).or_default().add(&name, count);
    }
    Ok(tallies)
}
