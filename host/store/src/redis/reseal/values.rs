//! Walks over hashes, lists and streams of a partition.

use std::sync::Arc;

use questline_core::port::StoreError;

use super::super::keys::Partition;
use super::super::script::Script;
use super::super::session::Session;
use super::super::{RedisStore, value};
use super::{CHUNK, Walk};
use crate::seal::{Kind, Owner};

/// One value that is to be written.
pub(super) struct Rewrite {
    pub(super) kind: &'static str,
    /// Within the partition.
    pub(super) key: String,
    pub(super) place: Vec<u8>,
    pub(super) before: Vec<u8>,
    pub(super) after: Vec<u8>,
}

impl RedisStore {
    /// Walks over a hash of a partition. `anew` says what a value is to be, if it changes.
    pub(super) async fn hash(
        &self,
        session: &Arc<Session>,
        partition: Partition,
        key: &str,
        walk: &mut Walk,
        anew: impl Fn(&[u8], &[u8]) -> Result<Option<Vec<u8>>, StoreError>,
    ) -> Result<(), StoreError> {
        let mut cursor = 0;
        loop {
            let mut scan = redis::cmd("HSCAN");
            scan.arg(self.keys.key(partition, key)).arg(cursor).arg("COUNT").arg(CHUNK);
            let answer = self.ask(session, scan).await?;
            let [next, fields] = value::exactly(value::list(&answer)?)?;
            let mut rewrites = Vec::new();
            for pair in value::list(fields)?.chunks(2) {
                let [field, before] = value::exactly(pair)?;
                let (field, before) = (value::bytes(field)?, value::bytes(before)?);
                if let Some(after) = walk.look(self, before, || anew(field, before)) {
                    rewrites.push(Rewrite { kind: "hash", key: key.to_owned(), place: field.to_vec(), before: before.to_vec(), after });
                }
            }
            self.rewrite(session, partition, rewrites).await?;
            cursor = value::number(next)?;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    /// Walks over a list of a partition.
    pub(super) async fn list(
        &self,
        session: &Arc<Session>,
        partition: Partition,
        key: &str,
        walk: &mut Walk,
        anew: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, StoreError>,
    ) -> Result<(), StoreError> {
        // What comes meanwhile lies under the first key; what leaves in front moves the rest: nothing is passed over when the
        // walk goes from the end to the front.
        let mut length = redis::cmd("LLEN");
        length.arg(self.keys.key(partition, key));
        let mut end = value::number(&self.ask(session, length).await?)?;
        while end > 0 {
            let from = end.saturating_sub(CHUNK as u64);
            let mut range = redis::cmd("LRANGE");
            range.arg(self.keys.key(partition, key)).arg(from).arg(end - 1);
            let answer = self.ask(session, range).await?;
            let mut rewrites = Vec::new();
            for before in value::list(&answer)? {
                let before = value::bytes(before)?;
                if let Some(after) = walk.look(self, before, || anew(before)) {
                    rewrites.push(Rewrite { kind: "list", key: key.to_owned(), place: Vec::new(), before: before.to_vec(), after });
                }
            }
            self.rewrite(session, partition, rewrites).await?;
            end = from;
        }
        Ok(())
    }

    /// Walks over the records that a partition's stream has now.
    pub(super) async fn stream(
        &self,
        session: &Arc<Session>,
        partition: Partition,
        key: &str,
        kind: Kind,
        walk: &mut Walk,
    ) -> Result<(), StoreError> {
        let name = self.keys.key(partition, key);
        let mut newest = redis::cmd("XREVRANGE");
        newest.arg(&name).arg("+").arg("-").arg("COUNT").arg(1);
        let answer = self.ask(session, newest).await?;
        let Some(newest) = value::list(&answer)?.first() else { return Ok(()) };
        let [last, _] = value::exactly(value::list(newest)?)?;
        let last = value::text(last)?.to_owned();
        let mut from = "-".to_owned();
        loop {
            let mut range = redis::cmd("XRANGE");
            range.arg(&name).arg(&from).arg(&last).arg("COUNT").arg(CHUNK);
            let answer = self.ask(session, range).await?;
            let records = value::list(&answer)?;
            let mut rewrites = Vec::new();
            for record in records {
                let [id, fields] = value::exactly(value::list(record)?)?;
                from = format!("({}", value::text(id)?);
                let [_, conversation, _, before] = value::exactly(value::list(fields)?)?;
                let (conversation, before) = (value::conversation(conversation)?, value::bytes(before)?);
                let anew = || self.sealer.reseal(Owner::number(kind, conversation.0), before);
                if let Some(after) = walk.look(self, before, anew) {
                    let (place, before) = (value::bytes(id)?.to_vec(), conversation.to_string().into_bytes());
                    rewrites.push(Rewrite { kind: "stream", key: key.to_owned(), place, before, after });
                }
            }
            self.rewrite(session, partition, rewrites).await?;
            if records.len() < CHUNK {
                return Ok(());
            }
        }
    }

    pub(super) async fn rewrite(&self, session: &Arc<Session>, partition: Partition, rewrites: Vec<Rewrite>) -> Result<(), StoreError> {
        if rewrites.is_empty() {
            return Ok(());
        }
        let bytes = rewrites.iter().map(|rewrite| rewrite.before.len() + rewrite.after.len() + 64).sum();
        let mut command = self.fenced(Script::Rewrite, session, partition, bytes);
        command.arg(rewrites.len());
        for Rewrite { kind, key, place, before, after } in rewrites {
            command.arg(kind).arg(key).arg(place).arg(before).arg(after);
        }
        self.ask(session, command).await.map(drop)
    }
}

impl Walk {
    /// Looks at a value; gives what it is to be, if it changes.
    pub(super) fn look(
        &mut self,
        store: &RedisStore,
        kept: &[u8],
        anew: impl FnOnce() -> Result<Option<Vec<u8>>, StoreError>,
    ) -> Option<Vec<u8>> {
        self.tally.looked_at += 1;
        match anew() {
            Ok(after) => {
                self.tally.first(&store.sealer);
                self.tally.rewritten += u64::from(after.is_some());
                after
            }
            Err(problem) => {
                self.tally.unreadable(kept, &problem);
                None
            }
        }
    }
}
