//! Files at Meta: where one is, its bytes, and putting one there.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{AUTHORIZATION, HOST, HeaderValue, USER_AGENT};
use hyper::http::uri::Scheme;
use hyper::{Method, Request, Uri};
use questline_core::id::NumberId;
use serde::Deserialize;

use super::client::{GraphClient, GraphError, read};
use super::exchange::{Streamed, exchange_on, stream_on};
use super::options::is_loopback;
use super::pool::{Connection, NoConnection, Pieces};
use super::response;
use crate::lax::{self, Text};

/// Bytes of the largest file that WhatsApp carries.
pub const MEDIA_BYTES_MAX: usize = 100 * 1024 * 1024;
/// Bytes of a media id.
const ID_BYTES_MAX: usize = 256;
/// Bytes of a file's name and type in an upload.
const NAME_BYTES_MAX: usize = 240;
/// Where Meta keeps files: these hosts and those below them. The access token goes nowhere else.
const HOSTS: [&str; 3] = ["fbsbx.com", "fbcdn.net", "whatsapp.net"];

/// Where a file is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct MediaInfo {
    /// For [`GraphClient::download`]; good for 5 minutes.
    #[serde(deserialize_with = "lax::long")]
    pub url: Option<String>,
    /// As Meta tells it; not to be trusted.
    #[serde(deserialize_with = "lax::short")]
    pub mime_type: Option<String>,
    /// SHA-256 of the bytes, hexadecimal.
    #[serde(deserialize_with = "lax::short")]
    pub sha256: Option<String>,
    /// Bytes of the file.
    #[serde(rename = "file_size", deserialize_with = "lax::int")]
    pub bytes: Option<i64>,
}

impl GraphClient {
    /// Where a file is that a player sent (for 7 days) or we put there (for 30).
    pub async fn media_url(&self, number: &NumberId, media_id: &str) -> Result<MediaInfo, GraphError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':' | b'=');
        if !(1..=ID_BYTES_MAX).contains(&media_id.len()) || !media_id.bytes().all(fits) {
            return Err(GraphError::Invalid("a media id is 1 to 256 letters, digits, _, -, : and ="));
        }
        let access = self.known(number)?;
        let target = self.path(&format!("/{media_id}?phone_number_id={number}"))?;
        let answer = self.call(self.request(Method::GET, target, &access, None, Pieces::default())).await?;
        read(&answer)
    }

    /// The bytes of a file, at most `bytes_max` of them. Follows no redirect, and goes to Meta's hosts alone. On a
    /// refusal with HTTP status 404 the address has run out: ask for another.
    pub async fn download(&self, number: &NumberId, url: &str, bytes_max: usize) -> Result<Bytes, GraphError> {
        let (connection, request) = self.towards(number, url).await?;
        let answer = exchange_on(connection, request, bytes_max, self.timeout).await?;
        if answer.status.is_success() { Ok(answer.body) } else { Err(GraphError::Refused(response::refusal(answer.status, &answer.body))) }
    }

    /// The same file piece by piece, for whoever hands it on: no more than `bytes_max` bytes come, within `timeout`.
    pub(super) async fn stream(&self, number: &NumberId, url: &str, bytes_max: u64, timeout: Duration) -> Result<Streamed, GraphError> {
        let (connection, request) = self.towards(number, url).await?;
        let mut answer = stream_on(connection, request, bytes_max, timeout).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let words = answer.next().await.ok().flatten().unwrap_or_default();
        Err(GraphError::Refused(response::refusal(answer.status, &words)))
    }

    /// A connection to where a file lies, and the request for it, if the token may go there.
    async fn towards(&self, number: &NumberId, url: &str) -> Result<(Connection, Request<Pieces>), GraphError> {
        let access = self.known(number)?;
        let (origin, target, host) = self.source(url)?;
        let mut request = Request::new(Pieces::default());
        *request.uri_mut() = target;
        let headers = request.headers_mut();
        headers.insert(HOST, host);
        headers.insert(AUTHORIZATION, access.authorization.clone());
        // Meta's file hosts refuse requests that name no client.
        headers.insert(USER_AGENT, HeaderValue::from_static("questline"));
        let connection = self.pool.connect(origin).await.map_err(|NoConnection(reason)| GraphError::NotSent(reason))?;
        Ok((connection, request))
    }

    /// Origin, request target and host of a file, if the token may go there.
    fn source(&self, url: &str) -> Result<(Uri, Uri, HeaderValue), GraphError> {
        const NOT_METAS: GraphError = GraphError::Invalid("the file does not lie on a host of Meta's");
        let url: Uri = url.parse().map_err(|_| NOT_METAS)?;
        let (Some(scheme), Some(authority)) = (url.scheme(), url.authority()) else { return Err(NOT_METAS) };
        let host = authority.host();
        let metas = *scheme == Scheme::HTTPS
            && authority.port_u16().is_none_or(|port| port == 443)
            && HOSTS.iter().any(|known| host.strip_suffix(known).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')));
        let ours = is_loopback(host) && *scheme == self.origin.scheme && *authority == self.origin.authority;
        if !(metas || ours) || authority.as_str().contains('@') {
            return Err(NOT_METAS);
        }
        let target = url.path_and_query().map_or("/", |path| path.as_str()).parse().map_err(|_| NOT_METAS)?;
        let name = HeaderValue::from_str(authority.as_str()).map_err(|_| NOT_METAS)?;
        Ok((url, target, name))
    }

    /// Puts a file at Meta for 30 days; its id can be sent any number of times.
    pub async fn upload(&self, number: &NumberId, mime_type: &str, filename: &str, bytes: Bytes) -> Result<String, GraphError> {
        let printable = |text: &str| (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
        if !printable(mime_type) || !mime_type.is_ascii() || !mime_type.contains('/') {
            return Err(GraphError::Invalid("the type of a file is like image/png"));
        }
        if !printable(filename) {
            return Err(GraphError::Invalid("the name of a file has 1 to 240 bytes, all printable"));
        }
        if bytes.len() > MEDIA_BYTES_MAX {
            return Err(GraphError::TooLong { bytes_max: MEDIA_BYTES_MAX });
        }
        let access = self.known(number)?;
        let target = self.path(&format!("/{number}/media"))?;
        let boundary = boundary()?;
        let kind = HeaderValue::try_from(format!("multipart/form-data; boundary={boundary}"));
        let kind = kind.map_err(|_| GraphError::Invalid("the boundary cannot be written"))?;
        let body = Pieces::from([form_start(&boundary, mime_type, filename).into(), bytes, format!("\r\n--{boundary}--\r\n").into()]);
        let answer = self.call(self.request(Method::POST, target, &access, Some(kind), body)).await?;
        let uploaded: Uploaded<'_> = read(&answer)?;
        uploaded.id.take_whole(ID_BYTES_MAX).ok_or_else(|| GraphError::NoAnswer("it names no media id".to_owned()))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Uploaded<'a> {
    #[serde(borrow)]
    id: Text<'a>,
}

/// Random, so that no file holds it.
fn boundary() -> Result<String, GraphError> {
    let random: Result<[u8; 16], _> = ring::rand::generate(&ring::rand::SystemRandom::new()).map(|random| random.expose());
    Ok(hex::encode(random.map_err(|_| GraphError::Invalid("the system gives no random numbers"))?))
}

/// All that stands before the file's bytes (RFC 7578).
fn form_start(boundary: &str, mime_type: &str, filename: &str) -> String {
    let filename = filename.replace(['\\', '"'], "_");
    format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\nwhatsapp\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\n{mime_type}\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{filename}\"\r\n\
         Content-Type: {mime_type}\r\n\r\n"
    )
}
