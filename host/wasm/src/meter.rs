//! The two clocks of a call: the CPU time that its guest really used, and the wall clock around all of it.
//!
//! The epoch's ticks are wall-clock, so they interrupt no one by themselves: a tick makes the guest look at its
//! thread's CPU clock. It goes on if its budget is not used up, and lets others run if it has run for a while.

use std::cell::Cell;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use questline_core::flow::FlowLimits;
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;
use wasmtime::UpdateDeadline;

use crate::trap::Stop;

/// CPU time after which a guest lets others run.
const SLICE_NS: u64 = 4_000_000;

/// Ticks from a call's start to the first look at its clock. Most calls end before.
pub(crate) const TICKS_TO_FIRST_LOOK: u64 = 2;

/// What is known while a guest runs on this thread, in the thread's CPU time.
#[derive(Clone, Copy)]
struct Slice {
    begun_ns: u64,
    budget_ends_ns: u64,
    limit_ms: u64,
}

thread_local! {
    static SLICE: Cell<Slice> = const { Cell::new(Slice { begun_ns: 0, budget_ends_ns: u64::MAX, limit_ms: 0 }) };
}

/// CPU time of this thread. Only differences mean anything.
fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

/// What the guest does when it notices a tick: called on the thread that runs it.
pub(crate) fn on_tick() -> wasmtime::Result<UpdateDeadline> {
    let slice = SLICE.get();
    let now_ns = thread_cpu_ns();
    if now_ns >= slice.budget_ends_ns {
        return Err(Stop::CpuDeadline { limit_ms: slice.limit_ms }.into());
    }
    if now_ns.saturating_sub(slice.begun_ns) < SLICE_NS {
        return Ok(UpdateDeadline::Continue(1));
    }
    // Not the runtime's plain yield, which wakes the task at once: it would run some sixty slices before the thread looks at
    // its sockets and timers again.
    Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
}

/// How long a metered future took.
pub(crate) struct Metered<T> {
    /// None when the wall clock ran out.
    pub(crate) answer: Option<T>,
    /// CPU time in it, whatever threads it ran on.
    pub(crate) cpu_ns: u64,
}

/// Runs `future` within the limits. The wall clock is only set up once the future has to wait: most calls never do.
pub(crate) async fn metered<F: Future>(mut future: Pin<&mut F>, limits: &FlowLimits, started: Instant) -> Metered<F::Output> {
    let budget_ns = limits.cpu_ms_max.saturating_mul(1_000_000);
    let mut alarm = None;
    let mut cpu_ns = 0u64;
    let answer = std::future::poll_fn(|context| {
        let begun_ns = thread_cpu_ns();
        let budget_ends_ns = begun_ns.saturating_add(budget_ns.saturating_sub(cpu_ns));
        let outer = SLICE.replace(Slice { begun_ns, budget_ends_ns, limit_ms: limits.cpu_ms_max });
        let polled = future.as_mut().poll(context);
        SLICE.set(outer);
        cpu_ns += thread_cpu_ns().saturating_sub(begun_ns);
        match polled {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => {
                let deadline = started + Duration::from_millis(limits.wall_ms_max);
                let alarm = alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
                alarm.as_mut().poll(context).map(|()| None)
            }
        }
    })
    .await;
    Metered { answer, cpu_ns }
}
