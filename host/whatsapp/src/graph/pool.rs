//! Connections to one host: HTTP/1.1, kept alive, one request at a time on each.
//!
//! A connection that goes stale between two requests gives the request back unsent, and another one takes it: only what
//! a connection has taken counts as possibly sent.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Uri;
use hyper::body::{Body, Frame, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use tower_service::Service as _;

/// How long a new connection may take, TLS included.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may idle; servers close theirs after a minute or more.
const IDLE_TIMEOUT: Duration = Duration::from_secs(25);
/// How often an established connection is probed by TCP.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How long the connector waits for IPv6 before it tries IPv4, too (RFC 8305).
const HAPPY_EYEBALLS: Duration = Duration::from_millis(300);

/// A request's body: up to three pieces, with a known length.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pieces: [Bytes; 3],
    at: usize,
}

impl From<Vec<u8>> for Pieces {
    fn from(bytes: Vec<u8>) -> Self {
        Self { pieces: [bytes.into(), Bytes::new(), Bytes::new()], at: 0 }
    }
}

impl From<[Bytes; 3]> for Pieces {
    fn from(pieces: [Bytes; 3]) -> Self {
        Self { pieces, at: 0 }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        while self.at < self.pieces.len() {
            let at = self.at;
            self.at += 1;
            if !self.pieces[at].is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.pieces[at])))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.pieces[self.at..].iter().all(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.pieces[self.at..].iter().map(|piece| piece.len() as u64).sum())
    }
}

/// No connection: in words without personal data.
#[derive(Debug)]
pub(super) struct NoConnection(pub(super) String);

/// An open connection.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Pieces>,
    /// It has carried a request before.
    pub(super) used: bool,
}

struct Idle {
    sender: SendRequest<Pieces>,
    since: Instant,
}

/// Opens and keeps connections.
pub(super) struct Pool {
    connector: HttpsConnector<HttpConnector>,
    origin: Uri,
    idle: Mutex<VecDeque<Idle>>,
    idle_max: usize,
}

impl Pool {
    /// For one origin (scheme, host, port). Plain HTTP is spoken only if the origin says so.
    pub(super) fn new(origin: Uri, idle_max: usize) -> Result<Self, rustls::Error> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(KEEPALIVE));
        http.set_happy_eyeballs_timeout(Some(HAPPY_EYEBALLS));
        let tls = HttpsConnectorBuilder::new().with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?;
        let plain = origin.scheme_str() == Some("http");
        let connector = if plain { tls.https_or_http() } else { tls.https_only() }.enable_http1().wrap_connector(http);
        Ok(Self { connector, origin, idle: Mutex::default(), idle_max })
    }

    /// A connection that was kept, or a new one.
    pub(super) async fn take(&self) -> Result<Connection, NoConnection> {
        while let Some(mut sender) = self.pop() {
            // The last answer was read to its end, so this is ready, or closed.
            if sender.ready().await.is_ok() {
                return Ok(Connection { sender, used: true });
            }
        }
        self.connect(self.origin.clone()).await
    }

    /// A new connection to some origin.
    pub(super) async fn connect(&self, origin: Uri) -> Result<Connection, NoConnection> {
        let connecting = async {
            let stream = self.connector.clone().call(origin).await.map_err(|error| NoConnection(root_cause(&*error)))?;
            http1::handshake(stream).await.map_err(|error| NoConnection(root_cause(&error)))
        };
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
        let (sender, connection) = connected.unwrap_or_else(|_| Err(NoConnection("no connection in time".to_owned())))?;
        tokio::spawn(async move {
            // How it ends is told to whoever waits for an answer on it.
            let _ = connection.await;
        });
        Ok(Connection { sender, used: false })
    }

    /// Takes a connection back whose answer was read to its end.
    pub(super) fn put(&self, connection: Connection) {
        if connection.sender.is_closed() {
            return;
        }
        let now = Instant::now();
        let mut idle = self.lock();
        // The oldest stand in front; what has idled too long is closed by being dropped.
        while idle.len() >= self.idle_max || idle.front().is_some_and(|oldest| now - oldest.since > IDLE_TIMEOUT) {
            if idle.pop_front().is_none() {
                return;
            }
        }
        idle.push_back(Idle { sender: connection.sender, since: now });
    }

    /// The connection that was used last, if any is young enough.
    fn pop(&self) -> Option<SendRequest<Pieces>> {
        let mut idle = self.lock();
        let last = idle.pop_back()?;
        if last.since.elapsed() > IDLE_TIMEOUT {
            idle.clear();
            return None;
        }
        Some(last.sender)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The innermost cause, which says most; an address in it is Meta's.
pub(super) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    crate::bound::words(&cause.to_string())
}
