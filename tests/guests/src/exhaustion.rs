//! Use of more than a call's share: time, memory, stack, the host's attention.
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use questline_sdk::log::Level;
use questline_sdk::prelude::*;

use crate::answers;

/// Written to by what would otherwise have no effect and be optimised out.
static SINK: AtomicU64 = AtomicU64::new(0);

pub(crate) fn endless_loop() -> Result<Outcome, FlowError> {
    loop {
        SINK.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) fn memory() -> Result<Outcome, FlowError> {
    let mut taken = Vec::new();
    loop {
        taken.push(vec![0xa5_u8; 1024 * 1024]);
        black_box(&taken);
    }
}

pub(crate) fn call_stack() -> Result<Outcome, FlowError> {
    /// Needs its own frame for what it does after the call, and no memory that anything points to.
    #[inline(never)]
    fn recurse(depth: u64) -> u64 {
        // Out of reach: no stack is that deep.
        if depth == u64::MAX {
            return 0;
        }
        SINK.fetch_add(depth, Ordering::Relaxed);
        recurse(depth + 1).rotate_left(7) ^ SINK.load(Ordering::Relaxed)
    }
    answers::text(recurse(0).to_string())
}

pub(crate) fn shadow_stack() -> Result<Outcome, FlowError> {
    #[inline(never)]
    fn recurse(depth: u64) -> u64 {
        if depth == u64::MAX {
            return 0;
        }
        let mut frame = [depth; 128];
        black_box(&mut frame);
        recurse(depth + 1) ^ black_box(&frame)[5]
    }
    answers::text(recurse(0).to_string())
}

pub(crate) fn bulk_copy() -> Result<Outcome, FlowError> {
    let mut bytes = Vec::new();
    let mut size = 64 * 1024 * 1024;
    while bytes.try_reserve_exact(size).is_err() {
        size /= 2;
    }
    bytes.resize(size, 0xa5_u8);
    loop {
        bytes.copy_within(..size - 1, 1);
        black_box(&mut bytes);
    }
}

pub(crate) fn log_flood() -> Result<Outcome, FlowError> {
    let long = "x".repeat(256 * 1024);
    for line in 0..100_000 {
        let message = if line % 1000 == 0 { &long } else { "one line of very many" };
        log::write(Level::Info, message);
    }
    answers::text("the log is full".to_owned())
}

pub(crate) fn hostcall_flood() -> Result<Outcome, FlowError> {
    loop {
        SINK.fetch_add(random::next() ^ clock::now(), Ordering::Relaxed);
    }
}

pub(crate) fn huge_argument() -> Result<Outcome, FlowError> {
    let key = "k".repeat(8 * 1024 * 1024);
    match copy::text(&key, "en", &[]) {
        Ok(_) => answers::text("the host took 8 MiB".to_owned()),
        Err(error) => answers::text(format!("refused: {}", error.reason().chars().take(200).collect::<String>())),
    }
}
