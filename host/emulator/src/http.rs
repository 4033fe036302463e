//! The loopback server: connections, bounded bodies, and the ways in which a connection can fail on demand.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::graph;
use crate::state::State;

/// The largest document (100 MB) and the form around it.
const BODY_BYTES_MAX: usize = 101 * 1024 * 1024;

/// A request, read to its end.
pub(crate) struct Request {
    parts: hyper::http::request::Parts,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn method(&self) -> &Method {
        &self.parts.method
    }

    pub(crate) fn path(&self) -> &str {
        self.parts.uri.path()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    /// A parameter of the query, decoded.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let query = self.parts.uri.query()?;
        url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    content_type: HeaderValue,
    body: Bytes,
}

impl Reply {
    pub(crate) fn json(status: u16, value: &impl Serialize) -> Self {
        Self {
            status,
            content_type: HeaderValue::from_static("application/json; charset=UTF-8"),
            // All that is answered here can be JSON.
            body: Bytes::from(serde_json::to_vec(value).unwrap_or_default()),
        }
    }

    pub(crate) fn success() -> Self {
        Self::json(200, &json!({"success": true}))
    }

    pub(crate) fn bytes(content_type: &str, body: Bytes) -> Self {
        Self {
            status: 200,
            content_type: HeaderValue::from_str(content_type).unwrap_or(HeaderValue::from_static("application/octet-stream")),
            body,
        }
    }

    /// What a proxy in the way would say.
    pub(crate) fn page(status: u16) -> Self {
        Self {
            status,
            content_type: HeaderValue::from_static("text/html"),
            body: Bytes::from(format!("<html><body><h1>{status}</h1></body></html>")),
        }
    }
}

/// How a call ends.
pub(crate) enum Ending {
    Reply(Reply),
    /// Never answered: the client has to give up.
    Hang,
    /// The connection is reset.
    Reset,
}

/// Takes connections until `stop`.
pub(crate) async fn serve(listener: TcpListener, state: Arc<State>, tasks: TaskTracker, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors: let others close some.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let state = Arc::clone(&state);
        let stop = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = connection(stream, state) => {}
            }
        });
    }
}

async fn connection(stream: TcpStream, state: Arc<State>) {
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let stream = Resettable { stream, reset: Arc::clone(&reset) };
    let service = service_fn(|request| answer(request, &state, &reset));
    // An error here is the client's going away, or a reset that was asked for.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: hyper::Request<Incoming>, state: &Arc<State>, reset: &AtomicBool) -> Result<Response<Full<Bytes>>, ResetWanted> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
        return Ok(response(Reply::page(413)));
    };
    let request = Request { parts, body: body.to_bytes() };
    match graph::answer(state, request).await {
        Ending::Reply(reply) => Ok(response(reply)),
        Ending::Hang => match std::future::pending::<Infallible>().await {},
        Ending::Reset => {
            reset.store(true, Ordering::Release);
            Err(ResetWanted)
        }
    }
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, reply.content_type);
    response
}

/// Makes hyper drop the connection.
#[derive(Debug)]
struct ResetWanted;

impl fmt::Display for ResetWanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is reset on demand")
    }
}

impl std::error::Error for ResetWanted {}

/// A stream that ends with RST instead of FIN if so wanted.
struct Resettable {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Resettable {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Acquire) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Resettable {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Resettable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
