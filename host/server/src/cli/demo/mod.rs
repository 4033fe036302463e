//! `questline demo`: the product in a minute. Flows are built, the host runs on a store of its own, the emulator plays
//! Meta, and players chat: signed webhooks in, Graph API calls out, all through real HTTP.

mod chat;
mod crowd;
mod script;

use std::path::Path;
use std::time::Duration;

use clap::Parser;
use questline_emulator as meta;
use serde::Serialize;

use super::sandbox::{self, Sandbox};
use super::{Failure, Outcome, flow};
use crate::app::{Host, Stopped};
use crate::config::{Config, Engine, LogConfig, LogFormat};
use crate::telemetry;
use chat::Chat;

/// Arguments.
#[derive(Debug, Parser)]
pub(super) struct Args {
    /// Print nothing but the summary, as one JSON object.
    #[arg(long)]
    json: bool,
    /// Players who chat all at once after the conversations shown.
    #[arg(long, default_value_t = 100)]
    crowd: usize,
    /// Which store: `embedded`, or `redis` at --redis-url.
    #[arg(long, default_value = "embedded", value_parser = ["embedded", "redis"])]
    store: String,
    /// For --store redis.
    #[arg(long, default_value = "redis://127.0.0.1:6379/0")]
    redis_url: String,
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Summary {
    /// Messages that players sent.
    events: u64,
    /// Steps that the host ran: one for each event, whatever Meta repeated.
    steps: u64,
    /// Messages that Meta accepted.
    replies: u64,
    /// Webhooks that Meta sent again on purpose, and that had no effect.
    repeated_webhooks: u64,
    /// Events without the reply that was expected, or still waiting.
    lost: u64,
    /// Replies that nobody expected.
    unexpected: u64,
    /// From the webhook's way out to the reply's arrival, milliseconds.
    p50_ms: f64,
    /// The same, of the slowest hundredth.
    p99_ms: f64,
    /// What went wrong, in words.
    problems: Vec<String>,
}

pub(super) async fn run(args: &Args) -> Outcome {
    let summary = play(args).await?;
    let failed = summary.lost > 0 || summary.unexpected > 0 || !summary.problems.is_empty();
    if args.json {
        println!("{}", serde_json::to_string(&summary).map_err(Failure::new)?);
    } else {
        print(&summary);
    }
    if failed { Err(Failure::new("the demo did not go as it should: see above")) } else { Ok(()) }
}

async fn play(args: &Args) -> Result<Summary, Failure> {
    let workspace = sandbox::workspace()?;
    let note = |text: &str| {
        if !args.json {
            eprintln!("{text}");
        }
    };
    note("building the flows of flows/starfall ...");
    flow::build(&workspace, &["vip-routing", "account-recovery", "tournament-replies"])?;
    // The host's own lines would stand between those of the chat: only what is wrong is shown.
    telemetry::start(&LogConfig { format: LogFormat::Text, level: "error".to_owned() }).map_err(Failure::new)?;

    let sandbox = Sandbox::new()?;
    let mut number = sandbox::number();
    number.throughput_mps = 1_000;
    let meta_config = meta::Config::new(number);
    let emulator = meta::Emulator::start(meta_config.clone()).await.map_err(Failure::new)?;
    add_templates(&emulator, &workspace)?;
    let config = configure(args, &sandbox, &emulator, &meta_config, &workspace)?;
    let host = Host::start(&config).await.map_err(Failure::new)?;
    note(&format!("the host listens on {}, the emulator of Meta on {}", host.address(), emulator.address()));
    let webhook = sandbox::webhook_url(host.address());
    emulator.verify_webhook(&webhook).await.map_err(Failure::new)?;
    emulator.set_webhook_url(&webhook).map_err(Failure::new)?;
    // Meta repeats webhooks as it likes: here every one comes twice.
    emulator.set_webhook_faults(meta::WebhookFaults { duplicates: 1, ..meta::WebhookFaults::default() });

    let mut chat = Chat::new(&emulator, !args.json);
    script::play(&mut chat, &workspace).await?;
    crowd::play(&mut chat, &workspace, args.crowd).await?;
    let summary = summarise(&emulator, &host, chat).await;
    let stopped = host.stop().await;
    emulator.shutdown().await;
    let mut summary = summary?;
    if stopped == Stopped::Cut {
        summary.problems.push("the host did not stop in time".to_owned());
    }
    Ok(summary)
}

fn configure(args: &Args, sandbox: &Sandbox, emulator: &meta::Emulator, meta: &meta::Config, workspace: &Path) -> Result<Config, Failure> {
    let mut config = sandbox.config(emulator, meta, workspace)?;
    if args.store == "redis" {
        config.store.engine = Engine::Redis;
        config.store.url = Some(sandbox.secret("redis-url", &args.redis_url)?);
        config.store.prefix = format!("ql-demo-{:08x}", crate::clock::random() as u32);
    }
    Ok(config)
}

/// Meta has approved what the game declares.
fn add_templates(emulator: &meta::Emulator, workspace: &Path) -> Result<(), Failure> {
    let dir = workspace.join("flows").join(sandbox::GAME);
    for template in crate::game::templates(&dir).map_err(Failure::new)? {
        crate::dev::approve(emulator, &template);
    }
    Ok(())
}

async fn summarise(emulator: &meta::Emulator, host: &Host, mut chat: Chat) -> Result<Summary, Failure> {
    let mut problems = std::mem::take(&mut chat.problems);
    if !emulator.settled(Duration::from_secs(10)).await {
        problems.push(format!("{} webhook updates were not taken", emulator.webhooks_pending()));
    }
    let waiting = host.settled(Duration::from_secs(10)).await.map_err(Failure::new)?;
    if waiting.dead_letters > 0 {
        problems.push(format!("{} dead letters", waiting.dead_letters));
    }
    let counters = emulator.counters();
    let left = waiting.inbox + waiting.outbox;
    let unexpected = counters.accepted.saturating_sub(chat.heard);
    Ok(Summary {
        events: counters.player_messages,
        steps: host.steps(),
        replies: counters.accepted,
        repeated_webhooks: counters.webhook_posts / 2,
        lost: chat.missing + left,
        unexpected,
        p50_ms: quantile_ms(&mut chat.latencies_us, 0.5),
        p99_ms: quantile_ms(&mut chat.latencies_us, 0.99),
        problems,
    })
}

fn quantile_ms(latencies_us: &mut [u64], quantile: f64) -> f64 {
    latencies_us.sort_unstable();
    let place = ((latencies_us.len() as f64 * quantile).ceil() as usize).saturating_sub(1);
    latencies_us.get(place).map_or(0.0, |latency_us| *latency_us as f64 / 1e3)
}

fn print(summary: &Summary) {
    println!();
    println!("  events            {:>8}   messages of players", summary.events);
    println!("  steps             {:>8}   one for each, though Meta sent {} webhooks twice", summary.steps, summary.repeated_webhooks);
    println!("  replies           {:>8}   accepted by Meta", summary.replies);
    println!("  lost              {:>8}", summary.lost);
    println!("  webhook to reply  {:>8.1} ms p50, {:.1} ms p99", summary.p50_ms, summary.p99_ms);
    for problem in &summary.problems {
        println!("  problem: {problem}");
    }
}
