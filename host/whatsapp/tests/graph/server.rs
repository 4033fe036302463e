//! A server that says exactly what it is told to, byte by byte, and keeps what it heard.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What the server does with one request.
#[derive(Clone)]
pub(crate) enum Act {
    /// Answers with these bytes.
    Answer(Vec<u8>),
    /// Answers, and closes the connection without having said that it will.
    AnswerAndClose(Vec<u8>),
    /// Reads the request and closes.
    Close,
    /// Reads the request and never answers.
    Hang,
    /// Closes before reading anything.
    Refuse,
}

#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub(crate) fn target(&self) -> &str {
        self.head.lines().next().unwrap()
    }
}

#[derive(Default)]
struct Seen {
    heard: Vec<Heard>,
    connections: usize,
    closed: usize,
}

/// Acts in order; the last one is repeated.
pub(crate) struct Server {
    pub(crate) url: String,
    seen: Arc<Mutex<Seen>>,
    closed: Arc<Notify>,
}

impl Server {
    pub(crate) async fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Seen::default()));
        let closed = Arc::new(Notify::new());
        let acts = Arc::new(Mutex::new(acts));
        let (shared, notify) = (seen.clone(), closed.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                shared.lock().unwrap().connections += 1;
                let (acts, seen, notify) = (acts.clone(), shared.clone(), notify.clone());
                tokio::spawn(async move {
                    serve(stream, &acts, &seen).await;
                    seen.lock().unwrap().closed += 1;
                    notify.notify_waiters();
                });
            }
        });
        Self { url, seen, closed }
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.seen.lock().unwrap().heard.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    /// Waits until so many connections have ended.
    pub(crate) async fn closed(&self, count: usize) {
        loop {
            let next = self.closed.notified();
            if self.seen.lock().unwrap().closed >= count {
                return;
            }
            next.await;
        }
    }
}

async fn serve(mut stream: TcpStream, acts: &Mutex<Vec<Act>>, seen: &Mutex<Seen>) {
    if matches!(acts.lock().unwrap().first(), Some(Act::Refuse)) {
        next(acts);
        return;
    }
    while let Some(heard) = read(&mut stream).await {
        seen.lock().unwrap().heard.push(heard);
        let act = next(acts);
        match act {
            Act::Answer(bytes) => stream.write_all(&bytes).await.unwrap(),
            Act::AnswerAndClose(bytes) => {
                stream.write_all(&bytes).await.unwrap();
                return;
            }
            Act::Close | Act::Refuse => return,
            Act::Hang => std::future::pending().await,
        }
    }
}

fn next(acts: &Mutex<Vec<Act>>) -> Act {
    let mut acts = acts.lock().unwrap();
    if acts.len() > 1 { acts.remove(0) } else { acts[0].clone() }
}

async fn read(stream: &mut TcpStream) -> Option<Heard> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut heard = Heard { head, body: bytes.split_off(head_end + 4) };
    let length: usize = heard.header("content-length").map_or(0, |length| length.parse().unwrap());
    while heard.body.len() < length {
        if stream.read_buf(&mut heard.body).await.ok()? == 0 {
            return None;
        }
    }
    Some(heard)
}

/// An answer with a JSON body.
pub(crate) fn json(status: &str, body: &str) -> Act {
    Act::Answer(bytes(status, body))
}

pub(crate) fn bytes(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub(crate) const ACCEPTED: &str =
    r#"{"messaging_product":"whatsapp","contacts":[{"input":"+16505550123","wa_id":"16505550123"}],"messages":[{"id":"wamid.1"}]}"#;
