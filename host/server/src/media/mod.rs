//! Files that messages take along: brought to Meta before the message is sent, once for a number and a content, and named
//! by Meta's id from then on.
//!
//! A message whose file is at Meta already costs a look into memory. Any other waits for the upload, and nobody else does:
//! few wait in their turn to be sent, the rest are tried again soon. A message without a file is not looked at.

mod fit;
mod jobs;
mod link;
mod network;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use questline_core::id::{GameId, NumberId};
use questline_core::media::FileOf;
use questline_core::message::{MediaKind, MediaSource};
use questline_core::outbox::{Content, OutboxMessage};
use questline_core::port::{Clock, Graph, MediaGraph, Releases, Untold, Upload, UploadKey, Uploads};
use questline_core::send::{SendError, SendOutcome};
use questline_core::time::{MINUTE_MS, UnixMs};
use tokio::sync::Semaphore;

use crate::game::Games;
use crate::metrics::Metrics;
use jobs::Memory;

pub(crate) use fit::check_files;
pub(crate) use jobs::digest_of;
pub use link::LinkFetcher;
pub(crate) use link::is_host;

/// Messages that wait in their turn for an upload; each holds a place among the sends in flight.
const WAITING_MAX: usize = 32;
/// How long one waits so; then it is tried again later, and the upload goes on.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Mebibytes of files in hand at once: the largest document fits, and two pictures beside it.
const ROOM_MIB: usize = 192;
/// A message that failed before is not sent with an upload older than this: the fault may be the upload's.
const REPEATED_WITH_MS: u64 = 10 * MINUTE_MS;
/// Meta's code for a file that it cannot use, or does not have.
const UPLOAD_FAILED: u32 = 131_053;
/// Meta's code for a wrong parameter, and its words where that is the id of a file.
const PARAMETER: u32 = 100;
const NO_SUCH_FILE: &str = "media attachment";

/// Brings files to Meta.
pub struct MediaDesk {
    /// Meta's side.
    graph: Arc<dyn MediaGraph>,
    /// What was put there before.
    uploads: Arc<dyn Uploads>,
    /// Where files of releases are.
    releases: Arc<dyn Releases>,
    /// Which hosts a game may take files from.
    games: Arc<Games>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    links: LinkFetcher,
    memory: Mutex<Memory>,
    waiting: Semaphore,
    room: Arc<Semaphore>,
}

/// What a desk is made of.
pub struct MediaParts {
    /// Meta.
    pub graph: Arc<dyn MediaGraph>,
    /// The store.
    pub uploads: Arc<dyn Uploads>,
    /// The store, too.
    pub releases: Arc<dyn Releases>,
    /// The games being played.
    pub games: Arc<Games>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// What fetches links.
    pub links: LinkFetcher,
}

/// A file that a message takes along, and for which number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Wanted {
    game: GameId,
    number: NumberId,
    kind: MediaKind,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum What {
    /// A file of a release.
    File { name: String, release: questline_core::id::ReleaseDigest, digest: questline_core::media::ContentDigest },
    /// Whatever lies there.
    Link(String),
}

/// Why a file is not at Meta.
#[derive(Debug, Clone)]
enum Failed {
    /// It is no file that can be sent. Trying again does not help.
    Refused(String),
    /// Not now.
    Later(String),
    /// Meta was not reached.
    NotSent(String),
    /// Meta refused the upload.
    Meta(SendError),
}

impl From<Failed> for Result<SendOutcome, Untold> {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Refused(detail) => Err(Untold::Never { reason: "media-refused", detail }),
            Failed::Later(detail) => Err(Untold::Later { detail }),
            Failed::NotSent(reason) => Ok(SendOutcome::NotSent { reason }),
            Failed::Meta(error) => Ok(SendOutcome::Refused(error)),
        }
    }
}

/// Whether Meta says that it does not have the file, or cannot use it.
fn is_of_file(error: &SendError) -> bool {
    error.code == UPLOAD_FAILED || (error.code == PARAMETER && error.detail.contains(NO_SUCH_FILE))
}

impl MediaDesk {
    /// From its parts.
    pub fn new(parts: MediaParts) -> Self {
        let MediaParts { graph, uploads, releases, games, clock, metrics, links } = parts;
        Self {
            graph,
            uploads,
            releases,
            games,
            clock,
            metrics,
            links,
            memory: Mutex::default(),
            waiting: Semaphore::new(WAITING_MAX),
            room: Arc::new(Semaphore::new(ROOM_MIB)),
        }
    }

    /// Sends a message, with its file by Meta's id if it takes one along.
    pub async fn send(self: &Arc<Self>, graph: &dyn Graph, message: &OutboxMessage) -> Result<SendOutcome, Untold> {
        match wanted(message) {
            None => Ok(graph.send(message).await),
            Some(Ok(wanted)) => Box::pin(self.send_with(graph, message, wanted)).await,
            Some(Err(failed)) => failed.into(),
        }
    }

    async fn send_with(self: &Arc<Self>, graph: &dyn Graph, message: &OutboxMessage, wanted: Wanted) -> Result<SendOutcome, Untold> {
        let mut message = message.clone();
        let trust_ms = if message.attempts > 0 { REPEATED_WITH_MS } else { u64::MAX };
        let mut is_repeated = false;
        loop {
            let (key, upload) = match self.ready(&wanted, trust_ms).await {
                Ok(ready) => ready,
                Err(failed) => return failed.into(),
            };
            if let Content::Reply { message, .. } = &mut message.message.content
                && let Some(source) = message.media_mut()
            {
                *source = MediaSource::Id(upload.id.clone());
            }
            match graph.send(&message).await {
                SendOutcome::Refused(error) if is_of_file(&error) && !is_repeated => {
                    tracing::warn!(outbox = %message.id, code = error.code, "Meta does not have a file, or cannot use it: its upload is forgotten");
                    self.forget(&key, &upload).await;
                    is_repeated = true;
                }
                outcome => return Ok(outcome),
            }
        }
    }

    /// The file's id at Meta, by an upload that is at most `trust_ms` old; brought there if need be.
    async fn ready(self: &Arc<Self>, wanted: &Wanted, trust_ms: u64) -> Result<(UploadKey, Upload), Failed> {
        let now = self.clock.now();
        let known = self.memory().known(wanted, now);
        if let Some((key, upload)) = known {
            if upload.is_good(now) && now.since_ms(upload.at) < trust_ms {
                if upload.is_old(now) {
                    drop(self.begin(wanted));
                }
                return Ok((key, upload));
            }
            self.forget(&key, &upload).await;
        }
        let mut job = self.begin(wanted).ok_or_else(|| Failed::Later("too many files are being brought to Meta".to_owned()))?;
        let later = || Failed::Later("the file is on its way to Meta".to_owned());
        let Ok(_place) = self.waiting.try_acquire() else { return job.borrow().clone().unwrap_or_else(|| Err(later())) };
        match tokio::time::timeout(WAIT_MAX, job.wait_for(Option::is_some)).await {
            Ok(Ok(done)) => done.clone().unwrap_or_else(|| Err(later())),
            Ok(Err(_)) => Err(Failed::Later("the upload broke off".to_owned())),
            Err(_) => Err(later()),
        }
    }

    async fn forget(&self, key: &UploadKey, upload: &Upload) {
        self.memory().forget(key, upload);
        if let Err(problem) = self.uploads.forget_upload(key, &upload.id).await {
            tracing::warn!(%problem, "an upload could not be forgotten in the store");
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> UnixMs {
        self.clock.now()
    }
}

/// The file that a message takes along and that has no id at Meta yet; none for all others.
fn wanted(message: &OutboxMessage) -> Option<Result<Wanted, Failed>> {
    let of = &message.message;
    let Content::Reply { message, .. } = &of.content else { return None };
    let (kind, source) = message.media()?;
    let what = match source {
        MediaSource::Id(_) => return None,
        MediaSource::Link(url) => What::Link(url.clone()),
        MediaSource::File(file) => match file.of {
            Some(FileOf { release, digest }) => What::File { name: file.name.clone(), release, digest },
            None => return Some(Err(Failed::Refused(format!("media/{} is of no release", file.name)))),
        },
    };
    Some(Ok(Wanted { game: of.game.clone(), number: of.number.clone(), kind, what }))
}

#[cfg(test)]
mod tests;
