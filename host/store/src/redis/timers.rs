//! What time does: due timers become events, and what is old is forgotten.

use async_trait::async_trait;
use questline_core::id::InboxSeq;
use questline_core::port::{StoreError, Timers};
use questline_core::time::{DAY_MS, UnixMs};
use redis::Value;

use super::RedisStore;
use super::conversations::note_requeued;
use super::keys::{PARTITIONS, Partition};
use super::memory::{Inbox, News, TOUCH_EVERY_MS};
use super::pending::Arrived;
use super::script::Script;
use super::session::{Note, Session};
use super::{millis, value};
use crate::seal::Sealer;

/// Partitions that are worked on in one pipeline.
const CHUNK: usize = 32;

/// Meta sends again for up to seven days; this is twice that.
const SEEN_MS: u64 = 15 * DAY_MS + TOUCH_EVERY_MS;
/// How long a receipt is kept after its last change.
const RECEIPT_MS: u64 = 30 * DAY_MS + TOUCH_EVERY_MS;
/// How long notices are kept.
const NOTICE_MS: u64 = 90 * DAY_MS;

/// Kinds of rows that the script forgets.
const KINDS: usize = 4;

#[async_trait]
impl Timers for RedisStore {
    async fn fire_due(&self, now: UnixMs, limit: usize) -> Result<(usize, Option<UnixMs>), StoreError> {
        let mut fired = 0;
        loop {
            // The clockwork looks often, and mostly in vain: memory knows.
            let mut due = Partition::all().filter_map(|partition| self.memory.timer_next(partition).map(|due| (due, partition)));
            let mut due = due.by_ref().collect::<Vec<_>>();
            due.sort_unstable();
            let next = due.first().map(|(due, _)| UnixMs(*due));
            let room = usize::try_from(self.memory.room()).unwrap_or(usize::MAX);
            let left = limit.saturating_sub(fired).min(room);
            due.retain(|(due, _)| *due <= now.0);
            if due.is_empty() || limit.saturating_sub(fired) == 0 {
                return Ok((fired, next));
            }
            let session = self.link.session()?;
            if room == 0 {
                // Parked messages need no room in an inbox.
                for due in due.chunks(CHUNK) {
                    let partitions = due.iter().map(|(_, partition)| *partition).collect();
                    fired += self.fire(&session, partitions, now, [0, limit.div_ceil(due.len())]).await?;
                }
                return if fired > 0 { Ok((fired, next)) } else { Err(StoreError::Overloaded { waiting: self.memory.waiting() }) };
            }
            due.truncate(left.min(CHUNK));
            let each = (left / due.len()).max(1);
            let partitions = due.into_iter().map(|(_, partition)| partition).collect::<Vec<_>>();
            let count = self.fire(&session, partitions, now, [each, each]).await?;
            fired += count;
        }
    }

    async fn prune(&self, now: UnixMs, limit: usize) -> Result<usize, StoreError> {
        let session = self.link.session()?;
        if let Err(error) = self.link_waiting(&session).await {
            tracing::warn!(%error, "records of the audit log are not linked yet");
        }
        let mut forgotten = [0usize; KINDS];
        let start = self.prune_from.load(std::sync::atomic::Ordering::Relaxed) % PARTITIONS;
        let mut done = 0;
        while done < PARTITIONS {
            // Each kind may be forgotten up to the limit: the one that is nearest to it sets the pace.
            let left = limit.saturating_sub(forgotten.iter().copied().max().unwrap_or(0));
            let width = CHUNK.min(left).min(usize::from(PARTITIONS - done));
            if width == 0 {
                break;
            }
            let each = left / width;
            let commands = (0..width as u16).map(|n| {
                let partition = Partition((start + done + n) % PARTITIONS);
                let mut command = self.fenced(Script::Prune, &session, partition, 64);
                command.arg(millis(now)).arg(each).arg(now.minus_ms(SEEN_MS).0).arg(now.minus_ms(RECEIPT_MS).0);
                command.arg(now.minus_ms(NOTICE_MS).0);
                command
            });
            for answer in self.link.call(&session, commands.collect(), None).await? {
                let of_partition: &[Value; KINDS] = value::exactly(value::list(&answer)?)?;
                for (sum, count) in forgotten.iter_mut().zip(of_partition) {
                    *sum += usize::try_from(value::number(count)?).unwrap_or(usize::MAX);
                }
            }
            done += width as u16;
        }
        self.prune_from.store((start + done) % PARTITIONS, std::sync::atomic::Ordering::Relaxed);
        Ok(forgotten.iter().sum())
    }
}

impl RedisStore {
    /// At most so many timers, and so many parked messages, of each.
    async fn fire(&self, session: &Session, partitions: Vec<Partition>, now: UnixMs, each: [usize; 2]) -> Result<usize, StoreError> {
        let commands = partitions.iter().map(|partition| {
            let mut command = self.fenced(Script::Fire, session, *partition, 32);
            command.arg(millis(now)).arg(each[0]).arg(each[1]);
            command
        });
        let commands = commands.collect();
        let sealer = self.sealer.clone();
        let note: Note = Box::new(move |answers, news| {
            partitions.iter().zip(answers).try_for_each(|(partition, answer)| match answer {
                Value::ServerError(_) => Ok(()),
                answer => note_fired(&sealer, *partition, answer, now, news),
            })
        });
        let answers = self.link.call(session, commands, Some(note)).await?;
        let count = |answer| -> Result<usize, StoreError> {
            let [_, fired, queued] = value::exactly(value::list(answer)?)?;
            Ok(value::list(fired)?.len() / 3 + value::list(queued)?.len() / 5)
        };
        answers.iter().map(count).sum()
    }
}

fn note_fired(sealer: &Sealer, partition: Partition, answer: &Value, now: UnixMs, news: &mut News) -> Result<(), StoreError> {
    let [next, fired, queued] = value::exactly(value::list(answer)?)?;
    news.timers.push((partition, value::optional_number(next)?));
    for event in value::list(fired)?.chunks(3) {
        let [conversation, game, seq] = value::exactly(event)?;
        let (game, seq) = (value::game(game)?, InboxSeq(value::number(seq)?));
        // What the event says stays in Redis until the step.
        let arrived = Arrived { game, seq, received_at: now, event: None, bytes: 0 };
        news.inboxes.push((value::conversation(conversation)?, Inbox::Arrived(arrived)));
    }
    note_requeued(sealer, partition, value::list(queued)?, news)
}
