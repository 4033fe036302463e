//! The clockwork: due timers become events, and what is too old is forgotten.

use std::sync::Arc;
use std::time::Duration;

use questline_core::port::{Clock, Timers};
use tokio_util::sync::CancellationToken;

/// Longest sleep: a timer that is set while this sleeps is late by no more.
const TICK: Duration = Duration::from_millis(500);
/// Timers fired in one write.
const FIRE_MAX: usize = 256;
/// How often old rows are looked for, and how many of a kind are forgotten at once.
const PRUNE_EVERY: Duration = Duration::from_secs(30);
const PRUNE_MAX: usize = 500;

/// Runs until `stop`.
pub async fn run(timers: Arc<dyn Timers>, clock: Arc<dyn Clock>, stop: CancellationToken) {
    let mut prune_at = std::time::Instant::now() + PRUNE_EVERY;
    loop {
        let now = clock.now();
        let wait = match timers.fire_due(now, FIRE_MAX).await {
            Ok((FIRE_MAX.., _)) => Duration::ZERO,
            Ok((_, next)) => next.map_or(TICK, |next| Duration::from_millis(next.since_ms(now)).min(TICK)),
            Err(problem) => {
                tracing::error!(%problem, "timers could not be fired; they will be");
                TICK
            }
        };
        if std::time::Instant::now() >= prune_at {
            prune_at = std::time::Instant::now() + PRUNE_EVERY;
            match timers.prune(now, PRUNE_MAX).await {
                // More of the same is left: go on soon, in pieces that hold nobody up.
                Ok(forgotten) if forgotten >= PRUNE_MAX => prune_at = std::time::Instant::now() + TICK,
                Ok(_) => {}
                Err(problem) => tracing::warn!(%problem, "old rows could not be forgotten"),
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait.max(Duration::from_millis(1))) => {}
        }
    }
}
