//! Hands recipients to the lanes, a batch at a time: first the batch is put into the outbox, each message once for each
//! recipient, then the place is moved on in one write with all that was counted. Killed in between, the next start hands over the
//! same batch again, and the outbox knows it. Of several hosts on one store only the one that holds a broadcast feeds it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use questline_core::broadcast::{Broadcast, BroadcastId, Hold, Order, State, ahead_max, ready_to_feed};
use questline_core::id::{CampaignId, GameId};
use questline_core::port::{Enqueued, StoreError};
use questline_core::time::{MINUTE_MS, SECOND_MS, UnixMs};
use tokio_util::sync::CancellationToken;

use super::deeds::{Watched, watched_until};
use super::gate::Held;
use super::recipients::{Recipient, Unready};
use super::{BroadcastDesk, campaign_of, numbers_of};

/// How often it looks what is to be done.
const TICK: Duration = Duration::from_millis(250);
/// Recipients of a batch.
const BATCH_MAX: usize = 500;
/// Broadcasts that are seen to at the same time: one whose players are looked up slowly keeps no other back.
const AT_ONCE: usize = 16;
/// Batches of which nobody's time has come that are passed over in one go.
const PASSED_MAX: usize = 50;
/// How long a count of what waits is good.
const COUNT_MS: u64 = SECOND_MS;
/// How often an experiment is judged.
const JUDGE_MS: u64 = MINUTE_MS;
/// How often a broadcast is looked at that is only watched.
const REST_MS: u64 = 10 * SECOND_MS;
/// How long a host holds a broadcast without saying so again.
const HOLD_MS: u64 = 30 * SECOND_MS;

/// What the feeder remembers of a broadcast between two looks.
#[derive(Default)]
struct Known {
    counted_at: UnixMs,
    /// Messages that wait in front of whoever comes next.
    ahead: u64,
    /// Messages that wait at all.
    waiting: u64,
    /// When its experiment was judged.
    judged_at: UnixMs,
    /// Why it does not go on, as it was told last.
    problem: Option<String>,
    /// Whom it was for is forgotten.
    is_forgotten: bool,
    /// It is over and nothing of it waits, but what players do is watched still; it need not be looked at before then.
    rests: Option<(UnixMs, Option<Watched>)>,
}

/// Runs until `stop`.
pub async fn run(desk: Arc<BroadcastDesk>, stop: CancellationToken) {
    let (mut known, mut swept_at) = (HashMap::new(), None);
    while !stop.is_cancelled() {
        desk.sweep(&mut swept_at).await;
        let is_busy = match desk.round(&mut known).await {
            Ok(is_busy) => is_busy,
            Err(problem) => {
                tracing::error!(%problem, "broadcasts could not be seen to; they will be");
                false
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = desk.wake.notified() => {}
            () = tokio::time::sleep(if is_busy { Duration::from_millis(1) } else { TICK }) => {}
        }
    }
}

impl BroadcastDesk {
    /// Reads what is held back, before anything is sent. The store is this host's alone now, so whoever has fed a broadcast
    /// before can put nothing into the outbox any more: nobody waits for the end of its hold.
    pub async fn start(&self) -> Result<(), StoreError> {
        let (mut held, seen) = (HashMap::new(), self.gate.seen());
        for (game, id) in self.store.open_broadcasts().await? {
            let Some(broadcast) = self.store.broadcast(&game, &id).await? else { continue };
            held.extend(held_of(&broadcast));
            if broadcast.feed.held.is_some() {
                self.store.change_broadcast(&game, &id, Box::new(|one| one.feed.held = None)).await?;
            }
        }
        self.gate.set(held, seen);
        Ok(())
    }

    /// Sees to each open broadcast once. True when one could go on at once.
    async fn round(&self, known: &mut HashMap<BroadcastId, Known>) -> Result<bool, StoreError> {
        let seen = self.gate.seen();
        let open = self.store.open_broadcasts().await?;
        known.retain(|id, _| open.iter().any(|(_, other)| other == id));
        let (mut held, mut is_busy, mut failed) = (HashMap::new(), false, None);
        let mut watched: HashMap<GameId, Vec<Watched>> = HashMap::new();
        let now = self.clock.now();
        let mut running = Vec::new();
        for (game, id) in open {
            if let Some(Known { rests: Some((until, one)), .. }) = known.get(&id)
                && now < *until
            {
                watched.entry(game).or_default().extend(one.clone());
                continue;
            }
            let Some(broadcast) = self.store.broadcast(&game, &id).await? else {
                self.store.close_broadcast(&game, &id).await?;
                continue;
            };
            held.extend(held_of(&broadcast));
            watched.entry(game).or_default().extend(Watched::of(&broadcast));
            running.push(broadcast);
        }
        self.gate.set(held, seen);
        watched.retain(|_, of_game| !of_game.is_empty());
        self.deeds.watch(watched);
        let mut seen_to = Vec::with_capacity(running.len());
        for broadcast in running {
            let mut one = known.remove(&broadcast.id).unwrap_or_default();
            seen_to.push(async move {
                let id = broadcast.id.clone();
                let outcome = self.see_to(broadcast, &mut one).await;
                (id, one, outcome)
            });
        }
        let mut seen_to = stream::iter(seen_to).buffer_unordered(AT_ONCE);
        while let Some((id, mut one, outcome)) = seen_to.next().await {
            match outcome {
                Ok(more) => is_busy |= more,
                // One that fails keeps no other back.
                Err(Unready::Store(problem)) => failed = Some(problem),
                Err(problem) => {
                    // It is tried again all the time, and told once.
                    let told = problem.to_string();
                    if one.problem.as_ref() != Some(&told) {
                        tracing::warn!(%problem, broadcast = %id, "a broadcast does not go on now");
                    }
                    one.problem = Some(told);
                }
            }
            known.insert(id, one);
        }
        drop(seen_to);
        let problems = known.iter().filter_map(|(id, one)| Some((id.clone(), one.problem.clone()?))).collect();
        *self.problems.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = problems;
        failed.map_or(Ok(is_busy), Err)
    }

    async fn see_to(&self, broadcast: Broadcast, known: &mut Known) -> Result<bool, Unready> {
        let now = self.clock.now();
        if broadcast.state != State::Running || broadcast.feed.is_over {
            known.problem = None;
        }
        if broadcast.started_at.is_some() && now.since_ms(known.judged_at) >= JUDGE_MS {
            known.judged_at = now;
            self.promote(&broadcast, now).await?;
        }
        match broadcast.state {
            State::Draft | State::Paused => Ok(false),
            State::Scheduled => {
                if broadcast.is_due(now) {
                    let begin = Box::new(move |one: &mut Broadcast| drop_flag(one.advance(u64::MAX, now)));
                    self.store.change_broadcast(&broadcast.game, &broadcast.id, begin).await?;
                    tracing::info!(broadcast = %broadcast.id, "a broadcast begins");
                }
                Ok(broadcast.is_due(now))
            }
            State::Running if broadcast.feed.is_over => {
                self.count(&broadcast, known, now).await?;
                let waiting = known.waiting;
                if waiting == 0 {
                    let end = Box::new(move |one: &mut Broadcast| drop_flag(one.advance(waiting, now)));
                    self.store.change_broadcast(&broadcast.game, &broadcast.id, end).await?;
                    tracing::info!(broadcast = %broadcast.id, "a broadcast is done");
                }
                Ok(waiting == 0)
            }
            State::Running => self.feed(broadcast, known, now).await,
            State::Done | State::Cancelled => {
                // Nobody of the list is handed over any more, whatever waits still.
                if !known.is_forgotten {
                    self.forget_recipients(&broadcast).await?;
                    known.is_forgotten = true;
                }
                if known.rests.is_none() {
                    self.count(&broadcast, known, now).await?;
                    if known.waiting > 0 {
                        return Ok(false);
                    }
                }
                match watched_until(&broadcast) {
                    Some(until) if now < until => known.rests = Some((now.plus_ms(REST_MS), Watched::of(&broadcast))),
                    _ => self.store.close_broadcast(&broadcast.game, &broadcast.id).await?,
                }
                Ok(false)
            }
        }
    }

    /// Hands one batch over. True when another could follow at once.
    async fn feed(&self, broadcast: Broadcast, known: &mut Known, now: UnixMs) -> Result<bool, Unready> {
        if !broadcast.feed.may_be_held(&self.name, now) {
            return Ok(false);
        }
        // A release that is loaded later may bring the game back.
        let Some(game) = self.games.get(&broadcast.game) else { return Ok(false) };
        if broadcast.next_round_at().is_some_and(|at| now < at) {
            known.problem = None;
            return Ok(false);
        }
        let (paced, after) = match broadcast.wish.per_second {
            Some(per_second) => {
                let (ready, after) = ready_to_feed(broadcast.feed.paced_until, per_second, now);
                (usize::try_from(ready).unwrap_or(usize::MAX), Some(after))
            }
            None => (BATCH_MAX, None),
        };
        if paced == 0 {
            return Ok(false);
        }
        self.count(&broadcast, known, now).await?;
        let numbers = numbers_of(&game, &broadcast);
        let throughput: u64 = numbers.iter().map(|number| u64::from(self.numbers.get(number).copied().unwrap_or(1))).sum();
        if known.ahead >= ahead_max(broadcast.wish.per_second, throughput) {
            known.problem = None;
            return Ok(false);
        }
        if !self.hold(&broadcast, now).await? {
            return Ok(false);
        }
        let (from, of_round, mut round) = (broadcast.feed.place, broadcast.feed.round, broadcast.round(now));
        let limit = paced.min(BATCH_MAX);
        let mut batch = self.batch(&game, &broadcast, from, round.as_mut(), limit, now).await?;
        for _ in 0..PASSED_MAX {
            // Where nobody's time has come there is nothing to note.
            if round.is_none() || batch.is_last || batch.timed.is_some() || !batch.recipients.is_empty() {
                break;
            }
            batch = self.batch(&game, &broadcast, batch.place, round.as_mut(), limit, now).await?;
        }
        if let (Some((number, piece)), Some(list)) = (&batch.timed, &broadcast.list) {
            self.store.put_piece(&broadcast.game, &broadcast.id, &list.upload, *number, piece).await?;
        }
        let (mut messages, mut skipped) = (Vec::with_capacity(batch.recipients.len()), HashMap::new());
        let (mut seen, mut of_earlier_rounds) = (0, Vec::new());
        for Recipient { outcome, is_of_earlier_round, .. } in batch.recipients {
            seen += u64::from(!is_of_earlier_round);
            match outcome {
                Ok((message, _)) => {
                    of_earlier_rounds.extend(is_of_earlier_round.then_some(messages.len()));
                    messages.push(*message);
                }
                Err(skip) => *skipped.entry(skip).or_insert(0) += u64::from(!is_of_earlier_round),
            }
        }
        let taken = (messages.len() - of_earlier_rounds.len()) as u64;
        if !messages.is_empty() {
            let enqueued = self.outbox.enqueue(messages).await?;
            let is_new = |n: &&usize| matches!(enqueued.get(**n), Some(Enqueued::Queued(_)));
            seen += of_earlier_rounds.iter().filter(is_new).count() as u64;
        }
        let (place, is_last, paced_until) = (batch.place, batch.is_last, after.map(|after| after(taken)));
        let by = self.name.clone();
        let move_on = Box::new(move |one: &mut Broadcast| {
            // Somebody else has handed over the same batch: it counts once.
            if one.feed.place != from || one.feed.round != of_round || one.feed.is_over {
                return;
            }
            one.feed.move_on(place, is_last, round);
            one.feed.seen += seen;
            for (skip, count) in &skipped {
                *one.feed.skipped.entry(*skip).or_insert(0) += count;
            }
            one.feed.paced_until = paced_until.unwrap_or(one.feed.paced_until);
            one.feed.held = Some(Hold { by: by.clone(), until: now.plus_ms(HOLD_MS) });
        });
        self.store.change_broadcast(&broadcast.game, &broadcast.id, move_on).await?;
        known.ahead += taken;
        known.waiting += taken;
        known.problem = None;
        Ok(broadcast.wish.per_second.is_none() || taken == 0)
    }

    /// Makes sure that nobody else feeds it meanwhile. False when somebody does.
    async fn hold(&self, broadcast: &Broadcast, now: UnixMs) -> Result<bool, StoreError> {
        let is_mine =
            |one: &Broadcast| one.feed.held.as_ref().is_some_and(|hold| hold.by == self.name && hold.until > now.plus_ms(HOLD_MS / 3));
        if is_mine(broadcast) {
            return Ok(true);
        }
        let by = self.name.clone();
        let take = Box::new(move |one: &mut Broadcast| {
            if one.feed.may_be_held(&by, now) {
                one.feed.held = Some(Hold { by: by.clone(), until: now.plus_ms(HOLD_MS) });
            }
        });
        let held = self.store.change_broadcast(&broadcast.game, &broadcast.id, take).await?;
        Ok(held.is_some_and(|one| is_mine(&one)))
    }

    /// Counts what waits, if the last count is not good any more.
    async fn count(&self, broadcast: &Broadcast, known: &mut Known, now: UnixMs) -> Result<(), StoreError> {
        if now.since_ms(known.counted_at) < COUNT_MS && known.counted_at <= now {
            return Ok(());
        }
        let Some(campaign) = campaign_of(&broadcast.id) else { return Ok(()) };
        let tally = self.audiences.tally(&broadcast.game, &campaign).await?;
        (known.counted_at, known.waiting, known.ahead) = (now, tally.waiting(), tally.ahead());
        Ok(())
    }

    /// Forgets whom it was for.
    pub(super) async fn forget_recipients(&self, broadcast: &Broadcast) -> Result<(), StoreError> {
        let (game, id) = (&broadcast.game, &broadcast.id);
        if let Some(list) = &broadcast.list {
            self.store.forget_list(game, id, &list.upload, list.pieces()).await?;
        }
        if let Some(upload) = &broadcast.uploading {
            self.forget_upload(game, id, upload).await?;
        }
        Ok(())
    }

    /// Does as ordered, on this host at once. None when there is no such broadcast; true when it changed something.
    pub(crate) async fn order(
        &self,
        game: &GameId,
        id: &BroadcastId,
        order: Order,
    ) -> Result<Option<(Broadcast, Result<bool, questline_core::broadcast::NotStarted>)>, StoreError> {
        let now = self.clock.now();
        let outcome = Arc::new(std::sync::Mutex::new(None));
        let told = outcome.clone();
        let change = Box::new(move |one: &mut Broadcast| {
            let done = one.order(order, now);
            *told.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(done);
        });
        let Some(broadcast) = self.store.change_broadcast(game, id, change).await? else { return Ok(None) };
        let outcome = outcome.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take().unwrap_or(Ok(false));
        if let Some(campaign) = campaign_of(id) {
            self.gate.put(campaign, held_of(&broadcast).map(|(_, held)| held));
        }
        if outcome == Ok(true) && broadcast.state == State::Cancelled && broadcast.started_at.is_none() {
            // Nobody sees to a draft.
            self.forget_recipients(&broadcast).await?;
            self.store.close_broadcast(game, id).await?;
        }
        self.wake();
        Ok(Some((broadcast, outcome)))
    }
}

/// What a broadcast's state holds back.
fn held_of(broadcast: &Broadcast) -> Option<(CampaignId, Held)> {
    let held = match broadcast.state {
        State::Paused => Held::Paused { since: broadcast.paused_at.unwrap_or_default() },
        State::Cancelled => Held::Cancelled,
        State::Draft | State::Scheduled | State::Running | State::Done => return None,
    };
    Some((campaign_of(&broadcast.id)?, held))
}

fn drop_flag(_: bool) {}
