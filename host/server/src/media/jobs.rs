//! Uploads being made, each once however many messages wait for it, and what is remembered of those that were.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::Bytes;
use lru::LruCache;
use questline_core::id::{GameId, ReleaseDigest};
use questline_core::media::{ContentDigest, FOLDER, fetched_bytes_max};
use questline_core::port::{MediaError, StoreError, Upload, UploadKey};
use questline_core::time::{MINUTE_MS, SECOND_MS, UnixMs};
use ring::digest::{SHA256, digest};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{Failed, MediaDesk, Wanted, What, fit, link};
use crate::release::{ARCHIVE_BYTES_MAX, unpack};

/// Uploads that are remembered; others are asked of the store.
const KNOWN_MAX: NonZeroUsize = at_least_one(4_096);
/// Links whose content is remembered.
const LINKS_MAX: NonZeroUsize = at_least_one(1_024);
/// Files that were refused and are remembered.
const REFUSED_MAX: NonZeroUsize = at_least_one(256);
/// Uploads being made.
const JOBS_MAX: usize = 64;
/// How long what lay behind a link is taken to lie there still.
const LINK_FRESH_MS: u64 = 10 * MINUTE_MS;
/// How long a refusal is taken to stand: whoever put a wrong file there may put a right one there.
const REFUSED_MS: u64 = 30 * SECOND_MS;

const fn at_least_one(count: usize) -> NonZeroUsize {
    match NonZeroUsize::new(count) {
        Some(count) => count,
        None => NonZeroUsize::MIN,
    }
}

type Done = Result<(UploadKey, Upload), Failed>;

/// What is known without asking anybody.
pub(super) struct Memory {
    known: LruCache<UploadKey, Upload>,
    links: LruCache<(GameId, String), (ContentDigest, UnixMs)>,
    refused: LruCache<Wanted, (String, UnixMs)>,
    jobs: HashMap<Wanted, watch::Receiver<Option<Done>>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { known: LruCache::new(KNOWN_MAX), links: LruCache::new(LINKS_MAX), refused: LruCache::new(REFUSED_MAX), jobs: HashMap::new() }
    }
}

fn key(wanted: &Wanted, digest: ContentDigest) -> UploadKey {
    UploadKey { game: wanted.game.clone(), number: wanted.number.clone(), kind: wanted.kind, digest }
}

impl Memory {
    /// What is in it, as far as that is known.
    fn digest(&mut self, wanted: &Wanted, now: UnixMs) -> Option<ContentDigest> {
        match &wanted.what {
            What::File { digest, .. } => Some(*digest),
            What::Link(url) => {
                let (digest, at) = self.links.get(&(wanted.game.clone(), url.clone()))?;
                (now.since_ms(*at) < LINK_FRESH_MS).then_some(*digest)
            }
        }
    }

    /// Its upload.
    pub(super) fn known(&mut self, wanted: &Wanted, now: UnixMs) -> Option<(UploadKey, Upload)> {
        let key = key(wanted, self.digest(wanted, now)?);
        let upload = self.known.get(&key)?.clone();
        Some((key, upload))
    }

    /// Forgets an upload, unless there is another one by now.
    pub(super) fn forget(&mut self, key: &UploadKey, upload: &Upload) {
        if self.known.peek(key).is_some_and(|known| known.id == upload.id) {
            self.known.pop(key);
        }
    }

    /// Whether nothing is being brought.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    fn refusal(&mut self, wanted: &Wanted, now: UnixMs) -> Option<Failed> {
        let (detail, at) = self.refused.get(wanted)?;
        (now.since_ms(*at) < REFUSED_MS).then(|| Failed::Refused(detail.clone()))
    }
}

/// Takes a job off the list, however it ends.
struct Listed {
    desk: Arc<MediaDesk>,
    wanted: Wanted,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.desk.memory().jobs.remove(&self.wanted);
    }
}

/// A file in memory, and its part of the room for files.
struct Held {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl MediaDesk {
    /// Begins to bring the file to Meta, or joins who has begun. None when too many are being brought.
    pub(super) fn begin(self: &Arc<Self>, wanted: &Wanted) -> Option<watch::Receiver<Option<Done>>> {
        let now = self.now();
        let mut memory = self.memory();
        if let Some(job) = memory.jobs.get(wanted) {
            return Some(job.clone());
        }
        if let Some(refused) = memory.refusal(wanted, now) {
            return Some(watch::channel(Some(Err(refused))).1);
        }
        if memory.jobs.len() >= JOBS_MAX {
            return None;
        }
        let (done, job) = watch::channel(None);
        memory.jobs.insert(wanted.clone(), job.clone());
        drop(memory);
        let listed = Listed { desk: Arc::clone(self), wanted: wanted.clone() };
        tokio::spawn(async move {
            let result = listed.desk.bring(&listed.wanted).await;
            listed.desk.note(&listed.wanted, &result);
            // First off the list: whoever comes later finds it in memory, or begins anew.
            drop(listed);
            let _ = done.send(Some(result));
        });
        Some(job)
    }

    fn note(&self, wanted: &Wanted, result: &Done) {
        let mut memory = self.memory();
        match result {
            Ok((key, upload)) => {
                memory.known.put(key.clone(), upload.clone());
                memory.refused.pop(wanted);
            }
            Err(Failed::Refused(detail)) => {
                let now = self.now();
                memory.refused.put(wanted.clone(), (detail.clone(), now));
                drop(memory);
                self.metrics.media("refused");
                tracing::warn!(game = %wanted.game, kind = wanted.kind.as_str(), detail, "a file cannot be sent");
            }
            Err(failed) => {
                drop(memory);
                self.metrics.media("failed");
                tracing::warn!(game = %wanted.game, number = %wanted.number, kind = wanted.kind.as_str(), ?failed, "a file was not brought to Meta");
            }
        }
    }

    async fn bring(&self, wanted: &Wanted) -> Done {
        let now = self.now();
        let known = self.memory().digest(wanted, now);
        let (digest, held) = match (known, &wanted.what) {
            (Some(digest), _) => (digest, None),
            (None, What::Link(url)) => {
                let held = self.fetch(wanted, url).await?;
                let digest = digest_of(&held.bytes);
                self.memory().links.put((wanted.game.clone(), url.clone()), (digest, now));
                (digest, Some(held))
            }
            (None, What::File { digest, .. }) => (*digest, None),
        };
        let key = key(wanted, digest);
        let kept = self.uploads.upload(&key).await.map_err(of_store)?.filter(|upload| upload.is_good(now));
        if let Some(upload) = &kept
            && !upload.is_old(now)
        {
            return Ok((key, upload.clone()));
        }
        match (self.put(wanted, &key, held).await, kept) {
            (Ok(upload), _) => Ok((key, upload)),
            // What is there can be sent for some days more.
            (Err(failed), Some(kept)) => {
                tracing::warn!(?failed, "an upload could not be renewed: the old one goes on");
                Ok((key, kept))
            }
            (Err(failed), None) => Err(failed),
        }
    }

    async fn put(&self, wanted: &Wanted, key: &UploadKey, held: Option<Held>) -> Result<Upload, Failed> {
        let held = match (held, &wanted.what) {
            (Some(held), _) => held,
            (None, What::Link(url)) => {
                let held = self.fetch(wanted, url).await?;
                if digest_of(&held.bytes) != key.digest {
                    self.memory().links.pop(&(wanted.game.clone(), url.clone()));
                    return Err(Failed::Later("what the link leads to has just changed".to_owned()));
                }
                held
            }
            (None, What::File { name, release, digest }) => self.file(&wanted.game, name, release, digest).await?,
        };
        let fitted =
            fit::fit(wanted.kind, held.bytes.clone()).await.map_err(|unfit| Failed::Refused(format!("{}: {unfit}", wanted.what)))?;
        let name = file_name(&wanted.what, fitted.mime);
        let put = self.graph.put_file(&wanted.number, fitted.mime, &name, fitted.bytes).await;
        let id = put.map_err(|problem| match problem {
            MediaError::NotSent(reason) => Failed::NotSent(reason),
            MediaError::Refused(error) => Failed::Meta(error),
            MediaError::Lost(reason) => Failed::Later(format!("Meta did not answer the upload: {reason}")),
            MediaError::Invalid(_) | MediaError::NotFound | MediaError::TooLong { .. } => Failed::Refused(problem.to_string()),
        })?;
        let upload = Upload { id, at: self.now() };
        self.metrics.media(if fitted.is_changed { "reencoded" } else { "uploaded" });
        tracing::info!(game = %wanted.game, number = %wanted.number, kind = wanted.kind.as_str(), changed = fitted.is_changed, "a file is at Meta");
        if let Err(problem) = self.uploads.keep_upload(key, upload.clone()).await {
            tracing::warn!(%problem, "an upload could not be noted in the store: it is known until this host stops");
        }
        Ok(upload)
    }

    /// Room for a file of up to so many bytes.
    async fn room(&self, bytes: u64) -> Result<OwnedSemaphorePermit, Failed> {
        let mib = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX).clamp(1, super::ROOM_MIB as u32);
        self.room.clone().acquire_many_owned(mib).await.map_err(|_| Failed::Later("the host is stopping".to_owned()))
    }

    async fn fetch(&self, wanted: &Wanted, url: &str) -> Result<Held, Failed> {
        let bytes_max = fetched_bytes_max(wanted.kind);
        let room = self.room(bytes_max).await?;
        let game = self.games.get(&wanted.game).ok_or_else(|| Failed::Later("the game is not loaded".to_owned()))?;
        let fetched = self.links.fetch(url, &game.rules.media.hosts, bytes_max).await;
        let bytes = fetched.map_err(|problem| match problem.is_lasting() {
            true => Failed::Refused(problem.to_string()),
            false => Failed::Later(problem.to_string()),
        })?;
        Ok(Held { bytes, _room: room })
    }

    /// A file of a release, from where the game is played, or from the store.
    async fn file(&self, game: &GameId, name: &str, release: &ReleaseDigest, wanted: &ContentDigest) -> Result<Held, Failed> {
        if let Some(bytes) = self.games.get(game).and_then(|game| game.media.get(wanted).cloned()) {
            return Ok(Held { _room: self.room(bytes.len() as u64).await?, bytes });
        }
        let room = self.room(ARCHIVE_BYTES_MAX as u64).await?;
        let gone = || Failed::Refused(format!("{FOLDER}/{name}: the release that holds it is not kept any more"));
        let archive = self.releases.release_archive(game, release).await.map_err(of_store)?.ok_or_else(gone)?;
        let (game, path, wanted) = (game.clone(), format!("{FOLDER}/{name}"), *wanted);
        let found = tokio::task::spawn_blocking(move || {
            let bundle = unpack(game, &archive.into()).ok()?;
            // A copy, so that the rest of the archive is given back.
            bundle.file(&path).filter(|bytes| digest_of(bytes) == wanted).map(|bytes| Bytes::copy_from_slice(bytes))
        });
        let bytes = found.await.map_err(|problem| Failed::Later(problem.to_string()))?.ok_or_else(gone)?;
        Ok(Held { bytes, _room: room })
    }
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { name, .. } => write!(f, "{FOLDER}/{name}"),
            // The rest of an address may hold what is not for logs.
            Self::Link(url) => write!(f, "the file at {}", link::shown(url)),
        }
    }
}

fn of_store(problem: StoreError) -> Failed {
    Failed::Later(format!("the store does not answer: {problem}"))
}

pub(crate) fn digest_of(bytes: &[u8]) -> ContentDigest {
    let mut found = [0; 32];
    found.copy_from_slice(digest(&SHA256, bytes).as_ref());
    ContentDigest(found)
}

/// A name for the upload: players see the one in the message.
fn file_name(what: &What, mime: &str) -> String {
    let extension = mime.rsplit(['/', '+']).next().unwrap_or_default();
    match what {
        What::File { name, .. } => name.rsplit('/').next().unwrap_or_default().to_owned(),
        What::Link(_) if extension.len() <= 5 => format!("file.{extension}"),
        What::Link(_) => "file".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use questline_core::message::MediaKind;

    #[test]
    fn the_room_is_enough_for_the_largest_of_each_kind() {
        for kind in [MediaKind::Image, MediaKind::Video, MediaKind::Audio, MediaKind::Document, MediaKind::Sticker] {
            assert!(fetched_bytes_max(kind) <= (super::super::ROOM_MIB as u64) << 20, "{kind:?}");
        }
        assert!(ARCHIVE_BYTES_MAX as u64 <= (super::super::ROOM_MIB as u64) << 20);
    }

    #[test]
    fn an_uploads_name_tells_nothing_of_an_address() {
        let link = What::Link("https://cdn.example/players/15550101?token=secret".to_owned());
        assert_eq!(file_name(&link, "image/jpeg"), "file.jpeg");
        assert_eq!(link.to_string(), "the file at cdn.example");
    }
}
