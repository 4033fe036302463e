//! Files at Meta: uploads, what is kept of them, and what players sent.

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::id::{GameId, NumberId};
use crate::media::{ContentDigest, UPLOAD_KEPT_MS, UPLOAD_RENEWED_MS, UPLOAD_SPARE_MS};
use crate::message::MediaKind;
use crate::send::SendError;
use crate::time::UnixMs;

/// What was uploaded: a number's own, by what was in the file before it was made to fit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UploadKey {
    /// Whose.
    pub game: GameId,
    /// With this number: another one's uploads are not its own.
    pub number: NumberId,
    /// Sent as this.
    pub kind: MediaKind,
    /// What was in it.
    pub digest: ContentDigest,
}

/// A file at Meta.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Meta's name for it.
    pub id: String,
    /// When it was put there.
    pub at: UnixMs,
}

impl Upload {
    /// Whether it can be sent.
    pub fn is_good(&self, now: UnixMs) -> bool {
        now.since_ms(self.at) < UPLOAD_KEPT_MS - UPLOAD_SPARE_MS
    }

    /// Whether it is time to put it there again.
    pub fn is_old(&self, now: UnixMs) -> bool {
        now.since_ms(self.at) >= UPLOAD_KEPT_MS - UPLOAD_RENEWED_MS
    }

    /// When Meta forgets it.
    pub fn ends_at(&self) -> UnixMs {
        self.at.plus_ms(UPLOAD_KEPT_MS)
    }
}

/// The store's side of uploads.
#[async_trait]
pub trait Uploads: Send + Sync {
    /// What is known of an upload; none once Meta has forgotten it.
    async fn upload(&self, key: &UploadKey) -> Result<Option<Upload>, StoreError>;

    /// Keeps one until Meta forgets it, in place of what was there.
    async fn keep_upload(&self, key: &UploadKey, upload: Upload) -> Result<(), StoreError>;

    /// Forgets one, if it is still that of this id: what was uploaded meanwhile stays.
    async fn forget_upload(&self, key: &UploadKey, id: &str) -> Result<(), StoreError>;
}

/// Why a file is not put at Meta, or not fetched from there. The words hold no personal data.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MediaError {
    /// The request makes no sense, or what Meta answers does not.
    #[error("{0}")]
    Invalid(String),
    /// Meta has no such file, or not for this number.
    #[error("Meta has no such file")]
    NotFound,
    /// The request never left.
    #[error("Meta was not reached: {0}")]
    NotSent(String),
    /// No answer came.
    #[error("no answer: {0}")]
    Lost(String),
    /// Meta refused it.
    #[error(transparent)]
    Refused(SendError),
    /// It is longer than was asked for, or than Meta itself said.
    #[error("the file has more than {bytes_max} bytes")]
    TooLong {
        /// As many as are taken.
        bytes_max: u64,
    },
}

/// A file that a player sent, as Meta describes it. Nothing of it is to be trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileInfo {
    /// What it is said to be.
    pub mime_type: Option<String>,
    /// SHA-256, hexadecimal.
    pub sha256: Option<String>,
    /// How long it is said to be.
    pub bytes: Option<u64>,
}

/// A file, piece by piece.
#[async_trait]
pub trait FileBody: Send {
    /// The next piece; none at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, MediaError>;
}

/// Meta's side of files.
#[async_trait]
pub trait MediaGraph: Send + Sync {
    /// Puts a file at Meta; gives its id.
    async fn put_file(&self, number: &NumberId, mime_type: &str, filename: &str, bytes: Bytes) -> Result<String, MediaError>;

    /// Opens a file that a player sent to this number. No more than `bytes_max` come, whatever Meta says; a file that is
    /// said to be longer is not begun.
    async fn open_file(&self, number: &NumberId, id: &str, bytes_max: u64) -> Result<(FileInfo, Box<dyn FileBody>), MediaError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::DAY_MS;

    #[test]
    fn an_upload_is_renewed_before_it_is_not_relied_on_before_it_ends() {
        let upload = Upload { id: "1".into(), at: UnixMs(7) };
        let state = |days: u64| (upload.is_good(upload.at.plus_ms(days * DAY_MS)), upload.is_old(upload.at.plus_ms(days * DAY_MS)));
        assert_eq!(state(0), (true, false));
        assert_eq!(state(24), (true, false));
        assert_eq!(state(25), (true, true));
        assert_eq!(state(28), (true, true));
        assert_eq!(state(29), (false, true));
        assert_eq!(upload.ends_at().since_ms(upload.at), 30 * DAY_MS);
    }
}
