//! One request and its whole answer.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use tokio::time::{Instant, timeout_at};

use super::pool::{Connection, NoConnection, Pieces, Pool, root_cause};

/// Bytes of an answer of the API; Meta's have a few hundred.
pub(super) const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Why there is no answer. The words hold no personal data.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// The request never left.
    NotSent(String),
    /// The request, or a part of it, left.
    Lost(String),
    /// An answer came, and was longer than this many bytes.
    TooLong { status: StatusCode, bytes_max: usize },
}

/// Sends one request over a kept or new connection and reads its whole answer, in at most `timeout` beside connecting.
pub(super) async fn exchange(pool: &Pool, mut request: Request<Pieces>, timeout: Duration) -> Result<Answer, NoAnswer> {
    loop {
        let mut connection = pool.take().await.map_err(|NoConnection(reason)| NoAnswer::NotSent(reason))?;
        let deadline = Instant::now() + timeout;
        let sent = timeout_at(deadline, connection.sender.try_send_request(request)).await;
        match sent.map_err(|_| too_late())? {
            Ok(response) => {
                let answer = read(response, ANSWER_BYTES_MAX, deadline).await?;
                pool.put(connection);
                return Ok(answer);
            }
            Err(mut error) => {
                let unsent = error.take_message();
                let reason = root_cause(error.error());
                match unsent {
                    // It went stale while it idled.
                    Some(back) if connection.used => request = back,
                    Some(_) => return Err(NoAnswer::NotSent(reason)),
                    None => return Err(NoAnswer::Lost(reason)),
                }
            }
        }
    }
}

/// The same on a connection of its own, with an answer of up to `bytes_max`.
pub(super) async fn exchange_on(
    mut connection: Connection,
    request: Request<Pieces>,
    bytes_max: usize,
    timeout: Duration,
) -> Result<Answer, NoAnswer> {
    let deadline = Instant::now() + timeout;
    let sent = timeout_at(deadline, connection.sender.send_request(request)).await.map_err(|_| too_late())?;
    read(sent.map_err(|error| NoAnswer::Lost(root_cause(&error)))?, bytes_max, deadline).await
}

/// An answer that is read piece by piece.
pub(super) struct Streamed {
    pub(super) status: StatusCode,
    body: Incoming,
    /// Bytes that may still come.
    left: u64,
    bytes_max: u64,
    deadline: Instant,
}

/// The same, with the answer's body left to be read: its pieces have to come within `timeout` in all.
pub(super) async fn stream_on(
    mut connection: Connection,
    request: Request<Pieces>,
    bytes_max: u64,
    timeout: Duration,
) -> Result<Streamed, NoAnswer> {
    let deadline = Instant::now() + timeout;
    let sent = timeout_at(deadline, connection.sender.send_request(request)).await.map_err(|_| too_late())?;
    let (head, body) = sent.map_err(|error| NoAnswer::Lost(root_cause(&error)))?.into_parts();
    Ok(Streamed { status: head.status, body, left: bytes_max, bytes_max, deadline })
}

impl Streamed {
    /// The next piece; none at the end. What is over the bound is not handed on.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, NoAnswer> {
        loop {
            let Some(frame) = timeout_at(self.deadline, self.body.frame()).await.map_err(|_| too_late())? else { return Ok(None) };
            let Ok(piece) = frame.map_err(|error| NoAnswer::Lost(root_cause(&error)))?.into_data() else { continue };
            match self.left.checked_sub(piece.len() as u64) {
                Some(left) => self.left = left,
                None => {
                    let bytes_max = usize::try_from(self.bytes_max).unwrap_or(usize::MAX);
                    return Err(NoAnswer::TooLong { status: self.status, bytes_max });
                }
            }
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }
}

fn too_late() -> NoAnswer {
    NoAnswer::Lost("no answer in time".to_owned())
}

/// Reads an answer to its end, and no further than its bound.
async fn read(response: Response<Incoming>, bytes_max: usize, deadline: Instant) -> Result<Answer, NoAnswer> {
    let (head, mut body) = response.into_parts();
    let status = head.status;
    let too_long = || NoAnswer::TooLong { status, bytes_max };
    let mut whole = Collected::Nothing;
    loop {
        let Some(frame) = timeout_at(deadline, body.frame()).await.map_err(|_| too_late())? else {
            return Ok(Answer { status, body: whole.into_bytes() });
        };
        let frame = frame.map_err(|error| NoAnswer::Lost(root_cause(&error)))?;
        if let Ok(piece) = frame.into_data() {
            if whole.len() + piece.len() > bytes_max {
                return Err(too_long());
            }
            whole = whole.and(piece);
        }
    }
}

/// Most answers come in one piece, which then is not copied.
enum Collected {
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Collected {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::Many(bytes) => bytes.len(),
        }
    }

    fn and(self, piece: Bytes) -> Self {
        match self {
            Self::Nothing => Self::One(piece),
            Self::One(first) => {
                let mut bytes = BytesMut::with_capacity(first.len() + piece.len());
                bytes.extend_from_slice(&first);
                bytes.extend_from_slice(&piece);
                Self::Many(bytes)
            }
            Self::Many(mut bytes) => {
                bytes.extend_from_slice(&piece);
                Self::Many(bytes)
            }
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}
