//! `questline bench send`: one number at its full pace under a long queue. The host is a process of its own, with its real
//! store and its real sender; this process plays Meta, which takes its time and counts what it is sent.

use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use hdrhistogram::Histogram;
use questline_emulator as meta;
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::broadcast::error::RecvError;

use super::host::{HostProcess, Setup};
use super::{game, send_host};
use crate::cli::sandbox::{self, Sandbox};
use crate::cli::{Failure, Outcome, flow};

/// Before measuring: the first sends connect.
const SETTLE: Duration = Duration::from_secs(3);
/// For the last critical messages.
const LAST: Duration = Duration::from_secs(5);

/// Arguments.
#[derive(Debug, Parser)]
pub(super) struct Args {
    /// Which store: `embedded`, or `redis` at --redis-url.
    #[arg(long, default_value = "embedded", value_parser = ["embedded", "redis"])]
    store: String,
    /// For --store redis; a database of its own: keys of the run are left there.
    #[arg(long, default_value = "redis://127.0.0.1:6379/0")]
    redis_url: String,
    /// Messages in the queue.
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// The number's throughput.
    #[arg(long, default_value_t = 1_000)]
    per_second: u32,
    /// Milliseconds that Meta takes for an answer.
    #[arg(long, default_value_t = 350)]
    latency_ms: u64,
    /// Seconds that are measured.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Critical messages a second, while that is measured.
    #[arg(long, default_value_t = 20)]
    critical_per_second: u64,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// All figures.
#[derive(Debug, Serialize)]
struct Report {
    store: String,
    /// Whether the host was built with optimisation.
    release: bool,
    messages: u64,
    enqueue_s: f64,
    enqueued_per_s: f64,
    /// The same as below, while the messages were put into the queue.
    critical_meanwhile_p50_ms: f64,
    critical_meanwhile_p99_ms: f64,
    critical_meanwhile_max_ms: f64,
    /// Messages that arrived at Meta, a second.
    sent_per_s: f64,
    /// How far that is from the number's throughput.
    off_percent: f64,
    /// Seconds of the measured time in which Meta was sent more than 1 % more or less.
    seconds_off: u64,
    /// Messages that Meta refused.
    refused: u64,
    critical: u64,
    critical_lost: u64,
    /// From the wish to send a critical message until its request is at Meta.
    critical_p50_ms: f64,
    critical_p99_ms: f64,
    critical_max_ms: f64,
    /// Resident memory of the host, MiB: before the queue, with it, at most.
    rss_idle_mib: f64,
    rss_queue_mib: f64,
    rss_peak_mib: f64,
}

/// What Meta counts.
struct Heard {
    arrived: AtomicU64,
    /// Of critical messages, and of those while the queue is made.
    latencies: [(&'static str, std::sync::Mutex<Histogram<u64>>); 2],
}

struct Talk {
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Talk {
    async fn tell(&mut self, line: &str) -> Result<(), Failure> {
        self.input.write_all(format!("{line}\n").as_bytes()).await.map_err(Failure::new)
    }

    /// The number in the answer.
    async fn hear(&mut self, what: &str) -> Result<u64, Failure> {
        let line = self.output.next_line().await.map_err(Failure::new)?;
        let number = line.as_deref().and_then(|line| line.strip_prefix(what)?.trim().parse().ok());
        number.ok_or_else(|| Failure::new(format!("the host does not answer: {}", line.as_deref().unwrap_or("it has ended"))))
    }
}

pub(super) async fn run(args: &Args) -> Outcome {
    let workspace = sandbox::workspace()?;
    let note = |text: &str| eprintln!("{text}");
    note("building the flow ...");
    flow::build(&workspace, game::plugins("echo"))?;
    let sandbox = Sandbox::new()?;
    let mut number = sandbox::number();
    number.throughput_mps = args.per_second;
    let mut meta_config = meta::Config::for_load(number);
    meta_config.rules.number_rate = true;
    meta_config.subscription_messages_max = 262_144;
    let body = "Hello {{1}}, {{2}} has begun: {{3}} rewards wait for you.";
    let meta_config = meta_config.template(meta::Template::body(send_host::TEMPLATE, "en", meta::Category::Utility, body));
    let emulator = meta::Emulator::start(meta_config.clone()).await.map_err(Failure::new)?;
    emulator.set_graph_faults(meta::GraphFaults { latency: Duration::from_millis(args.latency_ms), ..meta::GraphFaults::default() });
    game::write(&sandbox, &workspace, "echo")?;
    let setup = Setup {
        sandbox: &sandbox,
        workspace: &workspace,
        emulator: &emulator,
        meta: &meta_config,
        store: &args.store,
        redis_url: &args.redis_url,
        per_second: args.per_second,
    };
    let at = sandbox.dir.join("questline.toml");
    let at = at.to_str().ok_or_else(|| Failure::new("the temporary directory has an odd name"))?;
    let mut host = HostProcess::start_as(&setup, &["bench", "send-host", "--at", at], Stdio::piped(), Stdio::piped()).await?;
    let (input, output) = host.pipes()?;
    let mut talk = Talk { input, output: BufReader::new(output).lines() };
    let empty = || Histogram::new(3).map(std::sync::Mutex::new).map_err(Failure::new);
    let latencies = [(send_host::MARK, empty()?), (send_host::MARK_MEANWHILE, empty()?)];
    let heard = Arc::new(Heard { arrived: AtomicU64::new(0), latencies });
    let listening = tokio::spawn(listen(emulator.subscribe(), heard.clone(), Duration::from_millis(args.latency_ms)));

    let rss_idle_mib = host.rss_mib()?;
    note(&format!("{} messages ...", args.messages));
    talk.tell(&format!("enqueue {} {}", args.messages, args.critical_per_second)).await?;
    let enqueue_s = talk.hear("enqueued ").await? as f64 / 1e3;
    let rss_queue_mib = host.rss_mib()?;
    tokio::time::sleep(SETTLE).await;
    note(&format!("{} a second for {} s ...", args.per_second, args.seconds));
    talk.tell(&format!("critical {} {}", args.seconds, args.critical_per_second)).await?;
    let (sent_per_s, seconds_off) = watch(&heard, args).await;
    let critical = talk.hear("critical ").await?;
    tokio::time::sleep(LAST.max(Duration::from_millis(2 * args.latency_ms))).await;
    talk.tell("depth").await?;
    let left = talk.hear("depth ").await?;
    if left == 0 {
        return Err(Failure::new("the queue ran empty: take more --messages, or fewer --seconds"));
    }
    let refused = emulator.counters().refused;
    let rss_peak_mib = host.rss_peak_mib()?;
    talk.tell("stop").await?;
    host.ended(Duration::from_secs(30)).await?;
    listening.abort();
    let [latencies, meanwhile] = heard.latencies.each_ref().map(|(_, heard)| heard.lock().unwrap_or_else(PoisonError::into_inner));
    let quantile = |q: f64| latencies.value_at_quantile(q) as f64 / 1e3;
    let report = Report {
        store: args.store.clone(),
        release: !cfg!(debug_assertions),
        messages: args.messages,
        enqueue_s,
        enqueued_per_s: args.messages as f64 / enqueue_s.max(1e-3),
        critical_meanwhile_p50_ms: meanwhile.value_at_quantile(0.5) as f64 / 1e3,
        critical_meanwhile_p99_ms: meanwhile.value_at_quantile(0.99) as f64 / 1e3,
        critical_meanwhile_max_ms: meanwhile.max() as f64 / 1e3,
        sent_per_s,
        off_percent: (sent_per_s / f64::from(args.per_second) - 1.0) * 100.0,
        seconds_off,
        refused: refused as u64,
        critical,
        critical_lost: critical.saturating_sub(latencies.len()),
        critical_p50_ms: quantile(0.5),
        critical_p99_ms: quantile(0.99),
        critical_max_ms: latencies.max() as f64 / 1e3,
        rss_idle_mib,
        rss_queue_mib,
        rss_peak_mib,
    };
    if args.json {
        println!("{}", serde_json::to_string(&report).map_err(Failure::new)?);
    } else {
        print(&report);
    }
    if report.critical_lost > 0 { Err(Failure::new(format!("{} critical messages did not arrive", report.critical_lost))) } else { Ok(()) }
}

/// Counts what arrives, second by second: how many a second, and in how many of them it was more than 1 % off.
async fn watch(heard: &Heard, args: &Args) -> (f64, u64) {
    let (begun, first) = (Instant::now(), heard.arrived.load(Ordering::Relaxed));
    let (mut before, mut before_at, mut off) = (first, begun, 0);
    for second in 1..=args.seconds {
        tokio::time::sleep_until((begun + Duration::from_secs(second)).into()).await;
        let (count, at) = (heard.arrived.load(Ordering::Relaxed), Instant::now());
        let rate = (count - before) as f64 / (at - before_at).as_secs_f64();
        off += u64::from((rate / f64::from(args.per_second) - 1.0).abs() > 0.01);
        (before, before_at) = (count, at);
    }
    ((before - first) as f64 / (before_at - begun).as_secs_f64(), off)
}

/// Hears what Meta takes. Meta takes it after its latency: until then the request was there already.
async fn listen(mut accepted: tokio::sync::broadcast::Receiver<Arc<meta::Accepted>>, heard: Arc<Heard>, latency: Duration) {
    loop {
        let message = match accepted.recv().await {
            Ok(message) => message,
            Err(RecvError::Lagged(missed)) => {
                eprintln!("this process missed {missed} messages: it is too slow to measure");
                heard.arrived.fetch_add(missed, Ordering::Relaxed);
                continue;
            }
            Err(RecvError::Closed) => return,
        };
        heard.arrived.fetch_add(1, Ordering::Relaxed);
        let asked = heard.latencies.iter().find_map(|(mark, latencies)| Some((asked_us(&message.body, mark)?, latencies)));
        let Some((asked_us, latencies)) = asked else { continue };
        let now_us = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(message.instant.elapsed()).as_micros();
        let took_us = now_us.saturating_sub(latency.as_micros()).saturating_sub(asked_us);
        let mut latencies = latencies.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = latencies.record(u64::try_from(took_us).unwrap_or(u64::MAX).max(1));
    }
}

/// When a critical message was asked for.
fn asked_us(body: &[u8], mark: &str) -> Option<u128> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once(&format!("\"{mark}"))?;
    rest.split_once('"')?.0.parse().ok()
}

fn print(report: &Report) {
    if !report.release {
        println!("  (built without optimisation: these figures say nothing; use cargo run --release)");
    }
    let Report { store, messages, enqueue_s, enqueued_per_s, sent_per_s, off_percent, seconds_off, refused, .. } = report;
    println!("  {store} store, {messages} messages in the queue");
    println!("  enqueued          {enqueue_s:>9.1} s    {enqueued_per_s:.0} /s");
    let Report { critical_meanwhile_p50_ms, critical_meanwhile_p99_ms, critical_meanwhile_max_ms, .. } = report;
    println!(
        "  critical, then    {critical_meanwhile_p50_ms:>9.1} ms p50, {critical_meanwhile_p99_ms:.1} ms p99, {critical_meanwhile_max_ms:.1} ms at most"
    );
    println!(
        "  sent              {sent_per_s:>9.1} /s   {off_percent:+.2} % off, {seconds_off} seconds more than 1 % off, {refused} refused by Meta"
    );
    let Report { critical, critical_p50_ms, critical_p99_ms, critical_max_ms, .. } = report;
    println!(
        "  critical          {critical_p50_ms:>9.1} ms p50, {critical_p99_ms:.1} ms p99, {critical_max_ms:.1} ms at most, of {critical}"
    );
    let Report { rss_idle_mib, rss_queue_mib, rss_peak_mib, .. } = report;
    let more = rss_peak_mib - rss_idle_mib;
    println!("  memory            {rss_idle_mib:>9.1} MiB idle, {rss_queue_mib:.1} with the queue, {rss_peak_mib:.1} at most: {more:+.1}");
}
