//! What is to happen later, in the emulator's time: statuses with a delay, webhooks to be tried again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::clock::{Clock, UnixMs};
use crate::sync::lock;

/// A queue ordered by due time; equal times keep their order of entry.
pub(crate) struct Schedule<T> {
    waiting: Mutex<BinaryHeap<Reverse<Entry<T>>>>,
    earlier: Notify,
    entered: AtomicU64,
}

struct Entry<T> {
    due_ms: UnixMs,
    order: u64,
    what: T,
}

impl<T> Schedule<T> {
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::new(BinaryHeap::new()), earlier: Notify::new(), entered: AtomicU64::new(0) }
    }

    pub(crate) fn at(&self, due_ms: UnixMs, what: T) {
        let order = self.entered.fetch_add(1, Ordering::Relaxed);
        let mut waiting = lock(&self.waiting);
        let is_first = waiting.peek().is_none_or(|Reverse(first)| due_ms < first.due_ms);
        waiting.push(Reverse(Entry { due_ms, order, what }));
        drop(waiting);
        if is_first {
            self.earlier.notify_one();
        }
    }

    /// The next thing that has become due.
    pub(crate) async fn next(&self, clock: &Clock) -> T {
        loop {
            let first_due_ms = {
                let mut waiting = lock(&self.waiting);
                let due_ms = waiting.peek().map(|Reverse(first)| first.due_ms);
                if due_ms.is_some_and(|due_ms| due_ms <= clock.now_ms())
                    && let Some(Reverse(entry)) = waiting.pop()
                {
                    return entry.what;
                }
                due_ms
            };
            match first_due_ms {
                None => self.earlier.notified().await,
                Some(due_ms) => tokio::select! {
                    () = clock.sleep_until(due_ms) => {}
                    () = self.earlier.notified() => {}
                },
            }
        }
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due_ms, self.order).cmp(&(other.due_ms, other.order))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn things_come_in_the_order_of_their_times_once_time_has_moved_there() {
        let clock = Clock::new(false);
        let schedule = Schedule::new();
        let hour_ms = 3_600_000;
        let now_ms = clock.now_ms();
        schedule.at(now_ms + 2 * hour_ms, "third");
        schedule.at(now_ms + hour_ms, "first");
        schedule.at(now_ms + hour_ms, "second");
        let (got, ()) = tokio::join!(
            async {
                let first = schedule.next(&clock).await;
                let second = schedule.next(&clock).await;
                [first, second, schedule.next(&clock).await]
            },
            async {
                clock.advance(Duration::from_secs(3600));
                clock.advance(Duration::from_secs(3600));
            }
        );
        assert_eq!(got, ["first", "second", "third"]);
    }
}
