//! What a handler leaves of a request's body is read past before the answer goes out: a client that is still writing would
//! see its connection break, not the answer. Past a bound the connection is closed instead, and the answer says so.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{HeaderValue, header};
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

/// No more than this is read past; nothing is, when more is announced.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How long that may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A body that comes back when it is dropped before its end.
pub(super) struct Lent {
    body: Option<Incoming>,
    asked: bool,
    back: Back,
}

/// Where it comes back to.
#[derive(Clone, Default)]
pub(super) struct Back(Arc<Mutex<Option<Left>>>);

struct Left {
    body: Incoming,
    /// Whether any of it was asked for: who sent `Expect: 100-continue` and was never asked sends nothing.
    asked: bool,
}

/// Lends a body to a handler.
pub(super) fn lend(body: Incoming) -> (Lent, Back) {
    let back = Back::default();
    (Lent { body: Some(body), asked: false, back: back.clone() }, back)
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.asked = true;
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.back.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Left { body, asked: self.asked });
        }
    }
}

impl Back {
    /// Reads past what is left, and has the answer say so where some of it remains.
    pub(super) async fn read_past(self, expects_continue: bool, response: &mut Response) {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Left { mut body, asked }) = left else { return };
        let worth_it = (asked || !expects_continue) && body.size_hint().lower() <= BYTES_MAX;
        let read = async {
            let mut bytes: u64 = 0;
            while bytes <= BYTES_MAX {
                match body.frame().await {
                    Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, |data| data.len() as u64),
                    Some(Err(_)) => return false,
                    None => return true,
                }
            }
            false
        };
        if !worth_it || !tokio::time::timeout(TIMEOUT, read).await.unwrap_or(false) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}
