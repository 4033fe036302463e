//! What the embedded engine costs per message, in CPU time of the whole process: callers, runtime, writer, kernel.
//!
//! `cargo bench -p questline-store --bench embedded`. Sixty-four tasks call at once, as a loaded host does, so that
//! groups form. Wall time says more about the disk than about the engine; `STORE_BENCH_WALL=1` measures it instead.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code)]

mod workload;

use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{Criterion, Throughput};
use rustix::time::ClockId;
use tokio::runtime::Runtime;

use workload::{Bench, together};

/// A clock as a criterion measurement: CPU time of the process, or wall time.
#[derive(Clone, Copy)]
struct Time(ClockId);

impl Measurement for Time {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        workload::clock(self.0)
    }
    fn end(&self, start: Duration) -> Duration {
        self.start() - start
    }
    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }
    fn zero(&self) -> Duration {
        Duration::ZERO
    }
    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }
    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

fn main() {
    let clock = if std::env::var_os("STORE_BENCH_WALL").is_some() { ClockId::Monotonic } else { ClockId::ProcessCPUTime };
    let time = Time(clock);
    let mut criterion = Criterion::default().with_measurement(time).configure_from_args();
    let runtime = Runtime::new().unwrap();
    let bench = Bench::new();
    let mut group = criterion.benchmark_group("embedded");
    group.sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(6)).throughput(Throughput::Elements(1));
    let timed = move |runtime: &Runtime, work: &mut dyn FnMut(&Runtime)| {
        let start = time.start();
        work(runtime);
        time.end(start)
    };

    group.bench_function("whole message", |b| {
        b.iter_custom(|count| {
            timed(&runtime, &mut |runtime| {
                runtime.block_on(together(&bench, count, |bench| async move {
                    bench.append().await;
                    bench.step().await;
                    let id = bench.take_message().await;
                    bench.send(id).await;
                }));
            })
        });
    });
    group.bench_function("append", |b| {
        b.iter_custom(|count| {
            let elapsed =
                timed(&runtime, &mut |runtime| runtime.block_on(together(&bench, count, |bench| async move { bench.append().await })));
            runtime.block_on(together(&bench, count, |bench| async move {
                bench.step().await;
                bench.take_message().await;
            }));
            elapsed
        });
    });
    group.bench_function("take, load, commit with one message, release", |b| {
        b.iter_custom(|count| {
            runtime.block_on(together(&bench, count, |bench| async move { bench.append().await }));
            let elapsed =
                timed(&runtime, &mut |runtime| runtime.block_on(together(&bench, count, |bench| async move { bench.step().await })));
            runtime.block_on(together(&bench, count, |bench| async move {
                bench.take_message().await;
            }));
            elapsed
        });
    });
    group.bench_function("take, begin, record", |b| {
        b.iter_custom(|count| {
            runtime.block_on(together(&bench, count, |bench| async move {
                bench.append().await;
                bench.step().await;
            }));
            timed(&runtime, &mut |runtime| {
                runtime.block_on(together(&bench, count, |bench| async move {
                    let id = bench.take_message().await;
                    bench.send(id).await;
                }));
            })
        });
    });
    group.finish();
    criterion.final_summary();
}
