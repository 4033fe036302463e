//! Media: upload, look-up, download and deletion, with Meta's types, sizes and lifetimes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use ring::{digest, hmac};
use serde_json::json;
use tokio::sync::watch;

use super::Call;
use super::error::{MetaError, make};
use crate::clock::UnixMs;
use crate::http::{Reply, Request};
use crate::sync::lock;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Uploads are kept for 30 days.
const UPLOAD_LIFE_MS: u64 = 30 * DAY_MS;
/// What players sent can be fetched for 7 days.
const INBOUND_LIFE_MS: u64 = 7 * DAY_MS;
/// A download address lives for 5 minutes.
const URL_LIFE_MS: u64 = 5 * 60 * 1000;
const MB: usize = 1024 * 1024;

/// The path of downloads, as on Meta's own host.
pub(crate) const DOWNLOAD_PATH: &str = "/whatsapp_business/attachments/";

/// The message type that a file can be sent as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaKind {
    Audio,
    Image,
    Video,
    Sticker,
    Document,
}

impl MediaKind {
    pub(crate) fn of_mime(mime_type: &str) -> Option<Self> {
        let bare = mime_type.split(';').next().unwrap_or_default().trim();
        Some(match bare {
            "audio/aac" | "audio/amr" | "audio/mpeg" | "audio/mp4" | "audio/ogg" => Self::Audio,
            "image/jpeg" | "image/png" => Self::Image,
            "video/mp4" | "video/3gpp" | "video/3gp" => Self::Video,
            "image/webp" => Self::Sticker,
            "text/plain"
            | "application/pdf"
            | "application/msword"
            | "application/vnd.ms-excel"
            | "application/vnd.ms-powerpoint"
            | "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
            | "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
            | "application/vnd.openxmlformats-officedocument.presentationml.presentation" => Self::Document,
            _ => return None,
        })
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Image => "image",
            Self::Video => "video",
            Self::Sticker => "sticker",
            Self::Document => "document",
        }
    }

    fn bytes_max(self) -> usize {
        match self {
            Self::Audio | Self::Video => 16 * MB,
            Self::Image => 5 * MB,
            Self::Sticker => 500 * 1024,
            Self::Document => 100 * MB,
        }
    }
}

#[derive(Clone)]
struct Stored {
    mime_type: String,
    bytes: Bytes,
    until_ms: UnixMs,
    /// Of which number it is.
    number: Arc<str>,
    is_upload: bool,
}

/// A file that the host has put there. `Debug` shows no bytes.
#[derive(Clone)]
#[non_exhaustive]
pub struct UploadedFile {
    /// Its id.
    pub id: String,
    /// With which number.
    pub phone_number_id: Arc<str>,
    /// As the host said.
    pub mime_type: String,
    /// What is in it.
    pub bytes: Bytes,
}

impl std::fmt::Debug for UploadedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.bytes.len();
        f.debug_struct("UploadedFile")
            .field("id", &self.id)
            .field("mime_type", &self.mime_type)
            .field("bytes", &bytes)
            .finish_non_exhaustive()
    }
}

/// What goes wrong with files; the default is nothing.
#[derive(Clone, Debug, Default)]
pub struct MediaFaults {
    /// Uploads are not answered before this is false again.
    pub hold_uploads: bool,
    /// A look-up names this address in place of the file's.
    pub url: Option<String>,
    /// A look-up says that a file has so many bytes.
    pub file_size: Option<u64>,
    /// A look-up says that the file's digest is this.
    pub sha256: Option<String>,
}

/// All files, within a bound of bytes.
pub(crate) struct MediaStore {
    files: Mutex<Files>,
    bytes_max: usize,
    url_key: hmac::Key,
    faults: watch::Sender<MediaFaults>,
}

#[derive(Default)]
struct Files {
    by_id: HashMap<String, Stored>,
    oldest_first: VecDeque<String>,
    bytes: usize,
}

impl MediaStore {
    pub(crate) fn new(bytes_max: usize, app_secret: &str) -> Self {
        let url_key = hmac::Key::new(hmac::HMAC_SHA256, app_secret.as_bytes());
        Self { files: Mutex::default(), bytes_max, url_key, faults: watch::channel(MediaFaults::default()).0 }
    }

    /// Keeps what a player sent.
    pub(crate) fn put_inbound(&self, id: &str, number: &Arc<str>, mime_type: &str, bytes: Bytes, now_ms: UnixMs) {
        let until_ms = now_ms + INBOUND_LIFE_MS;
        self.put(id, Stored { mime_type: mime_type.to_owned(), bytes, until_ms, number: number.clone(), is_upload: false });
    }

    /// What the host has put there and Meta still has, the oldest first.
    pub(crate) fn uploads(&self) -> Vec<UploadedFile> {
        let files = lock(&self.files);
        let uploads = files.oldest_first.iter().filter_map(|id| Some((id, files.by_id.get(id).filter(|stored| stored.is_upload)?)));
        let upload = |(id, stored): (&String, &Stored)| UploadedFile {
            id: id.clone(),
            phone_number_id: stored.number.clone(),
            mime_type: stored.mime_type.clone(),
            bytes: stored.bytes.clone(),
        };
        uploads.map(upload).collect()
    }

    pub(crate) fn set_faults(&self, faults: MediaFaults) {
        self.faults.send_replace(faults);
    }

    fn put(&self, id: &str, stored: Stored) {
        let mut files = lock(&self.files);
        files.bytes += stored.bytes.len();
        files.oldest_first.push_back(id.to_owned());
        files.by_id.insert(id.to_owned(), stored);
        while files.bytes > self.bytes_max
            && let Some(oldest) = files.oldest_first.pop_front()
        {
            if let Some(gone) = files.by_id.remove(&oldest) {
                files.bytes -= gone.bytes.len();
            }
        }
    }

    fn get(&self, id: &str, now_ms: UnixMs) -> Option<Stored> {
        lock(&self.files).by_id.get(id).filter(|stored| now_ms < stored.until_ms).cloned()
    }

    pub(crate) fn remove(&self, id: &str) -> bool {
        let mut files = lock(&self.files);
        match files.by_id.remove(id) {
            Some(gone) => {
                files.bytes -= gone.bytes.len();
                files.oldest_first.retain(|known| known != id);
                true
            }
            None => false,
        }
    }

    pub(crate) fn mime_type(&self, id: &str) -> Option<String> {
        lock(&self.files).by_id.get(id).map(|stored| stored.mime_type.clone())
    }

    /// An address that shows the file to whoever has the token, for five minutes.
    pub(crate) fn download_url(&self, base_url: &str, id: &str, now_ms: UnixMs) -> String {
        let until_ms = now_ms + URL_LIFE_MS;
        let hash = self.url_hash(id, until_ms);
        format!("{base_url}{DOWNLOAD_PATH}?mid={id}&ext={until_ms}&hash={hash}")
    }

    fn url_hash(&self, id: &str, until_ms: UnixMs) -> String {
        let tag = hmac::sign(&self.url_key, format!("{id}:{until_ms}").as_bytes());
        hex::encode(&tag.as_ref()[..16])
    }

    /// The file behind an address that is still alive.
    pub(crate) fn download(&self, request: &Request, now_ms: UnixMs) -> Option<(String, Bytes)> {
        let id = request.query("mid")?;
        let until_ms: UnixMs = request.query("ext")?.parse().ok()?;
        let is_ours = request.query("hash")? == self.url_hash(&id, until_ms);
        (is_ours && now_ms < until_ms).then(|| self.get(&id, now_ms))?.map(|stored| (stored.mime_type, stored.bytes))
    }
}

/// `POST /{phone-number-id}/media`: a form with `messaging_product` and `file`.
pub(crate) async fn upload(call: &Call<'_>, number: &Arc<str>) -> Result<Reply, MetaError> {
    let _ = call.state.media.faults.subscribe().wait_for(|faults| !faults.hold_uploads).await;
    let content_type = call.request.header("content-type").unwrap_or_default();
    let boundary = multer::parse_boundary(content_type).map_err(|_| make::invalid("The request must be multipart/form-data."))?;
    let body = call.request.body.clone();
    let whole = futures_util::stream::once(async move { Ok::<_, std::io::Error>(body) });
    let mut form = multer::Multipart::new(whole, boundary);
    let broken = |error: multer::Error| make::invalid(format!("Malformed form: {error}"));
    // Meta takes the product from the query as well.
    let mut product = call.request.query("messaging_product");
    let (mut declared, mut file) = (None, None);
    while let Some(field) = form.next_field().await.map_err(broken)? {
        match field.name() {
            Some("messaging_product") => product = Some(field.text().await.map_err(broken)?),
            Some("type") => declared = Some(field.text().await.map_err(broken)?),
            Some("file") => {
                let part_type = field.content_type().map(ToString::to_string);
                file = Some((part_type, field.bytes().await.map_err(broken)?));
            }
            _ => {}
        }
    }
    if product.as_deref() != Some("whatsapp") {
        return Err(make::invalid("The parameter messaging_product is required."));
    }
    let (part_type, bytes) = file.ok_or_else(|| make::invalid("The parameter file is required."))?;
    let mime_type = part_type.filter(|mime_type| MediaKind::of_mime(mime_type).is_some()).or(declared).unwrap_or_default();
    let Some(kind) = MediaKind::of_mime(&mime_type) else {
        return Err(make::invalid(format!(
            "Param file must be a file with one of the supported types. Received file of type '{mime_type}'."
        )));
    };
    if bytes.is_empty() || bytes.len() > kind.bytes_max() {
        return Err(MetaError::new(131_053, format!("Files of type {mime_type} have 1 to {} bytes.", kind.bytes_max())));
    }
    let id = call.state.ids.numeric();
    let until_ms = call.now_ms + UPLOAD_LIFE_MS;
    call.state.media.put(&id, Stored { mime_type, bytes, until_ms, number: number.clone(), is_upload: true });
    Ok(Reply::json(200, &json!({ "id": id })))
}

/// `GET /{media-id}`; `None` if there is no such file.
pub(crate) fn look_up(call: &Call<'_>, id: &str) -> Option<Result<Reply, MetaError>> {
    let Stored { mime_type, bytes, number, .. } = call.state.media.get(id, call.now_ms)?;
    if let Err(error) = check_owner(call, id, &number) {
        return Some(Err(error));
    }
    let faults = call.state.media.faults.borrow().clone();
    let answer = json!({
        "url": faults.url.unwrap_or_else(|| call.state.media.download_url(&call.state.base_url, id, call.now_ms)),
        "mime_type": mime_type,
        "sha256": faults.sha256.unwrap_or_else(|| sha256_hex(&bytes)),
        "file_size": faults.file_size.unwrap_or(bytes.len() as u64),
        "id": id,
        "messaging_product": "whatsapp",
    });
    Some(Ok(Reply::json(200, &answer)))
}

/// `DELETE /{media-id}`; `None` if there is no such file.
pub(crate) fn delete(call: &Call<'_>, id: &str) -> Option<Result<Reply, MetaError>> {
    let Stored { number, .. } = call.state.media.get(id, call.now_ms)?;
    Some(check_owner(call, id, &number).map(|()| {
        call.state.media.remove(id);
        Reply::success()
    }))
}

/// `?phone_number_id=` narrows a call to files of one of our numbers.
fn check_owner(call: &Call<'_>, id: &str, owner: &str) -> Result<(), MetaError> {
    match call.request.query("phone_number_id") {
        Some(number) if number != owner => Err(make::object_missing(id)),
        _ => Ok(()),
    }
}

pub(crate) fn sha256_base64(bytes: &[u8]) -> String {
    BASE64.encode(digest::digest(&digest::SHA256, bytes))
}

fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}
