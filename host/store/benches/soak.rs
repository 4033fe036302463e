//! Many messages, one after the other, with what they cost and what they leave: CPU time, rate, memory, disk.
//!
//! `cargo bench -p questline-store --bench soak`, or with another number of messages (a million otherwise):
//! `SOAK_MESSAGES=100000`. Every message is appended, answered, sent and reported as delivered; memory has to stay flat.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, dead_code)]

mod workload;

use std::time::Duration;

use rustix::time::ClockId;
use tokio::runtime::Runtime;

use workload::{Bench, clock, together};

/// Lines that are printed.
const LINES: u64 = 10;

fn main() {
    let messages = std::env::var("SOAK_MESSAGES").map_or(1_000_000, |count| count.parse::<u64>().unwrap());
    let quiet = std::env::var_os("SOAK_NO_STATUSES").is_some();
    let runtime = Runtime::new().unwrap();
    let bench = Bench::new();
    println!("{:>10} {:>12} {:>12} {:>10} {:>10} {:>10}", "messages", "cpu us each", "messages/s", "rss KiB", "log KiB", "data KiB");
    for line in 1..=LINES {
        let (cpu, wall) = (clock(ClockId::ProcessCPUTime), clock(ClockId::Monotonic));
        let count = messages / LINES;
        runtime.block_on(together(
            &bench,
            count,
            if quiet { |bench| Box::pin(message(bench, false)) } else { |bench| Box::pin(message(bench, true)) },
        ));
        let (cpu, wall) = (clock(ClockId::ProcessCPUTime) - cpu, clock(ClockId::Monotonic) - wall);
        println!(
            "{:>10} {:>12.1} {:>12.0} {:>10} {:>10} {:>10}",
            line * count,
            micros(cpu) / count as f64,
            count as f64 / wall.as_secs_f64(),
            rss_kib(),
            file_kib(&bench, "questline.db-wal"),
            file_kib(&bench, "questline.db"),
        );
    }
}

async fn message(bench: std::sync::Arc<Bench>, statuses: bool) {
    bench.append().await;
    bench.step().await;
    let id = bench.take_message().await;
    bench.send(id).await;
    if statuses {
        bench.tell_delivered(id).await;
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn rss_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn file_kib(bench: &Bench, name: &str) -> u64 {
    bench.dir.path().join(name).metadata().map_or(0, |file| file.len() / 1_024)
}
