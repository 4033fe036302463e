//! Load: signed webhooks over kept connections, and the replies that come of them, each measured from the webhook's way
//! out to the reply's arrival at Meta.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use questline_emulator as meta;
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, mpsc};

use super::game;
use super::host::{HostProcess, webhook_path};
use super::wire::Webhooks;
use crate::cli::Failure;

/// Connections that webhooks come over.
const CONNECTIONS: usize = 64;
/// No reply for so long: what is missing is lost.
const SILENCE: Duration = Duration::from_secs(30);
/// Wait after a 503.
const COME_AGAIN: Duration = Duration::from_millis(50);

/// Figures of one part.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    messages: u64,
    pub(super) accepted_per_s: f64,
    pub(super) replies_per_s: f64,
    pub(super) p50_ms: f64,
    pub(super) p90_ms: f64,
    pub(super) p99_ms: f64,
    /// User and system time of the host's process.
    pub(super) cpu_us_per_message: f64,
    /// Webhooks answered with 503, and sent again.
    pub(super) refused: u64,
    pub(super) lost: u64,
}

pub(super) struct Load {
    shared: Arc<Shared>,
    players: usize,
}

struct Shared {
    address: SocketAddr,
    webhooks: Webhooks,
    phones: Vec<String>,
    /// Messages made so far: ids are never used twice, and players take turns.
    made: AtomicU64,
}

/// When messages went out, by the phone of their player; each has one on its way at most.
type Started = Mutex<HashMap<String, Instant>>;

impl Load {
    pub(super) fn new(address: SocketAddr, app_secret: &str, text: &str, players: usize) -> Self {
        let phones = (0..players).map(game::phone).collect();
        let shared = Shared { address, webhooks: Webhooks::new(app_secret, text), phones, made: AtomicU64::new(0) };
        Self { shared: Arc::new(shared), players }
    }

    /// Sends `messages`, with at most `in_hand` without a reply; at `rate` a second if given.
    pub(super) async fn run(
        &self,
        emulator: &meta::Emulator,
        host: &HostProcess,
        messages: u64,
        in_hand: usize,
        rate: Option<u64>,
    ) -> Result<Measured, Failure> {
        let started: Arc<Started> = Arc::default();
        let room = Arc::new(Semaphore::new(in_hand.min(self.players)));
        let replies = tokio::spawn(listen(emulator.subscribe(), messages, started.clone(), room.clone()));
        let (jobs, waiting) = mpsc::channel::<u64>(CONNECTIONS * 4);
        let waiting = Arc::new(tokio::sync::Mutex::new(waiting));
        let refused = Arc::new(AtomicU64::new(0));
        let cpu_before = host.cpu()?;
        let begin = Instant::now();
        let posters: Vec<_> =
            (0..CONNECTIONS).map(|_| tokio::spawn(post(self.shared.clone(), waiting.clone(), started.clone(), refused.clone()))).collect();
        for count in 0..messages {
            if let Some(rate) = rate {
                let due = begin + Duration::from_nanos(count * 1_000_000_000 / rate);
                if due > Instant::now() {
                    tokio::time::sleep_until(due.into()).await;
                }
            }
            // Given back when the reply arrives.
            room.acquire().await.map_err(Failure::new)?.forget();
            jobs.send(self.shared.made.fetch_add(1, Ordering::Relaxed)).await.map_err(Failure::new)?;
        }
        drop(jobs);
        for poster in posters {
            poster.await.map_err(Failure::new)??;
        }
        let accepted_in = begin.elapsed();
        let (latencies, heard, replied_in) = replies.await.map_err(Failure::new)??;
        let cpu = host.cpu()?.saturating_sub(cpu_before);
        let quantile = |q: f64| latencies.value_at_quantile(q) as f64 / 1e3;
        Ok(Measured {
            messages,
            accepted_per_s: messages as f64 / accepted_in.as_secs_f64(),
            replies_per_s: heard as f64 / replied_in.as_secs_f64().max(1e-9),
            p50_ms: quantile(0.5),
            p90_ms: quantile(0.9),
            p99_ms: quantile(0.99),
            cpu_us_per_message: cpu.as_secs_f64() * 1e6 / messages.max(1) as f64,
            refused: refused.load(Ordering::Relaxed),
            lost: messages - heard,
        })
    }
}

/// Hears replies until all are there, or none comes any more.
async fn listen(
    mut accepted: tokio::sync::broadcast::Receiver<Arc<meta::Accepted>>,
    messages: u64,
    started: Arc<Started>,
    room: Arc<Semaphore>,
) -> Result<(Histogram<u64>, u64, Duration), Failure> {
    let mut latencies = Histogram::new(3).map_err(Failure::new)?;
    let (begin, mut last, mut heard) = (Instant::now(), Instant::now(), 0);
    while heard < messages {
        let reply = match tokio::time::timeout(SILENCE, accepted.recv()).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(RecvError::Lagged(missed))) => {
                return Err(Failure::new(format!("this process missed {missed} replies: it is too slow to measure")));
            }
            Ok(Err(RecvError::Closed)) | Err(_) => break,
        };
        let phone = reply.recipient.as_str().trim_start_matches('+');
        let start = started.lock().unwrap_or_else(PoisonError::into_inner).remove(phone);
        if let Some(start) = start {
            latencies.record(start.elapsed().as_micros() as u64).map_err(Failure::new)?;
            heard += 1;
            last = Instant::now();
            room.add_permits(1);
        }
    }
    Ok((latencies, heard, last - begin))
}

/// One connection: posts what waits, one after the other, until nothing is left.
async fn post(
    shared: Arc<Shared>,
    jobs: Arc<tokio::sync::Mutex<mpsc::Receiver<u64>>>,
    started: Arc<Started>,
    refused: Arc<AtomicU64>,
) -> Result<(), Failure> {
    let path = webhook_path();
    let mut connection = connect(shared.address).await?;
    loop {
        let Some(id) = jobs.lock().await.recv().await else { return Ok(()) };
        let phone = &shared.phones[id as usize % shared.phones.len()];
        let sent_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (body, signature) = shared.webhooks.make(id, phone, sent_s);
        started.lock().unwrap_or_else(PoisonError::into_inner).insert(phone.clone(), Instant::now());
        loop {
            let request = hyper::Request::post(&path)
                .header("host", "127.0.0.1")
                .header("content-type", "application/json")
                .header("x-hub-signature-256", &signature)
                .body(Full::new(bytes::Bytes::from(body.clone())))
                .map_err(Failure::new)?;
            connection.ready().await.map_err(Failure::new)?;
            let response = connection.send_request(request).await.map_err(Failure::new)?;
            let status = response.status();
            response.into_body().collect().await.map_err(Failure::new)?;
            match status.as_u16() {
                200 => break,
                503 => {
                    refused.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(COME_AGAIN).await;
                }
                _ => return Err(Failure::new(format!("the host answered a webhook with {status}"))),
            }
        }
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<bytes::Bytes>>, Failure> {
    let stream = TcpStream::connect(address).await.map_err(Failure::new)?;
    stream.set_nodelay(true).map_err(Failure::new)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Failure::new)?;
    tokio::spawn(connection);
    Ok(sender)
}
