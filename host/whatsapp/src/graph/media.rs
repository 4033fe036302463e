//! Files at Meta: uploads live 30 days, addresses of inbound files 5 minutes.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Uri};
use questline_core::id::NumberId;
use serde::Deserialize;

use super::client::{GraphClient, GraphError};
use super::http::Exchange;
use super::response;

/// Hosts that serve media; the token goes nowhere else.
const HOSTS: [&str; 3] = ["fbsbx.com", "fbcdn.net", "whatsapp.net"];

/// Where an inbound file lies.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MediaUrl {
    /// Good for 5 minutes, with the token.
    pub url: String,
    /// As Meta tells it; not to be trusted.
    #[serde(default)]
    pub mime_type: String,
    /// Digest of the bytes.
    #[serde(default)]
    pub sha256: Option<String>,
}

/// A file to upload.
#[derive(Debug, Clone)]
pub struct Upload {
    /// For instance `image/png`.
    pub mime_type: String,
    /// Shown for documents.
    pub filename: String,
    /// The file.
    pub bytes: Bytes,
}

#[derive(Deserialize)]
struct Uploaded {
    id: String,
}

impl GraphClient {
    /// Asks where an inbound file lies.
    pub async fn media_url(&self, number: &NumberId, media_id: &str) -> Result<MediaUrl, GraphError> {
        let known = !media_id.is_empty() && media_id.len() <= 128 && media_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !known {
            return Err(GraphError::Options("this is no media id".to_owned()));
        }
        let uri = format!("{}/{media_id}?phone_number_id={number}", self.base);
        let uri = uri.parse().map_err(|_| GraphError::Options("this is no media id".to_owned()))?;
        let exchange = Exchange { method: Method::GET, uri, authorization: self.authorization(number)?, body: None };
        let (status, answer) = self.http.exchange(exchange, self.timeout, response::ANSWER_BYTES_MAX).await?;
        if !(200..300).contains(&status) {
            return Err(response::error(status, &answer));
        }
        serde_json::from_slice(&answer).map_err(|problem| GraphError::Unreadable(problem.to_string()))
    }

    /// Fetches a file of at most so many bytes, from Meta's hosts only.
    pub async fn download(&self, number: &NumberId, url: &str, bytes_max: usize) -> Result<Bytes, GraphError> {
        let uri: Uri = url.parse().map_err(|_| GraphError::ForeignHost("what Meta gave".to_owned()))?;
        self.check_host(&uri)?;
        let exchange = Exchange { method: Method::GET, uri, authorization: self.authorization(number)?, body: None };
        let (status, bytes) = self.http.exchange(exchange, self.timeout, bytes_max).await?;
        if (200..300).contains(&status) { Ok(bytes) } else { Err(response::error(status, &bytes)) }
    }

    fn check_host(&self, uri: &Uri) -> Result<(), GraphError> {
        let host = uri.host().unwrap_or_default();
        let of_meta = HOSTS.iter().any(|known| host == *known || host.strip_suffix(known).is_some_and(|front| front.ends_with('.')));
        let base: Option<Uri> = self.base.parse().ok();
        let own = base.is_some_and(|base| base.scheme_str() == Some("http") && base.authority() == uri.authority());
        if (of_meta && uri.scheme_str() == Some("https")) || own { Ok(()) } else { Err(GraphError::ForeignHost(host.to_owned())) }
    }

    /// Uploads a file; gives its id, good for 30 days.
    pub async fn upload(&self, number: &NumberId, file: Upload) -> Result<String, GraphError> {
        let clean = |text: &str| text.chars().filter(|c| !c.is_control() && *c != '"').collect::<String>();
        // The boundary must not stand in the file: the digest of the file cannot.
        let boundary = hex::encode(ring::digest::digest(&ring::digest::SHA256, &file.bytes));
        let mut body = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\nwhatsapp\r\n--{boundary}\r\n\
             Content-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\nContent-Type: {}\r\n\r\n",
            clean(&file.filename),
            clean(&file.mime_type)
        )
        .into_bytes();
        body.extend_from_slice(&file.bytes);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        let uri: Uri = format!("{}/{number}/media", self.base).parse().map_err(|_| GraphError::UnknownNumber(number.clone()))?;
        let content_type = HeaderValue::from_str(&format!("multipart/form-data; boundary={boundary}")).map_err(|problem| GraphError::Options(problem.to_string()))?;
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        request.headers_mut().insert(AUTHORIZATION, self.authorization(number)?);
        request.headers_mut().insert(CONTENT_TYPE, content_type);
        let (status, answer) = self.http.run(request, self.timeout, response::ANSWER_BYTES_MAX).await?;
        match serde_json::from_slice::<Uploaded>(&answer) {
            Ok(uploaded) if (200..300).contains(&status) => Ok(uploaded.id),
            _ => Err(response::error(status, &answer)),
        }
    }
}
