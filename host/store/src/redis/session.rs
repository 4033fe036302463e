//! A session: one connection under one set of leases. Calls go through it; when it breaks, nothing of it is believed.
//!
//! Whatever goes wrong on a connection leaves some write in doubt: it may have happened, and it may even happen later,
//! out of a socket's buffer. So a session that sees a failure is over. The next one takes the partitions under a new
//! epoch, which refuses whatever is still on its way from before, and reads anew what waits in them. Between the two,
//! calls fail at once with [`StoreError::Unavailable`].

use std::sync::{Arc, PoisonError, RwLock};

use questline_core::port::StoreError;
use redis::{Cmd, Value};
use tokio::sync::{mpsc, oneshot};

use super::memory::News;

/// A session that calls can be made in.
#[derive(Debug)]
pub(super) struct Session {
    /// Rising; a call of an older one is refused.
    pub(super) number: u64,
    /// What stands in each partition's lease.
    pub(super) lease: String,
}

/// What a call's answer changes in memory; runs in the order in which Redis did the calls, whether or not the caller
/// still waits.
pub(super) type Note = Box<dyn FnOnce(&[Value], &mut News) -> Result<(), StoreError> + Send>;

/// A call on its way to Redis.
pub(super) struct Call {
    pub(super) session: u64,
    pub(super) commands: Vec<Cmd>,
    pub(super) note: Option<Note>,
    pub(super) answer: oneshot::Sender<Result<Vec<Value>, StoreError>>,
}

/// What the store's task is asked.
pub(super) enum Request {
    Call(Call),
    /// Give the partitions up and end.
    Close(oneshot::Sender<()>),
}

/// How things stand.
#[derive(Debug, Clone)]
pub(super) enum Standing {
    Up(Arc<Session>),
    /// Not now; why.
    Down(Arc<str>),
}

/// Calls Redis. Clones share everything.
#[derive(Clone)]
pub(super) struct Link {
    requests: mpsc::Sender<Request>,
    standing: Arc<RwLock<Standing>>,
}

/// Calls that may wait for the connection; more wait in their tasks.
const QUEUE: usize = 1024;

impl Link {
    /// A link and the end that its requests come out of.
    pub(super) fn new(session: &Arc<Session>) -> (Self, mpsc::Receiver<Request>, Arc<RwLock<Standing>>) {
        let (requests, receiver) = mpsc::channel(QUEUE);
        let standing = Arc::new(RwLock::new(Standing::Up(session.clone())));
        (Self { requests, standing: standing.clone() }, receiver, standing)
    }

    /// The session to make calls in.
    pub(super) fn session(&self) -> Result<Arc<Session>, StoreError> {
        match &*self.standing.read().unwrap_or_else(PoisonError::into_inner) {
            Standing::Up(session) => Ok(session.clone()),
            Standing::Down(reason) => Err(StoreError::Unavailable(reason.to_string())),
        }
    }

    /// Has commands done, in their order; others' may come between them. One answer for each.
    pub(super) async fn call(&self, session: &Session, commands: Vec<Cmd>, note: Option<Note>) -> Result<Vec<Value>, StoreError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let (answer, answered) = oneshot::channel();
        let call = Call { session: session.number, commands, note, answer };
        self.requests.send(Request::Call(call)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// Ends: what was asked before is done, the partitions are given up.
    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.requests.send(Request::Close(done)).await.is_ok() {
            // An error means that the task ended, which is what was asked for.
            let _ = closed.await;
        }
    }
}

pub(super) fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".to_owned())
}
