//! `questline bench`: the whole way of a message, measured. The host runs as a process of its own, so that its CPU time
//! and memory are its own; this process plays Meta and the players. docs/BENCHMARKS.md says how to read the figures.

mod flow_call;
mod game;
mod host;
mod load;
mod send;
mod send_host;
mod wire;

use std::time::Duration;

use clap::{Parser, Subcommand};
use questline_emulator as meta;
use serde::Serialize;

use super::sandbox::{self, Sandbox};
use super::{Failure, Outcome, flow};
use host::{HostProcess, Setup};
use load::{Load, Measured};

/// Arguments.
#[derive(Debug, Parser)]
pub(super) struct Args {
    /// Another part; without one, the whole way of a message.
    #[command(subcommand)]
    part: Option<Part>,
    /// Which store: `embedded`, or `redis` at --redis-url.
    #[arg(long, default_value = "embedded", value_parser = ["embedded", "redis"])]
    store: String,
    /// For --store redis; a database of its own: keys of the run are left there.
    #[arg(long, default_value = "redis://127.0.0.1:6379/0")]
    redis_url: String,
    /// Which flow answers: `echo` repeats what it hears; `vip-routing` answers a balance question of a known player.
    #[arg(long, default_value = "echo", value_parser = ["echo", "vip-routing"])]
    flow: String,
    /// Messages at saturation.
    #[arg(long, default_value_t = 60_000)]
    messages: u64,
    /// Messages in the host's hands at once, at saturation.
    #[arg(long, default_value_t = 256)]
    in_hand: usize,
    /// Messages a second of the second part; half of what saturation showed, if not given.
    #[arg(long)]
    rate: Option<u64>,
    /// Seconds of the second part; 0 leaves it out.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Measure sending: one number at its full pace under a long queue, and how soon a critical message leaves.
    Send(send::Args),
    /// The host of `bench send`, which that starts itself.
    #[command(hide = true)]
    SendHost(send_host::Args),
}

/// All figures.
#[derive(Debug, Serialize)]
struct Report {
    store: String,
    flow: String,
    /// Whether the host was built with optimisation.
    release: bool,
    saturation: Measured,
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed_rate: Option<Measured>,
    /// A call of the flow in a fresh instance, alone in this process, microseconds of CPU.
    flow_call_cpu_us: f64,
    /// Resident memory of the host, MiB: after warming up, at the end, at most.
    rss_warm_mib: f64,
    rss_end_mib: f64,
    rss_peak_mib: f64,
}

pub(super) async fn run(args: &Args) -> Outcome {
    match &args.part {
        Some(Part::Send(args)) => return send::run(args).await,
        Some(Part::SendHost(args)) => return send_host::run(args).await,
        None => {}
    }
    let workspace = sandbox::workspace()?;
    let note = |text: &str| eprintln!("{text}");
    note("building flows ...");
    flow::build(&workspace, game::plugins(&args.flow))?;

    let sandbox = Sandbox::new()?;
    let mut meta_config = meta::Config::for_load(sandbox::number());
    meta_config.subscription_messages_max = 262_144;
    let emulator = meta::Emulator::start(meta_config.clone()).await.map_err(Failure::new)?;
    game::write(&sandbox, &workspace, &args.flow)?;
    let host = HostProcess::start(&Setup {
        sandbox: &sandbox,
        workspace: &workspace,
        emulator: &emulator,
        meta: &meta_config,
        store: &args.store,
        redis_url: &args.redis_url,
        // Meta's 1000 a second for one number would be what is measured.
        per_second: 1_000_000,
    })
    .await?;
    let load = Load::new(host.address, &meta_config.app_secret, game::text(&args.flow), game::PLAYERS);

    note("warming up ...");
    load.run(&emulator, &host, args.messages.min(5_000), args.in_hand, None).await?;
    let rss_warm_mib = host.rss_mib()?;
    note(&format!("{} messages, {} in hand at once ...", args.messages, args.in_hand));
    let saturation = load.run(&emulator, &host, args.messages, args.in_hand, None).await?;
    let rate = args.rate.unwrap_or((saturation.replies_per_s / 2.0) as u64).max(1);
    let fixed_rate = if args.seconds == 0 {
        None
    } else {
        note(&format!("{rate} messages a second for {} s ...", args.seconds));
        Some(load.run(&emulator, &host, rate * args.seconds, usize::MAX, Some(rate)).await?)
    };
    let (rss_end_mib, rss_peak_mib) = (host.rss_mib()?, host.rss_peak_mib()?);
    host.stop(Duration::from_secs(30)).await?;
    emulator.shutdown().await;
    note("the flow alone ...");
    let flow_call_cpu_us = flow_call::measure(&sandbox, &sandbox::components(&workspace), &args.flow).await?;
    let release = !cfg!(debug_assertions);
    let report = Report {
        store: args.store.clone(),
        flow: args.flow.clone(),
        release,
        saturation,
        fixed_rate,
        flow_call_cpu_us,
        rss_warm_mib,
        rss_end_mib,
        rss_peak_mib,
    };
    if args.json {
        println!("{}", serde_json::to_string(&report).map_err(Failure::new)?);
    } else {
        print(&report);
    }
    let lost = report.saturation.lost + report.fixed_rate.as_ref().map_or(0, |measured| measured.lost);
    if lost > 0 { Err(Failure::new(format!("{lost} messages had no reply"))) } else { Ok(()) }
}

fn print(report: &Report) {
    if !report.release {
        println!("  (built without optimisation: these figures say nothing; use cargo run --release)");
    }
    let part = |name: &str, measured: &Measured| {
        println!("  {name}");
        println!("    accepted        {:>9.0} /s   webhooks answered 200", measured.accepted_per_s);
        println!("    replies         {:>9.0} /s   arrived at Meta", measured.replies_per_s);
        println!("    webhook to reply {:>8.2} ms p50, {:.2} ms p90, {:.2} ms p99", measured.p50_ms, measured.p90_ms, measured.p99_ms);
        println!("    CPU             {:>9.0} us a message, all of the host", measured.cpu_us_per_message);
        if measured.refused > 0 || measured.lost > 0 {
            println!("    asked to come again {}, lost {}", measured.refused, measured.lost);
        }
    };
    println!("  {} store, flow {}", report.store, report.flow);
    part("saturation", &report.saturation);
    if let Some(measured) = &report.fixed_rate {
        part("fixed rate", measured);
    }
    println!("  flow call alone   {:>9.1} us CPU, fresh instance", report.flow_call_cpu_us);
    println!(
        "  memory            {:>9.1} MiB warm, {:.1} at the end, {:.1} at most",
        report.rss_warm_mib, report.rss_end_mib, report.rss_peak_mib
    );
}
