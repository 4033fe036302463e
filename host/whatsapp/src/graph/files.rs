//! Files at Meta as the host asks for them: what a player sent is handed on piece by piece, and never held whole.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use questline_core::id::NumberId;
use questline_core::port::{FileBody, FileInfo, MediaError, MediaGraph};

use super::client::{GraphClient, GraphError};
use super::exchange::Streamed;

/// For all of a file, which may have 100 MB.
const FILE_TIMEOUT: Duration = Duration::from_secs(300);
/// What Meta answers for an object that is not there, or not this token's.
const NO_OBJECT: [u32; 3] = [33, 100, 404];

impl From<GraphError> for MediaError {
    fn from(error: GraphError) -> Self {
        match error {
            GraphError::UnknownNumber(_) | GraphError::Invalid(_) => Self::Invalid(error.to_string()),
            GraphError::NotSent(reason) => Self::NotSent(reason),
            GraphError::NoAnswer(reason) => Self::Lost(reason),
            GraphError::Refused(refusal) => Self::Refused(refusal),
            GraphError::TooLong { bytes_max } => Self::TooLong { bytes_max: bytes_max as u64 },
        }
    }
}

/// What is refused on the way to a file: mostly that there is none.
fn not_found(error: GraphError) -> MediaError {
    match error {
        GraphError::Refused(refusal) if NO_OBJECT.contains(&refusal.code) || refusal.http_status == 404 => MediaError::NotFound,
        other => other.into(),
    }
}

#[async_trait]
impl MediaGraph for GraphClient {
    async fn put_file(&self, number: &NumberId, mime_type: &str, filename: &str, bytes: Bytes) -> Result<String, MediaError> {
        Ok(self.upload(number, mime_type, filename, bytes).await?)
    }

    async fn open_file(&self, number: &NumberId, id: &str, bytes_max: u64) -> Result<(FileInfo, Box<dyn FileBody>), MediaError> {
        let found = self.media_url(number, id).await.map_err(not_found)?;
        let said = found.bytes.and_then(|bytes| u64::try_from(bytes).ok());
        if said.is_some_and(|said| said > bytes_max) {
            return Err(MediaError::TooLong { bytes_max });
        }
        let url = found.url.ok_or_else(|| MediaError::Lost("it names no address".to_owned()))?;
        // Longer than Meta says it is: then it is not that file.
        let bytes_max = said.map_or(bytes_max, |said| said.min(bytes_max));
        let body = self.stream(number, &url, bytes_max, FILE_TIMEOUT).await.map_err(not_found)?;
        let info = FileInfo { mime_type: found.mime_type, sha256: found.sha256, bytes: said };
        Ok((info, Box::new(Body(body))))
    }
}

struct Body(Streamed);

#[async_trait]
impl FileBody for Body {
    async fn next(&mut self) -> Result<Option<Bytes>, MediaError> {
        self.0.next().await.map_err(|none| GraphError::from(none).into())
    }
}
