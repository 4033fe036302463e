//! What a send costs this process: CPU time of the thread that sends, the kernel's part of it included. The server runs
//! on a thread of its own and is not counted.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use questline_core::contact::{Contact, PhoneNumber};
use questline_core::id::{ConversationId, GameId, NumberId, OutboxRef, OutboxSeq};
use questline_core::message::{Button, Outbound};
use questline_core::outbox::{Content, MessageClass, NewMessage, OutboxMessage, SendState};
use questline_core::port::Graph as _;
use questline_core::send::SendOutcome;
use questline_core::time::UnixMs;
use questline_whatsapp::graph::{AccessToken, GraphClient, GraphOptions, NumberDirectory};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const BODY: &str = r#"{"messaging_product":"whatsapp","contacts":[{"input":"+16505550123","wa_id":"16505550123"}],"messages":[{"id":"wamid.HBgLMTY1MDU1NTAxMjMVAgARGBI5QTNDQTVCM0Q0Q0Q2RTY3RTcA"}]}"#;

/// As Meta answers, headers and all.
fn answer() -> Vec<u8> {
    let headers = "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\nfacebook-api-version: v25.0\r\n\
        x-fb-request-id: AbCdEfGhIjKlMnOp\r\nx-fb-trace-id: AbCdEfGhIjK\r\nCache-Control: private, no-cache, no-store, must-revalidate\r\n\
        Strict-Transport-Security: max-age=15552000; preload";
    format!("{headers}\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len()).into_bytes()
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let answer = answer();
    let (mut bytes, mut filled) = (vec![0; 16 * 1024], 0);
    loop {
        let read = stream.read(&mut bytes[filled..]).await?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let Some(head) = bytes[..filled].windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
        let length: usize = text.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
        if filled == head + 4 + length {
            filled = 0;
            stream.write_all(&answer).await?;
        }
    }
}

/// Starts the server on a thread of its own.
fn server() -> String {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(format!("http://{}", listener.local_addr().unwrap())).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream));
            }
        });
    });
    told.recv().unwrap()
}

/// The answer to a balance inquiry: text and three buttons.
fn message() -> OutboxMessage {
    let button = |id: &str, title: &str| Button { id: id.into(), title: title.into() };
    let reply = Outbound::Buttons {
        header: None,
        body: "You have 1,200 gems, 35 of them bonus, and 3 rewards to claim. What would you like to do next?".into(),
        footer: None,
        buttons: vec![button("history", "Transaction History"), button("claim", "Claim Rewards"), button("agent", "Speak to Agent")],
    };
    let message = NewMessage {
        game: GameId::parse("starfall").unwrap(),
        number: NumberId::parse("1001").unwrap(),
        contact: Contact::new(PhoneNumber::parse("16505550123").ok(), None).unwrap(),
        class: MessageClass::Normal,
        content: Content::Reply { message: reply, reply_to: None },
        committed_at: UnixMs(0),
        expires_at: None,
        campaign: None,
        known: None,
    };
    let id = OutboxRef { conversation: ConversationId(123_456), seq: OutboxSeq(17) };
    OutboxMessage { id, message, attempts: 0, due_at: UnixMs(0), state: SendState::Queued }
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

fn main() {
    let options = GraphOptions { base_url: server(), ..GraphOptions::default() };
    let mut numbers = NumberDirectory::default();
    numbers.insert(NumberId::parse("1001").unwrap(), AccessToken::new(&"EAAJ".repeat(50)));
    let graph = Arc::new(GraphClient::new(options, numbers).unwrap());
    let message = Arc::new(message());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (in_flight, each) in [(64, 200), (1, 10_000), (64, 1_500), (350, 300), (1_000, 100)] {
        let (cpu_before, before) = (cpu(), Instant::now());
        runtime.block_on(async {
            let send = |(graph, message): (Arc<GraphClient>, Arc<OutboxMessage>)| async move {
                for _ in 0..each {
                    let outcome = graph.send(&message).await;
                    assert!(matches!(outcome, SendOutcome::Accepted { .. }), "{outcome:?}");
                }
            };
            let tasks: Vec<_> = (0..in_flight).map(|_| tokio::spawn(send((graph.clone(), message.clone())))).collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        let sends = in_flight * each;
        let cpu_us = (cpu() - cpu_before).as_secs_f64() * 1e6 / f64::from(sends);
        println!(
            "{in_flight:>5} in flight: {cpu_us:>6.2} us CPU a send, {:>6.0} sends/s",
            f64::from(sends) / before.elapsed().as_secs_f64()
        );
    }
}
