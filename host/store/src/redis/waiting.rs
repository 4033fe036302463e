//! How much waits in the outbox, lane by lane, and what is parked: asked of every partition, a few at a time.

use std::collections::BTreeMap;

use questline_core::id::NumberId;
use questline_core::lane::Lane;
use questline_core::outbox::NewMessage;
use questline_core::port::{LaneWaiting, ParkedMessage, StoreError};
use questline_core::send::ParkReason;
use questline_core::time::UnixMs;

use super::conversations::name_of;
use super::keys::Partition;
use super::lanes::body_command;
use super::script::Script;
use super::{RedisStore, value};
use crate::seal::{Kind, Owner};

/// Partitions that are asked at once: others' calls come in between.
const CHUNK: usize = 32;

/// Of a lane: how many are queued, since when, and how many are parked, by reason.
type Counts = (u64, Option<UnixMs>, BTreeMap<ParkReason, u64>);

impl RedisStore {
    pub(super) async fn lanes_waiting(&self, numbers: &[NumberId]) -> Result<Vec<LaneWaiting>, StoreError> {
        let session = self.link.session()?;
        let partitions = Partition::all().collect::<Vec<_>>();
        let mut lanes: BTreeMap<Lane, Counts> = BTreeMap::new();
        for chunk in partitions.chunks(CHUNK) {
            let commands = chunk.iter().map(|partition| self.fenced(Script::Waiting, &session, *partition, 32)).collect();
            for answer in self.link.call(&session, commands, None).await? {
                let [queued, parked] = value::exactly(value::list(&answer)?)?;
                for lane in value::list(queued)?.chunks(3) {
                    let [name, count, first] = value::exactly(lane)?;
                    let Some(lane) = Lane::parse(value::text(name)?).filter(|lane| numbers.contains(&lane.number)) else { continue };
                    let (queued, oldest, _) = lanes.entry(lane).or_default();
                    *queued += value::number(count)?;
                    // A message's number is the millisecond of its commit.
                    let first = name_of(value::text(first)?).map(|id| UnixMs(id.seq.0));
                    *oldest = [*oldest, first].into_iter().flatten().min();
                }
                for parked in value::list(parked)?.chunks(2) {
                    let [name, count] = value::exactly(parked)?;
                    let Some((lane, reason)) = value::text(name)?.split_once(' ') else { continue };
                    let lane = Lane::parse(lane).filter(|lane| numbers.contains(&lane.number));
                    if let (Some(lane), Some(reason)) = (lane, ParkReason::parse(reason)) {
                        *lanes.entry(lane).or_default().2.entry(reason).or_default() += value::number(count)?;
                    }
                }
            }
        }
        let waiting =
            |(lane, (queued, oldest, parked)): (Lane, Counts)| LaneWaiting { lane, queued, oldest, parked: parked.into_iter().collect() };
        Ok(lanes.into_iter().map(waiting).collect())
    }

    pub(super) async fn parked_first(&self, numbers: &[NumberId], limit: usize) -> Result<Vec<ParkedMessage>, StoreError> {
        let session = self.link.session()?;
        let partitions = Partition::all().collect::<Vec<_>>();
        let mut first = Vec::new();
        for chunk in partitions.chunks(CHUNK) {
            let reads = chunk.iter().map(|partition| {
                let mut read = redis::cmd("ZRANGE");
                read.arg(self.keys.key(*partition, "parked")).arg(0).arg(limit).arg("WITHSCORES");
                read
            });
            for answer in self.link.call(&session, reads.collect(), None).await? {
                for row in value::list(&answer)?.chunks(2) {
                    let [name, until] = value::exactly(row)?;
                    first.extend(name_of(value::text(name)?).map(|id| value::number(until).map(|until| (UnixMs(until), id))));
                }
            }
            // Of those of other games some may be in front: so more are kept than are asked for.
            let mut sorted = first.into_iter().collect::<Result<Vec<_>, _>>()?;
            sorted.sort_unstable_by_key(|(until, id)| (*until, id.conversation, id.seq));
            sorted.truncate(limit.saturating_mul(4));
            first = sorted.into_iter().map(Ok).collect();
        }
        let mut found = Vec::new();
        for row in first {
            let (until, id) = row?;
            if found.len() == limit {
                break;
            }
            let mut why = redis::cmd("HGET");
            why.arg(self.keys.key(Partition::of(id.conversation), "parked:why")).arg(id.to_string());
            let answers = self.link.call(&session, vec![why, body_command(&self.keys, id)], None).await?;
            let [why, body] = value::exactly(&answers)?;
            let reason = value::optional_bytes(why)?.and_then(|why| ParkReason::parse(&String::from_utf8_lossy(why)));
            let (Some(reason), Some(body)) = (reason, value::optional_bytes(body)?) else { continue };
            let message: NewMessage = self.sealer.open(Owner::number(Kind::Message, id.conversation.0), body)?;
            if numbers.contains(&message.number) {
                found.push(ParkedMessage::new(id, &message, reason, until));
            }
        }
        Ok(found)
    }
}
